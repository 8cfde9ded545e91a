"""V5704: a classification head that is quantized with the rest of the model."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import adapters, models, origins
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_CONFIG = "BitsAndBytesConfig"
_SKIP = "llm_int8_skip_modules"
_FLAGS = ("load_in_4bit", "load_in_8bit")

#: Heads that are linear layers with a bias, in every class that has them last.
_HEADS = frozenset({"classifier", "qa_outputs", "classification_head"})

#: The one class with such a head and no bias.
_NO_BIAS = frozenset({"CTRLForSequenceClassification"})

_CLASS = pattern(r"For((Image|Sequence|Token|Audio|Video)Classification|QuestionAnswering|MultipleChoice)\Z")


class QuantizedHead(Rule):
    """A classification head that is quantized with the rest of the model.

    ## What it does

    Finds a `BitsAndBytesConfig` without `llm_int8_skip_modules` that loads a model with a classification head:
    `ViTForImageClassification`, `BertForSequenceClassification`, ... Models whose head has no bias (`score` of the
    Llama family, `lm_head`) are left alone.

    ## Why it breaks

    Until 4.57 the last module of a model was never quantized. Since 5.0 it is the last *parameter* whose module is
    kept, and where that is a bias its module is not recognised: the head, which is new and random in a fine-tune,
    becomes a `Linear4bit` or `Linear8bitLt`. Measured on 5.23.0 with bitsandbytes 0.50.2: PEFT, told to train it with
    `modules_to_save=["classifier"]`, stops with

        RuntimeError: only Tensors of floating point dtype can require gradients

    and without PEFT nothing is said, and the head's precision is lost.

    ## Example

        bnb = BitsAndBytesConfig(load_in_4bit=True)
        model = AutoModelForImageClassification.from_pretrained("google/vit-base-patch16-224", quantization_config=bnb)

    becomes

        bnb = BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=["classifier"])
        model = AutoModelForImageClassification.from_pretrained("google/vit-base-patch16-224", quantization_config=bnb)

    ## Fix safety

    Safe where the configuration goes with one model of a known class: it is what 4.57 did. Else unsafe.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/quantizers/base.py
    - https://huggingface.co/docs/transformers/quantization/bitsandbytes
    """

    code = "V5704"
    name = "quantized-head"
    since = "5.0"
    tokens = (_CONFIG,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        found: dict[ast.Call, list[tuple[CallSite, CallSite, Model]]] = {}
        for call in module.calls({"from_pretrained"}):
            given = call.argument("quantization_config")
            entry = call.entry("quantization_config") if given is None else None
            given = entry.value if entry is not None else given
            if given is None or module.guards.is_dead(call.node):
                continue
            for config in _configurations(module, given):
                for model in models.models(module, call.node).found:
                    found.setdefault(config.node, []).append((call, config, model))
        for loads in found.values():
            yield from _check(module, loads)


def _configurations(view: ModuleView, given: ast.expr) -> Iterator[CallSite]:
    for origin in origins.origins(view, given).found:
        call = origin.call
        if call.view is view and any(isinstance(each, External) and each.name == _CONFIG for each in call.callees):
            yield call


def _check(view: ModuleView, loads: list[tuple[CallSite, CallSite, Model]]) -> Iterator[Finding]:
    _, config, model = loads[0]
    if not _is_on(config) or config.is_open or config.values_of(_SKIP):
        return
    heads = {_head(model) for _, _, model in loads}
    if "" in heads:
        return
    head = min(heads)
    trained = _is_saved(view, head)
    effect = "PEFT cannot train it (RuntimeError)" if trained else "it loses its precision, and cannot be trained"
    fix = None
    if len(heads) == 1:

        def edits() -> list[Edit]:
            from v5lint.edits.arguments import edit_arguments

            return [edit_arguments(view, config.node, append=[f'{_SKIP}=["{head}"]'])]

        sure = all(each.is_sure for _, _, each in loads) and len(loads) == 1
        fix = Fix(f"Keep `{head}` out of the quantization", edits, applicability="safe" if sure else "unsafe")
    message = f'the head `{head}` of `{model.name}` is quantized, too, and {effect}: add `{_SKIP}=["{head}"]`'
    yield view.finding(config.node, message, fix=fix)


def _is_on(config: CallSite) -> bool:
    """Whether a configuration may quantize at all."""
    return any(
        not (isinstance(value, Constant) and not value.value) for flag in _FLAGS for value in config.values_of(flag)
    )


def _head(model: Model) -> str:
    """The head of a model that is quantized; "" where there is none, or it is not known."""
    heads = {path.partition(".")[0] for path in lookup.head_names(model.name) or ()}
    if model.is_own or model.name in _NO_BIAS or not _CLASS.search(model.name):
        return ""
    return next(iter(heads)) if len(heads) == 1 and heads <= _HEADS else ""


def _is_saved(view: ModuleView, head: str) -> bool:
    """Whether a configuration of PEFT in the module wants to train the head."""
    return any(
        adapters.is_config(call) and f"'{head}'" in repr(call.values_of("modules_to_save"))
        for call, _ in view.keywords({"modules_to_save"})
    )

"""V5110: arguments that choose TensorFlow or Flax."""

from __future__ import annotations

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, removed_api
from v5lint.view.values import Constant, External, Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterator

    from v5lint.rule import Finding, Level, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_FRAMEWORKS = {"tf": "TensorFlow", "jax": "JAX", "flax": "Flax"}
_CHECKPOINTS = {"from_tf": "TensorFlow", "from_flax": "Flax"}

#: What takes `return_tensors`; of image processors and feature extractors V5403 speaks.
_KINDS = frozenset({"tokenizer", "auto_tokenizer", "processor", "auto_processor"})
_COLLATOR = "DataCollator"


class RemovedBackendArgument(Rule):
    """An argument that chooses TensorFlow or Flax, which transformers v5 no longer supports.

    ## What it does

    Finds `pipeline(framework=...)`, `from_pretrained(from_tf=True)` and `from_pretrained(from_flax=True)`, and
    `return_tensors="tf"` or `"jax"` given to a tokenizer, a processor or a data collator. In a file that uses classes
    of TensorFlow or Flax they are not reported beside V5105: that file is to be ported as a whole.

    ## Why it breaks

    Measured on 5.23.0:

        TypeError: TokenClassificationPipeline._sanitize_parameters() got an unexpected keyword argument 'framework'
        ValueError: tf is not a valid TensorType, please select one of ['pt', 'np', 'mlx']

    (`pipeline("text-classification")` raises nothing: it hands every argument on to the tokenizer.) `from_tf` and
    `from_flax` are taken and ignored: where the folder holds PyTorch weights they are loaded, and where it holds only
    `tf_model.h5` nothing is found.

    ## Example

        classifier = pipeline("text-classification", model=model, tokenizer=tokenizer, framework="pt")

    becomes

        classifier = pipeline("text-classification", model=model, tokenizer=tokenizer)

    ## Fix safety

    Safe for `framework="pt"`, which was the default where PyTorch is installed, and for `from_tf=False` and
    `from_flax=False`, which go. What asks for TensorFlow or Flax is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5110"
    name = "removed-backend-argument"
    since = "5.0"
    tokens = ("from_tf", "from_flax", "framework", "return_tensors")

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for call, keyword in module.keywords({*_CHECKPOINTS, "framework", "return_tensors"}):
            found = _judged(module, call, keyword)
            if found and not module.guards.is_dead(call.node) and not removed_api.is_of_backend(module):
                message, is_idle = found
                fix = Fix(f"Remove `{keyword.arg}=`", _removal(module, call, keyword)) if is_idle else None
                level: Level = "deprecated" if is_idle and keyword.arg in _CHECKPOINTS else "breaks"
                yield module.finding(keyword, message, fix=fix, level=level)


def _judged(view: ModuleView, call: CallSite, keyword: ast.keyword) -> tuple[str, bool] | None:
    """The message, and whether the argument says what holds anyway; None where there is nothing to say."""
    name = str(keyword.arg)
    given = {value.value for value in view.values(keyword.value) if isinstance(value, Constant)}
    if name in _CHECKPOINTS and library.loaders(call):
        what = f"`{name}=` is ignored since transformers 5.0"
        if given == {False}:
            return f"{what}: remove it", True
        if True in given:
            return f"{what}: {_CHECKPOINTS[name]} checkpoints can no longer be read; convert them with 4.57", False
    if name == "framework" and call.name == "pipeline" and _is_of_transformers(call):
        return "`pipeline` takes no `framework=` since transformers 5.0: PyTorch is the only one", given == {"pt"}
    if name == "return_tensors" and _takes_tensors(view, call):
        for value in sorted(given & {"tf", "jax"}, key=str):
            if lookup.removed_choice(name, str(value), view.settings.target) is not None:
                return f'`return_tensors="{value}"` is refused since transformers 5.0: ask for "pt" or "np"', False
    return None


def _is_of_transformers(call: CallSite) -> bool:
    return any(isinstance(each, External) and each.package == removed_api.PACKAGE for each in call.callees)


def _takes_tensors(view: ModuleView, call: CallSite) -> bool:
    """Whether a call is one of a tokenizer or processor of transformers, or makes one of its data collators."""
    for callee in call.callees:
        if isinstance(callee, External) and callee.package == removed_api.PACKAGE:
            return callee.name.startswith(_COLLATOR)
    names = []
    for value in view.values(call.func):
        of = value.of if isinstance(value, Instance) else getattr(value, "owner", None)
        if of is not None:
            names += library.library_classes(view, of)
    return any(lookup.kind_of(name) in _KINDS for name in names)


def _removal(view: ModuleView, call: CallSite, keyword: ast.keyword) -> Callable[[], list[Edit]]:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, remove=[keyword])]

    return build

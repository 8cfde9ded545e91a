"""V5702: `modules_to_save` that names no module of the model."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import adapters
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.adapters import Adaptation
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

#: What heads are called; of other names the knowledge of linear layers cannot say that they are not there.
_HEADS = frozenset("classifier score lm_head qa_outputs cls_classifier distillation_classifier head fc".split())

#: Classes whose heads are linear layers, all of them known.
_PLAIN = pattern(
    r"For((Image|Sequence|Token|Audio|Video)Classification(WithTeacher)?|CausalLM|MaskedLM|QuestionAnswering)\Z"
)

#: Classifiers on one tower of a model with two, which is why the knowledge finds no head beside their base model.
_SIGLIP = frozenset({"SiglipForImageClassification", "Siglip2ForImageClassification"})


class LoraSavedModuleMissing(Rule):
    """`modules_to_save` that names no module of the model.

    ## What it does

    Finds a PEFT configuration whose `modules_to_save` names a head that the model's class does not have: `score` for a
    ViT, whose head is `classifier`; any head for a bare `ViTModel`; `head` for a SigLIP classifier, where the name
    means the attention pooling, which a classifier does not use.

    ## Why it breaks

    PEFT says nothing (measured with peft 0.21.2): no module is saved, and the new head stays frozen at the values that
    it was initialised with. Only the share of trainable parameters is a little low: 0.68 % in place of 0.77 % for
    a ViT-B with 101 labels. With `head` on SigLIP it is 7.6 %.

    ## Example

        model = get_peft_model(vit, LoraConfig(target_modules=["q_proj", "v_proj"], modules_to_save=["score"]))

    becomes

        model = get_peft_model(vit, LoraConfig(target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]))

    ## Fix safety

    Unsafe: the head is trained from then on, and saved with the adapter.

    ## References

    - https://huggingface.co/docs/peft/developer_guides/troubleshooting#randomly-initialized-layers
    """

    code = "V5702"
    name = "lora-saved-module-missing"
    since = "4.20"
    tokens = ("modules_to_save", *adapters.TOKENS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in adapters.adaptations(module):
            if not module.guards.is_dead(each.meeting.node):
                yield from _check(module, each)


def _check(view: ModuleView, adaptation: Adaptation) -> Iterator[Finding]:
    models = adaptation.models.found
    if not models or not adaptation.models.is_complete or any(not each.model_type or each.is_own for each in models):
        return
    for name, node in _names(adaptation):
        verdicts = [_verdict(each, name) for each in models]
        if not all(verdicts):
            continue
        heads = set.union(*(_heads(each) for each in models))
        here = adaptation.config.view is view
        fix = None
        if here and node is not None and len(heads) == 1 and all(each.is_sure for each in models):
            (head,) = heads
            quote = view.source(node)[-1]
            fix = Fix(f"Write `{head}`", [view.replace(node, f"{quote}{head}{quote}")], applicability="unsafe")
        yield view.finding(node if here and node is not None else adaptation.meeting.node, verdicts[0], fix=fix)


def _names(adaptation: Adaptation) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a configuration saves, each with the string in which it is written."""
    for value in adapters.setting(adaptation.config, "modules_to_save").values:
        if isinstance(value, Elements):
            for item in value.items:
                for each in item:
                    if isinstance(each, Constant) and isinstance(each.value, str) and len(item) == 1:
                        node = each.node if each.node in adaptation.config.view.tree.parents else None
                        yield each.value, node  # type: ignore[misc]


def _heads(model: Model) -> set[str]:
    """The first parts of the names of a model's heads."""
    found = {path.partition(".")[0] for path in lookup.head_names(model.name) or ()}
    return {"classifier"} if not found and model.name in _SIGLIP else found


def _old_heads(model: Model) -> set[str]:
    """The heads that a model had under 4.x, by the first parts of their names."""
    return {path.partition(".")[0] for path in lookup.head_names(model.name, "4.57") or ()}


def _verdict(model: Model, name: str) -> str:
    """What is wrong with a name for a model; "" where nothing is, or cannot be known."""
    if name not in _HEADS and name not in _old_heads(model):
        return ""
    facts = lookup.model_type(model.model_type)
    is_bare = facts is not None and facts.models.get("AutoModel") == model.name and not _heads(model)
    paths = lookup.linear_names(model.model_type)
    if not (is_bare or (_heads(model) and _PLAIN.search(model.name))) or not paths:
        return ""
    parts = {
        part for path in (*paths, *(lookup.head_names(model.name) or ()), *_heads(model)) for part in path.split(".")
    }
    if name not in parts:
        said = f"`{name}` names no module of `{model.name}`, and PEFT says nothing: "
        if is_bare:
            return said + "a bare model has no head to train"
        return said + f"the head stays frozen as it was initialised; it is called {_listed(_heads(model))}"
    if name == "head" and model.name in _SIGLIP:
        return f"`head` names the attention pooling of `{model.name}`, which it does not use: its head is `classifier`"
    return ""


def _listed(names: set[str]) -> str:
    return " or ".join(f"`{name}`" for name in sorted(names))

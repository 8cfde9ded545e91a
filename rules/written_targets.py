"""V5991: LoRA targets written by hand where the runtime finds them."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import adapters
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.adapters import Adaptation
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_RUNTIME = "v5lint.runtime"
_FUNCTION = "lora_config_for"

#: The families whose layers the runtime finds by role.
FAMILIES = frozenset(
    {
        "vit",
        "siglip",
        "siglip2",
        "dinov2",
        "dinov2_with_registers",
        "dinov3_vit",
        "dinov3_convnext",
        "siglip_vision_model",
        "siglip2_vision_model",
    }
)

#: Query and value projections under every name that they had: what `lora_config_for` chooses by itself.
_QUERIES = frozenset({"query", "q_proj"})
_VALUES = frozenset({"value", "v_proj"})

#: What `LoraConfig` takes where nothing is given; `lora_config_for` has other defaults.
_DEFAULTS = {"r": "8", "lora_alpha": "8", "lora_dropout": "0.0"}


class WrittenTargets(Rule):
    """LoRA targets are written by hand for a vision backbone whose layers were renamed inside v5.

    ## What it does

    Finds a `LoraConfig` with `target_modules` that goes with a ViT, SigLIP, SigLIP 2, DINOv2 or DINOv3. Off unless
    selected: whether a script shall depend on the runtime is for its owner to say.

    ## Why it breaks

    The projections of a ViT are called `query` and `value` up to 5.8 and `q_proj` and `v_proj` from 5.9 on, those of
    DINOv2 from 5.18 on. No list is right for all of v5, and one that matches in part raises nothing.

    ## Example

        config = LoraConfig(r=16, lora_alpha=16, target_modules=["query", "value"], modules_to_save=["classifier"])
        model = get_peft_model(model, config)

    becomes

        config = lora_config_for(model, r=16, lora_alpha=16, lora_dropout=0.0)
        model = get_peft_model(model, config)

    ## Fix safety

    Unsafe: the script needs `v5lint[runtime]` from then on. It is offered for the query and value projections, where
    the model is known before the configuration is made; of a dual encoder only the vision tower is adapted.

    ## References

    - docs/runtime.md
    """

    code = "V5991"
    name = "written-targets"
    tokens = ("target_modules",)
    default = False

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in adapters.adaptations(module):
            types = each.models.types
            targets = each.config.argument("target_modules")
            if each.config.view is module and targets is not None and types and types <= FAMILIES:
                message = "the names of these layers differ between releases of v5; `lora_config_for` finds them"
                yield module.finding(targets, message, fix=_fix(module, each))


def _fix(view: ModuleView, adaptation: Adaptation) -> Fix | None:
    config = adaptation.config
    model = adaptation.meeting.argument("model", 0)
    if not isinstance(model, ast.Name) or config.name != "LoraConfig" or config.args or config.splats:
        return None
    given = {str(each.arg): each.value for each in config.node.keywords}
    names = _names(config)
    if adaptation.is_shared or not names & _QUERIES or not names & _VALUES or not names <= _QUERIES | _VALUES:
        return None
    if not _is_there(view, model, config.node) or not _saves_the_head(view, adaptation, given):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.imports import ImportEdits
        from v5lint.rule import Edit

        imports = ImportEdits(view)
        function = imports.use(_RUNTIME, _FUNCTION, config.node)
        gone = [each for each in config.node.keywords if each.arg in ("target_modules", "modules_to_save")]
        written = [f"{key}={value}" for key, value in _DEFAULTS.items() if key not in given]
        edit = edit_arguments(view, config.node, remove=gone, append=written)
        if isinstance(config.func, ast.Name):
            for binding in view.links.bindings_read(config.func):
                if binding.kind == "import" and len(view.links.uses(binding)) == 1:
                    imports.remove(binding)
        # LibCST would not put a positional argument before the others: their layout is taken over here.
        start, end = view.span(config.node)
        call = view.text[start : edit.start] + edit.content + view.text[edit.end : end]
        arguments = call[len(view.source(config.node.func)) :].lstrip()[1:]
        lead = arguments[: len(arguments) - len(arguments.lstrip())]
        between = lead if "\n" in lead else " "
        rest = "" if arguments.lstrip().startswith(")") else f",{between}"
        content = f"{function}({lead}{model.id}{rest}{arguments.lstrip()}"
        return [Edit(start, end, content), *imports.edits()]

    return Fix("Let `lora_config_for` find the layers", edits, applicability="unsafe")


def _names(config: CallSite) -> set[str]:
    names: set[str] = set()
    for value in config.values_of("target_modules"):
        if not isinstance(value, Elements) or value.is_open:
            return set()
        for item in value.items:
            names |= {each.value for each in item if isinstance(each, Constant) and isinstance(each.value, str)}
    return names


def _is_there(view: ModuleView, model: ast.Name, at: ast.AST) -> bool:
    """Whether the name of the model means the same where the configuration is made."""
    scope = view.tree.scope_of(at)
    owner = view.evaluator.owner(model.id, scope)
    if owner is None or (owner is scope and not any(_before(each.node, at) for each in owner.bindings[model.id])):
        return False
    return view.evaluator.name_values(model.id, scope, at) == view.values(model)


def _before(node: ast.AST, at: ast.AST) -> bool:
    return getattr(node, "lineno", 0) < getattr(at, "lineno", 0)


def _saves_the_head(view: ModuleView, adaptation: Adaptation, given: dict[str, ast.expr]) -> bool:
    """Whether the head is trained as the runtime trains it: `modules_to_save` names it and nothing else."""
    saved = given.get("modules_to_save")
    if saved is None:
        return False
    values = view.values(saved)
    names = {
        each.value
        for value in values
        if isinstance(value, Elements)
        for item in value.items
        for each in item
        if isinstance(each, Constant)
    }
    heads = {name for model in adaptation.models.found for name in lookup.head_names(model.name) or ()}
    return bool(names) and names <= heads

"""V5913: generation parameters that are None now until somebody sets them."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import library, models
from v5lint.view.values import External, Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: What a field of a fresh GenerationConfig was under 4.57.6, of the numbers among those that are None under 5.23.0.
DEFAULTS = {
    "max_length": 20,
    "min_length": 0,
    "num_beams": 1,
    "num_beam_groups": 1,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "num_return_sequences": 1,
    "diversity_penalty": 0.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
}

_HOLDER = "generation_config"

#: The constructors beside the plain one: what a checkpoint or a configuration says stands in for the fields.
_READS = frozenset({"from_pretrained", "from_model_config"})

#: What takes numbers: functions, and a module of them.
_OF_NUMBERS, _MODULE = frozenset({"int", "float", "range", "min", "max", "round"}), "math"


class UnsetGenerationField(Rule):
    """A generation parameter that is read as a number and is None now.

    ## What it does

    Finds `model.generation_config.max_length` and its like (`num_beams`, `temperature`, `top_k`, ...) in arithmetic
    (`+=` as well), in comparisons, and where `int(...)`, `range(...)`, `min(...)`, `max(...)` or a function of `math`
    gets them; on a `GenerationConfig()` and on `GenerationConfig.from_model_config(config)` as well, and where a
    variable holds the field or the configuration.

    ## Why it breaks

    A field that neither the checkpoint nor the program sets had its default under 4.x (`max_length` 20, `num_beams` 1,
    `temperature` 1.0). Since 5.0 it is None, and `generate` fills in the default (measured on 5.23.0):

        TypeError: '>' not supported between instances of 'NoneType' and 'int'

    `==` raises nothing: `generation_config.num_beams == 1` is False now for greedy search.

    ## Example

        room = model.generation_config.max_length - prompt_length

    write

        room = (model.generation_config.max_length or 20) - prompt_length

    ## Fix safety

    No fix: whether the checkpoint sets the field is not in sight.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/text_generation#transformers.GenerationConfig
    """

    code = "V5913"
    name = "unset-generation-field"
    since = "5.0"
    tokens = (_HOLDER, "GenerationConfig")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr not in DEFAULTS or not any(_is_counted(module, each) for each in _reads(module, node)):
                continue
            if not _is_config(module, node.value) or module.guards.is_dead(node) or _is_set(module, node):
                continue
            default = DEFAULTS[node.attr]
            message = f"`{node.attr}` is None where nothing sets it, no longer {default}: write `... or {default}`"
            yield module.finding(node, message)


def _reads(view: ModuleView, node: ast.Attribute) -> list[ast.expr]:
    """Where the value of a field is read: itself, or the reads of the one variable that it is assigned to."""
    parent = view.tree.parents[node]
    if _is_added_to(view, node):
        return [node]
    if not isinstance(node.ctx, ast.Load):
        return []
    if not isinstance(parent, ast.Assign) or parent.value is not node or not isinstance(parent.targets[0], ast.Name):
        return [node]
    reads: list[ast.expr] = []
    for binding in view.links.bindings_at(parent.targets[0]):
        for each in view.links.uses(binding):
            if len(view.links.bindings_read(each)) > 1 or _is_asked(view, each):
                return []  # it is given another value where it is None, or so it seems
            reads.append(each)
    return reads


def _is_asked(view: ModuleView, name: ast.Name) -> bool:
    """Whether a variable is asked whether there is anything in it."""
    parent = view.tree.parents[name]
    if isinstance(parent, ast.Compare):
        return any(isinstance(op, (ast.Is, ast.IsNot)) for op in parent.ops)
    return isinstance(parent, ast.BoolOp) or getattr(parent, "test", None) is name or _is_negated(parent)


def _is_negated(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_added_to(view: ModuleView, node: ast.expr) -> bool:
    """Whether something is read and set at once: `config.max_length += 5`."""
    parent = view.tree.parents[node]
    return isinstance(parent, ast.AugAssign) and parent.target is node


def _is_counted(view: ModuleView, node: ast.expr) -> bool:
    """Whether a value is used as a number where it is read."""
    parent = view.tree.parents[node]
    if isinstance(view.tree.statement(node), ast.Assert):
        return False
    if isinstance(parent, (ast.UnaryOp, ast.AugAssign)):
        return not _is_negated(parent)
    if isinstance(parent, ast.BinOp):
        return (
            not isinstance(parent.op, ast.Mod) or parent.right is not node or not isinstance(parent.left, ast.Constant)
        )
    if isinstance(parent, ast.Compare):
        others = [parent.left, *parent.comparators]
        nothing = any(isinstance(each, ast.Constant) and each.value is None for each in others)
        # `config.max_length == GenerationConfig().max_length`: of both nothing is set, or of one.
        nothing = nothing or any(
            each is not node and isinstance(each, ast.Attribute) and each.attr == getattr(node, "attr", "")
            for each in others
        )
        return not nothing and not any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in parent.ops)
    if isinstance(parent, ast.Call) and node in parent.args:
        func = parent.func
        if isinstance(func, ast.Attribute):
            return isinstance(func.value, ast.Name) and func.value.id == _MODULE
        return isinstance(func, ast.Name) and func.id in _OF_NUMBERS
    if isinstance(parent, ast.FormattedValue):
        return parent.format_spec is not None
    return isinstance(parent, ast.Slice)


def _is_config(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the generation configuration of a model, or a fresh one."""
    node = _held(view, node)
    if isinstance(node, ast.Attribute) and node.attr == _HOLDER:
        text = ast.unparse(node.value)
        return text.rpartition(".")[2] in ("model", "llm", "lm") or bool(models.models(view, node.value).found)
    made = view.links.defining_call(node)
    loads = made is not None and isinstance(made.func, ast.Attribute) and made.func.attr in _READS
    if made is None or (made.args and not loads) or any(each.arg is None for each in made.keywords):
        return False
    return any(
        isinstance(each, Instance)
        and isinstance(each.of, External)
        and "GenerationConfig" in library.library_classes(view, each.of)
        for each in view.values(made)
    )


def _held(view: ModuleView, node: ast.expr) -> ast.expr:
    """What a name stands for, where it was given a model's generation configuration; else the node itself."""
    bound = view.links.bindings_read(node) if isinstance(node, ast.Name) else []
    value = bound[0].value if len(bound) == 1 else None
    return value if isinstance(value, ast.Attribute) and value.attr == _HOLDER else node


def _is_held(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a field is one of a model's generation configuration, which another name may stand for."""
    holder = _held(view, node.value)
    return isinstance(holder, ast.Attribute) and holder.attr == _HOLDER


def _is_set(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the module sets the field, or asks whether it is None."""
    made = view.links.defining_call(node.value)
    if made is not None and any(each.arg == node.attr for each in made.keywords):
        return True
    if made is None and any(call.keyword(node.attr) for call in view.calls({"GenerationConfig"})):
        return True  # one that a function out of sight may put into the model
    for other in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(other, ast.Attribute)
        if other.attr != node.attr or other is node:
            continue
        parent = view.tree.parents[other]
        is_same = ast.unparse(other.value) == ast.unparse(node.value)
        if not is_same and not (_is_held(view, other) and _is_held(view, node)):
            continue
        if _is_added_to(view, other):
            continue
        if isinstance(other.ctx, ast.Store) or (
            isinstance(parent, ast.Compare) and any(isinstance(op, (ast.Is, ast.IsNot)) for op in parent.ops)
        ):
            return True
    return False

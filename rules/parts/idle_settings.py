"""Settings that can only be at rest any more: fields that nobody can set under v5, and what the code asks of them.

Not a rule: the rules of lost fields and members ask for the fix, where the code does not set them itself.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.training_objects import Mention
    from v5lint.view.module import ModuleView

#: What each was unless somebody set it (read on the wheels: 4.36 to 4.57, `use_ipex` to 4.50).
RESTING: dict[str, bool | int] = {
    "jit_mode_eval": False,
    "overwrite_output_dir": False,
    "past_index": -1,
    "tpu_metrics_debug": False,
    "use_apex": False,
    "use_ipex": False,
    "use_legacy_prediction_loop": False,
}

#: Calls that change nothing: what they are asked may go with them.
_ASKING = frozenset({"hasattr", "getattr", "isinstance", "len"})


def at_rest(view: ModuleView, mention: Mention, removal: Removal) -> Fix | None:
    """The fix that leaves out the question and what never happens; None where it is no plain question.

    Args:
        view: the module.
        mention: where the setting is read.
        removal: what is known of its end.
    """
    if not mention.is_read or mention.listed is not None or mention.name not in RESTING or _is_set(view, mention.name):
        return None
    node, answer = _answered(view, mention.node, RESTING[mention.name])
    parent = view.tree.parents[node]
    if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.And) is answer:
        from v5lint.edits.operands import without_operand

        edit = without_operand(view, node)
        return _fix(view, node, removal, [edit]) if edit is not None else None
    if isinstance(parent, ast.IfExp) and parent.test is node:
        kept = parent.body if answer else parent.orelse
        source = view.source(parent)
        if "#" in source or ("\n" in source and not _stands_in_brackets(view, parent)):
            return None
        return _fix(view, node, removal, [view.replace(parent, view.source(kept))])
    if isinstance(parent, ast.If) and parent.test is node:

        def build() -> list[Edit]:
            from v5lint.edits import branches

            return [branches.without_test(view, parent) if answer else branches.without_branch(view, parent)]

        return Fix(_said(view, node), build, applicability="unsafe", requires=removal.gone)
    return None


def _fix(view: ModuleView, node: ast.expr, removal: Removal, edits: list[Edit]) -> Fix:
    return Fix(_said(view, node), edits, applicability="unsafe", requires=removal.gone)


def _said(view: ModuleView, node: ast.expr) -> str:
    return f"Leave out `{view.source(node)}` and what never happens: nobody can set it any more"


def _answered(view: ModuleView, setting: ast.expr, value: bool | int) -> tuple[ast.expr, bool]:
    """The largest expression around a setting that only depends on it, with its truth."""
    node, answer = setting, bool(value)
    while True:
        parent = view.tree.parents[node]
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            node, answer = parent, not answer
        elif isinstance(parent, ast.Compare) and parent.left is setting and _compared(parent, value) is not None:
            node, answer = parent, bool(_compared(parent, value))
        elif (
            isinstance(parent, ast.BoolOp)
            and isinstance(parent.op, ast.Or) is answer
            and all(_changes_nothing(each) for each in parent.values)
        ):
            node = parent
        else:
            return node, answer


def _compared(node: ast.Compare, value: bool | int) -> bool | None:
    """What a comparison of a setting with a number gives."""
    try:
        other = ast.literal_eval(node.comparators[0])
    except ValueError:
        return None
    if len(node.ops) != 1 or not isinstance(other, int):
        return None
    outcomes = {
        ast.Eq: value == other,
        ast.NotEq: value != other,
        ast.Lt: value < other,
        ast.LtE: value <= other,
        ast.Gt: value > other,
        ast.GtE: value >= other,
        ast.Is: value is other,
        ast.IsNot: value is not other,
    }
    return outcomes.get(type(node.ops[0]))


def _changes_nothing(node: ast.expr) -> bool:
    return all(
        isinstance(each.func, ast.Name) and each.func.id in _ASKING
        for each in ast.walk(node)
        if isinstance(each, ast.Call)
    ) and not any(isinstance(each, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)) for each in ast.walk(node))


def _stands_in_brackets(view: ModuleView, node: ast.IfExp) -> bool:
    """Whether the kept half may hold newlines where it is put: it is the whole of what stands in parentheses."""
    start, end = view.span(node)
    return view.text[:start].rstrip().endswith("(") and view.text[end:].lstrip().startswith((")", ","))


def _is_set(view: ModuleView, name: str) -> bool:
    """Whether a module may set it: as a keyword, as a key or option, or on an object."""
    nodes = view.tree.nodes
    return (
        any(each.arg == name for each in nodes.get(ast.keyword, ()) if isinstance(each, ast.keyword))
        or any(
            each.value in (name, f"--{name}") for each in nodes.get(ast.Constant, ()) if isinstance(each, ast.Constant)
        )
        or any(
            each.attr == name and isinstance(each.ctx, ast.Store)
            for each in nodes.get(ast.Attribute, ())
            if isinstance(each, ast.Attribute)
        )
    )

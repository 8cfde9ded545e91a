"""What is read of an object because something else of it was not there: the spelling of an older release.

`getattr(trainer, "processing_class", None) or trainer.tokenizer` runs on every release, and so does the handler of a
`try` that reads what the newer ones have.
"""

from __future__ import annotations

import ast

from v5lint.view.guards import IMPORT_ERRORS, catches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView


_LACKS = frozenset({"AttributeError"})


def is_second_choice(view: ModuleView, node: ast.expr, holder: ast.expr) -> bool:
    """Whether something is read where something else of its object was not there.

    Args:
        view: the module.
        node: what is read, or called.
        holder: what it is read from.
    """
    holders = _with_prefixes(holder)
    for test, wanted in view.reach.conditions(node):
        asked = _missing(view, test, wanted)
        if asked is not None and ast.dump(asked.args[0]) in holders and not _asks_for(asked, node):
            return True
    for parent in view.tree.ancestors(node):
        statement = view.tree.parents[parent] if isinstance(parent, ast.ExceptHandler) else None
        if isinstance(statement, ast.Try) and isinstance(parent, ast.ExceptHandler):
            # What else is read of the object tells something only where its lack is what is waited for.
            told = holders if parent.type is not None and catches(parent, _LACKS, view) else frozenset()
            if catches(parent, IMPORT_ERRORS, view) and any(
                _reads_another(each, node, told) for each in statement.body
            ):
                return True
    return False


def is_without(view: ModuleView, node: ast.expr, asked: ast.Call) -> bool:
    """Whether something is read where a certain `getattr(x, "name", None)` gave None."""
    return any(_missing(view, test, wanted) is asked for test, wanted in view.reach.conditions(node))


def _with_prefixes(holder: ast.expr) -> frozenset[str]:
    """An expression and what it is read from: of `model.vit` it and `model`."""
    found = {ast.dump(holder)}
    while isinstance(holder, ast.Attribute):
        holder = holder.value
        found.add(ast.dump(holder))
    return frozenset(found)


def _missing(view: ModuleView, test: ast.expr, wanted: bool) -> ast.Call | None:
    """The `getattr(x, "name", None)` that gave None or the like where a test comes out as wanted."""
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, wanted = test.operand, not wanted
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and _is_none(test.comparators[0]):
        if not isinstance(test.ops[0], ast.Is if wanted else ast.IsNot):
            return None
        test, wanted = test.left, False
    if wanted:
        return None
    if isinstance(test, ast.Name):
        bindings = view.links.bindings_read(test)
        test = bindings[0].value or test if len(bindings) == 1 and bindings[0].kind == "assign" else test
    if not isinstance(test, ast.Call) or not isinstance(test.func, ast.Name) or test.func.id != "getattr":
        return None
    return test if len(test.args) > 2 and _is_none(test.args[2]) else None  # `False` is the default of a flag


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _asks_for(call: ast.Call, node: ast.expr) -> bool:
    """Whether a `getattr` asks for the very name that is read then."""
    key = call.args[1]
    return isinstance(key, ast.Constant) and isinstance(node, ast.Attribute) and key.value == node.attr


def _reads_another(around: ast.AST, node: ast.expr, holders: frozenset[str]) -> bool:
    """Whether a statement reads another attribute of the object, calls the object, or reads what a call gives."""
    name = node.attr if isinstance(node, ast.Attribute) else ""
    for each in ast.walk(around):
        if isinstance(each, ast.Call) and ast.dump(each.func) in holders:
            return True
        if not isinstance(each, ast.Attribute) or not isinstance(each.ctx, ast.Load):
            continue
        if each.attr != name and ast.dump(each.value) in holders:
            return True
        if isinstance(each.value, ast.Call) and ast.dump(each.value.func) == ast.dump(node):
            return True
    return False

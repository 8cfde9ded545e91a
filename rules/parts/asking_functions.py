"""Functions that ask for a name of transformers by importing it: what they answer under the target release."""

from __future__ import annotations

import ast

from v5lint.rules.parts import alternatives
from v5lint.view.guards import IMPORT_ERRORS, catches
from v5lint.view.reach import always_leaves
from v5lint.view.values import LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

#: Through so many functions an answer is followed.
_CALLS = 3


def answer(view: ModuleView, call: ast.Call, depth: int = 0) -> bool | None:
    """The truth of what a call of such a function gives; None where it asks for nothing, or may give either.

    `def has_it():` with `try: from transformers import Name`, `return True`, `except ImportError: return False`.
    """
    callees = [each for each in view.values(call.func) if isinstance(each, LocalFunction)]
    if len(callees) != 1 or depth >= _CALLS or isinstance(callees[0].node, ast.Lambda):
        return None
    inner, function = callees[0].view, callees[0].node
    if any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(function)):
        return None
    returns = [each for each in ast.walk(function) if isinstance(each, ast.Return)]
    returns = [each for each in returns if inner.links.function_around(each) is function]
    reached = [each for each in returns if not _is_passed(inner, function, each, depth)]
    if len(reached) == len(returns):
        return None
    truths = {_truth(inner, each.value) for each in reached}
    if not _ends_with_return(inner, function.body):
        truths.add(False)
    return truths.pop() if len(truths) == 1 else None


def _ends_with_return(view: ModuleView, body: list[ast.stmt]) -> bool:
    """Whether a function never runs past its last statement."""
    last = body[-1]
    succeeds = _succeeds(view, last) if isinstance(last, ast.Try) else None
    if isinstance(last, ast.Try) and succeeds is not None:
        return _leaves_before(view, last)
    return always_leaves(body)


def _truth(view: ModuleView, given: ast.expr | None) -> bool | None:
    """The truth of what is returned, where it is a constant or something that is imported."""
    if given is None or isinstance(given, ast.Constant):
        return bool(given and given.value)
    if isinstance(given, ast.Name) and all(each.kind == "import" for each in view.links.bindings_read(given)):
        return True if view.links.bindings_read(given) else None
    return None


def _is_passed(view: ModuleView, function: ast.AST, node: ast.Return, depth: int) -> bool:
    """Whether a `return` never runs under the target release: because of an import, or of another function's answer."""
    child: ast.AST = node
    for parent in view.tree.ancestors(node):
        if parent is function:
            break
        if isinstance(parent, ast.Try):
            succeeds = _succeeds(view, parent)
            if succeeds is False and (child in parent.body or child in parent.orelse):
                return True
            if succeeds and child in parent.handlers:
                return True
        child = parent
    for each in ast.walk(function):
        if isinstance(each, ast.Try) and _is_before(each, node) and _leaves_before(view, each):
            return True
    for test, wanted in view.reach.conditions(node):
        asked = test.value if isinstance(test, ast.NamedExpr) else test
        truth = answer(view, asked, depth + 1) if isinstance(asked, ast.Call) else None
        if truth is not None and truth is not wanted:
            return True
    return False


def _succeeds(view: ModuleView, statement: ast.Try) -> bool | None:
    """Whether the imports of a `try` that is prepared for their failure work; None where it is no such `try`."""
    if not any(catches(each, IMPORT_ERRORS, view) for each in statement.handlers):
        return None
    if not any(True for each in statement.body for _ in alternatives.fetched(view, each)):
        return None
    return alternatives.try_succeeds(view, statement)


def _is_before(statement: ast.Try, node: ast.Return) -> bool:
    return (statement.end_lineno or 0) < node.lineno


def _leaves_before(view: ModuleView, statement: ast.Try) -> bool:
    """Whether a function is left in a `try`, so that nothing behind it runs."""
    succeeds = _succeeds(view, statement)
    if succeeds:
        return always_leaves(statement.orelse or statement.body)
    handlers = [each for each in statement.handlers if catches(each, IMPORT_ERRORS, view)]
    return succeeds is False and all(always_leaves(each.body) for each in handlers)

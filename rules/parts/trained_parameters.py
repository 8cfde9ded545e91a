"""Whose parameters the optimisers have that take their steps in a loop."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView

_METHODS = frozenset({"parameters", "named_parameters"})
_ARGUMENT = "params"

#: What gives an optimiser back that it was given.
_PREPARES = frozenset({"prepare", "initialize"})

#: How many names back the parameters are followed: `groups` of `named` of `list(model.named_parameters())`.
_DEPTH = 3


def leave_out(view: ModuleView, loop: ast.AST, model: str) -> bool:
    """Whether the optimisers of a loop are seen to have the parameters of others than a model.

    Args:
        view: the module.
        loop: the loop.
        model: the expression of the model, as the loop writes it.
    """
    given = [*_given(view, loop)]
    owners = [owner for each in given for owner, _ in _owners(view, each)]
    if owners:
        return not any(_is_part(owner, model) for owner in owners)
    return bool(given) and all(_is_loose(view, each) for each in given)


def is_under_condition(view: ModuleView, loop: ast.AST, model: str) -> bool:
    """Whether the optimisers of a loop have another model's parameters, and those of this one where a condition holds.

    Args:
        view: the module.
        loop: the loop.
        model: the expression of the model, as the loop writes it.
    """
    found = [each for given in _given(view, loop) for each in _owners(view, given)]
    asked = [is_asked for owner, is_asked in found if _is_part(owner, model)]
    return bool(asked) and all(asked) and len(asked) < len(found)


def _given(view: ModuleView, loop: ast.AST) -> Iterator[ast.expr]:
    """What the optimisers that take a step in a loop were made of."""
    around = view.links.function_around(loop)
    names = {
        node.func.value.id
        for node in ast.walk(loop)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "step"
        and isinstance(node.func.value, ast.Name)
    }
    for name in names:
        for value in _assigned(view, name, around):
            if not isinstance(value, ast.Call) or _is_prepared(value) or _is_schedule(value, names):
                continue
            keyword = next((each.value for each in value.keywords if each.arg == _ARGUMENT), None)
            given = keyword or next(iter(value.args), None)
            if given is not None:
                yield given


def _is_prepared(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in _PREPARES


def _is_schedule(call: ast.Call, names: set[str]) -> bool:
    """Whether an object that takes steps is made of an optimiser: it is a schedule."""
    given = [*call.args, *(each.value for each in call.keywords)]
    return any(isinstance(each, ast.Name) and each.id in names for each in given)


def _assigned(view: ModuleView, name: str, around: ast.AST | None) -> Iterator[ast.expr]:
    """The values that a name is given in a function."""
    for node in view.tree.nodes.get(ast.Assign, ()):
        assert isinstance(node, ast.Assign)
        if view.links.function_around(node) is not around:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            yield node.value


def _owners(view: ModuleView, given: ast.expr, depth: int = 0) -> Iterator[tuple[str, bool]]:
    """The expressions whose parameters an expression has, and whether each only has them under a condition."""
    around = view.links.function_around(given)
    for node in ast.walk(given):
        if isinstance(node, ast.Attribute) and node.attr in _METHODS:
            yield view.source(node.value), _is_asked(view, node, given)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and depth < _DEPTH:
            for value in _assigned(view, node.id, around):
                if value is not given:
                    is_asked = _is_asked(view, node, given) or _is_asked(view, value, around)
                    for owner, asked in _owners(view, value, depth + 1):
                        yield owner, asked or is_asked


def _is_asked(view: ModuleView, node: ast.AST, top: ast.AST | None) -> bool:
    """Whether a condition decides over a part of an expression, or of a function."""
    while node is not top and node in view.tree.parents:
        node = view.tree.parents[node]
        if isinstance(node, (ast.IfExp, ast.If)):
            return True
    return False


def _is_part(owner: str, model: str) -> bool:
    """Whether one of two expressions is a part of the other."""
    return f"{owner}.".startswith(f"{model}.") or f"{model}.".startswith(f"{owner}.")


def _is_loose(view: ModuleView, given: ast.expr) -> bool:
    """Whether an optimiser gets tensors by name, which are no model's: `Adam([delta])`."""
    if not isinstance(given, (ast.List, ast.Tuple)) or not given.elts:
        return False
    around = view.links.function_around(given)
    return all(
        isinstance(each, ast.Name) and any(True for _ in _assigned(view, each.id, around)) for each in given.elts
    )

"""The loaders that a training loop of a script's own takes its batches from, and those that it evaluates with."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from v5lint.view.module import ModuleView

    _Loop: TypeAlias = "ast.For | ast.While"

_LOADER = pattern(r"(^|_)(data_?)?loader$", re.IGNORECASE)
_EVALUATION = pattern(r"(^|_)(eval|evaluation|val|valid|validation|test|dev|holdout)(_|$|(?=(data)?loader))", re.I)

#: What a loop over a loader is written with, beside the loader itself.
_AROUND = frozenset({"enumerate", "tqdm", "trange", "track", "islice", "progress_bar"})


def loaders(view: ModuleView, loop: _Loop) -> tuple[str, str]:
    """The expressions of the training and of the evaluation loader of a loop; "" for what is not seen.

    Either is a name, or an attribute of `self`, that is bound where the loop ends. It is a loader where it is made by
    torch's `DataLoader`, or called one.

    Args:
        view: the module.
        loop: the outermost loop of a training.
    """
    loops = [node for node in ast.walk(loop) if isinstance(node, ast.For)]
    backward = [node for node in loops if _goes_backward(node)]
    training = (
        _trained(_loaders_in(view, [_iterated(node.iter) for node in backward]))
        or _trained(_loaders_in(view, [_iterated(node.iter) for node in loops]))
        or _trained(_handed(view, loop))
    )
    if len(training) != 1:
        return "", ""  # several are trained on, or none is seen
    evaluation = [name for name in dict.fromkeys(_in_sight(view, loop)) if _is_for_evaluation(name)]
    return training[0], evaluation[0] if len(evaluation) == 1 else ""


def _trained(names: Iterator[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if not _is_for_evaluation(name)]


def _goes_backward(node: ast.For) -> bool:
    """Whether a loop is the one that trains, or has it in it: not one over evaluation batches beside it."""
    return any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "backward"
        for each in ast.walk(node)
    )


def _iterated(node: ast.expr) -> ast.expr:
    """What is gone through, without what counts it or shows how far it is."""
    while isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in _AROUND:
            return node
        node = node.args[0]
    return node


def _handed(view: ModuleView, loop: _Loop) -> Iterator[str]:
    """The loaders that functions are called with in a loop."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call):
            yield from _loaders_in(view, [*node.args, *(keyword.value for keyword in node.keywords)])


def _loaders_in(view: ModuleView, nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id == "self"
            if own and _LOADER.search(node.attr):
                yield view.source(node)
        elif isinstance(node, ast.Name) and (_LOADER.search(node.id) or _is_data_loader(view, node)):
            yield node.id


def _is_data_loader(view: ModuleView, node: ast.Name) -> bool:
    call = view.links.defining_call(node)
    return call is not None and _makes_loader(view, call)


def _makes_loader(view: ModuleView, call: ast.Call) -> bool:
    return any(
        isinstance(of, External) and of.package == "torch" and of.name == "DataLoader" for of in view.values(call.func)
    )


def _in_sight(view: ModuleView, loop: _Loop) -> Iterator[str]:
    """The loaders that are bound before a loop in its own function (or module), or read in the loop."""
    around = view.links.function_around(loop)
    if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for argument in (*around.args.posonlyargs, *around.args.args, *around.args.kwonlyargs):
            if _LOADER.search(argument.arg):
                yield argument.arg
    parent = view.tree.parents[loop]
    for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
        if isinstance(block, list) and loop in block:
            for statement in block[: block.index(loop)]:
                yield from _bound_by(view, statement)
    for node in ast.walk(loop):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            yield from _loaders_in(view, [node])


def _bound_by(view: ModuleView, statement: ast.stmt) -> Iterator[str]:
    if not isinstance(statement, ast.Assign):
        return
    made = isinstance(statement.value, ast.Call) and _makes_loader(view, statement.value)
    for target in statement.targets:
        for node in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
            if isinstance(node, ast.Name) and (_LOADER.search(node.id) or (made and node is target)):
                yield node.id


def _is_for_evaluation(name: str) -> bool:
    return bool(_EVALUATION.search(name.removeprefix("self.")))

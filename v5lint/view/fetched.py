"""Attributes that are fetched by their names: `getattr(x, "name")`, `attrgetter("name")(x)`, `methodcaller("name")(x)`.

Each becomes the Attribute that it stands for, with the name in the string as its place: who asks about attributes
asks about these in the same words, and a new name is written where the old one stands.
"""

from __future__ import annotations

import ast

from v5lint.view.strings import last_name
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView

#: Functions that make a function which fetches attributes of what it is given, each with how many of its arguments
#: are names.
_GETTERS = {"operator.attrgetter": None, "operator.methodcaller": 1}

#: Arguments of a `getattr` that raises where there is no such attribute.
_WITHOUT_DEFAULT = 2


def fetched(view: ModuleView) -> list[ast.Attribute]:
    """The attributes that a module fetches by names which are written in it."""
    found: list[ast.Attribute] = []
    for call in view.links.calls_named("getattr"):
        if isinstance(call.func, ast.Name) and len(call.args) == _WITHOUT_DEFAULT and not call.keywords:
            found += _named(view, call, call.args[0], call.args[1])
    if any(view.links.calls_named(path.rpartition(".")[2]) for path in _GETTERS):
        for node in view.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            getter = _getter(view, node)
            if getter is not None:
                for name in getter.args[: _GETTERS[_path(view, getter)]]:
                    found += _named(view, node, node.args[0], name)
    return found


def _getter(view: ModuleView, call: ast.Call) -> ast.Call | None:
    """The `attrgetter(...)` that a call calls, directly or under a name."""
    if len(call.args) != 1 or call.keywords:
        return None
    made = view.links.defining_call(call.func)
    return made if made is not None and _path(view, made) in _GETTERS else None


def _path(view: ModuleView, made: ast.Call) -> str:
    names = {path.rpartition(".")[2] for path in _GETTERS}
    if last_name(made.func) not in names and not isinstance(made.func, ast.Name):
        return ""
    return next((each.path for each in view.values(made.func) if isinstance(each, External)), "")


def _named(view: ModuleView, call: ast.Call, holder: ast.expr, name: ast.expr) -> Iterator[ast.Attribute]:
    """The attributes of `holder` that `name` may be the name of, as far as it stands in this module."""
    for each in view.written(name):
        node = each.node
        if not isinstance(node, ast.Constant) or node not in view.tree.parents or node.lineno != node.end_lineno:
            continue
        start, end = view.span(node)
        written = view.text[start:end]
        if written[1:-1] != each.value or not all(part.isidentifier() for part in each.value.split(".")):
            continue  # a prefix, escapes, or quotes of three
        at, column = holder, node.col_offset + 1
        for part in each.value.split("."):
            attribute = ast.Attribute(at, part, ast.Load())
            attribute.lineno, attribute.end_lineno = node.lineno, node.lineno
            attribute.col_offset, attribute.end_col_offset = column, column + len(part.encode())
            column += len(part.encode()) + 1
            view.tree.parents[attribute] = call
            at = attribute
            yield attribute

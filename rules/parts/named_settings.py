"""Attributes that are set by their names, also out of a table: `setattr(x, "name", value)`, `x.update({...})`."""

from __future__ import annotations

import ast

from v5lint.view.values import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.view.module import ModuleView

_SETS = frozenset({"update", "setattr"})

#: How many arguments `setattr` takes.
_SETATTR = 3


class Setting:
    """One attribute that a call sets.

    Attributes:
        call: the call.
        holder: what it is set on.
        name: the attribute.
        node: the string that is its name.
        value: what it is set to; None where a table has it.
    """

    __slots__ = ("call", "holder", "name", "node", "value")

    def __init__(self, call: ast.Call, holder: ast.expr, name: str, node: ast.AST, value: ast.expr | None) -> None:
        self.call = call
        self.holder = holder
        self.name = name
        self.node = node
        self.value = value


def settings(view: ModuleView, names: Container[str]) -> Iterator[Setting]:
    """What a module sets by name, as far as the names stand in it.

    Args:
        view: the module.
        names: the attributes wanted.
    """
    for site in view.calls(_SETS):
        call = site.node
        if view.guards.is_dead(call):
            continue
        if isinstance(call.func, ast.Name) and site.name == "setattr" and len(call.args) == _SETATTR:
            for each in view.written(call.args[1]):
                if each.value in names and each.node is not None and each.node in view.tree.parents:
                    value = call.args[2] if each.node is call.args[1] else None
                    yield Setting(call, call.args[0], each.value, each.node, value)
        elif isinstance(call.func, ast.Attribute) and site.name == "update" and call.args:
            for table in view.values(call.args[0]):
                if isinstance(table, Mapping) and table.view is view:
                    for entry in view.dicts.entries(table.node):
                        if isinstance(entry.key, str) and entry.key in names and entry.how != "removal":
                            yield Setting(call, call.func.value, entry.key, entry.node, entry.value)

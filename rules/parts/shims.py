"""What a module puts into transformers itself, so that code which asks for what is gone goes on working."""

from __future__ import annotations

import ast
import os.path

from v5lint.project import bytes_of
from v5lint.view.values import Constant, External, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from weakref import WeakKeyDictionary

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

PACKAGE = "transformers"

#: What runs before the modules of a folder.
_FIRST = ("__init__.py", "conftest.py")

_names: WeakKeyDictionary[ModuleView, frozenset[str]] | None = None
_before: WeakKeyDictionary[ModuleView, list[str]] | None = None


def modules(view: ModuleView) -> frozenset[str]:
    """The modules of transformers that a module puts in their place itself: `sys.modules["transformers.x"] = y`."""
    keys = [
        node.slice
        for node in view.tree.nodes.get(ast.Subscript, ())
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Store)
        and External("sys.modules") in view.values(node.value)
    ]
    for call in view.calls({"setdefault"}):
        func = call.func
        if isinstance(func, ast.Attribute) and call.args and External("sys.modules") in view.values(func.value):
            keys.append(call.args[0])
    return frozenset(str(each) for key in keys for each in view.constants(key))


def names(view: ModuleView) -> frozenset[str]:
    """The names that a module puts into transformers, or a module of it, itself or by a function that it calls."""
    global _names
    if _names is None:
        from weakref import WeakKeyDictionary

        _names = WeakKeyDictionary()
    known = _names.get(view)
    if known is None:
        known = _names[view] = frozenset(_all(view))
    return known


def are_put_before(view: ModuleView, name: str) -> bool:
    """Whether a module that runs before this one puts a name into transformers: one that it imports, or a package's."""
    global _before
    if _before is None:
        from weakref import WeakKeyDictionary

        _before = WeakKeyDictionary()
    files = _before.get(view)
    if files is None:
        files = _before[view] = [file for file in _run_before(view) if PACKAGE.encode() in bytes_of(file)]
    for file in files:
        other = view.project.view(file, view.settings) if name.encode() in bytes_of(file) else None
        if other is not None and name in names(other):
            return True
    return False


def _run_before(view: ModuleView) -> list[str]:
    """The files that a module imports, and those that run before all modules of its folder."""
    found = view.project.imported_files(view)
    folder, root = os.path.dirname(os.path.abspath(view.path)), os.path.abspath(view.project.root)
    while folder.startswith(root):
        found += [path for each in _FIRST if os.path.isfile(path := os.path.join(folder, each))]
        if folder == root:
            break
        folder = os.path.dirname(folder)
    here = os.path.realpath(view.path)
    return [each for each in dict.fromkeys(found) if os.path.realpath(each) != here]


def _all(view: ModuleView) -> Iterator[str]:
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if isinstance(node.ctx, ast.Store) and view.is_of(node.value, PACKAGE):
            yield node.attr
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        table = node.value
        if isinstance(node.ctx, ast.Store) and isinstance(table, ast.Attribute) and view.is_of(table.value, PACKAGE):
            yield from (str(value.value) for value in view.values(node.slice) if isinstance(value, Constant))
    for call in view.calls({"setattr"}):
        # `monkeypatch.setattr` wants that the name is there already, unless it is told otherwise.
        puts = isinstance(call.func, ast.Name) or call.keyword("raising") is not None
        if puts and len(call.node.args) == 3 and view.is_of(call.node.args[0], PACKAGE):
            yield from (str(each) for each in view.constants(call.node.args[1]))
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        yield from _put_by(view, node)


def _put_by(view: ModuleView, call: ast.Call) -> Iterator[str]:
    """The names that a function of the repository puts into a module of transformers that it is given."""
    given: list[tuple[str, int, ast.expr]] = [("", at, each) for at, each in enumerate(call.args)]
    given += [(each.arg, -1, each.value) for each in call.keywords if each.arg]
    handed = [each for each in given if isinstance(each[2], (ast.Name, ast.Attribute)) and view.is_of(each[2], PACKAGE)]
    if not handed:
        return
    for callee in view.values(call.func):
        if not isinstance(callee, LocalFunction):
            continue
        for keyword, place, _ in handed:
            parameter = view.links.parameter_for(callee, call, keyword, place)
            for name in _put_into(callee.view, parameter) if parameter is not None else ():
                if isinstance(name, str):
                    yield name
                else:  # `def shim(module, name, value): setattr(module, name, value)`
                    yield from (str(text) for _, _, value in given for text in view.constants(value))


def _put_into(view: ModuleView, parameter: Binding) -> Iterator[str | ast.expr]:
    """The names that a function sets on what it is given, or the expression where the name is no constant."""
    for use in view.links.uses(parameter):
        parent = view.tree.parents[use]
        if isinstance(parent, ast.Attribute) and isinstance(parent.ctx, ast.Store):
            yield parent.attr
        elif isinstance(parent, ast.Call) and ast.unparse(parent.func) == "setattr" and parent.args[:1] == [use]:
            written: list[str | ast.expr] = [str(each) for each in view.constants(parent.args[1])]
            yield from written or [parent.args[1]]

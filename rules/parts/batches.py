"""Batches of texts that are no list: arrays, columns of a data frame, generators. A part of V5404."""

from __future__ import annotations

import ast

from v5lint.view.values import External, Instance, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

#: Attributes and methods that give an array or a view.
_ARRAYS = frozenset({"values"})
_VIEWS = frozenset("keys values items to_numpy unique ravel flatten".split())

#: Functions that give an iterator.
_ITERATORS = frozenset(f"builtins.{each}" for each in "map filter zip iter reversed".split())


def is_other_iterable(view: ModuleView, node: ast.expr, depth: int = 3) -> bool:
    """Whether an expression gives something to go through that is neither a list nor a tuple."""
    if isinstance(node, ast.GeneratorExp):
        return True
    if isinstance(node, ast.Call):
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr in _VIEWS:
            return True
        called = [each for each in view.values(func) if isinstance(each, External)]
        return any(each.path in _ITERATORS or each.package == "numpy" for each in called)
    if isinstance(node, ast.Attribute):
        return node.attr in _ARRAYS or _is_of_frame(view, node)
    if isinstance(node, ast.Subscript):
        return _is_of_frame(view, node) or (depth > 0 and is_other_iterable(view, node.value, depth - 1))
    if isinstance(node, ast.Name) and depth > 0:
        values = [each.value for each in view.links.bindings_read(node) if each.kind == "assign" and each.index < 0]
        return any(each is not None and is_other_iterable(view, each, depth - 1) for each in values)
    return False


def _is_of_frame(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a column, or a part, of a data frame of pandas."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    for value in view.values(node):
        of = value.of if isinstance(value, (Instance, Result)) else ""
        path = of.path if isinstance(of, External) else of
        if isinstance(path, str) and path.partition(".")[0] == "pandas":
            return True
    return False

"""Folders and the names of files that are joined to paths: `os.path.join(folder, name)`, `folder / name`, f-strings."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

_JOINS = ("join", "joinpath")
_WRAPPERS = ("str", "Path")


def joined(view: ModuleView, name: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """The path that the name of a file ends, and the folder that it is joined to; None where it is joined otherwise."""
    above = view.tree.parents.get(name)
    if isinstance(above, ast.Call) and getattr(above.func, "attr", "") in _JOINS and len(above.args) <= 2:
        first = above.args[0] if above.args[0] is not name else getattr(above.func, "value", None)
        return (above, unwrapped(first)) if isinstance(first, ast.expr) else None
    if isinstance(above, ast.BinOp) and isinstance(above.op, (ast.Div, ast.Add)) and above.right is name:
        left = above.left
        if isinstance(left, ast.BinOp) and isinstance(left.right, ast.Constant) and left.right.value == "/":
            left = left.left
        return above, unwrapped(left)
    if isinstance(above, ast.JoinedStr) and len(above.values) == 2 and above.values[1] is name:
        first = above.values[0]
        return (above, unwrapped(first.value)) if isinstance(first, ast.FormattedValue) else None
    return None


def unwrapped(folder: ast.expr) -> ast.expr:
    """A folder without `str(...)` or `Path(...)` around it."""
    while isinstance(folder, ast.Call) and len(folder.args) == 1 and getattr(folder.func, "id", "") in _WRAPPERS:
        folder = folder.args[0]
    return folder

"""Classes and functions that a module hands around as values, to be called by whoever gets them."""

from __future__ import annotations

import ast

from v5lint.view.strings import last_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.edits.imports import ImportEdits
    from v5lint.view.module import ModuleView

#: What is asked of a class, and not of something that is only called.
_ABOUT_CLASSES = frozenset({"isinstance", "issubclass"})


def is_handed_around(view: ModuleView, use: ast.expr) -> bool:
    """Whether a use only hands on what will be called: it is assigned, a default, an argument by name, in a table.

    What is compared, asked for its name or inherited from where it has a name here is more than called.
    """
    child: ast.AST = use
    for parent in view.tree.ancestors(use):
        if isinstance(parent, ast.IfExp) and child is not parent.test:
            child = parent
            continue
        if isinstance(parent, ast.Dict):
            return child in parent.values
        if isinstance(parent, ast.keyword):
            return parent.arg is not None and not _registers(view.tree.parents[parent])
        if isinstance(parent, ast.Assign):
            names = [each.id for each in parent.targets if isinstance(each, ast.Name)]
            attributes = [each for each in parent.targets if isinstance(each, ast.Attribute)]
            return len(names) + len(attributes) == len(parent.targets) and all(_is_only_called(view, n) for n in names)
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            name = _with_default(parent.args, child)
            return bool(name) and _is_only_called(view, name)
        return False
    return False


def _registers(call: ast.AST) -> bool:
    """Whether a call enters what it is given in a registry, which may ask for a class."""
    return isinstance(call, ast.Call) and "register" in last_name(call.func).lower()


def partial(imports: ImportEdits, use: ast.expr, written: str, arguments: Sequence[str]) -> str:
    """What stands in the place of a use so that whoever calls it gives some arguments more."""
    return f"{imports.use('functools', 'partial', use)}({', '.join((written, *arguments))})"


def _with_default(arguments: ast.arguments, default: ast.AST) -> str:
    """The parameter that has a default; "" where the expression is none."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(positional), reversed(arguments.defaults), strict=False)]
    pairs += [(arg, each) for arg, each in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if each]
    return next((arg.arg for arg, each in pairs if each is default), "")


def _is_only_called(view: ModuleView, name: str) -> bool:
    """Whether nothing in the module asks of a name what only the class itself can answer."""
    for mention in view.links.mentions(name):
        parent = view.tree.parents[mention]
        if isinstance(parent, (ast.Attribute, ast.Compare, ast.ClassDef)):
            return False
        if isinstance(parent, ast.Call) and mention in parent.args:
            func = parent.func
            if isinstance(func, ast.Name) and func.id in _ABOUT_CLASSES:
                return False
    return True

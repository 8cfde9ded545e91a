"""A view of a few lines of code."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from v5lint.document import Region
from v5lint.project import Project
from v5lint.settings import Settings
from v5lint.view.module import ModuleView


def view_of(code: str, *, target: tuple[int, ...] = (5, 23), folder: Path | None = None) -> ModuleView:
    """The view of a module of which nothing is around; with a folder, of its file `case.py`."""
    text = textwrap.dedent(code).lstrip("\n")
    settings = Settings((), target=target)
    root = str(folder or "/nowhere")
    return ModuleView(Region("python", text), f"{root}/case.py", settings, Project(root, None if folder else ()))


def asked(view: ModuleView) -> ast.expr:
    """The argument of the call of `ask(...)` in the code."""
    for node in view.tree.nodes[ast.Call]:
        assert isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "ask":
            return node.args[0]
    raise AssertionError("nothing is asked")


def values(code: str) -> set[str]:
    """What the argument of `ask(...)` may be: constants as Python writes them, other things as the view shows them."""
    view = view_of(code)
    return {repr(each.value) if hasattr(each, "value") else _shown(each) for each in view.values(asked(view))}


def _shown(value: object) -> str:
    kind = type(value).__name__
    for name in ("path", "origin", "name"):
        if hasattr(value, name):
            return f"{kind}:{getattr(value, name)}"
    return f"{kind} of {_shown(value.of)}" if hasattr(value, "of") else kind

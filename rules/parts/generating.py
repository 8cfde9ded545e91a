"""Classes of a repository that generate: whether `generate` of transformers is theirs, and what they override."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.values import LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

#: The class of transformers whose `generate` it is.
MIXIN = "GenerationMixin"

#: What `generate` calls its cache since 5.24, and what it called it before.
CACHE, CACHE_BEFORE = "cache", "past_key_values"


def generates(of: LocalClass) -> bool:
    """Whether a class of the repository has the `generate` of transformers, and none of its own."""
    names = library.library_classes(of.view, of)
    if not any(name == MIXIN or lookup.is_subclass(name, MIXIN) for name in names):
        return False
    return not is_written_here(of, "generate")


def is_written_here(of: LocalClass, name: str) -> bool:
    """Whether a method of a class is the repository's own."""
    found = of.view.evaluator.class_attribute(of, name, instance=False)
    return any(isinstance(each, LocalFunction) for each in found)


def parameters(function: ast.FunctionDef) -> dict[str, ast.arg]:
    """The parameters of a function that have a name, by it."""
    args = function.args
    return {each.arg: each for each in [*args.posonlyargs, *args.args, *args.kwonlyargs]}


def is_super_call(node: ast.AST | None, name: str) -> bool:
    """Whether a node is `super().name(...)`."""
    func = node.func if isinstance(node, ast.Call) else None
    if not isinstance(func, ast.Attribute) or func.attr != name or not isinstance(func.value, ast.Call):
        return False
    return isinstance(func.value.func, ast.Name) and func.value.func.id == "super"


def is_called(view: ModuleView, name: str, *, but_in: ast.FunctionDef) -> bool:
    """Whether a module names a method itself, other than through `super()` in the method of that name."""
    for node in view.tree.nodes.get(ast.Attribute, ()):
        if isinstance(node, ast.Attribute) and node.attr == name:
            if is_super_call(view.tree.parents.get(node), name) and view.links.function_around(node) is but_in:
                continue
            return True
    return False

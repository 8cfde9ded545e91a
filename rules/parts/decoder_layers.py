"""The layers of a causal language model whose class is not known, by their place in it: `model.model.layers`.

All models of transformers that have this path are decoders with rotary positions, so that what their layers ask for
is known without the class (see V5548).
"""

from __future__ import annotations

import ast

from v5lint.rules.parts import models, module_paths
from v5lint.view.values import LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

_BASE, _LIST = "model", "layers"

#: Methods of a module that give it back.
_SAME = frozenset({"to", "cuda", "cpu", "eval", "train", "half", "float", "bfloat16"})

_COPY = "deepcopy"

#: How many names, calls and functions back a layer is followed.
_DEPTH = 8


def is_item(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression stands for one of the layers at `x.model.layers` of a model that may be the library's."""
    return _is_item(view, node, frozenset())


def _is_item(view: ModuleView, node: ast.expr, seen: frozenset[Binding]) -> bool:
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Slice) and _is_list(view, node.value, 0)
    if isinstance(node, ast.Call):
        same = _given_back(node)
        return same is not None and _is_item(view, same, seen)
    if not isinstance(node, ast.Name) or len(seen) > _DEPTH:
        return False
    bindings = view.links.bindings_read(node)  # of `layer = layer.cpu()` in a loop one is that itself
    return bool(bindings) and all(each in seen or _binds_item(view, each, seen | {each}) for each in bindings)


def _binds_item(view: ModuleView, binding: Binding, seen: frozenset[Binding]) -> bool:
    if binding.kind == "assign" and binding.value is not None:
        return _is_item(view, binding.value, seen)
    if binding.kind == "for" and binding.value is not None:
        items = module_paths.iterated(binding.value, binding.index)
        return items is not None and _is_list(view, items, 0)
    if binding.kind == "parameter" and isinstance(binding.node, ast.arg):
        given, always = view.links.arguments_for(binding.scope.node, binding.node)
        return bool(given) and always and all(_is_item(view, each, seen) for each in given)
    return False


def _is_list(view: ModuleView, node: ast.expr, depth: int) -> bool:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        node = node.value
    if isinstance(node, ast.Name) and depth <= _DEPTH:
        # Of another family (`model.model.decoder.layers`) in another branch: what is asked of a call tells them apart.
        values = [each.value for each in view.links.bindings_read(node) if each.kind == "assign"]
        found = [each for each in values if isinstance(each, (ast.Attribute, ast.Call))]
        return bool(found) and len(found) == len(values) and any(_is_list(view, each, depth + 1) for each in found)
    if isinstance(node, ast.Call) and depth <= _DEPTH:
        functions = [each for each in view.values(node.func) if isinstance(each, LocalFunction)]
        given = [(each.view, value) for each in functions for value in each.view.links.returns(each.node) if value]
        return any(_is_list(other, value, depth + 1) for other, value in given)
    if not isinstance(node, ast.Attribute) or node.attr != _LIST:
        return False
    base = node.value
    if not isinstance(base, ast.Attribute) or base.attr != _BASE:
        return False
    return not _is_own(view, base.value)


def _is_own(view: ModuleView, node: ast.expr) -> bool:
    """Whether a model is one of the repository: `self`, or an object of a class that is written here."""
    if isinstance(node, ast.Name) and node.id == "self":
        return True
    return any(isinstance(each, LocalClass) for each in view.classes_of(node)) or any(
        each.is_own for each in models.models(view, node).found
    )


def _given_back(call: ast.Call) -> ast.expr | None:
    """The module that a call gives back, or a copy of it: `layer` of `layer.to(device)` and `copy.deepcopy(layer)`."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _SAME:
        return call.func.value
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return call.args[0] if name == _COPY and len(call.args) == 1 else None

"""The parts of models in whose place a repository puts functions and classes of its own."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rules.parts import decoder_layers, model_layers, patched_methods
from v5lint.view.strings import last_name
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView

#: Families whose model files make and call their parts alike, read in the wheels.
FAMILIES = ("gemma", "gemma2", "llama", "mistral", "mixtral", "phi3", "qwen2", "qwen3")

_FORWARD = "forward"

#: Where the parts stand, and what their classes are called by.
_SELF_ATTENTION = "self_attn"
ATTENTION, LAYER = "Attention", "DecoderLayer"

#: The attentions of the model files of these families: `hidden_states, _ = self.self_attn(...)`.
_FAMILY = pattern(rf"transformers\.models\.({'|'.join(FAMILIES)})\.")
_ATTENTION_SINCE = "4.48"

#: The releases since which all decoders do that have this path: Persimmon was the last to take three values.
_ANY_ATTENTION_SINCE, _ANY_LAYER_SINCE = "4.57", "5.4"

#: What makes a method or less of a function.
_BINDS = frozenset({"MethodType", "partial"})


def replaced(view: ModuleView, function: ast.FunctionDef) -> Iterator[tuple[str, str, str]]:
    """The parts in whose place a function is put, or the class that it is the `forward` of.

    Each with its kind, how it is called, and the release since which it gives what it does: two values, or a tensor.
    """
    owner = view.links.class_of_method(function)
    if owner is not None and function.name != _FORWARD:
        return
    if owner is None:
        for each in patched_methods.patched_classes(view, function, _FORWARD):
            if isinstance(each, External):
                yield from _of_class(each)
    name = owner.name if owner is not None else function.name
    for other in (view, *view.importers(name)):
        for statement in other.tree.nodes.get(ast.Assign, ()):
            assert isinstance(statement, ast.Assign)
            if put(statement.value, is_class=owner is not None) == name:
                for target in statement.targets:
                    yield from _at(other, target, is_class=owner is not None)


def put(value: ast.expr, *, is_class: bool = False) -> str:
    """The name of the function, or of the class, that is put somewhere."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "to":
        value = value.func.value
    if is_class:
        return last_name(value.func) if isinstance(value, ast.Call) else last_name(value)
    if isinstance(value, ast.Call) and value.args and last_name(value.func) in _BINDS:
        value = value.args[0]
    return last_name(value)


def _at(view: ModuleView, target: ast.expr, *, is_class: bool) -> Iterator[tuple[str, str, str]]:
    """The part at the place that something is put to."""
    part: ast.expr | None = target
    if not is_class:
        part = target.value if isinstance(target, ast.Attribute) and target.attr == _FORWARD else None
    if view.guards.is_dead(target):
        return
    if is_class and isinstance(target, ast.Attribute) and target.attr.endswith((ATTENTION, LAYER)):
        for each in view.values(target.value):
            if isinstance(each, External) and each.package == "transformers":
                yield from _of_class(External(f"{each.path}.{target.attr}"))
    # A class whose object is bound to a name (`layer = Own(layer)`) is in no place of the model.
    kinds = (ast.Subscript,) if is_class else (ast.Name, ast.Subscript)
    if isinstance(part, ast.Attribute) and part.attr == _SELF_ATTENTION:
        if decoder_layers.is_item(view, part.value):
            yield ATTENTION, "the attention of `model.layers`", _ANY_ATTENTION_SINCE
    elif isinstance(part, kinds) and decoder_layers.is_item(view, part):
        yield LAYER, "a layer of `model.layers`", _ANY_LAYER_SINCE


def _of_class(of: External) -> Iterator[tuple[str, str, str]]:
    if not decoder_layers.is_part(of):
        return
    if of.name.endswith(ATTENTION) and _FAMILY.match(of.path):
        yield ATTENTION, f"`{of.name}`", _ATTENTION_SINCE
    elif of.name.endswith(LAYER) and (since := model_layers.since(of.name)):
        yield LAYER, f"`{of.name}`", since

"""The parts of models in whose place a repository puts functions and classes of its own."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rules.parts import decoder_layers, model_layers, patched_methods, placings
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


class Replaced:
    """A part in whose place something is put.

    Attributes:
        kind: `ATTENTION` or `LAYER`.
        name: how it is called.
        since: the release since which it gives what it does: two values, or a tensor.
        is_known: whether its class is known, and not only its place: of other families it may be an earlier release.
    """

    __slots__ = ("is_known", "kind", "name", "since")

    def __init__(self, kind: str, name: str, since: str, *, is_known: bool = True) -> None:
        self.kind = kind
        self.name = name
        self.since = since
        self.is_known = is_known


def replaced(view: ModuleView, function: ast.FunctionDef) -> Iterator[Replaced]:
    """The parts in whose place a function is put, or the class that it is the `forward` of."""
    owner = view.links.class_of_method(function)
    if owner is not None and function.name != _FORWARD:
        return
    if owner is None:
        for each in patched_methods.patched_classes(view, function, _FORWARD):
            if isinstance(each, External):
                yield from _of_class(each)
    name = owner.name if owner is not None else function.name
    is_class = owner is not None
    for other in (view, *view.importers(name)):
        holders = _holders(other, name) if is_class else frozenset()

        def is_meant(node: ast.expr, holders: frozenset[str] = holders) -> bool:
            return put(node, is_class=is_class) == name or getattr(node, "id", "") in holders

        for placing in placings.placings(other, is_meant):
            if not is_meant(placing.value) or other.guards.is_dead(placing.node):
                continue
            if placing.target is not None:
                yield from _at(other, placing.target, view, is_class=is_class)
            for of in placings.asked_for(other, placing) if is_class else ():
                yield from _of_class(of)


def _holders(view: ModuleView, name: str) -> frozenset[str]:
    """The variables that hold an object of a class: `new = Own(child)`."""
    return frozenset(
        target.id
        for statement in view.tree.nodes.get(ast.Assign, ())
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)
        if put(statement.value, is_class=True) == name
        for target in statement.targets
        if isinstance(target, ast.Name)
    )


def put(value: ast.expr, *, is_class: bool = False) -> str:
    """The name of the function, or of the class, that is put somewhere."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "to":
        value = value.func.value
    if is_class:
        return last_name(value.func) if isinstance(value, ast.Call) else last_name(value)
    if isinstance(value, ast.Call) and value.args and last_name(value.func) in _BINDS:
        value = value.args[0]
    return last_name(value)


def _at(view: ModuleView, target: ast.expr, user: ModuleView, *, is_class: bool) -> Iterator[Replaced]:
    """The part at the place that something is put to."""
    part: ast.expr | None = target
    if not is_class:
        part = target.value if isinstance(target, ast.Attribute) and target.attr == _FORWARD else None
    if is_class and isinstance(target, ast.Attribute) and target.attr.endswith((ATTENTION, LAYER)):
        for each in view.values(target.value):
            if isinstance(each, External) and each.package == "transformers":
                yield from _of_class(External(f"{each.path}.{target.attr}"))
    # A class whose object is bound to a name (`layer = Own(layer)`) is in no place of the model.
    kinds = (ast.Subscript,) if is_class else (ast.Name, ast.Subscript)
    if isinstance(part, ast.Attribute) and part.attr == _SELF_ATTENTION:
        if decoder_layers.is_item(view, part.value):
            of = decoder_layers.attention(view, part, user)
            known = [*_of_class(of)] if of is not None else []
            name, since = "the attention of `model.layers`", _ANY_ATTENTION_SINCE
            yield known[0] if known else Replaced(ATTENTION, name, since, is_known=False)
    elif isinstance(part, kinds) and decoder_layers.is_item(view, part):
        yield Replaced(LAYER, "a layer of `model.layers`", _ANY_LAYER_SINCE, is_known=False)


def _of_class(of: External) -> Iterator[Replaced]:
    if not decoder_layers.is_part(of):
        return
    if of.name.endswith(ATTENTION) and _FAMILY.match(of.path):
        yield Replaced(ATTENTION, f"`{of.name}`", _ATTENTION_SINCE)
    elif of.name.endswith(LAYER) and (since := model_layers.since(of.name)):
        yield Replaced(LAYER, f"`{of.name}`", since)

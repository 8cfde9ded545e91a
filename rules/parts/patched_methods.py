"""Functions that a repository puts into classes and objects of transformers, in whatever module it does so."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rules.parts import decoder_layers, members
from v5lint.view import elsewhere
from v5lint.view.values import External, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue, Value

#: What makes a method of a function: `types.MethodType(forward, layer)`.
_BINDS = "MethodType"

_FORWARD = "forward"

#: What the name of a part ends in, behind that of the family.
_KIND = pattern(r"(?:Self|Cross)?(?:Attention|(?:Encoder|Decoder)?Layer|Encoder|Decoder|Block)\Z")

#: The parameters of `MethodType`, and of `setattr`.
_BOUND, _SET = 2, 3


def patched_classes(view: ModuleView, function: ast.FunctionDef, method: str = "") -> list[ClassValue]:
    """The classes of transformers that a function outside of classes becomes a method of.

    `LlamaAttention.forward = forward`, `setattr(LlamaAttention, "forward", forward)` and
    `layer.forward = types.MethodType(forward, layer)`, in this module or in one that imports the function.

    Args:
        view: the module that defines the function.
        function: the function.
        method: which method it has to become; "" for any.
    """
    found: dict[ClassValue, None] = {}
    for other in (view, *view.importers(function.name)):
        found.update(dict.fromkeys(_patches(other, view, function, method)))
    return list(found)


def _patches(other: ModuleView, view: ModuleView, function: ast.FunctionDef, method: str) -> Iterator[ClassValue]:
    """The classes that one module makes a function a method of."""
    name = function.name
    if name not in other.text:
        return
    for statement in other.tree.nodes.get(ast.Assign, ()):
        assert isinstance(statement, ast.Assign)
        given = _is_of(other, statement.value, view, function)
        for target in statement.targets if given and not elsewhere.is_never_called(other, statement) else ():
            if isinstance(target, ast.Attribute) and method in ("", target.attr):
                yield from _classes(other.values(target.value))
    for call in other.links.calls_named("setattr"):
        if len(call.args) != _SET or method not in ("", getattr(call.args[1], "value", method)):
            continue
        if _is_of(other, call.args[2], view, function):
            yield from _classes(other.values(call.args[0]))
    for call in other.links.calls_named(_BINDS):
        is_named = not method or getattr(_target(other, call), "attr", method) == method
        if len(call.args) == _BOUND and is_named and _is_of(other, call.args[0], view, function):
            yield from _objects(other, call.args[1], view)


def _target(view: ModuleView, call: ast.Call) -> ast.expr | None:
    """What a call's result is assigned to."""
    parent = view.tree.parents[call]
    return parent.targets[0] if isinstance(parent, ast.Assign) else None


def _is_of(other: ModuleView, node: ast.expr, view: ModuleView, function: ast.FunctionDef) -> bool:
    """Whether an expression of a module may be a function: the cheap question is asked first."""
    if not isinstance(node, (ast.Name, ast.Attribute, ast.IfExp)):
        return False
    return any(
        isinstance(each, LocalFunction)
        and getattr(each.node, "name", "") == function.name
        and each.node.lineno == function.lineno
        and os.path.realpath(each.view.path) == os.path.realpath(view.path)
        for each in other.values(node)
    )


def _classes(values: frozenset[Value]) -> Iterator[ClassValue]:
    for each in values:
        if isinstance(each, External) and each.package == "transformers" and each.name[:1].isupper():
            yield each


def _objects(view: ModuleView, node: ast.expr, user: ModuleView) -> Iterator[ClassValue]:
    """The classes of an object: as the view knows them, else by its place, or as a test around has found them."""
    known = view.classes_of(node)
    yield from (each for each in known if isinstance(each, External) and each.package == "transformers")
    if known:
        return
    if (of := decoder_layers.attention(view, node, user)) is not None:
        yield of
        return
    for classes in members.classes_asked_for(view, node):
        for one in classes:
            yield from _classes(view.values(one))


def is_replaced(view: ModuleView, func: ast.expr, parts: Iterable[str] = ()) -> bool:
    """Whether something else is put in the place of what is called, or of its `forward`.

    `model.encoder.forward = forward` in this file, and in any of the repository `LlamaAttention.forward = forward` and
    `modeling_llama.LlamaSdpaAttention = Own`.

    Args:
        view: the module.
        func: what is called.
        parts: the classes that it may be an object of, as far as they are known.
    """
    last = func.attr if isinstance(func, ast.Attribute) else ""
    stores = (each for each in view.attributes({_FORWARD}) if isinstance(each.ctx, ast.Store))
    if last and any(ast.unparse(each.value).rpartition(".")[2] == last for each in stores):
        return True
    return any(view.project.noted(("replaced", part), lambda part=part: _is_stored(view, part)) for part in parts)  # type: ignore[misc]


def _is_stored(view: ModuleView, part: str) -> bool:
    """Whether a file puts something in the place of a class, of one of its kernels, or of its `forward`."""
    kind = _KIND.search(part)
    family = part[: kind.start()] if kind is not None else part
    stores = re.compile(rb"\b%s\w*%s(?:\.forward)?\s*=[^=]" % (family.encode(), part[len(family) :].encode()))
    files = [bytes_of(each) for each in view.project.mentioning(family.encode(), view.path)]
    return any(stores.search(each) for each in (view.text.encode("utf-8", "surrogatepass"), *files))

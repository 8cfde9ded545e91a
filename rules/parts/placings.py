"""What a repository puts in the place of parts of modules and models: by assignments, `setattr`, its own setters.

- `LlamaDecoderLayer.forward = forward`
- `setattr(layer, "self_attn", Own(config))`
- `parent._modules[name] = Own(config)`
- `set_module(model, name, Own(config))`, where `set_module` gives its parameters to `setattr`
"""

from __future__ import annotations

import ast

from v5lint.rules.parts import members
from v5lint.view.strings import last_name
from v5lint.view.values import Constant, External, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from v5lint.view.module import ModuleView

#: What puts a module somewhere, and the place of it among its arguments.
_SETTERS = {"setattr": 2, "set_submodule": 1}
_SETATTR, _NAME = "setattr", 1

#: The dict of a module that its children are kept in.
_CHILDREN = "_modules"


class Placing:
    """One thing that is put somewhere.

    Attributes:
        node: where that is written.
        target: the place, an Attribute also where it is written `setattr(x, "name", ...)`; None where the name is not
            known.
        value: what is put there.
    """

    __slots__ = ("node", "target", "value")

    def __init__(self, node: ast.expr, target: ast.expr | None, value: ast.expr) -> None:
        self.node = node
        self.target = target
        self.value = value


def placings(view: ModuleView, is_meant: Callable[[ast.expr], bool]) -> Iterator[Placing]:
    """What a module puts somewhere.

    Args:
        view: the module.
        is_meant: whether an expression is of interest; of a call one argument has to be.
    """
    for statement in view.tree.nodes.get(ast.Assign, ()):
        assert isinstance(statement, ast.Assign)
        for target in statement.targets:
            if is_meant(target) or is_meant(statement.value):
                child = isinstance(target, ast.Subscript) and last_name(target.value) == _CHILDREN
                yield Placing(target, None if child else target, statement.value)
    for call in view.calls():
        node = call.node
        if not any(is_meant(each) for each in node.args) and not any(is_meant(each.value) for each in node.keywords):
            continue
        if call.name in _SETTERS:
            yield from _set(view, node)
        else:
            yield from _set_by(view, node)


def asked_for(view: ModuleView, placing: Placing) -> Iterator[External]:
    """The classes of transformers of one of which the thing is whose place is taken, as a test around has found.

    `for name, child in model.named_modules(): if isinstance(child, LlamaAttention): ...`.
    """
    for subject, classes in members.asked_classes(view, placing.node):
        bindings = view.links.bindings_read(subject) if isinstance(subject, ast.Name) else []
        if not bindings or any(each.kind != "for" for each in bindings):
            continue
        for one in classes:
            yield from (each for each in view.values(one) if isinstance(each, External))


def _set(view: ModuleView, call: ast.Call) -> Iterator[Placing]:
    """What `setattr` or `set_submodule` puts somewhere."""
    name = last_name(call.func)
    if len(call.args) != _SETTERS[name] + 1 or call.keywords:
        return
    *before, value = call.args
    if name != _SETATTR:
        yield Placing(call, None, value)
        return
    names = [each.value for each in view.values(before[_NAME]) if isinstance(each, Constant)]
    yield Placing(call, _attribute(call, before[0], names), value)


def _set_by(view: ModuleView, call: ast.Call) -> Iterator[Placing]:
    """What a setter of the repository puts somewhere: a function that hands the last of its parameters to `setattr`."""
    for callee in view.values(call.func):
        if not isinstance(callee, LocalFunction) or not isinstance(callee.node, ast.FunctionDef):
            continue
        given = _given(callee.node, call)
        for inner in ast.walk(callee.node):
            found = _puts(inner)
            if found is None or (value := given.get(last_name(found[1]))) is None:
                continue
            holder = given.get(last_name(found[0])) if found[0] is not None else None
            name = given.get(last_name(found[2])) if found[2] is not None else None
            names = [each.value for each in view.values(name) if isinstance(each, Constant)] if name is not None else []
            target = _attribute(call, holder, names) if holder is not None else None
            yield Placing(call, target, value)
            break


def _puts(node: ast.AST) -> tuple[ast.expr | None, ast.expr, ast.expr | None] | None:
    """The holder, the value and the name, where a node puts something somewhere."""
    if isinstance(node, ast.Call) and last_name(node.func) in _SETTERS:
        place = _SETTERS[last_name(node.func)]
        if len(node.args) != place + 1:
            return None
        is_named = last_name(node.func) == _SETATTR
        return (node.args[0], node.args[place], node.args[_NAME]) if is_named else (None, node.args[place], None)
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    is_child = isinstance(target, ast.Subscript) and last_name(target.value) == _CHILDREN
    return (None, node.value, None) if is_child and isinstance(node, ast.Assign) else None


def _given(function: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
    """What a call gives to the parameters of a function, as far as it is written there."""
    positional = [*function.args.posonlyargs, *function.args.args]
    if isinstance(call.func, ast.Attribute) and positional and positional[0].arg in ("self", "cls"):
        positional = positional[1:]
    given: dict[str, ast.expr] = {}
    for parameter, value in zip(positional, call.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        given[parameter.arg] = value
    given.update((each.arg, each.value) for each in call.keywords if each.arg is not None)
    return given


def _attribute(call: ast.Call, holder: ast.expr, names: list[object]) -> ast.Attribute | None:
    """The attribute that a setter writes to; None where its name is not known."""
    if len(names) != 1 or not isinstance(names[0], str) or not names[0].isidentifier():
        return None
    return ast.copy_location(ast.Attribute(value=holder, attr=names[0], ctx=ast.Store()), call)

"""What the other modules of a repository give to a function of this one: the model that `main.py` hands to `embed`."""

from __future__ import annotations

import ast

from v5lint.view.values import Constant, LocalClass, LocalFunction, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import ClassValue

#: What is known of a parameter where nothing in its module says more.
_FROM_THE_CALLER = frozenset({Unknown("caller"), Constant(None)})

#: So many modules that have a function are asked, and so many through which a name is imported.
_MODULES = 8

#: What is being asked, so that two modules which hand an object to each other come to an end.
_busy: set[tuple[str, str, str]] = set()

#: How often what is being asked was met again: what is found then is not all that there is.
_met_again = [0]


def given(view: ModuleView, node: ast.expr) -> list[tuple[ModuleView, ast.expr]]:
    """The expressions that other modules give to the parameter that an expression is, each with its module.

    What they have from their own callers is followed further; what nobody gives is left out.

    Args:
        view: the module.
        node: the name of a parameter, or an attribute that the constructor sets to one of its own: `self.tokenizer`.
    """
    return [each for function, arg in _parameters(view, node) for each in _arguments(view, function, arg)]


def at_home(view: ModuleView, bindings: list[Binding]) -> tuple[ModuleView, list[Binding]]:
    """The module of the repository that a name is imported from, with what binds it there; else what is given."""
    for _ in range(_MODULES):
        only = bindings[0] if len(bindings) == 1 else None
        if only is None or not isinstance(only.statement, ast.ImportFrom) or not isinstance(only.node, ast.alias):
            break
        file = view.project.module_file(view.names.module_of(only.statement), view.path)
        home = view.project.view(file, view.settings) if file is not None else None
        if home is None:
            break
        view, bindings = home, home.reach.final(home.tree.scope, only.node.name)
    return view, bindings


def is_from_the_caller(view: ModuleView, node: ast.expr) -> bool:
    """Whether all that a module says of an expression is that whoever calls a function gives it."""
    return view.values(node) <= _FROM_THE_CALLER


def classes(view: ModuleView, node: ast.expr) -> list[ClassValue]:
    """The classes of what other modules give to the parameter that an expression is; none where one is not known."""
    found: dict[ClassValue, None] = {}
    for other, each in given(view, node) if is_from_the_caller(view, node) else ():
        here = other.classes_of(each)
        if not here or len(here) < len(other.values(each) - _FROM_THE_CALLER):
            return []
        found.update(dict.fromkeys(here))
    return [*found]


def _parameters(view: ModuleView, node: ast.expr) -> Iterator[tuple[ast.AST, ast.arg]]:
    """The parameters that an expression may stand for, each with its function."""
    if isinstance(node, ast.Name):
        for binding in view.links.bindings_read(node):
            if binding.kind == "parameter" and binding.index <= 0 and isinstance(binding.node, ast.arg):
                yield binding.scope.node, binding.node
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = view.links.class_around(node)
        values = view.links.self_assignments(owner).get(node.attr, ()) if owner is not None else ()
        for value in values:
            if isinstance(value, ast.Name):
                yield from _parameters(view, value)


def _arguments(view: ModuleView, function: ast.AST, arg: ast.arg) -> list[tuple[ModuleView, ast.expr]]:
    """What the calls in other modules give to a parameter of a function, or of the constructor of a class.

    That nobody gives anything is remembered: what functions hand to each other is asked for at each of their places.
    """
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    owner = view.tree.parents[function]
    is_constructor = isinstance(owner, ast.ClassDef)
    defined = owner if isinstance(owner, ast.ClassDef) else function
    if (is_constructor and function.name != "__init__") or view.tree.parents[defined] is not view.tree.root:
        return []  # methods are called by whoever has the object
    key = (view.project.real(view.path), defined.name, arg.arg)
    not_given: set[tuple[str, str, str]] = view.project.noted(("not given",), set)
    if key in _busy:
        _met_again[0] += 1
        return []
    if key in not_given:
        return []
    met_before = _met_again[0]
    _busy.add(key)
    try:
        found = [*_arguments_of_calls(view, function, arg, defined)]
    finally:
        _busy.discard(key)
    if not found and (not _busy or _met_again[0] == met_before):
        not_given.add(key)
    return found


def _arguments_of_calls(
    view: ModuleView,
    function: ast.FunctionDef | ast.AsyncFunctionDef,
    arg: ast.arg,
    defined: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
) -> Iterator[tuple[ModuleView, ast.expr]]:
    for each in view.links.arguments_for(function, arg)[0]:
        yield from given(view, each)  # a function of this module hands it on
    positional = [*function.args.posonlyargs, *function.args.args]
    place = positional.index(arg) - (defined is not function) if arg in positional else -1
    for other, call in _calls(view, defined.name):
        for each in _argument(call, arg.arg, place):
            yield from given(other, each) if is_from_the_caller(other, each) else [(other, each)]


def calls(view: ModuleView, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.Call]:
    """The calls of a function of this module in other modules; none of a method, nor of a function in a function."""
    if view.tree.parents[function] is not view.tree.root:
        return []
    return [call for _, call in _calls(view, function.name)]


def is_never_called(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node is in a function that other modules call, and only where the target release does not get."""
    function = view.links.function_around(node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) or view.links.calls_of(function):
        return False
    if view.tree.parents[function] is not view.tree.root:
        return False
    found = [*_calls(view, function.name)]
    return bool(found) and all(other.guards.is_dead(call) for other, call in found)


def _calls(view: ModuleView, name: str) -> Iterator[tuple[ModuleView, ast.Call]]:
    """The calls of what this module defines under a name, in other modules."""
    path = view.project.real(view.path)
    files = view.project.all_importers(view.path, name)
    # Most of them only hand it on: asking for the text costs less than parsing them.
    calling = [each for each in files if any(view.project.holds(each, f"{name}{end}") for end in ("(", " ("))]
    for file in calling[:_MODULES]:
        other = view.project.view(file, view.settings)
        for call in other.links.calls_named(name) if other is not None else ():
            if other is not None and _is_of(other, call, name, path):
                yield other, call


def _is_of(view: ModuleView, call: ast.Call, name: str, file: str) -> bool:
    return any(
        isinstance(each, (LocalClass, LocalFunction))
        and getattr(each.node, "name", "") == name
        and view.project.real(each.view.path) == file
        for each in view.values(call.func)
    )


def _argument(call: ast.Call, name: str, place: int) -> Iterator[ast.expr]:
    for keyword in call.keywords:
        if keyword.arg == name:
            yield keyword.value
            return
    if 0 <= place < len(call.args) and not any(isinstance(each, ast.Starred) for each in call.args[: place + 1]):
        yield call.args[place]

"""Options of a parser that all go into one call, as in `TrainingArguments(**vars(args))`: a part of several rules."""

from __future__ import annotations

import ast

from v5lint.rules.parts import arguments, carried_fields, library, standing
from v5lint.view.calls import CallSite
from v5lint.view.links import destinations
from v5lint.view.values import Mapping, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.arguments import Functions, Judge
    from v5lint.rules.parts.carried_fields import Asked
    from v5lint.view.module import ModuleView

#: Methods of a parser that give a part of it.
_GROUPS = frozenset({"add_argument_group", "add_mutually_exclusive_group"})

_PARSES = (".parse_args", ".parse_known_args")


class Option:
    """An option that goes into a call with all the others of its parser.

    Attributes:
        node: the call that adds it to the parser.
        name: the attribute that it fills.
        call: the call that gets it.
    """

    __slots__ = ("call", "name", "node")

    def __init__(self, node: ast.Call, name: str, call: CallSite) -> None:
        self.node = node
        self.name = name
        self.call = call

    @property
    def place(self) -> ast.AST:
        """Where it is named."""
        return self.node.args[0] if self.node.args else self.node


def options(view: ModuleView, names: Container[str], is_asked: Asked) -> Iterator[Option]:
    """The options of some names that go into calls with all the others of their parser.

    Args:
        view: the module.
        names: the attributes that they fill.
        is_asked: see `carried_fields.Asked`.
    """
    for call, source in _given(view, is_asked):
        for option in _options(view, carried_fields.object_of(view, source)) or ():
            for name in destinations(option):
                if name in names and not carried_fields.is_lost(view, source, name):
                    yield Option(option, name, CallSite(view, call))
    yield from _clicked(view, names, is_asked)


def reaching(
    view: ModuleView, names: Container[str], functions: Functions, judge: Judge = arguments.removal_of
) -> Iterator[Finding]:
    """Yield the options of some names that reach a callable which no longer takes them.

    Args:
        view: the module.
        names: the arguments.
        functions: see `arguments.Functions`.
        judge: see `arguments.Judge`.
    """
    target = library.release_text(view.settings.target)
    told: set[ast.AST] = set()
    for each in options(view, names, carried_fields.reaches(functions)):
        reached = arguments.reach(each.call, each.name, functions).functions
        found = arguments.lost(reached, each.name, judge, target)
        if found is not None and each.node not in told:
            told.add(each.node)
            shown = found[0].rpartition(":")[2]
            said = f"`{shown}` in line {each.call.node.lineno} gets the option `{each.name}`, and"
            yield view.finding(each.place, f"{said} {arguments.fate(found[1])}", since=found[1].gone)


def unseen(view: ModuleView, is_asked: Asked) -> Iterator[Unseen]:
    """Yield the calls that get all options of a command line whose parser is not in sight.

    Args:
        view: the module.
        is_asked: see `carried_fields.Asked`.
    """
    told = set()
    for call, source in _given(view, is_asked):
        parsed = carried_fields.object_of(view, source)
        if call in told or _options(view, parsed) is not None:
            continue
        is_mapping = any(isinstance(each, Mapping) for each in view.values(parsed))
        if not is_mapping and not view.classes_of(parsed):  # or else it is known whose fields they are
            told.add(call)
            yield view.unseen(call, f"all options of a command line go into `{view.source(call.func)}`")


def _given(view: ModuleView, is_asked: Asked) -> Iterator[tuple[ast.Call, ast.expr]]:
    """The calls that get all attributes of an object, each with the expression that gives them."""
    for call, _splatted, source in carried_fields.splats(view, is_asked):
        if carried_fields.is_of_attributes(source):
            yield call, source


def _options(view: ModuleView, parsed: ast.expr) -> list[ast.Call] | None:
    """The calls that add the options of what was parsed; None where its parser is not in sight."""
    found: list[ast.Call] = []
    for value in view.values(parsed):
        if not isinstance(value, Result) or not value.of.endswith(_PARSES) or value.view is not view:
            return None
        func = value.node.func
        if not isinstance(func, ast.Attribute):
            return None
        found += _added(view, func.value)
    return found


def _added(view: ModuleView, parser: ast.expr) -> list[ast.Call]:
    made = view.links.defining_call(parser)
    return [
        call
        for call in view.links.calls_named("add_argument")
        if isinstance(call.func, ast.Attribute) and made is not None and _parser_of(view, call.func.value) is made
    ]


def _parser_of(view: ModuleView, node: ast.expr) -> ast.Call | None:
    """The call that makes a parser; of a group of options that of its parser."""
    made = view.links.defining_call(node)
    if made is not None and isinstance(made.func, ast.Attribute) and made.func.attr in _GROUPS:
        return _parser_of(view, made.func.value)
    return made


def _clicked(view: ModuleView, names: Container[str], is_asked: Asked) -> Iterator[Option]:
    """The options of click that a command hands on as its `**kwargs`."""
    for decorator in view.links.calls_named("option"):
        function = view.tree.parents[decorator]
        if (
            not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            or decorator not in function.decorator_list
        ):
            continue
        arguments_of = function.args
        own = {each.arg for each in (*arguments_of.posonlyargs, *arguments_of.args, *arguments_of.kwonlyargs)}
        wanted = [each for each in destinations(decorator) if each in names and each not in own]
        if arguments_of.kwarg is None or not wanted:
            continue
        flow = view.dicts.flow_of(arguments_of.kwarg)
        for receiver in flow.receivers:
            call = CallSite(view, receiver.call) if receiver.how == "splat" and receiver.call is not None else None
            if call is None or not is_asked(call) or standing.never_runs(view, call.node):
                continue
            for name in wanted:
                if not view.dicts.may_lose(flow, name) and not carried_fields.is_taken_by_name(
                    view, arguments_of.kwarg, name
                ):
                    yield Option(decorator, name, call)

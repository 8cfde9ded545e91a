"""Options of a parser that all go into one call, as in `TrainingArguments(**vars(args))`: a part of several rules."""

from __future__ import annotations

import ast

from v5lint.rules.parts import arguments, carried_fields, library, standing
from v5lint.view.calls import CallSite
from v5lint.view.links import destinations
from v5lint.view.values import LocalClass, Mapping, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.arguments import Functions, Judge
    from v5lint.view.module import ModuleView

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


def options(view: ModuleView, names: Container[str]) -> Iterator[Option]:
    """The options of some names that go into calls with all the others of their parser.

    Args:
        view: the module.
        names: the attributes that they fill.
    """
    for call, source in _given(view):
        for option in _options(view, carried_fields.object_of(view, source)) or ():
            for name in destinations(option):
                if name in names and not carried_fields.is_lost(view, source, name):
                    yield Option(option, name, CallSite(view, call))


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
    for each in options(view, names):
        reached = arguments.reach(each.call, each.name, functions).functions
        for function in dict.fromkeys(reached):
            removal = judge(function, each.name, target)
            if removal is not None and each.node not in told:
                told.add(each.node)
                yield view.finding(each.place, _said(each, function.rpartition(":")[2], removal), since=removal.gone)


def _said(of: Option, function: str, removal: Removal) -> str:
    does = "ignores it without a word" if removal.effect == "ignored" else "takes none"
    said = f"`{function}` in line {of.call.node.lineno} gets the option `{of.name}`, and {does} since transformers"
    return f"{said} {removal.gone}{arguments.advice(removal)}"


def unseen(view: ModuleView, makes: Callable[[ModuleView, ast.Call], bool]) -> Iterator[Unseen]:
    """Yield the calls that get all options of a command line whose parser is not in sight.

    Args:
        view: the module.
        makes: whether a call is one of those asked about.
    """
    told = set()
    for call, source in _given(view):
        parsed = carried_fields.object_of(view, source)
        if call in told or not makes(view, call) or _options(view, parsed) is not None:
            continue
        is_known = any(isinstance(each, LocalClass) for each in view.classes_of(parsed))  # whose fields they are
        if not is_known and not any(isinstance(each, Mapping) for each in view.values(parsed)):
            told.add(call)
            yield view.unseen(call, f"all options of a command line go into `{view.source(call.func)}`")


def _given(view: ModuleView) -> Iterator[tuple[ast.Call, ast.expr]]:
    """The calls that get all attributes of an object, each with the expression that gives them."""
    for call, splatted in carried_fields.splats(view):
        for source in carried_fields.sources(view, splatted):
            if carried_fields.is_of_attributes(source) and not standing.never_runs(view, call):
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
    found = []
    for call in view.links.calls_named("add_argument"):
        func = call.func
        if isinstance(func, ast.Attribute) and made is not None and view.links.defining_call(func.value) is made:
            found.append(call)
    return found

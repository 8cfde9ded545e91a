"""Options of a parser that all go into TrainingArguments, as `TrainingArguments(**vars(args))`: a part of V5301."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library
from v5lint.view.links import destinations
from v5lint.view.values import External, LocalClass, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

_CLASS = "TrainingArguments"
_PARSES = (".parse_args", ".parse_known_args")


def findings(view: ModuleView, names: Container[str]) -> Iterator[Finding | Unseen]:
    """Yield the options of some names that reach TrainingArguments with all the others of their parser.

    Args:
        view: the module.
        names: the removed fields.
    """
    target = library.release_text(view.settings.target)
    told: set[ast.AST] = set()
    for keyword in view.tree.nodes.get(ast.keyword, ()):
        assert isinstance(keyword, ast.keyword)
        parsed = _parsed(keyword.value) if keyword.arg is None else None
        call = view.tree.parents[keyword]
        if parsed is None or not isinstance(call, ast.Call) or not _makes_arguments(view, call):
            continue
        if view.guards.is_dead(call):
            continue
        options = _options(view, parsed)
        if options is None and any(isinstance(each, LocalClass) for each in view.classes_of(parsed)):
            continue  # no options, but the fields of an object
        if options is None:
            yield view.unseen(keyword, f"all options of a command line go into `{_CLASS}`")
            continue
        for option in options:
            for name in destinations(option):
                removal = lookup.removed_parameter(_CLASS, name, target) if name in names else None
                if removal is not None and option not in told:
                    told.add(option)
                    said = (
                        f"`{_CLASS}(**vars(...))` in line {call.lineno} gets the option `{name}`, and has no such field"
                    )
                    message = f"{said} since transformers {removal.gone}{arguments.advice(removal)}"
                    yield view.finding(option.args[0] if option.args else option, message, since=removal.gone)


def _parsed(node: ast.expr) -> ast.expr | None:
    """The namespace of `vars(args)`, `args.__dict__` and `dict(args._get_kwargs())`."""
    if isinstance(node, ast.Attribute) and node.attr == "__dict__":
        return node.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "vars"
        and len(node.args) == 1
    ):
        return node.args[0]
    return None


def _makes_arguments(view: ModuleView, call: ast.Call) -> bool:
    return any(
        lookup.is_subclass(name, _CLASS)
        for value in view.values(call.func)
        if isinstance(value, (External, LocalClass))
        for name in library.library_classes(view, value)
    )


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

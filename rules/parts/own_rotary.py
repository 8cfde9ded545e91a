"""What the base class does with the `rope_scaling` that a configuration of one's own sets."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import library, members
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView

SCALING = "rope_scaling"
PARAMETERS = "rope_parameters"

#: What the dict has when nothing is scaled.
_PLAIN = frozenset({"rope_type", "rope_theta"})


def never_none(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is such a configuration, whose base fills what is set before its constructor runs.

    Code that reads nothing but what the plain dict has (`.get("rope_type")`) is left alone.
    """
    if isinstance(node, ast.Name) and node.id == "self":
        return False  # of the configuration itself, perhaps before its base was called
    around = view.links.function_around(node)
    if around is None or not any(_is_read(each) for each in ast.walk(around)):
        return False
    owners = members.owners(view, node, ("config",))
    return bool(owners) and all(
        isinstance(each.of, LocalClass) and any(not late for _, late in _settings(each.of)) for each in owners
    )


def _is_read(node: ast.AST) -> bool:
    """`config.rope_scaling["factor"]`, which the dict of plain embeddings does not have."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Attribute) or node.value.attr != SCALING:
        return False
    return isinstance(node.slice, ast.Constant) and node.slice.value not in _PLAIN


def overwritten(view: ModuleView) -> Iterator[ast.Attribute]:
    """Where it is set behind the constructor of the base, which has read what was saved as `rope_parameters`."""
    for node in view.tree.nodes.get(ast.ClassDef, ()):
        assert isinstance(node, ast.ClassDef)
        if node.bases and not view.guards.is_dead(node):
            settings = list(_settings(LocalClass(view, node)))
            if settings and all(late for _, late in settings):
                yield from (target for target, _ in settings)


def kept(view: ModuleView, target: ast.Attribute) -> Fix:
    """The fix that takes what the base has read, on every release."""
    statement = view.tree.parents[target]
    assert isinstance(statement, ast.Assign)
    end = view.span(statement.value)[1]
    edit = Edit(end, end, f' or getattr({view.source(target.value)}, "{PARAMETERS}", None)')
    return Fix(f"Take `{PARAMETERS}` where it is there", [edit], applicability="unsafe")


def _settings(of: LocalClass) -> Iterator[tuple[ast.Attribute, bool]]:
    """Where the constructor of a configuration sets its parameter, and whether its base was called before."""
    names = library.library_classes(of.view, of)
    init = next((each for each in of.node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if init is None or not names or not set(names) <= members.BASES_OF_CONFIGS:
        return
    arguments = {each.arg for each in (*init.args.args, *init.args.kwonlyargs)}
    if init.args.kwarg is None or SCALING not in arguments or PARAMETERS in arguments:
        return
    base = None
    found = []
    for place, statement in enumerate(init.body):
        if _hands_on(statement, init.args.kwarg.arg):
            base = place
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name):
            target = statement.targets[0]
            if isinstance(target, ast.Attribute) and target.attr == SCALING and statement.value.id == SCALING:
                found.append((target, base is not None))
    if base is not None and not any(_is_asked_for(each) for each in ast.walk(of.node)):
        yield from found


def _hands_on(statement: ast.stmt, rest: str) -> bool:
    """`super().__init__(..., **kwargs)`."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "__init__":
        return False
    return any(
        each.arg is None and isinstance(each.value, ast.Name) and each.value.id == rest for each in call.keywords
    )


def _is_asked_for(node: ast.AST) -> bool:
    """Whether a class speaks of the new name, and so knows either release."""
    return (isinstance(node, ast.Attribute) and node.attr == PARAMETERS) or (
        isinstance(node, ast.Constant) and node.value == PARAMETERS
    )

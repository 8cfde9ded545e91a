"""Names of the packages beside transformers, huggingface_hub and PEFT, that the releases to go with v5 no longer have.

Not a rule: each rule of such a package reports what is found here.
"""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts.alternatives import has_second_way
from v5lint.rules.parts.removed_api import RESOLVERS, Lost
from v5lint.rules.parts.standing import Standing
from v5lint.view import strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.view.module import ModuleView, Reference


def lost(view: ModuleView, package: str, release: str | None = None) -> Iterator[Lost]:
    """The places that fetch what a release of a package lacks, and that nothing is prepared for.

    Args:
        view: the module.
        package: the package.
        release: its release; the newest known one unless given.
    """
    found: dict[ast.AST, Lost] = {}
    for reference in _references(view, package):
        removal = lookup.removed_in(reference.path, release)
        if removal is None or reference.node in found or is_prepared(view, reference, package, release):
            continue
        found[reference.node] = Lost(reference, removal, Standing("live"))
    yield from (lost for node, lost in found.items() if not _is_said_of_more(view, node, found))


def _is_said_of_more(view: ModuleView, node: ast.AST, found: Container[ast.AST]) -> bool:
    """Whether a node is the module in `a.gone.Name`, and what is gone is reported of the whole."""
    parent = view.tree.parents.get(node)
    while isinstance(parent, ast.Attribute):
        if parent in found:
            return True
        parent = view.tree.parents.get(parent)
    return False


def _references(view: ModuleView, package: str) -> Iterator[Reference]:
    yield from view.imports(package)
    for reference in view.references(lookup.dropped_names(package), package):
        if reference.how not in ("import", "string") or (reference.how == "string" and _is_resolved(view, reference)):
            yield reference


def _is_resolved(view: ModuleView, reference: Reference) -> bool:
    """Whether a dotted path in a string is looked up: `patch("huggingface_hub.HfFolder.get_token")`."""
    call = view.tree.parents[reference.node]
    return (
        isinstance(call, ast.Call) and call.args[:1] == [reference.node] and strings.last_name(call.func) in RESOLVERS
    )


def is_prepared(view: ModuleView, reference: Reference, package: str, release: str | None) -> bool:
    """Whether a reference does not run, or something that works takes its place."""
    node = reference.node
    if view.guards.is_dead(node) or view.guards.is_dead(node, package) or view.guards.dead_constant(node):
        return True
    if reference.has_default or reference.name in _set_names(view, package) or has_second_way(view, reference):
        return True
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.ExceptHandler):
            statement = view.tree.parents[parent]
            if isinstance(statement, ast.Try) and _works(statement.body, package, release):
                return True
    for test, _ in view.reach.conditions(node):
        if any(isinstance(each, ast.Constant) and each.value == reference.name for each in ast.walk(test)):
            return True  # hasattr(huggingface_hub, "...")
    handled = view.guards.handled(node)
    if handled is None:
        return False
    if isinstance(handled.handler, ast.ExceptHandler) and handled.kind == "fallback":
        body = handled.handler.body
        return _works(body, package, release) or not _imports(body, package)
    return False


def _set_names(view: ModuleView, package: str) -> frozenset[str]:
    """The names that a module puts into the package itself."""
    return frozenset(
        node.attr
        for node in view.tree.nodes.get(ast.Attribute, ())
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and view.is_of(node.value, package)
    )


def _imports(body: list[ast.stmt], package: str) -> list[ast.ImportFrom]:
    found = [each for statement in body for each in ast.walk(statement) if isinstance(each, ast.ImportFrom)]
    return [each for each in found if (each.module or "").partition(".")[0] == package and not each.level]


def _works(body: list[ast.stmt], package: str, release: str | None) -> bool:
    """Whether some statements import from the package, and only what the release has."""
    found = _imports(body, package)
    return bool(found) and all(
        lookup.resolves(f"{each.module}.{alias.name}", release) for each in found for alias in each.names
    )

"""Hyperparameter searches over fields that TrainingArguments no longer has."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, training_objects
from v5lint.rules.parts.training_classes import CLASS, FIELDS, has_own
from v5lint.view.calls import CallSite
from v5lint.view.values import LocalFunction, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_SEARCH = "hyperparameter_search"


def findings(view: ModuleView) -> Iterator[Finding]:
    """The removed fields among the keys that a space of a search has: the Trainer skips them with a warning.

    There is no fix: under v5 the Trainer casts what it sets to the type of the field's default, and a share given for
    `warmup_steps`, whose default is the integer 0, becomes 0.
    """
    target = library.release_text(view.settings.target)
    for node in view.links.calls_named(_SEARCH):
        given = CallSite(view, node).argument("hp_space", 0)
        if given is None or view.guards.is_dead(node):
            continue
        spaces = [each.node for each in view.values(given) if isinstance(each, LocalFunction) and each.view is view]
        for space in [given] if isinstance(given, ast.Lambda) else spaces:
            for key in _keys(view, space):
                name = str(key.value)
                removal = lookup.removed_parameter(CLASS, name, target)
                if removal is not None and not training_objects.is_declared(view, name) and not has_own(view, name):
                    message = f"`TrainingArguments` has no field `{name}` since transformers {removal.gone}"
                    yield view.finding(key, f"{message}, and the search does not set it", since=removal.gone)


def _keys(view: ModuleView, function: ast.AST) -> Iterator[ast.Constant]:
    """The keys of the dicts that a function gives back which are removed fields."""
    seen: set[ast.AST] = set()
    for returned in view.links.returns(function):
        for value in view.values(returned) if returned is not None else ():
            for entry in view.dicts.entries(value.node) if isinstance(value, Mapping) and value.view is view else ():
                if entry.key in FIELDS and isinstance(entry.node, ast.Constant) and entry.node not in seen:
                    seen.add(entry.node)
                    yield entry.node

"""Collects the methods that return features as an output object in the newest release, and not as a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.classes import ClassFacts
    from v5lint.rules.knowledge.collect.namespace import Namespace


def feature_lines(newest: Namespace, classes: dict[str, ClassFacts]) -> list[str]:
    """Give one line a model class: its name, then the `get_..._features` methods that return a `ModelOutput`.

    Methods that a class takes from a base are listed, too.
    """
    lines = []
    for name, facts in sorted(classes.items()):
        if facts.kind == "model":
            returns: dict[str, str] = {}
            for path in reversed([facts.path, *newest.ancestors(facts.path)]):
                returns.update((newest.class_facts(path) or {}).get("returns", {}))
            found = sorted(method for method, annotation in returns.items() if "BaseModelOutput" in annotation)
            if found:
                lines.append("\t".join([name, *found]))
    return lines

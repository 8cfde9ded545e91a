"""Collects the methods that return features as an output object in the newest release, and not as a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.rules.knowledge.collect.source import PASSED_ON

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.classes import ClassFacts
    from v5lint.rules.knowledge.collect.namespace import Namespace


#: What a class that hands its calls on is called, and the model that it has inside.
_WHOLE, _INSIDE = "ForConditionalGeneration", "Model"


def feature_lines(newest: Namespace, classes: dict[str, ClassFacts]) -> list[str]:
    """Give one line a model class: its name, then the `get_..._features` methods that return a `ModelOutput`.

    Methods that a class takes from a base are listed, too, and those that hand the call on to the model inside.
    """
    lines = []
    for name, facts in sorted(classes.items()):
        if facts.kind == "model":
            returns = _returns(newest, facts)
            inside = classes.get(name.replace(_WHOLE, _INSIDE)) if PASSED_ON in returns.values() else None
            if inside is not None:
                inner = _returns(newest, inside)
                returns = {
                    method: inner.get(method, "") if each == PASSED_ON else each for method, each in returns.items()
                }
            found = sorted(method for method, annotation in returns.items() if "BaseModelOutput" in annotation)
            if found:
                lines.append("\t".join([name, *found]))
    return lines


def _returns(newest: Namespace, facts: ClassFacts) -> dict[str, str]:
    """The results of the methods of a class and its bases, as annotated."""
    returns: dict[str, str] = {}
    for path in reversed([facts.path, *newest.ancestors(facts.path)]):
        returns.update((newest.class_facts(path) or {}).get("returns", {}))
    return returns

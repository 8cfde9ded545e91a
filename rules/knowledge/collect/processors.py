"""Collects which parts each processor class has: image_processor, tokenizer, feature_extractor, video_processor, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.rules.knowledge.collect.classes import constant, kind_of
from v5lint.rules.knowledge.collect.history import Axis, Values
from v5lint.rules.knowledge.collect.literals import strings

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.namespace import Namespace

PARTS = ("audio_processor", "audio_tokenizer", "feature_extractor", "image_processor", "tokenizer", "video_processor")
"""The words of which one is in the name of every part (`qformer_tokenizer` is one too)."""


class Processors:
    """Gathers the parts of every processor class, release by release."""

    def __init__(self) -> None:
        self.attributes: Values[str] = Values()
        self.arguments: Values[str] = Values()

    def add(self, namespace: Namespace) -> None:
        """Read the processor classes of the next release."""
        attributes: dict[str, str] = {}
        arguments: dict[str, str] = {}
        for module, facts in sorted(namespace.modules.items()):
            for name in facts.get("classes", ()):
                path = f"{module}.{name}"
                if "Processor" not in name or ".modular_" in path:
                    continue
                line = [path, *namespace.ancestors(path)]
                if kind_of(name, line) == "processor":
                    attributes[name] = " ".join(sorted(_attributes(namespace, line)))
                    arguments[name] = " ".join(_arguments(namespace, line))
        self.attributes.add(attributes)
        self.arguments.add(arguments)

    def lines(self, axis: Axis) -> list[str]:
        """Give one line a class: name, history of its attributes, history of the parts that its constructor takes."""
        return [
            "\t".join([name, self.attributes.text(name, axis), self.arguments.text(name, axis)])
            for name in sorted(self.attributes)
        ]


def is_part(name: str) -> bool:
    """Tell whether an attribute or parameter of a processor holds another processor or a tokenizer."""
    return any(part in name for part in PARTS) and not name.endswith("_class")


def _attributes(namespace: Namespace, line: list[str]) -> set[str]:
    """Give the attributes of an instance that hold a part.

    In 4.x the class attribute `attributes` lists them; in 5.x the parameters of the constructor do. Properties that
    keep an old name working count, too.
    """
    declared = [name for name in strings(constant(namespace, line, "attributes")) if is_part(name)]
    found = set(declared or [name.strip("~") for name in _signature(namespace, line) if not name.startswith("~")])
    for path in line:
        if not path.endswith(".ProcessorMixin"):  # it declares every part that some subclass has
            facts = namespace.class_facts(path) or {}
            found.update(name for name in facts.get("properties", ()) if is_part(name))
    return found


def _arguments(namespace: Namespace, line: list[str]) -> list[str]:
    """Give the parts that the constructor takes by keyword, in their order; old spellings come last."""
    signature = _signature(namespace, line)
    if not signature:
        return [name for name in strings(constant(namespace, line, "attributes")) if is_part(name)]
    return list(dict.fromkeys(name.lstrip("~").partition(">")[0] for name in signature))


def _signature(namespace: Namespace, line: list[str]) -> list[str]:
    for path in line:
        facts = namespace.class_facts(path) or {}
        if "__init__" in facts.get("methods", {}):
            found = [name for name in facts["methods"]["__init__"] if is_part(name) and "audio_tokenizer" not in name]
            if found or not path.endswith(".ProcessorMixin"):
                return found
    inherited = (namespace.class_facts(line[0]) or {}).get("constants", {})
    names = [name.removesuffix("_class") for name, value in inherited.items() if name.endswith("_class") and value]
    return [name for name in names if is_part(name) and name != "audio_tokenizer"]

"""The rules of v5lint: one module a family, registered with the engine through the entry point `v5lint.rules`."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rule import Catalogue


def catalogue() -> Catalogue:
    """All rules of this distribution: every subclass of Rule with a code that a module of this folder defines."""
    from importlib import import_module

    from v5lint.rule import Catalogue, Rule
    from v5lint.rules.knowledge import NEWEST

    found: list[Rule] = []
    for file in sorted(os.listdir(os.path.dirname(__file__))):
        name, extension = os.path.splitext(file)
        if extension != ".py" or name.startswith("_"):
            continue
        module = import_module(f"v5lint.rules.{name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Rule)
                and value.code
                and value.__module__ == module.__name__
            ):
                found.append(value())
    found.sort(key=lambda rule: rule.code)
    return Catalogue(found, newest=NEWEST)

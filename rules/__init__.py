"""The rules of v5lint: one module a subject, registered with the engine through the entry point `v5lint.rules`."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Catalogue, Rule

#: What stands in every project that the rules speak of: the packages, those with an English name as they are imported.
PACKAGES = (
    *("transformers", "Transformers", "TRANSFORMERS", "huggingface", "HUGGINGFACE", "HF_", "peft", "tokenizers"),
    *("diffusers", "unsloth", "setfit", "safetensors", "load_dataset"),
    *(
        f"{word} {name}"
        for name in ("accelerate", "adapters", "datasets", "optimum", "trl")
        for word in ("import", "from")
    ),
)


def catalogue() -> Catalogue:
    """All rules of this distribution; their modules are imported when they are needed.

    What the engine must know of each at every start stands in `index.py`; a module that is not listed there (a new
    rule, before the index is written again) is imported at once.
    """
    from v5lint.rule import Catalogue, DeferredRule, Facts
    from v5lint.rules.index import MODULES, RULES
    from v5lint.rules.knowledge import NEWEST

    rules: list[Rule] = [
        DeferredRule(f"{__name__}.{module}", name, attributes, has_options=has_options)
        for module, name, has_options, attributes in RULES
    ]
    rules += (rule for module in modules() if module not in MODULES for rule in rules_of(module))
    rules.sort(key=lambda rule: rule.code)
    return Catalogue(rules, newest=NEWEST, facts=Facts(f"{__name__}.knowledge.offered"), packages=PACKAGES)


def modules() -> list[str]:
    """The names of the modules of this folder, in order."""
    stems = (os.path.splitext(file) for file in sorted(os.listdir(os.path.dirname(__file__))))
    return [name for name, extension in stems if extension == ".py" and name != "index" and name[0] != "_"]


def rules_of(module: str) -> Iterator[Rule]:
    """An instance of every subclass of Rule with a code that a module of this folder defines."""
    from importlib import import_module

    from v5lint.rule import Rule

    found = import_module(f"{__name__}.{module}")
    for value in vars(found).values():
        if isinstance(value, type) and issubclass(value, Rule) and value.code and value.__module__ == found.__name__:
            yield value()

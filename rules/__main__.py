"""Writes `index.py`, what the engine must know of every rule before it runs one: python -m v5lint.rules."""

from __future__ import annotations

import sys
from pathlib import Path
from pprint import pformat

from v5lint.rule import Rule
from v5lint.rules import modules, rules_of

FILE = Path(__file__).with_name("index.py")

_HEAD = '''"""What the engine must know of every rule before it runs one. Written by `python -m v5lint.rules`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
'''

ATTRIBUTES = (
    *("code", "name", "since", "tokens", "words", "attributes", "beside", "anywhere", "tokens_by_kind", "kinds"),
    "default",
)


def index() -> str:
    """The text of the index: the modules that were looked at, and a row for each rule."""
    rows = []
    for module in modules():
        for rule in rules_of(module):
            attributes = {key: getattr(rule, key) for key in ATTRIBUTES if getattr(rule, key) != getattr(Rule, key)}
            rows.append((module, type(rule).__name__, bool(rule.options), attributes))
    rows.sort(key=lambda row: row[3]["code"])
    table = pformat(tuple(rows), width=110, sort_dicts=False)
    return (
        f"{_HEAD}\n"
        f"#: The modules that were looked at.\n"
        f"MODULES: frozenset[str] = frozenset({pformat(modules(), width=110, compact=True)})\n\n"
        f"#: Module, class, whether it has options, and the attributes that differ from those of Rule.\n"
        f"RULES: tuple[tuple[str, str, bool, dict[str, Any]], ...] = {table}\n"
    )


def main() -> int:
    """Write the index."""
    FILE.write_text(index(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

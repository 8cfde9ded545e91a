"""What the engine must know of every rule before it runs one. Written by `python -m v5lint.rules`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The modules of the rules, those without a rule of their own included.
MODULES: frozenset[str] = frozenset()

#: Module, class, whether it has options, and the attributes that differ from those of Rule.
RULES: tuple[tuple[str, str, bool, dict[str, Any]], ...] = ()

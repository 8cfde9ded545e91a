"""Says what a new data file knows that the earlier one did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from v5lint.rules.knowledge.store import Store

SECTIONS = ("packages", "modules", "top", "tasks", "environment", "scripts", "choices")
_SHOWN = 20


def describe(earlier: Store | None, new: Store) -> list[str]:
    """Give lines for a person: for each section of names, what came and what changed.

    Args:
        earlier: the file that is replaced, or None.
        new: the file that takes its place.
    """
    if earlier is None:
        return ["There was no earlier data file."]
    lines = []
    for section in SECTIONS:
        if section in earlier.sections():
            before = {record[0]: record[1:] for record in earlier.records(section)}
            after = {record[0]: record[1:] for record in new.records(section)}
            changed = [key for key, value in after.items() if before.get(key) != value]
            missing = [key for key in before if key not in after]
            if changed or missing:
                shown = [f"{key} {' '.join(after[key])}" for key in changed] + [
                    f"{key} is no longer there" for key in missing
                ]
                lines += [f"{section}: {len(shown)} changed", *(f"  {line}" for line in shown[:_SHOWN])]
    return lines or ["Nothing changed."]

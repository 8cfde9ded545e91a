"""Release numbers as tuples: all that v5lint needs to compare releases of transformers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Release: TypeAlias = tuple[int, ...]


_parsed: dict[str, Release] = {}


def parse_release(text: str) -> Release:
    """Turn "5.15.2" into (5, 15, 2); what follows the numbers ("rc1", ".dev0", "+cpu") is dropped.

    Trailing zeros are dropped too, so that "5.0" and "5" and "5.0.0" are one release.

    Raises:
        ValueError: the text does not begin with a number.
    """
    found = _parsed.get(text)  # the few dozen releases there are, tens of thousands of times
    if found is None:
        found = _parsed[text] = _read(text)
    return found


def _read(text: str) -> Release:
    numbers: list[int] = []
    for part in text.strip().lstrip("v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            numbers.append(int(digits))
        if not digits or digits != part:
            break
    if not numbers:
        raise ValueError(f"`{text}` is not a release number: write it as 5.0 or 4.57.6")
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def release_text(release: Release) -> str:
    """Turn (5, 15, 2) into "5.15.2", and (5,) into "5.0"."""
    return ".".join(map(str, release if len(release) > 1 else (*release, 0)))

"""Regular expressions that are compiled when they are first used: a start of v5lint uses few of those it imports."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any, AnyStr


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, later."""
    return _Pattern(text, flags)  # type: ignore[return-value]


class _Pattern:
    """Stands for a compiled pattern: what is asked of it first compiles it, and is then its own attribute."""

    def __init__(self, text: Any, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        import re

        found = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)
        return found

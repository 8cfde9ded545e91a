"""The table of `--statistics`: how often each rule was broken, and what can be fixed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.report.text import Line
    from v5lint.results import Diagnostic


class Count:
    """The findings of one rule."""

    __slots__ = ("code", "fixable", "level", "name", "number")

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.code = diagnostic.code
        self.name = diagnostic.name
        self.level = diagnostic.level
        self.number = 0
        self.fixable = 0


def counted(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> list[Count]:
    """The findings by rule, the most frequent first; `fixable` is what this run's options let a fix repair."""
    applied = ("safe", "unsafe") if unsafe else ("safe",)
    counts: dict[str, Count] = {}
    for diagnostic in diagnostics:
        count = counts.setdefault(diagnostic.code, Count(diagnostic))
        count.number += 1
        count.fixable += diagnostic.repair is not None and diagnostic.repair.kind in applied
    return sorted(counts.values(), key=lambda count: (-count.number, count.code))


def lines(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
    """The table, as text."""
    counts = counted(diagnostics, unsafe=unsafe)
    width = max((len(str(count.number)) for count in counts), default=0)
    for count in counts:
        yield [
            (f"{count.number:>{width}}  ", "name"),
            (count.code, count.level),
            (" [*]" if count.fixable == count.number else " [-]" if count.fixable else "    ", "fix"),
            (f" {count.name}", ""),
        ]


def json_lines(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
    """The table, as JSON."""
    import json

    rows = [
        {"code": count.code, "name": count.name, "count": count.number, "fixable_count": count.fixable}
        for count in counted(diagnostics, unsafe=unsafe)
    ]
    yield from ([(line, "")] for line in json.dumps(rows, indent=2).split("\n"))

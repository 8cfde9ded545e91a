"""The form `concise`: a line for each finding, as compilers write them; `[*]` marks what `--fix` repairs."""

from __future__ import annotations

from v5lint.report.text import file_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.report.text import Line
    from v5lint.results import Diagnostic


def lines(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
    """See `v5lint.report.Form`."""
    applied = ("safe", "unsafe") if unsafe else ("safe",)
    for diagnostic in diagnostics:
        place = "{}:{}:{}".format(file_of(diagnostic), *diagnostic.start)
        fixable = diagnostic.repair is not None and diagnostic.repair.kind in applied
        yield [
            (place, "place"),
            (": ", ""),
            (diagnostic.code, diagnostic.level),
            (" [*]" if fixable else "", "fix"),
            (f" {diagnostic.level}: {plain(diagnostic.message)}", ""),
        ]

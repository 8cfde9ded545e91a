"""The form `github`: workflow commands, which GitHub Actions shows beside the changed lines."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.report.text import Line
    from v5lint.results import Diagnostic


def lines(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
    """See `v5lint.report.Form`."""
    for diagnostic in diagnostics:
        command = "error" if diagnostic.level == "breaks" else "warning"
        properties = {
            "title": f"v5lint ({diagnostic.code})",
            "file": diagnostic.path,
        }
        if diagnostic.cell is None:  # the lines of a cell are none of the file
            properties |= {
                "line": str(diagnostic.start[0]),
                "col": str(diagnostic.start[1]),
                "endLine": str(diagnostic.end[0]),
                "endColumn": str(diagnostic.end[1]),
            }
        given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        cell = "" if diagnostic.cell is None else f":cell {diagnostic.cell}"
        place = "{}{}:{}:{}".format(diagnostic.path, cell, *diagnostic.start)
        yield [(f"::{command} {given}::{_data(f'{place}: {diagnostic.code} {diagnostic.message}')}", "")]


def _data(text: str) -> str:
    """Escape as `@actions/core` does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

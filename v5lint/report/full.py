"""The form `full`: each finding with its lines, what its fix does and how to apply it."""

from __future__ import annotations

from v5lint.report.text import file_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.report.text import Line
    from v5lint.results import Diagnostic, Repair

_TAB = "    "


def lines(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
    """See `v5lint.report.Form`."""
    for diagnostic in diagnostics:
        yield from _finding(diagnostic, unsafe)
        yield []


def _finding(diagnostic: Diagnostic, unsafe: bool) -> Iterator[Line]:
    yield [
        (diagnostic.code, diagnostic.level),
        (" ", ""),
        (diagnostic.name, "name"),
        (f": {plain(diagnostic.message)}", ""),
    ]
    gutter = " " * len(str(diagnostic.excerpt[-1][0])) if diagnostic.excerpt else " "
    row, column = diagnostic.start
    yield [(f"{gutter}--> ", "frame"), (f"{file_of(diagnostic)}:{row}:{column}", "place")]
    yield [(f"{gutter} |", "frame")]
    for number, first, text in diagnostic.excerpt:
        yield [(f"{number:>{len(gutter)}} | ", "frame"), (_shown(text), "")]
        if mark := _mark(diagnostic, number, first, text):
            yield [(f"{gutter} | ", "frame"), (" " * mark[0], ""), ("^" * mark[1], diagnostic.level)]
    if diagnostic.excerpt and diagnostic.excerpt[-1][0] < diagnostic.end[0]:
        yield [(f"{gutter} | ", "frame"), ("...", "")]
    yield [(f"{gutter} = ", "frame"), (_level(diagnostic), "")]
    if repair := diagnostic.repair:
        yield [(f"{gutter} = ", "frame"), *_fix(repair, unsafe)]


def _level(diagnostic: Diagnostic) -> str:
    if diagnostic.level == "breaks":
        return f"breaks since transformers {diagnostic.since}"
    return f"deprecated since transformers {diagnostic.since}: it only warns so far"


def _fix(repair: Repair, unsafe: bool) -> Line:
    message = plain(repair.message)
    if repair.kind == "held back":
        return [("fix held back", "held"), (f": {message} ({repair.held_back})", "")]
    if repair.kind == "display":
        return [("suggestion, to be made by hand", "held"), (f": {message}", "")]
    option = "--fix" if repair.kind == "safe" or unsafe else "--fix --unsafe-fixes"
    how = f"fix with {option}" if repair.kind == "safe" else f"unsafe fix with {option}"
    return [(how, "fix"), (f": {message}", "")]


def _mark(diagnostic: Diagnostic, number: int, first: int, text: str) -> tuple[int, int] | None:
    """Where the mark under a line of code starts, and how long it is; None for a line without one."""
    (row, column), (end_row, end_column) = diagnostic.start, diagnostic.end
    start = column - first if number == row else len(text) - len(text.lstrip())
    end = min(len(text), end_column - first if number == end_row else len(text))
    if number != row and start >= end:
        return None
    return _width(_shown(text[:start])), max(1, _width(_shown(text[start:end])))


def _shown(text: str) -> str:
    return plain(text.replace("\t", _TAB))


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)

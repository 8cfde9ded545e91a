"""Programs that a file holds in pieces: the code cells of a notebook, the fences of a Markdown file.

The pieces are one module, so that one reads what another one binds; what of them is no Python (`%env`, `!pip`) is
masked there, and read as a script of its own.
"""

from __future__ import annotations

import re
import textwrap
from bisect import bisect_right

from v5lint.document import Region, UnreadableError
from v5lint.scripts.magics import BETWEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: The signs that v5lint needs for itself.
SIGNS = "\u241b\u241e"

#: What stands for a line that is no Python; its number says which.
_MASK = "pass  # \u241b {}"
#: What finds it.
MASKED = re.compile(r"pass  # \u241b (\d+)")

#: Line magics that run the rest of their line as Python, and what stands for them behind it.
_TIMED = re.compile(
    r"[ \t]*(?P<magic>%(?:time|timeit|prun|memit)[ \t]+(?:-[a-z](?:[ \t]*\d+)?[ \t]+)*)(?P<code>[^-\s].*)"
)
_TIMES = "  # \u241b% {}"
_TIMES_MARK = re.compile(r"  # \u241b% (\d+)")

_MAGIC = re.compile(r"\s*(?:%{1,2}\w|!|\?)|[^#'\"]*\?\s*$|\s*\w[\w, ]*=\s*(?:!|%\w)")

#: Cell magics whose cell is run as Python in the notebook; what others are given is no program of it.
_PYTHON_MAGICS = re.compile(r"\s*%%(?:time|timeit|capture|prun|memit|mprun|lprun|snakeviz)\b")


class Cell:
    """A piece.

    Attributes:
        source: its text.
        number: of a notebook's cell, its place among all cells, from 1; None elsewhere.
    """

    def __init__(self, source: str, number: int | None = None) -> None:
        self.source = source
        self.number = number

    def place(self, row: int, column: int) -> tuple[int, int]:
        """The row and column that are shown for those in the source; all from 1."""
        return row, column


class CellsRegion(Region):
    """Pieces as one text, with BETWEEN between two."""

    def __init__(self, kind: str, cells: Sequence[Cell], parts: Sequence[str], form: str = "") -> None:
        """Join the pieces.

        Args:
            kind: see Region.
            cells: the pieces.
            parts: the text of each, as it is to be read.
            form: see Region.
        """
        super().__init__(kind, f"\n{BETWEEN}\n".join(parts))
        self.form = form
        self.magics: Sequence[str] = ()  # those that stand before code in their line, by their numbers
        self.starts: list[int] = []  # of the pieces
        self._cells = cells
        at = 0
        for part in parts:
            self.starts.append(at)
            at += len(part) + len(BETWEEN) + 2

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column in the cell of a notebook, or in another file; see Region."""
        row, column = super().position(offset)
        found = _TIMES_MARK.search(super().line(row - 1))
        if found is not None:
            column += len(self.magics[int(found[1])])
        index = self.index_at(offset)
        return self._cells[index].place(row - self.row_at(self.starts[index]), column)

    def line(self, index: int) -> str:
        """A row as it is written; see Region."""
        return _with_magics(super().line(index), self.magics)

    def cell_at(self, offset: int) -> int | None:
        """See Region."""
        return self._cells[self.index_at(offset)].number

    def index_at(self, offset: int) -> int:
        """The piece of an offset, from 0."""
        return max(0, bisect_right(self.starts, offset) - 1)


class MagicsRegion(Region):
    """The lines of a program that are no Python, as a script: magics, and what a shell runs."""

    form = "magics"

    def __init__(self, code: Region, lines: Sequence[tuple[int, str]]) -> None:
        """Take the lines.

        Args:
            code: the program.
            lines: the offset in it at which each line begins, and the line; BETWEEN stands between two pieces.
        """
        self._code = code
        self._places = [place for place, _ in lines]
        super().__init__("script", "\n".join(line for _, line in lines))
        self.beside = code.text
        code.beside = self.text

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column as those of the code; see Region."""
        index = self.row_at(offset)
        row, column = self._code.position(self._places[index])
        return row, column + offset - self.line_starts[index]

    def before(self, offset: int) -> str:
        """The code that runs before a line; see Region."""
        return self.beside[: self._places[self.row_at(offset)]]

    def cell_at(self, offset: int) -> int | None:
        """See Region."""
        return self._code.cell_at(self._places[self.row_at(offset)])


class Program:
    """Pieces of Python that run one after the other.

    Attributes:
        regions: the code, and, where there are any, the lines that are no Python.
        causes: of the pieces that are not read: the offset of each in the code, and why.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        """Take the pieces.

        Raises:
            UnreadableError: one holds a sign that v5lint needs for itself.
        """
        if any(sign in cell.source for cell in cells for sign in SIGNS):
            raise UnreadableError("it holds a sign that v5lint needs for itself: U+241B or U+241E")
        self._lines: list[str] = []  # those that are masked
        read = [as_python(cell.source, self._lines) for cell in cells]
        self._parts = [part for part, _ in read]
        code = CellsRegion("python", cells, self._parts)
        code.magics = self._lines
        self.causes = [(at, cause) for at, (_, cause) in zip(code.starts, read, strict=True) if cause]
        self._numbers: list[int] = []  # of the lines in the order of the magics; -1 between two pieces
        magics: list[tuple[int, str]] = []
        index = None
        for found in MASKED.finditer(code.text):
            if index is not None and code.index_at(found.start()) != index:
                self._numbers.append(-1)
                magics.append((found.start(), BETWEEN))
            index = code.index_at(found.start())
            self._numbers.append(int(found[1]))
            magics.append((found.start(), self._lines[int(found[1])]))
        self.regions: tuple[Region, ...] = (code, MagicsRegion(code, magics)) if magics else (code,)

    def sources(self, texts: Sequence[str]) -> list[str | None]:
        """The sources of the pieces after the regions' texts have become those given; None for one that stays.

        Raises:
            UnreadableError: there would be more or fewer pieces.
        """
        parts = split(texts[0], len(self._parts))
        lines = self._changed_lines(texts[1]) if len(texts) > 1 else self._lines
        sources: list[str | None] = []
        for old, new in zip(self._parts, parts, strict=True):
            masked = [int(number) for number in MASKED.findall(new)]
            changed = new != old or any(lines[each] != self._lines[each] for each in masked)
            restored = MASKED.sub(lambda found: lines[int(found[1])], new)
            sources.append(_with_magics(restored, self._lines) if changed else None)
        return sources

    def _changed_lines(self, text: str) -> list[str]:
        """The masked lines after a change of the magics.

        Raises:
            UnreadableError: there are more or fewer of them.
        """
        changed = text.split("\n")
        if len(changed) != len(self._numbers):
            raise UnreadableError("lines that are no Python would be taken out or added")
        lines = list(self._lines)
        for number, line in zip(self._numbers, changed, strict=True):
            if number >= 0:
                lines[number] = line
        return lines


def split(text: str, count: int) -> list[str]:
    """The pieces of a joined text.

    Raises:
        UnreadableError: there are more or fewer than before.
    """
    parts: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line == BETWEEN:
            parts.append([])
        else:
            parts[-1].append(line)
    if len(parts) != count:
        raise UnreadableError("two pieces of the program would become one")
    return ["\n".join(part) for part in parts]


def as_python(source: str, lines: list[str]) -> tuple[str, str]:
    """A piece with its lines that are no Python masked, and why it cannot be read, if it cannot.

    Args:
        source: the piece.
        lines: takes the lines that are masked.
    """
    if not _cause(source):
        return source, ""
    rows = source.split("\n")
    first = next((row for row in rows if row.strip()), "")
    if first.lstrip().startswith("%%") and not _PYTHON_MAGICS.match(first):
        return _masked(rows, lines, every=True), ""
    before = len(lines)
    masked = _masked(rows, lines)
    if not (cause := _cause(masked)):
        return masked, ""
    del lines[before:]
    return _masked(rows, lines, every=True), cause


def _masked(rows: Sequence[str], lines: list[str], *, every: bool = False) -> str:
    masked = []
    indent: str | None = None  # of a magic that goes on in the next line
    for row in rows:
        timed = _TIMED.match(row) if indent is None and not every else None
        if timed is not None and not row.endswith("\\") and not _cause(timed["code"]):
            lines.append(timed["magic"])
            masked.append(row[: timed.start("magic")] + timed["code"] + _TIMES.format(len(lines) - 1))
        elif (every and row.strip()) or indent is not None or _MAGIC.match(row):
            if indent is None:
                indent = "" if every else row[: len(row) - len(row.lstrip())]
            kept = indent if row.startswith(indent) else ""
            lines.append(row[len(kept) :])
            masked.append(kept + _MASK.format(len(lines) - 1))
            indent = indent if not every and row.rstrip().endswith("\\") else None
        else:
            masked.append(row)
    return "\n".join(masked)


def _with_magics(text: str, magics: Sequence[str]) -> str:
    """A text with the magics before the code that they run; what takes several lines now becomes one."""
    if "\u241b%" not in text:
        return text
    rows: list[str] = []
    for row in text.split("\n"):
        rows.append(row)
        found = _TIMES_MARK.search(row)
        if found is None:
            continue
        rows[-1] = row[: found.start()]
        first = len(rows) - 1
        while first and _cause(textwrap.dedent("\n".join(rows[first:]))):
            first -= 1
        code = " ".join([rows[first].rstrip(), *(each.strip() for each in rows[first + 1 :])])
        indent = code[: len(code) - len(code.lstrip())]
        rows[first:] = [indent + magics[int(found[1])] + code.lstrip()]
    return "\n".join(rows)


def _cause(source: str) -> str:
    """Why a text is no Python; "" where it is."""
    from v5lint.view.parsing import parse

    try:
        parse(Region("python", source))
    except UnreadableError as error:
        return f"{error.cause} (line {error.row})" if error.row else error.cause
    return ""

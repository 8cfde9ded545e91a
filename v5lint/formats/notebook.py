"""Jupyter notebooks: the code cells as one module, and what changed in them back into the JSON."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

from v5lint.document import Document, Region, UnreadableError
from v5lint.scripts.magics import BETWEEN as _BETWEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What stands for a line that is no Python; its number says which.
_MASK = "pass  # \u241b {}"
_MASKED = re.compile(r"pass  # \u241b (\d+)")

_MAGIC = re.compile(r"\s*(?:%{1,2}\w|!|\?)|[^#'\"]*\?\s*$|\s*\w[\w, ]*=\s*(?:!|%\w)")

#: Cell magics whose cell is run as Python in the notebook; what others are given is no program of it.
_PYTHON_MAGICS = re.compile(r"\s*%%(?:time|timeit|capture|prun|memit|mprun|lprun|snakeviz)\b")

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


def read(path: str, raw: bytes) -> NotebookDocument:
    """Read a notebook of format 4; one of another language than Python has no regions.

    Raises:
        UnreadableError: it is no notebook, or one of an older format.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"it is not valid UTF-8 (byte 0x{raw[error.start]:02x})", row=raw.count(b"\n", 0, error.start) + 1
        ) from None
    try:
        parsed = _DECODER.decode(text)
    except ValueError as error:
        raise UnreadableError(f"it is no JSON: {error}", row=getattr(error, "lineno", 0)) from None
    except RecursionError:
        raise UnreadableError("it is nested too deeply to be parsed") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("cells"), list):
        raise UnreadableError("it is no notebook of format 4", hint="convert it: jupyter nbconvert --to notebook")
    return NotebookDocument(path, raw, text, _code_cells(text) if _is_python(parsed) else [])


def searched(raw: bytes) -> bytes:
    """The bytes in which the strings of a notebook stand about as its cells have them."""
    return raw.replace(b"\\n", b"\n").replace(b'\\"', b'"')


class _Cell:
    """A code cell.

    Attributes:
        number: its place among all cells, from 1.
        start: the offset in the file at which the value of its source begins.
        end: the offset after it.
        source: its text.
        is_list: whether the file has it as a list of lines.
    """

    def __init__(self, number: int, start: int, end: int, source: str, *, is_list: bool) -> None:
        self.number = number
        self.start = start
        self.end = end
        self.source = source
        self.is_list = is_list


class NotebookRegion(Region):
    """The code cells as one module: what one binds, those behind it read."""

    def __init__(self, text: str, cells: Sequence[tuple[int, int]]) -> None:
        """Take the text.

        Args:
            text: of all cells.
            cells: where each begins in it, and its number.
        """
        super().__init__("python", text)
        self._cells = cells

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column in the cell; see Region."""
        row, column = super().position(offset)
        start, _ = self._cell(offset)
        return row - self.row_at(start), column

    def cell_at(self, offset: int) -> int | None:
        """See Region."""
        return self._cell(offset)[1]

    def _cell(self, offset: int) -> tuple[int, int]:
        return self._cells[max(0, bisect_right(self._cells, (offset, 1 << 60)) - 1)]


class MagicsRegion(Region):
    """The lines that are no Python: magics, and what a shell runs."""

    form = "magics"

    def __init__(self, code: NotebookRegion, lines: Sequence[str]) -> None:
        """Take the lines.

        Args:
            code: the code cells, in which each of the lines is masked.
            lines: what is masked, by its number.
        """
        self._code = code
        self.numbers: list[int] = []  # of the lines; -1 between two cells
        self._places: list[int] = []  # of the masks in the code
        cell = None
        for found in _MASKED.finditer(code.text):
            if cell is not None and code.cell_at(found.start()) != cell:
                self.numbers.append(-1)
                self._places.append(found.start())
            cell = code.cell_at(found.start())
            self.numbers.append(int(found[1]))
            self._places.append(found.start())
        super().__init__("script", "\n".join(lines[each] if each >= 0 else _BETWEEN for each in self.numbers))
        self.beside = code.text

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column in the cell; see Region."""
        index = self.row_at(offset)
        row, column = self._code.position(self._places[index])
        return row, column + offset - self.line_starts[index]

    def cell_at(self, offset: int) -> int | None:
        """See Region."""
        return self._code.cell_at(self._places[self.row_at(offset)])


class NotebookDocument(Document):
    """One notebook: the code cells in their order as one region, and their magics as another."""

    def __init__(self, path: str, raw: bytes, text: str, cells: Sequence[_Cell]) -> None:
        self._text = text
        self._cells = cells
        self._lines: list[str] = []  # those that are masked
        notes: list[tuple[int, str]] = []
        parts: list[str] = []
        starts: list[tuple[int, int]] = []
        at = 0
        for cell in cells:
            part, cause = self._as_python(cell.source)
            starts.append((at, cell.number))
            if cause:
                notes.append((at, f"the cell is not checked: {cause}"))
            parts.append(part)
            at += len(part) + len(_BETWEEN) + 2
        joined = f"\n{_BETWEEN}\n".join(parts)
        if any(sign in cell.source for cell in cells for sign in "\u241b\u241e"):
            raise UnreadableError("it holds a sign that v5lint needs for itself: U+241B or U+241E")
        code = NotebookRegion(joined, starts)
        self._magics = MagicsRegion(code, self._lines)
        super().__init__(path, raw, ((code, self._magics) if self._lines else (code,)) if cells else ())
        self.notes = notes
        self._parts = parts

    @property
    def searched(self) -> bytes:
        """See Document."""
        return "".join(region.text for region in self.regions).encode("utf-8", "surrogatepass")

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        if not texts:
            return self.raw
        parts = _split(texts[0])
        if len(parts) != len(self._parts):
            raise UnreadableError("two cells of the notebook would become one")
        lines = self._changed_lines(texts[1]) if len(texts) > 1 else self._lines
        pieces, at = [], 0
        for cell, old, new in zip(self._cells, self._parts, parts, strict=True):
            masked = [int(number) for number in _MASKED.findall(new)]
            if new != old or any(lines[each] != self._lines[each] for each in masked):
                source = _MASKED.sub(lambda found: lines[int(found[1])], new)
                pieces += [self._text[at : cell.start], self._written(cell, source)]
                at = cell.end
        return "".join([*pieces, self._text[at:]]).encode("utf-8", "surrogatepass")

    def _changed_lines(self, text: str) -> list[str]:
        """The masked lines after a change of the magics.

        Raises:
            UnreadableError: there are more or fewer of them.
        """
        changed = text.split("\n")
        if len(changed) != len(self._magics.numbers):
            raise UnreadableError("lines of the notebook that are no Python would be taken out or added")
        lines = list(self._lines)
        for number, line in zip(self._magics.numbers, changed, strict=True):
            if number >= 0:
                lines[number] = line
        return lines

    def reread(self, raw: bytes) -> NotebookDocument:
        """See Document."""
        return read(self.path, raw)

    def _as_python(self, source: str) -> tuple[str, str]:
        """A cell with its lines that are no Python masked, and why it cannot be read, if it cannot."""
        if not _cause(source):
            return source, ""
        lines = source.split("\n")
        first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("%%") and not _PYTHON_MAGICS.match(first):
            return self._masked(lines, every=True), ""
        masked = self._masked(lines)
        cause = _cause(masked)
        return (self._masked(lines, every=True), cause) if cause else (masked, "")

    def _masked(self, lines: Sequence[str], *, every: bool = False) -> str:
        masked = []
        indent: str | None = None  # of a magic that goes on in the next line
        for line in lines:
            if (every and line.strip()) or indent is not None or _MAGIC.match(line):
                if indent is None:
                    indent = "" if every else line[: len(line) - len(line.lstrip())]
                kept = indent if line.startswith(indent) else ""
                self._lines.append(line[len(kept) :])
                masked.append(kept + _MASK.format(len(self._lines) - 1))
                indent = indent if not every and line.rstrip().endswith("\\") else None
            else:
                masked.append(line)
        return "\n".join(masked)

    def _written(self, cell: _Cell, source: str) -> str:
        """The JSON of a cell's new source, in the way in which the old one is written."""
        old = self._text[cell.start : cell.end]
        plain = old.isascii()
        if not cell.is_list:
            return json.dumps(source, ensure_ascii=plain)
        spans = [*_strings(old)]
        written = {_DECODER.raw_decode(old, start)[0]: old[start:end] for start, end in spans}
        before = old[1 : spans[0][0]] if spans else ""
        between = old[spans[0][1] : spans[1][0]] if len(spans) > 1 else f",{before}"
        lines = re.findall(r"[^\n]*\n|[^\n]+", source)
        items = [written.get(line) or json.dumps(line, ensure_ascii=plain) for line in lines]
        after = old[spans[-1][1] : -1] if spans else ""
        return f"[{before}{between.join(items)}{after}]" if items else "[]"


def _cause(source: str) -> str:
    """Why a text is no Python; "" where it is."""
    from v5lint.view.parsing import parse

    try:
        parse(Region("python", source))
    except UnreadableError as error:
        return f"{error.cause} (line {error.row})" if error.row else error.cause
    return ""


def _split(text: str) -> list[str]:
    """The cells of a joined text."""
    parts: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line == _BETWEEN:
            parts.append([])
        else:
            parts[-1].append(line)
    return ["\n".join(part) for part in parts]


def _is_python(parsed: dict[str, object]) -> bool:
    """Whether a notebook is one of Python, as it is where it does not say."""
    metadata = parsed.get("metadata")
    if not isinstance(metadata, dict):
        return True
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        about = metadata.get(key)
        language = about.get(name) if isinstance(about, dict) else None
        if isinstance(language, str):
            return language.lower() in ("python", "ipython")
    return True


def _code_cells(text: str) -> list[_Cell]:
    """The code cells of a notebook, whose JSON is known to be well formed."""
    found: list[_Cell] = []
    for key, start in _members(text, _after_space(text, 0)):
        if key != "cells":
            continue
        found = []
        for number, place in enumerate(_items(text, start), 1):
            kind, span = "", (0, 0)
            for name, at in _members(text, place):
                if name == "cell_type":
                    kind = _DECODER.raw_decode(text, at)[0]
                elif name == "source":
                    span = at, _DECODER.raw_decode(text, at)[1]
            source = _DECODER.raw_decode(text, span[0])[0] if kind == "code" and span[1] else None
            if isinstance(source, list) and all(isinstance(line, str) for line in source):
                found.append(_Cell(number, *span, "".join(source), is_list=True))
            elif isinstance(source, str):
                found.append(_Cell(number, *span, source, is_list=False))
    return found


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """The members of the object that begins at an offset: the key, and where its value begins."""
    if text[at] != "{":
        return
    at = _after_space(text, at + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)
        yield key, at
        at = _after_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _items(text: str, at: int) -> Iterator[int]:
    """Where the items of the array that begins at an offset begin."""
    if text[at] != "[":
        return
    at = _after_space(text, at + 1)
    while text[at] != "]":
        yield at
        at = _after_space(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _strings(text: str) -> Iterator[tuple[int, int]]:
    """The spans of the strings in an array of strings."""
    for at in _items(text, 0):
        yield at, _DECODER.raw_decode(text, at)[1]

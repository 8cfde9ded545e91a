"""Jupyter notebooks: the code cells as one module, and what changed in them back into the JSON."""

from __future__ import annotations

import json
import re

from v5lint.document import Document, UnreadableError
from v5lint.formats.cells import Cell, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


class _Cell(Cell):
    """A code cell.

    Attributes:
        start: the offset in the file at which the value of its source begins.
        end: the offset after it.
        is_list: whether the file has it as a list of lines.
    """

    def __init__(self, number: int, start: int, end: int, source: str, *, is_list: bool) -> None:
        super().__init__(source, number)
        self.start = start
        self.end = end
        self.is_list = is_list


class NotebookDocument(Document):
    """One notebook: the code cells in their order as one region, and their magics as another."""

    def __init__(self, path: str, raw: bytes, text: str, cells: Sequence[_Cell]) -> None:
        self._text = text
        self._cells = cells
        self._program = Program(cells)
        super().__init__(path, raw, self._program.regions if cells else ())
        self.notes = [(at, f"the cell is not checked: {cause}") for at, cause in self._program.causes]

    @property
    def searched(self) -> bytes:
        """See Document."""
        return "".join(region.text for region in self.regions).encode("utf-8", "surrogatepass")

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        if not texts:
            return self.raw
        pieces, at = [], 0
        for cell, source in zip(self._cells, self._program.sources(texts), strict=True):
            if source is not None:
                pieces += [self._text[at : cell.start], self._written(cell, source)]
                at = cell.end
        return "".join([*pieces, self._text[at:]]).encode("utf-8", "surrogatepass")

    def reread(self, raw: bytes) -> NotebookDocument:
        """See Document."""
        return read(self.path, raw)

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

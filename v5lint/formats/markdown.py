"""Markdown: the code in its fences, and nothing else of it.

A fence of Python that imports something begins a program, and those behind it that import nothing go on with it: so a
name that a fix imports is imported where a reader who copies the code copies it. A fence that is no Python, since it
shows a part of something, is left out without a word. What a shell is told in all fences is one script.
"""

from __future__ import annotations

import re

from v5lint.document import Document, Region, UnreadableError
from v5lint.formats.cells import CellsRegion, Program, as_python, split
from v5lint.formats.fences import Fence, fences

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BOM = b"\xef\xbb\xbf"
_IMPORT = re.compile(r"^(?:from|import)[ \t]", re.MULTILINE)

#: What begins a fence.
_SIGNS = (b"```", b"~~~")


def read(path: str, raw: bytes) -> MarkdownDocument:
    """Decode a file; bytes that are no UTF-8 are kept as they are."""
    rows = _rows(raw)
    found = fences(rows)
    return MarkdownDocument(path, raw, rows, found, _programs(found))


def searched(raw: bytes) -> bytes:
    """The bytes from the first fence on."""
    places = [at for at in map(raw.find, _SIGNS) if at >= 0]
    return raw[min(places) :] if places else b""


def _rows(raw: bytes) -> list[str]:
    return raw.removeprefix(_BOM).decode("utf-8", "surrogateescape").split("\n")


def _programs(found: Sequence[Fence]) -> list[tuple[str, list[int]]]:
    """What is read together: its kind, and the places of its fences."""
    programs: list[tuple[str, list[int]]] = []
    python: list[int] | None = None
    shell: list[int] | None = None
    for place, fence in enumerate(found):
        if fence.kind == "python":
            imports = _IMPORT.search(fence.source) is not None
            if as_python(fence.source, [])[1]:
                python = None if imports else python  # what follows may go on with this one
            elif python is None or imports:
                python = [place]
                programs.append(("python", python))
            else:
                python.append(place)
        elif fence.kind == "shell":
            if shell is None:
                shell = []
                programs.append(("fences", shell))
            shell.append(place)
        elif fence.kind:
            programs.append((fence.kind, [place]))
    return programs


class MarkdownDocument(Document):
    """One Markdown file: a region for each program in its fences."""

    def __init__(
        self,
        path: str,
        raw: bytes,
        rows: Sequence[str],
        found: Sequence[Fence],
        programs: Sequence[tuple[str, Sequence[int]]],
    ) -> None:
        self._rows = rows
        self._fences = found
        self._programs = programs
        self._python: dict[int, Program] = {}  # by its place among the programs
        regions: list[Region] = []
        for place, (kind, places) in enumerate(programs):
            cells = [found[each] for each in places]
            if kind == "python":
                self._python[place] = Program(cells)
                regions += self._python[place].regions
            else:
                regions.append(CellsRegion("script", cells, [each.source for each in cells], kind))
        super().__init__(path, raw, regions)

    @property
    def searched(self) -> bytes:
        """See Document."""
        return "\n".join(region.text for region in self.regions).encode("utf-8", "surrogateescape")

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        changed: dict[int, str] = {}
        at = 0
        for place, (_, places) in enumerate(self._programs):
            cells = [self._fences[each] for each in places]
            sources: Sequence[str | None]
            if (program := self._python.get(place)) is not None:
                sources = program.sources(texts[at : at + len(program.regions)])
                at += len(program.regions)
            else:
                sources = split(texts[at], len(cells))
                at += 1
            for each, cell, source in zip(places, cells, sources, strict=True):
                if source is not None and source != cell.source:
                    changed[each] = source
        result: list[str] = []
        done = 0
        for each, source in sorted(changed.items()):
            fence = self._fences[each]
            result += [*self._rows[done : fence.rows[0]], *fence.written(self._rows, source)]
            done = fence.end
        bom = _BOM if self.raw.startswith(_BOM) else b""
        return bom + "\n".join([*result, *self._rows[done:]]).encode("utf-8", "surrogateescape")

    def reread(self, raw: bytes) -> MarkdownDocument:
        """The same file with other bytes; what is read of it, and together, stays the same.

        Raises:
            UnreadableError: a fence came up or went.
        """
        rows = _rows(raw)
        found = fences(rows)
        if [each.kind for each in found] != [each.kind for each in self._fences]:
            raise UnreadableError("the fences of the file would be others")
        return MarkdownDocument(self.path, raw, rows, found, self._programs)

"""Databricks notebooks that are saved as Python: a module whose comments `# MAGIC %env X=...` are magics."""

from __future__ import annotations

from v5lint.document import Document, Region, UnreadableError
from v5lint.scripts.magics import BETWEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.formats.python import PythonDocument

_HEAD = "# Databricks notebook source"
_MAGIC = "# MAGIC "


def is_notebook(text: str) -> bool:
    """Whether a module is such a notebook, and has magics."""
    return text.startswith(_HEAD) and f"\n{_MAGIC}" in text


class MagicsRegion(Region):
    """The magics of the notebook, those of two cells apart."""

    form = "magics"

    def __init__(self, text: str) -> None:
        """Take them from the text of the module."""
        self._rows: list[int] = []
        lines: list[str] = []
        for row, line in _magics(text):
            if self._rows and row != self._rows[-1] + 1:
                lines.append(BETWEEN)
                self._rows.append(self._rows[-1])
            lines.append(line)
            self._rows.append(row)
        super().__init__("script", "\n".join(lines))
        self.beside = text

    def position(self, offset: int) -> tuple[int, int]:
        """See Region."""
        index = self.row_at(offset)
        return self._rows[index] + 1, offset - self.line_starts[index] + len(_MAGIC) + 1


class DatabricksDocument(Document):
    """One notebook: the module as one region, its magics as another."""

    def __init__(self, module: PythonDocument) -> None:
        self._module = module
        (code,) = module.regions
        super().__init__(module.path, module.raw, (code, MagicsRegion(code.text)))

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        code, magics = texts
        lines = [each for each in magics.split("\n") if each != BETWEEN]
        rows = [row for row, _ in _magics(code)]
        if len(lines) != len(rows):
            raise UnreadableError("magics of the notebook would be taken out or added")
        whole = code.splitlines(keepends=True)
        for row, line in zip(rows, lines, strict=True):
            end = whole[row][len(whole[row].rstrip("\r\n")) :]
            whole[row] = f"{_MAGIC}{line}{end}"
        return self._module.replaced(["".join(whole)])

    def reread(self, raw: bytes) -> Document:
        """See Document."""
        return self._module.reread(raw)


def _magics(text: str) -> Iterator[tuple[int, str]]:
    """The rows of the magics, from 0 on, each with its line."""
    for row, line in enumerate(text.splitlines(keepends=True)):
        if line.startswith(_MAGIC):
            yield row, line[len(_MAGIC) :].rstrip("\r\n")

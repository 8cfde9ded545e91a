"""Databricks notebooks that are saved as Python: a module whose comments `# MAGIC %env X=...` are magics."""

from __future__ import annotations

import re

from v5lint.document import Document, UnreadableError, spliced
from v5lint.formats.cells import MagicsRegion
from v5lint.rule import Edit
from v5lint.scripts.magics import BETWEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.formats.python import PythonDocument

_HEAD = "# Databricks notebook source"
_MAGIC = re.compile(r"^# MAGIC (?P<line>[^\r\n]*)", re.MULTILINE)


def is_notebook(text: str) -> bool:
    """Whether a module is such a notebook, and has magics."""
    return text.startswith(_HEAD) and _MAGIC.search(text) is not None


class DatabricksDocument(Document):
    """One notebook: the module as one region, its magics as another."""

    def __init__(self, module: PythonDocument) -> None:
        self._module = module
        (code,) = module.regions
        lines: list[tuple[int, str]] = []
        end = 0
        for found in _MAGIC.finditer(code.text):
            if lines and code.row_at(found.start()) != code.row_at(end) + 1:
                lines.append((found.start("line"), BETWEEN))
            lines.append((found.start("line"), found["line"]))
            end = found.end()
        super().__init__(module.path, module.raw, (code, MagicsRegion(code, lines)))

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        code, magics = texts
        lines = [each for each in magics.split("\n") if each != BETWEEN]
        places = [found.span("line") for found in _MAGIC.finditer(code)]
        if len(lines) != len(places):
            raise UnreadableError("magics of the notebook would be taken out or added")
        edits = [Edit(*place, line) for place, line in zip(places, lines, strict=True)]
        return self._module.replaced([spliced(code, edits)])

    def reread(self, raw: bytes) -> Document:
        """See Document."""
        return self._module.reread(raw)

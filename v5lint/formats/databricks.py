"""Databricks notebooks that are saved as Python: a module whose comments `# MAGIC %env X=...` are magics.

A magic that is not the first line of its cell is saved as it is, which is no Python: it is masked in the module.
"""

from __future__ import annotations

import re

from v5lint.document import Document, Region, UnreadableError, spliced
from v5lint.formats.cells import MASKED, SIGNS, MagicsRegion, as_python
from v5lint.rule import Edit
from v5lint.scripts.magics import BETWEEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.formats.python import PythonDocument

_HEAD = "# Databricks notebook source"
_MAGIC = re.compile(r"^# MAGIC (?P<line>[^\r\n]*)", re.MULTILINE)
_BARE = re.compile(r"^[ \t]*[%!]\w", re.MULTILINE)
_EITHER = re.compile(rf"{_MAGIC.pattern}|{MASKED.pattern}", re.MULTILINE)


def is_notebook(text: str) -> bool:
    """Whether a module is such a notebook, and has magics."""
    return text.startswith(_HEAD) and (_MAGIC.search(text) is not None or _BARE.search(text) is not None)


class DatabricksDocument(Document):
    """One notebook: the module as one region, its magics as another."""

    def __init__(self, module: PythonDocument) -> None:
        self._module = module
        self._masked: list[str] = []
        (code,) = module.regions
        if _BARE.search(code.text) and not any(sign in code.text for sign in (*SIGNS, "\r")):
            masked, cause = as_python(code.text, self._masked)
            if cause:
                self._masked.clear()
            else:
                code = Region("python", masked)
        lines: list[tuple[int, str]] = []
        end = 0
        for found in _EITHER.finditer(code.text):
            if lines and code.row_at(found.start()) != code.row_at(end) + 1:
                lines.append((found.start(), BETWEEN))
            lines.append(self._line(found))
            end = found.end()
        super().__init__(module.path, module.raw, (code, MagicsRegion(code, lines)) if lines else (code,))

    def _line(self, found: re.Match[str]) -> tuple[int, str]:
        """Where a magic begins, and the magic."""
        if found["line"] is not None:
            return found.start("line"), found["line"]
        return found.start(), self._masked[int(found[2])]

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        code = texts[0]
        lines = [each for each in texts[1].split("\n") if each != BETWEEN] if len(texts) > 1 else []
        places = [found.span() if found["line"] is None else found.span("line") for found in _EITHER.finditer(code)]
        if len(lines) != len(places):
            raise UnreadableError("magics of the notebook would be taken out or added")
        edits = [Edit(*place, line) for place, line in zip(places, lines, strict=True)]
        return self._module.replaced([spliced(code, edits)])

    def reread(self, raw: bytes) -> Document:
        """See Document."""
        return self._module.reread(raw)

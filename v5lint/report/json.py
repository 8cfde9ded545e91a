"""The form `json`: a list of objects in ruff's shape, with the name and the level of each finding besides."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from v5lint.report.text import Line
    from v5lint.results import Diagnostic, Repair


def lines(diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
    """See `v5lint.report.Form`."""
    text = json.dumps([_object(diagnostic) for diagnostic in diagnostics], indent=2)
    yield from ([(line, "")] for line in text.split("\n"))


def _object(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "code": diagnostic.code,
        "name": diagnostic.name,
        "level": diagnostic.level,
        "message": diagnostic.message,
        "filename": diagnostic.path if diagnostic.path == "-" else os.path.abspath(diagnostic.path),
        "cell": diagnostic.cell,
        "location": _location(diagnostic.start),
        "end_location": _location(diagnostic.end),
        "fix": diagnostic.repair and _fix(diagnostic.repair),
        "url": diagnostic.url or None,
    }


def _fix(repair: Repair) -> dict[str, Any]:
    """A fix; one that is held back is only shown, so that no program applies it."""
    held = f" ({repair.held_back})" if repair.held_back else ""
    return {
        "applicability": "display" if repair.held_back else repair.applicability,
        "message": repair.message + held,
        "edits": [
            {"cell": cell, "location": _location(start), "end_location": _location(end), "content": content}
            for start, end, content, cell in repair.edits or ()
        ],
    }


def _location(place: tuple[int, int]) -> dict[str, int]:
    row, column = place
    return {"row": row, "column": column}

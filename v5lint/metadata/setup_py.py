"""`setup.py`: the strings in it that are requirements with versions or extras, and `python_requires`."""

from __future__ import annotations

import ast
import re

from v5lint.document import line_starts
from v5lint.metadata.requirement import Requirement, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: A requirement that cannot be something else: a name with extras or with versions.
_CERTAIN = re.compile(
    r"\s*[A-Za-z0-9][\w.-]*\s*(\[[\w\s,.-]*\]\s*)?(\(?\s*(===?|[<>!~]=|[<>])\s*v?\d[^\n]*|(?<=\])(;.*)?)\Z"
)


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a module; one that does not parse has none, which linting it says."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    starts = line_starts(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "python_requires":
            if (place := _place(text, starts, node.value)) is not None:
                yield Requirement("python", place[1], place[0], place[0], is_library=True)
        elif (place := _place(text, starts, node)) is not None and _CERTAIN.match(place[1]):
            requirement = parse(place[1], place[0][0], is_library=True)
            if requirement:
                yield requirement


def _place(text: str, starts: list[int], node: ast.AST) -> tuple[tuple[int, int], str] | None:
    """The span and the text of a string that is written as it is: on one line, without prefix or escapes."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or node.lineno != node.end_lineno:
        return None
    line = text[starts[node.lineno - 1] : starts[node.lineno] if node.lineno < len(starts) else len(text)].encode()
    start = starts[node.lineno - 1] + len(line[: node.col_offset].decode())
    end = starts[node.lineno - 1] + len(line[: node.end_col_offset].decode())
    if text[start + 1 : end - 1] != node.value:
        return None
    return (start + 1, end - 1), node.value

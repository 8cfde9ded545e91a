"""`Pipfile`, which Pipenv reads."""

from __future__ import annotations

import re

from v5lint.document import UnreadableError
from v5lint.metadata.pyproject import by_table
from v5lint.metadata.requirement import Requirement
from v5lint.toml import TOMLDecodeError, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES = re.compile(r"(?:dev-)?packages(?:\.(?P<package>[\w.-]+))?\Z")
_PYTHON = re.compile(r"^\s*python_(?:full_)?version\s*=\s*[\"'](?P<version>[\d.]+)[\"']", re.MULTILINE)


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a text; none of them is one of a library.

    Raises:
        UnreadableError: it is not TOML.
    """
    try:
        loads(text)
    except TOMLDecodeError as error:
        row = re.search(r"at line (\d+)", str(error))
        raise UnreadableError(f"it is not TOML: {error}", row=int(row[1]) if row else 0) from None
    for requirement in by_table(text, _TABLES):
        requirement.is_library = False
        yield requirement
    for python in _PYTHON.finditer(text):
        yield Requirement("python", f"=={python['version']}.*", python.span("version"), python.span("version"))

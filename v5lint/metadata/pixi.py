"""`pixi.toml`: the tables of packages of conda and of PyPI, of the project and of its features and platforms."""

from __future__ import annotations

import re

from v5lint.metadata.pyproject import by_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement

_TABLE = re.compile(
    r"(?:(?:feature|target)\.[^.]+\.)*(?:host-|build-|run-|pypi-)?dependencies(?:\.(?P<package>[\w.-]+))?\Z"
)


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a text."""
    yield from by_table(text, _TABLE)

"""Read the tables of data that stand beside the code, as TOML."""

from __future__ import annotations

import sys
from functools import cache
from importlib import resources
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@cache
def read_table(name: str) -> dict[str, Any]:
    """The content of `<name>.toml` of this package; read once, so it must not be changed.

    Args:
        name: Name of the table, without the ending.
    """
    text = resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    return table


def frozen(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a table with tuples for lists, as the frozen records of this package hold them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}

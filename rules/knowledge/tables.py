"""The tables beside the data file, each of one subject."""

from __future__ import annotations

import os.path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_read: dict[str, Mapping[str, Any]] = {}


def table(name: str) -> Mapping[str, Any]:
    """Give the table `<name>.toml` of this folder, read when it is first asked for."""
    if name not in _read:
        from v5lint.toml import loads

        with open(os.path.join(os.path.dirname(__file__), f"{name}.toml"), encoding="utf-8") as file:
            _read[name] = loads(file.read())
    return _read[name]

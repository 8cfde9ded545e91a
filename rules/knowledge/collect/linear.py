"""Reads what `linear_names.py` wrote for several releases, and joins it to one record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from v5lint.rules.knowledge.collect.history import Axis, Values
from v5lint.rules.knowledge.collect.wheels import version_key

if TYPE_CHECKING:
    from pathlib import Path


def linear_lines(folder: Path) -> tuple[list[str], list[str]]:
    """Give the lines of the sections `linear` and `heads`.

    A model type that one release's default configuration could not build keeps what the release before had.

    Args:
        folder: holds linear-<release>.json for 4.57 and each 5.x minor.

    Raises:
        FileNotFoundError: the folder holds no such file.
    """
    scans: dict[str, dict[str, Any]] = {}
    for path in folder.glob("linear-*.json"):
        scans[path.stem.removeprefix("linear-")] = json.loads(path.read_text(encoding="utf-8"))
    if not scans:
        raise FileNotFoundError(f"{folder} holds no linear-<release>.json: run collect/linear_names.py first")
    releases = sorted(scans, key=version_key)
    axis = Axis(releases, releases[0])
    linear: Values[str] = Values()
    heads: Values[str] = Values()
    last_linear: dict[str, str] = {}
    last_heads: dict[str, str] = {}
    for release in releases:
        scan = scans[release]
        failed = {key.partition(":")[0] for key in scan["failed"]}
        found = {name: " ".join(paths) for name, paths in scan["linear"].items()}
        last_linear = {**{name: value for name, value in last_linear.items() if name in failed}, **found}
        linear.add(last_linear)
        if scan["heads"]:
            last_heads = {name: " ".join(paths) for name, paths in scan["heads"].items() if paths}
        heads.add(last_heads)
    return (
        [f"{name}\t{linear.text(name, axis)}" for name in sorted(linear)],
        [f"{name}\t{heads.text(name, axis)}" for name in sorted(heads)],
    )

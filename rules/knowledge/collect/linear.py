"""Reads what `linear_names.py` wrote for one release or several, and joins it to one record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from v5lint.releases import parse_release
from v5lint.rules.knowledge.collect.history import Axis, Values
from v5lint.rules.knowledge.collect.wheels import version_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from v5lint.rules.knowledge.store import Store

Scan = dict[str, Any]


def linear_lines(folder: Path, earlier: Store | None = None) -> tuple[list[str], list[str]]:
    """Give the lines of the sections `linear` and `heads`.

    A model type that one release's default configuration could not build keeps what the release before had.

    Args:
        folder: holds linear-<release>.json, for 4.57 and each 5.x minor; or for newer releases alone, which are added
            to the records of the earlier data file.
        earlier: the data file that is replaced.

    Raises:
        FileNotFoundError: the folder holds no such file, or only those of new releases and there is no earlier file.
    """
    scans: dict[str, Scan] = {}
    for path in folder.glob("linear-*.json"):
        scans[path.stem.removeprefix("linear-")] = json.loads(path.read_text(encoding="utf-8"))
    releases = sorted(scans, key=version_key)
    if not releases:
        raise FileNotFoundError(f"{folder} holds no linear-<release>.json: run collect/linear_names.py first")
    if releases[0].startswith("4."):
        return _joined(releases, scans)
    if earlier is None:
        raise FileNotFoundError(f"{folder} begins with {releases[0]}: without an earlier data file it must hold 4.57")
    linear = dict(earlier.records("linear"))
    heads = dict(earlier.records("heads"))
    for release in releases:
        scan = scans[release]
        _add(linear, release, _paths(scan), kept=_failed(scan))
        found = {name: " ".join(paths) for name, paths in scan["heads"].items() if paths}
        if scan["heads"]:
            _add(heads, release, found, kept={key.partition(":")[2] for key in scan["failed"]})
    return [f"{name}\t{linear[name]}" for name in sorted(linear)], [f"{name}\t{heads[name]}" for name in sorted(heads)]


def _joined(releases: list[str], scans: Mapping[str, Scan]) -> tuple[list[str], list[str]]:
    """Make the records from the scans alone."""
    axis = Axis(releases, releases[0])
    linear: Values[str] = Values()
    heads: Values[str] = Values()
    last_linear: dict[str, str] = {}
    last_heads: dict[str, str] = {}
    for release in releases:
        scan = scans[release]
        failed = _failed(scan)
        last_linear = {**{name: value for name, value in last_linear.items() if name in failed}, **_paths(scan)}
        linear.add(last_linear)
        if scan["heads"]:
            last_heads = {name: " ".join(paths) for name, paths in scan["heads"].items() if paths}
        heads.add(last_heads)
    return (
        [f"{name}\t{linear.text(name, axis)}" for name in sorted(linear)],
        [f"{name}\t{heads.text(name, axis)}" for name in sorted(heads)],
    )


def _paths(scan: Scan) -> dict[str, str]:
    return {name: " ".join(paths) for name, paths in scan["linear"].items()}


def _failed(scan: Scan) -> set[str]:
    """The model types of which a class could not be built."""
    return {key.partition(":")[0] for key in scan["failed"]}


def _add(records: dict[str, str], release: str, found: Mapping[str, str], *, kept: set[str]) -> None:
    """Add what a release has to records like "=a b|5.0=a", in the place of what they say of it already.

    Args:
        records: name -> changes.
        release: "5.24.0".
        found: name -> value.
        kept: the names whose value is not known, and stays.
    """
    at = parse_release(release)
    spelled = ".".join(release.split(".")[:2])
    for name in {*records, *found}:
        changes = [each for each in records.get(name, "").split("|") if each]
        while changes and (start := changes[-1].partition("=")[0]) and parse_release(start)[:2] >= at[:2]:
            changes.pop()
        before = changes[-1].partition("=")[2] if changes else ""
        value = found.get(name, before if name in kept else "")
        if value != before:
            changes.append(f"{spelled}={value}")
        if changes:
            records[name] = "|".join(changes)
        else:
            records.pop(name, None)

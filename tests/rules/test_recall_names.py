"""Recall and precision over everything that the knowledge holds: all that is gone is found, nothing that is there.

The generated modules import, or read, one name a line, so that a finding is told by its line.
"""

from __future__ import annotations

import json
import keyword
from typing import TYPE_CHECKING

import pytest

from v5lint.cli import main
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts.library import CACHE_VARIABLES
from v5lint.rules.parts.removed_api import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PACKAGE = "transformers"

#: The release whose public names a migration starts from.
_BEFORE = "4.57"

#: Names that V5001 and V5003 speak of.
_ELSEWHERE = frozenset((*lookup.vision_feature_extractors(), *CACHE_VARIABLES))

#: Every how many of the names inside modules are looked at: all are 24,000.
_STEP = 30


def public_names() -> list[str]:
    """Every name that some release exported at the top."""
    found = set()
    for module, *labels in lookup.store().records("top"):
        if module.partition(".")[0] == _PACKAGE:
            for label in labels:
                members = label.partition("=")[2].split(",")
                found.update(member.partition(":")[0] for member in members)
    return sorted(name for name in found if name.isidentifier() and not keyword.iskeyword(name))


def names_in_modules() -> Iterator[tuple[str, str]]:
    """Every (module, name) of which some release dropped the name, from modules that are still there."""
    modules = [record[0] for record in lookup.store().records("modules")]
    for name, *labels in lookup.store().records("names"):
        for label in labels:
            at = 0
            for step in label.partition("=")[2].split(","):
                at += int(step)
                if modules[at].startswith(f"{_PACKAGE}.") and name not in _ELSEWHERE:
                    yield modules[at], name


PUBLIC = public_names()
GONE = [name for name in PUBLIC if lookup.removed_in(f"{_PACKAGE}.{name}") is not None and name not in _ELSEWHERE]
KEPT = [
    name for name in PUBLIC if lookup.resolves(f"{_PACKAGE}.{name}", _BEFORE) and lookup.resolves(f"{_PACKAGE}.{name}")
]
MODULES = [
    module
    for module, *_ in lookup.store().records("modules")
    if module.startswith(f"{_PACKAGE}.") and not any(map(keyword.iskeyword, module.split(".")))
]
GONE_MODULES = [module for module in MODULES if lookup.removed_in(module) is not None]
KEPT_MODULES = [module for module in MODULES if lookup.resolves(module, _BEFORE) and lookup.resolves(module)]


def found_rows(folder: Path, lines: list[str]) -> set[int]:
    """Lint a module of some lines, and give those, from 0 on, that have a finding."""
    source = folder / "source"
    source.mkdir()
    (source / "generated.py").write_text("\n".join([f"import {_PACKAGE}", *lines, ""]))
    report = folder / "report.json"
    main(
        [
            *(str(source), "--isolated", "--no-cache", "-j", "1", "--select", "V51"),
            *("--output-format", "json", "--output-file", str(report)),
        ]
    )
    return {each["location"]["row"] - 2 for each in json.loads(report.read_text())}


def missing(folder: Path, names: list[str], lines: list[str]) -> list[str]:
    """The names on whose lines nothing is found."""
    rows = found_rows(folder, lines)
    return [name for row, name in enumerate(names) if row not in rows]


def test_there_is_something_to_find() -> None:
    assert len(GONE) > 1500
    assert len(KEPT) > 2800
    assert len(GONE_MODULES) > 900
    assert len(KEPT_MODULES) > 1000


@pytest.mark.parametrize(
    "form",
    [
        "from transformers import {name} as n{number}; print(n{number})",
        "n{number} = transformers.{name}",
        'n{number} = getattr(transformers, "{name}")',
    ],
    ids=["import", "attribute", "getattr"],
)
def test_every_public_name_that_is_gone_is_found(form: str, tmp_path: Path) -> None:
    lines = [form.format(name=name, number=number) for number, name in enumerate(GONE)]
    assert missing(tmp_path, GONE, lines) == []


@pytest.mark.parametrize(
    "form",
    ["import {module} as n{number}", 'n{number} = __import__("importlib").import_module("{module}")'],
    ids=["import", "import_module"],
)
def test_every_module_that_is_gone_is_found(form: str, tmp_path: Path) -> None:
    lines = [form.format(module=module, number=number) for number, module in enumerate(GONE_MODULES)]
    assert missing(tmp_path, GONE_MODULES, lines) == []


def test_names_inside_modules_that_are_gone_are_found(tmp_path: Path) -> None:
    wanted = [*names_in_modules()][::_STEP]
    paths = [f"{module}.{name}" for module, name in wanted if lookup.removed_in(f"{module}.{name}") is not None]
    lines = []
    for number, path in enumerate(paths):
        module, _, name = path.rpartition(".")
        lines.append(f"from {module} import {name} as n{number}; print(n{number})")
    assert len(paths) > 500
    assert missing(tmp_path, paths, lines) == []


def test_no_public_name_that_is_there_is_found(tmp_path: Path) -> None:
    lines = [f"from transformers import {name} as n{number}" for number, name in enumerate(KEPT)]
    lines += [f"m{number} = transformers.{name}" for number, name in enumerate(KEPT)]
    rows = found_rows(tmp_path, lines)
    assert [lines[row] for row in sorted(rows)] == []


def test_no_module_that_is_there_is_found(tmp_path: Path) -> None:
    lines = [f"import {module} as n{number}" for number, module in enumerate(KEPT_MODULES)]
    rows = found_rows(tmp_path, lines)
    assert [lines[row] for row in sorted(rows)] == []


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_answers_belong_to_checks_that_are_gone(name: str) -> None:
    places = [_PACKAGE, f"{_PACKAGE}.utils", f"{_PACKAGE}.utils.import_utils", f"{_PACKAGE}.utils.generic"]
    gone = [place for place in places if lookup.removed_in(f"{place}.{name}") is not None]
    assert gone, f"{name} is in all of {places}, or never was"

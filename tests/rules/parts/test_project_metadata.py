"""Whether versions can meet, held against packaging's own answer on a grid of releases; and the table of ranges."""

from __future__ import annotations

import itertools

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from v5lint.releases import parse_release
from v5lint.rules.knowledge import requires
from v5lint.rules.parts.project_metadata import can_meet

SPECIFIERS = [
    "",
    "<1",
    ">=1",
    "==0.3.1",
    "~=0.20",
    "~=1.2.3",
    ">=0.3,<1.5",
    ">1.5",
    "<=2.0",
    "==1.*",
    "!=1.5,>=1.5,<1.6",
]
GRID = [Version(f"{a}.{b}.{c}") for a, b, c in itertools.product(range(4), range(31), range(6))]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(SPECIFIERS, repeat=2)))
def test_versions_that_meet_are_found(one: str, other: str) -> None:
    both = SpecifierSet(one) & SpecifierSet(other)
    assert can_meet(one, other) or not any(both.contains(version) for version in GRID)
    assert not can_meet(one, other) or any(both.contains(version) for version in GRID)


def test_ranges_of_the_releases_asked_for() -> None:
    assert requires.ranges("huggingface-hub", (5,), (5, 3)) == [("5.0", "<2.0,>=1.3.0")]
    assert [since for since, _ in requires.ranges("huggingface-hub", (5, 4), (5, 23))] == ["5.4", "5.18"]
    assert requires.ranges("no-such-package", (5,), (5, 23)) == []


def test_ranges_are_in_order_and_are_specifiers() -> None:
    for package in requires.required_packages():
        rows = requires.ranges(package, (5,), (99,))
        assert rows
        assert [since for since, _ in rows] == sorted((since for since, _ in rows), key=parse_release)
        for _, specifier in rows:
            SpecifierSet(specifier)


def test_extras() -> None:
    assert requires.extra_removed_in("tf") == "5.0"
    assert requires.extra_removed_in("Hub_Kernels") == "5.1"
    assert requires.extra_removed_in("torch") == ""

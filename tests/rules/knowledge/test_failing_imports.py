"""Which releases of other packages fail when they are imported beside transformers 5."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from v5lint.rules.knowledge.collect import failing_imports as collect
from v5lint.rules.knowledge.dependents import failing
from v5lint.rules.knowledge.tables import table
from v5lint.toml import loads

if TYPE_CHECKING:
    from pathlib import Path


def test_an_error_is_its_last_line_without_paths(tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text("present = 1\n")
    assert collect.error_of(sys.executable, tmp_path, "from held import present") == ""
    error = collect.error_of(sys.executable, tmp_path, "from held import gone")
    assert error == "ImportError: cannot import name 'gone' from 'held'"


def test_a_package_stands_with_the_minors_that_work_and_the_errors_of_the_others() -> None:
    errors = {"0.1": "old", "0.2": "it's 'gone'", "0.3": "", "0.10": "", "0.11": "new", "0.12": ""}
    assert loads(collect.section("held", {Version(minor): error for minor, error in errors.items()})) == {
        "held": {
            "admitted": [">=0.3,<0.11", ">=0.12"],
            "newest": "0.12",
            "errors": {">=0.1,<0.2": "old", ">=0.2,<0.3": "it's 'gone'", ">=0.11,<0.12": "new"},
        }
    }
    assert collect.section("held", {Version("0.1"): ""}) == ""


@pytest.mark.parametrize(
    ("package", "version", "works"),
    [
        ("peft", "0.17.1", False),
        ("peft", "0.18.0", True),
        ("trl", "0.7.11", False),
        ("datasets", "2.15.0", False),
        ("diffusers", "0.21.4", False),
        ("setfit", "1.1.0", False),
    ],
)
def test_what_programs_pin_most(package: str, version: str, works: bool) -> None:
    known = failing(package)
    assert known is not None
    assert any(version in SpecifierSet(span) for span in known.admitted) is works


def test_every_error_says_what_is_missing() -> None:
    for package in table("failing_imports"):
        known = failing(package)
        assert known is not None
        for error in known.reasons.values():
            assert "cannot import name" in error or "No module named" in error, error
            assert "/" not in error

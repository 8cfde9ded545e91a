"""The errors that the rules' documentation quotes, and what is said beside them, are what v4 and v5 really do.

Each file of ``outcomes/`` belongs to one rule and holds snippets of code, with the way each ends under v4 (default: no
result and no exception) and under v5: the message of an exception, in which ``...`` stands for any text, or the
`repr` of the variable `result`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from v5lint.toml import loads

from . import runs
from .environments import Environment

pytestmark = pytest.mark.execution

OUTCOMES = Path(__file__).parent / "outcomes"


@dataclass(frozen=True)
class Outcome:
    """A snippet and how it ends."""

    where: str
    code: str
    v5: str
    v4: str = "None"


def load_all() -> Iterator[Outcome]:
    for file in sorted(OUTCOMES.glob("*.toml")):
        for number, entry in enumerate(loads(file.read_text(encoding="utf-8"))["outcome"], start=1):
            yield Outcome(f"{file.stem}-{number}", **entry)


ALL = list(load_all())


@pytest.fixture(scope="module")
def on_v4(v4: Environment, home: Path) -> list[str]:
    return runs.outcomes([outcome.code for outcome in ALL], v4, home)


@pytest.fixture(scope="module")
def on_v5(v5: Environment, home: Path) -> list[str]:
    return runs.outcomes([outcome.code for outcome in ALL], v5, home)


@pytest.mark.parametrize("number", range(len(ALL)), ids=[outcome.where for outcome in ALL])
def test_ends_as_said(number: int, on_v4: list[str], on_v5: list[str]) -> None:
    said = ALL[number]
    assert runs.matches(said.v4, on_v4[number]), f"{said.code}\nunder v4: {on_v4[number]}"
    assert runs.matches(said.v5, on_v5[number]), f"{said.code}\nunder v5: {on_v5[number]}"

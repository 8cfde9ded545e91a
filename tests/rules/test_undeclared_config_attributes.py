"""The defaults that the fix of V5514 writes are those that were measured."""

from __future__ import annotations

import ast
from pathlib import Path

from v5lint.rules.undeclared_config_attributes import INHERITED
from v5lint.toml import loads

OUTCOMES = Path(__file__).parents[1] / "execution" / "outcomes" / "V5514.toml"


def test_every_default_was_measured() -> None:
    codes = [each["code"] for each in loads(OUTCOMES.read_text(encoding="utf-8"))["outcome"]]
    line = next(line for code in codes for line in code.splitlines() if line.startswith("inherited = "))
    measured = ast.literal_eval(line.removeprefix("inherited = "))
    assert measured == {name: ast.literal_eval(text) for name, text in INHERITED.items()}

"""The migration guide names every rule, and no code that no rule has."""

from __future__ import annotations

import re
from pathlib import Path

from v5lint.rules import catalogue

GUIDE = (Path(__file__).parents[2] / "docs" / "migration-guide.md").read_text(encoding="utf-8")

NAMED = set(re.findall(r"\bV5\d{3}\b", GUIDE))
RULES = {rule.code: rule for rule in catalogue().rules}


def test_every_code_belongs_to_a_rule() -> None:
    assert set(RULES) >= NAMED


def test_every_rule_has_a_place() -> None:
    assert set(RULES) <= NAMED


def test_off_is_said_of_the_rules_that_are_off() -> None:
    said = set(re.findall(r"\b(V5\d{3}) \(off", GUIDE))
    assert said == {code for code, rule in RULES.items() if not rule.default}


def test_every_silent_change_has_a_row() -> None:
    rows = re.findall(r"^\| (S\d+) \| .+ \| (.+) \|$", GUIDE, re.MULTILINE)
    assert [number for number, _ in rows] == [f"S{number}" for number in range(1, 21)]
    for number, answer in rows:
        assert "V5" in answer or answer.startswith("none: "), number


def test_no_row_is_without_an_answer() -> None:
    for line in GUIDE.splitlines():
        if line.startswith("|") and not line.startswith("|--"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            assert all(cells[1:]), line
            if not line.startswith("| item") and "found by" not in line:
                assert re.search(r"V5\d{3}|\bnone\b", cells[-1]), line


def test_where_the_guide_is_wrong_a_rule_says_so() -> None:
    for line in GUIDE.splitlines():
        codes = re.findall(r"V5\d{3}", line.rpartition(" | ")[2]) if "**Guide:**" in line else []
        assert not codes or any(re.search(r"\bguide\b", RULES[code].documentation) for code in codes), line

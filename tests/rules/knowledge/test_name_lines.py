"""The lines of the data file that say what replaces a name."""

from __future__ import annotations

from v5lint.rules.knowledge.collect.replacements import Replacement, name_lines

NUMBERS = {"p.new": 3, "p.old": 5, "p.older": 9}
MODULES = {"p.old": Replacement("p.new", "", "", "", "")}


def test_a_name_that_the_successor_of_its_module_lacks_has_no_replacement() -> None:
    lines, holders = name_lines({"": MODULES}, NUMBERS, {}, {"Layer": ["p.old"]})
    assert lines == ["-\t\t\t\t\tLayer=5"]
    assert holders == ["p.old\tp.new\t\t\t\t"]


def test_it_may_have_one_in_another_module() -> None:
    found = {"": MODULES, "Layer": {"p.older": Replacement("p.new.Layer", "1", "", "", "")}}
    lines, _ = name_lines(found, NUMBERS, {}, {"Layer": ["p.old"]})
    assert sorted(lines) == ["-\t\t\t\t\tLayer=5", "p.new.Layer\t1\t\t\t\t=*p"]

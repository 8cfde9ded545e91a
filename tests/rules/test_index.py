"""The index of the rules is current, and a rule that stands behind it is the one that it names."""

from __future__ import annotations

from v5lint.rule import DeferredRule
from v5lint.rules import catalogue, index, modules, rules_of
from v5lint.rules.__main__ import ATTRIBUTES
from v5lint.rules.__main__ import index as written_anew


def test_the_index_is_current() -> None:
    with open(index.__file__, encoding="utf-8") as file:
        assert file.read() == written_anew(), "run: python -m v5lint.rules"


def test_deferred_rules_are_what_they_stand_for() -> None:
    real = {rule.code: rule for module in modules() for rule in rules_of(module)}
    rules = catalogue().rules
    assert [rule.code for rule in rules] == sorted(real)
    for rule in rules:
        assert isinstance(rule, DeferredRule)
        other = real[rule.code]
        for key in (*ATTRIBUTES, "documentation"):
            assert getattr(rule, key) == getattr(other, key), (rule.code, key)
        assert rule.options.keys() == other.options.keys()

from __future__ import annotations

import re

import pytest

from v5lint.patterns import pattern


def test_it_does_what_a_compiled_pattern_does() -> None:
    words = pattern(r"(a+)b", re.IGNORECASE)
    assert [found[1] for found in words.finditer("AAb ab")] == ["AA", "a"]
    assert words.search("x") is None
    assert words.sub("-", "abAB") == "--"
    assert words.pattern == r"(a+)b"
    assert pattern(rb"\d").findall(b"1a2") == [b"1", b"2"]


def test_it_is_compiled_when_it_is_used_and_not_before() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.search("x")

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Replace, Unsure
from v5lint.document import UnreadableError
from v5lint.rule import Finding, Rule

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


class Yields(Rule):
    """Yields what it is given."""

    code, name, tokens = "T9", "yields", ("x",)

    def __init__(self, *spans: tuple[int, int, str], kinds: tuple[str, ...] = ("python",)) -> None:
        self.spans, self.kinds = spans, kinds

    def check(self, module: Any) -> Iterator[Finding]:
        for start, end, message in self.spans:
            yield Finding(message, start, end)


def test_findings_come_in_the_order_of_their_places(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\nx = 2\n")
    rules = (Yields((6, 7, "c"), (0, 5, "b"), (0, 1, "z"), (0, 1, "a")), Replace("x", code="T1", name="one"))
    outcome = lint("a.py", "--output-format", "json", rules=rules)
    assert [(each["code"], each["message"]) for each in outcome.objects] == [
        ("T1", "`x` is gone"),
        ("T9", "a"),
        ("T9", "z"),
        ("T9", "b"),
        ("T1", "`x` is gone"),
        ("T9", "c"),
    ]


def test_what_a_rule_says_twice_is_reported_once(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\n")
    outcome = lint("a.py", "--output-format", "json", rules=(Yields((0, 1, "a"), (0, 1, "a"), (0, 1, "b")),))
    assert [each["message"] for each in outcome.objects] == ["a", "b"]


@pytest.mark.parametrize("span", [(-1, 2), (3, 2), (0, 99)])
def test_impossible_spans_are_an_own_error(lint: Lint, write: Write, span: tuple[int, int]) -> None:
    write("a.py", "x = 1\n")
    outcome = lint("a.py", rules=(Yields((*span, "a")),))
    assert outcome.status == 2
    assert f"the span {span[0]}..{span[1]} is not in the text" in outcome.err


def test_rules_see_only_the_kinds_they_read(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\n")
    assert lint("a.py", rules=(Yields((0, 1, "a"), kinds=("toml",)),)).status == 0
    assert lint("a.py", rules=(Yields((0, 1, "a"), kinds=("toml", "python")),)).status == 1


def test_a_rule_may_find_that_a_file_cannot_be_read(lint: Lint, write: Write) -> None:
    class Picky(Rule):
        """Parses more of a file when it needs to."""

        code, name, tokens = "T9", "picky", ("x",)

        def check(self, module: Any) -> Iterator[Finding]:
            yield Finding("first", 0, 1)
            raise UnreadableError("the annotation does not parse", row=1, column=3)

    write("a.py", "x = 1\n")
    outcome = lint("a.py", rules=(Picky(),))
    assert outcome.status == 2
    assert "error: a.py:1:3: the annotation does not parse\n" in outcome.err
    assert "first" in outcome.out


def test_what_a_later_release_breaks_need_not_be_followed(lint: Lint, write: Write) -> None:
    class Later(Unsure):
        """Holds since 5.9."""

        since = "5.9"

    write("a.py", "dark\n")
    assert "could not be followed" in lint("a.py", rules=(Later(),)).out
    assert "could not be followed" not in lint("a.py", "--target-version", "5.8", rules=(Later(),)).out


def test_each_finding_may_have_a_release_of_its_own(lint: Lint, write: Write) -> None:
    class Mixed(Rule):
        """Two breaks of two releases."""

        code, name, tokens = "T9", "mixed", ("x",)

        def check(self, module: Any) -> Iterator[Finding]:
            yield Finding("early", 0, 1)
            yield Finding("late", 0, 1, since="5.9")

    write("a.py", "x = 1\n")
    assert "breaks since transformers 5.9" in lint("a.py", rules=(Mixed(),)).out
    outcome = lint("a.py", "--target-version", "5.8", "--output-format", "json", rules=(Mixed(),))
    assert [each["message"] for each in outcome.objects] == ["early"]

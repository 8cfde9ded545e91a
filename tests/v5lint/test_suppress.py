from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Replace, Together, Unsure

Lint = Callable[..., Outcome]
Write = Callable[..., Path]

RULES = (
    Replace(),
    Replace("bad", code="T2001", name="bad-word"),
    Replace("rare", code="T2002", name="rare", default=False),
)


def rows(lint: Lint, write: Write, source: str | bytes, **options: object) -> list[int]:
    write("a.py", source)
    outcome = lint("a.py", "--output-format", "json", rules=RULES)
    assert "unused" not in outcome.err, outcome.err
    return [row for _, _, row, _ in outcome.found]


def warnings(lint: Lint, write: Write, source: str, *arguments: str) -> list[str]:
    write("a.py", source)
    outcome = lint("a.py", "-q", "--output-format", "json", *arguments, rules=RULES)
    assert outcome.status == int(bool(outcome.objects))
    return [line.removeprefix("warning: a.py:") for line in outcome.err.splitlines()]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "#noqa",
        "# NoQA",
        "# noqa: T1001",
        "# noqa:T1001",
        "# noqa : T1001",
        "# noqa: E501, T1001",
        "# noqa: E501 T1001",
        "# noqa: E501,T1001 because of reasons",
        "# noqa: t1001",
        "# type: ignore # noqa: T1001",
        "# the old way  # noqa",
        "# v5lint: ignore",
        "# v5lint:ignore[T1001]",
        "# v5lint: ignore[old-word]",
        "# v5lint: ignore[T2002, T1001]",
        "# fmt: skip  # v5lint: ignore[T1001]",
    ],
)
def test_comments_that_suppress(lint: Lint, write: Write, comment: str) -> None:
    assert rows(lint, write, f"x = old  {comment}\ny = old\n") == [2]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: E501",
        "# noqa: because of reasons",
        "# noqa:",
        "# noqa-file",
        "# nonoqa",
        "# no qa",
        "# v5lint ignore",
    ],
)
def test_comments_that_do_not(lint: Lint, write: Write, comment: str) -> None:
    assert rows(lint, write, f"x = old  {comment}\n") == [1]


def test_a_text_in_a_string_is_no_comment(lint: Lint, write: Write) -> None:
    source = '''\
        x = old + "# noqa"
        y = old + f"{old}# noqa: T1001"
        """
        old  # noqa
        """
        z = old  # a "string" # noqa
    '''
    assert rows(lint, write, source) == [1, 2, 2, 4]


def test_lines_of_a_statement(lint: Lint, write: Write) -> None:
    source = """\
        from x import (  # noqa: T1001
            old,
            bad,
        )
        from x import (
            old,
            bad,
        )  # noqa: T1001
        from x import (
            old,  # noqa: T1001
            old,
        )
        x = old, \\
            old  # noqa: T1001
        if old(  # noqa: T1001
            old,
            old,
        ):
            old
    """
    assert rows(lint, write, source) == [3, 7, 11, 19]


def test_a_finding_of_several_lines(lint: Lint, write: Write) -> None:
    class Long(Replace):
        """A finding that starts on one line and ends on another."""

        def check(self, module):  # type: ignore[no-untyped-def]
            for finding in super().check(module):
                finding.end = module.text.index(")", finding.start) + 1
                yield finding

    for place in range(6):
        lines = ["x = [", "  old(", "    1,", "    2", "  )", "]"]
        lines[place] += "  # noqa: T1001"
        write("a.py", "\n".join(lines))
        outcome = lint("a.py", "-q", rules=(Long(new=None),))
        assert outcome.status == (1 if place in (2, 3) else 0), place


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_newlines(lint: Lint, write: Write, newline: str) -> None:
    source = newline.join(["'''", "'''", "old  # noqa", "old", "f(", "old)  # noqa", "old"])
    assert rows(lint, write, source.encode()) == [4, 7]


def test_a_file_as_a_whole(lint: Lint, write: Write) -> None:
    assert rows(lint, write, "x = 1\nold\nbad\n# v5lint: ignore-file\n") == []
    assert rows(lint, write, "# v5lint: ignore-file[old-word]\nold\nbad\n") == [3]
    assert rows(lint, write, "'# v5lint: ignore-file'\nold\n") == [2]


def test_what_cannot_be_followed_is_silenced_too(lint: Lint, write: Write) -> None:
    write("a.py", "dark  # noqa: T1004\n")
    outcome = lint("a.py", rules=(Unsure(),))
    assert "could not be followed" not in outcome.out
    assert outcome.err == ""


def test_unused_suppressions_are_named(lint: Lint, write: Write) -> None:
    source = """\
        x = 1  # noqa: T1001, T2001, T2002, E501
        old  # noqa: T1001, T2001
        y = 1  # noqa
        z = 1  # v5lint: ignore
        z = 1  # v5lint: ignore[T2001]
        # v5lint: ignore-file[T2001]
    """
    assert warnings(lint, write, source) == [
        "6: unused suppression: there is no T2001 to silence",
        "1: unused suppression: there is no T1001 to silence",
        "1: unused suppression: there is no T2001 to silence",
        "2: unused suppression: there is no T2001 to silence",
        "4: unused suppression: there is no finding to silence",
        "5: unused suppression: there is no T2001 to silence",
    ]


def test_a_rule_that_is_not_selected_leaves_no_suppression_unused(lint: Lint, write: Write) -> None:
    source = "x = 1  # noqa: T1001, T2001\n"
    assert warnings(lint, write, source, "--select", "T2001") == ["1: unused suppression: there is no T2001 to silence"]
    assert warnings(lint, write, source, "--select", "rare") == []


def test_a_finding_of_a_later_release_uses_its_suppression(lint: Lint, write: Write) -> None:
    write("a.py", "old  # noqa: T1001\n")
    outcome = lint("a.py", "--target-version", "5.0", rules=(Replace(since="5.9"),))
    assert outcome.err == ""


def test_two_suppressions_of_one_finding_are_both_used(lint: Lint, write: Write) -> None:
    assert warnings(lint, write, "old  # noqa: T1001 # v5lint: ignore[T1001]\n# v5lint: ignore-file\n") == []


def test_unknown_codes_and_words_are_named(lint: Lint, write: Write) -> None:
    source = """\
        x = 1  # noqa: T1O01, T1009, E999, T2001x
        x = 1  # v5lint: ignore[old-wrod, E501]
        x = 1  # v5lint: ignroe
        x = 1  # v5lint: ignore[T1001
    """
    assert warnings(lint, write, source) == [
        "1: `T1O01` is not a rule: did you mean `T1001`?",
        "1: `T1009` is not a rule: did you mean `T1001`?",
        "1: `T2001X` is not a rule: did you mean `T2001`?",
        "2: `old-wrod` is not a rule: did you mean `old-word`?",
        "2: `E501` is not a rule",
        "3: `# v5lint: ignroe` is neither `ignore` nor `ignore-file`",
        "4: unused suppression: there is no T1001 to silence",
    ]


def test_a_file_without_a_token_is_still_read_for_suppressions(lint: Lint, write: Write) -> None:
    assert warnings(lint, write, "x = 1  # noqa: T1001\n") == ["1: unused suppression: there is no T1001 to silence"]


def test_a_part_of_a_fix_that_is_silenced_holds_all_of_it(lint: Lint, write: Write) -> None:
    write("a.py", "alpha\nalpha  # noqa: T1002\n")
    outcome = lint("a.py", "--fix", rules=(Together(),))
    assert outcome.status == 1
    assert (
        "fix held back: Replace `alpha` with `beta` everywhere (a comment on line 2 silences a part of it)"
        in outcome.out
    )


def test_after_a_fix_lines_are_those_of_the_new_file(lint: Lint, write: Write) -> None:
    write("a.py", "alpha\nx = 1  # noqa: T1002\n")
    outcome = lint("a.py", "--fix", "-q", rules=(Together(),))
    assert outcome.err == "warning: a.py:3: unused suppression: there is no T1002 to silence\n"

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Replace
from v5lint.rule import Finding, Rule

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


class Span(Rule):
    """Finds what is between `<<` and `>>`."""

    code, name, tokens = "T9", "span", ("<<",)

    def check(self, module: Any) -> Iterator[Finding]:
        for match in re.finditer("<<(.*?)>>", module.text, re.DOTALL):
            yield Finding("see", *match.span(1))


def frame(lint: Lint, write: Write, source: str | bytes) -> str:
    write("a.py", source)
    lines = lint("a.py", "-q", rules=(Span(),)).out.splitlines()
    return "\n".join(lines[1:-2])


def test_a_finding(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\nvalue = old\n")
    assert lint("a.py", "-q").out == (
        "T1001 old-word: `old` is gone\n"
        " --> a.py:2:9\n"
        "  |\n"
        "2 | value = old\n"
        "  |         ^^^\n"
        "  = breaks since transformers 5.0\n"
        "  = fix with --fix: Replace `old` with `new`\n"
        "\n"
    )


def test_without_a_fix(lint: Lint, write: Write) -> None:
    write("a.py", "old\n")
    assert lint("a.py", "-q", rules=(Replace(new=None),)).out.endswith("  = breaks since transformers 5.0\n\n")


def test_tabs_and_wide_characters_do_not_move_the_marks(lint: Lint, write: Write) -> None:
    assert frame(lint, write, b"if 1:\n\tf('<<\tx\t>>')\n") == (
        " --> a.py:2:7\n  |\n2 |     f('<<    x    >>')\n  |          ^^^^^^^^^"
    )
    assert frame(lint, write, "f('\u4e2d\u6587', '<<\u00e9e\u0301\u4e2d>>')\n") == (
        " --> a.py:1:12\n  |\n1 | f('\u4e2d\u6587', '<<\u00e9e\u0301\u4e2d>>')\n  |              ^^^^"
    )


def test_control_characters_are_spelled_out(lint: Lint, write: Write) -> None:
    assert (
        frame(lint, write, "'\x1b[31m<<\x07>>'\n")
        == " --> a.py:1:9\n  |\n1 | '\\x1b[31m<<\\x07>>'\n  |            ^^^^"
    )


def test_several_lines(lint: Lint, write: Write) -> None:
    assert frame(lint, write, "f('''<<a\n\n  b\nc>>''')\n") == (
        " --> a.py:1:8\n  |\n1 | f('''<<a\n  |        ^\n2 | \n3 |   b\n  |   ^\n4 | c>>''')\n  | ^"
    )


def test_many_lines_are_cut(lint: Lint, write: Write) -> None:
    shown = frame(lint, write, "'''<<" + "x\n" * 50 + ">>'''\n")
    assert shown.endswith("6 | x\n  | ^\n  | ...")
    assert "7 |" not in shown


def test_a_long_line_is_cut_around_the_finding(lint: Lint, write: Write) -> None:
    shown = frame(lint, write, f"x = '{'a' * 5000}<<here>>{'b' * 5000}'\n")
    source, marks = shown.splitlines()[2:]
    assert len(source) < 200
    assert source[marks.index("^") : marks.rindex("^") + 1] == "here"
    assert lint("a.py", "--output-format", "concise", rules=(Span(),)).out.startswith("a.py:1:5008: ")


def test_an_empty_finding_has_a_mark(lint: Lint, write: Write) -> None:
    assert frame(lint, write, "x = '<<>>'\n").endswith("1 | x = '<<>>'\n  |        ^")


def test_the_gutter_is_as_wide_as_the_last_number(lint: Lint, write: Write) -> None:
    assert frame(lint, write, "\n" * 8 + "'''<<a\nb>>'''\n") == (
        "  --> a.py:9:6\n   |\n 9 | '''<<a\n   |      ^\n10 | b>>'''\n   | ^"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_newlines_are_no_part_of_a_line(lint: Lint, write: Write, newline: str) -> None:
    source = newline.join(["x = 1", "y = '<<z>>'", ""])
    assert frame(lint, write, source.encode()) == " --> a.py:2:8\n  |\n2 | y = '<<z>>'\n  |        ^"


def test_colour(lint: Lint, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.py", "x: dict[str, int] = old  # [bold]\n")
    bare = lint("a.py").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    coloured = lint("a.py").out
    assert "\x1b[1;31m^^^\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == bare

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v5lint.report.text import plain, wants_colour, write

ESCAPES = re.compile(r"\x1b\[[\d;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x: list[int] = [bold]", "x: list[int] = [bold]"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("name\udcff.py", "name\\xff.py"),
        ("a\u202eb", "a\\u{202e}b"),
        ("caf\u00e9 \u4e2d \u00a0 \u3000 \U0001f600", "caf\u00e9 \u4e2d \u00a0 \u3000 \U0001f600"),
    ],
)
def test_plain(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_plain_text_stays_on_its_line_and_commands_no_terminal(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("environment", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_when_there_is_colour(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], terminal: bool, wanted: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(Terminal() if terminal else io.StringIO()) is wanted


@given(st.lists(st.tuples(st.text(), st.sampled_from(["", "breaks", "fix"])), max_size=5))
def test_colour_changes_no_character(pieces: list[tuple[str, str]]) -> None:
    line = [(plain(text), style) for text, style in pieces]
    bare, coloured = io.StringIO(), io.StringIO()
    write([line], bare, colour=False)
    write([line], coloured, colour=True)
    assert ESCAPES.sub("", coloured.getvalue()) == bare.getvalue()


def test_markup_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    write([[("x: Optional[int]  # TODO[red]: :smile: [/]", "")], [("y" * 500, "breaks")]], stream, colour=True)
    assert stream.getvalue() == "x: Optional[int]  # TODO[red]: :smile: [/]\n\x1b[1;31m" + "y" * 500 + "\x1b[0m\n"

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v5lint.document import Region, line_starts, spliced
from v5lint.rule import Edit

texts = st.text(alphabet="ab\n\r\u2028\x0b\x0c\u00e9\U0001f600", max_size=40)


def lines_of(text: str) -> list[str]:
    """The lines as Python's own reader of universal newlines counts them."""
    return list(io.StringIO(text, newline=""))


@given(texts)
def test_lines_are_pythons(text: str) -> None:
    lines = lines_of(text)
    starts = line_starts(text)
    ends_with_newline = text.endswith(("\n", "\r"))
    assert starts == [len("".join(lines[:count])) for count in range(len(lines) + (ends_with_newline or not lines))]


@given(texts, st.integers(1, 9))
def test_a_position_names_its_character(text: str, first: int) -> None:
    region = Region("python", text, row=first)
    lines = [*lines_of(text), ""]
    for offset in range(len(text) + 1):
        row, column = region.position(offset)
        if offset < len(text):
            assert lines[row - first][column - 1] == text[offset]
            assert region.line(row - first) == lines[row - first].rstrip("\r\n")
        else:
            assert sum(map(len, lines[: row - first])) + column - 1 == offset


@given(texts, st.data())
def test_splicing_is_what_one_edit_after_the_other_does(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    edits = [Edit(a, b, data.draw(texts)) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    expected = text
    for edit in sorted(edits, reverse=True):
        expected = expected[: edit.start] + edit.content + expected[edit.end :]
    assert spliced(text, data.draw(st.permutations(edits))) == expected


@pytest.mark.parametrize("edits", [[Edit(0, 2, ""), Edit(1, 3, "")], [Edit(2, 9, "")]])
def test_edits_that_do_not_fit(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps"):
        spliced("abc", edits)

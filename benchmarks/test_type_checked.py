"""The comparison of what a type checker says of two releases."""

from __future__ import annotations

import type_checked
from type_checked import Said

OUTPUT = """\
src/a.py:3:5: error[unknown-argument] Argument `embed_tokens` does not match any known parameter
src/b.py:7:1: warning[missing-attribute] Object of type `Trainer` has no attribute `tokenizer`
Found 2 diagnostics
"""


def test_lines_are_read() -> None:
    first, second = type_checked.read(OUTPUT)
    assert first[:4] == ("/src/a.py", 3, 5, "unknown-argument")
    assert second.text == "Object of type `Trainer` has no attribute `tokenizer`"


def test_what_is_said_in_other_words_of_the_same_place_is_not_new() -> None:
    before = [Said("/a.py", 1, 1, "not-callable", "Object of type `A`")]
    after = [
        *before,
        Said("/a.py", 1, 1, "not-callable", "Object of type `B`"),
        Said("/a.py", 2, 1, "not-callable", "x"),
    ]
    assert type_checked.only_after(before, after) == [after[2]]


def test_what_has_a_finding_near_is_left_out() -> None:
    said = [Said("/a.py", line, 1, "unknown-argument", "x") for line in (1, 4, 9)]
    assert type_checked.unspoken(said, {"/a.py": [(5, 7)]}) == [said[0], said[2]]
    assert type_checked.unspoken(said, {"/b.py": [(5, 7)]}) == said


def test_the_most_frequent_comes_first() -> None:
    often = [Said("/a.py", line, 1, "unknown-argument", "often") for line in (1, 2)]
    first, second = type_checked.report([Said("/b.py", 3, 1, "unknown-argument", "once"), *often])
    assert first == "    2 unknown-argument: often    /a.py:1"
    assert second.endswith("once    /b.py:3")

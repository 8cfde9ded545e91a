"""The forms that programs read."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Raises, Replace, Together, catalogue
from v5lint.report.diff import unified
from v5lint.rule import Edit

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


def test_json(lint: Lint, write: Write, folder: Path) -> None:
    write("a.py", "x = 1\ny = old  # [x]\n")
    rules = catalogue(Replace(applicability="unsafe"), url="https://example.org/{code}")
    assert lint("a.py", "--output-format", "json", rules=rules).objects == [
        {
            "code": "T1001",
            "name": "old-word",
            "level": "breaks",
            "message": "`old` is gone",
            "filename": str(folder / "a.py"),
            "cell": None,
            "location": {"row": 2, "column": 5},
            "end_location": {"row": 2, "column": 8},
            "fix": {
                "applicability": "unsafe",
                "message": "Replace `old` with `new`",
                "edits": [
                    {
                        "cell": None,
                        "location": {"row": 2, "column": 5},
                        "end_location": {"row": 2, "column": 8},
                        "content": "new",
                    }
                ],
            },
            "url": "https://example.org/T1001",
        }
    ]


def test_json_of_nothing(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\n")
    assert lint("a.py", "--output-format", "json").out == "[]\n"
    assert lint("missing.py", "--output-format", "json").out == "[]\n"


def test_the_edits_in_json_make_what_fix_makes(lint: Lint, write: Write) -> None:
    source = "'''\r\n\u00e9 alpha\r\n'''\r\nalpha\r\n"
    path = write("a.py", source.encode())
    edits = lint("a.py", "--output-format", "json", rules=(Together(),)).objects[0]["fix"]["edits"]
    lines = source.splitlines(keepends=True)
    for edit in reversed(edits):
        (row, column), (end_row, end_column) = (
            (edit[key]["row"], edit[key]["column"]) for key in ("location", "end_location")
        )
        assert row == end_row
        line = lines[row - 1]
        lines[row - 1] = line[: column - 1] + edit["content"] + line[end_column - 1 :]
    lint("a.py", "--fix", rules=(Together(),))
    assert "".join(lines).encode() == path.read_bytes()


def test_edits_that_cannot_be_built_are_an_own_error(lint: Lint, write: Write) -> None:
    write("a.py", "old\n")
    overlapping = Replace(edit=lambda *_: [Edit(0, 2, ""), Edit(1, 3, "")])
    outcome = lint("a.py", "--output-format", "json", rules=(overlapping,))
    assert outcome.status == 2
    assert outcome.objects[0]["fix"] is None
    assert "error: a.py:1:1: internal error in T1001 old-word: ValueError: a fix overlaps itself" in outcome.err


def test_a_finding_of_a_failing_rule_is_shown_and_not_fixed(lint: Lint, write: Write) -> None:
    write("a.py", "boom\n")
    outcome = lint("a.py", "--output-format", "json", rules=(Raises(),))
    assert outcome.objects[0]["fix"]["message"] == "Replace it (T1005 failed on this file)"
    assert outcome.objects[0]["fix"]["applicability"] == "display"


def test_github(lint: Lint, write: Write) -> None:
    write("sub/a,b:c%.py", "x = old\n")
    rules = (Replace(level="deprecated"), Replace("x", code="T2", name="two"))
    assert lint(".", "-q", "--output-format", "github", rules=rules).out.splitlines() == [
        "::error title=v5lint (T2),file=sub/a%2Cb%3Ac%25.py,line=1,col=1,endLine=1,endColumn=2"
        "::sub/a,b:c%25.py:1:1: T2 `x` is gone",
        "::warning title=v5lint (T1001),file=sub/a%2Cb%3Ac%25.py,line=1,col=5,endLine=1,endColumn=8"
        "::sub/a,b:c%25.py:1:5: T1001 `old` is gone",
    ]


lines = st.sampled_from([b"a\n", b"b\r\n", b"c\r", b"\n", b"d", b"\xff\x00\n", b"\\ No newline\n"])
contents = st.lists(lines, max_size=9).map(b"".join)


@given(contents, contents)
def test_patch_makes_after_from_before(tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes) -> None:
    folder = tmp_path_factory.mktemp("patch", numbered=True)
    (folder / "a b.py").write_bytes(before)
    diff = b"".join(unified("a b.py", before, after))
    assert bool(diff) == (before != after)
    if diff:
        subprocess.run(["git", "apply", "-p0", "--whitespace=nowarn"], input=diff, cwd=folder, check=True)
    assert (folder / "a b.py").read_bytes() == after


def test_names_in_a_diff_are_git_s(folder: Path) -> None:
    name = 'a\t"b"\n\\c.py'
    (folder / name).write_bytes(b"old\n")
    diff = b"".join(unified(name, b"old\n", b"new\n"))
    subprocess.run(["git", "apply", "-p0"], input=diff, cwd=folder, check=True)
    assert (folder / name).read_bytes() == b"new\n"

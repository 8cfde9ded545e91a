"""Notebooks: the cells as one program, and nothing but their source changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Replace, Together
from v5lint.document import UnreadableError
from v5lint.formats import notebook

Lint = Callable[..., Outcome]
Write = Callable[..., Path]

CELL = {"cell_type": "code", "execution_count": 1, "metadata": {}, "outputs": []}
TEXT = {"cell_type": "markdown", "metadata": {}, "source": ["old\n", "alpha"]}


def made(*cells: object, indent: int | None = 1, **more: object) -> str:
    """A notebook of the sources of its cells, or of whole cells."""
    whole = [cell if isinstance(cell, dict) else {**CELL, "source": cell} for cell in cells]
    content = {"cells": whole, "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}
    return json.dumps(content, indent=indent, ensure_ascii=False) + "\n"


def sources(path: Path) -> list[object]:
    return [cell["source"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]


def region(text: str) -> str:
    return notebook.read("a.ipynb", text.encode()).regions[0].text


def test_places_are_those_of_the_cell(lint: Lint, write: Write) -> None:
    write("a.ipynb", made(TEXT, ["x = 1\n", "y = old"], "\nz = old\n"))
    assert lint("a.ipynb", "--output-format", "concise").out.splitlines()[:2] == [
        "a.ipynb:cell 2:2:5: T1001 [*] breaks: `old` is gone",
        "a.ipynb:cell 3:2:5: T1001 [*] breaks: `old` is gone",
    ]
    found = lint("a.ipynb", "--output-format", "json").objects
    assert [(each["cell"], each["fix"]["edits"][0]["cell"]) for each in found] == [(2, 2), (3, 3)]
    assert "--> a.ipynb:cell 2:2:5\n  |\n2 | y = old\n  |     ^^^" in lint("a.ipynb").out
    assert "line=" not in lint("a.ipynb", "--output-format", "github").out


def test_a_fix_changes_the_source_of_its_cells_alone(lint: Lint, write: Write) -> None:
    before = made(
        TEXT, ["x = 1\n", "é = old  # \u2603\n", "z"], {**CELL, "source": "old\nx", "outputs": [{"text": "old"}]}
    )
    path = write("a.ipynb", before)
    lint("a.ipynb", "--fix")
    after = path.read_text(encoding="utf-8")
    assert after == before.replace("é = old", "é = new").replace('"source": "old\\nx"', '"source": "new\\nx"')


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_the_json_stays_as_it_is_written(lint: Lint, write: Write, indent: int | None) -> None:
    path = write("a.ipynb", made(["old\n", "\n", 'x = "q"'], indent=indent))
    lint("a.ipynb", "--fix")
    assert path.read_text() == made(["new\n", "\n", 'x = "q"'], indent=indent)


def test_escapes_stay_escapes(lint: Lint, write: Write) -> None:
    before = made(["old\n", 'x = "\\\\u00e9"']).replace("\\\\\\\\u00e9", "\\u00e9")
    path = write("a.ipynb", before)
    lint("a.ipynb", "--fix")
    assert path.read_text() == before.replace("old", "new")


def test_lines_that_are_no_python(lint: Lint, write: Write) -> None:
    cells = [
        ["!pip install -q \\\n", "   old\n", "%env X=old\n", "files = !ls old\n", "?old\n", "old?\n", "y = old"],
        ["%%time\n", "if True:\n", "    !ls\n", "    old"],
        ["%%bash\n", "old\n"],
        ["x = (1\n", "  % 2)\n", "old"],
    ]
    path = write("a.ipynb", made(*cells))
    done = lint("a.ipynb", "--fix")
    assert not done.err.strip(), done.err
    cells[0][-1], cells[1][-1], cells[3][-1] = "y = new", "    new", "new"
    assert sources(path) == cells


def test_a_cell_that_does_not_parse_is_named_and_the_others_are_checked(lint: Lint, write: Write) -> None:
    path = write("a.ipynb", made(["print 'old'"], ["old"]))
    done = lint("a.ipynb", "--fix")
    assert "a.ipynb:cell 1: the cell is not checked: it does not parse" in done.err
    assert done.status == 0
    assert sources(path) == [["print 'old'"], ["new"]]


def test_cells_are_one_program() -> None:
    assert region(made(["a = 1"], TEXT, ["a\n"], [])) == "a = 1\n# \u241e\na\n\n# \u241e\n"


def test_one_fix_in_several_cells(lint: Lint, write: Write) -> None:
    path = write("a.ipynb", made(["alpha"], ["x = 1"], ["alpha"]))
    lint("a.ipynb", "--fix", rules=(Together(),))
    assert sources(path) == [["import beta\n", "beta"], ["x = 1"], ["beta"]]


def test_suppressions(lint: Lint, write: Write) -> None:
    write(
        "a.ipynb",
        made(["old  # noqa: T1001"], ["x = old  # v5lint: ignore[T1001]\n", "y = 1  # v5lint: ignore[T1001]"]),
    )
    done = lint("a.ipynb")
    assert done.status == 0
    assert "a.ipynb:cell 2:2: unused suppression" in done.err


@pytest.mark.parametrize("about", [{"kernelspec": {"language": "R"}}, {"language_info": {"name": "julia"}}])
def test_other_languages_are_left_alone(lint: Lint, write: Write, about: dict[str, object]) -> None:
    write("a.ipynb", made(["old"], metadata=about))
    assert lint("a.ipynb").status == 0


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "it is no JSON"),
        (b'{"worksheets": []}', "it is no notebook of format 4"),
        (b"[]", "it is no notebook of format 4"),
        (b'{"cells": ["\xff"]}', "it is not valid UTF-8"),
        (made(["x = '\u241e'"]).encode(), "it holds a sign that v5lint needs"),
    ],
)
def test_what_is_no_notebook(raw: bytes, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        notebook.read("a.ipynb", raw)


def test_a_notebook_without_code(lint: Lint, write: Write) -> None:
    write("a.ipynb", made(TEXT))
    assert lint("a.ipynb").status == 0


def test_a_folder_of_both(lint: Lint, write: Write) -> None:
    write("a.ipynb", made(["old"]))
    write("b.py", "old\n")
    assert [Path(each["filename"]).name for each in lint(".", "--output-format", "json").objects] == ["a.ipynb", "b.py"]


def test_a_fix_leaves_nothing_to_fix(lint: Lint, write: Write) -> None:
    path = write("a.ipynb", made(["old\n", "%time old"], ["old"]))
    lint("a.ipynb", "--fix", rules=(Replace(),))
    once = path.read_bytes()
    lint("a.ipynb", "--fix", rules=(Replace(),))
    assert path.read_bytes() == once

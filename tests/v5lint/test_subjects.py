"""A whole project that names none of the packages is passed over, but for the rules that go by a name alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Replace
from v5lint.rule import Catalogue

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


class ByName(Replace):
    anywhere = True


@pytest.fixture
def rules() -> Catalogue:
    named = ByName("dark", None, code="T1002", name="dark-word")
    return Catalogue([Replace(), named], newest="5.23", packages=("thelibrary",))


def test_a_project_that_names_no_package_is_passed_over(lint: Lint, write: Write, rules: Catalogue) -> None:
    write("a.py", "old\n")
    write("b.py", "dark\nold\n")
    found = lint(".", "--output-format", "json", rules=rules).found
    # What is let in by one rule is linted as a whole.
    assert found == [("b.py", "T1002", 1, 1), ("b.py", "T1001", 2, 1)]


@pytest.mark.parametrize("name", ["deep/in/it.py", "setup.cfg", "requirements.txt", "run.sh", "notes.md", "n.ipynb"])
def test_one_mention_anywhere_in_it_is_enough(lint: Lint, write: Write, rules: Catalogue, name: str) -> None:
    write("a.py", "old\n")
    text = '{"cells": [], "metadata": {}, "nbformat": 4, "x": "thelibrary"}' if "ipynb" in name else "# thelibrary\n"
    write(name, text)
    assert lint(".", "--output-format", "json", rules=rules).found == [("a.py", "T1001", 1, 1)]


def test_a_mention_in_utf_16_may_be_there(lint: Lint, write: Write, rules: Catalogue) -> None:
    write("a.py", "old\n")
    write("b.sh", "# thelibrary\n".encode("utf-16"))
    assert [each["code"] for each in lint("a.py", ".", "--output-format", "json", rules=rules).objects] == ["T1001"]


def test_projects_are_told_apart(lint: Lint, write: Write, rules: Catalogue) -> None:
    for project in ("one", "two"):
        write(f"{project}/pyproject.toml", "")
        write(f"{project}/a.py", f"old  # {project}\n")
    write("two/b.py", "import thelibrary\n")
    outcome = lint(".", "--output-format", "json", rules=rules)
    assert [Path(each["filename"]).parent.name for each in outcome.objects] == ["two"]


def test_a_project_in_a_project_speaks_for_it(lint: Lint, write: Write, rules: Catalogue) -> None:
    write("pyproject.toml", "")
    write("a.py", "old\n")
    write("part/pyproject.toml", "")
    write("part/b.py", "import thelibrary\n")
    assert lint(".", "--output-format", "json", rules=rules).found == [("a.py", "T1001", 1, 1)]


def test_a_file_alone_is_linted_as_its_project_was_not_read(lint: Lint, write: Write, rules: Catalogue) -> None:
    write("pyproject.toml", "")
    write("a.py", "old\n")
    write("part/b.py", "old\n")
    assert lint("a.py", "--output-format", "json", rules=rules).found == [("a.py", "T1001", 1, 1)]
    assert lint("part", "--output-format", "json", rules=rules).found == [("b.py", "T1001", 1, 1)]


def test_suppressions_are_still_looked_at(lint: Lint, write: Write, rules: Catalogue) -> None:
    write("a.py", "new  # v5lint: ignore[T1001]\n")
    assert "unused suppression" in lint(".", rules=rules).err


def test_a_file_that_is_passed_over_is_still_parsed(lint: Lint, write: Write, rules: Catalogue) -> None:
    write("a.py", "old = (\n")
    assert lint(".", rules=rules).status == 2


def test_catalogues_that_do_not_say_are_asked_everywhere(lint: Lint, write: Write) -> None:
    write("a.py", "old\n")
    assert lint(".", "--output-format", "json", rules=(Replace(),)).found == [("a.py", "T1001", 1, 1)]

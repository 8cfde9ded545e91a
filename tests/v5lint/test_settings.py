from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Configurable, Replace, catalogue
from v5lint.configuration import SettingsError
from v5lint.registry import Registry
from v5lint.settings import Settings, SettingsFinder

Lint = Callable[..., Outcome]
Write = Callable[..., Path]

RULES = (Replace(), Configurable(), Replace("rare", code="T2002", name="rare-word", default=False))


def finder(**options: object) -> SettingsFinder:
    return SettingsFinder(Registry([catalogue(*RULES)]), **options)  # type: ignore[arg-type]


def codes(settings: Settings) -> list[str]:
    return [rule.code for rule in settings.rules]


def test_without_configuration(folder: Path) -> None:
    settings = finder().of("a.py")
    assert codes(settings) == ["T1001", "T1003"]
    assert settings.target == (5, 23)
    assert settings.minimum == (5,)
    assert settings.option("chosen-word", "become") == "first"


def test_the_nearest_file_counts_and_no_other(write: Write) -> None:
    write("pyproject.toml", '[tool.v5lint]\nselect = ["T2002"]\ntarget-version = "5.4"\n')
    write("a/.v5lint.toml", 'ignore = ["T1003"]\n')
    write("a/pyproject.toml", '[tool.v5lint]\nselect = ["T1003"]\n')
    write("a/b/pyproject.toml", '[project]\nname = "no-table-of-v5lint"\n')
    found = finder()
    assert codes(found.of("x.py")) == ["T2002"]
    assert found.of("x.py").target == (5, 4)
    assert codes(found.of("a/x.py")) == ["T1001"]
    assert codes(found.of("a/b/x.py")) == ["T1001"]
    assert found.of("a/b/x.py").target == (5, 23)
    assert codes(finder(isolated=True).of("x.py")) == ["T1001", "T1003"]
    assert codes(finder(file="pyproject.toml").of("a/x.py")) == ["T2002"]


def test_the_command_line_comes_on_top(write: Write) -> None:
    write(".v5lint.toml", 'select = ["T1001"]\nignore = ["T1003"]\nmin-version = "4.30"\n')
    assert codes(finder(overrides={"extend-select": ["T2002"]}).of("x.py")) == ["T1001", "T2002"]
    assert codes(finder(overrides={"select": ["T1003"]}).of("x.py")) == ["T1003"]
    assert codes(finder(overrides={"ignore": ["T1"]}).of("x.py")) == []
    assert finder(overrides={"min-version": "4.40"}).of("x.py").minimum == (4, 40)


def test_options_of_rules(lint: Lint, write: Write) -> None:
    write("pyproject.toml", '[tool.v5lint.chosen-word]\nbecome = "second"\n')
    path = write("a.py", "choose\n")
    assert lint("a.py", "--fix", rules=RULES).status == 0
    assert path.read_text() == "second\n"
    write("a.py", "choose\n")
    assert lint("a.py", "--fix", "--config", 'chosen-word.become = "first"', rules=RULES).status == 0
    assert path.read_text() == "first\n"
    outcome = lint("--config", 'chosen-word.become="third"', "--config", "chosen-word.loud=true", rules=RULES)
    assert "`chosen-word.become` cannot be 'third': it is one of 'first', 'second'" in outcome.err


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ('selcet = ["T1001"]', 1, "unknown key `selcet`: did you mean `select`?"),
        ("zzz = 1", 1, "unknown key `zzz`: valid are select, extend-select, "),
        ('\nselect = ["T1O01"]', 2, "`select`: `T1O01` is not a rule: did you mean `T1001`?"),
        ('select = "T1001"', 1, "`select` must be a list of codes or names"),
        ("select = [1]", 1, "`select` must be a list"),
        ("target-version = 5.4", 1, '`target-version` must be a release of transformers in quotes, as "5.0"'),
        ('min-version = "latest"', 1, "`latest` is not a release number"),
        ("force-exclude = 1", 1, "`force-exclude` must be true or false"),
        ('[chosen-wrod]\nbecome = "first"', 1, "unknown key `chosen-wrod`: did you mean `chosen-word`?"),
        ('[chosen-word]\nbecame = "first"', 2, "unknown option `chosen-word.became`: did you mean `become`?"),
        ('[chosen-word]\nbecome = "frist"', 2, "`chosen-word.become` cannot be 'frist': did you mean `first`?"),
        ("[chosen-word]\nloud = 1", 2, "`chosen-word.loud` must be a boolean"),
        ("[old-word]\nx = 1", 2, "`old-word.x`: no options here"),
        ('[per-file-ignores]\n"a.py" = ["X"]', 1, "`per-file-ignores`: `X` is not a rule"),
        ("per-file-ignores = 3", 1, "`per-file-ignores` must be a table of patterns"),
        ("select = [", 0, "it is not valid TOML"),
        (b"x = 1\n\xff", 2, "it is not valid UTF-8 (byte 0xff)"),
    ],
)
def test_wrong_configuration(lint: Lint, write: Write, text: str | bytes, row: int, message: str) -> None:
    path = write("sub/.v5lint.toml", text)
    write("sub/a.py", "old\n")
    write("sub/deeper/a.py", "old\n")
    write("other.py", "old\n")
    outcome = lint(".", "--output-format", "json", rules=RULES)
    assert outcome.status == 2
    assert outcome.found == [("other.py", "T1001", 1, 1)]
    (line,) = outcome.err.splitlines()[-1:]
    assert line.startswith(f"error: {path}:{row}: " if row else f"error: {path}: ")
    assert message in line
    assert line.endswith("(the files it is for are not linted)")
    assert outcome.err.count("error:") == 1
    outcome = lint("sub/a.py", "other.py", "--output-format", "json", rules=RULES)
    assert (outcome.status, outcome.found) == (2, [("other.py", "T1001", 1, 1)])
    outcome = lint("--config", str(path), rules=RULES)
    assert (outcome.status, outcome.out) == (2, "")
    assert message in outcome.err


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["FIFO", "folder"])
def test_a_configuration_that_is_no_file(lint: Lint, write: Write, make: Callable[[str], None]) -> None:
    write("sub/a.py", "old\n")
    write("a.py", "old\n")
    make("sub/.v5lint.toml")
    outcome = lint(".", "--output-format", "json", rules=RULES)
    assert (outcome.status, outcome.found) == (2, [("a.py", "T1001", 1, 1)])
    assert outcome.err.count("error:") == 1
    assert lint("--config", "sub/.v5lint.toml", rules=RULES).status == 2
    make("pyproject.toml")  # whoever else reads it has the same trouble
    assert "T1001" in lint("a.py", rules=RULES).out


def test_a_byte_order_mark(lint: Lint, write: Write) -> None:
    write(".v5lint.toml", b'\xef\xbb\xbfignore = ["T1001"]\n')
    write("a.py", "old\n")
    assert lint(".", rules=RULES).status == 0


def test_minimum_above_target(write: Write) -> None:
    write(".v5lint.toml", 'min-version = "5.9"\ntarget-version = "5.4"\n')
    with pytest.raises(SettingsError, match=r"min-version 5\.9 is newer than target-version 5\.4"):
        finder().of("a.py")


def test_a_broken_project_file_of_somebody_else_is_none_of_our_business(write: Write) -> None:
    write("pyproject.toml", "this is [no TOML\n")
    assert codes(finder().of("a.py")) == ["T1001", "T1003"]


def test_config_without_a_table(lint: Lint, write: Write) -> None:
    write("pyproject.toml", "[project]\n")
    outcome = lint("--config", "pyproject.toml")
    assert (outcome.status, outcome.err) == (2, "error: pyproject.toml: it has no [tool.v5lint] table\n")


def test_per_file_ignores(lint: Lint, write: Write) -> None:
    write(
        ".v5lint.toml",
        """
        [per-file-ignores]
        "tests/" = ["T1"]
        "*_gen.py" = ["old-word"]
        "!*" = ["T1003"]
        """,
    )
    for name in ("a.py", "tests/a.py", "x_gen.py", "sub/tests/b.py"):
        write(name, "old\nchoose\n")
    outcome = lint(".", "--output-format", "concise", "-q", rules=RULES)
    assert [line.split(": ")[0] for line in outcome.out.splitlines()] == ["a.py:1:1", "a.py:2:1", "x_gen.py:2:1"]


def test_patterns_that_are_none(lint: Lint, write: Write) -> None:
    write(".v5lint.toml", '[per-file-ignores]\n"!" = ["T1001"]\n')
    write("a.py", "old\n")
    write("b.py", "old\n")
    outcome = lint(".")
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert ".v5lint.toml: Invalid git pattern" in line


def test_options_of_a_rule_that_is_not_selected() -> None:
    settings = Settings([Replace()], target=(5,))
    with pytest.raises(KeyError):
        settings.option("chosen-word", "become")
    with pytest.raises(KeyError):
        settings.option("old-word", "become")

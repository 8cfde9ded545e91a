from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Configurable, Raises, Replace, Together, Unsure

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


def feed(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))


# Exit status


def test_nothing_found(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\n")
    outcome = lint("a.py")
    assert outcome.status == 0
    assert outcome.out == "No findings: 1 rule looked for what breaks in transformers 5.23.\n1 file checked.\n"
    assert outcome.err == ""


def test_findings_remain(lint: Lint, write: Write) -> None:
    write("a.py", "x = old\n")
    assert lint("a.py").status == 1
    assert lint("a.py", "--no-cache").status == 1
    assert lint("a.py", "--exit-zero").status == 0


def test_everything_is_fixed(lint: Lint, write: Write) -> None:
    path = write("a.py", "x = old\n")
    outcome = lint("a.py", "--fix")
    assert outcome.status == 0
    assert path.read_text() == "x = new\n"
    assert "Fixed 1 finding in 1 file." in outcome.out
    assert "a.py:1:5: T1001 fixed" not in outcome.out
    write("a.py", "x = old\n")
    assert "a.py:1:5: T1001 would be fixed: `old` is gone\n" in lint("a.py", "--diff", "--verbose").err
    assert "a.py:1:5: T1001 fixed: `old` is gone\n" in lint("a.py", "--fix", "--verbose").out
    write("a.py", "x = old\n")
    assert lint("a.py", "--fix", "--exit-non-zero-on-fix").status == 1
    assert lint("a.py", "--fix", "--exit-non-zero-on-fix").status == 0


def test_a_problem_outweighs_findings_and_exit_zero(lint: Lint, write: Write) -> None:
    write("a.py", "x = old\n")
    outcome = lint("a.py", "missing.py", "--exit-zero", "--output-format", "json")
    assert outcome.status == 2
    assert outcome.found == [("a.py", "T1001", 1, 5)]
    assert "error: missing.py: it does not exist\n" in outcome.err


def test_v5lints_own_error(lint: Lint, write: Write) -> None:
    write("a.py", "x = boom\n")
    write("b.py", "x = old\n")
    outcome = lint(".", "--output-format", "json", rules=(Raises(), Replace()))
    assert outcome.status == 2
    assert outcome.found == [("a.py", "T1005", 1, 5), ("b.py", "T1001", 1, 5)]
    assert "error: a.py: internal error in T1005 raising-rule: LookupError: the rule has a bug" in outcome.err
    assert "Traceback" not in outcome.err
    assert "Traceback" in lint("a.py", "--verbose", rules=(Raises(),)).err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--sel", "T1001"], "unrecognized arguments: --sel"),
        (["--select", "T9999"], "`select`: `T9999` is not a rule"),
        (["--ignore", "old-wrod"], "`ignore`: `old-wrod` is not a rule: did you mean `old-word`?"),
        (["--extend-select", "T1O01"], "did you mean `T1001`?"),
        (["--explain", "T1O01"], "`T1O01` is not a rule: did you mean `T1001`?"),
        (["--target-version", "five"], "`target-version`: `five` is not a release number: write it as 5.0 or 4.57.6"),
        (["--min-version", "5.9", "--target-version", "5.4"], "min-version 5.9 is newer than target-version 5.4"),
        (["--output-format", "xml"], "invalid choice: 'xml'"),
        (["-j", "0"], "`0` is not a number of processes: it starts at 1"),
        (["-j", "two"], "`two` is not a number of processes"),
        (["--quiet", "--verbose"], "not allowed with argument"),
        (["-", "a.py"], "standard input (-) cannot be linted together with files"),
        (["--config", "missing.toml"], "missing.toml: it does not exist"),
        (["--config", "select=["], "is no TOML pair"),
        (["--config", "selcet=['T1001']"], "unknown key `selcet`: did you mean `select`?"),
        (["--config", "a.toml", "--isolated"], "--isolated reads no configuration file"),
        (["--config", "a.toml", "--config", "b.toml"], "--config takes one file: a.toml, b.toml"),
        (["--output-file", "no/such/folder/report"], "the report cannot be written to no/such/folder/report"),
    ],
)
def test_wrong_options(lint: Lint, write: Write, arguments: list[str], message: str) -> None:
    write("a.py", "x = 1\n")
    outcome = lint(*arguments)
    assert outcome.status == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err


# Paths


def test_without_paths_the_current_folder_is_linted(lint: Lint, write: Write) -> None:
    write("b/c.py", "old\n")
    write("a.py", "old\n")
    outcome = lint("--output-format", "concise", "-q")
    assert outcome.out.splitlines() == [
        "a.py:1:1: T1001 [*] breaks: `old` is gone",
        "b/c.py:1:1: T1001 [*] breaks: `old` is gone",
    ]


def test_no_files(lint: Lint, write: Write) -> None:
    write("README.rst", "old\n")
    outcome = lint(".")
    assert (outcome.status, outcome.out) == (0, "There are no files to lint.\n0 files checked.\n")


def test_a_file_is_linted_once_however_often_it_is_named(lint: Lint, write: Write) -> None:
    path = write("a/b.py", "old\n")
    outcome = lint("a", "a/b.py", "./a/b.py", path, "--output-format", "json")
    assert len(outcome.objects) == 1


# Standard input


def test_standard_input(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"x = old\r\n")
    outcome = lint("-", "--output-format", "json")
    assert outcome.status == 1
    assert outcome.objects[0]["filename"] == "-"


def test_standard_input_with_a_name_has_its_settings(
    lint: Lint, write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("sub/.v5lint.toml", 'ignore = ["T1001"]')
    feed(monkeypatch, b"x = old\n")
    assert lint("-", "--stdin-filename", "sub/a.py").status == 0
    feed(monkeypatch, b"x = old\n")
    outcome = lint("-", "--stdin-filename", "a.py", "--output-format", "json")
    assert outcome.objects[0]["filename"] == str(folder / "a.py")


@pytest.mark.parametrize("source", [b"x = old\r\ny = '\xc3\xa9'", b"x = 1", b""])
def test_fixed_standard_input_goes_to_standard_output(start: Any, source: bytes) -> None:
    process = start("-", "--fix", stdin=subprocess.PIPE)
    out, err = process.communicate(source)
    assert (process.returncode, out) == (0, source.replace(b"old", b"new"))
    assert b"1 file checked" in err


def test_what_cannot_be_read_comes_out_as_it_went_in(start: Any) -> None:
    process = start("-", "--fix", stdin=subprocess.PIPE)
    out, err = process.communicate(b"old = (\n")
    assert (process.returncode, out) == (2, b"old = (\n")
    assert err.startswith(b"No findings in what could be checked")
    assert b"error: -:1" in err


def test_excluded_standard_input_comes_out_as_it_went_in(
    lint: Lint, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(".v5lint.toml", 'exclude = ["gen"]')
    for force in ([], ["--force-exclude"]):
        feed(monkeypatch, b"x = old\n")
        outcome = lint("-", "--fix", "--stdin-filename", "gen/a.py", *force)
        assert outcome.out == ("x = old\n" if force else "x = new\n")


def test_the_diff_of_standard_input(lint: Lint, monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"x = old")
    outcome = lint("-", "--diff", "--stdin-filename", "a.py")
    assert outcome.out == (
        "--- a.py\n+++ a.py\n@@ -1 +1 @@\n"
        "-x = old\n\\ No newline at end of file\n+x = new\n\\ No newline at end of file\n"
    )


# Fixing


def test_unsafe_fixes_are_asked_for(lint: Lint, write: Write) -> None:
    path = write("a.py", "old\n")
    rules = (Replace(applicability="unsafe"),)
    outcome = lint("a.py", rules=rules)
    assert "unsafe fix with --fix --unsafe-fixes: Replace `old` with `new`" in outcome.out
    assert "1 can be fixed with --fix --unsafe-fixes.\n" in outcome.out
    assert lint("a.py", "--fix", rules=rules).status == 1
    assert path.read_text() == "old\n"
    assert lint("a.py", "--fix", "--unsafe-fixes", rules=rules).status == 0
    assert path.read_text() == "new\n"


def test_suggestions_are_never_applied(lint: Lint, write: Write) -> None:
    path = write("a.py", "old\n")
    outcome = lint("a.py", "--fix", "--unsafe-fixes", rules=(Replace(applicability="display"),))
    assert path.read_text() == "old\n"
    assert "suggestion, to be made by hand: Replace `old` with `new`" in outcome.out
    assert "1 needs a person to decide.\n" in outcome.out


def test_a_fix_younger_than_the_minimum_is_held_back(lint: Lint, write: Write) -> None:
    path = write("a.py", "old\n")
    rules = (Replace(requires="5.4"),)
    outcome = lint("a.py", "--fix", rules=rules)
    assert path.read_text() == "old\n"
    assert "fix held back: Replace `old` with `new` (needs transformers >= 5.4, and min-version is 5.0)" in outcome.out
    assert "1 fix is held back.\n" in outcome.out
    assert lint("a.py", "--output-format", "json", rules=rules).objects[0]["fix"]["applicability"] == "display"
    assert lint("a.py", "--fix", "--min-version", "5.4", rules=rules).status == 0
    assert path.read_text() == "new\n"


def test_the_projects_own_requirement_sets_the_minimum(lint: Lint, write: Write) -> None:
    write("pyproject.toml", '[project]\nname = "x"\ndependencies = ["transformers>=4.40"]\n')
    write("a.py", "old\n")
    rules = (Replace(requires="4.57"),)
    assert "needs transformers >= 4.57, and min-version is 4.40" in lint("a.py", rules=rules).out
    assert "fix with --fix" in lint("a.py", "--min-version", "4.57", rules=rules).out


def test_the_target_decides_what_counts(lint: Lint, write: Write) -> None:
    write("a.py", "old\n")
    rules = (Replace(since="5.9"),)
    assert lint("a.py", rules=rules).status == 1
    assert lint("a.py", "--target-version", "5.9", rules=rules).status == 1
    outcome = lint("a.py", "--target-version", "5.8.2", rules=rules)
    assert outcome.status == 0
    assert "transformers 5.8.2" in outcome.out


def test_a_target_that_nobody_knows_yet(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\n")
    outcome = lint("a.py", "--target-version", "5.24")
    assert outcome.status == 0
    assert outcome.err == "warning: the rules know transformers up to 5.23: what 5.24 breaks is not found\n"
    assert lint("a.py", "--target-version", "5.23").err == ""


def test_a_diff_writes_nothing(lint: Lint, write: Write) -> None:
    path = write("a.py", "a\r\nold\r\nalpha")
    outcome = lint("a.py", "--diff", "--fix", rules=(Replace(), Together()))
    assert outcome.status == 1
    assert path.read_bytes() == b"a\r\nold\r\nalpha"
    assert outcome.out == (
        "--- a.py\n+++ a.py\n@@ -1,3 +1,4 @@\n+import beta\r\n a\r\n-old\r\n-alpha\n\\ No newline at end of file\n"
        "+new\r\n+beta\n\\ No newline at end of file\n"
    )
    assert "Would fix 2 findings in 1 file." in outcome.err


def test_a_diff_of_nothing(lint: Lint, write: Write) -> None:
    write("a.py", "x = 1\n")
    outcome = lint("a.py", "--diff")
    assert (outcome.status, outcome.out) == (0, "")
    write("a.py", "x = old\n")
    outcome = lint("a.py", "--diff", rules=(Replace(new=None),))
    assert (outcome.status, outcome.out) == (1, "")
    assert "1 needs a person to decide." in outcome.err


# Rules


def test_selecting_rules(lint: Lint, write: Write) -> None:
    write("a.py", "old\nbad\nrare\n")
    rules = (
        Replace(),
        Replace("bad", code="T2001", name="bad-word"),
        Replace("rare", code="T2002", name="rare-word", default=False),
    )

    def codes(*arguments: str) -> list[str]:
        outcome = lint("a.py", "--output-format", "json", *arguments, rules=rules)
        return [each["code"] for each in outcome.objects]

    assert codes() == ["T1001", "T2001"]
    assert codes("--select", "T2") == ["T2001", "T2002"]
    assert codes("--select", "ALL") == ["T1001", "T2001", "T2002"]
    assert codes("--select", "rare-word, T1001") == ["T1001", "T2002"]
    assert codes("--select", "T1001", "--select", "T2001") == ["T1001", "T2001"]
    assert codes("--extend-select", "T2002") == ["T1001", "T2001", "T2002"]
    assert codes("--ignore", "T2") == ["T1001"]
    assert codes("--select", "T2001", "--ignore", "T2") == ["T2001"]
    assert codes("--select", "T2", "--ignore", "T2001") == ["T2002"]
    assert codes("--select", "T2001", "--ignore", "bad-word") == []


def test_explain_and_list(lint: Lint) -> None:
    rules = (Replace(), Configurable(), Replace("rare", code="T2002", name="rare-word", default=False))
    outcome = lint("--explain", "old-word", rules=rules)
    assert outcome.status == 0
    assert outcome.out == (
        "T1001 old-word (breaks since transformers 5.0)\n\n"
        "A word that has to be another one.\n\n## What it does\n\nReplaces it.\n"
    )
    assert (
        "become = 'first' (one of 'first', 'second')\n      What it becomes."
        in lint("--explain", "T1003", rules=rules).out
    )
    assert lint("--list-rules", rules=rules).out.splitlines() == [
        "T1001  old-word     A word that has to be another one.",
        "T1003  chosen-word  A word that becomes what an option says.",
        "T2002  rare-word    A word that has to be another one. (off unless selected)",
    ]


def test_version(lint: Lint) -> None:
    from v5lint import __version__

    outcome = lint("--version")
    assert (outcome.status, outcome.out) == (0, f"v5lint {__version__}\n")


# Output


def test_what_cannot_be_followed_is_said(lint: Lint, write: Write) -> None:
    write("a.py", "dark, dark\n")
    outcome = lint("a.py", rules=(Unsure(),))
    assert outcome.status == 0
    assert outcome.out == (
        "No findings: 1 rule looked for what breaks in transformers 5.23.\n"
        "2 places could not be followed and may break (T1004 dark-word: 2); --verbose lists them.\n"
        "1 file checked.\n"
    )
    outcome = lint("a.py", "--verbose", rules=(Unsure(),))
    assert "a.py:1:7: T1004 not followed: it is read from the environment\n" in outcome.out
    assert "--verbose" not in outcome.out
    outcome = lint("a.py", "--output-format", "json", rules=(Unsure(),))
    assert outcome.objects == []
    assert "2 places could not be followed" in outcome.err


def test_levels_are_told_apart(lint: Lint, write: Write) -> None:
    write("a.py", "old\nbad\n")
    rules = (Replace(), Replace("bad", code="T2", name="bad", level="deprecated"))
    outcome = lint("a.py", rules=rules)
    assert "  = breaks since transformers 5.0\n" in outcome.out
    assert "  = deprecated since transformers 5.0: it only warns so far\n" in outcome.out
    assert "Found 2 findings in 1 file: 1 breaks in transformers 5.23, 1 only warns so far.\n" in outcome.out


def test_quiet(lint: Lint, write: Write) -> None:
    write("a.py", "old\n")
    outcome = lint("a.py", "-q", "--output-format", "concise")
    assert outcome.out == "a.py:1:1: T1001 [*] breaks: `old` is gone\n"
    assert outcome.err == ""


@pytest.mark.parametrize("form", ["full", "concise", "json", "github"])
def test_output_file(lint: Lint, write: Write, folder: Path, form: str) -> None:
    write("a.py", "old\n")
    direct = lint("a.py", "-q", "--output-format", form)
    outcome = lint("a.py", "--output-format", form, "--output-file", "report.txt")
    assert outcome.status == 1
    assert outcome.out == ""
    assert (folder / "report.txt").read_text() == direct.out
    assert "Found 1 finding" in outcome.err


def test_a_report_that_cannot_be_written_costs_no_file(lint: Lint, write: Write, folder: Path) -> None:
    path = write("a.py", "old\n")
    assert lint("a.py", "--fix", "--output-file", str(folder)).status == 2
    assert path.read_text() == "old\n"


def test_statistics(lint: Lint, write: Write) -> None:
    write("a.py", "old\n" * 10 + "bad\nalpha\n")
    rules = (Replace(), Replace("bad", None, code="T2", name="bad"), Together())
    outcome = lint("a.py", "--statistics", rules=rules)
    assert outcome.status == 1
    assert outcome.out.splitlines()[:3] == [
        "10  T1001 [*] old-word",
        " 1  T1002 [*] all-at-once",
        " 1  T2     bad",
    ]
    outcome = lint("a.py", "--statistics", "--output-format", "json", rules=rules)
    assert json.loads(outcome.out)[0] == {"code": "T1001", "name": "old-word", "count": 10, "fixable_count": 10}


def test_a_reader_that_stops_early(start: Any, write: Write) -> None:
    write("a.py", "old\n" * 5000)
    process = start("a.py")
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr.read() == b""


@pytest.mark.parametrize("option", ["--list-rules", "--explain=T"])
def test_a_reader_of_the_documentation_that_stops_early(start: Any, option: str) -> None:
    process = start(option)
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""


def test_odd_file_names_stay_on_their_line(start: Any, folder: Path) -> None:
    name = b"a\n\x1b[31m\xff\t.py"
    (Path(os.fsdecode(bytes(folder) + b"/" + name))).write_bytes(b"old\n")
    (Path(os.fsdecode(bytes(folder) + b"/bad" + name))).write_bytes(b"old = (\n")
    out, err = start(".", "--output-format", "concise", "-q").communicate()
    assert out == b"a\\n\\x1b[31m\\xff\\t.py:1:1: T1001 [*] breaks: `old` is gone\n"
    assert err.startswith(b"error: bada\\n\\x1b[31m\\xff\\t.py:1:")
    assert err.count(b"\n") == 1
    out, _ = start(".", "--output-format", "json", "-q").communicate()
    assert os.fsencode(json.loads(out)[0]["filename"]) == os.path.join(bytes(folder), name)
    out, _ = start(".", "--diff", "-q").communicate()
    assert out.startswith(b'--- "a\\012\\033[31m\xff\\011.py"\n')


def test_names_and_messages_that_the_terminal_cannot_show(start: Any, write: Write) -> None:
    write("\u00e9\u4e2d.py", "old  # \u4e2d\n")
    out, _ = start(".", env={**os.environ, "PYTHONIOENCODING": "ascii"}).communicate()
    assert b"\\xe9\\u4e2d.py:1:1" in out


def on_terminal(start: Any, *arguments: str, streams: tuple[str, ...], **options: Any) -> tuple[str, Any]:
    """What a run shows on a terminal, and the process."""
    terminal, end = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = start(*arguments, env=environment, **dict.fromkeys(streams, end), **options)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # the end of what a terminal shows
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    process.wait(60)
    return shown.decode(), process


def test_colour_on_a_terminal_only(start: Any, write: Write) -> None:
    write("a.py", "old\n")
    shown, _ = on_terminal(start, "a.py", streams=("stdout",))
    assert "\x1b[1;31m^^^\x1b[0m" in shown
    out, _ = start("a.py").communicate()
    assert b"\x1b" not in out


def test_a_bar_shows_progress_on_a_terminal_only(start: Any, write: Write) -> None:
    for number in range(6):
        write(f"{number}.py", "slow\n")
    options = {"rules": "rules = catalogue(Slow())"}
    shown, process = on_terminal(start, ".", "-j1", streams=("stderr",), **options)
    assert "Linting" in shown
    assert re.search(r"[3-6]/6", shown)
    assert b"Linting" not in process.stdout.read()
    shown, _ = on_terminal(start, ".", "-j1", "-q", streams=("stderr",), **options)
    assert shown == ""
    _, err = start(".", "-j1", **options).communicate()
    assert err == b""


def test_python_m(write: Write, folder: Path) -> None:
    write("a.py", "x = 1\n")
    done = subprocess.run([sys.executable, "-m", "v5lint", "--version"], capture_output=True, cwd=folder, check=True)
    assert done.stdout.startswith(b"v5lint ")


@pytest.mark.parametrize("name", ["ast.py", "copy.py", "typing.py"])
def test_modules_of_the_linted_folder_are_not_run(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('raise SystemExit("it was run")\n', encoding="utf-8")
    (tmp_path / "train.py").write_text("from transformers import ViTFeatureExtractor\n", encoding="utf-8")
    command = [sys.executable, "-m", "v5lint", "train.py", "--isolated", "--output-format", "concise"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "V5001" in done.stdout

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Kills, Raises, Replace, Together, Unsure, catalogue
from v5lint import runner as runner_module
from v5lint.discovery import discover
from v5lint.registry import Registry
from v5lint.rule import Finding, Rule
from v5lint.runner import Mode, Runner, run
from v5lint.settings import SettingsFinder

Lint = Callable[..., Outcome]
Write = Callable[..., Path]

PADDING = "# " + "x" * 118 + "\n"


@pytest.fixture
def many(write: Write) -> None:
    """More than a pool of processes takes to start, in files of many sizes."""
    for number in range(30):
        lines = ["old", "dark", "alpha", "x = (" if number == 7 else "y = 1", "old  # noqa: T1001"]
        write(f"{number % 4}/{number}.py", "\n".join(lines) + "\n" + PADDING * (200 + 97 * (number * 13 % 30)))


@pytest.mark.parametrize("form", ["full", "json"])
def test_the_output_does_not_depend_on_the_number_of_processes(lint: Lint, many: None, form: str) -> None:
    rules = (Replace(), Together(), Unsure())
    outcomes = [lint(".", "-v", "--output-format", form, "-j", jobs, rules=rules) for jobs in ("1", "2", "5")]
    outcomes.append(lint(".", "-v", "--output-format", form, rules=rules))
    assert outcomes[0].status == 2
    for outcome in outcomes[1:]:
        assert (outcome.status, outcome.out, outcome.err) == (2, outcomes[0].out, outcomes[0].err)


def test_the_fixes_do_not_depend_on_the_number_of_processes(lint: Lint, many: None, folder: Path) -> None:
    rules = (Replace(), Together())
    diffs = [lint(".", "--diff", "-j", jobs, rules=rules).out for jobs in ("1", "3")]
    assert diffs[0] == diffs[1]
    lint(".", "--fix", "-j", "3", rules=rules)
    assert "new" in (folder / "0/0.py").read_text()
    assert lint(".", "--diff", rules=rules).out == ""


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # of the thread that fed the broken pool
def test_a_file_that_ends_its_process_is_named_and_the_others_are_linted(lint: Lint, many: None, write: Write) -> None:
    before = lint(".", "--output-format", "json", rules=(Replace(),)).found
    write("2/killer.py", "kill_me\n" + PADDING * 2000)
    write("3/killer.py", "kill_me\n")
    outcome = lint(".", "--output-format", "json", "-j", "3", rules=(Replace(), Kills()))
    assert outcome.status == 2
    assert outcome.found == before
    for name in ("2/killer.py", "3/killer.py"):
        assert f"error: {name}: internal error: linting it ended the process\n" in outcome.err


def test_an_interrupted_pool_ends_at_once(start: Any, write: Write, folder: Path) -> None:
    for number in range(60):
        write(f"{number}.py", "slow\n" + PADDING * 400)
    process = start(".", "--fix", "-j2", rules="rules = catalogue(Slow())", start_new_session=True)
    time.sleep(2)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # what a terminal sends
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert b"interrupted: every file is whole" in err
    assert all(path.read_bytes().startswith(b"slow\n") for path in folder.glob("*.py"))
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_run(start: Any, write: Write, number: signal.Signals) -> None:
    for name in range(60):
        write(f"{name}.py", "slow\n" + PADDING * 400)
    process = start(".", "-j2", rules="rules = catalogue(Slow())", start_new_session=True)
    time.sleep(2)
    process.send_signal(number)
    process.wait(10)
    for _ in range(100):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError("processes are left")


class Remembers(Rule):
    """A careless rule that could carry what it saw in one file over to the next, if it saw more than that file."""

    code, name, tokens = "T9", "remembers", ("old",)

    def check(self, module: Any) -> Iterator[Finding]:
        yield Finding(f"{module.path}: {module.text.strip()}", 0, 3)


def test_no_file_sees_another_one(lint: Lint, write: Write) -> None:
    write("a.py", "old = 1\n")
    write("b.py", "old = 2\n")
    alone = [lint(name, "--output-format", "json", rules=(Remembers(),)).objects for name in ("a.py", "b.py")]
    both = lint("b.py", "a.py", "--output-format", "json", rules=(Remembers(),)).objects
    assert both == alone[0] + alone[1]


def test_files_are_written_after_all_are_linted(write: Write, folder: Path) -> None:
    class Looks(Replace):
        """Looks at the file beside it."""

        def check(self, module: Any) -> Iterator[Finding]:
            assert (folder / "a.py").read_text() == "old\n"
            yield from super().check(module)

    write("a.py", "old\n")
    write("b.py", "old\n")
    registry = Registry([catalogue(Looks())])
    results = run(Runner(registry, SettingsFinder(registry), Mode(fix=True, write=True)), ["a.py", "b.py"], jobs=1)
    assert [result.problems for result in results] == [[], []]
    assert (folder / "a.py").read_text() == (folder / "b.py").read_text() == "new\n"


def test_a_runner_can_be_sent_to_a_process(write: Write) -> None:
    """Where processes are not forked, it is."""
    write(".v5lint.toml", 'exclude = ["gen"]\n[per-file-ignores]\n"tests/" = ["T1001"]\n')
    for name in ("a.py", "tests/b.py", "gen/c.py"):
        write(name, "old\n")
    registry = Registry([catalogue(Replace())])
    settings = SettingsFinder(registry)
    discovered = discover(["."], settings)
    runner = Runner(registry, settings, Mode(fix=True), files=discovered.files, walked=discovered.walked)
    before = [(len(runner.lint(path).found), runner.lint(path).after) for path in discovered.files]
    copy = pickle.loads(pickle.dumps(runner))
    assert [(len(copy.lint(path).found), copy.lint(path).after) for path in discovered.files] == before
    assert before == [(1, b"new\n"), (0, None)]


class Unsendable(Rule):
    """Says something that cannot be sent from one process to another."""

    code, name, tokens = "T9", "unsendable", ("send",)

    def check(self, module: Any) -> Iterator[Finding]:
        yield Finding(Lambda("send"), 0, 1)


class Lambda(str):
    """A text that cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("cannot be sent")


def test_a_result_that_cannot_be_sent_costs_one_file(lint: Lint, many: None, write: Write) -> None:
    before = lint(".", "--output-format", "json", rules=(Replace(),)).found
    write("1/send.py", "send\n")
    outcome = lint(".", "-j2", "--output-format", "json", rules=(Replace(), Unsendable()))
    assert outcome.found == before
    assert "error: 1/send.py: internal error: TypeError: cannot be sent" in outcome.err


class Where(Rule):
    """Says which project a file is in."""

    code, name, tokens = "T9", "where", ("where",)

    def check(self, module: Any) -> Iterator[Finding]:
        files = module.project._given
        known = "?" if files is None else ",".join(sorted(os.path.basename(path) for path in files))
        yield Finding(f"{os.path.basename(module.project.root)}: {known}", 0, 1)


def test_each_file_has_the_project_that_it_is_in(lint: Lint, write: Write) -> None:
    write("one/pyproject.toml", "")
    write("one/sub/a.py", "where\n")
    write("one/b.py", "x = 1\n")
    write("two/.git/HEAD", "")
    write("two/c.py", "where\n")
    write("none/deep/d.py", "where\n")

    def messages(*paths: str) -> list[str]:
        return [each["message"] for each in lint(*paths, "--output-format", "json", rules=(Where(),)).objects]

    # none/ is in no project: the folder that was named stands for it
    assert messages(".") == ["work: a.py,b.py,c.py,d.py", "one: a.py,b.py", "two: c.py"]
    # a part of a project does not show all of its files
    assert messages("one/sub") == ["one: ?"]
    assert messages("one/sub/a.py", "two") == ["one: ?", "two: c.py"]


def test_reading_the_same_bytes_twice_is_saved(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.py", "old\n")
    reads = []
    real = runner_module.read_bytes
    monkeypatch.setattr(runner_module, "read_bytes", lambda path: (reads.append(path), real(path))[1])
    registry = Registry([catalogue()])
    run(Runner(registry, SettingsFinder(registry), Mode()), ["a.py"])
    assert reads == ["a.py"]


def test_a_failing_rule_keeps_nobody_from_work(lint: Lint, many: None, write: Write) -> None:
    before = lint(".", "--output-format", "json", rules=(Replace(),)).found
    write("0/boom.py", "boom\n")
    outcome = lint(".", "--output-format", "json", rules=(Replace(), Raises()))
    assert ("boom.py", "T1005", 1, 1) in outcome.found
    assert [each for each in outcome.found if each[0] != "boom.py"] == before
    assert "0/boom.py: internal error in T1005 raising-rule: LookupError: the rule has a bug" in outcome.err

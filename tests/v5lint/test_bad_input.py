"""Files that cannot be linted: one clear line each, exit status 2, and all others are linted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import Replace
from v5lint.reading import MAX_BYTES

Lint = Callable[..., Outcome]
Write = Callable[..., Path]

BAD = {
    "syntax": b"x = 1\nold = (\n",
    "indentation": b"if old:\nx\n",
    "python 2": b"print old\n",
    "nul": b"x = 1\n\0\n",
    "nul in a file with a token": b"old\n\0",
    "utf-16": "old = 1\n".encode("utf-16"),
    "binary": b"old\x7fELF\x02\x01\x01\0\0\0",
    "not utf-8": b"x = 1\nold = '\xe9'\n",
    "wrong declaration": b"# -*- coding: latin-9x -*-\nold\n",
    "no encoding of text": b"# coding: rot13\nold\n",
    "an encoding of bytes": b"# coding: zlib_codec\nold\n",
    "an encoding that refuses": b"# coding: undefined\nold\n",
    "declared otherwise": b"# coding: ascii\nold = '\xc3\xa9'\n",
    "bom and declaration": b"\xef\xbb\xbf# coding: latin-1\nold\n",
    "huge": b"old\n" + b"x = 1\n" * (50_000_000 // 6),
    "nested": b"old = " + b"(" * 10_000 + b")" * 10_000 + b"\n",
    "nested lists": b"old = " + b"[" * 150 + b"]" * 149 + b"\n",
    "unary": b"old = " + b"-" * 200_000 + b"1\n",
    "long sum": b"old = " + b"1+" * 200_000 + b"1\n",
    "attributes": b"old" + b".a" * 100_000 + b"\n",
    "else ifs": b"if old: pass\n" + b"elif 1: pass\n" * 20_000,
    "surrogate escapes": b"old = '\xed\xa0\x80'\n",
    "only a backslash": b"old\n\\",
    "unfinished string": b"old = '''\n",
}

ROWS = {"syntax": 2, "indentation": 2, "python 2": 1, "nul": 2, "not utf-8": 2, "wrong declaration": 1}


@pytest.mark.parametrize("fix", [[], ["--fix"]], ids=["lint", "fix"])
@pytest.mark.parametrize("name", BAD)
def test_bad_files(lint: Lint, write: Write, name: str, fix: list[str]) -> None:
    good = write("good.py", "x = old\n")
    bad = write("bad.py", BAD[name])
    outcome = lint(".", *fix, "--output-format", "json", "-q")
    assert "Traceback" not in outcome.err
    assert good.read_text() == ("x = new\n" if fix else "x = old\n")
    assert [each for each in outcome.found if each[0] == "good.py"] == ([] if fix else [("good.py", "T1001", 1, 5)])
    if outcome.status == 2:
        (line,) = outcome.err.splitlines()
        assert line.startswith(f"error: bad.py:{ROWS[name]}:" if name in ROWS else "error: bad.py:"), line
        assert bad.read_bytes() == BAD[name]
    else:  # how much nesting is too much differs from Python to Python
        assert name in ("long sum", "attributes", "else ifs", "unary")
        assert bad.read_bytes() == (BAD[name].replace(b"old", b"new") if fix else BAD[name])


def test_a_small_run_parses_files_of_no_interest_too(lint: Lint, write: Write) -> None:
    write("a.py", "def f(:\n")
    outcome = lint("a.py")
    assert outcome.status == 2
    assert outcome.err.startswith("error: a.py:1:7: it does not parse")


def test_a_large_run_does_not(lint: Lint, write: Write) -> None:
    write("a.py", "def f(:\n")
    write("b.py", "# filler\n" * 30_000)
    assert lint(".").status == 0


def test_the_limit_of_size(lint: Lint, write: Write) -> None:
    write("a.py", b"#" * MAX_BYTES)
    assert lint("a.py").status == 0
    write("a.py", b"#" * (MAX_BYTES + 1))
    outcome = lint("a.py")
    assert outcome.status == 2
    assert "error: a.py: it is too large to be linted (10 MB; the limit is 10 MB) (exclude the file)" in outcome.err


def test_empty_files(lint: Lint, write: Write) -> None:
    write("a.py", "")
    write("b.py", b"\xef\xbb\xbf")
    write("c.py", "\n")
    outcome = lint(".", "--fix")
    assert (outcome.status, outcome.err) == (0, "")


def test_a_file_without_permission(start: Any, unprivileged: list[str], write: Write) -> None:
    write("good.py", "old\n")
    path = write("closed.py", "old\n")
    path.chmod(0)
    process = start(".", "-q", "--output-format", "concise", prefix=unprivileged)
    out, err = process.communicate()
    assert process.returncode == 2
    assert out == b"good.py:1:1: T1001 [*] breaks: `old` is gone\n"
    assert err == b"error: closed.py: it cannot be read: permission denied\n"


def test_a_file_that_vanishes(lint: Lint, write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from v5lint import runner

    write("a.py", "old\n")
    write("b.py", "old\n")
    real = runner.read_bytes

    def late(path: str) -> bytes:
        (folder / "a.py").unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(runner, "read_bytes", late)
    outcome = lint(".", "-q", "--output-format", "json")
    assert outcome.status == 2
    assert outcome.found == [("b.py", "T1001", 1, 1)]
    assert outcome.err == "error: a.py: it has vanished\n"


class Deep(Replace):
    """Runs into the limits of the interpreter."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def check(self, module: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [RecursionError, MemoryError, AssertionError])
def test_rules_that_run_into_limits(lint: Lint, write: Write, error: type[BaseException]) -> None:
    write("a.py", "old\n")
    outcome = lint("a.py", rules=(Deep(error),))
    assert outcome.status == 2
    assert f"internal error in T1001 old-word: {error.__name__}" in outcome.err


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="what is newer than this Python, an older LibCST may not know")
def test_a_file_for_a_newer_python_is_unchecked_not_clean(lint: Lint, write: Write) -> None:
    write("a.py", "class A[T = old]: ...\n" if sys.version_info >= (3, 12) else "type old = int\n")
    outcome = lint("a.py", "--output-format", "json")
    running = ".".join(map(str, sys.version_info[:2]))
    assert outcome.status == 2
    assert "error: a.py:1:" in outcome.err
    assert f": it is not checked: it needs a newer Python than {running}, which runs v5lint" in outcome.err
    assert "No findings in what could be checked" in outcome.err
    assert "0 files checked, 1 not, or not in full" in outcome.err


def test_an_error_in_v5lint_itself_costs_one_file(
    lint: Lint, write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from v5lint import linting

    write("a.py", "old\n")
    write("b.py", "old\n")
    real = linting.view_of

    def view_of(region: Any, path: str, *rest: Any) -> Any:
        if path == "a.py":
            raise KeyError("a bug in the view")
        return real(region, path, *rest)

    monkeypatch.setattr(linting, "view_of", view_of)
    outcome = lint(".", "--fix", "-q", "--output-format", "json")
    assert outcome.status == 2
    assert outcome.err == (
        "error: a.py: internal error: KeyError: 'a bug in the view' (please report it; --verbose shows where)\n"
    )
    assert "Traceback" in lint(".", "--verbose").err
    assert ((folder / "a.py").read_text(), (folder / "b.py").read_text()) == ("old\n", "new\n")

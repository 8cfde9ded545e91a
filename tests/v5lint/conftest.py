"""What the tests of the engine share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.v5lint.rules import catalogue
from v5lint.cli import main
from v5lint.rule import Catalogue, Rule

hypothesis.settings.register_profile("v5lint", database=None, deadline=None, derandomize=True)
hypothesis.settings.load_profile("v5lint")


class Outcome:
    """What a run of v5lint did."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The findings of a run with `--output-format json`."""
        return json.loads(self.out)

    @property
    def found(self) -> list[tuple[str, str, int, int]]:
        """File, code, row and column of each."""
        return [
            (os.path.basename(each["filename"]), each["code"], each["location"]["row"], each["location"]["column"])
            for each in self.objects
        ]

    def __repr__(self) -> str:
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one; nothing above it is a project."""
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return here


@pytest.fixture
def write(folder: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file into the folder."""

    def write(name: str, content: str | bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return path

    return write


@pytest.fixture
def lint(folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs v5lint in the folder, in this process."""

    def lint(*arguments: str, rules: tuple[Rule, ...] | Catalogue = ()) -> Outcome:
        capfd.readouterr()
        given = rules if isinstance(rules, Catalogue) else catalogue(*rules)
        try:
            status = main([str(argument) for argument in arguments], catalogues=[given])
        except SystemExit as error:  # argparse
            status = error.code if isinstance(error.code, int) else 1
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Outcome(status, out, err)

    return lint


@pytest.fixture
def start(folder: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts v5lint in a process of its own; `program` makes the catalogue `rules`."""

    def start(*arguments: str, rules: str = "rules = catalogue()", **options: Any) -> subprocess.Popen[bytes]:
        program = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what it puts in the background without it
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.v5lint.rules import *
from v5lint.cli import main
{rules}
sys.exit(main(sys.argv[1:], catalogues=[rules]))
"""
        command = [*options.pop("prefix", ()), sys.executable, "-c", program, *map(str, arguments)]
        return subprocess.Popen(
            command, cwd=folder, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        )

    return start


@pytest.fixture
def unprivileged() -> list[str]:
    """What to put before a command so that file modes hold for it, even where the tests run as root."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if not setpriv:
        pytest.skip("root may read and write everything, and there is no setpriv to give that up")
    return [setpriv, "--bounding-set", "-dac_override,-dac_read_search", "--"]

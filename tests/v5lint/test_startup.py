"""What a run imports: each of these modules takes longer than linting a file does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import v5lint

#: Never imported where no rule can fire.
HEAVY = set(
    "ast asyncio concurrent configparser contextlib dataclasses difflib email hashlib importlib.metadata inspect json "
    "libcst logging multiprocessing pathlib pathspec pkgutil rich shutil signal subprocess tempfile tokenize tomli "
    "tomllib traceback typing zipfile".split()
)

#: Imported only by what needs it.
LAZY = {
    f"v5lint.{name}" for name in "fixes interpreter linting pins pool project suppress toml view.module writing".split()
}

PROGRAM = """
import argparse
import sys
sys.path.insert(0, {path!r})
from v5lint.rule import Catalogue, Finding, Rule
class Tiny(Rule):
    code, name, tokens = "T1", "tiny", ("old",)
    def check(self, module):
        yield Finding("old", 0, 3)
# What argparse brings along is Python's affair: from 3.14 on its help has colours, by way of dataclasses and ast.
argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80)).add_argument("x")
before = set(sys.modules)
from v5lint.cli import main
main({arguments!r}, catalogues=[Catalogue([Tiny()])])
print("IMPORTED", *sorted(set(sys.modules) - before))
"""


def imported(folder: Path, *arguments: str) -> set[str]:
    """The modules that a run imports, in an interpreter that has not imported anything else (-S: no .pth files)."""
    path = os.path.dirname(os.path.dirname(v5lint.__file__))
    found = [entry for entry in sys.path if entry.endswith("site-packages")]
    program = f"import sys\nsys.path += {found!r}\n" + PROGRAM.format(path=path, arguments=list(arguments))
    command = [sys.executable, "-I", "-S", "-X", "importtime", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    timed = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    listed = set(done.stdout.rpartition("IMPORTED")[2].split())
    return listed & timed | {name for name in listed if name.startswith("v5lint")}


@pytest.mark.parametrize("arguments", [[], ["--fix"], ["-q"], ["--output-format", "concise"]])
def test_a_file_without_a_token(folder: Path, arguments: list[str]) -> None:
    (folder / "a.py").write_text("import torch  # noqa: E402\n")
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.ruff]\n")
    modules = imported(folder, "a.py", *arguments)
    assert "v5lint.cli" in modules
    assert not modules & (HEAVY | LAZY)


def test_a_finding_needs_no_libcst_and_no_rich(folder: Path) -> None:
    (folder / "a.py").write_text("old\n")
    modules = imported(folder, "a.py")
    assert "v5lint.linting" in modules
    assert not modules & {"libcst", "rich", "pathspec", "json", "difflib", "multiprocessing", "concurrent", "tokenize"}


def test_a_walk_needs_pathspec_only_for_patterns(folder: Path) -> None:
    (folder / "a.py").write_text("x = 1\n")
    assert "pathspec" not in imported(folder, ".")
    (folder / ".gitignore").write_text("out\n")
    assert "pathspec" in imported(folder, ".")
    assert "pathspec" not in imported(folder, "a.py", "--force-exclude")

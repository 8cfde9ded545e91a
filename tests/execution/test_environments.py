"""Building the environments, with a package of our own in place of the registry's."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from . import environments
from .environments import STAMP, EnvironmentUnavailableError, build, cache_root, place, requirements

DIST_INFO = "stand_in-1.dist-info"
FILES = {
    "stand_in.py": "number = 1\n",
    f"{DIST_INFO}/METADATA": "Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n",
    f"{DIST_INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{DIST_INFO}/RECORD": "",
}


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    """A wheel without dependencies: installing it needs no registry."""
    file = tmp_path / "stand_in-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return str(file)


def test_finished_build_is_kept_and_an_interrupted_one_is_not(tmp_path: Path, wheel: str) -> None:
    environment = build(tmp_path, "v5", sys.executable, [wheel])
    check = [str(environment.python), "-c", "import stand_in; print(stand_in.number)"]
    assert subprocess.run(check, capture_output=True, text=True, check=True).stdout == "1\n"
    assert "stand-in" in (environment.folder / STAMP).read_text(encoding="utf-8")

    trace = environment.folder / "trace"
    trace.touch()
    assert build(tmp_path, "v5", sys.executable, [wheel]) == environment
    assert trace.exists()

    (environment.folder / STAMP).unlink()
    assert not environment.is_complete
    assert build(tmp_path, "v5", sys.executable, [wheel]).is_complete
    assert not trace.exists()


def test_failed_build_says_why_and_leaves_no_finished_environment(tmp_path: Path) -> None:
    missing = tmp_path / "nothing-1-py3-none-any.whl"
    with pytest.raises(EnvironmentUnavailableError, match=r"pip.*nothing-1"):
        build(tmp_path, "v5", sys.executable, [str(missing)])
    assert not list(tmp_path.glob(f"*/{STAMP}"))


def test_other_requirements_are_another_environment(tmp_path: Path) -> None:
    one = place(tmp_path, "v5", sys.executable, ["transformers==5.0.0"])
    assert place(tmp_path, "v5", sys.executable, ["transformers==5.0.0"]) == one
    assert place(tmp_path, "v5", sys.executable, ["transformers==5.1.0"]) != one


def test_requirements_come_from_the_files_unless_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("V5LINT_EXECUTION_TORCH", "V5LINT_EXECUTION_V5"):
        monkeypatch.delenv(name, raising=False)
    torch, *others = requirements("v5")
    assert torch == environments.TORCH
    assert any(line.startswith("transformers==5.") for line in others)
    assert not any("#" in line for line in others)

    monkeypatch.setenv("V5LINT_EXECUTION_TORCH", "torch==2.15.0 torchvision==0.30.0")
    monkeypatch.setenv("V5LINT_EXECUTION_V5", "transformers==5.0.0")
    assert requirements("v5")[:3] == ["torch==2.15.0", "torchvision==0.30.0", "transformers==5.0.0"]


def test_cache_root_is_the_users_or_the_chosen_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("V5LINT_EXECUTION_CACHE", os.fspath(tmp_path))
    assert cache_root() == tmp_path.resolve()
    monkeypatch.delenv("V5LINT_EXECUTION_CACHE")
    assert "v5lint" in cache_root().parts

"""The hooks, installed and run by pre-commit itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LEGACY = 'import os\n\nos.environ["TRANSFORMERS_CACHE"] = "/data/models"\n'
FIXED = LEGACY.replace("TRANSFORMERS_CACHE", "HF_HUB_CACHE")

TASK = '{"containerDefinitions": [{"environment": [{"name": "TRANSFORMERS_CACHE", "value": "/data/models"}]}]}\n'


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "core.hooksPath=/dev/null"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def committed(folder: Path) -> str:
    git(folder, "init", "-q")
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "-m", "all")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """This repository as a repository of hooks, as it is now."""
    if not shutil.which("git"):
        pytest.skip("there is no git")
    reachable = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            tmp_path_factory.mktemp("probe"),
            "pathspec",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if reachable.returncode:
        pytest.skip(f"no package registry is reachable, and pre-commit installs from it: {reachable.stderr[-300:]}")
    folder = tmp_path_factory.mktemp("hooks") / "v5lint"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/", "fixtures/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder, committed(folder)


@pytest.fixture
def repository(tmp_path: Path, hooks: tuple[Path, str]) -> Callable[[str], Path]:
    """Makes a repository that uses one of the hooks."""

    def repository(hook: str) -> Path:
        url, revision = hooks
        (tmp_path / "train.py").write_text(LEGACY)
        (tmp_path / "notes.md").write_text(LEGACY)
        (tmp_path / "task.json").write_text(TASK)
        (tmp_path / "script").write_text("#!/usr/bin/env python\n" + LEGACY)
        (tmp_path / "script").chmod(0o755)
        (tmp_path / "vendored.py").write_text(LEGACY)
        (tmp_path / ".v5lint.toml").write_text('exclude = ["vendored.py"]\n')
        (tmp_path / ".pre-commit-config.yaml").write_text(
            f"repos:\n- repo: {url.as_uri()}\n  rev: {revision}\n  hooks:\n  - id: {hook}\n"
        )
        committed(tmp_path)
        return tmp_path

    return repository


@pytest.fixture(scope="module")
def pre_commit(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Runs pre-commit on all files of a repository; both hooks share the environment that it makes."""
    home = tmp_path_factory.mktemp("pre-commit")

    def pre_commit(folder: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PRE_COMMIT_HOME": str(home), "PRE_COMMIT_COLOR": "never"}
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)

    return pre_commit


def test_the_check(
    repository: Callable[[str], Path], pre_commit: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    folder = repository("v5lint")
    done = pre_commit(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "exit code: 1" in done.stdout
    assert " --> train.py:3:12\n" in done.stdout
    assert " --> script:4:12\n" in done.stdout
    assert " --> task.json:1:" in done.stdout
    assert "V5003 removed-cache-variable" in done.stdout
    assert "notes.md" not in done.stdout
    assert "--> vendored.py" not in done.stdout
    assert (folder / "train.py").read_text() == LEGACY


def test_the_fix(
    repository: Callable[[str], Path], pre_commit: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    folder = repository("v5lint-fix")
    done = pre_commit(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stdout
    assert "Fixed 3 findings in 3 files." in done.stdout
    assert (folder / "train.py").read_text() == FIXED
    assert (folder / "script").read_text() == "#!/usr/bin/env python\n" + FIXED
    assert os.access(folder / "script", os.X_OK)
    assert (folder / "task.json").read_text() == TASK.replace("TRANSFORMERS_CACHE", "HF_HUB_CACHE")
    assert (folder / "vendored.py").read_text() == (folder / "notes.md").read_text() == LEGACY
    git(folder, "add", "-A")
    done = pre_commit(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings" in done.stdout

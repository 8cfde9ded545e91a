"""The two virtual environments in which the legacy scripts run: transformers v4 and v5, beside the same torch.

They are built from the package registry into a cache folder when they are missing, and kept. What they hold is
the content of ``requirements/``, which also names their folder: a changed pin is another environment.

Environment variables:
    V5LINT_EXECUTION_CACHE: the cache folder; default ``execution`` in v5lint's folder of the user's cache.
    V5LINT_EXECUTION_PYTHON: the interpreter of the environments; default the one that runs the tests.
    V5LINT_EXECUTION_TORCH: requirements for torch; default ``torch==2.13.0``. Several are separated by spaces,
        as in ``torch==2.15.0 torchvision==0.30.0``.
    V5LINT_EXECUTION_V4, V5LINT_EXECUTION_V5: requirements that take the place of ``requirements/v4.txt`` and
        ``v5.txt``, to run the scripts on other releases, as in ``transformers==5.0.0``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

REQUIREMENTS = Path(__file__).parent / "requirements"
TORCH = "torch==2.13.0"
STAMP = "complete.txt"


class EnvironmentUnavailableError(Exception):
    """An environment is missing and could not be built."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, known by its folder."""

    folder: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def is_complete(self) -> bool:
        """Whether the build came to its end."""
        return (self.folder / STAMP).is_file()


def cache_root() -> Path:
    """The folder that keeps the environments and the checkpoints between runs."""
    chosen = os.environ.get("V5LINT_EXECUTION_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else platformdirs.user_cache_path("v5lint") / "execution"


def requirements(name: str) -> list[str]:
    """Requirements of environment `name` (``"v4"`` or ``"v5"``), torch first."""
    torch = os.environ.get("V5LINT_EXECUTION_TORCH", TORCH).split()
    chosen = os.environ.get(f"V5LINT_EXECUTION_{name.upper()}")
    own = chosen.split() if chosen else _read(REQUIREMENTS / f"{name}.txt")
    return [*torch, *own, *_read(REQUIREMENTS / "common.txt")]


def ensure(name: str) -> Environment:
    """Return environment `name`, built first where it is missing.

    Raises:
        EnvironmentUnavailableError: The build failed, for instance because no package registry is reachable.
    """
    python = os.environ.get("V5LINT_EXECUTION_PYTHON", sys.executable)
    return build(cache_root(), name, python, requirements(name))


def build(root: Path, name: str, python: str, wanted: list[str]) -> Environment:
    """Return the environment of `wanted` in the folder `root`, built with the interpreter `python` where missing.

    A stamp, written last, tells a finished build from an interrupted one, which is thrown away; a lock makes
    two runs that start together build it once. (A virtual environment cannot be built elsewhere and moved into
    place: its scripts hold its path.)
    """
    environment = place(root, name, python, wanted)
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{environment.folder}.lock"):
        if not environment.is_complete:
            if environment.folder.exists():
                shutil.rmtree(environment.folder)
            _run([python, "-m", "venv", str(environment.folder)])
            pip = [str(environment.python), "-m", "pip", "--disable-pip-version-check"]
            _run([*pip, "install", "--quiet", *wanted])
            stamp = environment.folder / f"{STAMP}.partial"
            stamp.write_text(_run([*pip, "freeze"]), encoding="utf-8")
            stamp.replace(environment.folder / STAMP)
    return environment


def place(root: Path, name: str, python: str, wanted: list[str]) -> Environment:
    """The environment of `wanted`, built or not: its folder is named after all that makes it."""
    version = _run([python, "-VV"])
    digest = hashlib.sha256("\n".join([version, *wanted]).encode()).hexdigest()[:12]
    return Environment(root / f"{name}-{digest}")


def _read(file: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last_lines = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise EnvironmentUnavailableError(f"`{' '.join(command)}` exited with {done.returncode}:\n{last_lines}")
    return done.stdout

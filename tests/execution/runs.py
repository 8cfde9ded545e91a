"""Running scripts in an environment, fixing them with v5lint, and comparing what they print."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from .environments import Environment, cache_root
from .proofs import PROOF, SCRIPTS, Proof

BUILDER = SCRIPTS / "checkpoints.py"
DRIVER = Path(__file__).parent / "driver.py"
SNIPPETS = Path(__file__).parent / "snippets.py"
TIMEOUT = 300  # seconds, of which a script needs about five on an idle machine
FOREIGN = ("HF_", "HUGGING", "TRANSFORMERS_", "PYTORCH_", "PYTHON", "XDG_CACHE_HOME", "VIRTUAL_ENV")
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",  # sums in one order, and room for a second run beside this one
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class Run:
    """How a script ended: `numbers` is what it printed last, `error` what it died of."""

    numbers: Any
    error: str | None
    stderr: str


def checkpoints(v4: Environment) -> Path:
    """The folder with the tiny checkpoints in ``hub/``, built under v4 where it is missing."""
    digest = hashlib.sha256(BUILDER.read_bytes() + v4.folder.name.encode()).hexdigest()[:12]
    home = cache_root() / f"checkpoints-{digest}"
    with FileLock(f"{home}.lock"):
        if not home.exists():
            unfinished = Path(f"{home}.partial")
            shutil.rmtree(unfinished, ignore_errors=True)
            command = [str(v4.python), str(BUILDER), str(unfinished / "hub")]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environ(QUIET))
            if done.returncode != 0:
                raise RuntimeError(f"{BUILDER.name} failed:\n{done.stderr}")
            unfinished.rename(home)
    return home


def copy(proof: Proof, to: Path) -> Path:
    """Copy the script's folder to the new folder `to`, without what it has to show."""
    shutil.copytree(proof.folder, to, ignore=shutil.ignore_patterns(PROOF, "__pycache__"))
    return to


def run(proof: Proof, folder: Path, environment: Environment, home: Path) -> Run:
    """Run the script in `folder`, a copy of its own, with the checkpoints of `home` where it looks for them.

    Raises:
        AssertionError: It ended without an exception, and the last line that it printed is not JSON.
    """
    if proof.cache:
        shutil.copytree(home / "hub", folder / proof.cache)
        home = folder / "home"
    with tempfile.TemporaryDirectory() as reports:
        message = Path(reports) / "message.txt"
        done = _python(environment, home, folder, str(DRIVER), str(message), proof.script)
        error = message.read_text(encoding="utf-8").strip() if message.exists() else None
    if error is not None:
        return Run(None, _without_paths(error, environment, folder), done.stderr)
    assert done.returncode == 0, f"{proof.script} ended with {done.returncode}:\n{done.stderr}"
    lines = done.stdout.splitlines() or [""]
    try:
        numbers = json.loads(lines[-1], parse_constant=_refuse)
    except ValueError as reason:
        raise AssertionError(f"{proof.script} printed last: {lines[-1]!r} ({reason})\n{done.stderr}") from None
    return Run(numbers, None, done.stderr)


def outcomes(snippets: list[str], environment: Environment, home: Path) -> list[str]:
    """How each snippet ends, all of them run by one interpreter: with an exception's message or with a result."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "snippets.json"
        file.write_text(json.dumps(snippets), encoding="utf-8")
        done = _python(environment, home, Path(folder), str(SNIPPETS), file.name)
    assert done.returncode == 0, done.stderr
    return [_without_paths(line, environment, Path(folder)) for line in json.loads(done.stdout.splitlines()[-1])]


def lint(proof: Proof, folder: Path) -> list[str]:
    """Codes that v5lint reports on `folder`, each once, in order."""
    findings = json.loads(_v5lint(*_selected(proof), "--output-format", "json", "--exit-zero", str(folder)))
    return sorted({finding["code"] for finding in findings})


def fix(proof: Proof, folder: Path) -> None:
    """Fix `folder` as the proof says."""
    unsafe = ["--unsafe-fixes"] if proof.fix == "unsafe" else []
    oldest = ["--min-version", proof.minimum] if proof.minimum else []
    _v5lint("--fix", *unsafe, *oldest, *_selected(proof), "--exit-zero", str(folder))


def _selected(proof: Proof) -> list[str]:
    return [option for code in proof.select for option in ("--extend-select", code)]


def replace(proof: Proof, folder: Path) -> None:
    """Make the script in `folder` right under v4, as `reference` says."""
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for old, new in proof.reference.items():
            text = re.sub(rf"\b{re.escape(old)}\b", new, text)
        file.write_text(text, encoding="utf-8")


def sources(folder: Path) -> dict[str, bytes]:
    """The Python files in `folder`, by name."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.py")}


def differences(expected: Any, actual: Any, tolerance: float, at: str = "$") -> list[str]:
    """Where two JSON values differ: numbers by more than `tolerance`, all else at all."""
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        pairs = [(f"{at}.{key}", expected[key], actual[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = [(f"{at}[{i}]", *values) for i, values in enumerate(zip(expected, actual, strict=True))]
    elif _is_number(expected) and _is_number(actual):
        near = math.isclose(expected, actual, rel_tol=0.0, abs_tol=tolerance)
        return [] if near else [f"{at}: {expected} expected, not {actual} (tolerance {tolerance})"]
    else:
        same = type(expected) is type(actual) and expected == actual
        return [] if same else [f"{at}: {expected!r} expected, not {actual!r}"]
    return [line for where, wanted, given in pairs for line in differences(wanted, given, tolerance, where)]


def matches(expected: str, actual: str) -> bool:
    """Whether an error is the expected one, in which ``...`` stands for any text."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, actual, re.DOTALL) is not None


def _python(environment: Environment, home: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(environment.python), "-I", *arguments],
        cwd=folder,
        env=_environ({**QUIET, "HF_HOME": str(home)}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT,
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number to compare")


def _without_paths(error: str, environment: Environment, folder: Path) -> str:
    """The message without the paths that differ from machine to machine."""
    site_packages = f"{re.escape(str(environment.folder))}.*?site-packages"
    return re.sub(site_packages, "<site-packages>", error).replace(str(folder), "<script>")


def _environ(own: dict[str, str]) -> dict[str, str]:
    """The environment of a run: ours, but for what steers libraries and interpreters."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | own


def _v5lint(*arguments: str) -> str:
    command = shutil.which("v5lint", path=sysconfig.get_path("scripts"))
    assert command, "v5lint is not installed beside the interpreter that runs the tests"
    done = subprocess.run(
        [command, "--isolated", *arguments], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"v5lint {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout

"""The same files give the same report in every run, whatever seed Python hashes texts with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.cases import FIXTURES


@pytest.mark.parametrize("family", ["V50", "V54", "V55", "V57"])
def test_reports_do_not_depend_on_the_hash_seed(family: str, tmp_path: Path) -> None:
    said = set()
    for seed in ("1", "2", "3"):
        report = tmp_path / seed
        command = [sys.executable, "-m", "v5lint", "--isolated", "--unsafe-fixes", "--select", "V", "--exit-zero", "-q"]
        command += [
            "--output-format",
            "json",
            "--output-file",
            str(report),
            *sorted(map(str, FIXTURES.glob(f"{family}*"))),
        ]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 2), done.stderr  # 2: some of the files cannot be read, on purpose
        said.add(report.read_text(encoding="utf-8"))
    assert len(said) == 1
    assert '"code"' in said.pop()

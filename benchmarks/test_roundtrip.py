"""The round trip must see what a bad fixer does: every fault is committed once by a stand-in for v5lint."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from roundtrip import check

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = """
import json, os, pathlib, sys
root = pathlib.Path(sys.argv[1])
file = root / "a.py"
text = file.read_bytes()
if "--fix" in sys.argv:
    FAULT
else:
    row = {"row": 2, "column": 1}
    fix = {"applicability": "safe", "edits": [{"cell": None, "location": row, "end_location": row, "content": ""}]}
    finding = {"filename": str(file.resolve()), "cell": None, "location": row, "end_location": row, "fix": fix}
    print(json.dumps([finding] if b"old" in text else []))
"""
GOOD = "file.write_bytes(text.replace(b'old', b'new'))"


def outcome_of(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str] | None = None
) -> list[str]:
    package = tmp_path / "path" / "v5lint"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(STAND_IN.replace("FAULT", fault))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.py").write_bytes(b"# first\nold = 1\n# third\n")
    for name, text in (more or {}).items():
        (project / name).write_text(text)
    return check(project, sys.executable, []).problems


def test_good_fixer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome_of(GOOD, tmp_path, monkeypatch) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("raise RuntimeError", "crash"),
        ("os._exit(-11)", "crash"),
        ("print('error: a.py: internal error in a rule', file=sys.stderr); sys.exit(2)", "crash"),
        ("file.write_bytes(text.replace(b'old', b'new('))", "parse"),
        ("file.write_bytes(text + b'# more' + bytes([10]))", "not stable"),
        ("file.write_bytes(text.replace(b'third', b'changed'))", "stray"),
        ("file.write_bytes(text.replace(b'# third' + bytes([10]), b''))", "stray"),
        ("file.write_bytes(text.replace(b'old', b'new').replace(bytes([10]), bytes([13, 10])))", "newlines"),
        ("file.write_bytes(text.replace(b'old', b'new').rstrip())", "final newline"),
        ("file.write_bytes(bytes([0xEF, 0xBB, 0xBF]) + text.replace(b'old', b'new'))", "byte-order mark"),
        ("file.write_bytes(text.replace(b'# first', b'# coding: latin-1'))", "encoding"),
        ("file.chmod(0o600)", "mode"),
        ("file.unlink()", "lost"),
        ("(root / 'b.tmp').touch()", "new"),
    ],
)
def test_faults(fault: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = outcome_of(fault, tmp_path, monkeypatch)
    assert any(problem.startswith(f"{kind}:") for problem in problems), problems


def test_notebook_outside_of_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = (
        "n = root / 'n.ipynb'; d = json.loads(n.read_text()); d['metadata'] = {'x': 1}; n.write_text(json.dumps(d));"
        + GOOD
    )
    notebook = {"cells": [{"cell_type": "code", "source": ["old"]}], "metadata": {}}
    problems = outcome_of(fault, tmp_path, monkeypatch, {"n.ipynb": json.dumps(notebook)})
    assert any(problem.startswith("notebook:") for problem in problems), problems

"""The comparison on one file in which every kind of agreement and disagreement occurs once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from compare import main

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = {
    "project": "p",
    "file": "a.py",
    "kind": "from",
    "cell": None,
    "imported": False,
    "guarded": False,
    "own_package": False,
    "status": "removed",
    "missing": "",
}


def reference(line: int, name: str, **more: Any) -> str:
    target = f"transformers.{name}"
    missing = target if more.get("status", "removed") == "removed" else ""
    row = {**REFERENCE, "line": line, "start": line, "end": line, "target": target, "missing": missing, **more}
    return json.dumps({"statement": f"from transformers import {name}", **row}) + "\n"


def run(tmp_path: Path, references: list[str], findings: list[tuple[str, int, str]]) -> int:
    (tmp_path / "oracle").mkdir()
    (tmp_path / "oracle" / "p.jsonl").write_text("".join(references))
    file = str(tmp_path / "root" / "p" / "a.py")
    rows = [
        {
            "code": code,
            "message": message,
            "filename": file,
            "cell": None,
            "location": {"row": row, "column": 1},
            "end_location": {"row": row, "column": 9},
            "fix": None,
        }
        for code, row, message in findings
    ]
    (tmp_path / "findings.json").write_text(json.dumps(rows))
    folders = ["--oracle", str(tmp_path / "oracle"), "--root", str(tmp_path / "root")]
    return main([*folders, "--findings", str(tmp_path / "findings.json")])


def test_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references = [reference(1, "Old"), reference(2, "New", status="resolves"), reference(3, "Old", guarded=True)]
    assert run(tmp_path, references, [("V5101", 1, "`Old` is gone")]) == 0
    assert "Recall: 1 of 1" in capsys.readouterr().out


def test_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [reference(1, "Old"), reference(2, "Older")], [("V5101", 1, "`Old` is gone")]) == 1
    printed = capsys.readouterr().out
    assert "Recall: 1 of 2" in printed
    assert "| transformers.Older | 1 | p/a.py:2: from transformers import Older |" in printed


@pytest.mark.parametrize(
    "more", [{"status": "resolves"}, {"own_package": True}], ids=["a name that resolves", "a package of its own"]
)
def test_wrong(more: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [reference(1, "New", **more)], [("V5101", 1, "`New` is gone")]) == 1
    assert "Precision: 1 of 1 import findings" in capsys.readouterr().out


def test_other_rules_are_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, [reference(1, "New", status="resolves")], [("V5002", 1, "`load_in_4bit`")]) == 0
    assert "Precision: 0 of 0" in capsys.readouterr().out

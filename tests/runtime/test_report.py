from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="needs rich")
from rich.console import Console

from v5lint.runtime.errors import OutputError
from v5lint.runtime.report import Loss, RunReport, installed_versions, write_json, write_text
from v5lint.runtime.results import CheckResult

FAILED = CheckResult("split", "failed", 3, 0, "3 images [of 9] are in both", "Split by group.")


def test_a_report_is_json_whatever_it_holds(tmp_path: Path) -> None:
    report = RunReport(
        family="vit",
        checkpoint="x",
        trainable_parameters=5,
        total_parameters=100,
        losses=[Loss(1, "train", 2.5), Loss(1, "eval", float("nan"))],
        metrics={"path": Path("a"), "infinite": float("inf"), 3: {1}},
        checks=[FAILED],
    )
    path = report.write(tmp_path / "new" / "folder")
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert content["losses"] == [
        {"step": 1, "split": "train", "loss": 2.5},
        {"step": 1, "split": "eval", "loss": "nan"},
    ]
    assert content["metrics"] == {"path": "a", "infinite": "inf", "3": [1]}
    assert content["checks"][0]["remedy"] == "Split by group."
    assert content["versions"]["python"]
    assert report.exit_status == 1


def test_notes_and_skipped_checks_do_not_fail() -> None:
    assert RunReport(checks=[CheckResult("a", "note"), CheckResult("b", "skipped")]).exit_status == 0


def test_what_a_person_sees() -> None:
    stream = io.StringIO()
    report = RunReport(
        "vit", "x", {}, 5, 100, [Loss(1, "train", 2.5), Loss(9, "train", 0.5)], {"accuracy": 0.9}, [FAILED]
    )
    report.show(Console(file=stream, width=200))
    text = stream.getvalue()
    assert "vit, x, 5 of 100 parameters trained (5.00 %), loss 2.5000 -> 0.5000, accuracy 0.9" in text
    assert "3 images [of 9] are in both" in text  # not taken for markup
    assert "Split by group." in text


def test_what_cannot_be_written_leaves_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    path = write_text(tmp_path / "report.json", "before")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"report\.json cannot be written: No space left on device"):
        write_json(path, {"after": 1})
    assert path.read_text(encoding="utf-8") == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_versions_are_those_that_are_installed() -> None:
    assert "python" in installed_versions()
    assert all(installed_versions().values())

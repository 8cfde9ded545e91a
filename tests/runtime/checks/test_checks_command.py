"""`v5lint-runtime validate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from v5lint.runtime.cli import main
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("datasets")


def write_data(folder: Path, *names: str) -> Path:
    generator = np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 4)):
        for name in names:
            (folder / part / name).mkdir(parents=True)
            for index in range(count):
                values = generator.integers(0, 255, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(values).save(folder / part / name / f"{index}.png")
    return folder


def test_a_checkpoint_and_its_data(
    checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = checkpoints("vit", ("cat", "dog"))
    data = write_data(tmp_path / "data", "dog", "cat")
    output = tmp_path / "out"
    checks = ["parameters", "weights", "resolution", "preprocessing", "split"]
    status = main(
        ["validate", "--model", str(checkpoint), "--data", str(data), "--checks", *checks, "--output", str(output)]
    )
    assert status == 0, capsys.readouterr().out
    report = json.loads((output / "report.json").read_text())
    assert {check["name"] for check in report["checks"] if check["status"] == "passed"} == set(checks)
    assert (output / "validation.html").is_file()
    assert (output / "pictures" / "confusion.png").is_file()


def test_a_fault_is_status_one(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", "cat", "dog")
    for path in (data / "train" / "cat").iterdir():
        path.rename(data / "val" / "cat" / f"again-{path.name}")
    for path in list((data / "val" / "cat").iterdir()):
        (data / "train" / "cat" / path.name).write_bytes(path.read_bytes())
    checkpoint = checkpoints("vit", ("cat", "dog"))
    assert main(["validate", "--model", str(checkpoint), "--data", str(data), "--checks", "split"]) == 1


def test_bad_input_is_status_two(
    checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = str(checkpoints("vit", ("cat", "dog")))
    assert main(["validate", "--model", checkpoint, "--checks", "colours"]) == 2
    assert main(["validate", "--model", checkpoint, "--group-column", "patient"]) == 2
    assert main(["validate", "--model", checkpoint, "--data", str(tmp_path / "absent")]) == 2
    data = write_data(tmp_path / "data", "cat", "horse")
    assert main(["validate", "--model", checkpoint, "--data", str(data), "--checks", "split"]) == 2
    said = capsys.readouterr().err
    assert "There is no check colours" in said
    assert "horse, which" in said


@pytest.mark.parametrize("trained", [False, True])
def test_an_adapter_that_was_never_trained_is_a_failed_check(
    trained: bool, checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = attach_lora(load_model(checkpoints("vit"), labels=["cat", "dog"]))
    if trained:
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                torch.nn.init.constant_(parameter, 0.02)
    model.save_pretrained(tmp_path / "adapter")
    output = tmp_path / "out"
    words = ["--checks", "parameters", "reload", "--output", str(output)]
    status = main(["validate", "--model", str(tmp_path / "adapter"), *words])
    checks = json.loads((output / "report.json").read_text())["checks"]
    failed = [check["detail"] for check in checks if check["status"] == "failed"]
    assert status == int(not trained), capsys.readouterr().out
    assert bool(failed) is not trained
    assert all("the adapter was never trained" in detail for detail in failed)
    if not trained:  # and where that is not looked at, there is nothing to look at
        assert main(["validate", "--model", str(tmp_path / "adapter"), "--checks", "resolution"]) == 2

"""Every subcommand by its command line: the same `report.json` of each, and the three exit statuses."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from pictures import class_folders, picture
from PIL import Image

from v5lint.runtime.cli import command_names, main

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FIELDS = {
    "family": (str, type(None)),
    "checkpoint": (str, type(None)),
    "versions": dict,
    "trainable_parameters": (int, type(None)),
    "total_parameters": (int, type(None)),
    "losses": list,
    "metrics": dict,
    "checks": list,
}
CHECK_FIELDS = {"name": str, "status": str, "measured": object, "expected": object, "detail": str, "remedy": str}
RIGHT = {
    "choose": [],
    "contract": ["--space", "0"],
    "demo": ["--family", "vit"],
    "dense": ["{vit}", "{pictures}"],
    "describe": ["{vit}", "--batch-size", "2"],
    "embed": ["{vit}", "{pictures}"],
    "finetune": ["--checkpoint", "{vit}", "--data", "{classes}", "--max_steps", "3", "--batch_size", "8"],
    "migrate-adapter": ["{tuned}/adapter"],
    "new": ["{place}/train.py", "--checkpoint", "{vit}"],
    "predict": ["{tuned}", "{pictures}"],
    "retrieval": ["{siglip2}", "{captioned}", "--epochs", "1", "--batch-size", "4"],
    "segment": ["{vit}", "--images", "{pictures}", "--masks", "{masks}", "--epochs", "1"],
    "validate": ["--model", "{tuned}", "--checks", "parameters", "weights"],
    "zero-shot": ["{siglip2}", "{pictures}", "--labels", "a cat", "a dog"],
}
"""What each is called with where all is right."""
WRONG = {
    "choose": ["--resolution", "wide"],
    "contract": ["--space", "-1"],
    "demo": ["--output", "{vit}/config.json"],
    "dense": ["{vit}", "{pictures}/absent"],
    "describe": ["{place}/absent"],
    "embed": ["{vit}", "{place}/absent"],
    "finetune": ["--checkpoint", "{vit}", "--data", "{place}/absent", "--max_steps", "3"],
    "migrate-adapter": ["{vit}"],
    "new": ["{place}/train.py", "--checkpoint", "{place}/absent"],
    "predict": ["{vit}", "{pictures}"],
    "retrieval": ["{vit}", "{captioned}"],
    "segment": ["{vit}", "--images", "{pictures}", "--masks", "{place}/absent"],
    "validate": ["--model", "{tuned}", "--checks", "nonsense"],
    "zero-shot": ["{vit}", "{pictures}", "--labels", "a cat", "a dog"],
}
"""What each cannot do."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read: pictures with captions and masks, class folders, and a fine-tuned ViT."""
    folder = tmp_path_factory.mktemp("commands")
    class_folders(folder / "classes", {"cat": 12, "dog": 12})
    for name in ("pictures", "masks", "captioned"):
        (folder / name).mkdir()
    captions = [("file_name", "text")]
    for index in range(10):
        picture(index, 32, 32).save(folder / "pictures" / f"{index}.png")
        picture(index, 32, 32).save(folder / "captioned" / f"{index}.png")
        captions.append((f"{index}.png", f"number {index}"))
        mask = numpy.random.default_rng(index).integers(0, 2, (4, 4), dtype=numpy.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    with (folder / "captioned" / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(captions)
    return folder


@pytest.fixture(scope="module")
def call(place: Path, checkpoints: Callable[..., Path]) -> Callable[..., int]:
    """Run a command line in which `{name}` stands for a checkpoint of a family, or for what is in `place`."""
    tuned = place / "tuned"

    def run(words: Sequence[str], output: Path | None = None) -> int:
        needed = " ".join(words)
        if "{tuned}" in needed and not tuned.exists():
            assert run(["finetune", *RIGHT["finetune"], "--validate", "off"], tuned) == 0
        names = {"place": place, "tuned": tuned, **{path.name: path for path in place.iterdir()}}
        names |= {family: checkpoints(family) for family in ("vit", "siglip2") if f"{{{family}}}" in needed}
        filled = [_filled(word, names) for word in words]
        try:
            return main([*filled, *([] if output is None else ["--output", str(output)])])
        except SystemExit as stop:
            return int(stop.code or 0)

    return run


def _filled(word: str, names: dict[str, Path]) -> str:
    for name, path in names.items():
        word = word.replace(f"{{{name}}}", str(path))
    return word


def report_of(folder: Path) -> dict[str, Any]:
    """The report that a command wrote, of the form that all of them have."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert list(report) == list(FIELDS)
    assert [name for name, kind in FIELDS.items() if not isinstance(report[name], kind)] == []
    assert {"python", "torch", "transformers", "peft"} <= report["versions"].keys()
    for loss in report["losses"]:
        assert list(loss) == ["step", "split", "loss"]
    for check in report["checks"]:
        assert list(check) == list(CHECK_FIELDS)
        assert [name for name, kind in CHECK_FIELDS.items() if not isinstance(check[name], kind)] == []
        assert check["status"] in ("passed", "failed", "skipped", "note")
    return report


def test_no_command_is_left_out() -> None:
    assert list(RIGHT) == list(WRONG) == command_names()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.texts) if "{siglip2}" in RIGHT[name] else name for name in RIGHT]
)
def test_what_goes_right_is_status_0_with_a_report(name: str, call: Callable[..., int], tmp_path: Path) -> None:
    output = tmp_path / "out"
    status = call([name, *RIGHT[name]], output)
    report = report_of(output)
    failed = [check for check in report["checks"] if check["status"] == "failed"]
    assert status == int(bool(failed))
    assert not failed or name in ("contract", "new")  # what they find is of the machine at hand
    if name in ("demo", "finetune", "retrieval"):
        assert report["losses"]
        assert report["trainable_parameters"] < report["total_parameters"]
        assert {check["name"] for check in report["checks"]} >= {"parameters", "movement", "reload"}


FAILED = {
    "contract": ["--space", "0"],
    "finetune": [*RIGHT["finetune"], "--eval_data", "{classes}"],
    "new": RIGHT["new"],
    "validate": ["--model", "{tuned}", "--data", "{leaking}", "--checks", "split"],
}
"""What a check of each fails at, with `TRANSFORMERS_CACHE` set."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FAILED)
def test_a_check_that_fails_is_status_1_with_a_report(
    name: str, call: Callable[..., int], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "{leaking}" in FAILED[name] and not (place / "leaking").exists():
        for side in ("train", "val"):
            class_folders(place / "leaking" / side, {"cat": 12, "dog": 12})
    (place / "train.py").unlink(missing_ok=True)
    monkeypatch.setenv("TRANSFORMERS_CACHE", str(tmp_path))
    assert call([name, *FAILED[name]], tmp_path / "out") == 1
    assert "failed" in {check["status"] for check in report_of(tmp_path / "out")["checks"]}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_status_2_and_one_line(
    name: str, call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = None if "--output" in WRONG[name] else tmp_path / "out"
    assert call([name, *WRONG[name]], output) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert "error: " in error[-1]
    assert not any(line.startswith("Traceback") for line in error)
    assert output is None or not (output / "report.json").exists()

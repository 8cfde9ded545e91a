from __future__ import annotations

import csv
import json
import math
from typing import TYPE_CHECKING

import huggingface_hub
import pytest
import torch
from PIL import Image

from v5lint.runtime.cli import main
from v5lint.runtime.errors import AdapterError, UsageError
from v5lint.runtime.export import save_adapter
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.processors import load_processor
from v5lint.runtime.tasks.checkpoint import open_checkpoint
from v5lint.runtime.tasks.images import find_images
from v5lint.runtime.tasks.predict import predict_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint

LABELS = ("cat", "dog", "plane")


def trained_adapter(checkpoint: Path, folder: Path) -> Path:
    """An adapter with a head, as a fine-tune leaves it, with weights that do something."""
    model = attach_lora(load_model(checkpoint, labels=LABELS))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    return save_adapter(model, load_processor(checkpoint), LABELS, folder / "adapter")


def test_predictions_are_those_of_the_model_one_by_one(
    family: str, pictures: Path, opened: Callable[..., OpenCheckpoint]
) -> None:
    classifier = opened(family, "classification", LABELS)
    found = list(predict_images(classifier, find_images([pictures]), top_k=3, batch_size=4))
    assert [prediction.image for prediction in found] == find_images([pictures]).paths
    for prediction in found:
        inputs = classifier.processor([Image.open(prediction.image).convert("RGB")], return_tensors="pt")
        with torch.no_grad():
            scores = classifier.model(**inputs).logits[0].double()
        expected = {label: (scores[i] - scores.logsumexp(0)).exp().item() for i, label in enumerate(LABELS)}
        assert dict(zip(prediction.labels, prediction.probabilities, strict=True)) == pytest.approx(expected, abs=1e-5)
        assert list(prediction.probabilities) == sorted(prediction.probabilities, reverse=True)


def test_a_multi_label_model_gives_each_label_a_probability_of_its_own(
    pictures: Path, checkpoints: Callable[..., Path]
) -> None:
    classifier = open_checkpoint(checkpoints("vit", LABELS), "classification", device="cpu")
    classifier.model.config.problem_type = "multi_label_classification"  # type: ignore[union-attr]
    (found,) = predict_images(classifier, find_images([pictures / "0.png"]), top_k=3)
    with torch.no_grad():
        scores = classifier.model(**classifier.inputs([Image.open(pictures / "0.png")])).logits[0]
    expected = {label: 1 / (1 + math.exp(-score)) for label, score in zip(LABELS, scores.tolist(), strict=True)}
    assert dict(zip(found.labels, found.probabilities, strict=True)) == pytest.approx(expected, abs=1e-6)


def test_an_adapter_predicts_with_its_label_names(
    family: str, pictures: Path, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    adapter = trained_adapter(checkpoints(family), tmp_path)
    image = find_images([pictures / "0.png"])
    (found,) = predict_images(open_checkpoint(tmp_path, "classification", device="cpu"), image, top_k=9)
    assert set(found.labels) == set(LABELS)
    (same,) = predict_images(open_checkpoint(adapter, "classification", device="cpu"), image, top_k=9)
    assert same == found


def test_the_command_writes_csv_and_json(
    pictures: Path, checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(checkpoints("vit", LABELS)), str(pictures), "--device", "cpu", "--top-k", "2"]
    assert main(words) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [(row["image"], row["rank"]) for row in rows[:3]] == [
        (str(pictures / "0.png"), "1"),
        (str(pictures / "0.png"), "2"),
        (str(pictures / "1.png"), "1"),
    ]
    assert main([*words, "--output", str(tmp_path), "--format", "json"]) == 0
    written = json.loads((tmp_path / "predictions.json").read_text())
    assert len(written) == 7
    for row, entry in zip(rows[::2], written, strict=True):
        assert entry["image"] == row["image"]
        assert entry["predictions"][0]["label"] == row["label"]
        assert entry["predictions"][0]["probability"] == pytest.approx(float(row["probability"]), abs=1e-6)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["family"] == "vit"
    assert report["metrics"]["images"] == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.json", "report.json"]


def test_a_broken_image_stops_the_command_and_leaves_nothing(
    checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (40, 40)).save(folder / "good.png")
    (folder / "bad.jpg").write_bytes(b"no jpeg")
    words = ["predict", str(checkpoints("vit", LABELS)), str(folder), "--output", str(tmp_path / "out")]
    assert main(words) == 2
    assert "bad.jpg cannot be decoded" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--skip-unreadable"]) == 0
    assert "1 of 2 images were left out" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["metrics"]["unreadable"]) == [str(folder / "bad.jpg")]


def test_a_model_without_a_head_is_refused(
    pictures: Path, checkpoints: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(checkpoints("dinov2")), str(pictures)]) == 2
    said = capsys.readouterr().err
    assert "has no trained classification head" in said
    assert "labels=" not in said  # which no flag of the command is
    assert "finetune" in said


def test_an_adapter_of_features_predicts_nothing(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    attach_lora(load_model(checkpoints("dinov2"), "dense")).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="has no classification head"):
        open_checkpoint(tmp_path, "classification")


def test_a_base_without_an_adapter_is_refused(checkpoints: Callable[..., Path]) -> None:
    checkpoint = checkpoints("vit", LABELS)
    with pytest.raises(UsageError, match=r"is for an adapter, and .* has no adapter_config\.json"):
        open_checkpoint(checkpoint, "classification", base=checkpoint)


def test_an_adapter_on_the_hub_is_opened_by_its_name(
    checkpoints: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--someone--pets"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    trained_adapter(checkpoints("vit"), tmp_path).rename(repository / "snapshots" / ("0" * 40))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    opened = open_checkpoint("someone/pets", "classification")
    assert tuple(opened.model.config.id2label.values()) == LABELS


@pytest.mark.parametrize("dtype", ["auto", "int8", "floaty"])
def test_a_dtype_that_cannot_be(dtype: str, checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="name a floating-point dtype"):
        open_checkpoint(checkpoints("vit", LABELS), "classification", dtype=dtype)


def test_a_device_that_is_not_there(checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"device 'cuda:17' cannot be used"):
        open_checkpoint(checkpoints("vit", LABELS), "classification", device="cuda:17")

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from v5lint.runtime.cli import main
from v5lint.runtime.errors import FamilyError, UsageError
from v5lint.runtime.tasks.checkpoint import open_checkpoint
from v5lint.runtime.tasks.images import find_images
from v5lint.runtime.tasks.zero_shot import prompts, text_inputs, zero_shot_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint

LABELS = ("2 Cats", "a dog", "airplane")


@pytest.mark.texts
@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
def test_probabilities_are_those_of_the_documentations_own_code(
    variant: str, pictures: Path, opened: Callable[..., OpenCheckpoint]
) -> None:
    """The lines of SigLIP 2's model documentation, with the whole model's forward, image by image."""
    model = opened(variant, "retrieval")
    whole: Any = model.model
    found = list(zero_shot_images(model, find_images([pictures]), LABELS, batch_size=3))
    assert [prediction.image for prediction in found] == find_images([pictures]).paths
    texts = [f"This is a photo of {label}.".lower() for label in LABELS]
    for prediction in found:
        image = Image.open(prediction.image).convert("RGB")
        inputs = model.processor(text=texts, images=[image], padding="max_length", max_length=64, return_tensors="pt")
        with torch.no_grad():
            probabilities = torch.sigmoid(whole(**inputs).logits_per_image)[0].tolist()
        expected = dict(zip(LABELS, probabilities, strict=True))
        assert dict(zip(prediction.labels, prediction.probabilities, strict=True)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.texts
@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
def test_padding_to_the_longest_text_would_move_the_probabilities(
    variant: str, pictures: Path, opened: Callable[..., OpenCheckpoint]
) -> None:
    """What the fixed length is for: the tokenizer's usual padding raises nothing and gives something else."""
    model = opened(variant, "retrieval")
    whole: Any = model.model
    texts = prompts(LABELS)
    assert text_inputs(model, texts)["input_ids"].shape == (3, 64)
    short = model.processor.tokenizer(texts, padding=True, return_tensors="pt")["input_ids"]
    images = model.inputs([Image.open(pictures / "0.png").convert("RGB")])
    with torch.no_grad():
        fixed = torch.sigmoid(whole(**images, **text_inputs(model, texts)).logits_per_image)
        usual = torch.sigmoid(whole(**images, input_ids=short).logits_per_image)
    assert (fixed - usual).abs().max() > 1e-4


@pytest.mark.texts
def test_upper_case_is_read_as_lower_case(opened: Callable[..., OpenCheckpoint]) -> None:
    model = opened("siglip", "retrieval")
    upper, lower = (text_inputs(model, [text])["input_ids"] for text in ("A DOG", "a dog"))
    assert torch.equal(upper, lower)


def test_the_prompt_is_the_documentations() -> None:
    assert prompts(["Cat"]) == ["this is a photo of cat."]
    assert prompts([" Blue {x} car"], "A sketch of {label}") == ["a sketch of blue {x} car"]


@pytest.mark.parametrize(
    ("labels", "template", "message"),
    [
        ([], "{label}", "no labels"),
        (["cat", " "], "{label}", "a label is empty"),
        (["Cat", "dog", "cat"], "{label}", "given twice .*: Cat, cat"),
        (["cat"], "a photo of {}", r"has no \{label\}"),
    ],
)
def test_labels_and_templates_that_cannot_be(labels: list[str], template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prompts(labels, template)


@pytest.mark.texts
def test_a_label_that_would_be_cut_off_is_an_error(opened: Callable[..., OpenCheckpoint]) -> None:
    with pytest.raises(UsageError, match=r"tokens, and .* reads 64: shorten it"):
        text_inputs(opened("siglip2", "retrieval"), ["cat", "a" * 80])
    with pytest.raises(UsageError, match=r"^'word word [word ]+ \.\.\.' has \d+ tokens"):
        text_inputs(opened("siglip2", "retrieval"), ["word " * 500])


@pytest.mark.parametrize("name", ["vit", "dinov2"])
def test_a_model_without_a_text_tower_is_refused(name: str, checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(
        FamilyError, match=r"has no text tower.*Dual encoders are: SigLIP / SigLIP 2 FixRes, SigLIP 2 NaFlex"
    ):
        open_checkpoint(checkpoints(name), "retrieval")


@pytest.mark.texts
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_a_quantised_model_says_nearly_the_same(
    variant: str, bits: Any, pictures: Path, checkpoints: Callable[..., Path], opened: Callable[..., OpenCheckpoint]
) -> None:
    pytest.importorskip("bitsandbytes", reason="needs bitsandbytes")
    quantised = open_checkpoint(checkpoints(variant), "retrieval", device="cpu", quantization=bits)
    files = find_images([pictures / "0.png"])
    (one,) = zero_shot_images(quantised, files, LABELS)
    (other,) = zero_shot_images(opened(variant, "retrieval"), files, LABELS)
    exact = dict(zip(other.labels, other.probabilities, strict=True))
    assert dict(zip(one.labels, one.probabilities, strict=True)) == pytest.approx(exact, abs=0.15)
    assert one.probabilities != other.probabilities


@pytest.mark.texts
def test_no_label_an_image_is_an_error(opened: Callable[..., OpenCheckpoint], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(UsageError, match="top_k 0: must be at least 1"):
        list(zero_shot_images(opened("siglip", "retrieval"), find_images([path]), ["a", "b"], top_k=0))


def test_the_command_prints_the_most_probable_first(
    pictures: Path, checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.txt").write_text("a dog\n\nairplane\n")
    words = ["zero-shot", str(checkpoints("siglip2")), str(pictures / "0.png"), "--labels", "2 Cats", "--device", "cpu"]
    assert main([*words, "--labels-file", str(tmp_path / "labels.txt")]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row["label"] for row in rows} == set(LABELS)
    assert [float(row["probability"]) for row in rows] == sorted((float(r["probability"]) for r in rows), reverse=True)
    assert main([*words[:3]]) == 2
    assert "no labels" in capsys.readouterr().err

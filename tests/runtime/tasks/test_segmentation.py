from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy
import pytest
import torch
from PIL import Image

from v5lint.runtime.cli import main
from v5lint.runtime.errors import CheckpointError, DataError, UsageError
from v5lint.runtime.tasks.dense import feature_maps
from v5lint.runtime.tasks.segmentation import (
    IGNORED,
    MaskedImage,
    SegmentationHead,
    SegmentationOptions,
    confusion_of,
    find_masked_images,
    intersection_over_union,
    load_segmentation,
    save_segmentation,
    segment,
    train_segmentation,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright squares on dark noise, with their masks; the border has no class."""
    folder = tmp_path_factory.mktemp("squares")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    random = numpy.random.default_rng(0)
    for index in range(20):
        mask = numpy.zeros((64, 96), numpy.uint8)
        top, left = random.integers(0, 3) * 16, random.integers(0, 4) * 24
        mask[top : top + 32, left : left + 24] = 1
        pixels = random.integers(0, 60, (64, 96, 3)).astype(numpy.uint8)
        pixels[mask == 1] += 150
        mask[:2] = IGNORED
        Image.fromarray(pixels).save(folder / "images" / f"{index}.jpg")
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    return folder


def test_iou_is_scikit_learns_jaccard_score() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 4, (30, 40), generator=generator)
    predicted = torch.where(torch.rand(30, 40, generator=generator) < 0.6, truth, truth.roll(3))
    truth[:3] = IGNORED
    known = (truth != IGNORED).numpy()
    confusion = confusion_of(truth, predicted, 5)
    flat = truth.numpy()[known], predicted.numpy()[known]
    assert numpy.array_equal(confusion, metrics.confusion_matrix(*flat, labels=range(5)))
    each = intersection_over_union(confusion)
    numpy.testing.assert_allclose(each[:4], metrics.jaccard_score(*flat, labels=range(4), average=None))
    assert numpy.isnan(each[4])
    assert numpy.nanmean(each) == pytest.approx(metrics.jaccard_score(*flat, average="macro"))


def test_a_head_learns_squares_on_every_family(
    family: str, squares: Path, opened: Callable[..., OpenCheckpoint]
) -> None:
    model = opened(family, "dense")
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    pairs = find_masked_images(squares / "images", squares / "masks")
    result = train_segmentation(model, pairs, options=SegmentationOptions(epochs=30, batch_size=4, learning_rate=1e-2))
    assert result.losses[-1].loss < 0.6 * result.losses[0].loss
    assert result.images == (16, 4)
    # What a head that always says "background" reaches, from the same counts.
    background = result.confusion.sum(axis=1)[0] / result.confusion.sum() / 2
    assert result.metrics["mean_iou"] > background
    assert result.confusion.sum() == 4 * 62 * 96
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.model.state_dict().items())


def test_scores_come_from_each_patch_alone() -> None:
    head = SegmentationHead(8, 3).eval()
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(8, 2, 3, generator=generator), torch.randn(8, 4, 1, generator=generator)]
    with torch.no_grad():
        first, second = head(maps)
        weight, bias = head.classifier.weight, head.classifier.bias
        normalised = maps[1][:, 2, 0] / (1 + head.norm.eps) ** 0.5
        torch.testing.assert_close(second[:, 2, 0], weight @ normalised + bias)
    assert first.shape == (3, 2, 3)


def test_a_saved_head_gives_the_same_masks(
    squares: Path, opened: Callable[..., OpenCheckpoint], checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    pairs = find_masked_images(squares / "images", squares / "masks")
    options = SegmentationOptions(epochs=2)
    model = opened("dinov2", "dense")
    result = train_segmentation(model, pairs, ["ground", "square"], options)
    save_segmentation(result, model, options, tmp_path / "head")
    head, said = load_segmentation(tmp_path / "head")
    assert said["labels"] == ["ground", "square"]
    image, mask = pairs[0].read()
    (features,) = feature_maps(model, [image])
    assert torch.equal(segment(head, features, mask.shape), segment(result.head, features, mask.shape))
    with pytest.raises(CheckpointError, match="has no segmentation head"):
        load_segmentation(checkpoints("dinov2"))


def test_the_command_reports_and_repeats(squares: Path, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    words = [
        "segment",
        str(checkpoints("siglip2")),
        "--images",
        str(squares / "images"),
        "--masks",
        str(squares / "masks"),
    ]
    for run in ("one", "two"):
        assert main([*words, "--epochs", "3", "--device", "cpu", "--output", str(tmp_path / run)]) == 0
    one, two = (json.loads((tmp_path / run / "report.json").read_text()) for run in ("one", "two"))
    assert one["metrics"] == two["metrics"]
    assert one["losses"] == two["losses"]
    assert one["trainable_parameters"] == 2 * 64 + 2 * 64 + 2
    assert (tmp_path / "one" / "head" / "head.safetensors").is_file()


def test_masks_that_do_not_fit_are_named(squares: Path, opened: Callable[..., OpenCheckpoint], tmp_path: Path) -> None:
    pairs = find_masked_images(squares / "images", squares / "masks")
    with pytest.raises(DataError, match=r"has the class index 1, and there are 1 labels"):
        train_segmentation(opened("vit", "dense"), pairs, ["only"])
    with pytest.raises(DataError, match="2 images: too few"):
        train_segmentation(opened("vit", "dense"), pairs[:2])
    Image.new("L", (8, 9)).save(tmp_path / "small.png")
    with pytest.raises(DataError, match=r"small\.png is 8 x 9 pixels, and .* is 96 x 64"):
        MaskedImage(pairs[0].image, tmp_path / "small.png").read()
    Image.new("RGB", (96, 64)).save(tmp_path / "colour.png")
    with pytest.raises(DataError, match=r"colour\.png is a picture in RGB: a mask has one class index a pixel"):
        MaskedImage(pairs[0].image, tmp_path / "colour.png").read()
    Image.new("L", (96, 64)).save(tmp_path / "lossy.jpg")
    with pytest.raises(DataError, match=r"lossy\.jpg is a JPEG, which keeps no number as it was"):
        MaskedImage(pairs[0].image, tmp_path / "lossy.jpg").read()
    with pytest.raises(DataError, match="20 images have no mask of their name"):
        find_masked_images(squares / "images", tmp_path)
    with pytest.raises(UsageError, match="eval_fraction"):
        SegmentationOptions(eval_fraction=1.0)
    with pytest.raises(UsageError, match="seed -1"):
        SegmentationOptions(seed=-1)


def test_a_mask_of_0_and_255_has_one_class(
    opened: Callable[..., OpenCheckpoint], squares: Path, tmp_path: Path
) -> None:
    """As drawing programs write them: 255 is what is left out."""
    for path in sorted((squares / "masks").iterdir()):
        Image.open(path).point(lambda value: 255 * bool(value)).save(tmp_path / path.name)
    with pytest.raises(DataError, match=r"have 1 classes, and two are needed: .* from 0, and 255 stands for no class"):
        train_segmentation(opened("vit", "dense"), find_masked_images(squares / "images", tmp_path))

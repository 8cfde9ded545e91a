"""The parts that look at data: sources, regression, hashes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.utils.data import Subset
from transformers import Trainer

from v5lint.runtime.checks.hashing import alike, hash_images, same_pixels
from v5lint.runtime.checks.loaders import evaluation_collator
from v5lint.runtime.checks.preprocessing import name_statistics, regress
from v5lint.runtime.checks.probes import plain_images, textured_images
from v5lint.runtime.checks.sources import ImageSource

HALF = ((0.5,) * 3, (0.5,) * 3)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def normalised(values: Any, statistics: Any) -> Any:
    return (values - np.array(statistics[0])) / np.array(statistics[1])


@pytest.mark.parametrize(
    ("ours", "name"),
    [
        (lambda v: normalised(v, IMAGENET), "ImageNet's statistics"),
        (lambda v: v, "no normalisation"),
        (lambda v: normalised(v * 255, HALF), "values are not rescaled to 0..1"),
        (lambda v: normalised(v / 255, HALF), "values are rescaled twice"),
        (lambda v: normalised(v, ((0.2,) * 3, (0.7,) * 3)), "other statistics"),
    ],
)
def test_the_regression_names_the_statistics(ours: Any, name: str) -> None:
    values = np.random.default_rng(0).uniform(size=(500, 3))
    found = regress(ours(values), normalised(values, HALF))
    assert found.channels == (0, 1, 2)
    said, mean, std = name_statistics(*HALF, found)
    assert said == name
    if name == "ImageNet's statistics":
        assert mean == pytest.approx(IMAGENET[0], abs=1e-4)
        assert std == pytest.approx(IMAGENET[1], abs=1e-4)


def test_the_regression_finds_swapped_channels_and_grey_ones_alike() -> None:
    values = np.random.default_rng(0).uniform(size=(500, 3))
    assert regress(values[:, ::-1], values).channels == (2, 1, 0)
    grey = values[:, :1].repeat(3, axis=1)
    assert regress(grey, grey).channels == (0, 1, 2)


def test_hashes_find_a_picture_again() -> None:
    pictures = textured_images(((80, 60),) * 12)
    buffer = io.BytesIO()
    pictures[1].save(buffer, "JPEG", quality=80)
    asked = [
        pictures[0], Image.open(io.BytesIO(buffer.getvalue())), pictures[2].resize((160, 120)),
        ImageOps.mirror(pictures[3]), *textured_images(((60, 80),) * 12)[4:],
    ]  # fmt: skip
    hashes = hash_images(pictures, asked)
    assert same_pixels(*hashes).tolist() == [True] + [False] * 11
    near = alike(*hashes)
    assert near.any(axis=1).tolist() == [True] * 4 + [False] * 8
    assert near[:4].argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_digits_are_not_taken_for_one_another() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images = datasets.load_digits().images[:1000]
    pictures = [Image.fromarray((image * 15).astype("uint8")).resize((32, 32)) for image in images]
    near = alike(*hash_images(pictures[:800], pictures[800:]))
    assert near.any(axis=1).mean() < 0.02


def test_pictures_of_one_colour_are_no_leak() -> None:
    pictures = [Image.new("RGB", (8, 8)), *textured_images(((16, 16),) * 2)]
    hashes = hash_images(pictures, pictures)
    assert same_pixels(*hashes).tolist() == [False, True, True]


class Arrays:
    """A data set that keeps arrays."""

    def __init__(self, size: int = 6) -> None:
        self.data = [np.full((8, 8, 3), 10 * index, dtype=np.uint8) for index in range(size)]
        self.labels = [index % 2 for index in range(size)]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": torch.tensor(self.data[index] / 255.0), "labels": self.labels[index], "name": "x"}


def test_a_data_set_is_run_on_other_pictures() -> None:
    source = ImageSource(Arrays(), inputs=frozenset({"pixel_values", "labels"}))
    assert source.takes_pictures
    images = source.images([3])
    assert images is not None
    assert images[0].getpixel((0, 0)) == (30, 30, 30)
    batch = source.apply(plain_images())
    assert batch is not None
    assert batch["pixel_values"].shape == (7, 64, 96, 3)
    assert batch["pixel_values"][1].min() == 1
    assert len(source) == 6
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1] * 3


def test_a_subset_is_seen_through() -> None:
    source = ImageSource(Subset(Arrays(), [5, 1]))
    images = source.images([0])
    assert images is not None
    assert images[0].getpixel((0, 0)) == (50, 50, 50)
    assert source.labels is not None
    assert source.labels.tolist() == [1, 1]


def test_rows_with_a_transform() -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict(
        {"picture": textured_images(((8, 8),) * 4), "label": [0, 1, 0, 1], "patient": list("aabb")},
        features=datasets.Features(
            picture=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"]), patient=datasets.Value("string")
        ),
    )

    def prepare(batch: dict[str, list[Any]]) -> dict[str, Any]:
        pixels = [torch.tensor(np.asarray(image)).float() for image in batch["picture"]]
        return {"pixel_values": pixels, "labels": batch["label"]}

    source = ImageSource(rows.with_transform(prepare))
    assert source.class_names == ["cat", "dog"]
    assert source.column("patient") == list("aabb")
    batch = source.apply(plain_images((8, 8)))
    assert batch is not None
    assert batch["pixel_values"][1].min() == 255
    assert ImageSource(rows).takes_pictures is False


def test_a_black_box_says_so() -> None:
    source = ImageSource([{"pixel_values": torch.zeros(3, 4, 4), "labels": 1}] * 3)
    assert source.images([0]) is None
    assert source.apply(plain_images()) is None
    assert source.batch([0, 1])["pixel_values"].shape == (2, 3, 4, 4)


class Unready(Trainer):
    """A trainer whose own loader asks for what is made when the training begins."""

    def __init__(self) -> None:
        self.eval_dataset = [0]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        raise AttributeError("made_later")


def test_a_loader_that_cannot_be_made_yet_is_said() -> None:
    with pytest.warns(UserWarning, match=r"Unready.get_eval_dataloader cannot be called .* made_later"):
        assert evaluation_collator(Unready()) is None

"""Items beside what is stored, generators that are copied, values in disorder: each right and wrong."""

from __future__ import annotations

import functools
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from v5lint.runtime.checks.chance import check_dropout, check_workers, own_generators
from v5lint.runtime.checks.disorder import disorder_of, ramp_fault
from v5lint.runtime.checks.findings import Findings
from v5lint.runtime.checks.items import check_given_labels, check_pictures, look_at
from v5lint.runtime.checks.pictures import images_of
from v5lint.runtime.checks.probes import textured_images
from v5lint.runtime.checks.sources import ImageSource
from v5lint.runtime.checks.validation import make_subject

PICTURES = textured_images(tuple((48 + number, 48) for number in range(24)))


class Data(torch.utils.data.Dataset[dict[str, Any]]):
    """Pictures and labels; `change` makes an item of two indices, that of the picture and that of the label."""

    def __init__(self, change: Any = lambda index: (index, index), moved: int = 0) -> None:
        self.pictures = list(PICTURES)
        self.targets = [index % 4 for index in range(len(PICTURES))]
        self.change = change
        self.moved = moved

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> dict[str, Any]:
        picture, label = self.change(index)
        size = len(self.pictures)
        values = np.asarray(self.pictures[picture % size].resize((32, 32)), dtype=np.float32) / 255
        pixels = torch.from_numpy(values.transpose(2, 0, 1).copy())
        return {"pixel_values": pixels, "labels": (self.targets[label % size] + self.moved) % 4}


def looked_at(data: Any) -> Any:
    return look_at(ImageSource(data), images_of)


def failed(findings: Findings) -> str:
    return "\n".join(result.detail for result in findings.results("") if result.status == "failed")


@pytest.mark.parametrize(("change", "said"), [
    (lambda index: (index, index), ""),
    (lambda index: (index + 5, index + 5), ""),  # it numbers its items otherwise than it stores them
    (lambda index: (index - 1, index), "have the picture of another item"),
])  # fmt: skip
def test_the_picture_of_an_item(change: Any, said: str) -> None:
    findings = Findings("preprocessing")
    check_pictures(findings, "training", looked_at(Data(change)))
    assert said in failed(findings)
    assert bool(failed(findings)) is bool(said)


class Blank(Data):
    share = 2

    def __getitem__(self, index: int) -> dict[str, Any]:
        made = super().__getitem__(index)
        return {**made, "pixel_values": torch.zeros(3, 32, 32)} if index % self.share == 1 else made


class SometimesBlank(Data):
    """A crop at random that meets an empty corner now and then."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        made = super().__getitem__(index)
        return {**made, "pixel_values": torch.zeros(3, 32, 32)} if torch.rand(()) < 0.2 else made


@pytest.mark.parametrize(("data", "wrong"), [(Blank, True), (SometimesBlank, False), (Data, False)])
def test_items_of_one_colour(data: Any, wrong: bool) -> None:
    findings = Findings("preprocessing")
    check_pictures(findings, "training", looked_at(data()))
    assert ("are of one colour where their pictures are not" in failed(findings)) is wrong
    assert bool(failed(findings)) is wrong


@pytest.mark.parametrize(("train", "evaluation", "said"), [
    (Data(), Data(), ""),
    (Data(moved=1), Data(moved=1), ""),  # a table of the script's own
    (Data(), Data(moved=1), "are numbered otherwise in evaluation"),
    (Data(lambda index: (index, index * 7 % 5)), Data(), "reach the model under several labels"),
])  # fmt: skip
def test_labels_as_the_model_gets_them(train: Any, evaluation: Any, said: str) -> None:
    findings = Findings("split")
    check_given_labels(findings, looked_at(train), looked_at(evaluation))
    assert said in failed(findings)
    assert bool(failed(findings)) is bool(said)


GLOBAL = np.random.default_rng(1)


def jitter(pixels: torch.Tensor, draw: Any) -> torch.Tensor:
    return pixels * (0.5 + float(draw()))


class Drawn(Data):
    def __init__(self, draw: Any, owner: Any = None) -> None:
        super().__init__()
        self.draw, self.owner = draw, owner

    def __getitem__(self, index: int) -> dict[str, Any]:
        made = super().__getitem__(index)
        return {**made, "pixel_values": jitter(made["pixel_values"], self.draw)}


OWN = np.random.default_rng(0)
LEGACY, PLAIN, TORCH = np.random.RandomState(0), random.Random(0), torch.Generator()


@pytest.mark.parametrize(("data", "workers", "status"), [
    (Drawn(OWN.random, OWN), 2, "failed"),
    (Drawn(OWN.random, OWN), 1, "note"),
    (Drawn(OWN.random, OWN), 0, ""),
    (Drawn(lambda: LEGACY.rand()), 2, "failed"),
    (Drawn(PLAIN.random), 2, "failed"),
    (Drawn(functools.partial(lambda generator: torch.rand((), generator=generator), TORCH)), 2, "failed"),
    (Drawn(lambda: GLOBAL.random()), 2, "failed"),
    (Drawn(lambda: torch.rand(())), 2, ""),
    (Drawn(np.random.rand), 2, ""),
    (Drawn(random.random), 2, ""),
    (Drawn(lambda: 0.5, OWN), 2, ""),  # a generator that augmentation does not draw from
])  # fmt: skip
def test_generators_that_workers_copy(data: Any, workers: int, status: str) -> None:
    subject = make_subject(nn.Linear(1, 1), train_dataset=data)
    subject.args = SimpleNamespace(dataloader_num_workers=workers)
    subject.loader = SimpleNamespace(worker_init_fn=None)
    before = OWN.bit_generator.state
    findings = Findings("setup")
    check_workers(findings, subject)
    assert [result.status for result in findings.results("")] == ([status] if status else [])
    assert OWN.bit_generator.state == before


def test_a_loader_that_seeds_its_workers_is_right() -> None:
    subject = make_subject(nn.Linear(1, 1), train_dataset=Drawn(OWN.random, OWN))
    subject.args = SimpleNamespace(dataloader_num_workers=2)
    subject.loader = SimpleNamespace(worker_init_fn=lambda worker: None)
    findings = Findings("setup")
    check_workers(findings, subject)
    assert findings.results("") == []


def test_the_global_generators_are_nobodys_own() -> None:
    assert own_generators([np.random.rand, random.random, torch.default_generator]) == []


@pytest.mark.parametrize(("share", "wrong"), [(0.1, False), (0.95, True)])
def test_dropout(share: float, wrong: bool) -> None:
    findings = Findings("setup")
    check_dropout(findings, make_subject(nn.Sequential(nn.Linear(2, 2), nn.Dropout(share)), training=True))
    assert bool(failed(findings)) is wrong


LEVELS = np.linspace(0, 1, 52)[:, None].repeat(3, axis=1)


@pytest.mark.parametrize(("change", "said"), [
    (lambda v: v, ""),
    (lambda v: (v - 0.5) / 0.2, ""),
    (lambda v: 1 - v, ""),
    (lambda v: v**0.8, ""),
    (lambda v: (v * 255 + 60) % 256, "wrap around"),
    (lambda v: (v * 255 * 2) % 256, "wrap around"),
    (lambda v: np.clip((v - 0.5) / 0.5, 0, 1), "cut off at 0 and 1"),
    (lambda v: np.clip((v - 0.485) / 0.229, -1, 1), "cut off at -1 and 1"),
    (lambda v: np.clip((v - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], 0, 1), "cut off at 0 and 1"),
    (lambda v: v * 0, ""),
])  # fmt: skip
def test_a_ramp(change: Any, said: str) -> None:
    found = ramp_fault(change(LEVELS))
    assert said in found
    assert bool(found) is bool(said)


def test_axes_in_disorder() -> None:
    right = {"pixel_values": torch.rand(2, 3, 8, 8)}
    wrong = {"pixel_values": right["pixel_values"].permute(0, 2, 3, 1).reshape(2, 3, 8, 8)}
    assert "wrong order of its axes" in disorder_of(wrong, right)
    assert disorder_of({"pixel_values": right["pixel_values"].flip(-2)}, right) == "upside down"
    assert disorder_of(right, right) == ""
    assert disorder_of({"pixel_values": torch.rand(2, 3, 8, 8)}, right) == ""
    assert disorder_of({"pixel_values": torch.rand(2, 3, 9, 9)}, right) == ""


def test_patches_in_disorder() -> None:
    right = {"pixel_values": torch.rand(1, 6, 48), "spatial_shapes": torch.tensor([[2, 3]])}
    patches = right["pixel_values"].reshape(1, 6, 4, 4, 3)
    first = {"pixel_values": patches.permute(0, 1, 4, 2, 3).reshape(1, 6, 48)}
    turned = {"pixel_values": patches.transpose(2, 3).reshape(1, 6, 48)}
    columns = {"pixel_values": right["pixel_values"].reshape(1, 2, 3, 48).transpose(1, 2).reshape(1, 6, 48)}
    assert "channels first" in disorder_of(first, right)
    assert "each patch is transposed" in disorder_of(turned, right)
    assert "column by column" in disorder_of(columns, right)
    assert disorder_of(right, right) == ""


def test_images_are_read_as_the_model_gets_them() -> None:
    values = torch.rand(1, 3, 4, 5)
    (image,) = images_of({"pixel_values": values}) or []
    assert image.shape == (4, 5, 3)
    assert Image.fromarray((image * 255).astype(np.uint8)).size == (5, 4)

"""A linear segmentation head on frozen patch features, and its mean intersection over union.

The protocol of DINOv2's linear evaluation: batch normalisation and one linear layer on every patch token, its scores
enlarged bilinearly to the pixels. The backbone is not trained, so its features are computed once.
"""

# torch is typed in part: backward() is not.
# mypy: allow-untyped-calls

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from v5lint.runtime.config import SEEDS
from v5lint.runtime.data import decode_image
from v5lint.runtime.errors import CheckpointError, DataError, UsageError
from v5lint.runtime.export import whole_folder
from v5lint.runtime.report import Loss, write_json
from v5lint.runtime.tasks.dense import feature_maps
from v5lint.runtime.tasks.images import find_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint

IGNORED = 255
"""What a mask says where a pixel has no class: neither trained on nor measured."""
_MASK_MODES = ("1", "L", "P", "I", "I;16")


@dataclass(frozen=True)
class MaskedImage:
    """An image and its mask: a picture of the same size whose pixels are class indices."""

    image: Path
    mask: Path

    def read(self) -> tuple[Image.Image, torch.Tensor]:
        """The image in RGB, and the class of each of its pixels [H, W].

        Raises:
            DataError: One cannot be decoded, or the two do not fit each other.
        """
        image = decode_image({"path": str(self.image)})
        try:
            with Image.open(self.mask) as opened:
                form, mode, values = opened.format, opened.mode, np.asarray(opened).astype(np.int64)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.mask} cannot be decoded ({error}): remove or replace the file") from error
        if form == "JPEG":
            raise DataError(f"{self.mask} is a JPEG, which keeps no number as it was: a mask is saved as PNG")
        if mode not in _MASK_MODES:
            raise DataError(
                f"{self.mask} is a picture in {mode}: a mask has one class index a pixel (8 bit, grey or palette)"
            )
        if values.shape != (image.height, image.width):
            raise DataError(
                f"{self.mask} is {values.shape[1]} x {values.shape[0]} pixels, and {self.image} is "
                f"{image.width} x {image.height}"
            )
        return image, torch.from_numpy(values)


@dataclass(frozen=True)
class SegmentationOptions:
    """How the head is trained."""

    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    eval_fraction: float = 0.2
    resolution: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} {getattr(self, name)}: must be positive")
        if not 0 < self.eval_fraction < 1:
            raise UsageError(f"eval_fraction {self.eval_fraction}: must lie between 0 and 1")
        if not 0 <= self.seed < SEEDS:
            raise UsageError(f"seed {self.seed}: must lie between 0 and {SEEDS - 1}")


class SegmentationHead(nn.Module):
    """Batch normalisation and one linear layer, on each patch token by itself.

    Args:
        features: Width of a patch token.
        classes: How many classes.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.classifier = nn.Linear(features, classes)

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Scores of the patches.

        Args:
            maps: [D, rows, columns] an image; the grids may differ.

        Returns:
            [classes, rows, columns] an image.
        """
        grids = [(features.shape[1], features.shape[2]) for features in maps]
        tokens = torch.cat([features.flatten(1).T for features in maps])
        scores = self.classifier(self.norm(tokens)).split([rows * columns for rows, columns in grids])
        return [part.T.reshape(-1, rows, columns) for part, (rows, columns) in zip(scores, grids, strict=True)]


@dataclass(frozen=True)
class SegmentationResult:
    """A trained head and what it reached.

    Attributes:
        head: In evaluation mode.
        labels: Class names by index.
        confusion: Pixels by true and predicted class, [C, C], of the images that were not trained on.
        losses: One entry an epoch.
        images: How many were trained on, and how many evaluated.
    """

    head: SegmentationHead
    labels: tuple[str, ...]
    confusion: np.ndarray[Any, Any]
    losses: tuple[Loss, ...]
    images: tuple[int, int]

    @property
    def metrics(self) -> dict[str, Any]:
        """Mean IoU, IoU of each class (NaN where it occurs nowhere) and accuracy of the pixels."""
        each = intersection_over_union(self.confusion)
        return {
            "mean_iou": float(np.nanmean(each)),
            "pixel_accuracy": float(self.confusion.trace() / self.confusion.sum()),
            "iou": {label: float(value) for label, value in zip(self.labels, each, strict=True)},
        }


def find_masked_images(images: Path, masks: Path) -> list[MaskedImage]:
    """The images of a folder with the masks of the same names (and any ending) in another.

    Raises:
        DataError: An image has no mask, or a folder no images.
    """
    by_name = {path.relative_to(masks).with_suffix("").as_posix(): path for path in find_images([masks]).paths}
    pairs, bare = [], []
    for path in find_images([images]).paths:
        mask = by_name.get(path.relative_to(images).with_suffix("").as_posix())
        if mask is None:
            bare.append(path)
        else:
            pairs.append(MaskedImage(path, mask))
    if bare:
        raise DataError(f"{len(bare)} images have no mask of their name in {masks}, such as {bare[0]}")
    return pairs


def train_segmentation(
    opened: OpenCheckpoint,
    data: Sequence[MaskedImage],
    labels: Sequence[str] | None = None,
    options: SegmentationOptions | None = None,
) -> SegmentationResult:
    """Train a linear head on frozen features, and measure it on images that it was not trained on.

    Args:
        opened: From `open_checkpoint(..., "dense")`.
        data: Images with their masks.
        labels: Class names by index; by default the numbers up to the largest index of the masks.
        options: How it is trained.

    Raises:
        DataError: An image or a mask cannot be used, or there are too few.
    """
    options = options or SegmentationOptions()
    generator = torch.Generator().manual_seed(options.seed)
    order = torch.randperm(len(data), generator=generator).tolist()
    held_out = max(1, round(len(data) * options.eval_fraction))
    if len(data) - held_out < 2:
        raise DataError(f"{len(data)} images: too few to train on some and to measure on others")
    pairs = [data[index] for index in order]
    maps, masks = _features(opened, pairs, options)
    names = _class_names(masks, pairs, labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        head = SegmentationHead(maps[0].shape[0], len(names)).to(opened.device)
    losses = _train(head, maps[held_out:], masks[held_out:], options, generator)
    confusion: np.ndarray[Any, Any] = np.zeros((len(names), len(names)), dtype=np.int64)
    for features, mask in zip(maps[:held_out], masks[:held_out], strict=True):
        confusion += confusion_of(mask, segment(head, features, mask.shape), len(names))
    if not confusion.sum():
        raise DataError("the images to evaluate on have no pixel with a class")
    return SegmentationResult(head, names, confusion, tuple(losses), (len(data) - held_out, held_out))


def segment(head: SegmentationHead, features: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """The class of every pixel.

    Args:
        head: A trained head.
        features: The map of an image, [D, rows, columns], from `feature_maps`.
        size: Height and width in pixels of the result: those of the image.

    Returns:
        Class indices, [H, W].
    """
    with torch.inference_mode():
        (scores,) = head.eval()([features.to(next(head.parameters()).device)])
        return _enlarged(scores, size)[0].argmax(dim=0).cpu()


def confusion_of(truth: torch.Tensor, predicted: torch.Tensor, classes: int) -> np.ndarray[Any, Any]:
    """Pixels by true and predicted class, [classes, classes], without those that have no class."""
    known = truth != IGNORED
    pairs = truth[known] * classes + predicted[known]
    counts: np.ndarray[Any, Any] = torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).numpy()
    return counts


def intersection_over_union(confusion: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """IoU of each class of a confusion matrix [C, C]: NaN for a class that is neither true nor predicted anywhere."""
    hits = np.diag(confusion).astype(np.float64)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    each: np.ndarray[Any, Any] = np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)
    return each


def save_segmentation(
    result: SegmentationResult, opened: OpenCheckpoint, options: SegmentationOptions, folder: Path
) -> Path:
    """Write a head with what is needed to use it again; the folder appears whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous().cpu() for name, tensor in result.head.state_dict().items()}
    with whole_folder(folder) as unfinished:
        save_file(tensors, unfinished / "head.safetensors")
        said = {"checkpoint": opened.source, "labels": result.labels, "options": asdict(options)}
        write_json(unfinished / "segmentation.json", said)
    return folder


def load_segmentation(folder: str | Path) -> tuple[SegmentationHead, dict[str, Any]]:
    """A head that `save_segmentation` wrote, in evaluation mode, and what it was trained with.

    Raises:
        CheckpointError: There is none.
    """
    from safetensors.torch import load_file

    try:
        said = json.loads((Path(folder) / "segmentation.json").read_text(encoding="utf-8"))
        state = load_file(Path(folder) / "head.safetensors")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} has no segmentation head: {error}") from error
    classes, features = state["classifier.weight"].shape
    head = SegmentationHead(features, classes)
    head.load_state_dict(state)
    return head.eval(), said


def _features(
    opened: OpenCheckpoint, pairs: Sequence[MaskedImage], options: SegmentationOptions
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    maps, masks = [], []
    for start in range(0, len(pairs), options.batch_size):
        read = [pair.read() for pair in pairs[start : start + options.batch_size]]
        maps += feature_maps(opened, [image for image, _ in read], resolution=options.resolution)
        masks += [mask for _, mask in read]
    return maps, masks


def _class_names(
    masks: Sequence[torch.Tensor], pairs: Sequence[MaskedImage], labels: Sequence[str] | None
) -> tuple[str, ...]:
    largest = [int(mask[mask != IGNORED].max()) if bool((mask != IGNORED).any()) else -1 for mask in masks]
    classes = max(largest) + 1 if labels is None else len(labels)
    if max(largest) >= classes:
        worst = pairs[largest.index(max(largest))].mask
        raise DataError(f"{worst} has the class index {max(largest)}, and there are {classes} labels")
    if classes < 2:
        raise DataError(
            f"the masks have {classes} classes, and two are needed: they are numbered from 0, and {IGNORED} stands for "
            "no class"
        )
    return tuple(labels) if labels is not None else tuple(str(index) for index in range(classes))


def _train(
    head: SegmentationHead,
    maps: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    options: SegmentationOptions,
    generator: torch.Generator,
) -> list[Loss]:
    optimizer = torch.optim.AdamW(head.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    device = next(head.parameters()).device
    losses: list[Loss] = []
    step = 0
    head.train()
    for _ in range(options.epochs):
        order = torch.randperm(len(maps), generator=generator).tolist()
        total = 0.0
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            scores = head([maps[index].to(device) for index in batch])
            loss = _loss(scores, [masks[index] for index in batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item() * len(batch)
        losses.append(Loss(step, "train", total / len(order)))
    head.eval()
    return losses


def _loss(scores: Sequence[torch.Tensor], masks: Sequence[torch.Tensor]) -> torch.Tensor:
    """Cross entropy, averaged over the pixels of each image and then over the images of the batch."""
    losses = []
    for image, mask in zip(scores, masks, strict=True):
        truth = mask.unsqueeze(0).to(image.device)
        pixels = (truth != IGNORED).sum().clamp_min(1)
        total = nn.functional.cross_entropy(_enlarged(image, mask.shape), truth, ignore_index=IGNORED, reduction="sum")
        losses.append(total / pixels)
    return torch.stack(losses).mean()


def _enlarged(scores: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Scores of patches [C, rows, columns] as scores of pixels [1, C, H, W]."""
    return nn.functional.interpolate(scores.unsqueeze(0), size=tuple(size), mode="bilinear", align_corners=False)

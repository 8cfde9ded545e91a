"""From pictures to a model's tensors, in the way of the checkpoint's own processor.

To evaluate, and to train without augmentation, the processor itself is called. With augmentation, an image is cropped
and resized in one go with the processor's filter, and rescaled and normalised with its numbers: its resize and centre
crop would otherwise follow on a picture that was cropped already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from PIL.Image import Resampling
from torch.utils.data import Dataset, IterableDataset

from v5lint.runtime.augment import Augmentation, draws, randaugment
from v5lint.runtime.data import decode_image
from v5lint.runtime.errors import ProcessorError, UsageError
from v5lint.runtime.inputs import patch_size_of
from v5lint.runtime.loading import build_on_meta, class_for
from v5lint.runtime.naflex import PatchTransform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from random import Random

    from PIL import Image

    from v5lint.runtime.config import FinetuneConfig
    from v5lint.runtime.families import Family

    Transform = Callable[[Sequence[Image.Image], Sequence[Random]], list["Item"]]

Item = dict[str, Any]


@dataclass(frozen=True)
class Pixels:
    """How a backbone was shown its pixels.

    Attributes:
        mean: Of each channel, after rescaling.
        std: Of each channel, after rescaling.
        scale: What an eight-bit value is multiplied by.
        resample: Filter to resize with.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    resample: Resampling

    def normalized(self, values: np.ndarray[Any, Any]) -> torch.Tensor:
        """Eight-bit values [..., 3] as normalised float32."""
        std = np.array(self.std, dtype=np.float32)
        factor = np.float32(self.scale) / std
        shift = np.array(self.mean, dtype=np.float32) / std
        return torch.from_numpy(values * factor - shift)


@dataclass(frozen=True)
class ProcessorTransform:
    """Images to `pixel_values` [3, H, W] by the checkpoint's processor."""

    processor: Any

    def __call__(self, images: Sequence[Image.Image], chances: Sequence[Random]) -> list[Item]:
        """One mapping an image."""
        return [
            {"pixel_values": pixels} for pixels in self.processor(list(images), return_tensors="pt")["pixel_values"]
        ]


@dataclass(frozen=True)
class AugmentedTransform:
    """Images to `pixel_values` [3, H, W], with a random crop resized to the backbone's resolution in one go."""

    pixels: Pixels
    size: tuple[int, int]
    augmentation: Augmentation

    def __call__(self, images: Sequence[Image.Image], chances: Sequence[Random]) -> list[Item]:
        """One mapping an image."""
        height, width = self.size
        items = []
        for image, draw in zip(images, chances, strict=True):
            box = self.augmentation.box(image.width, image.height, draw)
            resized = image.resize((width, height), self.pixels.resample, box=box)
            values = np.asarray(self.augmentation.after_resize(resized, draw))
            items.append({"pixel_values": self.pixels.normalized(values).permute(2, 0, 1).contiguous()})
        return items


@dataclass(frozen=True)
class Transforms:
    """What turns pictures into batches, for training and for evaluation.

    Attributes:
        train: Pictures to items.
        evaluation: Pictures to items, without chance.
        collate: Items with `labels` to a batch.
    """

    train: Transform
    evaluation: Transform
    collate: Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]

    @property
    def patches(self) -> PatchTransform | None:
        """The transform to patches, where images of many sizes share a batch."""
        return self.evaluation if isinstance(self.evaluation, PatchTransform) else None


class ImageDataset(Dataset[Item]):
    """Rows of a data set as a model's tensors, a batch at a time.

    Args:
        rows: The data set.
        image_column: Column of the images.
        label_column: Column of the class indices.
        transform: Pictures to items.
        seed: Of the augmentation.
    """

    def __init__(self, rows: Any, image_column: str, label_column: str, transform: Transform, seed: int = 0) -> None:
        self.rows = rows
        self.columns = (image_column, label_column)
        self.transform = transform
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Augment in another way in another epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """The items of a batch: torch's loader asks for them together."""
        rows = self.rows[indices]
        chances = [draws(self.seed, self.epoch, index) for index in indices]
        return _items(rows[self.columns[0]], rows[self.columns[1]], self.transform, indices, chances)


class ImageStream(IterableDataset[Item]):
    """A stream of rows as a model's tensors; the arguments are those of `ImageDataset`."""

    def __init__(self, rows: Any, image_column: str, label_column: str, transform: Transform, seed: int = 0) -> None:
        self.rows = rows
        self.columns = (image_column, label_column)
        self.transform = transform
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Shuffle and augment in another way in another epoch."""
        self.epoch = epoch
        self.rows.set_epoch(epoch)

    def __iter__(self) -> Iterator[Item]:
        for index, row in enumerate(self.rows):
            cells, labels = [row[self.columns[0]]], [row[self.columns[1]]]
            yield from _items(cells, labels, self.transform, [index], [draws(self.seed, self.epoch, index)])


def make_transforms(processor: Any, family: Family, model_config: Any, config: FinetuneConfig) -> Transforms:
    """The transforms for a checkpoint's processor and the options of a fine-tune.

    Args:
        processor: The checkpoint's image processor.
        family: Its family.
        model_config: Its configuration.
        config: The options.

    Raises:
        UsageError: A patch budget is given for a family of one size, or mixing of images for one of many.
        ProcessorError: The processor does not say how it resizes or normalises.
        MissingDependencyError: RandAugment is asked for, and timm is not installed.
    """
    pixels = pixels_of(processor)
    many_sizes = family.layout == "patches" or (family.name == "timm_naflexvit" and config.patch_budget is not None)
    of_naflex = {"patch_budget": config.patch_budget is not None, "upscale": not config.upscale}
    useless = " and ".join(name for name, is_set in of_naflex.items() if is_set)
    if useless and not many_sizes:
        raise UsageError(f"{useless} is for NaFlex models, and {family.title} takes images of one size")
    if many_sizes and (config.mixup or config.cutmix):
        raise UsageError("mixup and cutmix need images of one size, and a NaFlex batch has many")
    if many_sizes:
        side = _patch_size(processor, model_config)
        budget = config.patch_budget or int(processor.max_num_patches)
        augmentation = _augmentation(config, pixels, round(budget**0.5 * side), aspect=1.0)
        plain = PatchTransform(pixels, side, budget, config.upscale, timm=family.is_timm)
        train = PatchTransform(pixels, side, budget, config.upscale, augmentation, timm=family.is_timm)
        return Transforms(train, plain, plain.collate)
    evaluation = ProcessorTransform(processor)
    size = _size_of(processor)
    fixed = _augmentation(config, pixels, min(size))
    return Transforms(
        evaluation if fixed is None else AugmentedTransform(pixels, size, fixed), evaluation, collate_images
    )


def collate_images(items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """A batch of images of one size: `pixel_values` [B, 3, H, W] and `labels` [B]."""
    return {
        "pixel_values": torch.stack([item["pixel_values"] for item in items]),
        "labels": torch.tensor([item["labels"] for item in items]),
    }


def pixels_of(processor: Any) -> Pixels:
    """Statistics and filter of a processor.

    Raises:
        ProcessorError: It does not say them.
    """
    timm_data = getattr(processor, "data_config", None)
    if timm_data is not None:
        resample = Resampling[str(timm_data["interpolation"]).upper()]
        return Pixels(tuple(timm_data["mean"]), tuple(timm_data["std"]), 1 / 255, resample)
    mean, std, scale = (getattr(processor, name, None) for name in ("image_mean", "image_std", "rescale_factor"))
    if not (mean and std and scale and processor.do_rescale and processor.do_normalize):
        raise ProcessorError(
            f"{type(processor).__name__} neither rescales nor normalises as it was saved (image_mean {mean}, "
            f"image_std {std}, rescale_factor {scale}): take the base model's own."
        )
    return Pixels(tuple(mean), tuple(std), float(scale), Resampling(int(processor.resample)))


def _size_of(processor: Any) -> tuple[int, int]:
    """Height and width in pixels of what a processor makes of any image."""
    timm_data = getattr(processor, "data_config", None)
    if timm_data is not None:
        return cast("tuple[int, int]", tuple(timm_data["input_size"][1:]))
    crop = getattr(processor, "crop_size", None) if getattr(processor, "do_center_crop", False) else None
    size = crop or processor.size
    height, width = size["height"], size["width"]
    if not height or not width:
        raise ProcessorError(
            f"{type(processor).__name__} makes images of many sizes ({size}), which cannot be batched."
        )
    return int(height), int(width)


def _patch_size(processor: Any, model_config: Any) -> int:
    """Side of a patch in pixels: of the processor, or of the model where the processor is timm's."""
    if getattr(processor, "patch_size", None):
        return int(processor.patch_size)
    return patch_size_of(build_on_meta(class_for(model_config, "classification"), model_config))[0]


def _augmentation(config: FinetuneConfig, pixels: Pixels, size: int, aspect: float = 4 / 3) -> Augmentation | None:
    if config.augmentation == "none":
        return None
    policy = randaugment(pixels.mean, size) if config.augmentation == "randaugment" else None
    return Augmentation(config.crop_area, config.flip, aspect, policy)


def _items(
    cells: Sequence[Any],
    labels: Sequence[int],
    transform: Transform,
    indices: Sequence[int],
    chances: Sequence[Random],
) -> list[Item]:
    images = [decode_image(cell, f"image {index}") for cell, index in zip(cells, indices, strict=True)]
    items = transform(images, chances)
    for item, label in zip(items, labels, strict=True):
        item["labels"] = int(label)
    return items

"""Images of many sizes and aspect ratios as sequences of patches: budget, masks, grids, and batches of like length.

The layout is that of SigLIP 2's own processor. Unlike it, a batch is padded to its longest sequence and not to the
budget, and images of like length can share a batch, so that padding costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Sampler

from v5lint.runtime.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from PIL import Image

    from v5lint.runtime.augment import Augmentation
    from v5lint.runtime.transforms import Pixels

_BATCHES_IN_BUCKET = 50


@dataclass(frozen=True)
class PatchTransform:
    """Images to patches: each image resized so that its patches fit the budget, with its aspect ratio kept.

    Attributes:
        pixels: Statistics and filter of the backbone.
        patch_size: Side of a patch in pixels.
        budget: Most patches of an image.
        upscale: Whether an image smaller than the budget is enlarged to it, as SigLIP 2's processor does.
        augmentation: Of training images; `None` to evaluate.
        timm: Whether the tensors are named and laid out for timm's NaFlexViT.
    """

    pixels: Pixels
    patch_size: int
    budget: int
    upscale: bool = True
    augmentation: Augmentation | None = None
    timm: bool = False

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise UsageError(f"patch_budget {self.budget}: an image needs at least one patch")

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns of patches of an image of this size in pixels."""
        return _grid(width, height, self.patch_size, self.budget, self.upscale)

    def __call__(self, images: Sequence[Image.Image], chances: Sequence[Random]) -> list[dict[str, torch.Tensor]]:
        """`patches` [rows * columns, P*P*3] and `grid` [2] of each image."""
        return [self._one(image, draw) for image, draw in zip(images, chances, strict=True)]

    def _one(self, image: Image.Image, draw: Random) -> dict[str, torch.Tensor]:
        width, height = image.size
        box = None if self.augmentation is None else self.augmentation.box(width, height, draw)
        if box is not None:
            width, height = box[2] - box[0], box[3] - box[1]
        rows, columns = self.grid(width, height)
        side = self.patch_size
        image = image.resize((columns * side, rows * side), self.pixels.resample, box=box)
        if self.augmentation is not None:
            image = self.augmentation.after_resize(image, draw)
        cut = np.asarray(image).reshape(rows, side, columns, side, 3).transpose(0, 2, 1, 3, 4)
        patches = self.pixels.normalized(cut.reshape(rows * columns, side * side, 3))
        return {"patches": patches.reshape(rows * columns, -1), "grid": torch.tensor((rows, columns))}

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """A batch, padded to its longest sequence: the model's own tensors [B, N, ...] and `labels` [B]."""
        lengths = torch.tensor([len(item["patches"]) for item in items])
        longest = int(lengths.max())
        first = items[0]["patches"]
        pixels = first.new_zeros(len(items), longest, first.shape[1])
        for row, item in enumerate(items):
            pixels[row, : len(item["patches"])] = item["patches"]
        valid = torch.arange(longest) < lengths.unsqueeze(1)
        grids = torch.stack([item["grid"] for item in items])
        batch = {"pixel_values": pixels, "labels": torch.tensor([item["labels"] for item in items])}
        if not self.timm:
            return {**batch, "pixel_attention_mask": valid.to(torch.int32), "spatial_shapes": grids}
        steps = torch.arange(longest)
        rows, columns = steps // grids[:, 1:], steps % grids[:, 1:]
        return {**batch, "patch_coord": torch.stack([rows, columns], dim=2) * valid.unsqueeze(2), "patch_valid": valid}


@lru_cache(maxsize=65536)
def _grid(width: int, height: int, patch_size: int, budget: int, upscale: bool) -> tuple[int, int]:
    rows, columns = math.ceil(height / patch_size), math.ceil(width / patch_size)
    if not upscale and rows * columns <= budget:
        return rows, columns
    target = _processor_size()(height, width, patch_size, budget)
    return target[0] // patch_size, target[1] // patch_size


@lru_cache(maxsize=1)
def _processor_size() -> Any:
    """SigLIP 2's own rule for the size of an image; the module that has it imports torchvision since 5.4."""
    try:
        from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches
    except ModuleNotFoundError:
        from transformers.models.siglip2.image_processing_siglip2 import get_image_size_for_max_num_patches
    return get_image_size_for_max_num_patches


class BucketSampler(Sampler[int]):
    """Every index once an epoch, in an order in which neighbours have like lengths.

    The order is drawn from seed and epoch alone, so that all processes and a resumed run draw the same. Chunks of
    fifty batches are sorted by length and cut into batches, and the batches are shuffled: as random as can be while a
    batch has sequences of one length.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of another epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        order = generator.permutation(len(self.lengths))
        chunk = self.batch_size * _BATCHES_IN_BUCKET
        batches: list[list[int]] = []
        for start in range(0, len(order), chunk):
            part = order[start : start + chunk]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[i : i + self.batch_size].tolist() for i in range(0, len(part), self.batch_size)]
        short = [batch for batch in batches if len(batch) < self.batch_size]
        full = [batch for batch in batches if len(batch) == self.batch_size]
        for index in generator.permutation(len(full)):
            yield from full[index]
        for batch in short:  # last, or every later batch would be cut across two of these
            yield from batch

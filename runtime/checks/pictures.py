"""Pictures for a report: what the model sees of an image."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

    from v5lint.runtime.checks.sources import Batch
    from v5lint.runtime.checks.subject import Subject

_SIDE = 192


class Album(Mapping[str, bytes]):
    """PNG files by title, each of which is drawn when somebody wants it: in a training, most often nobody does."""

    def __init__(self) -> None:
        self._draw: dict[str, Callable[[], Image.Image]] = {}
        self._drawn: dict[str, bytes] = {}

    def add(self, title: str, draw: Callable[[], Image.Image]) -> None:
        """Keep how a picture is drawn, in place of one of the same title."""
        self._draw[title] = draw
        self._drawn.pop(title, None)

    def take(self, other: Album) -> None:
        """Add all pictures of another album."""
        self._draw |= other._draw
        for title in other._draw:
            self._drawn.pop(title, None)
        self._drawn |= other._drawn

    def __getitem__(self, title: str) -> bytes:
        if title not in self._drawn:
            buffer = io.BytesIO()
            self._draw[title]().save(buffer, "PNG")
            self._drawn[title] = buffer.getvalue()
        return self._drawn[title]

    def __iter__(self) -> Iterator[str]:
        return iter(self._draw)

    def __len__(self) -> int:
        return len(self._draw)


def as_picture(subject: Subject, batch: Batch, index: int) -> Image.Image | None:
    """An image as the model sees it, put back together from its tensors; `None` where that is not possible.

    Args:
        subject: Whose processor says mean and standard deviation.
        batch: `pixel_values` [B, 3, H, W], or patches [B, N, P*P*3] with `spatial_shapes` [B, 2].
        index: Which image.
    """
    values = batch["pixel_values"][index].detach().float().cpu()
    if values.dim() == 2:
        if "spatial_shapes" not in batch:
            return None
        if values.shape[1] != 3 * round((values.shape[1] / 3) ** 0.5) ** 2:
            return None  # no square patches of three channels: a fault that the resolution check names
        values = _from_patches(values, [int(side) for side in batch["spatial_shapes"][index]])
    if values.dim() != 3 or values.shape[0] != 3:
        return None
    mean, std = statistics_of(subject.image_processor)
    pixels = np.asarray(values.permute(1, 2, 0)) * np.asarray(std) + np.asarray(mean)
    picture = Image.fromarray((np.clip(np.nan_to_num(pixels), 0, 1) * 255).round().astype(np.uint8))
    scale = _SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST)


def statistics_of(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation that a processor normalises with; those of no change where it does not say."""
    data = getattr(processor, "data_config", None)
    if data:
        return tuple(data["mean"]), tuple(data["std"])
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if mean is None or std is None or getattr(processor, "do_normalize", True) is False:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return tuple(mean), tuple(std)


def images_of(batch: Batch) -> list[np.ndarray[Any, Any]] | None:
    """The images of a batch as arrays [H, W, 3]."""
    pixels = batch.get("pixel_values")
    if pixels is None:
        return None
    values = pixels.detach().float().cpu()
    if values.dim() == 4 and values.shape[1] == 3:
        return list(np.asarray(values.permute(0, 2, 3, 1)))
    if values.dim() != 3:
        return None
    if "spatial_shapes" in batch:
        shapes = batch["spatial_shapes"].tolist()
    elif "patch_coord" in batch:
        kept = batch["patch_coord"] * batch["patch_valid"].unsqueeze(-1)
        shapes = (kept.amax(dim=1) + 1).tolist()
    else:
        return None
    images = []
    for sequence, (rows, columns) in zip(values, shapes, strict=True):
        used = sequence[: rows * columns]
        side = round((sequence.shape[1] / 3) ** 0.5)
        if len(used) < rows * columns:
            return None
        image = used.reshape(rows, columns, side, side, 3).permute(0, 2, 1, 3, 4)
        images.append(np.asarray(image.reshape(rows * side, columns * side, 3)))
    return images


def _from_patches(values: torch.Tensor, shape: list[int]) -> torch.Tensor:
    """Patches [N, P*P*3] in rows as an image [3, H, W]."""
    rows, columns = shape
    side = round((values.shape[1] / 3) ** 0.5)
    used = values[: rows * columns]
    if len(used) < rows * columns:
        return used
    return used.reshape(rows, columns, side, side, 3).permute(4, 0, 2, 1, 3).reshape(3, rows * side, columns * side)

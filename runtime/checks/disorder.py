"""What a wrong picture is, where neither its statistics nor a usual geometry explain it: axes, patches, eight bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from v5lint.runtime.checks.sources import Batch

    Array: TypeAlias = "np.ndarray[Any, Any]"

_EXPLAINED = 0.9
_LEVELS = 52
_DROP, _STILL = 0.4, 0.02
"""Of the range of a ramp: what it falls by where it wraps around, and what it rises by where it is cut off."""
_ENDS, _MIDDLE = 2, 3
_EVEN = 0.15


def disorder_of(ours: Batch, theirs: Batch) -> str:
    """What exchange of axes makes our tensors of the processor's; "" where none does.

    Args:
        ours: Of the data set, of the pictures that the processor was given.
        theirs: Of the processor.
    """
    pixels, wanted = ours.get("pixel_values"), theirs.get("pixel_values")
    if pixels is None or wanted is None or pixels.shape != wanted.shape:
        return ""
    for what, change in (_OF_IMAGES if wanted.dim() == 4 else _OF_PATCHES).items():
        made = change(wanted, theirs)
        if made is not None and not torch.equal(made, wanted) and _explained(pixels, made) >= _EXPLAINED:
            return what
    return ""


def grey_ramp(size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    """Images of one grey each, from black to white in even steps."""
    return [Image.new("RGB", size, (level,) * 3) for level in range(0, 256, 255 // (_LEVELS - 1))]


def ramp_fault(values: Array) -> str:
    """What is wrong with the values that a ramp of greys becomes, [N, 3]; "" where they rise evenly."""
    return next((found for channel in values.T if (found := _line_fault(channel))), "")


def _line_fault(line: Array) -> str:
    steps = np.diff(line)
    span = float(np.ptp(line))
    if span <= 0:
        return ""
    rising = steps > 0
    if (steps <= -_DROP * span).any() and rising.mean() >= 0.5:
        return (
            "values wrap around: what grows beyond 255 in eight bits begins at 0 again (compute with wider numbers, "
            "then clip)"
        )
    still = np.abs(steps) <= _STILL * np.abs(steps).max()
    moving = np.flatnonzero(~still)
    lead, tail = int(moving[0]), len(steps) - 1 - int(moving[-1])
    middle = steps[moving[0] + 1 : moving[-1]]
    even = len(middle) >= _MIDDLE and float(np.ptp(middle)) <= _EVEN * float(np.abs(middle).max())
    if lead + tail >= _ENDS and even:
        return (
            f"values are cut off at {line.min() + 0.0:.3g} and {line.max() + 0.0:.3g}: something clips them after they "
            "were normalised"
        )
    return ""


def _explained(ours: torch.Tensor, wanted: torch.Tensor) -> float:
    """Share of the variance that is explained, of the whole batch."""
    one, other = (tensor.detach().float().cpu().flatten() for tensor in (ours, wanted))
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1]) ** 2


def _reshaped(pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
    return pixels.permute(0, 2, 3, 1).reshape(pixels.shape)


def _reshaped_back(pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
    count, channels, height, width = pixels.shape
    return pixels.reshape(count, height, width, channels).permute(0, 3, 1, 2)


def _upside_down(pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
    return pixels.flip(-2)


def _sides(pixels: torch.Tensor) -> int:
    return round((pixels.shape[-1] / 3) ** 0.5)


def _channels_first(pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
    side = _sides(pixels)
    return pixels.reshape(*pixels.shape[:2], side, side, 3).permute(0, 1, 4, 2, 3).reshape(pixels.shape)


def _transposed_patches(pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
    side = _sides(pixels)
    return pixels.reshape(*pixels.shape[:2], side, side, 3).transpose(2, 3).reshape(pixels.shape)


def _by_columns(pixels: torch.Tensor, batch: Batch) -> torch.Tensor | None:
    if "spatial_shapes" not in batch:
        return None
    made = pixels.clone()
    for index, (rows, columns) in enumerate(batch["spatial_shapes"].tolist()):
        used = pixels[index, : rows * columns].reshape(rows, columns, -1)
        made[index, : rows * columns] = used.transpose(0, 1).reshape(rows * columns, -1)
    return made


_OF_IMAGES: dict[str, Callable[[torch.Tensor, Batch], torch.Tensor | None]] = {
    "read in the wrong order of its axes: height, width and channels are reshaped to channels, height and width, where "
    "permute(2, 0, 1) is meant": _reshaped,
    "read in the wrong order of its axes: channels, height and width are reshaped to height, width and channels, where "
    "permute(1, 2, 0) is meant": _reshaped_back,
    "upside down": _upside_down,
}
_OF_PATCHES: dict[str, Callable[[torch.Tensor, Batch], torch.Tensor | None]] = {
    "laid out otherwise: each patch has its channels first, where the model reads rows, columns, channels":
        _channels_first,
    "laid out otherwise: each patch is transposed": _transposed_patches,
    "laid out otherwise: the patches stand column by column, where the model reads them row by row": _by_columns,
}  # fmt: skip

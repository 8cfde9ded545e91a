"""Patch features as maps over the whole image, in every family, and a picture of what they tell apart.

A processor that crops (DINOv2's, timm's) leaves the margins of an image out, so a patch would have no known place in
the file. Here the whole image is squashed to the processor's size instead, with the processor's own filter and
statistics; NaFlex keeps the aspect ratio as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from PIL import Image

from v5lint.runtime.errors import UsageError
from v5lint.runtime.features import patch_features
from v5lint.runtime.inputs import patch_size_of
from v5lint.runtime.transforms import pixels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint

Map: TypeAlias = "np.ndarray[Any, Any]"
COMPONENTS = 3
"""Of the picture: one for red, green and blue each."""
_PROBE_SIDE = 64


def feature_maps(
    opened: OpenCheckpoint, images: Sequence[Image.Image], *, resolution: int | None = None
) -> list[torch.Tensor]:
    """The patch tokens of each image as a map over the whole image, without class and register tokens and padding.

    Args:
        opened: From `open_checkpoint`, for any task.
        images: In RGB.
        resolution: Side in pixels of the square that the model sees; by default the processor's.

    Returns:
        One map [D, H/P, W/P] in float32 an image; of one grid but for NaFlex.

    Raises:
        UsageError: The model cannot take this resolution.
    """
    with torch.no_grad():  # not inference_mode: a head may be trained on them
        maps = patch_features(opened.model, whole_image_inputs(opened, images, resolution=resolution))
    return [features.float().cpu() for features in maps]


def whole_image_inputs(
    opened: OpenCheckpoint, images: Sequence[Image.Image], *, resolution: int | None = None
) -> dict[str, torch.Tensor]:
    """The tensors of whole images, none of them cropped.

    Args:
        opened: From `open_checkpoint`.
        images: In RGB.
        resolution: Side in pixels of the square that the model sees; by default the processor's.

    Raises:
        UsageError: The model cannot take this resolution.
    """
    if resolution is not None:
        check_resolution(opened, resolution)
    if resolution is None and opened.family.resize != "crop":
        return opened.inputs(list(images))
    if resolution is None:
        height, width = _native_size(opened)
    else:
        height = width = resolution
    pixels = pixels_of(opened.processor)
    values = np.stack([np.asarray(image.resize((width, height), pixels.resample)) for image in images])
    return {"pixel_values": pixels.normalized(values).permute(0, 3, 1, 2).contiguous().to(opened.device)}


def check_resolution(opened: OpenCheckpoint, resolution: int) -> None:
    """Raise unless a model can see squares of this side.

    Raises:
        UsageError: It cannot; the message says what it takes.
    """
    title = opened.family.title
    if opened.family.layout == "patches":
        raise UsageError(f"resolution {resolution}: {title} keeps the aspect ratio within a budget of patches")
    native, side = _native_size(opened), patch_size_of(opened.model)[0]
    if resolution < side or resolution % side:
        raise UsageError(f"resolution {resolution}: must be a multiple of the patch, {side} pixels")
    if opened.family.off_grid == "error" and (resolution, resolution) != native:
        raise UsageError(
            f"resolution {resolution}: {title} was trained at {native[0]} x {native[1]} pixels and has a position "
            "embedding for each of its patches; DINOv2, DINOv3 and NaFlex models take others"
        )


def principal_components(maps: Sequence[torch.Tensor], count: int = COMPONENTS) -> list[Map]:
    """The first principal components of all patches of all images together, each scaled to the range 0 to 1.

    The images share the components, so that a colour means the same in all of them.

    Args:
        maps: [D, rows, columns] each, from `feature_maps`.
        count: How many components.

    Returns:
        [rows, columns, count] in float64 an image.

    Raises:
        UsageError: There are fewer patches, or fewer features, than components.
    """
    from sklearn.decomposition import PCA

    tokens = np.concatenate([features.flatten(1).T.double().numpy() for features in maps])
    if min(tokens.shape) < count:
        raise UsageError(
            f"{tokens.shape[0]} patches of {tokens.shape[1]} features have no {count} principal components"
        )
    projected = PCA(n_components=count, random_state=0).fit_transform(tokens)
    low = projected.min(axis=0)
    span = projected.max(axis=0) - low
    scaled = (projected - low) / np.where(span > 0, span, 1)
    shapes = [(features.shape[1], features.shape[2]) for features in maps]
    parts = np.split(scaled, np.cumsum([rows * columns for rows, columns in shapes])[:-1])
    return [part.reshape(rows, columns, count) for part, (rows, columns) in zip(parts, shapes, strict=True)]


def component_picture(components: Map, cell: int) -> Image.Image:
    """A map of three components as a picture: a square of `cell` pixels a patch.

    Args:
        components: [rows, columns, 3] between 0 and 1, from `principal_components`.
        cell: Side of a patch in the picture, in pixels.
    """
    rows, columns, _ = components.shape
    picture = Image.fromarray(np.round(components * 255).astype(np.uint8))
    return picture.resize((columns * cell, rows * cell), Image.Resampling.NEAREST)


def _native_size(opened: OpenCheckpoint) -> tuple[int, int]:
    """Height and width in pixels of what the processor makes of an image."""
    probe = opened.inputs([Image.new("RGB", (_PROBE_SIDE, _PROBE_SIDE))])["pixel_values"]
    return int(probe.shape[-2]), int(probe.shape[-1])

"""Folders of small pictures for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def picture(seed: int, width: int = 30, height: int = 20) -> Image.Image:
    """A picture of noise."""
    return Image.fromarray(numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8))


def class_folders(root: Path, counts: Mapping[str, int]) -> Path:
    """One folder a class with so many pictures, each of another size."""
    for position, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            picture(100 * position + index, 30 + index, 20 + 2 * index).save(root / name / f"{index}.png")
    return root

"""Find the same picture twice: by its pixels, and by a perceptual hash that resizing and compression leave alone.

A hash has 64 bits: the signs of the lowest frequencies of a 32 x 32 grey image, as the well-known pHash. Recompression
and resizing keep it within 4 bits; a mirrored or turned image has another hash, so a training image is hashed in all of
its eight positions. Hashes of different pictures collide once in 100,000 pairs of photographs, and far more often
where pictures are alike by nature (digits, scans), so a match is confirmed on the grey image itself.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Array: TypeAlias = "np.ndarray[Any, Any]"

_SIDE = 32
_LOW = 8
_DISTANCE = 4
_CORRELATION = 0.995


@dataclass(frozen=True)
class Hashes:
    """Of N images.

    Attributes:
        exact: The same for two images, of those that were hashed together, where their decoded pixels are the same.
        low: The lowest frequencies of the grey image, [N, 8, 8].
        grey: 32 x 32 grey values with mean 0 and length 1, [N, 32, 32]; zero for an image of one colour.
    """

    exact: list[bytes]
    low: Array
    grey: Array

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def rows(self) -> Array:
        """The grey values of each image in one row, [N, 1024]."""
        return self.grey.reshape(len(self.grey), -1)


def hash_images(*groups: Sequence[Image.Image]) -> list[Hashes]:
    """Hash some images that are to be compared with one another, each group by itself."""
    small = [small_grey(images) for images in groups]
    keys = [
        [repr(image.size).encode() + grey.tobytes() for image, grey in zip(images, values, strict=True)]
        for images, values in zip(groups, small, strict=True)
    ]
    # All pixels are read of those alone that may be the same: it takes as long as all the rest.
    times = Counter(key for side in keys for key in side)
    exact = [
        [key if times[key] == 1 else _digest(image) for image, key in zip(images, side, strict=True)]
        for images, side in zip(groups, keys, strict=True)
    ]
    return [_hashes(*each) for each in zip(exact, small, strict=True)]


def small_grey(images: Sequence[Image.Image]) -> Array:
    """The images as 32 x 32 grey values of eight bits."""
    small: Array = np.zeros((len(images), _SIDE, _SIDE), dtype=np.uint8)
    size = (_SIDE, _SIDE)
    for index, image in enumerate(images):
        # Of a large image nine tenths of the time go without reducing_gap, and what comes out is the same.
        small[index] = image.convert("L").resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return small


def same_pixels(train: Hashes, evaluation: Hashes) -> Array:
    """Which evaluation images are training images, pixel for pixel: a mask. Of one colour they are no pictures."""
    known = set(train.exact)
    same: Array = np.array([digest in known for digest in evaluation.exact], dtype=bool)
    return same & evaluation.rows.any(axis=1)


def alike(train: Hashes, evaluation: Hashes) -> Array:
    """Which evaluation images [N] are nearly which training image [M], mirrored or turned or not: a mask [N, M]."""
    found: Array = np.zeros((len(evaluation), len(train)), dtype=bool)
    asked = _signs(evaluation.low)
    for turned, mirrored in product((False, True), (1, -1)):
        for upended in (1, -1):
            # Mirrored, every second frequency has the other sign; turned, rows are columns.
            low = train.low.transpose(0, 2, 1) if turned else train.low
            signs = np.array([1.0, mirrored] * (_LOW // 2)), np.array([1.0, upended] * (_LOW // 2))
            bits = _signs(low * signs[0][None, None, :] * signs[1][None, :, None])
            for start in range(0, len(asked), 256):
                distance = (64 - asked[start : start + 256] @ bits.T) / 2
                rows, columns = np.nonzero(distance <= _DISTANCE)
                for some in range(0, len(rows), 4096):
                    part = slice(some, some + 4096)
                    grey = train.grey[columns[part]]
                    grey = grey.transpose(0, 2, 1) if turned else grey
                    grey = grey[:, ::upended, ::mirrored].reshape(len(grey), -1)
                    near = (evaluation.rows[start + rows[part]] * grey).sum(axis=1) >= _CORRELATION
                    found[start + rows[part][near], columns[part][near]] = True
    return found


def _digest(image: Image.Image) -> bytes:
    pixels = image if image.mode == "RGB" else image.convert("RGB")
    return hashlib.sha1(repr(image.size).encode() + pixels.tobytes()).digest()


def _hashes(exact: list[bytes], small: Array) -> Hashes:
    grey: Array = small.reshape(len(small), -1).astype(np.float32)
    grey = grey - grey.mean(axis=1, keepdims=True)
    grey = grey / np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6)
    grey = grey.reshape(-1, _SIDE, _SIDE)
    basis = _cosines()
    return Hashes(exact, basis @ grey @ basis.T, grey)


def _signs(low: Array) -> Array:
    """The hash [N, 64] of the lowest frequencies [N, 8, 8]."""
    rows = low.reshape(len(low), -1)
    median = np.median(rows[:, 1:], axis=1, keepdims=True) if len(rows) else rows
    signs: Array = np.where(rows > median, 1.0, -1.0).astype(np.float32)
    return signs


@cache
def _cosines() -> Array:
    """The lowest rows of the discrete cosine transform, [8, 32]."""
    places = np.arange(_SIDE) + 0.5
    basis: Array = np.cos(np.pi / _SIDE * np.arange(_LOW)[:, None] * places[None, :]).astype(np.float32)
    return basis

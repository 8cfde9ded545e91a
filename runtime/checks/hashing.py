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
from functools import cache, cached_property
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

    @cached_property
    def shows(self) -> list[bool]:
        """Of each image whether it has more than one colour: others are no pictures of something."""
        return [bool(each) for each in self.rows.any(axis=1)]  # type: ignore[union-attr]  # of one axis: an array


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
    size = (_SIDE, _SIDE)
    sheet = Image.new("L", (_SIDE, _SIDE * len(images)))  # one array is made, not one for each image
    for index, image in enumerate(images):
        # Of a large image nine tenths of the time go without reducing_gap, and what comes out is the same.
        small = image.convert("L").resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        sheet.paste(small, (0, _SIDE * index))
    return np.asarray(sheet, dtype=np.uint8).reshape(len(images), _SIDE, _SIDE)


def same_pixels(train: Hashes, evaluation: Hashes) -> Array:
    """Which evaluation images are training images, pixel for pixel: a mask."""
    known = set(train.exact)
    pairs = zip(evaluation.exact, evaluation.shows, strict=True)
    same: Array = np.array([shows and digest in known for digest, shows in pairs], dtype=bool)
    return same


def alike(train: Hashes, evaluation: Hashes) -> Array:
    """Which evaluation images [N] are nearly which training image [M], mirrored or turned or not: a mask [N, M]."""
    found: Array = np.zeros((len(evaluation), len(train)), dtype=bool)
    asked = _signs(evaluation.low)
    for mirrored, upended in product((1, -1), (1, -1)):
        # Mirrored, every second frequency has the other sign; turned, rows are columns.
        signs = (np.array([1, each] * (_LOW // 2), dtype=np.float32) for each in (upended, mirrored))
        upright = _signs(train.low * np.outer(*signs))
        for turned in (False, True):
            bits = upright.reshape(-1, _LOW, _LOW).transpose(0, 2, 1).reshape(-1, _LOW * _LOW) if turned else upright
            for start in range(0, len(asked), 256):
                distance = (64 - asked[start : start + 256] @ bits.T) / 2
                rows, columns = np.nonzero(distance <= _DISTANCE)
                for some in range(0, len(rows), 4096):
                    part = slice(some, some + 4096)
                    grey = train.grey[columns[part]][:, ::upended, ::mirrored]
                    grey = (grey.transpose(0, 2, 1) if turned else grey).reshape(len(grey), -1)
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
    middle = (rows.shape[1] - 1) // 2
    median = np.partition(rows[:, 1:], middle, axis=1)[:, middle, None]
    signs: Array = np.where(rows > median, np.float32(1), np.float32(-1))
    return signs


@cache
def _cosines() -> Array:
    """The lowest rows of the discrete cosine transform, [8, 32]."""
    places = np.arange(_SIDE) + 0.5
    basis: Array = np.cos(np.pi / _SIDE * np.arange(_LOW)[:, None] * places[None, :]).astype(np.float32)
    return basis

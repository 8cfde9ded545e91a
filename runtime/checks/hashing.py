"""Find the same picture twice: by its pixels, and by a perceptual hash that resizing and compression leave alone.

A hash has 64 bits: the signs of the lowest frequencies of a 32 x 32 grey image, as the well-known pHash. Recompression
and resizing keep it within 4 bits; a mirrored or turned image has another hash, so a training image is hashed in all of
its eight positions. Hashes of
different pictures collide once in 100,000 pairs of photographs, and far more often where pictures are alike by nature
(digits, scans), so a match is confirmed on the grey image itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
        exact: Digest of the decoded pixels, one an image.
        bits: Perceptual hash as signs, [N, 64].
        grey: 32 x 32 grey values with mean 0 and length 1, [N, 1024]; zero for an image of one colour.
    """

    exact: list[bytes]
    bits: Array
    grey: Array


def hash_images(images: Sequence[Image.Image]) -> Hashes:
    """Hash some images."""
    exact: list[bytes] = []
    small: Array = np.zeros((len(images), _SIDE, _SIDE), dtype=np.float32)
    for index, image in enumerate(images):
        exact.append(hashlib.sha1(repr(image.size).encode() + image.convert("RGB").tobytes()).digest())
        small[index] = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    return _hashes(exact, small)


def matches(train: Hashes, evaluation: Hashes) -> tuple[Array, Array]:
    """Which evaluation images are in the training data.

    Returns:
        Two masks over the evaluation images: the same pixels; nearly the same picture, mirrored or turned or not (the
        exact ones among them).
    """
    known = set(train.exact)
    exact = np.array([digest in known for digest in evaluation.exact], dtype=bool)
    near = exact.copy()
    for grey, bits in _positions(train):
        for start in range(0, len(evaluation.bits), 256):
            part = slice(start, start + 256)
            distance = (64 - evaluation.bits[part] @ bits.T) / 2
            rows, columns = np.nonzero(distance <= _DISTANCE)
            alike = (evaluation.grey[part][rows] * grey[columns]).sum(axis=1) >= _CORRELATION
            near[start + rows[alike]] = True
    return exact, near


def _hashes(exact: list[bytes], small: Array) -> Hashes:
    grey = small.reshape(len(small), -1)
    grey = grey - grey.mean(axis=1, keepdims=True)
    grey = grey / np.maximum(np.linalg.norm(grey, axis=1, keepdims=True), 1e-6)
    return Hashes(exact, _signs(small), grey)


def _positions(hashes: Hashes) -> Iterator[tuple[Array, Array]]:
    """The grey images and their hashes in all eight positions: turned by quarters, and mirrored."""
    upright = hashes.grey.reshape(-1, _SIDE, _SIDE)
    for image in (upright, upright[:, :, ::-1]):
        for quarters in range(4):
            turned = np.rot90(image, quarters, axes=(1, 2))
            yield turned.reshape(len(turned), -1), _signs(turned)


def _signs(small: Array) -> Array:
    basis = _cosines()
    low = (basis @ small @ basis.T).reshape(len(small), -1)
    median = np.median(low[:, 1:], axis=1, keepdims=True) if len(low) else low
    signs: Array = np.where(low > median, 1.0, -1.0).astype(np.float32)
    return signs


@cache
def _cosines() -> Array:
    """The lowest rows of the discrete cosine transform, [8, 32]."""
    places = np.arange(_SIDE) + 0.5
    basis: Array = np.cos(np.pi / _SIDE * np.arange(_LOW)[:, None] * places[None, :]).astype(np.float32)
    return basis

"""Find a part of one picture in another: what is left of a leak after pictures were cropped, and then split.

A perceptual hash sees the whole of a picture, and a crop that leaves out a tenth of it has another one. Here every
picture is compared with the windows of the others on a coarse grid (a product of matrices), the best windows are moved
and stretched until they fit, and a match must hold for the details too: in smooth parts (sky, a dark edge) anything
fits anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from v5lint.runtime.checks.hashing import small_grey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Array: TypeAlias = "np.ndarray[Any, Any]"

_WHOLE = 96
"""Side of the squashed grey picture in which a part is looked for."""
_COARSE, _FINE = 9, 32
"""Sides at which windows are compared, and fitted."""
_SHARES = (
    (0.95, 0.95), (0.87, 0.87), (0.78, 0.78), (0.69, 0.69), (0.6, 0.6), (0.53, 0.53), (0.75, 1.0), (1.0, 0.75),
)  # fmt: skip
"""Width and height of the windows, as shares of the whole: of one shape, and a square out of 4:3 and the like."""
_LIKELY = 0.72
"""Least correlation of a coarse window: half a cell beside the right place, even a noisy picture has this much."""
_NEAREST, _FITTED = 2, 1
"""Pictures that a part is fitted into, and most fits for each part."""
_ALIKE, _DETAIL = 0.995, 0.96
"""Least correlation of a fitted part, and of what is left of both without their coarse structure.

Of parts that were stored as JPEG of quality 40 nearly all have more; pictures that are alike by nature, such as halves
of digits, have up to 0.994 and 0.96.
"""
_LEAST_DETAIL = 2.0
"""Of 255 levels; below, noise is all that could be compared."""
_EDGE = 0.06
"""Share of a window's sides that is its edge."""
_LARGEST = 0.99
"""Share of the area above which a part is the whole: another test's matter."""
_SMALLEST = 0.12
"""Share below which too little of the whole is left to tell."""
_ROUNDS = 8
"""Of a fit."""
_NOTHING = 1e-6
"""Share of a row's square that its differences must have: with less, what differs is rounding."""
_TOGETHER = 256
"""Wholes whose windows are compared at a time."""
_NEARLY = 0.95
"""Least correlation at half of the resolution with which a fit goes on."""


class Parts:
    """Pictures in which, and for which, parts are looked for.

    Args:
        images: The pictures.
        grey: Each as 32 x 32 grey values [N, 32, 32] of any scale, where that is at hand.
    """

    def __init__(self, images: Sequence[Image.Image], grey: Array | None = None) -> None:
        self._images = images
        self.grey = small_grey(images) if grey is None else grey
        self._reduced: dict[int, Array] = {}

    def __len__(self) -> int:
        return len(self._images)

    def reduced(self, index: int) -> Array:
        """A picture as 96 x 96 grey values: few are needed, of those that are alike."""
        if index not in self._reduced:
            size = (_WHOLE, _WHOLE)
            small = self._images[index].convert("L").resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
            self._reduced[index] = np.asarray(small, dtype=np.float32)
        return self._reduced[index]


def cropped_from(wholes: Parts, parts: Parts) -> Array:
    """Which of the parts are cut out of one of the wholes, mirrored or not: a mask over the parts."""
    count = len(parts)
    found: Array = np.zeros(count, dtype=bool)
    if not (len(wholes) and count):
        return found
    upright = np.stack([parts.reduced(index) for index in range(count)])
    fine = _averaged(np.concatenate([upright, upright[:, :, ::-1]]), (_FINE, _FINE))
    wanted = np.concatenate([parts.grey, parts.grey[:, :, ::-1]])
    wanted = _normalised(_averaged(wanted, (_COARSE, _COARSE)).reshape(len(fine), -1))
    scores = _coarse(wholes.grey, wanted)
    scores[~_have_detail(fine)] = -1
    nearest = np.argsort(-scores, axis=1)[:, :_NEAREST]
    pairs = [(float(scores[side, w]), int(w), side) for side in range(len(fine)) for w in nearest[side]]
    # What is left of a leak is among the most alike.
    likely = [(w, side) for score, w, side in sorted(pairs, reverse=True)[: _FITTED * count] if score >= _LIKELY]
    if likely:
        chosen, sides = (list(each) for each in zip(*likely, strict=True))
        starts = _best_windows(wholes.grey[chosen], wanted[sides])
        fitting = _fits(np.stack([wholes.reduced(w) for w in chosen]), fine[sides], starts)
        found[[side % count for side, fits in zip(sides, fitting, strict=True) if fits]] = True
    return found


def _coarse(wholes: Array, wanted: Array) -> Array:
    """Of each coarse part [M, 81] and each whole [N, H, W] the best correlation over all windows, [M, N]."""
    scores: Array = np.full((len(wanted), len(wholes)), -1.0, dtype=np.float32)
    for start in range(0, len(wholes), _TOGETHER):
        best = scores[:, start : start + _TOGETHER]
        for share in _SHARES:
            windows, _ = _windows(wholes[start : start + _TOGETHER], share)
            cells = windows.reshape(wanted.shape[1], -1)
            # What is compared with has the mean 0, so that the windows' own means need not be taken out.
            alike = wanted @ cells
            alike *= (1 / _lengths(cells.T)).T
            np.maximum(best, alike.reshape(len(wanted), *windows.shape[1:]).max(axis=1), out=best)
    return scores


def _best_windows(wholes: Array, wanted: Array) -> Array:
    """Of pairs of a whole [K, H, W] and a coarse part [K, 81] the window that is most like the part, [K, 4]."""
    pairs = np.arange(len(wholes))
    scores, found = np.full(len(wholes), -1.0), np.zeros((len(wholes), 4))
    for share in _SHARES:
        windows, boxes = _windows(wholes, share)
        lengths = _lengths(windows.reshape(wanted.shape[1], -1).T).reshape(windows.shape[1:])
        alike = np.einsum("vwk,kv->wk", windows, wanted) / lengths
        place = alike.argmax(axis=0)
        better = alike[place, pairs] > scores
        scores[better], found[better] = alike[place, pairs][better], boxes[place][better]
    return found


def _windows(wholes: Array, share: tuple[float, float]) -> tuple[Array, Array]:
    """All windows of this width and height in pictures [N, H, W]: coarse [81, W, N], and where they are [W, 4]."""
    columns, rows = (round(_COARSE / part) for part in share)
    small = np.ascontiguousarray(_averaged(wholes, (rows, columns)).transpose(1, 2, 0))  # copied in long runs
    seen = sliding_window_view(small, (_COARSE, _COARSE), axis=(0, 1))
    top, left = (each.ravel() for each in np.indices(seen.shape[:2]))
    low = np.stack([left / columns, top / rows], axis=1)
    boxes = np.concatenate([low, low + np.array([_COARSE / columns, _COARSE / rows])], axis=1)
    return seen.transpose(3, 4, 0, 1, 2).reshape(_COARSE * _COARSE, len(boxes), len(wholes)), boxes


def _fits(wholes: Array, parts: Array, starts: Array) -> Array:
    """Whether windows [K, 4] near these, moved and stretched, have the parts' content and their details: a mask [K]."""
    fits: Array = np.zeros(len(parts), dtype=bool)
    # At half of the resolution twice as far off is within reach.
    halved = [_averaged(values, (side // 2, side // 2)) for values, side in ((wholes, _WHOLE), (parts, _FINE))]
    boxes, best = _fitted(*halved, starts.astype(np.float64))  # type: ignore[call-arg]  # two of them
    near = np.flatnonzero(best >= _NEARLY)
    if not len(near):
        return fits
    boxes, best = _fitted(wholes[near], parts[near], boxes[near])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alike = (best >= _ALIKE) & (areas >= _SMALLEST) & (areas <= _LARGEST)
    near, boxes = near[alike], boxes[alike]
    if len(near):
        detailed = _alike_in_detail(_cut(wholes[near], boxes, _FINE), parts[near])
        fits[near] = detailed & _have_more(wholes[near], boxes)
    return fits


def _fitted(wholes: Array, parts: Array, boxes: Array) -> tuple[Array, Array]:
    """Of each pair the window [K, 4] near a first one that is most like the part, and their correlation [K].

    Each round solves for the move, the stretch and the brightness that explain what is left of the difference (the
    method of Lucas and Kanade), with the gradients of the window itself. All pairs are fitted together, and a pair
    leaves when it has got no better.
    """
    side = parts.shape[1]
    places = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    wanted = _normalised(parts.reshape(len(parts), -1))
    kept, best = boxes.copy(), np.full(len(parts), -1.0)
    going = np.arange(len(parts))
    boxes = boxes.copy()
    for _ in range(_ROUNDS):
        windows = _cut(wholes[going], boxes[going], side)
        scores = (_normalised(windows.reshape(len(going), -1)) * wanted[going]).sum(axis=1)
        better = scores > best[going] + 1e-4
        going, windows = going[better], windows[better]
        if not len(going):
            break
        best[going], kept[going] = scores[better], boxes[going]
        down, right = np.gradient(windows, axis=(1, 2))
        known = np.stack(
            [right, down, right * places[None, None, :], down * places[None, :, None], windows, np.ones_like(windows)],
            axis=1,
        ).reshape(len(going), 6, -1)
        left = (known @ known.transpose(0, 2, 1)).astype(np.float64) + 1e-3 * np.eye(6)
        asked = (known @ parts[going].reshape(len(going), -1, 1)).astype(np.float64)
        solved = np.linalg.solve(left, asked)[..., 0]
        sure = solved[:, 4] > 0.1
        going, solved = going[sure], solved[sure]
        boxes[going] = _moved(boxes[going], np.clip(solved[:, :4] / solved[:, 4:5] / side, -0.15, 0.15))
    return kept, best


def _moved(boxes: Array, change: Array) -> Array:
    """Boxes [K, 4] moved and stretched by shares of their sides, and into the picture where they stand out."""
    corner, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    middle = corner + size / 2 + change[:, :2] * size
    size = np.minimum(size * (1 + change[:, 2:]), 1.0)
    corner = np.clip(middle - size / 2, 0.0, 1.0 - size)
    return np.concatenate([corner, corner + size], axis=1)


def _cut(wholes: Array, boxes: Array, side: int) -> Array:
    """The boxes [K, 4] of as many pictures, each as the means of `side` x `side` parts."""
    rows, columns = (_shares(boxes[:, first], boxes[:, first + 2], side, wholes.shape[1]) for first in (1, 0))
    cut: Array = rows @ wholes @ columns.transpose(0, 2, 1)
    return cut


def _shares(low: Array, high: Array, count: int, size: int) -> Array:
    """How much of each of `size` pixels is in each of `count` equal parts of a stretch, [K, count, size]."""
    edges = size * (low[:, None] + (high - low)[:, None] * np.arange(count + 1) / count)
    pixels = np.arange(size)
    upper = np.minimum(edges[:, 1:, None], pixels + 1)
    lower = np.maximum(edges[:, :-1, None], pixels)
    inside = np.clip(upper - lower, 0, None)
    return np.asarray(inside / inside.sum(axis=2, keepdims=True), dtype=np.float32)


def _alike_in_detail(some: Array, others: Array) -> Array:
    """Whether what is left of pictures [K, H, W] without their coarse structure is alike: a mask [K]."""
    first, second = (_normalised(_details(values).reshape(len(values), -1)) for values in (some, others))
    return np.asarray((first * second).sum(axis=1) >= _DETAIL)


def _have_detail(values: Array) -> Array:
    """Whether pictures have more than smooth changes of brightness and a line or two: a mask."""
    return np.asarray(_details(values).std(axis=(1, 2)) >= _LEAST_DETAIL)


def _have_more(wholes: Array, boxes: Array) -> Array:
    """Whether pictures show anything at the edges of the boxes or outside: a mask [K].

    A sign on a plain ground is moved, not cut out.
    """
    places = (np.arange(wholes.shape[1]) + 0.5) / wholes.shape[1]
    edges = _EDGE * (boxes[:, 2:] - boxes[:, :2])
    low, high = boxes[:, :2] + edges, boxes[:, 2:] - edges
    columns, rows = ((places >= low[:, i, None]) & (places <= high[:, i, None]) for i in (0, 1))
    left: Any = np.ma.masked_array(wholes, rows[:, :, None] & columns[:, None, :])
    return np.asarray(left.std(axis=(1, 2)).filled(0) >= _LEAST_DETAIL)


def _details(values: Array) -> Array:
    """Pictures [K, H, W] less their mean over 7 x 7 around each place, without their edge and what is one line."""
    height, width = values.shape[1:]
    around = _neighbours(height) @ values @ _neighbours(width).T
    left = values[:, 3:-3, 3:-3] - around
    return np.asarray(left - left.mean(axis=1, keepdims=True) - left.mean(axis=2, keepdims=True))


def _neighbours(size: int) -> Array:
    """What takes the means of seven values in a row, [size - 6, size]."""
    distance = np.arange(size) - np.arange(size - 6)[:, None]
    return np.where((distance >= 0) & (distance < 7), np.float32(1 / 7), np.float32(0))


def _averaged(values: Array, size: tuple[int, int]) -> Array:
    """Pictures [N, H, W] as the means of their parts, [N, *size]."""
    zero, one = np.zeros(1), np.ones(1)
    rows, columns = (_shares(zero, one, part, whole)[0] for part, whole in zip(size, values.shape[1:], strict=True))
    averaged: Array = rows @ values @ columns.T
    return averaged


def _normalised(rows: Array) -> Array:
    """Rows with mean 0 and length 1; next to zero for one of a single value."""
    return np.asarray((rows - _means(rows)) / _lengths(rows))


def _lengths(rows: Array) -> Array:
    """The lengths [N, 1] that rows have without their means; of one of a single value more than what is left of it."""
    whole = np.einsum("ij,ij->i", rows, rows)[:, None]
    left = whole - rows.shape[1] * np.square(_means(rows))
    return np.sqrt(np.maximum(np.maximum(left, _NOTHING * whole), 1e-20))


def _means(rows: Array) -> Array:
    return (rows @ np.full(rows.shape[1], 1 / rows.shape[1], dtype=rows.dtype))[:, None]

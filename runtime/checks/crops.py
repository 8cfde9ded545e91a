"""Find a part of one picture in another: what is left of a leak after pictures were cropped, and then split.

A perceptual hash sees the whole of a picture, and a crop that leaves out a tenth of it has another one. Here every
picture is compared with the windows of the others on a coarse grid (a product of matrices), the best windows are moved
and stretched until they fit, and a match must hold for the details too: in smooth parts (sky, a dark edge) anything
fits anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Array: TypeAlias = "np.ndarray[Any, Any]"
    Box: TypeAlias = tuple[float, float, float, float]

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
_ALIKE, _DETAIL = 0.985, 0.93
"""Least correlation of a fitted part, and of what is left of both without their coarse structure."""
_LEAST_DETAIL = 2.0
"""Of 255 levels; below, noise is all that could be compared."""
_LARGEST = 0.99
"""Share of the area above which a part is the whole: another test's matter."""
_SMALLEST = 0.12
"""Share below which too little of the whole is left to tell."""
_ROUNDS = 8
"""Of a fit."""
_NEARLY = 0.95
"""Least correlation at half of the resolution with which a fit goes on."""


@dataclass(frozen=True)
class Parts:
    """Pictures in which, and for which, parts are looked for.

    Attributes:
        wholes: Each as a grey picture of 96 x 96.
        values: Their values, [N, 96, 96].
    """

    wholes: list[Image.Image]
    values: torch.Tensor


def prepare_parts(images: Sequence[Image.Image]) -> Parts:
    """Reduce pictures to what is compared."""
    size = (_WHOLE, _WHOLE)
    wholes = [image.convert("L").resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0) for image in images]
    values = torch.from_numpy(np.stack([np.asarray(whole, dtype=np.float32) for whole in wholes])) if wholes else None
    return Parts(wholes, torch.zeros(0, _WHOLE, _WHOLE) if values is None else values)


def cropped_from(wholes: Parts, parts: Parts) -> Array:
    """Which of the parts are cut out of one of the wholes, mirrored or not: a mask over the parts."""
    count = len(parts.wholes)
    found: Array = np.zeros(count, dtype=bool)
    if not (wholes.wholes and count):
        return found
    sides = torch.cat([parts.values, parts.values.flip(-1)])
    fine = np.asarray(_shrunk(sides, (_FINE, _FINE)))
    scores, boxes = _coarse(wholes.values, sides)
    scores[:, [not _has_detail(values) for values in fine]] = -1
    nearest = np.argsort(-scores, axis=0)[:_NEAREST]
    pairs = [(float(scores[w, side]), int(w), side) for side in range(len(sides)) for w in nearest[:, side]]
    # What is left of a leak is among the most alike.
    for score, whole, side in sorted(pairs, reverse=True)[: _FITTED * count]:
        if score >= _LIKELY and not found[side % count]:
            found[side % count] = _fits(wholes.wholes[whole], fine[side], boxes[whole, side])
    return found


def _coarse(wholes: torch.Tensor, parts: torch.Tensor) -> tuple[Array, Array]:
    """Of each whole and part the best correlation [N, M] over all windows, and where it is [N, M, 4]."""
    size = (_COARSE, _COARSE)
    wanted = torch.from_numpy(_normalised(np.asarray(_shrunk(parts, size)).reshape(len(parts), -1)))
    wanted = wanted.reshape(len(parts), 1, *size)
    scores: Array = np.full((len(wholes), len(parts)), -1.0, dtype=np.float32)
    boxes: Array = np.zeros((len(wholes), len(parts), 4), dtype=np.float32)
    for width, height in _SHARES:
        grid = round(_COARSE / width), round(_COARSE / height)
        columns = grid[0] - _COARSE + 1
        small = _shrunk(wholes, (grid[1], grid[0]))
        small = (small - small.mean(dim=(1, 2), keepdim=True))[:, None]
        # What is compared with has the mean 0, so that the windows' own means need not be taken out.
        product = torch.nn.functional.conv2d(small, wanted)
        mean, square = (torch.nn.functional.avg_pool2d(values, _COARSE, 1) for values in (small, small * small))
        spread = (square - mean * mean).clamp_min(0).sqrt() * _COARSE
        alike = (product / spread.clamp_min(1e-3)).flatten(2).transpose(1, 2)
        score, best = (np.asarray(found) for found in alike.max(dim=1))
        left, top = (best % columns) / grid[0], (best // columns) / grid[1]
        box = np.stack([left, top, left + _COARSE / grid[0], top + _COARSE / grid[1]], axis=-1)
        better = score > scores
        scores = np.where(better, score, scores)
        boxes = np.where(better[..., None], box, boxes)
    return scores, boxes


def _fits(whole: Image.Image, part: Array, start: Array) -> bool:
    """Whether a window near this one, moved and stretched, has the part's content and its details."""
    box: Box = (float(start[0]), float(start[1]), float(start[2]), float(start[3]))
    halved = part.reshape(_FINE // 2, 2, _FINE // 2, 2).mean(axis=(1, 3))
    box, best = _fitted(whole, halved, box)  # twice as far off is within reach
    if best < _NEARLY:
        return False
    box, best = _fitted(whole, part, box)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return best >= _ALIKE and _SMALLEST <= area <= _LARGEST and _alike_in_detail(_cut(whole, box, _FINE), part)


def _fitted(whole: Image.Image, part: Array, box: Box) -> tuple[Box, float]:
    """The window near a first one that is most like the part, and their correlation.

    Each round solves for the move, the stretch and the brightness that explain what is left of the difference (the
    method of Lucas and Kanade), with the gradients of the window itself.
    """
    side = len(part)
    places = (np.arange(side) + 0.5) / side - 0.5
    wanted, kept, best = _normalised(part.reshape(1, -1))[0], box, -1.0
    for _ in range(_ROUNDS):
        window = _cut(whole, box, side)
        score = float(_normalised(window.reshape(1, -1))[0] @ wanted)
        if score <= best + 1e-4:
            break
        best, kept = score, box
        down, right = np.gradient(window)
        known = np.stack([right, down, right * places[None, :], down * places[:, None], window, np.ones_like(window)])
        known = known.reshape(6, -1).astype(np.float64)
        solved = np.linalg.solve(known @ known.T + 1e-3 * np.eye(6), known @ part.reshape(-1))
        if not solved[4] > 0.1:
            break
        x, y, wider, higher = (float(v) for v in np.clip(solved[:4] / solved[4] / side, -0.15, 0.15))
        width, height = box[2] - box[0], box[3] - box[1]
        middle = (box[0] + box[2]) / 2 + x * width, (box[1] + box[3]) / 2 + y * height
        box = _inside(middle, min(width * (1 + wider), 1.0), min(height * (1 + higher), 1.0))
    return kept, best


def _inside(middle: tuple[float, float], width: float, height: float) -> Box:
    """A box of this size around this place, moved into the picture where it stands out."""
    left = min(max(middle[0] - width / 2, 0.0), 1.0 - width)
    top = min(max(middle[1] - height / 2, 0.0), 1.0 - height)
    return left, top, left + width, top + height


def _cut(whole: Image.Image, box: Box, side: int) -> Array:
    edges = (box[0] * _WHOLE, box[1] * _WHOLE, box[2] * _WHOLE, box[3] * _WHOLE)
    return _values(whole.resize((side, side), Image.Resampling.BOX, box=edges))


def _alike_in_detail(one: Array, other: Array) -> bool:
    """Whether what is left of two pictures without their coarse structure is alike."""
    first, second = (_normalised(_details(values).reshape(1, -1))[0] for values in (one, other))
    return float(first @ second) >= _DETAIL


def _has_detail(values: Array) -> bool:
    """Whether a picture has more than smooth changes of brightness and a line or two."""
    return float(_details(values).std()) >= _LEAST_DETAIL


def _details(values: Array) -> Array:
    """A picture less its mean over 7 x 7 around each place, without its edge and without what is one line."""
    around = sliding_window_view(values, (7, 7)).mean(axis=(-1, -2))
    left = values[3:-3, 3:-3] - around
    return np.asarray(left - left.mean(axis=0, keepdims=True) - left.mean(axis=1, keepdims=True))


def _shrunk(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Pictures [N, H, W] as the means of their parts, [N, *size]."""
    return torch.nn.functional.adaptive_avg_pool2d(values[:, None], size)[:, 0]


def _values(image: Image.Image) -> Array:
    return np.asarray(image, dtype=np.float32)


def _normalised(rows: Array) -> Array:
    """Rows with mean 0 and length 1; zero for one of a single value."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-3))

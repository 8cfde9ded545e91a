"""What lies behind the transparent parts of pictures: black in training and white in evaluation is another picture.

`Image.convert("RGB")` shows what is stored beneath (most often black), browsers and many tools show white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from typing import TypeAlias

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.sources import ImageSource

    Array: TypeAlias = "np.ndarray[Any, Any]"

_LOOKED_AT, _COMPARED = 32, 6
_SIDE = 24
_LEAST = 0.05
"""Share of a picture that must be transparent."""
_ALIKE, _BETTER = 0.6, 0.1
"""Least correlation with one of the grounds, and how much less the others must have."""
_GROUNDS = ("black", "white")


def see_through_images(source: ImageSource) -> list[int]:
    """Items, of those that are looked at, whose stored pictures have transparent parts."""
    found = []
    for index in source.spread(_LOOKED_AT):
        stored = source.stored(index)
        if stored is None:
            return []
        if stored.mode in ("RGBA", "LA", "PA") or "transparency" in stored.info:
            alpha = np.asarray(stored.convert("RGBA").getchannel("A"))
            if float((alpha < 128).mean()) >= _LEAST:
                found.append(index)
    return found


def check_transparency(findings: Findings, sources: dict[str, ImageSource | None], images_of: Any) -> None:
    """Transparent parts have one ground in both data sets.

    Args:
        findings: Of the check.
        sources: Training and evaluation data.
        images_of: Makes a batch into arrays [H, W, 3]; `None` where it has none.
    """
    grounds: dict[str, str] = {}
    for title, source in sources.items():
        if source is None or not source.indexable or not len(source):
            continue
        some = see_through_images(source)[:_COMPARED]
        if not some:
            continue
        with undisturbed():
            pixels = images_of(source.batch(some))
        ground = None if pixels is None or len(pixels) != len(some) else _ground_of(source, some, pixels)
        if ground is not None:
            grounds[title] = ground
    if grounds:
        findings.measure("behind_transparent_parts", grounds)
    if len(set(grounds.values())) > 1:
        findings.fail(
            "transparency",
            f"The transparent parts of pictures are {grounds['training']} in the training data and "
            f"{grounds['evaluation']} in the evaluation data.",
            "Lay both on one colour before the processor: Image.alpha_composite(ground, image).convert('RGB').",
            grounds,
        )


def _ground_of(source: ImageSource, indices: list[int], pixels: list[Array]) -> str | None:
    """The colour behind the transparent parts of some items; `None` where that cannot be told."""
    alike: Array = np.zeros((len(indices), len(_GROUNDS)))
    for row, (index, values) in enumerate(zip(indices, pixels, strict=True)):
        stored: Any = source.stored(index)
        shown, image = _line(_as_image(values)), stored.convert("RGBA")
        for column, colour in enumerate(_GROUNDS):
            laid = Image.alpha_composite(Image.new("RGBA", image.size, colour), image).convert("L")
            alike[row, column] = max(float((shown * _line(way)).sum()) for way in _ways(laid))
    means = alike.mean(axis=0)
    sure = means.max() >= _ALIKE and means.max() - means.min() >= _BETTER
    return _GROUNDS[int(means.argmax())] if sure else None


def _ways(picture: Image.Image) -> list[Image.Image]:
    """A picture squashed, and cut to a square from its centre at some scales: what the processors do."""
    cut = [ImageOps.fit(picture, (_SIDE, _SIDE), Image.Resampling.BOX, bleed=bleed) for bleed in (0, 0.06, 0.12)]
    return [picture, *cut]


def _as_image(values: Array) -> Image.Image:
    """Normalised pixels as a grey picture; a correlation does not ask for their scale."""
    grey = values.mean(axis=-1)
    scaled = (grey - grey.min()) / max(float(np.ptp(grey)), 1e-6) * 255
    return Image.fromarray(np.asarray(scaled, dtype=np.uint8))


def _line(picture: Image.Image) -> Array:
    """A picture squashed to 24 x 24, in one row with mean 0 and length 1."""
    small = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX), dtype=np.float64).reshape(-1)
    centred = small - small.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6))

"""Whether photographs that a camera stored lying are set upright, in training and evaluation alike.

A phone writes the pixels as its sensor has them, and into EXIF how they are to be turned. Browsers, `datasets` and the
reference fine-tune turn them; `PIL.Image.open` and torchvision's folders do not. A model that is trained on the one and
evaluated on the other sees pictures on their side, and nothing says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.sources import ImageSource

    Array: TypeAlias = "np.ndarray[Any, Any]"

_ORIENTATION = 0x0112
_LYING = frozenset({5, 6, 7, 8})
"""Values of EXIF's orientation that exchange height and width."""
_LOOKED_AT, _COMPARED = 64, 6
_SIDE = 32
_ALIKE, _BETTER = 0.6, 0.1
"""Least correlation with one of the two positions, and how much less the other must have: crops at random blur both."""


def lying_images(source: ImageSource) -> list[int]:
    """Items, of those that are looked at, whose files say that they are to be turned by a quarter."""
    found = []
    for index in source.spread(_LOOKED_AT):
        stored = source.stored(index)
        if stored is None:
            return []
        if stored.getexif().get(_ORIENTATION) in _LYING:
            found.append(index)
    return found


def is_set_upright(source: ImageSource, indices: Sequence[int], pixels: Sequence[Array]) -> bool | None:
    """Whether the tensors of such items show them upright; `None` where that cannot be told.

    Args:
        source: Whose items they are.
        indices: Of the items.
        pixels: What the model gets of each, [H, W, 3].
    """
    votes = []
    for index, values in zip(indices, pixels, strict=True):
        stored = source.stored(index)
        assert stored is not None  # it was read before
        shown = _grey(_as_image(values))
        upright, lying = (
            max(float((shown * _grey(side)).sum()) for side in (picture, ImageOps.mirror(picture)))
            for picture in (ImageOps.exif_transpose(stored).convert("L"), stored.convert("L"))
        )
        if max(upright, lying) >= _ALIKE and abs(upright - lying) >= _BETTER:
            votes.append(upright > lying)
    return None if not votes else sum(votes) * 2 > len(votes)


def check_orientation(findings: Findings, sources: dict[str, ImageSource | None], images_of: Any) -> None:
    """Photographs that lie in their files are turned on both sides of the split, or on neither.

    Args:
        findings: Of the check.
        sources: Training and evaluation data.
        images_of: Makes a batch into arrays [H, W, 3]; `None` where it has none.
    """
    upright: dict[str, bool] = {}
    counts: dict[str, int] = {}
    for title, source in sources.items():
        if source is None or not source.indexable or not len(source):
            continue
        lying = lying_images(source)
        if not lying:
            continue
        counts[title] = len(lying)
        some = lying[:_COMPARED]
        with undisturbed():
            pixels = images_of(source.batch(some))
        verdict = None if pixels is None else is_set_upright(source, some, pixels)
        if verdict is not None:
            upright[title] = verdict
    if counts:
        findings.measure("lying_in_their_files", counts)
    if len(set(upright.values())) > 1:
        turned, other = ("training", "evaluation") if upright["training"] else ("evaluation", "training")
        findings.fail(
            "orientation",
            f"Photographs whose files say that they lie on their side (EXIF orientation) are set upright in the "
            f"{turned} data and not in the {other} data.",
            "Call PIL.ImageOps.exif_transpose(image) for both, before the processor.",
            upright,
        )
    elif upright and not any(upright.values()):
        some_of = " and ".join(f"{counts[title]} of the {title} images" for title in upright)
        findings.note(
            "orientation",
            f"{some_of} that were looked at lie on their side: their files say that they are to be turned (EXIF "
            "orientation), and nothing does it.",
            "Call PIL.ImageOps.exif_transpose(image) before the processor, in training and in use.",
            upright,
        )


def _as_image(values: Array) -> Image.Image:
    """Normalised pixels as a grey picture; a correlation does not ask for their scale."""
    grey = values.mean(axis=-1)
    spread = float(np.ptp(grey))
    return Image.fromarray(np.asarray((grey - grey.min()) / max(spread, 1e-6) * 255, dtype=np.uint8))


def _grey(picture: Image.Image) -> Array:
    """A picture squashed to 32 x 32, with mean 0 and length 1."""
    small = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=2.0), dtype=np.float64)
    centred = small - small.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6))

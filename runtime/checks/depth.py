"""Whether pictures with 16 bits a pixel reach the model with their greys, as scans and depth maps have them.

`image.convert("RGB")` of Pillow clips: every value above 255 of 65,535 is white. Training and evaluation are wrong
alike, so that accuracy is that of white pictures, and nothing says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from typing import TypeAlias

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.sources import ImageSource

    Array: TypeAlias = "np.ndarray[Any, Any]"

_LOOKED_AT, _COMPARED = 64, 6
_WHITE, _RARE = 0.5, 0.1
"""Share of pixels at the top of the range: of clipped pictures, and of their files."""


def check_depth(findings: Findings, sources: dict[str, ImageSource | None], images_of: Any) -> None:
    """Pictures of 16 bits are scaled, not clipped.

    Args:
        findings: Of the check.
        sources: Training and evaluation data.
        images_of: Makes a batch into arrays [H, W, 3]; `None` where it has none.
    """
    for title, source in sources.items():
        if source is None or not source.indexable or not len(source):
            continue
        deep = deep_images(source)[:_COMPARED]
        if not deep:
            continue
        with undisturbed():
            pixels = images_of(source.batch(deep))
        if pixels is None:
            continue
        files = [np.asarray(source.stored(index)) for index in deep]
        shown = float(np.mean([_at_the_top(values, values.max(axis=(0, 1))) for values in pixels]))
        stored = float(np.mean([_at_the_top(values, np.iinfo(np.uint16).max) for values in files]))
        findings.measure(f"{title} white", round(shown, 3), round(stored, 3))
        if shown >= _WHITE and stored <= _RARE:
            findings.fail(
                "depth",
                f"The {title} data has pictures of 16 bits a pixel, and {shown:.0%} of what the model gets of them is "
                f"white, where {stored:.0%} of the files is: they are clipped, not scaled.",
                "Divide the values by 257 before image.convert('RGB'), which Pillow does not.",
                round(shown, 3),
                round(stored, 3),
            )


def deep_images(source: ImageSource) -> list[int]:
    """Items, of those that are looked at, whose files have 16 bits a pixel."""
    found = []
    for index in source.spread(_LOOKED_AT):
        stored = source.stored(index)
        if stored is None:
            return []
        if stored.mode.startswith("I;16"):
            found.append(index)
    return found


def _at_the_top(values: Array, top: Any) -> float:
    """Share of values within a hundredth of the top of their range.

    Args:
        values: [H, W, 3] of the model, each channel with mean and deviation of its own, or [H, W] of a file.
        top: Largest value, one for all or one a channel.
    """
    span = np.asarray(top) - values.min(axis=(0, 1))
    return float((values >= top - 0.01 * span).mean())

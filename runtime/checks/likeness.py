"""Whether the pictures of evaluation are of the kind of the training pictures: as large, as colourful, as bright.

A model that was trained on photographs and is evaluated on thumbnails, on scans in grey or on negatives has a lower
accuracy, and nothing says why. Two data sets may rightly differ, so that this is a note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from PIL import Image

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.hashing import Hashes

    Array: TypeAlias = "np.ndarray[Any, Any]"

_LOOKED_AT = 20
_LEAST = 8
"""Pictures of either side from which they are compared."""
_SMALLER = 2.0
"""How many times as long the sides of the others are."""
_SIDE = 16
_GREY = 12
"""Most levels that the channels of a grey picture differ by: JPEG keeps colours loosely."""
_ENOUGH, _TOLD = 20, 0.9
"""Pictures of either side from which sizes say something, and the share of classes that they tell."""
_MOST, _FEW = 0.9, 0.1
_CLEARLY = 0.1
"""How much more a picture must be like the negative of another than like any picture."""


def check_likeness(
    findings: Findings, images: tuple[Sequence[Image.Image], Sequence[Image.Image]], hashes: tuple[Hashes, Hashes]
) -> None:
    """Compare some training and evaluation pictures as they are stored.

    Args:
        findings: Of the check.
        images: Of the training and of the evaluation data.
        hashes: Of the same.
    """
    chosen = [np.unique(np.linspace(0, len(side) - 1, min(_LOOKED_AT, len(side))).astype(int)) for side in images]
    if min(len(side) for side in chosen) < _LEAST:
        return
    some = [[side[int(index)] for index in indices] for side, indices in zip(images, chosen, strict=True)]
    _check_sizes(findings, some)
    _check_colours(findings, some)
    train, evaluation = hashes
    within = train.rows[chosen[0]] @ train.rows.T
    within[np.arange(len(within)), chosen[0]] = 0
    across = evaluation.rows[chosen[1]] @ train.rows.T
    if _negative(across) >= _MOST and _negative(within) <= _FEW:
        findings.note(
            "inverted",
            "The evaluation pictures are inverted against the training pictures: nearly each is more like the negative "
            "of one of them than like any of them.",
            "Invert one of the two where both show the same things.",
            round(_negative(across), 3),
            f"< {_MOST}",
        )


def check_shortcut(
    findings: Findings, images: tuple[Sequence[Image.Image], Sequence[Image.Image]], labels: tuple[Array, Array]
) -> None:
    """Whether the size of a picture tells its class: each class came from a source of its own.

    What is learnt of the training pictures' sizes is tried on the evaluation pictures.

    Args:
        findings: Of the check.
        images: Of the training and of the evaluation data.
        labels: Of the same images.
    """
    if min(len(side) for side in labels) < _ENOUGH or len(np.unique(labels[1])) < 2:
        return
    seen: dict[tuple[int, int], list[int]] = {}
    for image, label in zip(images[0], labels[0].tolist(), strict=True):
        seen.setdefault(image.size, []).append(label)
    told = {size: max(set(given), key=given.count) for size, given in seen.items()}
    right = float(np.mean([told.get(image.size) == label for image, label in zip(images[1], labels[1], strict=True)]))
    most = float(np.unique(labels[1], return_counts=True)[1].max() / len(labels[1]))
    findings.measure("size_tells_class", round(right, 3), round(most, 3))
    if right >= _TOLD and right > most + _CLEARLY:
        findings.note(
            "shortcut",
            f"The size of a picture, in pixels, tells its class in {right:.0%} of the evaluation pictures: the classes "
            "come from different sources, and a model can learn the source in place of what is shown.",
            "See how the pictures of each class were made; evaluate on pictures of one source.",
            round(right, 3),
            round(most, 3),
        )


def check_copies(findings: Findings, hashes: Hashes) -> None:
    """How many training pictures are others once more: of few that are repeated little is learnt."""
    pictures = [digest for digest, shows in zip(hashes.exact, hashes.shows, strict=True) if shows]
    different = len(set(pictures))
    findings.measure("different_pictures", different, len(pictures))
    if len(pictures) >= _ENOUGH and different < len(pictures) / 2:
        findings.note(
            "copies",
            f"Of {len(pictures)} training pictures that were looked at only {different} are different.",
            "See whether they are meant to be repeated so often.",
            different,
            len(pictures),
        )


def _check_sizes(findings: Findings, some: list[list[Image.Image]]) -> None:
    sides = [float(np.median([(image.width * image.height) ** 0.5 for image in images])) for images in some]
    findings.measure("sides", [round(side) for side in sides])
    if max(sides) < _SMALLER * min(sides):
        return
    small, large = ("evaluation", "training") if sides[1] < sides[0] else ("training", "evaluation")
    findings.note(
        "picture_sizes",
        f"The {small} pictures are much smaller than the {large} pictures: {min(sides):.0f} and {max(sides):.0f} "
        "pixels a side. Enlarged, they lack the detail of the others.",
        "Take both from one source, or shrink both alike first.",
        [round(side) for side in sides],
    )


def _check_colours(findings: Findings, some: list[list[Image.Image]]) -> None:
    shares = [float(np.mean([_is_grey(image) for image in images])) for images in some]
    findings.measure("grey", [round(share, 3) for share in shares])
    if not (max(shares) >= _MOST and min(shares) <= _FEW):
        return
    grey, other = ("evaluation", "training") if shares[1] > shares[0] else ("training", "evaluation")
    findings.note(
        "colours",
        f"The {grey} pictures are grey, and the {other} pictures have colours.",
        "Take both from one source, or make both grey.",
        [round(share, 3) for share in shares],
    )


def _is_grey(image: Image.Image) -> bool:
    small = np.asarray(image.convert("RGB").resize((_SIDE, _SIDE), reducing_gap=2.0), dtype=int)
    return int(np.ptp(small, axis=-1).max()) <= _GREY


def _negative(alike: Array) -> float:
    """Share of the rows in which the largest correlation is clearly smaller than the most negative one."""
    return float((-alike.min(axis=1) > alike.max(axis=1) + _CLEARLY).mean())

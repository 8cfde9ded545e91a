"""Whether an item is one picture with its own label: what a data set and its collator hand out, beside what is stored.

A data set that fetches the picture before, a collator that sorts pictures alone, a label that one of two transforms
moves: nothing of this raises, and each looks right by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from v5lint.runtime.checks.findings import shown
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.checks.sources import LABEL_COLUMNS
from v5lint.runtime.errors import RuntimeSetupError

if TYPE_CHECKING:
    from typing import TypeAlias

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.sources import ImageSource

    Array: TypeAlias = "np.ndarray[Any, Any]"

_BLOCKS, _NEIGHBOURS = 3, 6
"""Items that are looked at lie beside one another, for the picture of another item is most often the next one's."""
_SIDE = 16
_CLEAR = ((0.9, 0.03), (0.7, 0.2))
"""Least correlation with one stored picture, and how much less the next one must have: either of the two will do."""
_SOME = 0.5
_LEAST = 3
_SAME, _FLAT = 1e-6, 2.0
"""What the values of one colour vary by, and the levels of 255 that a picture varies by which is not of one colour."""


@dataclass(frozen=True)
class Items:
    """Some items of a data set.

    Attributes:
        indices: Of the items.
        pixels: What the model gets of each, [H, W, 3]; `None` where that cannot be read.
        pictures: What is stored of each; `None` where that cannot be found.
        given: The label that the model gets of each, [N]; `None` where it is no class.
        stored: The label that is stored of each, [N]; `None` where it cannot be found.
        blank: Items of which the model gets one colour each time, though their pictures have more.
    """

    indices: list[int]
    pixels: list[Array] | None
    pictures: list[Image.Image] | None
    given: Array | None
    stored: Array | None
    blank: list[int]

    @cached_property
    def owners(self) -> list[int] | None:
        """Of each item the place of the stored picture that it shows, -1 where that is not clear."""
        if self.pixels is None or self.pictures is None:
            return None
        ours = _lines([_shrunk(values) for values in self.pixels])
        grey = [picture.convert("L") for picture in self.pictures]
        squashed = _lines([np.asarray(each.resize((_SIDE, _SIDE)), dtype=float) for each in grey])
        cropped = _lines([np.asarray(ImageOps.fit(each, (_SIDE, _SIDE)), dtype=float) for each in grey])
        alike = np.maximum(ours @ squashed.T, ours @ cropped.T)
        best = alike.argmax(axis=1)
        first = alike.max(axis=1)
        alike[np.arange(len(best)), best] = -1
        apart = first - alike.max(axis=1)
        clear = np.any([(first >= least) & (apart >= gap) for least, gap in _CLEAR], axis=0)
        return [int(place) if sure else -1 for place, sure in zip(best, clear, strict=True)]

    @property
    def renumbered(self) -> bool:
        """Whether labels reach the model under other numbers than those under which they are stored."""
        return self.given is not None and self.stored is not None and bool((self.given != self.stored).any())

    @property
    def numbering(self) -> tuple[dict[int, set[int]], bool]:
        """Of each stored label the numbers under which it reaches the model, and whether each item is its own row."""
        if self.given is None or self.stored is None:
            return {}, False
        if not self.renumbered:  # whichever item is whose
            return {label: {label} for label in self.stored.tolist()}, True
        own = [place for place, owner in enumerate(self.owners or []) if owner == place]
        sure = len(own) >= _SOME * len(self.indices)
        table: dict[int, set[int]] = {}
        for place in own if sure else range(len(self.indices)):
            table.setdefault(int(self.stored[place]), set()).add(int(self.given[place]))
        return table, sure


def look_at(source: ImageSource, images_of: Any) -> Items:
    """Fetch some items, as a training does.

    Raises:
        RuntimeSetupError: They cannot be made, or not be collated.
    """
    size = len(source)
    starts = [(size - _NEIGHBOURS) * block // (_BLOCKS - 1) for block in range(_BLOCKS)] if size > _NEIGHBOURS else [0]
    indices = sorted({start + step for start in starts for step in range(min(_NEIGHBOURS, size))})
    with undisturbed():
        batch = source.batch(indices)
        pictures = source.images(indices)
    pixels = images_of(batch)
    labels = next((batch[name] for name in ("labels", "label", "label_ids") if name in batch), None)
    plain = labels is not None and labels.dim() == 1 and not labels.is_floating_point() and len(labels) == len(indices)
    whole = pixels is not None and len(pixels) == len(indices)
    several = len(set(source.column_names) & set(LABEL_COLUMNS)) > 1  # which of them is trained on is not known
    blank = _blank(indices, pixels, pictures) if whole else []
    if blank:  # a crop at random may have met an empty corner
        with undisturbed(seed=1):
            again = images_of(source.batch(blank))
        blank = _blank(blank, again, source.images(blank)) if again is not None and len(again) == len(blank) else []
    return Items(
        indices,
        pixels if whole else None,
        pictures,
        np.asarray(labels.cpu()) if plain and labels is not None else None,
        None if several or source.labels is None else source.labels[indices],
        blank,
    )


def _blank(indices: list[int], pixels: list[Array] | None, pictures: list[Image.Image] | None) -> list[int]:
    """The items of which the model gets one colour, though their pictures have more."""
    if pixels is None or pictures is None:
        return []

    def is_lost(values: Array, picture: Image.Image) -> bool:
        flat = float(np.ptp(values, axis=(0, 1)).max()) < _SAME
        return flat and float(np.asarray(picture.convert("L"), dtype=float).std()) >= _FLAT

    return [index for index, *both in zip(indices, pixels, pictures, strict=True) if is_lost(*both)]


def check_pictures(findings: Findings, title: str, items: Items) -> bool:
    """Whether each item shows its own picture.

    Returns:
        Whether what the data set makes of a picture can be told by giving it others.
    """
    blank = items.blank
    findings.measure(f"{title} of one colour", len(blank), 0)
    if len(blank) == len(items.indices):
        return True  # every picture is the same, which is named by what it makes of others
    if len(blank) > 1:
        findings.fail(
            "blank",
            f"{len(blank)} of {len(items.indices)} {title} images are of one colour where their pictures are not, such "
            f"as item {blank[0]}: they were not read, or not drawn.",
            "Let a picture that cannot be read raise, and leave it out of the data.",
            len(blank),
            0,
        )
        return False
    owners = items.owners
    if owners is None:
        return True
    clear = [place for place, owner in enumerate(owners) if owner >= 0]
    other = [place for place in clear if owners[place] != place]
    if len(other) < max(_LEAST, _SOME * len(clear)) or len(clear) < _SOME * len(owners):
        return True
    if items.given is None or items.stored is None:
        return False
    given, stored = items.given, items.stored
    with_picture = np.mean([given[place] == stored[owners[place]] for place in other])
    with_item = np.mean([given[place] == stored[place] for place in other])
    if with_picture >= with_item:
        return False  # it numbers its items otherwise than it stores them, labels and pictures alike
    findings.fail(
        "item",
        f"{len(other)} of {len(clear)} {title} images have the picture of another item and the label of their own: "
        f"item {items.indices[other[0]]} shows the picture that is stored as item "
        f"{items.indices[owners[other[0]]]}.",
        "Fetch picture and label by one index, and let the collator keep their order.",
        len(other),
        0,
    )
    return False


def check_given_labels(findings: Findings, train: Items, evaluation: Items | None) -> None:
    """A stored class reaches the model as one and the same number, in training and in evaluation."""
    tables: dict[str, dict[int, int]] = {}
    for title, items in (("training", train), ("evaluation", evaluation)):
        if items is None or items.given is None or items.stored is None:
            continue
        table, sure = items.numbering
        known = set(items.stored.tolist())
        several = [label for label, given in table.items() if len(given) > 1 and given <= known]
        if len(several) > 1 and len(several) > _SOME * len(table) / 2:
            report = findings.fail if sure else findings.note
            report(
                "given_labels",
                f"In the {title} data, images of one class reach the model under several labels, such as those of "
                f"class {several[0]} as {shown(sorted(table[several[0]]))}.",
                "Fetch picture and label by one index.",
                several,
                [],
            )
        elif not any(len(given) > 1 for given in table.values()):
            tables[title] = {label: given.pop() for label, given in table.items()}
    if len(tables) < 2:
        return
    both = sorted(tables["training"].keys() & tables["evaluation"].keys())
    other = [label for label in both if tables["training"][label] != tables["evaluation"][label]]
    findings.measure("labels_alike", len(both) - len(other), len(both))
    if other:
        label = other[0]
        findings.fail(
            "given_labels",
            f"Of {len(both)} classes {len(other)} are numbered otherwise in evaluation: class {label} of the data "
            f"reaches the model as {tables['training'][label]} in training and as {tables['evaluation'][label]} in "
            "evaluation.",
            "Use one table of classes for both.",
            len(other),
            0,
        )


def items_of(source: ImageSource | None, images_of: Any) -> Items | None:
    """Some items; `None` where there are none that can be fetched."""
    if source is None or not source.indexable or not len(source):
        return None
    try:
        return look_at(source, images_of)
    except RuntimeSetupError:
        return None


def _shrunk(values: Array) -> Array:
    """A picture of the model [H, W, 3] as 16 x 16 grey values."""
    grey = values.mean(axis=-1)
    low, high = float(grey.min()), float(grey.max())
    scaled = (255 * (grey - low) / max(high - low, 1e-6)).astype(np.uint8)
    return np.asarray(Image.fromarray(scaled).resize((_SIDE, _SIDE)), dtype=float)


def _lines(pictures: list[Array]) -> Array:
    rows = np.stack(pictures).reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))

"""Split labelled images by class, and say what cannot be trained on."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np

from v5lint.runtime.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Indices: TypeAlias = "np.ndarray[Any, Any]"

_SHOWN = 5


def stratified_split(
    labels: Indices, names: Sequence[str], fraction: float, seed: int, groups: Sequence[Any] | None = None
) -> tuple[Indices, Indices]:
    """Indices to train on and to evaluate on, with every class in both in the same proportions.

    Args:
        labels: Class index of every image, [N].
        names: Class names, for messages.
        fraction: Share to evaluate on.
        seed: Of the draw.
        groups: One value an image; images with the same value stay on the same side.

    Raises:
        DataError: A class has too few images to be on both sides.
    """
    counts = np.bincount(labels, minlength=len(names))
    rare = [names[int(index)] for index in np.flatnonzero(counts == 1)]
    if rare:
        raise DataError(
            f"{len(rare)} classes have a single image ({', '.join(rare[:_SHOWN])}), which cannot be trained on and "
            "evaluated on: add images, remove the classes, or give an evaluation split."
        )
    present = int((counts > 0).sum())
    if present < 2:
        raise DataError(f"All {len(labels)} images have one class ({names[int(labels[0])]}): a classifier needs two")
    if groups is not None:
        return _by_groups(labels, fraction, seed, groups)
    held = round(len(labels) * fraction)
    if held < present or len(labels) - held < present:
        raise DataError(
            f"eval_fraction {fraction} of {len(labels)} images is {held}, too few or too many for {present} classes to "
            f"be on both sides: take one from {present / len(labels):.2f} to {1 - present / len(labels):.2f}, or give "
            "an evaluation split."
        )
    from sklearn.model_selection import train_test_split

    train, evaluation = train_test_split(np.arange(len(labels)), test_size=held, stratify=labels, random_state=seed)
    return np.sort(train), np.sort(evaluation)


def stratified_sample(labels: Indices, count: int, seed: int) -> Indices:
    """Indices of so many images, drawn by class: every class keeps its share, and as long as it can one image."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    # The k-th image of a class of n stands at (k + 1/2) / n, so that any prefix of the order has the shares of all.
    seen: dict[int, int] = {}
    totals = np.bincount(labels)
    place = np.empty(len(labels))
    for index in order:
        label = int(labels[index])
        place[index] = 0.0 if not seen.get(label) else (seen[label] + 0.5) / totals[label]
        seen[label] = seen.get(label, 0) + 1
    return np.sort(order[np.argsort(place[order], kind="stable")][:count])


def class_weights(labels: Indices, classes: int) -> Indices:
    """Weights by inverse frequency, [classes], whose mean over the images is 1, so that the loss keeps its scale."""
    counts = np.bincount(labels, minlength=classes)
    weights: Indices = len(labels) / (classes * np.maximum(counts, 1))
    return weights


def check_classes(labels: Indices, names: Sequence[str], source: str) -> None:
    """Raise unless every class has an image to train on, and there are two classes at least.

    Raises:
        DataError: Otherwise; the message names the classes.
    """
    if len(names) > len(labels):
        raise DataError(f"{source} has {len(names)} classes and only {len(labels)} images to train on.")
    if len(names) < 2:
        only = f" ({names[0]})" if names else ""
        raise DataError(f"{source} has {len(names)} class{only}: a classifier needs two")
    counts = np.bincount(labels, minlength=len(names))
    empty = [names[int(index)] for index in np.flatnonzero(counts == 0)]
    if empty:
        raise DataError(
            f"{source}: {len(empty)} of {len(names)} classes have no image to train on: {', '.join(empty[:_SHOWN])}"
            f"{', ...' if len(empty) > _SHOWN else ''}. Add images, or remove the classes from the labels."
        )


def check_names(names: Sequence[str], source: object) -> None:
    """Raise where two classes have one name but for spaces, or for how an accented letter is composed.

    Both come about by themselves (a blank behind a comma of a table, folders that were copied from another system), and
    the images of one class would be trained against each other.

    Raises:
        DataError: So it is; the message shows both names.
    """
    for first, second in alike(names, plain_name):
        spaced = "".join(first.split()) == "".join(second.split())
        both = f"{first!r} and {second!r}" if spaced else f"{first!a} and {second!a}"
        how = "spaces" if spaced else "how Unicode composes their letters"
        raise DataError(
            f"{source}: the classes {both} differ only by {how}, and would be two: give their images one name"
        )


def alike(names: Sequence[str], form: Callable[[str], str]) -> list[tuple[str, str]]:
    """Pairs of different names that have one form, in their order."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(form(name), name), name) for name in names]
    return [(earlier, name) for earlier, name in pairs if earlier != name]


def plain_name(name: str) -> str:
    """A name with composed letters, and single spaces between its words alone."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def without_case(name: str) -> str:
    """A name without the case of its letters; a single letter is what it is, as in data of handwriting."""
    return name if len(name) == 1 else plain_name(name).casefold()


def check_same_classes(train: Indices, evaluation: Indices, names: Sequence[str]) -> None:
    """Raise where the evaluation has a label that no training image has, or nothing at all.

    Raises:
        DataError: So it is; the message names the classes.
    """
    if not len(evaluation):
        raise DataError("There is no image to evaluate on.")
    unseen = [names[int(index)] for index in np.setdiff1d(evaluation, train)]
    if unseen:
        raise DataError(
            f"The evaluation data has {', '.join(unseen[:_SHOWN])}, which no training image is labelled with."
        )


def _by_groups(labels: Indices, fraction: float, seed: int, groups: Sequence[Any]) -> tuple[Indices, Indices]:
    from sklearn.model_selection import StratifiedGroupKFold

    folds = max(2, round(1 / fraction))
    if len(set(groups)) < folds:
        raise DataError(f"{len(set(groups))} groups cannot be split by eval_fraction {fraction}: it needs {folds}.")
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    train, evaluation = next(splitter.split(np.zeros(len(labels)), labels, groups))
    return train, evaluation

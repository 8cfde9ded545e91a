"""Whether labels belong to their pictures: one picture with two labels, shuffled labels, classes without a picture.

Accuracy does not tell: with shuffled labels the loss still falls, for a network learns them by heart. Pictures tell:
the nearest neighbour of a picture has its label more often than chance, even when only 32 x 32 grey values are
compared. That is weak where classes are fine, so that it is a note; what a trained model says of its own training data
is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from v5lint.runtime.checks.findings import Findings, shown

if TYPE_CHECKING:
    from typing import TypeAlias

    from v5lint.runtime.checks.hashing import Hashes
    from v5lint.runtime.checks.sources import ImageSource
    from v5lint.runtime.checks.subject import Subject

    Array: TypeAlias = "np.ndarray[Any, Any]"

_CONTRADICTED = 0.01
"""Share of the pictures that may have another label elsewhere before it is a failure."""
_ENOUGH = 80
"""Pictures from which neighbours say something."""
_EACH = 6
"""Pictures that a class has in the middle: with fewer, a neighbour of the same class is rare."""
_NEIGHBOURS = 128
"""Training pictures of which the most alike is looked for."""
_SURE = 2.0
"""Standard deviations above chance from which pictures and labels go together."""
_BY_HEART = 0.8
"""Accuracy on the training data from which it is learnt."""
_IGNORED = -100
_KINDS = 4
"""Training items whose labels are looked at as the model gets them."""
_LEAST = 40
"""Evaluation images from which their accuracy is told from chance."""


def check_contradictions(
    findings: Findings, hashes: tuple[Hashes, Hashes], labels: tuple[Array, Array], indices: tuple[list[int], list[int]]
) -> None:
    """The same picture, pixel for pixel, with two labels.

    Args:
        findings: Of the check.
        hashes: Of the training and of the evaluation images.
        labels: Of the same images.
        indices: Of the same images in their data sets.
    """
    places: dict[bytes, list[tuple[int, str]]] = {}
    for side, (hashed, given, numbers) in enumerate(zip(hashes, labels, indices, strict=True)):
        title = ("training", "evaluation")[side]
        for digest, shows, label, number in zip(hashed.exact, hashed.shows, given.tolist(), numbers, strict=True):
            if shows:
                places.setdefault(digest, []).append((label, f"{title} image {number}"))
    contradicted = [found for found in places.values() if len({label for label, _ in found}) > 1]
    count = sum(len(found) for found in contradicted)
    share = count / max(sum(len(found) for found in places.values()), 1)
    findings.measure("contradictions", round(share, 4), 0.0)
    if not contradicted:
        return
    some = " and ".join(f"{where} (class {label})" for label, where in contradicted[0][:2])
    text = f"{len(contradicted)} pictures have two labels, such as {some}: they are the same pixel for pixel."
    advice = "Decide on one label, or drop both."
    report = findings.fail if len(contradicted) > 1 and share >= _CONTRADICTED else findings.note
    report("contradictions", text, advice, round(share, 4), 0.0)


def check_neighbours(findings: Findings, hashes: tuple[Hashes, Hashes], labels: tuple[Array, Array]) -> None:
    """The most alike training picture has the same label more often than chance."""
    train, evaluation = hashes
    if len(labels[0]) < _ENOUGH or np.median(np.bincount(labels[0])[np.unique(labels[0])]) < _EACH:
        return
    some = np.unique(np.linspace(0, len(train) - 1, min(len(train), _NEIGHBOURS)).astype(int))
    inside = train.rows[some] @ train.rows.T
    inside[np.arange(len(some)), some] = -1
    own = _agreement(inside, labels[0][some], labels[0])
    findings.measure("neighbours_alike", [round(own[0], 3), round(own[1], 3)])
    if not own[2]:
        findings.note(
            "neighbours",
            f"Training pictures that look alike share a label in {own[0]:.0%}, by chance in {own[1]:.0%}: either what "
            "tells the classes apart is finer than 32 x 32 grey values, or the labels are shuffled.",
            "Look at a few pictures with their labels.",
            round(own[0], 3),
            round(own[1], 3),
        )
    elif len(labels[1]) >= _LEAST:
        across = _agreement(evaluation.rows @ train.rows.T, labels[1], labels[0])
        if not across[2] and across[0] < own[0] / 2:
            findings.note(
                "neighbours",
                f"Training pictures that look alike share a label in {own[0]:.0%}, evaluation pictures and the "
                f"training picture that is most like them in {across[0]:.0%}, which is chance: the labels of "
                "the evaluation data are shuffled or numbered otherwise, or its pictures are of another kind.",
                "Look at a few evaluation pictures with their labels.",
                round(across[0], 3),
                round(own[0], 3),
            )


def _agreement(alike: Array, labels: Array, others: Array) -> tuple[float, float, bool]:
    """How often the most alike picture has the same label, how often it would by chance, and whether it is more."""
    nearest = others[alike.argmax(axis=1)]
    size = int(max(labels.max(), nearest.max())) + 1
    shares = [np.bincount(values, minlength=size) / len(values) for values in (labels, nearest)]
    chance = float(shares[0] @ shares[1])
    found = float((nearest == labels).mean())
    return found, chance, found > chance + _SURE * float(np.sqrt(max(chance * (1 - chance), 1e-9) / len(labels)))


def check_labels(
    findings: Findings,
    hashes: tuple[Hashes, Hashes],
    sources: tuple[ImageSource, ImageSource],
    indices: tuple[list[int], list[int]],
) -> None:
    """What the labels of pictures say that were hashed for another test."""
    given = [source.labels for source in sources]
    if given[0] is None or given[1] is None:
        return
    labels = given[0][indices[0]], given[1][indices[1]]
    check_contradictions(findings, hashes, labels, indices)
    if min(int(side.min()) for side in labels) >= 0:
        check_neighbours(findings, hashes, labels)


def check_declared(findings: Findings, subject: Subject, train: ImageSource) -> None:
    """Every class of the head has a training image: a head of another data set's size is trained without a word."""
    labels, count = train.labels, getattr(subject.bare, "num_labels", None)
    items = subject.items("training")
    if labels is None or not count or (items is not None and items.renumbered):
        return
    absent = sorted(set(range(int(count))) - set(labels.tolist()))
    findings.measure("classes_without_images", len(absent), 0)
    if absent:
        names = getattr(getattr(subject.bare, "config", None), "id2label", None) or {}
        findings.note(
            "declared",
            f"{len(absent)} of the {count} classes of the head have no training image, such as "
            f"{shown([names.get(index, index) for index in absent])}: they are never answered rightly.",
            "Load the model with the classes that the data has.",
            len(absent),
            0,
        )


def learnt_by_heart(truth: Array, predicted: Array, known: tuple[Array | None, Array | None]) -> str:
    """What is wrong where a model knows its training data and guesses at the evaluation data; "" where nothing is.

    Args:
        truth: Class of each evaluation image.
        predicted: What the model answers.
        known: The same two of training images.
    """
    if known[0] is None or known[1] is None or not len(known[0]):
        return ""
    trained, accuracy = float((known[0] == known[1]).mean()), float((truth == predicted).mean())
    if trained < _BY_HEART or not at_chance(truth, predicted):
        return ""
    return (
        f"The model answers {trained:.0%} of the training images rightly and {accuracy:.0%} of the evaluation images, "
        "which is chance: the labels of one of the two do not belong to their pictures (shuffled, or numbered "
        "otherwise), and the others are learnt by heart."
    )


def at_chance(truth: Array, predicted: Array) -> bool:
    """Whether answers are right no more often than those of a guess; of too few images `False`."""
    count = len(truth)
    if count < _LEAST:
        return False
    most = float(np.bincount(truth).max() / count)
    size = int(max(truth.max(), predicted.max())) + 1
    shares = [np.bincount(values, minlength=size) / count for values in (truth, predicted)]
    chance = float(shares[0] @ shares[1])
    spread = float(np.sqrt(max(chance * (1 - chance), 1e-9) / count))
    return most < 0.5 and float((truth == predicted).mean()) <= chance + spread


def check_kind(findings: Findings, subject: Subject, train: ImageSource | None) -> None:
    """Labels of the kind that the head's loss is for: transformers chooses the loss by their type, and says nothing."""
    config = getattr(subject.bare, "config", None)
    if train is None or config is None or "Classification" not in type(subject.bare).__name__:
        return
    labels, problem = train.labels, getattr(config, "problem_type", None)
    outputs = getattr(subject.bare, "num_labels", None)
    if labels is not None and len(labels):
        ignored = float((labels == _IGNORED).mean())
        if ignored:
            report = findings.fail if ignored == 1 else findings.note
            report(
                "ignored",
                f"{ignored:.0%} of the training images have the label {_IGNORED}, which the loss leaves out.",
                "Give them their class, or leave them out of the data.",
                round(ignored, 4),
                0.0,
            )
        if outputs == 1 and set(labels.tolist()) == {0, 1} and problem in (None, "regression"):
            findings.note(
                "one_output",
                "The head has one output and the labels are 0 and 1: the loss is a squared error, of a regression.",
                "To tell two classes apart, load the model with num_labels=2.",
                1,
                2,
            )
    if not train.indexable or not len(train) or not outputs or outputs < 2 or problem == "regression":
        return
    given = next((v for k, v in train.batch(train.spread(_KINDS)).items() if k in ("labels", "label")), None)
    if given is None or not given.is_floating_point() or given.dim() != 2:
        return
    if bool(((given == 0) | (given == 1)).all()) and bool((given.sum(dim=1) == 1).all()):
        findings.note(
            "one_hot",
            "Each label is a row of numbers with a single 1, which transformers takes for several classes an image: "
            "the loss is a binary cross entropy of each class by itself.",
            "Give class indices (0 to C - 1), or say problem_type='multi_label_classification' if several can hold.",
            "one-hot",
            "indices",
        )

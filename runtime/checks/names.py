"""Whether the data sets and the model number the classes alike, by their names, and no label is outside the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.splits import alike, without_case

if TYPE_CHECKING:
    from v5lint.runtime.checks.subject import Subject

_IGNORED = -100
_SIDES = ("training", "evaluation")


def check_names(findings: Findings, subject: Subject) -> None:
    """The names of the classes: the model's own, the two data sets' against each other, and theirs against it."""
    config = getattr(subject.bare, "config", None)
    named = getattr(config, "id2label", None) or {}
    ours = [str(named[key]) for key in sorted(named)]
    chosen = any(name != f"LABEL_{index}" for index, name in enumerate(ours))
    if chosen:
        _check_own(findings, ours, getattr(config, "label2id", None) or {})
    given = {title: getattr(subject.train if title == "training" else subject.evaluation, "class_names", None)
             for title in _SIDES}  # fmt: skip
    classes = {title: names for title, names in given.items() if names}
    renumbered = {title for title in classes if _is_renumbered(subject, title)}
    if not renumbered:
        _check_alike(findings, list(classes.values()))
    for title, names in classes.items():
        if chosen and set(names) <= set(ours) and _check_map(findings, subject, title, names, ours):
            break
    if subject.classifies:
        for title in _SIDES:
            _check_range(findings, subject, title)


def _check_own(findings: Findings, ours: list[str], label2id: dict[str, int]) -> None:
    reverse = {str(name): int(index) for name, index in label2id.items()}
    wrong = [name for index, name in enumerate(ours) if reverse.get(name, index) != index]
    if wrong and sorted(reverse) == sorted(ours):
        findings.fail(
            "label2id",
            f"label2id is not the reverse of id2label: {shown(wrong)} has another number in each.",
            "Make both from one list of class names.",
            len(wrong),
            0,
        )
    if len(set(ours)) < len(ours):
        findings.note(
            "same_name",
            f"{len(ours) - len(set(ours)) + 1} classes of id2label have one name, such as "
            f"{shown([name for name in dict.fromkeys(ours) if ours.count(name) > 1])}: who reads an answer cannot tell "
            "them apart.",
            "Give each class a name of its own.",
            len(set(ours)),
            len(ours),
        )
    pairs = alike(ours, without_case)
    if pairs:
        findings.note(
            "nearly_same_name",
            f"{len(pairs)} classes of id2label have the name of another one but for capitals or spaces, such as "
            f"{pairs[0][0]!r} and {pairs[0][1]!r}: if one class was meant, its images are trained against each other.",
            "Give their images one name, or the classes names that differ more.",
            len(pairs),
            0,
        )


def _check_alike(findings: Findings, both: list[list[str]]) -> None:
    """Of the two data sets; one that has the first classes of the other alone numbers them alike."""
    if len(both) < len(_SIDES) or not set(both[0]) & set(both[1]):
        return
    if any(a != b for a, b in zip(both[0], both[1], strict=False)):
        findings.fail(
            "label_names",
            "Training and evaluation data number their classes otherwise: "
            f"{shown(both[0])} and {shown(both[1])} come first.",
            "Take the class names of the training data for both.",
            both[1],
            both[0],
        )


def _check_map(findings: Findings, subject: Subject, title: str, names: list[str], ours: list[str]) -> bool:
    """Whether a class of the data reaches the model as another one of the model's names."""
    remedy = "Build id2label from the data set's own class names."
    if not _is_renumbered(subject, title):
        moved = names != ours[: len(names)]
        if moved:
            what = "have the same classes in another order" if len(names) == len(ours) else "number them otherwise"
            findings.fail(
                "label_map",
                f"The model's id2label ({shown(ours)} first) and the {title} data ({shown(names)} first) {what}: every "
                "prediction will be named wrongly.",
                remedy,
                ours,
                names,
            )
        return moved
    items = subject.items(title)
    table, sure = items.numbering if items is not None else ({}, False)
    pairs = [(stored, next(iter(numbers))) for stored, numbers in table.items() if len(numbers) == 1]
    wrong = [(names[a], ours[b]) for a, b in pairs if a < len(names) and 0 <= b < len(ours) and names[a] != ours[b]]
    if not sure or len(pairs) < len(table) or not wrong:
        return False
    findings.fail(
        "label_map",
        f"Of {len(pairs)} classes of the {title} data that were looked at {len(wrong)} reach the model as another one: "
        f"{wrong[0][0]} as {wrong[0][1]}, by the names of the data and of id2label.",
        remedy,
        len(wrong),
        0,
    )
    return True


def _check_range(findings: Findings, subject: Subject, title: str) -> None:
    """No label is outside the head; of labels that a transform renumbers those of some items tell."""
    source = subject.train if title == "training" else subject.evaluation
    labels, count = None if source is None else source.labels, getattr(subject.bare, "num_labels", None)
    if labels is None or not count:
        return
    items = subject.items(title) if subject.takes_images else None
    if items is not None and items.renumbered and items.given is not None:
        labels = items.given
    labels = labels[labels != _IGNORED]  # what the loss leaves out
    if len(labels) and (labels.max() >= count or labels.min() < 0):
        findings.fail(
            "label_range",
            f"The {title} data has labels from {labels.min()} to {labels.max()}, and the head has {count} classes "
            f"(0 to {count - 1}).",
            "Number the labels from 0, and load the model with as many.",
            [int(labels.min()), int(labels.max())],
            [0, count - 1],
        )


def _is_renumbered(subject: Subject, title: str) -> bool:
    """Whether a transform gives the labels of a data set other numbers."""
    items = subject.items(title) if subject.takes_images else None
    return items is not None and items.renumbered

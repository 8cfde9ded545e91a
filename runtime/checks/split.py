"""Whether the evaluation measures anything: leaks, classes, labels, and what a majority guess would score.

Class distribution and confusion matrix are blind to a leak: with all of the evaluation data in the training data, both
are perfect. They do show sorted splits, unseen classes and shifted labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from v5lint.runtime.checks.crops import Parts, cropped_from
from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.checks.hashing import alike, hash_images, same_pixels
from v5lint.runtime.checks.items import check_given_labels
from v5lint.runtime.checks.labels import at_chance, check_declared, check_kind, check_labels, learnt_by_heart
from v5lint.runtime.checks.likeness import check_copies, check_likeness, check_shortcut
from v5lint.runtime.checks.names import check_names
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.figures import confusion_picture

if TYPE_CHECKING:
    from typing import TypeAlias

    from v5lint.runtime.checks.hashing import Hashes
    from v5lint.runtime.checks.sources import ImageSource
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

    Array: TypeAlias = "np.ndarray[Any, Any]"

NAME = "split"
_LEAK = 0.01
"""Share of the evaluation images that may be in the training data before it is a failure."""
_COPIES, _BY_NATURE = 10, 0.1
"""Training images, and share of them, that an image is like which is no copy, but of the same scene as they."""
_CROPPED = 2
"""Images cut out of training images from which it is no chance."""
_LEAST_CROPS, _CROP_SHARE = 32, 4
"""One in so many of the images that are compared is looked for within others, which takes longer; and at least."""
_WHOLES = 5
"""Training images in which each of those is looked for."""
_PLAIN = 0.25
"""Share of leaked images from which no crops need to be looked for."""
_APART = 0.5
"""Jensen-Shannon divergence (in bits) of the class distributions from which a split is not random any more."""
_FEW_EACH = 6
"""Images that a class has in the middle, from which a class without a training image is no chance."""
_DRAWS, _COMPARED, _RARE = 1000, 100, 0.02
"""Splits at random that a split is compared with, in all and by their distribution; and the share that is no chance."""
_GROUP_COLUMNS = (
    "group",
    "group_id",
    "patient",
    "patient_id",
    "subject",
    "subject_id",
    "video",
    "video_id",
    "scene_id",
)
_NO_GROUP = (None, "")
"""What stands in a group column where an image has no group."""
_DOMINANT = 0.5
"""Share of the training images from which a class explains that a model answers nothing else."""
_ABOVE_EVEN = 1.5
"""How many times its even share a class must have at least: of two classes, half of the images is no majority."""
_RENAMED, _SPREAD = 0.6, 3.0
"""Accuracy, and standard deviations above a guess, from which a renaming of the classes explains the answers."""
_PREDICTED, _SHARE, _FIRST, _HALF = 256, 0.375, 16, 0.5
"""Most images whose answers are looked at, and their share of those that are compared; and how many training images
tell by half of them that none is known by heart."""
_BATCH = 32


def check_split(subject: Subject) -> list[CheckResult]:
    """Whether the evaluation data is apart from the training data, alike in its classes, and labelled alike."""
    findings = Findings(NAME)
    if not subject.compared:
        _check_data(findings, subject)
    evaluation = subject.evaluation
    if subject.trained and evaluation is not None and evaluation.indexable:
        findings.attempt("predictions", lambda: _check_predictions(findings, subject, evaluation))
    if subject.compared:
        return findings.results("The model answers the evaluation images as one that has learnt from its labels.")
    return findings.results("No evaluation image is in the training data, and the classes of both are alike.")


def _check_data(findings: Findings, subject: Subject) -> None:
    """What the two data sets say by themselves."""
    train, evaluation = subject.train, subject.evaluation
    if evaluation is None or train is None or not (train.indexable and evaluation.indexable):
        absent = "training" if train is None else "evaluation" if evaluation is None else ""
        findings.skip(
            "data",
            f"There is no {absent} data set to compare." if absent else "A stream cannot be compared image by image.",
            "Pass train_dataset= and eval_dataset=.",
        )
    else:
        with undisturbed():
            findings.attempt("leak", lambda: _check_leak(findings, subject, train, evaluation))
        if subject.classifies:
            findings.attempt("classes", lambda: _check_classes(findings, train, evaluation))
        else:
            findings.skip("classes", f"{type(subject.bare).__name__} chooses no class of several.")
        findings.attempt("groups", lambda: _check_groups(findings, subject, train, evaluation))
    if train is not None and train.indexable and subject.classifies:
        findings.attempt("declared", lambda: check_declared(findings, subject, train))
    if train is not None and evaluation is not None and train.indexable and evaluation.indexable:
        findings.attempt("sizes", lambda: _check_sizes(findings, train, evaluation))
    findings.attempt("label_kind", lambda: check_kind(findings, subject, train))
    findings.attempt("label_names", lambda: check_names(findings, subject))
    if subject.classifies and subject.takes_images:
        findings.attempt("given_labels", lambda: _check_given(findings, subject))


def _check_leak(findings: Findings, subject: Subject, train: ImageSource, evaluation: ImageSource) -> None:
    if train.dataset is evaluation.dataset:
        findings.fail(
            "leak",
            "The evaluation data is the training data itself.",
            "Hold out images: dataset.train_test_split(stratify_by_column=...).",
            1.0,
            0.0,
        )
        return
    # A leaked image is found where both of its copies are looked at: all of the training data comes before more of the
    # evaluation data.
    seen = train.spread(4 * subject.sample)
    asked = evaluation.spread(subject.sample)
    try:
        ours, theirs = train.images(seen), evaluation.images(asked)
    except Exception as error:  # an unreadable file of a stranger's data set
        findings.skip("leak", f"The pictures cannot be read: {error}")
        return
    if ours is None or theirs is None:
        _check_tensors(findings, train, evaluation, seen, asked)
        return
    sides, hashes = (train, evaluation), hash_images(ours, theirs)
    exact, each = same_pixels(*hashes), alike(*hashes)
    near = exact | each.any(axis=1)
    by_nature = _are_alike_by_nature(each)
    findings.attempt("pictures", lambda: check_likeness(findings, (ours, theirs), (hashes[0], hashes[1])))
    findings.attempt("copies", lambda: check_copies(findings, hashes[0]))
    if train.labels is not None and evaluation.labels is not None:
        given = train.labels[seen], evaluation.labels[asked]
        findings.attempt("shortcut", lambda: check_shortcut(findings, (ours, theirs), given))
    findings.attempt("labels", lambda: check_labels(findings, (hashes[0], hashes[1]), sides, (seen, asked)))
    findings.measure("compared", [len(seen), len(asked)], [len(train), len(evaluation)])
    findings.measure("same_pixels", round(float(exact.mean()), 4), 0.0)
    findings.measure("near_duplicates", round(float(near.mean()), 4), 0.0)
    worst = [asked[int(index)] for index in np.flatnonzero(near)]
    advice = "Remove duplicates before the split, and split by group where images belong together (group_column=)."
    if exact.mean() >= _LEAK:
        findings.fail(
            "leak",
            f"{exact.sum()} of {len(asked)} evaluation images ({exact.mean():.0%}) are in the training data, pixel for "
            f"pixel, such as evaluation image {shown(worst)}.",
            advice,
            round(float(exact.mean()), 4),
            0.0,
        )
    elif near.mean() >= 2 * _LEAK and not by_nature:
        findings.fail(
            "leak",
            f"{near.sum()} of {len(asked)} evaluation images ({near.mean():.0%}) are in the training data, resized, "
            f"recompressed, mirrored or turned, such as evaluation image {shown(worst)}.",
            advice,
            round(float(near.mean()), 4),
            0.0,
        )
    elif near.any():
        many = ", and most of them like many: they are of one scene, as a fixed camera sees it" if by_nature else ""
        findings.note(
            "leak",
            f"{near.sum()} of {len(asked)} evaluation images look like a training image{many}: {shown(worst)}.",
            "See whether they are the same." if not by_nature else "See that they are not frames of one recording.",
            round(float(near.mean()), 4),
        )
    if near.mean() < _PLAIN:
        findings.attempt("crops", lambda: _check_crops(findings, (ours, theirs), hashes, asked))


def _are_alike_by_nature(each: Array) -> bool:
    """Whether images [N] that are like a training image [M] are like so many that they are no copies of one."""
    counts = each.sum(axis=1)
    some = counts[counts > 0]
    return bool(len(some)) and float(np.median(some)) >= max(_COPIES, _BY_NATURE * each.shape[1])


def _check_crops(
    findings: Findings, images: tuple[list[Any], list[Any]], hashes: list[Hashes], asked: list[int]
) -> None:
    """Evaluation images that are a part of a training image."""
    ours, theirs = images
    some = np.unique(np.linspace(0, len(theirs) - 1, max(_LEAST_CROPS, len(theirs) // _CROP_SHARE)).astype(int))
    every = max(1, len(ours) // (_WHOLES * len(some)))
    wholes = Parts(ours[::every], hashes[0].grey[::every])
    found = cropped_from(wholes, Parts([theirs[index] for index in some], hashes[1].grey[some]))
    share = float(found.mean())
    findings.measure("crops", round(share, 4), 0.0)
    if not found.any():
        return
    which = shown([asked[int(index)] for index in some[found]])
    text = f"{found.sum()} of {len(some)} evaluation images ({share:.0%}) are cut out of a training image: {which}."
    if found.sum() >= _CROPPED and share >= 2 * _LEAK:
        advice = "Split first, then crop; split by group where images belong together (group_column=)."
        findings.fail("leak", text, advice, round(share, 4), 0.0)
    else:
        findings.note("leak", text, "See whether they are the same.", round(share, 4))


def _check_tensors(
    findings: Findings, train: ImageSource, evaluation: ImageSource, seen: list[int], asked: list[int]
) -> None:
    """Without the pictures: whether the tensors of two items are the same."""
    digests = [_digests(source, indices) for source, indices in ((train, seen), (evaluation, asked))]
    if digests[0] is None or digests[1] is None:
        findings.skip("leak", "Neither the pictures nor their tensors could be compared.")
        return
    known = set(digests[0])
    same = np.array([digest in known for digest in digests[1]])
    findings.measure("same_tensors", round(float(same.mean()), 4), 0.0)
    findings.skip("near_duplicates", "The pictures could not be found, so only identical tensors were looked for.")
    if same.mean() >= _LEAK:
        findings.fail(
            "leak",
            f"{same.sum()} of {len(asked)} evaluation items ({same.mean():.0%}) have the tensors of a training item.",
            "Remove duplicates before the split.",
            round(float(same.mean()), 4),
            0.0,
        )


def _digests(source: ImageSource, indices: list[int]) -> list[int] | None:
    found = []
    for start in range(0, len(indices), _BATCH):
        try:
            batch = source.batch(indices[start : start + _BATCH])
        except RuntimeSetupError:
            return None
        if "pixel_values" not in batch:
            return None
        found += [hash(np.asarray(row.detach().cpu().contiguous()).tobytes()) for row in batch["pixel_values"]]
    return found


def _check_classes(findings: Findings, train: ImageSource, evaluation: ImageSource) -> None:
    ours, theirs = train.labels, evaluation.labels
    if ours is None or theirs is None:
        findings.skip("classes", "The labels are in no column or attribute that could be found.")
        return
    size = int(max(ours.max(), theirs.max())) + 1
    counts = np.bincount(ours[ours >= 0], minlength=size), np.bincount(theirs[theirs >= 0], minlength=size)
    unseen = np.flatnonzero((counts[0] == 0) & (counts[1] > 0))
    absent = np.flatnonzero((counts[0] > 0) & (counts[1] == 0))
    apart = _divergence(*counts)
    majority = float(counts[1].max() / max(counts[1].sum(), 1))
    findings.measure("divergence", round(apart, 4), f"< {_APART}")
    findings.measure("majority", round(majority, 4))
    # Of classes with an image or two a split at random leaves some out, and a small one is far from the whole.
    total = counts[0] + counts[1]
    drawn = _at_random(total, int(counts[1].sum())) if len(unseen) or apart >= _APART else total[None]
    if len(unseen):
        few = float(np.median(total[total > 0])) < _FEW_EACH  # where most have many, one of few is worth a word
        by_chance = few and float((((drawn == total) & (total > 0)).sum(axis=1) >= len(unseen)).mean()) >= _RARE
        report = findings.note if by_chance else findings.fail
        report(
            "unseen",
            f"{len(unseen)} classes are evaluated and never trained on: {shown(unseen.tolist())}"
            + (", of which there are so few images that a split at random does the same." if by_chance else "."),
            "Split by class (stratify), after shuffling.",
            unseen.tolist(),
            [],
        )
    if apart >= _APART and apart > max(_divergence(total - some, some) for some in drawn[:_COMPARED]):
        findings.fail(
            "distribution",
            f"The classes of training and evaluation are distributed otherwise (divergence {apart:.2f} of 1): it "
            "was made of sorted data.",
            "Shuffle before the split, or split by class (stratify).",
            round(apart, 4),
            f"< {_APART}",
        )
    elif len(absent):
        share = float(counts[0][absent].sum() / counts[0].sum())
        text = f"{len(absent)} classes are trained on and never evaluated ({share:.0%} of the images)."
        findings.note("absent", text, "", absent.tolist())
    if majority > 0.8:
        findings.note(
            "majority",
            f"{majority:.0%} of the evaluation images have one class: an accuracy of that says nothing.",
            "Report balanced accuracy or MCC.",
            round(majority, 4),
        )


def _at_random(total: Array, size: int) -> Array:
    """The class counts [D, C] of so many images that are drawn at random out of all; some times."""
    generator = np.random.default_rng(0)
    drawn: Array = generator.multivariate_hypergeometric(total, size, size=_DRAWS, method="marginals")
    return drawn


def _divergence(first: Array, second: Array) -> float:
    """The Jensen-Shannon divergence of two counts in bits, 0 to 1."""
    p, q = first / max(first.sum(), 1), second / max(second.sum(), 1)
    middle = (p + q) / 2

    def relative(a: Array) -> float:
        kept = a > 0
        return float((a[kept] * np.log2(a[kept] / middle[kept])).sum())

    return (relative(p) + relative(q)) / 2


def _check_groups(findings: Findings, subject: Subject, train: ImageSource, evaluation: ImageSource) -> None:
    named = subject.group_column
    candidates = [named] if named else [name for name in train.column_names if name.lower() in _GROUP_COLUMNS]
    for column in candidates:
        ours, theirs = train.column(column), evaluation.column(column)
        if ours is None or theirs is None:
            if named:
                findings.skip("groups", f"There is no column {column!r} on both sides.")
            continue
        both = {value for value in set(ours) & set(theirs) if value not in _NO_GROUP}
        findings.measure("groups", len(both), 0)
        if both:
            some = shown(sorted(both, key=str))
            text = f"{len(both)} values of {column!r} are on both sides of the split, such as {some}."
            advice = "Split by this column, so that what belongs together stays together."
            if named:
                findings.fail("groups", text, advice, len(both), 0)
            else:
                findings.note("groups", text, advice, len(both), 0)


def _check_sizes(findings: Findings, train: ImageSource, evaluation: ImageSource) -> None:
    """As a rule more images are trained on than are held out."""
    findings.measure("sizes", [len(train), len(evaluation)])
    if len(evaluation) > len(train):
        findings.note(
            "sizes",
            f"The evaluation data has more images than the training data: {len(evaluation)} and {len(train)}.",
            "See that the two are not exchanged.",
            [len(train), len(evaluation)],
        )


def _check_given(findings: Findings, subject: Subject) -> None:
    train = subject.items("training")
    if train is not None:
        check_given_labels(findings, train, subject.items("evaluation"))


def _check_predictions(findings: Findings, subject: Subject, evaluation: ImageSource) -> None:
    from scipy.optimize import linear_sum_assignment

    predicted, truth = predict(subject, evaluation)
    if predicted is None or truth is None:
        findings.skip("predictions", "The model gives no class scores, or the data no labels.")
        return
    classes = int(max(predicted.max(), truth.max())) + 1
    matrix = np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)
    accuracy = float((predicted == truth).mean())
    majority = float(np.bincount(truth).max() / len(truth))
    rows, columns = linear_sum_assignment(-matrix)
    relabelled = float(matrix[rows, columns].sum() / len(truth))
    chance = 1 / max(len(set(truth.tolist())), 1)
    guess = max(majority, chance)
    least = max(_RENAMED, guess + _SPREAD * float(np.sqrt(guess * (1 - guess) / len(truth))))
    findings.measure("accuracy", round(accuracy, 4))
    balanced, correlation = _balanced(matrix)
    findings.measure("balanced_accuracy", round(balanced, 4))
    findings.measure("mcc", round(correlation, 4))
    findings.measure("majority_baseline", round(majority, 4))
    findings.measure("relabelled_accuracy", round(relabelled, 4))
    named = getattr(getattr(subject.bare, "config", None), "id2label", None) or {}
    names = [str(named[key]) for key in sorted(named)]
    subject.pictures.add("confusion", partial(confusion_picture, matrix, names))
    enough = len(truth) >= 20 and len(set(truth.tolist())) > 1
    if enough and len(set(predicted.tolist())) == 1:
        answer = int(predicted[0])
        train, items = subject.train, subject.items("training")
        trained = train.labels if train is not None and items is not None and not items.renumbered else None
        share = 0.0 if trained is None else float((trained == answer).mean())
        text = (
            f"After the training the model answers class {answer} to each of {len(truth)} evaluation images (accuracy "
            f"{accuracy:.2f}, MCC 0)"
        )
        classes = len(set(trained.tolist())) if trained is not None and len(trained) else 1
        early = subject.epochs is not None and subject.epochs < 1
        if share >= max(_DOMINANT, _ABOVE_EVEN / classes) and not early:
            findings.fail(
                "one_answer",
                f"{text}: {share:.0%} of the training images have this class.",
                "Train longer, weight the classes in the loss, or draw rare ones more often.",
                1,
                len(set(truth.tolist())),
            )
        else:
            findings.note("one_answer", f"{text}: it has learnt nothing yet.", "Train longer.", 1)
    elif (
        enough
        and relabelled > least
        and relabelled - accuracy > 0.4
        and accuracy < max(guess, 2 * chance)
        and _knows_its_own_labels(subject, (accuracy + relabelled) / 2)
    ):
        renamed = [f"{a} is {b}" for a, b in zip(rows, columns, strict=True) if matrix[a].sum()]
        findings.fail(
            "label_shift",
            f"The accuracy is {accuracy:.2f}, and {relabelled:.2f} once classes are renamed: the labels of the "
            f"evaluation data are numbered otherwise than in training (class {shown(renamed)}).",
            "Take the class names of the training data for both.",
            round(accuracy, 4),
            round(relabelled, 4),
        )
    elif subject.train is not None and subject.train.indexable and at_chance(truth, predicted):
        own, known = predict(subject, subject.train, _FIRST)
        if own is not None and known is not None and float((own == known).mean()) >= _HALF:
            own, known = predict(subject, subject.train)
        text = learnt_by_heart(truth, predicted, (known, own))
        if text:
            advice = "Look at pictures with their labels, of both; build both from one table."
            findings.fail("learnt_by_heart", text, advice, round(accuracy, 4))


def _knows_its_own_labels(subject: Subject, least: float) -> bool:
    """Whether a model answers its training images rightly this often; of a stream it is taken to.

    A head that no training has reached tells the classes of good features apart, under names drawn at random.
    """
    if subject.train is None or not subject.train.indexable:
        return True
    answers, truth = predict(subject, subject.train)
    return answers is None or truth is None or float((answers == truth).mean()) >= least


def _balanced(matrix: Array) -> tuple[float, float]:
    """The balanced accuracy and Matthews' correlation coefficient of a confusion matrix [C, C], rows the truth."""
    right, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    there = truth > 0
    count = int(matrix.sum())
    spread = float(count**2 - predicted @ predicted) * float(count**2 - truth @ truth)
    correlation = float(right.sum() * count - predicted @ truth) / spread**0.5 if spread > 0 else 0.0
    return float((right[there] / truth[there]).mean()), correlation


def predict(subject: Subject, source: ImageSource, most: int = _PREDICTED) -> tuple[Array | None, Array | None]:
    """Predicted and true class of some items, [N] each; `None` where the model or the data has no classes."""
    predicted, truth = [], []
    indices = source.spread(min(most, max(int(_SHARE * subject.sample), 1)))
    with undisturbed(subject.model), torch.no_grad():
        subject.model.eval()
        for start in range(0, len(indices), _BATCH):
            batch = subject.placed(source.batch(indices[start : start + _BATCH]))
            labels = next((batch[name] for name in ("labels", "label", "label_ids") if name in batch), None)
            output = subject.model(**subject.without_labels(batch))
            if labels is None or labels.dim() != 1 or labels.is_floating_point() or not isinstance(output, Mapping):
                return None, None
            if "logits" not in output or output["logits"].dim() != 2 or output["logits"].shape[1] < 2:
                return None, None
            predicted.append(output["logits"].float().argmax(dim=-1).cpu())
            truth.append(labels.cpu())
    if not predicted:
        return None, None
    return np.asarray(torch.cat(predicted)), np.asarray(torch.cat(truth))

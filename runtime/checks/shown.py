"""How much of the training data a training shows: a sampler of a part, batches that are left out, steps that end early.

Nothing of this raises, and a loss falls on a tenth of the data as well.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.subject import Subject

_WRAPPERS = 5
_MOST = 0.9
"""Share of the images from which all of them are shown, up to a rest."""
_HALF = 0.5


def samplers(loader: Any) -> list[Any]:
    """The samplers of a loader from the outside in: accelerate's shards of the batches lie around torch's sampler."""
    found: list[Any] = []
    inner = loader
    while inner is not None and len(found) < _WRAPPERS:
        batches = getattr(inner, "batch_sampler", None)
        inner = batches if batches is not None else getattr(inner, "sampler", None)
        if inner is not None:
            found.append(inner)
    return found


def is_sequential(loader: Any) -> bool:
    """Whether a loader goes through its data in the order in which it is stored."""
    return any(isinstance(sampler, torch.utils.data.SequentialSampler) for sampler in samplers(loader))


def check_shown(findings: Findings, subject: Subject) -> None:
    """Whether the loader, and the number of steps, reach the images."""
    source, loader = subject.train, subject.loader
    if source is None or loader is None or not source.indexable or not hasattr(loader, "__len__"):
        return
    images, batches = len(source), len(loader)
    if not batches:
        findings.fail(
            "batches",
            f"There is no batch to train on: {images} items are fewer than a batch, and the last is dropped.",
            "Lower the batch size, or set dataloader_drop_last=False.",
            0,
            "> 0",
        )
        return
    _check_sampler(findings, subject, images)
    size = _batch_size(loader)
    if size is None or subject.args is None:
        return
    world = int(getattr(subject.args, "world_size", 1))
    reached = batches * size * world
    if reached < _MOST * images and not any(_is_shorter(sampler, images) for sampler in samplers(loader)):
        findings.note(
            "dropped",
            f"An epoch has {reached} of {images} items ({reached / images:.0%}): the last batch is dropped.",
            "Lower the batch size, or set dataloader_drop_last=False.",
            reached,
            images,
        )
    in_all = (subject.steps or 0) * size * world * int(subject.args.gradient_accumulation_steps)
    findings.measure("images_shown", in_all or None, images)
    if 0 < in_all < _MOST * images:
        findings.note(
            "steps",
            f"The training ends after {in_all} of {images} items ({in_all / images:.0%}): the others are never shown.",
            "Leave max_steps out, or train for an epoch at least, where this is no trial.",
            in_all,
            images,
        )


def _check_sampler(findings: Findings, subject: Subject, images: int) -> None:
    """A sampler that draws the same part of the data in each epoch."""
    short = [sampler for sampler in samplers(subject.loader) if _is_shorter(sampler, images)]
    if not short:
        _check_weights(findings, subject, images)
        return
    with undisturbed():
        first, second = _drawn(short[-1])
    share = len(first) / images
    name = type(short[-1]).__name__
    if first != second:
        findings.note("sampler", f"An epoch of {name} has {len(first)} of {images} items, others in each.", "", share)
        return
    # Folds of one data set are trained and evaluated by samplers alone.
    folds = subject.evaluation is not None and subject.train is not None
    folds = folds and subject.evaluation.dataset is subject.train.dataset  # type: ignore[union-attr]
    report = findings.fail if share < _HALF and not folds else findings.note
    report(
        "sampler",
        f"{name} shows {len(first)} of {images} training items ({share:.0%}), the same in each epoch: the others are "
        "never trained on.",
        "Make the sampler from the whole data set, or train on the subset that is meant.",
        len(first),
        images,
    )


def _check_weights(findings: Findings, subject: Subject, images: int) -> None:
    """A sampler by weights draws no image whose weight is zero."""
    for sampler in samplers(subject.loader):
        weights = getattr(sampler, "weights", None)
        if not isinstance(sampler, torch.utils.data.WeightedRandomSampler) or weights is None or len(weights) != images:
            continue
        drawn = int((weights > 0).sum())
        if drawn < images:
            report = findings.fail if drawn < _HALF * images else findings.note
            report(
                "sampler",
                f"{images - drawn} of {images} training items have a weight of zero in the sampler: they are never "
                "drawn.",
                "Give every item a weight above zero, or train on the subset that is meant.",
                drawn,
                images,
            )
        else:
            _check_order(findings, subject, weights)


def _check_order(findings: Findings, subject: Subject, weights: torch.Tensor) -> None:
    """Weights that take as many values as there are classes are weights of classes, one for each."""
    labels = None if subject.train is None else subject.train.labels
    if labels is None or len(labels) != len(weights):
        return
    values = np.round(np.asarray(weights, dtype=float), 12)
    several = [int(label) for label in np.unique(labels) if len(np.unique(values[labels == label])) > 1]
    if several and 1 < len(np.unique(values)) <= len(np.unique(labels)):
        findings.note(
            "sampler_weights",
            f"The weights of the sampler take {len(np.unique(values))} values and do not go with the labels: items of "
            f"class {several[0]} have several.",
            "Compute them from the labels in the order of the data set that is trained on.",
            several,
            [],
        )


def _is_shorter(sampler: Any, images: int) -> bool:
    """Whether what draws images, not batches of them, has fewer than there are."""
    if (hasattr(sampler, "batch_size") and hasattr(sampler, "sampler")) or hasattr(sampler, "batch_sampler"):
        return False
    return hasattr(sampler, "__len__") and len(sampler) < _MOST * images


def _drawn(sampler: Any) -> list[set[int]]:
    """The images of two epochs; the sampler's own generator and epoch are left as they were."""
    drawing = copy.copy(sampler)
    own = getattr(drawing, "generator", None)
    if isinstance(own, torch.Generator):
        drawing.generator = own.clone_state()
    epochs = []
    for epoch in range(2):
        if hasattr(drawing, "set_epoch"):
            drawing.set_epoch(epoch)
        epochs.append({int(index) for index in drawing})
    return epochs


def _batch_size(loader: Any) -> int | None:
    """Images a batch of this process has, where a sampler says it."""
    sizes = [getattr(sampler, "batch_size", None) for sampler in [loader, *samplers(loader)]]
    return next((int(size) for size in sizes if size), None)

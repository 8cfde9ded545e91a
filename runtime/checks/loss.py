"""Whether the loss asks for the class that the label names: of every class, and with the right sign.

A loss of the script's own is a number that falls, whatever it asks for. It is shown scores that are nearly all alike,
in place of the head's, and what counts is which score it wants to rise: its gradient, of one forward pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from v5lint.runtime.checks.findings import shown
from v5lint.runtime.checks.preserve import is_sharded, undisturbed
from v5lint.runtime.roles import classification_head

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.subject import Subject

    Array: TypeAlias = "np.ndarray[Any, Any]"

_CLASSES, _EACH = 10, 2
"""Classes that are looked at, and items of each: with one, mixed images could be taken for shifted labels."""
_NOISE = 0.1
"""Of the scores that the loss is shown: it tells nobody's answer from another's."""
_MOST = 0.9
"""Share of the items that must agree."""
_UNLIKE = 2.0
"""How many times the smallest the largest weight of a class, and number of its images, must be to be compared."""
_ENOUGH, _UNRELATED, _OF_ROWS = 5, -0.5, 0.2
"""Classes, correlation and spread from which weights are the right ones in the wrong order."""
_TOGETHER = 0.9
"""Correlation of weights and numbers of images from which frequent classes have the weights of rare ones."""


def loss_of_trainer(trainer: Any) -> Callable[[Any, dict[str, Any]], Any] | None:
    """The loss that a trainer takes of a model and a batch; `None` without a trainer."""
    if trainer is None or not hasattr(trainer, "compute_loss"):
        return None

    def loss(model: Any, batch: dict[str, Any]) -> Any:
        items = torch.tensor(len(next(iter(batch.values()))), device=next(model.parameters()).device)
        return trainer.compute_loss(model, dict(batch), num_items_in_batch=items)

    return loss


def check_loss(findings: Findings, subject: Subject) -> None:
    """Whether the loss falls when the score of the right class rises, for every class."""
    source = subject.train
    if not (subject.training and subject.classifies and source is not None and source.indexable and len(source)):
        return
    heads = classification_head(subject.bare)
    if len(heads) != 1 or is_sharded(subject.model):
        return
    with undisturbed(subject.model):
        batch = source.batch(_chosen(source))
        labels = next((batch[name] for name in ("labels", "label", "label_ids") if name in batch), None)
        if labels is None or labels.dim() != 1 or labels.is_floating_point():
            return
        subject.model.eval()
        gradient, cut_off = _gradient(subject, heads[0], batch)
    if cut_off:
        findings.fail(
            "loss",
            "The loss does not depend on the model's scores: it is computed of something else, or cut off (detach).",
            "Return a loss of the scores that the model gives.",
            "constant",
        )
    elif gradient is not None and gradient.shape[0] == len(labels):
        _judge(findings, subject, gradient, np.asarray(labels.cpu()))


def _chosen(source: Any) -> list[int]:
    """Some items of some classes, in no order."""
    if source.labels is None:
        chosen = source.spread(_CLASSES * _EACH)
    else:
        classes, counts = np.unique(source.labels[source.labels >= 0], return_counts=True)
        most = classes[np.argsort(-counts, kind="stable")[:_CLASSES]]
        chosen = [int(i) for each in most for i in np.flatnonzero(source.labels == each)[:_EACH]]
    return [chosen[int(i)] for i in np.random.default_rng(0).permutation(len(chosen))]


def _gradient(subject: Subject, head: str, batch: dict[str, Any]) -> tuple[Array | None, bool]:
    """The gradient of the loss by scores [B, C] that stand in for the head's, and whether there is none."""
    placed = subject.placed(batch)
    own = loss_of_trainer(subject.trainer)
    if own is not None:  # the loss of a script may read more than the model takes
        others = {k: v.to(subject.device) for k, v in batch.items() if isinstance(v, torch.Tensor) and k not in placed}
        placed = {**placed, **others}
    given: list[torch.Tensor] = []
    count = int(subject.bare.num_labels)

    def replace(module: Any, inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor) or output.dim() != 2 or output.shape[1] != count:
            return None
        noise = torch.randn(output.shape, generator=torch.Generator().manual_seed(0)) * _NOISE
        given.append(noise.to(output.device, output.dtype).requires_grad_(True))
        return given[-1]

    handle = subject.bare.get_submodule(head).register_forward_hook(replace)
    try:
        with torch.enable_grad():
            loss = own(subject.model, placed) if own is not None else subject.model(**placed)["loss"]
    finally:
        handle.remove()
    if len(given) != 1 or not isinstance(loss, torch.Tensor) or not bool(torch.isfinite(loss).all()):
        return None, False
    if not loss.requires_grad:
        return None, True
    found = torch.autograd.grad(loss.sum(), given[0], allow_unused=True)[0]
    if found is None or not bool(found.any()):
        return None, True
    return np.asarray(found.detach().float().cpu()), False


def _judge(findings: Findings, subject: Subject, gradient: Array, labels: Array) -> None:
    kept = (labels >= 0) & (labels < gradient.shape[1])
    gradient, labels = gradient[kept], labels[kept]
    if not len(labels):
        return
    rows = np.arange(len(labels))
    own = gradient[rows, labels]
    silent: Array = np.asarray(~gradient.any(axis=1))
    findings.measure("loss_asks_for_label", round(float((gradient.argmin(axis=1) == labels).mean()), 3), 1.0)
    left_out = sorted({int(each) for each in labels if silent[labels == each].all()})
    if left_out:
        findings.fail(
            "loss_classes",
            f"Of the classes that were looked at, the loss leaves out class {shown(left_out)}: their images teach "
            "nothing.",
            "Look at ignore_index and at the class weights of the loss.",
            left_out,
            [],
        )
    heard = ~silent
    gradient, labels, own = gradient[heard], labels[heard], own[heard]
    if not len(labels):
        return
    if float((own < 0).mean()) >= _MOST and _only_own(gradient, labels):
        findings.fail(
            "loss_softmax",
            "The loss takes the score of the right class as it is, without a softmax over all of them: it falls "
            "without bound, and no other score is ever lowered.",
            "Use CrossEntropyLoss, or log_softmax before NLLLoss.",
        )
        return
    if float((gradient.argmax(axis=1) == labels).mean()) >= _MOST and float((own > 0).mean()) >= _MOST:
        findings.fail(
            "loss_sign",
            "The loss falls when the score of the right class falls: it has the wrong sign.",
            "Minimise the negative log likelihood.",
        )
        return
    wanted = _wanted(gradient, labels)
    if wanted is not None and float((gradient.argmin(axis=1) != labels).mean()) >= _MOST:
        label, other = next(iter(wanted.items()))
        findings.fail(
            "loss_shift",
            f"In all of {len(wanted)} classes the loss asks for another one than the label: the loss asks for class "
            f"{other} where the label is class {label}.",
            "Give the loss scores and labels of one numbering.",
            {str(key): value for key, value in wanted.items()},
        )
        return
    _check_weights(findings, subject, own, labels)


def _only_own(gradient: Array, labels: Array) -> bool:
    """Whether no score but the right class's has a gradient."""
    others = gradient.copy()
    others[np.arange(len(labels)), labels] = 0
    return not others.any()


def _wanted(gradient: Array, labels: Array) -> dict[int, int] | None:
    """The class that the loss asks for, of each label; `None` where it is not one each, and each another one."""
    found: dict[int, int] = {}
    for label in np.unique(labels):
        asked = set(gradient[labels == label].argmin(axis=1).tolist())
        if len(asked) != 1 or int((labels == label).sum()) < _EACH:
            return None
        found[int(label)] = asked.pop()
    return found if len(found) > 2 and len(set(found.values())) == len(found) else None


def _check_weights(findings: Findings, subject: Subject, own: Array, labels: Array) -> None:
    """Weights of classes are for the rare ones."""
    known = None if subject.train is None else subject.train.labels
    if known is None:
        return
    classes = np.unique(labels)
    weights = np.array([-own[labels == each].mean() for each in classes])
    counts = np.array([(known == each).sum() for each in classes], dtype=float)
    if len(classes) < 2 or weights.min() <= 0 or counts.min() < 1:
        return
    if weights.max() < _UNLIKE * weights.min() or counts.max() < _UNLIKE * counts.min():
        return
    items = subject.items("training")
    if items is not None and items.renumbered:
        return
    together = float(np.corrcoef(np.log(weights), np.log(counts))[0, 1])
    findings.measure("class_weights", round(together, 3), "< 0")
    in_order = float(np.corrcoef(np.log(np.sort(weights)), np.log(np.sort(counts)[::-1]))[0, 1])
    of_rows = float(np.ptp(np.log(np.sort(weights) * np.sort(counts)[::-1])))
    if len(classes) >= _ENOUGH and together > _UNRELATED and in_order < -_TOGETHER and of_rows < _OF_ROWS:
        findings.fail(
            "class_weights",
            f"The weights of the loss are those of other classes: each is the inverse of a number of images, and class "
            f"{classes[int(np.argmax(weights))]} has the largest with {counts[int(np.argmax(weights))]:.0f} of them.",
            "Put the weights in the order of the class indices: np.bincount(labels, minlength=C).",
            round(together, 3),
            "-1",
        )
        return
    if together >= _TOGETHER:
        findings.note(
            "class_weights",
            "The weights of the loss are largest for the classes that have the most images: rare ones count for less "
            "still.",
            "Divide by the number of images, do not multiply.",
            round(together, 3),
            "< 0",
        )

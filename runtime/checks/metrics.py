"""Whether what a script calls its accuracy is one: of answers that are all right, and of answers that are all wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import EvalPrediction

from v5lint.runtime.checks.findings import shown
from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.sources import ImageSource
    from v5lint.runtime.checks.subject import Subject

_NAMES = frozenset({"accuracy", "acc", "top1", "top1_accuracy", "balanced_accuracy", "overall_accuracy", "mcc"})
"""Measures that are 1 (or 100) where every answer is right, whatever the classes."""
_RIGHT = 0.99
_ANSWERED = 256
_EVALUATING = ("evaluate", "evaluation_loop", "prediction_step")
"""Of a trainer."""
_CERTAIN = 10.0


def check_metrics(findings: Findings, subject: Subject) -> None:
    """Give `compute_metrics` right answers and wrong ones, and see what it makes of them."""
    trainer, source = subject.trainer, subject.evaluation
    measure = getattr(trainer, "compute_metrics", None)
    if measure is not None and source is not None and source.indexable and len(source):
        _check_called(findings, trainer, source)
    labels = None if source is None else source.labels
    if (
        measure is None
        or labels is None
        or not subject.classifies
        or getattr(subject.args, "batch_eval_metrics", False)
    ):
        return
    count = int(subject.bare.num_labels)
    labels = labels[(labels >= 0) & (labels < count)][:_ANSWERED]
    if len(set(labels.tolist())) < 2:
        return
    with undisturbed():
        right, wrong = (_measured(trainer, answers, labels, count) for answers in (labels, (labels + 1) % count))
    for name in sorted(right.keys() & wrong.keys()):
        if name.removeprefix("eval_").removeprefix("val_").lower() not in _NAMES:
            continue
        most = 100.0 if right[name] > 1.5 or wrong[name] > 1.5 else 1.0
        findings.measure(f"{name} of right answers", round(right[name] / most, 4), 1.0)
        if not right[name] >= _RIGHT * most:
            _fail(findings, name, right[name], "right")
        elif wrong[name] >= _RIGHT * most:
            _fail(findings, name, wrong[name], "wrong")


def _check_called(findings: Findings, trainer: Any, source: ImageSource) -> None:
    """Trainer calls the function where a batch has all of `label_names`, and leaves it out without a word elsewhere."""
    methods = [getattr(type(trainer), name, None) for name in _EVALUATING]
    if any(getattr(method, "__module__", "").partition(".")[0] != "transformers" for method in methods):
        return  # a script's own evaluation may call it by itself
    wanted = list(getattr(trainer, "label_names", None) or ())
    with undisturbed():
        given = source.batch([0])
    absent = [name for name in wanted if name not in given]
    if absent or not wanted:
        findings.fail(
            "metrics_called",
            f"compute_metrics is never called, and there is no eval_loss: label_names is {wanted}, and an evaluation "
            f"batch has {shown(sorted(given))}.",
            "Leave label_names at its default, or name the labels as the batches do.",
            sorted(given),
            wanted,
        )


def _fail(findings: Findings, name: str, value: float, which: str) -> None:
    findings.fail(
        "metrics",
        f"compute_metrics gives {name}={value:.3g} for answers that are all {which}: it does not measure what it says.",
        "Take argmax over the last axis of the scores, and compare with label_ids.",
        round(value, 4),
        1.0 if which == "right" else 0.0,
    )


def _measured(trainer: Any, answers: Any, labels: Any, count: int) -> dict[str, float]:
    """What a script's function makes of certain answers, as far as it is numbers."""
    scores = np.random.default_rng(0).normal(-_CERTAIN, 0.1, (len(labels), count)).astype(np.float32)
    scores[np.arange(len(labels)), answers] = _CERTAIN
    given: Any = scores
    before = getattr(trainer, "preprocess_logits_for_metrics", None)
    if before is not None:
        made = before(torch.from_numpy(scores), torch.from_numpy(labels))
        given = np.asarray(made.cpu()) if isinstance(made, torch.Tensor) else made
    found = trainer.compute_metrics(EvalPrediction(predictions=given, label_ids=labels.copy()))
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float | np.number)}

"""The loss and the measure of a script: what is right in many forms, and what is wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from v5lint.runtime.checks.findings import Findings
from v5lint.runtime.checks.loss import check_loss
from v5lint.runtime.checks.metrics import check_metrics
from v5lint.runtime.checks.validation import make_subject
from v5lint.runtime.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLASSES = 5


class Items(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, targets: list[int]) -> None:
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": torch.randn(3, 32, 32), "labels": self.targets[index]}


def soft(labels: torch.Tensor, kept: float) -> torch.Tensor:
    return functional.one_hot(labels, CLASSES) * kept + (1 - kept) / CLASSES


def focal(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    plain = functional.cross_entropy(scores, labels, reduction="none")
    return ((1 - (-plain).exp()) ** 2 * plain).mean()


def mixed(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The labels of another image weigh more, as mixup at random has it."""
    other = labels[torch.randperm(len(labels))]
    return 0.3 * functional.cross_entropy(scores, labels) + 0.7 * functional.cross_entropy(scores, other)


def taught(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Only a teacher's answers count, who always says the same."""
    teacher = torch.zeros_like(scores)
    teacher[:, 2] = 5.0
    return functional.kl_div(scores.log_softmax(-1), teacher.softmax(-1), reduction="batchmean")


RIGHT = {
    "cross_entropy": functional.cross_entropy,
    "smoothed": lambda s, y: functional.cross_entropy(s, y, label_smoothing=0.2),
    "summed": lambda s, y: functional.cross_entropy(s, y, reduction="sum") / len(y),
    "nll_of_log_softmax": lambda s, y: functional.nll_loss(s.log_softmax(-1), y),
    "binary": lambda s, y: functional.binary_cross_entropy_with_logits(s, functional.one_hot(y, CLASSES).float()),
    "squares": lambda s, y: (s - functional.one_hot(y, CLASSES)).pow(2).mean(),
    "hinge": functional.multi_margin_loss,
    "soft_labels": lambda s, y: functional.cross_entropy(s, soft(y, 0.8)),
    "focal": focal,
    "mixed": mixed,
    "taught": taught,
    "weighted_for_the_rare": lambda s, y: functional.cross_entropy(s, y, torch.tensor([1.0, 2.0, 4.0, 4.0, 4.0])),
}
WRONG = {
    "class_left_out": (lambda s, y: functional.cross_entropy(s, y, ignore_index=1), "leaves out class 1"),
    "shifted": (lambda s, y: functional.cross_entropy(s, (y + 1) % CLASSES), "asks for another one than the label"),
    "sign": (lambda s, y: -functional.cross_entropy(s, y), "has the wrong sign"),
    "likelihood": (lambda s, y: functional.nll_loss(s, y), "without a softmax"),
    "cut_off": (lambda s, y: functional.cross_entropy(s.detach(), y) * torch.ones(1, requires_grad=True), "cut off"),
    "weighted_for_the_frequent": (
        lambda s, y: functional.cross_entropy(s, y, torch.tensor([8.0, 4.0, 2.0, 2.0, 2.0])), "rare ones count for less"
    ),
}  # fmt: skip


class Own:
    """The part of a trainer that is asked."""

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], **kwargs: Any) -> Any:
        labels = inputs.pop("labels")
        return self.loss(model(**inputs).logits, labels)


@pytest.fixture
def looked_at(checkpoints: Callable[..., Path]) -> Callable[[Any], str]:
    def look(loss: Any) -> str:
        model = load_model(checkpoints("vit"), labels=CLASSES)
        targets = [0] * 16 + [1] * 8 + [2] * 4 + [3] * 4 + [4] * 4
        subject = make_subject(model, train_dataset=Items(targets), training=True, trainer=Own(loss))
        findings = Findings("setup")
        check_loss(findings, subject)
        assert findings.measured, "the loss was not looked at"
        return "\n".join(result.detail for result in findings.results("") if result.status in ("failed", "note"))

    return look


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_loss(name: str, looked_at: Callable[[Any], str]) -> None:
    assert looked_at(RIGHT[name]) == ""


@pytest.mark.parametrize("name", [name for name in WRONG if name != "cut_off"])
def test_a_wrong_loss(name: str, looked_at: Callable[[Any], str]) -> None:
    loss, said = WRONG[name]
    assert said in looked_at(loss)


def test_a_loss_that_is_cut_off(checkpoints: Callable[..., Path]) -> None:
    loss, said = WRONG["cut_off"]
    model = load_model(checkpoints("vit"), labels=CLASSES)
    subject = make_subject(model, train_dataset=Items([0, 1, 2, 3, 4] * 4), training=True, trainer=Own(loss))
    findings = Findings("setup")
    check_loss(findings, subject)
    assert said in findings.results("")[0].detail


MEASURES = {
    "right": (lambda s, y: {"accuracy": float((s.argmax(-1) == y).mean())}, ""),
    "in_percent": (lambda s, y: {"acc": 100 * float((s.argmax(-1) == y).mean())}, ""),
    "of_probabilities": (
        lambda s, y: {"accuracy": float((((1 / (1 + np.exp(-s))) > 0.5) == (y[:, None] == np.arange(CLASSES))).mean())},
        "",
    ),
    "another_name": (lambda s, y: {"weighted_error": 0.3}, ""),
    "of_shifted_labels": (lambda s, y: {"accuracy": float((s.argmax(-1) == y + 1).mean())}, "all right"),
    "of_itself": (lambda s, y: {"balanced_accuracy": 1.0}, "all wrong"),
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure(name: str, checkpoints: Callable[..., Path]) -> None:
    measure, said = MEASURES[name]
    trainer = SimpleNamespace(compute_metrics=lambda p: measure(p.predictions, p.label_ids))
    model = load_model(checkpoints("vit"), labels=CLASSES)
    subject = make_subject(model, eval_dataset=Items([0, 1, 2, 3, 4] * 4), trainer=trainer)
    findings = Findings("setup")
    check_metrics(findings, subject)
    failed = [result.detail for result in findings.results("") if result.status == "failed"]
    assert bool(failed) is bool(said)
    assert all(said in detail for detail in failed)

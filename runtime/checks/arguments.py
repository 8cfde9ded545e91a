"""Arguments that are allowed and that no training is meant to have: each runs to its end without a word.

Trainer takes any number. Gradients that are scaled down to nothing, a weight decay that wipes out what is learnt, the
worst checkpoint kept for the best, an evaluation of no image: the loss is printed all the same.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from transformers import Trainer

from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.subject import Subject

_LEAST_NORM = 1e-4
"""Of the gradients: recipes scale them down to 0.1 to 1."""
_MOST_DECAY = 0.01
"""Share of a weight that a step may take away: recipes take 1e-7 to 5e-4, and at 0.01 half is gone after 69 steps."""
_LEAST_RATE, _MOST_RATE = 1e-7, 0.1
"""Of Adam, which moves each weight by about the rate in a step: recipes take 1e-6 to 1e-2."""
_NO_RATE = 1e-10
"""Of a group beside others: a decay of 0.65 over the 24 layers of a large model comes down to 3e-8."""
_MOST_EPSILON = 0.01
"""Of Adam: recipes take 1e-8 to 1e-3."""
_MOST_SMOOTHING = 0.9
_HIGHER = (
    "accuracy",
    "acc",
    "f1",
    "precision",
    "recall",
    "auc",
    "auroc",
    "mcc",
    "matthews",
    "iou",
    "map",
    "top1",
    "top5",
)
_LOWER = ("loss", "error", "err", "mse", "mae", "rmse", "perplexity", "wer", "cer", "eer")
_LIBRARIES = ("transformers", "trl")
"""Whose trainers evaluate by batches of a loader."""
_MOST = 0.9
"""Share of the evaluation images from which all of them are evaluated, up to a rest."""


def check_arguments(findings: Findings, subject: Subject) -> None:
    """Whether the arguments leave something to be learnt, to be evaluated and to be kept."""
    args = subject.args
    if args is None:
        return
    _check_numbers(findings, args)
    _check_smoothing(findings, subject)
    _check_best(findings, args)
    _check_groups(findings, subject)
    _check_evaluated(findings, subject)


def check_accumulation(findings: Findings, subject: Subject) -> None:
    """Whether the loss of accumulated batches is their mean.

    Trainer leaves the division to a model whose forward takes any keyword. SigLIP and SigLIP 2 take it and do not
    divide: the loss that is logged, and the gradient, are too large by the number of batches. In transformers 5.2.0
    to 5.5.3, accelerate divides once more, behind the loss that is logged: the gradient of every model is too small.
    """
    batches = int(getattr(subject.args, "gradient_accumulation_steps", 1) or 1)
    if batches < 2:
        return
    undivided = subject.divides_loss and subject.family is not None and _model_does_not_divide(findings, subject)
    again = _divides_once_more(subject.trainer)
    if undivided:
        findings.note(
            "accumulated_loss",
            f"{type(subject.bare).__name__} is told the number of items in a step and does not divide its loss by it, "
            f"and Trainer leaves the division to it: {'the loss is' if again else 'loss and gradients are'} {batches} "
            "times too large.",
            "Set trainer.model_accepts_loss_kwargs = False, or pass compute_loss_func=.",
            batches,
            1,
        )
    elif again:
        findings.note(
            "accumulated_loss",
            f"Trainer divides the loss of a batch by the {batches} batches of a step, and in this release accelerate "
            f"does so once more: gradients are {batches} times too small, whatever the loss says.",
            "Set trainer.accelerator.gradient_accumulation_steps = 1, or take transformers 5.5.4 or later.",
            1 / batches,
            1,
        )


def _model_does_not_divide(findings: Findings, subject: Subject) -> bool:
    """Whether the number of items in a step leaves the loss of the model as it is."""
    with undisturbed(subject.model), torch.no_grad():
        subject.model.eval()
        batch = subject.probe(subject.train, count=2)
        if "labels" not in batch:
            return False
        items = [torch.tensor(count, device=subject.device) for count in (1, 1000)]
        losses = [float(subject.model(**batch, num_items_in_batch=count)["loss"]) for count in items]
    findings.measure("accumulated_loss", losses)
    return losses[0] == losses[1]


def _divides_once_more(trainer: Any) -> bool:
    """Whether accelerate divides a loss that Trainer has divided (DeepSpeed is told not to)."""
    steps = getattr(getattr(trainer, "accelerator", None), "gradient_accumulation_steps", 1)
    return isinstance(steps, int) and steps > 1 and not getattr(trainer, "is_deepspeed_enabled", False)


def leaves_division_to_the_model(trainer: Any) -> bool:
    """Whether a trainer hands the number of items to its model, and does not divide the loss of a batch itself."""
    from transformers import Trainer

    if not isinstance(trainer, Trainer) or not getattr(trainer, "model_accepts_loss_kwargs", False):
        return False
    own = inspect.getattr_static(type(trainer), "compute_loss", None) is not Trainer.compute_loss
    return not own and trainer.compute_loss_func is None and trainer.label_smoother is None


def _check_numbers(findings: Findings, args: Any) -> None:
    norm = getattr(args, "max_grad_norm", None)
    if norm is not None and 0 < norm < _LEAST_NORM:
        findings.fail(
            "max_grad_norm",
            f"max_grad_norm={norm:g} scales the gradients of every step down to nothing.",
            "1.0 is usual; 0 leaves them as they are.",
            norm,
            f">= {_LEAST_NORM:g}",
        )
    smoothing = float(getattr(args, "label_smoothing_factor", 0.0) or 0.0)
    if smoothing >= _MOST_SMOOTHING:
        findings.fail(
            "label_smoothing",
            f"label_smoothing_factor={smoothing:g} leaves next to nothing of the labels: all classes are taught alike.",
            "0.1 is usual.",
            smoothing,
            f"< {_MOST_SMOOTHING:g}",
        )


def _check_smoothing(findings: Findings, subject: Subject) -> None:
    """A loss of the script's own takes the place of the one that smooths labels."""
    trainer, smoothing = subject.trainer, float(getattr(subject.args, "label_smoothing_factor", 0.0) or 0.0)
    if not smoothing or getattr(trainer, "compute_loss_func", None) is None:
        return
    findings.note(
        "smoothing",
        f"label_smoothing_factor={smoothing:g} is not looked at: Trainer takes compute_loss_func in place of it.",
        "Smooth in the function itself: torch.nn.functional.cross_entropy(..., label_smoothing=...).",
        smoothing,
    )


def _check_best(findings: Findings, args: Any) -> None:
    """The best checkpoint is the one with the highest accuracy, or the lowest error."""
    metric = str(getattr(args, "metric_for_best_model", None) or "")
    if not metric or not getattr(args, "load_best_model_at_end", False):
        return
    words = set(metric.lower().replace("@", "_").split("_"))
    greater = bool(args.greater_is_better)
    findings.measure("best_model", [metric, "greater" if greater else "smaller"])
    higher, lower = words & set(_HIGHER), words & set(_LOWER)
    if (lower and not higher) if greater else (higher and not lower):
        findings.fail(
            "best_model",
            f"metric_for_best_model={metric!r} with greater_is_better={greater}: the worst checkpoint is kept.",
            "Pass greater_is_better=" + ("False." if greater else "True."),
            greater,
            not greater,
        )


def _check_groups(findings: Findings, subject: Subject) -> None:
    """Rate and decay of what the optimiser trains."""
    if subject.optimizer is None:
        return
    groups = [group for group in subject.optimizer.param_groups if any(p.requires_grad for p in group["params"])]
    rates = [float(group.get("initial_lr", group["lr"])) for group in groups]
    decays = [rate * float(group.get("weight_decay", 0.0)) for rate, group in zip(rates, groups, strict=True)]
    findings.measure("decay_a_step", max(decays, default=0.0), f"<= {_MOST_DECAY:g}")
    if max(decays, default=0.0) > _MOST_DECAY:
        findings.fail(
            "weight_decay",
            f"Weight decay takes {max(decays):.0%} of every trained weight in each step: what is learnt is wiped out.",
            "0.01 to 0.1 is usual.",
            max(decays),
            f"<= {_MOST_DECAY:g}",
        )
    if "Adam" in type(subject.optimizer).__name__:
        _check_adam(findings, type(subject.optimizer).__name__, groups, max(rates, default=0.0))


def _check_adam(findings: Findings, name: str, groups: list[dict[str, Any]], rate: float) -> None:
    """Rate, moments and epsilon of Adam and its kind."""
    if rate > _MOST_RATE or 0 < rate < _LEAST_RATE:
        findings.fail(
            "learning_rate",
            f"The learning rate is {rate:g}, and {name} moves each weight by about as much in every step"
            + ("." if rate > _MOST_RATE else ": next to nothing is learnt."),
            "1e-5 to 1e-2 is usual.",
            rate,
            f"{_LEAST_RATE:g} to {_MOST_RATE:g}",
        )
    still = [group for group in groups if 0 < float(group.get("initial_lr", group["lr"])) < _NO_RATE]
    if still and rate >= _LEAST_RATE:
        least = min(float(group.get("initial_lr", group["lr"])) for group in still)
        findings.fail(
            "group_rates",
            f"The learning rate of {len(still)} of {len(groups)} parameter groups is below {_NO_RATE:g} (the least is "
            f"{least:.1g}), where the largest is {rate:g}: next to nothing is learnt in them.",
            "See what the rates are multiplied by: a decay by layer is 0.65 to 0.95 a layer.",
            least,
            f">= {_NO_RATE:g}",
        )
    betas = [tuple(group["betas"]) for group in groups if len(group.get("betas") or ()) == 2]
    exchanged = [pair for pair in betas if all(isinstance(beta, float) for beta in pair) and pair[0] > pair[1]]
    if exchanged:
        findings.fail(
            "betas",
            f"{name}'s betas are {exchanged[0]}: the first, of the mean, is above the second, of the square. They are "
            "exchanged.",
            "(0.9, 0.999) is usual.",
            list(exchanged[0]),
        )
    epsilon = max((float(group.get("eps") or 0.0) for group in groups), default=0.0)
    if epsilon > _MOST_EPSILON:
        findings.fail(
            "epsilon",
            f"{name}'s eps is {epsilon:g}, which every update is divided by: gradients are far below it.",
            "1e-8 is usual.",
            epsilon,
            f"<= {_MOST_EPSILON:g}",
        )


def _check_evaluated(findings: Findings, subject: Subject) -> None:
    """`dataloader_drop_last` drops the last batch of the evaluation too."""
    source, args = subject.evaluation, subject.args
    if source is None or not source.indexable or not len(source) or not getattr(args, "dataloader_drop_last", False):
        return
    if getattr(type(subject.trainer), "evaluate", Trainer.evaluate).__module__.partition(".")[0] not in _LIBRARIES:
        return  # a way of the script's own, which need not take batches of a loader
    size = int(args.eval_batch_size) * int(getattr(args, "world_size", 1))
    evaluated = len(source) // size * size
    findings.measure("evaluated", evaluated, len(source))
    if evaluated < _MOST * len(source):
        report = findings.fail if not evaluated else findings.note
        report(
            "evaluated",
            f"{evaluated} of {len(source)} evaluation images are evaluated: dataloader_drop_last drops the last batch, "
            f"of up to {size}, there too.",
            "Lower per_device_eval_batch_size until it divides their number, or set dataloader_drop_last=False.",
            evaluated,
            len(source),
        )

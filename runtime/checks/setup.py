"""How it is trained: what the optimiser holds, the learning rate, the evaluation, steps and processes."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from v5lint.runtime.checks.arguments import check_accumulation, check_arguments
from v5lint.runtime.checks.chance import check_dropout, check_workers
from v5lint.runtime.checks.findings import Findings, reason_of, shown
from v5lint.runtime.checks.loss import check_loss
from v5lint.runtime.checks.metrics import check_metrics
from v5lint.runtime.checks.outputs import scores_of
from v5lint.runtime.checks.preserve import is_sharded, undisturbed
from v5lint.runtime.checks.shown import check_shown
from v5lint.runtime.roles import classification_head

if TYPE_CHECKING:
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "setup"
_PIXELS = {"pixel_values", "patches"}
_FAR, _ENDS, _MOST_ENDS = 1e4, 0.01, 0.8
"""How many times as large features are made, and what share of a sigmoid's values then lies how near to its ends."""
_WORLD_SIZE_VARIABLES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


def check_setup(subject: Subject) -> list[CheckResult]:
    """Whether the optimiser trains what is trainable, the learning rate is one, and evaluation has no chance in it."""
    findings = Findings(NAME)
    parts = {"optimizer": _check_optimizer, "learning_rate": _check_learning_rate, "processes": _check_processes,
             "order": _check_order, "shown": check_shown, "evaluation": _check_evaluation,
             "arguments": check_arguments, "accumulated_loss": check_accumulation, "loss": check_loss,
             "metrics": check_metrics, "dropout": check_dropout, "workers": check_workers}  # fmt: skip
    for aspect, part in parts.items():
        findings.attempt(aspect, partial(part, findings, subject))
    return findings.results("The optimiser holds what is trainable, its learning rate is not zero, evaluation repeats.")


def _check_optimizer(findings: Findings, subject: Subject) -> None:
    if subject.optimizer is None:
        if subject.training:
            when = "" if subject.trained else ": it is made when the training starts"
            findings.skip("optimizer", f"The optimiser was not given{when}.")
        return
    held = {id(p): p for group in subject.optimizer.param_groups for p in group["params"]}
    named = dict(subject.model.named_parameters())
    trainable = {name: p for name, p in named.items() if p.requires_grad}
    absent = [name for name, p in trainable.items() if id(p) not in held]
    ids = {id(p) for p in named.values()}
    foreign = [p for key, p in held.items() if key not in ids]
    findings.measure("optimizer_parameters", sum(p.numel() for p in held.values() if p.requires_grad))
    if type(subject.optimizer).__name__ in ("DeepSpeedZeroOptimizer", "DeepSpeedOptimizerWrapper"):
        findings.skip("optimizer", "DeepSpeed's optimiser holds shards, not the parameters.")
        return
    groups = getattr(getattr(subject.scheduler, "optimizer", None), "param_groups", None)
    # Accelerate's wrapper hands out the lists of what it wraps.
    if groups is not None and groups is not subject.optimizer.param_groups:
        findings.fail(
            "scheduler_of_another_optimizer",
            "The schedule belongs to another optimiser than the one that trains: this one's learning rate stays as it "
            "is.",
            "Make the schedule from the optimiser that is handed to the trainer.",
        )
    if absent:
        count = sum(trainable[name].numel() for name in absent)
        findings.fail(
            "optimizer",
            f"The optimiser does not hold {len(absent)} trainable tensors ({count:,} parameters, such as {absent[0]}): "
            "they receive gradients and never change.",
            "Make the optimiser after the adapter is attached and the parameters are unfrozen, from "
            "[p for p in model.parameters() if p.requires_grad].",
            len(trainable) - len(absent),
            len(trainable),
        )
    if foreign:
        findings.fail(
            "optimizer_of_another_model",
            f"{len(foreign)} tensors that the optimiser holds are not in the model any more.",
            "Make the optimiser from the model that is trained.",
            len(foreign),
            0,
        )
    frozen = sum(not p.requires_grad for key, p in held.items() if key in ids)
    if frozen:
        findings.measure("optimizer_frozen", frozen)


def _check_learning_rate(findings: Findings, subject: Subject) -> None:
    args = subject.args
    if subject.optimizer is not None:
        rates = [float(group.get("initial_lr", group["lr"])) for group in subject.optimizer.param_groups]
        findings.measure("learning_rate", max(rates, default=0.0))
        idle = [
            index
            for index, (rate, group) in enumerate(zip(rates, subject.optimizer.param_groups, strict=True))
            if rate == 0 and any(p.requires_grad for p in group["params"])
        ]
        if idle:
            findings.fail(
                "learning_rate",
                f"The learning rate of {len(idle)} of {len(rates)} parameter groups is 0: nothing in them is trained.",
                "Set learning_rate above 0.",
                0.0,
                "> 0",
            )
    elif args is not None and not float(args.learning_rate):
        findings.fail("learning_rate", "learning_rate is 0: nothing is trained.", "Set it above 0.", 0.0, "> 0")
    steps = int(subject.steps or getattr(args, "max_steps", -1) or -1)
    if steps < 1:
        return
    lambdas = getattr(subject.scheduler, "lr_lambdas", None)
    if not lambdas:
        return
    middle = [float(lambdas[0](step)) for step in {steps // 2, (3 * steps) // 4} if 0 < step < steps]
    peak = max((float(lambdas[0](step)) for step in range(steps)), default=1.0) if steps <= 10_000 else max(middle)
    findings.measure("schedule_peak", round(peak, 6), 1.0)
    if steps > 3 and middle and max(middle) == 0:
        findings.fail(
            "schedule",
            f"The schedule's learning rate is 0 at half and at three quarters of the {steps} steps.",
            "The schedule was made for another number of steps.",
            0.0,
            "> 0",
        )
    elif steps > 3 and peak < 0.5:
        findings.fail(
            "schedule",
            f"The learning rate never rises above {peak:.0%} of learning_rate: warm-up takes longer than the training.",
            "warmup_steps below 1 is a share of the steps, from 1 on a number of them.",
            round(peak, 6),
            1.0,
        )


def _check_processes(findings: Findings, subject: Subject) -> None:
    args = subject.args
    if args is None:
        return
    world = int(getattr(args, "world_size", 1))
    asked = next((int(os.environ[name]) for name in _WORLD_SIZE_VARIABLES if os.environ.get(name, "").isdigit()), 1)
    findings.measure("world_size", world, asked)
    if world != asked:
        findings.fail(
            "world_size",
            f"{asked} processes were started and this training has a world size of {world}: each trains alone.",
            "Launch with torchrun, and let TrainingArguments be made before any process group.",
            world,
            asked,
        )
    fsdp = bool(getattr(args, "fsdp", None)) or os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
    if fsdp and world > 1 and subject.loader is not None and not _is_fsdp(subject.model):
        findings.fail(
            "fsdp",
            f"FSDP was asked for and no parameter is sharded: {world} processes train with DDP, as accelerate does it "
            "without a GPU.",
            "Leave fsdp out, or train on GPUs.",
            "DDP",
            "FSDP",
        )
    findings.measure("accumulation", int(args.gradient_accumulation_steps))


def _is_fsdp(model: torch.nn.Module) -> bool:
    """Whether FSDP has the parameters: as shards of its own kind, or (in its first version) in wrappers."""
    return is_sharded(model) or any("FullyShardedDataParallel" in type(module).__name__ for module in model.modules())


def _check_order(findings: Findings, subject: Subject) -> None:
    """A data set that is sorted by class is shown in another order."""
    source = subject.train
    if source is None or source.labels is None or len(source.labels) < 4:
        return
    strategy = str(getattr(getattr(subject.args, "train_sampling_strategy", ""), "value", ""))
    strategy = strategy or str(getattr(subject.args, "train_sampling_strategy", "") or "")
    labels = source.labels
    runs = int(np.count_nonzero(np.diff(labels))) + 1
    if (strategy == "sequential" or subject.sequential) and runs == len(set(labels.tolist())) > 1:
        findings.fail(
            "order",
            "The training data is sorted by class and shown in its own order: each batch has one class.",
            "Leave train_sampling_strategy and the sampler as they are, or shuffle the data set.",
            "sequential",
            "random",
        )


def _check_evaluation(findings: Findings, subject: Subject) -> None:
    """In evaluation mode the same image gives the same output twice."""
    source = subject.evaluation
    try:
        with undisturbed(subject.model), torch.no_grad():
            inputs = subject.without_labels(subject.probe(source, count=2))
            again = inputs
            if source is not None and source.indexable and len(source):
                torch.manual_seed(1)
                again = subject.without_labels(subject.probe(source, count=2))
            subject.model.eval()
            varied = [
                name
                for name in inputs
                if inputs[name].shape != again[name].shape or not torch.equal(inputs[name], again[name])
            ]
            first, second = scores_of(subject.model(**inputs)), scores_of(subject.model(**inputs))
    except Exception as error:  # a model and a data set of the script's own
        findings.skip("evaluation", f"Evaluation could not be looked at: {reason_of(error)}")
        return
    if varied:
        # Tokens are masked at random for a language model in evaluation too, and patches for a masked image model.
        report = findings.fail if _PIXELS & set(varied) and subject.takes_images else findings.note
        report(
            "evaluation_data",
            f"An item of the evaluation data is another one each time it is fetched ({shown(varied)}): it is augmented "
            "at random.",
            "Prepare evaluation images without random crops, flips or colours.",
            "random",
            "the same",
        )
    _check_scores(findings, subject, inputs, first)
    difference = float((first - second).abs().max())
    findings.measure("evaluation_difference", difference, 0.0)
    if difference > 1e-4 * float(first.abs().max().clamp_min(1e-6)):
        report = findings.note if subject.draws_in_evaluation else findings.fail
        report(
            "evaluation_model",
            f"In evaluation mode the model gives two outputs for one image (difference {difference:.2g}): dropout or "
            "another random layer is still on.",
            "Use nn.Dropout, or pass training=self.training to the function.",
            difference,
            0.0,
        )


def _check_scores(findings: Findings, subject: Subject, inputs: dict[str, torch.Tensor], scores: torch.Tensor) -> None:
    """Scores of classes [B, C] are what a softmax takes, not what it gives: the loss has one of its own."""
    if not subject.classifies or scores.dim() != 2 or scores.shape[1] < 2 or float(scores.min()) < 0:
        return
    if float((scores.sum(dim=1) - 1).abs().max()) < 1e-3:
        findings.fail(
            "probabilities",
            "The model's scores are probabilities already (each image's sum to 1), and the loss applies a softmax to "
            "them: it hardly falls, however right they are.",
            "Return the scores before the softmax.",
            "probabilities",
            "logits",
        )
        return
    heads = classification_head(subject.bare)
    if len(heads) != 1:
        return
    with undisturbed(subject.model), torch.no_grad():
        subject.model.eval()
        turned = torch.cat([_with_features(subject, heads[0], inputs, scale) for scale in (-_FAR, _FAR)])
    if float(turned.min()) < 0:
        return
    if float(turned.max()) <= 1 and float(((turned < _ENDS) | (turned > 1 - _ENDS)).float().mean()) >= _MOST_ENDS:
        what, advice = "have been through a sigmoid", "Return the scores before the sigmoid."
    elif bool((turned == 0).any()):
        what, advice = "are cut off at 0, as by a ReLU", "Let the head end in its linear layer."
    else:
        return
    findings.fail(
        "scores",
        f"The model's scores {what}: none is below 0, whatever the features are, and a softmax over them tells classes "
        "apart badly.",
        advice,
        float(turned.min()),
        "of both signs",
    )


def _with_features(subject: Subject, head: str, inputs: dict[str, torch.Tensor], scale: float) -> torch.Tensor:
    """The scores of features that are so many times as large: a linear head's are of both signs, and large."""

    def enlarge(module: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (given[0] * scale, *given[1:])

    handle = subject.bare.get_submodule(head).register_forward_pre_hook(enlarge)
    try:
        return scores_of(subject.model(**inputs))
    finally:
        handle.remove()

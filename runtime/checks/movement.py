"""What two optimiser steps change: every LoRA tensor and the head, and nothing else.

A glance at `requires_grad` does not see re-entrant checkpointing (all LoRA tensors without a gradient, the head
trains), a merged adapter, or a NaN that Trainer's logger prints as a loss of 0.0. Every parameter is therefore
fingerprinted, and gradients are looked at just before they are used.
"""

# transformers and torch are typed in part: their classes and loaders are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.checks.parameters import lora_config_of
from v5lint.runtime.checks.preserve import batch_statistics, is_sharded, undisturbed, whole
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.families import find_family
from v5lint.runtime.roles import classification_head, unwrap

if TYPE_CHECKING:
    from torch import nn

    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "movement"
STEPS = 2
"""Steps with a learning rate above zero: at the first one lora_A has no gradient yet, since lora_B is zero."""

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_TRIAL_RATE = 1e-3


class Recorder:
    """Watches a training: fingerprints before the first step, gradients before each, fingerprints after.

    Args:
        model: The model, before the first step.
    """

    def __init__(self, model: nn.Module) -> None:
        self.trainable = [name for name, p in model.named_parameters() if p.requires_grad]
        self.before = fingerprints(model)
        self.statistics = _frozen_statistics(model)
        self.reached: set[str] = set()
        self.infinite: dict[str, int] = {}
        self.warming = False
        self.steps = 0

    def look_at_gradients(self, model: nn.Module, learning_rate: float, peak: float | None = None) -> None:
        """Before an optimiser step: which tensors have a gradient that is not zero, and whether it is finite.

        Args:
            model: The model.
            learning_rate: Of this step.
            peak: What the learning rate rises to; by default that of this step.
        """
        with_gradient = [(n, p.grad) for n, p in model.named_parameters() if p.requires_grad and p.grad is not None]
        if with_gradient:
            norms = torch.stack([whole(grad.detach().float().norm()) for _, grad in with_gradient]).cpu()
            for (name, _), norm in zip(with_gradient, norms.tolist(), strict=True):
                if not math.isfinite(norm):
                    self.infinite.setdefault(name, self.steps + 1)
                elif norm > 0:
                    self.reached.add(name)
        self.warming = peak is not None and learning_rate < peak / 2
        if learning_rate > 0:
            self.steps += 1

    def results(self, model: nn.Module) -> list[CheckResult]:
        """What has moved since the beginning, and what has not."""
        findings = Findings(NAME)
        after = fingerprints(model)
        moved = {name for name, print_ in after.items() if self.before.get(name) != print_}
        _check_finite(findings, model, self)
        must = _must_move(model, self.trainable)
        if self.steps < STEPS:  # lora_A has its first gradient when lora_B is no longer zero
            must = [name for name in must if ".lora_A." not in name or name in self.reached]
        findings.measure("steps", self.steps)
        findings.measure("moved", sum(name in moved for name in must), len(must))
        findings.measure("frozen_moved", sum(name not in self.trainable for name in moved), 0)
        if self.trainable and not findings.failed:
            _check_moved(findings, model, must, moved, self)
        frozen = sorted(name for name in moved if name not in self.trainable)
        if frozen:
            findings.fail(
                "frozen",
                f"{len(frozen)} tensors that were frozen at the start have changed, such as {frozen[0]}.",
                "Something writes to them beside the optimiser, or they were unfrozen while training.",
                len(frozen),
                0,
            )
        _check_statistics(findings, model, self.statistics)
        return findings.results(
            f"After {self.steps} steps {findings.measured['moved']} of {len(must)} trained tensors have moved, and "
            "nothing that was frozen has."
        )


def check_movement(subject: Subject) -> list[CheckResult]:
    """Two steps of AdamW on a batch of the data, after which every weight is put back.

    During a training, `ValidationCallback` watches the training's own steps in place of these.
    """
    findings = Findings(NAME)
    trainable = [p for p in subject.model.parameters() if p.requires_grad]
    if not trainable:
        findings.skip("steps", "No parameter is trainable, so there is nothing to move.")
        return findings.results("")
    if is_sharded(subject.model):
        findings.skip("steps", "The parameters are sharded over several processes.")
        return findings.results("")
    batch = subject.probe(subject.train)
    kept = [(p, p.data, p.grad) for p in trainable]
    try:
        with undisturbed(subject.model):
            for parameter in trainable:
                parameter.data, parameter.grad = parameter.data.clone(), None
            subject.model.train()
            recorder = Recorder(subject.model)
            optimizer = torch.optim.AdamW(trainable, lr=_TRIAL_RATE, weight_decay=0.0)
            for _ in range(STEPS):
                loss_of(subject, batch).backward()
                recorder.look_at_gradients(subject.model, _TRIAL_RATE)
                optimizer.step()
                optimizer.zero_grad()
            return recorder.results(subject.model)
    except RuntimeError as error:
        findings.fail(
            "backward",
            f"A training step fails: {str(error).splitlines()[0]}",
            "Nothing that is trainable reaches the loss, or the batch does not fit the model.",
        )
        return findings.results("")
    finally:
        for parameter, data, gradient in kept:
            parameter.data, parameter.grad = data, gradient


def loss_of(subject: Subject, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The model's own loss, or one made up where the batch has no labels."""
    model: Any = subject.model
    output = model(**batch)
    if isinstance(output, tuple) and output and isinstance(output[0], torch.Tensor) and not output[0].dim():
        return output[0]  # (loss, ...), as of return_dict=False
    loss: torch.Tensor | None = output.get("loss") if isinstance(output, Mapping) else None
    if loss is not None:
        return loss.mean() if loss.dim() else loss
    if not isinstance(output, Mapping):
        raise RuntimeSetupError(f"{type(output).__name__} has no loss by name.")
    if "logits" in output and output["logits"].dim() == 2:
        logits = output["logits"]
        return torch.nn.functional.cross_entropy(
            logits.float(), torch.arange(len(logits), device=logits.device) % logits.shape[1]
        )
    tensor = next(value for value in output.values() if isinstance(value, torch.Tensor) and value.requires_grad)
    target = torch.linspace(-1, 1, tensor.numel(), device=tensor.device).view_as(tensor)
    distance: torch.Tensor = (tensor.float() - target).pow(2).mean()
    return distance


def fingerprints(model: nn.Module) -> dict[str, int]:
    """A checksum of the bits of every parameter: another value for any step of an optimiser."""
    names, sums = [], []
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            data = whole(parameter.detach())
            if data.is_meta:
                continue
            bits = data.contiguous().view(_INTEGERS[data.element_size()])
            names.append(name)
            sums.append(bits.sum(dtype=torch.int64).cpu())
    return dict(zip(names, torch.stack(sums).tolist(), strict=True)) if sums else {}


def _frozen_statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """What batch normalisation has gathered in layers of which no parameter is trained."""
    trained = {name.rpartition(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    return {
        name: tensor.detach().clone()
        for name, tensor in batch_statistics(model).items()
        if name.rpartition(".")[0] not in trained and not name.endswith("num_batches_tracked")
    }


def _check_statistics(findings: Findings, model: nn.Module, before: Mapping[str, torch.Tensor]) -> None:
    """Frozen batch normalisation gathers nothing beside an adapter, which is saved without it."""
    if not before or not hasattr(model, "peft_config"):
        return
    now = batch_statistics(model)
    other = sorted({name.rpartition(".")[0] for name, tensor in before.items() if not torch.equal(now[name], tensor)})
    findings.measure("batch_statistics_moved", len(other), 0)
    if other:
        findings.fail(
            "batch_statistics",
            f"{len(other)} layers of batch normalisation that are frozen, such as {other[0]}, take the statistics of "
            "the training batches, and these are not saved with the adapter: loaded again, the model gives other "
            "scores.",
            "Put these layers into eval() after each model.train(), or name them in modules_to_save.",
            len(other),
            0,
        )


def _must_move(model: nn.Module, trainable: list[str]) -> list[str]:
    """What a correct training moves: all that an adapter trains; of a bare model its head."""
    if lora_config_of(model) is not None:
        # A token that does not occur in these steps has no gradient yet.
        return [name for name in trainable if "trainable_tokens" not in name]
    heads = [f".{path}." for path in classification_head(unwrap(model))]
    return [name for name in trainable if any(head in f".{name}" for head in heads)] or trainable


def _is_known(model: nn.Module) -> bool:
    """Whether the model is of a family all of whose layers every batch reaches."""
    bare = unwrap(model)
    return hasattr(bare, "config") and find_family(bare) is not None


def _check_finite(findings: Findings, model: nn.Module, recorder: Recorder) -> None:
    broken = [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and p.is_floating_point() and not bool(torch.isfinite(whole(p.detach())).all())
    ]
    findings.measure("not_finite", len(broken), 0)
    if broken or recorder.infinite:
        step = min(recorder.infinite.values(), default=recorder.steps)
        findings.fail(
            "not_finite",
            f"The gradients are NaN or infinite at step {step}"
            + (f", and so are the weights of {shown(broken)}" if broken else "")
            + ". Trainer's log shows such a loss as 0.0 (logging_nan_inf_filter).",
            "Look at the batch of that step and at the learning rate; train in float32 or bfloat16, not float16.",
            max(len(broken), len(recorder.infinite)),
            0,
        )


def _check_moved(findings: Findings, model: nn.Module, must: list[str], moved: set[str], recorder: Recorder) -> None:
    without = [name for name in must if name not in recorder.reached]
    still = [name for name in must if name not in moved and name in recorder.reached]
    every_lora = [name for name in must if ".lora_" in name]
    lora = [name for name in without if ".lora_" in name]
    known = _is_known(model)
    if lora:
        cause = _cause(model)
        # Of experts, and of towers that a batch leaves out, not all are reached in two steps.
        report = findings.fail if cause or known or len(lora) == len(every_lora) else findings.note
        report(
            "gradients",
            f"{len(lora)} of {len(every_lora)} LoRA tensors, such as {lora[0]}, received no gradient{cause}.",
            "Use non-re-entrant checkpointing (use_reentrant=False), unmerge the adapter, and adapt only what the "
            "training data reaches.",
            len(lora),
            0,
        )
    rest = [name for name in without if name not in lora]
    if rest:
        # A model that is trained whole has parts that its loss does not read, such as a pooler.
        whole = not every_lora and not classification_head(unwrap(model))
        report = findings.note if whole and len(rest) < len(must) else findings.fail
        report(
            "gradients",
            f"{len(rest)} trainable tensors, such as {rest[0]}, received no gradient.",
            "Freeze them, or let the loss depend on them.",
            len(rest),
            0,
        )
    if still:
        types = {str(p.dtype).removeprefix("torch.") for n, p in model.named_parameters() if n in still}
        low = types & {"bfloat16", "float16"}
        # In a warm-up the first updates are smaller than those to come, and a language model that is trained whole in
        # bfloat16 keeps its norms near 1, as many are.
        report = findings.note if low and (recorder.warming or not known) else findings.fail
        report(
            "still",
            f"{len(still)} of {len(must)} trainable tensors, such as {still[0]}, have a gradient and did not change"
            + (f": updates are rounded away in {shown(sorted(low))}." if low else "."),
            "Keep trained weights in float32." if low else "Give them to the optimiser: see the check `setup`.",
            len(still),
            0,
        )


def _cause(model: nn.Module) -> str:
    """Why no gradient arrives, where the model shows it."""
    for module in model.modules():
        function = getattr(module, "_gradient_checkpointing_func", None)
        reentrant = (getattr(function, "keywords", None) or {}).get("use_reentrant")
        if reentrant and getattr(module, "gradient_checkpointing", False):
            return ": re-entrant checkpointing drops them where its input requires none"
        if getattr(module, "merged", False) and hasattr(module, "lora_A"):
            return ": the adapter is merged into the weights"
        if getattr(module, "disable_adapters", False) and hasattr(module, "lora_A"):
            return ": the adapter is switched off"
    return ""

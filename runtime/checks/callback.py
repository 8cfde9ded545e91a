"""The checks during a training: before the first step, after the second, and at the end."""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-subclassing-any

from __future__ import annotations

import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import Trainer, TrainerCallback

from v5lint.runtime.checks.arguments import leaves_division_to_the_model
from v5lint.runtime.checks.findings import Findings
from v5lint.runtime.checks.loaders import evaluation_collator
from v5lint.runtime.checks.movement import NAME as MOVEMENT
from v5lint.runtime.checks.movement import STEPS, Recorder
from v5lint.runtime.checks.shown import is_sequential
from v5lint.runtime.checks.validation import Report, chosen_checks, failure_message, make_subject, run_checks
from v5lint.runtime.errors import UsageError, ValidationError
from v5lint.runtime.results import CheckResult

if TYPE_CHECKING:
    from collections.abc import Collection

    from v5lint.runtime.checks.subject import Subject

_logger = logging.getLogger(__name__)
_BEFORE = ("parameters", "setup", "weights", "resolution", "preprocessing", "split", "quantization")
_AFTER = ("parameters", "split", "reload")
_SAMPLE = 128


class ValidationCallback(TrainerCallback):
    """Runs the checks inside a training, with no more than `Trainer(..., callbacks=[ValidationCallback()])`.

    Before the first step: `parameters`, `setup`, `weights`, `resolution`, `preprocessing`, `split`, `quantization`.
    After the second step with a learning rate above zero: `movement`. At the end: `parameters`, `split` with the
    model's predictions, `reload`. Weights, random numbers and modes are left as they were: the training is the same to
    the last bit as one without.

    Args:
        on_failure: `raise` ends the training with a `ValidationError` that names the fault; `warn` logs it.
        output_dir: Where to write `validation.json`, `validation.html` and the pictures; by default nowhere.
        checks: Names of the checks to run; by default all that have a place in a training.
        checkpoint: What the model was loaded from; by default what its configuration says.
        lora_config: The adapter that was meant, where it may not be the one that is there.
        processor: What images are prepared with; by default the trainer's `processing_class`.
        group_column: Column of the data whose values must not be on both sides of the split.
        sample: Most evaluation images that are compared with (four times as many) training images.

    Attributes:
        report: What was found so far.
    """

    def __init__(
        self,
        on_failure: Literal["raise", "warn"] = "raise",
        output_dir: str | Path | None = None,
        *,
        checks: Collection[str] | None = None,
        checkpoint: str | Path | None = None,
        lora_config: Any = None,
        processor: Any = None,
        group_column: str | None = None,
        sample: int = _SAMPLE,
    ) -> None:
        if on_failure not in ("raise", "warn"):
            raise UsageError(f"on_failure={on_failure!r}: must be 'raise' or 'warn'")
        self.report = Report()
        self.on_failure = on_failure
        self.output_dir = None if output_dir is None else Path(output_dir)
        self._checks = chosen_checks(checks)
        self._known = {
            "checkpoint": checkpoint,
            "lora_config": lora_config,
            "group_column": group_column,
            "sample": sample,
        }
        self._processor = processor
        self._recorder: Recorder | None = None
        self._micro_batches = 0
        self._evaluating = False
        self._told = 0
        self._begun_at = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Everything that can be known before a step."""
        self.report = Report()
        self._micro_batches = self._told = 0
        self._evaluating = False
        self._begun_at = state.global_step
        subject = self._subject(args, state, kwargs)
        subject.continued = state.global_step > 0
        run_checks(subject, [name for name in _BEFORE if name in self._checks], self.report)
        resumed = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.global_step and resumed.is_dir() and "reload" in self._checks:
            subject.restored_from = resumed
            run_checks(subject, ["reload"], self.report)
        if MOVEMENT in self._checks:
            self._recorder = Recorder(subject.model)
        self._settle(args, state)

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the batches of a step."""
        self._micro_batches += 1

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at the gradients of the first steps, just before they are used."""
        self._evaluating = not kwargs["model"].training
        if self._recorder is not None:
            groups = kwargs["optimizer"].param_groups if kwargs.get("optimizer") is not None else []
            rate = max((float(group["lr"]) for group in groups), default=1.0)
            peak = max((float(group.get("initial_lr", group["lr"])) for group in groups), default=rate)
            self._recorder.look_at_gradients(kwargs["model"], rate, peak)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After the first step: how many batches it had. After the second: what has moved."""
        batches, self._micro_batches = self._micro_batches + 1, 0
        self._check_batches(args, state, batches)
        self._check_mode(args, state, kwargs["model"])
        self._check_schedule(args, state, kwargs.get("lr_scheduler"))
        if self._recorder is not None and self._recorder.steps >= STEPS:
            self._finish_movement(kwargs["model"])
            self._settle(args, state)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """A gradient that is not a number at any later step."""
        norm = (logs or {}).get("grad_norm")
        if MOVEMENT not in self._checks or norm is None or math.isfinite(float(norm)) or getattr(args, "fp16", False):
            return
        findings = Findings(MOVEMENT)
        findings.fail(
            "not_finite",
            f"The gradient's norm is {float(norm)} at step {state.global_step}; Trainer's log shows such a loss as 0.0 "
            "(logging_nan_inf_filter), and the weights are lost.",
            "Go back to the last checkpoint, and look at the batch of that step and at the learning rate.",
            float(norm),
            "finite",
        )
        self.report.results += findings.results("")
        self._settle(args, state)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """What came out: the adapter's effect, predictions, and whether it can be loaded again."""
        if self._recorder is not None:
            if self._recorder.steps and _best_is_earlier(args, state):
                self.report.results.append(_put_back(self._recorder.steps, state))
                self._recorder = None
            elif self._recorder.steps:
                self._finish_movement(kwargs["model"])
            else:
                self._recorder = None
                self.report.results.append(self._without_steps(state))
        subject = self._subject(args, state, kwargs)
        subject.trained = subject.compared = True
        subject.epochs = state.epoch
        if getattr(args, "load_best_model_at_end", False) and state.best_model_checkpoint:
            subject.restored_from = state.best_model_checkpoint
        run_checks(subject, [name for name in _AFTER if name in self._checks], self.report)
        self._settle(args, state, last=True)

    def _without_steps(self, state: Any) -> CheckResult:
        """The result for a training in which nothing could move."""
        done = state.global_step - self._begun_at
        # Trainer takes one more step where max_steps are done, behind the end of the schedule.
        finished = not done or 0 < int(state.max_steps or 0) <= self._begun_at
        if self._begun_at and finished:
            detail = f"The run that was resumed at step {self._begun_at} had no step left: nothing was trained now."
            return CheckResult(MOVEMENT, "skipped", {"steps": 0}, None, detail)
        if not done:
            remedy = "See what the check `setup` says of the batches."
            return CheckResult(
                MOVEMENT, "failed", {"steps": 0}, None, "No step was taken: nothing was trained.", remedy
            )
        detail = f"The learning rate was zero in each of {done} steps: nothing was trained."
        remedy = "Set learning_rate above 0, and warmup_steps below the number of steps."
        return CheckResult(MOVEMENT, "failed", {"steps": 0}, None, detail, remedy)

    def _check_batches(self, args: Any, state: Any, batches: int) -> None:
        """A step has as many batches as the arguments say, unless the epoch ends with it."""
        asked = int(args.gradient_accumulation_steps)
        first = self._recorder is not None and self._recorder.steps <= 1
        if not first or batches == asked or float(state.epoch or 0).is_integer() or "setup" not in self._checks:
            return
        findings = Findings("setup")
        findings.fail(
            "accumulation",
            f"A step has {batches} batches, and gradient_accumulation_steps is {asked}.",
            "Do not change the accelerator's own gradient_accumulation_steps.",
            batches,
            asked,
        )
        self.report.results += findings.results("")
        self._settle(args, state)

    def _check_mode(self, args: Any, state: Any, model: Any) -> None:
        """A model that trains is in training mode, where it has anything that depends on it."""
        first, self._evaluating = self._evaluating and state.global_step <= 1, False
        if not first or "setup" not in self._checks or not any(_depends_on_mode(module) for module in model.modules()):
            return
        findings = Findings("setup")
        findings.fail(
            "mode",
            "The model is in evaluation mode while it trains: dropout does nothing, and normalisation by batches uses "
            "old statistics.",
            "Call model.train() where something calls model.eval() during a step.",
            "evaluation",
            "training",
        )
        self.report.results += findings.results("")
        self._settle(args, state)

    def _check_schedule(self, args: Any, state: Any, scheduler: Any) -> None:
        """The schedule takes one step with each step of the optimiser."""
        lambdas = getattr(scheduler, "lr_lambdas", None)  # neither accelerate's wrapper nor one that follows a metric
        if state.global_step != self._begun_at + STEPS or not lambdas or "setup" not in self._checks:
            return
        taken = int(scheduler.last_epoch)
        late = taken < state.global_step and not getattr(args, "fp16", False)  # fp16 leaves steps out at first
        if taken <= state.global_step and not late:
            return
        what = "once more in a callback or a loop of the script's own" if not late else "by nothing"
        findings = Findings("setup")
        findings.fail(
            "schedule_steps",
            f"After {state.global_step} steps of the optimiser the schedule is at its step {taken}: it is moved "
            f"{what}, so that the learning rate {'stands still' if late else 'ends early'}.",
            "Leave lr_scheduler.step() to the trainer." if not late else "Call the scheduler's step() after each step.",
            taken,
            int(state.global_step),
        )
        self.report.results += findings.results("")
        self._settle(args, state)

    def _finish_movement(self, model: Any) -> None:
        assert self._recorder is not None  # the callers have seen to it
        self.report.results += self._recorder.results(model)
        self._recorder = None

    def _subject(self, args: Any, state: Any, kwargs: dict[str, Any]) -> Subject:
        """What the event hands out, and from the trainer that calls what it does not: the data as it was given."""
        trainer = _calling_trainer()
        loader = kwargs.get("train_dataloader")
        train = getattr(trainer, "train_dataset", None)
        collate = getattr(trainer, "data_collator", None)
        processor = self._processor if self._processor is not None else kwargs.get("processing_class")
        return make_subject(
            kwargs["model"],
            args=args,
            processor=processor,
            train_dataset=train if train is not None else getattr(loader, "dataset", None),
            eval_dataset=getattr(trainer, "eval_dataset", None),
            collate=collate if collate is not None else getattr(loader, "collate_fn", None),
            evaluation_collate=evaluation_collator(trainer),
            columns=getattr(trainer, "_signature_columns", None),
            optimizer=getattr(kwargs.get("optimizer"), "optimizer", kwargs.get("optimizer")),
            scheduler=getattr(kwargs.get("lr_scheduler"), "scheduler", kwargs.get("lr_scheduler")),
            training=True,
            steps=state.max_steps or None,
            sequential=is_sequential(loader),
            loader=loader,
            divides_loss=leaves_division_to_the_model(trainer),
            trainer=trainer,
            **self._known,
        )

    def _settle(self, args: Any, state: Any, *, last: bool = False) -> None:
        """Write, and stop or warn where something has failed."""
        failed = self.report.failed[self._told :]
        self._told += len(failed)
        if self.output_dir is not None and state.is_world_process_zero and (last or failed):
            self.report.as_run_report().write(self.output_dir)
            self.report.to_html(self.output_dir / "validation.html")
            self.report.write_pictures(self.output_dir / "pictures")
        if not failed:
            return
        message = failure_message(failed)
        if self.on_failure == "raise":
            raise ValidationError(message)
        _logger.warning("%s", message)


def _best_is_earlier(args: Any, state: Any) -> bool:
    """Whether the weights at the end are those of a checkpoint before the last step."""
    best = str(state.best_model_checkpoint or "")
    return bool(getattr(args, "load_best_model_at_end", False) and best) and not best.endswith(f"-{state.global_step}")


def _put_back(steps: int, state: Any) -> CheckResult:
    """The result for a training so short that the best checkpoint is back before it could be looked at."""
    best = Path(state.best_model_checkpoint).name
    detail = f"After {steps} steps with a learning rate the weights of {best} were put back: what moved cannot be seen."
    return CheckResult(MOVEMENT, "skipped", {"steps": steps}, None, detail, "Train for some more steps.")


def _depends_on_mode(module: Any) -> bool:
    """Whether a module does another thing in training than in evaluation."""
    if isinstance(module, torch.nn.modules.dropout._DropoutNd):
        return module.p > 0
    return isinstance(module, torch.nn.modules.batchnorm._BatchNorm)


def _calling_trainer() -> Any:
    """The trainer whose event this is.

    An event hands out the model, the optimiser and the training data without the columns that the model does not take;
    not the evaluation data, which is what a leak is looked for in, nor the pictures. The trainer has both, and it is
    what called.
    """
    frame = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, Trainer):
            return owner
        frame = frame.f_back  # type: ignore[assignment]
    return None

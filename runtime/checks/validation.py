"""All checks together, and their report."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from v5lint.runtime.checks.arguments import leaves_division_to_the_model
from v5lint.runtime.checks.device import check_device
from v5lint.runtime.checks.findings import reason_of
from v5lint.runtime.checks.html import html_of
from v5lint.runtime.checks.loaders import evaluation_collator, source_of
from v5lint.runtime.checks.movement import check_movement
from v5lint.runtime.checks.parameters import check_parameters
from v5lint.runtime.checks.pictures import Album
from v5lint.runtime.checks.preprocessing import check_preprocessing
from v5lint.runtime.checks.quantization import check_quantization
from v5lint.runtime.checks.reload import check_reload
from v5lint.runtime.checks.resolution import check_resolution
from v5lint.runtime.checks.setup import check_setup
from v5lint.runtime.checks.shown import is_sequential
from v5lint.runtime.checks.split import check_split
from v5lint.runtime.checks.subject import Subject
from v5lint.runtime.checks.weights import check_weights
from v5lint.runtime.errors import UsageError, ValidationError
from v5lint.runtime.report import RunReport, write_bytes, write_text
from v5lint.runtime.results import CheckResult

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

CHECKS: Mapping[str, Callable[[Subject], list[CheckResult]]] = {
    "parameters": check_parameters,
    "movement": check_movement,
    "weights": check_weights,
    "resolution": check_resolution,
    "preprocessing": check_preprocessing,
    "split": check_split,
    "quantization": check_quantization,
    "device": check_device,
    "reload": check_reload,
    "setup": check_setup,
}
"""The checks by their stable names, in the order in which they run."""


@dataclass
class Report:
    """What the checks found.

    Attributes:
        results: In the order in which the checks ran; every result carries the name of its check.
        seconds: How long each check took.
        pictures: PNG files by title: what the model sees of some images, the confusion matrix. Each is drawn
            when it is asked for.
        family: Name of the model's family; `None` for one that the runtime does not know.
        checkpoint: What the model was loaded from, where that is known.
    """

    results: list[CheckResult] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    pictures: Album = field(default_factory=Album)
    family: str | None = None
    checkpoint: str | None = None

    @property
    def status(self) -> str:
        """`failed` where a check failed, else `passed`, or `skipped` where nothing could be looked at."""
        statuses = {result.status for result in self.results}
        return next((status for status in ("failed", "passed", "note") if status in statuses), "skipped")

    @property
    def failed(self) -> list[CheckResult]:
        """The results that failed."""
        return [result for result in self.results if not result.ok]

    def raise_if_failed(self) -> Report:
        """End the run where a check failed; what a training loop of one's own calls behind `validate`.

        Returns:
            The report itself, where nothing failed.

        Raises:
            ValidationError: A check failed; the message has a line for each, with its name, the fault and the remedy.
        """
        if self.failed:
            raise ValidationError(failure_message(self.failed))
        return self

    def of(self, check: str) -> list[CheckResult]:
        """The results of one check."""
        return [result for result in self.results if result.name == check]

    def as_run_report(self) -> RunReport:
        """The report in the form that every command writes."""
        metrics = {"seconds": {name: round(value, 4) for name, value in self.seconds.items()}}
        return RunReport(family=self.family, checkpoint=self.checkpoint, metrics=metrics, checks=self.results)

    def to_json(self) -> str:
        """The report as JSON: the content of `report.json`, with `status` on top."""
        import json

        return json.dumps({"status": self.status, **self.as_run_report().as_dict()}, indent=2, ensure_ascii=False)

    def print(self, console: Console | None = None) -> None:
        """Show the report as a table: status, check, what was found and what to do."""
        self.as_run_report().show(console)

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one HTML file with its pictures inside.

        Raises:
            OutputError: It cannot be written.
        """
        return write_text(Path(path), html_of(self))

    def write_pictures(self, folder: str | Path) -> list[Path]:
        """Write the pictures as PNG files.

        Returns:
            Their paths.

        Raises:
            OutputError: One cannot be written.
        """
        named = {f"{title.replace(' ', '-')}.png": content for title, content in self.pictures.items()}
        return [write_bytes(Path(folder) / name, content) for name, content in named.items()]


def failure_message(failed: Sequence[CheckResult]) -> str:
    """What failed, a line for each result: its check, the fault and the remedy."""
    return "\n".join(
        ["The validation failed.", *(f"{result.name}: {result.detail} {result.remedy}".rstrip() for result in failed)]
    )


def validate(
    model: nn.Module,
    *,
    processor: Any = None,
    train_dataset: Any = None,
    eval_dataset: Any = None,
    trainer: Any = None,
    checkpoint: str | Path | None = None,
    lora_config: Any = None,
    checks: Collection[str] | None = None,
    training: bool | None = None,
    trained: bool | None = None,
    restored_from: str | Path | None = None,
    group_column: str | None = None,
    data_collator: Any = None,
    sample: int = 2048,
) -> Report:
    """Run the checks on a model and all that is known of its training.

    Args:
        model: As it is trained or used: bare, adapted by PEFT, quantised.
        processor: What its images are prepared with; by default the trainer's `processing_class`, else the
            checkpoint's own.
        train_dataset: What it trains on: items with the tensors that the model takes, and `labels`; or the loader of a
            loop of one's own, whose data set, collator and order are looked at.
        eval_dataset: What it evaluates on, of the same kind.
        trainer: A `Trainer`: its data, arguments, collator and optimiser are used.
        checkpoint: Folder or repository that the model was loaded from; by default what its configuration says.
        lora_config: The adapter that was meant, where it may not be the one that is there.
        checks: Names of the checks to run; by default all ten.
        training: Whether the model is to be trained, so that parameters must be trainable; by default whether there is
            a trainer, or any are.
        trained: Whether it has been trained, so that its predictions mean something; by default whether the trainer
            has done a step. Without a trainer, `False`.
        restored_from: A checkpoint of this training that must be in the model, tensor by tensor.
        group_column: Column of the data whose values must not be on both sides of the split.
        data_collator: What makes batches of the items; by default the trainer's, else transformers' default.
        sample: Most evaluation images that are compared with (four times as many) training images.

    Returns:
        The report.

    Raises:
        UsageError: There is no check of a name in `checks`.
    """
    chosen = chosen_checks(checks)
    args = getattr(trainer, "args", None)
    state = getattr(trainer, "state", None)
    if training is None:
        training = trainer is not None or any(p.requires_grad for p in model.parameters())
    subject = make_subject(
        model,
        processor=processor if processor is not None else getattr(trainer, "processing_class", None),
        train_dataset=train_dataset if train_dataset is not None else getattr(trainer, "train_dataset", None),
        eval_dataset=eval_dataset if eval_dataset is not None else getattr(trainer, "eval_dataset", None),
        args=args,
        collate=data_collator or getattr(trainer, "data_collator", None),
        evaluation_collate=data_collator or evaluation_collator(trainer),
        columns=getattr(trainer, "_signature_columns", None),
        optimizer=getattr(trainer, "optimizer", None),
        scheduler=getattr(trainer, "lr_scheduler", None),
        checkpoint=checkpoint,
        lora_config=lora_config,
        training=training,
        trained=bool(getattr(state, "global_step", 0)) if trained is None else trained,
        restored_from=restored_from or _best_checkpoint(args, state),
        epochs=getattr(state, "epoch", None),
        steps=getattr(state, "max_steps", None) or None,
        divides_loss=leaves_division_to_the_model(trainer),
        trainer=trainer,
        group_column=group_column,
        sample=sample,
    )
    return run_checks(subject, chosen)


def make_subject(
    model: nn.Module,
    *,
    train_dataset: Any = None,
    eval_dataset: Any = None,
    args: Any = None,
    collate: Any = None,
    evaluation_collate: Any = None,
    columns: Collection[str] | None = None,
    **known: Any,
) -> Subject:
    """A subject from what a trainer holds.

    Args:
        model: As it is trained.
        train_dataset: As the trainer has it.
        eval_dataset: As the trainer has it; of several by name, the first.
        args: `TrainingArguments`.
        collate: What makes batches of items.
        evaluation_collate: What makes batches of evaluation items, where that is something else.
        columns: What the trainer leaves in an item beside the model's inputs: of trl's, what its collator reads.
        **known: Other fields of `Subject`.
    """
    subject = Subject(model, args=args, **known)
    filtered = args is not None and getattr(args, "remove_unused_columns", True)
    inputs = subject.forward_names | frozenset(columns or ()) if filtered else None
    if isinstance(eval_dataset, Mapping):
        eval_dataset = next(iter(eval_dataset.values()), None)
    if isinstance(train_dataset, DataLoader) and subject.loader is None:
        subject.loader, subject.sequential = train_dataset, is_sequential(train_dataset)
    if train_dataset is not None:
        subject.train = source_of(train_dataset, collate, inputs, subject.forward_names)
    if eval_dataset is not None:
        subject.evaluation = source_of(eval_dataset, evaluation_collate or collate, inputs, subject.forward_names)
    return subject


def chosen_checks(names: Collection[str] | None) -> list[str]:
    """The checks of these names, in the order in which they run.

    Raises:
        UsageError: There is none of a name.
    """
    if names is None:
        return list(CHECKS)
    unknown = [name for name in ([names] if isinstance(names, str) else names) if name not in CHECKS]
    if unknown:
        raise UsageError(f"There is no check {', '.join(unknown)}. There are: {', '.join(CHECKS)}.")
    return [name for name in CHECKS if name in names]


def run_checks(subject: Subject, names: Collection[str], report: Report | None = None) -> Report:
    """Run checks by name, and add what they find to a report.

    A check that cannot do its work (a stranger's data set that raises, a model of another kind) is reported as skipped
    with the reason; it never ends a training of its own accord.
    """
    report = report or Report()
    report.family = subject.family.name if subject.family is not None else None
    report.checkpoint = subject.base
    for name in names:
        started = time.perf_counter()
        try:
            results = CHECKS[name](subject)
        except Exception as error:  # nothing of a stranger's may be assumed, and every failure is reported
            results = [CheckResult(name, "skipped", detail=f"The check could not be done: {reason_of(error)}")]
        report.results += results
        report.seconds[name] = report.seconds.get(name, 0.0) + time.perf_counter() - started
    report.pictures.take(subject.pictures)
    return report


def _best_checkpoint(args: Any, state: Any) -> str | None:
    best = getattr(state, "best_model_checkpoint", None)
    return str(best) if best and getattr(args, "load_best_model_at_end", False) else None

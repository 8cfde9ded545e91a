"""transformers' Trainer with what it leaves out: whole restores, batches of like length, mixing, a moving average.

The loss is the sum over the images of a step divided by their number, over all accumulated batches and processes. Left
to the model, it would not be: a model that takes `num_items_in_batch` without using it trains with gradients that are
too large by the number of accumulated batches, and says nothing.
"""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls, allow-subclassing-any

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_scheduler,
)
from transformers.integrations import get_available_reporting_integrations, get_reporting_integration_callbacks
from transformers.trainer_utils import TrainOutput

from v5lint.runtime.distributed import has_accelerator
from v5lint.runtime.errors import MissingDependencyError, UsageError
from v5lint.runtime.export import is_saved, whole_checkpoint, write_labels
from v5lint.runtime.restore import MovingAverage, check_adapter_restored, restore_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch.utils.data import Dataset, IterableDataset, Sampler

    from v5lint.runtime.config import FinetuneConfig

    Mix = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "mcc")
"""What `classification_metrics` measures."""


class ImageTrainer(Trainer):
    """Trainer for image classification.

    Args:
        config: The options of the fine-tune.
        model: The model, adapted or not, with exactly the parameters to train requiring gradients.
        train: Items to train on.
        evaluation: Items to evaluate on.
        collate: Items to a batch with `labels` [B].
        sampler: Order of the training items; by default Trainer's own.
        mix: Mixes a training batch into images and soft targets [B, C].
        weights: Class weights of the loss, [C].
        callbacks: Further callbacks.
        processor: Saved with every checkpoint, where it can be.
        labels: Class names, saved beside the adapter of every checkpoint.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        model: nn.Module,
        train: Dataset[Any] | IterableDataset[Any],
        evaluation: Dataset[Any] | IterableDataset[Any],
        collate: Callable[..., Any],
        *,
        sampler: Sampler[int] | None = None,
        mix: Mix | None = None,
        weights: torch.Tensor | None = None,
        callbacks: list[TrainerCallback] | None = None,
        processor: Any = None,
        labels: Sequence[str] = (),
    ) -> None:
        self._sampler = sampler
        self._labels = list(labels)
        self._mix = mix
        self._average = MovingAverage(model, config.ema_decay) if config.ema_decay else None
        extra = [EarlyStoppingCallback(config.early_stopping)] if config.early_stopping else []
        super().__init__(
            model=model,
            args=training_arguments(config, None if config.streaming else len(train)),
            data_collator=collate,
            train_dataset=train,
            eval_dataset=evaluation,
            compute_loss_func=classification_loss(weights, config.label_smoothing),
            compute_metrics=classification_metrics,
            processing_class=processor if processor is not None and is_saved(processor) else None,
            callbacks=[_SetEpoch(train, sampler), _FindBest(), *extra, *(callbacks or [])],
            optimizer_cls_and_kwargs=_optimizer(config),
        )
        self.model_accepts_loss_kwargs = False  # the loss above is ours, and a model may choke on the argument
        if not self.is_deepspeed_enabled:
            self.accelerator.gradient_accumulation_steps = 1  # up to 5.5.3 it divides the loss once more
        if self._average is not None:
            self.add_callback(_UpdateAverage(self._average))
        if not config.progress:
            self.remove_callback(PrinterCallback)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train; of a moving average, the model has the best one afterwards, or the last where none was evaluated."""
        # Last of all callbacks, so that each has begun when it ends: Trainer adds its progress bar after ours.
        self.remove_callback(_StopAtTheEnd)
        self.add_callback(_StopAtTheEnd)
        try:
            result = super().train(*args, **kwargs)
        except _NothingLeftError:
            result = self._finished()
        if self._average is not None and self.state.best_model_checkpoint is None:
            self._average.swap(self.model)
        return result

    def _finished(self) -> TrainOutput:
        """The end of a training that was resumed after its last step."""
        self.is_in_train = False
        if self.state.best_model_checkpoint is not None:
            self._load_best_model()
        self.callback_handler.on_train_end(self.args, self.state, self.control)
        return TrainOutput(self.state.global_step, 0.0, {})

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The loss of a batch; a training batch is mixed first, where mixing is asked for."""
        if self._mix is not None and model.training:
            images, targets = self._mix(inputs["pixel_values"], inputs["labels"])
            inputs = {**inputs, "pixel_values": images, "labels": targets}
        return super().compute_loss(model, inputs, *args, **kwargs)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate; during training, the moving average where there is one.

        The loss is that of the collected scores. Trainer's own is the mean over batches in which accelerate has
        repeated images, so that several processes have as many: it would depend on the number of processes.
        """
        average = self._average if self.is_in_train else None
        with contextlib.nullcontext() if average is None else average.swapped(self.model):
            output = super().evaluation_loop(*args, **kwargs)
        losses = [name for name in output.metrics if name.endswith("_loss")]
        if losses and output.label_ids is not None:
            scores = torch.from_numpy(logits_of(output.predictions)).double()
            loss = self.compute_loss_func({"logits": scores}, torch.from_numpy(np.asarray(output.label_ids)))
            output.metrics.update(dict.fromkeys(losses, float(loss)))
        return output

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        return super()._get_train_sampler(*args, **kwargs) if self._sampler is None else self._sampler

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        self._restore(
            resume_from_checkpoint, lambda: super(ImageTrainer, self)._load_from_checkpoint(resume_from_checkpoint)
        )
        if self._average is not None:
            self._average.load(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        best = str(self.state.best_model_checkpoint)
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            super()._load_best_model()
            return
        self._restore(best, super()._load_best_model)
        if self._average is not None:
            self._average.load(best)
            self._average.swap(self.model)

    def _restore(self, folder: str, of_peft: Callable[[], None]) -> None:
        """Every tensor of a checkpoint: PEFT's by Trainer, and checked; all others by the loader of the runtime."""
        if hasattr(self.model, "peft_config"):
            of_peft()
            check_adapter_restored(self.model, folder)
        else:
            restore_weights(self.model, folder)

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        """Save a checkpoint whole, and so that `load_finetuned` can open it, or leave none."""
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        advice = "go on from the one before (resume=True)"
        with whole_checkpoint(folder, advice, writes=bool(self.args.should_save)):
            # First what Trainer does not write: its own state is written last, and says that all is there.
            if self._average is not None and self.args.should_save:
                folder.mkdir(parents=True, exist_ok=True)
                self._average.save(folder)
            if self._labels and self.args.should_save and hasattr(self.model, "peft_config"):
                write_labels(self._labels, folder)
            super()._save_checkpoint(*args, **kwargs)


class _SetEpoch(TrainerCallback):
    """Tell data and sampler the epoch, which accelerate does only for some of its own wrappers."""

    def __init__(self, *listeners: Any) -> None:
        self._listeners = [listener for listener in listeners if hasattr(listener, "set_epoch")]

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        for listener in self._listeners:
            listener.set_epoch(int((state.epoch or 0) + 1e-6))


class _FindBest(TrainerCallback):
    """Look for the best checkpoint where the run is now: its path is that of the run that wrote it, and may be gone."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        here = Path(args.output_dir) / Path(state.best_model_checkpoint or "").name
        if state.best_model_checkpoint and here.is_dir():
            state.best_model_checkpoint = str(here)


class _NothingLeftError(Exception):
    """A training was resumed after its last step."""


class _StopAtTheEnd(TrainerCallback):
    """Take no step beyond the last: Trainer itself looks at the number only after one, also when it resumes."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if 0 < state.max_steps <= state.global_step:
            raise _NothingLeftError


class _UpdateAverage(TrainerCallback):
    """Take the weights of every step into the moving average."""

    def __init__(self, average: MovingAverage) -> None:
        self._average = average

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self._average.update(model)


def classification_loss(weights: torch.Tensor | None, label_smoothing: float) -> Callable[..., torch.Tensor]:
    """Cross entropy of `logits` [B, C] against class indices [B] or soft targets [B, C].

    In training it is the sum divided by the images of the whole step, so that accumulation over batches and processes
    gives the gradient of one large batch. Soft targets are smoothed already.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()
        soft = labels.is_floating_point()
        total = nn.functional.cross_entropy(
            logits,
            labels,
            weight=None if weights is None else weights.to(logits),
            label_smoothing=0.0 if soft else label_smoothing,
            reduction="sum",
        )
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    return loss


def classification_metrics(prediction: Any) -> dict[str, float]:
    """Accuracy, balanced accuracy, macro F1 and Matthews correlation of logits [N, C] against labels [N]."""
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, recall_score

    chosen = np.argmax(logits_of(prediction.predictions), axis=1)
    truth = prediction.label_ids
    return {
        "accuracy": float(accuracy_score(truth, chosen)),
        # balanced_accuracy_score is this, with a warning where a class is answered that no image has
        "balanced_accuracy": float(recall_score(truth, chosen, labels=np.unique(truth), average="macro")),
        "macro_f1": float(f1_score(truth, chosen, average="macro", zero_division=0)),
        "mcc": float(matthews_corrcoef(truth, chosen)),
    }


def logits_of(predictions: Any) -> np.ndarray[Any, Any]:
    """The logits [N, C] of what Trainer collects: an array, or a tuple of all outputs of a model."""
    return np.asarray(predictions[0] if isinstance(predictions, tuple) else predictions)


def check_options(config: FinetuneConfig) -> None:
    """Raise for what the installed release cannot schedule by or report to, and the GPU not compute in.

    Raises:
        UsageError: It knows no such schedule or logger, the schedule needs more than a length, or there is no bfloat16.
        MissingDependencyError: The library of a logger is not installed.
    """
    probe = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.rate)
    try:
        get_scheduler(config.scheduler, probe, num_warmup_steps=1, num_training_steps=10)
    except (ValueError, TypeError, AssertionError) as error:
        raise UsageError(f"scheduler {config.scheduler!r} cannot be used: {error}") from error
    if config.bf16 and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise UsageError(f"bf16: {torch.cuda.get_device_name()} does not compute in bfloat16; leave it out")
    named = [name for name in config.report_to if name not in ("all", "none")]
    try:
        get_reporting_integration_callbacks(named)
    except ValueError as error:
        raise UsageError(f"report_to: {error}") from error
    absent = [name for name in named if name not in get_available_reporting_integrations()]
    if absent:
        raise MissingDependencyError(f"report_to {', '.join(absent)}: the library for it is not installed")


def training_arguments(config: FinetuneConfig, images: int | None) -> TrainingArguments:
    """The arguments of Trainer, as the installed release of transformers takes them.

    Args:
        config: The options of the fine-tune.
        images: To train on; `None` for a stream.
    """
    known = {entry.name for entry in dataclasses.fields(TrainingArguments)}
    strategy = "epoch" if config.eval_steps is None and images is not None else "steps"
    # After the first step of a warm-up, whose rate is zero, there is nothing to evaluate and nothing worth keeping.
    steps = config.eval_steps or min(max(2, config.max_steps // 5), config.max_steps)
    options: dict[str, Any] = {
        "output_dir": str(Path(config.output) / "training"),
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.eval_batch_size or config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "learning_rate": config.rate,
        "weight_decay": config.weight_decay,
        "lr_scheduler_type": config.scheduler,
        "max_grad_norm": config.max_grad_norm,
        "bf16": config.bf16,
        "use_cpu": not has_accelerator(),  # or bfloat16 is refused on a CPU
        "eval_strategy": strategy,
        "save_strategy": strategy,
        "logging_first_step": True,
        "logging_steps": config.log_steps,
        "save_total_limit": config.keep_checkpoints + 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": config.best_metric,
        "greater_is_better": config.best_metric != "loss",
        "seed": config.seed,
        "report_to": config.report_to or "none",
        "log_level_replica": "error",  # or every process but the first says what the first does not
        "disable_tqdm": not config.progress,
        "remove_unused_columns": False,  # the items are tensors already, and timm's forward names none of them
        "label_names": ["labels"],
        "dataloader_num_workers": config.workers,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    if config.method != "full":  # an adapter and a head are used in every step, which DDP need not look for
        options["ddp_find_unused_parameters"] = False
    if strategy == "steps":
        options |= {"eval_steps": steps, "save_steps": steps}
    if config.activation_checkpointing:
        # Renamed in transformers 5.23. With use_reentrant, no adapter would get a gradient.
        name = next(n for n in ("activation_checkpointing", "gradient_checkpointing") if n in known)
        options |= {name: True, f"{name}_kwargs": {"use_reentrant": False}}
    arguments = TrainingArguments(**options)
    arguments.warmup_steps = warmup_steps(config, images, arguments.world_size)
    return arguments


def warmup_steps(config: FinetuneConfig, images: int | None, world_size: int) -> int:
    """The steps of the warm-up as a number, which every release of transformers takes.

    Raises:
        UsageError: It takes as long as the training, whose learning rate would never be reached.
    """
    steps = config.max_steps
    if steps < 1:
        batches = math.ceil((images or 0) / (config.batch_size * world_size))
        steps = math.ceil(math.ceil(batches / config.gradient_accumulation) * config.epochs)
    if config.warmup >= 1:
        if round(config.warmup) >= steps:
            raise UsageError(
                f"warmup {config.warmup:g} is a number of steps, and the training has {steps}: the learning rate would "
                "never be reached. Below 1 it is a share of the steps."
            )
        return round(config.warmup)
    return min(math.ceil(config.warmup * steps), steps - 1)  # a step of warm-up alone has a rate of zero


def _optimizer(config: FinetuneConfig) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """Torch's own: AdamW, or NAdam with the decoupled decay of AdamW, as timm's recipes take it."""
    options: dict[str, Any] = {"lr": config.rate, "betas": (0.9, 0.999), "eps": 1e-8}
    if config.optimizer == "nadamw":
        return torch.optim.NAdam, {**options, "decoupled_weight_decay": True}
    return torch.optim.AdamW, {**options, "fused": True} if torch.cuda.is_available() else options

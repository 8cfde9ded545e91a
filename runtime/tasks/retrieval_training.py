"""A LoRA fine-tune of a dual encoder on images and texts, by transformers' Trainer."""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls, allow-subclassing-any

from __future__ import annotations

import dataclasses
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from v5lint.runtime.checks.training import TrainingChecks, Validate
from v5lint.runtime.config import SEEDS
from v5lint.runtime.data import decode_image
from v5lint.runtime.distributed import check_launch, check_world_size, has_accelerator
from v5lint.runtime.errors import UsageError, ValidationError
from v5lint.runtime.export import ADAPTER_FOLDER, check_space, whole_checkpoint, whole_folder
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.report import REPORT_FILE, Loss, RunReport
from v5lint.runtime.roles import unwrap
from v5lint.runtime.runs import TRAINING_FOLDER, check_apart, check_kept
from v5lint.runtime.tasks.checkpoint import OpenCheckpoint, open_checkpoint
from v5lint.runtime.tasks.pairs import Pairs, load_pairs
from v5lint.runtime.tasks.retrieval import pair_logits, retrieval_metrics, sigmoid_loss
from v5lint.runtime.tasks.zero_shot import PROMPT, text_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from v5lint.runtime.roles import Tower

_CHECKPOINTS, _BYTES = 10, 4
"""How often the adapter is written at once: three checkpoints with two moments each, and the result."""


@dataclass(frozen=True)
class RetrievalConfig:
    """What a retrieval fine-tune is told; each field is an option of `v5lint-runtime retrieval`.

    Attributes:
        checkpoint: A SigLIP or SigLIP 2 dual encoder.
        data: As `load_pairs` takes it.
        output: Folder for the adapter and `report.json`.
        tower: Which tower gets an adapter: `both`, `vision` or `text`. Temperature and bias stay as they are.
        lora_r: Rank of the adapter.
        lora_alpha: Scale of the adapter: its output is multiplied by `lora_alpha / lora_r`.
        lora_dropout: Dropout before the adapter.
        epochs: Passes over the pairs.
        batch_size: Pairs in a batch: each image is told apart from the texts of the others, so more teach more.
        learning_rate: Peak of the schedule (cosine).
        warmup: Share of the steps.
        weight_decay: Of the adapter.
        bf16: Compute in bfloat16.
        eval_fraction: Share that is split off where the data has no split.
        image_column: By default the only one of that type.
        text_column: By default `text`, `caption`, ..., or class names in the template.
        template: Text of a class name.
        seed: Of split, adapter and order.
        overwrite: Replace the results of an earlier run.
        progress: Show a progress bar.
        validate: The checks: end the training where one fails (`stop`), only `report` it, or leave them out (`off`).
    """

    checkpoint: str
    data: str
    output: str
    tower: Literal["both", "vision", "text"] = "both"
    lora_r: int = 16
    lora_alpha: int = 16
    lora_dropout: float = 0.1
    epochs: float = 3.0
    batch_size: int = 64
    learning_rate: float = 5e-4
    warmup: float = 0.1
    weight_decay: float = 0.01
    bf16: bool = False
    eval_fraction: float = 0.2
    image_column: str | None = None
    text_column: str | None = None
    template: str = PROMPT
    seed: int = 42
    overwrite: bool = False
    progress: bool = True
    validate: Validate = "stop"

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise UsageError(
                f"batch_size {self.batch_size}: an image is told apart from the texts of others, so at least 2"
            )
        for name in ("lora_r", "lora_alpha", "epochs", "learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} {getattr(self, name)}: must be positive")
        for name in ("warmup", "lora_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}: must be at least 0 and below 1")
        if not 0 <= self.weight_decay < math.inf:
            raise UsageError(f"weight_decay {self.weight_decay}: must not be negative")
        if not 0 <= self.seed < SEEDS:
            raise UsageError(f"seed {self.seed}: must lie between 0 and {SEEDS - 1}")
        if self.validate not in get_args(Validate):
            raise UsageError(f"validate {self.validate!r}: must be one of {', '.join(get_args(Validate))}")


@dataclass(frozen=True)
class RetrievalResult:
    """What a retrieval fine-tune made.

    Attributes:
        adapter: Its folder.
        report: With recall of the evaluation pairs, also before the training.
        dual_encoder: The adapted model with its processor.
    """

    adapter: Path
    report: RunReport
    dual_encoder: OpenCheckpoint


def finetune_retrieval(config: RetrievalConfig) -> RetrievalResult:
    """Adapt a dual encoder to images and texts, and measure recall before and after.

    The weights of the epoch with the best mean recall are kept.

    Raises:
        RuntimeSetupError: It cannot be done; said before the training starts wherever it can be known.
    """
    check_launch()
    output = Path(config.output)
    check_apart(output, config.data)
    check_kept(config.checkpoint, output)
    made = [name for name in (ADAPTER_FOLDER, TRAINING_FOLDER, REPORT_FILE) if (output / name).exists()]
    if made and not config.overwrite:
        raise UsageError(
            f"{output} has the results of another run ({', '.join(made)}): replace them (overwrite=True), or choose "
            "another output"
        )
    train, evaluation = load_pairs(
        config.data,
        image_column=config.image_column,
        text_column=config.text_column,
        template=config.template,
        eval_fraction=config.eval_fraction,
        seed=config.seed,
    )
    base = open_checkpoint(config.checkpoint, "retrieval", device="cpu")
    text_inputs(base, (*train.distinct_texts, *evaluation.distinct_texts))  # none is longer than the tower reads
    set_seed(config.seed)
    tower: Tower = config.tower
    adapted = attach_lora(
        base.model, r=config.lora_r, lora_alpha=config.lora_alpha, lora_dropout=config.lora_dropout, tower=tower
    )
    check_space(output, _CHECKPOINTS * _BYTES * adapted.get_nb_trainable_parameters()[0])
    dual_encoder = dataclasses.replace(base, model=adapted)
    checks = TrainingChecks(config.validate, config.checkpoint, base.processor)
    trainer = _RetrievalTrainer(dual_encoder, train, evaluation, config, checks)
    check_world_size(trainer.args.world_size)
    before = trainer.measure()
    try:
        trainer.train()
    except ValidationError:
        if trainer.is_world_process_zero():
            trainer.report(checks, {}).write(output)
        raise
    after = trainer.measure()
    adapted.eval()
    counts = {
        "train_pairs": len(train),
        "eval_pairs": len(evaluation),
        "eval_images": len(evaluation.distinct_images),
        "eval_texts": len(evaluation.distinct_texts),
    }
    report = trainer.report(checks, {**after, "before": before, **counts})
    result = RetrievalResult(output / ADAPTER_FOLDER, report, dual_encoder)
    if trainer.is_world_process_zero():
        with whole_folder(result.adapter) as unfinished:
            adapted.save_pretrained(str(unfinished))
            (unfinished / "README.md").unlink(missing_ok=True)  # PEFT's empty template
            base.processor.save_pretrained(unfinished)
        report.write(output)
        shutil.rmtree(str(trainer.args.output_dir), ignore_errors=True)  # the best of these is the adapter now
    return result


class _RetrievalTrainer(Trainer):
    """Trainer with the sigmoid loss, which knows equal texts, and recall over all pairs as its evaluation.

    Each image is told apart from the texts of all processes, so that several train as one with a larger batch.
    """

    control: Any  # of Trainer, which is typed in part

    def __init__(
        self,
        dual_encoder: OpenCheckpoint,
        train: Pairs,
        evaluation: Pairs,
        config: RetrievalConfig,
        checks: TrainingChecks,
    ) -> None:
        self._dual_encoder = dual_encoder
        self._pairs = evaluation
        self._checkpoint = config.checkpoint
        super().__init__(
            model=dual_encoder.model,
            args=_training_arguments(config, len(train)),
            data_collator=_Collate(dual_encoder),
            train_dataset=_PairDataset(train),
            eval_dataset=_PairDataset(evaluation),
            callbacks=checks.callbacks,
        )
        self.model_accepts_loss_kwargs = False  # the loss is that of a batch, with its own number of pairs
        if not config.progress:
            self.remove_callback(PrinterCallback)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        own = inputs.pop("pair_index")
        outputs = model(**inputs)
        bare: Any = unwrap(self._dual_encoder.model)
        scale, bias = bare.logit_scale.exp(), bare.logit_bias
        images, texts = outputs.image_embeds, outputs.text_embeds
        all_images, all_texts, index = (_of_all_processes(tensor) for tensor in (images, texts, own))
        matches = (own.unsqueeze(1) == index.unsqueeze(0)).any(dim=-1)  # the same text, or the same image
        loss = sigmoid_loss((images @ all_texts.T * scale + bias).float(), matches)
        if len(index) > len(own):
            # The texts here also meet the images of the other processes, whose losses send no gradient over.
            others = ~torch.isin(torch.arange(len(index), device=own.device), _own_places(own))
            met = sigmoid_loss((texts @ all_images[others].T * scale + bias).float(), matches[:, others])
            loss = loss + met - met.detach()
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> dict[str, float]:
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in self.measure().items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        with whole_checkpoint(folder, "start again (overwrite=True)", writes=bool(self.args.should_save)):
            super()._save_checkpoint(*args, **kwargs)

    def measure(self) -> dict[str, float]:
        """Recall in both directions and their mean, of the evaluation pairs."""
        training = self._dual_encoder.model.training
        self._dual_encoder.model.eval()
        logits = pair_logits(self._dual_encoder, self._pairs, self.args.per_device_eval_batch_size)
        self._dual_encoder.model.train(training)
        recalls = retrieval_metrics(logits, self._pairs.text_index, image_index=self._pairs.image_index)
        return {**recalls, "mean_recall": sum(recalls.values()) / len(recalls)}

    def report(self, checks: TrainingChecks, metrics: Mapping[str, Any]) -> RunReport:
        """The losses that were logged, and what the checks found, beside these metrics."""
        trainable, total = self._dual_encoder.model.get_nb_trainable_parameters()
        logged = [entry for entry in self.state.log_history if "loss" in entry]
        return RunReport(
            family=self._dual_encoder.family.name,
            checkpoint=self._checkpoint,
            trainable_parameters=trainable,
            total_parameters=total,
            losses=[Loss(int(entry["step"]), "train", entry["loss"]) for entry in logged],
            metrics=metrics,
            checks=checks.results,
        )


def _of_all_processes(own: torch.Tensor) -> torch.Tensor:
    """The rows of every process's batch; gradients flow through this process's own."""
    if not torch.distributed.is_initialized() or torch.distributed.get_world_size() == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, own.detach().contiguous())
    parts[torch.distributed.get_rank()] = own
    return torch.cat(parts)


def _own_places(own: torch.Tensor) -> torch.Tensor:
    """Where this process's rows are among those of all."""
    first = torch.distributed.get_rank() * len(own)
    return torch.arange(first, first + len(own), device=own.device)


class _PairDataset(Dataset[dict[str, Any]]):
    """Pairs by their row; `rows` has the images, where the checks find them."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.rows = pairs.rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pair = index % len(self.pairs)  # the checks put any number of pictures of their own in the place of the rows
        return {
            "image": decode_image(self.rows[index][self.pairs.image_column], f"image {index}"),
            "text": self.pairs.texts[pair],
            "pair_index": (self.pairs.text_index[pair], self.pairs.image_index[pair]),
        }


@dataclass(frozen=True)
class _Collate:
    """Pairs to a batch: image tensors, `input_ids` [B, 64], and the numbers of text and image, `pair_index` [B, 2]."""

    dual_encoder: OpenCheckpoint

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        images = self.dual_encoder.processor.image_processor([item["image"] for item in items], return_tensors="pt")
        texts = text_inputs(self.dual_encoder, [item["text"] for item in items])
        batch = {**images, **texts, "pair_index": torch.tensor([item["pair_index"] for item in items])}
        return {name: tensor.cpu() for name, tensor in batch.items()}


def _training_arguments(config: RetrievalConfig, pairs: int) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(Path(config.output) / TRAINING_FOLDER),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        lr_scheduler_type="cosine",
        bf16=config.bf16,
        use_cpu=not has_accelerator(),  # or several processes on CPUs each train alone
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="mean_recall",
        greater_is_better=True,
        logging_steps=1 if pairs <= 20 * config.batch_size else 10,
        seed=config.seed,
        report_to="none",
        disable_tqdm=not config.progress,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,  # an adapter is used in every step
    )
    batch = config.batch_size * arguments.world_size
    arguments.dataloader_drop_last = pairs >= batch  # a rest of one pair has nothing to be told apart from
    batches = pairs // batch or 1
    steps = math.ceil(batches * config.epochs)
    arguments.warmup_steps = min(math.ceil(config.warmup * steps), steps - 1)  # one step of warm-up has a rate of zero
    return arguments

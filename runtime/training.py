"""The reference fine-tune: LoRA on the query and value projections of a vision backbone, with the head in full.

What can be known to be wrong is said before the first step: the data, the processor, the patch budget, the launch, the
room on the disk. What comes out can be loaded by name, and says what it was made from and which checks it passed.
"""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls, allow-subclassing-any

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import set_seed

from v5lint.runtime.augment import mixup, require_timm
from v5lint.runtime.backbones import catalogue
from v5lint.runtime.card import model_card
from v5lint.runtime.checks.training import TrainingChecks
from v5lint.runtime.data import ImageData, load_data
from v5lint.runtime.description import stated_licence
from v5lint.runtime.distributed import check_launch, check_world_size, world_size
from v5lint.runtime.errors import UsageError, ValidationError
from v5lint.runtime.export import ADAPTER_FOLDER, MERGED_FOLDER, MODEL_FOLDER, check_space, save_adapter, save_model
from v5lint.runtime.families import Family, family_of
from v5lint.runtime.loading import load_config, load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.naflex import BucketSampler
from v5lint.runtime.processors import load_processor
from v5lint.runtime.report import Loss, RunReport, write_text
from v5lint.runtime.roles import classification_head
from v5lint.runtime.runs import check_apart, check_kept, claim_output
from v5lint.runtime.splits import class_weights
from v5lint.runtime.trainer import ImageTrainer, check_options, classification_metrics, logits_of, warmup_steps
from v5lint.runtime.transforms import ImageDataset, ImageStream, Transforms, make_transforms

if TYPE_CHECKING:
    from v5lint.runtime.config import FinetuneConfig

_BYTES = 4


@dataclass(frozen=True)
class FinetuneResult:
    """A finished fine-tune.

    Attributes:
        output: The folder with everything that it wrote.
        folder: The adapter (method `lora`) or the model, as `load_finetuned` takes it.
        report: What stands in `report.json`.
        model: The trained model with the best weights, in evaluation mode.
        processor: Its image processor.
        labels: Class names in the order of their indices.
        history: What Trainer logged.
    """

    output: Path
    folder: Path
    report: RunReport
    model: Any
    processor: Any
    labels: tuple[str, ...]
    history: list[dict[str, Any]]


def finetune(config: FinetuneConfig) -> FinetuneResult:
    """Fine-tune a vision backbone for classification.

    Under torchrun and `accelerate launch`, every process calls this; the first one writes.

    Args:
        config: The options.

    Raises:
        RuntimeSetupError: It cannot be done, mostly said before the training starts: `DataError`, `ProcessorError`,
            `CheckpointError`, `LoraTargetError`, `UsageError`, `OutputError`, `DistributedError`,
            `MissingDependencyError`.
    """
    check_launch()
    check_options(config)
    check_apart(config.output, config.data, config.eval_data)
    check_kept(config.checkpoint, config.output)
    model_config = load_config(config.checkpoint)
    family = family_of(model_config)
    processor = load_processor(config.checkpoint)
    if config.patch_budget is not None and hasattr(processor, "max_num_patches"):
        processor.max_num_patches = config.patch_budget  # saved with the result, so that predictions use it too
    transforms = make_transforms(processor, family, model_config, config)
    if config.mixup or config.cutmix:
        require_timm("mixup or cutmix")
    loading = _drop_path(config, family, model_config)
    data = load_data(config)
    warmup_steps(config, None if config.streaming else len(data.train), world_size())  # raises where it is too long
    set_seed(config.seed)
    model = prepare_model(config, data.labels, **loading)
    fewer = "choose another output, or keep fewer checkpoints (keep_checkpoints)"
    check_space(Path(config.output), _bytes_to_write(config, model), fewer)
    resumed = claim_output(config)
    checks = TrainingChecks(config.validate, config.checkpoint, processor, config.group_column)
    trainer = make_trainer(config, model, data, transforms, checks, processor)
    check_world_size(trainer.args.world_size)
    started = time.perf_counter()
    try:
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    except ValidationError:
        if trainer.is_world_process_zero():
            _report(config, family, trainer, {}, checks).write(config.output)
        raise
    seconds = time.perf_counter() - started
    model.eval()
    report = _report(config, family, trainer, _evaluate(trainer, data.labels, seconds), checks)
    result = FinetuneResult(
        output=Path(config.output),
        folder=Path(config.output) / (ADAPTER_FOLDER if config.method == "lora" else MODEL_FOLDER),
        report=report,
        model=model,
        processor=processor,
        labels=data.labels,
        history=trainer.state.log_history,
    )
    if trainer.is_world_process_zero():
        _write(config, result, data)
    return result


def prepare_model(config: FinetuneConfig, labels: tuple[str, ...], **loading: Any) -> Any:
    """The model of a fine-tune with exactly those parameters that its method trains requiring gradients.

    Args:
        config: The options.
        labels: Class names.
        **loading: Further options of `load_model`.
    """
    base = load_model(
        config.checkpoint,
        labels=labels,
        quantization=config.quantization,
        attn_implementation=config.attn_implementation,
        **loading,
    )
    if config.activation_checkpointing and not base.supports_gradient_checkpointing:
        raise UsageError(f"activation_checkpointing: {type(base).__name__} cannot recompute its activations")
    if config.method == "full":
        return base.train()
    if config.method == "head":
        base.requires_grad_(False)
        for path in classification_head(base):
            base.get_submodule(path).requires_grad_(True)
        return base.train()
    if config.quantization is not None:
        from peft import prepare_model_for_kbit_training

        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
    roles: Any = config.lora_roles or None
    adapted = attach_lora(
        base, r=config.lora_r, lora_alpha=config.lora_alpha, lora_dropout=config.lora_dropout, roles=roles
    )
    return adapted.train()


def _drop_path(config: FinetuneConfig, family: Family, model_config: Any) -> dict[str, Any]:
    """Options of the loader for stochastic depth, which only some families have."""
    if not config.drop_path:
        return {}
    if family.is_timm:
        return {"model_args": {**(model_config.model_args or {}), "drop_path_rate": config.drop_path}}
    if not hasattr(model_config, "drop_path_rate"):
        raise UsageError(f"drop_path: {family.title} has no stochastic depth in transformers")
    return {"drop_path_rate": config.drop_path}


def make_trainer(
    config: FinetuneConfig,
    model: Any,
    data: ImageData,
    transforms: Transforms,
    checks: TrainingChecks | None = None,
    processor: Any = None,
) -> ImageTrainer:
    """The trainer of a fine-tune.

    Args:
        config: The options.
        model: As `prepare_model` makes it.
        data: As `load_data` reads it.
        transforms: As `make_transforms` makes them.
        checks: The validation, where there is to be one.
        processor: Saved with every checkpoint.
    """
    columns = (data.image_column, data.label_column)
    kind = ImageStream if config.streaming else ImageDataset
    weights = None
    if config.class_weights:
        weights = torch.tensor(class_weights(data.train_labels, len(data.labels)), dtype=torch.float32)
    mix = None
    if config.mixup or config.cutmix:
        mix = mixup(config.mixup, config.cutmix, config.label_smoothing, len(data.labels))
    return ImageTrainer(
        config,
        model,
        kind(data.train, *columns, transforms.train, config.seed),
        kind(data.evaluation, *columns, transforms.evaluation),
        transforms.collate,
        sampler=_sampler(config, data, transforms),
        mix=mix,
        weights=weights,
        callbacks=[] if checks is None else checks.callbacks,
        processor=processor,
        labels=data.labels,
    )


def _sampler(config: FinetuneConfig, data: ImageData, transforms: Transforms) -> BucketSampler | None:
    """Batches of like length where images have many, and their sizes are known."""
    if transforms.patches is None or not config.bucketing or data.sizes is None:
        return None
    together = config.batch_size * world_size()  # a step has as many, in the same order in however many processes
    grids = [transforms.patches.grid(int(width), int(height)) for width, height in data.sizes]
    return BucketSampler([rows * columns for rows, columns in grids], together, config.seed)


def _evaluate(trainer: ImageTrainer, labels: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """Metrics of the best weights on every image to evaluate on, once each."""
    from sklearn.metrics import confusion_matrix

    prediction: Any = trainer.predict(trainer.eval_dataset)
    logits = torch.from_numpy(logits_of(prediction.predictions)).double()
    truth = torch.from_numpy(np.asarray(prediction.label_ids)).long()
    matrix = confusion_matrix(truth, logits.argmax(dim=1), labels=range(len(labels)))
    state = trainer.state
    seen = state.global_step * trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps
    return {
        "loss": float(torch.nn.functional.cross_entropy(logits, truth)),
        **classification_metrics(prediction),
        "images_per_second": seen * trainer.args.world_size / seconds,
        "seconds": seconds,
        "steps": state.global_step,
        "best_step": _best_step(state),
        "processes": trainer.args.world_size,
        "labels": list(labels),
        "confusion_matrix": matrix,
    }


def _best_step(state: Any) -> int | None:
    name = Path(state.best_model_checkpoint).name if state.best_model_checkpoint else ""
    return int(name.rpartition("-")[2]) if name else None


def _report(
    config: FinetuneConfig,
    family: Family,
    trainer: ImageTrainer,
    metrics: dict[str, Any],
    checks: TrainingChecks,
) -> RunReport:
    losses = [
        Loss(
            int(entry["step"]),
            "train" if "loss" in entry else "eval",
            entry["loss" if "loss" in entry else "eval_loss"],
        )
        for entry in trainer.state.log_history
        if "loss" in entry or "eval_loss" in entry
    ]
    trainable, total = _parameters(trainer.model)
    return RunReport(
        family=family.name,
        checkpoint=config.checkpoint,
        trainable_parameters=trainable,
        total_parameters=total,
        losses=losses,
        metrics=metrics,
        checks=checks.results,
    )


def _parameters(model: Any) -> tuple[int, int]:
    """Trained and all parameters; PEFT's own count knows those that are packed in 4 bits."""
    if hasattr(model, "get_nb_trainable_parameters"):
        trainable, total = model.get_nb_trainable_parameters()
        return int(trainable), int(total)
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def _bytes_to_write(config: FinetuneConfig, model: Any) -> int:
    """Checkpoints with the optimiser's two moments, the result, and the merged model."""
    trainable, total = _parameters(model)
    weights = trainable if config.method == "lora" else total
    checkpoint = (weights + (3 if config.ema_decay else 2) * trainable) * _BYTES
    return (config.keep_checkpoints + 2) * checkpoint + weights * _BYTES + (total * _BYTES if config.merge else 0)


def _write(config: FinetuneConfig, result: FinetuneResult, data: ImageData) -> None:
    output = result.output
    if config.method == "lora":
        save_adapter(result.model, result.processor, result.labels, result.folder)
    else:
        save_model(result.model, result.processor, result.folder)
    if config.merge:
        merged = load_merged(result, config)
        save_model(merged, result.processor, output / MERGED_FOLDER)
    if importlib.util.find_spec("matplotlib") is not None:
        from v5lint.runtime.figures import draw_confusion, draw_curves

        metric = "accuracy" if config.best_metric == "loss" else config.best_metric
        draw_curves(result.history, metric, output / "curves.png")
        draw_confusion(result.report.metrics["confusion_matrix"], result.labels, output / "confusion_matrix.png")
    images = {"training": _count(data.train), "evaluation": _count(data.evaluation)}
    write_text(
        output / "README.md", model_card(config, result.report, result.labels, images, _licence(config.checkpoint))
    )
    result.report.write(output)


def load_merged(result: FinetuneResult, config: FinetuneConfig) -> Any:
    """The base model, loaded afresh, with the adapter that was written merged into it.

    The trained model itself keeps its adapter, and what is exported is what can be loaded.
    """
    from v5lint.runtime.export import load_finetuned

    model, _ = load_finetuned(result.folder, base=config.checkpoint)
    return model.merge_and_unload()


def _count(dataset: Any) -> int | None:
    return len(dataset) if hasattr(dataset, "__len__") else None


def _licence(checkpoint: str) -> str | None:
    entry = catalogue().get(checkpoint)
    if entry is not None:
        return entry.licence
    return stated_licence(checkpoint, {}) if Path(checkpoint).is_dir() else None

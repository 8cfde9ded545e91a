"""The checks on what is on disk: a checkpoint or an adapter, with the data that it is evaluated on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from v5lint.runtime.adapters import ADAPTER_CONFIG, adapter_base, module_of, read_adapter_weights
from v5lint.runtime.checks.parameters import NAME as PARAMETERS
from v5lint.runtime.checks.validation import Report, chosen_checks, validate
from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.data import decode_image, load_data
from v5lint.runtime.errors import IdleAdapterError, UsageError
from v5lint.runtime.export import LABELS_FILE
from v5lint.runtime.hub import read_json
from v5lint.runtime.results import CheckResult
from v5lint.runtime.tasks.checkpoint import finished, local_copy, open_checkpoint

if TYPE_CHECKING:
    from collections.abc import Collection

    from v5lint.runtime.families import Task
    from v5lint.runtime.quantization import Quantization


def validate_saved(
    model: str | Path,
    data: str | None = None,
    *,
    task: Task = "classification",
    base: str | None = None,
    checks: Collection[str] | None = None,
    group_column: str | None = None,
    device: str | None = None,
    dtype: str = "float32",
    quantization: Quantization | None = None,
) -> Report:
    """Run the checks on a saved model.

    Args:
        model: Folder of a checkpoint, of the output of a fine-tune or of an adapter, or a repository on the Hub.
        data: Labelled images; where they have no evaluation split, a fifth is split off.
        task: What the model is used for.
        base: Base model of an adapter, where it is not where `adapter_config.json` says.
        checks: Names of the checks; by default all.
        group_column: Column whose values must not be on both sides of the split.
        device: Where to put the model.
        dtype: Of its weights.
        quantization: `4bit` or `8bit`.

    Returns:
        The report. What belongs to a training (movement, optimiser) is skipped, for nothing is trainable here.

    Raises:
        RuntimeSetupError: The model or the data cannot be read, or the data has classes that the model has not.
    """
    chosen = chosen_checks(checks)
    model = str(local_copy(model))
    try:
        opened = open_checkpoint(
            model, task, base=base, dtype=dtype, device=device, quantization=quantization, labels=_numbered(model)
        )
    except IdleAdapterError as error:
        if PARAMETERS not in chosen:
            raise
        return _idle(error, chosen)
    opened.model.requires_grad_(False)
    train, evaluation = (None, None) if data is None else _data(opened, str(model), data, group_column)
    adapter = read_json(model, ADAPTER_CONFIG) is not None
    return validate(
        opened.model,
        processor=opened.processor,
        train_dataset=train,
        eval_dataset=evaluation,
        checkpoint=base or (adapter_base(model) if adapter else None),
        checks=chosen,
        training=False,
        trained=task == "classification",
        group_column=group_column,
    )


def _idle(error: IdleAdapterError, chosen: Collection[str]) -> Report:
    """The report on an adapter that changes nothing: a fault that is found, and no model to look at any further."""
    remedy = "Train it, and see what the check `movement` says."
    failed = CheckResult(PARAMETERS, "failed", {"effect": 0.0}, {"effect": "> 0"}, str(error), remedy)
    others = [
        CheckResult(name, "skipped", detail="The adapter changes nothing: what it was trained for is not there.")
        for name in chosen
        if name != PARAMETERS
    ]
    return Report([failed, *others])


def _numbered(model: str | Path) -> list[str] | None:
    """`LABEL_0` and so on for the adapter of a classifier that has no class names beside it, as PEFT leaves it."""
    folder = finished(Path(model))
    if not (folder / ADAPTER_CONFIG).is_file() or (folder / LABELS_FILE).is_file():
        return None
    saved = read_adapter_weights(folder).items()
    weights = [tensor for key, tensor in saved if tensor.dim() == 2 and not module_of(key)[1].startswith("lora_")]
    return [f"LABEL_{index}" for index in range(len(weights[-1]))] if weights else None


def _data(opened: Any, model: str, data: str, group_column: str | None) -> tuple[Any, Any]:
    """Training and evaluation data, prepared by the checkpoint's processor and numbered as the model numbers."""
    read = load_data(FinetuneConfig(checkpoint=model, data=data, output=".", group_column=group_column))
    config = getattr(opened.model, "config", None)
    names = {str(name): int(index) for index, name in (getattr(config, "id2label", None) or {}).items()}
    unknown = [name for name in read.labels if name not in names]
    numbered = all(name == f"LABEL_{index}" for name, index in names.items())
    if unknown and (len(unknown) < len(read.labels) or not numbered):
        raise UsageError(f"{data} has the classes {', '.join(unknown[:5])}, which {model} does not have")
    if unknown and len(names) != len(read.labels):
        raise UsageError(f"{data} has {len(read.labels)} classes, and {model} has {len(names)}")
    # Where the model has no names of its own (LABEL_0, ...), the order is all that there is to go by.
    numbers = [index if unknown else names[name] for index, name in enumerate(read.labels)]
    processor = getattr(opened.processor, "image_processor", opened.processor)

    def prepare(rows: dict[str, list[Any]]) -> dict[str, Any]:
        images = [decode_image(cell) for cell in rows[read.image_column]]
        made = dict(processor(images, return_tensors="pt"))
        return {**made, "labels": [numbers[int(label)] for label in rows[read.label_column]]}

    return read.train.with_transform(prepare), read.evaluation.with_transform(prepare)

"""Open whatever a user points at for a task: a checkpoint, the output of a fine-tune, or an adapter with its base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.adapters import ADAPTER_CONFIG, load_adapter, module_of, read_adapter_weights
from v5lint.runtime.errors import AdapterError, CheckpointError, FamilyError, NoHeadError, UsageError
from v5lint.runtime.export import ADAPTER_FOLDER, MODEL_FOLDER, known_base, load_finetuned
from v5lint.runtime.families import Family, Task, all_families, find_family
from v5lint.runtime.hub import read_json
from v5lint.runtime.loading import load_config, load_model, resolve_dtype
from v5lint.runtime.processors import load_processor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from v5lint.runtime.quantization import Quantization


@dataclass(frozen=True)
class OpenCheckpoint:
    """A model that is ready to be used, with what feeds it.

    Attributes:
        model: In evaluation mode, on its device.
        processor: The image processor; for `retrieval` the processor of images and texts.
        family: The family of both.
        source: What was opened.
    """

    model: nn.Module
    processor: Any
    family: Family
    source: str

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def inputs(self, images: Any) -> dict[str, torch.Tensor]:
        """The tensors of some images, as the processor gives them, on the model's device."""
        processor = getattr(self.processor, "image_processor", self.processor)
        made = processor(images, return_tensors="pt")
        return {name: tensor.to(self.device) for name, tensor in made.items()}


def open_checkpoint(
    source: str | Path,
    task: Task,
    *,
    base: str | Path | None = None,
    dtype: torch.dtype | str = torch.float32,
    device: str | None = None,
    quantization: Quantization | None = None,
    labels: Sequence[str] | None = None,
) -> OpenCheckpoint:
    """Open a checkpoint for a task.

    Args:
        source: A repository on the Hub, or a folder: a checkpoint, the `--output` of a fine-tune, or an adapter.
        task: `classification` needs a trained head, `retrieval` a dual encoder with both towers; `dense` takes either,
            and reads its features.
        base: The base model of an adapter, where it is not where `adapter_config.json` says.
        dtype: Of the weights that are not quantised.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; by default the accelerator where there is one.
        quantization: `4bit` or `8bit`.
        labels: Class names of an adapter that has none beside it.

    Raises:
        AdapterError: An adapter does not do this task, or does not fit its base.
        FamilyError: The model is of no known family, or has no text tower where one is needed.
        NoHeadError: It is a base model, and classes are asked for.
        UsageError: The dtype or the device cannot be, or a base is given for what is no adapter.
    """
    options: dict[str, Any] = {"dtype": _dtype(dtype), "quantization": quantization}
    place = _device(device)
    if quantization is not None:  # bitsandbytes quantises on the way to the device
        options["device_map"] = {"": place}
    path = finished(local_copy(source))
    if (path / ADAPTER_CONFIG).is_file():
        model, processor = _adapted(path, task, base, labels, options)
    else:
        if base is not None:
            raise UsageError(f"base {base}: is for an adapter, and {source} has no {ADAPTER_CONFIG}")
        checkpoint = str(path) if path.is_dir() else str(source)
        _check_towers(checkpoint, task)
        try:
            model = load_model(checkpoint, task, **options)
        except NoHeadError as error:
            raise NoHeadError(
                f"{source} has no trained classification head: it is a base model, whose classes would be random. "
                "Fine-tune it first (v5lint-runtime finetune), and name the output of that here."
            ) from error
        processor = load_processor(checkpoint, task)
    family = find_family(model)
    if family is None:
        raise FamilyError(f"{source}: {type(model).__name__} is of no family that the runtime knows.")
    if quantization is None:
        model.to(place)
    return OpenCheckpoint(model.eval(), processor, family, str(source))


def local_copy(source: str | Path) -> Path:
    """A folder as it is; of an adapter on the Hub its download, class names and all, which it is opened from.

    Any other repository is left to the loader, which downloads what it needs and says what is wrong with it.
    """
    path = Path(source)
    if path.is_dir():
        return path
    try:
        adapter = read_json(source, ADAPTER_CONFIG)
    except CheckpointError:  # it cannot be reached, or is a checkpoint in the cache: the loader knows
        return path
    if adapter is None:
        return path
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(str(source)))


def finished(path: Path) -> Path:
    """The folder with the weights, of the output of a fine-tune."""
    return next((path / name for name in (ADAPTER_FOLDER, MODEL_FOLDER) if (path / name).is_dir()), path)


def _adapted(
    path: Path, task: Task, base: str | Path | None, labels: Sequence[str] | None, options: dict[str, Any]
) -> tuple[Any, Any]:
    has_head = any(not module_of(key)[1].startswith("lora_") for key in read_adapter_weights(path))
    if has_head:
        if task == "retrieval":
            raise AdapterError(f"{path} is the adapter of a classifier: it has class scores and no text tower.")
        return load_finetuned(path, base=base, labels=labels, **options)
    if task == "classification":
        raise AdapterError(
            f"{path} has no classification head: it adapts features, so no class can be predicted with it."
        )
    checkpoint = base or known_base(path)
    family = find_family(load_config(checkpoint))
    # The paths in an adapter are those of the model that was trained: of a dual encoder, the whole one.
    trained_as: Task = "retrieval" if family is not None and family.dual_encoder else task
    _check_towers(str(checkpoint), task)
    return load_adapter(load_model(checkpoint, trained_as, **options), path), load_processor(checkpoint, task)


def _check_towers(checkpoint: str, task: Task) -> None:
    """Raise where texts are to be read and the checkpoint has no text tower, before its weights are."""
    if task != "retrieval":
        return
    config = load_config(checkpoint)
    family = find_family(config)
    if family is not None and family.dual_encoder and getattr(config, "text_config", None) is not None:
        return
    title = family.title if family is not None else f"model_type {config.model_type!r}"
    dual = ", ".join(entry.title for entry in all_families().values() if entry.dual_encoder)
    raise FamilyError(
        f"{checkpoint} ({title}) has no text tower, so it cannot compare images with texts. Dual encoders are: {dual}."
    )


def _dtype(dtype: torch.dtype | str) -> torch.dtype:
    try:
        return resolve_dtype(dtype)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _device(name: str | None) -> str:
    if name is None:
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return str(torch.empty(0, device=name).device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA fails by an assertion
        raise UsageError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from error

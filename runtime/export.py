"""What a fine-tune leaves behind: the adapter or the model with its class names, and how to load it again.

PEFT saves no class names, and a `config.json` beside an adapter would keep transformers from loading it; so they stand
in `labels.json`. Every folder appears whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v5lint.runtime.adapters import ADAPTER_CONFIG, adapter_base, load_adapter
from v5lint.runtime.errors import AdapterError, CheckpointError, OutputError, RuntimeSetupError
from v5lint.runtime.hub import read_json
from v5lint.runtime.loading import load_model
from v5lint.runtime.processors import load_processor
from v5lint.runtime.report import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LABELS_FILE = "labels.json"
ADAPTER_FOLDER, MODEL_FOLDER, MERGED_FOLDER = "adapter", "model", "merged"
_MARGIN = 1.2


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of `target` when all is written, and is gone when something fails.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error
    try:
        yield unfinished
        unfinished.chmod(0o755)
        if target.exists():
            replaced = unfinished.with_name(f"{unfinished.name}-replaced")
            os.replace(target, replaced)
            os.replace(unfinished, target)
            shutil.rmtree(replaced)
        else:
            os.replace(unfinished, target)
    except RuntimeSetupError:  # what is written could not be made
        raise
    except Exception as error:  # a full disk is an OSError, a RuntimeError of torch or an exception of safetensors
        raise OutputError(f"{target} cannot be written: {str(error).strip() or type(error).__name__}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def whole_checkpoint(folder: Path, advice: str, *, writes: bool = True) -> Iterator[None]:
    """A block that writes a checkpoint of a training, of which nothing is left when it fails.

    Args:
        folder: The checkpoint.
        advice: What to do once there is room.
        writes: Whether this process is the one that writes, and so removes.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        yield
    except Exception as error:  # a full disk is an OSError, a RuntimeError of torch or an exception of safetensors
        if writes:
            shutil.rmtree(folder, ignore_errors=True)
        raise OutputError(
            f"checkpoint {folder} cannot be written ({str(error).strip() or type(error).__name__}), and was removed. "
            f"Make room, and {advice}."
        ) from error


def save_adapter(model: Any, processor: Any, labels: Sequence[str], folder: Path) -> Path:
    """Write an adapter as PEFT does, with `labels.json` and the processor.

    Raises:
        OutputError: It cannot be written; nothing is left half-written.
    """
    with whole_folder(folder) as unfinished:
        model.save_pretrained(unfinished)
        (unfinished / "README.md").unlink(missing_ok=True)  # PEFT's template; the card of the run says what this cannot
        if is_saved(processor):
            processor.save_pretrained(unfinished)
        write_labels(labels, unfinished)
    return folder


def save_model(model: Any, processor: Any, folder: Path) -> Path:
    """Write a whole model, which has its class names in its configuration, with the processor.

    Raises:
        OutputError: It cannot be written; nothing is left half-written.
    """
    with whole_folder(folder) as unfinished:
        model.save_pretrained(unfinished)
        if is_saved(processor):
            processor.save_pretrained(unfinished)
    return folder


def load_finetuned(
    folder: str | Path, *, base: str | Path | None = None, labels: Sequence[str] | None = None, **options: Any
) -> tuple[Any, Any]:
    """A fine-tuned classifier and its processor, from the folder that a fine-tune wrote.

    Args:
        folder: The `--output` of a fine-tune, or its `adapter`, `model` or `merged` folder.
        base: The base model of an adapter, where it is not any more where `adapter_config.json` says.
        labels: Class names of an adapter; by default those in its `labels.json`.
        **options: Of `load_model` (`dtype`, `quantization`, `attn_implementation`, ...).

    Returns:
        The model in evaluation mode, with class names in its configuration, and the image processor.

    Raises:
        AdapterError: There is nothing of a fine-tune, or an adapter without `labels.json`.
    """
    path = Path(folder)
    for name in (ADAPTER_FOLDER, MODEL_FOLDER):
        if (path / name).is_dir():
            path = path / name
            break
    if not (path / ADAPTER_CONFIG).is_file():
        if not (path / "config.json").is_file():
            raise AdapterError(f"{folder} has no adapter and no model: pass the output folder of a fine-tune")
        return load_model(path, **options), load_processor(path)
    labels = read_labels(path) if labels is None else labels
    checkpoint = base or known_base(path)
    model = load_adapter(load_model(checkpoint, labels=labels, **options), path)
    processor = load_processor(checkpoint)
    saved = read_json(path, "preprocessor_config.json") or {}
    if "max_num_patches" in saved:
        processor.max_num_patches = saved["max_num_patches"]
    return model.eval(), processor


def known_base(adapter: str | Path) -> str:
    """The base model that an adapter names.

    Raises:
        AdapterError: It names none, or one that cannot be read: a folder that is not there any more, or a path that is
            relative to another folder than this.
    """
    checkpoint = adapter_base(adapter)
    if not checkpoint:
        raise AdapterError(f"{adapter}: {ADAPTER_CONFIG} names no base model; pass base=")
    if Path(checkpoint).is_absolute() and not Path(checkpoint).is_dir():
        raise AdapterError(
            f"{adapter}: the base model that {ADAPTER_CONFIG} names, {checkpoint}, is not there any more; pass base="
        )
    try:
        read_json(checkpoint, "config.json")
    except CheckpointError as error:
        raise AdapterError(
            f"{adapter}: the base model that {ADAPTER_CONFIG} names, {checkpoint}, cannot be read from {Path.cwd()}; "
            f"pass base=. {error}"
        ) from error
    return checkpoint


def read_labels(folder: str | Path) -> list[str]:
    """The class names beside an adapter, in the order of their indices.

    Raises:
        AdapterError: There are none.
    """
    path = Path(folder) / LABELS_FILE
    try:
        labels = json.loads(path.read_text(encoding="utf-8-sig"))["labels"]
        if not isinstance(labels, list) or not labels:
            raise TypeError("no list of names")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AdapterError(
            f"{path} is missing or has no class names. PEFT does not save them: write them there as "
            '{"labels": ["first class", "second class", ...]}, in the order of the training.'
        ) from error
    return [str(label) for label in labels]


def write_labels(labels: Sequence[str], folder: Path) -> None:
    """Write the class names beside an adapter, in the order of their indices.

    Raises:
        OutputError: They cannot be written.
    """
    write_json(folder / LABELS_FILE, {"labels": list(labels)})


def is_saved(processor: Any) -> bool:
    """Whether a processor has a file of its own: timm's is made from `pretrained_cfg` in the model's configuration."""
    return getattr(processor, "data_config", None) is None


def check_space(folder: Path, needed: int, otherwise: str = "choose another output") -> None:
    """Raise unless a disk has room for so many bytes, with a margin.

    Raises:
        OutputError: It has not; the message has both numbers.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        raise OutputError(f"{existing} cannot be used: {error.strerror or error}") from error
    if free < needed * _MARGIN:
        raise OutputError(
            f"{folder}: the results need about {needed * _MARGIN / 2**20:,.1f} MiB, and the disk has "
            f"{free / 2**20:,.1f} free. Make room, or {otherwise}."
        )

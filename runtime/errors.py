"""What the runtime raises. Each message names the thing that is wrong, and what to do about it."""

from __future__ import annotations


class RuntimeSetupError(Exception):
    """The runtime could not do what was asked: the base of every error below (a command exits with status 2)."""


class MissingDependencyError(RuntimeSetupError, ImportError):
    """A library that the runtime needs is not installed."""


class BackboneError(RuntimeSetupError, ValueError):
    """No backbone of the catalogue fits the specification, or a name is not in the catalogue."""


class FamilyError(RuntimeSetupError, ValueError):
    """A configuration or a model belongs to no family that the runtime knows."""


class ProcessorError(RuntimeSetupError, ValueError):
    """A checkpoint has no image processor, an incomplete one, or one of another family."""


class CheckpointError(RuntimeSetupError, RuntimeError):
    """A checkpoint does not fill the model: tensors are missing or have other shapes outside the head."""


class NoHeadError(CheckpointError):
    """A checkpoint has no trained classification head, and none is to be trained."""


class LoraTargetError(RuntimeSetupError, ValueError):
    """LoRA targets match nothing, or only a part of what they should."""


class AdapterError(RuntimeSetupError, RuntimeError):
    """An adapter does not fit the model, or loads without changing its output."""


class IdleAdapterError(AdapterError):
    """An adapter is on its model with every tensor, and the output is the same without it."""


class UsageError(RuntimeSetupError, ValueError):
    """An option has a value that cannot be, or two options contradict each other."""


class DataError(RuntimeSetupError, ValueError):
    """Images or labels cannot be trained on: unreadable files, an empty class, a split with too little in it."""


class OutputError(RuntimeSetupError, OSError):
    """A result cannot be written: the disk is full, or the folder holds something else."""


class ValidationError(RuntimeSetupError, RuntimeError):
    """A check failed in a training that was to stop then; the message names the fault and what to do."""


class DistributedError(RuntimeSetupError, RuntimeError):
    """Several processes were asked for, and this one would train alone or otherwise than asked."""


_EXTRA = (
    "accelerate",
    "datasets",
    "huggingface_hub",
    "matplotlib",
    "packaging",
    "peft",
    "PIL",
    "safetensors",
    "sklearn",
    "torch",
    "transformers",
)
"""The modules that the extra `runtime` installs."""


def missing_library(error: ModuleNotFoundError, what: str) -> str | None:
    """The message for a library that an import did not find: what needs it, and how to install it.

    Args:
        error: What the import raised.
        what: What was asked for, as the subject of the sentence.

    Returns:
        The message, or `None` where the missing module is not one that the extra `runtime` installs.
    """
    missing = (error.name or "").partition(".")[0]
    if missing not in _EXTRA:
        return None
    return f"{what} needs {missing}, which is not installed: pip install 'v5lint[runtime]'"

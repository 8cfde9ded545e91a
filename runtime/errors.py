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


class LoraTargetError(RuntimeSetupError, ValueError):
    """LoRA targets match nothing, or only a part of what they should."""


class AdapterError(RuntimeSetupError, RuntimeError):
    """An adapter does not fit the model, or loads without changing its output."""

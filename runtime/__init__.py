"""The runtime that rewritten training scripts import: the reference LoRA fine-tune and the validation checks.

Import from here (`from v5lint.runtime import load_model, lora_config_for`). Importing the package itself costs
nothing; a name brings its module, and with it torch, transformers and peft, when it is first used. Where one of these
is not installed, the error says how to install it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from v5lint.runtime.errors import MissingDependencyError

if TYPE_CHECKING:
    from v5lint.runtime.adapters import adapter_effect, load_adapter
    from v5lint.runtime.backbones import Backbone, BackboneChoice, catalogue, choose_backbone, get_backbone
    from v5lint.runtime.contract import Contract, check_access, check_contract
    from v5lint.runtime.description import BackboneDescription, describe_backbone
    from v5lint.runtime.errors import (
        AdapterError,
        BackboneError,
        CheckpointError,
        FamilyError,
        LoraTargetError,
        ProcessorError,
        RuntimeSetupError,
    )
    from v5lint.runtime.families import Family, all_families, family_of, find_family, get_family
    from v5lint.runtime.features import image_embeddings, patch_features, text_embeddings
    from v5lint.runtime.inputs import sample_inputs
    from v5lint.runtime.loading import LoadReport, load_config, load_model, load_with_report
    from v5lint.runtime.lora import (
        ExpectedParameters,
        adapted_modules,
        attach_lora,
        expected_parameters,
        lora_config_for,
        matched_modules,
    )
    from v5lint.runtime.measure import TrainingCost, training_cost
    from v5lint.runtime.migrate import AdapterMigration, migrate_adapter
    from v5lint.runtime.processors import load_processor
    from v5lint.runtime.results import CheckResult
    from v5lint.runtime.roles import EncoderLayer, classification_head, encoder_layers
    from v5lint.runtime.tiny import make_tiny_checkpoint, tiny_families

# The public names by the module that has them: one line a module, the same names as above.
_PUBLIC = {
    "adapters": ("adapter_effect", "load_adapter"),
    "backbones": ("Backbone", "BackboneChoice", "catalogue", "choose_backbone", "get_backbone"),
    "contract": ("Contract", "check_access", "check_contract"),
    "description": ("BackboneDescription", "describe_backbone"),
    "errors": (
        "AdapterError",
        "BackboneError",
        "CheckpointError",
        "FamilyError",
        "LoraTargetError",
        "MissingDependencyError",
        "ProcessorError",
        "RuntimeSetupError",
    ),
    "families": ("Family", "all_families", "family_of", "find_family", "get_family"),
    "features": ("image_embeddings", "patch_features", "text_embeddings"),
    "inputs": ("sample_inputs",),
    "loading": ("LoadReport", "load_config", "load_model", "load_with_report"),
    "lora": (
        "ExpectedParameters",
        "adapted_modules",
        "attach_lora",
        "expected_parameters",
        "lora_config_for",
        "matched_modules",
    ),
    "measure": ("TrainingCost", "training_cost"),
    "migrate": ("AdapterMigration", "migrate_adapter"),
    "processors": ("load_processor",),
    "results": ("CheckResult",),
    "roles": ("EncoderLayer", "classification_head", "encoder_layers"),
    "tiny": ("make_tiny_checkpoint", "tiny_families"),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}
_REQUIRED = ("torch", "transformers", "peft", "accelerate", "huggingface_hub", "safetensors")

__all__ = [
    "AdapterError",
    "AdapterMigration",
    "Backbone",
    "BackboneChoice",
    "BackboneDescription",
    "BackboneError",
    "CheckResult",
    "CheckpointError",
    "Contract",
    "EncoderLayer",
    "ExpectedParameters",
    "Family",
    "FamilyError",
    "LoadReport",
    "LoraTargetError",
    "MissingDependencyError",
    "ProcessorError",
    "RuntimeSetupError",
    "TrainingCost",
    "adapted_modules",
    "adapter_effect",
    "all_families",
    "attach_lora",
    "catalogue",
    "check_access",
    "check_contract",
    "choose_backbone",
    "classification_head",
    "describe_backbone",
    "encoder_layers",
    "expected_parameters",
    "family_of",
    "find_family",
    "get_backbone",
    "get_family",
    "image_embeddings",
    "load_adapter",
    "load_config",
    "load_model",
    "load_processor",
    "load_with_report",
    "lora_config_for",
    "make_tiny_checkpoint",
    "matched_modules",
    "migrate_adapter",
    "patch_features",
    "sample_inputs",
    "text_embeddings",
    "tiny_families",
    "training_cost",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _REQUIRED:
            raise
        raise MissingDependencyError(
            f"v5lint.runtime.{name} needs {missing}, which is not installed: pip install 'v5lint[runtime]'"
        ) from error
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

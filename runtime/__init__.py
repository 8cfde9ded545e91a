"""The runtime that rewritten training scripts import: the reference LoRA fine-tune and the validation checks.

Import from here (`from v5lint.runtime import load_model, lora_config_for`). Importing the package itself costs
nothing; a name brings its module, and with it torch, transformers and peft, when it is first used. Where one of these
is not installed, the error says how to install it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from v5lint.runtime.errors import MissingDependencyError, missing_library

if TYPE_CHECKING:
    from v5lint.runtime.adapters import adapter_effect, load_adapter
    from v5lint.runtime.backbones import Backbone, BackboneChoice, catalogue, choose_backbone, get_backbone
    from v5lint.runtime.checks import Report, ValidationCallback, validate
    from v5lint.runtime.config import FinetuneConfig, read_config
    from v5lint.runtime.contract import Contract, check_access, check_contract
    from v5lint.runtime.description import BackboneDescription, describe_backbone
    from v5lint.runtime.errors import (
        AdapterError,
        BackboneError,
        CheckpointError,
        DataError,
        DistributedError,
        FamilyError,
        IdleAdapterError,
        LoraTargetError,
        OutputError,
        ProcessorError,
        RuntimeSetupError,
        UsageError,
        ValidationError,
    )
    from v5lint.runtime.export import load_finetuned
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
    from v5lint.runtime.report import RunReport
    from v5lint.runtime.results import CheckResult
    from v5lint.runtime.roles import EncoderLayer, classification_head, encoder_layers
    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint, open_checkpoint
    from v5lint.runtime.tasks.dense import feature_maps, principal_components
    from v5lint.runtime.tasks.embed import embed_images, write_embeddings
    from v5lint.runtime.tasks.images import find_images
    from v5lint.runtime.tasks.predict import Prediction, predict_images
    from v5lint.runtime.tasks.retrieval import retrieval_metrics, sigmoid_loss
    from v5lint.runtime.tasks.retrieval_training import RetrievalConfig, finetune_retrieval
    from v5lint.runtime.tasks.segmentation import (
        SegmentationOptions,
        find_masked_images,
        load_segmentation,
        save_segmentation,
        segment,
        train_segmentation,
    )
    from v5lint.runtime.tasks.zero_shot import zero_shot_images
    from v5lint.runtime.tiny import make_tiny_checkpoint, tiny_families
    from v5lint.runtime.training import FinetuneResult, finetune

# The public names by the module that has them: one line a module, the same names as above.
_PUBLIC = {
    "adapters": ("adapter_effect", "load_adapter"),
    "backbones": ("Backbone", "BackboneChoice", "catalogue", "choose_backbone", "get_backbone"),
    "checks": ("Report", "ValidationCallback", "validate"),
    "config": ("FinetuneConfig", "read_config"),
    "export": ("load_finetuned",),
    "training": ("FinetuneResult", "finetune"),
    "report": ("RunReport",),
    "contract": ("Contract", "check_access", "check_contract"),
    "description": ("BackboneDescription", "describe_backbone"),
    "errors": (
        "AdapterError",
        "BackboneError",
        "CheckpointError",
        "DataError",
        "OutputError",
        "UsageError",
        "DistributedError",
        "FamilyError",
        "IdleAdapterError",
        "LoraTargetError",
        "MissingDependencyError",
        "ProcessorError",
        "RuntimeSetupError",
        "ValidationError",
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
    "tasks.checkpoint": ("OpenCheckpoint", "open_checkpoint"),
    "tasks.dense": ("feature_maps", "principal_components"),
    "tasks.embed": ("embed_images", "write_embeddings"),
    "tasks.images": ("find_images",),
    "tasks.predict": ("Prediction", "predict_images"),
    "tasks.retrieval": ("retrieval_metrics", "sigmoid_loss"),
    "tasks.retrieval_training": ("RetrievalConfig", "finetune_retrieval"),
    "tasks.segmentation": (
        "SegmentationOptions",
        "find_masked_images",
        "load_segmentation",
        "save_segmentation",
        "segment",
        "train_segmentation",
    ),
    "tasks.zero_shot": ("zero_shot_images",),
    "tiny": ("make_tiny_checkpoint", "tiny_families"),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}

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
    "DataError",
    "DistributedError",
    "EncoderLayer",
    "ExpectedParameters",
    "Family",
    "FamilyError",
    "FinetuneConfig",
    "FinetuneResult",
    "IdleAdapterError",
    "LoadReport",
    "LoraTargetError",
    "MissingDependencyError",
    "OpenCheckpoint",
    "OutputError",
    "Prediction",
    "ProcessorError",
    "Report",
    "RetrievalConfig",
    "RunReport",
    "RuntimeSetupError",
    "SegmentationOptions",
    "TrainingCost",
    "UsageError",
    "ValidationCallback",
    "ValidationError",
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
    "embed_images",
    "encoder_layers",
    "expected_parameters",
    "family_of",
    "feature_maps",
    "find_family",
    "find_images",
    "find_masked_images",
    "finetune",
    "finetune_retrieval",
    "get_backbone",
    "get_family",
    "image_embeddings",
    "load_adapter",
    "load_config",
    "load_finetuned",
    "load_model",
    "load_processor",
    "load_segmentation",
    "load_with_report",
    "lora_config_for",
    "make_tiny_checkpoint",
    "matched_modules",
    "migrate_adapter",
    "open_checkpoint",
    "patch_features",
    "predict_images",
    "principal_components",
    "read_config",
    "retrieval_metrics",
    "sample_inputs",
    "save_segmentation",
    "segment",
    "sigmoid_loss",
    "text_embeddings",
    "tiny_families",
    "train_segmentation",
    "training_cost",
    "validate",
    "write_embeddings",
    "zero_shot_images",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    except ModuleNotFoundError as error:
        message = missing_library(error, f"v5lint.runtime.{name}")
        if message is None:
            raise
        raise MissingDependencyError(message) from error
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

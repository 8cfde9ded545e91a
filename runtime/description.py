"""A backbone in one sentence, with what training it costs: what cannot be stated in one is not to be fine-tuned."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from v5lint.runtime.backbones import GIB, Backbone, catalogue
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.families import TASKS, Family, family_of, require_libraries
from v5lint.runtime.heads import classification_class
from v5lint.runtime.hub import hub_options
from v5lint.runtime.inputs import image_size_of, patch_size_of
from v5lint.runtime.loading import build_on_meta, class_for, load_config, resolve_dtype
from v5lint.runtime.measure import TrainingCost, count_parameters, training_cost

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_FRONT_MATTER_LICENCE = re.compile(r"^license:\s*[\"']?([\w.\-]+)", re.MULTILINE)
_LICENCE_NAME = re.compile(r"^license_name:\s*[\"']?([\w.\-]+)", re.MULTILINE)


@dataclass(frozen=True)
class BackboneStatement:
    """What a backbone is.

    Attributes:
        name: Folder or repository.
        sentence: Task, licence and native resolution.
        family: The family it belongs to.
        parameters: Of the backbone without a head.
        resolution: Native height and width in pixels; for a NaFlex model the square of its patch budget.
        licence: `None` where neither the catalogue nor the model card states one.
        config: Its configuration.
    """

    name: str
    sentence: str
    family: Family
    parameters: int
    resolution: tuple[int, int]
    licence: str | None
    config: PreTrainedConfig


@dataclass(frozen=True)
class BackboneDescription(BackboneStatement):
    """What a backbone is, and what a LoRA step on it costs.

    Attributes:
        cost: Of one LoRA training step with a classification head.
    """

    cost: TrainingCost

    def __str__(self) -> str:
        cost = self.cost
        memory, kept = _binary(cost.memory_bytes), _binary(cost.activation_bytes)
        training, forward = _decimal(cost.training_flops, "FLOP"), _decimal(cost.forward_flops, "FLOP")
        return (
            f"{self.sentence}\n"
            f"A LoRA step ({cost.trainable:,} trained beside {cost.parameters:,} parameters) with a batch of "
            f"{cost.batch_size} in {str(cost.dtype).removeprefix('torch.')} takes {memory} ({kept} of it activations) "
            f"and {training} ({forward} forward)."
        )


def describe_backbone(
    checkpoint: str | Path,
    *,
    batch_size: int = 32,
    dtype: torch.dtype | str = torch.bfloat16,
    num_labels: int = 101,
    r: int = 16,
    **options: Any,
) -> BackboneDescription:
    """State task, licence and native resolution of a backbone, and what training it with LoRA costs.

    A backbone of the catalogue needs no network; any other a `config.json`, in a folder or on the Hub. No weights are
    read.

    Args:
        checkpoint: Name in the catalogue, local folder, or repository on the Hub.
        batch_size: Images in a training batch.
        dtype: Of the frozen weights and the activations.
        num_labels: Classes of the head.
        r: Rank of the adapter on the query and value projections.
        **options: Options that choose a file on the Hub (`revision`, `token`, ...).

    Raises:
        FamilyError: The configuration is of no family that the runtime knows.
        CheckpointError: There is no `config.json`.
        MissingDependencyError: The family needs timm.
    """
    stated = state_backbone(checkpoint, **options)
    cost = training_cost(
        classification_class(stated.config),
        stated.config,
        batch_size=batch_size,
        image_size=stated.resolution,
        dtype=resolve_dtype(dtype),
        num_labels=num_labels,
        r=r,
    )
    return BackboneDescription(**vars(stated), cost=cost)


def state_backbone(checkpoint: str | Path, **options: Any) -> BackboneStatement:
    """State task, licence and native resolution of a backbone, without measuring what training it costs.

    Args:
        checkpoint: Name in the catalogue, local folder, or repository on the Hub.
        **options: Options that choose a file on the Hub (`revision`, `token`, ...).

    Raises:
        FamilyError: The configuration is of no family that the runtime knows.
        CheckpointError: There is no `config.json`.
        MissingDependencyError: The family needs timm.
    """
    entry = None if Path(checkpoint).is_dir() else catalogue().get(str(checkpoint))
    config = config_of(entry) if entry is not None else load_config(checkpoint, **options)
    family = family_of(config)
    resolution = (entry.resolution, entry.resolution) if entry is not None else image_size_of(config)
    licence = entry.licence if entry is not None else stated_licence(checkpoint, options)
    bare = build_on_meta(class_for(config, "dense"), config)
    parameters, patch_size = count_parameters(bare), patch_size_of(bare)[0]
    tasks = entry.tasks if entry is not None else tuple(t for t in TASKS if t != "retrieval" or family.dual_encoder)
    sentence = _sentence(str(checkpoint), family, entry, parameters, tasks, licence, resolution, patch_size)
    return BackboneStatement(str(checkpoint), sentence, family, parameters, resolution, licence, config)


def config_of(backbone: Backbone) -> PreTrainedConfig:
    """The configuration of a backbone of the catalogue, without a network.

    Raises:
        MissingDependencyError: It is timm's, and timm is not installed.
    """
    require_libraries(backbone.family)
    config_class: Any = CONFIG_MAPPING[backbone.family.model_types[0]]
    fields = {name: dict(value) if isinstance(value, dict) else value for name, value in backbone.config.items()}
    if not backbone.family.is_timm:
        return cast("PreTrainedConfig", config_class(**fields))
    side = backbone.resolution
    fields["pretrained_cfg"] = {
        "input_size": [3, side, side],
        "mean": list(backbone.image_mean),
        "std": list(backbone.image_std),
        "interpolation": backbone.resample,
    }
    return cast("PreTrainedConfig", config_class.from_dict(fields, num_labels=fields.get("num_classes") or 2))


def _sentence(
    name: str,
    family: Family,
    entry: Backbone | None,
    parameters: int,
    tasks: tuple[str, ...],
    licence: str | None,
    resolution: tuple[int, int],
    patch_size: int,
) -> str:
    if family.resize == "budget":
        budget = entry.max_num_patches if entry is not None else (resolution[0] // patch_size) ** 2
        size = f"any aspect ratio within {budget} patches"
    else:
        size = f"{resolution[0]} x {resolution[1]} pixels"
    terms = f"licence {licence}" if licence else "licence not stated, so find out before you train"
    gate = " (gated: access must be asked for)" if entry is not None and entry.gated else ""
    does = " and ".join([", ".join(tasks[:-1]), tasks[-1]]) if len(tasks) > 1 else tasks[0]
    return (
        f"{name} is a {family.title} backbone of {_decimal(parameters, 'parameters')} for {does}, {terms}{gate}, "
        f"native resolution {size}."
    )


def _decimal(value: float, unit: str) -> str:
    """A count with one of the decimal prefixes: 85.8 M parameters, 7.72 TFLOP."""
    scale, prefix = next((s, p) for s, p in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")) if value >= s)
    return f"{value / scale:.1f} {prefix}{'' if unit == 'FLOP' else ' '}{unit}"


def _binary(count: int) -> str:
    return f"{count / GIB:.2f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def stated_licence(checkpoint: str | Path, options: dict[str, Any]) -> str | None:
    """The licence in the front matter of a model card, local or on the Hub; `None` where none is stated."""
    card = Path(checkpoint) / "README.md"
    if Path(checkpoint).is_dir():
        text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
        front = text.split("---")[1] if text.startswith("---") and text.count("---") >= 2 else ""
        found = _LICENCE_NAME.search(front) or _FRONT_MATTER_LICENCE.search(front)
        return found[1] if found else None
    from huggingface_hub import ModelCard
    from huggingface_hub.errors import EntryNotFoundError

    try:
        data = ModelCard.load(str(checkpoint), token=hub_options(options).get("token")).data
    except EntryNotFoundError:
        return None
    except OSError as error:
        raise RuntimeSetupError(f"{checkpoint}: its model card cannot be read: {error}") from error
    licence = data.get("license_name") or data.get("license")
    return str(licence) if licence else None

"""Load a model for a task: the right class for the checkpoint, every tensor in its place.

What transformers says only in its log is an error here: a tensor that is missing or of another shape outside the
head. The dtype is always explicit: since transformers 5.0 it otherwise follows the checkpoint, and a fresh head with
it.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from v5lint.runtime.errors import CheckpointError, MissingDependencyError, NoHeadError
from v5lint.runtime.families import TASKS, Task, find_family, require_libraries
from v5lint.runtime.heads import OWN_HEADS, classification_class
from v5lint.runtime.hub import hub_options, read_json
from v5lint.runtime.quantization import Quantization, check_quantized, leave_unpacked, quantization_config_for
from v5lint.runtime.roles import backbone_of, classification_head

Labels = Sequence[str] | Mapping[int, str] | int
"""Class names in the order of their indices, or by index, or only how many there are."""

_OPTIONAL_TENSORS = ("mask_token", "position_ids", "inv_freq", "periods")
"""Tensors that a checkpoint may have and a model need not: for pre-training, or computed anew by later releases."""
_WRITTEN = ("model", "merged")
"""Folders of whole models in the output of a fine-tune."""
_REMOVED_FLAGS = ("load_in_4bit", "load_in_8bit")


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors of a checkpoint.

    Attributes:
        checkpoint: Folder or repository.
        model_class: Name of the class that was filled.
        head: Paths of the head; its tensors may be missing or of another shape.
        missing: Tensors of the model that the checkpoint does not have: newly initialised.
        mismatched: Tensors that both have, in different shapes: newly initialised.
        unexpected: Tensors of the checkpoint that the model does not have: the text tower, another head.
        dropped: Of these, the tensors that belong into modules that the model has: register tokens in a configuration
            without, layers beyond `num_hidden_layers`. The weights are of another architecture than `config.json` says.
    """

    checkpoint: str
    model_class: str
    head: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]
    unexpected: tuple[str, ...]
    dropped: tuple[str, ...] = ()

    @property
    def lost(self) -> tuple[str, ...]:
        """Tensors outside the head that did not come from the checkpoint. Empty after a correct load."""
        return tuple(name for name in (*self.missing, *self.mismatched) if not _within(name, self.head))

    @property
    def fresh_head(self) -> bool:
        """Whether the head, or a part of it, was newly initialised."""
        return any(_within(name, self.head) for name in (*self.missing, *self.mismatched))


def load_model(
    checkpoint: str | Path,
    task: Task = "classification",
    *,
    labels: Labels | None = None,
    quantization: Quantization | None = None,
    dtype: torch.dtype | str = torch.float32,
    attn_implementation: str | None = None,
    **options: Any,
) -> PreTrainedModel:
    """Load a model for a task, with the class that fits the checkpoint.

    Args:
        checkpoint: A local folder, or the name of a repository on the Hub.
        task: `classification`: class scores from a head. `retrieval`: embeddings; the whole dual encoder, or the bare
            backbone. `dense`: patch tokens; the vision tower of a dual encoder, or the bare backbone.
        labels: Class names for `classification`. May be left out where the checkpoint has a trained head. A trained
            head is kept only where the names are its own: with other names, even as many, it starts afresh.
        quantization: `4bit` or `8bit` with bitsandbytes; heads and NaFlex patch embeddings stay unquantised.
        dtype: Of all weights that are not quantised, the head's too. Never taken from the checkpoint.
        attn_implementation: `sdpa`, `eager`, `flash_attention_2`, ...; by default what transformers chooses.
        **options: Further options of `from_pretrained` (`revision`, `token`, `device_map`, `drop_path_rate`, ...).

    Returns:
        The model in evaluation mode, every tensor outside a fresh head from the checkpoint.

    Raises:
        CheckpointError: A tensor outside the head would not come from the checkpoint, or (`NoHeadError`) there is no
            head and no `labels`.
        FamilyError: No class for this task exists for the checkpoint's `model_type`.
        MissingDependencyError: The family needs timm, or the quantisation bitsandbytes.
    """
    model, _ = load_with_report(
        checkpoint,
        task,
        labels=labels,
        quantization=quantization,
        dtype=dtype,
        attn_implementation=attn_implementation,
        **options,
    )
    return model


def load_with_report(
    checkpoint: str | Path,
    task: Task = "classification",
    *,
    labels: Labels | None = None,
    quantization: Quantization | None = None,
    dtype: torch.dtype | str = torch.float32,
    attn_implementation: str | None = None,
    **options: Any,
) -> tuple[PreTrainedModel, LoadReport]:
    """Like `load_model`, with the report of what became of the tensors."""
    _check_arguments(task, labels, options)
    config = load_config(checkpoint, **hub_options(options))
    exact_dtype = resolve_dtype(dtype)
    model_class = class_for(config, task)
    loading = {"dtype": exact_dtype, **options}
    if attn_implementation is not None:
        loading["attn_implementation"] = attn_implementation
    if labels is not None:
        loading |= _label_options(labels)
        loading["ignore_mismatched_sizes"] = True  # of the head alone: anything else is an error below
    if quantization is not None:
        skeleton = build_on_meta(model_class, config, **(_label_options(labels) if labels is not None else {}))
        loading["quantization_config"] = quantization_config_for(skeleton, quantization, exact_dtype)
    model, report = _filled(model_class, checkpoint, config, loading)
    if labels is not None and _other_classes(config, labels) and not report.fresh_head:
        report = _with_fresh_head(model, report)
    if task == "classification" and labels is None and report.fresh_head:
        raise NoHeadError(
            f"{checkpoint} has no trained classification head ({', '.join(report.head)} would be random). "
            "Pass labels= with the class names to train one."
        )
    if report.dropped:
        warnings.warn(
            f"{checkpoint}: {len(report.dropped)} tensors of the backbone have no place in {report.model_class}, such "
            f"as {report.dropped[0]}. config.json describes another architecture than the weights have.",
            stacklevel=3,
        )
    if quantization is not None:
        check_quantized(model)
        leave_unpacked(model)
    return model, report


def load_config(checkpoint: str | Path, **options: Any) -> PreTrainedConfig:
    """The configuration of a checkpoint.

    Raises:
        CheckpointError: There is no `config.json`, or transformers does not know its `model_type`.
        MissingDependencyError: The family needs a library that is not installed.
    """
    content = read_json(checkpoint, "config.json", **options)
    if content is None:
        adapter = read_json(checkpoint, "adapter_config.json", **options)
        inner = next((name for name in _WRITTEN if (Path(checkpoint) / name / "config.json").is_file()), None)
        if adapter:
            hint = (
                f"It is an adapter of {adapter.get('base_model_name_or_path')}: name that, the base model, here. In "
                "code, load_adapter() loads the adapter onto it."
            )
        elif inner is not None:
            hint = f"It is the output of a fine-tune: name the model in it, {Path(checkpoint) / inner}."
        else:
            hint = "Save the model with save_pretrained()."
        raise CheckpointError(f"{checkpoint} has no config.json. {hint}")
    require_libraries(find_family(content))
    try:
        return cast("PreTrainedConfig", AutoConfig.from_pretrained(checkpoint, **hub_options(options)))
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"{checkpoint}: transformers cannot read config.json: {error}") from error


def class_for(config: PreTrainedConfig, task: Task) -> type[PreTrainedModel]:
    """The class that does a task with a configuration.

    Args:
        config: The configuration of the whole checkpoint.
        task: As for `load_model`.

    Raises:
        FamilyError: There is none for classification.
        CheckpointError: transformers has no bare model for the configuration.
    """
    if task == "classification":
        return classification_class(config)
    vision = getattr(config, "vision_config", None)
    wanted = vision if task == "dense" and vision is not None else config
    found = AutoModel._model_mapping.get(type(wanted), None)
    if found is None:
        raise CheckpointError(f"transformers has no bare model for model_type {wanted.model_type!r}.")
    return cast("type[PreTrainedModel]", found[0] if isinstance(found, tuple) else found)


def build_on_meta(model_class: type[PreTrainedModel], config: PreTrainedConfig, **fields: Any) -> PreTrainedModel:
    """A model without weights, on the meta device: shapes and module names of the largest model for free.

    Args:
        model_class: A class of transformers or of `heads.py`.
        config: The configuration of the whole checkpoint; the class of a tower takes its part of it.
        **fields: Fields of the configuration to set on a copy (`num_labels`, ...).
    """
    config = copy.deepcopy(config)
    for name, value in fields.items():
        setattr(config, name, value)
    part: Any = config
    wanted = model_class.config_class or object
    if not isinstance(part, wanted):
        part = next((value for value in vars(config).values() if isinstance(value, wanted)), config)
    with torch.device("meta"):
        model: Any = model_class(part, **_without_pooler(model_class))
    return cast("PreTrainedModel", model.eval())


def resolve_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """A floating-point dtype by itself or by name (`bfloat16`, `torch.bfloat16`).

    Raises:
        ValueError: It is `auto` (which follows the checkpoint), or no floating-point dtype.
    """
    resolved = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not isinstance(resolved, torch.dtype) or not resolved.is_floating_point:
        raise ValueError(f"dtype={dtype!r}: name a floating-point dtype such as float32 or bfloat16")
    return resolved


def _check_arguments(task: str, labels: Labels | None, options: Mapping[str, Any]) -> None:
    if task not in TASKS:
        raise ValueError(f"task={task!r}: must be one of {', '.join(TASKS)}")
    for flag in _REMOVED_FLAGS:
        if flag in options:
            raise TypeError(f"{flag}= was removed in transformers 5.0: pass quantization='{flag[-4:]}'")
    if labels is None:
        return
    if task != "classification":
        raise ValueError(f"labels= are for task='classification', not for task={task!r}")
    names = list(labels.values()) if isinstance(labels, Mapping) else [] if isinstance(labels, int) else list(labels)
    count = labels if isinstance(labels, int) else len(names)
    if count < 2:
        raise ValueError(f"{count} label: with fewer than two, transformers trains a regression and says nothing")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"labels= has {', '.join(repeated)} more than once")
    if isinstance(labels, Mapping) and sorted(labels) != list(range(count)):
        raise ValueError(f"labels= must number its classes 0 to {count - 1}, not {sorted(labels)}")


def _label_options(labels: Labels) -> dict[str, Any]:
    if isinstance(labels, int):
        return {"num_labels": labels}
    names = dict(sorted(labels.items())) if isinstance(labels, Mapping) else dict(enumerate(labels))
    return {"num_labels": len(names), "id2label": names, "label2id": {name: index for index, name in names.items()}}


def _other_classes(config: PreTrainedConfig, labels: Labels) -> bool:
    """Whether a checkpoint's head was trained for classes of other names than those asked for."""
    saved = [name for _, name in sorted((config.id2label or {}).items())]
    named = any(name != f"LABEL_{index}" for index, name in enumerate(saved))
    return named and not isinstance(labels, int) and list(_label_options(labels)["id2label"].values()) != saved


def _with_fresh_head(model: PreTrainedModel, report: LoadReport) -> LoadReport:
    std = float(getattr(model.config, "initializer_range", None) or 0.02)
    fresh: list[str] = []
    for path in report.head:
        for name, parameter in model.get_submodule(path).named_parameters(prefix=path):
            fresh.append(name)
            with torch.no_grad():
                if parameter.dim() > 1:
                    parameter.normal_(std=std)
                else:
                    parameter.zero_()
    return replace(report, missing=(*report.missing, *fresh))


def _filled(
    model_class: type[PreTrainedModel], checkpoint: str | Path, config: PreTrainedConfig, loading: dict[str, Any]
) -> tuple[PreTrainedModel, LoadReport]:
    """The model and its report, with every tensor outside the head from the checkpoint."""
    model, report = _from_pretrained(model_class, checkpoint, loading)
    if not report.lost:
        return model, report
    # Where a release cannot map the keys of a bare checkpoint to a model with a head (ViT in 5.9) or the reverse, the
    # backbone is loaded by the class that the checkpoint was saved from, and put in its place.
    model, report = _transplanted(model, report, checkpoint, config, loading)
    if report.lost:
        shown = ", ".join(report.lost[:5]) + (", ..." if len(report.lost) > 5 else "")
        raise CheckpointError(
            f"{checkpoint} does not fill {report.model_class}: {len(report.lost)} tensors outside the head would be "
            f"random ({shown}). config.json says model_type {config.model_type!r}, architectures "
            f"{config.architectures}: the weights are of another model, or the file is incomplete."
        )
    return model, report


def _transplanted(
    model: PreTrainedModel,
    report: LoadReport,
    checkpoint: str | Path,
    config: PreTrainedConfig,
    loading: dict[str, Any],
) -> tuple[PreTrainedModel, LoadReport]:
    """The model with its backbone from the class that was saved, or as it was where that cannot be done."""
    saved_class = _saved_class(config)
    backbone = backbone_of(model)
    if saved_class is type(backbone) and backbone is not model:
        plain = {name: value for name, value in loading.items() if name not in ("num_labels", "id2label", "label2id")}
        bare, bare_report = _from_pretrained(saved_class, checkpoint, plain)
        name = next(name for name, child in model.named_children() if child is backbone)
        setattr(model, name, bare)
        missing = [entry for entry in (*report.missing, *report.mismatched) if _within(entry, report.head)]
        missing += [f"{name}.{entry}" for entry in bare_report.lost]
        return model, LoadReport(
            report.checkpoint,
            report.model_class,
            report.head,
            tuple(missing),
            (),
            bare_report.unexpected,
            bare_report.dropped,
        )
    if saved_class is not None and saved_class is not type(model):
        whole, whole_report = _from_pretrained(saved_class, checkpoint, loading)
        inner = backbone_of(whole)
        if type(inner) is type(model) and not whole_report.lost:
            return inner, LoadReport(report.checkpoint, report.model_class, (), (), (), tuple(whole_report.head))
    return model, report


def _saved_class(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """The class that a checkpoint was saved from, by its `architectures`."""
    name = (config.architectures or [""])[0]
    own = {cls.__name__: cls for cls in OWN_HEADS.values()}
    return cast("type[PreTrainedModel] | None", getattr(transformers, name, None) if name else None) or own.get(name)


def _from_pretrained(
    model_class: type[PreTrainedModel], checkpoint: str | Path, loading: dict[str, Any]
) -> tuple[PreTrainedModel, LoadReport]:
    loader: Any = model_class
    try:
        model, info = loader.from_pretrained(
            checkpoint, output_loading_info=True, **_without_pooler(model_class), **loading
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"{checkpoint} does not fit {model_class.__name__}: {str(error).strip().splitlines()[0]} "
            "The tensors are named in transformers' load report above this error."
        ) from error
    except ImportError as error:  # what an attention implementation needs, such as flash_attn
        raise MissingDependencyError(f"{checkpoint}: {str(error).strip()}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{checkpoint}: {str(error).strip()}") from error
    except (SafetensorError, UnpicklingError, EOFError) as error:
        raise CheckpointError(
            f"{checkpoint}: its weights cannot be read ({str(error).strip() or type(error).__name__}): the file is "
            "incomplete, or a pointer of Git LFS in the place of one. Download it again."
        ) from error
    mismatched = (entry[0] if isinstance(entry, tuple | list) else entry for entry in info["mismatched_keys"])
    report = LoadReport(
        checkpoint=str(checkpoint),
        model_class=model_class.__name__,
        head=classification_head(model),
        missing=tuple(sorted(info["missing_keys"])),
        mismatched=tuple(sorted(mismatched)),
        unexpected=tuple(sorted(info["unexpected_keys"])),
        dropped=tuple(sorted(name for name in info["unexpected_keys"] if _has_a_place(model, name))),
    )
    return model.eval(), report


def _has_a_place(model: PreTrainedModel, name: str) -> bool:
    """Whether a tensor without a counterpart lies in a module of the backbone, or would be one more of its layers."""
    modules = dict(model.named_modules())
    backbone = backbone_of(model)
    prefix = next((f"{path}." for path, module in modules.items() if module is backbone and path), "")
    # What a bare checkpoint has and a model with a head has not keeps its bare name.
    path, _, leaf = (name if name.startswith(prefix) else prefix + name).rpartition(".")
    if leaf in _OPTIONAL_TENSORS:
        return False
    parent = modules.get(path)
    if parent is not None:
        return not isinstance(parent, nn.Identity) and parent is not backbone and parent is not model
    while path:
        path, _, child = path.rpartition(".")
        if path in modules:
            return child.isdigit() and isinstance(modules[path], nn.ModuleList | nn.Sequential)
    return False


def _without_pooler(model_class: type[PreTrainedModel]) -> dict[str, Any]:
    """ViT's pooler is a random layer in most checkpoints, and no task of ours reads it."""
    takes = "add_pooling_layer" in inspect.signature(model_class.__init__).parameters
    return {"add_pooling_layer": False} if takes else {}


def _within(name: str, modules: Iterable[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)

"""Rename an adapter that was trained under an older transformers, so that it loads under this one bit for bit.

A checkpoint's names are converted when it is loaded; an adapter's are not, because PEFT looks the conversion up by
`model_type` while transformers registers it under the class (`ViTModel`). So the names are renamed on disk, once, by
transformers' own mapping. Tensors are copied, not computed, but for a projection that a release has split in two.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import transformers
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import PreTrainedModel

from v5lint.runtime.adapters import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    PEFT_PREFIX,
    is_lora,
    module_of,
    read_adapter_config,
    read_adapter_weights,
)
from v5lint.runtime.errors import AdapterError, RuntimeSetupError
from v5lint.runtime.families import TASKS
from v5lint.runtime.heads import OWN_HEADS
from v5lint.runtime.loading import build_on_meta, class_for, load_config
from v5lint.runtime.lora import matched_modules, pattern_value, shortest_targets
from v5lint.runtime.roles import classification_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from torch import nn


@dataclass(frozen=True)
class AdapterMigration:
    """What `migrate_adapter` did.

    Attributes:
        source: The adapter as it was; untouched.
        output: Where the renamed adapter is, or the copy that was asked for; the source itself where nothing had to be
            renamed and no place was named.
        model_class: The class whose modules the adapter was renamed to.
        renamed: Old module path to the new one, or to several where the release has split it.
        target_modules: What `adapter_config.json` now says.
    """

    source: Path
    output: Path
    model_class: str
    renamed: Mapping[str, tuple[str, ...]]
    target_modules: list[str] | str

    @property
    def changed(self) -> bool:
        """Whether anything had to be renamed."""
        return bool(self.renamed)


def migrate_adapter(
    adapter: str | Path,
    output: str | Path | None = None,
    *,
    base: str | Path | None = None,
    model: PreTrainedModel | None = None,
) -> AdapterMigration:
    """Rename an adapter's modules to those that its base model has in the installed transformers.

    Args:
        adapter: Folder of the adapter, as PEFT saved it. It is only read.
        output: Where to write the renamed one, and a copy where nothing has to be renamed: what comes after finds it
            there. By default beside it, with `-migrated` at the end, and nothing is copied. Must not exist.
        base: The base model (a folder, or a repository on the Hub), where `adapter_config.json` does not name it or
            names a place that is gone. Only its `config.json` is read.
        model: The base model itself, in place of `base`: for a class of one's own.

    Returns:
        What was renamed, and where it is. The new folder appears whole or not at all.

    Raises:
        AdapterError: It is no LoRA adapter, its base model is not known, or a name has no counterpart in this release.
    """
    source = Path(adapter)
    if not source.is_dir():
        raise AdapterError(f"{adapter} is no folder. Download the adapter first, then migrate the local copy.")
    config = read_adapter_config(source)
    if not is_lora(config):
        raise AdapterError(f"{adapter} is a {config.get('peft_type')} adapter; only LoRA adapters can be migrated.")
    weights = read_adapter_weights(source)
    target, renaming = _matching_model(source, config, weights, base, model)
    renamed = {old: new for old, new in renaming.items() if new != (old,)}
    if not renamed and output is None:
        return AdapterMigration(source, source, type(target).__name__, {}, config.get("target_modules") or [])
    destination = Path(output) if output is not None else source.with_name(f"{source.name}-migrated")
    if destination.exists():
        raise AdapterError(f"{destination} exists already: name another output, or remove it.")
    if not renamed:
        _write(source, destination, config, weights)
        return AdapterMigration(source, destination, type(target).__name__, {}, config.get("target_modules") or [])
    new_weights = _rename_weights(target, weights, renaming)
    new_config = _rename_config(target, config, new_weights, renaming)
    _write(source, destination, new_config, new_weights)
    return AdapterMigration(source, destination, type(target).__name__, renamed, new_config["target_modules"])


def _matching_model(
    source: Path,
    config: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    base: str | Path | None,
    model: PreTrainedModel | None,
) -> tuple[PreTrainedModel, dict[str, tuple[str, ...]]]:
    """The model (on the meta device) that the adapter belongs to, and its module paths in it."""
    paths = list(dict.fromkeys(path for path, _ in map(module_of, weights)))
    candidates = [model] if model is not None else _candidates(source, config, weights, base)
    unmatched: list[str] = []
    for candidate in candidates:
        renaming = {path: _renamed_path(candidate, path) for path in paths}
        unmatched = [path for path, new in renaming.items() if not new]
        if not unmatched:
            return candidate, renaming
    tried = ", ".join(type(candidate).__name__ for candidate in candidates)
    raise AdapterError(
        f"{source}: {len(unmatched)} of its modules, such as {unmatched[0]}, are neither in {tried} of transformers "
        f"{transformers.__version__} nor does its conversion mapping lead there. Either the base model is another one "
        "(pass base=), or the adapter was trained under a newer release than this."
    )


def _candidates(
    source: Path, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], base: str | Path | None
) -> list[PreTrainedModel]:
    checkpoint = base or config.get("base_model_name_or_path")
    if not checkpoint:
        raise AdapterError(f"{source}: {ADAPTER_CONFIG} names no base model; pass base= with its folder or repository.")
    try:
        model_config = load_config(checkpoint)
    except RuntimeSetupError as error:
        raise AdapterError(f"{source}: its base model cannot be read; pass base=. {error}") from error
    classes: list[type[PreTrainedModel]] = []
    named = (config.get("auto_mapping") or {}).get("base_model_class")
    own = {cls.__name__: cls for cls in OWN_HEADS.values()}
    found = getattr(transformers, str(named), None) or own.get(str(named))
    parts = (model_config, getattr(model_config, "vision_config", None))
    if found is not None and any(type(part) is found.config_class for part in parts):
        classes.append(found)
    for task in TASKS:
        try:
            classes.append(class_for(model_config, task))
        except RuntimeSetupError:
            continue  # no class for this task is no error: the adapter may belong to another
    models: list[PreTrainedModel] = []
    for cls in dict.fromkeys(classes):
        built = build_on_meta(cls, model_config)
        heads = [
            weights[key] for key in weights if module_of(key) in ((h, "weight") for h in classification_head(built))
        ]
        models.append(build_on_meta(cls, model_config, num_labels=int(heads[0].shape[0])) if heads else built)
    return models


def _renamed_path(model: PreTrainedModel, path: str) -> tuple[str, ...]:
    """Where a module of an older release lies now; empty where nothing leads to a module of this one."""
    modules = dict(model.named_modules())
    if path in modules:
        return (path,)
    renamings, converters = _conversions(model)
    state = model.state_dict()
    from transformers.core_model_loading import rename_source_key

    key, pattern = rename_source_key(f"{path}.weight", renamings, converters, model.base_model_prefix, state)
    keys = [key]
    if pattern is not None:
        converter = next(c for c in converters if pattern in c.source_patterns)
        if not _splits_outputs(converter):
            return ()
        first = converter.target_patterns[0]
        keys = [key.replace(first, target) for target in converter.target_patterns]
    found = tuple(key.removesuffix(".weight") for key in keys)
    return found if all(new in modules for new in found) else ()


def _conversions(model: PreTrainedModel) -> tuple[list[Any], list[Any]]:
    """The conversions that transformers itself has for a model: renamings, and converters that also change tensors."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming

    transforms = get_model_conversion_mapping(model)
    renamings = [transform for transform in transforms if isinstance(transform, WeightRenaming)]
    return renamings, [transform for transform in transforms if isinstance(transform, WeightConverter)]


def _splits_outputs(converter: Any) -> bool:
    """Whether a converter cuts one weight into several along its outputs, which an adapter can follow exactly."""
    operations = converter.operations
    return (
        len(converter.source_patterns) == 1
        and len(operations) == 1
        and type(operations[0]).__name__ == "Chunk"
        and operations[0].dim == 0
    )


def _rename_weights(
    model: PreTrainedModel, weights: Mapping[str, torch.Tensor], renaming: Mapping[str, tuple[str, ...]]
) -> dict[str, torch.Tensor]:
    renamed: dict[str, torch.Tensor] = {}
    for key, tensor in weights.items():
        path, rest = module_of(key)
        new_paths = renaming[path]
        # Of a Linear cut along its outputs, every part keeps the whole of A, and its share of B (and of DoRA's
        # magnitude).
        by_output = not rest.startswith("lora_A")
        parts = tensor.chunk(len(new_paths), dim=0) if by_output else [tensor] * len(new_paths)
        for new_path, part in zip(new_paths, parts, strict=True):
            renamed[f"{PEFT_PREFIX}{new_path}.{rest}"] = part.contiguous().clone()
    _check_shapes(model, renamed)
    return renamed


def _check_shapes(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    modules = dict(model.named_modules())
    for key, tensor in weights.items():
        path, rest = module_of(key)
        weight = getattr(modules[path], "weight", None)
        if weight is None or weight.dim() != 2:
            continue
        size = {"lora_A.weight": (1, weight.shape[1]), "lora_B.weight": (0, weight.shape[0])}.get(rest)
        if size is not None and tensor.shape[size[0]] != size[1]:
            raise AdapterError(
                f"{path}: {rest} is {tuple(tensor.shape)}, but the module's weight is {tuple(weight.shape)}: "
                "the adapter belongs to another base model; pass base=."
            )


def _rename_config(
    model: PreTrainedModel,
    config: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    renaming: Mapping[str, tuple[str, ...]],
) -> dict[str, Any]:
    adapted = list(dict.fromkeys(path for path, rest in map(module_of, weights) if rest.startswith("lora_")))
    new = dict(config)
    new["target_modules"] = shortest_targets(model, adapted)
    # These narrow target_modules by the old names; the paths that are left say the same exactly.
    for option in ("exclude_modules", "layers_to_transform", "layers_pattern"):
        if new.get(option) is not None:
            new[option] = None
            new["target_modules"] = adapted
    for option, plain in (("rank_pattern", config.get("r")), ("alpha_pattern", config.get("lora_alpha"))):
        if config.get(option):
            new[option] = _rename_pattern(config, option, plain, renaming)
    if new.get("modules_to_save"):
        new["modules_to_save"] = [
            end for name in new["modules_to_save"] for end in _renamed_module_names(name, renaming)
        ]
    _check_matches(model, new, adapted)
    return new


def _rename_pattern(
    config: Mapping[str, Any], option: str, plain: Any, renaming: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """A pattern by module path in place of one by old names."""
    renamed: dict[str, Any] = {}
    for old, new_paths in renaming.items():
        value = pattern_value(config[option], old, plain)
        if value != plain:
            renamed.update(dict.fromkeys(new_paths, value))
    return renamed


def _renamed_module_names(name: str, renaming: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    """A name of `modules_to_save`: kept where it is the end of no renamed path, else the end of the new one."""
    for old, new_paths in renaming.items():
        if (old == name or old.endswith(f".{name}")) and new_paths != (old,):
            return new_paths
    return (name,)


def _check_matches(model: PreTrainedModel, config: Mapping[str, Any], adapted: list[str]) -> None:
    matched = matched_modules(
        model, LoraConfig(target_modules=config["target_modules"], modules_to_save=config.get("modules_to_save"))
    )
    if set(matched) != set(adapted):
        raise AdapterError(
            f"target_modules={config['target_modules']!r} would match {len(matched)} modules, the adapter has "
            f"{len(adapted)}."
        )


def _write(source: Path, destination: Path, config: Mapping[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Write the new folder beside its place and move it there, with the other files of the source in it."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    try:
        for file in source.iterdir():
            if file.is_file() and file.name not in (ADAPTER_CONFIG, *ADAPTER_WEIGHTS):
                shutil.copy2(file, unfinished / file.name)
        save_file(weights, unfinished / ADAPTER_WEIGHTS[0], metadata={"format": "pt"})
        text = json.dumps(cast("dict[str, Any]", config), indent=2, sort_keys=True) + "\n"
        (unfinished / ADAPTER_CONFIG).write_text(text, encoding="utf-8")
        unfinished.chmod(0o755)
        os.replace(unfinished, destination)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise

"""Rename an adapter that was trained under an older transformers, so that it loads under this one bit for bit.

A checkpoint's names are converted when it is loaded; an adapter's are not, because PEFT looks the conversion up by
`model_type` while transformers registers it under the class (`ViTModel`). So the names are renamed on disk, once, by
transformers' own mapping. Tensors are copied, not computed, but for a projection that a release has split in two.
"""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import transformers
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

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
from v5lint.runtime.export import whole_folder
from v5lint.runtime.families import TASKS
from v5lint.runtime.heads import OWN_HEADS
from v5lint.runtime.loading import build_on_meta, class_for, load_config
from v5lint.runtime.lora import pattern_value, shortest_targets, targeted_modules
from v5lint.runtime.roles import classification_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import torch
    from torch import nn
    from transformers import PreTrainedConfig


_AUTO_CLASSES = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "CAUSAL_LM": "AutoModelForCausalLM",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}
"""What PEFT's `task_type` stands for, as its own `AutoPeftModelFor...` have it."""


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
        OutputError: The new folder cannot be written.
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
    saved = [path for path, rest in map(module_of, weights) if "." not in rest]
    new_config = _rename_config(target, config, new_weights, renaming, saved)
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
    tried: list[tuple[PreTrainedModel, list[str]]] = []
    for candidate in [model] if model is not None else _candidates(source, config, weights, base):
        renaming = {path: _renamed_path(candidate, path) for path in paths}
        unmatched = [path for path, new in renaming.items() if not new]
        if not unmatched:
            return candidate, renaming
        tried.append((candidate, unmatched))
    nearest, unmatched = min(tried, key=lambda each: len(each[1]))
    told = (
        f"{source}: {len(unmatched)} of its modules, such as {unmatched[0]}, are neither in {type(nearest).__name__} "
    )
    told += f"of transformers {transformers.__version__} nor "
    if any(_is_computed(nearest, path) for path in unmatched):
        raise AdapterError(
            f"{told}are they renamed there: the release computes one tensor of several (experts, a fused projection), "
            "which the two small matrices of an adapter cannot follow exactly. Merge the adapter into its base under "
            "the transformers that it was trained with (merge_and_unload), and load the merged model here."
        )
    raise AdapterError(
        f"{told}does its conversion mapping lead there. Either the base model is another one "
        "(pass base=), or the adapter was trained under a newer release than this."
    )


def _candidates(
    source: Path, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], base: str | Path | None
) -> Iterator[PreTrainedModel]:
    """Models on the meta device that an adapter may have been trained on, the likeliest first."""
    checkpoint = base or config.get("base_model_name_or_path")
    if not checkpoint:
        raise AdapterError(f"{source}: {ADAPTER_CONFIG} names no base model; pass base= with its folder or repository.")
    try:
        model_config = load_config(checkpoint)
    except RuntimeSetupError as error:
        raise AdapterError(f"{source}: its base model cannot be read; pass base=. {error}") from error
    classes = _named_classes(config, model_config)
    for task in TASKS:
        try:
            classes.append(class_for(model_config, task))
        except RuntimeSetupError:
            continue  # no class for this task is no error: the adapter may belong to another
    for cls in dict.fromkeys([*classes, *_classes_of(model_config)]):
        built = build_on_meta(cls, model_config)
        heads = [
            weights[key] for key in weights if module_of(key) in ((h, "weight") for h in classification_head(built))
        ]
        yield build_on_meta(cls, model_config, num_labels=int(heads[0].shape[0])) if heads else built


def _named_classes(config: Mapping[str, Any], model_config: PreTrainedConfig) -> list[type[PreTrainedModel]]:
    """The classes that an adapter, and then its base model, say they are of.

    PEFT writes the class where it was given no `task_type`, and the `task_type` alone where it was.
    """
    own = {cls.__name__: cls for cls in OWN_HEADS.values()}
    names = [(config.get("auto_mapping") or {}).get("base_model_class"), *(model_config.architectures or ())]
    found = [getattr(transformers, str(name), None) or own.get(str(name)) for name in names]
    auto = getattr(transformers, _AUTO_CLASSES.get(str(config.get("task_type")), ""), None)
    if auto is not None:
        of_task = auto._model_mapping.get(type(model_config), None)
        found.insert(1, of_task[0] if isinstance(of_task, tuple) else of_task)
    parts = {type(model_config), *(type(part) for part in vars(model_config).values())}
    return [cls for cls in found if cls is not None and cls.config_class in parts]


def _classes_of(config: PreTrainedConfig) -> list[type[PreTrainedModel]]:
    """All classes of transformers that a configuration is for."""
    name = type(config).__module__
    if not name.startswith("transformers.models."):
        return []
    content = vars(importlib.import_module(name.replace(".configuration_", ".modeling_"))).values()
    classes: list[type[PreTrainedModel]] = [
        cls for cls in content if isinstance(cls, type) and issubclass(cls, PreTrainedModel)
    ]
    return [cls for cls in classes if cls.config_class is type(config) and not cls.__name__.endswith("PreTrainedModel")]


def _renamed_path(model: PreTrainedModel, path: str) -> tuple[str, ...]:
    """Where a module of an older release lies now; empty where nothing leads to a module of this one."""
    modules = dict(model.named_modules())
    if path in modules:
        return (path,)
    key, converter = _converted(model, path)
    keys = [key]
    if converter is not None:
        if not _splits_outputs(converter):
            return ()
        first = converter.target_patterns[0]
        keys = [key.replace(first, target) for target in converter.target_patterns]
    found = tuple(key.removesuffix(".weight") for key in keys)
    return found if all(new in modules for new in found) else ()


def _converted(model: PreTrainedModel, path: str) -> tuple[str, Any]:
    """What transformers' own mapping makes of a module's weight: its name here, and the converter that computes it."""
    from transformers.core_model_loading import rename_source_key

    renamings, converters = _conversions(model)
    # Without the model's prefix: by it a checkpoint's names are moved between a bare model and one with a head, and an
    # adapter can only be loaded on what it was trained on.
    key, pattern = rename_source_key(f"{path}.weight", renamings, converters)
    if pattern is None:
        return key, None
    return key, next(converter for converter in converters if pattern in converter.source_patterns)


def _is_computed(model: PreTrainedModel, path: str) -> bool:
    """Whether the weight of a module of an older release is one of several that this release makes one tensor of."""
    return len(getattr(_converted(model, path)[1], "source_patterns", ())) > 1


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
        cut = by_output and len(new_paths) > 1
        parts = tensor.chunk(len(new_paths), dim=0) if cut else [tensor] * len(new_paths)
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
        outputs, inputs = reversed(weight.shape) if isinstance(modules[path], Conv1D) else weight.shape
        size = {"lora_A.weight": (1, inputs), "lora_B.weight": (0, outputs)}.get(rest)
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
    saved: Iterable[str],
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
        new["modules_to_save"] = _renamed_saved(config["modules_to_save"], saved, renaming)
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


def _renamed_saved(names: Iterable[str], saved: Iterable[str], renaming: Mapping[str, tuple[str, ...]]) -> list[str]:
    """`modules_to_save` in this release: a name that still says the same as it is, else the modules that it stood for.

    Raises:
        AdapterError: A module that was saved whole is not one module in this release.
    """
    new: dict[str, None] = {}
    for name in names:
        moved: dict[str, str] = {}
        for path in saved:
            # PEFT takes the end of a path for a name; of one in another, the outer one is saved.
            parts = path.split(".")
            heads = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            old = next((head for head in heads if head.endswith(name)), None)
            if old is None:
                continue
            rest = path.removeprefix(old)
            targets = renaming[path]
            if all(target.startswith(f"{old}.") for target in targets):
                moved[old] = old
            elif len(targets) == 1 and targets[0].endswith(rest):
                moved[old] = targets[0].removesuffix(rest)
            else:
                raise AdapterError(
                    f"modules_to_save={name!r}: {old} is not one module in transformers {transformers.__version__} "
                    f"({path} is {', '.join(targets)}), and an adapter names whole modules."
                )
        new |= dict.fromkeys([name] if all(old == there for old, there in moved.items()) else moved.values())
    return list(new)


def _check_matches(model: PreTrainedModel, config: Mapping[str, Any], adapted: list[str]) -> None:
    matched = targeted_modules(
        model, LoraConfig(target_modules=config["target_modules"], modules_to_save=config.get("modules_to_save"))
    )
    if set(matched) != set(adapted):
        raise AdapterError(
            f"target_modules={config['target_modules']!r} would match {len(matched)} modules, the adapter has "
            f"{len(adapted)}."
        )


def _write(source: Path, destination: Path, config: Mapping[str, Any], weights: dict[str, torch.Tensor]) -> None:
    """Write the new folder, with the other files of the source in it."""
    with whole_folder(destination) as unfinished:
        for file in source.iterdir():
            if file.is_file() and file.name not in (ADAPTER_CONFIG, *ADAPTER_WEIGHTS):
                shutil.copy2(file, unfinished / file.name)
        save_file(weights, unfinished / ADAPTER_WEIGHTS[0], metadata={"format": "pt"})
        text = json.dumps(cast("dict[str, Any]", config), indent=2, sort_keys=True) + "\n"
        (unfinished / ADAPTER_CONFIG).write_text(text, encoding="utf-8")

"""Load a LoRA adapter, and prove that it is in the model and does something.

`PeftModel.from_pretrained` loads an adapter whose modules were renamed by a later transformers as a silent no-op (on
`SiglipVisionModel`, `CLIPVisionModel` and `DINOv3ViTModel`), or, once its `target_modules` were edited by hand, as a
fresh random one with a warning. Here every tensor of the file must arrive, and the output must change.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import PeftConfig, PeftModel, get_peft_model_state_dict
from torch import nn

from v5lint.runtime.errors import AdapterError, IdleAdapterError
from v5lint.runtime.families import find_family
from v5lint.runtime.features import image_embeddings, text_embeddings
from v5lint.runtime.hub import hub_options, read_json
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.lora import adapted_modules
from v5lint.runtime.roles import classification_head, unwrap

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
PEFT_PREFIX = "base_model.model."
_WRAPPERS = frozenset({"base_layer", "original_module", "modules_to_save", "token_adapter"})
"""What PEFT puts between a module and its tensors; `bias="all"` and `trainable_token_indices` save such names."""


def load_adapter(
    model: nn.Module,
    adapter: str | Path,
    *,
    is_trainable: bool = False,
    inputs: Mapping[str, torch.Tensor] | None = None,
    **options: Any,
) -> PeftModel:
    """Load an adapter onto its base model.

    Args:
        model: The base model, as `load_model` gives it; for a classifier with as many labels as the adapter was
            trained with.
        adapter: A local folder, or the name of a repository on the Hub.
        is_trainable: Whether to train on from here.
        inputs: What to show the model for the proof that its output changes; by default random images of its size.
        **options: Options that choose the files (`revision`, `token`, `cache_dir`, `local_files_only`, `subfolder`).

    Returns:
        The adapted model, in evaluation mode unless it is trainable.

    Raises:
        AdapterError: The adapter names modules or shapes that the model does not have, a tensor of it did not arrive,
            or (`IdleAdapterError`) it changes nothing.
    """
    weights = read_adapter_weights(adapter, **options)
    _check_fits(model, adapter, weights)
    base: Any = model  # PEFT takes any nn.Module
    adapted = PeftModel.from_pretrained(base, str(adapter), is_trainable=is_trainable, **hub_options(options))
    check_arrived(adapted, adapter, weights)
    adapted.train(is_trainable)
    if any(".lora_" in name for name in weights):
        effect = adapter_effect(adapted, inputs)
        if effect == 0.0:
            raise IdleAdapterError(
                f"{adapter}: with the adapter on or off, {type(model).__name__} gives the same features, bit for bit. "
                "Either the adapter was never trained (its lora_B are zero), or the model never calls what carries it."
            )
    return adapted


def adapter_effect(model: PeftModel, inputs: Mapping[str, torch.Tensor] | None = None) -> float:
    """How far an adapter moves the features of its model: the largest difference between on and off.

    It is the features that are compared, not the class scores: switching an adapter off also brings back the head of
    the base model, and that alone would move the scores.

    Args:
        model: An adapted model; its mode is left as it was.
        inputs: Image tensors (and texts, for a dual encoder); by default random ones.

    Returns:
        The largest absolute difference, relative to the largest feature; 0.0 where nothing changes at all.
    """
    shown = dict(inputs) if inputs is not None else sample_inputs(model)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            on = _features(model, shown)
            with model.disable_adapter():
                off = _features(model, shown)
    finally:
        for module, training in modes.items():
            module.training = training
    return max(float((a - b).abs().max() / a.abs().max().clamp_min(1e-12)) for a, b in zip(on, off, strict=True))


def read_adapter_config(adapter: str | Path, **options: Any) -> dict[str, Any]:
    """The `adapter_config.json` of an adapter.

    Raises:
        AdapterError: There is none.
    """
    config = read_json(adapter, ADAPTER_CONFIG, **options)
    if config is None:
        raise AdapterError(f"{adapter} has no {ADAPTER_CONFIG}: it is no adapter saved by PEFT.")
    return config


def read_adapter_weights(adapter: str | Path, **options: Any) -> dict[str, torch.Tensor]:
    """The tensors of an adapter as its file names them.

    Raises:
        AdapterError: There is no weight file, or it cannot be read.
    """
    read_adapter_config(adapter, **options)
    folder = Path(adapter)
    if folder.is_dir():
        files = [folder / str(options.get("subfolder") or "") / name for name in ADAPTER_WEIGHTS]
        path = next((file for file in files if file.is_file()), None)
        if path is None:
            raise AdapterError(f"{adapter} has none of {', '.join(ADAPTER_WEIGHTS)}.")
    else:
        from huggingface_hub import hf_hub_download

        try:
            path = Path(hf_hub_download(str(adapter), ADAPTER_WEIGHTS[0], **hub_options(options)))
        except OSError as error:
            raise AdapterError(f"{adapter}: {ADAPTER_WEIGHTS[0]} cannot be downloaded: {error}") from error
    try:
        if path.suffix == ".bin":
            return dict(torch.load(path, map_location="cpu", weights_only=True))
        from safetensors.torch import load_file

        return dict(load_file(path))
    except Exception as error:  # safetensors raises its own exceptions for a truncated file, torch several
        raise AdapterError(f"{path} cannot be read: {error}") from error


def module_of(key: str) -> tuple[str, str]:
    """Split the name of an adapter's tensor into the path of the module it belongs to and the rest.

    `base_model.model.vit.layers.0.attention.q_proj.lora_A.weight` gives the path `vit.layers.0.attention.q_proj` and
    `lora_A.weight`; a tensor of a head that is saved whole gives the head's path and `weight`, and one that lies inside
    a wrapper of PEFT's the path of what is wrapped, and `base_layer.bias`.
    """
    path = key.removeprefix(PEFT_PREFIX)
    parts = path.split(".")
    for index, part in enumerate(parts):
        if part.startswith("lora_") or part in _WRAPPERS:
            return ".".join(parts[:index]), ".".join(parts[index:])
    return path.rpartition(".")[0], parts[-1]


def _check_fits(model: nn.Module, adapter: str | Path, weights: Mapping[str, torch.Tensor]) -> None:
    modules = dict(model.named_modules())
    unknown = sorted({path for path, _ in map(module_of, weights)} - modules.keys())
    if unknown:
        raise AdapterError(
            f"{adapter} adapts {len(unknown)} modules that {type(model).__name__} does not have in transformers "
            f"{transformers.__version__}, such as {unknown[0]}. If it was trained under an older release, rename it "
            f"with migrate_adapter() (v5lint-runtime migrate-adapter {adapter}); else it belongs to another base model."
        )
    for key, tensor in weights.items():
        path, rest = module_of(key)
        target = getattr(modules[path], rest.removeprefix("base_layer."), None)
        if isinstance(target, torch.Tensor) and target.shape != tensor.shape:
            raise AdapterError(
                f"{adapter}: {path}.{rest} is {tuple(tensor.shape)}, in the model {tuple(target.shape)}. "
                f"The adapter was trained with {tensor.shape[0]} labels: load the base model with labels= of as many."
            )


def check_arrived(model: PeftModel, adapter: str | Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Every tensor of the file is in the model, with the file's values."""
    # The model's own names too: PEFT before 0.21 loads the biases of `bias="lora_only"`, and lists none of them.
    state = {**model.state_dict(), **get_peft_model_state_dict(model)}
    lost = [key for key, tensor in weights.items() if not _same(state.get(key), tensor)]
    if lost or not adapted_modules(model):
        raise AdapterError(
            f"{adapter}: {len(lost)} of {len(weights)} tensors did not arrive in the model"
            + (f", such as {lost[0]}" if lost else "")
            + ". PEFT matched other modules than it was trained on: the base model or target_modules is not its own."
        )


def _same(loaded: Any, saved: torch.Tensor) -> bool:
    if not isinstance(loaded, torch.Tensor) or loaded.shape != saved.shape:
        return False
    return bool(torch.equal(loaded.detach().cpu(), saved.to(loaded.dtype).cpu()))


def _features(model: PeftModel, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    # With another head than a classifier's (masked images, segmentation) there is no embedding to ask for.
    other_head = "For" in type(unwrap(model)).__name__ and not classification_head(model)
    if find_family(model) is None or other_head:
        output = model(**inputs)
        return [value for value in output.values() if isinstance(value, torch.Tensor) and value.is_floating_point()]
    features = [image_embeddings(model, inputs).float()]
    if "input_ids" in inputs:
        features.append(text_embeddings(model, inputs).float())
    return features


def adapter_base(adapter: str | Path, **options: Any) -> str | None:
    """The base model that an adapter says it was trained on."""
    base = read_adapter_config(adapter, **options).get("base_model_name_or_path")
    return str(base) if base else None


def is_lora(config: PeftConfig | Mapping[str, Any]) -> bool:
    """Whether an adapter's configuration is a LoRA's."""
    kind = config.get("peft_type") if isinstance(config, Mapping) else config.peft_type
    return str(getattr(kind, "value", kind)).upper() == "LORA"

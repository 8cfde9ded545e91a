"""Tiny local checkpoints of every family, laid out as the Hub lays them out, for tests, demonstrations and trials.

Each is a folder with `config.json`, `model.safetensors`, `preprocessor_config.json` and, for a dual encoder, a
tokenizer: half a megabyte that `from_pretrained` takes for the real thing. The recipes stand in `tiny.toml`.
Weights are random.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from v5lint.runtime.errors import FamilyError
from v5lint.runtime.families import Family, get_family, missing_libraries, require_libraries
from v5lint.runtime.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TINY_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789.,'-"
"""What the tiny tokenizer knows: lower case only, for SigLIP 2 was trained on lower-case texts."""

_WEIGHT_SCALE = 0.1


def tiny_families() -> list[str]:
    """Families of which a tiny checkpoint can be made here: timm's only where timm and torchvision can be imported."""
    return [name for name in read_table("tiny") if not missing_libraries(get_family(name))]


def make_tiny_checkpoint(
    family: str, folder: str | Path, *, labels: Sequence[str] | None = None, seed: int = 0
) -> Path:
    """Write a tiny checkpoint of a family.

    Args:
        family: Name of a family, as in `families.toml`.
        folder: Where to write it; made if need be.
        labels: With labels, the checkpoint is a classifier with these class names, as a fine-tuned one is. Without,
            it is what one fine-tunes: a bare backbone, the whole dual encoder, or timm's model with a head of 10
            classes.
        seed: Of the random weights; the state of torch's generator is left as it was.

    Returns:
        The folder.

    Raises:
        FamilyError: There is no such family.
        MissingDependencyError: The family needs timm and torchvision, and they cannot be imported.
    """
    known = get_family(family)
    recipe = read_table("tiny").get(family)
    if recipe is None:
        raise FamilyError(f"There is no tiny checkpoint of {known.title}.")
    require_libraries(known)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if known.is_timm:
            _write_timm(recipe, target, labels)
        else:
            _write_transformers(known, recipe, target, labels)
    return target


def _write_transformers(family: Family, recipe: Mapping[str, Any], folder: Path, labels: Sequence[str] | None) -> None:
    import transformers

    bare = getattr(transformers, recipe["model"])
    config = bare.config_class(**_config_fields(recipe))
    if labels is None:
        model: Any = bare(config)
    else:
        from v5lint.runtime.heads import classification_class

        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        model = classification_class(config)(config)
    _scale_weights(model)
    model.save_pretrained(folder)
    _write_json(folder / "preprocessor_config.json", recipe["processor"])
    if family.dual_encoder:
        _write_tokenizer(folder)


def _config_fields(recipe: Mapping[str, Any]) -> dict[str, Any]:
    if "config" in recipe:
        return dict(recipe["config"])
    text = {"vocab_size": len(_vocabulary()), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    return {"vision_config": dict(recipe["vision"]), "text_config": {**recipe["text"], **text}}


def _scale_weights(model: nn.Module) -> None:
    """Give the projections a scale at which random features differ from image to image, in every class alike."""
    for name, parameter in model.named_parameters():
        if parameter.dim() >= 2 and "norm" not in name:
            nn.init.normal_(parameter, std=_WEIGHT_SCALE)


def _write_timm(recipe: Mapping[str, Any], folder: Path, labels: Sequence[str] | None) -> None:
    timm = import_module("timm")
    from safetensors.torch import save_file

    classes = 10 if labels is None else len(labels)
    model = timm.create_model(recipe["architecture"], pretrained=False, num_classes=classes, **recipe["model_args"])
    _scale_weights(model)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architecture": recipe["architecture"],
        "num_classes": classes,
        "num_features": model.num_features,
        "global_pool": model.global_pool,
        "model_args": recipe["model_args"],
        "pretrained_cfg": {**recipe["pretrained_cfg"], "num_classes": classes},
    }
    if labels is not None:
        config["label_names"] = list(labels)
    _write_json(folder / "config.json", config)


def _vocabulary() -> dict[str, int]:
    specials = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")
    return {token: index for index, token in enumerate((*specials, "\u2581", *TINY_ALPHABET))}


def _write_tokenizer(folder: Path) -> None:
    """A tokenizer of Gemma's kind, as SigLIP 2 has it, of single characters: a BPE without merges."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors

    tokenizer = Tokenizer(models.BPE(_vocabulary(), [], unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": "<pad>",
            "eos_token": "<eos>",
            "bos_token": "<bos>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
            "model_max_length": 64,
            "padding_side": "right",
            "model_input_names": ["input_ids"],
        },
    )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

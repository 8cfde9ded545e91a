"""Make the adapters of this folder: what PEFT saved under older releases of transformers, and what they then computed.

Run it once for each release, in an environment that has it (the releases and what each makes stand in `CASES`):

    pip install transformers==4.57.6 "peft<0.18" torch && python make.py

Under the first release it also writes the base checkpoints, which all later ones load. Each case is a folder
`<release>/<case>` with the adapter as PEFT saved it and `expected.safetensors`: the pixels or tokens that were shown,
and the output that came back. Weights are random and seeded; nothing is trained, for an adapter's names do not depend
on its values.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

HERE = Path(__file__).parent
FIRST = "4.57.6"

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 8, "patch_size": 4}
MLP = {"intermediate_size": 32}
RATIO = {"mlp_ratio": 2}

BASES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViTForImageClassification", {**SIZES, **MLP, "num_labels": 3}),
    "dinov2": ("Dinov2ForImageClassification", {**SIZES, **RATIO, "num_labels": 3}),
    "dinov2_swiglu": ("Dinov2ForImageClassification", {**SIZES, **RATIO, "num_labels": 3, "use_swiglu_ffn": True}),
    "dinov2_with_registers": ("Dinov2WithRegistersForImageClassification", {**SIZES, **RATIO, "num_labels": 3}),
    "dinov3_vit": ("DINOv3ViTModel", {**SIZES, **MLP, "num_register_tokens": 2}),
    "siglip_vision": ("SiglipVisionModel", {**SIZES, **MLP}),
    "clip_vision": ("CLIPVisionModel", {**SIZES, **MLP}),
    "siglip2_vision": (
        "Siglip2VisionModel",
        {**{k: v for k, v in SIZES.items() if k != "image_size"}, **MLP, "num_patches": 4},
    ),
}

TEXT = {"vocab_size": 16, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
BASES |= {
    "segformer": (
        "SegformerForSemanticSegmentation",
        {
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [4, 4, 8, 8],
            "num_attention_heads": [1, 1, 2, 2],
            "sr_ratios": [1, 1, 1, 1],
            "mlp_ratios": [1, 1, 1, 1],
            "decoder_hidden_size": 8,
            "num_labels": 3,
        },
    ),
    "bert": ("BertForSequenceClassification", {**TEXT, "max_position_embeddings": 8, "num_labels": 3}),
    "llama": ("LlamaForCausalLM", TEXT),
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": 16, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 8}),
}

QV_OLD = {"target_modules": ["query", "value"], "modules_to_save": ["classifier"]}
QV_NEW: dict[str, Any] = {"target_modules": ["q_proj", "v_proj"]}

# Name of the case: base, options of LoraConfig, releases that make it.
CASES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "vit": ("vit", QV_OLD, (FIRST, "5.8.1")),
    "vit_every_linear": (
        "vit",
        {"target_modules": ["query", "key", "value", "dense"], "modules_to_save": ["classifier"], "use_dora": True},
        (FIRST,),
    ),
    "vit_patterns": (
        "vit",
        {
            "target_modules": r"vit\.encoder\.layer\.\d+\.attention\.attention\.(query|value)",
            "rank_pattern": {"layer.1.attention.attention.query": 3},
            "alpha_pattern": {"layer.0.attention.attention.value": 7},
            "modules_to_save": ["classifier"],
        },
        (FIRST,),
    ),
    "vit_last_layer": ("vit", {**QV_OLD, "layers_to_transform": [1], "layers_pattern": "layer"}, (FIRST,)),
    "vit_biases": ("vit", {**QV_OLD, "bias": "lora_only"}, (FIRST,)),
    "vit_norms": ("vit", {**QV_OLD, "modules_to_save": ["layernorm_before", "classifier"]}, (FIRST,)),
    "vit_patches": ("vit", {"target_modules": ["projection", "query"]}, (FIRST,)),
    "segformer": (
        "segformer",
        {"target_modules": ["query", "value"], "modules_to_save": ["decode_head"]},
        (FIRST,),
    ),
    # With a task_type, PEFT does not write the class of the base model.
    "bert": ("bert", {"target_modules": ["query", "value"], "task_type": "SEQ_CLS"}, (FIRST,)),
    "llama": ("llama", {**QV_NEW, "task_type": "CAUSAL_LM"}, (FIRST,)),
    "llama_tokens": (
        "llama",
        {"target_modules": ["q_proj"], "trainable_token_indices": [3, 5], "task_type": "CAUSAL_LM"},
        (FIRST,),
    ),
    "gpt2": ("gpt2", {"target_modules": ["c_attn"], "fan_in_fan_out": True, "task_type": "CAUSAL_LM"}, (FIRST,)),
    "dinov2": ("dinov2", QV_OLD, (FIRST, "5.8.1", "5.17.0")),
    "dinov2_swiglu": (
        "dinov2_swiglu",
        {"target_modules": ["query", "value", "weights_in", "weights_out"], "modules_to_save": ["classifier"]},
        (FIRST,),
    ),
    "dinov2_with_registers": ("dinov2_with_registers", QV_OLD, (FIRST, "5.8.1")),
    "dinov3_vit": ("dinov3_vit", QV_NEW, (FIRST,)),
    "siglip_vision": ("siglip_vision", QV_NEW, (FIRST,)),
    "clip_vision": ("clip_vision", QV_NEW, (FIRST,)),
    "siglip2_vision": ("siglip2_vision", QV_NEW, (FIRST,)),
    "siglip2_vision_other_grid": ("siglip2_vision", QV_NEW, (FIRST,)),
}

# NaFlex: rows and columns of the patches of each image. The positions are made for two by two.
GRIDS = {"siglip2_vision": [[2, 2], [2, 2]], "siglip2_vision_other_grid": [[1, 3], [1, 4]]}


def main() -> None:
    """Make what the installed release of transformers is to make."""
    release = transformers.__version__
    if release == FIRST:
        for name, (class_name, sizes) in BASES.items():
            _base_model(class_name, sizes).save_pretrained(HERE / "base" / name)
    for name, (base, options, releases) in CASES.items():
        if release in releases:
            _make(HERE / release / name, base, options)
            print(release, name)


def _base_model(class_name: str, sizes: dict[str, Any]) -> Any:
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**sizes)).eval()
    _fill(model.state_dict())
    return model


def _make(folder: Path, base: str, options: dict[str, Any]) -> None:
    model_class = getattr(transformers, BASES[base][0])
    model = model_class.from_pretrained(HERE / "base" / base).eval()
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, **options)).eval()
    _fill({name: tensor for name, tensor in adapted.named_parameters() if tensor.requires_grad})
    inputs = _inputs(GRIDS.get(folder.name)) if model.main_input_name == "pixel_values" else _tokens()
    with torch.no_grad():
        output = adapted(**inputs)[0]
    adapted.peft_config["default"].base_model_name_or_path = f"base/{base}"
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink()
    save_file({**inputs, "output": output.contiguous()}, folder / "expected.safetensors")


def _inputs(grids: list[list[int]] | None) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    if grids is None:
        return {"pixel_values": torch.randn(2, 3, SIZES["image_size"], SIZES["image_size"], generator=generator)}
    shapes = torch.tensor(grids)
    mask = torch.arange(4)[None, :] < shapes.prod(dim=1, keepdim=True)
    pixels = torch.randn(2, 4, 3 * SIZES["patch_size"] ** 2, generator=generator)
    return {"pixel_values": pixels, "pixel_attention_mask": mask.int(), "spatial_shapes": shapes}


def _tokens() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.randint(1, 16, (2, 6), generator=torch.Generator().manual_seed(1))}


def _fill(tensors: dict[str, torch.Tensor]) -> None:
    """Random values that depend on a tensor's name alone."""
    with torch.no_grad():
        for name, tensor in tensors.items():
            if tensor.is_floating_point():
                generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
                tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
                if name.endswith("running_var"):
                    tensor.abs_()


if __name__ == "__main__":
    main()

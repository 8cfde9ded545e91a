"""Quantised loading that leaves unquantised what must stay so.

The usual `BitsAndBytesConfig(load_in_4bit=True)` turns every Linear into a quantised one, the head too, and a head
that is trained in full then fails with "only Tensors of floating point dtype can require gradients". Nor does it
spare the patch embedding of a NaFlex model, which is a Linear: 4-bit logits move by 0.74 of their norm instead of
0.18, and the 8-bit forward fails.
"""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Literal, cast

from v5lint.runtime.errors import CheckpointError, MissingDependencyError
from v5lint.runtime.roles import (
    classification_head,
    linear_modules,
    patch_embedding_linears,
    uncalled_linears,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

Quantization = Literal["4bit", "8bit"]


def unquantized_modules(model: nn.Module) -> list[str]:
    """Paths of the Linear layers that a quantiser must leave alone.

    These are heads, NaFlex patch embeddings, and those whose weight is read without calling them.

    Args:
        model: The model to be quantised, on any device; its weights are not read.
    """
    return [
        *classification_head(model),
        *patch_embedding_linears(model),
        *uncalled_linears(model),
    ]


def quantization_config_for(model: nn.Module, quantization: Quantization, dtype: torch.dtype) -> Any:
    """The `BitsAndBytesConfig` for a model: NF4 with double quantisation in 4 bits, LLM.int8() in 8 bits.

    Args:
        model: The model to be quantised, for example on the meta device.
        quantization: `4bit` or `8bit`.
        dtype: What the quantised layers compute in, and what the others are kept in.

    Raises:
        MissingDependencyError: bitsandbytes is not installed.
        ValueError: `quantization` is neither.
    """
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingDependencyError(f"quantization={quantization!r} needs bitsandbytes: pip install bitsandbytes")
    skip = unquantized_modules(model)
    if quantization == "4bit":
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=skip,
        )
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skip)
    raise ValueError(f"quantization={quantization!r}: must be None, '4bit' or '8bit'")


def quantized_modules(model: nn.Module) -> list[str]:
    """Paths of the Linear layers whose weights are quantised by bitsandbytes."""
    return [path for path, module in linear_modules(model).items() if _is_quantized(module)]


def check_quantized(model: nn.Module) -> None:
    """Raise unless the layers of the encoder are quantised, and those of `unquantized_modules` are not.

    Raises:
        CheckpointError: The model is quantised where it must not be, or not at all.
    """
    quantized = set(quantized_modules(model))
    wrong = sorted(quantized & set(unquantized_modules(model)))
    if wrong:
        raise CheckpointError(f"{', '.join(wrong)} was quantised, though it is a head or a patch embedding.")
    if not quantized:
        raise CheckpointError("Nothing was quantised: the model has no Linear layer that bitsandbytes replaces.")


def leave_unpacked(model: nn.Module) -> None:
    """Keep 4-bit weights as a training needs them where bitsandbytes would pack them for the inference of a CPU.

    With AVX-512 BF16 its layers (0.50) pack their weights at the first forward in evaluation mode, and stay so: after
    an evaluation no gradient passes them any more, or the training fails in an addition in place. Shapes that are no
    multiple of 64 inputs and 32 outputs (SoViT-400m's) cannot be packed and fail at once.
    """
    for path in quantized_modules(model):
        layer: Any = model.get_submodule(path)
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def _is_quantized(module: nn.Module) -> bool:
    base = cast("nn.Module", getattr(module, "base_layer", module))
    return type(base).__module__.startswith("bitsandbytes.")

"""Inputs of the right shape for any model: to measure it, and to prove that an adapter changes its output."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from v5lint.runtime.errors import UsageError
from v5lint.runtime.families import find_family
from v5lint.runtime.roles import unwrap

_ANY_SIZE = 224
"""Side in pixels for a model whose configuration has none, since it takes every size (SegFormer, CvT)."""


def sample_inputs(
    model: nn.Module,
    batch_size: int = 2,
    *,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    text: bool | None = None,
    device: torch.device | str | None = None,
) -> dict[str, torch.Tensor]:
    """Random inputs that a model's `forward` takes, in the model's dtype.

    Args:
        model: A model of transformers, bare, adapted or quantised.
        batch_size: Images (and texts) in the batch.
        image_size: Height and width in pixels; by default the configured size. For a NaFlex model, the size that is
            cut into patches; by default the square of its patch budget.
        seed: Of the random pixels.
        device: Where to put them; by default where the model is.
        text: Whether to add `input_ids`; by default for a model that cannot go without: a dual encoder.

    Returns:
        `pixel_values` [B, 3, H, W]; for a NaFlex model `pixel_values` [B, N, P*P*3], `pixel_attention_mask` [B, N] and
        `spatial_shapes` [B, 2]. For a dual encoder also `input_ids` [B, 64].

    Raises:
        UsageError: The model takes no images.
    """
    bare = unwrap(model)
    parameter = next(p for p in model.parameters() if p.is_floating_point())
    where, dtype = parameter.device if device is None else torch.device(device), parameter.dtype
    generator = torch.Generator().manual_seed(seed)
    config: Any = bare.config
    family = find_family(bare)
    vision = getattr(config, "vision_config", config)
    if vision is config and getattr(bare, "main_input_name", "pixel_values") != "pixel_values":
        raise UsageError(f"{type(bare).__name__} takes {bare.main_input_name}, not images: pass inputs= of your own")
    if family is not None and family.layout == "patches":
        inputs = _patches(vision, batch_size, image_size, generator)
    else:
        height, width = image_size_of(config) if image_size is None else _pair(image_size)
        channels = int(getattr(vision, "num_channels", 3) or 3)
        inputs = {"pixel_values": torch.randn(batch_size, channels, height, width, generator=generator)}
    text_config: Any = getattr(config, "text_config", None)
    # A vision tower loaded from a dual encoder's checkpoint has the vision configuration alone.
    if text if text is not None else (text_config is not None and hasattr(bare, "get_text_features")):
        length = int(text_config.max_position_embeddings)
        ids = torch.randint(0, int(text_config.vocab_size), (batch_size, length), generator=generator)
        inputs["input_ids"] = ids
    return {
        name: tensor.to(device=where, dtype=dtype if name == "pixel_values" else tensor.dtype)
        for name, tensor in inputs.items()
    }


def image_size_of(config: Any) -> tuple[int, int]:
    """Configured height and width in pixels of a model's images; for a NaFlex model, the square of its budget."""
    vision = getattr(config, "vision_config", config)
    pretrained = getattr(config, "pretrained_cfg", None)
    if pretrained:
        return _pair((getattr(config, "model_args", None) or {}).get("img_size") or pretrained["input_size"][1:])
    if hasattr(vision, "num_patches") and not hasattr(vision, "image_size"):
        side = int(vision.num_patches**0.5) * int(vision.patch_size)
        return side, side
    if hasattr(
        config, "architecture"
    ):  # timm without a pretrained_cfg: made from a configuration, not from a checkpoint
        return _pair((config.model_args or {}).get("img_size") or _ANY_SIZE)
    return _pair(getattr(vision, "image_size", None) or _ANY_SIZE)


def patch_size_of(model: nn.Module) -> tuple[int, int]:
    """Height and width in pixels of what one patch token (or one cell of ConvNeXt's last map) stands for."""
    bare = unwrap(model)
    config: Any = bare.config
    vision = getattr(config, "vision_config", config)
    timm_model = getattr(bare, "timm_model", None)
    if timm_model is not None:
        embed = getattr(timm_model, "patch_embed", None) or timm_model.embeds
        return _pair(embed.patch_size)
    if hasattr(vision, "patch_size"):
        return _pair(vision.patch_size)
    return _pair(4 * 2 ** (len(vision.hidden_sizes) - 1))  # ConvNeXt: a stem of 4, then halved by every further stage


def _patches(
    vision: Any, batch_size: int, image_size: int | tuple[int, int] | None, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    patch, budget = int(vision.patch_size), int(vision.num_patches)
    height, width = image_size_of(vision) if image_size is None else _pair(image_size)
    rows, columns = height // patch, width // patch
    budget = max(budget, rows * columns)
    mask = torch.zeros(batch_size, budget, dtype=torch.int32)
    mask[:, : rows * columns] = 1
    pixels = torch.randn(batch_size, budget, patch * patch * int(vision.num_channels), generator=generator)
    return {
        "pixel_values": pixels * mask.unsqueeze(-1),
        "pixel_attention_mask": mask,
        "spatial_shapes": torch.tensor([[rows, columns]] * batch_size),
    }


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    height, width = size
    return int(height), int(width)

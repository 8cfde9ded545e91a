"""What a backbone says of an image, in every family alike: one embedding, or a map of patch features.

Which token is the image differs by family (class token, mean, a learned pooler), how many tokens stand before the
patches does, and `get_image_features` returns a tensor in transformers 4 and an output object since 5.0. It is all
settled here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from v5lint.runtime.families import family_of
from v5lint.runtime.inputs import patch_size_of
from v5lint.runtime.roles import backbone_of, number_of_prefix_tokens, unwrap


def image_embeddings(model: nn.Module, inputs: Mapping[str, torch.Tensor], *, normalize: bool = False) -> torch.Tensor:
    """One embedding an image.

    The class token for ViT and DINO, the learned pooling for SigLIP (never the classification head, which does not
    read it), the pooled map for ConvNeXt, timm's own pooling for a timm model.

    Args:
        model: A model from `load_model` for any task, adapted or not.
        inputs: The image tensors, as the processor returns them; text tensors among them are left out.
        normalize: Scale every embedding to length 1, as a retrieval by cosine wants it.

    Returns:
        Embeddings, [B, D].
    """
    bare: Any = unwrap(model)
    images = image_inputs(bare, inputs)
    if hasattr(bare, "get_image_features"):
        embeddings = _pooled(bare.get_image_features(**images))
    else:
        family = family_of(bare)
        outputs = _backbone_outputs(bare, images)
        if family.is_timm or family.pooling != "cls":
            embeddings = outputs.pooler_output
        else:
            embeddings = outputs.last_hidden_state[:, 0]
    return nn.functional.normalize(embeddings, dim=-1) if normalize else embeddings


def text_embeddings(model: nn.Module, inputs: Mapping[str, torch.Tensor], *, normalize: bool = False) -> torch.Tensor:
    """One embedding a text, from a dual encoder.

    Args:
        model: A dual encoder, from `load_model(..., task="retrieval")`.
        inputs: The text tensors, as the tokenizer returns them. SigLIP was trained on lower-case texts padded to 64
            tokens (`padding="max_length"`), and has no attention mask.
        normalize: Scale every embedding to length 1.

    Returns:
        Embeddings, [B, D].
    """
    bare: Any = unwrap(model)
    names = ("input_ids", "attention_mask", "position_ids")
    embeddings = _pooled(bare.get_text_features(**{name: inputs[name] for name in names if name in inputs}))
    return nn.functional.normalize(embeddings, dim=-1) if normalize else embeddings


def patch_features(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """The patch tokens of each image as a map, without class and register tokens and without padding.

    Args:
        model: A model from `load_model` for any task, adapted or not.
        inputs: The image tensors, as the processor returns them.

    Returns:
        One map [D, H/P, W/P] an image. In a NaFlex model each image has a grid of its own; `torch.stack` makes
        [B, D, H/P, W/P] of the others.
    """
    bare: Any = unwrap(model)
    if hasattr(bare, "vision_model") and hasattr(bare, "get_image_features"):
        bare = bare.vision_model
    images = image_inputs(bare, inputs)
    tokens = _backbone_outputs(bare, images).last_hidden_state
    if tokens.dim() == 4:  # a convolutional timm model
        return list(tokens)
    tokens = tokens[:, number_of_prefix_tokens(bare) :]
    if "spatial_shapes" in images:
        grids = [(int(rows), int(columns)) for rows, columns in images["spatial_shapes"].tolist()]
    elif "patch_coord" in images:
        coordinates = images["patch_coord"] * images["patch_valid"].unsqueeze(-1)
        grids = [(int(row) + 1, int(column) + 1) for row, column in coordinates.amax(dim=1).tolist()]
    else:
        height, width = images["pixel_values"].shape[-2:]
        patch_height, patch_width = patch_size_of(bare)
        grids = [(height // patch_height, width // patch_width)] * len(tokens)
    return [
        sequence[: rows * columns].T.reshape(sequence.shape[-1], rows, columns)
        for sequence, (rows, columns) in zip(tokens, grids, strict=True)
    ]


def image_inputs(model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Those of a processor's tensors that describe images, on the model's device and in its dtype.

    Raises:
        ValueError: A tensor that the family's forward cannot do without is missing.
    """
    family = family_of(model)
    absent = [name for name in family.forward_inputs if name not in inputs]
    if absent:
        raise ValueError(
            f"{family.title} takes {', '.join(family.forward_inputs)}, and the inputs have no "
            f"{' and no '.join(absent)}: they come from another family's processor."
        )
    parameter = next(p for p in model.parameters() if p.is_floating_point())
    names = (*family.forward_inputs, *(name for name in family.optional_inputs if name in inputs))
    images = {name: inputs[name].to(parameter.device) for name in names}
    images["pixel_values"] = images["pixel_values"].to(parameter.dtype)
    return images


def _backbone_outputs(model: nn.Module, images: Mapping[str, torch.Tensor]) -> Any:
    timm_model = getattr(model, "timm_model", None)
    if timm_model is None:
        backbone = backbone_of(model)
        names = inspect.signature(backbone.forward).parameters
        # Up to transformers 5.5 the vision tower inside a larger SigLIP 2 model has another name for the mask.
        renamed = {"pixel_attention_mask": "attention_mask"} if "pixel_attention_mask" not in names else {}
        return backbone(**{renamed.get(name, name): tensor for name, tensor in images.items()})
    # The wrapper for classification returns scores only; timm's own two steps are the same for both wrappers.
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    patches = {name: tensor for name, tensor in images.items() if name != "pixel_values"}
    features = timm_model.forward_features(images["pixel_values"], **patches)
    # NaFlexViT returns a mapping where its inputs were patches with a mask, and pools by that mask.
    mask = {"patch_valid": features["patch_valid"]} if isinstance(features, Mapping) else {}
    tokens = features["patches"] if isinstance(features, Mapping) else features
    pooled = timm_model.forward_head(tokens, pre_logits=True, **mask)
    return BaseModelOutputWithPooling(last_hidden_state=tokens, pooler_output=pooled)


def _pooled(output: Any) -> torch.Tensor:
    """`get_*_features` returns the tensor in transformers 4, and an object with it as `pooler_output` since 5.0."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output

"""A classification head for the families to which transformers gives none: DINOv3 ViT and ConvNeXt.

`AutoModelForImageClassification` raises ValueError on both in every release up to 5.24. The classes here are models
of transformers in all respects (`save_pretrained`, `from_pretrained`, Trainer, PEFT, label names in the
configuration). Should a later release bring its own class, `classification_class` prefers it.
"""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls, allow-subclassing-any

from __future__ import annotations

from typing import Any, cast

import torch
import transformers
from torch import nn
from transformers import AutoModelForImageClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import ImageClassifierOutput
from transformers.models.dinov3_convnext.modeling_dinov3_convnext import (
    DINOv3ConvNextModel,
    DINOv3ConvNextPreTrainedModel,
)
from transformers.models.dinov3_vit.modeling_dinov3_vit import DINOv3ViTModel, DINOv3ViTPreTrainedModel

from v5lint.runtime.errors import FamilyError


class DINOv3ViTForImageClassification(DINOv3ViTPreTrainedModel):
    """DINOv3 ViT with a linear head on the class token and the mean of the patch tokens, as DINO's own probes have.

    The classifier has `2 * hidden_size * num_labels + num_labels` parameters.
    """

    base_model_prefix = "dinov3"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.dinov3 = DINOv3ViTModel(config)
        self.classifier = nn.Linear(2 * config.hidden_size, config.num_labels)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The patch embedding, as the backbone has it."""
        return cast("nn.Module", self.dinov3.get_input_embeddings())

    def forward(
        self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None, **kwargs: Any
    ) -> ImageClassifierOutput:
        """Class scores, and the loss where labels are given.

        Args:
            pixel_values: Images, [B, 3, H, W].
            labels: Class indices, [B].
            **kwargs: `num_items_in_batch`, the images of a whole step that the loss is divided by where gradients are
                accumulated; all others are passed to the backbone.

        Returns:
            `logits` [B, num_labels], `loss` where there are labels, and the backbone's `hidden_states` and
            `attentions`.
        """
        items = kwargs.pop("num_items_in_batch", None)
        outputs = self.dinov3(pixel_values, **kwargs)
        tokens = outputs.last_hidden_state
        patches = tokens[:, 1 + self.config.num_register_tokens :]
        logits = self.classifier(torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=1))
        return _classified(self, outputs, logits, labels, items)


class DINOv3ConvNextForImageClassification(DINOv3ConvNextPreTrainedModel):
    """DINOv3 ConvNeXt with a linear head on the pooled features.

    The classifier has `hidden_sizes[-1] * num_labels + num_labels` parameters.
    """

    base_model_prefix = "dinov3"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.dinov3 = DINOv3ConvNextModel(config)
        self.classifier = nn.Linear(config.hidden_sizes[-1], config.num_labels)
        self.post_init()

    def forward(
        self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None, **kwargs: Any
    ) -> ImageClassifierOutput:
        """Class scores, and the loss where labels are given.

        Args:
            pixel_values: Images, [B, 3, H, W].
            labels: Class indices, [B].
            **kwargs: `num_items_in_batch`, as above; all others are passed to the backbone.

        Returns:
            `logits` [B, num_labels] and, where there are labels, `loss`.
        """
        items = kwargs.pop("num_items_in_batch", None)
        outputs = self.dinov3(pixel_values, **kwargs)
        return _classified(self, outputs, self.classifier(outputs.pooler_output), labels, items)


OWN_HEADS: dict[str, type[PreTrainedModel]] = {
    "dinov3_vit": DINOv3ViTForImageClassification,
    "dinov3_convnext": DINOv3ConvNextForImageClassification,
}
"""The classes of this module by `model_type`."""


def classification_class(config: PreTrainedConfig) -> type[PreTrainedModel]:
    """The class that classifies images with a configuration: the library's, or ours where it has none.

    Raises:
        FamilyError: Neither has one for this `model_type`.
    """
    library = AutoModelForImageClassification._model_mapping.get(type(config), None)
    if library is not None:
        return cast("type[PreTrainedModel]", library[0] if isinstance(library, tuple) else library)
    own = OWN_HEADS.get(config.model_type)
    if own is None:
        raise FamilyError(
            f"transformers {transformers.__version__} has no image classification class for model_type "
            f"{config.model_type!r}, and the runtime has none either."
        )
    return own


def _classified(
    model: Any, outputs: Any, logits: torch.Tensor, labels: torch.Tensor | None, items: Any
) -> ImageClassifierOutput:
    """Scores and loss. Trainer hands `num_items_in_batch` to a model that takes it, and then does not divide itself."""
    loss = None
    if labels is not None:
        counted = {} if items is None else {"num_items_in_batch": items}
        loss = model.loss_function(labels, logits, model.config, **counted)
    return ImageClassifierOutput(
        loss=loss,
        logits=logits,
        hidden_states=outputs.get("hidden_states"),
        attentions=outputs.get("attentions"),
    )

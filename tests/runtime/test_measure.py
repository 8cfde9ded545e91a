from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import transformers
from torch import nn

from v5lint.runtime import measure
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import class_for, load_config, load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.measure import training_cost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def kept_bytes(model: nn.Module, inputs: dict[str, torch.Tensor]) -> int:
    """What autograd really keeps, on real tensors."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in weights:
            kept.setdefault(pointer, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(**inputs)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def test_the_cost_without_data_is_the_cost_with_data(family: str, checkpoints: Callable[..., Path]) -> None:
    config = load_config(checkpoints(family))
    cost = training_cost(class_for(config, "classification"), config, batch_size=2, num_labels=3, r=4)
    model = attach_lora(load_model(checkpoints(family), labels=3), r=4).train()
    assert cost.trainable == model.get_nb_trainable_parameters()[0]
    assert cost.activation_bytes == pytest.approx(kept_bytes(model, sample_inputs(model)), rel=0.01)


def test_vit_base_has_the_operations_that_its_shapes_say() -> None:
    """2 * multiply-adds: 12 layers of 197 tokens, the patch embedding, the adapter and the head."""
    cost = training_cost(transformers.ViTForImageClassification, transformers.ViTConfig(), num_labels=1000)
    tokens, width, hidden = 197, 768, 3072
    layer = 2 * tokens * (4 * width * width + 2 * width * hidden) + 2 * 2 * tokens * tokens * width
    embedding = 2 * 196 * 768 * width
    adapter = 12 * 2 * 2 * tokens * 2 * 16 * width
    assert cost.forward_flops == 12 * layer + embedding + adapter + 2 * width * 1000
    assert round((cost.forward_flops - adapter) / 1e9, 2) == 35.13


def test_cost_grows_with_the_batch_and_shrinks_with_the_dtype(checkpoints: Callable[..., Path]) -> None:
    config = load_config(checkpoints("vit"))
    model_class = class_for(config, "classification")
    one, four = (training_cost(model_class, config, batch_size=batch) for batch in (1, 4))
    assert four.forward_flops == 4 * one.forward_flops
    assert four.training_flops == 4 * one.training_flops
    half = training_cost(model_class, config, dtype=torch.bfloat16)
    assert half.state_bytes < one.state_bytes
    assert half.memory_bytes < one.memory_bytes
    assert one.parameters == half.parameters


def test_naflex_layers_add_up(checkpoints: Callable[..., Path]) -> None:
    """The cost of three layers from one and two, against three measured with real data."""
    config = load_config(checkpoints("siglip2"))
    model_class = class_for(config, "classification")
    extrapolated = training_cost(model_class, config, batch_size=2, num_labels=3)
    skeleton = measure.build_on_meta(model_class, config, num_labels=3)
    whole = measure._step(skeleton, 2, None, torch.float32, 16, real=True)
    assert extrapolated == whole


def test_measuring_leaves_nothing_behind(checkpoints: Callable[..., Path]) -> None:
    """DINOv3 caches the coordinates of its patches: fake ones left in the cache would break every real model."""
    config = load_config(checkpoints("dinov3_vit"))
    model_class = class_for(config, "classification")
    training_cost(model_class, config, batch_size=2, num_labels=3)
    model = load_model(checkpoints("dinov3_vit"), labels=3)
    with torch.no_grad():
        assert type(model(**sample_inputs(model)).logits.sum().item()) is float

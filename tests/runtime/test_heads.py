from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers

from v5lint.runtime.errors import FamilyError
from v5lint.runtime.heads import OWN_HEADS, classification_class
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_config, load_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DINOV3 = ["dinov3_vit", "dinov3_convnext"]


@pytest.mark.parametrize("name", DINOV3)
def test_the_library_has_none(name: str, checkpoints: Callable[..., Path]) -> None:
    """When this fails, transformers has grown a class of its own, and `classification_class` takes it."""
    with pytest.raises(ValueError, match="Unrecognized configuration class"):
        transformers.AutoModelForImageClassification.from_pretrained(checkpoints(name))
    assert classification_class(load_config(checkpoints(name))) is OWN_HEADS[name]


def test_the_vit_head_reads_class_token_and_mean_patch(checkpoints: Callable[..., Path]) -> None:
    model: Any = load_model(checkpoints("dinov3_vit"), labels=3)
    inputs = sample_inputs(model)
    with torch.no_grad():
        tokens = model.dinov3(**inputs).last_hidden_state
        features = torch.cat([tokens[:, 0], tokens[:, 5:].mean(dim=1)], dim=1)
        assert torch.equal(model(**inputs).logits, model.classifier(features))


def test_the_convnext_head_reads_the_pooled_map(checkpoints: Callable[..., Path]) -> None:
    model: Any = load_model(checkpoints("dinov3_convnext"), labels=3)
    inputs = sample_inputs(model)
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, model.classifier(model.dinov3(**inputs).pooler_output))


@pytest.mark.parametrize("name", DINOV3)
def test_the_loss_is_cross_entropy(name: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(name), labels=3)
    inputs, labels = sample_inputs(model), torch.tensor([0, 2])
    with torch.no_grad():
        output = model(**inputs, labels=labels)
    torch.testing.assert_close(output.loss, torch.nn.functional.cross_entropy(output.logits, labels))
    assert model(**inputs).loss is None


@pytest.mark.parametrize("name", DINOV3)
def test_the_loss_is_divided_by_the_images_of_a_whole_step(name: str, checkpoints: Callable[..., Path]) -> None:
    """Trainer leaves it to a model that takes the number: with accumulation, gradients would be too large by it."""
    model = load_model(checkpoints(name), labels=3)
    inputs, labels = sample_inputs(model), torch.tensor([0, 2])
    with torch.no_grad():
        own, counted = (model(**inputs, labels=labels, **given).loss for given in ({}, {"num_items_in_batch": 8}))
    torch.testing.assert_close(counted, own * 2 / 8)


@pytest.mark.parametrize("name", DINOV3)
def test_hidden_states_and_tuples_as_in_the_library(name: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(name), labels=3)
    with torch.no_grad():
        output = model(**sample_inputs(model), output_hidden_states=True)
    assert len(output.hidden_states) >= 4
    assert output.to_tuple()[0].shape == (2, 3)


def test_activation_checkpointing_changes_no_gradient(checkpoints: Callable[..., Path]) -> None:
    gradients = []
    for enable in (False, True):
        model = load_model(checkpoints("dinov3_vit", ("a", "b", "c"))).train()
        if enable:
            model.gradient_checkpointing_enable()
        torch.manual_seed(0)  # in training, DINOv3 rescales its position embedding at random
        model(**sample_inputs(model), labels=torch.tensor([0, 1])).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 30
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_a_text_model_has_no_image_head() -> None:
    with pytest.raises(FamilyError, match="no image classification class for model_type 'bert'"):
        classification_class(transformers.BertConfig())

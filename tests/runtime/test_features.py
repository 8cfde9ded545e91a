from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from v5lint.runtime.families import get_family
from v5lint.runtime.features import image_embeddings, image_inputs, patch_features, text_embeddings
from v5lint.runtime.inputs import image_size_of, patch_size_of, sample_inputs
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_embedding_is_the_right_token(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), "dense")
    inputs = sample_inputs(model)
    with torch.no_grad():
        output = model(**inputs)
        embeddings = image_embeddings(model, inputs)
    expected = output.last_hidden_state[:, 0] if get_family(family).pooling == "cls" else output.pooler_output
    assert torch.equal(embeddings, expected)
    lengths = image_embeddings(model, inputs, normalize=True).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(2))


def test_patch_features_answer_to_their_place(family: str, checkpoints: Callable[..., Path]) -> None:
    """A change to one corner of the image changes the features of that corner most."""
    model = load_model(checkpoints(family), "dense")
    if get_family(family).layout == "patches":
        inputs = sample_inputs(model)
        changed = {**inputs, "pixel_values": inputs["pixel_values"].clone()}
        changed["pixel_values"][:, 11] += 1.0  # row 2, column 3 of 4 x 4
        place = (2, 3)
    else:
        height, _ = image_size_of(model.config)
        inputs = sample_inputs(model)
        patch = patch_size_of(model)[0]
        place = (height // patch - 1, 0)
        changed = {"pixel_values": inputs["pixel_values"].clone()}
        changed["pixel_values"][:, :, -patch:, :patch] += 1.0
    with torch.no_grad():
        before, after = patch_features(model, inputs), patch_features(model, changed)
    assert len(before) == 2
    moved = (after[0] - before[0]).norm(dim=0)
    assert divmod(int(moved.argmax()), moved.shape[1]) == place


def test_naflex_maps_have_the_grid_of_their_image(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("siglip2"), "dense")
    inputs = sample_inputs(model, image_size=(40, 24))
    with torch.no_grad():
        (first, _) = patch_features(model, inputs)
        padding = {**inputs, "pixel_values": inputs["pixel_values"].clone()}
        padding["pixel_values"][:, 15:] = 100.0
        (second, _) = patch_features(model, padding)
    assert first.shape == (64, 5, 3)
    torch.testing.assert_close(second, first, rtol=0, atol=1e-6)


def test_timm_naflex_takes_patches_as_well(checkpoints: Callable[..., Path]) -> None:
    pytest.importorskip("timm", reason="needs timm")
    pytest.importorskip("torchvision", reason="needs torchvision")
    model = load_model(checkpoints("timm_naflexvit"), "dense")
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    patches = image.reshape(2, 3, 4, 8, 4, 8).permute(0, 2, 4, 3, 5, 1).reshape(2, 16, 192)
    rows, columns = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
    grid = torch.stack([rows.flatten(), columns.flatten()], dim=-1).expand(2, -1, -1)
    padded = {
        "pixel_values": torch.cat([patches, torch.ones(2, 5, 192)], dim=1),
        "patch_coord": torch.cat([grid, torch.zeros(2, 5, 2, dtype=torch.long)], dim=1),
        "patch_valid": torch.cat([torch.ones(2, 16), torch.zeros(2, 5)], dim=1).bool(),
    }
    with torch.no_grad():
        whole = {"pixel_values": image}
        torch.testing.assert_close(image_embeddings(model, padded), image_embeddings(model, whole), rtol=0, atol=2e-6)
        for one, other in zip(patch_features(model, padded), patch_features(model, whole), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-6)


def test_texts_and_images_share_a_space(checkpoints: Callable[..., Path]) -> None:
    for family in ("siglip", "siglip2"):
        model = load_model(checkpoints(family), "retrieval")
        inputs = sample_inputs(model, 3)
        with torch.no_grad():
            images = image_embeddings(model, inputs, normalize=True)
            texts = text_embeddings(model, inputs, normalize=True)
            expected = model(**inputs).logits_per_image
        logits = images @ texts.T * model.logit_scale.exp() + model.logit_bias
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_an_adapted_model_has_features_too(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    inputs = sample_inputs(model)
    with torch.no_grad():
        before = image_embeddings(model, inputs), patch_features(model, inputs)[0]
        adapted = attach_lora(model).eval()
        after = image_embeddings(adapted, inputs), patch_features(adapted, inputs)[0]
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_the_inputs_of_another_family_are_refused(checkpoints: Callable[..., Path]) -> None:
    naflex = load_model(checkpoints("siglip2"), "dense")
    with pytest.raises(ValueError, match="no pixel_attention_mask and no spatial_shapes: they come from another"):
        image_embeddings(naflex, {"pixel_values": torch.zeros(1, 3, 32, 32)})


def test_inputs_follow_the_models_dtype(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("siglip2"), "dense", dtype="bfloat16")
    inputs = image_inputs(model, {**sample_inputs(model), "input_ids": torch.zeros(1)})
    assert "input_ids" not in inputs
    assert inputs["pixel_values"].dtype == torch.bfloat16
    assert inputs["spatial_shapes"].dtype == torch.int64


def test_samples_are_the_same_for_the_same_seed(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    one, same, other = (sample_inputs(model, seed=seed)["pixel_values"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)

"""What model cards and guides show in a few lines, with the runtime, offline, on tiny checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy
import pytest
import torch
import transformers
from PIL import Image

from v5lint.runtime import (
    image_embeddings,
    load_model,
    load_processor,
    make_tiny_checkpoint,
    patch_features,
    text_embeddings,
)
from v5lint.runtime.loading import build_on_meta
from v5lint.runtime.measure import count_parameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.texts


@pytest.fixture
def image() -> Image.Image:
    return Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=numpy.uint8))


@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
@pytest.mark.parametrize("quantization", [None, "4bit"])
def test_zero_shot_classification(
    variant: str, quantization: str | None, image: Image.Image, checkpoints: Callable[..., Path]
) -> None:
    """SigLIP 2, FixRes and NaFlex, in full precision and in 4 bits: every label gets a probability of its own."""
    if quantization:
        pytest.importorskip("bitsandbytes", reason="needs bitsandbytes")
    folder = checkpoints(variant)
    model = load_model(folder, "retrieval", quantization=quantization)  # type: ignore[arg-type]
    processor = load_processor(folder, "retrieval")
    texts = [f"this is a photo of {label}." for label in ("two cats", "a dog", "a plane")]
    inputs = processor(text=texts, images=[image], padding="max_length", max_length=64, return_tensors="pt")
    with torch.no_grad():
        probabilities = torch.sigmoid(model(**inputs).logits_per_image)
        images = image_embeddings(model, inputs, normalize=True)
        words = text_embeddings(model, inputs, normalize=True)
    assert probabilities.shape == (1, 3)
    assert len(set(probabilities[0].tolist())) == 3
    logits = images @ words.T * model.logit_scale.exp() + model.logit_bias
    torch.testing.assert_close(torch.sigmoid(logits), probabilities, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["dinov2", "dinov2_with_registers", "siglip", "siglip2"])
def test_feature_extraction(name: str, image: Image.Image, checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints(name)
    model, processor = load_model(folder, "dense"), load_processor(folder)
    inputs = processor([image], return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
        assert torch.equal(image_embeddings(model, inputs), output.pooler_output)
        (features,) = patch_features(model, inputs)
    assert features.shape[0] == 64
    assert 1 < features[0].numel() <= 16
    # Class and register tokens come before the patches, and the padding of NaFlex after them.
    tokens = output.last_hidden_state[0]
    patches = tokens[: features[0].numel()] if name == "siglip2" else tokens[-features[0].numel() :]
    assert torch.equal(features.flatten(1).T, patches)


def test_timm_naflexvit_classification_features_and_embeddings(image: Image.Image, tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="needs timm")
    pytest.importorskip("torchvision", reason="needs torchvision")
    folder = make_tiny_checkpoint("timm_naflexvit", tmp_path)
    model, processor = load_model(folder), load_processor(folder)
    inputs = processor([image])
    with torch.no_grad():
        probabilities, classes = model(**inputs).logits.softmax(dim=1).topk(5)
        embeddings = image_embeddings(model, inputs)
        features = patch_features(model, inputs)[0]
        tokens = model.timm_model.forward_features(inputs["pixel_values"])
        expected = model.timm_model(inputs["pixel_values"]).softmax(dim=1)
        pooled = model.timm_model.forward_head(tokens, pre_logits=True)
    assert classes.tolist() == [expected[0].argsort(descending=True)[:5].tolist()]
    torch.testing.assert_close(probabilities, expected.gather(1, classes))
    torch.testing.assert_close(embeddings, pooled)
    assert features.shape == (64, 4, 4)
    torch.testing.assert_close(features.flatten(1).T, tokens[0, -16:])  # before the patches stand four registers


@pytest.mark.parametrize(
    ("sizes", "parameters", "tokens"),
    [
        ({}, 86_567_656, 197),
        ({"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}, 22_050_664, 197),
        (
            {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
            304_326_632,
            197,
        ),
        ({"patch_size": 32}, 88_224_232, 50),
    ],
)
def test_the_shapes_of_a_vit_from_scratch(sizes: dict[str, int], parameters: int, tokens: int) -> None:
    """Image to patches to tokens to scores, and the parameters that timm states for the same models."""
    config = transformers.ViTConfig(num_labels=1000, **sizes)
    model = build_on_meta(transformers.ViTForImageClassification, config)
    assert count_parameters(model) == parameters
    output = model(pixel_values=torch.zeros(2, 3, 224, 224, device="meta"), output_hidden_states=True)
    assert output.logits.shape == (2, 1000)
    assert {state.shape for state in output.hidden_states} == {(2, tokens, config.hidden_size)}

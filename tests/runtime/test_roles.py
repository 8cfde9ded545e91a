from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from torch import nn

from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import build_on_meta, load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.roles import (
    backbone_of,
    classification_head,
    encoder_layers,
    is_linear,
    linear_modules,
    patch_embedding_linears,
    tower_prefixes,
    uncalled_linears,
    unwrap,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Attention:
    """Stands in for torch's attention and keeps what it was given, layer by layer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]] = []
        original = nn.functional.scaled_dot_product_attention

        def attend(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
            result = original(query, key, value, *args, **kwargs)
            self.calls.append((query, key, value, result))
            return result

        monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", attend)


def silence(model: nn.Module, path: str) -> None:
    module = model.get_submodule(path)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()


@pytest.mark.parametrize("role", ["query", "key", "value"])
def test_a_role_is_what_attention_receives(
    role: str, family: str, checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names prove nothing: with the query projection at zero, attention receives zero queries, and only those."""
    if family == "dinov3_convnext":
        pytest.skip("has no attention")
    model = load_model(checkpoints(family), labels=3)
    layers = encoder_layers(model)
    assert len(layers) == 3
    silence(model, getattr(layers[1], role))
    attention = Attention(monkeypatch)
    with torch.no_grad():
        model(**sample_inputs(model))
    query, key, value, _ = attention.calls[1]
    zero = {name: bool((tensor == 0).all()) for name, tensor in (("query", query), ("key", key), ("value", value))}
    assert zero == {name: layers[1].fused or name == role for name in zero}
    other = attention.calls[0]
    assert all((tensor != 0).any() for tensor in other[:3])


def test_the_output_projection_reads_what_attention_returns(
    family: str, checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if family == "dinov3_convnext":
        pytest.skip("has no attention")
    model = load_model(checkpoints(family), labels=3)
    layers = encoder_layers(model)
    seen: list[torch.Tensor] = []
    for layer in layers:
        assert layer.output is not None
        model.get_submodule(layer.output).register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    attention = Attention(monkeypatch)
    with torch.no_grad():
        model(**sample_inputs(model))
    for (_, _, _, result), given in zip(attention.calls, seen, strict=False):
        assert torch.equal(result.transpose(1, 2).reshape(given.shape), given)
    assert len(seen) == 3


def test_every_linear_of_a_layer_has_a_role(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    layers = encoder_layers(model)
    named = {
        path for layer in layers for role in ("query", "key", "value", "output", "mlp") for path in layer.paths(role)
    }
    inside = {path for path in linear_modules(model) if any(path.startswith(f"{layer.name}.") for layer in layers)}
    assert named == inside


def test_roles_are_the_same_in_an_adapted_model(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    before, head = encoder_layers(model), classification_head(model)
    adapted = attach_lora(model)
    prefix = "base_model.model."
    assert [layer.name for layer in encoder_layers(adapted)] == [prefix + layer.name for layer in before]
    assert classification_head(adapted) == tuple(prefix + path for path in head)
    assert unwrap(adapted) is model
    assert all(
        is_linear(adapted.get_submodule(path)) for layer in encoder_layers(adapted) for path in layer.paths("mlp")
    )


@pytest.mark.parametrize("task", ["retrieval", "dense"])
def test_a_bare_model_has_no_head(task: Any, family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), task)
    assert classification_head(model) == ()
    assert backbone_of(model) is model


def test_the_head_is_found_whatever_the_number_of_labels(family: str, checkpoints: Callable[..., Path]) -> None:
    for labels in (2, 3, 64, 128, 192):  # some of them widths of the model's own layers
        assert len(classification_head(load_model(checkpoints(family), labels=labels))) == 1


def test_the_towers_of_a_dual_encoder(checkpoints: Callable[..., Path]) -> None:
    for family in ("siglip", "siglip2"):
        model = load_model(checkpoints(family), "retrieval")
        assert tower_prefixes(model, "vision") == ("vision_model",)
        assert tower_prefixes(model, "text") == ("text_model",)
        assert [len(encoder_layers(model, tower)) for tower in ("vision", "text", "both")] == [3, 2, 5]
        assert all(layer.name.startswith("vision_model.") for layer in encoder_layers(model))


def test_weights_that_multihead_attention_reads_are_no_linear_layers(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("siglip"), "dense")
    (path,) = uncalled_linears(model)
    assert path.endswith("head.attention.out_proj")
    assert path not in linear_modules(model)


def test_only_naflex_embeds_patches_with_a_linear(family: str, checkpoints: Callable[..., Path]) -> None:
    found = patch_embedding_linears(load_model(checkpoints(family), labels=3))
    expected = {"siglip2": 1, "timm_naflexvit": 1}.get(family, 0)
    assert len(found) == expected
    assert all("embed" in path for path in found)


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
OTHERS: dict[str, tuple[dict[str, Any], int, str]] = {
    "DeiTForImageClassification": ({**SMALL, "image_size": 32, "patch_size": 8}, 2, "classifier"),
    "DeiTForImageClassificationWithTeacher": (
        {**SMALL, "image_size": 32, "patch_size": 8},
        2,
        "cls_classifier distillation_classifier",
    ),
    "BeitForImageClassification": ({**SMALL, "image_size": 32, "patch_size": 8}, 2, "classifier"),
    "SwinForImageClassification": (
        {"image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
        2,
        "classifier",
    ),
    "ConvNextForImageClassification": ({"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}, 2, "classifier"),
    "CvtForImageClassification": (
        {"embed_dim": [8, 16, 24], "num_heads": [1, 2, 3], "depth": [1, 2, 3]},
        6,
        "classifier",
    ),
    "PvtForImageClassification": (
        {"hidden_sizes": [8, 16, 32, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 2]},
        4,
        "classifier",
    ),
    "ViTMSNForImageClassification": ({**SMALL, "image_size": 32, "patch_size": 8}, 2, "classifier"),
    "HieraForImageClassification": (
        {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "image_size": [32, 32], "num_query_pool": 1},
        2,
        "classifier",
    ),
    "BertForSequenceClassification": ({**SMALL, "vocab_size": 50}, 2, "classifier"),
    "GPT2ForSequenceClassification": ({"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 50}, 2, "score"),
    "RobertaForSequenceClassification": ({**SMALL, "vocab_size": 50}, 2, "classifier"),
    "Wav2Vec2BertForSequenceClassification": (SMALL, 2, "classifier"),
    "DistilBertForSequenceClassification": (
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": 50},
        2,
        "classifier",
    ),
}


@pytest.mark.parametrize("class_name", OTHERS)
def test_models_beyond_the_catalogue_have_roles_too(class_name: str) -> None:
    sizes, count, heads = OTHERS[class_name]
    model_class = getattr(transformers, class_name)
    model = build_on_meta(model_class, model_class.config_class(**sizes, num_labels=5))
    layers = encoder_layers(model)
    assert len(layers) == count
    assert all(layer.mlp for layer in layers)
    if "ConvNext" not in class_name:
        assert all(layer.query and layer.key and layer.value and layer.output for layer in layers)
    assert " ".join(classification_head(model)) == heads


def test_a_layer_with_two_attentions_has_both() -> None:
    """Attention over time, or on the encoder's output: with one of them left out, half a layer would be adapted."""
    time = build_on_meta(
        transformers.TimesformerForVideoClassification,
        transformers.TimesformerConfig(**SMALL, image_size=32, patch_size=8, num_labels=5),
    )
    layers = encoder_layers(time)
    assert [layer.name.count("attention") for layer in layers] == [0, 2, 0, 2]
    assert len({layer.query for layer in layers}) == len({layer.output for layer in layers}) == 4
    text = build_on_meta(
        transformers.BartForSequenceClassification,
        transformers.BartConfig(
            d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=64, decoder_ffn_dim=64, vocab_size=50
        ),
    )
    assert [str(layer.query).partition("layers.0.")[2] for layer in encoder_layers(text)] == [
        "self_attn.q_proj",
        "self_attn.q_proj",
        "encoder_attn.q_proj",
    ]
    assert classification_head(text) == ("classification_head",)


def test_a_projection_that_other_modules_have_too_counts_in_attention_alone() -> None:
    """Mamba's `in_proj` is no query, key and value."""
    model = build_on_meta(
        transformers.MambaModel,
        transformers.MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=4, vocab_size=50),
    )
    assert encoder_layers(model) == []
    deberta = build_on_meta(transformers.DebertaModel, transformers.DebertaConfig(**SMALL, vocab_size=50))
    assert all(layer.fused and str(layer.query).endswith("in_proj") for layer in encoder_layers(deberta))

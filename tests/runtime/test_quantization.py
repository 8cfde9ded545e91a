from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from v5lint.runtime.errors import CheckpointError, MissingDependencyError
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora, expected_parameters, lora_config_for
from v5lint.runtime.quantization import check_quantized, quantized_modules, unquantized_modules
from v5lint.runtime.roles import classification_head, encoder_layers, patch_embedding_linears

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

needs_bitsandbytes = pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
pytestmark = [needs_bitsandbytes, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_the_encoder_is_quantised_and_head_and_patch_embedding_are_not(
    quantization: Any, family: str, checkpoints: Callable[..., Path]
) -> None:
    model = load_model(checkpoints(family), labels=3, quantization=quantization)
    found = set(quantized_modules(model))
    layers = encoder_layers(model)
    assert {path for layer in layers for path in (*layer.paths("query"), *layer.mlp)} <= found
    for path in (*classification_head(model), *patch_embedding_linears(model)):
        assert path not in found
        assert model.get_submodule(path).weight.dtype == torch.float32


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_the_scores_stay_near(quantization: Any, family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """Relative error of the logits of random weights, which is far above that of trained ones: in 4 bits below 0.4."""
    if family == "dinov3_convnext" and quantization == "8bit" and not torch.cuda.is_available():
        pytest.skip("bitsandbytes' 8-bit Linear takes no [B, H, W, C] on a CPU")
    whole = load_model(checkpoints(family), labels=3)
    whole.save_pretrained(tmp_path)
    quantized = load_model(tmp_path, quantization=quantization)
    inputs = sample_inputs(whole, 8)
    with torch.no_grad():
        expected, measured = whole(**inputs).logits, quantized(**inputs).logits
    error = (measured - expected).norm() / expected.norm()
    assert 0 < error < {"4bit": 0.4, "8bit": 0.05}[quantization]


def test_a_quantised_model_trains(family: str, checkpoints: Callable[..., Path]) -> None:
    """With a bare BitsAndBytesConfig this raises: only Tensors of floating point dtype can require gradients."""
    torch.manual_seed(0)
    model = load_model(checkpoints(family), labels=3, quantization="4bit")
    expected = expected_parameters(model, lora_config_for(model, r=4))
    adapted = attach_lora(model, r=4, lora_dropout=0.0).train()
    assert adapted.get_nb_trainable_parameters() == (expected.trainable, expected.total)
    inputs, labels = sample_inputs(model, 4), torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = adapted(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_dual_encoder_loads_quantised(checkpoints: Callable[..., Path]) -> None:
    for family in ("siglip", "siglip2"):
        model = load_model(checkpoints(family), "retrieval", quantization="4bit")
        assert not any("head.attention.out_proj" in path for path in quantized_modules(model))
        assert any(path.startswith("text_model.") for path in quantized_modules(model))
        with torch.no_grad():
            assert model(**sample_inputs(model)).logits_per_image.shape == (2, 2)


def test_a_head_that_was_quantised_all_the_same_is_an_error(checkpoints: Callable[..., Path]) -> None:
    """The check has power: quantised by hand without the exceptions, it fails."""
    import transformers

    config = transformers.BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=[])
    model = transformers.AutoModelForImageClassification.from_pretrained(
        checkpoints("siglip2", ("a", "b", "c")), quantization_config=config, dtype=torch.float32
    )
    with pytest.raises(CheckpointError, match="classifier"):
        check_quantized(model)
    with pytest.raises(CheckpointError, match="Nothing was quantised"):
        check_quantized(nn.Linear(2, 2))


def test_what_stays_unquantised_is_listed(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("siglip2"), labels=3)
    assert unquantized_modules(model) == [
        "classifier",
        "vision_model.embeddings.patch_embedding",
        "vision_model.head.attention.out_proj",
    ]


def test_bitsandbytes_that_is_not_installed_is_named(
    checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "bitsandbytes" else find_spec(name))
    with pytest.raises(MissingDependencyError, match="pip install bitsandbytes"):
        load_model(checkpoints("vit"), labels=3, quantization="4bit")


def test_another_number_of_bits_is_refused(checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="must be None, '4bit' or '8bit'"):
        load_model(checkpoints("vit"), labels=3, quantization="2bit")  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [128, 96])
def test_an_evaluation_leaves_the_gradients_of_four_bits_as_they_are(width: int, tmp_path: Path) -> None:
    """On some CPUs bitsandbytes packs weights in evaluation mode, those of 96 outputs not, and no gradient follows."""
    import transformers

    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    config = transformers.ViTConfig(**sizes, intermediate_size=width, id2label={0: "a", 1: "b", 2: "c"})
    transformers.ViTForImageClassification(config).save_pretrained(tmp_path)
    model = load_model(tmp_path, quantization="4bit")
    adapted = attach_lora(model, lora_dropout=0.0).train()
    inputs = sample_inputs(model)

    def gradients() -> list[torch.Tensor]:
        adapted.zero_grad()
        adapted.train()(**inputs).logits.square().sum().backward()
        return [parameter.grad.clone() for name, parameter in adapted.named_parameters() if "lora_B" in name]

    before = gradients()
    with torch.no_grad():
        adapted.eval()(**inputs)
    assert all(gradient.any() for gradient in before)
    assert all(torch.equal(*pair) for pair in zip(before, gradients(), strict=True))

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file

from v5lint.runtime.adapters import adapter_base, adapter_effect, load_adapter, module_of, read_adapter_config
from v5lint.runtime.errors import AdapterError
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_config, load_model
from v5lint.runtime.lora import attach_lora

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from peft import PeftModel

LABELS = ["cat", "dog", "owl"]


def adapted(folder: Path, *, trained: bool = True) -> PeftModel:
    model = attach_lora(load_model(folder, labels=LABELS), r=2).eval()
    if trained:
        generator = torch.Generator().manual_seed(0)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.data = torch.randn(parameter.shape, generator=generator) * (0.2 if "lora" in name else 0.1)
    return model


def test_an_adapter_comes_back_exactly(family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    model = adapted(checkpoints(family))
    model.save_pretrained(tmp_path)
    again = load_adapter(load_model(checkpoints(family), labels=LABELS), tmp_path)
    inputs = sample_inputs(model)
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    assert not again.training
    assert adapter_effect(again) > 0
    assert adapter_base(tmp_path) == str(checkpoints(family))


def test_merging_changes_nothing(family: str, checkpoints: Callable[..., Path]) -> None:
    model = adapted(checkpoints(family))
    inputs = sample_inputs(model)
    with torch.no_grad():
        expected = model(**inputs).logits
        merged = model.merge_and_unload()
        assert (merged(**inputs).logits - expected).abs().max() <= 1e-5


def test_an_adapter_of_another_head_comes_back(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """ViT that fills in masked patches: it has no embedding of an image, and its output is compared instead."""
    import transformers
    from peft import LoraConfig, get_peft_model

    config = load_config(checkpoints("vit"))
    config.encoder_stride = 8
    transformers.ViTForMaskedImageModeling(config).save_pretrained(tmp_path / "base")
    base = transformers.ViTForMaskedImageModeling.from_pretrained(tmp_path / "base", dtype=torch.float32)
    targets = [path for path, _ in base.named_modules() if path.endswith(("query", "q_proj"))]
    model = get_peft_model(base, LoraConfig(target_modules=targets, init_lora_weights=False)).eval()
    model.save_pretrained(tmp_path / "adapter")
    inputs = sample_inputs(model)
    again = load_adapter(
        transformers.ViTForMaskedImageModeling.from_pretrained(tmp_path / "base", dtype=torch.float32),
        tmp_path / "adapter",
    )
    with torch.no_grad():
        assert torch.equal(again(**inputs).reconstruction, model(**inputs).reconstruction)


def test_a_dual_encoders_adapter_comes_back(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    for family in ("siglip", "siglip2"):
        for tower in ("vision", "text"):
            model = attach_lora(load_model(checkpoints(family), "retrieval"), r=2, tower=tower)
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.data.fill_(0.3)
            model.save_pretrained(tmp_path / family / tower)
            again = load_adapter(load_model(checkpoints(family), "retrieval"), tmp_path / family / tower)
            assert adapter_effect(again) > 0


def test_an_adapter_that_does_nothing_is_refused(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    adapted(checkpoints("vit"), trained=False).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="same features, bit for bit"):
        load_adapter(load_model(checkpoints("vit"), labels=LABELS), tmp_path)


def test_a_trained_head_does_not_hide_an_adapter_that_does_nothing(
    checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    """Switching an adapter off brings back the head of the base: the scores move, the features do not."""
    model = adapted(checkpoints("vit"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.zero_()
    model.save_pretrained(tmp_path)
    inputs = sample_inputs(model)
    with torch.no_grad():
        on = model(**inputs).logits
        with model.disable_adapter():
            assert not torch.equal(model(**inputs).logits, on)
    assert adapter_effect(model) == 0.0
    with pytest.raises(AdapterError, match="never trained"):
        load_adapter(load_model(checkpoints("vit"), labels=LABELS), tmp_path)


def test_an_adapter_of_another_model_is_refused(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    adapted(checkpoints("siglip")).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="does not have in transformers"):
        load_adapter(load_model(checkpoints("dinov2"), labels=LABELS), tmp_path)


def test_another_number_of_labels_is_named(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    adapted(checkpoints("vit")).save_pretrained(tmp_path)
    with pytest.raises(AdapterError, match="trained with 3 labels"):
        load_adapter(load_model(checkpoints("vit"), labels=7), tmp_path)


def test_a_tensor_that_does_not_arrive_is_named(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """An adapter whose targets were edited by hand: PEFT warns and leaves the rest as it was initialised."""
    model = adapted(checkpoints("vit"))
    model.save_pretrained(tmp_path)
    config = read_adapter_config(tmp_path)
    query = next(target for target in config["target_modules"] if target.startswith("q"))
    text = (tmp_path / "adapter_config.json").read_text()
    import json

    (tmp_path / "adapter_config.json").write_text(json.dumps({**json.loads(text), "target_modules": [query]}))
    with pytest.raises(AdapterError, match=r"6 of 14 tensors did not arrive"):
        load_adapter(load_model(checkpoints("vit"), labels=LABELS), tmp_path)


def test_training_goes_on_where_it_stopped(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    adapted(checkpoints("vit")).save_pretrained(tmp_path)
    again = load_adapter(load_model(checkpoints("vit"), labels=LABELS), tmp_path, is_trainable=True)
    assert again.training
    assert again.get_nb_trainable_parameters()[0] == 6 * 2 * 128 + 195


def test_the_effect_leaves_the_model_as_it_was(checkpoints: Callable[..., Path]) -> None:
    model = adapted(checkpoints("dinov2")).train()
    modes = [module.training for module in model.modules()]
    adapter_effect(model)
    assert [module.training for module in model.modules()] == modes


def test_no_adapter_and_no_weights_are_errors(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    model = load_model(checkpoints("vit"), labels=LABELS)
    with pytest.raises(AdapterError, match=r"no adapter_config\.json"):
        load_adapter(model, tmp_path)
    adapted(checkpoints("vit")).save_pretrained(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    with pytest.raises(AdapterError, match=r"none of adapter_model\.safetensors, adapter_model\.bin"):
        load_adapter(model, tmp_path)


def test_weights_of_the_old_format_are_read(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    model = adapted(checkpoints("vit"))
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_model.safetensors").unlink()
    torch.save(weights, tmp_path / "adapter_model.bin")
    assert adapter_effect(load_adapter(load_model(checkpoints("vit"), labels=LABELS), tmp_path)) > 0


@pytest.mark.parametrize(
    ("key", "path", "rest"),
    [
        ("base_model.model.a.b.q_proj.lora_A.weight", "a.b.q_proj", "lora_A.weight"),
        ("base_model.model.a.q_proj.lora_magnitude_vector", "a.q_proj", "lora_magnitude_vector"),
        ("base_model.model.classifier.bias", "classifier", "bias"),
    ],
)
def test_the_name_of_a_tensor_is_split(key: str, path: str, rest: str) -> None:
    assert module_of(key) == (path, rest)


def test_a_copy_with_one_tensor_less_is_seen(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    source, target = tmp_path / "whole", tmp_path / "part"
    adapted(checkpoints("vit")).save_pretrained(source)
    shutil.copytree(source, target)
    weights = load_file(target / "adapter_model.safetensors")
    extra = {
        name.replace("layers.0", "layers.7").replace("layer.0", "layer.7"): t.clone() for name, t in weights.items()
    }
    save_file({**weights, **extra}, target / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match="does not have"):
        load_adapter(load_model(checkpoints("vit"), labels=LABELS), target)

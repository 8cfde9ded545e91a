from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn

from v5lint.runtime.errors import LoraTargetError
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import build_on_meta, load_model
from v5lint.runtime.lora import (
    adapted_modules,
    attach_lora,
    expected_parameters,
    lora_config_for,
    matched_modules,
    pattern_value,
)
from v5lint.runtime.roles import classification_head, encoder_layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def vit_base(labels: int = 101) -> transformers.PreTrainedModel:
    return build_on_meta(transformers.ViTForImageClassification, transformers.ViTConfig(num_labels=labels))


def test_vit_base_has_the_parameters_that_peft_documents() -> None:
    """667,493 of 86,543,818, 0.77 %: PEFT's image classification example, ViT-B/16 with Food-101."""
    model = vit_base()
    config = lora_config_for(model, r=16, lora_alpha=16, lora_dropout=0.1)
    expected = expected_parameters(model, config)
    assert (expected.trainable, expected.total) == (667_493, 86_543_818)
    assert round(expected.percent, 2) == 0.77
    assert expected.formula == "24 x 16 x (768 + 768) + 77669 (classifier)"
    assert attach_lora(model, config).get_nb_trainable_parameters() == (667_493, 86_543_818)


@pytest.mark.parametrize("labels", [2, 10, 101, 1000])
def test_the_formula_is_exact(labels: int, family: str, checkpoints: Callable[..., Path]) -> None:
    """layers * targets * r * (d_in + d_out) + head_in * labels + labels, and what PEFT counts when it has done it."""
    model = load_model(checkpoints(family), labels=labels)
    config = lora_config_for(model, r=4)
    expected = expected_parameters(model, config)
    head_in = model.get_submodule(classification_head(model)[0]).in_features
    if family != "dinov3_convnext":
        fused = encoder_layers(model)[0].fused
        targets, d_out = (1, 3 * 64) if fused else (2, 64)
        assert expected.lora == 3 * targets * 4 * (64 + d_out)
    assert expected.head == head_in * labels + labels
    assert get_peft_model(model, config).get_nb_trainable_parameters() == (expected.trainable, expected.total)


def test_exactly_the_intended_modules_are_adapted(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    layers = encoder_layers(model)
    if family == "dinov3_convnext":
        intended = [path for layer in layers for path in layer.mlp]
    else:
        intended = [path for layer in layers for path in dict.fromkeys((layer.query, layer.value))]
    config = lora_config_for(model)
    assert sorted(matched_modules(model, config)) == sorted(filter(None, intended))
    adapted = attach_lora(model, config)
    assert sorted(adapted_modules(adapted)) == sorted(f"base_model.model.{path}" for path in intended)
    trained = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    assert all(".lora_" in name or ".modules_to_save." in name for name in trained)
    assert sum(".modules_to_save." in name for name in trained) == 2


@pytest.mark.parametrize("roles", [("query",), ("key", "output"), ("mlp",), ("query", "key", "value", "output", "mlp")])
def test_other_roles(roles: tuple[Any, ...], family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    if family == "dinov3_convnext" and "mlp" not in roles:
        with pytest.raises(LoraTargetError, match="No layer has a projection with the role"):
            lora_config_for(model, roles=roles)
        return
    layers = encoder_layers(model)
    wanted = {path for layer in layers for role in roles for path in layer.paths(role)}
    assert set(matched_modules(model, lora_config_for(model, roles=roles))) == wanted
    attach_lora(model, roles=roles)


def test_a_dual_encoder_keeps_its_text_tower_and_its_pooling_head_frozen(checkpoints: Callable[..., Path]) -> None:
    for family in ("siglip", "siglip2"):
        model = load_model(checkpoints(family), "retrieval")
        config = lora_config_for(model)
        assert config.modules_to_save is None
        assert all(path.startswith("vision_model.encoder.") for path in matched_modules(model, config))
        assert len(matched_modules(model, config)) == 6
        text = matched_modules(model, lora_config_for(model, tower="text"))
        both = matched_modules(model, lora_config_for(model, tower="both"))
        assert all(path.startswith("text_model.encoder.") for path in text)
        assert len(text) == 4
        assert len(both) == 10
        attach_lora(model)


def test_all_linear_leaves_out_what_the_model_never_calls(checkpoints: Callable[..., Path]) -> None:
    """PEFT's own all-linear adapts `head.attention.out_proj` of SigLIP, which counts and changes nothing."""
    model = load_model(checkpoints("siglip"), labels=3)
    found = matched_modules(model, lora_config_for(model, target_modules="all-linear"))
    assert len(found) == 3 * 6
    assert not any("head" in path for path in found)


def test_no_adapted_module_is_dead_weight(family: str, checkpoints: Callable[..., Path]) -> None:
    """Every adapter of every role changes the output: an adapter on a weight that nothing calls would not."""
    model = load_model(checkpoints(family), labels=3)
    adapted = attach_lora(model, target_modules="all-linear").eval()
    inputs = sample_inputs(model)
    with torch.no_grad():
        before = adapted(**inputs).logits
        for path in adapted_modules(adapted):
            module: Any = adapted.get_submodule(path)
            weight = module.lora_B["default"].weight
            weight.fill_(0.5)
            assert not torch.equal(adapted(**inputs).logits, before), path
            weight.zero_()


@pytest.mark.parametrize("targets", [["query"], ["query", "value"], ["q_proj", "nothing"], r".*\.wq"])
def test_targets_that_match_nothing_name_the_right_ones(targets: Any) -> None:
    """`["query", "value"]`, the template that half the world copied, was right for ViT up to transformers 5.8."""
    model = vit_base()
    right = encoder_layers(model)[0].query
    assert right is not None
    if targets != ["q_proj", "nothing"] and right.endswith("query") and not isinstance(targets, str):
        assert len(matched_modules(model, lora_config_for(model, target_modules=targets))) == 12 * len(targets)
        return
    with pytest.raises(LoraTargetError, match="matches no module") as caught:
        lora_config_for(model, target_modules=targets)
    assert f"{right} (query)" in str(caught.value)
    assert "in each of 12 layers" in str(caught.value)


def test_targets_that_match_a_part_of_the_layers_are_refused() -> None:
    model = vit_base()
    query = encoder_layers(model)[0].query
    assert query is not None
    with pytest.raises(LoraTargetError, match="matches nothing in "):
        lora_config_for(model, target_modules=[query])
    value = encoder_layers(model)[3].value
    leaf = query.rpartition(".")[2]
    assert value is not None
    with pytest.raises(LoraTargetError, match="other roles in some layers"):
        lora_config_for(model, target_modules=[leaf, value])


def test_targets_that_match_a_head_or_a_container_are_refused(checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(LoraTargetError, match="outside the layers"):
        lora_config_for(
            vit_base(), target_modules=[encoder_layers(vit_base())[0].query.rpartition(".")[2], "classifier"]
        )
    with pytest.raises(LoraTargetError, match="is no Linear layer"):
        lora_config_for(vit_base(), target_modules=["attention"])
    siglip = load_model(checkpoints("siglip"), labels=3)
    with pytest.raises(LoraTargetError, match=r"outside the layers.*head\.attention\.out_proj"):
        lora_config_for(siglip, target_modules=["out_proj"])


def test_modules_to_save_that_match_nothing_are_refused() -> None:
    """PEFT says nothing, and the head stays frozen at its random values."""
    with pytest.raises(LoraTargetError, match=r"'head' matches no module.*The head is classifier"):
        lora_config_for(vit_base(), modules_to_save=["head"])
    config = lora_config_for(vit_base(), modules_to_save=["layernorm"])
    assert config.modules_to_save == ["layernorm", "classifier"]
    assert lora_config_for(vit_base(), train_head=False).modules_to_save is None


def test_a_model_that_is_adapted_already_is_refused(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)
    attach_lora(model)
    with pytest.raises(LoraTargetError, match="adapted already"):
        lora_config_for(model)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(LoraTargetError, match="no numbered layer"):
        lora_config_for(nn.Linear(2, 2))
    numbered = nn.ModuleDict({"layers": nn.ModuleList([nn.ModuleDict({"mix": nn.Linear(2, 2)})])})
    with pytest.raises(LoraTargetError, match=r"Its Linear layers: mix \(1\)\. Name those to adapt in target_modules="):
        lora_config_for(numbered)
    with pytest.raises(LoraTargetError, match="'fc' matches no module"):
        lora_config_for(nn.Linear(2, 2), target_modules=["fc"])
    with pytest.raises(LoraTargetError, match="must be one of query"):
        lora_config_for(vit_base(), roles=["queries"])  # type: ignore[list-item]


def test_an_attention_of_unknown_names_is_named_and_not_passed_over() -> None:
    """Latent attention (DeepSeek) has other projections; adapting the feed-forward layers alone was not asked for."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ranks = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
    model = build_on_meta(
        transformers.DeepseekV3Model,
        transformers.DeepseekV3Config(
            **sizes, **ranks, first_k_dense_replace=2, vocab_size=50, n_routed_experts=2, n_group=1, topk_group=1
        ),
    )
    with pytest.raises(LoraTargetError, match=r"layers\.0\.self_attn, has q_a_proj, q_b_proj"):
        lora_config_for(model)
    assert len(matched_modules(model, lora_config_for(model, target_modules=["q_b_proj", "kv_b_proj"]))) == 4
    assert len(matched_modules(model, lora_config_for(model, roles=["mlp"]))) == 6
    with pytest.raises(LoraTargetError, match=r"matches nothing in layers\.0"):
        lora_config_for(model, target_modules=["1.self_attn.q_b_proj"])


def test_a_part_of_the_attentions_is_not_passed_over() -> None:
    """Half of Reformer's layers share one projection for query and key, under a name of its own."""
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "attention_head_size": 16, "feed_forward_size": 32}
    model = build_on_meta(
        transformers.ReformerModel,
        transformers.ReformerConfig(
            **sizes, attn_layers=["local", "lsh"], vocab_size=50, axial_pos_embds=False, is_decoder=False
        ),
    )
    with pytest.raises(LoraTargetError, match=r"1 attentions .* others not.* self_attention\.query_key"):
        lora_config_for(model)
    with pytest.raises(LoraTargetError, match="others not"):
        lora_config_for(model, roles=["query", "output"])
    assert len(matched_modules(model, lora_config_for(model, roles=["mlp"]))) == 2


def test_a_weight_that_is_read_without_a_call_is_no_target() -> None:
    """PEFT adapts WavLM's projections, counts them as trained, and no gradient ever reaches them."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    convolutions = {"conv_dim": [8], "conv_kernel": [3], "conv_stride": [2], "num_feat_extract_layers": 1}
    model = build_on_meta(transformers.WavLMModel, transformers.WavLMConfig(**sizes, **convolutions))
    with pytest.raises(LoraTargetError, match=r"k_proj without calling it.*roles=\['mlp'\] \(--lora_roles mlp\)"):
        lora_config_for(model)
    with pytest.raises(LoraTargetError, match="a weight that its module never calls"):
        lora_config_for(model, target_modules=["q_proj", "v_proj"])
    assert len(matched_modules(model, lora_config_for(model, roles=["mlp"]))) == 4


@pytest.mark.parametrize(
    ("architecture", "called"),
    [("beit_base_patch16_224", False), ("eva02_small_patch14_224", False), ("eva02_base_patch14_224", True)],
)
def test_the_biases_of_timm_bypass_an_adapter(architecture: str, called: bool) -> None:
    """BEiT and EVA add biases of their own to `qkv`, by its weight: an adapter on it changes nothing."""
    pytest.importorskip("timm")
    sizes = {"embed_dim": 64, "depth": 2, "num_heads": 4, "img_size": 32, "patch_size": 8}
    config = transformers.TimmWrapperConfig(architecture=architecture, model_args=sizes, num_labels=3)
    model = transformers.TimmWrapperForImageClassification(config)
    if not called:
        with pytest.raises(LoraTargetError, match=r"qkv without calling it"):
            lora_config_for(model)
    adapted = attach_lora(model, roles=None if called else ["mlp"], lora_dropout=0.0)
    adapted(pixel_values=torch.randn(2, 3, 32, 32)).logits.square().sum().backward()
    reached = [p.grad is not None and bool(p.grad.any()) for n, p in adapted.named_parameters() if "lora_B" in n]
    assert len(reached) == 4
    assert all(reached)


def test_the_tower_of_a_language_model_that_sees_has_to_be_named() -> None:
    """To adapt the eyes of LLaVA alone is what hardly anyone means."""
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    text = {**vision, "num_hidden_layers": 3, "vocab_size": 50, "num_key_value_heads": 2}
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **vision}, text_config={"model_type": "llama", **text}
    )
    model = build_on_meta(transformers.LlavaForConditionalGeneration, config)
    with pytest.raises(LoraTargetError, match="tower='vision', tower='text' or tower='both'"):
        lora_config_for(model)
    towers = {"vision": 2, "text": 3, "both": 5}
    found = {name: len(matched_modules(model, lora_config_for(model, tower=name))) for name in towers}  # type: ignore[arg-type]
    assert found == {name: 2 * layers for name, layers in towers.items()}
    assert len(matched_modules(model, lora_config_for(model, target_modules=["q_proj", "v_proj"]))) == 10
    with pytest.raises(LoraTargetError, match="tower='eyes': must be one of vision, text, both"):
        lora_config_for(model, tower="eyes")  # type: ignore[arg-type]


def test_statistics_that_training_moves_are_named() -> None:
    """An adapter of CvT scores otherwise once it is loaded: it does not hold the statistics of batch normalisation."""
    config = transformers.CvtConfig(embed_dim=[8, 16, 24], num_heads=[1, 2, 3], depth=[1, 2, 3], num_labels=3)
    model = build_on_meta(transformers.CvtForImageClassification, config)
    with pytest.warns(UserWarning, match=r"18 layers of batch normalisation.*modules_to_save"):
        lora_config_for(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora_config_for(model, modules_to_save=["normalization"])
        lora_config_for(vit_base())


def test_the_tower_that_can_be_adapted_is_named() -> None:
    """ALIGN sees with convolutions and reads with attention."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    model = build_on_meta(transformers.AlignModel, transformers.AlignConfig(text_config=sizes))
    with pytest.raises(LoraTargetError, match=r"The vision tower of AlignModel .* tower='text'"):
        lora_config_for(model)
    assert len(matched_modules(model, lora_config_for(model, tower="text"))) == 4


def test_peft_saves_what_ends_like_the_name() -> None:
    """`classifier` is the end of `pre_classifier` too, and PEFT trains both."""
    sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "vocab_size": 50}
    model = build_on_meta(
        transformers.DistilBertForSequenceClassification, transformers.DistilBertConfig(**sizes, num_labels=5)
    )
    config = lora_config_for(model, r=4)
    assert config.modules_to_save == ["classifier"]
    assert expected_parameters(model, config).head == 32 * 32 + 32 + 32 * 5 + 5
    attach_lora(model, config)


def test_the_targets_of_a_tower_are_one_expression() -> None:
    """Where the text tower has the same names, a tower inside a further module is told apart by its own name."""

    class Inside(nn.Module):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    clip = build_on_meta(
        transformers.CLIPModel, transformers.CLIPConfig(vision_config={**sizes, "image_size": 32}, text_config=sizes)
    )
    assert lora_config_for(Inside(clip)).target_modules == r"(.*\.)?vision_model\..*\.(q_proj|v_proj)"


def test_attaching_something_else_than_was_promised_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof has power: with a PEFT that adapts other modules, it fails."""
    import v5lint.runtime.lora as lora

    def other(model: Any, config: LoraConfig) -> Any:
        return get_peft_model(model, LoraConfig(r=config.r, target_modules="all-linear"))

    monkeypatch.setattr(lora, "get_peft_model", other)
    with pytest.raises(LoraTargetError, match="PEFT adapted"):
        attach_lora(vit_base())


@pytest.mark.parametrize(
    "options",
    [
        {"use_dora": True},
        {"rank_pattern": {"0.attention.q_proj": 3, "0.attention.attention.query": 3}},
        {"use_rslora": True},
    ],
)
def test_the_count_knows_peft_options(options: dict[str, Any], checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)
    config = lora_config_for(model, r=4, **options)
    expected = expected_parameters(model, config)
    plain = expected_parameters(model, lora_config_for(model, r=4))
    assert expected.trainable - plain.trainable == {"use_dora": 6 * 64, "rank_pattern": -128}.get(
        next(iter(options)), 0
    )
    assert attach_lora(model, config).get_nb_trainable_parameters()[0] == expected.trainable


def test_an_option_that_the_count_does_not_know_is_named() -> None:
    model = vit_base()
    with pytest.raises(LoraTargetError, match="bias='lora_only'"):
        expected_parameters(model, lora_config_for(model, bias="lora_only"))


def test_pattern_value_matches_as_peft_does() -> None:
    from peft.utils.other import get_pattern_key

    patterns = {"q_proj": 1, r"layers\.1\.attention\.v_proj": 2, "proj": 3}
    for path in ("vit.layers.0.attention.q_proj", "layers.1.attention.v_proj", "x.proj", "x.o_proj", "q_proj_x"):
        assert pattern_value(patterns, path, 0) == patterns.get(get_pattern_key(list(patterns), path), 0)


def test_gradients_reach_every_adapter_in_training(family: str, checkpoints: Callable[..., Path]) -> None:
    """At the first step lora_B is zero, so lora_A gets no gradient; at the second, everything has one."""
    model = attach_lora(load_model(checkpoints(family), labels=3), lora_dropout=0.0).train()
    inputs = sample_inputs(model)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(trained.values(), lr=1.0)
    moved: list[set[str]] = []
    for _ in range(2):
        optimizer.zero_grad()
        model(**inputs, labels=torch.tensor([0, 2])).loss.backward()
        moved.append({name for name, parameter in trained.items() if parameter.grad.abs().max() > 0})
        optimizer.step()
    assert moved[0] == {name for name in trained if "lora_A" not in name}
    assert moved[1] == set(trained)

"""Which names of linear layers became which, held against the releases; and what reloading loses."""

from __future__ import annotations

import pytest

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import linear_layers
from v5lint.rules.parts.models import Model
from v5lint.rules.parts.reload_losses import loss_of

NEWEST = (5, 23)


@pytest.mark.parametrize(
    ("model_type", "target", "news", "since"),
    [
        ("vit", "query", ("q_proj",), "5.9"),
        ("vit", "dense", ("o_proj", "fc1", "fc2"), "5.9"),
        ("vit", "attention.output.dense", ("o_proj",), "5.9"),
        ("dinov2", "value", ("v_proj",), "5.18"),
        ("dinov2", "dense", ("o_proj",), "5.18"),
        ("segformer", "dense1", ("fc1",), "5.9"),
        ("swin", "attention.self.key", ("k_proj",), "5.9"),
        # One layer of many: its number cannot be written as a name.
        ("vit", "encoder.layer.11.attention.attention.query", (), "5.9"),
    ],
)
def test_what_became_of_a_target(model_type: str, target: str, news: tuple[str, ...], since: str) -> None:
    found = linear_layers.renamed(target, model_type, NEWEST)
    assert found is not None
    assert (found.news, found.since) == (news, since)


@pytest.mark.parametrize(
    ("model_type", "target"),
    [
        ("bert", "query"),
        ("videomae", "query"),
        ("siglip", "q_proj"),
        ("mixtral", "w1"),
        ("vit", "classifier"),
        ("t5", "q"),
    ],
)
def test_what_is_there_or_went_otherwise(model_type: str, target: str) -> None:
    assert linear_layers.renamed(target, model_type, NEWEST) is None


def test_new_names_mean_as_many_layers_as_the_old_one() -> None:
    seen = 0
    for model_type in lookup.model_types():
        for target in lookup.leaf_names(model_type, "4.57") or ():
            found = linear_layers.renamed(target, model_type, NEWEST)
            if found is not None and found.news:
                seen += 1
                old = linear_layers.matched(target, model_type, "4.57")
                new = {path for each in found.news for path in linear_layers.matched(each, model_type, "5.23")}
                assert len(new) == len(old), (model_type, target)
    assert seen > 30


@pytest.mark.parametrize(
    ("name", "model_type", "lost", "total", "since"),
    [
        ("ViTForImageClassification", "vit", 192, 200, "5.9"),
        ("SwinForImageClassification", "swin", 156, 221, "5.9"),
        ("Dinov2ForImageClassification", "dinov2", 96, 225, "5.18"),
        ("MixtralForCausalLM", "mixtral", 96, 291, "5.0"),
        ("DeiTForImageClassification", "deit", 192, 201, "5.9"),
    ],
)
def test_what_reloading_loses(name: str, model_type: str, lost: int, total: int, since: str) -> None:
    found = loss_of(Model(name, model_type), NEWEST)
    assert found is not None
    assert (found.lost, found.total, found.since) == (lost, total, since)


def test_what_reloading_keeps() -> None:
    assert loss_of(Model("BertModel", "bert"), NEWEST) is None
    assert loss_of(Model("GPTNeoXModel", "gpt_neox"), NEWEST) is None
    assert loss_of(Model("ViTModel", "vit"), (5, 8)) is None

"""What transformers 4 left alone when it quantized, and version 5 does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.collect import unquantized as collector
from v5lint.rules.knowledge.unquantized import _read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("BertForSequenceClassification", ("classifier",)),
        ("transformers.ViTForImageClassification", ("classifier",)),
        ("BertModel", ("pooler.dense",)),
        ("BertForMaskedLM", ("cls.predictions.transform.dense", "cls.predictions.decoder")),
        ("LlamaForCausalLM", None),
        ("LlamaForSequenceClassification", None),  # its head has no bias
        ("NoSuchModel", None),
    ],
)
def test_layers_of_a_class(name: str, layers: tuple[str, ...] | None) -> None:
    assert lookup.unquantized_layers(name) == layers


def test_every_class_is_a_model_of_both_releases() -> None:
    lookup.unquantized_layers("BertModel")
    assert len(_read) > 300
    for name in _read:
        facts = lookup.class_facts(name)
        assert facts is not None, name
        assert facts.exists("4.57"), name
        assert facts.exists(None), name


def test_joined(tmp_path: Path) -> None:
    older = '{"A": ["classifier"], "B": ["classifier"], "C": ["lm_head"], "D": null, "E": ["fc"]}'
    newer = '{"A": [], "B": [], "C": ["lm_head"], "D": [], "E": null}'
    (tmp_path / "unquantized-4.57.6.json").write_text(older)
    (tmp_path / "unquantized-5.0.0.json").write_text(newer)
    assert collector.joined(tmp_path).endswith('"classifier" = [\n    "A",\n    "B",\n]\n')

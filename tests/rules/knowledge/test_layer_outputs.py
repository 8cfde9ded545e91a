"""Which layers give a tensor since when, and which models are taken for ones that divide their loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from v5lint.rules import knowledge
from v5lint.rules.knowledge.collect import layer_outputs, scaled_losses
from v5lint.toml import loads

FOLDER = Path(knowledge.__file__).parent

MODEL = """class AModel(PreTrainedModel):
    def __init__(self, config):
        self.layers = nn.ModuleList([ALayer(config) for _ in range(2)])
"""

TUPLE = """class ALayer(nn.Module):
    def forward(self, hidden):
        outputs = (hidden,)
        if self.config.output_attentions:
            outputs += (1,)
        return outputs
"""

TENSOR = """class ALayer(nn.Module):
    def forward(self, hidden):
        hidden = self.mlp(hidden)
        return hidden
"""

JOINED = """class ALayer(nn.Module):
    def forward(self, hidden):
        outputs = self.attention(hidden)
        return (hidden,) + outputs[1:]
"""

SUM = """class ALayer(nn.Module):
    def forward(self, hidden):
        attended, _ = self.attention(hidden)
        return attended + hidden
"""

EITHER = """class BLayer(nn.Module):
    def forward(self, hidden):
        return hidden if self.one else (hidden,)
"""


def test_a_layer_is_listed_since_it_gives_no_tuple() -> None:
    old = {"ALayer": TUPLE, "AModel": MODEL, "BLayer": EITHER}
    new = {"ALayer": TENSOR, "AModel": MODEL, "BLayer": EITHER}
    text = layer_outputs.table({(4, 57): old, (5, 0): old, (5, 1): new, (5, 2): new})
    assert loads(text) == {"ALayer": {"since": "5.1", "lists": ["AModel.layers"]}}


@pytest.mark.parametrize("before", [TUPLE, JOINED])
@pytest.mark.parametrize("after", [TENSOR, SUM])
def test_tuples_and_tensors_that_are_put_together(before: str, after: str) -> None:
    read = {(4, 57): {"ALayer": before, "AModel": MODEL}, (5, 0): {"ALayer": after, "AModel": MODEL}}
    assert loads(layer_outputs.table(read)) == {"ALayer": {"since": "5.0", "lists": ["AModel.layers"]}}


def test_layers_that_were_run() -> None:
    found = loads((FOLDER / "layer_outputs.toml").read_text(encoding="utf-8"))
    since = {
        name: found[name]["since"] for name in ("BertLayer", "GPT2Block", "OPTDecoderLayer", "Wav2Vec2EncoderLayer")
    }
    assert since == {"BertLayer": "5.0", "GPT2Block": "5.3", "OPTDecoderLayer": "5.4", "Wav2Vec2EncoderLayer": "5.16"}
    assert {"GPTJBlock", "CodeGenBlock", "AlbertLayer", "ModernBertEncoderLayer"} <= set(found)
    assert not {"GPTNeoBlock", "BloomBlock", "T5Block", "DebertaV2Layer"} & set(found)


def forward(parameters: str, loss: str) -> str:
    return f"class A(P):\n    def forward(self, ids, {parameters}):\n        loss = {loss}\n        return loss\n"


def test_a_model_is_listed_since_it_takes_any_keyword() -> None:
    old = {"A": forward("labels=None", "self.loss_function(labels)"), "B": forward("labels=None", "f(labels)")}
    new = {
        "A": forward("labels=None, **kwargs", "self.loss_function(labels)"),
        "B": forward("labels=None, **kwargs", "self.loss_function(labels, **kwargs)"),
    }
    assert loads(scaled_losses.table({(4, 57): old, (5, 0): old, (5, 1): new})) == {"5.1": ["A"]}


def test_models_that_were_run() -> None:
    found = loads((FOLDER / "scaled_losses.toml").read_text(encoding="utf-8"))
    names = {name for each in found.values() for name in each}
    assert {"BertForSequenceClassification", "T5ForConditionalGeneration", "BartForConditionalGeneration"} <= names
    assert {"BertForQuestionAnswering", "DistilBertForQuestionAnswering", "WhisperForConditionalGeneration"} <= names
    assert not {"GPT2LMHeadModel", "LlamaForCausalLM", "ViTForImageClassification"} & names

"""The table of models that cannot read the tuples of their own parts."""

from __future__ import annotations

from pathlib import Path

from v5lint.rules.knowledge.collect import layer_outputs, tuple_parts
from v5lint.toml import loads

FOLDER = Path(tuple_parts.__file__).parents[1]

OLD = """
class ABody(APreTrainedModel):
    def forward(self, ids, return_dict=None):
        return_dict = return_dict if return_dict is not None else self.config.use_return_dict
        return (ids,)

class AHead(APreTrainedModel):
    def __init__(self, config):
        self.body = ABody(config)

    def forward(self, ids, return_dict=None):
        outputs = self.body(ids, return_dict=return_dict)
        return outputs[0] if not return_dict else outputs.last_hidden_state

class Nested(AHead):
    def forward(self, ids):
        return self.body(ids)[0]

class APreTrainedModel(PreTrainedModel):
    pass
"""
NEW = """
class ABody(APreTrainedModel):
    def __init__(self, config):
        self.layer = Layer(config)

    @capture_outputs
    def forward(self, ids):
        return Output(ids)

class AHead(APreTrainedModel):
    def __init__(self, config):
        self.body = ABody(config)
        self.other = ABody(config.vision_config)

    @can_return_tuple
    def forward(self, ids):
        outputs: Output = self.body(ids)
        return outputs.last_hidden_state

class Nested(AHead):
    def forward(self, ids):
        outputs = self.body.layer(ids)
        return outputs.hidden, self.other(ids).hidden, self.body(ids, return_dict=True).hidden

class APreTrainedModel(PreTrainedModel):
    pass
"""


def _models(source: str) -> dict[str, bool]:
    return tuple_parts.models(layer_outputs.classes_in([source]))


def test_a_model_that_reads_a_field_of_what_a_part_gives_fails() -> None:
    assert _models(OLD) == {"ABody": False, "AHead": False, "Nested": False, "APreTrainedModel": False}
    assert _models(NEW) == {"ABody": False, "AHead": True, "Nested": False, "APreTrainedModel": False}


def test_a_model_around_one_that_fails_does_so_too_unless_it_says_how_it_wants_it() -> None:
    around = NEW + (
        "\nclass Around(APreTrainedModel):\n"
        "    def __init__(self, config):\n        self.head = AHead(config)\n"
        "    def forward(self, ids):\n        return self.head(ids)[0]\n"
        "\nclass Deep(Around):\n"
        "    def forward(self, ids):\n        x = self.head.body(ids)\n        return x.hidden\n"
    )
    found = _models(around)
    assert found["Around"]
    assert found["Deep"]


def test_a_method_with_the_decorator_counts_as_a_part() -> None:
    source = NEW + (
        "\nclass Tower(APreTrainedModel):\n"
        "    @can_return_tuple\n    def features(self, ids):\n        return Output(ids)\n"
        "    def forward(self, ids):\n        return self.features(ids).pooler_output\n"
    )
    assert _models(source)["Tower"]


def test_the_table_tells_since_when_and_leaves_out_what_failed_before_or_was_not_there() -> None:
    early, late = _models(OLD), {**_models(NEW), "New": True}
    table = loads(tuple_parts.table({(4, 57): early, (5, 0): early, (5, 1): late, (5, 2): late}))
    assert table == {"failing": [["5.1", "AHead"]]}
    assert loads(tuple_parts.table({(4, 57): late, (5, 0): late})) == {"failing": []}


def test_the_table_holds_what_was_measured() -> None:
    table = loads((FOLDER / "tuple_parts.toml").read_text(encoding="utf-8"))
    since = {name: minor for minor, names in table["failing"] for name in names.split()}
    # GPT-2 and Whisper ran on 5.2 and failed on 5.4, Segformer, Swin and CLIP ran on 5.4 and failed on 5.9, the others
    # ran on 5.9 and failed on 5.24.
    assert since["GPT2LMHeadModel"] == "5.3"
    assert since["WhisperForConditionalGeneration"] == since["OPTForCausalLM"] == "5.4"
    for name in ("SegformerForSemanticSegmentation", "SwinForImageClassification", "CLIPModel"):
        assert (5, 4) < tuple(int(part) for part in since[name].split(".")) <= (5, 9)
    assert since["T5ForConditionalGeneration"] == "5.15"
    assert since["Wav2Vec2ForCTC"] == "5.16"
    # These run on 5.24, or failed on 4.57.6 as well.
    for name in ("BertModel", "BertForSequenceClassification", "LlamaForCausalLM", "ViTForImageClassification"):
        assert name not in since

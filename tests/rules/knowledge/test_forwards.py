"""What the `forward` of parts of models took, takes now, and where they stand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from v5lint.rules.knowledge.collect import forwards
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts.forwards import Forward
from v5lint.toml import loads

BEFORE = """class ALayer(nn.Module):
    @deprecate_kwarg("past_key_value", new_name="past_key_values", version="4.58")
    def forward(
        self, hidden, head_mask=None, mask=None, past_key_values=None
    ) -> tuple:  # noqa
        return hidden
"""

NOW = """class ALayer(nn.Module):
    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    def forward(self, hidden, mask=None, cache=None, *, scale, **kwargs):
        return hidden
"""

HOLDER = """class AEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = nn.ModuleList([ALayer(config) for _ in range(2)])
        self.one = ALayer(config)
        self.other = ALayer(config) if config.a else BLayer(config)
"""

INHERITS = """class ADecoder(AEncoder):
    pass
"""


def read(*classes: str) -> forwards.Classes:
    return {each.split("(")[0].removeprefix("class "): each for each in classes}


def test_what_is_lost_and_what_is_new() -> None:
    text = forwards.table({(4, 57): read(BEFORE), (5, 0): read(NOW)})
    (line,) = loads(text)["forwards"]
    before = "hidden head_mask@5.0 mask past_key_values ~past_key_value@5.0"
    assert line == [before, "hidden mask cache * scale! ~past_key_values **", "ALayer"]


def test_what_is_the_same_has_no_line() -> None:
    assert loads(forwards.table({(4, 57): read(NOW), (5, 0): read(NOW)}))["forwards"] == []


def test_where_a_part_stands() -> None:
    classes = {(4, 57): read(BEFORE, HOLDER), (5, 0): read(NOW, HOLDER)}
    found = loads(forwards.table(classes))["places"]
    assert found == [["*Encoder", "layer[]", "*Layer", "A"], ["*Encoder", "one", "*Layer", "A"]]


def test_a_class_has_the_forward_of_its_base() -> None:
    base = HOLDER + "\n    def forward(self, hidden, gone=None):\n        pass\n"
    assert forwards.forwards(read(base, INHERITS))["ADecoder"].positional == ("hidden", "gone")


def test_a_line_is_read() -> None:
    forward = Forward("hidden head_mask@5.0 mask * flag@5.2 ~old", "hidden mask cache! * scale ~past_key_values **")
    assert forward.before == ("hidden", "head_mask", "mask")
    assert forward.lost == {"head_mask": "5.0", "flag": "5.2"}
    assert forward.now == ("hidden", "mask", "cache")
    assert forward.named == {"scale", "past_key_values"}
    assert forward.needed == ("cache",)
    assert forward.is_open


def test_the_table_knows_bert() -> None:
    known = {name for *_, names in table("forwards")["forwards"] for name in names.split()}
    assert {"BertEmbeddings", "BertEncoder", "BertLayer", "CanineSelfAttention", "ViTPatchEmbeddings"} <= known
    assert "Transformer" in known  # DistilBERT's, one line of whose head ends with a comment


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs transformers")
def test_the_installed_release_takes_what_the_table_says() -> None:
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "models" / "bert" / "modeling_bert.py"
    classes = forwards.classes_in(source.read_text(encoding="utf-8"))
    taken = forwards.forwards(classes)["BertLayer"].positional
    (now,) = (now for _, now, names in table("forwards")["forwards"] if "BertLayer" in names.split())
    assert Forward("", now).now == taken

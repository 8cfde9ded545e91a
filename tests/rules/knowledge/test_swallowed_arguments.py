"""Which arguments parts of models take and do not read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from v5lint.rules.knowledge.collect import layer_outputs, swallowed_arguments
from v5lint.rules.knowledge.tables import table
from v5lint.toml import loads

READS = """class ALayer(nn.Module):
    def forward(self, hidden, past_key_value=None, head_mask=None):
        return hidden
"""

TRANSLATES = """class ALayer(nn.Module):
    @deprecate_kwarg("past_key_value", new_name="past_key_values", version="4.58")
    def forward(self, hidden, past_key_values=None, **kwargs):
        return hidden
"""

SWALLOWS = """class ALayer(nn.Module):
    def forward(self, hidden, past_key_values=None, **kwargs):
        return hidden
"""

REFUSES = """class ALayer(nn.Module):
    def forward(self, hidden):
        return hidden
"""


KEEPS = """class AEncoder(nn.Module):
    def forward(self, hidden, output_hidden_states=False):
        return hidden
"""

IS_TOLD = """class AEncoder(nn.Module):
    @check_model_inputs()
    def forward(self, hidden, **kwargs):
        return hidden
"""

IS_A_MODEL = """@auto_docstring
class AEncoder(APreTrainedModel):
    def forward(self, hidden, **kwargs):
        return self.encoder(hidden, **kwargs)
"""

FORGETS = """class AEncoder(nn.Module):
    def forward(self, hidden, **kwargs):
        return hidden
"""


def _table(*sources: str) -> object:
    read = {(5, minor): layer_outputs.classes_in([source]) for minor, source in enumerate(sources)}
    forwards = {minor: swallowed_arguments.forwards(classes) for minor, classes in read.items()}
    return loads(swallowed_arguments.table(forwards))["lost"]


def test_an_argument_is_listed_since_nothing_reads_it() -> None:
    expected = [["5.1", "head_mask", "ALayer"], ["5.2", "past_key_value", "ALayer"]]
    assert _table(READS, TRANSLATES, SWALLOWS) == expected


def test_an_argument_that_raises_is_not_listed() -> None:
    assert _table(READS, REFUSES) == []
    assert _table(READS, REFUSES, SWALLOWS) == []


def test_an_argument_that_no_release_read_is_not_listed() -> None:
    assert _table(REFUSES, SWALLOWS) == []


def test_an_encoder_keeps_its_states_by_a_decorator_or_as_a_model() -> None:
    expected = [["5.3", "output_attentions", "AEncoder"], ["5.3", "output_hidden_states", "AEncoder"]]
    assert _table(KEEPS, IS_TOLD, IS_A_MODEL, FORGETS) == expected


def test_the_installed_release_swallows_what_the_table_says() -> None:
    spec = importlib.util.find_spec("transformers")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("transformers is not installed")
    folder = Path(spec.submodule_search_locations[0])
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("models/*/modeling_*.py")))
    found = swallowed_arguments.forwards(layer_outputs.classes_in(texts))
    lost = [(name, argument) for _, argument, names in table("swallowed_arguments")["lost"] for name in names.split()]
    assert len(lost) > 500
    wrong = [
        (name, argument)
        for name, argument in lost
        if name not in found or argument in found[name].names or not found[name].is_open
    ]
    assert wrong == []

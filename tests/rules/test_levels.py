"""How loud a finding about an argument is: what is ignored and happens in any case breaks nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from v5lint.cli import main

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = """\
from transformers import AutoConfig, AutoModel, AutoTokenizer

model = AutoModel.from_pretrained("gpt2")
"""


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('AutoConfig.from_pretrained("gpt2", resume_download=True)', "deprecated"),
        ('AutoTokenizer.from_pretrained("gpt2", resume_download=False)', "deprecated"),
        ('AutoModel.from_pretrained("gpt2", resume_download=True)', "breaks"),
        ('AutoConfig.from_pretrained("gpt2", use_auth_token=None)', "deprecated"),
        ('AutoConfig.from_pretrained("gpt2", use_auth_token=True)', "breaks"),
        ('AutoModel.from_pretrained("gpt2", use_auth_token=None)', "breaks"),
        ('model.save_pretrained("out", safe_serialization=True)', "deprecated"),
        ('model.save_pretrained("out", safe_serialization=False)', "breaks"),
        ('model.push_to_hub("out", safe_serialization=True)', "breaks"),
    ],
)
def test_level(line: str, level: str, tmp_path: Path) -> None:
    file, report = tmp_path / "case.py", tmp_path / "report.json"
    file.write_text(f"{BEFORE}{line}\n")
    options = ["--isolated", "--select", "V52", "--output-format", "json", "--output-file", str(report)]

    main([str(file), *options])

    assert [each["level"] for each in json.loads(report.read_text())] == [level]


MODELS = """\
from transformers import LlamaForCausalLM


class Model(LlamaForCausalLM):
    def forward(self, input_ids=None, past_key_values=None, **kwargs):
        return {returned}
"""


@pytest.mark.parametrize(
    ("returned", "level"),
    [
        ("super().forward(input_ids, past_key_values=past_key_values, **kwargs)", "deprecated"),
        ("self.model(input_ids, past_key_values=past_key_values, **kwargs)", "deprecated"),
        ("super().forward(input_ids, past_key_values=past_key_values)", "breaks"),
        ("super().forward(input_ids[:, past_key_values is None :], **kwargs)", "breaks"),
    ],
)
def test_level_of_a_cache_that_is_handed_on(returned: str, level: str, tmp_path: Path) -> None:
    file, report = tmp_path / "case.py", tmp_path / "report.json"
    file.write_text(MODELS.format(returned=returned))
    main([str(file), "--isolated", "--select", "V5510", "--output-format", "json", "--output-file", str(report)])
    assert [each["level"] for each in json.loads(report.read_text())] == [level]


WRITER = """\
from transformers import GPT2LMHeadModel, GPT2PreTrainedModel


class Writer(GPT2PreTrainedModel):
    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {{"input_ids": input_ids}}


model = {made}
model.generate()
writer = Writer.from_pretrained("gpt2")
"""


@pytest.mark.parametrize(
    ("name", "made", "level"),
    [
        ("Writer", 'Writer.from_pretrained("gpt2")', "breaks"),
        ("Writer", "load_a_model()", "breaks"),
        ("Writer", 'GPT2LMHeadModel.from_pretrained("gpt2")', "deprecated"),
        ("OwnForMaskedLM", "load_a_model()", "deprecated"),
        ("OwnForMaskedLM", 'OwnForMaskedLM.from_pretrained("gpt2")', "breaks"),
    ],
)
def test_level_of_a_model_that_nothing_generates_with(name: str, made: str, level: str, tmp_path: Path) -> None:
    file, report = tmp_path / "case.py", tmp_path / "report.json"
    file.write_text(WRITER.format(made=made).replace("Writer", name))
    main([str(file), "--isolated", "--select", "V5523", "--output-format", "json", "--output-file", str(report)])
    assert [each["level"] for each in json.loads(report.read_text())] == [level]

"""Every member that a base class of transformers has lost is found on a receiver of the class; none that it has is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from v5lint.cli import main
from v5lint.gate import Gate
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.data import groups

if TYPE_CHECKING:
    from pathlib import Path

#: The rules that speak of members.
CODES = "V5001,V5404,V5405,V5406,V5409,V5501,V5502,V5505,V5506,V5507"

#: How a receiver of each base class is come by; `{}` is the name that the class is imported under.
BASES = {
    "PreTrainedTokenizerBase": "def use(x: PreTrainedTokenizerBase):",
    "BatchEncoding": "def use(x: BatchEncoding):",
    "DynamicCache": "def use(x: DynamicCache):",
    "StaticCache": "def use(x: StaticCache):",
    "EncoderDecoderCache": "def use(x: EncoderDecoderCache):",
    "PreTrainedModel": "def use(x: PreTrainedModel):",
    "GenerationMixin": "def use(x: GenerationMixin):",
}

#: Members of the bases that are taken for those of a class of its own.
CLASSES = {
    "BertModel": "def use(x: BertModel):",
    "LlamaForCausalLM": "x = LlamaForCausalLM.from_pretrained('a')\ndef use():",
    "BertTokenizer": "x = BertTokenizer.from_pretrained('a')\ndef use():",
    "GPT2Tokenizer": "x = GPT2Tokenizer.from_pretrained('a')\ndef use():",
    "CLIPVisionModel": "x = CLIPVisionModel.from_pretrained('a')\ndef use():",
    "ViTModel": "x = ViTModel.from_pretrained('a')\ndef use():",
}


def _ever(name: str) -> list[str]:
    """Every public member that a class, or a base of it, ever had."""
    found: set[str] = set()
    for holder in (name, *lookup.ancestors(name), *lookup.ancestors(name, "4.57")):
        for section in ("members", "lost_members"):
            fields = lookup.store().record(section, holder)
            found.update(groups(fields) if fields else ())
    found |= (lookup.members(name) or frozenset()) | (lookup.members(name, "4.57") or frozenset())
    return sorted(each for each in found if not each.startswith("_"))


def _is_lost(name: str, member: str) -> bool:
    removal = lookup.removed_member(name, member)
    if removal is not None and name == "PreTrainedModel":  # it inherited from the mixin until 4.50
        removal = lookup.removed_member("GenerationMixin", member) or removal
    if removal is None or member in (lookup.members("PreTrainedModel") or ()):
        return False
    if "Tokenizer" in name or name.endswith(("Cache", "Encoding")):
        return True
    if member in (lookup.members("GenerationMixin") or ()):
        return False
    return name in CLASSES or removal.replacement is not None or removal.note != ""


def _lines_found(head: str, names: list[str], folder: Path) -> set[str]:
    """The members with a finding, when each is read in a line of its own."""
    classes = ", ".join((*BASES, *CLASSES))
    lines = [f"from transformers import {classes}", *head.split("\n"), *(f"    print(x.{each})" for each in names)]
    file = folder / "case.py"
    file.write_text("\n".join(lines) + "\n")
    report = folder / "report.json"
    options = ["--isolated", "--select", CODES, "--output-format", "json", "--output-file", str(report), "-j", "1"]
    main([str(file), *options])
    rows = {each["location"]["row"] for each in json.loads(report.read_text())}
    first = len(lines) - len(names) + 1
    return {name for number, name in enumerate(names, start=first) if number in rows}


@pytest.mark.parametrize("name", [*BASES, *CLASSES])
def test_what_is_lost_is_found_and_nothing_else(name: str, tmp_path: Path) -> None:
    names = _ever(name)
    lost = {each for each in names if _is_lost(name, each)}
    assert names, name
    found = _lines_found({**BASES, **CLASSES}[name], names, tmp_path)
    assert found == lost


def test_tokenizers_models_and_caches_lost_something() -> None:
    for name in ("PreTrainedTokenizerBase", "BatchEncoding", "DynamicCache", "PreTrainedModel"):
        assert any(_is_lost(name, each) for each in _ever(name)), name


def test_generation_parameters_are_found_on_the_configuration_of_a_model(tmp_path: Path) -> None:
    from v5lint.rules import generation_parameters

    now = lookup.members("GenerationConfig") or frozenset()
    names = sorted(each for each in now if generation_parameters.is_parameter(each))
    assert {"max_length", "num_beams", "do_sample"} <= set(names)
    kept = ["use_cache", "hidden_size", "pad_token_id"]
    head = "x = LlamaForCausalLM.from_pretrained('a').config\ndef use():"
    wrapped = [f"{each}" for each in (*names, *kept)]
    source = head.replace(".config\n", "\n")
    found = _lines_found(source, [f"config.{each}" for each in wrapped], tmp_path)
    assert found == {f"config.{each}" for each in names}


@pytest.mark.parametrize("name", ["PreTrainedModel", "GenerationMixin", "ViTModel", "CLIPVisionModel"])
def test_a_token_gates_every_member_of_a_model(name: str) -> None:
    from v5lint.rules.model_members import RemovedModelMember
    from v5lint.rules.submodules import MovedSubmodule

    gate = Gate([RemovedModelMember(), MovedSubmodule()])
    for member in _ever(name):
        if _is_lost(name, member):
            assert gate.passes(f"model.{member}".encode()), member

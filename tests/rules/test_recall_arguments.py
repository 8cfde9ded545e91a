"""Every argument that transformers dropped is found, as a keyword and in a dict; none that it still takes is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from v5lint.rules import (
    hub_arguments,
    loader_arguments,
    saving_arguments,
    trainer_arguments,
    trainer_members,
)
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.callables import Parameters, _signatures
from v5lint.rules.parts import training_classes

from .linted import found

if TYPE_CHECKING:
    from collections.abc import Iterator

CODES = "V5201,V5202,V5203,V5206,V5207,V5301,V5302,V5303,V5304,V5305,V5306"

#: What other rules speak of: quantization flags; TensorFlow and Flax; pieces of the loader's own code.
ELSEWHERE = {
    "load_in_8bit", "load_in_4bit", "load_in_8bit_skip_modules", "load_in_8bit_threshold", "int8_threshold",
    "from_tf", "from_flax", "framework", "_commit_hash",
}  # fmt: skip

#: A callable as the knowledge knows it, and how it is called.
CALLS = {
    "TrainingArguments": "transformers.TrainingArguments({})",
    "Seq2SeqTrainingArguments": "transformers.Seq2SeqTrainingArguments({})",
    "Trainer": "transformers.Trainer({})",
    "Seq2SeqTrainer": "transformers.Seq2SeqTrainer({})",
    "Trainer.train": "transformers.Trainer().train({})",
    "BertModel.from_pretrained": "transformers.BertModel.from_pretrained('m', {})",
    "AutoModelForCausalLM.from_pretrained": "transformers.AutoModelForCausalLM.from_pretrained('m', {})",
    "AutoTokenizer.from_pretrained": "transformers.AutoTokenizer.from_pretrained('m', {})",
    "BertConfig.from_pretrained": "transformers.BertConfig.from_pretrained('m', {})",
    "AutoProcessor.from_pretrained": "transformers.AutoProcessor.from_pretrained('m', {})",
    "ViTImageProcessor.from_pretrained": "transformers.ViTImageProcessor.from_pretrained('m', {})",
    "GenerationConfig.from_pretrained": "transformers.GenerationConfig.from_pretrained('m', {})",
    "pipeline": "transformers.pipeline('fill-mask', {})",
    "PreTrainedModel.save_pretrained": "transformers.AutoModel.from_pretrained('m').save_pretrained('out', {})",
    "PreTrainedModel.push_to_hub": "transformers.AutoModel.from_pretrained('m').push_to_hub('me/m', {})",
    "PreTrainedTokenizerBase.push_to_hub": "transformers.BertTokenizer.from_pretrained('m').push_to_hub('me/m', {})",
    "hf_hub_download": "huggingface_hub.hf_hub_download('me/m', 'f', {})",
    "snapshot_download": "huggingface_hub.snapshot_download('me/m', {})",
    "login": "huggingface_hub.login({})",
    "HfApi.list_models": "huggingface_hub.HfApi().list_models({})",
    "HfApi.upload_folder": "huggingface_hub.HfApi().upload_folder({})",
}

HUB = lookup.newest("huggingface_hub")  # what is installed beside transformers where nothing asks for another


def _release(function: str) -> str | None:
    return HUB if function in ("hf_hub_download", "snapshot_download", "login") or function[:5] == "HfApi" else None


def _ever_taken(function: str) -> set[str]:
    """Every argument that some release of a callable took, as far as its signatures and the advice tell."""
    names: set[str] = set()
    labels = [label for label, _ in _signatures(function, None)]
    for _, changes in _signatures(function, None):
        for change in changes.split("|"):
            parameters = Parameters(change.partition("=")[2])
            names.update((*parameters.positional, *parameters.keyword_only, *parameters.hidden))
    for record in lookup.store().records("replaced_arguments"):
        label, _, name = record[0].partition(":")
        if label in labels:
            names.add(name)
    return names


def _arguments() -> Iterator[tuple[str, str, bool]]:
    for function in CALLS:
        for name in sorted(_ever_taken(function) - ELSEWHERE):
            gone = lookup.removed_parameter(function, name, _release(function)) is not None
            advice = lookup.argument_advice(function, name)
            if gone or advice is None:
                yield function, name, gone


ARGUMENTS = list(_arguments())


@pytest.mark.parametrize("form", ["keyword", "dict", "variable"])
def test_what_is_gone_is_found_and_what_is_there_is_not(form: str) -> None:
    lines = ["import huggingface_hub, transformers"]
    wanted = set()
    for function, name, gone in ARGUMENTS:
        given = f"{name}=x" if form == "keyword" else f"**{{'{name}': x}}"
        if form == "variable":
            lines.append(f"options = {{'{name}': x}}")
            wanted |= {(len(lines), name)} if gone else set()
            given = "**options"
        lines.append(CALLS[function].format(given))
        if gone and form != "variable":
            wanted.add((len(lines), name))
    said = {(row, name) for row, _, message in found("\n".join(lines) + "\n", CODES) for name in _named(message)}

    assert wanted
    assert {each for each in wanted if each not in said} == set()
    assert {row for row, _ in said} == {row for row, _ in wanted}


def _named(message: str) -> list[str]:
    return message.split("`")[1::2]


def test_the_forms_are_not_empty() -> None:
    assert sum(gone for _, _, gone in ARGUMENTS) > 100
    assert sum(not gone for _, _, gone in ARGUMENTS) > 300


@pytest.mark.parametrize("function", ["TrainingArguments", "Seq2SeqTrainingArguments"])
def test_the_list_of_fields_is_that_of_the_knowledge(function: str) -> None:
    gone = {name for name in _ever_taken(function) if lookup.removed_parameter(function, name) is not None}
    assert gone <= set(training_classes.FIELDS)


def test_no_field_is_listed_that_never_was() -> None:
    before = {*_ever_taken("TrainingArguments"), *(lookup.members("TrainingArguments", "4.57") or ())}
    assert set(training_classes.FIELDS) - before <= {"_n_gpu"}


def test_the_lists_of_arguments_are_those_of_the_knowledge() -> None:
    listed = {
        *loader_arguments.RAISING, *loader_arguments.IGNORED, *saving_arguments.NAMES, *hub_arguments.NAMES,
        *trainer_arguments.NAMES, *training_classes.FIELDS, "use_auth_token",
    }  # fmt: skip
    assert {name for _, name, gone in ARGUMENTS if gone} <= listed


def test_every_member_that_the_trainer_lost_is_listed_and_no_other() -> None:
    now = lookup.members("Trainer") or frozenset()
    before = (lookup.members("Trainer", "4.57") or frozenset()) | (lookup.members("Trainer", "4.40") or frozenset())
    assert before - now <= set(trainer_members.MEMBERS)
    assert all(lookup.removed_member("Trainer", each) is not None for each in trainer_members.MEMBERS)


def test_reads_of_every_field_that_is_gone_are_found() -> None:
    lines = ["from transformers import TrainingArguments", "args = TrainingArguments('out')"]
    lines += [f"print(args.{name})" for name in training_classes.FIELDS if name != "_n_gpu"]
    kept = sorted(name for name in _ever_taken("TrainingArguments") if name not in training_classes.FIELDS)
    lines += [f"print(args.{name})" for name in kept]
    rows = {row for row, _, _ in found("\n".join(lines) + "\n", "V5302")}
    assert rows == set(range(3, 3 + len(training_classes.FIELDS) - 1))

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from v5lint.runtime.config import FinetuneConfig, option_parser, read_config
from v5lint.runtime.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = {"checkpoint": "c", "data": "d", "output": "o"}


def test_the_command_line_holds_only_what_was_given() -> None:
    words = ["--learning-rate", "1e-3", "--no_flip", "--lora_roles", "query", "mlp", "--quantization", "4bit", "--bf16"]
    assert vars(option_parser().parse_args(words)) == {
        "learning_rate": 1e-3,
        "flip": False,
        "lora_roles": ["query", "mlp"],
        "quantization": "4bit",
        "bf16": True,
    }
    assert vars(option_parser().parse_args([])) == {}


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_file_and_what_replaces_it(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"run.{form}"
    values = {**NEEDED, "learning_rate": "5e-3", "flip": False, "report_to": ["tensorboard"], "eval_split": None}
    if form == "json":
        path.write_text(json.dumps(values), encoding="utf-8")
    else:
        path.write_text("\n".join(f"{k}: {json.dumps(v)}" for k, v in values.items()), encoding="utf-8")
    config = read_config(path, epochs=7.0)
    assert config.rate == 5e-3
    assert (config.flip, config.report_to, config.epochs, config.eval_split) == (False, ["tensorboard"], 7.0, None)


def test_yaml_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    """YAML 1.1 reads 5e-3 as text; TrainingArguments would keep it so."""
    path = tmp_path / "run.yaml"
    path.write_text("checkpoint: c\ndata: d\noutput: o\nlearning_rate: 5e-3\n", encoding="utf-8")
    assert read_config(path).learning_rate == 5e-3


def test_words_that_yaml_takes_for_truth_values_are_what_was_meant(tmp_path: Path) -> None:
    """YAML 1.1 reads `off` as False, and `validate: off` is a choice."""
    path = tmp_path / "run.yaml"
    path.write_text(
        "checkpoint: c\ndata: d\noutput: o\nvalidate: off\nprogress: off\nmerge: on\nbf16: no\n"
        "eval_split: null\neval_data:\ngroup_column: ~\nlora_roles: [query, value]\n",
        encoding="utf-8",
    )
    config = read_config(path)
    assert (config.validate, config.progress, config.merge, config.bf16) == ("off", False, True, False)
    assert (config.eval_split, config.eval_data, config.group_column) == (None, None, None)
    assert config.lora_roles == ["query", "value"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: 1", "lr: no such option"),
        ("learning_rate: much", "learning_rate: 'much' is not a value"),
        ("- a", "holds no options by name"),
        ("", "holds no options by name"),
        ("epochs: 1\ndata: d\nepochs: 2", "is no YAML: epochs is given twice"),
        ("a: b: c", "is no YAML"),
        ("checkpoint: {name: c}", "checkpoint: {'name': 'c'} is not a value"),
        ("lora_roles: [[query]]", r"lora_roles: \[\['query'\]\] is not a value"),
    ],
)
def test_a_file_that_cannot_be(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_json_as_some_editors_leave_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(NEEDED), encoding="utf-8-sig")
    assert read_config(path).checkpoint == "c"
    path.write_text('{"checkpoint": "c", "checkpoint": "d"}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"run\.json is no JSON: checkpoint is given twice"):
        read_config(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.yaml cannot be read"):
        read_config(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_budget": 0}, "patch_budget must be at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"lora_dropout": 1.0}, "lora_dropout must be at least 0 and below 1"),
        ({"eval_fraction": 1.0}, "eval_fraction must lie between 0 and 1"),
        ({"crop_area": 0.0}, "crop_area must be above 0"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
        ({"warmup": -0.1}, "warmup must not be negative"),
        ({"epochs": 0.0}, "epochs must be positive"),
        ({"max_steps": 0}, "max_steps must be at least 1, or -1 for none, not 0"),
        ({"seed": -1}, "seed must lie between 0 and 4294967295, not -1"),
        ({"seed": 2**32}, "seed must lie between 0 and 4294967295, not 4294967296"),
        ({"streaming": True, "eval_split": "test"}, "streaming needs max_steps"),
        ({"streaming": True, "max_steps": 3}, "a stream cannot be split"),
        ({"quantization": "4bit", "method": "full"}, "use method lora"),
        ({"merge": True, "method": "full"}, "merge needs method lora"),
        ({"resume": True, "overwrite": True}, "contradict"),
        ({"lora_roles": ["query"], "method": "full"}, "lora_roles need method lora"),
        ({"eval_fraction": 0.1, "eval_split": "test"}, "eval_fraction is for data of which no evaluation is given"),
        ({"crop_area": 0.8, "augmentation": "none"}, "crop_area needs augmentation"),
        ({"checkpoint": ""}, "checkpoint is missing"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FinetuneConfig(**{**NEEDED, **options})  # type: ignore[arg-type]


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        FinetuneConfig(checkpoint="c", batch_size=0)
    assert str(caught.value) == "data is missing; output is missing; batch_size must be at least 1, not 0"


def test_the_rate_follows_the_method() -> None:
    rates = [FinetuneConfig(**NEEDED, method=method).rate for method in ("lora", "head", "full")]  # type: ignore[arg-type]
    assert rates == [5e-4, 1e-3, 5e-5]

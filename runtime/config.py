"""The options of the reference fine-tune, from the command line, a YAML or JSON file, or Python.

One dataclass says everything: `HfArgumentParser` makes the command line of it, and a file goes through the same
parser, so that `learning_rate: 5e-3`, which YAML 1.1 reads as text, is the number that was meant.
"""

# ruff: noqa: RUF009 (what makes the fields is dataclasses.field)

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from v5lint.runtime.errors import UsageError

Method = Literal["lora", "head", "full"]
SEEDS = 2**32
"""Of NumPy's generator, which scikit-learn splits by."""
LEARNING_RATES: dict[str, float] = {"lora": 5e-4, "head": 1e-3, "full": 5e-5}
"""Where none is given: an adapter starts at zero and takes more than weights that were trained before."""


def _option(default: Any, text: str) -> Any:
    """A field with its help; the default is said there, since the command line itself keeps only what was given."""
    shown = "" if default in (None, "", False, []) else f" (default: {'on' if default is True else default})"
    metadata = {"help": (text + shown).replace("%", "%%")}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


_YAML_BOOLEANS = {"on": "true", "off": "false"}
_YAML_NULLS = ("", "~", "null", "Null", "NULL")


@dataclass
class ModelOptions:
    """What is trained."""

    _argument_group_name = "model"

    checkpoint: str = _option("", "base model: a local folder, or a repository on the Hub")
    method: Method = _option("lora", "train an adapter and the head, the head alone, or everything")
    lora_r: int = _option(16, "rank of the adapter")
    lora_alpha: int = _option(16, "scale of the adapter: its output is multiplied by alpha / r")
    lora_dropout: float = _option(0.1, "dropout before the adapter")
    lora_roles: list[str] = _option([], "projections to adapt: query key value output mlp (default: query value)")
    quantization: Literal["4bit", "8bit"] | None = _option(None, "load the frozen weights with bitsandbytes")
    attn_implementation: str | None = _option(None, "sdpa, eager, flash_attention_2 (default: transformers chooses)")
    drop_path: float = _option(0.0, "stochastic depth, where the family has it")


@dataclass
class DataOptions:
    """What it is trained on."""

    _argument_group_name = "data"

    data: str = _option(
        "", "folder of class folders, table (.parquet, .csv, .tsv), folder of .parquet, saved data set, or Hub name"
    )
    data_config: str | None = _option(None, "configuration of a Hub data set")
    train_split: str = _option("train", "split to train on")
    eval_split: str | None = _option(
        None, "split to evaluate on (default: validation, val, ..., test, if there is one)"
    )
    eval_data: str | None = _option(None, "evaluation data of its own, of the same kinds as --data")
    eval_fraction: float = _option(0.2, "share that is split off, stratified by class, where no split is given")
    group_column: str | None = _option(None, "column whose groups (patient, video, ...) are never split")
    image_column: str | None = _option(None, "column of the images (default: the only one of type Image)")
    label_column: str | None = _option(None, "column of the labels (default: the only ClassLabel, or 'label')")
    max_train_samples: int | None = _option(None, "train on so many images, drawn by class (of a stream: the first)")
    max_eval_samples: int | None = _option(None, "evaluate on so many images, drawn by class (of a stream: the first)")
    streaming: bool = _option(False, "read the data set as it is trained on; needs --max_steps")
    verify_images: bool = _option(True, "decode every image once before the training starts")
    class_weights: bool = _option(False, "weight the loss by inverse class frequency")
    augmentation: Literal["none", "basic", "randaugment"] = _option(
        "basic", "of training images: none, random crop and flip, or these and timm's RandAugment"
    )
    crop_area: float = _option(0.5, "least share of the image that a random crop keeps")
    flip: bool = _option(True, "mirror half of the training images; not for text, digits or left and right hands")
    patch_budget: int | None = _option(None, "NaFlex: most patches of an image (default: the processor's own)")
    upscale: bool = _option(True, "NaFlex: enlarge small images to the budget, as the processor does")
    bucketing: bool = _option(True, "NaFlex: batch images of like length, so that no padding is computed")
    workers: int = _option(0, "processes that load images")


@dataclass
class TrainingOptions:
    """How it is trained, and what comes out."""

    _argument_group_name = "training"

    output: str = _option("", "folder for the adapter or model, report.json, figures and model card")
    epochs: float = _option(3.0, "passes over the training data")
    max_steps: int = _option(-1, "stop after so many steps in place of epochs")
    batch_size: int = _option(32, "images a step and process")
    eval_batch_size: int | None = _option(None, "images an evaluation step (default: as batch_size)")
    gradient_accumulation: int = _option(1, "batches whose gradients are summed into one step")
    learning_rate: float | None = _option(None, "(default: 5e-4 for lora, 1e-3 for head, 5e-5 for full)")
    weight_decay: float = _option(0.01, "of weight matrices")
    warmup: float = _option(0.1, "share of the steps, below 1, or number of steps")
    scheduler: str = _option("cosine", "learning-rate schedule after the warm-up, by transformers' name")
    optimizer: Literal["adamw", "nadamw"] = _option("adamw", "torch's AdamW, or NAdam with decoupled weight decay")
    max_grad_norm: float = _option(1.0, "gradients are scaled down to this norm")
    label_smoothing: float = _option(0.0, "share of the target that is spread over all classes")
    mixup: float = _option(0.0, "alpha of timm's mixup")
    cutmix: float = _option(0.0, "alpha of timm's CutMix")
    ema_decay: float = _option(0.0, "decay of a moving average of the weights, which is what is evaluated and kept")
    bf16: bool = _option(False, "compute in bfloat16; trained weights stay in float32")
    activation_checkpointing: bool = _option(False, "recompute activations in the backward pass to save memory")
    seed: int = _option(42, "of split, head, adapter, order and augmentation")
    eval_steps: int | None = _option(None, "evaluate and save every so many steps (default: every epoch)")
    log_steps: int = _option(10, "steps between two entries of the training loss")
    early_stopping: int = _option(0, "stop after so many evaluations without an improvement (0: never)")
    best_metric: Literal["accuracy", "balanced_accuracy", "macro_f1", "loss"] = _option(
        "accuracy", "which evaluation the kept weights are the best in"
    )
    keep_checkpoints: int = _option(2, "checkpoints to keep beside the best")
    resume: bool = _option(False, "go on from the last checkpoint in output")
    overwrite: bool = _option(False, "replace the results of an earlier run in output")
    merge: bool = _option(False, "also write the base model with the adapter merged into it")
    report_to: list[str] = _option([], "loggers of transformers: tensorboard, wandb, ... (default: none)")
    progress: bool = _option(True, "show a progress bar")
    validate: Literal["stop", "report", "off"] = _option(
        "stop", "validation checks: end the training where one fails, only report it, or leave them out"
    )


@dataclass
class FinetuneConfig(TrainingOptions, DataOptions, ModelOptions):
    """Everything that a fine-tune is told; each field is also an option of `v5lint-runtime finetune`.

    Raises:
        UsageError: A value cannot be, or two contradict each other.
    """

    def __post_init__(self) -> None:
        problems = [*_missing(self), *_out_of_range(self), *_contradictions(self)]
        if problems:
            raise UsageError("; ".join(problems))

    @property
    def rate(self) -> float:
        """The learning rate, by the method where none is given."""
        return LEARNING_RATES[self.method] if self.learning_rate is None else self.learning_rate

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as they stand in a configuration file."""
        return dataclasses.asdict(self)


def option_parser() -> argparse.ArgumentParser:
    """The command line of `FinetuneConfig`; its result holds only the options that were given."""
    from transformers import HfArgumentParser

    groups: Any = [ModelOptions, DataOptions, TrainingOptions]
    parser: argparse.ArgumentParser = HfArgumentParser(groups, add_help=False, allow_abbrev=False)
    for action in parser._actions:  # set_defaults() would convert the marker itself to the type of the option
        action.default = argparse.SUPPRESS
    return parser


def read_config(path: str | Path | None = None, **given: Any) -> FinetuneConfig:
    """A configuration from a YAML or JSON file, changed by what is given beside it.

    Args:
        path: The file, with the fields of `FinetuneConfig` as keys; `None` for no file.
        **given: Fields that replace those of the file.

    Raises:
        UsageError: The file cannot be read, or has a key or a value that cannot be; the message names it.
    """
    values = {} if path is None else _from_file(Path(path))
    return FinetuneConfig(**{**values, **given})


def _from_file(path: Path) -> dict[str, Any]:
    content = _parsed(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no options by name, such as `checkpoint: facebook/dinov2-small`")
    fields = {entry.name: entry for entry in dataclasses.fields(FinetuneConfig)}
    unknown = [str(key) for key in content if key not in fields]
    if unknown:
        raise UsageError(f"{path}: {', '.join(unknown)}: no such option. See `v5lint-runtime finetune --help`.")
    parser = option_parser()
    parser.exit_on_error = False
    values: dict[str, Any] = {}
    for key, value in content.items():
        if value is None or value == []:
            continue
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
            raise UsageError(f"{path}: {key}: {value!r} is not a value that it can have (options stand side by side)")
        words = [str(entry) for entry in value] if isinstance(value, list) else [str(value)]
        if fields[key].type in (bool, "bool"):  # HfArgumentParser resolves the annotations in place
            words = [_YAML_BOOLEANS.get(word.lower(), word) for word in words]
        try:
            values[key] = getattr(
                parser.parse_args([f"--{key}={words[0]}"] if len(words) == 1 else [f"--{key}", *words]), key
            )
        except (argparse.ArgumentError, SystemExit) as error:
            raise UsageError(f"{path}: {key}: {value!r} is not a value that it can have ({error})") from error
    return values


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if path.suffix == ".json":
        try:
            return json.loads(text, object_pairs_hook=_each_once)
        except ValueError as error:
            raise UsageError(f"{path} is no JSON: {error}") from error
    import yaml

    class Text(yaml.BaseLoader):
        """Every scalar as it stands: YAML 1.1 makes False of `off`, which is a choice here, and text of `5e-3`."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
            pairs = [(self.construct_object(k, deep=True), self.construct_object(v, deep=True)) for k, v in node.value]
            return {key: None if value in _YAML_NULLS else value for key, value in _each_once(pairs).items()}

    Text.add_constructor("tag:yaml.org,2002:map", Text.construct_mapping)
    try:
        return yaml.load(text, Loader=Text)
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path} is no YAML: {error}") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of these pairs; of a key that is given twice, both formats would take the last without a word."""
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} is given twice")
    return dict(pairs)


def _missing(config: FinetuneConfig) -> list[str]:
    return [f"{name} is missing" for name in ("checkpoint", "data", "output") if not getattr(config, name)]


def _out_of_range(config: FinetuneConfig) -> list[str]:
    """Numbers outside of what they can be, with the bound that they break."""
    at_least_one = (
        "lora_r",
        "lora_alpha",
        "batch_size",
        "eval_batch_size",
        "gradient_accumulation",
        "eval_steps",
        "log_steps",
        "keep_checkpoints",
        "patch_budget",
        "max_train_samples",
        "max_eval_samples",
    )
    not_negative = ("weight_decay", "warmup", "mixup", "cutmix", "early_stopping", "workers", "max_grad_norm")
    below_one = ("lora_dropout", "drop_path", "label_smoothing", "ema_decay")
    problems = [
        f"{entry.name} must be a number, not {value}"
        for entry in dataclasses.fields(config)
        if isinstance(value := getattr(config, entry.name), float) and not math.isfinite(value)
    ]
    if problems:
        return problems
    problems = [
        f"{n} must be at least 1, not {v}" for n in at_least_one if (v := getattr(config, n)) is not None and v < 1
    ]
    problems += [f"{n} must not be negative, as {v} is" for n in not_negative if (v := getattr(config, n)) < 0]
    problems += [
        f"{n} must be at least 0 and below 1, not {v}" for n in below_one if not 0 <= (v := getattr(config, n)) < 1
    ]
    problems += [
        f"{n} must lie between 0 and 1, not {v}" for n in ("eval_fraction",) if not 0 < (v := getattr(config, n)) < 1
    ]
    problems += [f"crop_area must be above 0 and at most 1, not {config.crop_area}"] * (not 0 < config.crop_area <= 1)
    problems += [f"seed must lie between 0 and {SEEDS - 1}, not {config.seed}"] * (not 0 <= config.seed < SEEDS)
    problems += [f"max_steps must be at least 1, or -1 for none, not {config.max_steps}"] * (
        config.max_steps < 1 and config.max_steps != -1
    )
    problems += ["epochs must be positive"] * (config.max_steps < 0 and not config.epochs > 0)
    problems += [f"learning_rate must be positive, not {config.learning_rate}"] * (not config.rate > 0)
    return problems


def _contradictions(config: FinetuneConfig) -> list[str]:
    pairs = {
        "streaming needs max_steps: the length of a stream is not known": config.streaming and config.max_steps < 1,
        "streaming needs a split to evaluate on (eval_split or eval_data): a stream cannot be split": config.streaming
        and not (config.eval_split or config.eval_data),
        "streaming cannot weight classes: their frequencies are not known": config.streaming and config.class_weights,
        "quantization trains an adapter only: use method lora": bool(config.quantization) and config.method != "lora",
        "merge needs method lora": config.merge and config.method != "lora",
        "merge needs a base model that is not quantised": config.merge and config.quantization is not None,
        "lora_roles need method lora": bool(config.lora_roles) and config.method != "lora",
        "eval_data and eval_split of the same data contradict each other": bool(config.eval_data and config.eval_split),
        "eval_fraction is for data of which no evaluation is given, and there is eval_data or eval_split": bool(
            config.eval_data or config.eval_split
        )
        and _is_set(config, "eval_fraction"),
        "crop_area needs augmentation": config.augmentation == "none" and _is_set(config, "crop_area"),
        "resume and overwrite contradict each other": config.resume and config.overwrite,
    }
    return [message for message, holds in pairs.items() if holds]


def _is_set(config: FinetuneConfig, name: str) -> bool:
    """Whether an option has another value than its default."""
    entry = next(entry for entry in dataclasses.fields(config) if entry.name == name)
    default = entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()
    return bool(getattr(config, name) != default)

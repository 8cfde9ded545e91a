"""A small LoRA fine-tune on scikit-learn's digits, every part of which a fault can replace."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import transformers
from peft import get_peft_model
from PIL import Image
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

from v5lint.runtime.checks import Report, ValidationCallback, validate
from v5lint.runtime.checks.pictures import statistics_of
from v5lint.runtime.errors import ValidationError
from v5lint.runtime.families import get_family
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import lora_config_for
from v5lint.runtime.processors import load_processor
from v5lint.runtime.tiny import make_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIGITS = [str(digit) for digit in range(10)]
Mode = Literal["validate", "trainer", "train"]
"""`validate` alone; with a trainer that has not run; with the callback in a training of a few steps."""


class Pictures(Dataset[dict[str, Any]]):
    """What a script writes: pictures, labels and a function that prepares one picture."""

    def __init__(self, pictures: Sequence[Image.Image], targets: Sequence[int], prepare: Callable[..., Any]) -> None:
        self.pictures = list(pictures)
        self.targets = [int(target) for target in targets]
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**self.prepare(self.pictures[index]), "labels": self.targets[index]}


class Scene:
    """A correct run, before anything is wrong with it; a fault replaces its attributes.

    Attributes:
        load: Gives the bare model.
        adapt: Attaches the adapter.
        finish: Does what a script does to the model afterwards.
        prepare: Makes the tensors of a training picture.
        prepare_evaluation: Likewise of an evaluation picture; by default the same.
        train: Pictures and labels.
        evaluation: Pictures and labels.
        options: Of `TrainingArguments`.
        trainer_options: Of `Trainer`.
        trainer_class: `Trainer`, or one of the script's own.
        known: Of `validate`.
        look: Is shown the model and the evaluation data before any check runs.
    """

    def __init__(self, family: str, seed: int) -> None:
        self.family = family
        self.seed = seed
        self.folder = Path(tempfile.mkdtemp(prefix="fault-"))
        self.checkpoint = self.folder / "checkpoint"
        shutil.copytree(tiny(family, seed), self.checkpoint)
        self.load: Callable[[], Any] = lambda: load_model(self.checkpoint, labels=DIGITS)
        self.config: Callable[[Any], Any] = lambda model: lora_config_for(model, r=8)
        self.adapt: Callable[[Any], Any] = lambda model: get_peft_model(model, self.config(model))
        self.finish: Callable[[Any], Any] = lambda model: model
        self.processor: Any = load_processor(self.checkpoint)
        self.prepare: Callable[[Image.Image], Mapping[str, Any]] = self.prepared
        self.prepare_evaluation: Callable[[Image.Image], Mapping[str, Any]] | None = None
        self.train, self.evaluation = split_digits(seed)
        self.wrap: Callable[[Any], Any] = lambda dataset: dataset
        self.options: dict[str, Any] = {}
        self.trainer_options: Callable[[Any], dict[str, Any]] = lambda model: {}
        self.trainer_class: type[Trainer] = Trainer
        self.known: dict[str, Any] = {}
        self.environment: dict[str, str] = {}
        self.mode: Mode = "validate"
        self.look: Callable[[Any, Any], None] | None = None

    def prepared(self, image: Image.Image) -> dict[str, Any]:
        """One picture by the checkpoint's processor."""
        return {name: tensor[0] for name, tensor in self.processor(image, return_tensors="pt").items()}

    def with_pixels(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Image.Image], dict[str, Any]]:
        """The processor's tensors with their pixels changed; [..., 3] of the channels last, in [0, 1]."""
        mean, std = (torch.tensor(values) for values in statistics_of(self.processor))

        def prepare(image: Image.Image) -> dict[str, Any]:
            made = self.prepared(image)
            pixels = made["pixel_values"]
            last = pixels.permute(1, 2, 0) if pixels.dim() == 3 else pixels.reshape(len(pixels), -1, 3)
            changed = change(last * std + mean)
            back = changed.permute(2, 0, 1) if pixels.dim() == 3 else changed.reshape(pixels.shape)
            return {**made, "pixel_values": back.contiguous()}

        return prepare

    def run(self, checks: Sequence[str] | None = None) -> Report:
        """Build everything, and run the checks."""
        torch.manual_seed(self.seed)
        with warnings_off(), environment(self.environment):
            model = self.finish(self.adapt(self.load()))
            train = self.wrap(Pictures(*self.train, self.prepare))
            evaluation = self.wrap(Pictures(*self.evaluation, self.prepare_evaluation or self.prepare))
            if self.look is not None:
                self.look(model, evaluation)
            if self.mode == "validate":
                given = {"train_dataset": train, "eval_dataset": evaluation, "processor": self.processor}
                return validate(model, **{**given, "checks": checks, "training": True, **self.known})
            callback = ValidationCallback(checks=checks)
            trainer = self._trainer(model, train, evaluation, callback)
            if self.mode == "trainer":
                return validate(model, trainer=trainer, checks=checks, **self.known)
            with suppress(ValidationError):
                trainer.train()
            return callback.report

    def _trainer(self, model: Any, train: Any, evaluation: Any, callback: Any) -> Trainer:
        options = {
            "output_dir": str(self.folder / "output"), "max_steps": 3, "per_device_train_batch_size": 8,
            "learning_rate": 5e-3, "report_to": "none", "use_cpu": True, "disable_tqdm": True, "save_strategy": "no",
            "logging_steps": 1, "seed": self.seed,
        }  # fmt: skip
        extra = self.trainer_options(model)
        callbacks = [callback, *extra.pop("callbacks", ())]
        trainer = self.trainer_class(
            model,
            TrainingArguments(**{**options, **self.options}),
            train_dataset=train,
            eval_dataset=evaluation,
            processing_class=self.processor,
            callbacks=callbacks,
            **extra,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        return trainer

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder)


@cache
def tiny(family: str, seed: int) -> Path:
    """A tiny checkpoint, made once for each family and seed of weights."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-"))
    # timm's checkpoints have a head; one of other classes starts afresh, as ImageNet's does in a fine-tune.
    labels = [f"class {index}" for index in range(12)] if get_family(family).is_timm else None
    return make_tiny_checkpoint(family, folder, seed=seed, labels=labels)


@cache
def digits() -> tuple[list[Image.Image], list[int]]:
    """Scikit-learn's digits in colour, each with a tint of its own, so that no channel is another."""
    from sklearn.datasets import load_digits

    data = load_digits()
    generator = np.random.default_rng(0)
    pictures = []
    for image in data.images[:600]:
        tint = generator.uniform(0.5, 1.0, 3)
        values = (image[..., None] * 15 * tint).astype(np.uint8)
        pictures.append(Image.fromarray(values).resize((64, 48), Image.Resampling.BICUBIC))
    return pictures, [int(target) for target in data.target[:600]]


def split_digits(seed: int) -> tuple[Any, Any]:
    """Another 96 training and 48 evaluation pictures for each seed, every class in both."""
    pictures, targets = digits()
    order = np.random.default_rng(seed).permutation(len(pictures))
    train, evaluation = [int(i) for i in order[:96]], [int(i) for i in order[96:144]]
    missing = set(targets) - {targets[i] for i in train}
    train += [int(i) for i in order[144:] if targets[int(i)] in missing]
    return (
        ([pictures[i] for i in train], [targets[i] for i in train]),
        ([pictures[i] for i in evaluation], [targets[i] for i in evaluation]),
    )


def with_lying_photographs(side: Any) -> Any:
    """Pictures and labels, every third picture as a phone that is held upright stores it: lying, and EXIF says so."""

    def as_a_camera_does(image: Image.Image) -> Image.Image:
        buffer, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=95, exif=exif)
        return Image.open(io.BytesIO(buffer.getvalue()))

    return [image if index % 3 else as_a_camera_does(image) for index, image in enumerate(side[0])], side[1]


def with_16_bits(side: Any) -> Any:
    """Pictures and labels, the pictures as a scanner writes them: grey, 16 bits a pixel, and nothing quite black."""
    deep = [np.asarray(image.convert("L"), dtype=np.uint16) * 200 + 600 for image in side[0]]
    return [Image.fromarray(values) for values in deep], side[1]


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment, put back afterwards."""
    kept = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def warnings_off() -> Iterator[None]:
    """Faults make libraries talk."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

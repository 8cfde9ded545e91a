"""The callback in a plain training, as the codemod wires it in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from packaging.version import Version
from PIL import Image
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from v5lint.runtime import ValidationCallback, ValidationError
from v5lint.runtime.errors import UsageError
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.processors import load_processor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("accelerate")
LABELS = ["dark", "light"]


class Pictures(Dataset[dict[str, Any]]):
    def __init__(self, processor: Any, start: int, scale: float = 1.0) -> None:
        generator = torch.Generator().manual_seed(start)
        noise = torch.randint(0, 100, (24, 40, 32, 3), generator=generator, dtype=torch.uint8)
        self.labels = [index % 2 for index in range(24)]
        self.images = [
            Image.fromarray((picture + 150 * label).numpy()) for picture, label in zip(noise, self.labels, strict=True)
        ]
        self.processor = processor
        self.scale = scale

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pixels = self.processor(self.images[index], return_tensors="pt")["pixel_values"][0]
        return {"pixel_values": pixels * self.scale, "labels": self.labels[index]}


def trainer(checkpoint: Path, output: Path, *callbacks: TrainerCallback, scale: float = 1.0, **options: Any) -> Trainer:
    torch.manual_seed(0)
    processor = load_processor(checkpoint)
    arguments = {"max_steps": 4, "learning_rate": 1e-3, "use_cpu": True, "disable_tqdm": True, "report_to": "none",
                 "per_device_train_batch_size": 4, "save_strategy": "no", **options}  # fmt: skip
    return Trainer(
        attach_lora(load_model(checkpoint, labels=LABELS)),
        TrainingArguments(str(output), **arguments),
        train_dataset=Pictures(processor, 0, scale),
        eval_dataset=Pictures(processor, 1, scale),
        processing_class=processor,
        callbacks=list(callbacks),
    )


def test_a_plain_training_is_looked_at_with_no_argument(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    callback = ValidationCallback()
    trainer(checkpoints("vit"), tmp_path, callback).train()
    seen = {result.name for result in callback.report.results if result.status == "passed"}
    expected = {"parameters", "setup", "weights", "resolution", "preprocessing", "split", "movement", "reload"}
    assert seen == expected
    assert not callback.report.failed


def test_the_training_is_the_same_to_the_last_bit(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    watched = trainer(checkpoints("vit"), tmp_path, ValidationCallback())
    watched.train()
    plain = trainer(checkpoints("vit"), tmp_path)
    plain.train()
    ours, theirs = dict(watched.model.named_parameters()), dict(plain.model.named_parameters())
    assert all(torch.equal(parameter, theirs[name]) for name, parameter in ours.items())


def test_a_fault_ends_the_training_before_its_first_step(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    made = trainer(checkpoints("vit"), tmp_path, ValidationCallback(output_dir=tmp_path / "report"), scale=0.5)
    with pytest.raises(ValidationError, match=r"preprocessing: The training data is not normalised"):
        made.train()
    assert made.state.global_step == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert any(check["name"] == "preprocessing" and check["status"] == "failed" for check in report["checks"])
    assert (tmp_path / "report" / "validation.html").read_text().startswith("<!doctype html>")
    assert list((tmp_path / "report" / "pictures").glob("*.png"))


def test_a_warning_lets_it_go_on_and_is_said_once(
    checkpoints: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = ValidationCallback("warn", checks=["preprocessing", "movement"])
    made = trainer(checkpoints("vit"), tmp_path, callback, scale=0.5)
    made.train()
    assert made.state.global_step == 4
    assert len([record for record in caplog.records if "The training data is not normalised" in record.message]) == 1


def test_warm_up_is_waited_for(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """The first step of a warm-up has a learning rate of zero: lora_A moves in the third."""
    callback = ValidationCallback(checks=["movement"])
    trainer(checkpoints("vit"), tmp_path, callback, warmup_steps=2).train()
    assert [result.status for result in callback.report.results] == ["passed"]
    assert callback.report.results[0].measured["steps"] == 2


def test_a_gradient_that_is_no_number_later_on(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    class Poison(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            if state.global_step == 3:
                next(p for p in model.parameters() if p.requires_grad).data.fill_(float("nan"))

    made = trainer(checkpoints("vit"), tmp_path, ValidationCallback(checks=["movement"]), Poison(), logging_steps=1)
    with pytest.raises(ValidationError, match=r"norm is nan at step 4"):
        made.train()


def test_a_resumed_checkpoint_is_in_the_model(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    options = {"save_strategy": "steps", "save_steps": 2, "learning_rate": 1e-2}
    trainer(checkpoints("vit"), tmp_path, **options).train()
    callback = ValidationCallback(checks=["reload"])
    made = trainer(checkpoints("vit"), tmp_path, callback, **options)
    made.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    restored = [r.measured["restored"] for r in callback.report.results if "restored" in (r.measured or {})]
    assert restored
    assert not callback.report.failed


@pytest.mark.skipif(Version(transformers.__version__) < Version("5.16"), reason="restored whole before")
def test_a_resumed_model_without_peft_is_not_restored_whole(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """Trainer fills 8 of the 40 tensors of a ViT since transformers 5.9."""

    def bare(*callbacks: TrainerCallback) -> Trainer:
        made = trainer(checkpoints("vit"), tmp_path, *callbacks, save_strategy="steps", save_steps=2)
        model = load_model(checkpoints("vit"), labels=LABELS).train()
        return Trainer(
            model, made.args, train_dataset=made.train_dataset, processing_class=made.processing_class,
            callbacks=list(callbacks),
        )  # fmt: skip

    bare().train()
    with pytest.raises(ValidationError, match=r"tensors of checkpoint-2 are in the model"):
        bare(ValidationCallback(checks=["reload"])).train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


def test_a_rate_of_zero_in_every_step(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    made = trainer(checkpoints("vit"), tmp_path, ValidationCallback(checks=["movement"]), learning_rate=0.0)
    with pytest.raises(ValidationError, match=r"The learning rate was zero in each of 4 steps: nothing was trained"):
        made.train()


@pytest.mark.parametrize("length", [{"max_steps": 6}, {"max_steps": -1, "num_train_epochs": 1}])
def test_a_resumed_run_that_has_no_step_left(
    length: dict[str, int], checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"save_strategy": "steps", "save_steps": 6, **length}
    trainer(checkpoints("vit"), tmp_path, **options).train()
    callback = ValidationCallback()
    trainer(checkpoints("vit"), tmp_path, callback, **options).train(
        resume_from_checkpoint=str(tmp_path / "checkpoint-6")
    )
    assert callback.report.failed == []
    assert [result.status for result in callback.report.of("movement")] == ["skipped"]
    assert "resumed at step 6 had no step left" in callback.report.of("movement")[0].detail


def test_a_training_without_a_step(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    callback = ValidationCallback("warn", checks=["movement"])
    made = trainer(checkpoints("vit"), tmp_path, callback)
    callback.on_train_begin(made.args, made.state, made.control, model=made.model)
    callback.on_train_end(made.args, made.state, made.control, model=made.model)
    assert [result.detail for result in callback.report.failed] == ["No step was taken: nothing was trained."]


def test_a_wrong_option_is_said() -> None:
    with pytest.raises(UsageError, match="on_failure='stop': must be 'raise' or 'warn'"):
        ValidationCallback("stop")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"There is no check colours\. There are: parameters"):
        ValidationCallback(checks=["colours"])


@pytest.mark.parametrize("adapted", [True, False])
def test_a_text_classifier_is_not_taken_for_a_fault(adapted: bool, tmp_path: Path) -> None:
    """The codemod does not ask what a script trains: what cannot be looked at is skipped with the reason."""
    from peft import LoraConfig, get_peft_model

    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=100, num_labels=3
    )
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path / "base")
    model: Any = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "base", num_labels=3)
    if adapted:
        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", target_modules=["query", "value"], r=4))
    rows = [{"input_ids": torch.randint(0, 100, (12,)), "labels": index % 3} for index in range(48)]
    callback = ValidationCallback()
    Trainer(
        model,
        TrainingArguments(str(tmp_path), max_steps=3, use_cpu=True, disable_tqdm=True, report_to="none"),
        train_dataset=rows[:32],
        eval_dataset=rows[32:],
        callbacks=[callback],
    ).train()
    assert not callback.report.failed
    passed = {result.name for result in callback.report.results if result.status == "passed"}
    assert {"parameters", "setup", "movement", "split"} <= passed
    skipped = {result.name: result.detail for result in callback.report.results if result.status == "skipped"}
    assert skipped["preprocessing"] == "BertForSequenceClassification takes no images."

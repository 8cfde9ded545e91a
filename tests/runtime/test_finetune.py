"""What the reference fine-tune promises beside its families: options, refusals, and what it leaves behind."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pictures import class_folders

from v5lint.runtime import cli
from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.demo import demo_config
from v5lint.runtime.errors import (
    AdapterError,
    CheckpointError,
    DataError,
    MissingDependencyError,
    OutputError,
    ProcessorError,
    UsageError,
    ValidationError,
)
from v5lint.runtime.export import load_finetuned, read_labels, whole_folder
from v5lint.runtime.trainer import classification_loss, training_arguments, warmup_steps
from v5lint.runtime.training import finetune

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")
TIMM = importlib.util.find_spec("timm") is not None
SHORT: dict[str, Any] = {"max_steps": 4, "eval_steps": 2, "log_steps": 1, "validate": "off"}


def changed(config: FinetuneConfig, **options: Any) -> FinetuneConfig:
    return FinetuneConfig(**{**config.as_dict(), **options})


def train_losses(result: Any) -> list[float]:
    return [loss.loss for loss in result.report.losses if loss.split == "train"]


class TestTheRecipe:
    def test_accumulated_batches_are_one_large_batch(self, tmp_path: Path) -> None:
        options = {**SHORT, "bucketing": False}  # or other images would share a step
        for name in ("vit", "siglip2"):
            large = finetune(demo_config(name, tmp_path / name / "a", **options, batch_size=32))
            small = finetune(demo_config(name, tmp_path / name / "b", **options, batch_size=8, gradient_accumulation=4))
            np.testing.assert_allclose(train_losses(small), train_losses(large), rtol=1e-4)

    @pytest.mark.parametrize("name", ["vit", "dinov2", "siglip2"])
    def test_activation_checkpointing_trains_the_same(self, name: str, tmp_path: Path) -> None:
        plain = finetune(demo_config(name, tmp_path / "a", **SHORT))
        saving = finetune(demo_config(name, tmp_path / "b", **SHORT, activation_checkpointing=True))
        np.testing.assert_allclose(train_losses(saving), train_losses(plain), rtol=1e-5)
        for key, tensor in plain.model.state_dict().items():
            torch.testing.assert_close(saving.model.state_dict()[key], tensor, rtol=1e-4, atol=1e-5)

    def test_bfloat16_keeps_what_is_trained_in_float32(self, tmp_path: Path) -> None:
        result = finetune(demo_config("vit", tmp_path, **SHORT, bf16=True))
        assert {p.dtype for p in result.model.parameters() if p.requires_grad} == {torch.float32}
        assert np.isfinite(train_losses(result)).all()

    def test_two_runs_are_the_same_and_another_seed_is_not(self, tmp_path: Path) -> None:
        options = {**SHORT, "augmentation": "basic"}
        runs = [
            finetune(demo_config("vit", tmp_path / str(i), **options, seed=seed)) for i, seed in enumerate((1, 1, 2))
        ]
        assert train_losses(runs[0]) == train_losses(runs[1]) != train_losses(runs[2])

    def test_nadamw_class_weights_smoothing_and_early_stopping(self, tmp_path: Path) -> None:
        options = {"optimizer": "nadamw", "class_weights": True, "label_smoothing": 0.1, "early_stopping": 1}
        config = demo_config("vit", tmp_path, **options, epochs=30.0, learning_rate=1.0, validate="off")
        assert finetune(config).report.metrics["steps"] < 30 * 16

    @pytest.mark.parametrize("method", ["head", "full"])
    def test_the_other_methods(self, method: str, tmp_path: Path) -> None:
        result = finetune(demo_config("vit", tmp_path, **SHORT, method=method))
        trained = {name for name, p in result.model.named_parameters() if p.requires_grad}
        assert (trained == {"classifier.weight", "classifier.bias"}) == (method == "head")
        model, _ = load_finetuned(tmp_path)
        assert all(torch.equal(t, model.state_dict()[name]) for name, t in result.model.state_dict().items())
        assert result.folder == tmp_path / "model"

    @pytest.mark.parametrize("quantization", ["4bit", "8bit"])
    def test_a_quantised_base(self, quantization: str, tmp_path: Path) -> None:
        pytest.importorskip("bitsandbytes", reason="needs bitsandbytes")
        result = finetune(demo_config("siglip2", tmp_path, quantization=quantization, epochs=2.0, validate="off"))
        assert train_losses(result)[-1] < train_losses(result)[0]
        assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()

    def test_a_stream(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path, max_steps=6, batch_size=8, validate="off")
        with pytest.raises(UsageError, match="a stream cannot be split"):
            changed(config, streaming=True)
        result = finetune(changed(config, streaming=True, eval_data=config.data, max_eval_samples=32))
        assert result.report.metrics["steps"] == 6

    @pytest.mark.skipif(not TIMM, reason="needs timm")
    def test_the_recipe_of_timms_card(self, tmp_path: Path) -> None:
        recipe = {"augmentation": "randaugment", "mixup": 0.8, "cutmix": 1.0, "optimizer": "nadamw", "ema_decay": 0.9}
        config = demo_config("timm_vit", tmp_path, **recipe, drop_path=0.1, epochs=2.0, flip=False, validate="off")
        result = finetune(config)
        assert np.isfinite(train_losses(result)).all()
        assert (tmp_path / "training").is_dir()

    def test_warm_up_is_a_number_of_steps(self) -> None:
        config = FinetuneConfig(
            checkpoint="c", data="d", output="o", epochs=3.0, batch_size=10, gradient_accumulation=2
        )
        assert warmup_steps(config, 95, 1) == 2  # 10 batches, 5 steps an epoch, 15 in all
        assert warmup_steps(changed(config, warmup=7.0), 95, 1) == 7
        assert warmup_steps(changed(config, max_steps=100), None, 1) == 10
        assert training_arguments(config, 95).warmup_steps == 2
        with pytest.raises(UsageError, match="warmup 15 is a number of steps, and the training has 15"):
            warmup_steps(changed(config, warmup=15.0), 95, 1)

    def test_the_loss_is_the_mean_over_all_images_of_a_step(self) -> None:
        logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 1])
        weights = torch.tensor([1.0, 2.0, 3.0])
        loss = classification_loss(weights, 0.1)
        whole = loss({"logits": logits}, labels)
        parts = [loss({"logits": logits[s]}, labels[s], num_items_in_batch=6) for s in (slice(0, 2), slice(2, 6))]
        torch.testing.assert_close(sum(parts), whole)


class TestWhatIsRefused:
    """Before the training, and with nothing written."""

    def refused(self, config: FinetuneConfig, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            finetune(config)
        left = {path.name for path in Path(config.output).iterdir()} if Path(config.output).is_dir() else set()
        assert left <= {"checkpoint", "data"}

    def test_a_checkpoint_without_a_processor(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path)
        (tmp_path / "checkpoint" / "preprocessor_config.json").unlink()
        self.refused(config, ProcessorError, "no preprocessor_config.json")

    def test_a_processor_of_another_family(self, tmp_path: Path, checkpoints: Callable[..., Path]) -> None:
        config = demo_config("siglip2", tmp_path)
        shutil.copy(checkpoints("siglip") / "preprocessor_config.json", tmp_path / "checkpoint")
        self.refused(config, ProcessorError, "the processor is SiglipImageProcessor")

    def test_a_budget_for_images_of_one_size(self, tmp_path: Path) -> None:
        self.refused(demo_config("vit", tmp_path, patch_budget=64), UsageError, "patch_budget is for NaFlex models")

    def test_an_unreadable_image(self, tmp_path: Path) -> None:
        folder = class_folders(tmp_path / "images", {"a": 5, "b": 5})
        (folder / "a" / "3.png").write_bytes(b"")
        config = demo_config("vit", tmp_path / "out", data=str(folder))
        self.refused(config, DataError, r"a/3\.png cannot be decoded")

    def test_a_checkpoint_that_is_not_there(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path)
        self.refused(changed(config, checkpoint=str(tmp_path / "nowhere")), CheckpointError, "nowhere is no folder")

    def test_stochastic_depth_where_there_is_none(self, tmp_path: Path) -> None:
        self.refused(demo_config("vit", tmp_path, drop_path=0.1), UsageError, "ViT has no stochastic depth")

    def test_checkpointing_where_it_cannot_be(self, tmp_path: Path) -> None:
        config = demo_config("dinov3_convnext", tmp_path, activation_checkpointing=True)
        self.refused(config, UsageError, "cannot recompute its activations")

    def test_roles_that_do_not_exist(self, tmp_path: Path) -> None:
        from v5lint.runtime.errors import LoraTargetError

        self.refused(demo_config("vit", tmp_path, lora_roles=["querry"]), LoraTargetError, "querry")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"scheduler": "cosinus"}, "scheduler 'cosinus' cannot be used"),
            ({"scheduler": "cosine_with_min_lr"}, "scheduler 'cosine_with_min_lr' cannot be used: .*min_lr"),
            ({"report_to": ["notebook"]}, "report_to: notebook is not supported"),
        ],
    )
    def test_what_the_installed_release_does_not_know(
        self, options: dict[str, Any], message: str, tmp_path: Path
    ) -> None:
        self.refused(demo_config("vit", tmp_path, **options), UsageError, message)

    def test_a_logger_that_is_not_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from v5lint.runtime import trainer

        monkeypatch.setattr(trainer, "get_available_reporting_integrations", list)
        config = demo_config("vit", tmp_path, report_to=["wandb"])
        self.refused(config, MissingDependencyError, "report_to wandb: the library")

    def test_a_number_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="epochs must be a number, not nan; weight_decay must be a number"):
            demo_config("vit", tmp_path, epochs=float("nan"), weight_decay=float("inf"))

    @pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"])
    def test_weights_that_are_not_there(self, content: bytes, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path)
        (tmp_path / "checkpoint" / "model.safetensors").write_bytes(content)
        self.refused(config, CheckpointError, "its weights cannot be read")

    def test_too_little_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        config = demo_config("vit", tmp_path)
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        self.refused(config, OutputError, "the disk has 0.0 free")

    @pytest.mark.skipif(TIMM, reason="timm is installed")
    @pytest.mark.parametrize("options", [{"mixup": 0.2}, {"augmentation": "randaugment"}])
    def test_parts_of_timm_without_timm(self, options: dict[str, Any], tmp_path: Path) -> None:
        self.refused(demo_config("vit", tmp_path, **options), MissingDependencyError, "pip install timm torchvision")

    def test_a_launch_that_would_train_alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from v5lint.runtime.errors import DistributedError

        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        self.refused(demo_config("vit", tmp_path), DistributedError, "would train alone")


class TestTheOutputFolder:
    def test_another_runs_results_are_not_overwritten_unasked(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path, **SHORT)
        first = finetune(config)
        before = (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes()
        with pytest.raises(UsageError, match=r"has the results of another run \(training, adapter, report.json"):
            finetune(changed(config, seed=7))
        assert (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes() == before
        again = finetune(changed(config, seed=7, overwrite=True))
        assert (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes() != before
        assert train_losses(first) != train_losses(again)

    def test_a_run_is_not_resumed_with_other_options(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path, **SHORT)
        finetune(config)
        with pytest.raises(UsageError, match=r"other options: learning_rate was 0\.01, now 0\.5"):
            finetune(changed(config, learning_rate=0.5, resume=True))

    def test_a_run_goes_on_where_its_folder_was_moved_to(self, tmp_path: Path) -> None:
        """The best checkpoint, here the first of two that are alike, is named by the path that it had then."""
        before = tmp_path / "before"
        config = demo_config("vit", tmp_path / "made", **SHORT, output=str(before), learning_rate=1e-9)
        first = finetune(config)
        assert first.report.metrics["best_step"] == 2
        shutil.rmtree(before / "training" / "checkpoint-4")
        before.rename(tmp_path / "after")
        again = finetune(changed(config, output=str(tmp_path / "after"), resume=True))
        assert again.report.losses == first.report.losses
        assert again.report.metrics["best_step"] == 2
        expected = first.model.state_dict()
        assert all(torch.equal(tensor, expected[key]) for key, tensor in again.model.state_dict().items())
        assert not before.exists()

    def test_an_output_that_is_a_file(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path, **SHORT)
        (tmp_path / "file").write_text("mine", encoding="utf-8")
        with pytest.raises(OutputError, match="is a file"):
            finetune(changed(config, output=str(tmp_path / "file")))

    def test_a_full_disk_at_the_end_leaves_the_earlier_folder(self, tmp_path: Path) -> None:
        target = tmp_path / "adapter"
        target.mkdir()
        (target / "kept").write_text("before", encoding="utf-8")

        def write() -> None:
            with whole_folder(target) as unfinished:
                (unfinished / "half").write_text("half", encoding="utf-8")
                raise OSError(28, "No space left on device")

        with pytest.raises(OutputError, match=r"adapter cannot be written: .*No space left"):
            write()
        assert [path.name for path in tmp_path.rglob("*")] == ["adapter", "kept"]

    def test_class_names_stand_beside_the_adapter(self, tmp_path: Path) -> None:
        folder = class_folders(tmp_path / "images", {"ape": 6, "bee": 6})
        config = demo_config("siglip2", tmp_path / "out", **SHORT, data=str(folder), patch_budget=9)
        finetune(config)
        assert read_labels(tmp_path / "out" / "adapter") == ["ape", "bee"]
        model, processor = load_finetuned(tmp_path / "out")
        assert model.config.id2label == {0: "ape", 1: "bee"}
        assert processor.max_num_patches == 9  # predictions have the budget of the training
        (tmp_path / "out" / "checkpoint").rename(tmp_path / "elsewhere")
        with pytest.raises(AdapterError, match=r"out/checkpoint, is not there any more; pass base="):
            load_finetuned(tmp_path / "out")
        load_finetuned(tmp_path / "out", base=tmp_path / "elsewhere")
        for content in ('{"labels": 3}', '{"labels": []}', "[]"):
            (tmp_path / "out" / "adapter" / "labels.json").write_text(content, encoding="utf-8")
            with pytest.raises(AdapterError, match=r"labels.json is missing or has no class names"):
                read_labels(tmp_path / "out" / "adapter")
        (tmp_path / "out" / "adapter" / "labels.json").unlink()
        with pytest.raises(AdapterError, match=r"labels.json is missing"):
            load_finetuned(tmp_path / "out")
        with pytest.raises(AdapterError, match="no adapter and no model"):
            load_finetuned(tmp_path)


class TestChecks:
    def test_a_failed_check_ends_the_run_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every evaluation image is also trained on."""
        config = demo_config("vit", tmp_path, max_steps=4)
        config = changed(config, eval_data=config.data, validate="stop")
        with pytest.raises(ValidationError, match=r"split: .*--validate report trains nevertheless"):
            finetune(config)
        report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert [check["name"] for check in report["checks"] if check["status"] == "failed"] == ["split"]
        assert not (tmp_path / "adapter").exists()

    def test_a_reported_failure_is_status_1(self, tmp_path: Path) -> None:
        config = demo_config("vit", tmp_path, max_steps=4, overwrite=True)
        result = finetune(changed(config, eval_data=config.data))
        assert result.report.exit_status == 1
        assert result.folder.is_dir()

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("vit", {"bf16": True}),
            ("vit", {"max_steps": 2}),
            ("siglip2", {"method": "head", "ema_decay": 0.9}),
            ("dinov2", {"method": "full", "bf16": True, "activation_checkpointing": True, "drop_path": 0.1}),
            ("siglip", {"ema_decay": 0.5, "gradient_accumulation": 2, "class_weights": True}),
        ],
    )
    def test_nothing_that_can_be_asked_for_is_taken_for_a_fault(
        self, name: str, options: dict[str, Any], tmp_path: Path
    ) -> None:
        result = finetune(demo_config(name, tmp_path, **{**SHORT, **options, "validate": "stop"}))
        assert result.report.checks
        assert not result.report.failed
        assert not [check for check in result.report.checks if check.status == "note" and check.name == "reload"]

    @pytest.mark.parametrize(
        "options",
        [
            {"max_steps": 4},
            {"max_steps": -1, "epochs": 1.0, "max_train_samples": 96},
            {"max_steps": 4, "method": "full", "learning_rate": 1e-3},
            {"max_steps": 4, "progress": True},
        ],
    )
    def test_a_run_that_is_resumed_at_its_end_takes_no_further_step(
        self, options: dict[str, Any], tmp_path: Path
    ) -> None:
        config = demo_config("vit", tmp_path, **{**SHORT, "eval_steps": 1, **options, "scheduler": "constant"})
        first = finetune(config)
        again = finetune(changed(config, resume=True, validate="stop"))
        assert again.report.metrics["steps"] == first.report.metrics["steps"]
        expected = first.model.state_dict()
        assert all(torch.equal(tensor, expected[key]) for key, tensor in again.model.state_dict().items())
        assert not again.report.failed
        movement = next(check for check in again.report.checks if check.name == "movement")
        assert "no step left" in movement.detail

    def test_a_checkpoint_of_the_training_can_be_used_by_itself(self, tmp_path: Path) -> None:
        folder = class_folders(tmp_path / "images", {"ape": 8, "bee": 8})
        finetune(demo_config("dinov2", tmp_path / "out", **SHORT, data=str(folder)))
        model, processor = load_finetuned(tmp_path / "out" / "training" / "checkpoint-4")
        assert model.config.id2label == {0: "ape", 1: "bee"}
        assert processor.crop_size["height"] == 32


class TestTheCommand:
    def test_a_file_and_options(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = class_folders(tmp_path / "images", {"ape": 8, "bee": 8})
        config = demo_config("vit", tmp_path / "made")
        path = tmp_path / "run.yaml"
        path.write_text(f"checkpoint: {config.checkpoint}\ndata: {folder}\nlearning_rate: 5e-3\n", encoding="utf-8")
        words = [
            "finetune",
            str(path),
            "--output",
            str(tmp_path / "out"),
            "--epochs",
            "4",
            "--batch-size",
            "4",
            "--no-progress",
        ]
        status = cli.main(words)
        assert status == 0, capsys.readouterr()
        report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
        assert report["metrics"]["labels"] == ["ape", "bee"]
        assert {check["status"] for check in report["checks"]} <= {"passed", "note", "skipped"}
        assert "written to" in capsys.readouterr().out
        assert cli.main(words) == 2
        assert "has the results of another run" in capsys.readouterr().err

    def test_figures(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="needs matplotlib")
        from PIL import Image

        finetune(demo_config("vit", tmp_path, **SHORT))
        for name in ("curves.png", "confusion_matrix.png"):
            with Image.open(tmp_path / name) as figure:
                assert len(set(figure.convert("L").getdata())) > 20

    @pytest.mark.filterwarnings("error")
    def test_names_that_the_font_cannot_write(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="needs matplotlib")
        from v5lint.runtime.figures import draw_confusion

        names = [["犬", "$5 to $6"], ["class 0", "$5 to $6"], ["犬", "class 1"]]
        first, same, other = (
            draw_confusion(np.eye(2, dtype=int), chosen, tmp_path / f"{index}.png").read_bytes()
            for index, chosen in enumerate(names)
        )
        assert first == same != other

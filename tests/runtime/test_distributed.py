"""Two processes on CPUs train as one does, and launches that would be something else are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed, nn

from v5lint.runtime import training
from v5lint.runtime.checks import validate
from v5lint.runtime.checks.movement import Recorder
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.checks.setup import check_setup
from v5lint.runtime.checks.subject import Subject
from v5lint.runtime.demo import demo_config
from v5lint.runtime.distributed import check_launch, check_world_size
from v5lint.runtime.errors import DistributedError
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.training import finetune

OPTIONS: dict[str, Any] = {"max_steps": 6, "eval_steps": 3, "log_steps": 1, "validate": "off"}


def run(words: list[str], config: Any, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder.with_suffix(".json")
    path.write_text(json.dumps({**config.as_dict(), "output": str(folder)}), encoding="utf-8")
    command = [sys.executable, "-m", *words, "finetune", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)  # or a hang is nameless


def losses(folder: Path) -> list[float]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return [entry["loss"] for entry in report["losses"]]


@pytest.mark.parametrize("name", ["vit", "siglip2"])
def test_two_processes_give_the_losses_of_one(name: str, tmp_path: Path) -> None:
    """Also with patches in buckets, with augmentation, which hangs on the image alone, and where the last batches
    differ."""
    options = {**OPTIONS, "augmentation": "basic", "max_eval_samples": 90}
    one = demo_config(name, tmp_path, **options, batch_size=32)
    two = replace(one, batch_size=16)
    alone = run(["v5lint.runtime.cli"], one, tmp_path / "one")
    assert alone.returncode == 0, alone.stderr
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "v5lint.runtime.cli"]
    together = run(launcher, two, tmp_path / "two")
    assert together.returncode == 0, together.stderr
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=0, atol=5e-5)
    report = json.loads((tmp_path / "two" / "report.json").read_text(encoding="utf-8"))
    assert report["metrics"]["processes"] == 2
    assert sum(map(sum, report["metrics"]["confusion_matrix"])) == 90  # every evaluation image once
    assert together.stdout.count("written to") == 1


@pytest.mark.parametrize("method", ["lora", "head", "full"])
def test_the_checks_pass_in_two_processes(method: str, tmp_path: Path) -> None:
    """With a number of images that two do not divide, and more processes than the last evaluation batch has images."""
    config = demo_config("siglip", tmp_path, method=method, max_steps=4, max_train_samples=61, max_eval_samples=21)
    config = replace(config, batch_size=8, warmup=1, validate="report")
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "v5lint.runtime.cli"]
    done = run(launcher, config, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "find_unused_parameters=True" not in done.stderr or method == "full"
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    failed = [check["detail"] for check in report["checks"] if check["status"] == "failed"]
    assert failed == []
    assert [check["name"] for check in report["checks"]].count("reload") == 1


@pytest.mark.parametrize(
    ("environment", "accelerator", "message"),
    [
        ({"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}, False, "would train alone"),
        ({"ACCELERATE_USE_FSDP": "true", "WORLD_SIZE": "2"}, False, "DDP and shard nothing"),
    ],
)
def test_what_would_silently_be_something_else(environment: dict[str, str], accelerator: bool, message: str) -> None:
    with pytest.raises(DistributedError, match=message) as caught:
        check_launch(environment, accelerator=accelerator)
    assert "torchrun --nproc_per_node" in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "accelerator"),
    [
        ({}, False),
        ({"ACCELERATE_MIXED_PRECISION": "no"}, False),
        ({"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2"}, False),
        ({"ACCELERATE_USE_FSDP": "true", "WORLD_SIZE": "2"}, True),
    ],
)
def test_what_is_as_asked(environment: dict[str, str], accelerator: bool) -> None:
    check_launch(environment, accelerator=accelerator)


def test_a_world_of_another_size_is_refused_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two processes were started, and the training arguments see one."""

    unchanged = training.make_trainer

    def make_trainer(*parts: Any) -> Any:
        made = unchanged(*parts)
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setattr(made, "train", lambda **_: pytest.fail("it trains"))
        return made

    monkeypatch.setattr(training, "make_trainer", make_trainer)
    with pytest.raises(DistributedError, match="2 processes were started, and Trainer trains with 1"):
        finetune(demo_config("vit", tmp_path, **OPTIONS))


def test_the_world_that_was_started_is_trained_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    check_world_size(1)
    monkeypatch.setenv("WORLD_SIZE", "4")
    check_world_size(4)
    with pytest.raises(DistributedError, match="torchrun --nproc_per_node"):
        check_world_size(1)


def test_accelerate_launch_on_cpus_is_refused_for_real(tmp_path: Path) -> None:
    config = demo_config("vit", tmp_path, **OPTIONS)
    launcher = ["accelerate.commands.accelerate_cli", "launch", "--cpu", "--num_processes", "2", "-m"]
    done = run([*launcher, "v5lint.runtime.cli"], config, tmp_path / "out")
    assert done.returncode != 0
    assert "asked for several processes and started one" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def sharded(checkpoints: Callable[..., Path], tmp_path: Path) -> Iterator[nn.Module]:
    """A model with LoRA whose parameters FSDP2 holds, in a world of one process."""
    fully_shard = pytest.importorskip("torch.distributed.fsdp").fully_shard
    distributed.init_process_group(
        "gloo", store=distributed.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1
    )
    model = attach_lora(load_model(checkpoints("vit"), labels=["cat", "dog"]), lora_dropout=0.0)
    fully_shard(model, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (1,)))
    yield model
    distributed.destroy_process_group()


def test_movement_of_sharded_parameters(sharded: nn.Module) -> None:
    recorder = Recorder(sharded)
    optimizer = torch.optim.AdamW([p for p in sharded.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):
        sharded(**sample_inputs(sharded), labels=torch.tensor([0, 1])).loss.backward()
        recorder.look_at_gradients(sharded, 1e-2)
        optimizer.step()
        optimizer.zero_grad()
    results = recorder.results(sharded)
    assert [result.status for result in results] == ["passed"], results


def test_the_checks_leave_sharded_parameters_with_their_optimizer(sharded: nn.Module) -> None:
    """A forward pass gathers the outermost ones; those are not the ones that the optimiser holds."""
    held = {id(p) for p in sharded.parameters()}
    with undisturbed(sharded), torch.no_grad():
        sharded(**sample_inputs(sharded))
    assert {id(p) for p in sharded.parameters()} == held
    report = validate(sharded, checks=["parameters", "movement", "weights", "setup", "reload"])
    assert [result.detail for result in report.failed] == []
    assert {id(p) for p in sharded.parameters()} == held


@pytest.mark.parametrize(("fsdp", "world", "fails"), [(True, 2, True), (True, 1, False), (False, 2, False)])
def test_fsdp_that_is_ddp(
    fsdp: bool, world: int, fails: bool, checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(world))
    args: Any = SimpleNamespace(world_size=world, fsdp=fsdp, gradient_accumulation_steps=1, learning_rate=1e-3)
    results = check_setup(Subject(load_model(checkpoints("vit"), labels=["cat", "dog"]), args=args, loader=[0]))
    details = " ".join(result.detail for result in results if result.status == "failed")
    assert ("FSDP was asked for and no parameter is sharded" in details) is fails

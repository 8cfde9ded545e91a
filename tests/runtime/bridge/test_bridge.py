"""Scripts that v5lint has rewritten to call the runtime are run, with what the runtime makes of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import transformers
from packaging.version import Version
from transformers.utils.import_utils import DummyObject

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("accelerate")
pytest.importorskip("sklearn", reason="needs scikit-learn")
if Version(transformers.__version__) < Version("5.0"):
    pytest.skip("rewritten scripts are for transformers 5", allow_module_level=True)

LEGACY = Path(__file__).parents[3] / "fixtures" / "scripts" / "lora_finetune" / "train.py"
FAULT = r'target_modules=r".*\.(query|value|q_proj|v_proj)"'
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}


image_processors = pytest.mark.skipif(
    isinstance(transformers.AutoImageProcessor, DummyObject)
    or isinstance(transformers.Siglip2ImageProcessor, DummyObject),
    reason="transformers 5.4 to 5.17 keep AutoImageProcessor behind torchvision, which is not installed",
)


def fix(script: Path, *options: str) -> str:
    """What `v5lint --fix --unsafe-fixes` makes of a script."""
    command = [sys.executable, "-m", "v5lint", str(script), "--isolated", "--fix", "--unsafe-fixes", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return script.read_text(encoding="utf-8")


def run(script: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=script.parent, env=ENVIRONMENT, timeout=300
    )


def written(folder: Path, text: str) -> Path:
    script = folder / "train.py"
    script.write_text(text, encoding="utf-8")
    return script


def legacy(folder: Path, *, right: bool = False) -> Path:
    """The legacy script with its silent fault, or with that one put right."""
    text = LEGACY.read_text(encoding="utf-8")
    assert text.count(FAULT) == 1
    return written(folder, text.replace(FAULT, f'{FAULT}, modules_to_save=["classifier"]') if right else text)


@pytest.fixture
def options(checkpoints: Callable[..., Path]) -> list[str | Path]:
    return ["--model_name_or_path", checkpoints("vit"), "--teacher", checkpoints("siglip2")]


@image_processors
def test_a_silent_fault_stops_the_rewritten_script(options: list[str | Path], tmp_path: Path) -> None:
    script = legacy(tmp_path)
    assert run(script, *options).returncode != 0, "the legacy script runs"
    text = fix(script, "--extend-select", "V5990")
    assert "callbacks=[ValidationCallback()]" in text
    done = run(script, *options)
    assert done.returncode != 0
    assert "ValidationError: The validation failed." in done.stderr
    assert "parameters: The head (classifier) is frozen, at random values" in done.stderr
    assert "modules_to_save" in done.stderr
    assert "eval_loss" not in done.stdout


FROZEN = """\
for name, parameter in model.named_parameters():
    if "lora_" in name:
        parameter.requires_grad = False


class DigitsDataset("""


@pytest.mark.parametrize(("written_as", "instead", "named"), [
    ("eval_dataset=DigitsDataset(images[80:], labels[80:])", "eval_dataset=DigitsDataset(images[40:80], labels[40:80])",
     r"split: 40 of 40 evaluation items (100%) have the tensors of a training item"),
    ('return_tensors="pt")["pixel_values"]\n        self', 'return_tensors="pt")["pixel_values"] / 255\n        self',
     "preprocessing: The training data has values from"),
    ("class DigitsDataset(", FROZEN, "trainable parameters and should have"),
    ("== p.label_ids)", "== p.label_ids + 1)", "setup: compute_metrics gives accuracy=0 for answers that are all"),
    ("learning_rate=2e-3", "learning_rate=0.0", "setup: The learning rate of 2 of 2 parameter groups is 0"),
], ids=["leak", "rescaled_twice", "adapter_frozen", "shifted_measure", "no_rate"])  # fmt: skip
@image_processors
def test_another_silent_fault_stops_it_by_name(
    written_as: str, instead: str, named: str, options: list[str | Path], tmp_path: Path
) -> None:
    text = legacy(tmp_path, right=True).read_text(encoding="utf-8")
    assert text.count(written_as) == 1
    script = written(tmp_path, text.replace(written_as, instead))
    fix(script, "--extend-select", "V5990")
    done = run(script, *options)
    assert done.returncode != 0
    assert named in done.stderr
    assert "eval_loss" not in done.stdout


@image_processors
def test_without_the_checks_the_fault_says_nothing(options: list[str | Path], tmp_path: Path) -> None:
    script = legacy(tmp_path)
    assert "ValidationCallback" not in fix(script)
    done = run(script, *options)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])["losses"]) == 5


@image_processors
def test_the_script_put_right_passes_with_real_results(options: list[str | Path], tmp_path: Path) -> None:
    script = legacy(tmp_path, right=True)
    text = fix(script, "--extend-select", "V5990")
    written(tmp_path, text.replace("ValidationCallback()", 'ValidationCallback(output_dir="report")'))
    done = run(script, *options)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])["losses"]) == 5
    checks = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))["checks"]
    passed = {check["name"]: check["measured"] for check in checks if check["status"] == "passed"}
    assert {"parameters", "movement", "weights", "preprocessing", "split", "reload", "setup"} <= set(passed)
    assert not [check for check in checks if check["status"] == "failed"]
    assert passed["movement"]["steps"] == 2
    assert passed["setup"]["learning_rate"] == 2e-3
    assert (tmp_path / "report" / "validation.html").is_file()


LOOP = """\
import sys

import torch
from transformers import ViTForImageClassification

torch.manual_seed(0)
model = ViTForImageClassification.from_pretrained(sys.argv[1], num_labels=3)
{fault}optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
size = model.config.image_size
for step in range(2):
    loss = model(pixel_values=torch.randn(4, 3, size, size), labels=torch.tensor([0, 1, 2, 0])).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print("trained to the end")
"""


@pytest.mark.parametrize("frozen", [False, True])
def test_a_loop_of_its_own_is_checked_behind_it(frozen: bool, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    fault = 'for name, parameter in model.named_parameters():\n    parameter.requires_grad = "vit." in name\n'
    script = written(tmp_path, LOOP.format(fault=fault if frozen else ""))
    assert "\nvalidate(model, trained=True).raise_if_failed()\n" in fix(script, "--extend-select", "V5990")
    done = run(script, checkpoints("vit"))
    if frozen:
        assert "parameters: The head (classifier) is frozen" in done.stderr
        assert "trained to the end" not in done.stdout
    else:
        assert done.returncode == 0, done.stderr
        assert "trained to the end" in done.stdout


LOADERS = """\
import sys

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset
from transformers import ViTForImageClassification, ViTImageProcessor

torch.manual_seed(0)
processor = ViTImageProcessor.from_pretrained(sys.argv[1])
model = ViTForImageClassification.from_pretrained(sys.argv[1], num_labels=10)
data = load_digits()


class Digits(Dataset):
    def __init__(self, start, end):
        arrays = [(image * 15).astype(np.uint8) for image in data.images[start:end]]
        self.images = [Image.fromarray(array).resize((40, 40)) for array in arrays]
        self.targets = data.target[start:end]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        pixels = processor(self.images[index].convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return {item}


train_loader = DataLoader(Digits(0, 120), batch_size=16, shuffle=True)
val_loader = DataLoader(Digits({start}, 200), batch_size=16)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for epoch in range(2):
    for batch in train_loader:
        loss = model({call}).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        for batch in val_loader:
            model({call})
print("trained to the end")
"""
CALLS = {
    "by name": ('{"pixel_values": pixels, "labels": int(self.targets[index])}', "**batch"),
    "other names": (
        '{"image": pixels, "target": int(self.targets[index])}', 'pixel_values=batch["image"], labels=batch["target"]',
    ),
    "tuples": ("pixels, int(self.targets[index])", "pixel_values=batch[0], labels=batch[1]"),
}  # fmt: skip


@pytest.mark.parametrize("leak", [False, True])
@pytest.mark.parametrize("way", CALLS)
def test_the_data_of_a_loop_of_its_own_is_checked(
    way: str, leak: bool, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    item, call = CALLS[way]
    given = {"{item}": item, "{call}": call, "{start}": "80" if leak else "120"}
    text = LOADERS
    for place, what in given.items():
        text = text.replace(place, what)
    script = written(tmp_path, text)
    fixed = fix(script, "--extend-select", "V5990")
    line = "validate(model, train_dataset=train_loader, eval_dataset=val_loader, trained=True).raise_if_failed()"
    assert f"\n{line}\n" in fixed
    listed = "print(*(f'{each.name} {each.status} {each.measured}' for each in report.results), sep='\\n')"
    called = line.replace("trained=True", "trained=True, checks=['movement', 'preprocessing', 'split', 'setup']")
    wanted = f"report = {called.removesuffix('.raise_if_failed()')}\n{listed}\nreport.raise_if_failed()"
    written(tmp_path, fixed.replace(line, wanted))
    done = run(script, checkpoints("vit"))
    if leak:
        assert "split: 40 of 120 evaluation images (33%) are in the training data, pixel for pixel" in done.stderr
        assert "trained to the end" not in done.stdout
    else:
        assert done.returncode == 0, done.stderr
        assert "trained to the end" in done.stdout
        found = {line.split()[0] for line in done.stdout.splitlines() if " passed " in line}
        assert {"movement", "preprocessing", "split", "setup"} <= found, done.stdout
        assert "'compared': [120, 80]" in done.stdout


TARGETS = """\
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import ViTForImageClassification

model = ViTForImageClassification.from_pretrained(sys.argv[1], num_labels=3)
config = LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"], modules_to_save=["classifier"])
model = get_peft_model(model, config)
size = model.config.image_size
model(pixel_values=torch.randn(2, 3, size, size), labels=torch.tensor([0, 1])).loss.backward()
print(sorted({name.split(".")[-2] for name, _ in model.named_modules() if name.endswith(".lora_A")}))
print(model.classifier.modules_to_save["default"].weight.grad is not None)
print(model.peft_config["default"].r, model.peft_config["default"].lora_alpha)
"""


def test_targets_that_the_runtime_finds(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    script = written(tmp_path, TARGETS)
    if Version(transformers.__version__) >= Version("5.9"):
        assert "No modules were targeted" in run(script, checkpoints("vit")).stderr
    text = fix(script, "--select", "V5991")
    assert "config = lora_config_for(model, r=4, lora_alpha=8, lora_dropout=0.0)" in text
    done = run(script, checkpoints("vit"))
    assert done.returncode == 0, done.stderr
    names = ["q_proj", "v_proj"] if Version(transformers.__version__) >= Version("5.9") else ["query", "value"]
    assert done.stdout.splitlines() == [str(names), "True", "4 8"]


LOADER = """\
import os
import sys

import numpy as np
import torch
from transformers import SiglipForImageClassification, SiglipImageProcessor

os.chdir(sys.argv[1])
processor = SiglipImageProcessor.from_pretrained("google/siglip2-base-patch16-naflex")
model = SiglipForImageClassification.from_pretrained(
    "google/siglip2-base-patch16-naflex", num_labels=3, ignore_mismatched_sizes=True
)
inputs = processor(images=np.full((48, 32, 3), 128, dtype=np.uint8), return_tensors="pt")
print(type(model).__name__, list(model.eval()(**inputs).logits.shape))
"""


def test_the_loader_takes_the_class_of_the_checkpoint(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "google").mkdir()
    (tmp_path / "google" / "siglip2-base-patch16-naflex").symlink_to(checkpoints("siglip2"))
    script = written(tmp_path, LOADER)
    assert run(script, tmp_path).returncode == 0, "with ignore_mismatched_sizes=True the wrong class says nothing"
    text = fix(script, "--select", "V5992")
    assert 'load_model("google/siglip2-base-patch16-naflex", task="classification", labels=3)' in text
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Siglip2ForImageClassification", "[1,", "3]"]

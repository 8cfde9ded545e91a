"""The reference fine-tune of every family, from a tiny checkpoint on scikit-learn's digits to what can be loaded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import torch

from v5lint.runtime.demo import demo_config
from v5lint.runtime.export import load_finetuned
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import adapted_modules
from v5lint.runtime.roles import classification_head, encoder_layers, iter_targets
from v5lint.runtime.training import finetune

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = [str(digit) for digit in range(10)]

pytestmark = pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")


def test_a_fine_tune_of_every_family(family: str, tmp_path: Path) -> None:
    config = demo_config(family, tmp_path, epochs=4.0, merge=True, validate="off")
    begun = time.process_time()  # other programs may use the machine, too
    result = finetune(config)
    assert time.process_time() - begun < 60

    losses = [loss.loss for loss in result.report.losses if loss.split == "train"]
    assert losses[-1] < 0.8 * losses[0]
    assert result.report.metrics["accuracy"] > 0.2
    assert result.report.as_dict()["family"] == family

    base = load_model(config.checkpoint, labels=DIGITS)
    layers = encoder_layers(base)
    roles = ("query", "value") if any(layer.query for layer in layers) else ("mlp",)
    intended = {path for _, path in iter_targets(layers, roles)}
    assert {path.removeprefix("base_model.model.") for path in adapted_modules(result.model)} == intended

    trained = result.model.unload().state_dict()
    head = classification_head(base)
    frozen = {
        name: t for name, t in base.state_dict().items() if not name.startswith(tuple(f"{path}." for path in head))
    }
    assert all(torch.equal(trained[name], tensor) for name, tensor in frozen.items())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    finetune(demo_config("vit", folder, epochs=1.0, merge=True, validate="off"))
    return folder


def test_what_is_written_loads_with_class_names_and_the_same_scores(family: str, tmp_path: Path) -> None:
    config = demo_config(family, tmp_path, max_steps=4, eval_steps=2, merge=True, validate="off")
    result = finetune(config)
    inputs = sample_inputs(result.model)
    with torch.no_grad():
        expected = result.model(**inputs).logits
        again, processor = load_finetuned(tmp_path)
        assert torch.equal(again(**inputs).logits, expected)
        merged, _ = load_finetuned(tmp_path / "merged")
        assert (merged(**inputs).logits - expected).abs().max() <= 1e-5
    assert type(processor).__name__ == type(result.processor).__name__
    assert list(again.config.id2label.values()) == list(merged.config.id2label.values()) == DIGITS


def test_the_folder_of_a_run(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert {"adapter", "merged", "report.json", "finetune.json", "README.md", "training"} <= names
    assert not [name for name in names if name.startswith(".")]
    card = (finished / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {finished / 'checkpoint'}" in card
    assert "| accuracy |" in card
    assert "| torch |" in card

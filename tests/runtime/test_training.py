"""One LoRA fine-tune of each family, on scikit-learn's digits, by the parts of this package alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from v5lint.runtime.adapters import adapter_effect, load_adapter
from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.processors import load_processor
from v5lint.runtime.trainer import training_arguments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIGITS = [str(digit) for digit in range(10)]


@pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")
def test_a_fine_tune(family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    digits = datasets.load_digits()
    images = [
        Image.fromarray((image * 15).astype("uint8")).convert("RGB").resize((48, 48)) for image in digits.images[:192]
    ]
    targets = torch.tensor(digits.target[:192])
    inputs = dict(load_processor(checkpoints(family))(images, return_tensors="pt"))

    torch.manual_seed(0)
    model = attach_lora(load_model(checkpoints(family), labels=DIGITS), r=8, lora_alpha=16).train()
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    losses = []
    for step in range(36):
        batch = torch.arange(step * 32, (step + 1) * 32) % 192
        loss = model(**{name: tensor[batch] for name, tensor in inputs.items()}, labels=targets[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6])
    state = dict(model.named_parameters())
    assert all(torch.equal(state[name], tensor) for name, tensor in frozen.items())

    model.eval()
    assert adapter_effect(model) > 0
    probe = {name: tensor[:8] for name, tensor in inputs.items()}
    with torch.no_grad():
        expected = model(**probe).logits
        model.save_pretrained(tmp_path / "adapter")
        again = load_adapter(load_model(checkpoints(family), labels=DIGITS), tmp_path / "adapter")
        assert torch.equal(again(**probe).logits, expected)
        merged = again.merge_and_unload()
        assert (merged(**probe).logits - expected).abs().max() <= 1e-5
        merged.save_pretrained(tmp_path / "merged")
        reloaded = load_model(tmp_path / "merged")
        assert torch.equal(reloaded(**probe).logits, merged(**probe).logits)
    assert list(reloaded.config.id2label.values()) == DIGITS


def test_nothing_is_evaluated_before_the_first_step_of_a_warm_up_has_an_effect() -> None:
    """Its learning rate is zero: the checkpoint after it would tie with later ones, be the best, and be untrained."""
    for max_steps, expected in ((1, 1), (4, 2), (50, 10)):
        config = FinetuneConfig(
            checkpoint="c", data="d", output="o", streaming=True, eval_split="val", max_steps=max_steps
        )
        assert training_arguments(config, None).eval_steps == expected

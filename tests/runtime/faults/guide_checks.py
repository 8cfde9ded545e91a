"""The four checks that a widely read guide to fine-tuning gives, as generously as they can be read.

Share of trainable parameters near the right one, a glance at `requires_grad`, one forward pass of a random image, and
an embedding without NaN.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from fault_scene import DIGITS, tiny

from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import expected_parameters, lora_config_for
from v5lint.runtime.roles import unwrap

GUIDE = ("ratio", "frozen", "forward", "embedding")
_NEAR = 0.25


def guide_alarms(family: str, model: Any, evaluation: Any) -> dict[str, bool]:
    """Which of the guide's checks would raise an alarm."""
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = sum(p.numel() for p in model.parameters())
    share = 100 * sum(p.numel() for p in trainable.values()) / total
    right = _right_share(family)
    base = [n for n in trainable if ".lora_" not in n and "modules_to_save" not in n and "classifier" not in n]
    return {
        "ratio": abs(share - right) > _NEAR * right,
        "frozen": not trainable or bool(base),
        "forward": _raises(model, sample_inputs(model)),
        "embedding": _raises(model, _first(evaluation, model)),
    }


@cache
def _right_share(family: str) -> float:
    model = load_model(tiny(family, 0), labels=DIGITS)
    return expected_parameters(model, lora_config_for(model, r=8)).percent


def _first(evaluation: Any, model: Any) -> dict[str, torch.Tensor] | None:
    try:
        item = evaluation[0]
    except (RuntimeError, ValueError):
        return None
    return {name: tensor[None] for name, tensor in item.items() if isinstance(tensor, torch.Tensor)}


def _raises(model: Any, inputs: dict[str, torch.Tensor] | None) -> bool:
    if inputs is None:
        return True
    training = model.training
    try:
        with torch.no_grad():
            output = unwrap(model).eval()(**inputs)
    except (RuntimeError, ValueError, AssertionError, TypeError, AttributeError):
        return True
    finally:
        model.train(training)
    return not bool(torch.isfinite(output.logits).all())

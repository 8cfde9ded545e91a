"""Batch normalisation: what it gathers is no parameter, moves in training mode, and is not saved with an adapter."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import ResNetConfig, ResNetForImageClassification

from v5lint.runtime import validate
from v5lint.runtime.checks.preserve import batch_statistics


def network() -> Any:
    torch.manual_seed(0)
    return ResNetForImageClassification(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
    )


def adapted() -> Any:
    config = LoraConfig(r=2, target_modules=["convolution"], modules_to_save=["classifier"])
    return get_peft_model(network(), config)


def items() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    return [{"pixel_values": torch.randn(3, 32, 32, generator=generator), "labels": i % 3} for i in range(8)]


def still(model: Any) -> Any:
    """The model with batch normalisation that stays in evaluation mode, as a script rightly has it beside LoRA."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True, kept=module: kept
    return model


def faults(model: Any) -> list[str]:
    report = validate(model, train_dataset=items(), checks=["movement"])
    return [result.detail for result in report.failed]


def test_statistics_that_are_gathered_beside_an_adapter_are_named() -> None:
    (found,) = faults(adapted())
    assert "layers of batch normalisation that are frozen" in found
    assert faults(still(adapted())) == []


def test_a_model_that_is_saved_whole_may_gather_them() -> None:
    assert faults(network()) == []


def test_the_checks_themselves_leave_them_as_they_were() -> None:
    model = adapted().train()
    before = {name: tensor.clone() for name, tensor in batch_statistics(model).items()}
    assert before
    validate(model, train_dataset=items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in batch_statistics(model).items())

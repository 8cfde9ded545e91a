"""What `families.toml` says of each family, held against the models themselves."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from v5lint.runtime.families import family_of, get_family
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import class_for, load_config, load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.roles import classification_head

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_model_is_recognised_bare_and_adapted(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=["a", "b", "c"])
    assert family_of(model.config).name == family_of(model).name == family
    assert family_of(attach_lora(model)).name == family


def test_forward_takes_the_inputs_and_cannot_do_without(family: str, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints(family), labels=3)
    known = get_family(family)
    inputs = sample_inputs(model)
    assert tuple(inputs) == known.forward_inputs
    assert inputs["pixel_values"].dim() == {"image": 4, "patches": 3}[known.layout]
    with torch.no_grad():
        assert model(**inputs).logits.shape == (2, 3)
    names = inspect.signature(type(model).forward).parameters
    assert set(known.forward_inputs) <= set(names)


def outcome(model: nn.Module, height: int, width: int) -> str:
    try:
        with torch.no_grad():
            model(pixel_values=torch.randn(1, 3, height, width))
    except (ValueError, RuntimeError, AssertionError):
        return "error"
    return "silent"


def test_another_grid(family: str, checkpoints: Callable[..., Path]) -> None:
    known = get_family(family)
    model = load_model(checkpoints(family), labels=3)
    if known.layout == "patches":
        with torch.no_grad():
            model(**sample_inputs(model, image_size=(48, 16)))
        assert known.off_grid == "silent"
    else:
        assert outcome(model, 64, 96) == known.off_grid


def test_a_remainder(family: str, checkpoints: Callable[..., Path]) -> None:
    known = get_family(family)
    model = load_model(checkpoints(family), labels=3)
    if known.layout == "patches":
        pytest.skip("its processor cuts whole patches")
    side = sample_inputs(model)["pixel_values"].shape[-1] + 1
    assert outcome(model, side, side) == known.remainder


def test_the_head_reads_what_is_said(family: str, checkpoints: Callable[..., Path]) -> None:
    known = get_family(family)
    model = load_model(checkpoints(family), labels=3)
    head = model.get_submodule(classification_head(model)[0])
    width = {"cls+mean": 128}.get(known.head_features, 64)
    assert isinstance(head, nn.Linear)
    assert head.in_features == width


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_the_classes_by_task(task: Any, family: str, checkpoints: Callable[..., Path]) -> None:
    known = get_family(family)
    assert class_for(load_config(checkpoints(family)), task).__name__ == known.classes[task]
    library = "v5lint.runtime.heads" if task == "classification" and known.head == "own" else "transformers."
    assert class_for(load_config(checkpoints(family)), task).__module__.startswith(library)

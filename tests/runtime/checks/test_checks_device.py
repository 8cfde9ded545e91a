"""The device check on a CPU: what it compares is really compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from v5lint.runtime import validate
from v5lint.runtime.checks.device import check_device
from v5lint.runtime.checks.validation import make_subject
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.roles import classification_head, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def details(model: Any) -> list[str]:
    return [result.detail for result in validate(model, checks=["device"]).failed]


def head_of(model: Any) -> nn.Module:
    inner = unwrap(model)
    return inner.get_submodule(classification_head(inner)[0])


def test_a_correct_model_passes_and_says_what_needs_a_gpu(checkpoints: Callable[..., Path]) -> None:
    report = validate(attach_lora(load_model(checkpoints("siglip2"), labels=3)), checks=["device"])
    assert report.status == "passed"
    measured = report.of("device")[0].measured
    assert {"bfloat16", "sdpa_against_eager", "batch", "padding", "determinism", "checkpointing"} <= set(measured)
    if not torch.cuda.is_available():
        assert "float16 needs a GPU." in [r.detail for r in report.results if r.status == "skipped"]


def test_images_that_are_mixed(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)
    head_of(model).register_forward_pre_hook(lambda module, inputs: (inputs[0] - inputs[0].mean(dim=0),))
    assert any("Alone and in a batch an image's scores differ" in detail for detail in details(model))


def test_a_mask_that_is_ignored(checkpoints: Callable[..., Path]) -> None:
    model: Any = load_model(checkpoints("siglip2"), labels=3)
    forward = model.forward

    def unmasked(*args: Any, pixel_attention_mask: torch.Tensor, **kwargs: Any) -> Any:
        return forward(*args, pixel_attention_mask=torch.ones_like(pixel_attention_mask), **kwargs)

    unmasked.__signature__ = __import__("inspect").signature(forward)  # type: ignore[attr-defined]
    model.forward = unmasked
    assert any("With eight more patches of padding the scores differ" in detail for detail in details(model))


def test_a_step_that_does_not_repeat(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)
    state = iter(range(1, 1000))
    head_of(model).register_forward_pre_hook(lambda module, inputs: (inputs[0] * next(state),))
    assert any("Two steps from the same seed have gradients" in detail for detail in details(model))


def test_precision_that_matters(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)
    head_of(model).register_forward_pre_hook(lambda module, inputs: ((inputs[0] * 1e4).sin(),))
    assert any("Under bfloat16 autocast the scores differ" in detail for detail in details(model))


@pytest.mark.parametrize("wrong", [False, True])
def test_another_kernel_that_gives_other_scores(wrong: bool, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)

    def scaled(module: Any, inputs: Any) -> Any:
        return (inputs[0] * (2 if model.config._attn_implementation == "eager" else 1),)

    if wrong:
        head_of(model).register_forward_pre_hook(scaled)
    found = details(model)
    assert any("With sdpa and eager attention the scores differ" in detail for detail in found) is wrong
    assert bool(found) is wrong
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("wrong", [False, True])
def test_activation_checkpointing_that_changes_gradients(wrong: bool, checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("vit"), labels=3)

    def scaled(module: Any, inputs: Any) -> Any:
        return (inputs[0] * (2 if model.is_gradient_checkpointing else 1),)

    if wrong:
        head_of(model).register_forward_pre_hook(scaled)
    found = details(model)
    assert any("With activation checkpointing gradients differ" in detail for detail in found) is wrong
    assert bool(found) is wrong
    assert not model.is_gradient_checkpointing


@pytest.mark.parametrize("wrong", [False, True])
def test_a_compiled_model_that_gives_other_scores(
    wrong: bool, checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a compiler makes stands in for it: compiling takes minutes on a CPU."""
    model: Any = load_model(checkpoints("vit"), labels=3)

    def compiled(given: Any) -> Any:
        return lambda **inputs: {"logits": given(**inputs).logits * (2 if wrong else 1)}

    monkeypatch.setattr(torch, "compile", compiled)
    results = check_device(make_subject(model), compile_model=True)
    assert [result.detail for result in results if "graph_breaks" in (result.measured or {})] or wrong
    found = [result.detail for result in results if result.status == "failed"]
    assert any("Compiled, the scores differ" in detail for detail in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_processes_that_have_other_weights(
    wrong: bool, checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process's answer stands in for it."""

    def gather(everyone: list[Any], own: dict[str, Any]) -> None:
        other = dict(own)
        if wrong:
            other[next(iter(other))] = None
        everyone[:] = [own, other]

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    found = details(attach_lora(load_model(checkpoints("vit"), labels=3)))
    assert any("1 trained tensors, such as " in detail for detail in found) is wrong
    assert bool(found) is wrong


def test_a_frozen_model_has_no_gradients_to_compare(checkpoints: Callable[..., Path]) -> None:
    report = validate(load_model(checkpoints("vit"), labels=3).requires_grad_(False), checks=["device"])
    assert "No parameter is trainable, so there are no gradients to compare." in [r.detail for r in report.results]
    assert "determinism" not in report.of("device")[0].measured

"""The device check on a CPU: what it compares is really compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from v5lint.runtime import validate
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

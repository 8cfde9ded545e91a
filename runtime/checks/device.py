"""How the model behaves on the device it trains on: precision, kernels, batches, repetition, memory and speed.

Everything that a CPU can show is measured on a CPU too; what needs a GPU or several processes is skipped there, with
the reason.
"""

# transformers and torch are typed in part: their classes and loaders are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from v5lint.runtime.checks.findings import Findings
from v5lint.runtime.checks.movement import fingerprints, loss_of
from v5lint.runtime.checks.outputs import scores
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.quantization import quantized_modules

if TYPE_CHECKING:
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "device"
_HALF = {torch.bfloat16: 0.05, torch.float16: 0.02}
"""Largest relative error of the scores under autocast; measured: 0.005 to 0.008, and below 0.001."""
_KERNEL = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.01}
"""By the dtype of the weights: another kernel rounds at other places."""
_INVARIANCE = 1e-3
_GRADIENT = 1e-3
_MEMORY = 2.0
_REPEATS = 3


def check_device(subject: Subject, *, compile_model: bool | None = None) -> list[CheckResult]:
    """Whether scores and gradients are the same whatever the precision, the kernel and the batch.

    Args:
        subject: What is checked.
        compile_model: Also hold `torch.compile` against the plain model, which takes up to two minutes on a CPU; by
            default on a GPU alone.
    """
    findings = Findings(NAME)
    device = subject.device
    findings.measure("device", torch.cuda.get_device_name(device) if device.type == "cuda" else device.type)
    batch = subject.probe(subject.train, count=4)
    inputs = subject.without_labels(batch)
    with undisturbed(subject.model):
        subject.model.eval()
        expected = scores(subject.model, inputs)
        findings.attempt("precision", lambda: _check_precision(findings, subject, inputs, expected))
        findings.attempt("attention", lambda: _check_attention(findings, subject, inputs, expected))
        findings.attempt("batch", lambda: _check_batches(findings, subject, inputs, expected))
        findings.attempt("compile", lambda: _check_compiled(findings, subject, inputs, expected, compile_model))
        if any(p.requires_grad for p in subject.model.parameters()):
            findings.attempt("gradients", lambda: _check_gradients(findings, subject, batch))
        else:
            findings.skip("gradients", "No parameter is trainable, so there are no gradients to compare.")
        findings.attempt("speed", lambda: _measure_speed(findings, subject, batch))
    _check_ranks(findings, subject)
    return findings.results(
        f"On {findings.measured['device']}, scores and gradients do not depend on how they are computed."
    )


def _check_precision(
    findings: Findings, subject: Subject, inputs: dict[str, torch.Tensor], expected: torch.Tensor
) -> None:
    kind = subject.device.type
    for dtype, bound in _HALF.items():
        name = str(dtype).removeprefix("torch.")
        if dtype == torch.float16 and kind == "cpu":
            findings.skip(name, "float16 needs a GPU.")
            continue
        if kind == "cuda" and dtype == torch.bfloat16 and not torch.cuda.is_bf16_supported():
            findings.skip(name, "This GPU has no bfloat16.")
            continue
        with torch.autocast(kind, dtype=dtype):
            error = _error(scores(subject.model, inputs), expected)
        _compare(
            findings, name, error, bound, f"Under {name} autocast the scores", "Train in float32, or find the layer."
        )


def _check_attention(
    findings: Findings, subject: Subject, inputs: dict[str, torch.Tensor], expected: torch.Tensor
) -> None:
    """Another attention kernel gives the same scores."""
    bare = subject.bare
    used = getattr(getattr(bare, "config", None), "_attn_implementation", None)
    if used not in ("sdpa", "eager", "flash_attention_2") or not hasattr(bare, "set_attn_implementation"):
        findings.skip("attention", f"{type(bare).__name__} has no attention kernel to choose.")
        return
    other = "eager" if used != "eager" else "sdpa"
    try:
        bare.set_attn_implementation(other)
        error = _error(scores(subject.model, inputs), expected)
    except (ValueError, ImportError, NotImplementedError) as reason:
        findings.skip("attention", f"{other} cannot be used: {reason}")
        return
    finally:
        bare.set_attn_implementation(used)
    what = f"With {used} and {other} attention the scores"
    _compare(findings, f"{used}_against_{other}", error, _kernel(subject), what,
             f"Load the model with attn_implementation={other!r}.")  # fmt: skip


def _check_batches(
    findings: Findings, subject: Subject, inputs: dict[str, torch.Tensor], expected: torch.Tensor
) -> None:
    """An image has the same scores alone and in a batch, and a NaFlex image with more padding."""
    if subject.draws_in_evaluation:
        findings.skip("batch", f"{type(subject.bare).__name__} draws random numbers for each batch by design.")
        return
    if "logits" in subject.model(**inputs) or expected.dim() <= 2:
        alone = torch.cat(
            [
                scores(subject.model, {k: v[i : i + 1] if v.dim() else v for k, v in inputs.items()})
                for i in range(len(expected))
            ]
        )
        if alone.shape == expected.shape:
            _compare(findings, "batch", _error(alone, expected), _INVARIANCE, "Alone and in a batch an image's scores",
                     "Find the layer that mixes images, such as batch normalisation in training mode.")  # fmt: skip
    if "pixel_attention_mask" not in inputs:
        return
    padded = dict(inputs)
    pixels, mask = inputs["pixel_values"], inputs["pixel_attention_mask"]
    padded["pixel_values"] = torch.cat([pixels, torch.ones_like(pixels[:, :8])], dim=1)
    padded["pixel_attention_mask"] = torch.cat([mask, torch.zeros_like(mask[:, :8])], dim=1)
    _compare(findings, "padding", _error(scores(subject.model, padded), expected), _INVARIANCE,
             "With eight more patches of padding the scores", "Pass pixel_attention_mask to the model.")  # fmt: skip


def _check_compiled(
    findings: Findings,
    subject: Subject,
    inputs: dict[str, torch.Tensor],
    expected: torch.Tensor,
    wanted: bool | None,
) -> None:
    if wanted is None:
        wanted = subject.device.type == "cuda"
    if not wanted:
        findings.skip(
            "compile", "torch.compile is compared on a GPU, or where it is asked for: on a CPU it takes minutes."
        )
        return
    torch._dynamo.reset()
    explained = torch._dynamo.explain(subject.model)(**inputs)
    findings.measure("graph_breaks", int(explained.graph_break_count))
    compiled: Any = torch.compile(subject.model)
    _compare(findings, "compile", _error(scores(compiled, inputs), expected), _kernel(subject), "Compiled, the scores",
             "Train without torch_compile.")  # fmt: skip


def _check_gradients(findings: Findings, subject: Subject, batch: dict[str, torch.Tensor]) -> None:
    """A seeded step repeats, and activation checkpointing gives the same gradients."""
    first, second = _gradients(subject, batch), _gradients(subject, batch)
    difference = _largest(first, second)
    _compare(findings, "determinism", difference, _GRADIENT, "Two steps from the same seed have gradients that",
             "Use set_seed() and torch.use_deterministic_algorithms(True).")  # fmt: skip
    bare = subject.bare
    if not getattr(bare, "supports_gradient_checkpointing", False) or quantized_modules(bare):
        findings.skip("checkpointing", f"{type(bare).__name__} has no activation checkpointing, or is quantised.")
        return
    modules = [module for module in bare.modules() if hasattr(module, "gradient_checkpointing")]
    kept = [
        (module, module.gradient_checkpointing, getattr(module, "_gradient_checkpointing_func", None))
        for module in modules
    ]
    if any(on for _, on, _ in kept):
        findings.skip("checkpointing", "Activation checkpointing is on already; its gradients are seen by `movement`.")
        return
    try:
        bare.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        checkpointed = _gradients(subject, batch)
    finally:
        for module, on, function in kept:
            module.gradient_checkpointing = on
            if function is not None:
                module._gradient_checkpointing_func = function
    _compare(findings, "checkpointing", _largest(first, checkpointed), _GRADIENT,
             "With activation checkpointing gradients", "Train without it.")  # fmt: skip


def _measure_speed(findings: Findings, subject: Subject, batch: dict[str, torch.Tensor]) -> None:
    """Images per second of a training step, the share of it that loading takes, and on a GPU its peak memory."""
    device, size = subject.device, len(next(iter(batch.values())))
    trainable = any(p.requires_grad for p in subject.model.parameters())
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    started = time.perf_counter()
    for _ in range(_REPEATS):
        if trainable:
            _gradients(subject, batch)
        else:
            scores(subject.model, subject.without_labels(batch))
    if cuda:
        torch.cuda.synchronize(device)
    step = (time.perf_counter() - started) / _REPEATS
    findings.measure("images_per_second", round(size / step, 2))
    source = subject.train
    if source is not None and source.indexable and len(source):
        started = time.perf_counter()
        source.batch(source.spread(size))
        loading = time.perf_counter() - started
        workers = max(1, int(getattr(subject.args, "dataloader_num_workers", 0) or 0))
        findings.measure("loading_share", round(loading / workers / (loading / workers + step), 3))
    if not cuda:
        findings.skip("memory", "Peak memory is measured on a GPU.")
        return
    peak = torch.cuda.max_memory_allocated(device)
    states = sum(
        p.numel() * p.element_size() + (12 * p.numel() if p.requires_grad else 0) for p in subject.model.parameters()
    )
    findings.measure("peak_memory", peak)
    if peak > _MEMORY * states + torch.cuda.get_device_properties(device).total_memory / 2:
        findings.note(
            "memory", f"A step needs {peak / 2**30:.1f} GiB, and the model's states {states / 2**30:.1f} GiB."
        )


def _check_ranks(findings: Findings, subject: Subject) -> None:
    """All processes of a distributed training have the same weights."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        findings.skip("ranks", "There is one process, so there are no ranks to agree.")
        return
    trained = {name for name, p in subject.model.named_parameters() if p.requires_grad}
    own = {name: value for name, value in fingerprints(subject.model).items() if name in trained}
    everyone: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyone, own)
    other = sorted({name for rank in everyone for name in own if rank.get(name) != own[name]})
    findings.measure("ranks", len(everyone))
    if other:
        findings.fail("ranks", f"{len(other)} trained tensors, such as {other[0]}, differ between processes.",
                      "Let Trainer wrap the model: gradients are not averaged.", len(other), 0)  # fmt: skip


def _kernel(subject: Subject) -> float:
    return _KERNEL.get(
        next(p.dtype for p in subject.model.parameters() if p.is_floating_point()), _KERNEL[torch.float32]
    )


def _compare(findings: Findings, aspect: str, measured: float, bound: float, what: str, remedy: str) -> None:
    findings.measure(aspect, measured, f"<= {bound}")
    if not measured <= bound:
        findings.fail(aspect, f"{what} differ by {measured:.2g} of the largest.", remedy, measured, f"<= {bound}")


def _gradients(subject: Subject, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The gradients of one training step from a fixed seed; the model's own are put back."""
    model = subject.model
    kept = [(p, p.grad) for p in model.parameters() if p.requires_grad]
    modes = {module: module.training for module in model.modules()}
    try:
        for parameter, _ in kept:
            parameter.grad = None
        model.train()
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        loss_of(subject, batch).backward()
        return {
            n: p.grad.detach().clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None
        }
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
        for module, training in modes.items():
            module.training = training


def _largest(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    if first.keys() != second.keys():
        return float("inf")
    scale = max((float(gradient.abs().max()) for gradient in first.values()), default=0.0) or 1.0
    return max((float((first[name] - second[name]).abs().max()) for name in first), default=0.0) / scale


def _error(measured: torch.Tensor, expected: torch.Tensor) -> float:
    return float((measured - expected).abs().max() / expected.abs().max().clamp_min(1e-6))

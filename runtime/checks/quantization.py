"""A quantised model: what must not be quantised is not, and the rest still says what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.checks.weights import without_adapter
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.features import image_embeddings
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.quantization import quantized_modules, unquantized_modules

if TYPE_CHECKING:
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "quantization"
_MOST_ERROR = {"4bit": 0.5, "8bit": 0.1}
"""Of the features, relative to their norm. Measured on a tiny NaFlex model: 0.175 in 4 bits, 0.742 with its patch
embedding quantised too; 0.008 in 8 bits.
"""


def check_quantization(subject: Subject) -> list[CheckResult]:
    """Whether head and NaFlex patch embedding are left alone, and the features are near those of full precision."""
    findings = Findings(NAME)
    quantized = quantized_modules(subject.bare)
    if not quantized:
        findings.skip("quantized", "The model is not quantised.")
        return findings.results("")
    findings.measure("quantized", len(quantized))
    inside = {path.removesuffix(".base_layer") for path in quantized}
    wrong = sorted(inside & set(unquantized_modules(subject.bare)) | _quantized_heads(subject))
    findings.measure("wrongly_quantized", wrong, [])
    if wrong:
        findings.fail(
            "wrongly_quantized",
            f"{shown(wrong)} is quantised: a head cannot be trained then, and a NaFlex patch embedding moves the "
            "output by most of its norm.",
            f"BitsAndBytesConfig(..., llm_int8_skip_modules={unquantized_modules(subject.bare)}), or "
            "load_model(quantization=...).",
            wrong,
            [],
        )
    _check_error(findings, subject, quantized)
    return findings.results(f"{len(quantized)} layers are quantised, head and patch embedding are not.")


def _quantized_heads(subject: Subject) -> set[str]:
    from v5lint.runtime.roles import classification_head

    return {
        name
        for path in classification_head(subject.bare)
        for name, module in subject.bare.get_submodule(path).named_modules(prefix=path)
        if type(module).__module__.startswith("bitsandbytes.")
    }


def _check_error(findings: Findings, subject: Subject, quantized: list[str]) -> None:
    if subject.family is None or subject.base is None:
        findings.skip("error", "The checkpoint in full precision cannot be read, so there is nothing to compare with.")
        return
    kind = "4bit" if any("4bit" in type(_layer(subject, path)).__name__ for path in quantized) else "8bit"
    inputs = sample_inputs(subject.model)
    try:
        reference = subject.reference
        assert reference is not None  # there is a base
        with undisturbed(subject.model), torch.no_grad(), without_adapter(subject.model):
            subject.model.eval()
            ours = image_embeddings(subject.model, inputs).float()
            theirs = image_embeddings(reference[0], inputs).float()
    except (RuntimeSetupError, RuntimeError) as error:
        findings.fail(
            "error", f"The quantised model cannot be run: {error}", "Load it with load_model(quantization=...)."
        )
        return
    measured = float((ours - theirs).norm() / theirs.norm())
    findings.measure("error", round(measured, 4), f"<= {_MOST_ERROR[kind]}")
    if not measured <= _MOST_ERROR[kind]:
        findings.fail(
            "error",
            f"In {kind} the features differ from full precision by {measured:.2f} of their norm.",
            "Leave patch embedding and head unquantised: load_model(quantization=...) does.",
            round(measured, 4),
            f"<= {_MOST_ERROR[kind]}",
        )


def _layer(subject: Subject, path: str) -> object:
    module = subject.bare.get_submodule(path)
    return getattr(module, "base_layer", module)

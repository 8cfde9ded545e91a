"""The right class with the right weights: each tensor of the backbone as the checkpoint has it.

A wrong class is loud unless `ignore_mismatched_sizes=True` is passed to swap the head: then the patch and position
embeddings of a NaFlex checkpoint in a FixRes class start at random, and a fine-tune reaches nearly the same accuracy.
A checkpoint with register tokens in the class without them says it in a log table alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.checks.descent import check_adapter_base, check_configuration
from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.checks.parameters import adapted_layers, lora_config_of
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.families import all_families
from v5lint.runtime.features import image_embeddings
from v5lint.runtime.hub import read_json
from v5lint.runtime.quantization import quantized_modules
from v5lint.runtime.roles import classification_head, unwrap

if TYPE_CHECKING:
    from torch import nn

    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "weights"
_LEAST_COSINE = {torch.float32: 0.99, torch.bfloat16: 0.97, torch.float16: 0.98}
_QUANTIZED_COSINE = 0.8
_TAKES_FROM_WEIGHTS = {"pissa", "olora", "corda", "loftq"}
"""Initialisations of LoRA after which base layer and adapter together are what the base layer was."""


def check_weights(subject: Subject) -> list[CheckResult]:
    """Whether the class fits the checkpoint, and its tensors and features are the checkpoint's."""
    findings = Findings(NAME)
    _check_class(findings, subject)
    findings.attempt("base", lambda: check_adapter_base(findings, subject))
    if subject.base is None:
        findings.skip(
            "tensors",
            "The model does not say what it was loaded from, or that cannot be read: nothing to compare with.",
            "Pass checkpoint=, the folder or repository of the base model.",
        )
        return findings.results(f"{type(subject.bare).__name__} is the class of its configuration.")
    if subject.family is None:
        findings.skip("tensors", f"{type(subject.bare).__name__} is of no family whose weights can be compared.")
        return findings.results(f"{type(subject.bare).__name__} is the class of its configuration.")
    try:
        reference = subject.reference
    except RuntimeSetupError as error:
        findings.fail("load", f"The checkpoint does not load as it should: {error}", "Load it with load_model().")
        return findings.results("")
    assert reference is not None  # there is a base
    model, report = reference
    if not findings.failed:
        findings.attempt("configuration", lambda: check_configuration(findings, subject))
    _check_tensors(findings, subject, model)
    if report.dropped:
        findings.fail(
            "dropped",
            f"{len(report.dropped)} tensors of the checkpoint, such as {report.dropped[0]}, have no place in "
            f"{report.model_class}: config.json describes another architecture.",
            "Use the config.json that belongs to the weights.",
            len(report.dropped),
            0,
        )
    if not findings.failed:
        findings.attempt("features", lambda: _check_features(findings, subject, model))
    return findings.results(
        f"{type(subject.bare).__name__} has every tensor of {subject.base} outside the head and what is trained."
    )


def _check_class(findings: Findings, subject: Subject) -> None:
    bare = subject.bare
    config = getattr(bare, "config", None)
    own = getattr(getattr(type(bare), "config_class", None), "model_type", None)
    if config is None or not own:
        findings.skip("class", f"{type(bare).__name__} is no model of transformers.")
        return
    said = str(getattr(config, "model_type", own))
    if subject.base is not None:
        saved = read_json(subject.base, "config.json", local_files_only=subject.checkpoint is None) or {}
        said = str(saved.get("model_type") or said)
    findings.measure("model_type", own, said)
    accepted = {said, f"{said}_vision_model", f"{said}_text_model"}
    known = any({own, said} & set(family.model_types) for family in all_families().values())
    if own not in accepted:
        report = findings.fail if known else findings.note
        report(
            "class",
            f"The checkpoint is of model_type {said!r} and {type(bare).__name__} is a class for {own!r}.",
            "Load it with the Auto class of the task, or load_model().",
            own,
            said,
        )


def _check_tensors(findings: Findings, subject: Subject, reference: nn.Module) -> None:
    """Each tensor that is not trained is the checkpoint's, bit for bit."""
    expected = dict(reference.named_parameters())
    # Of another class than the reference, such as one of the script's own, the backbone alone can be compared.
    inside = [name for name, module in subject.bare.named_modules() if isinstance(module, type(reference))]
    prefix = f"{inside[0]}." if inside and inside[0] else ""
    heads = classification_head(subject.bare)
    modules = [name for name, module in unwrap(subject.model).named_modules() if hasattr(module, "base_layer")]
    trained = {n for n, p in subject.bare.named_parameters() if p.requires_grad} if has_moved(subject) else set()
    quantized = set(quantized_modules(subject.model)) | set(quantized_modules(subject.bare))
    compared, other, absent = 0, [], []
    inner = subject.bare.get_submodule
    moved = {name for name in modules if getattr(inner(name), "merged", False)} | set(_moved_by_adapter(subject))
    for name, parameter in subject.bare.named_parameters():
        plain = name.replace(".base_layer.", ".")
        owner = name.rpartition(".")[0].removesuffix(".base_layer")
        # What is trained whole lies beside the original, which is not asked any more.
        if ".modules_to_save." in name or ".original_module." in name:
            continue
        if any(f".{head}." in f".{plain}" for head in heads):
            continue
        if any(name.startswith(f"{path}.") and not name.startswith(f"{path}.base_layer.") for path in modules):
            continue  # of the adapter itself, whatever its kind
        if name in trained or owner in quantized or owner in moved or (prefix and not plain.startswith(prefix)):
            continue
        wanted = expected.get(plain, expected.get(plain.removeprefix(prefix)))
        if wanted is None or wanted.shape != parameter.shape:
            absent.append(plain)
            continue
        compared += 1
        if not torch.equal(parameter.detach(), wanted.detach().to(parameter)):
            other.append(plain)
    findings.measure("compared", compared)
    findings.measure("different", len(other), 0)
    if absent and not findings.failed:
        findings.fail(
            "shapes",
            f"{len(absent)} tensors, such as {absent[0]}, have no counterpart of their shape in the checkpoint.",
            "Load it with the Auto class of the task, or load_model().",
            len(absent),
            0,
        )
    if other:
        findings.fail(
            "tensors",
            f"{len(other)} of {compared} tensors outside the head ({shown(other)}) are not the checkpoint's: they were "
            "initialised at random, or changed after the load.",
            "Load with load_model(): it fails where a tensor is missing or mismatched outside the head.",
            len(other),
            0,
        )


def has_moved(subject: Subject) -> bool:
    """Whether what is trained may be other than the checkpoint has it: after a training, and where one is resumed."""
    return subject.trained or subject.continued


def _moved_by_adapter(subject: Subject) -> dict[str, Any]:
    """The adapted layers, where the adapter's initialisation takes its own share out of their weights (PiSSA)."""
    config = lora_config_of(subject.model)
    how = str(getattr(config, "init_lora_weights", "")).partition("_")[0].lower()
    return adapted_layers(subject.model) if how in _TAKES_FROM_WEIGHTS else {}


def _check_features(findings: Findings, subject: Subject, reference: nn.Module) -> None:
    """The model's features, without the adapter, point where the checkpoint's do."""
    if subject.family is None:
        findings.skip("features", "The family of the model is not known, so its features cannot be read.")
        return
    if has_moved(subject) and any(p.requires_grad and ".lora_" not in n for n, p in subject.model.named_parameters()):
        heads = classification_head(subject.bare)
        outside = [
            n
            for n, p in subject.bare.named_parameters()
            if p.requires_grad and ".lora_" not in n and not any(f".{head}." in f".{n}" for head in heads)
        ]
        if outside:
            return
    if _moved_by_adapter(subject):
        findings.skip("features", "The adapter's initialisation moves the weights, so that the features are its sum.")
        return
    from v5lint.runtime.inputs import sample_inputs

    inputs = sample_inputs(subject.model)
    with undisturbed(subject.model), torch.no_grad(), without_adapter(subject.model):
        subject.model.eval()
        reference.eval()
        cosine = torch.nn.functional.cosine_similarity(
            image_embeddings(subject.model, inputs).float(), image_embeddings(reference, inputs).float(), dim=-1
        )
    least = float(cosine.min())
    dtype = next(p.dtype for p in subject.model.parameters() if p.is_floating_point())
    bound = _QUANTIZED_COSINE if quantized_modules(subject.model) else _LEAST_COSINE.get(dtype, 0.99)
    findings.measure("cosine", round(least, 6), f">= {bound}")
    if not least >= bound:
        findings.fail(
            "cosine",
            f"The model's features and those of the checkpoint have a cosine of {least:.3f} on the same pixels.",
            "Load it with load_model(), and change nothing in the frozen part.",
            round(least, 6),
            f">= {bound}",
        )


def without_adapter(model: nn.Module) -> Any:
    """A block in which the adapter of a model is switched off; one without effect where there is none."""
    from contextlib import nullcontext

    inner: Any = getattr(model, "module", model)
    return (
        inner.disable_adapter()
        if hasattr(inner, "peft_config") and hasattr(inner, "disable_adapter")
        else nullcontext()
    )

"""What is saved is what was trained: the adapter or model is written, read again, and gives the same scores.

`load_best_model_at_end` and `resume_from_checkpoint` of Trainer bring back 8 of the 40 tensors of a ViT that PEFT does
not wrap (transformers 5.9 to 5.24), a head trained by hand is not saved with an adapter, and class names never are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from v5lint.runtime.adapters import ADAPTER_CONFIG, load_adapter, read_adapter_weights
from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.checks.outputs import scores
from v5lint.runtime.checks.parameters import active_adapter, adapted_layers, zero_at_the_start
from v5lint.runtime.checks.preserve import is_sharded, undisturbed
from v5lint.runtime.distributed import is_main_process
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.export import LABELS_FILE
from v5lint.runtime.loading import load_model
from v5lint.runtime.processors import load_processor
from v5lint.runtime.quantization import quantized_modules
from v5lint.runtime.restore import EMA_FILE
from v5lint.runtime.roles import classification_head

if TYPE_CHECKING:
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "reload"
_TOLERANCE, _ROUNDINGS = 1e-5, 8
_MERGED = 1e-4
"""Of the scores' largest value: a merge rounds once, relative to weights in float32."""


def check_reload(subject: Subject) -> list[CheckResult]:
    """Whether a saved and reloaded model gives the same scores, and a restored checkpoint is in the model."""
    findings = Findings(NAME)
    if subject.restored_from is not None:
        _check_restored(findings, subject, Path(subject.restored_from))
    if is_sharded(subject.model):
        findings.skip("saved", "The parameters are sharded over several processes: the trainer alone can save them.")
    elif quantized_modules(subject.bare):
        findings.skip("saved", "The model is quantised: its base is not saved, and is loaded again by the same call.")
    elif not is_main_process():  # newer releases of transformers write nothing in the others
        findings.skip("saved", "The first of the processes saves the model, and reads it again.")
    elif not hasattr(subject.bare, "save_pretrained"):
        findings.skip("saved", f"{type(subject.bare).__name__} cannot be saved by save_pretrained().")
    else:
        with tempfile.TemporaryDirectory(prefix="v5lint-") as folder, undisturbed(subject.model):
            subject.model.eval()
            _check_saved(findings, subject, Path(folder))
    _check_labels(findings, subject)
    _check_processor(findings, subject)
    return findings.results("Saved and read again, the model gives the same scores.")


def _check_saved(findings: Findings, subject: Subject, folder: Path) -> None:
    inputs = subject.without_labels(subject.probe(count=4))
    peft = hasattr(subject.model, "peft_config") and hasattr(subject.model, "get_base_model")
    if peft and (subject.base is None or subject.family is None):
        why = "cannot be read" if subject.base is None else "is of no family that the runtime can load"
        findings.skip("saved", f"The base model {why}, so the adapter cannot be put on it again.")
        return
    if peft and not _is_class_of_task(subject):
        findings.skip(
            "saved",
            f"{type(subject.bare).__name__} is no class that the runtime loads, to put the adapter on it again.",
        )
        return
    if peft and (head := _head_of_its_own(subject)):
        findings.note(
            "saved",
            f"The head ({head}) is made by the script: {type(subject.bare).__name__} has another one, so that the "
            "adapter fits no model that is loaded from the base alone.",
            "Whoever loads the adapter must put the same head in place first.",
            head,
        )
        return
    try:
        expected = scores(subject.model, inputs)
        subject_model: Any = subject.model
        if peft:
            name = active_adapter(subject_model)
            subject_model.save_pretrained(folder, selected_adapters=[name])
            folder = folder / name if (folder / name / ADAPTER_CONFIG).is_file() else folder
        else:
            subject_model.save_pretrained(folder)
        again = _adapter_again(subject, folder) if peft else _model_again(subject, folder)
        measured = scores(again.to(subject.device).eval(), inputs)
    except RuntimeSetupError as error:
        findings.fail("saved", f"What is saved cannot be loaded again: {error}", "See the message.")
        return
    scale = float(expected.abs().max().clamp_min(1e-6))
    difference = float((measured - expected).abs().max()) / scale
    dtype = next(p.dtype for p in subject.model.parameters() if p.is_floating_point())
    # What is read again may compute an adapter in float32 where the model that was trained has it in half precision.
    tolerance = _TOLERANCE if dtype == torch.float32 else _ROUNDINGS * torch.finfo(dtype).eps
    findings.measure("difference", difference, f"<= {tolerance:.2g}")
    if not difference <= tolerance:
        findings.fail(
            "saved",
            f"Saved and read again, the model gives other scores: they differ by {difference:.2g} of the largest.",
            "Something that was trained is not saved, such as a head outside modules_to_save."
            if peft
            else "Something that was trained is not in the state dict.",
            difference,
            f"<= {tolerance:.2g}",
        )
    elif peft and adapted_layers(again):
        merged = scores(again.merge_and_unload(), inputs)
        difference = float((merged - expected).abs().max()) / scale
        findings.measure("merged_difference", difference, f"<= {_MERGED}")
        if not difference <= _MERGED and dtype == torch.float32:
            findings.fail(
                "merged",
                f"Merged into the base model, the adapter gives other scores: they differ by {difference:.2g} of the "
                "largest.",
                "Keep the adapter apart, or merge in float32.",
                difference,
                f"<= {_MERGED}",
            )


def _is_class_of_task(subject: Subject) -> bool:
    """Whether the runtime loads the checkpoint in the class that the model has."""
    try:
        return subject.reference is not None and isinstance(subject.bare, type(subject.reference[0]))
    except RuntimeSetupError:
        return True  # what cannot be loaded is said below


def _head_of_its_own(subject: Subject) -> str:
    """The path of a head that has other tensors than that of its class; "" where there is none."""
    try:
        reference = None if subject.reference is None else subject.reference[0]
    except RuntimeSetupError:
        return ""  # what cannot be loaded is said below
    if reference is None:
        return ""
    for path in classification_head(subject.bare):
        try:
            theirs = reference.get_submodule(path)
        except AttributeError:
            return path
        wrapper: Any = subject.bare.get_submodule(path)
        kept = getattr(wrapper, "modules_to_save", None)
        ours = kept[active_adapter(subject.model)] if kept else getattr(wrapper, "original_module", wrapper)
        if ours.state_dict().keys() != theirs.state_dict().keys():
            return path
    return ""


def _adapter_again(subject: Subject, folder: Path) -> Any:
    dtype = next((p.dtype for p in subject.bare.parameters() if p.is_floating_point()), torch.float32)
    task, labels = subject.task_and_labels
    assert subject.base is not None  # the caller has seen to it
    with torch.random.fork_rng(devices=[]):
        if getattr(subject.bare, "num_labels", None) == 1:  # a regression, which the runtime itself does not train
            loader: Any = type(subject.bare)
            fresh = loader.from_pretrained(subject.base, num_labels=1, dtype=dtype, ignore_mismatched_sizes=True)
        else:
            fresh = load_model(subject.base, task, labels=labels, dtype=dtype)
    layers = adapted_layers(subject.model).values()
    if any(bool(tensor.any()) for layer in layers for tensor in zero_at_the_start(layer)):
        return load_adapter(fresh, folder)
    from peft import PeftModel  # an adapter before its first step changes nothing, which load_adapter refuses

    base: Any = fresh
    return PeftModel.from_pretrained(base, str(folder))


def _model_again(subject: Subject, folder: Path) -> Any:
    dtype = next((p.dtype for p in subject.bare.parameters() if p.is_floating_point()), torch.float32)
    loader: Any = type(subject.bare)
    with torch.random.fork_rng(devices=[]):
        try:
            return loader.from_pretrained(folder, dtype=dtype)
        except (OSError, ValueError, RuntimeError) as error:
            raise RuntimeSetupError(f"{type(subject.bare).__name__}: {error}") from error


def _check_restored(findings: Findings, subject: Subject, folder: Path) -> None:
    """Every tensor of a checkpoint of this training is in the model."""
    if not folder.is_dir():
        findings.skip("restored", f"{folder} is not there any more.")
        return
    try:
        wanted: dict[str, torch.Tensor]
        present: dict[str, torch.Tensor]
        if (folder / EMA_FILE).is_file() and subject.trained:  # what is kept is the average, not the last weights
            wanted, present = load_file(folder / EMA_FILE), dict(_peft(subject.model).named_parameters())
        elif (folder / ADAPTER_CONFIG).is_file():
            wanted = read_adapter_weights(folder)
            present = get_peft_model_state_dict(
                _peft(subject.model), adapter_name=active_adapter(subject.model), save_embedding_layers=False
            )
        else:
            wanted = dict(_model_again(subject, folder).state_dict())
            present = dict(subject.bare.state_dict())
    except RuntimeSetupError as error:
        findings.skip("restored", f"{folder} cannot be read: {error}")
        return
    other = [
        name
        for name, tensor in wanted.items()
        if name not in present or not torch.equal(present[name].detach().cpu(), tensor.to(present[name].dtype).cpu())
    ]
    findings.measure("restored", len(wanted) - len(other), len(wanted))
    if other:
        findings.fail(
            "restored",
            f"{len(wanted) - len(other)} of {len(wanted)} tensors of {folder.name} are in the model; {shown(other)} "
            "are those of another step. Trainer restores by the names of the file, which are not the model's.",
            f"{type(subject.bare).__name__}.from_pretrained({folder.name!r}) gives the checkpoint whole.",
            len(wanted) - len(other),
            len(wanted),
        )


def _check_labels(findings: Findings, subject: Subject) -> None:
    config = getattr(subject.bare, "config", None)
    names = getattr(config, "id2label", None)
    if not names or "Classification" not in type(subject.bare).__name__:
        return
    listed = [str(names[key]) for key in sorted(names)]
    findings.measure("label_names", listed[:3])
    if all(name == f"LABEL_{index}" for index, name in enumerate(listed)):
        findings.note(
            "label_names",
            f"The {len(listed)} classes have no names (LABEL_0, ...): nothing that is saved will say what they are.",
            "Load the model with labels= or id2label=.",
        )
    elif hasattr(subject.model, "peft_config") and not _has_labels(subject):
        findings.note(
            "label_names",
            "An adapter is saved without class names: whoever loads it must know them.",
            "Write them beside it, or export the merged model.",
        )


def _has_labels(subject: Subject) -> bool:
    """Whether the class names stand beside the adapter, as the reference fine-tune writes them."""
    return subject.restored_from is not None and (Path(subject.restored_from) / LABELS_FILE).is_file()


def _check_processor(findings: Findings, subject: Subject) -> None:
    """The folder of a finished training has the processor that belongs to it."""
    folder = subject.restored_from
    if folder is None or not Path(folder).is_dir() or not (Path(folder) / "config.json").is_file():
        return
    try:
        load_processor(folder)
    except RuntimeSetupError as error:
        findings.note("processor", str(error), "Pass processing_class= to the trainer.")


def _peft(model: Any) -> Any:
    return getattr(model, "module", model) if not hasattr(model, "peft_config") else model

"""What a model says of where it comes from: its configuration and the checkpoint's, its base and its adapter's.

Both load without a word where every tensor fits: another number of heads, another activation, an adapter that was
trained on another checkpoint of the same size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.checks.findings import shown
from v5lint.runtime.checks.parameters import lora_config_of
from v5lint.runtime.loading import load_config

if TYPE_CHECKING:
    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.subject import Subject

_COMPUTE = frozenset({
    "num_attention_heads", "num_key_value_heads", "hidden_act", "hidden_activation", "layer_norm_eps", "norm_eps",
    "rms_norm_eps", "rope_theta", "rope_parameters", "rope_scaling",
})  # fmt: skip
"""What decides on what is computed, and shows in no tensor's shape."""
_COMPARED = 8
"""Tensors of two files by which they are told apart."""


def check_configuration(findings: Findings, subject: Subject) -> None:
    """What the model computes is what the checkpoint's configuration says."""
    if subject.base is None or not hasattr(subject.bare, "config"):
        return
    wanted, own = _parts(load_config(subject.base)), _parts(subject.bare.config)
    other = {
        name: (own[part][name], wanted[part][name])
        for part in own.keys() & wanted.keys()
        for name in sorted(_COMPUTE & own[part].keys() & wanted[part].keys())
        if own[part][name] != wanted[part][name]
    }
    findings.measure("configuration", len(other), 0)
    if other:
        ours, theirs = next(iter(other.values()))
        findings.fail(
            "configuration",
            f"The model's configuration differs from the checkpoint's in {shown(other)} ({ours} in place of {theirs}): "
            "every tensor fits, and the model computes something else.",
            "Load the model with the checkpoint's own configuration.",
            {key: value[0] for key, value in other.items()},
            {key: value[1] for key, value in other.items()},
        )


def _parts(config: Any) -> dict[str, dict[str, Any]]:
    """The values of the vision part, by one name whether it stands alone or not."""
    whole = config.to_dict()
    return {"vision": whole.get("vision_config") or whole}


def check_adapter_base(findings: Findings, subject: Subject) -> None:
    """The adapter sits on the checkpoint that it was trained on."""
    config = lora_config_of(subject.model)
    said = str(getattr(config, "base_model_name_or_path", None) or "")
    own = str(getattr(getattr(subject.bare, "config", None), "_name_or_path", None) or "")
    if not said or not own or said == own:
        return
    text = f"The adapter was trained on {said} and this is {own}"
    advice = "Load the base model that adapter_config.json names."
    if Path(said).is_dir() and Path(own).is_dir():
        same = _same_weights(Path(said), Path(own))
        findings.measure("adapter_base", own, said)
        if same is False:
            findings.fail("adapter_base", f"{text}, whose weights are others.", advice, own, said)
    elif not Path(said).is_dir() and not Path(own).is_dir() and said.count("/") == own.count("/") == 1:
        report = findings.note if said.rpartition("/")[2] == own.rpartition("/")[2] else findings.fail
        report("adapter_base", f"{text}.", advice, own, said)


def _same_weights(one: Path, other: Path) -> bool | None:
    """Whether two folders hold the same weights; `None` where that cannot be told."""
    from safetensors import safe_open

    files = one / "model.safetensors", other / "model.safetensors"
    if not all(file.is_file() for file in files):
        return None
    if files[0].samefile(files[1]):
        return True
    with safe_open(files[0], "pt") as ours, safe_open(files[1], "pt") as theirs:
        # The head may be another one: what both have, in the same shape, is compared.
        names = sorted(set(ours.keys()) & set(theirs.keys()))
        step = max(1, len(names) // _COMPARED)
        compared = 0
        for name in names[::step]:
            a, b = ours.get_tensor(name), theirs.get_tensor(name)
            if a.shape != b.shape or a.dim() < 2:
                continue
            compared += 1
            if not torch.equal(a, b.to(a.dtype)):
                return False
    return True if compared else None

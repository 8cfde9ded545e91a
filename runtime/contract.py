"""Whether this environment can do what transformers 5 and the runtime ask of it, before anything is trained.

The package imports no torch and no transformers here until it knows that they are there, so that the contract can say
what is missing rather than fall over it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.backbones import GIB
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.results import CheckResult
from v5lint.runtime.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTALL = "pip install 'v5lint[runtime]'"


@dataclass(frozen=True)
class Contract:
    """What `check_contract` found."""

    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(result.ok for result in self.results)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """What failed."""
        return tuple(result for result in self.results if not result.ok)

    def raise_if_broken(self) -> None:
        """Raise with all failures and their remedies, if there are any.

        Raises:
            RuntimeSetupError: Something failed.
        """
        if self.failures:
            lines = (f"{result.name}: {result.detail} {result.remedy}".rstrip() for result in self.failures)
            raise RuntimeSetupError("\n".join(lines))

    def __str__(self) -> str:
        return "\n".join(f"{r.status:8}{r.name}: {r.detail} {r.remedy}".rstrip() for r in self.results)


def check_contract(
    *,
    checkpoints: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    required_gib: float = 1.0,
) -> Contract:
    """Check versions, environment variables, the cache, frameworks, the device, and access to gated weights.

    Args:
        checkpoints: Repositories on the Hub that will be needed; each is asked for once, without a download. Local
            folders need no access.
        environment: The environment variables to look at; by default the process's own.
        required_gib: Free space in GiB that the cache's disk should have.

    Returns:
        One result a check, in this order: versions (one a library), requirements, pairs of versions that fail
        together (one each), environment (one a dead variable), cache,
        frameworks, device, bf16, access (one a checkpoint).
    """
    variables = os.environ if environment is None else environment
    results = [
        *_versions(),
        *_requirements(),
        *_pairs(),
        *_environment(variables),
        _cache_space(variables, required_gib),
        _frameworks(),
    ]
    results += _device()
    results += [check_access(checkpoint) for checkpoint in checkpoints]
    return Contract(tuple(results))


def check_access(checkpoint: str, *, token: str | None = None) -> CheckResult:
    """Whether a repository on the Hub can be read, and what to do where it cannot.

    Args:
        checkpoint: Repository, or a local folder, which needs no access.
        token: A token of the Hub; by default the one that is logged in.
    """
    name = f"access {checkpoint}"
    if Path(checkpoint).is_dir():
        return CheckResult(name, "passed", "local", "readable", f"{checkpoint} is a local folder.")
    if importlib.util.find_spec("huggingface_hub") is None:
        return CheckResult(name, "skipped", None, "readable", "huggingface_hub is not installed.", INSTALL)
    from huggingface_hub import auth_check
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        auth_check(checkpoint, token=token)
    except GatedRepoError:  # before RepositoryNotFoundError, of which it is a subclass
        return CheckResult(
            name,
            "failed",
            "gated",
            "readable",
            f"{checkpoint} is gated, and this account has not been granted access.",
            f"Accept the licence on https://huggingface.co/{checkpoint}, wait for the grant, then run `hf auth login`; "
            "or choose a backbone that is not gated with choose_backbone().",
        )
    except (RepositoryNotFoundError, HFValidationError):
        return CheckResult(
            name,
            "failed",
            "not found",
            "readable",
            f"{checkpoint} is no repository on the Hub that this account can see, and no local folder.",
            "Check the spelling; for a private repository run `hf auth login`.",
        )
    except Exception as error:  # whatever HTTP library the installed huggingface_hub uses: requests, httpx or httpx2
        return CheckResult(
            name,
            "skipped",
            type(error).__name__,
            "readable",
            f"The Hub could not be asked about {checkpoint}: {(str(error).strip().splitlines() or [''])[0]}",
            "Without a network, download the checkpoint beforehand and pass its folder.",
        )
    return CheckResult(name, "passed", "readable", "readable", f"{checkpoint} can be read.")


def _versions() -> list[CheckResult]:
    results = []
    for library, (oldest, newest) in read_table("contract")["supported"].items():
        found = platform.python_version() if library == "python" else _installed(library)
        expected = f">={oldest},<{newest}"
        if found is None:
            results.append(
                CheckResult(f"version {library}", "failed", None, expected, f"{library} is not installed.", INSTALL)
            )
            continue
        inside = _release(oldest) <= _release(found) < _release(newest)
        remedy = (
            "" if inside else f"pip install '{library}{expected}'" if library != "python" else f"Use Python {expected}."
        )
        detail = f"{library} {found} is {'supported' if inside else f'not supported: {expected}'}."
        results.append(
            CheckResult(f"version {library}", "passed" if inside else "failed", found, expected, detail, remedy)
        )
    return results


def _requirements() -> list[CheckResult]:
    """The bounds that the installed transformers itself sets, of which it checks only some when it is imported."""
    if _installed("transformers") is None or importlib.util.find_spec("packaging") is None:
        return []
    from packaging.requirements import Requirement

    wanted = {"torch", "peft", "accelerate", "tokenizers", "safetensors", "huggingface-hub"}
    broken = []
    for line in importlib.metadata.requires("transformers") or ():
        requirement = Requirement(line)
        found = _installed(requirement.name)
        if requirement.name in wanted and found and not requirement.specifier.contains(found, prereleases=True):
            broken.append(f"{requirement.name}{requirement.specifier} (installed: {found})")
    unique = sorted(set(broken))
    return [
        CheckResult(
            "requirements",
            "failed" if unique else "passed",
            unique,
            [],
            f"transformers {_installed('transformers')} needs {', '.join(unique)}."
            if unique
            else "The versions fit each other.",
            "pip install " + " ".join(f"'{entry.split(' ')[0]}'" for entry in unique) if unique else "",
        )
    ]


def _pairs() -> list[CheckResult]:
    """Libraries whose installed versions fail together, though neither says so."""
    results = []
    for row in read_table("contract")["pair"]:
        library, needs = row["library"], row["needs"]
        other, _, oldest = needs.partition(">=")
        found, beside = _installed(library), _installed(other)
        if found is None or beside is None or _release(found) < _release(row["since"]):
            continue
        if _release(beside) < _release(oldest):
            results.append(
                CheckResult(
                    f"pair {library} {other}",
                    "failed",
                    {library: found, other: beside},
                    {other: f">={oldest}"},
                    f"{library} {found} needs {needs}, and {beside} is installed: {row['why']}.",
                    f"pip install '{needs}', or '{library}<{row['since']}'",
                )
            )
    return results


def _environment(variables: Mapping[str, str]) -> list[CheckResult]:
    results = []
    for row in read_table("contract")["environment"]:
        name, replacement = row["name"], row["replacement"]
        if name not in variables:
            continue
        value = variables[name]
        if not replacement:
            remedy = f"Remove it ({row['why']})."
        elif variables.get(replacement) == value:
            remedy = f"Remove it: {replacement} is set to the same."
        elif replacement in variables:
            remedy = f"Remove it, or move its value to {replacement}, which is set to {variables[replacement]}."
        else:
            remedy = f"Set {replacement}={value} in its place ({row['why']})."
        # A cache that is not used costs a download, or a failed job without a network; the others change nothing.
        cache = replacement == "HF_HUB_CACHE"
        lost = cache and variables.get(replacement) != value
        results.append(
            CheckResult(
                f"environment {name}",
                "failed" if lost else "note",
                value,
                None,
                f"{name} is set, and transformers 5 passes over it without a word.",
                remedy,
            )
        )
    return results or [CheckResult("environment", "passed", [], [], "No variable is set that transformers 5 ignores.")]


def _cache_space(variables: Mapping[str, str], required_gib: float) -> CheckResult:
    folder = cache_folder(variables)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / GIB
    writable = os.access(existing, os.W_OK)
    enough = free >= required_gib
    refused = "" if writable else ", and it cannot be written to"
    wanted = "" if enough else f", and {required_gib:,g} are needed"
    return CheckResult(
        "cache",
        "passed" if enough and writable else "failed",
        {"folder": str(folder), "free_gib": round(free, 1), "writable": writable},
        {"free_gib": required_gib, "writable": True},
        f"Models are kept in {folder}, with {free:.1f} GiB free{wanted}{refused}.",
        "" if enough and writable else "Set HF_HUB_CACHE to a folder on a disk with room that you may write to.",
    )


def cache_folder(variables: Mapping[str, str] | None = None) -> Path:
    """Where the Hub's files are kept, as huggingface_hub decides it.

    Args:
        variables: The environment variables to look at; by default the process's own.
    """
    env = os.environ if variables is None else variables
    home = env.get("HF_HOME") or str(Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    chosen = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE") or str(Path(home) / "hub")
    return Path(os.path.expandvars(chosen)).expanduser().absolute()


def _frameworks() -> CheckResult:
    others = [name for name in ("tensorflow", "flax", "jax") if importlib.util.find_spec(name) is not None]
    has_torch = importlib.util.find_spec("torch") is not None
    if not has_torch and others:
        return CheckResult(
            "frameworks",
            "failed",
            others,
            ["torch"],
            f"Only {' and '.join(others)} is installed, and transformers 5 has no TensorFlow and no Flax models.",
            f"Install torch and load the checkpoint's safetensors there: {INSTALL}",
        )
    if not has_torch:
        return CheckResult("frameworks", "failed", [], ["torch"], "torch is not installed.", INSTALL)
    detail = "torch is installed"
    detail += f"; {' and '.join(others)} too, which transformers 5 does not use." if others else "."
    return CheckResult("frameworks", "passed", ["torch", *others], ["torch"], detail)


def _device() -> list[CheckResult]:
    if importlib.util.find_spec("torch") is None:
        why = "torch is not installed."
        return [CheckResult("device", "skipped", detail=why), CheckResult("bf16", "skipped", detail=why)]
    import torch

    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        count = torch.cuda.device_count()
        memory = properties.total_memory / GIB
        device = CheckResult(
            "device",
            "passed",
            {"kind": "cuda", "name": properties.name, "memory_gib": round(memory, 1), "count": count},
            None,
            f"{count} x {properties.name} with {memory:.0f} GiB.",
        )
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        remedy = "" if bf16 else "Train in float32, or with fp16=True on a model of base size."
        return [device, CheckResult("bf16", "passed" if bf16 else "note", bf16, True, _bf16_detail(bf16), remedy)]
    if torch.backends.mps.is_available():
        device = CheckResult("device", "passed", {"kind": "mps"}, None, "Apple's GPU, through Metal.")
        return [device, CheckResult("bf16", "note", None, True, "bfloat16 on Metal depends on the chip.")]
    device = CheckResult(
        "device",
        "note",
        {"kind": "cpu", "cores": os.cpu_count()},
        "cuda",
        f"No GPU: training runs on {os.cpu_count()} CPU cores.",
        "Choose a small backbone with choose_backbone(compute='cpu').",
    )
    return [device, CheckResult("bf16", "note", True, True, "bfloat16 runs on a CPU, mostly slower than float32.")]


def _bf16_detail(supported: bool) -> str:
    return "The GPU computes in bfloat16." if supported else "The GPU has no bfloat16 of its own (it came with Ampere)."


def _installed(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version: `2.13.0+cpu` is (2, 13, 0). A release candidate counts as its release."""
    return tuple(int(number) for number in re.match(r"\d+(\.\d+)*", version)[0].split("."))  # type: ignore[index]

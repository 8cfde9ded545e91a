"""`report.json`, and the same report for a person: what a command measured, under which versions, with what outcome.

Every command writes this one form, so that two runs can be compared whatever they did.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from v5lint.runtime.errors import OutputError

if TYPE_CHECKING:
    from v5lint.runtime.results import CheckResult

REPORT_FILE = "report.json"
_LIBRARIES = ("v5lint", "torch", "transformers", "peft", "accelerate", "datasets", "huggingface_hub", "timm")
_COLOURS = {"passed": "green", "failed": "bold red", "skipped": "yellow", "note": "cyan"}


@dataclass(frozen=True)
class Loss:
    """The mean loss of the training steps since the one before (or since a resume), or of the whole evaluation set.

    Attributes:
        step: Optimiser steps done when it was measured.
        split: What it was measured on.
        loss: Its value.
    """

    step: int
    split: Literal["train", "eval"]
    loss: float


@dataclass(frozen=True)
class RunReport:
    """What a command did: the content of `report.json`.

    Attributes:
        family: Name of the family, as in `families.toml`; `None` where no model was loaded.
        checkpoint: Folder or repository of the base model.
        versions: Of Python and of the libraries.
        trainable_parameters: Parameters that received a gradient; `None` where nothing was trained.
        total_parameters: All parameters of the model, adapter included.
        losses: In the order of the training.
        metrics: By name; plain data that JSON can hold.
        checks: In the order in which they ran.
    """

    family: str | None = None
    checkpoint: str | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: installed_versions())
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    losses: Sequence[Loss] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    checks: Sequence[CheckResult] = ()

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def exit_status(self) -> int:
        """0 where nothing failed, 1 where a check did."""
        return 1 if self.failed else 0

    def as_dict(self) -> dict[str, Any]:
        """The content of `report.json`. A number that JSON cannot hold (NaN, infinity) is written as its name."""
        plain: dict[str, Any] = _plain(
            {
                "family": self.family,
                "checkpoint": self.checkpoint,
                "versions": self.versions,
                "trainable_parameters": self.trainable_parameters,
                "total_parameters": self.total_parameters,
                "losses": [asdict(loss) for loss in self.losses],
                "metrics": self.metrics,
                "checks": [check.as_dict() for check in self.checks],
            }
        )
        return plain

    def write(self, folder: str | Path) -> Path:
        """Write `report.json` into a folder, whole or not at all.

        Returns:
            Its path.

        Raises:
            OutputError: It cannot be written.
        """
        return write_json(Path(folder) / REPORT_FILE, self.as_dict())

    def show(self, console: Console | None = None) -> None:
        """Print the report for a person: one line of figures, then a table of the checks with what to do."""
        console = console or Console()
        console.print(escape(self.headline()), highlight=False, soft_wrap=True)
        if self.checks:
            console.print(checks_table(self.checks))

    def headline(self) -> str:
        """Family, checkpoint, parameters, losses and plain metrics in one line."""
        parts = [str(part) for part in (self.family, self.checkpoint) if part]
        if self.trainable_parameters is not None and self.total_parameters:
            share = 100 * self.trainable_parameters / self.total_parameters
            parts.append(
                f"{self.trainable_parameters:,} of {self.total_parameters:,} parameters trained ({share:.2f} %)"
            )
        trained = [loss.loss for loss in self.losses if loss.split == "train"]
        if trained:
            parts.append(f"loss {trained[0]:.4f} -> {trained[-1]:.4f}")
        parts += [
            f"{'evaluation loss' if name == 'loss' else name} {value:.4g}"
            for name, value in self.metrics.items()
            if isinstance(value, float)
        ]
        return ", ".join(parts)


def checks_table(checks: Sequence[CheckResult]) -> Table:
    """A table of checks for the terminal: status, name, and what was found with what to do."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("status", no_wrap=True)
    table.add_column("name", no_wrap=True)
    table.add_column("what was found")
    for check in checks:
        found = escape(check.detail or str(check.measured))
        if check.remedy:
            found += f"\n[bold]{escape(check.remedy)}[/bold]"
        table.add_row(f"[{_COLOURS[check.status]}]{check.status}[/]", escape(check.name), found)
    return table


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on; those that are not installed are left out."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a JSON file whole or not at all, making its folder if need be.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    return write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text file, in UTF-8, whole or not at all, making its folder if need be.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, making its folder if need be.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    unfinished: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(unfinished, 0o666 & ~_umask())
        os.replace(unfinished, path)
    except OSError as error:
        if unfinished is not None:
            Path(unfinished).unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _plain(value: Any) -> Any:
    """The same data in types that JSON has: no tensors, no paths, no NaN."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # arrays and tensors, and their scalars
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)

"""Bring back a checkpoint that Trainer wrote, every tensor of it.

Trainer's own `load_best_model_at_end` and `resume_from_checkpoint` read the file by its names and fill what they find.
The names in the file are those of transformers 4, the model's are not: of a ViT 8 of 40 tensors come back (since 5.9),
of a Swin 19 of 45, of a DINOv2 29 of 45 (since 5.18), and the best head stands on the last encoder. One line in the log
says so. Models wrapped by PEFT are not affected.
"""

# torch is typed in part.
# mypy: allow-untyped-calls

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from v5lint.runtime.adapters import check_arrived, read_adapter_weights
from v5lint.runtime.errors import CheckpointError
from v5lint.runtime.loading import load_with_report
from v5lint.runtime.roles import unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STATE_FILE = "trainer_state.json"
EMA_FILE = "ema.safetensors"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_PARTS = (STATE_FILE, "optimizer.pt", "scheduler.pt")


def restore_weights(model: Any, folder: str | Path) -> None:
    """Fill a model that is not wrapped by PEFT from a checkpoint of its own training.

    The checkpoint is loaded as any other is, through the renamings of transformers, and copied tensor by tensor.

    Args:
        model: The model that was trained, wrapped by DDP or not; its tensors are overwritten in place.
        folder: The checkpoint.

    Raises:
        CheckpointError: A tensor of the model would not come from the checkpoint.
    """
    inner: Any = unwrap(model)
    saved, report = load_with_report(folder, dtype=next(p.dtype for p in inner.parameters() if p.is_floating_point()))
    if type(saved) is not type(inner) or report.lost or report.fresh_head:
        raise CheckpointError(
            f"{folder} does not fill {type(inner).__name__}: it is a {type(saved).__name__}, and "
            f"{len(report.missing) + len(report.mismatched)} tensors are missing or of another shape."
        )
    inner.load_state_dict(saved.state_dict(), strict=True)


def check_adapter_restored(model: Any, folder: str | Path) -> None:
    """Raise unless every tensor of a checkpoint's adapter is in the model, with the file's values.

    Raises:
        AdapterError: One is not.
    """
    check_arrived(model, folder, read_adapter_weights(folder))


def checkpoints(folder: Path) -> Iterator[Path]:
    """The checkpoints in a folder that Trainer wrote to, the latest first, complete or not."""
    found = [
        (int(match[1]), path) for path in folder.glob("checkpoint-*") if (match := _CHECKPOINT.fullmatch(path.name))
    ]
    for _, path in sorted(found, reverse=True):
        yield path


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end, which that of a killed run may not be.

    Trainer writes its state last, and not in one go: it can be there in part.
    """
    try:
        json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
        return all((checkpoint / name).stat().st_size > 0 for name in _PARTS)
    except (OSError, ValueError):
        return False


class MovingAverage:
    """An exponential moving average of the trained weights, by torch's own update.

    Attributes:
        averages: The averaged tensors by the names of the parameters.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        from torch.optim.swa_utils import get_ema_multi_avg_fn

        self._update = get_ema_multi_avg_fn(decay)
        self.averages = {name: parameter.detach().clone() for name, parameter in _trained(model).items()}

    def update(self, model: nn.Module) -> None:
        """Take a step's weights in."""
        current = _trained(model)
        names = list(self.averages)
        self._update([self.averages[name] for name in names], [current[name].detach() for name in names], 0)

    def swap(self, model: Any) -> None:
        """Exchange the averages and the weights of a model; twice is as before."""
        with torch.no_grad():
            for name, parameter in _trained(model).items():
                held = parameter.detach().clone()
                parameter.copy_(self.averages[name])
                self.averages[name] = held

    @contextmanager
    def swapped(self, model: Any) -> Iterator[None]:
        """A block in which a model has the averages."""
        self.swap(model)
        try:
            yield
        finally:
            self.swap(model)

    def save(self, folder: str | Path) -> None:
        """Write the averages beside a checkpoint."""
        from safetensors.torch import save_file

        save_file({name: tensor.contiguous() for name, tensor in self.averages.items()}, Path(folder) / EMA_FILE)

    def load(self, folder: str | Path) -> None:
        """Read the averages of a checkpoint.

        Raises:
            CheckpointError: It has none, or those of another model.
        """
        from safetensors.torch import load_file

        path = Path(folder) / EMA_FILE
        if not path.is_file():
            raise CheckpointError(f"{folder} has no {EMA_FILE}: it was trained without ema_decay")
        saved: Mapping[str, torch.Tensor] = load_file(path)
        if saved.keys() != self.averages.keys():
            raise CheckpointError(f"{path} has {len(saved)} tensors, and {len(self.averages)} are trained")
        self.averages = {name: saved[name].to(tensor) for name, tensor in self.averages.items()}


def _trained(model: Any) -> dict[str, nn.Parameter]:
    inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
    return {name: parameter for name, parameter in inner.named_parameters() if parameter.requires_grad}

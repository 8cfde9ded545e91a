"""Several processes: what torchrun and accelerate start, and the set-ups that would silently be something else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from v5lint.runtime.errors import DistributedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TORCHRUN = "Start it with `torchrun --nproc_per_node N -m v5lint.runtime.cli finetune ...`"


def is_main_process() -> bool:
    """Whether this process writes what all of them made."""
    return int(os.environ.get("RANK", "0")) == 0


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_launch(environment: Mapping[str, str] | None = None, *, accelerator: bool | None = None) -> None:
    """Raise where several processes were asked for and this one would train alone, or otherwise than asked.

    `accelerate launch --cpu --num_processes 2`, or with a MULTI_CPU configuration, starts one process and says
    nothing; all that it leaves of the wish is `MASTER_ADDR` without `WORLD_SIZE`. FSDP on a CPU is silently DDP.

    Args:
        environment: The environment variables; by default the process's own.
        accelerator: Whether there is a GPU or another accelerator; by default as torch says.

    Raises:
        DistributedError: So it is; the message has the command that does what was asked.
    """
    variables = os.environ if environment is None else environment
    launched = "ACCELERATE_MIXED_PRECISION" in variables
    if launched and "MASTER_ADDR" in variables and "WORLD_SIZE" not in variables:
        raise DistributedError(
            "accelerate launch was asked for several processes and started one, as it does on CPUs: the run would "
            f"train alone. {_TORCHRUN}, or with `accelerate launch --multi_gpu`, which starts them on CPUs too."
        )
    sharded = variables.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
    if sharded and not (has_accelerator() if accelerator is None else accelerator):
        raise DistributedError(
            "FSDP was asked for and there is no GPU: Trainer would train with DDP and shard nothing. "
            f"{_TORCHRUN} without FSDP, or on a machine with GPUs."
        )


def check_world_size(trained: int) -> None:
    """Raise where Trainer trains with fewer or more processes than were started.

    On a CPU, `TrainingArguments` without `use_cpu=True` may see one process of several, and says nothing.

    Args:
        trained: `world_size` of the training arguments.

    Raises:
        DistributedError: It is another number than the launcher's.
    """
    started = world_size()
    if trained != started:
        raise DistributedError(
            f"{started} processes were started, and Trainer trains with {trained}: each would train alone. "
            f"{_TORCHRUN}; without a GPU, TrainingArguments needs use_cpu=True."
        )


def has_accelerator() -> bool:
    """Whether there is a GPU, or what else torch takes for one."""
    import torch

    return bool(torch.accelerator.is_available()) if hasattr(torch, "accelerator") else torch.cuda.is_available()

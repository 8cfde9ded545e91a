"""Look at a model and its data without changing the training: same random numbers, same modes, same weights after."""

from __future__ import annotations

import random
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def undisturbed(model: nn.Module | None = None, seed: int = 0) -> Iterator[None]:
    """Restore the generators of Python, NumPy and torch, each module's mode, and the statistics of batch normalisation.

    A training with checks in between is thus the same to the last bit as one without. Inside the block the model
    computes without the mixed precision that accelerate lays over its forward: what is compared with it, such as the
    model that was saved and read again, has none either.

    Args:
        model: Its modules' training flags are restored, and what batch normalisation has gathered, which a forward pass
            in training mode changes; `None` where none is touched.
        seed: What the generators start from inside the block, so that what is measured repeats.
    """
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    modes = {} if model is None else {module: module.training for module in model.modules()}
    gathered = {} if model is None else {name: tensor.clone() for name, tensor in batch_statistics(model).items()}
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        with nullcontext() if model is None else in_own_precision(model):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        for name, tensor in batch_statistics(model).items() if model is not None and gathered else ():
            tensor.copy_(gathered[name])
        for module, training in modes.items():
            module.training = training
            if hasattr(module, "reshard"):  # FSDP leaves the outermost parameters gathered after a forward pass
                module.reshard()


def batch_statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """The running means, variances and counts of batch normalisation by name: no parameters, and changed by looking."""
    return {
        f"{name}.{key}": tensor
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        for key, tensor in module.named_buffers(recurse=False)
    }


@contextmanager
def in_own_precision(model: nn.Module) -> Iterator[None]:
    """Call a model as it is, without the autocast that accelerate has put around its forward.

    Under bf16 and fp16 the model of a Trainer rounds where the same model that is loaded again does not.
    """
    wrapped = [module for module in model.modules() if {"forward", "_original_forward"} <= vars(module).keys()]
    kept = [(module, module.forward) for module in wrapped]
    for module in wrapped:
        module.forward = module._original_forward
    try:
        yield
    finally:
        for module, forward in kept:
            module.forward = forward


def is_sharded(model: nn.Module) -> bool:
    """Whether several processes hold parts of the parameters, as under FSDP and DeepSpeed."""
    return any(hasattr(p, "full_tensor") or hasattr(p, "ds_id") for p in model.parameters())


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that FSDP has sharded, gathered from all processes, each of which must ask; any other as it is."""
    gathered: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return gathered

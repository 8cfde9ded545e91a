"""Look at a model and its data without changing the training: same random numbers, same modes, same weights after."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


@contextmanager
def undisturbed(model: nn.Module | None = None, seed: int = 0) -> Iterator[None]:
    """Restore the generators of Python, NumPy and torch, and each module's mode, when the block is left.

    A training with checks in between is thus the same to the last bit as one without. Inside the block the model
    computes without the mixed precision that accelerate lays over its forward: what is compared with it, such as the
    model that was saved and read again, has none either.

    Args:
        model: Its modules' training flags are restored; `None` where none is touched.
        seed: What the generators start from inside the block, so that what is measured repeats.
    """
    mixed = _without_mixed_precision(model)
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
    modes = {} if model is None else {module: module.training for module in model.modules()}
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        if mixed is not None and model is not None:
            model.__dict__["forward"] = mixed
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        for module, training in modes.items():
            module.training = training


def _without_mixed_precision(model: nn.Module | None) -> Any:
    """Take off the forward that accelerate has put over the model's own; what it was, or `None` where there is none."""
    if model is None or "_original_forward" not in model.__dict__:
        return None
    mixed = model.__dict__.pop("forward", None)
    original = model.__dict__["_original_forward"]
    if mixed is not None and getattr(original, "__func__", None) is not type(model).forward:
        model.__dict__["forward"] = original  # it was an attribute before, too
    return mixed

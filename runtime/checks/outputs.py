"""What a model answers, of whatever kind it is: the tensor that two runs are compared by."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from v5lint.runtime.errors import RuntimeSetupError

_NAMED = ("logits", "image_embeds", "pooler_output", "last_hidden_state")


def scores_of(output: Any) -> torch.Tensor:
    """The scores of an output, or its embeddings, or else its first tensor of several numbers.

    Args:
        output: Of transformers, a mapping, a tuple or a tensor.

    Raises:
        RuntimeSetupError: There is none.
    """
    if isinstance(output, torch.Tensor):
        return output.float()
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, list | tuple) else ()
    named = [output.get(name) for name in _NAMED] if isinstance(output, Mapping) else []
    for value in [*named, *values]:
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() > 0:
            return value.float()
    raise RuntimeSetupError(f"{type(output).__name__} holds no scores.")


def scores(model: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The scores of some inputs, without a gradient.

    Chance starts from the same seed each time, so that a model that draws numbers in evaluation too (a masked
    autoencoder) answers the same; that it draws them is what the check `setup` looks at.
    """
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with torch.no_grad():
        return scores_of(model(**inputs))

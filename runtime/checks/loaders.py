"""What a training loop of a script's own goes through: a loader, or a list of batches, with names of its own.

Such a loop calls the model itself, so that a batch may be a tuple of pixels and labels, or have other names than the
model's forward. Where it is plain which tensor is which, the checks see them by the model's names.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from v5lint.runtime.checks.sources import Collate, ImageSource

_PIXELS, _TOKENS, _LABELS = "pixel_values", "input_ids", "labels"
_DIMENSIONS = {_PIXELS: 4, _TOKENS: 2}
"""Of a batch."""


def source_of(
    dataset: Any, collate: Collate | None, inputs: frozenset[str] | None, names: Collection[str]
) -> ImageSource:
    """A data set as the checks see it.

    Args:
        dataset: A data set, a loader, or a list of batches.
        collate: What makes batches of its items, where that is known; a loader has its own.
        inputs: Names that items are reduced to; `None` to leave them as they are.
        names: Those of the model's forward.
    """
    if isinstance(dataset, DataLoader):
        return ImageSource(dataset.dataset, _Named(collate or dataset.collate_fn, names), inputs)
    if type(dataset) is list and dataset and _is_batch(dataset[0]):  # a class of the script's own may read files
        return ImageSource([item for batch in dataset for item in _items(batch)], collate, inputs)
    return ImageSource(dataset, collate, inputs)


def evaluation_collator(trainer: Any) -> Any:
    """What a trainer whose class makes its own evaluation loader collates with; `None` where it makes none."""
    made = getattr(type(trainer), "get_eval_dataloader", None)
    own = made is not None and made.__module__.partition(".")[0] != "transformers"
    if not own or getattr(trainer, "eval_dataset", None) is None:
        return None
    try:
        return getattr(trainer.get_eval_dataloader(), "collate_fn", None)
    except Exception as error:  # whatever a stranger's code raises, the training must go on
        warnings.warn(
            f"{type(trainer).__name__}.get_eval_dataloader cannot be called before the training "
            f"({type(error).__name__}: {error}): evaluation data is looked at with the training's collator",
            stacklevel=2,
        )
        return None


class _Named:
    """A collator whose tensors have the names of the model's forward."""

    def __init__(self, collate: Any, names: Collection[str]) -> None:
        self._collate = collate
        self._names = names

    def __call__(self, items: list[Any]) -> Any:
        batch = self._collate(items)
        values = list(batch.values()) if isinstance(batch, Mapping) else batch
        if not isinstance(values, list | tuple) or _PIXELS not in self._names:
            return batch
        if isinstance(batch, Mapping) and set(batch) & {_PIXELS, _TOKENS}:
            return batch
        tensors = [value for value in values if isinstance(value, torch.Tensor)]
        pixels = [each for each in tensors if each.dim() == _DIMENSIONS[_PIXELS] and each.is_floating_point()]
        labels = [each for each in tensors if each.dim() == 1 and not each.is_floating_point()]
        if len(pixels) != 1:
            return batch
        return {_PIXELS: pixels[0], **({_LABELS: labels[0]} if len(labels) == 1 else {})}


def _is_batch(item: Any) -> bool:
    """Whether an element of a list is a batch, not an item: its tensors have a dimension more."""
    return isinstance(item, Mapping) and any(
        isinstance(item.get(name), torch.Tensor) and item[name].dim() == count for name, count in _DIMENSIONS.items()
    )


def _items(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor) and value.dim()}
    count = min((len(value) for value in tensors.values()), default=0)
    return [{name: value[index] for name, value in tensors.items()} for index in range(count)]

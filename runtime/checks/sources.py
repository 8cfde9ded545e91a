"""What a training's data set shows: the images as they are, the tensors the model gets, the labels.

A script's data set is a black box that yields tensors. Where its own pictures can be found (a data set of the
`datasets` library, a folder of torchvision, an object that keeps images or rows in an attribute), the same code can be
run on pictures of ours, whose right answer is known. What cannot be found is `None`, and the checks say so.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from v5lint.runtime.data import decode_image
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.folders import IMAGE_ENDINGS

Batch = dict[str, torch.Tensor]
Collate = Callable[[list[Any]], Any]
LABEL_COLUMNS = ("labels", "label", "fine_label", "target", "targets", "class")


@dataclass
class ImageSource:
    """One data set of a training.

    Attributes:
        dataset: As it was given to the trainer.
        collate: What makes a batch of its items; torch's own stacking by default.
        inputs: Names that the model's forward takes; items are reduced to these before they are collated. `None` to
            leave items as they are, as Trainer does with `remove_unused_columns=False`.
    """

    dataset: Any
    collate: Collate | None = None
    inputs: frozenset[str] | None = None
    _store: _Store | None = field(default=None, init=False, repr=False)
    _applied: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._store = _find_store(self.dataset)

    @property
    def indexable(self) -> bool:
        """Whether items can be fetched by their index; a stream's cannot."""
        return hasattr(self.dataset, "__getitem__") and _length(self.dataset) is not None

    def __len__(self) -> int:
        return len(self.dataset) if self.indexable else 0

    def spread(self, count: int) -> list[int]:
        """Up to so many indices, evenly over the data set: a sorted one is seen as it is."""
        size = len(self)
        return sorted({int(index) for index in np.linspace(0, size - 1, min(count, size))}) if size else []

    def batch(self, indices: Sequence[int]) -> Batch:
        """The tensors that the model gets of some items.

        Raises:
            RuntimeSetupError: The items cannot be made, or not be collated.
        """
        if not self.indexable:
            return self._collated(self._made(lambda: list(islice(iter(self.dataset), len(indices)))))
        return self._collated(self._made(lambda: [self.dataset[index] for index in indices]))

    def images(self, indices: Sequence[int]) -> list[Image.Image] | None:
        """The pictures of some items as they are stored, or `None` where they cannot be found."""
        if self._store is None:
            return None
        return [self._store.image(index) for index in indices]

    def stored(self, index: int) -> Image.Image | None:
        """The picture of an item with what its file says of it, before it is set upright; `None` without files."""
        return None if self._store is None or self._store.stored is None else self._store.stored(index)

    @property
    def takes_pictures(self) -> bool:
        """Whether the data set's own code can be run on pictures of ours."""
        return self._store is not None and self._store.replaced is not None

    def apply(self, images: Sequence[Image.Image]) -> Batch | None:
        """The tensors that the data set's own code makes of pictures of ours; `None` where it cannot be given any.

        Raises:
            RuntimeSetupError: It makes nothing of these.
        """
        if self._store is None or self._store.replaced is None:
            return None
        replaced = self._store.replaced(list(images))
        if hasattr(replaced, "set_epoch"):  # its chance may hang on the epoch alone, and every call is to have its own
            replaced.set_epoch(self._applied)
        self._applied += 1
        return self._collated(self._made(lambda: [replaced[index] for index in range(len(images))]))

    @cached_property
    def labels(self) -> np.ndarray[Any, Any] | None:
        """The class index of every item, [N], or `None` where the data set does not have them in a column."""
        values = _label_values(self.dataset)
        if values is None or not len(values):
            return None
        if any(isinstance(value, list | tuple) for value in (values[0], values[-1])):
            return None  # a class for each token, or several classes
        array = np.asarray(values)
        return array.astype(int) if array.ndim == 1 and np.issubdtype(array.dtype, np.integer) else None

    @property
    def class_names(self) -> list[str] | None:
        """The names of the classes, in the order of their indices, where the data set says them."""
        inner = _innermost(self.dataset)
        classes = getattr(inner, "classes", None)
        if isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes):
            return list(classes)
        features = getattr(inner, "features", None) or {}
        for column in LABEL_COLUMNS:
            names = getattr(features.get(column), "names", None) if isinstance(features, Mapping) else None
            if names:
                return list(names)
        return None

    def column(self, name: str) -> list[Any] | None:
        """A column of the rows, or `None` where there is none of this name."""
        rows = _plain_rows(_innermost(self.dataset))
        if rows is not None and name in getattr(rows, "column_names", ()):
            return list(rows[name])
        return None

    @property
    def column_names(self) -> list[str]:
        """The columns of the rows, as far as the data set has any."""
        return list(getattr(_innermost(self.dataset), "column_names", None) or ())

    def _made(self, items: Callable[[], list[Any]]) -> list[Any]:
        try:
            return items()
        except Exception as error:  # whatever a stranger's code raises, it is not the check's own fault
            raise RuntimeSetupError(
                f"An item of {type(self.dataset).__name__} cannot be made: {type(error).__name__}: {error}"
            ) from error

    def _collated(self, items: list[Any]) -> Batch:
        try:
            if self.inputs is not None:
                items = [
                    {name: value for name, value in item.items() if name in self.inputs}
                    if isinstance(item, Mapping)
                    else item
                    for item in items
                ]
            batch = (self.collate or _stacked)(items)
        except Exception as error:  # whatever a stranger's code raises, it is not the check's own fault
            raise RuntimeSetupError(
                f"{type(self.dataset).__name__} gives items that cannot be made into a batch: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(batch, Mapping):
            raise RuntimeSetupError(f"The data collator returns {type(batch).__name__}, not tensors by name.")
        # A switch beside the tensors, such as interpolate_pos_encoding=True, is one of the model's inputs too.
        switches = {str(name): torch.tensor(value) for name, value in batch.items() if isinstance(value, bool)}
        return switches | {str(name): value for name, value in batch.items() if isinstance(value, torch.Tensor)}


@dataclass
class _Store:
    """Where a data set keeps its pictures: how to read one, and how to put others in their place.

    Attributes:
        image: The picture of an item.
        replaced: The data set with these pictures in place of its own; `None` where its tensors are not computed from
            the pictures when they are fetched.
        stored: The picture of an item with what its file says of it, before it is set upright; only the head of a file
            is read. `None` where there are no files.
    """

    image: Callable[[int], Image.Image]
    replaced: Callable[[list[Image.Image]], Any] | None = None
    stored: Callable[[int], Image.Image] | None = None


class _Rows(list[Any]):
    """Rows with the two ways of access of a data set: by index, and a whole batch by several."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, list | tuple):
            chosen = [super(_Rows, self).__getitem__(int(index)) for index in key]
            return {name: [row[name] for row in chosen] for name in (chosen[0] if chosen else ())}
        if isinstance(key, str):
            return [row[key] for row in self]
        return super().__getitem__(key)


def _find_store(dataset: Any) -> _Store | None:
    if dataset is None or not hasattr(dataset, "__getitem__"):
        return None
    try:
        return (
            _subset_store(dataset)
            or _hub_store(dataset)
            or _folder_store(dataset)
            or _rows_store(dataset)
            or _attribute_store(dataset)
        )
    except Exception:  # a stranger's data set may do anything when it is looked at; it is then a black box
        return None


def _subset_store(dataset: Any) -> _Store | None:
    """`torch.utils.data.Subset` and its kind: a data set and the indices of it."""
    indices, inner = getattr(dataset, "indices", None), getattr(dataset, "dataset", None)
    if indices is None or inner is None or not isinstance(dataset, torch.utils.data.Subset):
        return None
    found = _find_store(inner)
    if found is None:
        return None
    stored = found.stored
    return _Store(
        lambda index: found.image(int(indices[index])),
        found.replaced,
        None if stored is None else lambda index: stored(int(indices[index])),
    )


def _hub_store(dataset: Any) -> _Store | None:
    """A data set of the `datasets` library, with its transform."""
    rows = _plain_rows(dataset)
    if rows is None:
        return None
    column = _image_column(rows)
    if column is None:
        return None
    transform = (dataset.format.get("format_kwargs") or {}).get("transform")
    stored = _encoded(rows, column)
    if transform is None:  # its tensors were computed beforehand: the rows are final
        return _Store(lambda index: decode_image(rows[index][column]), stored=stored)

    def replaced(images: list[Image.Image]) -> Any:
        first = rows[0]
        batch = {name: [value] * len(images) for name, value in first.items()}
        batch[column] = list(images)
        made = transform(batch)
        return [{name: values[index] for name, values in made.items()} for index in range(len(images))]

    return _Store(lambda index: decode_image(rows[index][column]), replaced, stored)


def _encoded(rows: Any, column: str) -> Callable[[int], Image.Image]:
    """The files of a column of images, which the library sets upright when it decodes them."""
    import datasets

    files = rows.cast_column(column, datasets.Image(decode=False))
    return lambda index: _opened(files[index][column])


def _opened(cell: Mapping[str, Any]) -> Image.Image:
    content = cell.get("bytes")
    return Image.open(io.BytesIO(content) if content is not None else cell["path"])


def _folder_store(dataset: Any) -> _Store | None:
    """Torchvision's folders: paths, a loader and a transform."""
    samples, loader = getattr(dataset, "samples", None), getattr(dataset, "loader", None)
    if not samples or loader is None:
        return None

    def replaced(images: list[Image.Image]) -> Any:
        copied = copy.copy(dataset)
        copied.samples = [(image, samples[0][1]) for image in images]
        copied.loader = lambda image: image.convert("RGB")
        return copied

    return _Store(lambda index: loader(samples[index][0]), replaced, lambda index: _opened({"path": samples[index][0]}))


def _rows_store(dataset: Any) -> _Store | None:
    """A data set that holds rows of the `datasets` library, or a list of rows, in an attribute."""
    for name, rows in vars(dataset).items() if hasattr(dataset, "__dict__") else ():
        plain = _plain_rows(rows) if hasattr(rows, "column_names") else rows if isinstance(rows, list) else None
        if plain is None or not len(plain) or not isinstance(plain[0], Mapping):
            continue
        column = _image_column(plain)
        if column is None:
            continue
        return _Store(partial(_cell, plain, column), partial(_with_rows, dataset, name, plain, column))
    return None


def _attribute_store(dataset: Any) -> _Store | None:
    """A data set that keeps its pictures, or arrays or paths of them, in an attribute."""
    for name, values in vars(dataset).items() if hasattr(dataset, "__dict__") else ():
        if not isinstance(values, list | tuple | np.ndarray) or not len(values):
            continue
        first = values[0]
        if _is_path(first):
            return _Store(partial(_file, values), stored=partial(_opened_path, values))
        if isinstance(first, Image.Image):
            kept = partial(_with_pictures, dataset, name, values)
            return _Store(partial(_in_colour, values), kept, partial(_value, values))
        if _is_picture_array(first):
            return _Store(partial(_value, values), partial(_with_pictures, dataset, name, values))
    return None


def _cell(rows: Any, column: str, index: int) -> Image.Image:
    return decode_image(rows[index][column])


def _file(paths: Any, index: int) -> Image.Image:
    return decode_image({"path": str(paths[index])})


def _opened_path(paths: Any, index: int) -> Image.Image:
    return _opened({"path": str(paths[index])})


def _value(values: Any, index: int) -> Image.Image:
    value = values[index]
    return value if isinstance(value, Image.Image) else Image.fromarray(value)


def _in_colour(pictures: Any, index: int) -> Image.Image:
    return decode_image(pictures[index])


def _with_rows(dataset: Any, name: str, rows: Any, column: str, images: list[Image.Image]) -> Any:
    """A data set with rows of our pictures; what else is in a row is the first one's."""
    return _with(dataset, name, _Rows({**rows[0], column: image} for image in images))


def _with_pictures(dataset: Any, name: str, values: Any, images: list[Image.Image]) -> Any:
    """A data set with our pictures in place of its own, and for each the first of what stands beside the pictures."""
    copied = _with(dataset, name, [np.asarray(image) for image in images] if _is_picture_array(values[0]) else images)
    for other, entries in vars(dataset).items():
        beside = isinstance(entries, list | tuple | np.ndarray | torch.Tensor) and len(entries) == len(values)
        if other != name and beside:
            first = None if any(entry is None for entry in entries) else entries[0]  # None: not made yet
            setattr(copied, other, [first] * len(images))
    return copied


def _with(dataset: Any, name: str, value: Any) -> Any:
    """A copy with another value of one attribute, and without what the data set has kept of items that it made."""
    copied = copy.copy(dataset)
    for other, entries in vars(dataset).items():
        if isinstance(entries, dict) and entries and all(_is_made(key, each) for key, each in entries.items()):
            setattr(copied, other, {})
    setattr(copied, name, value)
    return copied


def _is_made(key: Any, value: Any) -> bool:
    """Whether an entry of a table is an item by its index."""
    return isinstance(key, int) and isinstance(value, torch.Tensor | np.ndarray | Image.Image | Mapping | tuple)


def _plain_rows(dataset: Any) -> Any:
    """A data set of the `datasets` library without its format; `None` for any other object."""
    if hasattr(dataset, "with_format") and hasattr(dataset, "column_names") and hasattr(dataset, "__getitem__"):
        return dataset.with_format(None)
    return None


def _image_column(rows: Any) -> str | None:
    for name, value in rows[0].items():
        if isinstance(value, Image.Image):
            return str(name)
        if isinstance(value, Mapping) and {"bytes", "path"} <= value.keys():
            return str(name)
    return None


def _is_picture_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[-1] == 3


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path) and Path(value).suffix.lower() in IMAGE_ENDINGS


def _innermost(dataset: Any) -> Any:
    """What holds the columns: the rows inside a wrapper, else the data set itself."""
    if hasattr(dataset, "column_names"):
        return dataset
    for value in vars(dataset).values() if hasattr(dataset, "__dict__") else ():
        if hasattr(value, "column_names") and _length(value) == _length(dataset):
            return value
    return dataset


def _length(dataset: Any) -> int | None:
    """How many items there are; `None` for a stream, some of which have a length that raises."""
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        return None


def _label_values(dataset: Any) -> Any:
    if dataset is None or _length(dataset) is None:
        return None
    if isinstance(dataset, torch.utils.data.Subset):
        values = _label_values(dataset.dataset)
        return None if values is None else [values[int(index)] for index in dataset.indices]
    inner = _innermost(dataset)
    rows = _plain_rows(inner)
    if rows is not None:
        column = next((name for name in LABEL_COLUMNS if name in rows.column_names), None)
        return None if column is None else rows[column][:]
    for name in ("targets", *LABEL_COLUMNS):
        values = getattr(dataset, name, None)
        if isinstance(values, list | tuple | np.ndarray | torch.Tensor) and len(values) == len(dataset):
            return _numbers(values)
    if isinstance(dataset, list | tuple) and dataset and isinstance(dataset[0], Mapping):
        column = next((name for name in LABEL_COLUMNS if name in dataset[0]), None)
        return None if column is None else _numbers([item[column] for item in dataset])
    return None


def _numbers(values: Any) -> list[int] | None:
    """One class index an item, or `None` where an item has something else: a sequence of tokens, a score."""
    plain = [value.tolist() if hasattr(value, "tolist") else value for value in values]
    return [int(value) for value in plain] if all(isinstance(value, int) for value in plain) else None


def _stacked(items: list[Any]) -> Batch:
    from transformers import default_data_collator

    return dict(default_data_collator(items))

"""Images with texts: from captions beside a folder of images, a table, a data set, or class folders and a template."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from v5lint.runtime.data import decode_image, image_column_of, load_splits, verify_images
from v5lint.runtime.errors import DataError, UsageError
from v5lint.runtime.folders import EVAL_SPLITS
from v5lint.runtime.tasks.zero_shot import PROMPT

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from PIL import Image

TEXT_COLUMNS = ("text", "caption", "sentence", "description")
"""What a column of texts is called, where none is named."""


@dataclass(frozen=True)
class Pairs:
    """Images, each with one text; an image may have several, one a row, and several images may have the same.

    Attributes:
        rows: A data set of `datasets`.
        image_column: Column of the images, not decoded.
        texts: Of each row.
    """

    rows: Any
    image_column: str
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def image(self, index: int) -> Image.Image:
        """An image in RGB, upright.

        Raises:
            DataError: It cannot be decoded.
        """
        return decode_image(self.rows[index][self.image_column], f"image {index}")

    def select(self, indices: Sequence[int]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.rows.select(indices), self.image_column, tuple(self.texts[index] for index in indices))

    @property
    def distinct_texts(self) -> tuple[str, ...]:
        """Every text once, in the order of their first rows; SigLIP takes capitals for small letters."""
        return tuple(self.texts[row] for row in _firsts(self.text_index))

    @cached_property
    def text_index(self) -> tuple[int, ...]:
        """Position in `distinct_texts` of each row's text."""
        return _positions([text.lower() for text in self.texts])

    @property
    def distinct_images(self) -> tuple[int, ...]:
        """The first row of every image."""
        return _firsts(self.image_index)

    @cached_property
    def image_index(self) -> tuple[int, ...]:
        """Position in `distinct_images` of each row's image: one file, or the same bytes, is one image."""
        return _positions([_file_of(cell, row) for row, cell in enumerate(self.rows[self.image_column])])


def _positions(values: Sequence[Hashable]) -> tuple[int, ...]:
    """The number of each value, in the order in which they first occur."""
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(value, len(numbers)) for value in values)


def _firsts(positions: Sequence[int]) -> tuple[int, ...]:
    """Where each number occurs first."""
    rows = {position: row for row, position in reversed(list(enumerate(positions)))}
    return tuple(rows[position] for position in range(len(rows)))


def _file_of(cell: Any, row: int) -> Hashable:
    """What makes two cells of undecoded images one: their bytes, or their path."""
    if cell is None:
        return row
    content = cell.get("bytes")
    return cell["path"] if content is None else hashlib.blake2b(content, digest_size=16).digest()


def load_pairs(
    source: str,
    *,
    image_column: str | None = None,
    text_column: str | None = None,
    template: str = PROMPT,
    eval_fraction: float = 0.2,
    seed: int = 42,
) -> tuple[Pairs, Pairs]:
    """Pairs to train on and to evaluate on.

    Args:
        source: A folder of images with `metadata.csv` or `metadata.jsonl` (columns `file_name` and `text`), a folder of
            class folders, a `.parquet` file or a folder of them, a saved data set, or a data set on the Hub. Where it
            has a split to evaluate on, that is taken; otherwise a share is split off.
        image_column: Column of the images; by default the only one of that type.
        text_column: Column of the texts; by default one of `TEXT_COLUMNS`, and where there is none, the class names in
            the template.
        template: Text of a class name, with `{label}` in it.
        eval_fraction: Share that is split off where no split is given.
        seed: Of that split.

    Raises:
        DataError: There is no such data, no column of texts, an empty text, or an image that cannot be decoded.
        UsageError: The template has no `{label}`.
    """
    if "{label}" not in template:
        raise UsageError(f"the template {template!r} has no {{label}}")
    splits = load_splits(source)
    if "train" not in splits:
        raise DataError(f"{source} has no split 'train': it has {', '.join(splits)}")
    other = next((name for name in EVAL_SPLITS if name in splits), None)
    chosen = [splits["train"], *([] if other is None else [splits[other]])]
    pairs = [_pairs(rows, source, image_column, text_column, template) for rows in chosen]
    if other is None:
        pairs = _split_off(pairs[0], source, eval_fraction, seed)
    if len(pairs[0]) < 2 or len(pairs[1]) < 2:
        counts = f"{len(pairs[0])} to train on and {len(pairs[1])} to evaluate on"
        raise DataError(f"{source}: of pairs there must be at least two of each, and there are {counts}")
    if len(pairs[1].distinct_texts) < 2:
        raise DataError(f"{source}: all pairs to evaluate on have the same text, so nothing can be retrieved")
    verify_images([part.rows for part in pairs], pairs[0].image_column)
    return pairs[0], pairs[1]


def _split_off(pairs: Pairs, source: str, fraction: float, seed: int) -> list[Pairs]:
    """Pairs to train on, and of other images some to evaluate on: all texts of an image are on one side."""
    if not 0 < fraction < 1:
        raise UsageError(f"eval_fraction {fraction}: must lie between 0 and 1")
    images = len(pairs.distinct_images)
    order = np.random.default_rng(seed).permutation(images)
    held_out = round(images * fraction)
    if not 0 < held_out < images:
        raise DataError(f"{source} has {images} images: too few to train on some and to evaluate on others")
    there = np.isin(pairs.image_index, order[:held_out])
    return [pairs.select(np.flatnonzero(side).tolist()) for side in (~there, there)]


def _pairs(rows: Any, source: str, image_column: str | None, text_column: str | None, template: str) -> Pairs:
    import datasets

    features: Mapping[str, Any] = rows.features
    if text_column is not None and text_column not in features:
        raise DataError(f"{source} has no column {text_column!r}: it has {', '.join(features)}")
    images = image_column_of(rows, image_column, source)
    column = text_column or next((name for name in TEXT_COLUMNS if name in features), None)
    texts = _texts(rows, column, source) if column is not None else _from_classes(rows, features, template, source)
    return Pairs(rows.cast_column(images, datasets.Image(decode=False)), images, tuple(texts))


def _texts(rows: Any, column: str, source: str) -> Sequence[str]:
    texts = rows.with_format(None)[column][:]
    for row, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            what = "is empty" if text is None or isinstance(text, str) else f"is a {type(text).__name__}, not one text"
            raise DataError(f"{source}: row {row} of column {column!r} {what}")
    return [text.strip() for text in texts]


def _from_classes(rows: Any, features: Mapping[str, Any], template: str, source: str) -> Sequence[str]:
    import datasets

    classes = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if len(classes) != 1:
        raise DataError(
            f"{source} has no column of texts ({', '.join(TEXT_COLUMNS)}) and no class names: it has "
            f"{', '.join(features)}. Name the column, or put metadata.csv with file_name and text beside the images."
        )
    names = [template.replace("{label}", name) for name in features[classes[0]].names]
    return [names[index] for index in rows.with_format(None)[classes[0]][:]]

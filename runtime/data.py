"""Labelled images from a folder, a parquet file, a saved data set or the Hub, checked before anything is trained.

`datasets` reads them all. What is found here is what a training run would otherwise trip over after an hour, or never
say: an image that cannot be decoded, a class without images, a label that only the evaluation has.
"""

from __future__ import annotations

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from v5lint.runtime.distributed import is_main_process
from v5lint.runtime.errors import DataError
from v5lint.runtime.folders import EVAL_SPLITS, is_text_table, load_by, load_folder, load_table
from v5lint.runtime.splits import (
    alike,
    check_classes,
    check_names,
    check_same_classes,
    stratified_sample,
    stratified_split,
    without_case,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from v5lint.runtime.config import FinetuneConfig

_LABEL_NAMES = ("label", "labels", "target", "class", "fine_label")
_SHOWN = 5
_WORDS_FOR_NOTHING = " (A cell with NA, None, nan or null is read as an empty one: name a class otherwise.)"


@dataclass(frozen=True)
class ImageData:
    """Images to train on and to evaluate on, with the same classes in the same order.

    Attributes:
        train: A data set of `datasets` (a stream, where one was asked for) with the two columns below.
        evaluation: The same, to evaluate on.
        labels: Class names in the order of their indices.
        image_column: Column of the images, not decoded: a path or the bytes of a file. A stream's are decoded.
        label_column: Column of the class indices.
        sizes: Width and height in pixels of every training image, [N, 2]; `None` where they were not read.
    """

    train: Any
    evaluation: Any
    labels: tuple[str, ...]
    image_column: str
    label_column: str
    sizes: np.ndarray[Any, Any] | None = None

    @property
    def train_labels(self) -> np.ndarray[Any, Any]:
        """Class index of every training image, [N]."""
        return column_of(self.train, self.label_column)

    @property
    def eval_labels(self) -> np.ndarray[Any, Any]:
        """Class index of every image to evaluate on, [N]."""
        return column_of(self.evaluation, self.label_column)


def load_data(config: FinetuneConfig) -> ImageData:
    """Read, split and check the data of a fine-tune.

    Raises:
        DataError: There is no such data, a column is not clear, an image cannot be decoded, or the classes cannot be
            trained on. The message names the file, the class or the column, and what to do.
    """
    splits = load_splits(config.data, config.data_config, streaming=config.streaming)
    train = _split(splits, config.train_split, config.data)
    image_column = image_column_of(train, config.image_column, config.data)
    label_column = _label_column(train, config.label_column, image_column, config.data)
    if config.streaming:
        return _streams(config, splits, train, image_column, label_column)
    train, labels = _with_class_labels(train, label_column, config.data)
    _check_names(labels, config.data)
    evaluation = _given_evaluation(config, splits, image_column, label_column, labels)
    if evaluation is None:
        groups = _groups(train, config.group_column, config.data)
        try:
            indices = stratified_split(
                column_of(train, label_column), labels, config.eval_fraction, config.seed, groups
            )
        except DataError as error:
            raise DataError(f"{config.data}: {error}") from error
        train, evaluation = train.select(indices[0]), train.select(indices[1])
    train = _limited(train, label_column, config.max_train_samples, config.seed)
    evaluation = _limited(evaluation, label_column, config.max_eval_samples, config.seed)
    check_classes(column_of(train, label_column), labels, config.data)
    check_same_classes(column_of(train, label_column), column_of(evaluation, label_column), labels)
    train, evaluation = (_undecoded(dataset, image_column) for dataset in (train, evaluation))
    sizes = None
    if config.verify_images:
        sizes = verify_images((train, evaluation), image_column)[: len(train)]
    return ImageData(train, evaluation, labels, image_column, label_column, sizes)


def load_splits(source: str | Path, configuration: str | None = None, *, streaming: bool = False) -> Mapping[str, Any]:
    """The splits of a data set by name, from wherever it is.

    Args:
        source: A folder with one folder a class (or with `train` and `val` folders of such), a `.parquet` file or a
            folder of them, a `.csv` or `.tsv` file with the images' paths and labels, a folder that `save_to_disk`
            wrote, or the name of a data set on the Hub.
        configuration: Of a data set on the Hub.
        streaming: Whether to read it as it is used.

    Raises:
        DataError: There is nothing there that can be read.
    """
    path = Path(source).expanduser()
    if configuration is not None and path.exists():
        raise DataError(f"{source} is here and not on the Hub: leave data_config={configuration!r} out")
    if path.is_dir():
        return load_folder(path, streaming=streaming)
    if path.is_file():
        return load_table(path, streaming=streaming)
    if path.is_absolute() or str(source).startswith((".", "~")):
        raise DataError(f"{source} does not exist")
    named = {"name": configuration} if configuration else {}
    return load_by(f"{source} is no file or folder here, and", str(source), streaming=streaming, **named)


def decode_image(cell: Any, where: str = "image") -> Image.Image:
    """A picture in RGB, upright, from what a column of images holds.

    Args:
        cell: A picture, or a mapping with the `bytes` or the `path` of a file.
        where: What to call it in an error, where it has no path.

    Raises:
        DataError: It cannot be decoded; the message names the file.
    """
    if isinstance(cell, Image.Image):
        return _in_colour(cell, where, cell.format)
    if cell is None:
        raise DataError(f"{where} is missing: remove the row")
    name = cell.get("path") or where
    try:
        with Image.open(io.BytesIO(cell["bytes"]) if cell.get("bytes") is not None else cell["path"]) as opened:
            picture: Image.Image = ImageOps.exif_transpose(opened)
            return _in_colour(picture, name, opened.format)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name} cannot be decoded ({error}): remove or replace the file") from error


def _in_colour(picture: Image.Image, name: str, form: str | None) -> Image.Image:
    """A picture in RGB; of 16 bits the upper 8, where Pillow's own conversion makes white of all but the darkest.

    Where the upper 8 are empty, the values are those of 8 bits, as some programs write them.

    Args:
        picture: In any mode.
        name: What to call it in an error.
        form: Of the file, as Pillow names it: in its older releases a PNG of 16 bits has 32 in memory.

    Raises:
        DataError: Its values are of 32 bits, whose range no file says.
    """
    if picture.mode == "RGB":
        return picture
    sixteen = picture.mode.startswith("I;16") or (picture.mode == "I" and form == "PNG")
    if sixteen:
        values = np.asarray(picture).astype(np.uint16)
        scaled = values >> 8 if values.max(initial=0) > np.iinfo(np.uint8).max else values
        return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise DataError(
            f"{name} has values of 32 bits ({picture.mode}), and what is black and what is white in it is not known: "
            "save it with 8 bits a channel"
        )
    return picture.convert("RGB")


def verify_images(parts: Sequence[Any], image_column: str) -> np.ndarray[Any, Any]:
    """Decode every image of some data sets once, and say which ones cannot be.

    Returns:
        Width and height in pixels of each image, [N, 2], of one data set after the other.

    Raises:
        DataError: Images cannot be decoded; the message has how many, and the first of them.
    """

    def size_of(place: tuple[Any, int]) -> tuple[int, int] | str:
        dataset, index = place
        try:
            image = decode_image(dataset[index][image_column], f"image {index}")
        except DataError as error:
            return str(error)
        return image.width, image.height

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(size_of, [(dataset, index) for dataset in parts for index in range(len(dataset))]))
    broken = [entry for entry in found if isinstance(entry, str)]
    if broken:
        more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise DataError(f"{len(broken)} of {len(found)} images are unusable: {'; '.join(broken[:_SHOWN])}{more}")
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def column_of(dataset: Any, column: str) -> np.ndarray[Any, Any]:
    """A column of numbers as an array, [N]."""
    return np.asarray(dataset.with_format("numpy", columns=[column])[:][column])


def _split(splits: Mapping[str, Any], name: str, source: str) -> Any:
    if name not in splits:
        raise DataError(f"{source} has no split {name!r}: it has {', '.join(splits)}")
    return splits[name]


def image_column_of(dataset: Any, wanted: str | None, source: str) -> str:
    """The column of the images.

    Args:
        dataset: A data set or stream.
        wanted: The column that was named, where one was.
        source: What to call the data in an error.

    Raises:
        DataError: It does not exist or holds no images, or which one it is is not clear.
    """
    import datasets

    features = _features(dataset, source)
    found = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    if wanted is not None:
        if wanted not in features:
            raise DataError(f"{source} has no column {wanted!r}: it has {', '.join(features)}")
        if not (wanted in found or _may_be_files(features[wanted])):
            others = f": of images is {', '.join(found)}" if found else ""
            raise DataError(f"{source}: column {wanted!r} holds {features[wanted]}, not images{others}.")
        return wanted
    if not found:  # a table that datasets did not write says no more than that its cells are files
        found = [name for name, feature in features.items() if _are_files(feature)]
    if len(found) != 1:
        what = f"has the image columns {', '.join(found)}" if found else f"has no image column: {', '.join(features)}"
        raise DataError(f"{source} {what}. Name one with image_column.")
    return found[0]


def _may_be_files(feature: Any) -> bool:
    """Whether a column can hold image files: by their content, or as paths."""
    return _are_files(feature) or getattr(feature, "dtype", None) in ("string", "large_string")


def _are_files(feature: Any) -> bool:
    """Whether a column holds files by their content: bytes, or the struct of bytes and path that `datasets` writes."""
    if isinstance(feature, dict):
        return {"bytes", "path"} <= feature.keys()
    return getattr(feature, "dtype", None) in ("binary", "large_binary")


def _label_column(dataset: Any, wanted: str | None, image_column: str, source: str) -> str:
    import datasets

    features = _features(dataset, source)
    if wanted is not None:
        if wanted not in features:
            raise DataError(f"{source} has no column {wanted!r}: it has {', '.join(features)}")
        if wanted == image_column:
            raise DataError(f"{source}: column {wanted!r} holds the images. Name another with label_column.")
        return wanted
    found = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    if len(found) != 1:
        found = [name for name in _LABEL_NAMES if name in features][:1]
    if len(found) != 1:
        others = ", ".join(name for name in features if name != image_column) or "none"
        raise DataError(f"{source}: which column has the labels is not clear. Name one with label_column: {others}.")
    return found[0]


def _features(dataset: Any, source: str) -> Mapping[str, Any]:
    features: Mapping[str, Any] | None = dataset.features
    if features is None:
        raise DataError(f"{source}: the columns of this stream are not known. Load it without streaming.")
    return features


def _with_class_labels(dataset: Any, column: str, source: str) -> tuple[Any, tuple[str, ...]]:
    """The data set with class indices in its label column, and the class names."""
    import datasets

    feature = dataset.features[column]
    values = dataset.with_format(None)[column][:]
    singly = [value for value in values if not isinstance(value, list | dict)]
    two = not isinstance(feature, datasets.ClassLabel) and set(singly) == {-1, 1}  # as some tables write two classes
    missing = (None, "") if two else (None, -1, "")
    unlabelled = sum((value.strip() if isinstance(value, str) else value) in missing for value in singly)
    if unlabelled:
        raise DataError(
            f"{source}: {unlabelled} of {len(values)} images have no label in {column!r}, as in a hidden test split. "
            f"Use another split, or remove these rows.{_WORDS_FOR_NOTHING if is_text_table(source) else ''}"
        )
    if isinstance(feature, datasets.ClassLabel):
        return dataset, tuple(feature.names)
    kinds = {type(value) for value in values}
    if not kinds <= {str, int, bool}:
        raise DataError(f"{source}: column {column!r} holds {dataset.features[column]}, not classes.")
    names = sorted(set(values))
    if len(names) > 2 and len(names) == len(values):
        raise DataError(f"{source}: every value of {column!r} is different, so it is no column of classes.")
    index = {name: position for position, name in enumerate(names)}
    labels = datasets.ClassLabel(names=[str(name) for name in names])
    indices = [index[value] for value in values]
    return _replaced(dataset, column, indices, labels), tuple(labels.names)


def _check_names(labels: Sequence[str], source: str) -> None:
    """Raise where two classes are one but for spaces; where they are one but for capitals, say so and go on."""
    check_names(labels, source)
    pairs = alike(labels, without_case)
    if pairs and is_main_process():
        some = ", ".join(f"{first!r} and {second!r}" for first, second in pairs[:_SHOWN])
        warnings.warn(f"{source}: {some} differ only by capitals, and are trained as different classes", stacklevel=4)


def _replaced(dataset: Any, column: str, values: Sequence[int], feature: Any) -> Any:
    return dataset.remove_columns(column).add_column(column, list(values), feature=feature)


def _given_evaluation(
    config: FinetuneConfig, splits: Mapping[str, Any], image_column: str, label_column: str, labels: tuple[str, ...]
) -> Any:
    """The given evaluation data, with the indices that the training data has for the same names."""
    if config.eval_data is not None:
        others = load_splits(config.eval_data)
        name, source = next((name for name in EVAL_SPLITS if name in others), "train"), config.eval_data
        evaluation = _split(others, name, source)
        named = config.image_column if config.image_column in _features(evaluation, source) else None
        image_column_there = image_column_of(evaluation, named, source)
        label_column_there = _label_column(evaluation, config.label_column, image_column_there, source)
        renamed = {image_column_there: image_column, label_column_there: label_column}
        evaluation = evaluation.rename_columns({old: new for old, new in renamed.items() if old != new})
    else:
        found = config.eval_split or next((n for n in EVAL_SPLITS if n in splits and n != config.train_split), None)
        if found is None:
            return None
        source = config.data
        evaluation = _split(splits, found, source)
    evaluation, own_labels = _with_class_labels(evaluation, label_column, source)
    if own_labels == labels:
        return evaluation
    return _aligned(evaluation, label_column, own_labels, labels, source)


def _aligned(dataset: Any, column: str, own: tuple[str, ...], labels: tuple[str, ...], source: str) -> Any:
    import datasets

    indices = column_of(dataset, column)
    unknown = sorted({own[index] for index in np.unique(indices)} - set(labels))
    if unknown:
        check_names((*labels, *unknown), source)
        raise DataError(
            f"{source}: the evaluation data has {', '.join(unknown[:_SHOWN])}, which no training image is labelled "
            f"with. The training classes are {', '.join(labels[:10])}{', ...' if len(labels) > 10 else ''}."
        )
    position = {name: index for index, name in enumerate(labels)}
    return _replaced(dataset, column, [position[own[i]] for i in indices], datasets.ClassLabel(names=list(labels)))


def _groups(dataset: Any, column: str | None, source: str) -> list[Any] | None:
    if column is None:
        return None
    if column not in dataset.features:
        raise DataError(f"{source} has no column {column!r}: it has {', '.join(dataset.features)}")
    groups: list[Any] = dataset.with_format(None)[column][:]
    return groups


def _limited(dataset: Any, label_column: str, count: int | None, seed: int) -> Any:
    if count is None or count >= len(dataset):
        return dataset
    return dataset.select(stratified_sample(column_of(dataset, label_column), count, seed))


def _undecoded(dataset: Any, image_column: str) -> Any:
    import datasets

    return dataset.cast_column(image_column, datasets.Image(decode=False))


def _streams(
    config: FinetuneConfig, splits: Mapping[str, Any], train: Any, image_column: str, label_column: str
) -> ImageData:
    """Streams to train and to evaluate on: their labels must be named, for they are not all seen beforehand."""
    import datasets

    if config.eval_data is not None:
        others = load_splits(config.eval_data, streaming=True)
        evaluation = _split(others, next((n for n in EVAL_SPLITS if n in others), "train"), config.eval_data)
    else:
        evaluation = _split(splits, str(config.eval_split), config.data)
    names = []
    for dataset in (train, evaluation):
        feature = _features(dataset, config.data).get(label_column)
        if not isinstance(feature, datasets.ClassLabel):
            raise DataError(f"{config.data}: a stream needs a ClassLabel column, and {label_column!r} is {feature}.")
        names.append(tuple(feature.names))
    if names[0] != names[1]:
        raise DataError(f"The classes to train on and to evaluate on differ: {names[0][:10]} and {names[1][:10]}.")
    if len(names[0]) < 2:
        raise DataError(f"{config.data} has {len(names[0])} class: a classifier needs two")
    _check_names(names[0], config.data)
    if config.max_train_samples:
        train = train.take(config.max_train_samples)
    if config.max_eval_samples:
        evaluation = evaluation.take(config.max_eval_samples)
    train = train.shuffle(seed=config.seed, buffer_size=max(256, 8 * config.batch_size))
    return ImageData(train, evaluation, names[0], image_column, label_column)

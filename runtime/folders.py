"""Folders of images by class, tables and folders of them, and those that `datasets` has saved, as splits by name.

The class folders are read here and not by the loader `imagefolder` of `datasets`: that one guesses splits from words in
the names of files (`cat/test-1.png` is then in no training data), takes the innermost folder for the class, and leaves
out a link to nothing; none of it is said.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

from v5lint.runtime.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

EVAL_SPLITS = ("validation", "valid", "val", "dev", "eval", "test")
"""What a split to evaluate on is called, the best name first."""
IMAGE_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
)
"""Endings of files that are taken for images."""
_UNREAD_ENDINGS = frozenset(".heic .heif .jxl .jp2 .j2k .tga .psd .dcm .dng .cr2 .cr3 .nef .arw .raf .orf .rw2".split())
"""Endings of pictures of cameras, telephones and scanners that are in none of these formats."""
_SPLITS = {name: name for name in ("train", *EVAL_SPLITS)} | {"training": "train", "testing": "test"}
"""The splits by the lower-case names of folders."""
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_FILE_COLUMNS = frozenset(("image", "image_path", "file_name", "filename", "file", "path"))
_PADDED = re.compile(r"\s*-?0\d+\s*$")
_SHOWN = 5
_SHARDS = 1024


def load_folder(path: Path, *, streaming: bool = False) -> Mapping[str, Any]:
    """The splits of a folder by name.

    Args:
        path: A folder with one folder a class (or with `train` and `val` folders of such), with parquet files, or as
            `save_to_disk` wrote it.
        streaming: Whether to read it as it is used.

    Raises:
        DataError: It cannot be read, or is not clear about its classes; the message names the folder or the file.
    """
    import datasets

    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        saved = datasets.load_from_disk(str(path))
        splits = saved if isinstance(saved, dict) else {"train": saved}
        return {name: streamed(split) if streaming else split for name, split in splits.items()}
    tables = sorted(file for file in path.rglob("*.parquet") if not is_hidden(file.relative_to(path)))
    if tables and not any(file.name in _METADATA for file in tables):
        if any(_is_labelled(folder) for folder in _split_folders(path).values()):
            raise DataError(
                f"{path} has class folders with images, and a table, {tables[0].relative_to(path)}: which of them is "
                "the data is not clear. Name the table, or remove it."
            )
        files: dict[str, list[str]] = {}
        for table in tables:
            files.setdefault(_split_of(table, path), []).append(str(table))
        return load_by(path, "parquet", streaming=streaming, data_files=files)
    return {name: _images_of(folder, streaming) for name, folder in _split_folders(path).items()}


def load_table(path: Path, *, streaming: bool = False) -> Mapping[str, Any]:
    """The one split of a table of image files: `.parquet`, or `.csv` and `.tsv` with the files' paths.

    Args:
        path: The table. Paths in it may be relative to its folder; the column that has them is recognised by its name
            (`image`, `file_name`, ...) or by its first cell, which is a file.
        streaming: Whether to read it as it is used; parquet alone can be.

    Raises:
        DataError: It is no table, it cannot be read, or a cell has no file.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return load_by(path, "parquet", data_files={"train": str(path)}, streaming=streaming)
    if ending not in _SEPARATORS:
        known = ", ".join((".parquet", *_SEPARATORS))
        raise DataError(f"{path} is no folder and no table ({known}): put the images into one folder a class")
    if streaming:
        raise DataError(f"{path} cannot be streamed: save it as parquet with the images in it")
    import datasets

    options: dict[str, Any] = {"data_files": {"train": str(path)}, "sep": _SEPARATORS[ending]}
    table = load_by(path, "csv", **options)["train"]
    if padded := _zero_padded(path, table):
        texts = {name: datasets.Value("string") for name in padded}
        table = load_by(path, "csv", **options, features=datasets.Features({**table.features, **texts}))["train"]
    for name in [name for name, feature in table.features.items() if str(feature.dtype).endswith("string")]:
        cells = table[name][:]
        if name not in _FILE_COLUMNS and not (cells and cells[0] and (path.parent / cells[0]).is_file()):
            continue
        empty = [row for row, cell in enumerate(cells) if not cell]
        if empty:
            raise DataError(f"{path}: column {name!r} names no file in {len(empty)} rows, such as row {empty[0] + 1}")
        table = table.remove_columns(name).add_column(name, [str(path.parent / cell) for cell in cells])
        table = table.cast_column(name, datasets.Image(decode=False))
    return {"train": table}


def _zero_padded(path: Path, table: Any) -> list[str]:
    """The columns of a table of text that were read as numbers and have cells such as `007`, which is no number.

    Classes are often numbered so, and are called so elsewhere; `01` and `1` would be one.
    """
    numbers = [name for name, feature in table.features.items() if str(feature.dtype).startswith("int")]
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=_SEPARATORS[path.suffix.lower()])
        header = next(rows, [])
        places = {name: header.index(name) for name in numbers if name in header}
        found = {name for row in rows for name, at in places.items() if at < len(row) and _PADDED.match(row[at])}
    return [name for name in places if name in found]


def is_text_table(source: str | Path) -> bool:
    """Whether a file, by its ending, is a table of text, whose cells have no types."""
    return str(source).lower().endswith(tuple(_SEPARATORS))


def load_by(source: object, builder: str, **options: Any) -> Mapping[str, Any]:
    """What a loader of `datasets`, or a data set of the Hub, gives.

    Args:
        source: What to call it in an error.
        builder: Name of the loader or of the data set.
        **options: Of `datasets.load_dataset`.

    Raises:
        DataError: It cannot be read.
    """
    import datasets

    try:
        loaded: Mapping[str, Any] = datasets.load_dataset(builder, **options)
    except (OSError, ValueError, datasets.exceptions.DatasetGenerationError) as error:
        cause = error.__cause__ or error
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise DataError(f"{source} cannot be read: {reason}") from error
    return loaded


def streamed(rows: Any) -> Any:
    """Rows as a stream in many parts, so that one that is sorted by class is well mixed when its parts are."""
    return rows.to_iterable_dataset(num_shards=max(1, min(len(rows), _SHARDS)))


def _split_folders(path: Path) -> dict[str, Path]:
    """The folders of the splits by name; the folder itself where it has classes.

    `train` is a split where it has class folders, and a class (of vehicles) where it has pictures alone.

    Raises:
        DataError: There are splits, and none to train on, or two folders for one.
    """
    entries = [entry for entry in _folders(path) if entry.name.lower() in _SPLITS]
    named = {_SPLITS[entry.name.lower()]: entry for entry in entries}
    if named and "train" not in named and len(named) == len(_folders(path)) and all(map(_folders, named.values())):
        there = " and ".join(entry.name for entry in named.values())
        raise DataError(f"{path} has class folders in {there} alone, and no folder train")
    if "train" not in named or not (_folders(named["train"]) or _has_metadata(named["train"])):
        return {"train": path}
    for entry in entries:
        other = named[_SPLITS[entry.name.lower()]]
        if other != entry:
            raise DataError(f"{path} has the folders {entry.name} and {other.name} for one split: put both into one")
    return named


def _images_of(folder: Path, streaming: bool) -> Any:
    """The images of a folder with their classes, or with the columns of its metadata."""
    import datasets

    if _has_metadata(folder):  # with the pattern, no split is guessed from words in the names
        options = {"data_dir": str(folder), "data_files": {"train": "**"}, "streaming": streaming}
        return load_by(folder, "imagefolder", **options)["train"]
    names, files = _class_folders(folder)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    columns = {
        "image": [str(file.absolute()) for of_class in files for file in of_class],
        "label": [index for index, of_class in enumerate(files) for _ in of_class],
    }
    rows = datasets.Dataset.from_dict(columns, features=features)
    return streamed(rows) if streaming else rows


def _class_folders(folder: Path) -> tuple[list[str], list[list[Path]]]:
    """The classes of a folder in alphabetical order, and the images of each.

    Raises:
        DataError: It has no classes, or one; one has no images; or an image has no clear class.
    """
    classes = _folders(folder)
    images = {entry: _images(entry) for entry in classes}
    loose = _images(folder)
    below = [(entry, inner) for entry in classes for inner in _folders(entry) if _has_images(inner)]
    if below:
        entry, inner = below[0]
        raise DataError(
            f"{folder}: {inner.relative_to(folder)} has images one folder deeper than a class: put the images of each "
            f"class into one folder, {entry.name} or another"
        )
    unread = unread_pictures(file for entry in classes for file in entry.iterdir())
    if unread:
        more = f"; and {len(unread) - 1} more" if len(unread) > 1 else ""
        raise DataError(f"{next(iter(unread.values()))}{more}")
    if not any(images.values()):
        raise DataError(
            f"{folder} has no class folders with images: put the images of each class into a folder of its name"
        )
    if loose:
        raise DataError(
            f"{folder} has {len(loose)} images beside its class folders, such as {loose[0].name}: put them into the "
            "folder of their class"
        )
    if len(classes) == 1 and _SPLITS.get(folder.name.lower(), "train") == "train":
        raise DataError(f"{folder} has one class folder, {classes[0].name}: a classifier needs two")
    empty = [entry.name for entry, found in images.items() if not found]
    if empty:
        raise DataError(
            f"{folder}: the class {'folders' if len(empty) > 1 else 'folder'} {', '.join(empty[:_SHOWN])} "
            "without an image can be no class: add images or remove it"
        )
    return [entry.name for entry in classes], list(images.values())


def _is_labelled(folder: Path) -> bool:
    """Whether a folder has classes by itself: two folders with images at least, as one may hold a page's figures."""
    return sum(bool(_images(entry)) for entry in _folders(folder)) > 1


def is_hidden(relative: Path) -> bool:
    """Whether a file, or a folder that it lies in, begins with a dot.

    Args:
        relative: Its path from the folder that was named.
    """
    return any(part.startswith(".") for part in relative.parts)


def is_image(relative: Path) -> bool:
    """Whether a file has the ending of an image, and is not hidden.

    Args:
        relative: Its path from the folder that was named.
    """
    return relative.suffix.lower() in IMAGE_ENDINGS and not is_hidden(relative)


def unread_pictures(files: Iterable[Path]) -> dict[Path, str]:
    """Pictures in a format that is not read, each with the reason, but for those that lie there as an image too.

    Args:
        files: All files of a folder.
    """
    there = list(files)
    read = {file.with_suffix("") for file in there if file.suffix.lower() in IMAGE_ENDINGS}
    return {
        file: f"{file} is in a format that is not read ({file.suffix}): save it as PNG or JPEG, or remove it"
        for file in sorted(there)
        if file.suffix.lower() in _UNREAD_ENDINGS and not file.name.startswith(".") and file.with_suffix("") not in read
    }


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    """The image files that lie in a folder itself.

    Raises:
        DataError: One is a link to nothing.
    """
    found = sorted(entry for entry in folder.iterdir() if is_image(entry.relative_to(folder)) and not entry.is_dir())
    gone = next((entry for entry in found if not entry.exists()), None)
    if gone is not None:
        raise DataError(f"{gone} is a link to nothing: remove it, or bring back {gone.readlink()}")
    return found


def _has_images(folder: Path) -> bool:
    return any(is_image(entry.relative_to(folder)) for entry in folder.rglob("*"))


def _has_metadata(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _METADATA)


def _split_of(table: Path, root: Path) -> str:
    """The split of a parquet file: by a folder that it lies in, or by the first word of its name that is a split's.

    `validation-00000-of-00002.parquet`, `Val/0.parquet`, `data/test/0.parquet` and `digits-test.parquet` are all of
    data to evaluate on, which would otherwise be trained on.
    """
    relative = table.relative_to(root)
    words = [*relative.parts[:-1], *re.split(r"[\W_]+", relative.stem)]
    return next((_SPLITS[word.lower()] for word in words if word.lower() in _SPLITS), "train")

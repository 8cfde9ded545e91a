"""What is read from a folder: every image with the class of its folder, or an error that names what is unclear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import datasets
import pytest
from pictures import class_folders, picture

from v5lint.runtime.errors import DataError
from v5lint.runtime.folders import load_folder, load_table

if TYPE_CHECKING:
    from pathlib import Path


def counts(split: object) -> dict[str, int]:
    """Images by class name."""
    rows = list(split)  # type: ignore[call-overload]
    names = split.features["label"].names  # type: ignore[attr-defined]
    return {name: sum(row["label"] == index for row in rows) for index, name in enumerate(names)}


@pytest.mark.parametrize("word", ["test", "val", "train"])
def test_a_word_in_a_name_of_a_file_makes_no_split(word: str, tmp_path: Path) -> None:
    """The loader of `datasets` takes `cat/test-0.png` for a test split, and leaves it out of the training."""
    folder = class_folders(tmp_path, {"cat": 4, "dog": 4})
    for path in sorted(folder.rglob("[01].png")):
        path.rename(path.with_name(f"{word}-{path.name}"))
    assert counts(load_folder(folder)["train"]) == {"cat": 4, "dog": 4}


def test_classes_may_have_the_names_of_splits(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, {"car": 2, "test": 2, "train": 3})
    assert {name: counts(split) for name, split in load_folder(folder).items()} == {
        "train": {"car": 2, "test": 2, "train": 3}
    }


def test_splits_in_other_words(tmp_path: Path) -> None:
    class_folders(tmp_path / "Training", {"cat": 3, "dog": 3})
    class_folders(tmp_path / "Testing", {"cat": 1, "dog": 2})
    assert {name: counts(split) for name, split in load_folder(tmp_path).items()} == {
        "train": {"cat": 3, "dog": 3},
        "test": {"cat": 1, "dog": 2},
    }


def test_splits_without_one_to_train_on(tmp_path: Path) -> None:
    class_folders(tmp_path / "test", {"cat": 4, "dog": 4})
    with pytest.raises(DataError, match="has class folders in test alone, and no folder train"):
        load_folder(tmp_path)


def test_two_folders_for_one_split(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"cat": 3, "dog": 3})
    class_folders(tmp_path / "training", {"cat": 1, "emu": 2})
    with pytest.raises(DataError, match="has the folders train and training for one split"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00001", "train"),
        ("validation-00000-of-00001", "validation"),
        ("data/val/0000", "val"),
        ("Test/0000", "test"),
        ("digits-test", "test"),
        ("digits.VALID", "valid"),
        ("contest", "train"),
    ],
)
def test_the_split_of_a_parquet_file(name: str, split: str, tmp_path: Path) -> None:
    """By a folder of it or a word of its name: all others were trained on, as those in `data/val`."""
    for file, label in (("digits-train", "a"), (name, "b")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_dict({"label": [label]}).to_parquet(str(tmp_path / f"{file}.parquet"))
    loaded = load_folder(tmp_path)
    assert "b" in list(loaded[split]["label"])
    assert "a" in list(loaded["train"]["label"])


def test_a_table_beside_class_folders_is_not_taken_for_all_of_the_data(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"label": ["a"]})
    class_folders(tmp_path / "data", {"cat": 3, "dog": 3})
    (tmp_path / "data" / ".cache").mkdir()
    rows.to_parquet(str(tmp_path / "data" / ".cache" / "rows.parquet"))
    assert counts(load_folder(tmp_path / "data")["train"]) == {"cat": 3, "dog": 3}
    rows.to_parquet(str(tmp_path / "data" / "embeddings.parquet"))
    with pytest.raises(DataError, match=r"class folders with images, and a table, embeddings\.parquet"):
        load_folder(tmp_path / "data")
    class_folders(tmp_path / "page", {"assets": 2})
    rows.to_parquet(str(tmp_path / "page" / "rows.parquet"))
    assert list(load_folder(tmp_path / "page")["train"]["label"]) == ["a"]


def test_a_hidden_image_below_a_class_is_none(tmp_path: Path) -> None:
    """What macOS leaves beside each file on a foreign disk begins with `._` and ends as the file does."""
    (class_folders(tmp_path, {"cat": 2, "dog": 2}) / "cat" / "cache").mkdir()
    (tmp_path / "cat" / "cache" / "._0.png").write_bytes(b"none")
    assert counts(load_folder(tmp_path)["train"]) == {"cat": 2, "dog": 2}


def test_images_below_a_class_have_no_clear_class(tmp_path: Path) -> None:
    """The loader of `datasets` takes the innermost folder: black cats and black dogs would be one class."""
    class_folders(tmp_path / "cat", {"black": 2, "white": 2})
    class_folders(tmp_path / "dog", {"black": 2})
    with pytest.raises(DataError, match="cat/black has images one folder deeper than a class"):
        load_folder(tmp_path)


def test_images_beside_the_classes(tmp_path: Path) -> None:
    picture(1).save(class_folders(tmp_path, {"cat": 2, "dog": 2}) / "loose.png")
    with pytest.raises(DataError, match=r"1 images beside its class folders, such as loose\.png"):
        load_folder(tmp_path)


def test_a_link_to_nothing(tmp_path: Path) -> None:
    (class_folders(tmp_path, {"cat": 2, "dog": 2}) / "dog" / "9.png").symlink_to("gone.png")
    with pytest.raises(DataError, match=r"dog/9\.png is a link to nothing: remove it, or bring back gone\.png"):
        load_folder(tmp_path)


def test_what_is_no_image_is_left_out(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, {"cat": 2, "dog": 2})
    for name in ("cat/Thumbs.db", "dog/.hidden.png", "README.md"):
        (folder / name).write_bytes(b"none")
    picture(1).save(folder / "cat" / "shouted.PNG")
    assert counts(load_folder(folder)["train"]) == {"cat": 3, "dog": 2}


def test_a_picture_that_is_not_read_is_not_left_out_in_silence(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, {"cat": 2, "dog": 2})
    (folder / "cat" / "0.HEIC").write_bytes(b"the same picture as 0.png")
    (folder / "cat" / "._1.heic").write_bytes(b"of another system")
    assert counts(load_folder(folder)["train"]) == {"cat": 2, "dog": 2}
    for name in ("7", "8"):
        (folder / "cat" / f"{name}.heic").write_bytes(b"another")
    with pytest.raises(DataError, match=r"cat/7\.heic is in a format that is not read \(\.heic\): .*; and 1 more"):
        load_folder(folder)


@pytest.mark.parametrize("name", ["a.png", "test-1.png", "deeper/val_2.png"])
def test_metadata_says_the_class_of_every_image(name: str, tmp_path: Path) -> None:
    names = ["0.png", "1.png", name]
    (tmp_path / "deeper").mkdir()
    for index, file in enumerate(names):
        picture(index).save(tmp_path / file)
    lines = ["file_name,kind", *(f"{file},{'xy'[index % 2]}" for index, file in enumerate(names))]
    (tmp_path / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    assert sorted(load_folder(tmp_path)["train"]["kind"]) == ["x", "x", "y"]


def test_a_stream_of_a_folder_is_mixed_across_its_classes(tmp_path: Path) -> None:
    """With a small buffer, a stream in one part would show the first class alone for as long as it lasts."""
    folder = class_folders(tmp_path, {"cat": 30, "dog": 30})
    stream = load_folder(folder, streaming=True)["train"].shuffle(seed=0, buffer_size=2)
    first = [row["label"] for row, _ in zip(stream, range(12), strict=False)]
    assert 2 <= sum(first) <= 10


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (("001", "002", "010"), ["001", "002", "010"]),
        (("01", "1", "7"), ["01", "1", "7"]),
        (("0", "10", "9"), [0, 10, 9]),
        (("0.5", "0.25", "1"), [0.5, 0.25, 1.0]),
    ],
)
def test_classes_with_leading_zeros_keep_them(cells: tuple[str, ...], read: list[object], tmp_path: Path) -> None:
    lines = ["picture,label,fold"]
    for number, cell in enumerate(cells):
        picture(number).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{cell},{number}")
    table = tmp_path / "table.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = load_table(table)["train"]
    assert rows["label"][:] == read
    assert rows["fold"][:] == [0, 1, 2]
    assert len(set(rows.unique("label"))) == len(cells)

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import pytest
from pictures import class_folders, picture
from PIL import Image

from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.data import decode_image, load_data, verify_images
from v5lint.runtime.errors import DataError
from v5lint.runtime.splits import class_weights, stratified_sample, stratified_split

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def load(data: object, **options: Any) -> Any:
    return load_data(FinetuneConfig(checkpoint="c", data=str(data), output="o", **options))


def table(labels: list[Any], feature: Any = None, **columns: list[Any]) -> Any:
    cells = []
    for index in range(len(labels)):
        file = io.BytesIO()
        picture(index).save(file, format="PNG")
        cells.append({"bytes": file.getvalue(), "path": None})
    made = datasets.Dataset.from_dict({"image": cells, "label": labels, **columns})
    made = made.cast_column("image", datasets.Image())
    return made if feature is None else made.cast_column("label", feature)


def test_class_folders_are_split_by_class(tmp_path: Path) -> None:
    data = load(class_folders(tmp_path / "d", {"cat": 10, "dog": 20}))
    assert data.labels == ("cat", "dog")
    assert np.bincount(data.train_labels).tolist() == [8, 16]
    assert np.bincount(data.eval_labels).tolist() == [2, 4]
    assert data.sizes.shape == (24, 2)
    assert (data.sizes[:, 0] >= 30).all()


def test_the_split_is_the_same_for_a_seed_and_another_for_another(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "d", {"cat": 10, "dog": 20})
    paths = [[row["image"]["path"] for row in load(folder, seed=seed).evaluation] for seed in (1, 1, 2)]
    assert paths[0] == paths[1] != paths[2]


def test_given_split_folders_with_another_order_of_classes(tmp_path: Path) -> None:
    """The evaluation folder has one class fewer, so that its own indices are others: names count."""
    class_folders(tmp_path / "d" / "train", {"cat": 3, "dog": 3, "emu": 3})
    class_folders(tmp_path / "d" / "val", {"dog": 2, "emu": 1})
    data = load(tmp_path / "d")
    assert [data.labels[index] for index in data.eval_labels] == ["dog", "dog", "emu"]


@pytest.mark.parametrize("form", ["parquet", "parquet folder", "saved", "saved with splits"])
def test_other_forms(form: str, tmp_path: Path) -> None:
    whole = table(["b", "a"] * 10)
    path = tmp_path / "d"
    if form == "parquet":
        path = tmp_path / "d.parquet"
        whole.to_parquet(str(path))
    elif form == "parquet folder":
        path.mkdir()
        whole.to_parquet(str(path / "train-00000-of-00001.parquet"))
        whole.select(range(4)).to_parquet(str(path / "test-00000-of-00001.parquet"))
    elif form == "saved":
        whole.save_to_disk(str(path))
    else:
        datasets.DatasetDict(train=whole, test=whole.select(range(4))).save_to_disk(str(path))
    data = load(path)
    assert data.labels == ("a", "b")
    assert len(data.evaluation) == 4
    assert decode_image(data.train[0]["image"]).size == (30, 20)


def test_whole_numbers_and_names_are_classes_and_other_values_are_not(tmp_path: Path) -> None:
    for labels, names in (([7, 3] * 5, ("3", "7")), (["x", "y"] * 5, ("x", "y")), ([1, -1] * 5, ("-1", "1"))):
        table(labels).save_to_disk(str(tmp_path / names[0]))
        assert load(tmp_path / names[0]).labels == names
    for labels, message in (([0.5, 1.5] * 5, "not classes"), ([f"id{i}" for i in range(10)], "every value")):
        table(labels).save_to_disk(str(tmp_path / message))
        with pytest.raises(DataError, match=message):
            load(tmp_path / message)


def test_columns_must_be_clear(tmp_path: Path) -> None:
    made = table([0, 1] * 5).rename_column("label", "kind")
    made.save_to_disk(str(tmp_path / "d"))
    with pytest.raises(DataError, match="Name one with label_column: kind"):
        load(tmp_path / "d")
    assert load(tmp_path / "d", label_column="kind").labels == ("0", "1")
    with pytest.raises(DataError, match="no column 'picture': it has image, kind"):
        load(tmp_path / "d", image_column="picture")
    with pytest.raises(DataError, match=r"column 'kind' holds Value\('int64'\), not images: of images is image"):
        load(tmp_path / "d", image_column="kind")
    with pytest.raises(DataError, match="column 'image' holds the images"):
        load(tmp_path / "d", label_column="image")
    made.remove_columns("image").save_to_disk(str(tmp_path / "none"))
    with pytest.raises(DataError, match="has no image column: kind"):
        load(tmp_path / "none")


def test_groups_are_never_split(tmp_path: Path) -> None:
    table([0, 1] * 20, patient=[index // 4 for index in range(40)]).save_to_disk(str(tmp_path / "d"))
    data = load(tmp_path / "d", group_column="patient")
    assert not set(data.train["patient"]) & set(data.evaluation["patient"])


def test_fewer_images_keep_every_class(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "d", {"cat": 5, "dog": 30})
    data = load(folder, max_train_samples=7, max_eval_samples=2)
    assert np.bincount(data.train_labels).tolist() == [1, 6]
    assert np.bincount(data.eval_labels).tolist() == [1, 1]


def test_a_stream(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "d", {"cat": 5, "dog": 5})
    data = load(folder, streaming=True, max_steps=2, eval_data=str(folder))
    assert data.labels == ("cat", "dog")
    assert next(iter(data.train))["image"].size[0] >= 30


class TestWhatCannotBeTrainedOn:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist"):
            load(tmp_path / "nowhere")

    def test_no_class_folders(self, tmp_path: Path) -> None:
        picture(0).save(tmp_path / "a.png")
        with pytest.raises(DataError, match="has no class folders"):
            load(tmp_path)

    def test_an_empty_class_folder(self, tmp_path: Path) -> None:
        folder = class_folders(tmp_path / "d", {"cat": 3, "dog": 3})
        (folder / "emu").mkdir()
        (folder / "emu" / "notes.txt").write_text("none yet", encoding="utf-8")
        with pytest.raises(DataError, match="class folder emu without an image"):
            load(folder)

    def test_one_class(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="one class folder, cat: a classifier needs two"):
            load(class_folders(tmp_path / "d", {"cat": 3}))
        table(["only"] * 6).save_to_disk(str(tmp_path / "s"))
        with pytest.raises(DataError, match=r"one class \(only\)"):
            load(tmp_path / "s")

    @pytest.mark.parametrize("damage", ["truncated", "no image"])
    def test_an_unreadable_image(self, damage: str, tmp_path: Path) -> None:
        folder = class_folders(tmp_path / "d", {"cat": 5, "dog": 5})
        broken = folder / "dog" / "2.png"
        broken.write_bytes(broken.read_bytes()[:300] if damage == "truncated" else b"not a picture")
        with pytest.raises(DataError, match=r"1 of \d+ images are unusable: .*dog/2\.png cannot be decoded"):
            load(folder)

    def test_a_truncated_jpeg(self) -> None:
        file = io.BytesIO()
        picture(0, 300, 200).save(file, format="JPEG")
        with pytest.raises(DataError, match="image 4 cannot be decoded"):
            decode_image({"bytes": file.getvalue()[: len(file.getvalue()) // 2]}, "image 4")

    def test_a_label_that_was_never_trained(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "d" / "train", {"cat": 3, "dog": 3})
        class_folders(tmp_path / "d" / "val", {"dog": 2, "emu": 1})
        with pytest.raises(DataError, match="the evaluation data has emu, which no training image"):
            load(tmp_path / "d")

    def test_more_classes_than_images(self, tmp_path: Path) -> None:
        names = [f"class {index}" for index in range(50)]
        table([0, 1] * 5, datasets.ClassLabel(names=names)).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match="50 classes and only 8 images"):
            load(tmp_path / "d")

    def test_a_class_that_no_image_has(self, tmp_path: Path) -> None:
        table([0, 2] * 5, datasets.ClassLabel(names=["a", "b", "c"])).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match="1 of 3 classes have no image to train on: b"):
            load(tmp_path / "d")

    def test_a_hidden_test_split(self, tmp_path: Path) -> None:
        feature = datasets.ClassLabel(names=["a", "b"])
        table([0, 1, -1, -1, 0, 1], feature).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match="2 of 6 images have no label"):
            load(tmp_path / "d")
        table([1, 1, -1, -1, 1, 1], feature).save_to_disk(str(tmp_path / "e"))
        with pytest.raises(DataError, match="2 of 6 images have no label"):
            load(tmp_path / "e")

    def test_names_of_which_one_is_empty(self, tmp_path: Path) -> None:
        table(["a", "b", "", "a", "b", ""]).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match="2 of 6 images have no label"):
            load(tmp_path / "d")

    @pytest.mark.parametrize(
        ("first", "second", "how"),
        [
            ("ape", "ape ", "spaces"),
            ("red  ape", "red ape", "spaces"),
            ("caf\u00e9", "cafe\u0301", "how Unicode composes their letters"),
        ],
    )
    def test_one_name_that_is_written_in_two_ways(self, first: str, second: str, how: str, tmp_path: Path) -> None:
        """The two would be classes of their own, whose images are trained against each other."""
        table([first, second, "bee"] * 4).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match=f"differ only by {how}") as caught:
            load(tmp_path / "d")
        assert ascii(first) in str(caught.value)
        assert ascii(second) in str(caught.value)

    def test_one_name_that_the_evaluation_writes_otherwise(self, tmp_path: Path) -> None:
        datasets.DatasetDict(train=table(["ape", "bee"] * 4), test=table(["ape ", "bee"])).save_to_disk(
            str(tmp_path / "d")
        )
        with pytest.raises(DataError, match="'ape' and 'ape ' differ only by spaces"):
            load(tmp_path / "d")

    def test_a_name_of_spaces_is_no_class(self, tmp_path: Path) -> None:
        table(["a", "b", " ", "a", "b", "a"]).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match="1 of 6 images have no label"):
            load(tmp_path / "d")

    def test_a_class_with_one_image(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"1 classes have a single image \(dog\)"):
            load(class_folders(tmp_path / "d", {"cat": 8, "dog": 1}))

    def test_a_share_that_has_no_room_for_all_classes(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"take one from 0\.10 to 0\.90"):
            load(class_folders(tmp_path / "d", {"cat": 10, "dog": 10}), eval_fraction=0.01)

    def test_a_split_that_is_not_there(self, tmp_path: Path) -> None:
        table([0, 1] * 5).save_to_disk(str(tmp_path / "d"))
        with pytest.raises(DataError, match="no split 'training': it has train"):
            load(tmp_path / "d", train_split="training")


def test_names_that_differ_by_capitals_are_said(tmp_path: Path) -> None:
    """They may be meant, as in data of handwriting, and may not."""
    table(["Ape", "ape", "bee"] * 5).save_to_disk(str(tmp_path / "d"))
    with pytest.warns(UserWarning, match="'Ape' and 'ape' differ only by capitals"):
        assert load(tmp_path / "d").labels == ("Ape", "ape", "bee")
    table(["A", "a", "b"] * 5).save_to_disk(str(tmp_path / "letters"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path / "letters")


def test_every_broken_image_is_counted(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "d", {"cat": 10})
    for path in sorted(folder.rglob("*.png"))[:7]:
        path.write_bytes(b"")
    rows = datasets.Dataset.from_dict({"image": [str(path) for path in sorted(folder.rglob("*.png"))]})
    rows = rows.cast_column("image", datasets.Image(decode=False))
    with pytest.raises(DataError, match=r"7 of 10 images are unusable.*and 2 more"):
        verify_images([rows.select(range(4)), rows.select(range(4, 10))], "image")


def test_an_image_is_upright_and_in_colour() -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("L", (40, 20)).save(file, format="JPEG", exif=exif)
    decoded = decode_image({"bytes": file.getvalue()})
    assert (decoded.size, decoded.mode) == ((20, 40), "RGB")


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_the_grey_values_of_16_bits_are_kept(form: str) -> None:
    """Pillow's own conversion makes white of everything above 255 of 65535."""
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 0x4000, 0x8000, 0xFFFF]], dtype=np.uint16)).save(file, format=form)
    for cell in ({"bytes": file.getvalue()}, Image.open(file)):
        assert np.asarray(decode_image(cell))[0, :, 0].tolist() == [0, 0x40, 0x80, 0xFF]


def test_values_of_8_bits_in_16_are_taken_as_they_are() -> None:
    cell = Image.fromarray(np.array([[0, 7, 255]], dtype=np.uint16))
    assert np.asarray(decode_image(cell))[0, :, 0].tolist() == [0, 7, 255]


def test_values_of_32_bits_are_refused() -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)).save(file, format="TIFF")
    with pytest.raises(DataError, match=r"scan\.tif has values of 32 bits \(F\).*save it with 8 bits"):
        decode_image({"bytes": file.getvalue(), "path": "scan.tif"})


def test_a_sample_is_a_prefix_with_the_shares_of_all() -> None:
    labels = np.repeat([0, 1, 2], [100, 50, 2])
    counts = np.bincount(labels[stratified_sample(labels, 30, 0)], minlength=3)
    assert counts[2] >= 1
    assert abs(counts[0] - 20) <= 2
    assert len(np.unique(stratified_sample(labels, 152, 0))) == 152


def test_a_split_covers_everything_once() -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    train, evaluation = stratified_split(labels, "abc", 0.2, 0)
    assert sorted([*train, *evaluation]) == list(range(100))
    assert np.bincount(labels[evaluation]).tolist() == [12, 6, 2]


def test_class_weights_keep_the_scale_of_the_loss() -> None:
    labels = np.repeat([0, 1], [90, 10])
    weights = class_weights(labels, 2)
    assert weights[1] / weights[0] == pytest.approx(9)
    assert weights[labels].mean() == pytest.approx(1)


def picture_rows(folder: Path) -> list[tuple[str, str]]:
    """Six files in a folder with the class that each is of."""
    (folder / "pictures").mkdir(parents=True)
    rows = [(f"pictures/{kind} {index}.png", kind) for kind in ("ape", "bee") for index in range(3)]
    for name, kind in rows:
        Image.new("RGB", (8, 8), "red" if kind == "ape" else "blue").save(folder / name)
    return rows


@pytest.mark.parametrize(("column", "ending", "separator"), [("image", ".csv", ","), ("bild", ".tsv", "\t")])
def test_a_table_of_paths_is_read_from_its_own_folder(column: str, ending: str, separator: str, tmp_path: Path) -> None:
    rows = picture_rows(tmp_path)
    path = tmp_path / f"table{ending}"
    path.write_text("\n".join(separator.join(row) for row in [(column, "label"), *rows]) + "\n")
    data = load(path, eval_fraction=0.34)
    assert data.image_column == column
    assert data.labels == ("ape", "bee")
    for row in data.train:
        red, _, _ = decode_image(row[column]).getpixel((0, 0))
        assert red == (255 if data.labels[row["label"]] == "ape" else 0)


def test_evaluation_data_has_the_named_columns_too(tmp_path: Path) -> None:
    rows = picture_rows(tmp_path)
    columns = {"seen": [str(tmp_path / name) for name, _ in rows], "label": [kind for _, kind in rows]}
    for name in ("a", "b"):
        datasets.Dataset.from_dict(columns).to_parquet(str(tmp_path / f"{name}.parquet"))
    data = load(tmp_path / "a.parquet", image_column="seen", eval_data=str(tmp_path / "b.parquet"))
    assert len(data.evaluation) == len(rows)


def test_an_ending_may_be_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "TABLE.CSV"
    path.write_text("\n".join(",".join(row) for row in [("image", "label"), *picture_rows(tmp_path)]) + "\n")
    assert load(path, eval_fraction=0.34).labels == ("ape", "bee")


def test_a_class_whose_name_stands_for_an_empty_cell(tmp_path: Path) -> None:
    lines = [f"{name},{'NA' if kind == 'bee' else kind}" for name, kind in picture_rows(tmp_path)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["image,label", *lines]) + "\n")
    with pytest.raises(DataError, match=r"3 of 6 images have no label.*A cell with NA, None"):
        load(path)


def test_a_table_says_which_of_its_files_is_missing(tmp_path: Path) -> None:
    rows = picture_rows(tmp_path)
    path = tmp_path / "table.csv"
    path.write_text("\n".join(",".join(row) for row in [("image", "label"), *rows, ("gone.png", "ape")]) + "\n")
    with pytest.raises(DataError, match=r"gone\.png cannot be decoded"):
        load(path, eval_fraction=0.34)
    path.write_text("\n".join(",".join(row) for row in [("image", "label"), *rows, ("", "ape")]) + "\n")
    with pytest.raises(DataError, match="names no file in 1 rows, such as row 7"):
        load(path)
    path.with_suffix(".txt").write_text("image,label")
    with pytest.raises(DataError, match=r"no table \(.parquet, .csv, .tsv\)"):
        load(path.with_suffix(".txt"))


@pytest.mark.parametrize("cell", ["bytes", "struct"])
def test_a_parquet_file_of_another_program_needs_no_name_for_its_images(cell: str, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = picture_rows(tmp_path)
    files = [(tmp_path / name).read_bytes() for name, _ in rows]
    cells = files if cell == "bytes" else [{"bytes": content, "path": None} for content in files]
    table = pyarrow.table({"picture": cells, "label": [kind for _, kind in rows]})
    parquet.write_table(table, tmp_path / "table.parquet")
    data = load(tmp_path / "table.parquet", eval_fraction=0.34)
    assert data.image_column == "picture"
    assert decode_image(data.train[0]["picture"]).size == (8, 8)

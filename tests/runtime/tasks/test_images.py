from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image
from safetensors import SafetensorError

from v5lint.runtime.errors import DataError, OutputError, UsageError
from v5lint.runtime.export import whole_folder
from v5lint.runtime.tasks.images import find_images
from v5lint.runtime.tasks.options import skipped_note
from v5lint.runtime.tasks.writing import whole_file


def test_folders_are_searched_and_files_taken_as_they_are(pictures: Path) -> None:
    files = find_images([pictures / "2.png", pictures, pictures / "2.png"])
    assert [path.name for path in files.paths] == ["2.png", "0.png", "1.png", "3.png", "4.png", "5.png", "6.png"]


def test_linked_folders_are_searched(tmp_path: Path) -> None:
    """As those of classes are trained on; the search ends where a link leads back, and a link to nothing is named."""
    for place in ("pictures", "elsewhere"):
        (tmp_path / place).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / place / f"{place}.png")
    (tmp_path / "pictures" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "pictures")
    found = find_images([tmp_path / "pictures"]).paths
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "pictures/linked/elsewhere.png",
        "pictures/pictures.png",
    ]
    (tmp_path / "pictures" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png cannot be decoded"):
        list(find_images([tmp_path / "pictures"]).batches(4))


def test_batches_keep_the_order(pictures: Path) -> None:
    files = find_images([pictures])
    batches = list(files.batches(3))
    assert [len(batch.paths) for batch in batches] == [3, 3, 1]
    assert [path for batch in batches for path in batch.paths] == files.paths
    for batch in batches:
        for path, image in zip(batch.paths, batch.images, strict=True):
            assert numpy.array_equal(numpy.asarray(image), numpy.asarray(Image.open(path)))


def test_what_cannot_be_decoded_stops_or_is_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "b.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"a\.png cannot be decoded"):
        list(find_images([tmp_path]).batches(4))
    files = find_images([tmp_path], skip_unreadable=True)
    assert [path.name for batch in files.batches(1) for path in batch.paths] == ["b.png"]
    assert [path.name for path in files.unreadable] == ["a.png"]
    (tmp_path / "b.png").unlink()
    with pytest.raises(DataError, match=r"none of 1 images can be decoded, as .*a\.png"):
        list(find_images([tmp_path], skip_unreadable=True).batches(4))


def test_a_picture_that_is_not_read_stops_or_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "inside" / "b.png")
    (tmp_path / "inside" / "a.heic").write_bytes(b"of a telephone")
    with pytest.raises(DataError, match=r"inside/a\.heic is in a format that is not read \(\.heic\)"):
        find_images([tmp_path])
    files = find_images([tmp_path], skip_unreadable=True)
    assert [path.name for batch in files.batches(1) for path in batch.paths] == ["b.png"]
    assert skipped_note(files).startswith("1 of 2 images were left out: ")


def test_images_that_are_not_there_are_named(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(DataError, match="absent does not exist"):
        find_images([tmp_path / "absent"])
    with pytest.raises(DataError, match=r"has no images: no file in it ends in \.avif"):
        find_images([tmp_path])
    with pytest.raises(DataError, match="an empty name among the images"):
        find_images([pictures, ""])
    with pytest.raises(DataError, match="no images: name files or folders"):
        find_images([])
    with pytest.raises(UsageError, match="at least 1"):
        list(find_images([pictures]).batches(0))


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """safetensors has an exception of its own for it, which is no OSError."""
    kept = tmp_path / "features.safetensors"
    kept.write_bytes(b"of before")

    def write(error: Exception) -> None:
        with whole_file(kept) as unfinished:
            unfinished.write_bytes(b"half")
            raise error

    for error in (OSError(28, "No space left on device"), SafetensorError("I/O error: No space left on device")):
        with pytest.raises(OutputError, match=r"features\.safetensors cannot be written: .*No space left"):
            write(error)
    with pytest.raises(DataError, match=r"^what is written could not be made$"):
        write(DataError("what is written could not be made"))
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]
    assert kept.read_bytes() == b"of before"


def test_what_cannot_be_computed_is_not_said_to_be_unwritable(tmp_path: Path) -> None:
    def write() -> None:
        with whole_folder(tmp_path / "components"):
            raise UsageError("2 patches have no 3 principal components")

    with pytest.raises(UsageError, match=r"^2 patches"):
        write()
    assert not list(tmp_path.iterdir())

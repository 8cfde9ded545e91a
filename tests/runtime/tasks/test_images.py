from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from PIL import Image

from v5lint.runtime.errors import DataError, UsageError
from v5lint.runtime.tasks.images import find_images


def test_folders_are_searched_and_files_taken_as_they_are(pictures: Path) -> None:
    files = find_images([pictures / "2.png", pictures, pictures / "2.png"])
    assert [path.name for path in files.paths] == ["2.png", "0.png", "1.png", "3.png", "4.png", "5.png", "6.png"]


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


def test_images_that_are_not_there_are_named(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(DataError, match="absent does not exist"):
        find_images([tmp_path / "absent"])
    with pytest.raises(DataError, match=r"has no images: no file in it ends in \.avif"):
        find_images([tmp_path])
    with pytest.raises(DataError, match="no images: name files or folders"):
        find_images([])
    with pytest.raises(UsageError, match="at least 1"):
        list(find_images([pictures]).batches(0))

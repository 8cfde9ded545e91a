"""Image files from files and folders, decoded a batch ahead while the model works."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.data import decode_image
from v5lint.runtime.errors import DataError, UsageError
from v5lint.runtime.folders import IMAGE_ENDINGS, is_hidden, is_image, unread_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image


@dataclass(frozen=True)
class ImageBatch:
    """Some images with the files that they are from.

    Attributes:
        paths: The files.
        images: The same in RGB, upright.
    """

    paths: list[Path]
    images: list[Image.Image]


@dataclass
class ImageFiles:
    """Image files in the order in which they are read.

    Attributes:
        paths: The files.
        skip_unreadable: Whether a file that cannot be decoded is left out; by default it is an error.
        unreadable: The files that were left out, each with the reason; those that cannot be decoded are added by
            `batches`.
    """

    paths: list[Path]
    skip_unreadable: bool = False
    unreadable: dict[Path, str] = field(default_factory=dict)

    def batches(self, size: int) -> Iterator[ImageBatch]:
        """The images in batches; while one is used, the next is decoded.

        Args:
            size: Images in a batch.

        Raises:
            DataError: An image cannot be decoded, or none of them can; the message names the file.
        """
        if size < 1:
            raise UsageError(f"a batch of {size} images: must be at least 1")
        read = 0
        with ThreadPoolExecutor() as pool:
            chunks = [self.paths[start : start + size] for start in range(0, len(self.paths), size)]
            ahead = pool.map(_decoded, chunks[0]) if chunks else iter(())
            for position, chunk in enumerate(chunks):
                decoded = list(ahead)
                if position + 1 < len(chunks):
                    ahead = pool.map(_decoded, chunks[position + 1])
                batch = self._readable(chunk, decoded)
                read += len(batch.paths)
                if batch.paths:
                    yield batch
        if not read:
            raise DataError(
                f"none of {len(self.paths)} images can be decoded, as {next(iter(self.unreadable.values()))}"
            )

    def _readable(self, paths: list[Path], decoded: list[Image.Image | DataError]) -> ImageBatch:
        batch = ImageBatch([], [])
        for path, result in zip(paths, decoded, strict=True):
            if isinstance(result, DataError):
                if not self.skip_unreadable:
                    raise result
                self.unreadable[path] = str(result)
            else:
                batch.paths.append(path)
                batch.images.append(result)
        return batch


def find_images(sources: Sequence[str | Path], *, skip_unreadable: bool = False) -> ImageFiles:
    """The image files among files and folders.

    Args:
        sources: Files, taken as they are, and folders, of which all files with the ending of an image are taken,
            sub-folders and linked ones included, in alphabetical order. A file that occurs twice is taken once.
        skip_unreadable: Whether to leave out what cannot be decoded.

    Raises:
        DataError: A source does not exist, a folder has no image, or one in a format that is not read.
    """
    found: dict[Path, None] = {}
    unread: dict[Path, str] = {}
    if not all(str(source) for source in sources):  # a variable of a shell that is not set: the path is that of `.`
        raise DataError("an empty name among the images: write . for the folder that you are in")
    for source in map(Path, sources):
        if source.is_dir():
            below = _files_below(source)
            files = [path for path in below if is_image(path.relative_to(source))]
            unread.update(unread_pictures(path for path in below if not is_hidden(path.relative_to(source))))
            if unread and not skip_unreadable:
                raise DataError(next(iter(unread.values())))
            if not files:
                raise DataError(f"{source} has no images: no file in it ends in {', '.join(sorted(IMAGE_ENDINGS))}")
            found.update(dict.fromkeys(files))
        elif source.is_file():
            found[source] = None
        else:
            raise DataError(f"{source} does not exist")
    if not found:
        raise DataError("no images: name files or folders")
    return ImageFiles(list(found), skip_unreadable, unread)


def _files_below(folder: Path) -> list[Path]:
    """All files of a folder and its sub-folders in alphabetical order, links to nothing too, which are then named.

    Linked folders are searched, as those of classes are trained on; one that leads back to where it lies is not.
    """
    found: list[Path] = []

    def search(place: Path, above: frozenset[Path]) -> None:
        around = above | {place.resolve()}
        for entry in place.iterdir():
            if not entry.is_dir():
                found.append(entry)
            elif entry.resolve() not in around:
                search(entry, around)

    search(folder, frozenset())
    return sorted(found)


def _decoded(path: Path) -> Image.Image | DataError:
    try:
        return decode_image({"path": str(path)})
    except DataError as error:
        return error

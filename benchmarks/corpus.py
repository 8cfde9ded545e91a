"""Downloads the packages of `corpus.toml` and unpacks their text files; nothing of them is ever executed.

Usage:
    python benchmarks/corpus.py FOLDER [--only NAME ...] [--jobs N]

Every package lands in `FOLDER/packages/<name>-<version>`, or in `FOLDER/ready/` where it is of today. A package that is
already there is left alone. The archives come through `unearth`, which, unlike `pip download`, runs no build backend
for a source distribution.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOGUE = Path(__file__).with_name("corpus.toml")

# What no linter reads: kept out so that the corpus stays small. A file above the limit is data, whatever its name.
BINARY_SUFFIXES = frozenset(
    """
    .7z .a .avi .bin .bmp .bz2 .dll .dylib .exe .flac .gif .gz .h5 .ico .jar .jpeg .jpg .lib .mo .model .mp3 .mp4
    .msgpack .npy .npz .o .obj .onnx .parquet .pb .pdf .pdiparams .pickle .pkl .png .pt .pth .pyc .pyd .safetensors .so
    .spm .svg .tar .tgz .tiff .ttf .wav .webp .whl .woff .woff2 .xz .zip .zst
    """.split()
)
SIZE_LIMIT = 10_000_000


@dataclass(frozen=True)
class Package:
    """One archive of the registry.

    Attributes:
        name: Name of the distribution.
        version: Exact version.
        kind: `wheel` or `sdist`.
        sha256: Digest of the archive.
        python: Python version for which the wheel is chosen; needed where a package allows no newer one.
        ready: Whether it is a package of today, most of which run on transformers v5.
    """

    name: str
    version: str
    kind: str
    sha256: str
    python: str = "3.11"
    ready: bool = False

    @property
    def folder(self) -> str:
        """Name of the folder that holds the unpacked files."""
        return f"{self.name}-{self.version}"


class CorpusError(Exception):
    """A package that could not be had as the catalogue describes it."""


def read_catalogue(path: Path = CATALOGUE) -> tuple[list[Package], list[dict[str, Any]]]:
    """Returns the packages and the repositories of a catalogue."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Package(**entry) for entry in data.get("package", [])], data.get("repository", [])


def download(requirement: str, kind: str, python: str, folder: Path) -> tuple[str, str, Path]:
    """Downloads one archive without building it.

    Args:
        requirement: A PEP 508 requirement; the newest matching version is taken.
        kind: `wheel` or `sdist`.
        python: Python version to choose the archive for.
        folder: Where the archive is put.

    Returns:
        Name, version and path of the archive.

    Raises:
        CorpusError: If the registry has no such archive.
    """
    flag = "--only-binary" if kind == "wheel" else "--no-binary"
    command = [
        sys.executable,
        "-m",
        "unearth",
        requirement,
        flag,
        "--python-version",
        python,
        "--download",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CorpusError(
            f"{requirement}: no {kind} for Python {python}: {(done.stderr or done.stdout).strip()[-300:]}"
        )
    answer = json.loads(done.stdout)
    return answer["name"], answer["version"], Path(answer["local_path"])


def members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Yields path, size and open file of every regular file of a wheel, zip or tar archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            for info in bundle.infolist():
                if not info.is_dir():
                    with bundle.open(info) as file:
                        yield info.filename, info.file_size, file
    else:
        with tarfile.open(archive) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() else None
                if stream is not None:
                    yield member.name, member.size, stream


def unpack(archive: Path, target: Path) -> int:
    """Writes the text files of an archive below `target` and returns their number.

    Raises:
        CorpusError: If a member would land outside of `target`.
    """
    count = 0
    for name, size, stream in members(archive):
        path = target / name
        if not path.resolve().is_relative_to(target.resolve()):
            raise CorpusError(f"{archive.name}: member {name!r} leaves the folder")
        if size > SIZE_LIMIT or path.suffix.lower() in BINARY_SUFFIXES:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        count += 1
    return count


def fetch(package: Package, packages: Path) -> str:
    """Downloads, verifies and unpacks one package; returns a line that says what was done."""
    target = packages / package.folder
    if target.exists():
        return f"{package.folder}: already there"
    with tempfile.TemporaryDirectory(dir=packages) as scratch:
        requirement = f"{package.name}=={package.version}"
        archive = download(requirement, package.kind, package.python, Path(scratch))[2]
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != package.sha256:
            raise CorpusError(f"{package.folder}: sha256 is {digest}, the catalogue says {package.sha256}")
        unpacked = Path(scratch, "unpacked")
        unpacked.mkdir()
        count = unpack(archive, unpacked)
        unpacked.rename(target)
    return f"{package.folder}: {count} files"


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit status: 1 if a package could not be had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the corpus")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these packages")
    parser.add_argument("--jobs", type=int, default=4, help="downloads at once (default: 4)")
    options = parser.parse_args(argv)

    chosen, _ = read_catalogue()
    if options.only:
        unknown = set(options.only) - {package.name for package in chosen}
        if unknown:
            parser.error(f"not in {CATALOGUE.name}: {', '.join(sorted(unknown))}")
        chosen = [package for package in chosen if package.name in options.only]
    folders = {ready: options.folder / ("ready" if ready else "packages") for ready in (False, True)}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)

    failed = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(fetch, package, folders[package.ready]) for package in chosen]:
            try:
                print(future.result(), flush=True)
            except (CorpusError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
                failed += 1
                print(f"failed: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

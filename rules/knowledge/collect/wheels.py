"""Downloads wheels with pip into a folder and reads the facts of each, once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from v5lint.rules.knowledge.collect.source import FACTS_VERSION, read_source

if TYPE_CHECKING:
    from pathlib import Path

FileFacts = dict[str, Any]


class Wheel(NamedTuple):
    """What one wheel holds.

    Attributes:
        package: the import name, "huggingface_hub".
        release: the version, "0.36.2".
        modules: dotted module name -> facts (see `source.read_source`).
        packages: the modules that are an `__init__.py`.
        scripts: names of the console scripts.
    """

    package: str
    release: str
    modules: dict[str, FileFacts]
    packages: frozenset[str]
    scripts: tuple[str, ...]


def version_key(release: str) -> tuple[int, ...]:
    """Order releases: "4.9.2" comes before "4.10.0"."""
    return tuple(int(part) for part in release.split("."))


def published(package: str) -> list[str]:
    """List the stable releases that the registry offers, oldest first.

    Raises:
        RuntimeError: pip cannot reach a registry that knows the package.
    """
    command = [sys.executable, "-m", "pip", "index", "versions", package, "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Available versions: (.*)", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pip lists no releases of {package}: {done.stderr.strip() or done.stdout.strip()}")
    releases = [release for release in found.group(1).split(", ") if re.fullmatch(r"\d+(\.\d+)+", release)]
    return sorted(releases, key=version_key)


def download(package: str, release: str, folder: Path) -> Path:
    """Give the path of a wheel in `folder`, downloading it without its dependencies when it is not there yet.

    Raises:
        RuntimeError: the registry has no such wheel.
    """
    stem = f"{package}-{release}-"
    for path in folder.glob(stem + "*.whl"):
        return path
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), f"{package}=={release}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for path in folder.glob(stem + "*.whl"):
        return path
    raise RuntimeError(f"pip did not download {package} {release}: {done.stderr.strip()}")


def read_wheel(package: str, release: str, folder: Path, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Read every Python file of a wheel, from the cache in `folder` when it was read before.

    Args:
        package: the import name.
        release: the version.
        folder: holds the wheels, and the facts read from them under `facts/`.
        before: what this function gave for another release; files with the same checksum are not parsed again.

    Returns:
        {"files": {path: [checksum, facts]}, "scripts": [...]}.
    """
    cached = folder / "facts" / f"{package}-{release}.v{FACTS_VERSION}.json.zlib"
    if cached.exists():
        content: dict[str, Any] = json.loads(zlib.decompress(cached.read_bytes()))
        return content
    known = before["files"] if before else {}
    files: dict[str, Any] = {}
    scripts: list[str] = []
    with zipfile.ZipFile(download(package, release, folder)) as archive:
        for info in archive.infolist():
            path = info.filename
            if path.endswith("/entry_points.txt"):
                scripts = _console_scripts(archive.read(info).decode())
            elif re.search(r"\.data/scripts/[^/]+$", path):
                scripts.append(path.rpartition("/")[2])
            elif path.startswith(package + "/") and path.endswith(".py"):
                checksum = f"{info.CRC:08x}{info.file_size:x}"
                old = known.get(path)
                if old is not None and old[0] == checksum:
                    files[path] = old
                else:
                    files[path] = [checksum, _read_file(archive.read(info).decode("utf-8"), path)]
    content = {"files": files, "scripts": sorted(scripts)}
    cached.parent.mkdir(exist_ok=True)
    partial = cached.with_suffix(".partial")
    partial.write_bytes(zlib.compress(json.dumps(content).encode(), 6))
    partial.replace(cached)
    return content


def as_wheel(package: str, release: str, content: dict[str, Any]) -> Wheel:
    """Turn what `read_wheel` gave into a `Wheel`."""
    modules = {}
    packages = set()
    for path, (_checksum, facts) in sorted(content["files"].items()):
        name, is_package = module_name(path)
        modules[name] = facts
        if is_package:
            packages.add(name)
    return Wheel(package, release, modules, frozenset(packages), tuple(content["scripts"]))


def module_name(path: str) -> tuple[str, bool]:
    """Give the dotted name of a file of a wheel, and whether it is a package: "a/b/__init__.py" -> ("a.b", True)."""
    parts = path.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package


def _read_file(text: str, path: str) -> FileFacts:
    name, is_package = module_name(path)
    try:
        return read_source(text, name, is_package=is_package, path=path)
    except SyntaxError:
        # Templates ({{cookiecutter.name}}) are shipped as .py files; nobody can import them.
        return {"unreadable": True}


def _console_scripts(text: str) -> list[str]:
    section = re.search(r"\[console_scripts\]\n(.*?)(?:\n\[|\Z)", text, re.DOTALL)
    return re.findall(r"^\s*([\w.-]+)\s*=", section.group(1), re.MULTILINE) if section else []

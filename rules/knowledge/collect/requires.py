"""What each release of transformers asks of other packages and of Python, from the metadata of the wheels.

Also what it says of PyTorch itself: without the extra `torch` nothing in the metadata binds it, and an older one than
`import_utils.py` asks for is switched off with one line in the log.
"""

from __future__ import annotations

import re
import zipfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from v5lint.rules.knowledge.collect.wheels import download, version_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE_NAME = "requires.toml"

_HEAD = """\
# What releases of transformers 5 ask of other packages, and the extras that they no longer have.
# Generated from the metadata of the wheels: see collect/requires.py.
"""

_TORCH = re.compile(r"Disabling PyTorch because PyTorch >= ([\d.]+) is required")


def requires_text(folder: Path, releases: Sequence[str]) -> str:
    """The content of the table: for each package its range by the minor release that brought it.

    Args:
        folder: holds the wheels.
        releases: of transformers, all that are known.
    """
    ranges: dict[str, dict[str, str]] = {}
    extras: set[str] = set()
    gone: dict[str, str] = {}
    for minor, release in _minors(releases):
        asked, offered = _read(download("transformers", release, folder))
        if version_key(release) < (5,):
            extras |= offered
            continue
        for package, specifier in asked.items():
            row = ranges.setdefault(package, {})
            if list(row.values())[-1:] != [specifier]:
                row[minor] = specifier
        for extra in extras:
            if extra in offered:
                gone.pop(extra, None)
            else:
                gone.setdefault(extra, minor)
    lines = [_HEAD]
    for package in sorted(ranges):
        lines.append(f"[ranges.{package}]")
        lines += [f'"{minor}" = "{specifier}"' for minor, specifier in ranges[package].items()]
        lines.append("")
    lines.append("[removed-extras]")
    lines += [f'{extra} = "{gone[extra]}"' for extra in sorted(gone)]
    return "\n".join(lines) + "\n"


def _minors(releases: Sequence[str]) -> list[tuple[str, str]]:
    """The last patch of every minor release from 4.20 on, oldest first."""
    last: dict[str, str] = {}
    for release in sorted(releases, key=version_key):
        if version_key(release) >= (4, 20):
            last[".".join(release.split(".")[:2])] = release
    return list(last.items())


def _read(wheel: Path) -> tuple[dict[str, str], set[str]]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
        code = archive.read("transformers/utils/import_utils.py").decode()
    asked = {"python": metadata["Requires-Python"] or ""}
    for requirement in metadata.get_all("Requires-Dist", ()):
        package, specifier, extra = _split(requirement)
        if specifier and (not extra or (extra == "torch" and package != "torch")):
            asked[package] = specifier
    if torch := _TORCH.search(code):
        asked["torch"] = f">={torch[1]}"
    return asked, {re.sub(r"[-_.]+", "-", extra).lower() for extra in metadata.get_all("Provides-Extra", ())}


def _split(requirement: str) -> tuple[str, str, str]:
    match = re.match(r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$", requirement)
    assert match, requirement
    extra = re.search(r"extra == [\"']([\w-]+)[\"']", match[3] or "")
    return re.sub(r"[-_.]+", "-", match[1]).lower(), match[2].strip(), extra[1] if extra else ""

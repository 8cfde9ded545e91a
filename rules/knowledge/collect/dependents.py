"""Reads which releases of packages that use transformers can be installed beside transformers 5, from their metadata.

    pip install unearth
    python -m v5lint.rules.knowledge.collect.dependents CACHE > rules/knowledge/dependents.toml

reads some 6,000 releases and keeps what they ask for in the folder CACHE.

Of each wheel on the registry only the metadata is fetched, a few kilobytes; source distributions are fetched where
there is no wheel. A release is left out where what it asks of transformers, or of the packages that transformers
itself asks for, leaves no release of transformers 5. Pre-releases and yanked releases are not read; a source
distribution that does not say what it asks for is taken for one that admits all.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from v5lint.rules.knowledge import requires
from v5lint.rules.knowledge.collect.wheels import published

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

#: What programs of fine-tuning, embedding and serving name beside transformers in their requirements.
PACKAGES = (
    *("adapters", "auto-gptq", "autoawq", "autogluon-multimodal", "autotrain-advanced", "axolotl"),
    *("bert-score", "bertopic", "bitsandbytes", "byaldi", "chronos-forecasting", "clip-interrogator", "colbert-ai"),
    *("colpali-engine", "compel", "controlnet-aux", "coqui-tts", "datasets", "diffusers", "docling", "evaluate"),
    *(
        "farm-haystack",
        "fastembed",
        "flagembedding",
        "flair",
        "fschat",
        "gliner",
        "gptqmodel",
        "gradio",
        "gradio-client",
    ),
    *("haystack-ai", "inseq", "instructorembedding", "keybert", "langchain-huggingface"),
    *("liger-kernel", "llama-index-embeddings-huggingface", "llama-index-llms-huggingface", "llamafactory"),
    *("llm-foundry", "lm-eval", "lmdeploy", "ludwig", "mamba-ssm", "marker-pdf", "mosaicml", "ms-swift", "mteb"),
    *("nemo-toolkit", "nnsight", "nougat-ocr", "open-clip-torch", "optimum", "optimum-habana", "optimum-intel"),
    *(
        "optimum-neuron",
        "optimum-onnx",
        "outlines",
        "parler-tts",
        "peft",
        "pyannote-audio",
        "rerankers",
        "salesforce-lavis",
    ),
    *("sentence-transformers", "setfit", "simpletransformers", "spacy-transformers", "span-marker", "speechbrain"),
    *("surya-ocr", "text-generation", "textattack", "timm", "transformer-lens", "transformers-interpret"),
    *("trl", "tts", "txtai", "unbabel-comet", "unsloth", "unsloth-zoo", "vllm", "whisperx", "xtuner"),
)

HEAD = """\
# Packages of which some releases cannot be installed beside transformers 5: those that can, as versions (PEP 440), and
# what the newest of the others asks for. Generated from their metadata: see collect/dependents.py.
"""

#: What transformers does not ask for by itself: an installer takes any.
_OPTIONAL = {"python", "torch", "accelerate"}

#: How much of the end of a wheel is fetched at first, in bytes.
_TAIL = 200_000


class RemoteFile(io.RawIOBase):
    """A file of the registry that is read in parts, as `zipfile` asks for them."""

    def __init__(self, session: Any, address: str) -> None:
        """Fetch the end of the file, where archives have their table and wheels their metadata."""
        super().__init__()
        self._session, self._address = session, address
        answer = session.get(address, headers={"Range": f"bytes=-{_TAIL}"})
        answer.raise_for_status()
        self._tail: bytes = answer.content
        span = answer.headers.get("content-range", "")
        self._size = int(span.rpartition("/")[2]) if span else len(self._tail)
        self._at = 0

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.IOBase."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """See io.IOBase."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase."""
        end = min(self._at + len(buffer), self._size)
        begins = self._size - len(self._tail)
        if self._at >= begins:
            content = self._tail[self._at - begins : end - begins]
        elif end > self._at:
            answer = self._session.get(self._address, headers={"Range": f"bytes={self._at}-{end - 1}"})
            answer.raise_for_status()
            content = answer.content
        else:
            content = b""
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


class Metadata:
    """What releases ask for, as their metadata has it; fetched once."""

    def __init__(self, folder: Path) -> None:
        """Open a session.

        Args:
            folder: holds a file for each package, with the requirements by the address of the release.
        """
        from unearth.fetchers import PyPIClient

        self._session = PyPIClient()
        self._folder = folder / "dependents"
        self._folder.mkdir(parents=True, exist_ok=True)

    def of(self, package: str, addresses: Collection[str]) -> dict[str, list[str]]:
        """The requirements by the address of a wheel or a source distribution.

        Raises:
            httpx.HTTPError: the registry does not give one of them.
        """
        kept = self._folder / f"{package}.json"
        known: dict[str, list[str]] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        for address in addresses:
            if address not in known:
                known[address] = _asked(self._session, address)
        kept.write_text(json.dumps(known, indent=0), encoding="utf-8")
        return known


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    metadata = Metadata(parser.parse_args().cache)
    offered = {name: [*map(Version, published(name))] for name in sorted(requires.required_packages() - _OPTIONAL)}
    with ThreadPoolExecutor(4) as pool:
        sections = pool.map(lambda package: _section(metadata, package, offered), sorted(PACKAGES))
        sys.stdout.write("\n".join([HEAD, *filter(None, sections)]))


def _section(metadata: Metadata, package: str, offered: dict[str, list[Version]]) -> str:
    """The rows of a package; "" where every release of it can stand beside transformers 5."""
    addresses = _releases(package)
    asked = metadata.of(package, addresses.values())
    verdicts = {version: conflict(_applying(asked[address]), offered) for version, address in addresses.items()}
    releases = sorted(verdicts)
    sys.stderr.write(f"{package}: {len(releases)} releases, {sum(map(bool, verdicts.values()))} without v5\n")
    left_out = [version for version in releases if verdicts[version]]
    if not left_out:
        return ""
    spans = ", ".join(f'"{span}"' for span in admitted(releases, verdicts))
    lines = [
        f'["{package}"]',
        f"admitted = [{spans}]",
        f'newest = "{releases[-1]}"',
        f'asks = "{verdicts[left_out[-1]]}"',
    ]
    return "\n".join(lines) + "\n"


def _releases(package: str) -> dict[Version, str]:
    """The address of a wheel of each release of a package, or of its source distribution where it has none.

    Raises:
        RuntimeError: the registry does not know the package.
    """
    command = [sys.executable, "-m", "unearth", "--all", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"no releases of {package}: {done.stderr.strip()[-300:]}")
    found: dict[Version, str] = {}
    for each in json.loads(done.stdout):
        version, link = Version(each["version"]), each["link"]
        if version.is_prerelease or link["yank_reason"] is not None:
            continue
        if version not in found or link["url"].endswith(".whl"):
            found[version] = link["url"]
    return found


def _asked(session: Any, address: str) -> list[str]:
    """The requirements of a wheel or a source distribution, as its metadata has them."""
    if address.endswith(".whl"):
        with zipfile.ZipFile(RemoteFile(session, address)) as archive:
            (name,) = (path for path in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", path))
            return _required(archive.read(name))
    answer = session.get(address)
    answer.raise_for_status()
    if not address.endswith((".tar.gz", ".tgz")):
        return []
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        by_name = {member.name: member for member in archive if member.isfile()}
        for name, member in by_name.items():
            if name.endswith(".egg-info/requires.txt"):
                content = _content(archive, member).decode("utf-8", "replace")
                return re.split(r"(?m)^\[", content)[0].splitlines()  # the extras stand below, in sections
        for name, member in by_name.items():
            if re.fullmatch(r"[^/]+/PKG-INFO", name):
                return _required(_content(archive, member))
    return []


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return file.read() if file else b""


def _required(metadata: bytes) -> list[str]:
    return HeaderParser().parsestr(metadata.decode("utf-8", "replace")).get_all("Requires-Dist", [])


def _applying(texts: Iterable[str]) -> Iterator[Requirement]:
    for text in texts:
        if not text.strip():
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # `pytz (>dev)` of old metadata, which today's installers refuse themselves
        here = {"extra": "", "python_version": "3.11", "python_full_version": "3.11.9", "sys_platform": "linux"}
        if requirement.marker is None or requirement.marker.evaluate(here):
            yield requirement


def conflict(asked: Iterable[Requirement], offered: dict[str, list[Version]]) -> str:
    """What a release asks for that leaves no release of transformers 5; "" where some is left.

    Args:
        asked: its requirements.
        offered: of transformers' own requirements the releases that there are, by package.
    """
    wanted = {canonicalize_name(each.name): each for each in asked}
    left = set(_minors())
    if "transformers" in wanted:
        own = wanted["transformers"]
        left = {minor for minor in left if any(own.specifier.contains(f"{minor}.{patch}") for patch in range(10))}
        if not left:
            return f"transformers{_upper(own.specifier)}"
    for name, versions in offered.items():
        if name in wanted:
            specifier = wanted[name].specifier
            left = {
                minor
                for minor in left
                if any(version in specifier and version in _range(name, minor) for version in versions)
            }
            if not left:
                return f"{name}{_upper(specifier)}"
    return ""


def _upper(specifier: SpecifierSet) -> str:
    """The clauses that keep newer releases out."""
    return ",".join(sorted(str(clause) for clause in specifier if clause.operator not in (">=", ">", "!=")))


def _minors() -> list[str]:
    from v5lint.rules.knowledge import NEWEST

    return [f"5.{minor}" for minor in range(int(NEWEST.split(".")[1]) + 1)]


def _range(package: str, minor: str) -> SpecifierSet:
    release = tuple(map(int, minor.split(".")))
    return SpecifierSet(requires.ranges(package, release, release)[-1][1])


def admitted(releases: list[Version], verdicts: dict[Version, str]) -> list[str]:
    """The spans of the releases that can stand beside transformers 5, as specifiers.

    Args:
        releases: all of them, oldest first.
        verdicts: of each what is in its way, "" where nothing is.
    """
    spans: list[str] = []
    first: Version | None = None
    for version in releases:
        if not verdicts[version]:
            first = first or version
        elif first is not None:
            spans.append(f">={first},<{version}")
            first = None
    return [*spans, f">={first}"] if first is not None else spans


if __name__ == "__main__":
    main()

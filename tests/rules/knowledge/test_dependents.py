"""Which releases of other packages can stand beside transformers 5."""

from __future__ import annotations

import io
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from v5lint.rules.knowledge.collect import dependents as collect
from v5lint.rules.knowledge.dependents import dependent
from v5lint.rules.knowledge.tables import table

OFFERED = {"huggingface-hub": [*map(Version, ("0.30.0", "0.36.2", "1.3.0", "1.31.0", "2.0.0"))]}


@pytest.mark.parametrize(
    ("asked", "in_the_way"),
    [
        (["transformers<5.0.0,>=4.6.0"], "transformers<5.0.0"),
        (["transformers==4.30.1"], "transformers==4.30.1"),
        (["transformers~=4.57.6", "torch"], "transformers~=4.57.6"),
        (["transformers>=4.41"], ""),
        (["transformers<6.0.0,>=4.41"], ""),
        (["transformers!=5.0.0"], ""),
        (["transformers==5.3.1"], ""),
        (["transformers>=4.41", "huggingface_hub<1.0,>=0.20"], "huggingface-hub<1.0"),
        (["huggingface-hub>=0.20"], ""),
        (["transformers>=5.20", "huggingface_hub<1.20"], "huggingface-hub<1.20"),
        (["numpy<2"], ""),
    ],
)
def test_a_conflict_is_what_leaves_no_release_of_transformers_5(asked: list[str], in_the_way: str) -> None:
    assert collect.conflict(map(Requirement, asked), OFFERED) == in_the_way


@pytest.mark.parametrize(
    ("verdicts", "spans"),
    [
        ({"1.0": "t<5", "2.0": "t<5"}, []),
        ({"1.0": "t<5", "2.0": "", "2.1": ""}, [">=2.0"]),
        ({"1.0": "", "2.0": "t<5", "3.0": ""}, [">=1.0,<2.0", ">=3.0"]),
        ({"1.0": "", "2.0": "t<5"}, [">=1.0,<2.0"]),
    ],
)
def test_spans_hold_the_releases_that_have_nothing_in_the_way(verdicts: dict[str, str], spans: list[str]) -> None:
    by_version = {Version(version): verdict for version, verdict in verdicts.items()}
    assert collect.admitted(sorted(by_version), by_version) == spans
    for version, verdict in by_version.items():
        assert any(version in SpecifierSet(span) for span in spans) is not bool(verdict)


class Answer:
    """An answer of a registry that gives parts of a file."""

    def __init__(self, content: bytes, span: str) -> None:
        self.content = content
        self.headers = {"content-range": span}

    def raise_for_status(self) -> None:
        pass


class Session:
    """A registry of one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.given = 0

    def get(self, _address: str, headers: dict[str, str]) -> Answer:
        first, _, last = headers["Range"].removeprefix("bytes=").partition("-")
        start = int(first) if first else max(len(self.content) - int(last), 0)
        end = int(last) + 1 if first else len(self.content)
        self.given += end - start
        return Answer(self.content[start:end], f"bytes {start}-{end - 1}/{len(self.content)}")


@pytest.mark.parametrize("metadata_first", [False, True])
def test_of_a_wheel_on_the_registry_only_parts_are_fetched(metadata_first: bool) -> None:
    held = io.BytesIO()
    files = {
        "pkg/data.bin": b"\0" * 900_000,
        "pkg-1.0.dist-info/METADATA": b"Name: pkg\nRequires-Dist: transformers<5\n",
    }
    with zipfile.ZipFile(held, "w") as archive:
        for name in sorted(files, reverse=not metadata_first):
            archive.writestr(name, files[name])
    session = Session(held.getvalue())
    with zipfile.ZipFile(collect.RemoteFile(session, "wheel")) as archive:
        assert archive.read("pkg-1.0.dist-info/METADATA") == files["pkg-1.0.dist-info/METADATA"]
    assert session.given < 500_000


def test_every_span_of_the_table_is_understood_and_what_is_asked_leaves_v5_out() -> None:
    for package in table("dependents"):
        known = dependent(package)
        assert known is not None
        assert all(SpecifierSet(span) is not None for span in known.admitted)
        (asks,) = known.reasons.values()
        asked = Requirement(asks)
        assert asked.specifier, asks
        if asked.name == "transformers":
            assert not any(asked.specifier.contains(f"5.{minor}.0") for minor in range(25)), asks


@pytest.mark.parametrize(
    ("package", "version", "is_admitted"),
    [
        ("sentence-transformers", "2.2.2", False),
        ("sentence-transformers", "5.2.0", True),
        ("datasets", "2.14.0", False),
        ("datasets", "4.4.1", True),
        ("adapters", "1.2.0", False),
    ],
)
def test_what_programs_pin_most(package: str, version: str, is_admitted: bool) -> None:
    known = dependent(package)
    assert known is not None
    assert any(version in SpecifierSet(span) for span in known.admitted) is is_admitted

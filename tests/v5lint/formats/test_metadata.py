"""Requirement files are read in what pip reads them in, and written back in it."""

from __future__ import annotations

import codecs

import pytest

from v5lint.document import UnreadableError
from v5lint.formats.metadata import read

_TEXT = "transformers==4.30.0\r\ntorch  # ö\r\n"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_requirement_files_with_a_mark(mark: bytes, encoding: str) -> None:
    document = read("requirements.txt", mark + _TEXT.encode(encoding))
    assert [region.text for region in document.regions] == [_TEXT]
    assert b"transformers" in document.searched
    assert document.replaced([_TEXT.replace("==4.30.0", ">=5.0")]) == mark + _TEXT.replace("==4.30.0", ">=5.0").encode(
        encoding
    )


@pytest.mark.parametrize("path", ["pyproject.toml", "setup.cfg", "environment.yml"])
def test_other_metadata_is_utf_8(path: str) -> None:
    with pytest.raises(UnreadableError, match=r"not valid UTF-8 \(byte 0xff\)"):
        read(path, codecs.BOM_UTF16_LE + _TEXT.encode("utf-16-le"))


def test_half_a_character() -> None:
    with pytest.raises(UnreadableError, match="not valid UTF-16-LE"):
        read("requirements.txt", codecs.BOM_UTF16_LE + b"a\0b")

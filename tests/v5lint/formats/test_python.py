from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v5lint.document import UnreadableError
from v5lint.formats import format_of, read_document


@pytest.mark.parametrize(
    ("path", "name"), [("a.py", "python"), ("x/b.pyi", "python"), ("c.pyw", "python"), ("py", None), ("a.pyc", None)]
)
def test_which_files(path: str, name: str | None) -> None:
    assert format_of(path) == name


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"x = '\xc3\xa9'\r\n", "x = '\u00e9'\r\n"),
        (b"\xef\xbb\xbfx = 1", "x = 1"),
        (b"\xef\xbb\xbf# coding: utf-8\n", "# coding: utf-8\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = '\u00e9'\n"),
        (
            b"#!/bin/python\n# vim: fileencoding=cp1252\n'\x80'\n",
            "#!/bin/python\n# vim: fileencoding=cp1252\n'\u20ac'\n",
        ),
        (b"x = 1\ny = 2\n# coding: latin-1\n'\xc3\xa9'\n", "x = 1\ny = 2\n# coding: latin-1\n'\u00e9'\n"),
        (b"# coding: shift_jis\n'\x83\x65'\n", "# coding: shift_jis\n'\u30c6'\n"),
        (b"", ""),
    ],
)
def test_texts_and_back(raw: bytes, text: str) -> None:
    document = read_document("a.py", raw, "python")
    (region,) = document.regions
    assert region.text == text
    assert document.replaced([text]) == raw
    assert document.replaced([text + "# end"]).endswith(b"# end")
    assert document.reread(raw).regions[0].text == text


@given(st.binary(max_size=60))
def test_whatever_is_read_comes_out_as_it_went_in(raw: bytes) -> None:
    try:
        document = read_document("a.py", raw, "python")
    except UnreadableError:
        return
    assert document.replaced([region.text for region in document.regions]) == raw

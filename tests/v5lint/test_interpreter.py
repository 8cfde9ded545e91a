from __future__ import annotations

import ast
import sys
from importlib.metadata import version

import libcst
import pytest

from v5lint.document import UnreadableError
from v5lint.interpreter import explained, overflows

#: What each Python was the first to parse.
NEWER = [
    ((3, 11), "try:\n    pass\nexcept* ValueError:\n    pass\n"),
    ((3, 11), "x[*y]\n"),
    ((3, 12), "type Ids = list[int]\n"),
    ((3, 12), "type Ids[T] = list[T]\n"),
    ((3, 12), "def f[T](x: T) -> T: ...\n"),
    ((3, 12), "class A[T]: ...\n"),
    ((3, 12), "x = f'{d['k']}'\n"),
    ((3, 13), "class A[T = int]: ...\n"),
    ((3, 14), "x = t'{y}'\n"),
    ((3, 14), "try:\n    pass\nexcept A, B:\n    pass\n"),
    ((3, 15), "lazy import json\n"),
    ((3, 15), "x = [*y for y in z]\n"),
]


def error(text: str) -> UnreadableError:
    try:
        ast.parse(text)
    except SyntaxError as failure:
        return UnreadableError("it does not parse", row=failure.lineno or 0)
    raise AssertionError("it does parse")


@pytest.mark.parametrize(("first", "text"), NEWER)
def test_what_a_newer_python_parses(first: tuple[int, int], text: str) -> None:
    if sys.version_info >= first:
        ast.parse(text)
        return
    try:
        libcst.parse_module(text)
    except libcst.ParserSyntaxError:
        pytest.skip(f"LibCST {version('libcst')} does not know it either")
    better = explained(error(text), text)
    assert better.cause.startswith("it is not checked: it needs a newer Python than ")
    assert better.row == error(text).row


@pytest.mark.parametrize(
    "text",
    [
        "print 'old', f'x'\n",
        "x = f'{'\n",
        "def f[T(x): ...\n",
        "except A, B:\n",
        "type x\n",
        "x = (\n" + "t'{y}'\n",
        "x = " + "[" * 10_000 + "*y" + "]" * 10_000 + "\n",
    ],
)
def test_what_no_python_parses_stays_what_it_is(text: str) -> None:
    before = UnreadableError("it does not parse", row=1)
    assert explained(before, text) is before


def test_without_a_line_there_is_nothing_to_explain() -> None:
    before = UnreadableError("it is nested too deeply")
    assert explained(before, "x = t'{y}'\n") is before


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="only the parser of Python 3.10 overflows")
def test_what_overflows_the_parser() -> None:
    assert overflows("x = " + "1+" * 200_000 + "1")
    assert not overflows("x = 1\n" * 100_000)
    assert not overflows("x = (\n" * 100_000)

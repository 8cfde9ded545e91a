"""Edits inside of f-strings take the quotes that are left."""

from __future__ import annotations

import pytest

from v5lint.document import Region
from v5lint.edits.quotes import fitted
from v5lint.rule import Edit, FixUnavailableError


def _after(text: str, old: str, new: str) -> str:
    start = text.index(old)
    region = Region("python", text)
    (edit,) = fitted(text, region.line_starts, [Edit(start, start + len(old), new)])
    return text[: edit.start] + edit.content + text[edit.end :]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('x = f"a {OLD}"\n', "x = f\"a {d['k']}\"\n"),
        ("x = f'a {OLD}'\n", "x = f'a {d[\"k\"]}'\n"),
        ('x = "a", OLD, f"b {c}"\n', 'x = "a", d["k"], f"b {c}"\n'),
        ("x = (f'{a}'\n     rF\"{OLD}\")\n", "x = (f'{a}'\n     rF\"{d['k']}\")\n"),
        ('x = f"""\n{OLD}\n"""\n', 'x = f"""\n{d[\'k\']}\n"""\n'),
        ('x = f"{OLD}"', "x = f\"{d['k']}\""),
        ('y = f"{a}"\r\nx = f"{OLD}"\r\n', 'y = f"{a}"\r\nx = f"{d[\'k\']}"\r\n'),
    ],
)
def test_the_quotes_that_are_left(before: str, after: str) -> None:
    assert _after(before, "OLD", 'd["k"]') == after


def test_text_of_the_module_keeps_its_own_quotes() -> None:
    assert _after("x = f\"{OLD['a']}\"\n", "OLD['a']", "new(d, \"b\")['a']") == "x = f\"{new(d, 'b')['a']}\"\n"


@pytest.mark.parametrize("content", ['d["it\'s"]', 'd["a\\n"]'])
def test_no_fix_where_no_quotes_are_left(content: str) -> None:
    with pytest.raises(FixUnavailableError):
        _after('x = f"{OLD}"\n', "OLD", content)


def test_no_fix_inside_of_an_f_string_in_another_one() -> None:
    with pytest.raises(FixUnavailableError):
        _after("x = f\"a {f'{OLD}'}\"\n", "OLD", 'd["k"]')

"""Which entries a dict has when it becomes keyword arguments, and whether there may be others."""

from __future__ import annotations

import ast

import pytest

from tests.v5lint.view.viewed import view_of


@pytest.mark.parametrize(
    ("code", "keys", "is_open"),
    [
        ('f(**{"a": 1})', {"a"}, False),
        ("f(**dict(a=1, b=2))", {"a", "b"}, False),
        ('d = {"a": 1}\nd["b"] = 2\nf(**d)', {"a", "b"}, False),
        ('d = {"a": 1}\nd.update(b=2)\nf(**d)', {"a", "b"}, False),
        ('d = {"a": 1}\nd.update({"b": 2})\nf(**d)', {"a", "b"}, False),
        ('d = dict(a=1)\nd |= {"b": 2}\nf(**d)', {"a", "b"}, False),
        ('base = {"a": 1}\nd = {**base, "b": 2}\nf(**d)', {"a", "b"}, False),
        ('d = {"a": 1}\nf(**(d | {"b": 2}))', {"a", "b"}, False),
        ('d = {"a": 1}\nd.setdefault("b", 2)\nf(**d)', {"a", "b"}, False),
        ('d = {"a": 1}\nf(**d)\ng({d: 2})', {"a"}, False),  # as a key it is no dict
        ("f(**load())", set(), True),
        ("def g(**kwargs):\n    f(**kwargs)\n", set(), True),
        ('d = {key(): 1, "a": 2}\nf(**d)', {"a"}, True),
    ],
)
def test_entries(code: str, keys: set[str], is_open: bool) -> None:
    view = view_of(code)
    for node in view.tree.nodes[ast.Call]:
        assert isinstance(node, ast.Call)
        splats = [each.value for each in node.keywords if each.arg is None]
        if splats and isinstance(node.func, ast.Name) and node.func.id == "f":
            flow = view.dicts.flow(splats[0])
            known = [entry for entry in flow.entries if entry.how not in ("removal", "unknown")]
            assert {entry.key for entry in known if entry.key is not None} == keys
            assert flow.is_open is is_open
            return
    raise AssertionError("no call of f")

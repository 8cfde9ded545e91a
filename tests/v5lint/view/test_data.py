"""Large tables of data: their items are not looked at, and what is said of them is that they are unknown."""

from __future__ import annotations

import ast

from tests.v5lint.view.viewed import asked, values, view_of

ROWS = 1_001
DICT = "{" + ", ".join(f'"k{number}": ["v", -{number}, {{"a": (1,)}}]' for number in range(ROWS)) + "}"
LIST = "[" + ", ".join(f'"{number}"' for number in range(ROWS)) + "]"
PADDING = "\n# " + "x" * 250_000


def test_a_table_of_a_large_module_is_taken_out() -> None:
    view = view_of(f"words = {DICT}\nnumbers = {LIST}\nsmall = {{'a': [1, 2]}}\nf(words)" + PADDING)
    assert len(view.tree.nodes[ast.Constant]) == 3
    assert [len(each.keys) for each in view.tree.nodes[ast.Dict]] == [1, 1]  # type: ignore[attr-defined]
    assert "<data>" not in view.text


def test_what_names_something_stays() -> None:
    view = view_of("words = {" + ", ".join(f'"k{number}": f{number}' for number in range(ROWS)) + "}" + PADDING)
    assert len(view.tree.nodes[ast.Constant]) == ROWS


def test_its_items_are_unknown() -> None:
    for table, index in ((DICT, '["k1"]'), (DICT, '["other"]'), (LIST, "[0]"), (LIST, "[5000]")):
        assert values(f"table = {table}\nask(table{index})" + PADDING) == {"Unknown:"}
    assert values(f"for each in {LIST}:\n    ask(each)" + PADDING) == {"Unknown:"}
    assert values(f"for key, each in {DICT}.items():\n    ask(key)" + PADDING) == {"Unknown:"}
    assert values(f"for each in {{**{DICT}}}:\n    ask(each)" + PADDING) == {"Unknown:"}


def test_whether_it_holds_something_is_unknown() -> None:
    for test in (f'"a" in {LIST}', f'"a" not in {DICT}', f"not {LIST}", f"len({LIST}) > 5"):
        view = view_of(f"if {test}:\n    ask(1)\nelse:\n    other()" + PADDING)
        assert not view.guards.is_dead(asked(view)), test


def test_of_a_dict_of_many_entries_the_one_that_is_named_is_known() -> None:
    many = "{" + ", ".join(f'"k{number}": "v{number}"' for number in range(300)) + "}"
    assert values(f'ask({many}["k7"])') == {"'v7'"}
    assert values(f"ask({many}[key()])") == {"Unknown:"}
    assert values(f"for key in {many}:\n    ask(key)") == {"Unknown:"}

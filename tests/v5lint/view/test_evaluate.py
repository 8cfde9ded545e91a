"""What an expression may stand for, through everything that Python code does with a name."""

from __future__ import annotations

import pytest

from tests.v5lint.view.viewed import asked, values, view_of


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import transformers as tf\nask(tf.AutoModel)", {"External:transformers.AutoModel"}),
        ("from transformers import AutoModel as M\nask(M)", {"External:transformers.AutoModel"}),
        ("import transformers.models.vit as v\nask(v.x)", {"External:transformers.models.vit.x"}),
        ('NAME = "a" + "/" + "b"\nask(NAME)', {"'a/b'"}),
        ('ORG = "a"\nask(f"{ORG}/b")', {"'a/b'"}),
        ('ask("a/{}".format("b"))', {"'a/b'"}),
        ('ask("%s/%s" % ("a", "b"))', {"'a/b'"}),
        ('ask("/".join(["a", "b"]))', {"'a/b'"}),
        ('x = "a"\nx = "b"\nask(x)', {"'b'"}),
        ('x = "a" if flag() else "b"\nask(x)', {"'a'", "'b'"}),
        ('if flag():\n    x = "a"\nelse:\n    x = "b"\nask(x)', {"'a'", "'b'"}),
        ('def f(x="a"):\n    ask(x)\n', {"'a'", "Unknown:caller"}),
        ('def f(x):\n    ask(x)\nf("a")\nf(x="b")', {"'a'", "'b'"}),
        ('def f():\n    return "a"\nask(f())', {"'a'"}),
        ('class C:\n    x = "a"\nask(C.x)', {"'a'"}),
        ('class C:\n    def __init__(self):\n        self.x = "a"\n    def f(self):\n        ask(self.x)', {"'a'"}),
        ('d = {"k": "a"}\nask(d["k"])', {"'a'"}),
        ('ask({"k": "a"}.get("k", "b"))', {"'a'", "'b'"}),
        ('ask("{org}/{0}".format("b", org="a"))', {"'a/b'"}),
        ('ask(" A/B ".strip().lower())', {"'a/b'"}),
        ('ask("a/{:>4}".format("b"))', {"Unknown:"}),
        ('for x in ["a", "b"]:\n    ask(x)', {"'a'", "'b'"}),
        ('x, y = "a", "b"\nask(y)', {"'b'"}),
        ('x, (y, z) = "a", ("b", "c")\nask(z)', {"'c'"}),
        ('x, *y = "a", "b", "c"\nask(y[0])', {"'b'"}),
        ('*x, y = "a", "b", "c"\nask(y)', {"'c'"}),
        ('for i, (x, y) in enumerate([("a", "b")]):\n    ask(y)', {"'b'"}),
        ('x = "a"\nx += "/b"\nask(x)', {"'a/b'"}),
        ('x = ["a"]\nx += ["b"]\nask(x[1])', {"'b'"}),
        ('x = "a"\nfor _ in y:\n    x += "b"\nask(x)', {"'a'", "'ab'", "Unknown:"}),
        ('ask("a@b".split("@")[1])', {"'b'"}),
        ('ask("a/b/c".rpartition("/")[0])', {"'a/b'"}),
        ("class C: ...\nask(type(C()))", {"LocalClass:C"}),
        ("class C:\n    def f(self):\n        ask(self.__class__)", {"LocalClass:C"}),
        ('import sys\nask(sys.modules["transformers"].AutoModel)', {"External:transformers.AutoModel"}),
        ('x = ["a", "b", "c"]\nask(x[1:][0])', {"'b'"}),
        ('x = ["a", "b"]\nask(x[-1])', {"'b'"}),
        ('x = ["a", "b"]\nask(x[::-1][0])', {"'b'"}),
        ('x = ["a", "b"]\nask(x[n:][0])', {"'a'", "'b'"}),
        ('ask("a/b"[2:])', {"'b'"}),
        ('x = ["b"]\nask(["a", *x][1])', {"'b'"}),
        ('ask(sorted({"a": 1, "b": 2})[0])', {"'a'", "'b'"}),
        ('ask(next(iter(["a", "b"]), "c"))', {"'a'", "'b'", "'c'"}),
        ('ask(max("a", "b"))', {"'a'", "'b'"}),
        ('ask({x: "a" for x in y}["k"])', {"'a'"}),
        ('ask(({"k": "a"} | {"l": "b"})["l"])', {"'b'"}),
        ('ask(dict([("k", "a"), ("l", "b")])["l"])', {"'b'"}),
        ('ask(list({"k": "a"}.values())[0])', {"'a'"}),
        ('if (x := "a"):\n    ask(x)', {"'a'"}),
        ('x = "a"\ndef f():\n    global x\n    x = "b"\nask(x)', {"'a'", "'b'"}),
    ],
)
def test_values(code: str, expected: set[str]) -> None:
    assert values(code) == expected


@pytest.mark.parametrize(
    "code",
    [
        "x = x\nask(x)",
        "x = y\ny = x\nask(x)",
        "def f(x):\n    return f(x)\nask(f(1))",
        "def f(x):\n    return g(x)\ndef g(x):\n    return f(x)\nask(f(1))",
        "class A(B):\n    pass\nclass B(A):\n    pass\nask(A.x)",
        "x = [x]\nask(x[0])",
        "for x in x:\n    ask(x)",
    ],
)
def test_what_goes_in_a_circle_is_unknown(code: str) -> None:
    assert all(not shown.startswith("'") for shown in values(code))


def test_a_value_beside_a_circle_is_kept() -> None:
    assert "'a'" in values('x = "a"\nwhile flag():\n    x = x.strip()\nask(x)')


def test_a_question_ends_where_every_function_calls_every_other() -> None:
    names = [f"f{number}" for number in range(40)]
    lines = [f"def {name}(x):\n    return [{', '.join(f'{other}(x)' for other in names)}][x]" for name in names]
    view = view_of("\n".join([*lines, "ask(f0(1))"]))
    assert view.values(asked(view))
    assert view.evaluator._steps < 100_000


def test_an_answer_does_not_depend_on_what_was_asked_before() -> None:
    code = 'def f(x):\n    return g(x) or "a"\ndef g(x):\n    return f(x) or "b"\nask(f(1))\ntell(g(1))\n'
    import ast

    def both(order: tuple[str, str]) -> dict[str, frozenset[object]]:
        view = view_of(code)
        found: dict[str, frozenset[object]] = {}
        for name in order:
            for node in view.tree.nodes[ast.Call]:
                assert isinstance(node, ast.Call)
                if isinstance(node.func, ast.Name) and node.func.id == name:
                    found[name] = frozenset(getattr(each, "value", None) for each in view.values(node.args[0]))
        return found

    assert both(("ask", "tell")) == both(("tell", "ask"))


def test_equal_constants_are_one_value_and_are_written_at_each_of_their_places() -> None:
    view = view_of('table = {"a": "X", "b": "X", "c": "Y"}\nask(table[key])')
    assert values('table = {"a": "X", "b": "X", "c": "Y"}\nask(table[key])') == {"'X'", "'Y'"}
    assert [view.source(each.node) for each in view.written(asked(view)) if each.node is not None] == [
        '"X"',
        '"X"',
        '"Y"',
    ]

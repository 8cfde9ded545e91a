"""What loops over the parameters of a model ask of their names: `"encoder.layer.11" in name`."""

from __future__ import annotations

import ast
import re

from v5lint.view.tree import FUNCTIONS
from v5lint.view.values import Constant, Elements, External, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView

_TESTS = frozenset({"startswith", "endswith", "find", "count"})
_EXPRESSIONS = frozenset({"search", "match", "fullmatch"})

#: Methods of a text that take it apart.
_TAKES_APART = frozenset({"split", "rsplit", "partition", "rpartition"})

#: How many names and calls a list of parameters is followed through until a loop runs over it.
_DEPTH = 6


class Question:
    """What a condition asks of a name.

    Attributes:
        text: a piece of the name, with `*` for what is not known; or a regular expression.
        how: "in" for a piece, "part" for one between its dots, "is" for the whole name of a parameter, "around" for
            that of a module; "search", "match" or "fullmatch" for an expression.
    """

    __slots__ = ("how", "text")

    def __init__(self, text: str, how: str = "in") -> None:
        self.text = text
        self.how = how

    @property
    def is_plain(self) -> bool:
        """Whether it asks for a text, and not for an expression."""
        return self.how in ("in", "part", "is", "around")

    def without(self, prefix: str) -> Question:
        """The question behind a prefix, as far as it is a text that begins with it."""
        if not self.is_plain or not self.text.startswith(prefix):
            return self
        return Question(self.text.removeprefix(prefix), self.how)

    def holds(self, name: str) -> bool:
        """Whether the condition is true of the name of a weight, or of that of a module around it."""
        if not self.is_plain:
            return getattr(re, self.how)(self.text, name) is not None
        pattern = re.escape(self.text).replace(r"\*", r"[\w.]*")
        if self.how == "is":
            return re.fullmatch(re.sub(r"\.bias\Z", ".weight", pattern), name) is not None
        if self.how == "part":
            return self.text in name.split(".")
        if self.how == "around":
            return re.match(rf"{pattern}\.", name) is not None
        return re.search(pattern, f".{name}") is not None


def conditions(view: ModuleView, listing: ast.Call) -> Iterator[list[tuple[ast.expr, Question]]]:
    """What the loops over a list of parameters ask of the names, each question with its expression.

    Args:
        view: the module.
        listing: the call of `named_parameters`, `named_modules` or `state_dict`.

    Yields:
        the questions of one condition: of one `if`, or of one comprehension.
    """
    method = listing.func.attr if isinstance(listing.func, ast.Attribute) else ""
    whole = "around" if method == "named_modules" else "is"
    for name, around in _loops(view, listing, 0, is_keyed=method == "state_dict"):
        groups: dict[ast.AST, list[tuple[ast.expr, Question]]] = {}
        for part in around:
            for node in ast.walk(part):
                for written, inside in _readings(view, node, name):
                    for each, question in _tests(view, inside, written, whole):
                        groups.setdefault(_outermost(view, each), []).append((each, question))
        yield from groups.values()


def _readings(view: ModuleView, node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """A node, and what is in the function that it gives the name to, if nobody else calls that: `layer_of(name)`."""
    yield name, node
    if not isinstance(node, ast.Call):
        return
    entered = set()
    for given in node.args:
        for inner, use in view.links.reads_inside(node, given) if _is(given, name) else ():
            function = inner.links.function_around(use) if inner is view else None
            if function is not None and function not in entered and view.links.calls_of(function) == [node]:
                entered.add(function)
                yield from ((use.id, each) for each in ast.walk(function))


def _outermost(view: ModuleView, node: ast.expr) -> ast.AST:
    """The whole expression that an expression is a part of."""
    at: ast.AST = node
    for parent in view.tree.ancestors(node):
        if not isinstance(parent, (ast.expr, ast.comprehension, ast.keyword)):
            break
        at = parent
    return at


def _loops(view: ModuleView, listing: ast.expr, depth: int, *, is_keyed: bool) -> Iterator[tuple[str, list[ast.AST]]]:
    """The loops over a list of parameters: how each writes the name of one, and what is in it.

    Args:
        view: the module.
        listing: the list.
        depth: how far it was followed.
        is_keyed: whether it is a dict, over which a loop gives the names alone.
    """
    at: ast.AST = listing
    for parent in view.tree.ancestors(listing):
        if isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is at:
            around: list[ast.AST] = [*parent.body] if isinstance(parent, ast.For) else [view.tree.parents[parent]]
            name = _name(parent.target, is_keyed=is_keyed)
            if name:
                yield name, around
            return
        if isinstance(parent, ast.Attribute) and parent.value is at:
            is_keyed = is_keyed if parent.attr not in ("items", "keys") else parent.attr == "keys"
        elif isinstance(parent, ast.Call):
            func = parent.func.id if isinstance(parent.func, ast.Name) else ""
            chosen = parent.args[0] if func == "filter" and len(parent.args) == 2 else None
            if isinstance(chosen, ast.Lambda) and len(chosen.args.args) == 1:
                first = chosen.args.args[0].arg
                yield (first if is_keyed else f"{first}[0]"), [chosen.body]
            is_keyed = is_keyed or func in ("dict", "OrderedDict")
        elif isinstance(parent, ast.Assign) and parent.value is at and depth < _DEPTH:
            for target in parent.targets:
                for binding in view.links.bindings_at(target) if isinstance(target, ast.Name) else ():
                    for use in view.links.uses(binding):
                        yield from _loops(view, use, depth + 1, is_keyed=is_keyed)
            return
        elif not isinstance(parent, ast.Attribute) or isinstance(parent, FUNCTIONS):
            return
        at = parent


def _name(target: ast.expr, *, is_keyed: bool) -> str:
    """How the body of a loop writes the name of a parameter."""
    if isinstance(target, ast.Name):
        return target.id if is_keyed else f"{target.id}[0]"
    if isinstance(target, ast.Tuple) and len(target.elts) == 2:
        first, second = target.elts
        if isinstance(second, ast.Tuple):  # of `enumerate(...)`
            return _name(second, is_keyed=is_keyed)
        return first.id if isinstance(first, ast.Name) else ""
    return ""


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, (ast.Name, ast.Subscript)) and ast.unparse(node) == name


def _are_parts(view: ModuleView, node: ast.expr, name: str) -> bool:
    """Whether an expression is a name taken apart at its dots: `name.split(".")`, or a variable that holds that."""
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        value = bindings[0].value if len(bindings) == 1 and bindings[0].kind == "assign" else None
        return isinstance(value, ast.Call) and _are_parts(view, value, name)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _TAKES_APART
        and _is(node.func.value, name)
        and bool(node.args)
        and view.values(node.args[0]) == {Constant(".")}
    )


def _is_part(view: ModuleView, node: ast.expr, name: str) -> bool:
    """Whether an expression is what stands between two dots of a name: `name.split(".")[0]`, or unpacked from that."""
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Slice) and _are_parts(view, node.value, name)
    if not isinstance(node, ast.Name):
        return False
    bindings = view.links.bindings_read(node)
    value = bindings[0].value if len(bindings) == 1 else None
    if value is None:
        return False
    if bindings[0].kind == "unpack":
        return _are_parts(view, value, name)
    return bindings[0].kind == "assign" and isinstance(value, ast.Subscript) and _is_part(view, value, name)


def _tests(view: ModuleView, node: ast.AST, name: str, whole: str) -> Iterator[tuple[ast.expr, Question]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = node.left, node.comparators[0]
        if isinstance(node.ops[0], (ast.In, ast.NotIn)):
            if _is(right, name):
                yield from ((node, Question(text)) for text in _patterns(view, left))
            elif _is(left, name):
                yield from ((node, Question(text, whole)) for text in _listed(view, right))
            elif _are_parts(view, right, name):
                yield from ((node, Question(text, "part")) for text in _patterns(view, left))
            elif _is_part(view, left, name):
                yield from ((node, Question(text, "part")) for text in _listed(view, right))
        elif isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            for one, other in ((left, right), (right, left)):
                how = whole if _is(one, name) else "part" if _is_part(view, one, name) else ""
                yield from ((node, Question(text, how)) for text in (_patterns(view, other) if how else ()))
    elif isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute):
        asked, given = node.func.value, node.args[0]
        if node.func.attr in _EXPRESSIONS:
            yield from _matches(view, node, name)
        elif node.func.attr in _TESTS and _is(asked, name):
            for each in given.elts if isinstance(given, ast.Tuple) else [given]:
                for text in _patterns(view, each):
                    yield node, Question(text)


def _listed(view: ModuleView, node: ast.expr) -> list[str]:
    """The texts in a list of names; none where one of them is not known."""
    found = []
    for value in view.values(node):
        for item in value.items if isinstance(value, Elements) else ():
            texts = [each.value for each in item if isinstance(each, Constant) and isinstance(each.value, str)]
            if len(texts) != len(item):
                return []
            found += texts
    return sorted(found)


def _matches(view: ModuleView, node: ast.Call, name: str) -> Iterator[tuple[ast.expr, Question]]:
    """What `re.search(expression, name)` asks, or the same of an expression that was compiled."""
    assert isinstance(node.func, ast.Attribute)
    asked, given = node.args[-1], node.args[0]
    if External(f"re.{node.func.attr}") not in view.values(node.func):
        made = view.links.defining_call(node.func.value)
        if made is None or not made.args or External("re.compile") not in view.values(made.func):
            return
        given = made.args[0]
    if not _is(asked, name):
        return
    for text in view.constants(given):
        try:
            re.compile(str(text))
        except re.error:
            continue
        yield node, Question(str(text), node.func.attr)


def _patterns(view: ModuleView, node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be, with a `*` for each part that is not known."""
    for value in sorted(view.values(node), key=repr):
        if isinstance(value, Constant) and isinstance(value.value, str) and len(value.value) > 2:
            yield value.value
        elif isinstance(value, Partial) and any(len(part) > 2 for part in value.parts):
            yield "*".join(value.parts)

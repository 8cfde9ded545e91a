"""Command lines that are written in Python, as their words: lists, texts, and what both are put together from."""

from __future__ import annotations

import ast
import re

from v5lint.view.strings import last_name
from v5lint.view.values import Constant, LocalFunction, Mapping, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: What stands in a word for the part that is not known.
HOLE = "\0"

#: Methods of a text that give the same words.
_SAME_WORDS = frozenset("split strip lstrip rstrip format replace expandtabs".split())

#: Functions that give the words, or the elements, of their first argument.
_WRAPPERS = frozenset("split list tuple dedent cleandoc copy deepcopy quote".split())

#: What ends one command of a shell.
_ENDS = frozenset({"&&", "||", "|", ";", "&"})


class Word:
    """One word of a command.

    Attributes:
        text: the word, with HOLE for each part that is not known.
        node: the expression that it stands in.
        start: where it begins in the text of the region; -1 where that cannot be said.
    """

    __slots__ = ("node", "start", "text")

    def __init__(self, text: str, node: ast.expr, start: int = -1) -> None:
        self.text = text
        self.node = node
        self.start = start


def commands(view: ModuleView, node: ast.expr, *, is_shell: bool) -> Iterator[list[Word]]:
    """The commands that an expression stands for; several where a text holds `&&`.

    Args:
        view: the module.
        node: a list of words, or a text.
        is_shell: whether a mere text is meant as a command as well; if not, only what is made a list of words is.
    """
    found: list[Word] = []
    for word in _Words(view).of(node, is_line=is_shell):
        if word.text in _ENDS:
            yield found
            found = []
            continue
        found.append(word)
        if word.text.endswith(";"):
            yield found
            found = []
    yield found


def alternatives(view: ModuleView, node: ast.expr) -> list[ast.expr]:
    """The commands among which an expression is one, out of a table or of what a loop goes through; else itself."""
    if isinstance(node, ast.Name):
        looped = [binding for binding in view.links.bindings_read(node) if binding.kind == "for"]
        found = [each for binding in looped if binding.value is not None for each in _looped(view, binding)]
        return [*found, node]
    return _taken(view, node) or [node]


def _looped(view: ModuleView, binding: Binding) -> list[ast.expr]:
    """What a loop goes through: the elements of a list, the values of a table."""
    iterated = binding.value
    if isinstance(iterated, ast.Name):
        made = [each.value for each in view.links.bindings_read(iterated) if each.value is not None]
        iterated = made[0] if len(made) == 1 else iterated
    if isinstance(iterated, (ast.List, ast.Tuple)):
        if binding.index < 0:
            return [*iterated.elts]
        rows = [each.elts for each in iterated.elts if isinstance(each, (ast.List, ast.Tuple))]
        return [row[binding.index] for row in rows if binding.index < len(row)]
    func = iterated.func if isinstance(iterated, ast.Call) else None
    if isinstance(func, ast.Attribute) and (func.attr, binding.index) in (("values", -1), ("items", 1)):
        return _values(view, func.value)
    return []


def _taken(view: ModuleView, node: ast.expr) -> list[ast.expr]:
    """The values that `table[key]` and `table.get(key)` may give: one, where the key is known."""
    if isinstance(node, ast.Subscript):
        return _values(view, node.value, node.slice)
    func = node.func if isinstance(node, ast.Call) and node.args else None
    if isinstance(node, ast.Call) and isinstance(func, ast.Attribute) and func.attr == "get":
        return _values(view, func.value, node.args[0])
    return []


def _values(view: ModuleView, table: ast.expr, key: ast.expr | None = None) -> list[ast.expr]:
    entries = [
        entry
        for each in view.values(table)
        if isinstance(each, Mapping) and each.view is view
        for entry in view.dicts.entries(each.node)
        if entry.value is not None and entry.how != "removal"
    ]
    wanted = {each.value for each in view.values(key) if isinstance(each, Constant)} if key is not None else set()
    chosen = [each for each in entries if each.key in wanted]
    return [each.value for each in chosen or entries if each.value is not None]


class _Words:
    """One walk back from a command to everything that it is put together from."""

    def __init__(self, view: ModuleView) -> None:
        self.view = view
        self.seen: set[ast.AST] = set()

    def of(self, node: ast.expr, *, is_line: bool) -> Iterator[Word]:
        """The words of an expression.

        Args:
            node: the expression.
            is_line: whether a text is to be split into words.
        """
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield from self.line(node) if is_line else ()
            return
        if node in self.seen:
            return
        self.seen.add(node)
        if isinstance(node, (ast.List, ast.Tuple)):
            yield from self.elements(node)
        elif isinstance(node, ast.Starred):
            yield from self.of(node.value, is_line=is_line)
        elif isinstance(node, ast.Name):
            yield from self.name(node, is_line=is_line)
        elif isinstance(node, ast.Attribute):
            yield from self.attribute(node, is_line=is_line)
        elif isinstance(node, ast.BinOp):
            yield from self.of(node.left, is_line=is_line)
            if isinstance(node.op, ast.Add):
                yield from self.of(node.right, is_line=is_line)
        elif isinstance(node, ast.IfExp):
            yield from self.of(node.body, is_line=is_line)
            yield from self.of(node.orelse, is_line=is_line)
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            yield from self.of(node.generators[0].iter, is_line=is_line)
        elif isinstance(node, ast.Subscript):
            for each in _taken(self.view, node):
                yield from self.of(each, is_line=is_line)
        elif isinstance(node, ast.Call):
            yield from self.call(node, is_line=is_line)

    def elements(self, node: ast.List | ast.Tuple) -> Iterator[Word]:
        before = ""
        for each in node.elts:
            if isinstance(each, ast.Starred):
                yield from self.of(each.value, is_line=False)
                before = ""
            elif isinstance(each, (ast.Constant, ast.JoinedStr)) and re.fullmatch(r"-l?c", before):
                is_program = re.match(r"\s*(?:import|from)\b", _text(self.view, each)) is not None
                # `["bash", "-c", "python train.py"]`, and `["python", "-c", "import train; train.main()"]`
                yield from [self.word(each)] if is_program else self.line(each)
                before = ""
            else:
                word = self.word(each)
                before = word.text
                yield word

    def word(self, node: ast.expr) -> Word:
        """An element of a list, which is one word whatever it is."""
        start, _ = self.view.span(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            at = self.view.source(node).find(node.value)
            return Word(node.value, node, start + at if at >= 0 else -1)
        if isinstance(node, ast.JoinedStr):
            text = _text(self.view, node)
            known = text.partition(HOLE)[0]
            at = self.view.source(node).find(known) if known else -1
            return Word(text, node, start + at if at >= 0 else -1)
        if isinstance(node, ast.Call) and node.args and not isinstance(node.func, ast.Attribute):
            inner = node.args[0]  # `str(ROOT / "train.py")`
            return Word(_text(self.view, inner), node)
        return Word(_text(self.view, node), node)

    def line(self, node: ast.expr) -> Iterator[Word]:
        """The words of a text."""
        text = _text(self.view, node)
        start, end = self.view.span(node)
        source = self.view.text[start:end]
        met: dict[str, int] = {}
        words = [each.strip("\"'") for each in text.replace("\\\n", " ").split()]
        for word in words:
            places = [
                each.start()
                for each in re.finditer(rf"(?<![\w-]){re.escape(word.partition(HOLE)[0])}(?![\w-])", source)
            ]
            number = met.get(word, 0)
            met[word] = number + 1
            is_clear = word[:1] == "-" and len(places) == words.count(word)
            yield Word(word, node, start + places[number] if is_clear else -1)

    def name(self, node: ast.Name, *, is_line: bool) -> Iterator[Word]:
        for binding in self.view.links.bindings_read(node):
            if binding.kind == "augment" and isinstance(binding.node, ast.AugAssign):
                yield from self.of(binding.node.target, is_line=is_line)
                yield from self.of(binding.node.value, is_line=is_line)
            elif binding.kind == "parameter" and isinstance(binding.node, ast.arg):
                for given in self.view.links.arguments_for(binding.scope.node, binding.node)[0]:
                    yield from self.of(given, is_line=is_line)
                if binding.value is not None:
                    yield from self.of(binding.value, is_line=is_line)
            elif binding.kind == "for" and isinstance(binding.value, (ast.List, ast.Tuple)):
                return  # one of several commands: each of them is met as a list of its own
            elif binding.value is not None:
                yield from self.of(binding.value, is_line=is_line)
        yield from self.added(node, is_line=is_line)

    def attribute(self, node: ast.Attribute, *, is_line: bool) -> Iterator[Word]:
        view = self.view
        for made in view.links.class_attribute_values(node):
            yield from self.of(made, is_line=is_line)
        for each in view.links.same_attributes(node):
            statement = view.tree.parents[each]
            value = getattr(statement, "value", None)
            if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and value is not each:
                yield from self.of(statement.value, is_line=is_line) if statement.value is not None else ()
        yield from self.added(node, is_line=is_line)

    def added(self, target: ast.expr, *, is_line: bool) -> Iterator[Word]:
        """What is put into a list later on: `cmd.append("--no_cuda")`, `cmd.extend([...])`."""
        where = ast.unparse(target)
        around = self.view.links.function_around(target)
        for method in ("append", "extend"):
            for call in self.view.links.calls_named(method):
                func = call.func
                if (
                    not isinstance(func, ast.Attribute)
                    or len(call.args) != 1
                    or last_name(func.value) != last_name(target)  # the cheap question first
                    or ast.unparse(func.value) != where
                    or (isinstance(target, ast.Name) and self.view.links.function_around(call) is not around)
                ):
                    continue
                if method == "extend":
                    yield from self.of(call.args[0], is_line=is_line)
                else:
                    yield self.word(call.args[0])

    def call(self, node: ast.Call, *, is_line: bool) -> Iterator[Word]:
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        inner = func.value if isinstance(func, ast.Attribute) else None
        is_text = name in _SAME_WORDS and (isinstance(inner, (ast.Constant, ast.JoinedStr)) or not node.args)
        if inner is not None and name == "join" and node.args:
            yield from self.of(node.args[0], is_line=is_line)
        elif inner is not None and is_text:
            yield from self.of(inner, is_line=is_line or name == "split")
        elif name in _WRAPPERS and node.args:
            yield from self.of(node.args[0], is_line=is_line or name == "split")
        elif inner is not None and name in ("copy", *_SAME_WORDS):
            yield from self.of(inner, is_line=is_line)
        else:
            for callee in self.view.values(func):
                if isinstance(callee, LocalFunction) and callee.view is self.view:
                    for given in self.view.links.returns(callee.node):
                        if given is not None:
                            yield from self.of(given, is_line=is_line)


def _text(view: ModuleView, node: ast.expr) -> str:
    """The text of an expression, with HOLE for each part that is not known."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(view, each.value if isinstance(each, ast.FormattedValue) else each) for each in node.values
        )
    if isinstance(node, ast.Name) and node.id == "__file__":
        return view.path
    values = view.values(node)
    if len(values) == 1:
        (value,) = values
        if isinstance(value, Constant) and isinstance(value.value, str):
            return value.value
        if isinstance(value, Partial):
            return HOLE.join(value.parts)
    return HOLE

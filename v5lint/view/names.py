"""What imported names mean: absolute and relative imports, star imports, members of modules, names in annotations."""

from __future__ import annotations

import ast
from bisect import bisect_right

from v5lint.patterns import pattern
from v5lint.view.strings import dotted, is_builtin
from v5lint.view.values import NOTHING_KNOWN, UNKNOWN, Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import Values

    Quoted = TypeVar("Quoted", bound=ast.expr)


#: `# type: X`, and not `# type: ignore`.
_TYPE_COMMENT = pattern(r"#[ \t]*type:[ \t]*(?!ignore\b)([^#\r\n]*[^#\s])")


class Names:
    """Answers for one module."""

    def __init__(self, view: ModuleView) -> None:
        self._view = view
        self._annotations: dict[ast.Constant, ast.expr | None] = {}
        self._spans: dict[ast.AST, tuple[int, int]] = {}
        self._comments: list[ast.expr] | None = None

    def imported_values(self, binding: Binding) -> Values:
        """What an import binds its name to."""
        alias, statement = binding.node, binding.statement
        assert isinstance(alias, ast.alias)
        if isinstance(statement, ast.Import):
            path = alias.name if alias.asname else alias.name.partition(".")[0]
            return frozenset({External(path)})
        assert isinstance(statement, ast.ImportFrom)
        return self.member_values(self.module_of(statement), alias.name)

    def module_of(self, statement: ast.ImportFrom) -> str:
        """The absolute dotted path of the module that a `from` import names.

        A relative one is written from the top package of the repository that the file belongs to; where it leads
        out of every package it keeps its leading dots.
        """
        module = statement.module or ""
        if not statement.level:
            return module
        package = self._view.project.package_of(self._view.path)
        parts = package.split(".") if package else []
        up = statement.level - 1
        if up > len(parts):
            return "." * statement.level + module
        kept = parts[: len(parts) - up]
        return ".".join([*kept, module] if module else kept) or "."

    def imported_modules(self) -> list[str]:
        """The absolute paths of the modules that this one imports, or may import a name from."""
        found = []
        for statement in self._view.tree.nodes.get(ast.Import, ()):
            assert isinstance(statement, ast.Import)
            found += [alias.name for alias in statement.names]
        for each in self._view.tree.nodes.get(ast.ImportFrom, ()):
            assert isinstance(each, ast.ImportFrom)
            module = self.module_of(each)
            found += [module, *(f"{module}.{alias.name}" for alias in each.names)]
        return found

    def member_values(self, module: str, name: str) -> Values:
        """The values of a name of a module: followed into this repository, where it is one of its modules."""
        local = self._view.project.member(module, name, self._view)
        if local is not None:
            return local
        return frozenset({External(f"{module}.{name}")})

    def star_values(self, statement: ast.ImportFrom, name: str) -> Values:
        """What a name may mean that a star import of this module could have brought in; empty where it cannot."""
        if is_builtin(name):
            return frozenset()
        module = self.module_of(statement)
        local = self._view.project.member(module, name, self._view)
        if local is not None:
            return frozenset() if local == NOTHING_KNOWN else local
        if self._view.project.is_first_party(module.partition(".")[0], self._view.path):
            return frozenset()
        return frozenset({External(f"{module}.{name}"), UNKNOWN})

    def parsed_annotation(self, node: ast.Constant) -> ast.expr | None:
        """The expression inside a string annotation, with its names in the scope of the annotation."""
        if node in self._annotations:
            return self._annotations[node]
        assert isinstance(node.value, str)
        parsed: ast.expr | None = None
        try:
            parsed = ast.parse(node.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            parsed = None
        if parsed is not None:
            self._adopt(parsed, node, self._content_offset(node))
        self._annotations[node] = parsed
        return parsed

    def _adopt(self, parsed: ast.expr, constant: ast.Constant, content: int | None) -> None:
        """Make the nodes of a parsed string part of the tree, with the string for their place.

        Args:
            parsed: what is in the string.
            constant: the string.
            content: where its first character is in the text, where it stands there just as it is.
        """
        tree = self._view.tree
        scope = tree.scope_of(constant)
        for node in ast.walk(parsed):
            for child in ast.iter_child_nodes(node):
                tree.parents[child] = node
            if isinstance(node, ast.Name):
                tree.scopes[node] = scope
            if isinstance(node, ast.expr):
                if content is not None and node.end_lineno == 1 and node.end_col_offset is not None:
                    self._spans[node] = (content + node.col_offset, content + node.end_col_offset)
                ast.copy_location(node, constant)
        tree.parents[parsed] = constant

    def _content_offset(self, constant: ast.Constant) -> int | None:
        """Where the characters of a string constant begin in the text, if they stand there just as they are."""
        start, end = self._view.span(constant)
        written = self._view.text[start:end]
        value = str(constant.value)
        quoted = written.lstrip("rRuUbBfF")
        for quote in ('"""', "'''", '"', "'"):
            if quoted.startswith(quote):
                if quoted == quote + value + quote and value.isascii():
                    return start + len(written) - len(quoted) + len(quote) + len(value) - len(value.lstrip())
                return None
        return None

    def quoted_span(self, node: ast.AST) -> tuple[int, int] | None:
        """Where an expression of a string annotation stands in the text; None for any other one."""
        return self._spans.get(node)

    def quoted(self, kind: type[Quoted]) -> Iterator[Quoted]:
        """The expressions of a kind inside all string annotations and type comments of the module."""
        waiting: list[ast.expr] = []
        for constant, _ in self._view.tree.annotations:
            parsed = self.parsed_annotation(constant)
            if parsed is not None:
                waiting.append(parsed)
        waiting += self._type_comments()
        while waiting:
            parsed = waiting.pop(0)
            yield from (node for node in ast.walk(parsed) if isinstance(node, kind))
            for inner in _strings_that_are_types(parsed):  # `"Dict[str, 'Name']"`
                again = self.parsed_annotation(inner)
                if again is not None:
                    waiting.append(again)

    def _type_comments(self) -> list[ast.expr]:
        """The types in the comments of the module: `# type: List[X]`, `# type: (X, int) -> None`."""
        if self._comments is None:
            self._comments = []
            strings = self._strings_by_row() if _TYPE_COMMENT.search(self._view.text) else {}
            for found in _TYPE_COMMENT.finditer(self._view.text):
                row = bisect_right(self._view.region.line_starts, found.start())
                if any(start <= found.start() < end for start, end in strings.get(row, ())) or not found[1].isascii():
                    continue
                # A signature reads as a tuple; everything stays at its place.
                text = found[1].replace("->", ", ").replace("**", "  ").replace("*", " ")
                try:
                    parsed = ast.parse(text, mode="eval").body
                except (SyntaxError, ValueError, RecursionError):
                    continue
                column = len(self._view.text[self._view.region.line_starts[row - 1] : found.start()].encode())
                end = column + found.end() - found.start()
                comment = ast.Constant(found[1], lineno=row, col_offset=column, end_lineno=row, end_col_offset=end)
                self._view.tree.parents[comment] = self._statement_at(row)
                self._adopt(parsed, comment, found.start(1))
                self._comments.append(parsed)
        return self._comments

    def _strings_by_row(self) -> dict[int, list[tuple[int, int]]]:
        """The spans of the strings in each line, so that a `#` in one is told from a comment."""
        found: dict[int, list[tuple[int, int]]] = {}
        tree = self._view.tree
        for node in (*tree.nodes.get(ast.Constant, ()), *tree.nodes.get(ast.JoinedStr, ())):
            if isinstance(getattr(node, "value", ""), (str, bytes)):
                for row in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    found.setdefault(row, []).append(self._view.span(node))
        return found

    def _statement_at(self, row: int) -> ast.AST:
        """The innermost statement that has a line."""
        at: ast.AST = self._view.tree.root
        while True:
            inner = [
                each
                for each in ast.iter_child_nodes(at)
                if isinstance(each, (ast.stmt, ast.ExceptHandler, ast.match_case))
                and getattr(each, "lineno", row) <= row <= (getattr(each, "end_lineno", None) or row)
            ]
            if not inner:
                return at
            at = inner[-1]

    def exported(self) -> dict[str, ast.Constant]:
        """The names that `__all__` lists, each with its string."""
        found = {}
        for kind in (ast.Assign, ast.AugAssign, ast.AnnAssign):
            for node in self._view.tree.nodes.get(kind, ()):
                assert isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign))
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                    for each in ast.walk(node.value) if node.value is not None else ():
                        if isinstance(each, ast.Constant) and isinstance(each.value, str):
                            found[each.value] = each
        return found


def constant_text(values: Values) -> list[str]:
    """The strings among some values."""
    return sorted(each.value for each in values if isinstance(each, Constant) and isinstance(each.value, str))


def _strings_that_are_types(parsed: ast.expr) -> Iterator[ast.Constant]:
    """The strings inside of a type, but for the values of a `Literal`."""
    waiting: list[ast.AST] = [parsed]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node
        elif not isinstance(node, ast.Subscript) or dotted(node.value).rpartition(".")[2] != "Literal":
            waiting += ast.iter_child_nodes(node)

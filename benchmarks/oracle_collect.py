"""Finds, with nothing but Python's `ast`, every place where a module names something of a library.

Part of the oracle (`oracle.py`). It shares no code with v5lint on purpose: the two are held against each other.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ROOTS = ("transformers", "huggingface_hub", "peft")

IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"})
PROTECTING_TEST = re.compile(r"version|hasattr|\bdir\(", re.IGNORECASE)

Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Reference:
    """One name of a library, as a file spells it.

    Attributes:
        kind: `import` (`import a.b`), `from` (`from a import b`), `attribute` (`a.b` where `a` is the module), `patch`
            (`a.b = ...`), `getattr` (`getattr(a, "b")`) or `import_module` (`importlib.import_module("a.b")`).
        module: The imported module, or the module at the root of the attribute chain.
        name: The imported name or the attributes after the module, joined by dots; empty for `import`.
        line: 1-based line of the name; in a notebook, of its cell.
        cell: 1-based number of the notebook cell; None for a module.
        start: First line of the whole statement or expression.
        end: Last line of the whole statement or expression.
        guard: What protects the place; empty when nothing does. `try`, `handler`, `version` and `default` protect;
            `reraise`, `available` and `type-checking` do not.
        attempt: For a name inside the body of a protecting `try`, the number of that `try`.
        fallback: For a name inside an `except` clause, the number of the `try` it stands in for.
        loaded: Submodules that this file imports with `import a.b.c`, which Python then finds as attributes.
        imported: Whether `module` is itself a name that a `from` import of this file binds.
    """

    kind: str
    module: str
    name: str
    line: int
    start: int
    end: int
    cell: int | None = None
    guard: str = ""
    attempt: int | None = None
    fallback: int | None = None
    loaded: tuple[str, ...] = ()
    imported: bool = False

    @property
    def target(self) -> str:
        """The dotted path that has to resolve."""
        return f"{self.module}.{self.name}" if self.name else self.module

    @property
    def statement(self) -> str:
        """The shortest statement that makes Python look the name up."""
        if self.kind == "from":
            return f"from {self.module} import {self.name}"
        return f"import {self.module}" if self.kind in {"import", "import_module"} else self.target


@dataclass
class Scope:
    """The names bound in one module, class, function or comprehension.

    Attributes:
        node: The AST node that opens the scope.
        modules: Bound name -> the paths of the libraries that it may stand for.
        shadowed: Names that are also bound to something else.
        members: Those of `modules` that a `from` import binds.
    """

    node: ast.AST
    modules: dict[str, set[str]] = field(default_factory=dict)
    shadowed: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)


def is_library(path: str) -> bool:
    """Tells whether a dotted path belongs to one of the libraries."""
    return path.split(".", 1)[0] in ROOTS


def bindings(node: ast.AST) -> Scope:
    """Reads the names that the scope opened by `node` binds, without entering inner scopes."""
    scope = Scope(node)
    if isinstance(node, Function):
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        scope.shadowed.update(argument.arg for argument in every if argument is not None)
    absent: set[int] = set()  # targets of `name = None`, the other half of an optional import
    queue = list(ast.iter_child_nodes(node))
    while queue:
        child = queue.pop()
        if isinstance(child, ast.Assign) and isinstance(child.value, ast.Constant) and child.value.value is None:
            absent.update(id(target) for target in child.targets)
        if isinstance(child, ast.Import):
            for alias in child.names:
                path = alias.name if alias.asname else alias.name.split(".", 1)[0]
                bind(scope, alias.asname or path, path)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                name = alias.asname or alias.name
                bind(scope, name, f"{child.module}.{alias.name}" if child.level == 0 else "")
                scope.members.add(name)
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            scope.shadowed.add(child.name)
        elif isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load) and id(child) not in absent:
            scope.shadowed.add(child.id)
        elif isinstance(child, ast.ExceptHandler) and child.name:
            scope.shadowed.add(child.name)
        if not isinstance(child, (ast.ClassDef, *Function, *Comprehension)):
            queue.extend(ast.iter_child_nodes(child))
    return scope


def bind(scope: Scope, name: str, path: str) -> None:
    """Notes that an import binds `name` to `path`."""
    if is_library(path):
        scope.modules.setdefault(name, set()).add(path)
    else:
        scope.shadowed.add(name)


class Collector(ast.NodeVisitor):
    """Walks one module and gathers its references."""

    def __init__(self) -> None:
        self.references: list[Reference] = []
        self.scopes: list[Scope] = []
        self.guards: list[tuple[str, int | None, int | None]] = []
        self.tries = 0
        self.loaded: set[str] = set()

    def add(self, kind: str, module: str, name: str, where: ast.AST, whole: ast.AST, guard: str = "") -> Reference:
        """Notes one reference with the guard in force."""
        line = int(getattr(where, "lineno", 1))
        start = int(getattr(whole, "lineno", line))
        reference = Reference(kind, module, name, line, start, int(getattr(whole, "end_lineno", start)), guard=guard)
        for kind_of_guard, attempt, fallback in reversed(self.guards):
            reference.guard = reference.guard or kind_of_guard
            reference.attempt = reference.attempt or attempt
            reference.fallback = reference.fallback or fallback
        self.references.append(reference)
        return reference

    def lookup(self, name: str) -> tuple[str, bool] | None:
        """Returns the one library path that `name` stands for here and whether a `from` import binds it, or None."""
        for depth, scope in enumerate(reversed(self.scopes)):
            if depth and isinstance(scope.node, ast.ClassDef):
                continue
            if name in scope.shadowed:
                return None
            if name in scope.modules:
                paths = scope.modules[name]
                return (next(iter(paths)), name in scope.members) if len(paths) == 1 else None
        return None

    def visit(self, node: ast.AST) -> None:
        """Visits a node inside the scope that it opens."""
        opens = isinstance(node, (ast.Module, ast.ClassDef, *Function, *Comprehension))
        if opens:
            self.scopes.append(bindings(node))
        super().visit(node)
        if opens:
            self.scopes.pop()

    def visit_Import(self, node: ast.Import) -> None:
        """Notes `import a.b`."""
        for alias in node.names:
            if is_library(alias.name):
                self.loaded.add(alias.name)
                self.add("import", alias.name, "", alias, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Notes every name of `from a import b, c`."""
        if node.level or not node.module or not is_library(node.module):
            return
        for alias in node.names:
            if alias.name == "*":
                self.add("import", node.module, "", alias, node)
            else:
                self.add("from", node.module, alias.name, alias, node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Notes an attribute chain whose root is a library."""
        parts, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        found = self.lookup(inner.id) if isinstance(inner, ast.Name) else None
        if found is None:
            self.generic_visit(node)
        else:
            kind = "patch" if isinstance(node.ctx, (ast.Store, ast.Del)) else "attribute"
            self.add(kind, found[0], ".".join(reversed(parts)), node, node).imported = found[1]

    def visit_Call(self, node: ast.Call) -> None:
        """Notes `getattr(a, "b")` and `import_module("a.b")`."""
        called = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
        values = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
        if called in {"importlib.import_module", "import_module", "__import__"}:
            if values and isinstance(values[0], str) and is_library(values[0]):
                self.add("import_module", values[0], "", node, node)
        elif called == "getattr" and len(values) >= 2 and isinstance(values[1], str) and values[1].isidentifier():
            receiver = ast.unparse(node.args[0]) if isinstance(node.args[0], (ast.Name, ast.Attribute)) else ""
            name, _, rest = receiver.partition(".")
            found = self.lookup(name)
            if found is not None:
                default = "default" if len(node.args) > 2 else ""
                attributes = ".".join(filter(None, [rest, values[1]]))
                self.add("getattr", found[0], attributes, node, node, default).imported = found[1]
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """Visits the branches under the guard that the test is."""
        test = ast.unparse(node.test)
        if "TYPE_CHECKING" in test:
            guard, other = "type-checking", ""
        elif PROTECTING_TEST.search(test):
            guard = other = "version"
        else:
            guard = other = "available" if "available" in test.lower() else ""
        self.visit(node.test)
        self.inside(node.body, guard)
        self.inside(node.orelse, other)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """Visits both values under the guard that the test is."""
        guard = "version" if PROTECTING_TEST.search(ast.unparse(node.test)) else ""
        self.visit(node.test)
        self.inside([node.body, node.orelse], guard)

    def visit_Try(self, node: ast.Try) -> None:
        """Visits the body and the handlers under the guard that they are for each other."""
        catching = [handler for handler in node.handlers if catches_import_error(handler)]
        if not catching:
            self.generic_visit(node)
            return
        self.tries += 1
        number = self.tries
        falls_back = any(not only_fails(handler) for handler in catching)
        self.inside(node.body, "try" if falls_back else "reraise", attempt=number)
        for handler in node.handlers:
            self.inside(handler.body, "handler" if handler in catching else "", fallback=number)
        self.inside(node.orelse)
        self.inside(node.finalbody)

    def inside(
        self, body: Iterable[ast.AST], guard: str = "", attempt: int | None = None, fallback: int | None = None
    ) -> None:
        """Visits a block under a guard."""
        self.guards.append((guard, attempt, fallback))
        for statement in body:
            self.visit(statement)
        self.guards.pop()


def catches_import_error(handler: ast.ExceptHandler) -> bool:
    """Tells whether an `except` clause catches a failed import or attribute."""
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(caught).rsplit(".", 1)[-1] in IMPORT_ERRORS for caught in types)


def only_fails(handler: ast.ExceptHandler) -> bool:
    """Tells whether an `except` clause ends the program (with or without a message first) instead of going on."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        return True
    return (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Call)
        and ast.unparse(last.value.func) in {"exit", "quit", "sys.exit", "os._exit"}
    )


def references_in_source(source: str | bytes) -> list[Reference]:
    """Collects the references of one module.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: If Python cannot parse it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    collector = Collector()
    collector.visit(tree)
    for reference in collector.references:
        if reference.kind in {"attribute", "patch", "getattr"}:
            reference.loaded = tuple(sorted(collector.loaded))
    return collector.references


def code_cells(notebook: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yields number and source of every code cell, with magics and shell lines replaced by `pass`."""
    cells = notebook.get("cells") or [
        cell for sheet in notebook.get("worksheets", []) for cell in sheet.get("cells", [])
    ]
    for number, cell in enumerate(cells, start=1):
        if cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        text = source if isinstance(source, str) else "".join(source)
        if text.lstrip().startswith("%%"):
            continue
        yield number, re.sub(r"^([ \t]*)[%!?].*$", r"\1pass", text, flags=re.MULTILINE)


def references_in_notebook(text: str) -> list[Reference]:
    """Collects the references of a notebook, whose cells share one scope; cells that do not parse are left out."""
    lines: list[str] = []
    origin: list[tuple[int, int]] = []
    for number, source in code_cells(json.loads(text)):
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        rows = source.splitlines()
        lines.extend(rows)
        origin.extend((number, row) for row in range(1, len(rows) + 1))
    found = references_in_source("\n".join(lines))
    for reference in found:
        reference.cell, first = origin[reference.line - 1]
        shift = reference.line - first
        reference.line = first
        reference.start -= shift
        reference.end -= shift
    return found


def references_in_file(path: Path) -> list[Reference]:
    """Collects the references of a `.py`, `.pyi` or `.ipynb` file; a file that names no library is not parsed.

    Raises:
        OSError, SyntaxError, ValueError, RecursionError, MemoryError: If it cannot be read or parsed.
    """
    raw = path.read_bytes()
    if not any(root.encode() in raw for root in ROOTS):
        return []
    if path.suffix == ".ipynb":
        return references_in_notebook(raw.decode("utf-8-sig"))
    return references_in_source(raw)

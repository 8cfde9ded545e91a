"""The view of a Python module: what every rule asks and none should find out for itself."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Finding, Unseen
from v5lint.view.calls import CallSite
from v5lint.view.dicts import Dicts
from v5lint.view.environment import environment_keys, set_from_elsewhere
from v5lint.view.evaluate import Evaluator
from v5lint.view.fetched import fetched
from v5lint.view.guards import Guards
from v5lint.view.links import Links
from v5lint.view.names import Names
from v5lint.view.parsing import parse
from v5lint.view.reach import Reach
from v5lint.view.strings import last_name
from v5lint.view.tree import Tree
from v5lint.view.values import NOTHING_KNOWN, Constant, External, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterator

    from v5lint.document import Region
    from v5lint.project import Project
    from v5lint.rule import Fix, Level
    from v5lint.settings import Settings
    from v5lint.view.environment import EnvironmentKey
    from v5lint.view.tree import Binding, Scope
    from v5lint.view.values import ClassValue, Value, Values


#: The functions that import a module which they are given as a string, each with the name of that parameter.
_IMPORTERS = {"import_module": "name", "__import__": "name", "importorskip": "modname"}


class Reference:
    """A place where a module fetches a name of another package.

    Attributes:
        path: the dotted path, as it is written: "transformers.models.vit.feature_extraction_vit.ViTFeatureExtractor".
        node: the import's alias, the Attribute, the string with the name that a `getattr` asks for (the `getattr`
            itself where the string stands in another module), or the Name that a star import provides.
        how: "import", "attribute", "getattr" (and for `patch.object(transformers, "AutoModel")`, and the name in a row
            of a table, `("transformers", "AutoModel")`), "star" or "string"; of `imports()` also "module"
            (`import a.b`, and `from a.b import *`) and "import_module".
        binding: what the import binds; None for the other ways.
        has_default: whether it is a `getattr` with a default.
        place: where it is fetched and fails: the `getattr` itself where the string stands in a table before it;
            else the node.
    """

    __slots__ = ("binding", "has_default", "how", "node", "path", "place")

    def __init__(
        self,
        path: str,
        node: ast.AST,
        how: str,
        binding: Binding | None = None,
        *,
        has_default: bool = False,
        place: ast.AST | None = None,
    ) -> None:
        self.path = path
        self.node = node
        self.how = how
        self.binding = binding
        self.has_default = has_default
        self.place = place or node

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


class ModuleView:
    """One parsed module, with the settings that hold for it and the repository around it.

    Attributes:
        region: the text and its place in the file.
        text: the text.
        path: the file.
        settings: those of the file.
        project: the repository around it.
        tree: the syntax tree, indexed.
        reach: which bindings and conditions reach a place.
        evaluator: what expressions may stand for.
        names: what imported names mean.
        links: who uses what.
        dicts: dicts that become keyword arguments.
        guards: what runs under the target release, and who catches a failure.
        import_hosts: the import statements that names join which the fixes add, by module and name.
        new_imports: the statement in which a fix comes to bind a name first, by scope and name.
    """

    def __init__(self, region: Region, path: str, settings: Settings, project: Project) -> None:
        """Parse a module.

        Raises:
            UnreadableError: it does not parse.
        """
        self.region = region
        self.text = region.text
        self.path = path
        self.settings = settings
        self.project = project
        self.tree = Tree(parse(region))
        self.reach = Reach(self.tree)
        self.evaluator = Evaluator(self)
        self.names = Names(self)
        self.links = Links(self)
        self.dicts = Dicts(self)
        self.guards = Guards(self)
        self.import_hosts: dict[tuple[str, str], ast.ImportFrom] = {}
        self.new_imports: dict[tuple[Scope, str], ast.ImportFrom] = {}
        self._placed = Evaluator(self, placed=True)
        self._exporting: set[str] = set()
        self._fetched: list[ast.Attribute] | None = None
        self._wide_lines: dict[int, bytes] = {}

    # Places

    def offset(self, row: int, column: int) -> int:
        """The offset in the text of a row (from 1) and a column in UTF-8 bytes (from 0), as `ast` gives them."""
        start = self.region.line_starts[row - 1]
        if self.text.isascii():
            return start + column
        line = self._wide_lines.get(row)
        if line is None:
            ends = self.region.line_starts
            line = self.text[start : ends[row] if row < len(ends) else len(self.text)].encode()
            self._wide_lines[row] = line
        return start + len(line[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The offsets of the first character of a node and after its last one."""
        if (inside := self.names.quoted_span(node)) is not None:
            return inside
        return (
            self.offset(node.lineno, node.col_offset),  # type: ignore[attr-defined]
            self.offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def source(self, node: ast.AST) -> str:
        """The text of a node, as written."""
        start, end = self.span(node)
        return self.text[start:end]

    def name_span(self, node: ast.Name | ast.Attribute | ast.keyword | ast.alias | ast.FunctionDef) -> tuple[int, int]:
        """The offsets of the identifier itself: of `b` in `a.b`, of `k` in `k=v`, of `x` in `x as y` and `def x()`."""
        start, end = self.span(node)
        if isinstance(node, ast.FunctionDef):
            start = self.text.index(node.name, start + len("def"))
            return start, start + len(node.name)
        if isinstance(node, ast.Name):
            return start, end
        if isinstance(node, ast.Attribute):
            return end - len(node.attr), end
        if isinstance(node, ast.keyword):
            return start, start + len(node.arg or "**")
        return start, start + len(node.name)

    def aliases(self, node: ast.expr) -> list[ast.expr]:
        """Every expression that stands for the same object: through variables, `self`, parameters and returns."""
        return self.dicts.flow(node).aliases

    # Results

    def finding(
        self, node: ast.AST, message: str, *, fix: Fix | None = None, since: str = "", level: Level = "breaks"
    ) -> Finding:
        """A finding at a node."""
        start, end = self.name_span(node) if isinstance(node, ast.Name) else self.span(node)
        return Finding(message, start, end, fix=fix, since=since, level=level)

    def finding_at_name(self, of: ast.FunctionDef, message: str, *, fix: Fix | None = None, since: str = "") -> Finding:
        """A finding at the name of a function."""
        return Finding(message, *self.name_span(of), fix=fix, since=since)

    def unseen(self, node: ast.AST, reason: str) -> Unseen:
        """A place that could not be followed."""
        start, end = self.span(node)
        return Unseen(reason, start, end)

    def replace(self, node: ast.AST, content: str) -> Edit:
        """The edit that puts other text in the place of a node."""
        start, end = self.span(node)
        return Edit(start, end, content)

    # Surroundings

    def importers(self, name: str) -> Iterator[ModuleView]:
        """The other modules of the repository that get a name from this one, by way of packages, too."""
        for file in self.project.all_importers(self.path, name):
            other = self.project.view(file, self.settings)
            if other is not None:
                yield other

    # Values

    def values(self, node: ast.expr) -> Values:
        """What an expression may stand for."""
        return self.evaluator.values(node)

    def written(self, node: ast.expr) -> list[Constant]:
        """The strings that an expression may stand for, once for each place of this module in which one is written.

        Of `TABLE[key]` with `TABLE = {"a": "X", "b": "X"}` these are two, where `values` has one: who rewrites a name
        rewrites it wherever it stands. Those that stand nowhere in this module, put together or of another one, have
        a `node` that is none of its tree, or None.
        """
        found = [
            each for each in self._placed.values(node) if isinstance(each, Constant) and isinstance(each.value, str)
        ]
        return sorted(found, key=lambda each: (each.value, _place(each.node)))

    def constants(self, node: ast.expr, kind: type = str) -> list[object]:
        """The constants of a type among the values of an expression."""
        return sorted(
            (each.value for each in self.values(node) if isinstance(each, Constant) and isinstance(each.value, kind)),
            key=repr,
        )

    def classes_of(self, node: ast.expr) -> list[ClassValue]:
        """The classes that an expression may be an object of."""
        return sorted({each.of for each in self.values(node) if isinstance(each, Instance)}, key=repr)

    def roots(self, of: ClassValue) -> list[External]:
        """The classes of other packages that a class is or inherits from, through all classes of this repository."""
        if isinstance(of, External):
            return [of]
        found: list[External] = []
        waiting: list[LocalClass] = [of]
        seen = {of}
        while waiting:
            at = waiting.pop(0)
            for base in at.view.evaluator.bases(at):
                if isinstance(base, External):
                    found.append(base)
                elif isinstance(base, LocalClass) and base not in seen:
                    seen.add(base)
                    waiting.append(base)
        return found

    def exported_values(self, name: str) -> Values | None:
        """The values that a module-level name ends with; None when the module does not define it."""
        if name in self._exporting:
            return NOTHING_KNOWN
        self._exporting.add(name)
        try:
            found: set[Value] = set()
            for binding in self.reach.final(self.tree.scope, name):
                found |= self.evaluator.binding_values(binding)
            if not found:
                for star in self.tree.scope.stars:
                    found |= self.names.star_values(star, name)
            return frozenset(found) or None
        finally:
            self._exporting.discard(name)

    # Environment

    def environment_keys(self, names: Collection[str]) -> list[EnvironmentKey]:
        """The mentions of some environment variables, in source order."""
        return environment_keys(self, names)

    def environment_from_elsewhere(self) -> Iterator[tuple[ast.AST, ast.expr]]:
        """The places that put a dict into the environment which could not be followed, each with the dict."""
        return set_from_elsewhere(self)

    # References

    def attributes(self, names: Container[str]) -> Iterator[ast.Attribute]:
        """The attributes of some names: those that are written, and those that are fetched by their names.

        Of `getattr(x, "name")` it is an Attribute that stands for it: its place is the name in the string, around it is
        the call, and nobody calls it.
        """
        if self._fetched is None:
            self._fetched = fetched(self)
        for node in (*self.tree.nodes.get(ast.Attribute, ()), *self._fetched):
            assert isinstance(node, ast.Attribute)
            if node.attr in names:
                yield node

    def references(self, names: Container[str], package: str = "transformers") -> Iterator[Reference]:
        """The places where names of a package are fetched: imports, attributes, strings with their dotted paths.

        Args:
            names: the names wanted: the last parts of their dotted paths.
            package: the top-level package; where the repository has one of that name, nothing is of the installed one.
        """
        if self.project.is_first_party(package, self.path):
            return
        for statement in self.tree.nodes.get(ast.ImportFrom, ()):
            assert isinstance(statement, ast.ImportFrom)
            yield from self._imported(statement, names, package)
        for node in (*self.tree.nodes.get(ast.Attribute, ()), *self.names.quoted(ast.Attribute)):
            assert isinstance(node, ast.Attribute)
            if node.attr in names and isinstance(node.ctx, ast.Load) and self._path(node.value, package):
                path = self._path(node, package)
                if path:
                    yield Reference(path, node, "attribute")
        asked_for: set[ast.AST] = set()
        for call in self._calls_by_name():
            for reference in self._asked_for(call, names, package):
                asked_for.add(reference.node)
                yield reference
        for subscript in self.tree.nodes.get(ast.Subscript, ()):
            assert isinstance(subscript, ast.Subscript)
            for reference in self._looked_up(subscript, names, package):
                asked_for.add(reference.node)
                yield reference
        if self._has_star(package):
            for name_node in self.tree.nodes.get(ast.Name, ()):
                assert isinstance(name_node, ast.Name)
                if name_node.id in names and isinstance(name_node.ctx, ast.Load):
                    owner = self.evaluator.owner(name_node.id, self.tree.scopes[name_node])
                    path = self._path(name_node, package) if owner is None else ""
                    if path:
                        yield Reference(path, name_node, "star")
        annotations = {constant for constant, _ in self.tree.annotations}
        for constant in self.tree.nodes.get(ast.Constant, ()):
            assert isinstance(constant, ast.Constant)
            if constant in annotations:
                continue  # the expressions in it were met above
            if isinstance(constant.value, str) and f"{package}." in constant.value:
                path = _path_in(self._without_own_module(constant.value, package), names)
                if path and not isinstance(self.tree.parents[constant], ast.Expr):
                    yield Reference(path, constant, "string")
            elif isinstance(constant.value, str) and constant.value in names and constant not in asked_for:
                module = self._module_beside(constant)
                if module.partition(".")[0] == package:
                    yield Reference(f"{module}.{constant.value}", constant, "getattr")

    def _without_own_module(self, text: str, package: str) -> str:
        """A dotted path from the package on: what a test patches may be reached through a module of the repository."""
        if text.startswith(f"{package}."):
            return text
        module, dot, rest = text.partition(f".{package}.")
        is_own = dot and self.project.module_file(module, self.path) is not None
        return f"{package}.{rest}" if is_own else ""

    def imports(self, package: str) -> Iterator[Reference]:
        """Everything that a module imports from a package, whatever its name, in any way that Python has.

        Args:
            package: the top-level package; where the repository has one of that name, nothing is of the installed one.
        """
        if self.project.is_first_party(package, self.path):
            return
        for statement in self.tree.nodes.get(ast.ImportFrom, ()):
            assert isinstance(statement, ast.ImportFrom)
            if statement.names[0].name != "*":
                yield from self._imported(statement, _EVERY_NAME, package)
            elif not statement.level and (statement.module or "").partition(".")[0] == package:
                yield Reference(statement.module or "", statement.names[0], "module")
        for each in self.tree.nodes.get(ast.Import, ()):
            assert isinstance(each, ast.Import)
            for alias in each.names:
                if alias.name.partition(".")[0] == package:
                    yield Reference(alias.name, alias, "module")
        for name in _IMPORTERS:
            for call in self.links.calls_named(name):
                for path, node in self._imported_by(call, package):
                    yield Reference(path, node, "import_module")

    def _imported_by(self, call: ast.Call, package: str) -> Iterator[tuple[str, ast.AST]]:
        """The modules of a package that a call imports, each with its string: `import_module(".x", "package")` too."""
        site = CallSite(self, call)
        place = _IMPORTERS[site.name]
        anchors = site.values_of("package", 1) if site.name == "import_module" else frozenset()
        within = [str(each.value) for each in anchors if isinstance(each, Constant)]
        given = site.argument(place, 0)
        for value in self.written(given) if given is not None else ():
            path = value.value
            if path.startswith(".") and not path.startswith("..") and len(within) == 1:
                path = within[0] + path
            if path.partition(".")[0] == package:
                node = value.node if value.node in self.tree.parents else call
                assert node is not None
                yield path, node

    def _module_beside(self, name: ast.Constant) -> str:
        """The module in `("transformers", "AutoModel")`, the row of a table that is looked up elsewhere.

        A list of two words is one only where something is looked up, and `("transformers", "onnx")` are two packages.
        """
        row = self.tree.parents[name]
        if not isinstance(row, (ast.Tuple, ast.List)) or len(row.elts) != 2 or row.elts[1] is not name:
            return ""
        if isinstance(row, ast.List) and not any(self.links.calls_named(each) for each in ("getattr", *_IMPORTERS)):
            return ""
        first, text = row.elts[0], str(name.value)
        module = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
        return module if "." in module or text[:1].isupper() or "_" in text else ""

    def _calls_by_name(self) -> Iterator[ast.Call]:
        """The calls that fetch an attribute of what they get first by its name, and fail where there is none."""
        yield from self.links.calls_named("getattr")
        for name in ("object", "setattr", "delattr"):  # patch.object(transformers, "X"), monkeypatch.setattr(...)
            for call in self.links.calls_named(name):
                if isinstance(call.func, ast.Attribute) and not any(each.arg == "raising" for each in call.keywords):
                    yield call

    def _asked_for(self, call: ast.Call, names: Container[str], package: str) -> Iterator[Reference]:
        asked = call.args[1] if len(call.args) > 1 else None
        if isinstance(asked, ast.Constant) and asked.value not in names:
            return
        if len(call.args) < 2 or self._is_other_import(call.args[0], package) or not self.is_of(call.args[0], package):
            return
        asked_names = self.written(call.args[1])
        modules = [value for value in self.values(call.args[0]) if isinstance(value, External)]
        if len(modules) > 1 and len(self.values(call.args[1])) > 1:
            return  # which name belongs to which module is not known
        for name in asked_names:
            if name.value not in names:
                continue
            node = name.node if name.node in self.tree.parents else call
            for value in sorted(modules, key=repr):
                if value.package == package:
                    path = f"{value.path}.{name.value}"
                    assert node is not None
                    if node is call and self._is_written_whole(path):
                        continue  # `module, name = PATH.rsplit(".", 1)`: it is said where the path stands
                    has_default = len(call.args) > 2 and last_name(call.func) == "getattr"
                    place = node if node is call.args[1] else call
                    yield Reference(path, node, "getattr", has_default=has_default, place=place)

    def _is_written_whole(self, path: str) -> bool:
        return any(node.value == path for node in self.tree.nodes.get(ast.Constant, ()))  # type: ignore[attr-defined]

    def _looked_up(self, node: ast.Subscript, names: Container[str], package: str) -> Iterator[Reference]:
        """The names read from the table of a module: `vars(transformers)[name]`, `transformers.__dict__[name]`."""
        table = node.value
        if isinstance(table, ast.Call) and last_name(table.func) == "vars" and len(table.args) == 1:
            table = table.args[0]
        elif isinstance(table, ast.Attribute) and table.attr == "__dict__":
            table = table.value
        else:
            return
        path = self._path(table, package) if isinstance(node.ctx, ast.Load) else ""
        for name in self.written(node.slice) if path else ():
            if name.value in names:
                where = name.node if name.node is not None and name.node in self.tree.parents else node
                yield Reference(f"{path}.{name.value}", where, "getattr", place=node)

    def _imported(self, statement: ast.ImportFrom, names: Container[str], package: str) -> Iterator[Reference]:
        wanted = [alias for alias in statement.names if alias.name in names]
        # What a sibling got from the package and hands on is the sibling's matter.
        if not wanted or statement.level or (statement.module or "").partition(".")[0] != package:
            return
        for alias in wanted:
            for binding in self._bindings_of(alias, statement):
                if binding.node is alias:
                    for value in self.names.imported_values(binding):
                        if isinstance(value, External) and value.package == package and value.name == alias.name:
                            yield Reference(value.path, alias, "import", binding)

    def _bindings_of(self, alias: ast.alias, statement: ast.ImportFrom) -> Iterator[Binding]:
        """The bindings of the name that an import binds, in its own scope or where `global` and `nonlocal` put it."""
        scope: Scope | None = self.tree.scope_of(statement)
        while scope is not None:
            yield from scope.bindings.get(alias.asname or alias.name, ())
            scope = scope.parent

    def is_of(self, node: ast.expr, package: str) -> bool:
        """Whether an expression stands for a package, or for something of it."""
        return bool(self._path(node, package))

    def _is_other_import(self, node: ast.expr, package: str) -> bool:
        """Whether an expression begins with a name that is only ever imported from elsewhere.

        Most attributes of a module are of such names; asking what the siblings make of them would read half a
        repository.
        """
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name):
            return False
        owner = self.evaluator.owner(node.id, self.tree.scopes[node])
        if owner is None:
            return False
        for binding in owner.bindings[node.id]:
            alias, statement = binding.node, binding.statement
            if statement is None or not isinstance(alias, ast.alias):
                return False
            module = alias.name if isinstance(statement, ast.Import) else statement.module or ""
            if package in (module.partition(".")[0], alias.name):
                return False
            if isinstance(statement, ast.ImportFrom) and self._is_alias(statement, alias.name, package):
                return False
        return True

    def _is_alias(self, statement: ast.ImportFrom, name: str, package: str) -> bool:
        """Whether a module of the repository gives a package under another name: `import transformers as hf`."""
        file = self.project.module_file(self.names.module_of(statement), self.path)
        return file is not None and self.project.holds(file, f"import {package} as {name}")

    def _path(self, node: ast.expr, package: str) -> str:
        """The path of the one thing of a package that an expression stands for."""
        if self._is_other_import(node, package):
            return ""
        for value in self.values(node):
            if isinstance(value, External) and value.package == package:
                return value.path
        return ""

    def _has_star(self, package: str) -> bool:
        return any(
            alias.name == "*" and (statement.module or "").partition(".")[0] == package and not statement.level
            for statement in self.tree.nodes.get(ast.ImportFrom, ())
            if isinstance(statement, ast.ImportFrom)
            for alias in statement.names
        )

    def calls(self, names: Container[str] | None = None) -> Iterator[CallSite]:
        """The calls of the module.

        Args:
            names: keep those that call something with one of these last names: `f` and `x.f` for "f".
        """
        for node in self.tree.nodes.get(ast.Call, ()) if names is None else self.links.calls_about(names):
            assert isinstance(node, ast.Call)
            call = CallSite(self, node)
            if names is None or call.name in names:
                yield call

    def keywords(self, names: Container[str]) -> Iterator[tuple[CallSite, ast.keyword]]:
        """The keyword arguments of some names, each with its call."""
        for keyword in self.tree.nodes.get(ast.keyword, ()):
            assert isinstance(keyword, ast.keyword)
            if keyword.arg in names:
                call = self.tree.parents[keyword]
                if isinstance(call, ast.Call):
                    yield CallSite(self, call), keyword


class _EveryName:
    """A set of names that holds every one."""

    def __contains__(self, name: object) -> bool:
        return True


_EVERY_NAME = _EveryName()


def _place(node: ast.AST | None) -> tuple[int, int]:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))


def _path_in(text: str, names: Container[str]) -> str:
    """The dotted path that a string is, up to the name wanted: what follows it are attributes."""
    parts = text.split(".")
    for number, part in enumerate(parts):
        if number and part in names and all(each.isidentifier() for each in parts):
            return ".".join(parts[: number + 1])
    return ""

"""Import statements changed as a careful person would: names renamed, added, moved and removed, the layout kept."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import libcst as cst

from v5lint.document import spliced
from v5lint.edits.slices import UnsupportedSliceError, newline_of, rewrite_statement, without
from v5lint.edits.statements import block_of, delete_statement, end_of_line
from v5lint.rule import Edit, FixUnavailableError
from v5lint.view.values import External

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.reach import Path
    from v5lint.view.tree import Binding, Scope


#: A one-line import longer than this takes no further name: about 120 columns with it.
_LINE_LENGTH = 95


class CannotImportError(FixUnavailableError):
    """A name that cannot be imported where it is wanted, because something else has it there."""


class _Change:
    """What becomes of one imported name: removed, or another name, alias or module."""

    __slots__ = ("asname", "module", "name")

    def __init__(self, name: str = "", asname: str = "", module: str = "") -> None:
        self.name = name
        self.asname = asname
        self.module = module


class ImportEdits:
    """Collects changes to the imports of one module and turns them into edits."""

    def __init__(self, view: ModuleView) -> None:
        self._view = view
        self._changes: dict[ast.ImportFrom, dict[ast.alias, _Change]] = {}
        self._added: dict[ast.ImportFrom, list[tuple[str, str]]] = {}
        self._new: dict[tuple[int, str, str], list[str]] = {}
        self._sources: dict[tuple[Scope, str], tuple[str, str]] = {}
        self._bound: dict[tuple[Scope, str], list[Path]] = {}
        self._behind: list[ast.ImportFrom] = []
        self._gone: list[ast.Import] = []

    def rename(self, binding: Binding, name: str, module: str, *, keep: bool = False) -> str:
        """Import another name in the place of one.

        Args:
            binding: what a `from` import binds.
            name: the new name.
            module: the module that has it.
            keep: whether the module goes on calling it as before: `import New as Old`. It does so in any case where
                the new name means something else.

        Returns:
            The name under which it is bound afterwards.
        """
        alias, statement = binding.node, binding.statement
        assert isinstance(alias, ast.alias)
        assert isinstance(statement, ast.ImportFrom)
        bound = alias.asname or name
        if not alias.asname and (keep or not self._can_become(binding, name, module)):
            bound = alias.name
        if self._sources.setdefault((binding.scope, bound), (module, name)) != (module, name):
            bound = alias.name  # one of these edits imports something else of that name already
        here = self._view.reach.path(alias)
        before = self._bound.setdefault((binding.scope, bound), [])
        if any(path == here[: len(path)] for path in before) or (
            self._is_bound_beside(binding, bound, name)
            if bound != binding.name
            else self._is_imported_already(binding, name, module)
        ):
            self.remove(binding)
            return bound
        before.append(here)
        if bound != alias.name:
            self._wait_for_others(binding.scope, bound, statement)
        asname = bound if bound != name else ""
        same = module == self._view.names.module_of(statement)
        host = None if same else self._beside(statement, module)
        if host is not None:
            self._changes.setdefault(statement, {})[alias] = _Change()
            self._added.setdefault(host, []).append((name, asname))
            return bound
        self._changes.setdefault(statement, {})[alias] = _Change(name, asname, "" if same else module)
        return bound

    def _wait_for_others(self, scope: Scope, bound: str, statement: ast.ImportFrom) -> None:
        """Let another fix go first that binds the same name in another statement: it is bound once, then."""
        first = self._view.new_imports.setdefault((scope, bound), statement)
        there, here = self._view.reach.path(first), self._view.reach.path(statement)
        if first is not statement and there == here[: len(there)]:
            self._behind.append(first)

    def _can_become(self, binding: Binding, name: str, module: str) -> bool:
        """Whether everything that reads a binding can read the new name instead, and nothing else has it."""
        evaluator, tree = self._view.evaluator, self._view.tree
        if binding.name in binding.scope.globals or binding.name in binding.scope.nonlocals:
            return False
        new = frozenset({External(f"{module}.{name}")})
        for other in binding.scope.bindings.get(name, ()):
            if other.kind != "import" or evaluator.binding_values(other) != new:
                return False
        for use in self._view.links.uses(binding):
            owner = evaluator.owner(name, tree.scopes[use])
            if owner is not None and owner is not binding.scope and _is_inside(owner, binding.scope):
                return False  # it would read what a function in between calls so
        for mention in self._view.links.mentions(name):
            scope = tree.scopes[mention]
            owner = evaluator.owner(name, scope)
            if owner is None or not _is_inside(scope, binding.scope) or _is_inside(owner, binding.scope):
                continue
            if evaluator.name_values(name, scope, mention) != new:
                return False  # it would read the import in place of what is around it
        return True

    def _beside(self, statement: ast.ImportFrom, module: str) -> ast.ImportFrom | None:
        """Another statement of the same block that imports from a module, with nothing but imports on the way to it."""
        block = block_of(self._view, statement)
        at = block.index(statement)
        for place, each in enumerate(block):
            if isinstance(each, ast.ImportFrom) and each is not statement and self._imports_from(each, module):
                between = block[at + 1 : place]  # what stands there may read the name already
                if all(isinstance(other, (ast.Import, ast.ImportFrom)) for other in between):
                    return each if self._fits(each) else None
        return None

    def remove(self, binding: Binding) -> None:
        """Import a name no longer."""
        alias, statement = binding.node, binding.statement
        assert isinstance(alias, ast.alias)
        if isinstance(statement, ast.Import):  # of one module alone
            self._gone.append(statement)
            return
        assert isinstance(statement, ast.ImportFrom)
        self._changes.setdefault(statement, {})[alias] = _Change()

    def _is_bound_beside(self, binding: Binding, bound: str, name: str) -> bool:
        """Whether the same name of the same thing is imported in the same block, or in one around it, for all uses.

        One that comes too late for a use goes: the name is there before.
        """
        here = self._view.reach.path(binding.node)
        for other in binding.scope.bindings.get(bound, ()):
            there = self._view.reach.path(other.node)
            if other.kind == "import" and there == here[: len(there)] and getattr(other.node, "name", "") == name:
                if not any(self._comes_later(other.node, use) for use in self._view.links.uses(binding)):
                    return True
                self._remove_later(other, here)
        return False

    def _is_imported_already(self, binding: Binding, name: str, module: str) -> bool:
        """Whether another statement imports from the new module what keeps its name, in time for all uses."""
        here = self._view.reach.path(binding.node)
        for other in self._view.links.other_bindings(binding):
            statement, alias = other.statement, other.node
            if not isinstance(statement, ast.ImportFrom) or not isinstance(alias, ast.alias) or alias.name != name:
                continue
            there = self._view.reach.path(alias)
            is_same = self._view.names.module_of(statement) == module and there == here[: len(there)]
            if is_same and not any(self._comes_later(alias, use) for use in self._view.links.uses(binding)):
                return True
        return False

    def _remove_later(self, binding: Binding, path: Path) -> None:
        """Take out an import of a name that is imported at an earlier place of a block now."""
        if isinstance(binding.statement, ast.ImportFrom) and self._view.reach.path(binding.node) == path:
            self.remove(binding)

    def use(
        self,
        module: str,
        name: str,
        near: ast.AST,
        *,
        beside: Binding | None = None,
        like: ast.Call | None = None,
        read: ast.AST | None = None,
    ) -> str:
        """Make a name of a module usable at a place.

        Args:
            module: the module, as "transformers".
            name: the name.
            near: the node in whose place or beside which it will be used.
            beside: an import whose statement is the best place for another name: that of the class in the call.
            like: a call elsewhere that shows how this code names the module: `tf` of `tf.pipeline(...)`.
            read: the expression that tells where the package is imported, if that is not `near`: it may be optional,
                and is imported no earlier and no surer than it was.

        Returns:
            What to write there: the name, or `tf.Name` where only the module is imported.

        Raises:
            CannotImportError: the name means something else there.
        """
        view = self._view
        scope = view.tree.scope_of(near)
        wanted = frozenset({External(f"{module}.{name}")})
        for known in self._names_for(module, name):
            if view.evaluator.name_values(known, scope, near) == wanted and self._is_there(known, near, beside):
                return known
        if self._is_added(name, near):
            return name
        if beside is not None and any(each.kind == "import" for each in view.links.other_bindings(beside)):
            beside = None  # `try: from .x import Model`, `except ImportError: from x import Model`: one of them runs
        through = self._module_used_at(module, near)
        if not through and like is not None:
            through = self._module_used_at(module, like)
            root = through.partition(".")[0]
            values = view.evaluator.name_values(root, scope, near) if root else frozenset()
            through = through if External(root if "." in through else module) in values else ""
        through = through or self._module_variable(module, near)
        if through:
            return f"{through}.{name}"
        owner = view.evaluator.owner(name, scope)
        if owner is not None and view.evaluator.name_values(name, scope, near) != wanted:
            raise CannotImportError(f"`{name}` means something else here")
        found = self._common_host(module, name, near, beside)
        if found is None and beside is None:
            beside = self.optional_import(read or near)
            if beside is not None and beside.scope is scope and self._comes_later(beside.node, near):
                beside = None
            optional = beside.statement if beside is not None else None
            if optional is not None and not self._has_its_line(optional):
                raise CannotImportError(f"`{name}` finds no line of its own beside an import that may not run")
        host: ast.stmt | None = found
        if found is not None and self._fits(found):
            self._added.setdefault(found, []).append((name, ""))
        elif found is not None and self._has_its_line(found):
            self._add_line(module, name, after=found)
        elif beside is not None and beside.statement is not None and self._has_its_line(beside.statement):
            host = beside.statement
            self._add_line(module, name, after=host)
        elif scope is not view.tree.scope and owner in (None, scope) and self._is_lazy(module):
            host = self._statement_with_lines(near)
            self._add_line(module, name, before=host)
        else:
            host = None
            self._new.setdefault((self._place_for_new(module, near), "", module), []).append(name)
        place = (view.tree.scope_of(host), view.reach.path(host)) if host is not None else (view.tree.scope, ())
        if found is not None and host is found:
            self._wait_for_others(place[0], name, found)
        for other in place[0].bindings.get(name, ()):
            if other.kind == "import" and self._comes_later(other.node, near):
                self._remove_later(other, place[1])
        self._bound.setdefault((place[0], name), []).append(place[1])
        return name

    def optional_import(self, node: ast.AST) -> Binding | None:
        """The one import that an expression is read from, where it does not run whenever the module does.

        `if is_available(): import transformers`, or an import in a function: another name of the package that is
        imported at the top would demand what is optional, or load early what was loaded late.
        """
        view = self._view
        while isinstance(node, (ast.Call, ast.Attribute)):
            node = node.func if isinstance(node, ast.Call) else node.value
        bindings = view.links.bindings_read(node) if isinstance(node, ast.Name) else []
        imports = [each for each in bindings if each.kind == "import" and each.statement is not None]
        only = imports[0] if len(imports) == 1 else None
        if only is None or (only.scope is view.tree.scope and not view.reach.path(only.node)):
            return None
        return only

    def _module_variable(self, module: str, near: ast.AST) -> str:
        """The variable of its name that holds a module which nothing here imports: `tf = lazy_import("tf")`."""
        view = self._view
        if "." in module or self._imports_of(module):
            return ""
        values = view.evaluator.name_values(module, view.tree.scope_of(near), near)
        return module if values == frozenset({External(module)}) else ""

    def _imports_of(self, package: str) -> list[ast.AST]:
        """The statements that import a package, or something of it."""
        return [
            each
            for kind in (ast.Import, ast.ImportFrom)
            for each in self._view.tree.nodes.get(kind, ())
            if any(name.partition(".")[0] == package for name in _modules_named(each))
        ]

    def _is_lazy(self, module: str) -> bool:
        """Whether this code imports the package of a module, and nowhere as soon as it runs itself."""
        view = self._view
        found = self._imports_of(module.partition(".")[0])
        return bool(found) and not any(
            view.tree.scope_of(each) is view.tree.scope and not view.reach.path(each) for each in found
        )

    def _statement_with_lines(self, near: ast.AST) -> ast.stmt:
        """The innermost statement around a node before which a line has room."""
        view = self._view
        statement = view.tree.statement(near)
        while not self._begins_its_line(statement):
            statement = view.tree.statement(view.tree.parents[statement])
        return statement

    def _begins_its_line(self, statement: ast.stmt) -> bool:
        """Whether nothing stands before a statement in its line, and it is no `elif`."""
        view = self._view
        start = view.span(statement)[0]
        return not view.text[view.offset(statement.lineno, 0) : start].strip() and not view.text.startswith(
            "elif", start
        )

    def _add_line(
        self, module: str, name: str, *, after: ast.stmt | None = None, before: ast.stmt | None = None
    ) -> None:
        """Import a name in a line of its own behind or before a statement, at the same depth."""
        beside = after or before
        assert beside is not None
        start = self._view.span(beside)[0]
        line = self._view.offset(beside.lineno, 0)
        at = end_of_line(self._view, after) if after is not None else line
        if after is not None and block_of(self._view, after) is self._view.tree.root.body:
            at = self._place_for_new(module, None, after=after)
        indent = self._view.text[line:start]
        names = self._new.setdefault((at, indent, module), [])
        if name not in names:
            names.append(name)

    def _has_its_line(self, statement: ast.stmt) -> bool:
        """Whether no other statement stands in the lines of a statement."""
        view = self._view
        start, end = view.span(statement)
        before = view.text[view.offset(statement.lineno, 0) : start]
        after = view.text[end : end_of_line(view, statement)].strip()
        return not before.strip() and (not after or after.startswith("#"))

    def _names_for(self, module: str, name: str) -> Iterator[str]:
        """The names under which this module imports something already, its own first."""
        yield name
        for statement in self._view.tree.nodes.get(ast.ImportFrom, ()):
            assert isinstance(statement, ast.ImportFrom)
            for alias in statement.names:
                if alias.name == name and alias.asname and statement.module == module:
                    yield alias.asname

    def _is_there(self, name: str, near: ast.AST, beside: Binding | None) -> bool:
        """Whether a name is bound wherever a place runs: not only for type checkers, or in an arm of an `if`."""
        view = self._view
        owner = view.evaluator.owner(name, view.tree.scope_of(near))
        path = _decided(view.reach.path(near)) if owner is view.tree.scope_of(near) else []
        for binding in view.reach.reaching(owner, name, near) if owner is not None else ():
            if binding.statement is None or self._is_for_types(binding.statement):
                continue
            if self._comes_later(binding.node, near):
                continue
            there = _decided(view.reach.path(binding.node))
            if there == path[: len(there)] or (beside is not None and binding.statement is beside.statement):
                return True
        return owner is None

    def _comes_later(self, node: ast.AST, near: ast.AST) -> bool:
        """Whether an import is run after a place, in one flow: scripts made of notebooks import in between."""
        around = self._view.links.function_around
        return around(node) is around(near) and _place(node) > _place(near)

    def _is_added(self, name: str, near: ast.AST) -> bool:
        """Whether a change that is asked for already makes a name usable at a place."""
        path = self._view.reach.path(near)
        own = scope = self._view.tree.scope_of(near)
        while True:
            for there in self._bound.get((scope, name), ()):
                if there == (path[: len(there)] if scope is own else ()):
                    return True
            if scope.parent is None:
                return False
            scope = scope.parent

    def _module_used_at(self, module: str, near: ast.AST) -> str:
        """How a call names the module, where it does: `tf` of `tf.AutoModel.from_pretrained(...)`."""
        func = near.func if isinstance(near, ast.Call) else near
        while isinstance(func, ast.Attribute):
            func = func.value
            if External(module) in self._view.values(func):
                return self._view.source(func)
        return ""

    def _common_host(self, module: str, name: str, near: ast.AST, beside: Binding | None) -> ast.ImportFrom | None:
        """The import statement that a new name joins: the same for all fixes that add it, so that it is added once."""
        view = self._view
        chosen = view.import_hosts.get((module, name))
        if chosen is not None and (view.tree.scope_of(near) is not view.tree.scope or _place(chosen) < _place(near)):
            return chosen
        found = self._host(module, near, beside)
        if found is not None and view.tree.scope_of(found) is view.tree.scope and not view.reach.path(found):
            view.import_hosts[module, name] = found
        return found

    def _host(self, module: str, near: ast.AST, beside: Binding | None) -> ast.ImportFrom | None:
        """The import statement that a new name joins."""
        view = self._view
        if beside is not None and isinstance(beside.statement, ast.ImportFrom):
            statement = beside.statement
            if self._imports_from(statement, module) and not self._is_for_types(statement):
                is_sure = view.tree.scope_of(statement) is not view.tree.scope or not view.reach.path(statement)
                return statement if is_sure else self._host(module, near, None) or statement
        scopes: list[Scope] = []
        scope: Scope | None = view.tree.scope_of(near)
        while scope is not None:
            scopes.append(scope)
            scope = scope.parent
        path = view.reach.path(near)
        found: ast.ImportFrom | None = None
        for candidate in view.tree.nodes.get(ast.ImportFrom, ()):
            assert isinstance(candidate, ast.ImportFrom)
            if not self._imports_from(candidate, module):
                continue
            owner = view.tree.scope_of(candidate)
            here = view.reach.path(candidate)
            if owner not in scopes or owner.is_class:
                continue
            if here != path[: len(here)] if owner is scopes[0] else here:
                continue
            if owner is scopes[0] and _place(candidate) > _place(near):
                continue
            if owner is view.tree.scope:
                return candidate
            found = candidate
        return found

    @staticmethod
    def _imports_from(statement: ast.ImportFrom, module: str) -> bool:
        return statement.module == module and not statement.level and statement.names[0].name != "*"

    def _fits(self, statement: ast.ImportFrom) -> bool:
        """Whether another name can join a statement: it is in parentheses, or its line is not long already."""
        text = self._view.source(statement)
        return text.endswith(")") or "\n" in text or statement.col_offset + len(text) <= _LINE_LENGTH

    def _is_for_types(self, statement: ast.Import | ast.ImportFrom) -> bool:
        return any("TYPE_CHECKING" in ast.unparse(test) for test, _ in self._view.reach.conditions(statement))

    def _place_for_new(self, module: str, near: ast.AST | None, *, after: ast.stmt | None = None) -> int:
        """The offset at which a new import statement of the module begins a line, or behind which it does.

        Args:
            module: what it imports from: among statements that are sorted it finds its place.
            near: where the name is used.
            after: the statement behind which it stands otherwise.
        """
        view = self._view
        for number, each in enumerate(view.tree.root.body if after is None and near is not None else ()):
            if view.tree.scope_of(near) is view.tree.scope and _place(each) >= _place(near):  # type: ignore[arg-type]
                break
            if isinstance(each, (ast.Import, ast.ImportFrom)) or (number == 0 and _is_docstring(each)):
                after = each
            elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                break
        if after is None:
            return _first_code(view)
        group = self._group_around(after)
        modules = [str(each.module).lower() for each in group]
        if len(group) > 1 and modules == sorted(modules):
            before = [each for each in group if str(each.module).lower() <= module.lower()]
            if not before:
                return view.offset(group[0].lineno, 0)
            after = before[-1]
        return end_of_line(view, after)

    def _group_around(self, statement: ast.stmt) -> list[ast.ImportFrom]:
        """The `from` imports in the lines around one, without a blank line or anything else in between."""
        body = self._view.tree.root.body
        found: list[ast.ImportFrom] = []
        for each in body:
            whole = isinstance(each, ast.ImportFrom) and not each.level and self._has_its_line(each)
            if found and (not whole or each.lineno != (found[-1].end_lineno or 0) + 1):
                if statement in found:
                    return found
                found = []
            if whole:
                assert isinstance(each, ast.ImportFrom)
                found.append(each)
        return found if statement in found else []

    def edits(self) -> list[Edit]:
        """The edits, one for each statement that changes and each that is new."""
        found = []
        newline = newline_of(self._view.text)
        for statement in sorted({*self._changes, *self._added}, key=_place):
            found += self._statement_edits(statement)
        for statement in {*self._behind} - {*self._changes, *self._added}:
            # Nothing changes, but two fixes that touch one statement are applied one after the other.
            found.append(Edit(*self._view.span(statement), self._view.source(statement)))
        found += [delete_statement(self._view, each) for each in self._gone]
        for (at, indent, module), names in self._new.items():
            line = f"{indent}from {module} import {', '.join(names)}"
            deleted = next((each for each in found if each.start < at < each.end and not each.content.strip()), None)
            if deleted is not None:  # the line behind which it stands goes: it takes its place
                found[found.index(deleted)] = Edit(deleted.start, deleted.end, deleted.content + line + newline)
            else:
                found.append(Edit(at, at, self._set_apart(at, line)))
        return found

    def _set_apart(self, at: int, line: str) -> str:
        """A new line at an offset, with a blank one behind a docstring and before code: it is the first import."""
        view, newline = self._view, newline_of(self._view.text)
        starts = at in view.region.line_starts
        bare = line + newline if starts else newline + line
        statements = [(view.offset(each.lineno, 0), each) for each in view.tree.root.body]
        before = next((each for start, each in reversed(statements) if start < at), None)
        after = next((each for start, each in statements if start >= at), None)
        if line[:1].isspace() or any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in (before, after)):
            return bare
        following = view.text[at:] if starts else view.text[at + len(newline) :]
        lead = newline if before is not None and _is_docstring(before) else ""
        blank = 2 if isinstance(after, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else 1
        return lead + bare + newline * (0 if following.startswith(newline) or not following else blank)

    def _statement_edits(self, statement: ast.ImportFrom) -> list[Edit]:
        changes = self._changes.get(statement, {})
        added = self._added.get(statement, [])
        kept = [alias for alias in statement.names if alias not in changes or changes[alias].name]
        if not kept and not added:
            return [delete_statement(self._view, statement)]
        # Every edit spans the whole statement, so that of two fixes that change one statement the second waits for
        # what the first has made of it.
        start, end = self._view.span(statement)
        in_place = not added and len(kept) == len(statement.names) and not any(c.module for c in changes.values())
        order = _order([alias.name for alias in statement.names])
        after = [changes[alias].name if alias in changes else alias.name for alias in kept]
        if in_place and (order is None or _is_sorted(after, order)):
            renamed = [self._renamed_in_place(alias, change) for alias, change in changes.items()]
            shifted = [Edit(each.start - start, each.end - start, each.content) for each in renamed]
            return [Edit(start, end, spliced(self._view.text[start:end], shifted))]

        def change(node: cst.BaseSmallStatement) -> list[cst.BaseSmallStatement]:
            return self._rewritten(node, statement, changes, added)

        return [rewrite_statement(self._view, start, end, change)]

    def _renamed_in_place(self, alias: ast.alias, change: _Change) -> Edit:
        start, end = self._view.span(alias)
        if alias.asname and change.asname == alias.asname:
            return Edit(start, start + len(alias.name), change.name)
        return Edit(start, end, f"{change.name} as {change.asname}" if change.asname else change.name)

    def _rewritten(
        self,
        node: cst.BaseSmallStatement,
        statement: ast.ImportFrom,
        changes: dict[ast.alias, _Change],
        added: list[tuple[str, str]],
    ) -> list[cst.BaseSmallStatement]:
        if not isinstance(node, cst.ImportFrom) or isinstance(node.names, cst.ImportStar):
            raise UnsupportedSliceError(self._view.source(statement))
        aliases = list(node.names)
        gone: set[int] = set()
        moved: dict[str, list[cst.ImportAlias]] = {}
        for place, alias in enumerate(statement.names):
            change = changes.get(alias)
            if change is None:
                continue
            if change.name and not change.module:
                aliases[place] = _alias(change.name, change.asname).with_changes(comma=aliases[place].comma)
                continue
            gone.add(place)
            if change.name:
                moved.setdefault(change.module, []).append(_alias(change.name, change.asname))
        order = _order([alias.name for alias in statement.names])
        if order is not None and not gone:
            aliases = _sorted_again(aliases, order)
        result: list[cst.BaseSmallStatement] = []
        if len(gone) == len(aliases) and len(moved) == 1 and not added:
            # All that it imports lives elsewhere now: the statement keeps its shape.
            ((module, _),) = moved.items()
            for place, alias in enumerate(statement.names):
                change = changes[alias]
                if change.name:
                    aliases[place] = _alias(change.name, change.asname).with_changes(comma=aliases[place].comma)
            left = {place for place, alias in enumerate(statement.names) if not changes[alias].name}
            renamed = node.with_changes(module=_dotted(module), relative=[], names=aliases)
            return [_dropped(renamed, left) if left else renamed]
        if len(gone) == len(aliases):
            # Only what is added is left: it takes the places of the first ones.
            for place, (name, asname) in enumerate(added[: len(aliases)]):
                aliases[place] = _alias(name, asname).with_changes(comma=aliases[place].comma)
                gone.remove(place)
            added = added[len(aliases) :]
        if len(gone) < len(aliases):
            rest = _dropped(node.with_changes(names=aliases), gone) if gone else node.with_changes(names=aliases)
            for name, asname in added:
                rest = _joined(rest, _alias(name, asname))
            result.append(rest)
        for module, names in moved.items():
            result.append(cst.ImportFrom(module=_dotted(module), names=_separated(names)))
        return result


def _modules_named(statement: ast.AST) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    return [statement.module or ""] if isinstance(statement, ast.ImportFrom) and not statement.level else []


def _order(names: list[str]) -> Callable[[str], str] | None:
    """The key by which names are sorted, if they are."""
    for key in (str.lower, str):
        if len(names) > 1 and _is_sorted(names, key):
            return key
    return None


def _is_sorted(names: list[str], key: Callable[[str], str]) -> bool:
    written = [key(name) for name in names]
    return written == sorted(written)


def _sorted_again(names: list[cst.ImportAlias], key: Callable[[str], str]) -> list[cst.ImportAlias]:
    """Put names in their order; a comment behind a name goes along, and one on a line of its own keeps all in place."""
    commas = [each.comma for each in names]
    if any(
        isinstance(comma, cst.Comma)
        and isinstance(comma.whitespace_after, cst.ParenthesizedWhitespace)
        and any(line.comment is not None for line in comma.whitespace_after.empty_lines)
        for comma in commas
    ) or (any(map(_comment_behind, names)) and not isinstance(commas[-1], cst.Comma)):
        return names
    ordered = sorted(names, key=lambda each: key(each.evaluated_name))
    return [_with_comma(each, comma) for each, comma in zip(ordered, commas, strict=True)]


def _comment_behind(name: cst.ImportAlias) -> cst.TrailingWhitespace | None:
    """The end of a name's line, where there is a comment."""
    space = name.comma.whitespace_after if isinstance(name.comma, cst.Comma) else None
    if isinstance(space, cst.ParenthesizedWhitespace) and space.first_line.comment is not None:
        return space.first_line
    return None


def _with_comma(name: cst.ImportAlias, comma: cst.Comma | cst.MaybeSentinel) -> cst.ImportAlias:
    """A name with the comma of another place and its own comment."""
    own = _comment_behind(name)
    if isinstance(comma, cst.Comma) and isinstance(comma.whitespace_after, cst.ParenthesizedWhitespace):
        line = own or comma.whitespace_after.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
        comma = comma.with_changes(whitespace_after=comma.whitespace_after.with_changes(first_line=line))
    return name.with_changes(comma=comma)


def _dropped(node: cst.ImportFrom, gone: set[int]) -> cst.ImportFrom:
    assert not isinstance(node.names, cst.ImportStar)
    none = cst.SimpleWhitespace("")
    if node.lpar is None or node.rpar is None:
        names, _, _ = without(node.names, gone, none, none)
        return node.with_changes(names=[*names[:-1], names[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)])
    names, lead, tail = without(node.names, gone, node.lpar.whitespace_after, node.rpar.whitespace_before)
    return node.with_changes(
        names=names,
        lpar=node.lpar.with_changes(whitespace_after=lead),
        rpar=node.rpar.with_changes(whitespace_before=tail),
    )


def _joined(node: cst.ImportFrom, new: cst.ImportAlias) -> cst.ImportFrom:
    """Add a name: in its place where the names are sorted, else last."""
    assert not isinstance(node.names, cst.ImportStar)
    names = list(node.names)
    written = [each.evaluated_name for each in names]
    place = len(names)
    for key in (str.lower, str):
        if [*map(key, written)] == sorted(map(key, written)) and len(names) > 1:
            place = sum(key(each) < key(new.evaluated_name) for each in written)
            break
    separator = next((each.comma for each in names[:-1]), None)
    if not isinstance(separator, cst.Comma):
        lead = node.lpar.whitespace_after if node.lpar is not None else None
        own_lines = isinstance(lead, cst.ParenthesizedWhitespace)
        separator = cst.Comma(whitespace_after=lead if own_lines and lead else cst.SimpleWhitespace(" "))
    if isinstance(separator.whitespace_after, cst.ParenthesizedWhitespace):
        space = separator.whitespace_after
        plain = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
        separator = separator.with_changes(whitespace_after=space.with_changes(first_line=plain, empty_lines=[]))
    if place < len(names):
        names.insert(place, new.with_changes(comma=separator))
        return node.with_changes(names=names)
    last = names[-1]
    new = new.with_changes(comma=last.comma)
    if isinstance(last.comma, cst.Comma) and isinstance(last.comma.whitespace_after, cst.ParenthesizedWhitespace):
        # The comment behind the last name is that name's.
        first = last.comma.whitespace_after.first_line
        if first.comment is not None and isinstance(separator.whitespace_after, cst.ParenthesizedWhitespace):
            between = separator.whitespace_after.with_changes(first_line=first)
            separator = separator.with_changes(whitespace_after=between)
            bare = first.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
            closing = last.comma.whitespace_after.with_changes(first_line=bare)
            new = new.with_changes(comma=last.comma.with_changes(whitespace_after=closing))
    return node.with_changes(names=[*names[:-1], last.with_changes(comma=separator), new])


def _is_inside(scope: Scope | None, around: Scope) -> bool:
    """Whether a scope stands in another one."""
    while scope is not None and scope is not around:
        scope = scope.parent
    return scope is around


def _decided(path: Path) -> list[tuple[ast.AST, str]]:
    """The steps of a path that are taken or not; the body of a `with` or of a `try` always runs."""
    return [step for step in path if step[1] != "try" and not isinstance(step[0], (ast.With, ast.AsyncWith))]


def _alias(name: str, asname: str) -> cst.ImportAlias:
    return cst.ImportAlias(cst.Name(name), asname=cst.AsName(cst.Name(asname)) if asname else None)


def _separated(names: list[cst.ImportAlias]) -> list[cst.ImportAlias]:
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    return [*(each.with_changes(comma=comma) for each in names[:-1]), names[-1]]


def _dotted(path: str) -> cst.Name | cst.Attribute:
    head, _, last = path.rpartition(".")
    return cst.Attribute(_dotted(head), cst.Name(last)) if head else cst.Name(last)


def _place(node: ast.AST) -> tuple[int, int]:
    return (getattr(node, "lineno", 1), getattr(node, "col_offset", 0))


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def _first_code(view: ModuleView) -> int:
    """The offset of the first line behind the comments at the top: the shebang, the encoding, the licence."""
    starts = view.region.line_starts
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(view.text)
        if not view.text[start:end].startswith("#"):
            return start
    return len(view.text)

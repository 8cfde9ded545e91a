"""AdamW of transformers that one module of a repository gets from another: a part of V5107.

Torch's has other defaults, so that a module which gets the name from another one cannot be left as it is when that
imports torch's. Each of them imports torch's itself, and the module in the middle changes only where all that get the
name from it do so in the same run.
"""

from __future__ import annotations

import ast
import os.path

from v5lint.patterns import pattern
from v5lint.rules.knowledge import lookup
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

_PACKAGE = "transformers"

#: A comment that may silence the finding, and with it the fix.
_SILENCED = pattern(r"#.*\b(?:noqa|v5lint)\b")


def imports(view: ModuleView, name: str) -> Iterator[Binding]:
    """The imports that get a class of transformers, which is gone, from another module of the repository."""
    for statement in view.tree.nodes.get(ast.ImportFrom, ()):
        assert isinstance(statement, ast.ImportFrom)
        if not statement.level and (statement.module or "").partition(".")[0] in (_PACKAGE, "torch"):
            continue
        for alias in statement.names:
            if alias.name != name or view.guards.is_dead(alias) or view.guards.handled(alias) is not None:
                continue
            for binding in view.tree.scope_of(statement).bindings.get(alias.asname or name, ()):
                if binding.node is alias and _is_gone(view, binding, name):
                    yield binding


def takers(view: ModuleView, binding: Binding) -> list[tuple[ModuleView, Binding]] | None:
    """The imports in other modules that get a name from this one; None where one of them is not in sight, or stays."""
    if binding.scope is not view.tree.scope:
        return None
    if binding.name in view.names.exported() or view.links.other_bindings(binding):
        return None
    if any(view.project.importers(file, binding.name) for file in view.project.starred_by(view.path)):
        return None
    found = []
    for file in view.project.importers(view.path, binding.name):
        other = view.project.view(file, view.settings)
        if other is None or not view.project.is_linted(file) or _SILENCED.search(other.text) is not None:
            return None
        mine = [each for each in imports(other, binding.name) if _comes_from(other, each, view.path)]
        if not mine or _gets_otherwise(other, mine, binding.name):
            return None
        found += [(other, each) for each in mine]
    return found


def is_public(view: ModuleView) -> bool:
    """Whether programs outside of the repository may get names from a module as well: it is a package's first."""
    return view.path.endswith("__init__.py")


def _is_gone(view: ModuleView, binding: Binding, name: str) -> bool:
    values = view.names.imported_values(binding)
    return bool(values) and all(
        isinstance(each, External)
        and each.package == _PACKAGE
        and each.name == name
        and lookup.removed_in(each.path, view.settings.target) is not None
        for each in values
    )


def _comes_from(view: ModuleView, binding: Binding, path: str) -> bool:
    statement = binding.statement
    assert isinstance(statement, ast.ImportFrom)
    file = view.project.module_file(view.names.module_of(statement), view.path)
    return file is not None and os.path.realpath(file) == os.path.realpath(path)


def _gets_otherwise(view: ModuleView, mine: list[Binding], name: str) -> bool:
    """Whether a module names the class in another way than by these imports, as an attribute or in a text."""
    nodes = {each.node for each in mine}
    for alias in view.tree.nodes.get(ast.alias, ()):
        if isinstance(alias, ast.alias) and alias.name == name and alias not in nodes:
            return True
    attributes = [each.attr for each in view.tree.nodes.get(ast.Attribute, ()) if isinstance(each, ast.Attribute)]
    texts = [each.value for each in view.tree.nodes.get(ast.Constant, ()) if isinstance(each, ast.Constant)]
    return name in attributes or any(isinstance(each, str) and each.rpartition(".")[2] == name for each in texts)

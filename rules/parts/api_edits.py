"""Rewrites of what is gone from transformers: the new path in the place of the old one, or the import taken out."""

from __future__ import annotations

import ast
import re
import sys

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import library, removed_api
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from v5lint.edits.imports import ImportEdits
    from v5lint.rule import Applicability
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: What is installed wherever transformers 5 runs a model. Of any other package transformers' own import was guarded:
#: the name was None, or not there, where the package is not, and an import of it would fail.
_INSTALLED = frozenset(
    "transformers huggingface_hub tokenizers safetensors numpy packaging regex tqdm filelock torch accelerate".split()
)

#: So many new paths are named by a fix that imports more of them.
_NAMED = 3


class Rewrites:
    """The fixes of one module for one rule; imports of one scope that are alike are changed together."""

    def __init__(self, view: ModuleView) -> None:
        self.view = view
        self._groups: dict[tuple[object, str, str, str], list[Lost]] = {}
        self._fixes: dict[tuple[object, str, str, str], Fix] = {}

    def to_new(self, lost: Lost, safety: Applicability) -> Fix | None:
        """The fix that puts `lost.new` in the place of what is gone; None where it cannot be written there."""
        new = lost.new
        requires = lost.removal.replacement.since if lost.removal.replacement is not None else ""
        if not new.startswith("transformers."):
            requires = ""
        how = lost.reference.how
        if "." not in new:
            return None  # another package as a whole: `import requests`, whatever this code does with it
        if safety == "safe" and not _is_installed(self.view, new.partition(".")[0]):
            safety = "unsafe"
        if how == "import":
            fix = self._grouped("new", lost, safety, requires, "")
            fix.message = f"Import {_named(self._together(fix))} instead"
            return fix
        edits = _edits(self.view, lost)
        if edits is None:
            return None
        if how == "string" or (how == "getattr" and _is_looked_up_elsewhere(self.view, lost.reference.node)):
            safety = "unsafe" if safety == "safe" else safety  # who reads the string is not seen
        return Fix(f"Use `{new}`", edits, applicability=safety, requires=requires)

    def _together(self, fix: Fix) -> list[Lost]:
        """What one fix imports from elsewhere."""
        return next(self._groups[key] for key, each in self._fixes.items() if each is fix)

    def without(self, lost: Lost) -> Fix | None:
        """The fix that no longer imports what is gone and what nothing uses; None where something may."""
        binding = lost.reference.binding
        if binding is None or not is_unused(self.view, binding):
            return None
        if lost.gone_module and any(not is_unused(self.view, each) for each in _imported_with(binding)):
            return None  # the statement fails for the others' sake: nothing would be won
        return self._grouped("without", lost, "safe", "", "Remove the unused import")

    def _grouped(self, kind: str, lost: Lost, safety: Applicability, requires: str, message: str) -> Fix:
        binding = lost.reference.binding
        assert binding is not None
        key = (binding.scope, kind, safety, requires)
        group = self._groups.setdefault(key, [])
        group.append(lost)
        if key not in self._fixes:
            build = self._building(group, _rename if kind == "new" else _remove)
            self._fixes[key] = Fix(message, build, applicability=safety, requires=requires)
        return self._fixes[key]

    def _building(
        self, group: list[Lost], change: Callable[[ModuleView, ImportEdits, Lost], list[Edit]]
    ) -> Callable[[], list[Edit]]:
        def build() -> list[Edit]:
            from v5lint.edits.imports import ImportEdits

            imports = ImportEdits(self.view)
            uses = [edit for lost in group for edit in change(self.view, imports, lost)]
            return [*imports.edits(), *uses]

        return build


def _is_installed(view: ModuleView, package: str) -> bool:
    """Whether a package is there for certain: it is Python's own, transformers needs it, or this module imports it."""
    if package in _INSTALLED or package in sys.stdlib_module_names:
        return True
    parents = view.tree.parents
    statements = [parents[each.node] for each in view.imports(package) if isinstance(each.node, ast.alias)]
    return any(isinstance(parents[each], ast.Module) for each in statements)


def _named(group: list[Lost]) -> str:
    """The paths that take the place of what is gone, the first ones by name."""
    paths = list(dict.fromkeys(f"`{each.new}`" for each in group))
    rest = len(paths) - _NAMED
    return ", ".join(paths) if rest <= 0 else f"{', '.join(paths[:_NAMED])} and {rest} more"


def _imported_with(binding: Binding) -> list[Binding]:
    """What the statement that binds a name binds."""
    every = (each for bindings in binding.scope.bindings.values() for each in bindings)
    return [each for each in every if each.statement is binding.statement]


def _is_looked_up_elsewhere(view: ModuleView, node: ast.AST) -> bool:
    """Whether a name stands in a table of modules and names that another module reads."""
    return isinstance(view.tree.parents[node], (ast.Tuple, ast.List)) and not view.links.calls_named("getattr")


def is_unused(view: ModuleView, binding: Binding) -> bool:
    """Whether nothing can read the name that an import binds, in this module or through it."""
    return not (view.links.uses(binding) or _is_named(view, binding.name) or is_handed_on(view, binding))


def import_for(view: ModuleView, node: ast.expr) -> Binding | None:
    """The `import module` that is there for one dotted name alone: for `module.name`, which goes.

    None where it imports something else as well, or where the name may be wanted elsewhere.
    """
    while isinstance(node, ast.Attribute):
        node = node.value
    bindings = view.links.bindings_read(node) if isinstance(node, ast.Name) else []
    if len(bindings) != 1 or not isinstance(bindings[0].statement, ast.Import):
        return None
    (binding,) = bindings
    is_one = len(bindings[0].statement.names) == 1 and len(binding.owner.bindings.get(binding.name, ())) == 1
    if not is_one or len(view.links.uses(binding)) != 1 or _is_named(view, binding.name):
        return None
    return None if is_handed_on(view, binding) else binding


def is_handed_on(view: ModuleView, binding: Binding) -> bool:
    """Whether other modules get a name from this one, or may get it through a package that takes everything."""
    if library.is_handed_on(view, binding):
        return True
    if binding.scope is not view.tree.scope:
        return False
    between = view.project.starred_by(view.path)
    return any(view.project.importers(file, binding.name) for file in between)


def _is_named(view: ModuleView, name: str) -> bool:
    """Whether a text holds a name: `Union["Name", "Other"]` outside of an annotation, a table of classes by name."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    if len(word.findall(view.text)) < 2:
        return False
    annotations = {constant for constant, _ in view.tree.annotations}
    return any(
        isinstance(node.value, str) and word.search(node.value) and not isinstance(view.tree.parents[node], ast.Expr)
        for node in view.tree.nodes.get(ast.Constant, ())
        if isinstance(node, ast.Constant) and node not in annotations
    )


def _rename(view: ModuleView, imports: ImportEdits, lost: Lost) -> list[Edit]:
    binding = lost.reference.binding
    assert binding is not None
    module, _, name = lost.new.rpartition(".")
    keep = is_handed_on(view, binding) or _is_named(view, binding.name)
    bound = imports.rename(binding, name, module, keep=keep)
    if bound == binding.name:
        return []
    return [Edit(*view.name_span(use), bound) for use in view.links.uses(binding)]


def _remove(view: ModuleView, imports: ImportEdits, lost: Lost) -> list[Edit]:
    assert lost.reference.binding is not None
    imports.remove(lost.reference.binding)
    return []


def _edits(view: ModuleView, lost: Lost) -> list[Edit] | Callable[[], list[Edit]] | None:
    """The edits where the name stands by itself."""
    reference, new = lost.reference, lost.new
    node = reference.node
    module, _, name = new.rpartition(".")
    if reference.how == "module":
        assert isinstance(node, ast.alias)
        return _module_edits(view, node, reference.path, new) if lost.removal.kind == "module" else None
    if reference.how in ("getattr", "string", "import_module"):
        old = reference.path
        if reference.how == "getattr":
            old, new = (reference.name, name) if reference.path.rpartition(".")[0] == module else ("", "")
        written = view.source(node)
        if not old or not isinstance(node, ast.Constant) or written.count(old) != 1:
            return None
        start = view.span(node)[0] + written.index(old)
        return [Edit(start, start + len(old), new)]
    if isinstance(node, ast.Attribute):
        if External(module) in view.values(node.value):
            return [Edit(*view.name_span(node), name)] if name != node.attr else None
        root = library.root_of(node)
        if module == "transformers" and External(module) in view.values(root):
            return [view.replace(node, f"{view.source(root)}.{name}")]
    if isinstance(node, (ast.Attribute, ast.Name)):
        return lambda: _imported_for(view, node, module, name)
    return None


def _imported_for(view: ModuleView, node: ast.Attribute | ast.Name, module: str, name: str) -> list[Edit]:
    from v5lint.edits.imports import ImportEdits

    imports = ImportEdits(view)
    written = imports.use(module, name, node)
    if isinstance(node, ast.Name):
        return [Edit(*view.name_span(node), written), *imports.edits()]
    return [view.replace(node, written), *imports.edits()]


def _star_edits(view: ModuleView, alias: ast.alias, old: str, new: str) -> list[Edit]:
    """The new module in the place of the old one, and an import of each name that this file takes through it.

    Modules of v5 have an `__all__`, which leaves out much of what the old ones gave.
    """
    from v5lint.edits.imports import ImportEdits

    statement = view.tree.parents[alias]
    head = view.source(statement).partition("import")[0]
    at = view.span(statement)[0] + head.rindex(old)
    imports = ImportEdits(view)
    edits = [Edit(at, at + len(old), new)]
    for node, path in removed_api.through_star(view, old):
        module, _, name = path.rpartition(".")
        written = imports.use(module, name, node)
        if written != node.id:
            edits.append(Edit(*view.name_span(node), written))
    return [*edits, *imports.edits()]


def _module_edits(
    view: ModuleView, alias: ast.alias, old: str, new: str
) -> list[Edit] | Callable[[], list[Edit]] | None:
    """`import a.old` becomes `import a.new`, where what follows it is found under another path too."""
    if alias.name == "*":
        return lambda: _star_edits(view, alias, old, new)
    if alias.name != old:
        return None
    if not alias.asname and old.partition(".")[0] != new.partition(".")[0]:
        return None
    start = view.span(alias)[0]
    return [Edit(start, start + len(old), new)]

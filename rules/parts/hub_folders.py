"""`HfFolder` and the functions that took the place of its methods.

Not a rule: the rules of names that huggingface_hub or transformers lost ask for the fix.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import hub, library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView, Reference

NAME = "HfFolder"

#: What takes the place of the methods of HfFolder, and whether nothing else changes: `login` asks the Hub first.
_METHODS = {"get_token": ("get_token", True), "delete_token": ("logout", True), "save_token": ("login", False)}


def as_functions(view: ModuleView, references: list[Reference]) -> Fix | None:
    """Put functions in the place of the methods of HfFolder, everywhere in the module."""
    uses: list[tuple[ast.expr, str]] = []
    safe = True
    for reference in references:
        if reference.how == "import":
            binding = reference.binding
            if binding is None or library.is_handed_on(view, binding):
                return None
            nodes: list[ast.AST] = [*view.links.uses(binding)]
        elif reference.how == "attribute":
            nodes = [reference.node]
        else:
            return None
        for node in nodes:
            method = _method_of(view, node)
            if method is None or method.attr not in _METHODS or (isinstance(node, ast.Name) and _is_quoted(view, node)):
                return None
            new, is_drop_in = _METHODS[method.attr]
            safe = safe and is_drop_in
            uses.append((method, new))

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        edits = []
        for reference in references:
            if reference.binding is not None:
                new = next((name for node, name in uses if _is_use(view, reference, node)), "")
                if new:
                    imports.rename(reference.binding, new, hub.PACKAGE)
                else:
                    imports.remove(reference.binding)
        for node, name in uses:
            edits.append(view.replace(node, _written(view, imports, node, name, references)))
        return [*edits, *imports.edits()]

    return Fix("Use the functions that took its place", build, applicability="safe" if safe else "unsafe")


def _written(view: ModuleView, imports: object, node: ast.expr, name: str, references: list[Reference]) -> str:
    from v5lint.edits.imports import ImportEdits

    assert isinstance(imports, ImportEdits)
    root = library.root_of(node)
    bound = [each for each in references if each.binding is not None and _is_use(view, each, node)]
    if not bound and isinstance(root, ast.Name):
        return f"{root.id}.{name}" if view.is_of(root, hub.PACKAGE) else name
    return imports.use(hub.PACKAGE, name, node)


def _is_use(view: ModuleView, reference: Reference, method: ast.expr) -> bool:
    assert isinstance(method, ast.Attribute)
    inner = method.value.func if isinstance(method.value, ast.Call) else method.value
    return reference.binding is not None and inner in view.links.uses(reference.binding)


def _method_of(view: ModuleView, node: ast.AST) -> ast.Attribute | None:
    """The attribute that is read from HfFolder, or from an object of it."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Call) and parent.func is node:
        parent = view.tree.parents[parent]
    return parent if isinstance(parent, ast.Attribute) else None


def _is_quoted(view: ModuleView, node: ast.Name) -> bool:
    return view.names.quoted_span(node) is not None

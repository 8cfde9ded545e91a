"""Putting one class of transformers in the place of another where objects are loaded with it, imports included."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import library
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rule import Applicability
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: Modules that have every Auto class.
_WITH_AUTO = frozenset({"transformers", "transformers.models.auto"})


def import_of(view: ModuleView, owner: ast.expr) -> Binding | None:
    """The one import that a name is bound by."""
    bindings = view.links.bindings_read(owner) if isinstance(owner, ast.Name) else []
    return bindings[0] if len(bindings) == 1 and bindings[0].kind == "import" else None


def names_class(view: ModuleView, owner: ast.expr, old: str) -> bool:
    """Whether an expression is a class itself, written where it is used, and not a variable that holds it."""
    if isinstance(owner, ast.Attribute):
        is_named = owner.attr == old
    else:
        bindings = view.links.bindings_read(owner) if isinstance(owner, ast.Name) else []
        is_named = isinstance(owner, ast.Name) and len(bindings) <= 1 and all(b.kind == "import" for b in bindings)
    return is_named and all(
        isinstance(v, External) and v.package == "transformers" and v.name == old for v in view.values(owner)
    )


def swap(
    view: ModuleView, owners: list[ast.expr], old: str, new: str, *, safety: Applicability = "safe", requires: str = ""
) -> Fix | None:
    """The fix that puts another class in the place of one, at some of the places where it is read.

    Args:
        view: the module.
        owners: the places: names that one import binds, or a single attribute.
        old: the class there.
        new: the class wanted.
        safety: the applicability.
        requires: the release that has the new class.

    Returns:
        None where the places cannot be rewritten.
    """
    message = f"Load it with `{new}`"
    if not all(names_class(view, owner, old) for owner in owners):
        return None
    if isinstance(owners[0], ast.Attribute):
        edits = [_attribute_edit(view, owner, new) for owner in owners if isinstance(owner, ast.Attribute)]
        found = [each for each in edits if each is not None]
        return Fix(message, found, applicability=safety, requires=requires) if len(found) == len(owners) else None
    binding = import_of(view, owners[0])
    renames = (
        binding is not None
        and isinstance(binding.statement, ast.ImportFrom)
        and not library.is_handed_on(view, binding)
        and {*view.links.uses(binding)} <= {*owners}
    )
    if not renames and not all(library.is_free(view, new, owner) for owner in owners):
        return None

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        if renames and binding is not None:
            bound = imports.rename(binding, new, "transformers")
        else:
            bound = imports.use("transformers", new, owners[0], beside=binding)
        uses = [owner for owner in owners if isinstance(owner, ast.Name) and owner.id != bound]
        return [*imports.edits(), *(Edit(*view.name_span(use), bound) for use in uses)]

    return Fix(message, build, applicability=safety, requires=requires)


def _attribute_edit(view: ModuleView, owner: ast.Attribute, new: str) -> Edit | None:
    modules = {each.path for each in view.values(owner.value) if isinstance(each, External)}
    if modules == {"transformers"} or (new.startswith("Auto") and modules <= _WITH_AUTO):
        return Edit(*view.name_span(owner), new)
    root = library.root_of(owner)
    if External("transformers") in view.values(root):
        return view.replace(owner, f"{view.source(root)}.{new}")
    return None

"""Names of classes as strings, compared with the name of an object's class: `type(x).__name__ == "ViTModel"`.

Not a rule: V5001 asks for the names of removed extractors, V5919 for names that are only another name of a class.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: `*ImageProcessor` came with 4.25.
_SINCE = "4.25"


def removed_extractors(view: ModuleView) -> Iterator[Finding]:
    """Yield the names of removed classes that are compared with that of an object's class: nothing has them now."""
    removed = lookup.vision_feature_extractors()
    for name, asked in compared(view):
        old = str(name.value)
        new = removed.get(old)
        if new is None or new in asked:
            continue
        message = f"no object is a `{old}` since transformers 5.0: ask for `{new}`, best with `isinstance`"
        yield view.finding(name, message, fix=asking_for(view, name, new, _SINCE))


def compared(view: ModuleView) -> Iterator[tuple[ast.Constant, frozenset[str]]]:
    """Yield the strings that are compared with the name of an object's class, with all that are beside them.

    Comparisons that are joined by `or` (or, denied, by `and`) count as one; those in dead code are not given.
    """
    if not any(True for _ in view.imports("transformers")):
        return
    for test in view.tree.nodes.get(ast.Compare, ()):
        assert isinstance(test, ast.Compare)
        names = [*_names(view, test)]
        if not names or view.guards.is_dead(test):
            continue
        around = view.tree.parents[test]
        beside = around.values if isinstance(around, ast.BoolOp) else [test]
        asked = frozenset(
            str(each.value) for other in beside if isinstance(other, ast.Compare) for each in _names(view, other)
        )
        yield from ((name, asked) for name in names)


def asking_for(view: ModuleView, name: ast.Constant, new: str, since: str) -> Fix | None:
    """The fix that asks for another name; None where the string is written in parts."""
    start, end = view.span(name)
    at = view.text.find(str(name.value), start, end)
    if at < 0:
        return None
    edit = Edit(at, at + len(str(name.value)), new)
    return Fix(f"Ask for `{new}`", [edit], applicability="unsafe", requires=since)


def object_named(view: ModuleView, node: ast.expr) -> ast.expr | None:
    """The object whose class's name an expression is: `x` of `type(x).__name__` and `x.__class__.__name__`."""
    if not isinstance(node, ast.Attribute) or node.attr not in ("__name__", "__qualname__"):
        return None
    return library.object_of(view, node.value)


def _names(view: ModuleView, test: ast.Compare) -> Iterator[ast.Constant]:
    sides = [test.left, *test.comparators]
    if any(isinstance(each, ast.Attribute) and each.attr == "__name__" for each in sides):
        for side in sides:
            yield from _written_texts(view, side)


def _written_texts(view: ModuleView, node: ast.expr) -> list[ast.Constant]:
    """The strings that are written in an expression, in a list of them, or where its only name is assigned."""
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        node = bindings[0].value or node if len(bindings) == 1 and bindings[0].kind == "assign" else node
    given = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    return [each for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]

"""Names of removed classes as strings, compared with the name of an object's class: a part of V5001."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: `*ImageProcessor` came with 4.25.
_SINCE = "4.25"


def check(view: ModuleView) -> Iterator[Finding]:
    """Yield the names of removed classes that are compared with that of an object's class: nothing has them now."""
    removed = lookup.vision_feature_extractors()
    for test in view.tree.nodes.get(ast.Compare, ()):
        assert isinstance(test, ast.Compare)
        sides = [test.left, *test.comparators]
        if not any(isinstance(each, ast.Attribute) and each.attr == "__name__" for each in sides):
            continue
        names = [each for side in sides for each in _written_texts(view, side) if each.value in removed]
        if not names or view.guards.is_dead(test) or not any(True for _ in view.imports("transformers")):
            continue
        around = view.tree.parents[test]
        asked = ast.unparse(around if isinstance(around, ast.BoolOp) else test)
        for name in names:
            old = str(name.value)
            new = removed[old]
            if new in asked or any(each.value == new for side in sides for each in _written_texts(view, side)):
                continue  # it asks for both
            start, end = view.span(name)
            at = view.text.find(old, start, end)
            edits = [Edit(at, at + len(old), new)] if at >= 0 else []
            message = f"no object is a `{old}` since transformers 5.0: ask for `{new}`, best with `isinstance`"
            fix = Fix(f"Ask for `{new}`", edits, applicability="unsafe", requires=_SINCE) if edits else None
            yield view.finding(name, message, fix=fix)


def _written_texts(view: ModuleView, node: ast.expr) -> list[ast.Constant]:
    """The strings that are written in an expression, in a list of them, or where its only name is assigned."""
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        node = bindings[0].value or node if len(bindings) == 1 and bindings[0].kind == "assign" else node
    given = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    return [each for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]

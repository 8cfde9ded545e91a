"""Large tables of data in a module: taken out of its tree, of which they would be nearly all."""

from __future__ import annotations

import ast

#: A literal of more items, nothing but data, is a table: a dictionary of pronunciations, the words of a language.
_MOST_ITEMS = 1_000

#: What stands for the items. No program binds it, so that its values are unknown.
_ITEMS = "<data>"

_LITERALS = (ast.Dict, ast.List, ast.Tuple, ast.Set)


def without_tables(tree: ast.Module) -> None:
    """Put `{**<data>}` in the place of each large dict of a module, and `[*<data>]` in that of each list.

    A file of 7.5 MB that holds 126,000 pronunciations has 1.2 million nodes, all of them constants that no rule reads.

    Args:
        tree: the module; it is changed.
    """
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, _LITERALS) and _is_table(node):
            items = ast.copy_location(ast.Name(_ITEMS, ast.Load()), node)
            if isinstance(node, ast.Dict):
                node.keys, node.values = [None], [items]
            else:
                node.elts = [ast.copy_location(ast.Starred(items, ast.Load()), node)]
        else:
            stack += ast.iter_child_nodes(node)


def _is_table(node: ast.Dict | ast.List | ast.Tuple | ast.Set) -> bool:
    """Whether a literal is large, and holds constants and literals of constants alone."""
    if len(node.values if isinstance(node, ast.Dict) else node.elts) <= _MOST_ITEMS:
        return False
    stack: list[ast.AST] = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, ast.Dict):
            if None in at.keys:
                return False
            stack += at.keys  # type: ignore[arg-type]
            stack += at.values
        elif isinstance(at, (ast.List, ast.Tuple, ast.Set)):
            stack += at.elts
        elif isinstance(at, ast.UnaryOp):
            stack.append(at.operand)
        elif not isinstance(at, ast.Constant):
            return False
    return True

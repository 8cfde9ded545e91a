"""Edits to the operands of `and` and `or`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from v5lint.rule import Edit

if TYPE_CHECKING:
    from v5lint.view.module import ModuleView


def without_operand(view: ModuleView, operand: ast.expr) -> Edit | None:
    """Take an operand out of an `and` or `or`, together with the operator before it, or after it if it is the first.

    Args:
        view: the module.
        operand: the operand.

    Returns:
        The edit; None where the operand stands alone, in parentheses of its own, or beside a comment.
    """
    whole = view.tree.parents.get(operand)
    if not isinstance(whole, ast.BoolOp):
        return None
    place = whole.values.index(operand)
    start, end = view.span(operand)
    if place:
        start, between = view.span(whole.values[place - 1])[1], start
        operator = view.text[start:between]
    else:
        between, end = end, view.span(whole.values[1])[0]
        operator = view.text[between:end]
    return Edit(start, end, "") if operator.strip(" \t\f\r\n\\") in ("and", "or") else None

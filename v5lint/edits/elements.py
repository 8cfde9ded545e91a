"""Edits to the elements of a list, tuple or set literal."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from v5lint.rule import Edit, FixUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from v5lint.view.module import ModuleView


def remove_element(
    view: ModuleView, sequence: ast.List | ast.Tuple | ast.Set, element: ast.expr, kept: Collection[ast.expr]
) -> list[Edit]:
    """Take one element out; the edits of several elements of one literal do not meet.

    Args:
        view: the module.
        sequence: the literal.
        element: what goes.
        kept: the elements that stay when all are gone that go.

    Raises:
        FixUnavailableError: there are comments or brackets around the element, or nothing would be left.
    """
    elements = sequence.elts
    at = elements.index(element)
    staying = [place for place, each in enumerate(elements) if each in kept]
    if not staying or at in staying:
        raise FixUnavailableError("nothing is left of the literal")
    start, end = view.span(element)
    forward = staying[-1] > at
    if forward:
        end = view.span(elements[at + 1])[0]
    else:
        start = view.span(elements[at - 1])[1]
    between = view.text[view.span(element)[1] : end] if forward else view.text[start : view.span(element)[0]]
    if between.strip() != ",":
        raise FixUnavailableError("there is more than a comma between the elements")
    edits = [Edit(start, end, "")]
    if isinstance(sequence, ast.Tuple) and len(staying) == 1 and abs(staying[0] - at) == 1:
        edits += _comma_behind(view, sequence, elements[staying[0]], end)
    return edits


def _comma_behind(view: ModuleView, sequence: ast.Tuple, only: ast.expr, end: int) -> list[Edit]:
    """The comma that makes a tuple of the last element left, unless it has one."""
    behind = view.text[view.span(sequence.elts[-1])[1] : view.span(sequence)[1]]
    place = max(view.span(only)[1], end)
    return [] if "," in behind else [Edit(place, place, ",")]

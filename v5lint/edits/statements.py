"""Taking whole statements out, with their lines."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from v5lint.edits.slices import newline_of
from v5lint.rule import Edit, FixUnavailableError

if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

_PURE = (
    ast.Name,
    ast.Attribute,
    ast.Constant,
    ast.Compare,
    ast.BoolOp,
    ast.UnaryOp,
    ast.expr_context,
    ast.boolop,
    ast.unaryop,
    ast.cmpop,
)


def delete_statement(view: ModuleView, statement: ast.stmt) -> Edit:
    """The edit that takes a statement out.

    Its line goes with its comment, and comments above it stay. A block that would be empty keeps a `pass`; an `if`
    without another arm, whose test has no effect, goes whole.
    """
    block = block_of(view, statement)
    if len(block) == 1:
        parent = view.tree.parents[statement]
        if (
            isinstance(parent, ast.If)
            and block is parent.body
            and not parent.orelse
            and all(isinstance(each, _PURE) for each in ast.walk(parent.test))
            and not is_elif(view, parent)
        ):
            return delete_statement(view, parent)
        if not isinstance(parent, ast.Module):
            return view.replace(statement, "pass")
    start, end = view.span(statement)
    row = statement.lineno
    line_start = view.offset(row, 0)
    line_end = _line_end(view, end)
    before, after = view.text[line_start:start], view.text[end:line_end]
    if not before.strip() and (not after.strip() or after.lstrip().startswith("#")):
        return Edit(line_start, _next_line(view.text, line_end), "")
    index = block.index(statement)
    if index + 1 < len(block) and block[index + 1].lineno == (statement.end_lineno or row):
        return Edit(start, view.span(block[index + 1])[0], "")
    if index and block[index - 1].end_lineno == row:
        return Edit(view.span(block[index - 1])[1], end, "")
    return view.replace(statement, "pass")


def delete_decorator(view: ModuleView, decorator: ast.expr) -> Edit:
    """The edit that takes a decorator out, with its line and its comment."""
    return Edit(view.offset(decorator.lineno, 0), _next_line(view.text, _line_end(view, view.span(decorator)[1])), "")


def under(view: ModuleView, statement: ast.stmt, test: str) -> Edit:
    """The edit that puts a statement which has its line for itself under an `if`.

    Raises:
        FixUnavailableError: another statement stands in its line.
    """
    start, end = view.span(statement)
    indent = view.text[view.offset(statement.lineno, 0) : start]
    rest = view.text[end : end_of_line(view, statement)].strip()
    if indent.strip() or not (not rest or rest.startswith("#")):
        raise FixUnavailableError("another statement stands in the line")
    parent = view.tree.parents[statement]
    outer = getattr(parent, "col_offset", 0)  # as much deeper as this block is than the one around it
    deeper = indent + (indent[outer:] or "    ")
    return Edit(start, start, f"if {test}:{newline_of(view.text)}{deeper}")


def block_of(view: ModuleView, statement: ast.stmt) -> list[ast.stmt]:
    """The list of statements that a statement is one of."""
    parent = view.tree.parents[statement]
    for field in ("body", "orelse", "finalbody"):
        block = getattr(parent, field, None)
        if isinstance(block, list) and statement in block:
            return block
    raise ValueError(f"{statement} is in no block")


def is_elif(view: ModuleView, statement: ast.If) -> bool:
    """Whether an `if` is written as `elif`."""
    start, _ = view.span(statement)
    return view.text.startswith("elif", start)


def _line_end(view: ModuleView, offset: int) -> int:
    ends = [found for found in (view.text.find("\n", offset), view.text.find("\r", offset)) if found >= 0]
    return min(ends, default=len(view.text))


def _next_line(text: str, line_end: int) -> int:
    return line_end + 2 if text[line_end : line_end + 2] == "\r\n" else min(line_end + 1, len(text))


def end_of_line(view: ModuleView, statement: ast.stmt) -> int:
    """The offset of the newline after a statement, behind its comment."""
    return _line_end(view, view.span(statement)[1])

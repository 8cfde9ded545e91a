"""From a node to its LibCST slice and back to the smallest edit."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, TypeVar

import libcst as cst

from v5lint.rule import Edit, FixUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from v5lint.view.module import ModuleView

Item = TypeVar("Item", cst.Arg, cst.DictElement, cst.ImportAlias)


#: LibCST's parser is quadratic in the terms of a sum and dies of ten thousand: deeper or longer code is not rewritten.
_MAX_DEPTH = 200
_MAX_LENGTH = 100_000


class UnsupportedSliceError(FixUnavailableError):
    """A slice that does not come back from LibCST as it went in: its fix is not offered."""


def rewrite_expression(
    view: ModuleView, node: ast.expr, change: Callable[[cst.BaseExpression], cst.BaseExpression]
) -> Edit:
    """The edit that changes an expression.

    Args:
        view: the module.
        node: the expression.
        change: from the parsed expression to the new one.

    Raises:
        UnsupportedSliceError: LibCST cannot parse the expression or does not render it as it was.
    """
    start, end = view.span(node)
    text = view.text[start:end]
    if _depth(node) > _MAX_DEPTH or len(text) > _MAX_LENGTH:
        raise UnsupportedSliceError("the expression is too deep for LibCST's parser")
    # In parentheses of its own a slice may hold newlines outside of its brackets.
    wrapped = f"({text})"
    try:
        parsed = cst.parse_expression(wrapped)
    except cst.ParserSyntaxError as error:
        raise UnsupportedSliceError(str(error)) from error
    render = _renderer(text)
    if render(parsed) != wrapped:
        raise UnsupportedSliceError(text)
    return smallest(start, text, render(change(parsed))[1:-1])


def rewrite_statement(
    view: ModuleView, start: int, end: int, change: Callable[[cst.BaseSmallStatement], list[cst.BaseSmallStatement]]
) -> Edit:
    """The edit that puts one or more small statements in the place of one.

    Args:
        view: the module.
        start: offset of its first character.
        end: offset after its last one.
        change: from the parsed statement to the new ones; they are written on lines of their own, at the same depth.
    """
    text = view.text[start:end]
    try:
        line = cst.parse_statement(text)
    except cst.ParserSyntaxError as error:
        raise UnsupportedSliceError(str(error)) from error
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        raise UnsupportedSliceError(text)
    render = _renderer(text)
    if render(line.body[0]) != text:
        raise UnsupportedSliceError(text)
    rendered = [render(each) for each in change(line.body[0])]
    line_start = view.region.line_starts[view.region.row_at(start)]
    indent = view.text[line_start:start]
    newline = newline_of(view.text)
    separator = newline + indent if not indent.strip() else "; "
    return Edit(start, end, separator.join(rendered))


def _depth(node: ast.AST) -> int:
    """How deep a tree is."""
    deepest = 0
    waiting = [(node, 1)]
    while waiting:
        at, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in ast.iter_child_nodes(at)]
    return deepest


def newline_of(text: str) -> str:
    """The newline that a text uses first; LF where it has none."""
    at = min((found for found in (text.find("\n"), text.find("\r")) if found >= 0), default=-1)
    if at < 0 or text[at] == "\n":
        return "\n"
    return "\r\n" if text[at : at + 2] == "\r\n" else "\r"


def _renderer(text: str) -> Callable[[cst.CSTNode], str]:
    module = cst.Module([], default_newline=newline_of(text))
    return module.code_for_node


def smallest(start: int, before: str, after: str) -> Edit:
    """The edit that turns one text into another, without the beginning and the end that they share."""
    head = 0
    limit = min(len(before), len(after))
    while head < limit and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < limit - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return Edit(start + head, start + len(before) - tail, after[head : len(after) - tail])


def without(
    items: Sequence[Item],
    dropped: set[int],
    lead: cst.BaseParenthesizableWhitespace,
    tail: cst.BaseParenthesizableWhitespace,
    commented: Collection[int] = (),
) -> tuple[list[Item], cst.BaseParenthesizableWhitespace, cst.BaseParenthesizableWhitespace]:
    """Take items out of a comma-separated list, keeping the comments that are not theirs and the layout of the rest.

    A comment at the end of a line goes with the item that has the line for itself; comments on lines of their own stay.

    Args:
        items: arguments, dict elements or imported names.
        dropped: the places of those that go.
        lead: the whitespace before the first item.
        tail: the whitespace between the last item, or its comma, and the closing bracket.
        commented: the places among them whose comment stays, on a line of its own.

    Returns:
        The items left, and the whitespace before and after them.
    """
    kept: list[Item] = []
    before = lead
    for place, item in enumerate(items):
        after = item.comma.whitespace_after if isinstance(item.comma, cst.Comma) else _NO_SPACE
        if place in dropped:
            after = _lowered(after, before) if place in commented else after
            if place < len(items) - 1:
                before = _merged(before, after, first=not kept)
        else:
            if kept:
                kept[-1] = _followed_by(kept[-1], before)
            else:
                lead = before
            kept.append(item)
            before = after
    if len(items) - 1 not in dropped:
        return kept, lead, tail
    last = items[-1]
    inner = _inner_tail(last)
    if len(items) - 1 in commented:
        inner, tail = (None, _lowered(tail, before)) if inner is None else (_lowered(inner, before), tail)
    end = _at_end(before, inner if inner is not None else tail)
    if not kept:
        return kept, end if _has_comment(end) else _NO_SPACE, _NO_SPACE
    if isinstance(last.comma, cst.Comma):
        comma = last.comma.with_changes(whitespace_after=end if inner is not None else _NO_SPACE)
        kept[-1] = kept[-1].with_changes(comma=comma)
    else:
        kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        if inner is not None:
            kept[-1] = kept[-1].with_changes(whitespace_after_arg=end)
    return kept, lead, tail if inner is not None else end


def _lowered(
    space: cst.BaseParenthesizableWhitespace, before: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """Whitespace behind an item, with the comment at the end of its line on a line of its own, as deep as the item."""
    if not isinstance(space, cst.ParenthesizedWhitespace) or space.first_line.comment is None:
        return space
    like = before if isinstance(before, cst.ParenthesizedWhitespace) else space
    line = cst.EmptyLine(
        indent=like.indent,
        whitespace=like.last_line,
        comment=space.first_line.comment,
        newline=space.first_line.newline,
    )
    first_line = space.first_line.with_changes(comment=None, whitespace=_NO_SPACE)
    return space.with_changes(first_line=first_line, empty_lines=[line, *space.empty_lines])


def _followed_by(item: Item, space: cst.BaseParenthesizableWhitespace) -> Item:
    comma = item.comma if isinstance(item.comma, cst.Comma) else cst.Comma()
    return item.with_changes(comma=comma.with_changes(whitespace_after=space))


def _inner_tail(last: cst.Arg | cst.DictElement | cst.ImportAlias) -> cst.BaseParenthesizableWhitespace | None:
    """The whitespace behind the last item, where LibCST keeps it with the item and not with the bracket."""
    if isinstance(last.comma, cst.Comma):
        return None if isinstance(last, cst.DictElement) else last.comma.whitespace_after
    return last.whitespace_after_arg if isinstance(last, cst.Arg) else None


def _merged(
    before: cst.BaseParenthesizableWhitespace, after: cst.BaseParenthesizableWhitespace, *, first: bool
) -> cst.BaseParenthesizableWhitespace:
    """The whitespace that stands where an item with its own whitespace on both sides stood."""
    if not isinstance(after, cst.ParenthesizedWhitespace):
        return before
    if not isinstance(before, cst.ParenthesizedWhitespace):
        return before if first and not _has_comment(after) else after
    return before.with_changes(
        empty_lines=[*before.empty_lines, *after.empty_lines], indent=after.indent, last_line=after.last_line
    )


def _at_end(
    before: cst.BaseParenthesizableWhitespace, tail: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """The whitespace before the closing bracket, after the last item has gone."""
    if isinstance(tail, cst.ParenthesizedWhitespace):
        return _merged(before, tail, first=False)
    return before if _has_comment(before) else tail


def _has_comment(space: cst.BaseParenthesizableWhitespace) -> bool:
    return isinstance(space, cst.ParenthesizedWhitespace) and (
        space.first_line.comment is not None or any(line.comment is not None for line in space.empty_lines)
    )


_NO_SPACE = cst.SimpleWhitespace("")

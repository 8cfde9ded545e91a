"""Edits that take a branch out which is never taken, and leave the others."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from v5lint.edits.statements import delete_statement, is_elif
from v5lint.rule import Edit, FixUnavailableError

if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

_ELSE = re.compile(r"^[ \t]*else[ \t]*:", re.MULTILINE)


def without_branch(view: ModuleView, statement: ast.If) -> Edit:
    """The edit that takes out the first branch of an `if` or `elif`, which is never taken.

    `elif` becomes `if`, the body of an `else` moves to the depth of the `if`; without either the statement goes.

    Args:
        view: the module.
        statement: the `if` or `elif`.

    Raises:
        FixUnavailableError: the statement shares its lines with something else, or a string of several lines would
            have to move.
    """
    start = view.span(statement)[0]
    if view.text[view.offset(statement.lineno, 0) : start].strip():
        raise FixUnavailableError("another statement stands in the line")
    rest = statement.orelse
    if not rest:
        if not is_elif(view, statement):
            return delete_statement(view, statement)
        last = view.span(view.tree.parents[statement].body[-1])[1]  # type: ignore[attr-defined]
        return Edit(last, view.span(statement)[1], "")
    if len(rest) == 1 and isinstance(rest[0], ast.If) and is_elif(view, rest[0]):
        return Edit(start, view.span(rest[0])[0] + (0 if is_elif(view, statement) else len("el")), "")
    body = view.span(statement.body[-1])[1]
    found = _ELSE.search(view.text, view.text.index("\n", body), view.span(rest[0])[0])
    if found is None:
        raise FixUnavailableError("the `else` shares its line with something else")
    if is_elif(view, statement):
        return Edit(start, found.start() + view.text[found.start() :].index("else"), "")
    return _dedented(view, statement, rest, found.end())


def without_test(view: ModuleView, statement: ast.If) -> Edit:
    """The edit that leaves the body of an `if` whose first branch is always taken, at the depth of the `if`.

    Args:
        view: the module.
        statement: the `if`.

    Raises:
        FixUnavailableError: it is an `elif`, something else stands in its lines, or a string of several lines would
            have to move.
    """
    start = view.span(statement)[0]
    if is_elif(view, statement) or view.text[view.offset(statement.lineno, 0) : start].strip():
        raise FixUnavailableError("another statement stands in the line")
    colon = view.text.index(":", view.span(statement.test)[1])
    return _dedented(view, statement, statement.body, colon + 1)


def _dedented(view: ModuleView, statement: ast.If, block: list[ast.stmt], after_colon: int) -> Edit:
    """The edit that puts one of its blocks in the place of the statement."""
    start, end = view.span(statement)
    line = view.offset(statement.lineno, 0)
    outer = view.text[line:start]
    first = block[0]
    inner = view.text[view.offset(first.lineno, 0) : view.span(first)[0]]
    body = view.text.find("\n", after_colon, view.span(first)[0]) + 1
    if not body or inner.strip() or not inner.startswith(outer) or view.text[after_colon:body].strip():
        raise FixUnavailableError("the body of the branch shares its line with something else")
    for each in block:
        for node in ast.walk(each):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.lineno != node.end_lineno:
                raise FixUnavailableError("the text of a string would move")
    cut = inner[len(outer) :]
    last = view.span(block[-1])[1]
    if last < end and "#" in view.text[last : _line_end(view.text, last)]:
        raise FixUnavailableError("a comment stands behind the branch")
    lines = view.text[body:last].splitlines(keepends=True)
    moved = [each[len(cut) :] if each.startswith(cut) else each for each in lines]
    return Edit(line, end, "".join(moved))


def _line_end(text: str, offset: int) -> int:
    newline = text.find("\n", offset)
    return newline if newline >= 0 else len(text)

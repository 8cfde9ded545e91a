"""Edits to the arguments of a call and to the entries of a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from v5lint.edits.slices import UnsupportedSliceError, rewrite_expression, without

if TYPE_CHECKING:
    import ast
    from collections.abc import Collection, Mapping, Sequence

    from v5lint.rule import Edit
    from v5lint.view.module import ModuleView


def edit_arguments(
    view: ModuleView,
    call: ast.Call,
    *,
    remove: Collection[ast.AST] = (),
    keep_comments: Collection[ast.AST] = (),
    replace: Mapping[ast.AST, str] | None = None,
    append: Sequence[str] = (),
) -> Edit:
    """Change the arguments of a call; those not named keep their place, layout and comments.

    Args:
        view: the module.
        call: the call.
        remove: the keywords (or positional arguments) that go.
        keep_comments: those of them whose comment at the end of the line stays, on a line of its own.
        replace: new text for an argument, as it is written in a call: `processing_class=tok`.
        append: new arguments, put last (before a `**kwargs`).

    Raises:
        UnsupportedSliceError: the call cannot be rewritten.
    """
    given: list[ast.AST] = sorted([*call.args, *call.keywords], key=view.span)
    dropped = {given.index(each) for each in remove}
    commented = dropped & {given.index(each) for each in keep_comments}
    changed = {given.index(node): text for node, text in (replace or {}).items()}

    def change(node: cst.BaseExpression) -> cst.BaseExpression:
        if not isinstance(node, cst.Call) or len(node.args) != len(given):
            raise UnsupportedSliceError(view.source(call))
        args = list(node.args)
        for place, text in changed.items():
            args[place] = _in_place(args[place], _parsed_argument(text))
        lead = node.whitespace_before_args
        if dropped:
            args, lead, _ = without(args, dropped, lead, cst.SimpleWhitespace(""), commented)
        for text in append:
            args = _appended(args, _parsed_argument(text), lead)
        return node.with_changes(args=args, whitespace_before_args=lead)

    return rewrite_expression(view, call, change)


def edit_entries(
    view: ModuleView,
    node: ast.Dict,
    *,
    remove: Collection[ast.expr] = (),
    keep_comments: Collection[ast.expr] = (),
    replace: Mapping[ast.expr, tuple[str, str]] | None = None,
) -> Edit:
    """Change the entries of a dict literal.

    Args:
        view: the module.
        node: the dict.
        remove: the keys of the entries that go.
        keep_comments: those of them whose comment at the end of the line stays, on a line of its own.
        replace: for a key, the new key and the new value, as source; for one without a key, what is splatted.
    """
    dropped = {_place(node, key) for key in remove}
    commented = dropped & {_place(node, key) for key in keep_comments}
    changed = {_place(node, key): pair for key, pair in (replace or {}).items()}

    def change(parsed: cst.BaseExpression) -> cst.BaseExpression:
        if not isinstance(parsed, cst.Dict) or len(parsed.elements) != len(node.keys):
            raise UnsupportedSliceError(view.source(node))
        elements = list(parsed.elements)
        for place, (key, value) in changed.items():
            element = elements[place]
            if not isinstance(element, cst.DictElement):
                raise UnsupportedSliceError(view.source(node))
            made = cst.parse_expression(value)
            elements[place] = (
                element.with_changes(key=cst.parse_expression(key), value=made)
                if key
                else cst.StarredDictElement(made, comma=element.comma)
            )
        lead, tail = parsed.lbrace.whitespace_after, parsed.rbrace.whitespace_before
        if dropped:
            elements, lead, tail = without(elements, dropped, lead, tail, commented)  # type: ignore[type-var]
        return parsed.with_changes(
            elements=elements,
            lbrace=parsed.lbrace.with_changes(whitespace_after=lead),
            rbrace=parsed.rbrace.with_changes(whitespace_before=tail),
        )

    return rewrite_expression(view, node, change)


def _place(node: ast.Dict, key: ast.expr) -> int:
    return next(place for place, each in enumerate(node.keys) if each is key)


def _parsed_argument(text: str) -> cst.Arg:
    call = cst.parse_expression(f"f({text})")
    assert isinstance(call, cst.Call)
    (argument,) = call.args
    return argument


def _in_place(old: cst.Arg, new: cst.Arg) -> cst.Arg:
    if isinstance(old.equal, cst.AssignEqual) and isinstance(new.equal, cst.AssignEqual):
        new = new.with_changes(equal=old.equal)
    return new.with_changes(
        comma=old.comma, whitespace_after_arg=old.whitespace_after_arg, whitespace_after_star=old.whitespace_after_star
    )


def _appended(args: list[cst.Arg], new: cst.Arg, lead: cst.BaseParenthesizableWhitespace) -> list[cst.Arg]:
    """Put an argument last, before a `**kwargs`, with the separators that the others have."""
    if not args:
        return [new]
    own_lines = isinstance(lead, cst.ParenthesizedWhitespace)
    separator = cst.Comma(whitespace_after=_uncommented(lead) if own_lines else cst.SimpleWhitespace(" "))
    if len(args) > 1 and isinstance(args[-2].comma, cst.Comma):
        before = args[-2].comma
        separator = before.with_changes(whitespace_after=_uncommented(before.whitespace_after))
    if args[-1].star == "**":
        return [*args[:-1], new.with_changes(comma=separator), args[-1]]
    last, new = _with_own_comment(args[-1], new, separator, lead)
    return [*args[:-1], last, new]


def _uncommented(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """Whitespace without the comments in it."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    first_line = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
    return space.with_changes(first_line=first_line, empty_lines=[])


def _with_own_comment(
    last: cst.Arg, new: cst.Arg, separator: cst.Comma, lead: cst.BaseParenthesizableWhitespace
) -> tuple[cst.Arg, cst.Arg]:
    """The last argument, which keeps the comments behind it, and the new one, which takes what else stood there."""
    comma = last.comma if isinstance(last.comma, cst.Comma) else None
    behind = comma.whitespace_after if comma is not None else last.whitespace_after_arg
    none = cst.SimpleWhitespace("")
    if isinstance(behind, cst.ParenthesizedWhitespace) and (behind.first_line.comment or behind.empty_lines):
        own_lines = [
            each for each in (separator.whitespace_after, lead) if isinstance(each, cst.ParenthesizedWhitespace)
        ]
        depth = own_lines[0] if own_lines else behind
        separator = cst.Comma(whitespace_after=behind.with_changes(indent=depth.indent, last_line=depth.last_line))
        behind = _uncommented(behind)
    if comma is not None:
        new = new.with_changes(comma=comma.with_changes(whitespace_after=behind), whitespace_after_arg=none)
    else:
        new = new.with_changes(comma=last.comma, whitespace_after_arg=behind)
    return last.with_changes(comma=separator, whitespace_after_arg=none), new

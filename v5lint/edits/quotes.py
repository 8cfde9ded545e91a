"""Quotes of edits that land inside of an f-string, which could not be read with its own quotes in them before 3.12."""

from __future__ import annotations

import io
import re
import tokenize

from v5lint.rule import Edit, FixUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_QUOTES = "\"'"
_PREFIX = re.compile(r"(?i)\b(?:f|fr|rf)[\"']")


def fitted(text: str, starts: Sequence[int], edits: Iterable[Edit]) -> list[Edit]:
    """The edits with such quotes as the f-strings around them leave free.

    Args:
        text: the module.
        starts: the offset of each of its lines.
        edits: as the rule built them.

    Raises:
        FixUnavailableError: both kinds of quotes are taken.
    """
    found = list(edits)
    if not any(quote in edit.content for edit in found for quote in _QUOTES) or not _PREFIX.search(text):
        return found
    strings = _strings(text, starts)
    return [_fitted(edit, {quote for start, end, quote in strings if start < edit.start < end}) for edit in found]


def _fitted(edit: Edit, taken: set[str]) -> Edit:
    content = edit.content
    for quote in taken:
        free = next((each for each in _QUOTES if each not in taken), quote)
        content = re.sub(rf"{quote}([^\"'\\\n]*){quote}", rf"{free}\1{free}", content)
        if quote in content:
            raise FixUnavailableError("the quotes of the f-string around it leave none for the fix")
    return Edit(edit.start, edit.end, content)


def _strings(text: str, starts: Sequence[int]) -> list[tuple[int, int, str]]:
    """The f-strings of a module: where each begins and ends, and its kind of quotes."""
    found: list[tuple[int, int, str]] = []
    open_ones: list[tuple[int, str]] = []
    begins = getattr(tokenize, "FSTRING_START", None)
    ends = getattr(tokenize, "FSTRING_END", None)
    for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
        if token.type not in (begins, ends, tokenize.STRING):
            continue
        at = starts[token.start[0] - 1] + token.start[1]
        if token.type == begins:
            open_ones.append((at, token.string[-1]))
        elif token.type == ends:
            start, quote = open_ones.pop()
            found.append((start, at, quote))
        elif prefix := _PREFIX.match(token.string):
            found.append((at, at + len(token.string), prefix[0][-1]))
            for inner in _PREFIX.finditer(token.string, prefix.end()):  # before 3.12 the outer one is a single token
                end = token.string.find(inner[0][-1], inner.end())
                found.append((at + inner.start(), at + end, inner[0][-1]))
    return found

"""Lines of styled text: what reports are made of, and how they are written with colour or without."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO, TypeAlias

    from v5lint.results import Diagnostic, Notice, Unfollowed

    #: A line: pieces of text, each with the name of a style or "".
    Line: TypeAlias = list[tuple[str, str]]

#: The styles, as rich names them.
STYLES = {
    "breaks": "bold red",
    "deprecated": "bold yellow",
    "name": "bold",
    "place": "cyan",
    "frame": "bold blue",
    "fix": "green",
    "held": "yellow",
    "error": "bold red",
    "warning": "bold yellow",
    "good": "bold green",
    "added": "green",
    "removed": "red",
}

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(text: str) -> str:
    """A text with its control characters spelled out, so that it stays on its line and the terminal obeys none.

    Bytes of a file name that are not text (surrogates) are spelled out too.
    """
    if text.isprintable():
        return text
    return "".join(_spelled(character) for character in text)


def file_of(place: Diagnostic | Unfollowed | Notice) -> str:
    """The file of a place as it is shown, with the cell of a notebook."""
    return plain(place.path) + (f":cell {place.cell}" if place.cell is not None else "")


def _spelled(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 32 or 127 <= code < 160:
        return f"\\x{code:02x}"
    if character.isprintable() or (character.isspace() and character not in "\u2028\u2029"):
        return character
    return f"\\u{{{code:x}}}"  # among them the marks that reverse the direction of a line of code


def wants_colour(stream: TextIO) -> bool:
    """Whether to write in colour: on a terminal, unless NO_COLOR is set; elsewhere if FORCE_COLOR is set."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def write(lines: Iterable[Line], stream: TextIO, *, colour: bool) -> None:
    """Write lines.

    Args:
        lines: what to write.
        stream: where.
        colour: whether to colour it.
    """
    if not colour:
        stream.writelines("".join(text for text, _ in line) + "\n" for line in lines)
        return
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.style import Style

    styles = {name: Style.parse(definition) for name, definition in STYLES.items()}
    console = Console(file=stream, force_terminal=True, soft_wrap=True)
    # Segments, never strings: rich would read `x[int]` in a string as markup and drop it.
    segments = [Segment(text, styles.get(style)) for line in lines for text, style in (*line, ("\n", ""))]
    console.print(Segments(segments), end="")

"""One file: its bytes, the regions of it that are linted, and the way back from a region to the bytes.

A format (see `v5lint.formats`) turns bytes into a Document with one or more regions: a Python module is one region, and
so are the code cells of a notebook, of which one reads what another one binds. Rules and fixes speak of offsets in a
region's text; only the document knows what they are in the file.
"""

from __future__ import annotations

from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from v5lint.rule import Edit


class UnreadableError(Exception):
    """A file that cannot be linted: what is wrong with it and, where it is known, the line.

    Attributes:
        cause: one clause for the user: "the declared encoding `latin-9x` is unknown".
        row: the line, from 1; 0 where no line is to blame.
        column: the column, from 1; 0 where none is to blame.
        hint: what the user can do about it; may be empty.
    """

    def __init__(self, cause: str, *, row: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.row = row
        self.column = column
        self.hint = hint


class Region:
    """A stretch of a file that is linted as one text.

    Attributes:
        kind: "python", "toml", ...: which rules and which view read it.
        text: the decoded text, with the newlines of the file.
        form: what a script is written in, where the name of its file does not say it.
        beside: the text of another region that runs in the same program.
    """

    form = ""
    beside = ""

    def __init__(self, kind: str, text: str, *, row: int = 1) -> None:
        self.kind = kind
        self.text = text
        self._row = row
        self._starts: list[int] | None = None

    @property
    def line_starts(self) -> Sequence[int]:
        """Offset of the first character of each line; a line ends at CR LF, LF or CR, as Python counts them."""
        if self._starts is None:
            self._starts = line_starts(self.text)
        return self._starts

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column in the file or the cell, both from 1, of an offset in the text; columns count characters."""
        index = self.row_at(offset)
        return index + self._row, offset - self.line_starts[index] + 1

    def cell_at(self, offset: int) -> int | None:
        """The number of the notebook cell of an offset in the text, from 1; None elsewhere."""
        return None

    def before(self, offset: int) -> str:
        """What of the other region runs before an offset in this one."""
        return ""

    def row_at(self, offset: int) -> int:
        """The row of an offset in the text, from 0 on."""
        return bisect_right(self.line_starts, offset) - 1

    def line(self, index: int) -> str:
        """A row of the text, from 0 on, without its newline."""
        start = self.line_starts[index]
        end = self.line_starts[index + 1] if index + 1 < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


class Document:
    """A file as read: subclasses know one format each.

    Attributes:
        path: as the user named it or as the walk found it.
        raw: the bytes.
        regions: what is linted, in file order.
        notes: what is to be said of parts that are not linted: offset in the first region, one sentence.
    """

    def __init__(self, path: str, raw: bytes, regions: Sequence[Region]) -> None:
        self.path = path
        self.raw = raw
        self.regions = regions
        self.notes: Sequence[tuple[int, str]] = ()

    @property
    def searched(self) -> bytes:
        """The bytes in which the tokens of rules are looked for."""
        return self.raw

    def replaced(self, texts: Sequence[str]) -> bytes:
        """The bytes of the file after each region's text has become the one given; all else stays as it is.

        Args:
            texts: a text for each region, in order.

        Raises:
            UnreadableError: the new text cannot be written in the encoding of the file.
        """
        raise NotImplementedError

    def reread(self, raw: bytes) -> Document:
        """The same file with other bytes, read by the same format."""
        raise NotImplementedError


def line_starts(text: str) -> list[int]:
    """Offset of the first character of each line; a line ends at CR LF, LF or CR only."""
    starts = [0]
    if "\r" not in text:
        at = text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = text.find("\n", at + 1)
        return starts
    at = 0
    for line in text.replace("\r\n", "\r\r").replace("\n", "\r").split("\r"):
        at += len(line) + 1
        starts.append(at)
    starts.pop()
    # CR LF was counted as two line ends so that offsets stay true: drop the start between the two.
    return [
        start for start in starts if not (0 < start < len(text) and text[start] == "\n" and text[start - 1] == "\r")
    ]


def spliced(text: str, edits: Iterable[Edit]) -> str:
    """The text after the edits, which do not overlap.

    Args:
        text: the text before.
        edits: in any order; of two insertions at one place, the one that sorts first comes first.

    Raises:
        ValueError: two edits overlap or one lies outside of the text.
    """
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits):
        if edit.start < at or edit.end > len(text):
            raise ValueError(f"{edit} overlaps another edit or the end of the text")
        pieces += (text[at : edit.start], edit.content)
        at = edit.end
    pieces.append(text[at:])
    return "".join(pieces)

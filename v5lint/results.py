"""What a run hands to its reports: plain data that can cross from one process to another."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from v5lint.rule import Applicability, Level

    #: The first and last place of an edit, each as row and column from 1, the new text, and the cell of a notebook.
    PlacedEdit: TypeAlias = tuple[tuple[int, int], tuple[int, int], str, int | None]


class Repair:
    """The fix of a diagnostic.

    Attributes:
        message: what applying it does.
        applicability: "safe", "unsafe" or "display".
        held_back: why it is not applied although its applicability allows it ("needs transformers ..."); else "".
        edits: the edits with their places in the file; None where no report shows them.
    """

    __slots__ = ("applicability", "edits", "held_back", "message")

    def __init__(
        self,
        message: str,
        applicability: Applicability,
        held_back: str = "",
        edits: Sequence[PlacedEdit] | None = None,
    ) -> None:
        self.message = message
        self.applicability: Applicability = applicability
        self.held_back = held_back
        self.edits = edits

    @property
    def kind(self) -> Literal["safe", "unsafe", "display", "held back"]:
        """Which option applies it, if any."""
        return "held back" if self.held_back else self.applicability


class Diagnostic:
    """A finding with its place in the file.

    Attributes:
        path: the file, as the user named it or as the walk found it.
        cell: the number of the notebook cell, from 1; None elsewhere.
        code: of the rule.
        name: of the rule.
        level: "breaks" or "deprecated".
        message: what is wrong.
        since: the transformers release that breaks it, as "5.0".
        start: row and column of the first character, from 1.
        end: row and column after the last character.
        repair: the fix, if there is one.
        excerpt: the lines concerned, shortened: row, first column shown, text.
        url: the page of the rule; may be empty.
    """

    __slots__ = (
        "cell",
        "code",
        "end",
        "excerpt",
        "level",
        "message",
        "name",
        "path",
        "repair",
        "since",
        "start",
        "url",
    )

    def __init__(
        self,
        *,
        path: str,
        code: str,
        name: str,
        level: Level,
        message: str,
        since: str,
        start: tuple[int, int],
        end: tuple[int, int],
        cell: int | None = None,
        repair: Repair | None = None,
        excerpt: Sequence[tuple[int, int, str]] = (),
        url: str = "",
    ) -> None:
        self.path = path
        self.cell = cell
        self.code = code
        self.name = name
        self.level: Level = level
        self.message = message
        self.since = since
        self.start = start
        self.end = end
        self.repair = repair
        self.excerpt = excerpt
        self.url = url


class Unfollowed:
    """A place that a rule could not follow (see `v5lint.rule.Unseen`)."""

    __slots__ = ("cell", "code", "name", "path", "reason", "start")

    def __init__(
        self, path: str, code: str, name: str, reason: str, start: tuple[int, int], cell: int | None = None
    ) -> None:
        self.path = path
        self.cell = cell
        self.code = code
        self.name = name
        self.reason = reason
        self.start = start


class Notice:
    """Something to say about a place: a problem (v5lint could not do its work there) or a warning.

    Attributes:
        path: the file.
        text: one sentence.
        row: the line, from 1; 0 where none is to blame.
        column: the column, from 1; 0 where none is to blame.
        cell: the number of the notebook cell, from 1; None elsewhere.
        hint: what the user can do; may be empty.
        trace: the traceback of v5lint's own errors, shown under --verbose.
    """

    __slots__ = ("cell", "column", "hint", "path", "row", "text", "trace")

    def __init__(
        self,
        path: str,
        text: str,
        *,
        row: int = 0,
        column: int = 0,
        cell: int | None = None,
        hint: str = "",
        trace: str = "",
    ) -> None:
        self.path = path
        self.cell = cell
        self.text = text
        self.row = row
        self.column = column
        self.hint = hint
        self.trace = trace


class FileResult:
    """All that is known of one file.

    Attributes:
        path: the file.
        found: the diagnostics of the file as it was read.
        left: the diagnostics after the fixes; the same list where nothing was changed.
        fixed: the diagnostics that fixes took away.
        unfollowed: places that no rule could follow.
        problems: why v5lint could not do (all of) its work.
        warnings: about suppression comments.
        before: the bytes that were read, if they changed.
        after: the bytes to write in their place; None where nothing changed.
    """

    __slots__ = (
        "after",
        "before",
        "fixed",
        "found",
        "left",
        "path",
        "problems",
        "unfollowed",
        "warnings",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Diagnostic] = []
        self.left: list[Diagnostic] = []
        self.fixed: list[Diagnostic] = []
        self.unfollowed: list[Unfollowed] = []
        self.problems: list[Notice] = []
        self.warnings: list[Notice] = []
        self.before: bytes | None = None
        self.after: bytes | None = None

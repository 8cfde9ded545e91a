"""Suppression comments: `# noqa`, `# noqa: V5001`, `# v5lint: ignore[V5001]`, `# v5lint: ignore-file`.

A comment holds for a finding that starts or ends on its line, and one on the first or the last line of a statement for
every finding in the statement (of an `if`, `for` or `def`: in its head). So a comment beside one name of a long import
silences that name, and one beside the opening or the closing parenthesis all of them; ruff decides in the same way.

In a script (a Dockerfile, say, where nothing can stand behind an instruction) a comment that has a line to itself holds
for the next line that is none.

`# noqa` takes codes, in the way of flake8 and ruff; `# v5lint:` takes codes and names. What names no code silences all
rules. `# noqa: something else` is for other tools.
"""

from __future__ import annotations

import re
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from v5lint.document import Document, Region
    from v5lint.registry import Registry
    from v5lint.rule import Rule

    #: A comment: line from 1, text.
    Comment: TypeAlias = tuple[int, str]
    #: The first and the last line of each statement that takes several.
    Statements: TypeAlias = Sequence[tuple[int, int]]

_NOQA = re.compile(
    r"#\s*noqa(?![\w-])(?P<codes>\s*:\s*(?P<list>[A-Z]+[0-9]\w*(?:[\s,]+[A-Z]+[0-9]\w*)*)?)?", re.IGNORECASE
)
_OWN = re.compile(r"#\s*v5lint:\s*(?P<verb>[\w-]*)\s*(?P<brackets>\[(?P<list>[^\]]*)\]?)?", re.IGNORECASE)
_WORD = re.compile(r"noqa|v5lint:", re.IGNORECASE)


class Directive:
    """One suppression.

    Attributes:
        region: the number of the region it is in.
        row: the line of its comment, in the region, from 1.
        keys: the codes it silences; None for all rules.
        whole_file: whether it holds for all lines.
        own: whether it is written `# v5lint:`.
        used: the codes that it silenced.
    """

    __slots__ = ("keys", "own", "region", "row", "used", "whole_file")

    def __init__(
        self, region: int, row: int, keys: frozenset[str] | None, *, whole_file: bool = False, own: bool = False
    ) -> None:
        self.region = region
        self.row = row
        self.keys = keys
        self.whole_file = whole_file
        self.own = own
        self.used: set[str] = set()


class Suppressions:
    """The suppressions of a document.

    Attributes:
        warnings: what is wrong with them, with the number of the region and the line in it.
    """

    def __init__(self, document: Document, registry: Registry) -> None:
        self.warnings: list[tuple[int, int, str]] = []
        self._document = document
        self._registry = registry
        self._families = {rule.code[:2] for rule in registry.rules}
        self._file: list[Directive] = []
        self._lines: list[dict[int, list[Directive]]] = []
        self._statements: list[Statements] = []
        for index, region in enumerate(document.regions):
            self._lines.append({})
            comments, statements = self._comments(region)
            self._statements.append(statements)
            for row, comment in comments:
                for directive in self._parsed(index, row, comment):
                    if directive.whole_file:
                        self._file.append(directive)
                    else:
                        silenced = _silenced_row(region, row)
                        self._lines[index].setdefault(silenced, []).append(directive)

    def covers(self, region_index: int, start: int, end: int, code: str) -> bool:
        """Whether a finding of a rule is silenced.

        Args:
            region_index: the region it is in.
            start: offset of its first character.
            end: offset after its last one.
            code: of the rule.
        """
        lines = self._lines[region_index]
        if not lines and not self._file:
            return False
        starts = self._document.regions[region_index].line_starts
        first = bisect_right(starts, start)
        last = bisect_right(starts, max(start, end - 1))
        rows = {first, last, *self._ends_of_statement(region_index, first)}
        covering = [*self._file, *(directive for row in rows for directive in lines.get(row, ()))]
        silencing = [directive for directive in covering if directive.keys is None or code in directive.keys]
        for directive in silencing:
            directive.used.add(code)
        return bool(silencing)

    def unused(self, active: Iterable[Rule]) -> Iterator[tuple[int, int, str]]:
        """What silenced nothing: the number of the region, the line in it, and the message.

        A bare `# noqa` may be meant for another tool and is never named.

        Args:
            active: the rules that looked at the file.
        """
        codes = {rule.code for rule in active}
        on_lines = (directive for by_row in self._lines for group in by_row.values() for directive in group)
        for directive in (*self._file, *on_lines):
            if directive.keys is not None:
                for code in sorted((directive.keys & codes) - directive.used):
                    yield directive.region, directive.row, f"unused suppression: there is no {code} to silence"
            elif directive.own and codes and not directive.used:
                yield directive.region, directive.row, "unused suppression: there is no finding to silence"

    def _ends_of_statement(self, region_index: int, row: int) -> tuple[int, ...]:
        statements = self._statements[region_index]
        at = bisect_right(statements, (row, 1 << 60)) - 1
        return statements[at] if at >= 0 and row <= statements[at][1] else ()

    def _parsed(self, index: int, row: int, comment: str) -> Iterator[Directive]:
        for match in _OWN.finditer(comment):
            verb = match["verb"].lower()
            if verb not in ("ignore", "ignore-file"):
                self.warnings.append((index, row, f"`{match[0].strip()}` is neither `ignore` nor `ignore-file`"))
                continue
            keys = None
            if match["brackets"] is not None:
                keys = self._known(index, row, filter(None, re.split(r"[\s,]+", match["list"])))
            yield Directive(index, row, keys, whole_file=verb == "ignore-file", own=True)
        if (codes := self._noqa(comment)) is not None:
            yield Directive(index, row, self._known(index, row, codes) if codes else None)

    def _noqa(self, comment: str) -> list[str] | None:
        """Our codes in a `# noqa`, known or not; none of them for a bare one, None where it is not for us."""
        match = _NOQA.search(comment)
        if not match or match["codes"] is None:
            return [] if match else None
        codes = re.split(r"[\s,]+", (match["list"] or "").upper())
        return [code for code in codes if code[:2] in self._families] or None

    def _known(self, index: int, row: int, keys: Iterable[str]) -> frozenset[str]:
        codes = set()
        for key in keys:
            if rule := self._registry.rule(key):
                codes.add(rule.code)
            else:
                self.warnings.append((index, row, f"`{key}` is not a rule{self._registry.nearest(key)}"))
        return frozenset(codes)

    def _comments(self, region: Region) -> tuple[list[Comment], Statements]:
        """The suppressions of a region, and its statements of several lines.

        Reading a text as tokens, which tells a comment from a string that holds one, takes longer than parsing it: it
        is done only where the text of a suppression is found that concerns v5lint.
        """
        rows = sorted({region.row_at(match.start()) for match in _WORD.finditer(region.text)})
        lines = [region.line(row) for row in rows]
        if not any(map(self._concerns, lines)):
            return [], ()
        if region.kind != "python":
            return [(row + 1, line[line.find("#") :]) for row, line in zip(rows, lines, strict=True)], ()
        import io
        import tokenize

        comments: list[Comment] = []
        statements: list[tuple[int, int]] = []
        first = 0
        text = region.text.replace("\r\n", "\n").replace("\r", "\n")
        try:
            for kind, string, (row, _), _, _ in tokenize.generate_tokens(io.StringIO(text).readline):
                if kind == tokenize.COMMENT:
                    if _WORD.search(string):
                        comments.append((row, string))
                elif kind == tokenize.NEWLINE:
                    if first and row > first:
                        statements.append((first, row))
                    first = 0
                elif not first and kind not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
                    first = row
        except (tokenize.TokenError, SyntaxError):
            pass  # a file that does not parse is reported as such, and no rule looks at it
        return comments, statements

    def _concerns(self, comment: str) -> bool:
        return "v5lint:" in comment.lower() or self._noqa(comment) is not None


def _silenced_row(region: Region, row: int) -> int:
    """The line that a suppression on a line is for, both from 1."""
    if region.kind != "script" or not region.line(row - 1).lstrip().startswith("#"):
        return row
    for following in range(row, len(region.line_starts)):
        line = region.line(following).strip()
        if line and not line.startswith("#"):
            return following + 1
    return row

"""Linting one document: views, rules, suppressions, and what is left of the findings."""

from __future__ import annotations

import sys

from v5lint.document import UnreadableError
from v5lint.releases import parse_release, release_text
from v5lint.results import Diagnostic, Repair, Unfollowed
from v5lint.rule import Finding, FixUnavailableError, Unseen
from v5lint.view import view_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from v5lint.document import Document, Region
    from v5lint.gate import DirectiveGate
    from v5lint.project import Project
    from v5lint.registry import Registry
    from v5lint.results import PlacedEdit
    from v5lint.rule import Edit, Fix, Rule
    from v5lint.settings import Settings

#: How much of a finding `full` shows.
_EXCERPT_LINES = 6
_EXCERPT_COLUMNS = 160


class Failure:
    """A rule did not do what it should: v5lint's own error.

    Attributes:
        rule: the rule.
        text: what happened.
        place: the line and the column it was at work on, from 1; (0, 0) where that is not known.
        trace: the traceback, or empty.
    """

    __slots__ = ("place", "rule", "text", "trace")

    def __init__(self, rule: Rule, text: str, *, place: tuple[int, int] = (0, 0), trace: str = "") -> None:
        self.rule = rule
        self.text = text
        self.place = place
        self.trace = trace

    @classmethod
    def of(cls, error: Exception, rule: Rule, place: tuple[int, int] = (0, 0)) -> Failure:
        """The failure that an exception is, with its traceback."""
        import traceback

        trace = "".join(traceback.format_exception(error))
        return cls(rule, f"{type(error).__name__}: {error}", place=place, trace=trace)


class Checked:
    """A document and what the rules say of it.

    Attributes:
        document: the document.
        findings: for each region, in the order of their places, without the suppressed ones.
        unseen: as `findings`.
        unreadable: regions that could not be read, by number.
        failures: rules that raised.
        blocked: fixes (by `id`) that must not be applied, with the reason.
        warnings: about suppression comments: number of the region, line in it, message.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.findings: list[list[Finding]] = [[] for _ in document.regions]
        self.unseen: list[list[Unseen]] = [[] for _ in document.regions]
        self.unreadable: dict[int, UnreadableError] = {}
        self.failures: list[Failure] = []
        self.blocked: dict[int, str] = {}
        self.warnings: list[tuple[int, int, str]] = []


class Linter:
    """Lints documents of one file: with its rules, its settings, its project."""

    def __init__(
        self,
        rules_for: Callable[[bytes], Sequence[Rule]],
        active: Sequence[Rule],
        settings: Settings,
        project: Project,
        registry: Registry,
        directives: DirectiveGate,
    ) -> None:
        """Prepare.

        Args:
            rules_for: the rules that can fire on given bytes.
            active: all rules that are selected for the file.
            settings: of the file.
            project: what is known of the files around it.
            registry: all rules, for the suppressions.
            directives: says which files hold suppressions.
        """
        self._rules_for = rules_for
        self._active = active
        self._settings = settings
        self._project = project
        self._registry = registry
        self._directives = directives

    def check(self, document: Document, *, parse: bool = False) -> Checked:
        """Run the rules on every region.

        Args:
            document: the file.
            parse: whether regions that no rule wants to see are parsed as well, to know that they do parse.
        """
        checked = Checked(document)
        rules = self._rules_for(document.searched) if len(document.regions) == 1 else ()
        for index, region in enumerate(document.regions):
            if len(document.regions) > 1:  # each is a program of its own: most hold no token of most rules
                rules = self._rules_for(region.text.encode("utf-8", "surrogatepass"))
            wanted = [rule for rule in rules if region.kind in rule.kinds]
            if not wanted and not parse:
                continue
            try:
                if region.kind == "python" and sys.version_info < (3, 11):
                    from v5lint.interpreter import overflows

                    if overflows(region.text):
                        raise RecursionError
                is_module = region.kind == "python" and len(document.regions) == 1
                known = self._project.known_view(region, document.path, self._settings) if is_module else None
                view = known or view_of(region, document.path, self._settings, self._project)
            except UnreadableError as error:
                checked.unreadable[index] = error
                continue
            except (RecursionError, MemoryError):
                checked.unreadable[index] = UnreadableError("it is nested too deeply to be parsed")
                continue
            for rule in wanted:
                self._run(rule, view, region, index, checked)
        self._suppress(checked)
        self._forget_future(checked)
        for findings in checked.findings:
            findings.sort(key=lambda finding: (finding.start, finding.end, finding.rule.code, finding.message))
        return checked

    def _run(self, rule: Rule, view: Any, region: Region, index: int, checked: Checked) -> None:
        findings: list[Finding] = []
        unseen: list[Unseen] = []
        seen: set[tuple[int, int, str]] = set()
        try:
            for found in rule.check(view):
                if not 0 <= found.start <= found.end <= len(region.text):
                    raise ValueError(f"the span {found.start}..{found.end} is not in the text")
                found.rule = rule
                if isinstance(found, Finding):
                    key = (found.start, found.end, found.message)
                    if key not in seen:
                        seen.add(key)
                        findings.append(found)
                else:
                    unseen.append(found)
        except UnreadableError as error:
            checked.unreadable[index] = error
        except Exception as error:  # one rule must not stop the others, whatever it does
            checked.failures.append(Failure.of(error, rule))
            for finding in findings:  # half an analysis is no ground to change a file on
                if finding.fix:
                    checked.blocked[id(finding.fix)] = f"{rule.code} failed on this file"
        checked.findings[index] += findings
        checked.unseen[index] += unseen

    def _suppress(self, checked: Checked) -> None:
        document = checked.document
        if not any(checked.findings) and not any(checked.unseen) and not self._directives.passes(document.searched):
            return
        from v5lint.suppress import Suppressions

        suppressions = Suppressions(document, self._registry)
        for index in range(len(document.regions)):
            kept = []
            for finding in checked.findings[index]:
                if not suppressions.covers(index, finding.start, finding.end, finding.rule.code):
                    kept.append(finding)
                elif finding.fix:
                    row, _ = document.regions[index].position(finding.start)
                    checked.blocked[id(finding.fix)] = f"a comment on line {row} silences a part of it"
            checked.findings[index] = kept
            checked.unseen[index] = [
                unseen
                for unseen in checked.unseen[index]
                if not suppressions.covers(index, unseen.start, unseen.end, unseen.rule.code)
            ]
        checked.warnings = suppressions.warnings
        if not checked.unreadable and not checked.failures:
            checked.warnings += suppressions.unused(self._active)

    def _forget_future(self, checked: Checked) -> None:
        """Drop what only a release after the target breaks."""
        target = self._settings.target
        for index, findings in enumerate(checked.findings):
            checked.findings[index] = [finding for finding in findings if parse_release(since(finding)) <= target]
        for index, places in enumerate(checked.unseen):
            checked.unseen[index] = [place for place in places if parse_release(place.rule.since) <= target]

    def held_back(self, fix: Fix, checked: Checked) -> str:
        """Why a fix is not applied although its applicability may allow it; empty where nothing speaks against it."""
        if fix.requires and parse_release(fix.requires) > self._settings.minimum:
            return f"needs transformers >= {fix.requires}, and min-version is {release_text(self._settings.minimum)}"
        return checked.blocked.get(id(fix), "")

    def diagnostics(self, checked: Checked, *, edits: bool = False) -> list[Diagnostic]:
        """The findings as reports show them.

        Args:
            checked: the document and its findings.
            edits: whether the edits of the fixes are wanted; building them takes time.
        """
        return [
            self.diagnostic(checked, index, finding, edits=edits)
            for index, findings in enumerate(checked.findings)
            for finding in findings
        ]

    def diagnostic(self, checked: Checked, index: int, finding: Finding, *, edits: bool = False) -> Diagnostic:
        """One finding as reports show it; see `diagnostics`."""
        region = checked.document.regions[index]
        repair = None
        if (fix := finding.fix) and not fix.is_unavailable:
            repair = Repair(fix.message, fix.applicability, self.held_back(fix, checked))
            if edits:
                try:
                    repair.edits = _placed(fix_edits(fix, region), region)
                except FixUnavailableError:
                    repair = None
                except Exception as error:  # as above: the finding stands, only its fix does not
                    checked.failures.append(Failure.of(error, finding.rule, region.position(finding.start)))
                    repair = None
        return Diagnostic(
            path=checked.document.path,
            cell=region.cell_at(finding.start),
            code=finding.rule.code,
            name=finding.rule.name,
            level=finding.level,
            message=finding.message,
            since=since(finding),
            start=region.position(finding.start),
            end=region.position(finding.end),
            repair=repair,
            excerpt=_excerpt(region, finding),
            url=self._registry.url(finding.rule.code),
        )

    def unfollowed(self, checked: Checked) -> list[Unfollowed]:
        """The places that no rule could follow, as reports show them."""
        return [
            Unfollowed(
                checked.document.path,
                unseen.rule.code,
                unseen.rule.name,
                unseen.reason,
                checked.document.regions[index].position(unseen.start),
                checked.document.regions[index].cell_at(unseen.start),
            )
            for index, group in enumerate(checked.unseen)
            for unseen in sorted(group, key=lambda unseen: (unseen.start, unseen.rule.code, unseen.reason))
        ]


def since(finding: Finding) -> str:
    """The release that breaks what a finding says."""
    return finding.since or finding.rule.since


def fix_edits(fix: Fix, region: Region) -> list[Edit]:
    """The edits of a fix with the newlines of the file, and with quotes that the f-strings around them leave free.

    A rule may write LF; in a file that ends its lines otherwise it becomes what the line of the edit ends with.

    Raises:
        Exception: whatever the rule raises that builds the edits.
    """
    edits = list(fix.edits)
    if region.kind == "python":
        from v5lint.edits.quotes import fitted

        edits = fitted(region.text, region.line_starts, edits)
    if "\r" not in region.text:
        return edits
    import re

    from v5lint.rule import Edit

    lone = re.compile(r"(?<!\r)\n")
    return [Edit(edit.start, edit.end, lone.sub(_newline_at(region, edit.start), edit.content)) for edit in edits]


def _newline_at(region: Region, offset: int) -> str:
    """What the line of an offset ends with; for a last line without an end, what the one before it does."""
    starts = region.line_starts
    row = region.row_at(offset)
    end = starts[min(row + 1, len(starts) - 1)]
    if region.text[max(0, end - 2) : end] == "\r\n":
        return "\r\n"
    return "\r" if region.text[end - 1 : end] == "\r" else "\n"


def _placed(edits: Sequence[Edit], region: Region) -> list[PlacedEdit]:
    return [
        (region.position(edit.start), region.position(edit.end), edit.content, region.cell_at(edit.start))
        for edit in edits
    ]


def _excerpt(region: Region, finding: Finding) -> list[tuple[int, int, str]]:
    """The lines of a finding: row, first column, text. Long lines are cut to what is around it."""
    row, column = region.position(finding.start)
    start, end = region.row_at(finding.start), region.row_at(finding.end)
    lines = []
    for index in range(start, min(end + 1, start + _EXCERPT_LINES)):
        line = region.line(index)
        first = max(0, column - 1 - _EXCERPT_COLUMNS // 2) if index == start and len(line) > _EXCERPT_COLUMNS else 0
        lines.append((row + index - start, first + 1, line[first : first + _EXCERPT_COLUMNS]))
    return lines

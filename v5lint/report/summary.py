"""The end of a report: how much was found, what can be fixed and how, what could not be seen."""

from __future__ import annotations

from v5lint.releases import release_text
from v5lint.report.text import file_of, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.releases import Release
    from v5lint.report.text import Line
    from v5lint.results import Diagnostic, FileResult, Notice


class Totals:
    """What a run came to.

    Attributes:
        results: of the files that have something to say.
        files: how many files were looked at, those that could not be read among them.
        skipped: how many named files were not linted.
        excluded: how many files and folders were kept out of walks.
        problems: why v5lint could not do its work somewhere, the problems of the results among them.
        rules: how many rules are selected.
        target: the newest transformers release that counted.
        writes: whether fixes are written; where they are only shown, the findings stay.
        fixes: whether fixes were applied, written or not.
        unsafe: whether unsafe ones were, too.
    """

    def __init__(
        self,
        results: Sequence[FileResult],
        *,
        files: int,
        skipped: int,
        excluded: int,
        problems: Sequence[Notice],
        rules: int,
        target: Release,
        fixes: bool,
        writes: bool,
        unsafe: bool,
    ) -> None:
        self.results = results
        self.files = files
        self.skipped = skipped
        self.excluded = excluded
        # what is wrong with a configuration is said by every file that it is for
        unique = {(each.path, each.row, each.text): each for result in results for each in result.problems}
        self.problems = [*problems, *unique.values()]
        self.rules = rules
        self.target = target
        self.fixes = fixes
        self.writes = writes
        self.unsafe = unsafe

    @property
    def shows(self) -> bool:
        """Whether fixes are only shown."""
        return self.fixes and not self.writes

    @property
    def remaining(self) -> list[Diagnostic]:
        """The findings that are still in the files."""
        return [item for result in self.results for item in (result.left if self.writes else result.found)]

    @property
    def fixed(self) -> list[Diagnostic]:
        """The findings that are not in the files any more, or would not be."""
        return [diagnostic for result in self.results for diagnostic in result.fixed]


def lines(totals: Totals, *, verbose: bool) -> Iterator[Line]:
    """The summary.

    Args:
        totals: what to sum up.
        verbose: whether to list what was fixed, and the places that could not be followed.
    """
    if verbose:
        yield from _listed(totals)
    if totals.writes and totals.fixed:
        yield [(f"Fixed {_in_files(totals.fixed)}.", "good")]
    yield from _found(totals)
    if totals.shows and totals.fixed:
        yield [(f"Would fix {_in_files(totals.fixed)}.", "good")]
    yield from _not_followed(totals.results, verbose=verbose)
    yield [(_files(totals, verbose=verbose), "")]


def _found(totals: Totals) -> Iterator[Line]:
    remaining = totals.remaining
    target = f"transformers {release_text(totals.target)}"
    if not totals.files:
        yield [("There are no files to lint.", "warning")]
        return
    if not remaining:
        doubt = " in what could be checked" if totals.problems else ""
        rules = _count(totals.rules, "rule")
        yield [(f"No findings{doubt}: {rules} looked for what breaks in {target}.", "good")]
        return
    broken = sum(diagnostic.level == "breaks" for diagnostic in remaining)
    levels = [f"{_count(broken, 'breaks', 'break')} in {target}"] if broken else []
    if deprecated := len(remaining) - broken:
        levels.append(f"{deprecated} only {_count(deprecated, 'warns', 'warn').partition(' ')[2]} so far")
    yield [(f"Found {_in_files(remaining)}", "breaks"), (f": {', '.join(levels)}.", "")]
    kinds = [diagnostic.repair.kind if diagnostic.repair else "none" for diagnostic in remaining]
    safe, unsafe, held = kinds.count("safe"), kinds.count("unsafe"), kinds.count("held back")
    ways = []
    if not totals.shows:
        if safe:
            ways.append(f"{safe} can be fixed with --fix")
        if unsafe:
            ways.append(f"{unsafe}{' more' if safe else ''} can be fixed with --fix --unsafe-fixes")
    if held:
        ways.append(f"{_count(held, 'fix is', 'fixes are')} held back")
    if rest := len(remaining) - safe - unsafe - held:
        ways.append(f"{_count(rest, 'needs', 'need')} a person to decide")
    if ways:
        yield [(f"{'; '.join(ways).capitalize()}.", "")]


def _not_followed(results: Iterable[FileResult], *, verbose: bool) -> Iterator[Line]:
    by_rule: dict[str, int] = {}
    for result in results:
        for place in result.unfollowed:
            key = f"{place.code} {place.name}"
            by_rule[key] = by_rule.get(key, 0) + 1
    if by_rule:
        rules = ", ".join(f"{key}: {number}" for key, number in sorted(by_rule.items()))
        where = "" if verbose else "; --verbose lists them"
        number = _count(sum(by_rule.values()), "place")
        yield [(f"{number} could not be followed and may break ({rules}){where}.", "warning")]


def _listed(totals: Totals) -> Iterator[Line]:
    for diagnostic in totals.fixed:
        row, column = diagnostic.start
        done = "fixed" if totals.writes else "would be fixed"
        yield [
            (f"{file_of(diagnostic)}:{row}:{column}", "place"),
            (f": {diagnostic.code} {done}: {plain(diagnostic.message)}", ""),
        ]
    for result in totals.results:
        for place in result.unfollowed:
            row, column = place.start
            yield [
                (f"{file_of(place)}:{row}:{column}", "place"),
                (f": {place.code} not followed: {plain(place.reason)}", ""),
            ]


def _files(totals: Totals, *, verbose: bool) -> str:
    failed = sum(bool(result.problems) for result in totals.results)
    unchecked = len({problem.path for problem in totals.problems})
    parts = [f"{_count(totals.files - failed, 'file')} checked"]
    if unchecked:
        parts.append(f"{unchecked} not, or not in full (see the errors)")
    if totals.skipped:
        parts.append(f"{totals.skipped} skipped{'' if verbose else ' (--verbose says why)'}")
    if totals.excluded and verbose:
        parts.append(f"{_count(totals.excluded, 'file or folder', 'files and folders')} excluded")
    return f"{', '.join(parts)}."


def _in_files(diagnostics: Sequence[Diagnostic]) -> str:
    files = len({diagnostic.path for diagnostic in diagnostics})
    return f"{_count(len(diagnostics), 'finding')} in {_count(files, 'file')}"


def _count(number: int, singular: str, plural: str = "") -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"

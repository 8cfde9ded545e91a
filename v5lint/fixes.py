"""Applying fixes: from a document and its findings to a document, or to the reason why not.

Fixes that do not touch each other are applied together; the result is linted again, and so on until nothing is left to
apply. Then it is compared with what was there: it must parse, must hold none of the findings that were fixed, and no
new one that breaks. Where it fails, the fixes are tried one by one, so that only the faulty one is left out.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from v5lint.document import UnreadableError, spliced
from v5lint.linting import Checked, Failure, fix_edits
from v5lint.rule import FixUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from v5lint.document import Document
    from v5lint.rule import Edit, Finding, Fix

#: More passes than any chain of fixes needs: each pass applies everything that does not touch something else.
_MAX_PASSES = 20


class Settled:
    """What fixing came to.

    Attributes:
        checked: the document after the fixes, and what is left to say of it.
        fixed: the findings of the first document that are gone.
        failures: fixes that did not do what they should, and are not in the document.
    """

    def __init__(self, checked: Checked, fixed: Sequence[Finding], failures: Sequence[Failure]) -> None:
        self.checked = checked
        self.fixed = fixed
        self.failures = failures


def settle(
    checked: Checked,
    check: Callable[[Document], Checked],
    may_apply: Callable[[Fix, Checked], bool],
) -> Settled:
    """Apply all fixes that may be applied.

    Args:
        checked: the document and its findings.
        check: finds what is wrong in a document; parses it in any case.
        may_apply: whether a fix of a document's findings may be applied.
    """
    first = [_Tracked(index, finding, _Origin()) for index, finding in _all_findings(checked)]
    state = _State(checked, first)
    work = _Work(check, may_apply)
    if batch := work.applicable(state):
        try:
            state = work.attempt(state, batch, work.applicable)
        except _BadFixError:
            state = work.one_by_one(state)
    left = {id(tracked.origin) for tracked in state.tracked}
    fixed = [tracked.finding for tracked in first if id(tracked.origin) not in left]
    return Settled(state.checked, fixed, list(work.failures.values()))


class _BadFixError(Exception):
    """Applying a fix did not lead to what it should."""


class _Origin:
    """What a finding is from pass to pass, wherever it moves.

    Attributes:
        new: whether it came up after a fix.
        dropped: whether its fix is known to be faulty.
    """

    __slots__ = ("dropped", "new")

    def __init__(self, *, new: bool = False) -> None:
        self.new = new
        self.dropped = False


class _Tracked:
    """A finding, its region, its origin."""

    __slots__ = ("finding", "origin", "region")

    def __init__(self, region: int, finding: Finding, origin: _Origin) -> None:
        self.region = region
        self.finding = finding
        self.origin = origin

    def place(self, state: _State) -> tuple[int, int]:
        """Its row and column in the document that it was found in."""
        return state.checked.document.regions[self.region].position(self.finding.start)


class _State:
    """A document with its findings."""

    def __init__(self, checked: Checked, tracked: Sequence[_Tracked]) -> None:
        self.checked = checked
        self.tracked = tracked


class _Batch:
    """Fixes that can be applied together.

    Attributes:
        fixes: by `id`.
        edits: for each region, in the order of their places.
    """

    def __init__(self, regions: int) -> None:
        self.fixes: dict[int, Fix] = {}
        self.edits: list[list[Edit]] = [[] for _ in range(regions)]
        self._imports: list[set[str]] = [set() for _ in range(regions)]

    def __bool__(self) -> bool:
        return bool(self.fixes)

    def add(self, fix: Fix, region: int, edits: Iterable[Edit]) -> None:
        """Take a fix in, unless one of its edits touches another one's; it is left for the next pass then."""
        mine, imports = self.edits[region], self._imports[region]
        fresh = []
        for edit in edits:
            at = bisect_left(mine, edit)
            if at < len(mine) and mine[at] == edit:
                continue  # two fixes need the same import
            if (at < len(mine) and mine[at].start <= edit.end) or (at and mine[at - 1].end >= edit.start):
                return
            if _new_import(edit) in imports:
                return  # and find different places for it: in the next pass it is there
            fresh.append(edit)
        for edit in fresh:
            insort(mine, edit)
            if line := _new_import(edit):
                imports.add(line)
        self.fixes[id(fix)] = fix


def _new_import(edit: Edit) -> str:
    """The import of a whole module that an edit adds as a line of its own; "" where it does something else."""
    line = edit.content.strip("\r\n") if edit.start == edit.end else ""
    return line if line.startswith(("from ", "import ")) else ""


class _Work:
    def __init__(
        self,
        check: Callable[[Document], Checked],
        may_apply: Callable[[Fix, Checked], bool],
    ) -> None:
        self._check = check
        self._may_apply = may_apply
        self.failures: dict[tuple[str, str, tuple[int, int]], Failure] = {}

    def applicable(self, state: _State, *, only_new: bool = False, limit: int = 0) -> _Batch:
        """The fixes to apply next.

        Args:
            state: the document.
            only_new: leave out those of findings that were there before the first fix.
            limit: how many at the most; 0 for any number.
        """
        regions = state.checked.document.regions
        batch = _Batch(len(regions))
        tried: set[int] = set()
        for tracked in state.tracked:
            fix = tracked.finding.fix
            if fix is None or id(fix) in tried or tracked.origin.dropped or (only_new and not tracked.origin.new):
                continue
            tried.add(id(fix))
            if not self._may_apply(fix, state.checked):
                continue
            try:
                edits = fix_edits(fix, regions[tracked.region])
                if not edits:
                    raise ValueError("the fix has no edits")
                if edits[-1].end > len(regions[tracked.region].text):
                    raise ValueError("the fix reaches beyond the end of the text")
            except FixUnavailableError:
                continue
            except Exception as error:  # a rule that cannot build its fix must not keep the others from theirs
                self._drop(state, fix, Failure.of(error, tracked.finding.rule, tracked.place(state)))
                continue
            batch.add(fix, tracked.region, edits)
            if len(batch.fixes) == limit:
                break
        return batch

    def attempt(self, state: _State, batch: _Batch, follow: Callable[[_State], _Batch]) -> _State:
        """Apply fixes, then what `follow` names, until it names nothing.

        Raises:
            _BadFixError: the result is not what it should be.
        """
        seen = {state.checked.document.raw}
        for _ in range(_MAX_PASSES):
            state = self._pass(state, batch)
            if state.checked.document.raw in seen:
                raise _BadFixError("it changes nothing, or another fix undoes it")
            seen.add(state.checked.document.raw)
            batch = follow(state)
            if not batch:
                break
        else:
            raise _BadFixError(f"the file does not come to rest in {_MAX_PASSES} passes")
        for tracked in state.tracked:
            if tracked.origin.new and tracked.finding.level == "breaks":
                row, _ = tracked.place(state)
                raise _BadFixError(f"it leads to a new {tracked.finding.rule.code} on line {row}")
        for tracked in state.tracked:
            tracked.origin.new = False
        return state

    def one_by_one(self, state: _State) -> _State:
        """Apply the fixes singly, each with what comes up after it, and leave out those that fail."""
        while batch := self.applicable(state, limit=1):
            (fix,) = batch.fixes.values()
            try:
                state = self.attempt(state, batch, lambda state: self.applicable(state, only_new=True))
            except _BadFixError as error:
                tracked = next(tracked for tracked in state.tracked if tracked.finding.fix is fix)
                text = f"the fix `{fix.message}` is left out: {error}"
                self._drop(state, fix, Failure(tracked.finding.rule, text, place=tracked.place(state)))
        return state

    def _drop(self, state: _State, fix: Fix, failure: Failure) -> None:
        self.failures[failure.rule.code, failure.text, failure.place] = failure
        for tracked in state.tracked:
            if tracked.finding.fix is fix:
                tracked.origin.dropped = True

    def _pass(self, state: _State, batch: _Batch) -> _State:
        document = state.checked.document
        try:
            texts = [spliced(region.text, edits) for region, edits in zip(document.regions, batch.edits, strict=True)]
            changed = document.reread(document.replaced(texts))
        except UnreadableError as error:
            raise _BadFixError(error.cause) from error
        if len(changed.regions) != len(document.regions):
            raise _BadFixError("it changes the number of parts of the file")
        checked = self._check(changed)
        for index, unreadable in checked.unreadable.items():
            if index not in state.checked.unreadable:
                place = f" (line {unreadable.row})" if unreadable.row else ""
                raise _BadFixError(f"the result cannot be read{place}: {unreadable.cause}")
        if len(checked.failures) > len(state.checked.failures):
            raise _BadFixError(f"{checked.failures[-1].rule.code} fails on the result: {checked.failures[-1].text}")
        return _State(checked, _carried(state, batch, checked))


def _all_findings(checked: Checked) -> list[tuple[int, Finding]]:
    return [(index, finding) for index, findings in enumerate(checked.findings) for finding in findings]


def _carried(before: _State, batch: _Batch, checked: Checked) -> list[_Tracked]:
    """Tell which findings of the new document were there before, and which are new.

    Raises:
        _BadFixError: one that was fixed is still there.
    """
    shifts = [_Shift(edits) for edits in batch.edits]
    waiting: list[tuple[int, int, _Tracked]] = []
    fixed: list[tuple[int, int, _Tracked]] = []
    for tracked in before.tracked:
        shift = shifts[tracked.region]
        place = (shift.start(tracked.finding.start), shift.end(tracked.finding.end), tracked)
        (fixed if id(tracked.finding.fix) in batch.fixes else waiting).append(place)
    after = _all_findings(checked)
    origins: dict[int, _Origin] = {}
    for same in (_same_place, _same_words_overlapping, _overlapping, _same_words):
        for index, finding in after:
            if id(finding) in origins:
                continue
            for at, (start, end, old) in enumerate(waiting):
                if old.region == index and same(old.finding, start, end, finding):
                    origins[id(finding)] = old.origin
                    del waiting[at]
                    break
    for index, finding in after:
        if id(finding) not in origins:
            for start, end, old in fixed:
                if old.region == index and _same_words_overlapping(old.finding, start, end, finding):
                    raise _BadFixError("what it repairs is found again")
    return [_Tracked(index, finding, origins.get(id(finding)) or _Origin(new=True)) for index, finding in after]


def _same_rule(old: Finding, new: Finding) -> bool:
    return old.rule.code == new.rule.code


def _same_words(old: Finding, _start: int, _end: int, new: Finding) -> bool:
    return _same_rule(old, new) and old.message == new.message


def _same_place(old: Finding, start: int, end: int, new: Finding) -> bool:
    return _same_words(old, start, end, new) and (start, end) == (new.start, new.end)


def _overlapping(old: Finding, start: int, end: int, new: Finding) -> bool:
    return _same_rule(old, new) and start <= new.end and new.start <= end


def _same_words_overlapping(old: Finding, start: int, end: int, new: Finding) -> bool:
    return old.message == new.message and _overlapping(old, start, end, new)


class _Shift:
    """Where the offsets of a text are after some edits."""

    def __init__(self, edits: Sequence[Edit]) -> None:
        self._edits = edits

    def start(self, offset: int) -> int:
        """Of the first character of something: inside an edit, it becomes the start of the new text."""
        moved = 0
        for edit in self._edits:
            if edit.end > offset:
                return edit.start + moved if edit.start < offset else offset + moved
            moved += len(edit.content) - (edit.end - edit.start)
        return offset + moved

    def end(self, offset: int) -> int:
        """Of the end of something: inside an edit, it becomes the end of the new text."""
        moved = 0
        for edit in self._edits:
            if edit.start >= offset:
                break
            moved += len(edit.content) - (edit.end - edit.start)
            if edit.end >= offset:
                return edit.end + moved
        return offset + moved

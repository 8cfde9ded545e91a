"""One run: from files to results, in one process or in several."""

from __future__ import annotations

import gc
import os

from v5lint import copies
from v5lint.configuration import SettingsError
from v5lint.document import UnreadableError
from v5lint.formats import format_of, format_of_text, kinds_of, read_document, searched
from v5lint.gate import DirectiveGate, Gate
from v5lint.reading import TooLargeError, read_bytes
from v5lint.results import FileResult, Notice
from v5lint.subjects import Subjects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from v5lint.document import Document
    from v5lint.fixes import Settled
    from v5lint.linting import Checked, Failure, Linter
    from v5lint.project import Project, Views
    from v5lint.registry import Registry
    from v5lint.rule import Fix, Rule
    from v5lint.settings import Settings, SettingsFinder

_REPORT = "please report it; --verbose shows where"

#: A run that passes over no more than this at the gate parses all the same: in a few files a syntax error is worth
#: knowing, and costs no time worth saving.
_SMALL_RUN = 256_000

#: A pool of processes pays from so many bytes on that must be parsed.
_POOL_BYTES = 2_000_000

#: So many projects are kept in mind, with the words of all their files: a run goes through one after the other.
_PROJECTS = 4

#: How many new objects Python lets pass, while one file is linted, before it looks which of them are garbage. All that
#: a view consists of is alive until then; looking every 700 objects, as Python does by itself, took a quarter of a run.
_OBJECTS = 200_000


#: Formats that may hold anything: what is no program in them is passed over.
_NO_PROGRAMS = frozenset({"script", "markdown", "containers"})


class Mode:
    """What a run does besides looking.

    Attributes:
        fix: apply fixes.
        write: write what changed; without it the changes are only handed to the report.
        unsafe: apply fixes that rest on what the file does not show.
        edits: hand the edits of all fixes to the report.
    """

    __slots__ = ("edits", "fix", "unsafe", "write")

    def __init__(self, *, fix: bool = False, write: bool = False, unsafe: bool = False, edits: bool = False) -> None:
        self.fix = fix
        self.write = write
        self.unsafe = unsafe
        self.edits = edits


class Runner:
    """Lints files one after another; a copy of it works in each process.

    Attributes:
        mode: what to do.
    """

    def __init__(
        self,
        registry: Registry,
        settings: SettingsFinder,
        mode: Mode,
        *,
        files: Sequence[str] = (),
        walked: Sequence[str] = (),
    ) -> None:
        """Prepare.

        Args:
            registry: the rules.
            settings: finds the settings of each file.
            mode: what to do.
            files: all files of the run.
            walked: the folders, as absolute paths, of which `files` holds all files.
        """
        self._registry = registry
        self._settings = settings
        self.mode = mode
        self._files = files
        self._walked = walked
        self._gates: dict[tuple[tuple[Rule, ...], str, bool], Gate] = {}
        self._directives = DirectiveGate(registry.rules)
        self._projects: dict[str, Project] = {}
        self._views: Views = {}
        self._roots: dict[str, str] = {}
        self._subjects = Subjects(registry.packages)

    def survives(self, path: str, raw: bytes | None = None) -> bytes | FileResult | None:
        """The gate.

        Args:
            path: the file.
            raw: its bytes, if they have been read.

        Returns:
            Its bytes if a rule may fire on it or a suppression may be in it, None if not, a result where it cannot be
            read.
        """
        try:
            raw = read_bytes(path) if raw is None else raw
            if self._walked:
                self._subjects.note(self._root(path), raw)
            settings = self._settings.of(path)
            # Text in UTF-16 holds NUL bytes and no token in ASCII: it is no Python source, and reading it says so.
            form = format_of(path) or format_of_text(raw)
            if form == "python" and copies.is_in_one(path):
                return raw if self._directives.passes(raw) else None
            text = searched(raw, form)
            if self._gate(settings, form).passes(text) or b"\0" in raw or self._directives.passes(raw):
                return raw
        except TooLargeError as error:
            return None if format_of(path) in _NO_PROGRAMS else _unreadable(path, error)  # data, whatever it is called
        except UnreadableError as error:
            return _unreadable(path, error)
        except SettingsError as error:
            return _misconfigured(path, error)
        return None

    def may_concern(self, path: str, raw: bytes | None = None) -> bool:
        """The second gate, once all files of the run are through the first: what the project of a file is about.

        Args:
            path: a file that survived.
            raw: its bytes, if they are at hand.

        Returns:
            Whether a rule may still fire on it, or a suppression may be in it.
        """
        root = self._root(path)
        if not self._is_whole(root) or self._subjects.may_concern(root):
            return True
        try:
            raw = read_bytes(path) if raw is None else raw
        except UnreadableError:
            return True  # linting it says so
        form = format_of(path) or format_of_text(raw)
        gate = self._gate(self._settings.of(path), form, anywhere=True)
        return gate.passes(searched(raw, form)) or self._directives.passes(raw)

    def check_syntax(self, path: str) -> FileResult | None:
        """See whether a file that no rule can fire on parses; give a result where it does not."""
        if format_of(path) in _NO_PROGRAMS:
            return None
        try:
            raw = read_bytes(path)
            document = read_document(path, raw, format_of(path) or format_of_text(raw))
        except UnreadableError as error:
            return _unreadable(path, error)
        from v5lint.view import check_syntax

        for index, region in enumerate(document.regions):
            try:
                check_syntax(region)
            except UnreadableError as error:
                return _unreadable(path, _explained(error, document, index))
        return None

    def lint(self, path: str, raw: bytes | None = None) -> FileResult:
        """Lint one file, and fix it where that is wanted; nothing is written.

        Args:
            path: the file.
            raw: its bytes, if they have been read.
        """
        young, *older = gc.get_threshold()
        gc.set_threshold(_OBJECTS, *older)
        try:
            return self._lint(path, read_bytes(path) if raw is None else raw)
        except UnreadableError as error:
            return _unreadable(path, error)
        except SettingsError as error:
            return _misconfigured(path, error)
        except Exception as error:  # whatever is wrong with v5lint, it lints the other files
            return broken(path, error)
        finally:
            gc.set_threshold(young, *older)  # so that the view is let go of before the next one is made

    def _lint(self, path: str, raw: bytes) -> FileResult:
        settings = self._settings.of(path)
        rules = settings.rules_for(path)
        form = format_of(path) or format_of_text(raw)
        document = read_document(path, raw, form)
        from v5lint.linting import Linter

        codes = {rule.code for rule in rules}
        gate = self._gate(settings, form)
        linter = Linter(
            lambda raw: [rule for rule in gate.rules_for(raw) if rule.code in codes],
            rules,
            settings,
            self._project(path),
            self._registry,
            self._directives,
        )
        result = FileResult(path)
        checked = linter.check(document)
        result.found = result.left = linter.diagnostics(checked, edits=self.mode.edits)
        failures = checked.failures
        if self.mode.fix and any(diagnostic.repair for diagnostic in result.found):
            settled = self._settled(linter, checked, result)
            failures = [*failures, *settled.failures]
            if self.mode.write:
                checked = settled.checked
        result.unfollowed = linter.unfollowed(checked)
        for index, unreadable in checked.unreadable.items():
            result.problems.append(_notice(path, _explained(unreadable, document, index)))
        result.problems += [_own_error(path, failure) for failure in failures]
        for index, row, text in checked.warnings:
            region = document.regions[index]
            start = region.line_starts[row - 1]
            result.warnings.append(Notice(path, text, row=region.position(start)[0], cell=region.cell_at(start)))
        for start, text in document.notes:
            result.warnings.append(Notice(path, text, cell=document.regions[0].cell_at(start)))
        return result

    def _settled(self, linter: Linter, checked: Checked, result: FileResult) -> Settled:
        """Apply the fixes that the options allow, and say so in the result."""
        from v5lint.fixes import settle

        allowed = ("safe", "unsafe") if self.mode.unsafe else ("safe",)

        def may_apply(fix: Fix, where: Checked) -> bool:
            return fix.applicability in allowed and not linter.held_back(fix, where)

        settled = settle(checked, lambda document: linter.check(document, parse=True), may_apply)
        if settled.checked is not checked:
            findings = [finding for findings in checked.findings for finding in findings]
            gone = set(map(id, settled.fixed))
            result.fixed = [shown for finding, shown in zip(findings, result.found, strict=True) if id(finding) in gone]
            result.left = linter.diagnostics(settled.checked, edits=self.mode.edits)
            result.before, result.after = checked.document.raw, settled.checked.document.raw
        else:  # what was tried in vain is no longer offered
            result.found = result.left = linter.diagnostics(checked, edits=self.mode.edits)
        return settled

    def write(self, result: FileResult) -> None:
        """Write what changed; where that fails, the result becomes that of the file as it is."""
        if result.before is None or result.after is None:
            return
        from v5lint.writing import UnwritableError, replace_bytes

        try:
            replace_bytes(result.path, result.before, result.after)
        except UnwritableError as error:
            result.problems.append(Notice(result.path, str(error), hint="its fixes are not applied"))
            result.left, result.fixed, result.before, result.after = result.found, [], None, None

    def _gate(self, settings: Settings, form: str, *, anywhere: bool = False) -> Gate:
        """The gate of the rules that are selected, or of those of them that fire anywhere."""
        key = (settings.rules, form, anywhere)
        gate = self._gates.get(key)
        if gate is None:
            rules = [rule for rule in settings.rules if rule.anywhere] if anywhere else settings.rules
            gate = self._gates[key] = Gate(rules, kinds_of(form))
        return gate

    def _project(self, path: str) -> Project:
        from v5lint.project import Project

        root = self._root(path)
        if root in self._projects:
            self._projects[root] = self._projects.pop(root)  # the last one used goes last
        else:
            top = root.rstrip(os.sep) + os.sep
            whole = self._is_whole(root)
            modules, scripts = (_Under(top, self._files, each) if whole else None for each in ("python", "script"))
            self._projects[root] = Project(root, modules, self._views, scripts=scripts)
            if len(self._projects) > _PROJECTS:
                del self._projects[next(iter(self._projects))]
        return self._projects[root]

    def _root(self, path: str) -> str:
        """The top of the project of a file."""
        folder = os.path.dirname(os.path.abspath(path))
        if folder not in self._roots:
            from v5lint.pins import project_root

            self._roots[folder] = project_root(folder) or self._given(folder)
        return self._roots[folder]

    def _is_whole(self, root: str) -> bool:
        """Whether the run holds all files of a project."""
        top = root.rstrip(os.sep) + os.sep
        return any(top.startswith(walked.rstrip(os.sep) + os.sep) for walked in self._walked)

    def _given(self, folder: str) -> str:
        """The folder that the user named, for a file that is in no project; else the file's own."""
        above = [walked for walked in self._walked if (folder + os.sep).startswith(walked.rstrip(os.sep) + os.sep)]
        return min(above, key=len, default=folder)


class _Under:
    """The files of one format under a folder, looked up only when they are wanted."""

    def __init__(self, top: str, files: Sequence[str], form: str) -> None:
        self._top = top
        self._files = files
        self._form = form

    def __iter__(self) -> Iterator[str]:
        chosen = (path for path in self._files if (format_of(path) or "python") == self._form)
        return (path for path in map(os.path.abspath, chosen) if path.startswith(self._top))


def run(
    runner: Runner,
    files: Sequence[str],
    *,
    jobs: int = 0,
    advance: Callable[[str, int, int], None] = lambda work, done, total: None,
) -> list[FileResult]:
    """Lint files, then write those that changed.

    Nothing is written before all is linted: what a rule reads in the files around a file is what they held before, in
    whatever order and in however many processes they are linted.

    Args:
        runner: what to do with each.
        files: their paths.
        jobs: the largest number of processes; 0 chooses.
        advance: called as the work goes on: with what is done, how many files of it are done, and of how many.

    Returns:
        The results that say something, in the order of `files`; of a file without any token there is none.
    """
    jobs = jobs or _processors()
    results: dict[str, FileResult] = {}
    waiting: dict[str, bytes | None] = {}
    sizes: dict[str, int] = {}
    passed_over: list[str] = []
    held = 0
    for number, path in enumerate(files):
        advance("Reading", number, len(files))
        raw = runner.survives(path)
        if isinstance(raw, FileResult):
            results[path] = raw
        elif raw is not None:
            held += len(raw)
            sizes[path] = len(raw)
            waiting[path] = raw if held <= _POOL_BYTES else None  # the rest is read again, one at a time
        else:
            passed_over.append(path)
    for path in [path for path, raw in waiting.items() if not runner.may_concern(path, raw)]:
        del waiting[path], sizes[path]
        passed_over.append(path)
    if _size(passed_over) <= _SMALL_RUN:
        results.update({path: said for path in passed_over if (said := runner.check_syntax(path)) is not None})
    for number, result in enumerate(_linted(runner, waiting, sizes, jobs), 1):
        results[result.path] = result
        advance("Linting", number, len(sizes))
    ordered = [results[path] for path in files if path in results]
    changed = [result for result in ordered if result.after is not None]
    if changed and runner.mode.write:
        from v5lint.writing import interruptible

        with interruptible():
            for result in changed:
                runner.write(result)
    return ordered


def _size(files: Sequence[str]) -> int:
    """How many bytes some files hold, as far as it is of interest whether it is a small run."""
    total = 0
    for path in files:
        try:
            total += os.path.getsize(path)
        except OSError:  # it has vanished since it was read
            continue
        if total > _SMALL_RUN:
            break
    return total


def _linted(runner: Runner, waiting: dict[str, bytes | None], sizes: dict[str, int], jobs: int) -> Iterator[FileResult]:
    if jobs > 1 and len(waiting) > 1 and sum(sizes.values()) > _POOL_BYTES:
        from v5lint.pool import lint_in_processes

        waiting.clear()
        yield from lint_in_processes(runner, sizes, min(jobs, len(sizes)))
    while waiting:
        path = next(iter(waiting))
        yield runner.lint(path, waiting.pop(path))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _unreadable(path: str, error: UnreadableError) -> FileResult:
    result = FileResult(path)
    result.problems.append(_notice(path, error))
    return result


def _notice(path: str, error: UnreadableError) -> Notice:
    return Notice(path, error.cause, row=error.row, column=error.column, hint=error.hint)


def _misconfigured(path: str, error: SettingsError) -> FileResult:
    result = FileResult(path)
    hint = "the files it is for are not linted"
    result.problems.append(Notice(error.source, error.cause, row=error.row, hint=hint))
    return result


def broken(path: str, error: Exception) -> FileResult:
    """The result of a file on which v5lint itself failed."""
    import traceback

    result = FileResult(path)
    trace = "".join(traceback.format_exception(error))
    text = f"internal error: {type(error).__name__}: {error}"
    result.problems.append(Notice(path, text, hint=_REPORT, trace=trace))
    return result


def _explained(error: UnreadableError, document: Document, index: int) -> UnreadableError:
    region = document.regions[index]
    if region.kind != "python":
        return error
    from v5lint.interpreter import explained

    return explained(error, region.text)


def _own_error(path: str, failure: Failure) -> Notice:
    """A failing rule: v5lint's own error, not the user's."""
    row, column = failure.place
    text = f"internal error in {failure.rule.code} {failure.rule.name}: {failure.text}"
    return Notice(path, text, row=row, column=column, hint=_REPORT, trace=failure.trace)

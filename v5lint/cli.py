"""The command line: options, streams, exit status.

0: nothing is left to report. 1: findings remain. 2: v5lint could not do its work somewhere (a wrong option or
configuration, a path that does not exist, a file that cannot be read, parsed or written); it lints all the rest.
"""

from __future__ import annotations

import argparse
import os
import sys

from v5lint import __version__
from v5lint.configuration import SettingsError
from v5lint.discovery import Discovered, discover, is_excluded
from v5lint.reading import reason
from v5lint.registry import Registry, RegistryError, UnknownRuleError, installed_catalogues
from v5lint.releases import release_text
from v5lint.report import FORMS
from v5lint.results import FileResult, Notice
from v5lint.runner import Mode, Runner, run
from v5lint.settings import SettingsFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Literal, TextIO

    from v5lint.report.summary import Totals
    from v5lint.report.text import Line
    from v5lint.rule import Catalogue

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, *, catalogues: Iterable[Catalogue] | None = None) -> int:
    """Run v5lint.

    Args:
        argv: the arguments; those of the process by default.
        catalogues: the rules; those that are installed by default.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        registry = Registry(installed_catalogues() if catalogues is None else catalogues)
        if options.list_rules or options.explain:
            _to_reader(lambda: _document(options, registry))
            return 0
        settings = SettingsFinder(
            registry, overrides=_overrides(options), file=_config_file(options), isolated=options.isolated
        )
        return _lint(options, registry, settings)
    except (RegistryError, UnknownRuleError, _UsageError) as error:
        _say([Notice("", str(error))], "error")
        return 2
    except SettingsError as error:
        _say([Notice(error.source, error.cause, row=error.row)], "error")
        return 2
    except KeyboardInterrupt:
        _say([Notice("", "interrupted: every file is whole; run v5lint again to do the rest")], "error")
        return _INTERRUPTED


class _UsageError(Exception):
    """Options that do not go together."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="v5lint",
        description="Find and fix what transformers v5 broke.",
        epilog="Exit status: 0 nothing is left to report, 1 findings remain, 2 v5lint could not do its work somewhere.",
        allow_abbrev=False,
        # A width of its own: finding out the terminal's imports shutil and three compression libraries at every start.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=100),
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and folders; - is standard input (default: .)")
    fix = parser.add_argument_group("fixing")
    fix.add_argument("--fix", action="store_true", help="apply the safe fixes")
    fix.add_argument("--unsafe-fixes", action="store_true", help="with --fix or --diff: the unsafe ones as well")
    fix.add_argument("--diff", action="store_true", help="print what --fix would change, and change nothing")
    rules = parser.add_argument_group("rules")
    for flag, text in (
        ("--select", "run these rules: codes, beginnings of codes, names or ALL"),
        ("--ignore", "leave out these rules"),
        ("--extend-select", "run these rules as well"),
    ):
        rules.add_argument(flag, metavar="CODES", action="append", default=[], help=text)
    rules.add_argument("--target-version", metavar="X.Y", help="newest transformers that counts (default: the newest)")
    rules.add_argument(
        "--min-version",
        metavar="X.Y",
        help="oldest transformers that fixed code must run on (default: the project's own requirement, or 5.0)",
    )
    rules.add_argument("--explain", metavar="CODE", help="print the documentation of a rule")
    rules.add_argument("--list-rules", action="store_true", help="print all rules")
    output = parser.add_argument_group("output")
    output.add_argument("--output-format", choices=list(FORMS), default="full", help="form (default: full)")
    output.add_argument("--output-file", metavar="FILE", help="write the report to a file")
    output.add_argument("--statistics", action="store_true", help="count the findings by rule instead of listing them")
    loud = output.add_mutually_exclusive_group()
    loud.add_argument("-q", "--quiet", action="store_true", help="print findings and errors, and nothing else")
    loud.add_argument("-v", "--verbose", action="store_true", help="list what was fixed, not followed or skipped")
    files = parser.add_argument_group("files")
    files.add_argument(
        "--exclude", metavar="PATTERN", action="append", default=[], help="do not walk into these (gitignore syntax)"
    )
    files.add_argument("--force-exclude", action="store_true", help="exclude files that are named, too")
    files.add_argument("--stdin-filename", metavar="FILE", help="name of what comes from standard input")
    config = parser.add_argument_group("configuration")
    config.add_argument(
        "--config", metavar="FILE|KEY=VALUE", action="append", default=[], help="the one file to read, or a TOML pair"
    )
    config.add_argument("--isolated", action="store_true", help="read no configuration file")
    other = parser.add_argument_group("other")
    other.add_argument("--exit-zero", action="store_true", help="exit with 0 although findings remain")
    other.add_argument("--exit-non-zero-on-fix", action="store_true", help="exit with 1 if anything was fixed")
    other.add_argument("-j", "--jobs", type=_jobs, default=0, metavar="N", help="largest number of processes")
    other.add_argument("--no-cache", action="store_true", help="accepted: v5lint has no cache")
    other.add_argument("--version", action="version", version=f"v5lint {__version__}")
    return parser


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of processes: it starts at 1")
    return int(text)


def _lint(options: argparse.Namespace, registry: Registry, settings: SettingsFinder) -> int:
    writes = options.fix and not options.diff
    mode = Mode(
        fix=options.fix or options.diff,
        write=writes,
        unsafe=options.unsafe_fixes,
        edits=options.output_format == "json" and not options.statistics,
    )
    stdin = "-" in options.paths
    if options.output_file:
        _open_report(options.output_file, "a").close()  # what cannot be written is said before anything is fixed
    if stdin and len(options.paths) > 1:
        raise _UsageError("standard input (-) cannot be linted together with files")
    if stdin:
        found, results = _lint_stdin(options, registry, settings, mode)
    else:
        found, results = _lint_files(options, registry, settings, mode)
    from v5lint.report.summary import Totals

    usual = settings.usual()
    totals = Totals(
        results,
        files=1 if stdin else len(found.files),
        skipped=len(found.skipped),
        excluded=found.excluded,
        problems=found.problems,
        rules=len(usual.rules) if usual else 0,
        target=usual.target if usual else registry.newest,
        fixes=mode.fix,
        writes=writes,
        unsafe=options.unsafe_fixes,
    )
    _to_reader(lambda: _report(options, totals, stdin=stdin))
    if totals.target > registry.newest:
        target, newest = release_text(totals.target), release_text(registry.newest)
        _say([Notice("", f"the rules know transformers up to {newest}: what {target} breaks is not found")], "warning")
    _say((warning for result in results for warning in result.warnings), "warning")
    _say(found.skipped if options.verbose else (), "skipped")
    _say(totals.problems, "error", traces=options.verbose)
    if totals.problems:
        return 2
    if options.exit_zero:
        return 0
    return int(bool(totals.remaining) or (options.exit_non_zero_on_fix and writes and bool(totals.fixed)))


def _lint_files(
    options: argparse.Namespace, registry: Registry, settings: SettingsFinder, mode: Mode
) -> tuple[Discovered, list[FileResult]]:
    found = discover(options.paths or ["."], settings)
    runner = Runner(registry, settings, mode, files=found.files, walked=found.walked)
    if len(found.files) > 1 and not options.quiet and sys.stderr.isatty():
        from v5lint.report.progress import ProgressBar

        with ProgressBar() as bar:
            return found, run(runner, found.files, jobs=options.jobs, advance=bar)
    return found, run(runner, found.files, jobs=options.jobs)


def _lint_stdin(
    options: argparse.Namespace, registry: Registry, settings: SettingsFinder, mode: Mode
) -> tuple[Discovered, list[FileResult]]:
    """Lint what comes from standard input; fixed text goes to standard output."""
    path = options.stdin_filename or "-"
    raw = sys.stdin.buffer.read()
    found = Discovered()
    results: list[FileResult] = []
    if options.stdin_filename and is_excluded(path, settings):
        found.skipped.append(Notice(path, "excluded"))
    else:
        runner = Runner(registry, settings, mode)
        survivor = runner.survives(path, raw)
        if survivor is not None:
            results = [survivor if isinstance(survivor, FileResult) else runner.lint(path, raw)]
    if mode.write:
        after = next((result.after for result in results if result.after is not None), raw)
        _to_reader(lambda: _write_bytes(after))
    return found, results


def _write_bytes(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def _report(options: argparse.Namespace, totals: Totals, *, stdin: bool) -> None:
    """Write the report, and the summary after it or, where a program reads the report, beside it."""
    stream: TextIO = sys.stdout
    for_people = FORMS[options.output_format]
    fixed_to_stdout = stdin and totals.writes
    if options.output_file:
        stream = _open_report(options.output_file, "w")
    elif fixed_to_stdout:
        stream = sys.stderr
    try:
        if options.diff:
            _write_diff(totals, stream)
        else:
            _write(_body(options, totals), stream)
    finally:
        if options.output_file:
            stream.close()
    if not options.quiet:
        from v5lint.report import summary

        beside = options.output_file or options.diff or not for_people or fixed_to_stdout
        _write(summary.lines(totals, verbose=options.verbose), sys.stderr if beside else sys.stdout)


def _open_report(path: str, mode: Literal["a", "w"]) -> TextIO:
    try:
        return open(path, mode, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise _UsageError(f"the report cannot be written to {path}: {error.strerror}") from None


def _body(options: argparse.Namespace, totals: Totals) -> Iterator[Line]:
    if options.statistics:
        from v5lint.report import statistics

        table = statistics.json_lines if options.output_format == "json" else statistics.lines
        return table(totals.remaining, unsafe=options.unsafe_fixes)
    from v5lint.report import form

    return form(options.output_format).lines(totals.remaining, unsafe=options.unsafe_fixes)


def _write_diff(totals: Totals, stream: TextIO) -> None:
    from v5lint.report.diff import unified

    stream.flush()
    for result in totals.results:
        if result.before is not None and result.after is not None:
            stream.buffer.writelines(unified(result.path, result.before, result.after))
    stream.buffer.flush()


def _to_reader(write: Callable[[], None]) -> None:
    """Write to standard output, whose reader may have seen enough before its end (`v5lint | head`).

    Raises:
        _UsageError: it cannot be written, because a disk is full, say.
    """
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        from contextlib import suppress

        # Python would complain when it closes the stream.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise _UsageError(f"the report cannot be written: {reason(error)}") from None


def _document(options: argparse.Namespace, registry: Registry) -> None:
    from v5lint.report import rules

    _write(
        rules.explained(registry.matching(options.explain)) if options.explain else rules.listed(registry.rules),
        sys.stdout,
    )


def _write(lines: Iterable[Line], stream: TextIO) -> None:
    from v5lint.report import text

    text.write(lines, stream, colour=text.wants_colour(stream))


def _say(notices: Iterable[Notice], kind: str, *, traces: bool = False) -> None:
    """Print errors or warnings on standard error, a line each."""
    lines: list[Line] = []
    for notice in notices:
        from v5lint.report.text import file_of, plain

        place = ":".join([file_of(notice), *(str(number) for number in (notice.row, notice.column) if number)])
        style = "warning" if kind == "skipped" else kind
        line = [(f"{kind}: ", style), (f"{place}: " if notice.path else "", "place"), (plain(notice.text), "")]
        lines.append([*line, (f" ({plain(notice.hint)})" if notice.hint else "", "")])
        if traces:
            lines += [[(plain(part), "")] for part in notice.trace.splitlines()]
    if lines:
        sys.stdout.flush()
        _write(lines, sys.stderr)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """What the command line says, by the keys of the configuration."""
    overrides: dict[str, Any] = {}
    for pair in filter(_is_pair, options.config):
        from v5lint.toml import TOMLDecodeError, loads

        try:
            for key, value in loads(pair).items():
                given = overrides.get(key)
                overrides[key] = {**given, **value} if isinstance(given, dict) and isinstance(value, dict) else value
        except TOMLDecodeError as error:
            raise SettingsError(f"`{pair}` is no TOML pair: {error}", "--config") from None
    for key in ("select", "ignore", "extend-select", "exclude"):
        if given := getattr(options, key.replace("-", "_")):
            overrides[key] = [part.strip() for text in given for part in text.split(",") if part.strip()]
    for key in ("target-version", "min-version"):
        if release := getattr(options, key.replace("-", "_")):
            overrides[key] = release
    if options.force_exclude:
        overrides["force-exclude"] = True
    return overrides


def _config_file(options: argparse.Namespace) -> str:
    files = [given for given in options.config if not _is_pair(given)]
    if len(files) > 1:
        raise _UsageError("--config takes one file: " + ", ".join(files))
    if files and options.isolated:
        raise _UsageError(f"--isolated reads no configuration file, and --config names {files[0]}")
    return files[0] if files else ""


def _is_pair(given: str) -> bool:
    return "=" in given and not os.path.exists(given)

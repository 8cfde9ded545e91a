"""Runs `v5lint --fix` twice over copies of real projects and reports everything that it must never do.

Usage:
    python benchmarks/roundtrip.py PROJECT [PROJECT ...] [--report FILE] [--jobs N] [-- OPTIONS OF v5lint]

The originals are only read. A problem is a crash; a file that parsed before and does not after; a file that the second
run changes; a changed line that no edit of a reported finding touches; a change of newline style, encoding, byte-order
mark, final newline or file mode; a notebook changed outside of its code; a file that appears or disappears. The exit
status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import tokenize
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import tomllib

TIME_LIMIT = 1800
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Tree = dict[str, tuple[bytes, int]]


@dataclass
class Outcome:
    """What the two runs did to one project.

    Attributes:
        project: Name of the project.
        files: Files in it.
        findings: Findings of the first lint, by applicability of their fix.
        changed: Files that the first `--fix` changed.
        lines: Lines that it changed or removed.
        added: Lines that it added.
        left: Findings that remain.
        seconds: Wall time of the first `--fix`.
        problems: One line each: kind, file, detail.
        unchecked: Files that v5lint said it could not read or parse.
    """

    project: str
    files: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    lines: int = 0
    added: int = 0
    left: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def snapshot(root: Path) -> Tree:
    """Reads bytes and mode of every regular file below a folder."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def parses(name: str, content: bytes) -> bool:
    """Tells whether a Python file, a notebook's JSON and code, or a TOML file can be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name.endswith((".py", ".pyi")):
                ast.parse(content)
            elif name.endswith((".ipynb", ".json")):
                json.loads(content)
            elif name.endswith(".toml"):
                tomllib.loads(content.decode("utf-8"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def cells(content: bytes) -> list[str]:
    """Returns the source of every cell of a notebook."""
    return [
        cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        for cell in json.loads(content)["cells"]
    ]


def around_the_code(content: bytes) -> Any:
    """Returns a notebook without the sources of its code cells."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code":
            cell["source"] = None
    return notebook


def newline_styles(content: bytes) -> set[bytes]:
    """Returns the kinds of line ends in a file."""
    alone = content.replace(b"\r\n", b"")
    return {
        mark
        for mark, present in ((b"\r\n", b"\r\n" in content), (b"\n", b"\n" in alone), (b"\r", b"\r" in alone))
        if present
    }


def encoding_of(name: str, content: bytes) -> str:
    """Returns the encoding that a Python file declares; other files are UTF-8."""
    if not name.endswith((".py", ".pyi")):
        return "utf-8"
    try:
        return tokenize.detect_encoding(io.BytesIO(content).readline)[0]
    except SyntaxError:
        return "unknown"


def form_problems(name: str, before: tuple[bytes, int], after: tuple[bytes, int]) -> list[str]:
    """Compares everything about a changed file that no fix has a reason to change."""
    old, new = before[0], after[0]
    found = []
    if before[1] != after[1]:
        found.append(f"mode: {name}: {before[1]:o} became {after[1]:o}")
    if not newline_styles(new) <= newline_styles(old):
        found.append(f"newlines: {name}: {newline_styles(old)} became {newline_styles(new)}")
    if new and old.endswith((b"\n", b"\r")) != new.endswith((b"\n", b"\r")):
        found.append(f"final newline: {name}")
    if old.startswith(BYTE_ORDER_MARK) != new.startswith(BYTE_ORDER_MARK):
        found.append(f"byte-order mark: {name}")
    if encoding_of(name, old) != encoding_of(name, new):
        found.append(f"encoding: {name}: {encoding_of(name, old)} became {encoding_of(name, new)}")
    if parses(name, old):
        if not parses(name, new):
            found.append(f"parse: {name}: parsed before, does not after")
        elif name.endswith(".ipynb") and around_the_code(old) != around_the_code(new):
            found.append(f"notebook: {name}: changed outside of its code")
    return found


def changed_lines(old: list[str], new: list[str]) -> tuple[list[int], list[int], int]:
    """Compares two texts.

    Returns:
        The 1-based old lines that were changed or removed, the old lines before which lines were added, and the number
        of added lines.
    """
    touched: list[int] = []
    inserted: list[int] = []
    added = 0
    for tag, first, last, start, stop in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag in {"replace", "delete"}:
            touched.extend(range(first + 1, last + 1))
        if tag == "insert":
            inserted.append(first + 1)
        if tag in {"replace", "insert"}:
            added += max(0, (stop - start) - (last - first))
    return touched, inserted, added


def edited_rows(findings: list[dict[str, Any]], cell: int | None) -> set[int]:
    """Returns the rows that the findings of one file or cell, or the edits of their fixes, stand on."""
    rows: set[int] = set()
    for finding in findings:
        for span in [finding, *(finding["fix"] or {}).get("edits", [])]:
            if span["cell"] == cell:
                rows.update(range(span["location"]["row"], span["end_location"]["row"] + 1))
    return rows


def texts(name: str, content: bytes) -> dict[int | None, list[str]]:
    """Returns the lines of a file; of a notebook, those of every cell by its number."""
    if name.endswith(".ipynb"):
        return {number: source.splitlines() for number, source in enumerate(cells(content), start=1)}
    return {None: content.decode(encoding_of(name, content), errors="surrogateescape").splitlines()}


def check_changes(name: str, old: bytes, new: bytes, findings: list[dict[str, Any]], outcome: Outcome) -> None:
    """Counts the changed lines of a file and reports those that no finding accounts for."""
    before, after = texts(name, old), texts(name, new)
    for cell, lines in before.items():
        touched, inserted, added = changed_lines(lines, after.get(cell, []))
        outcome.lines += len(touched)
        outcome.added += added
        if touched or inserted:
            allowed = edited_rows(findings, cell)
            stray = [row for row in touched if row not in allowed]
            stray += [row for row in inserted if not allowed & {row - 1, row, row + 1}]
            where = f" cell {cell}" if cell else ""
            outcome.problems += [f"stray: {name}{where}:{row}: {lines[row - 1 : row]}" for row in sorted(stray)]


class Runner:
    """Calls v5lint on one folder."""

    def __init__(self, python: str, options: list[str], folder: Path, outcome: Outcome) -> None:
        self.command = [python, "-m", "v5lint", str(folder), "--isolated", *options]
        self.folder = folder
        self.outcome = outcome
        self.known: set[str] = set()

    def run(self, *options: str) -> str:
        """Runs v5lint; notes a crash as a problem, and what it could not check. Returns its standard output."""
        try:
            # `python -m` looks into the current folder first: an empty one keeps the installed v5lint in its place.
            done = subprocess.run(
                [*self.command, *options],
                capture_output=True,
                text=True,
                check=False,
                timeout=TIME_LIMIT,
                cwd=self.folder.parent / "empty",
            )
        except subprocess.TimeoutExpired:
            self.outcome.problems.append(f"crash: more than {TIME_LIMIT} s for {options}")
            return ""
        if done.returncode not in {0, 1, 2} or "Traceback (most recent call last)" in done.stderr:
            self.outcome.problems.append(f"crash: exit status {done.returncode} for {options}: {done.stderr[-2000:]}")
        elif done.returncode == 2:
            lines = set(filter(None, done.stderr.replace(f"{self.folder}/", "").splitlines()))
            crashes = {line for line in lines if "internal error" in line}
            self.outcome.problems += [f"crash: {line}" for line in sorted(crashes - self.known)]
            self.known |= crashes
            self.outcome.unchecked = sorted({*self.outcome.unchecked, *lines - crashes})
        return done.stdout

    def lint(self) -> list[dict[str, Any]]:
        """Returns the findings, without changing anything."""
        text = self.run("--output-format", "json")
        try:
            findings: list[dict[str, Any]] = json.loads(text)
        except json.JSONDecodeError:
            self.outcome.problems.append(f"crash: output is not JSON: {text[:300]!r}")
            return []
        return findings


def check(project: Path, python: str, options: list[str]) -> Outcome:
    """Copies one project, fixes the copy twice and compares."""
    outcome = Outcome(project.name)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, project.name)
        Path(scratch, "empty").mkdir()
        shutil.copytree(project, copy, symlinks=True)
        runner = Runner(python, [option for option in options if option != "--unsafe-fixes"], copy, outcome)
        apply = ["--fix", "--quiet", *(option for option in options if option == "--unsafe-fixes")]
        before = snapshot(copy)
        outcome.files = len(before)

        findings = runner.lint()
        by_file: dict[str, list[dict[str, Any]]] = {}
        for finding in findings:
            kind = finding["fix"]["applicability"] if finding["fix"] else "none"
            outcome.findings[kind] = outcome.findings.get(kind, 0) + 1
            by_file.setdefault(Path(finding["filename"]).relative_to(copy.resolve()).as_posix(), []).append(finding)
        if snapshot(copy) != before:
            outcome.problems.append("write: linting without --fix changed the folder")

        began = time.perf_counter()
        runner.run(*apply)
        outcome.seconds = round(time.perf_counter() - began, 2)
        after = snapshot(copy)
        outcome.problems += [f"lost: {name}" for name in before.keys() - after.keys()]
        outcome.problems += [f"new: {name}" for name in after.keys() - before.keys()]
        for name in sorted(before.keys() & after.keys()):
            if before[name] != after[name]:
                outcome.changed += 1
                outcome.problems += form_problems(name, before[name], after[name])
                check_changes(name, before[name][0], after[name][0], by_file.get(name, []), outcome)

        runner.run(*apply)
        again = snapshot(copy)
        outcome.problems += [
            f"not stable: {name}" for name in sorted(after.keys() | again.keys()) if after.get(name) != again.get(name)
        ]
        outcome.left = len(runner.lint())
    return outcome


def report(outcomes: list[Outcome]) -> str:
    """Writes the summary table and the problems as Markdown."""
    kinds = ("safe", "unsafe", "display", "none")
    head = ["project", "files", *kinds, "left", "changed files", "lines", "added", "s", "unchecked", "problems"]
    total = Outcome("all")
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for outcome in outcomes:
        for name in ("files", "changed", "lines", "added", "left", "seconds", "problems", "unchecked"):
            setattr(total, name, getattr(total, name) + getattr(outcome, name))
        for kind, count in outcome.findings.items():
            total.findings[kind] = total.findings.get(kind, 0) + count
    for outcome in [*outcomes, total]:
        cells: list[Any] = [outcome.project, outcome.files, *(outcome.findings.get(kind, 0) for kind in kinds)]
        cells += [outcome.left, outcome.changed, outcome.lines, outcome.added, f"{outcome.seconds:.1f}"]
        cells += [len(outcome.unchecked), len(outcome.problems)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", *(f"- {outcome.project}: {problem}" for outcome in outcomes for problem in outcome.problems)]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="+", type=Path, metavar="PROJECT", help="folder of one project")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has v5lint (default: this one)")
    parser.add_argument("--report", type=Path, help="also write everything as JSON")
    parser.add_argument("--jobs", type=int, default=1, help="projects at once (default: 1)")
    options = parser.parse_args(arguments[:split])
    missing = [str(path) for path in options.projects if not path.is_dir()]
    if missing:
        parser.error(f"not a folder: {', '.join(missing)}")

    outcomes = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(
            partial(check, python=options.python, options=arguments[split + 1 :]), options.projects
        ):
            outcomes.append(outcome)
            print(
                f"{outcome.project}: {outcome.changed} files changed, {len(outcome.problems)} problems", file=sys.stderr
            )
    if options.report:
        options.report.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
    print(report(outcomes))
    return int(any(outcome.problems for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())

"""The cases under `fixtures/`: what each says, read from its files.

A case is a folder `fixtures/<code>/<name>/` with `before.py` and, where the fix changes something, `after.py`. A
comment `# <- V5001` at the end of a line of `before.py` says that there is a finding of that rule in the line
(`# <- V5001 unseen` that the rule says that it could not see); no other line has one. The comments are taken out
before the file is linted.
A case of several files has folders `before/` and `after/` in place of the two files. `options.toml` holds the
configuration of the case, and under `case`: `fix` ("safe" or "unsafe"; which fixes are applied), `select` (which rules
run, else only the one of the folder), `target` and `minimum`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIXTURES = Path(__file__).parents[2] / "fixtures"

_MARK = re.compile(r"[ \t]*# <- (?P<marks>V\d{4}(?: unseen)?(?:, V\d{4}(?: unseen)?)*)[ \t]*(?=[\r\n]|\Z)")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        path: its folder.
        code: the rule that it is about.
        before: the files before, by relative path, without the marks.
        after: the same files after the fix.
        findings: (file, line, code) of every finding before the fix.
        unseen: the same of every place that is said not to be seen.
        options: the configuration, without the table `case`.
        fix: "safe" or "unsafe".
        select: the codes that run.
        target: the target release; "" for the newest.
        minimum: the oldest supported release; "" for the default.
    """

    path: Path
    code: str
    before: dict[str, str]
    after: dict[str, str]
    findings: set[tuple[str, int, str]]
    unseen: set[tuple[str, int, str]]
    options: dict[str, Any] = field(default_factory=dict)
    fix: str = "safe"
    select: tuple[str, ...] = ()
    target: str = ""
    minimum: str = ""

    @property
    def name(self) -> str:
        """ "V5001/alias"."""
        return f"{self.path.parent.name}/{self.path.name}"


def read_case(path: Path) -> Case:
    """Read a case from its folder."""
    marked = _files(path, "before")
    findings: set[tuple[str, int, str]] = set()
    unseen: set[tuple[str, int, str]] = set()
    for name, text in marked.items():
        for number, line in enumerate(_LINE_END.split(text), start=1):
            if found := _MARK.search(line):
                for mark in found["marks"].split(", "):
                    code, _, kind = mark.partition(" ")
                    (unseen if kind else findings).add((name, number, code))
    before = {name: _MARK.sub("", text) for name, text in marked.items()}
    after = {**before, **_files(path, "after")}
    options: dict[str, Any] = {}
    if (path / "options.toml").exists():
        options = tomllib.loads((path / "options.toml").read_text())
    case = options.pop("case", {})
    code = path.parent.name
    return Case(
        path,
        code,
        before,
        after,
        findings,
        unseen,
        options,
        case.get("fix", "safe"),
        tuple(case.get("select", [code])),
        case.get("target", ""),
        case.get("minimum", ""),
    )


def _files(path: Path, which: str) -> dict[str, str]:
    folder = path / which
    if folder.is_dir():
        return {
            str(file.relative_to(folder)): file.read_bytes().decode()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
    for file in sorted(path.glob(f"{which}.*")):
        return {f"case{file.suffix}": file.read_bytes().decode()}
    return {}


def all_cases() -> list[Case]:
    """Every case, in order."""
    return [read_case(path) for path in sorted(FIXTURES.glob("V[0-9]*/*")) if path.is_dir()]

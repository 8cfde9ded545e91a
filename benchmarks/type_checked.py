"""What a type checker says of code beside transformers 5 and not beside 4.57, where v5lint says nothing.

Usage:
    python benchmarks/type_checked.py PROJECT... --before VENV --after VENV --output FILE

An oracle for misses that knows nothing of v5lint: `ty` checks each project twice, with the packages of a virtual
environment that holds transformers 4.57.6 and with those of one that holds the newest release. What it says the second
time alone, on lines of which v5lint says nothing, is written by its words, the most frequent first, each with the first
place. Most of it is no break (a tokenizer that may be None, a number that may be a bool, a layer that may be a tensor):
it is read, not counted.

The checker must be on the path (`pip install ty`). Nothing of the projects is executed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

_LINE = re.compile(r"^(?P<file>.*?):(?P<line>\d+):(?P<column>\d+): (?:error|warning)\[(?P<rule>[\w-]+)\] (?P<text>.*)$")

#: What is said of packages that are not installed.
_UNINSTALLED = ("unresolved-import", "possibly-unresolved-reference")

#: How far from a diagnostic v5lint may speak of the same: a call has its arguments on lines of their own.
_NEAR = 1

_WIDTH = 110


class Said(NamedTuple):
    """What the checker says of a place."""

    file: str
    line: int
    column: int
    rule: str
    text: str


Spoken = dict[str, list[tuple[int, int]]]
"""The lines of each file of which v5lint speaks, as first and last."""


def main() -> None:
    """Check the projects twice, lint them, and write what only the checker sees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", type=Path, nargs="+")
    parser.add_argument("--before", type=Path, required=True, help="virtual environment with transformers 4.57.6")
    parser.add_argument("--after", type=Path, required=True, help="virtual environment with the newest release")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    found: list[Said] = []
    for project in options.projects:
        new = only_after(checked(project, options.before), checked(project, options.after))
        left = unspoken(new, linted(project))
        print(f"{project.name}: {len(new)} said of the newest release alone, {len(left)} without a finding")
        found += left
    options.output.write_text("".join(f"{line}\n" for line in report(found)), encoding="utf-8")


def checked(project: Path, environment: Path) -> list[Said]:
    """What the checker says of a project beside the packages of an environment."""
    ignored = [word for rule in _UNINSTALLED for word in ("--ignore", rule)]
    command = ["ty", "check", "--python", str(environment), "--output-format", "concise", "--no-progress", *ignored]
    done = subprocess.run([*command, str(project.resolve())], capture_output=True, text=True, cwd="/", check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{project}: ty failed with {done.returncode}: {done.stderr.strip()}")
    return read(done.stdout)


def read(output: str) -> list[Said]:
    """The diagnostics in the output of a check from the root folder."""
    matches = (_LINE.match(line) for line in output.splitlines())
    return [
        Said(f"/{each['file'].lstrip('/')}", int(each["line"]), int(each["column"]), each["rule"], each["text"])
        for each in matches
        if each is not None
    ]


def only_after(before: list[Said], after: list[Said]) -> list[Said]:
    """What is said of the newer release and not, in whatever words, at the same place of the older one."""
    known = {each[:4] for each in before}
    return [each for each in after if each[:4] not in known]


def linted(project: Path) -> Spoken:
    """The lines of which v5lint speaks."""
    command = [sys.executable, "-m", "v5lint", "--isolated", "--output-format", "json", str(project.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(f"{project}: v5lint failed with {done.returncode}: {done.stderr.strip()}")
    found: Spoken = defaultdict(list)
    for each in json.loads(done.stdout):
        found[str(Path(each["filename"]).resolve())].append((each["location"]["row"], each["end_location"]["row"]))
    return found


def unspoken(said: list[Said], spoken: Spoken) -> list[Said]:
    """What v5lint says nothing near."""
    return [
        each
        for each in said
        if not any(first - _NEAR <= each.line <= last + _NEAR for first, last in spoken.get(each.file, ()))
    ]


def report(said: list[Said]) -> list[str]:
    """A line for each thing that is said, with how often and where first, the most frequent first."""
    places: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for each in said:
        places[each.rule, each.text[:_WIDTH]].append(each)
    ordered = sorted(places.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [f"{len(found):5} {rule}: {text}    {found[0].file}:{found[0].line}" for (rule, text), found in ordered]


if __name__ == "__main__":
    main()

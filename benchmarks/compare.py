"""Holds v5lint's findings against the oracle: which failing imports have none, and which findings name what resolves?

Usage:
    python -m v5lint CORPUS/packages CORPUS/repos --isolated --output-format json --output-file FINDINGS
    python benchmarks/compare.py --oracle FOLDER --findings FINDINGS --root CORPUS/packages --root CORPUS/repos

FOLDER holds the output of `oracle.py`. Recall is counted over the removed names that nothing protects; precision over
the findings of the import rules that stand on an import, or on an attribute of the imported module.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Place = tuple[str, str]

VERDICTS = ("right", "guarded", "deprecated", "undecided", "own package", "resolves")
WRONG = ("own package", "resolves")


def read_oracle(folder: Path) -> tuple[dict[Place, list[Row]], set[str]]:
    """Returns the references by project and file, and the names of the projects."""
    references: dict[Place, list[Row]] = defaultdict(list)
    projects = set()
    for path in sorted(folder.glob("*.jsonl")):
        projects.add(path.stem)
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row["status"] != "unparsed":
                    references[row["project"], row["file"]].append(row)
    return references, projects


def read_findings(paths: list[Path], roots: list[Path]) -> dict[Place, list[Row]]:
    """Returns the findings by project and file; the children of the roots are the projects."""
    findings: dict[Place, list[Row]] = defaultdict(list)
    resolved = [root.resolve() for root in roots]
    for path in paths:
        for finding in json.loads(path.read_text(encoding="utf-8")):
            name = Path(finding["filename"])
            root = next((root for root in resolved if name.is_relative_to(root)), None)
            if root is None:
                raise SystemExit(f"{path}: {name} is in none of the roots")
            project, *rest = name.relative_to(root).parts
            findings[project, "/".join(rest)].append(finding)
    return findings


def must_be_found(row: Row) -> bool:
    """Tells whether a reference is a removed name that neither a guard nor the project's own package explains."""
    return row["status"] == "removed" and not row["guarded"] and not row["own_package"] and row["kind"] != "patch"


def covers(finding: Row, row: Row) -> bool:
    """Tells whether a finding stands on the line of a reference."""
    if finding.get("cell") != row["cell"]:
        return False
    first, last = finding["location"]["row"], finding["end_location"]["row"]
    return bool(first <= row["line"] <= last)


def names(finding: Row, row: Row) -> bool:
    """Tells whether the message of a finding names what a reference names."""
    path = row["missing"] or row["target"]
    return re.search(rf"\b{re.escape(path.rsplit('.', 1)[-1])}\b", finding["message"]) is not None


def finds(finding: Row, row: Row) -> bool:
    """Tells whether a finding reports a failing reference: on its line, or on its statement and by name."""
    if covers(finding, row):
        return True
    first = finding["location"]["row"]
    return finding.get("cell") == row["cell"] and row["start"] <= first <= row["end"] and names(finding, row)


def verdict(finding: Row, rows: list[Row]) -> str | None:
    """Judges one finding of an import rule, or returns None where the oracle has nothing to say about its place."""
    here = [row for row in rows if covers(finding, row) and not (row["kind"] == "attribute" and row["imported"])]
    named = [row for row in here if names(finding, row)] or here
    if not named:
        return None
    removed = [row for row in named if row["status"] == "removed"]
    if any(not row["own_package"] and not row["guarded"] for row in removed):
        return "right"
    if any(row["own_package"] for row in named):
        return "own package"
    if removed:
        return "guarded"
    if finding.get("level") == "deprecated":
        return "deprecated"
    return "resolves" if all(row["status"] == "resolves" for row in named) else "undecided"


def table(title: str, head: list[str], rows: list[list[Any]]) -> list[str]:
    """Formats one Markdown table."""
    cells = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    rule = "| --- |" + " ---: |" * (len(head) - 1)
    return [f"## {title}", "", "| " + " | ".join(head) + " |", rule, *cells, ""]


def share(part: int, whole: int) -> str:
    """Formats a percentage."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns 1 if an unguarded failure has no finding, or a finding names what resolves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", type=Path, required=True, help="output folder of oracle.py")
    parser.add_argument("--findings", type=Path, nargs="+", required=True, help="JSON output of v5lint")
    parser.add_argument(
        "--root", type=Path, action="append", required=True, help="folder whose children are the projects"
    )
    parser.add_argument(
        "--codes", default="V5001,V5003,V51", help="prefixes of the import rules (default: %(default)s)"
    )
    parser.add_argument(
        "--list", type=int, default=50, metavar="N", help="misses and wrong findings to list (default: 50)"
    )
    options = parser.parse_args(argv)

    references, projects = read_oracle(options.oracle)
    findings = read_findings(options.findings, options.root)
    prefixes = tuple(options.codes.split(","))

    found: Counter[str] = Counter()
    finding_codes: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    missed_names: dict[str, list[str]] = defaultdict(list)
    judged: dict[str, Counter[str]] = defaultdict(Counter)
    by_project: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: list[str] = []
    for (project, file), rows in references.items():
        here = findings.get((project, file), [])
        for row in rows:
            if must_be_found(row):
                wanted[project] += 1
                codes = {finding["code"] for finding in here if finds(finding, row)}
                found[project] += bool(codes)
                finding_codes.update(codes)
                if not codes:
                    place = f"{project}/{file}:{row['line']}" + (f" (cell {row['cell']})" if row["cell"] else "")
                    missed_names[row["missing"]].append(f"{place}: {row['statement']}")
        for finding in here:
            answer = verdict(finding, rows) if finding["code"].startswith(prefixes) else None
            if answer is not None:
                judged[finding["code"]][answer] += 1
                by_project[project][answer] += 1
                if answer in WRONG:
                    place = f"{project}/{file}:{finding['location']['row']}"
                    wrong.append(f"{place}: {finding['code']} {finding['message']} [{answer}]")
    unknown = {project for project, _ in findings} - projects
    if unknown:
        print(f"not known to the oracle, left out: {', '.join(sorted(unknown))}", file=sys.stderr)

    total, hit = sum(wanted.values()), sum(found.values())
    verdicts = sum(judged.values(), Counter())
    bad = sum(verdicts[kind] for kind in WRONG)
    known = sum(verdicts.values())
    lines = [
        f"Recall: {hit} of {total} unguarded failures have a finding ({share(hit, total)}).",
        f"Precision: {bad} of {known} import findings stand on a name that resolves ({share(bad, known)}).",
        "",
        *table(
            "By rule",
            ["rule", "failures found", *VERDICTS],
            [
                [code, finding_codes[code], *(judged[code][kind] for kind in VERDICTS)]
                for code in sorted({*finding_codes, *judged})
            ],
        ),
        *table(
            "By project",
            ["project", "failures", "found", "recall", *VERDICTS],
            [
                [
                    name,
                    wanted[name],
                    found[name],
                    share(found[name], wanted[name]),
                    *(by_project[name][k] for k in VERDICTS),
                ]
                for name in sorted({*wanted, *by_project}, key=lambda name: (found[name] - wanted[name], name))
            ],
        ),
        *table(
            "Missed, by name",
            ["name", "references", "for instance"],
            [
                [name, len(places), places[0]]
                for name, places in sorted(missed_names.items(), key=lambda item: (-len(item[1]), item[0]))[
                    : options.list
                ]
            ],
        ),
        "## Findings on what resolves",
        "",
        *(f"- {line}" for line in wrong[: options.list]),
    ]
    print("\n".join(lines))
    return int(hit < total or bad > 0)


if __name__ == "__main__":
    sys.exit(main())

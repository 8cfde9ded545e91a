"""An oracle of import resolution, independent of v5lint: which names of a library fail on the installed release?

Usage:
    python benchmarks/oracle.py PROJECT [PROJECT ...] --python INTERPRETER --output FOLDER [--cache FILE]

Every PROJECT is a folder; its Python files and notebooks are read with `ast`. Each name of transformers,
huggingface_hub or peft that is imported or reached as an attribute of the module is then looked up in INTERPRETER,
whose environment holds the release in question. `FOLDER/<project>.jsonl` gets one line a reference, resolving or not;
`FOLDER/summary.md` counts the failures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from oracle_collect import ROOTS, Reference, references_in_file

RESOLVER = Path(__file__).with_name("oracle_resolve.py")
SUFFIXES = (".py", ".pyi", ".ipynb")
PROTECTING = frozenset({"try", "handler", "version", "default"})

READ = frozenset({"attribute", "getattr", "patch"})

Answers = dict[str, dict[str, str]]


def python_files(project: Path) -> list[Path]:
    """Returns the Python files and notebooks below a folder, in a stable order."""
    found = [
        Path(folder, name)
        for folder, _, names in os.walk(project)
        for name in names
        if name.endswith(SUFFIXES) and ".ipynb_checkpoints" not in folder
    ]
    return sorted(path for path in found if path.is_file())


@cache
def own_package(folder: Path, project: Path, root: str) -> bool:
    """Tells whether a file in `folder` imports the project's own top-level package called `root`, not the library.

    Imports are absolute: only a folder that may stand on the module path counts, so one without an `__init__.py`.
    """
    for ancestor in (folder, *folder.parents):
        if not Path(ancestor, "__init__.py").exists():
            for place in (ancestor, ancestor / "src"):
                if Path(place, root, "__init__.py").exists() or Path(place, f"{root}.py").exists():
                    return True
        if ancestor == project:
            break
    return False


def read_file(project: Path, path: Path) -> tuple[list[Reference], str]:
    """Returns the references of one file, or why it has none to give."""
    try:
        return references_in_file(path), ""
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [], f"{type(error).__name__}: {error}"[:300]


def key_of(reference: Reference) -> str:
    """Names the question that a reference asks: equal keys have equal answers."""
    kind = {"import_module": "import", "getattr": "attribute", "patch": "attribute"}.get(reference.kind, reference.kind)
    loaded = (
        [name for name in reference.loaded if name.startswith(reference.module + ".")] if kind == "attribute" else []
    )
    return json.dumps([kind, reference.module, reference.name, loaded])


def resolve(keys: set[str], python: str, answers: Answers) -> None:
    """Asks the interpreter for every key without an answer; a question that kills it is answered `crash`."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted, given = Path(scratch, "wanted.jsonl"), Path(scratch, "given.jsonl")
        while missing := sorted(keys - answers.keys()):
            with wanted.open("w", encoding="utf-8") as lines:
                for key in missing:
                    kind, module, name, loaded = json.loads(key)
                    lines.write(
                        json.dumps({"key": key, "kind": kind, "module": module, "name": name, "loaded": loaded}) + "\n"
                    )
            given.write_text("", encoding="utf-8")
            done = subprocess.run([python, str(RESOLVER), str(wanted), str(given)], check=False, cwd=scratch)
            for line in given.read_text(encoding="utf-8").splitlines():
                answer = json.loads(line)
                answers[answer.pop("key")] = answer
            fatal = next((key for key in missing if key not in answers), None)
            if fatal is not None:
                answers[fatal] = {"status": "crash", "missing": "", "error": f"exit status {done.returncode}"}


def versions(python: str) -> dict[str, str]:
    """Returns the releases of the libraries that the interpreter has."""
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {ROOTS!r}}}))"
    answer: dict[str, str] = json.loads(subprocess.check_output([python, "-c", code], text=True))
    return answer


def settle(references: list[Reference], answers: Answers) -> list[dict[str, Any]]:
    """Joins references and answers, and decides which failures nothing protects.

    A name in an `except ImportError` clause is protected only as long as what the `try` imports resolves. Attributes of
    a name whose own import fails are left out: the import is the failure.
    """
    absent = {reference.target for reference in references if answers[key_of(reference)]["status"] != "resolves"}
    failing = {
        reference.attempt
        for reference in references
        if reference.attempt is not None and answers[key_of(reference)]["status"] == "removed"
    }
    rows = []
    for reference in references:
        if reference.kind in READ and reference.module in absent:
            continue
        row = asdict(reference)
        guarded = reference.guard in PROTECTING and not (reference.guard == "handler" and reference.fallback in failing)
        del row["loaded"], row["attempt"], row["fallback"]
        row |= {"statement": reference.statement, "target": reference.target, "guarded": guarded}
        row |= answers[key_of(reference)]
        rows.append(row)
    return rows


def unexplained(row: dict[str, Any]) -> bool:
    """Tells whether a row is a removed name that neither a guard nor a package of the project's own explains."""
    return row["status"] == "removed" and not row["guarded"] and not row["own_package"] and row["kind"] != "patch"


def summary(results: dict[str, list[dict[str, Any]]], errors: dict[str, int], releases: dict[str, str]) -> str:
    """Writes the counts as Markdown."""
    lines = [
        "# Names that fail",
        "",
        "Resolved by " + ", ".join(f"{name} {version}" for name, version in releases.items()),
        "",
    ]
    states: Counter[str] = Counter()
    names: dict[str, list[tuple[str, str]]] = defaultdict(list)
    projects: list[tuple[int, int, str]] = []
    importing = failing_files = 0
    for project, rows in results.items():
        files = {row["file"] for row in rows}
        broken = [row for row in rows if unexplained(row)]
        importing += len(files)
        failing_files += len({row["file"] for row in broken})
        projects.append((len(broken), len(files), project))
        for row in rows:
            state = "the project's own package" if row["own_package"] else row["status"]
            if state == "removed":
                state += (
                    f", guarded ({row['guard']})"
                    if row["guarded"]
                    else ", assigned to"
                    if row["kind"] == "patch"
                    else ", unguarded"
                )
            states[state] += 1
        for row in broken:
            names[row["missing"]].append((project, row["file"]))
    total = sum(states.values())
    lines += [
        f"{len(results)} projects, {importing} files with references ({failing_files} with an unguarded failure),",
        f"{total} references, {sum(errors.values())} files that name a library and do not parse.",
        "",
        "| outcome | references |",
        "| --- | ---: |",
        *(f"| {state} | {count} |" for state, count in states.most_common()),
        "",
        "## By name, unguarded",
        "",
        "| name | references | files | projects |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, places in sorted(
        names.items(), key=lambda item: (-len({project for project, _ in item[1]}), -len(item[1]), item[0])
    ):
        lines.append(f"| {name} | {len(places)} | {len(set(places))} | {len({project for project, _ in places})} |")
    lines += [
        "",
        "## By project",
        "",
        "| project | unguarded failures | files with references | unparsable |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {count} | {files} | {errors[name]} |" for count, files, name in sorted(projects, reverse=True)
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="+", type=Path, metavar="PROJECT", help="folder of one project")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the release (default: this one)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--cache", type=Path, help="file that keeps answers between runs (default: in the output folder)"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes that parse (default: 2)")
    options = parser.parse_args(argv)

    releases = versions(options.python)
    options.output.mkdir(parents=True, exist_ok=True)
    cache = options.cache or options.output / "answers.json"
    stored = json.loads(cache.read_text(encoding="utf-8")) if cache.exists() else {}
    answers: Answers = stored["answers"] if stored.get("releases") == releases else {}

    collected: dict[str, dict[str, list[Reference]]] = {}
    failures: dict[str, dict[str, str]] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for project in options.projects:
            files = python_files(project)
            collected[project.name], failures[project.name] = {}, {}
            for path, (references, error) in zip(
                files, pool.map(partial(read_file, project), files, chunksize=16), strict=True
            ):
                name = path.relative_to(project).as_posix()
                if references:
                    collected[project.name][name] = references
                if error:
                    failures[project.name][name] = error
    keys = {key_of(reference) for files in collected.values() for found in files.values() for reference in found}
    print(f"{len(keys)} names to look up, {len(keys - answers.keys())} of them new", file=sys.stderr, flush=True)
    resolve(keys, options.python, answers)
    cache.write_text(json.dumps({"releases": releases, "answers": answers}), encoding="utf-8")

    results: dict[str, list[dict[str, Any]]] = {}
    for project in options.projects:
        rows = results[project.name] = []
        for name, references in collected[project.name].items():
            folder = Path(project, name).parent
            for row in settle(references, answers):
                own = own_package(folder, project, row["module"].split(".", 1)[0])
                rows.append({"project": project.name, "file": name, **row, "own_package": own})
        with Path(options.output, f"{project.name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row) + "\n")
            for name, error in failures[project.name].items():
                file.write(
                    json.dumps({"project": project.name, "file": name, "status": "unparsed", "error": error}) + "\n"
                )
    text = summary(results, {name: len(found) for name, found in failures.items()}, releases)
    Path(options.output, "summary.md").write_text(text, encoding="utf-8")
    print(text.split("## By name")[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())

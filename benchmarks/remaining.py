"""What is left after the fixes: which files have an import that fails, a name undefined, or a sibling's name gone?

Usage:
    python benchmarks/remaining.py --before FOLDER --after FOLDER --root CORPUS/repos --fixed COPY/repos

FOLDER holds the output of `oracle.py` for the children of `--root` and for those of `--fixed`, copies of them on which
`v5lint --fix --unsafe-fixes` has run. `ruff` has to be installed.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from compare import must_be_found, read_oracle

if TYPE_CHECKING:
    from compare import Place


def failing(folder: Path) -> dict[Place, list[str]]:
    """Returns the statements that fail and that nothing protects, by project and file."""
    references, _ = read_oracle(folder)
    found = {place: [row["statement"] for row in rows if must_be_found(row)] for place, rows in references.items()}
    return {place: statements for place, statements in found.items() if statements}


def undefined_names(folder: Path) -> Counter[tuple[str, str]]:
    """Counts what ruff says of undefined names, by file and message."""
    options = ["--isolated", "--no-cache", "--select", "F821", "--output-format", "json"]
    command = [sys.executable, "-m", "ruff", "check", *options, str(folder)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    return Counter((Path(each["filename"]).relative_to(folder.resolve()).as_posix(), each["message"]) for each in found)


@cache
def bound_names(file: Path) -> frozenset[str] | None:
    """Returns every name that a module binds anywhere, "*" for a star; None where it does not parse."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8", errors="replace"))
    except (SyntaxError, ValueError):
        return None
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return frozenset(names)


def missing_from_siblings(project: Path) -> set[tuple[str, str, str]]:
    """Returns (file, module, name) of what files import from modules of the project that do not bind it."""
    modules: dict[str, list[Path]] = defaultdict(list)
    files = sorted(project.rglob("*.py"))
    for file in files:
        parts = [*file.relative_to(project).with_suffix("").parts]
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        for start in range(len(parts)):
            modules[".".join(parts[start:])].append(file)
    found = set()
    for file in files:
        if bound_names(file) is None:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8", errors="replace"))):
            if not isinstance(node, ast.ImportFrom) or node.module == "transformers":
                continue
            if node.level:
                folder = file.parents[node.level - 1]
                path = folder.joinpath(*(node.module or "").split("."))
                targets = [each for each in (path.with_suffix(".py"), path / "__init__.py") if each in files]
            else:
                targets = modules.get(node.module or "", [])
            for alias in node.names if targets else ():
                held = [bound_names(each) for each in targets]
                folders = [each.parent / alias.name for each in targets if each.name == "__init__.py"]
                is_module = any(each.exists() or each.with_suffix(".py").exists() for each in folders)
                if not is_module and not any(names is None or {"*", alias.name} & names for names in held):
                    found.add(
                        (file.relative_to(project).as_posix(), "." * node.level + (node.module or ""), alias.name)
                    )
    return found


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns 1 if a fix broke something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="output of oracle.py for the projects")
    parser.add_argument("--after", type=Path, required=True, help="output of oracle.py for the fixed copies")
    parser.add_argument("--root", type=Path, required=True, help="folder whose children are the projects")
    parser.add_argument("--fixed", type=Path, required=True, help="folder whose children are the fixed copies")
    options = parser.parse_args(argv)

    before, after = failing(options.before), failing(options.after)
    left = [place for place in before if place in after]
    new = [place for place in after if place not in before]
    undefined = undefined_names(options.fixed) - undefined_names(options.root)
    unbound = [
        (project.name, *each)
        for project in sorted(options.fixed.iterdir())
        for each in sorted(missing_from_siblings(project) - missing_from_siblings(options.root / project.name))
    ]
    count, rest = sum(map(len, before.values())), sum(map(len, after.values()))
    print(f"Files with a failing name: {len(before)}, and {len(left)} after the fixes; names: {count}, and {rest}")
    print(f"New failures: {len(new)}; names newly undefined: {len(undefined)}; gone from a sibling: {len(unbound)}")
    for place in left:
        print(f"- left: {'/'.join(place)}: {', '.join(sorted(set(after[place])))}")
    for problem in (*new, *undefined, *unbound):
        print(f"- broken: {'/'.join(problem)}")
    return int(bool(new or undefined or unbound))


if __name__ == "__main__":
    sys.exit(main())

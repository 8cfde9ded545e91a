"""Reads from the wheels of trl which arguments its trainers and configurations lost, and in which release.

    python -m v5lint.rules.knowledge.collect.trl_arguments CACHE > rules/knowledge/trl_arguments.toml

reads the wheels of trl that are in the folder CACHE (see `wheels.download`). Nothing is imported. Classes that the
newest release does not offer at its top level are left out (V5213 speaks of them), and so are classes whose constructor
takes any keyword. So are `tokenizer` (V5304) and the fields that transformers' TrainingArguments declares today.
"""

from __future__ import annotations

import argparse
import ast
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.collect.wheels import version_key

HEAD = """\
# Arguments that trainers and configurations of trl lost, by the release that was the first without them; "moved" are
# those of a trainer that its configuration takes today.
# Generated from the wheels: see collect/trl_arguments.py.
"""

_PACKAGE = "trl"
_LEFT_OUT = ("/experimental/", "/tests/")
_OTHERS = frozenset({"tokenizer"})


class Constructor:
    """What the constructor of a class takes.

    Attributes:
        names: the parameters.
        is_open: whether it takes any keyword.
    """

    def __init__(self, names: set[str], *, is_open: bool = False) -> None:
        self.names = names
        self.is_open = is_open


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    sys.stdout.write(table(parser.parse_args().cache))


def table(cache: Path) -> str:
    """The table of the wheels in a folder."""
    wheels = {path.name.split("-")[1]: path for path in cache.glob(f"{_PACKAGE}-*.whl")}
    releases = sorted(wheels, key=version_key)
    history = {release: constructors(wheels[release]) for release in releases}
    base = lookup.parameters("TrainingArguments")
    lines = [HEAD]
    for name, now in sorted(history[releases[-1]].items()):
        had = {each for release in releases for each in history[release].get(name, Constructor(set())).names}
        kept = now.names | _OTHERS
        gone: dict[str, set[str]] = defaultdict(set)
        for argument in had - kept if not now.is_open else ():
            if name.endswith("Config") and base is not None and argument in base:
                continue
            last = max(at for at, release in enumerate(releases) if _takes(history[release].get(name), argument))
            gone[_minor(releases[last + 1])].add(argument)
        if gone:
            lines.append(f"[{name}]")
            lines += [f'"{release}" = "{" ".join(sorted(gone[release]))}"' for release in sorted(gone, key=version_key)]
            settings = history[releases[-1]].get(name.replace("Trainer", "Config"), Constructor(set()))
            fields = {each for each in settings.names if any(each in names for names in gone.values())}
            if name.endswith("Trainer") and fields:
                lines.append(f'moved = "{" ".join(sorted(fields))}"')
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def constructors(wheel: Path) -> dict[str, Constructor]:
    """The constructors of the classes that a release of trl offers at its top level."""
    classes: dict[str, ast.ClassDef] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            if path.startswith(f"{_PACKAGE}/") and path.endswith(".py") and not any(part in path for part in _LEFT_OUT):
                for node in ast.parse(archive.read(path)).body:
                    if isinstance(node, ast.ClassDef):
                        classes.setdefault(node.name, node)
        top = ast.parse(archive.read(f"{_PACKAGE}/__init__.py"))
    offered = {node.value for node in ast.walk(top) if isinstance(node, ast.Constant)}
    offered |= {node.name for node in ast.walk(top) if isinstance(node, ast.alias)}
    return {name: _parameters(name, classes, 0) for name in classes if name in offered}


def _parameters(name: str, classes: dict[str, ast.ClassDef], depth: int) -> Constructor:
    """What a class takes: the parameters of its `__init__`, or else the fields of a dataclass and of its bases."""
    node = classes.get(name)
    if node is None or depth > len(classes):
        return Constructor(set())
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            taken = [*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs][1:]
            return Constructor({argument.arg for argument in taken}, is_open=each.args.kwarg is not None)
    found = Constructor(
        {each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)}
    )
    for base in node.bases:
        above = _parameters(ast.unparse(base).rpartition(".")[2], classes, depth + 1)
        found = Constructor(found.names | above.names, is_open=found.is_open or above.is_open)
    return found


def _takes(constructor: Constructor | None, argument: str) -> bool:
    return constructor is not None and argument in constructor.names


def _minor(release: str) -> str:
    return ".".join(release.split(".")[:2])


if __name__ == "__main__":
    main()

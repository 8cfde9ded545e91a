"""Reads from the wheels which layers of models gave a tuple under 4.x, and give their tensor since.

    python -m v5lint.rules.knowledge.collect.layer_outputs CACHE rules/knowledge/layer_outputs.toml

reads the wheels of transformers that are in the folder CACHE (of each minor since 4.46 one; see `wheels.download`), and
writes the table. Nothing is imported: what `forward` of a layer returns is read in its source.
"""

from __future__ import annotations

import argparse
import ast
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.rules.knowledge.collect.wheels import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = """\
# Layers whose `forward` gave a tuple, the hidden states its first, and gives these alone since a release: the release,
# and the lists that hold such layers.
# Generated from the wheels: see collect/layer_outputs.py.
"""

_MODELING = re.compile(r"transformers/models/([^/]+)/modeling_[^/]+\.py$")
_CLASS = re.compile(r"^class (\w+)\b")
_LAYER = re.compile(r"(Layer|Block|LayerGroup)$")
_SINCE = (4, 46)

Outputs = dict[str, bool]


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    wheels = wheels_of(options.cache)
    read = {minor: sources(wheels[minor]) for minor in sorted(wheels)}
    options.table.write_text(table(read), encoding="utf-8")


def wheels_of(cache: Path, since: tuple[int, ...] = _SINCE) -> dict[tuple[int, ...], Path]:
    """The newest wheel of each minor release of transformers that is in a folder, from one release on."""
    newest: dict[tuple[int, ...], tuple[int, ...]] = {}
    wheels: dict[tuple[int, ...], Path] = {}
    for path in cache.glob("transformers-*.whl"):
        release = version_key(path.name.split("-")[1])
        if release[:2] >= since and release > newest.get(release[:2], ()):
            newest[release[:2]], wheels[release[:2]] = release, path
    return wheels


def sources(wheel: Path) -> dict[str, str]:
    """The source of each class of the models in a wheel, by its name."""
    with zipfile.ZipFile(wheel) as archive:
        return classes_in(archive.read(name).decode() for name in archive.namelist() if _MODELING.match(name))


def classes_in(texts: Iterable[str]) -> dict[str, str]:
    """The source of each class in some modules, by its name."""
    found: dict[str, str] = {}
    for text in texts:
        for part in re.split(r"(?m)^(?=class |def |@)", text):
            if match := _CLASS.match(part):
                found.setdefault(match.group(1), part)
    return found


def table(read: dict[tuple[int, ...], dict[str, str]]) -> str:
    """The text of the table, of the classes' sources in each minor release, the oldest first."""
    outputs = {minor: _outputs(classes) for minor, classes in read.items()}
    newest = max(read)
    since: dict[str, str] = {}
    for name, is_tuple in outputs[newest].items():
        tuples = [minor for minor, found in outputs.items() if found.get(name)]
        if tuples and not is_tuple:
            since[name] = ".".join(map(str, min(minor for minor in read if minor > max(tuples))))
    lists: dict[str, set[str]] = {}
    for classes in read.values():
        for place, layer in _lists(classes):
            lists.setdefault(layer, set()).add(place)
    lines = [HEAD]
    for name in sorted(since):
        places = ", ".join(f'"{each}"' for each in sorted(lists.get(name, ())))
        lines.append(f'{name} = {{ since = "{since[name]}", lists = [{places}] }}')
    return "\n".join(lines) + "\n"


def _outputs(classes: dict[str, str]) -> Outputs:
    """Of each layer whether its `forward` gives a tuple; without those that give now this, now that."""
    found = {}
    for name, source in classes.items():
        if not _LAYER.search(name):
            continue
        body = getattr(ast.parse(source).body[0], "body", ())
        forward = [each for each in body if getattr(each, "name", "") == "forward"]
        given = [(one, each.value) for one in forward for each in ast.walk(one) if isinstance(each, ast.Return)]
        kinds = {_is_tuple(one, value) for one, value in given if value is not None}
        if len(kinds) == 1 and None not in kinds:
            found[name] = bool(kinds.pop())
    return found


def _is_tuple(function: ast.AST, value: ast.expr) -> bool | None:
    """Whether what is returned is a tuple; None where the source does not tell."""
    if isinstance(value, ast.Tuple):
        return True
    if isinstance(value, ast.BinOp):  # `(hidden,) + outputs[1:]`, or a sum of tensors
        sides = {_is_tuple(function, value.left), _is_tuple(function, value.right)}
        return next(each for each in (True, None, False) if each in sides)
    if not isinstance(value, ast.Name):
        return None
    given = [
        each.value
        for each in ast.walk(function)
        if isinstance(each, (ast.Assign, ast.AugAssign)) and _assigns(each, value.id)
    ]
    return any(isinstance(part, ast.Tuple) for each in given for part in (each, getattr(each, "left", None)))


def _assigns(node: ast.Assign | ast.AugAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(each, ast.Name) and each.id == name for each in targets)


def _lists(classes: dict[str, str]) -> list[tuple[str, str]]:
    """The lists of layers: ("BertEncoder.layer", "BertLayer")."""
    pattern = re.compile(r"self\.(\w+) = nn\.ModuleList\(\s*\[\s*(\w+)\(")
    found = []
    for name, source in classes.items():
        made = pattern.findall(source)
        found += [(f"{name}.{attribute}", layer) for attribute, layer in made if _LAYER.search(layer)]
    return found


if __name__ == "__main__":
    main()

"""Reads from the wheels which models stumble over a part of theirs when their configuration has `return_dict=False`.

    python -m v5lint.rules.knowledge.collect.tuple_parts CACHE rules/knowledge/tuple_parts.toml

reads the wheels of transformers that are in the folder CACHE (of each minor since 4.57 one; see `wheels.download`), and
writes the table. Nothing is imported. A part that has the configuration of the model gives a tuple, too; a model that
does not say `return_dict=True` where it calls the part, and reads a field of what it gives, fails. What was read was
held against what the models do: 365 classes of the Auto classes were built from a small configuration and run on 5.24.
"""

from __future__ import annotations

import argparse
import ast
import functools
from pathlib import Path
from typing import NamedTuple

from v5lint.rules.knowledge.collect.layer_outputs import sources, wheels_of

HEAD = """\
# Models that fail when their configuration has `return_dict=False`, as they did not under 4.57: the first release, and
# the classes.
# Generated from the wheels: see collect/tuple_parts.py.
"""

_SINCE = (4, 57)
_ARGUMENT, _MODEL = "return_dict", "PreTrainedModel"

#: What makes a tuple of what a `forward` gives, where the configuration wants one.
_DECORATORS = frozenset({"can_return_tuple", "capture_outputs", "check_model_inputs"})

#: How a `forward` without one of them asks the configuration.
_ASKS = ("config.use_return_dict", "config.return_dict")


class Facts(NamedTuple):
    """What one class says.

    Attributes:
        bases: its bases.
        parts: the classes of its parts that get its configuration, by attribute.
        has_forward: whether it has a `forward` of its own.
        gives_tuple: whether that gives a tuple where the configuration wants one.
        reads: the parts and methods that `forward` calls without `return_dict=`, and whether it reads a field of what
            they give.
        methods: the methods that give a tuple where the configuration wants one.
    """

    bases: tuple[str, ...]
    parts: dict[str, str]
    has_forward: bool
    gives_tuple: bool
    reads: dict[str, bool]
    methods: frozenset[str]


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    wheels = wheels_of(options.cache, _SINCE)
    found = {minor: models(sources(wheels[minor])) for minor in sorted(wheels)}
    options.table.write_text(table(found), encoding="utf-8")


def models(classes: dict[str, str]) -> dict[str, bool]:
    """The models, and whether each fails, of the classes' sources in one release."""
    facts = {name: facts_of(source) for name, source in classes.items()}
    known: dict[str, bool] = {}
    return {name: _fails(facts, name, known) for name in facts if _MODEL in _line(facts, name)[-1]}


@functools.cache
def facts_of(source: str) -> Facts:
    """What the source of a class says."""
    of = next(each for each in ast.parse(source).body if isinstance(each, ast.ClassDef))
    methods = {each.name: each for each in of.body if isinstance(each, ast.FunctionDef)}
    forward = methods.get("forward")
    return Facts(
        tuple(ast.unparse(base).rpartition(".")[2] for base in of.bases),
        _parts(methods["__init__"]) if "__init__" in methods else {},
        forward is not None,
        forward is not None and _gives_tuple(forward),
        _reads(forward) if forward is not None else {},
        frozenset(name for name, each in methods.items() if _is_decorated(each)),
    )


def _parts(init: ast.FunctionDef) -> dict[str, str]:
    same = {"config"}
    found = {}
    for node in ast.walk(init):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        target, call = node.targets[0], node.value
        given = [*call.args, *(each.value for each in call.keywords if each.arg == "config")]
        first = ast.unparse(given[0]) if given else ""
        if isinstance(target, ast.Name) and first == "config" and ast.unparse(call.func).endswith("deepcopy"):
            same.add(target.id)
        elif isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self" and first in same:
            found[target.attr] = ast.unparse(call.func)
    return found


def _gives_tuple(forward: ast.FunctionDef) -> bool:
    text = ast.unparse(forward)
    return _is_decorated(forward) or any(each in text for each in _ASKS)


def _is_decorated(method: ast.FunctionDef) -> bool:
    decorators = [each.func if isinstance(each, ast.Call) else each for each in method.decorator_list]
    return any(getattr(each, "id", "") in _DECORATORS for each in decorators)


def _reads(forward: ast.FunctionDef) -> dict[str, bool]:
    found: dict[str, bool] = {}
    held: dict[str, str] = {}
    for node in ast.walk(forward):
        if (part := _called_part(node)) is not None:
            found.setdefault(part, False)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            part = _called_part(node.value)
            if part is not None and isinstance(target, ast.Name):
                held[target.id] = part
    for node in ast.walk(forward):
        if isinstance(node, ast.Attribute):
            part = held.get(node.value.id) if isinstance(node.value, ast.Name) else _called_part(node.value)
            if part is not None:
                found[part] = True
    return found


def _called_part(node: ast.AST) -> str | None:
    """The part that a call is of, which says nothing of `return_dict`: "model" of `self.model(...)`."""
    if not isinstance(node, ast.Call):
        return None
    said = [*(each.arg for each in node.keywords), *(getattr(each, "id", "") for each in node.args)]
    if _ARGUMENT in said:
        return None
    of, _, part = ast.unparse(node.func).partition(".")
    return part if of == "self" else None


def _line(facts: dict[str, Facts], name: str) -> tuple[list[str], set[str]]:
    """A class and its ancestors that are known, nearest first, and the names of all of them."""
    line, names = [], {name}
    waiting = [name]
    while waiting:
        each = waiting.pop(0)
        names.add(each)
        if each in facts and each not in line:
            line.append(each)
            waiting += facts[each].bases
    return line, names


def _fails(facts: dict[str, Facts], name: str, known: dict[str, bool]) -> bool:
    if name in known:
        return known[name]
    known[name] = False
    line, _ = _line(facts, name)
    forward = next((facts[each] for each in line if facts[each].has_forward), None)
    if forward is None:
        return False
    for path, is_read in forward.reads.items():
        if is_read and any(path in facts[each].methods for each in line):
            known[name] = True
        of = name
        for part in path.split("."):
            of = _parts_of(facts, of).get(part, "")
        if of in facts and (_fails(facts, of, known) or (is_read and _is_tuple(facts, of))):
            known[name] = True
    return known[name]


def _parts_of(facts: dict[str, Facts], name: str) -> dict[str, str]:
    return {part: of for each in reversed(_line(facts, name)[0]) for part, of in facts[each].parts.items()}


def _is_tuple(facts: dict[str, Facts], name: str) -> bool:
    line, _ = _line(facts, name)
    return next((facts[each].gives_tuple for each in line if facts[each].has_forward), False)


def table(found: dict[tuple[int, ...], dict[str, bool]]) -> str:
    """The text of the table, of the models of each minor release and whether they fail, the oldest first."""
    minors = sorted(found)
    oldest, newest = found[minors[0]], found[minors[-1]]
    since: dict[tuple[int, ...], list[str]] = {}
    for name, fails in newest.items():
        if fails and oldest.get(name) is False:
            good = [minor for minor in minors if found[minor].get(name) is False]
            since.setdefault(minors[minors.index(good[-1]) + 1], []).append(name)
    lines = [
        f"  ['{'.'.join(map(str, minor))}', '{' '.join(sorted(names))}'],\n" for minor, names in sorted(since.items())
    ]
    return f"{HEAD}\nfailing = [\n{''.join(lines)}]\n"


if __name__ == "__main__":
    main()

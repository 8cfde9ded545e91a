"""Compares what the public classes and functions of two installed releases of transformers offer, by importing them.

The data file is parsed from the wheels and holds names, members and some parameters. This asks Python itself, for what
parsing does not see or the data does not hold: parameters and defaults of every public method, the parameters that
pipelines take, the attributes of what the constructors make. Run it by its path, with the Python of an environment that
has torch, torchvision and the release to be read, once for each of two releases; then compare what they wrote:

    python rules/knowledge/collect/interfaces.py FOLDER
    python rules/knowledge/collect/interfaces.py FOLDER --compare

A line of the comparison says what changed, in how many classes, and in which first ones. What is `swallowed` is taken
by the `**kwargs` of the newer release. Each line about what programs write is to have a rule, or a reason to have none.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import logging
import re
import sys
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

Parameters = list[tuple[str, str, str | None]]
"""Name, kind and default (as source; None where there is none) of each parameter."""

Interface = dict[str, Any]
"""`members`: name -> parameters, or None for what is no method; `attributes`: name -> value of an object's own."""

PRIVATE = frozenset({"__init__", "__call__", "_sanitize_parameters"})
"""Methods that are called under other names: the last takes what `pipeline(...)` is given."""

BUILT = ("Config", "ImageProcessor", "FeatureExtractor")
"""The ends of the names of classes that are built without arguments, to see the attributes of the object."""

SHOWN = 4
"""How many classes a line names."""


def main() -> None:
    """Read the options and write the file of a release, or print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--compare", action="store_true", help="print what changed")
    options = parser.parse_args()
    if options.compare:
        files = sorted(options.folder.glob("interfaces-*.json"))
        older, newer = (json.loads(path.read_text(encoding="utf-8")) for path in files)
        sys.stdout.write("".join(f"{line}\n" for line in compared(older, newer)))
        return
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    transformers: Any = importlib.import_module("transformers")
    found = interfaces(transformers)
    options.folder.mkdir(parents=True, exist_ok=True)
    target = options.folder / f"interfaces-{transformers.__version__}.json"
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(found)} classes and functions")


def interfaces(package: Any) -> dict[str, Interface]:
    """Give the interface of every public class and function of a package."""
    found: dict[str, Interface] = {}
    for name in sorted(each for each in dir(package) if not each.startswith("_")):
        try:
            of = getattr(package, name)
        except Exception as error:  # a module may need what is not installed
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        if inspect.isclass(of):
            found[name] = _of_class(of)
        elif callable(of):
            found[name] = {"members": {"": _parameters(of)}, "attributes": {}}
    return found


def _of_class(of: type) -> Interface:
    members: dict[str, Parameters | None] = {}
    for name in dir(of):
        owner = next((base for base in of.__mro__ if name in vars(base)), object)
        is_own = owner is not object and not owner.__module__.startswith(("torch", "builtins", "collections", "enum"))
        if is_own and (not name.startswith("_") or name in PRIVATE):
            held = vars(owner)[name]
            is_method = inspect.isroutine(held) or isinstance(held, (classmethod, staticmethod))
            members[name] = _parameters(getattr(of, name)) if is_method else None
    attributes: dict[str, str] = {}
    if of.__name__.endswith(BUILT):
        try:
            attributes = {name: _source(value) for name, value in vars(of()).items() if not name.startswith("_")}
        except Exception as error:  # a constructor may want arguments
            print(f"{of.__name__}(): {type(error).__name__}: {error}", file=sys.stderr)
    return {"members": members, "attributes": attributes}


def _parameters(function: Any) -> Parameters | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    empty = inspect.Parameter.empty
    return [
        (each.name, each.kind.name, None if each.default is empty else _source(each.default))
        for each in signature.parameters.values()
        if each.name != "self"
    ]


def _source(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:120]


def compared(older: dict[str, Interface], newer: dict[str, Interface]) -> list[str]:
    """Give a line for each change, those of most classes first.

    Args:
        older: the interfaces of a release.
        newer: those of a later one.
    """
    changes: dict[str, list[str]] = defaultdict(list)
    for name in sorted(older.keys() & newer.keys()):
        before, now = older[name], newer[name]
        for member, parameters in before["members"].items():
            if member not in now["members"] and member not in now["attributes"]:
                changes[f"{member}: gone"].append(name)
            elif parameters is not None and now["members"].get(member) is not None:
                for change in _changes(parameters, now["members"][member]):
                    changes[f"{member}({change}"].append(name)
        for attribute, value in before["attributes"].items():
            if attribute not in now["attributes"] and attribute not in now["members"]:
                changes[f".{attribute}: gone"].append(name)
            elif now["attributes"].get(attribute, value) != value:
                changes[f".{attribute}: {value} -> {now['attributes'][attribute]}"].append(name)
    ordered = sorted(changes.items(), key=lambda each: (-len(each[1]), each[0]))
    return [f"{len(names):5} {change}    {', '.join(names[:SHOWN])}" for change, names in ordered]


def _changes(before: Parameters, now: Parameters) -> list[str]:
    """The changes of the parameters of one function."""
    found = []
    named = {each[0]: each for each in now}
    is_open = any(kind == "VAR_KEYWORD" for _, kind, _ in now)
    for name, kind, default in before:
        if kind.startswith("VAR_"):
            continue
        if name not in named:
            found.append(f"{name}): {'swallowed' if is_open else 'gone'}")
        elif named[name][2] != default:
            found.append(f"{name}): default {default} -> {named[name][2]}")
        elif named[name][1] == "KEYWORD_ONLY" and kind != "KEYWORD_ONLY":
            found.append(f"{name}): by name alone")
    old, new = ([name for name, kind, _ in each if kind == "POSITIONAL_OR_KEYWORD"] for each in (before, now))
    moved = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), -1)
    if moved >= 0:
        found.append(f"): place {moved} is {new[moved]}, was {old[moved]}")
    known = {each[0] for each in before}
    found += [
        f"{each[0]}): needed" for each in now if each[0] not in known and each[2] is None and each[1][:4] != "VAR_"
    ]
    return found


if __name__ == "__main__":
    main()

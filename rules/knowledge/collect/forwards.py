"""Reads from the wheels what the `forward` of models and of their parts took in 4.57 and takes now, and where they are.

    python -m v5lint.rules.knowledge.collect.forwards CACHE rules/knowledge/forwards.toml

reads the wheels of transformers that are in the folder CACHE (of each minor since 4.57 one; see `wheels.download`), and
writes the table. Nothing is imported: the parameters are read in the sources, with the old names that a decorator still
translates (`deprecate_kwarg`), and the classes of what a constructor keeps (`self.encoder = BertEncoder(config)`).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import re
import zipfile
from collections import defaultdict
from pathlib import Path

from v5lint.rules.knowledge.collect.layer_outputs import wheels_of

HEAD = """\
# What the `forward` of models and of their parts takes, of those that refuse an argument of 4.57 or have it in another
# place: the parameters in 4.57 (`name@5.24`: not read since that release), those of the newest release, the classes.
# `*`: what follows goes by name alone; `**`: any other keyword is taken without a word; `~name`: an old name that is
# translated; `name!`: has no default, and is new.
# `places`: which class stands behind an attribute of another, in 4.57 and now, `[]` for a list; `*` is the family.
# Generated from the wheels: see collect/forwards.py.
"""

_SINCE = (4, 57)

#: How many bases of a class are looked through: names of classes may go round in a circle.
_DEPTH = 8

_MODELING = "modeling_"
_CLASSES = re.compile(r"(?m)^(?=class |def |@)")
_CLASS = re.compile(r"class \w+")
_BASES = re.compile(r"class \w+\(([^)]*)\)")
_CONSTRUCTOR = re.compile(r"^    def __init__\(.*?(?=^    (?:def |@)|\Z)", re.MULTILINE | re.DOTALL)
_DECORATOR = "deprecate_kwarg"

#: Names of the cache: since 5.24 it is called the last one everywhere.
CACHES = ("past_key_values", "past_key_value", "cache_params", "cache")


class Forward:
    """What a `forward` takes, or another method.

    Attributes:
        positional: the parameters that may go by position.
        by_name: those that go by name alone.
        needed: those without a default.
        translated: old names that a decorator gives on under new ones.
        is_open: whether it takes any other keyword.
    """

    def __init__(self, method: ast.FunctionDef) -> None:
        given = method.args
        names = [each.arg for each in (*given.posonlyargs, *given.args)]
        self.positional = tuple(names[1:])
        self.by_name = tuple(each.arg for each in given.kwonlyargs)
        without = names[1 : len(names) - len(given.defaults)]
        self.needed = {
            *without,
            *(each.arg for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is None),
        }
        self.translated = {str(each.args[0].value) for each in _calls(method) if isinstance(each.args[0], ast.Constant)}
        self.is_open = given.kwarg is not None
        self.is_variadic = given.vararg is not None

    @property
    def names(self) -> frozenset[str]:
        """All that it reads."""
        return frozenset({*self.positional, *self.by_name, *self.translated})


def _calls(method: ast.FunctionDef) -> list[ast.Call]:
    return [
        each
        for each in method.decorator_list
        if isinstance(each, ast.Call)
        and getattr(each.func, "id", "") == _DECORATOR
        and each.args
        and any(keyword.arg == "new_name" for keyword in each.keywords)
    ]


#: The source of each class, by its name.
Classes = dict[str, str]


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    wheels = wheels_of(options.cache, _SINCE)
    read = {minor: classes_of(wheels[minor]) for minor in sorted(wheels)}
    options.table.write_text(table(read), encoding="utf-8")


def classes_of(wheel: Path) -> Classes:
    """The classes of the model files in a wheel; of several of one name that of the family which it begins with."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            *folders, file = path.split("/")
            if folders[:2] == ["transformers", "models"] and file.startswith(_MODELING):
                for name, part in classes_in(archive.read(path).decode()).items():
                    found[name][folders[2].replace("_", "")] = part
    chosen = {}
    for name, sources in found.items():
        families = [each for each in sources if name.lower().startswith(each)] if len(sources) > 1 else [*sources]
        if families:
            chosen[name] = sources[max(families, key=len)]
    return chosen


def classes_in(text: str) -> Classes:
    """The classes of a model file."""
    parts = (part for part in _CLASSES.split(text) if _CLASS.match(part))
    return {part[len("class ") :].partition("(")[0].partition(":")[0]: part for part in parts}


@functools.cache
def _forward(source: str) -> Forward | None:
    """The `forward` that a class has itself: its head is parsed alone, since files are many and long."""
    start = source.find("    def forward(")
    if start < 0:
        return None
    before = source[:start].splitlines(keepends=True)
    first = len(before)
    while first and (before[first - 1].startswith(("    @", "    )", "        ")) and before[first - 1].strip()):
        first -= 1
        if before[first].startswith("    @") and (not first or not before[first - 1].startswith(("    @", "    )"))):
            break
    decorators = "".join(before[first:]) if before[first:] and before[first].startswith("    @") else ""
    head = "class _:\n" + decorators
    for line in source[start:].splitlines():
        head += f"{line}\n"
        if line.partition("#")[0].rstrip().endswith(":"):
            with contextlib.suppress(SyntaxError):
                (of,) = ast.parse(f"{head}        pass\n").body
                return Forward(next(each for each in ast.walk(of) if isinstance(each, ast.FunctionDef)))
    return None


def forwards(classes: Classes) -> dict[str, Forward]:
    """What the `forward` of each class takes that has one, its own or that of a base among them."""
    found: dict[str, Forward] = {}
    for name in classes:
        of = name
        for _ in range(_DEPTH):
            source = classes.get(of, "")
            forward = _forward(source)
            if forward is not None:
                found[name] = forward
                break
            bases = _BASES.match(source)
            of = (
                next((base.strip() for base in bases.group(1).split(",") if base.strip() in classes), "")
                if bases
                else ""
            )
    return found


def places(classes: Classes) -> dict[tuple[str, str], str]:
    """The class of what the constructor of each class keeps, where it is always one: ("BertLayer", "attention")."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, source in classes.items():
        constructor = _CONSTRUCTOR.search(source)
        if constructor is None:
            continue
        for statement in ast.walk(ast.parse(f"class _:\n{constructor.group()}")):
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
                if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
                    attribute, made = _kept(target.attr, statement.value)
                    found[name, attribute].add(made if made in classes else "")
    return {place: next(iter(names)) for place, names in found.items() if len(names) == 1 and "" not in names}


def _kept(attribute: str, value: ast.expr) -> tuple[str, str]:
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("ModuleList") and value.args:
        attribute += "[]"
        inner = value.args[0]
        value = inner.elt if isinstance(inner, (ast.ListComp, ast.GeneratorExp)) else inner
    if not isinstance(value, ast.Call):
        return attribute, ""
    return attribute, ast.unparse(value.func).removesuffix("._from_config").rpartition(".")[2]


def table(read: dict[tuple[int, ...], Classes]) -> str:
    """The text of the table, of the classes of each minor release, the oldest first."""
    of_class = changed({minor: forwards(classes) for minor, classes in read.items()})
    oldest, newest = min(read), max(read)
    first = places(read[oldest])
    kept = {place: part for place, part in places(read[newest]).items() if first.get(place) == part}
    wanted = {*of_class}
    while True:
        more = {place[0] for place, part in kept.items() if part in wanted} - wanted
        if not more:
            break
        wanted |= more
    within = {place: part for place, part in kept.items() if part in wanted}
    lines = [HEAD, "forwards = [", *grouped(of_class), "]", "places = [", *_grouped_places(within), "]"]
    return "\n".join(lines) + "\n"


def changed(taken: dict[tuple[int, ...], dict[str, Forward]]) -> dict[str, tuple[str, str]]:
    """What was taken in the oldest release and is in the newest, as the table spells it, of what refuses or moved one.

    Args:
        taken: what each callable takes, by its name, in each minor release, the oldest first.
    """
    oldest, newest = min(taken), max(taken)
    found: dict[str, tuple[str, str]] = {}
    for name in sorted(taken[oldest].keys() & taken[newest].keys()):
        before, now = taken[oldest][name], taken[newest][name]
        history = {minor: each[name] for minor, each in taken.items() if name in each}
        lost = {each: _lost_in(history, each) for each in before.names if not _reads(now, each)}
        if before.is_variadic or now.is_variadic or not _matters(before, now, lost):
            continue
        old = [f"{each}@{lost[each]}" if each in lost else each for each in before.positional]
        old += ["*" for _ in before.by_name[:1]]
        old += [f"{each}@{lost[each]}" if each in lost else each for each in before.by_name]
        old += [f"~{each}@{lost[each]}" if each in lost else f"~{each}" for each in sorted(before.translated)]
        found[name] = (" ".join(old), _text(before, now))
    return found


def _text(before: Forward, now: Forward) -> str:
    words = [each + "!" * (each in now.needed and each not in before.needed) for each in now.positional]
    words += ["*" for _ in now.by_name[:1]]
    words += [each + "!" * (each in now.needed and each not in before.needed) for each in now.by_name]
    words += [f"~{each}" for each in sorted(now.translated)]
    return " ".join([*words, "**"] if now.is_open else words)


def _reads(forward: Forward, name: str) -> bool:
    return name in forward.names


def _lost_in(history: dict[tuple[int, ...], Forward], name: str) -> str:
    readers = [minor for minor, forward in history.items() if _reads(forward, name)]
    return ".".join(map(str, next(minor for minor in history if minor > readers[-1])))


def _matters(before: Forward, now: Forward, lost: dict[str, str]) -> bool:
    """Whether a call that was right is refused, or one by position means something else."""
    if lost and not now.is_open:
        return True
    pairs = zip(before.positional, now.positional, strict=False)
    return any(old != new and not (old in CACHES and new in CACHES) for old, new in pairs)


def grouped(of_class: dict[str, tuple[str, str]]) -> list[str]:
    """The lines of a table: what was and is taken, and the names of all that took it so."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, pair in of_class.items():
        found[pair].append(name)
    return [f"  ['{old}', '{new}', '{' '.join(names)}']," for (old, new), names in sorted(found.items())]


def _common(one: str, other: str) -> str:
    """What two names begin with, in whole words."""
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    while same and not (one[same:] + "A")[0].isupper():
        same -= 1
    return one[:same]


def _grouped_places(kept: dict[tuple[str, str], str]) -> list[str]:
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (holder, attribute), part in kept.items():
        family = _common(holder, part)
        found[f"*{holder[len(family) :]}", attribute, f"*{part[len(family) :]}"].append(family or "-")
    return [
        f"  ['{holder}', '{at}', '{part}', '{' '.join(names)}']," for (holder, at, part), names in sorted(found.items())
    ]


if __name__ == "__main__":
    main()

"""Joins the curated tables with what the wheels show: what to write instead of each thing that is gone."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from v5lint.rules.knowledge.collect.history import gaps
from v5lint.toml import loads

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from v5lint.rules.knowledge.collect.history import Axis, Presence, Values
    from v5lint.rules.knowledge.collect.names import Names
    from v5lint.rules.knowledge.collect.namespace import Namespace

TABLES = Path(__file__).parent.parent / "replace"
NAME_TABLES = ("names.toml", "hub.toml", "peft.toml")
_FIELDS = {"new", "drop_in", "since", "note", "effect", "gone"}


class CuratedError(Exception):
    """A curated entry that the wheels contradict."""


class Replacement(NamedTuple):
    """What to write instead of something, as the data file holds it.

    Attributes:
        new: the path or call to write, "" where there is none.
        drop_in: "1" when nothing but the name has to change.
        since: the release since which `new` exists; "" when the oldest release known has it.
        effect: what the newest release does with the old one, where that is no error.
        note: what to do, or to look after.
    """

    new: str
    drop_in: str
    since: str
    effect: str
    note: str


def load_table(path: Path) -> dict[str, dict[str, Any]]:
    """Read a table of names: dotted path -> fields.

    Raises:
        CuratedError: a field that there is not, or an entry that says nothing.
    """
    table: dict[str, dict[str, Any]] = loads(path.read_text(encoding="utf-8"))
    for key, entry in table.items():
        _check_fields(f"{path.name}: {key}", entry)
    return table


def load_nested(path: Path) -> dict[str, dict[str, Any]]:
    """Read a table of members, arguments or choices: "Class" -> name -> fields, as "Class:name" -> fields."""
    found = {}
    tables: dict[str, dict[str, dict[str, Any]]] = loads(path.read_text(encoding="utf-8"))
    for holder, entries in tables.items():
        for name, entry in entries.items():
            _check_fields(f"{path.name}: {holder}: {name}", entry)
            found[f"{holder}:{name}"] = entry
    return found


def _check_fields(where: str, entry: dict[str, Any]) -> None:
    unknown = set(entry) - _FIELDS
    if unknown:
        raise CuratedError(f"{where}: unknown field {', '.join(sorted(unknown))}")
    if not entry.get("new") and not entry.get("note"):
        raise CuratedError(f"{where}: neither `new` nor `note`")


class NameReplacements:
    """The replacements of names and modules of all packages."""

    def __init__(
        self,
        names: Mapping[str, Names],
        newest: Mapping[str, Namespace],
        axes: Mapping[str, Axis],
        successors: Mapping[str, str],
    ) -> None:
        """Take what was gathered.

        Args:
            names: package -> its names over all releases.
            newest: package -> the namespace of its newest release.
            axes: package -> its line of releases.
            successors: path -> path of classes whose successor the wheels show, which are drop-ins.
        """
        self.names, self.newest, self.axes = names, newest, axes
        self.exact: dict[str, dict[str, Any]] = {}
        self.patterns: list[tuple[str, re.Pattern[str], dict[str, Any]]] = []
        for file in NAME_TABLES:
            for key, entry in load_table(TABLES / file).items():
                if any(part.count("*") > 1 for part in key.split(".")):
                    raise CuratedError(f"{file}: {key}: more than one `*` in one part")
                if "*" in key:
                    written = re.escape(key).replace(r"\*", r"([^.]*)")
                    self.patterns.append((key, re.compile(written + r"\Z"), entry))
                else:
                    self.exact[key] = entry
        self.exact.update({old: {"new": new, "drop_in": True} for old, new in successors.items()})
        self.used: set[int] = set()
        self.errors: list[str] = []

    def collect(self) -> dict[str, dict[str, Replacement]]:
        """Give name -> module -> replacement; under the name "" those of whole modules.

        Names for which a curated pattern speaks are left out: lookups match the patterns themselves. So are those that
        lookups find by themselves, see `_is_plain`.
        """
        found: dict[str, dict[str, Replacement]] = defaultdict(dict)
        for package, names in self.names.items():
            moves = names.moves(self.newest[package])
            for module in names.modules:
                if not names.modules.is_current(module):
                    replacement = self._module(package, module)
                    if replacement:
                        found[""][module] = replacement
            for module, presence in names.names.items():
                for name in names.removed(module):
                    if not presence.is_current(name):
                        replacement = self._name(package, module, name)
                        if replacement is None and (module, name) in moves and not self._matched(f"{module}.{name}"):
                            move = moves[module, name]
                            inside = move.path.startswith(package + ".")
                            if inside or names.modules.is_current(module):
                                since = self.axes[package].start(move.since)
                                replacement = Replacement(move.path, "1" if move.same else "", since, "", "")
                                if self._is_plain(package, module, name, replacement, found[""]):
                                    replacement = None
                        if replacement:
                            found[name][module] = replacement
        self._members(found)
        unused = [key for key, entry in self.exact.items() if id(entry) not in self.used]
        unused += [written for written, _pattern, entry in self.patterns if id(entry) not in self.used]
        self.errors += [f"{key}: no release lost such a name" for key in unused]
        if self.errors:
            raise CuratedError("\n".join(self.errors))
        return found

    def astray(self, modules: Mapping[str, Replacement]) -> dict[str, list[str]]:
        """Give the names that the successor of their module does not have: name -> the modules that are gone.

        A lookup takes a name of a module that is gone to be in the module that took its place.

        Args:
            modules: the replacements of whole modules.
        """
        found: dict[str, list[str]] = defaultdict(list)
        for module, successor in modules.items():
            package = module.partition(".")[0]
            names, newest = self.names[package], self.newest.get(successor.new.partition(".")[0])
            if newest is None:
                continue
            for name in names.names.get(module, ()):
                path = names.paths[module, name]
                of_package = path.startswith(package + ".") and path not in names.modules
                if of_package and newest.resolve(successor.new, name) is None:
                    found[name].append(module)
        return found

    def pattern_lines(self) -> list[str]:
        """Give one line a curated pattern: as written, then the fields of `Replacement`."""
        return [
            "\t".join([written, *self._fields(entry, entry.get("new", ""), entry.get("since", ""))])
            for written, _pattern, entry in self.patterns
        ]

    def _matched(self, path: str) -> bool:
        """Tell whether a curated pattern speaks for a path."""
        for _written, pattern, entry in self.patterns:
            if pattern.match(path):
                self.used.add(id(entry))
                return True
        return False

    @staticmethod
    def _is_plain(
        package: str, module: str, name: str, replacement: Replacement, modules: Mapping[str, Replacement]
    ) -> bool:
        """Tell whether a lookup finds a replacement without being told.

        It tries the name that the package itself exports, and the same name in the module that took the place of one
        that is gone.
        """
        if replacement.new == f"{package}.{name}":
            return bool(replacement.drop_in)
        successor = modules.get(module)
        return successor is not None and replacement.new == f"{successor.new}.{name}" and not replacement.drop_in

    def _members(self, found: dict[str, dict[str, Replacement]]) -> None:
        """Add the entries for members of classes that are gone as a whole: `HfFolder.get_token`."""
        for key, entry in self.exact.items():
            holder, _, name = key.rpartition(".")
            module, _, owner = holder.rpartition(".")
            presence = self.names[key.partition(".")[0]].names.get(module)
            if id(entry) not in self.used and presence is not None and owner in presence:
                found[name][holder] = self._replacement(key, entry)

    def _name(self, package: str, module: str, name: str) -> Replacement | None:
        """Find the curated entry of a name: by its path, by its public name, or by its definition's path.

        A pattern that fits the first two is left to the lookup.
        """
        names = self.names[package]
        path = names.paths[module, name]
        written = [f"{module}.{name}"]
        spellings = []
        if path.startswith(package + ".") and path.rpartition(".")[2] == name:
            spellings.append(path)
            public = names.names[package]
            if name in public and not public.is_current(name):
                written.append(f"{package}.{name}")
                spellings.append(names.paths[package, name])
        for spelling in [*written, *spellings]:
            entry = self.exact.get(spelling)
            if entry is not None:
                return self._replacement(spelling, entry)
        if any(self._matched(spelling) for spelling in written):
            return None
        for spelling in spellings:
            for _written, pattern, entry in self.patterns:
                if "{1}" not in entry.get("new", "") and pattern.match(spelling):
                    return self._replacement(spelling, entry)
        return None

    def _module(self, package: str, module: str) -> Replacement | None:
        """Find what to import instead of a module: what is written down, else the one module that has its name."""
        entry = self.exact.get(module)
        if entry is not None:
            return self._replacement(module, entry)
        presence = self.names[package].modules
        leaf = module.rpartition(".")[2]
        homes = [other for other in presence if other.rpartition(".")[2] == leaf and presence.is_current(other)]
        if len(homes) == 1 and "_" in leaf and not self._matched(module):
            return Replacement(homes[0], "", self._spell(package, presence, homes[0]), "", "")
        return None

    def _replacement(self, key: str, entry: dict[str, Any]) -> Replacement:
        self.used.add(id(entry))
        new, since = entry.get("new", ""), entry.get("since", "")
        if new:
            measured = self._since(new.partition("(")[0])
            if measured is None:
                self.errors.append(f"{key}: the newest release has no {new.partition('(')[0]}")
            since = since or measured or ""
        return self._fields(entry, new, since)

    @staticmethod
    def _fields(entry: dict[str, Any], new: str, since: str) -> Replacement:
        drop_in = "1" if entry.get("drop_in") else ""
        return Replacement(new, drop_in, since, entry.get("effect", ""), entry.get("note", ""))

    def _since(self, path: str) -> str | None:
        """Give the release since which a path can be imported; None when the newest release has it not."""
        package = path.partition(".")[0]
        if package not in self.newest:
            return ""  # of another library
        names, newest = self.names[package], self.newest[package]
        if path in names.modules:
            return self._spell(package, names.modules, path) if names.modules.is_current(path) else None
        module, _, name = path.rpartition(".")
        if module not in names.names or newest.resolve(module, name) is None:
            return None
        return self._spell(package, names.names[module], name)

    def _spell(self, package: str, presence: Presence[str], key: str) -> str:
        return self.axes[package].start(presence.spans(key)[-1][0])


def name_lines(
    found: Mapping[str, Mapping[str, Replacement]],
    numbers: Mapping[str, int],
    lost: Mapping[str, Collection[str]],
    astray: Mapping[str, Collection[str]],
) -> tuple[list[str], list[str]]:
    """Spell the replacements of names for the data file.

    Args:
        found: what `NameReplacements.collect` gave.
        numbers: the number of each module.
        lost: name -> the modules, still there, that lost it.
        astray: what `NameReplacements.astray` gave.

    Returns:
        Two lists of lines. One line a replacement: its fields, then "name=modules" for each name that it replaces,
        without the name where it is the last part of the new path, and with "*package" for all modules of a package
        that no other line names; the line of names that have no replacement in some modules begins with "-". And one
        line a module, or a class with members of its own: its path, the fields.
    """
    nothing = Replacement("-", "", "", "", "")
    places: dict[Replacement, list[str]] = defaultdict(list)
    holders = []
    for name in sorted({*found, *astray}):
        packages: dict[str, dict[Replacement, list[int]]] = defaultdict(lambda: defaultdict(list))
        for module, replacement in sorted(found.get(name, {}).items()):
            if not name:
                holders.append("\t".join([module, *replacement]))
            elif module in numbers:
                packages[module.partition(".")[0]][replacement].append(numbers[module])
            else:
                holders.append("\t".join([f"{module}.{name}", *replacement]))
        gone = {module for module in astray.get(name, ()) if module not in found.get(name, {}) and module in numbers}
        for module in gone:
            packages[module.partition(".")[0]][nothing].append(numbers[module])
        for package, groups in sorted(packages.items()):
            for module in lost.get(name, ()):
                if module not in found.get(name, {}) and module.partition(".")[0] == package:
                    groups[nothing].append(numbers[module])
            ordered = sorted(
                groups.items(), key=lambda item: (bool(gone) and item[0] != nothing, len(item[1]), item[0])
            )
            for replacement, modules in ordered:
                is_rest = replacement == ordered[-1][0] and not (gone and replacement == nothing)
                steps = f"*{package}" if is_rest else gaps(sorted(modules))
                written = "" if replacement.new.rpartition(".")[2] == name and "." in replacement.new else name
                places[replacement].append(f"{written}={steps}")
    lines = ["\t".join([*replacement, *names]) for replacement, names in sorted(places.items())]
    return lines, holders


def nested_lines(file: str, known: Mapping[str, str]) -> list[str]:
    """Spell a table of members, arguments or choices: "holder:name", then the fields of `Replacement` and `gone`.

    `gone` is written down only where the wheels do not show since when something is not looked at.

    Args:
        file: the name of the TOML file.
        known: "holder:name" of what exists in the newest release -> the release since which it does.

    Raises:
        CuratedError: `new` is a plain name that the newest release does not have.
    """
    lines, errors = [], []
    for key, entry in sorted(load_nested(TABLES / file).items()):
        holder = key.partition(":")[0]
        new, since = entry.get("new", ""), entry.get("since", "")
        if new and not since:
            plain = re.match(r"\w+(?:-\w+)*", new)
            target = f"{holder}:{plain[0] if plain else new}"
            if target not in known:
                errors.append(f"{file}: {key}: the newest release has no {target}")
            since = known.get(target, "")
        replacement = Replacement(
            new, "1" if entry.get("drop_in") else "", since, entry.get("effect", ""), entry.get("note", "")
        )
        lines.append("\t".join([key, *replacement, entry.get("gone", "")]))
    if errors:
        raise CuratedError("\n".join(errors))
    return lines


def current_parameters(signatures: Values[str], axis: Axis) -> dict[str, str]:
    """Give "callable:parameter" of the newest release -> the release since which it is taken without a break."""
    found = {}
    for key in signatures:
        changes = signatures.changes(key)
        if not changes[-1][1]:
            continue
        label = key.removesuffix(".__init__")
        for parameter in changes[-1][1].split():
            since = 0
            for index, text in reversed(changes):
                if parameter not in text.split() and f"~{parameter}" not in text.split():
                    break
                since = index
            found[f"{label}:{parameter.lstrip('~*').partition('>')[0]}"] = axis.start(since)
    return found

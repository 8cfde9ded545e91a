"""Collects every name that each module offers, over all releases, and where the names that went are found today."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from v5lint.rules.knowledge.collect.history import Presence
from v5lint.rules.knowledge.collect.namespace import Namespace

_GENERATED_FILES = ("modular_", "dummy_")
"""Files that nobody imports names from: sources of generated model files, and stand-ins for missing libraries."""


class Move(NamedTuple):
    """Where a name that went is found in the newest release.

    Attributes:
        path: the dotted path to import it by.
        index: the release since which that path works.
        same: whether it is the same object: only the way to it changed, or its definition was carried over with the
            same parameters.
    """

    path: str
    index: int
    same: bool


class Names:
    """Gathers the modules of a package and the names in them, oldest release first."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.modules: Presence[str] = Presence()
        self.names: dict[str, Presence[str]] = {}
        self.paths: dict[tuple[str, str], str] = {}
        self.signatures: dict[str, str] = {}
        self.length = 0

    def add(self, namespace: Namespace) -> None:
        """Read the next release."""
        modules = [*namespace.modules, *namespace.aliases]
        self.modules.add(modules)
        for module in modules:
            if not module.rpartition(".")[2].startswith(_GENERATED_FILES):
                self._add_module(namespace, module)
        self.length += 1
        self._remember_signatures(namespace)

    def _add_module(self, namespace: Namespace, module: str) -> None:
        presence = self.names.get(module)
        if presence is None:
            presence = self.names[module] = Presence()
        presence.length = self.length
        present = []
        for name in {*presence, *namespace.names(module)}:
            path = None if name.startswith("__") and name != "__version__" else namespace.resolve(module, name)
            if path is not None:
                present.append(name)
                self.paths[module, name] = path
        presence.add(present)

    def _remember_signatures(self, namespace: Namespace) -> None:
        for module, facts in namespace.modules.items():
            for name, parameters in facts.get("functions", {}).items():
                self.signatures[f"{module}.{name}"] = " ".join(parameters)

    def finish(self) -> None:
        """Close the line: what the last release added lacks is gone."""
        for presence in self.names.values():
            presence.length = self.length

    def removed(self, module: str) -> list[str]:
        """Give the names of a module that some release had and a later one has not, whether or not they came back."""
        presence = self.names[module]
        return [name for name in presence if len(presence.spans(name)) > 1 or not presence.is_current(name)]

    def module_lines(self, names: list[str]) -> list[str]:
        """Give one line a module: its dotted path, its spans."""
        return [f"{module}\t{self.modules.text(module, names)}" for module in sorted(self.modules)]

    def removed_lines(self, names: list[str]) -> list[str]:
        """Give one line a module with names that went: "module", then "spans=name,name" for each group."""
        lines = []
        for module in sorted(self.names):
            groups: dict[str, list[str]] = defaultdict(list)
            for name in self.removed(module):
                groups[self.names[module].text(name, names)].append(name)
            if groups:
                fields = [f"{spans}={','.join(sorted(group))}" for spans, group in sorted(groups.items())]
                lines.append("\t".join([module, *fields]))
        return lines

    def top_lines(self, names: list[str]) -> list[str]:
        """Give one line a top-level name: the name, its spans, the module that defines it (or defined it last)."""
        presence = self.names[self.package]
        lines = []
        for name in sorted(presence):
            home, _, last = self.paths[self.package, name].rpartition(".")
            lines.append(f"{name}\t{presence.text(name, names)}\t{home if last == name else home + ':' + last}")
        return lines

    def moves(self, newest: Namespace) -> dict[tuple[str, str], Move]:
        """Find where names that went are today: (module, name) -> Move, for those with one clear home."""
        homes: dict[str, list[str]] = defaultdict(list)
        for module, facts in newest.modules.items():
            if not module.rpartition(".")[2].startswith((*_GENERATED_FILES, "convert_")):
                for name, kind in facts.get("bindings", {}).items():
                    if kind in ("c", "f", "v"):
                        homes[name].append(module)
        found = {}
        for module in self.names:
            for name in self.removed(module):
                if not self.names[module].is_current(name):
                    move = self._home(newest, homes, name, self.paths[module, name])
                    if move and move.path != f"{module}.{name}":
                        found[module, name] = move
        return found

    def _home(self, newest: Namespace, homes: dict[str, list[str]], name: str, old: str) -> Move | None:
        """Find the home of a name that was defined at `old` when it was last seen."""
        if old.partition(".")[0] != self.package:
            return Move(old, 0, True)
        module, _, original = old.rpartition(".")
        if old in newest.modules:
            return Move(old, self._since(module, original), True)
        public = newest.resolve(self.package, name)
        if newest.resolve(module, original) is not None:
            where = self.package if public == newest.resolve(module, original) else module
            return Move(f"{where}.{name if where == self.package else original}", self._since(where, name), True)
        if public is not None:
            same = self._same(old, public)
            return Move(f"{self.package}.{name}", self._since(self.package, name), same)
        candidates = [home for home in homes.get(original, ()) if _may_move(module, home)]
        if len(candidates) == 1:
            target = f"{candidates[0]}.{original}"
            return Move(target, self._since(candidates[0], original), self._same(old, target))
        return None

    def _same(self, old: str, new: str) -> bool:
        """Tell whether a function was carried over unchanged to the eye: its parameters are those that it had."""
        before, after = self.signatures.get(old), self.signatures.get(new)
        return before is not None and before == after

    def _since(self, module: str, name: str) -> int:
        """Give the release since which a name is found in a module without a break."""
        presence = self.names.get(module)
        spans = presence.spans(name) if presence is not None else []
        return spans[-1][0] if spans else 0


def _may_move(old: str, new: str) -> bool:
    """Tell whether a definition can have been carried from one module to another: never between two model families."""
    old_parts, new_parts = old.split("."), new.split(".")
    if "models" in new_parts[:2] and "models" in old_parts[:2]:
        return old_parts[2:3] == new_parts[2:3]
    return True

"""Collects every name that each module offers, over all releases, and where the names that went are found today."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from v5lint.rules.knowledge.collect.history import Axis, Presence, gaps

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.namespace import Namespace

_GENERATED_FILES = ("modular_", "dummy_")
"""Files that nobody imports: sources of generated model files, and stand-ins for missing libraries."""

_SCRIPTS = re.compile(
    r"\.(?:convert_|benchmark|commands\b|cli\b|testing_utils|tests\b)"
    r"|^huggingface_hub\.(?:\w+\.)*(?:_(?!errors|hf_folder|token)|inference\.)"
)
"""Modules from which nobody imports single names: command lines, conversion scripts, the hub's private modules."""


_OTHER_FRAMEWORK = re.compile(r"(?:^|[._])(?:tf|flax|keras)(?:_|$)")
_FLAT_FILE = re.compile(r"transformers\.(?:modeling|tokenization|configuration|processing|feature_extraction)_(\w+)\Z")


class Move(NamedTuple):
    """Where a name that went is found in the newest release.

    Attributes:
        path: the dotted path to import it by.
        since: the index of the release since which that path works.
        same: whether it is the same thing: only the way to it changed, or it was the public object of that name, or a
            function was carried over with its parameters.
    """

    path: str
    since: int
    same: bool


class Names:
    """Gathers the modules of a package and the names in them, oldest release first."""

    def __init__(self, package: str, axis: Axis) -> None:
        self.package = package
        self.axis = axis
        self.modules: Presence[str] = Presence()
        self.names: dict[str, Presence[str]] = {}
        self.paths: dict[tuple[str, str], str] = {}
        self.public: dict[tuple[str, str], bool] = {}
        self.signatures: dict[str, str] = {}
        self.length = 0

    def add(self, namespace: Namespace) -> None:
        """Read the next release."""
        modules = [
            module
            for module in (*namespace.modules, *namespace.aliases)
            if not module.rpartition(".")[2].startswith(_GENERATED_FILES)
        ]
        self.modules.add(modules)
        for module in modules:
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
            is_dunder = name.startswith("__") and name.endswith("__") and name != "__version__"
            path = None if is_dunder else namespace.resolve(module, name)
            if path is not None:
                present.append(name)
                self.paths[module, name] = path
                self.public[module, name] = namespace.resolve(self.package, name) == path
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
        """Give the names of a module that some release had and a later one has not, whether or not they came back.

        Left out is what a module only passed on, and no longer did in the oldest release that scripts come from.
        """
        presence = self.names[module]
        found = []
        for name in presence:
            if len(presence.spans(name)) > 1 or not presence.is_current(name):
                gone_early = presence.spans(name)[-1][1] <= self.axis.baseline
                if not gone_early or module == self.package or self.paths[module, name] == f"{module}.{name}":
                    found.append(name)
        return found

    def module_lines(self) -> list[str]:
        """Give one line a module: its dotted path, its spans, and "name" when its path leads to something else today.

        `huggingface_hub.snapshot_download` was a module and is a function.
        """
        lines = []
        for module in sorted(self.modules):
            parent, _, name = module.rpartition(".")
            presence = self.names.get(parent)
            line = f"{module}\t{self.modules.text(module, self.axis)}"
            gone = not self.modules.is_current(module)
            lines.append(
                line + "\tname" if gone and presence and name in presence and presence.is_current(name) else line
            )
        return lines

    def removed_rows(self, numbers: dict[str, int], rows: dict[str, dict[str, list[int]]]) -> None:
        """Add the names that modules lost: name -> spans -> numbers of the modules.

        The names of the package itself are left out (see `top_lines`), and those of modules that are gone: none of
        them can be imported. The first span begins with "" when the module began with the name, and for a name that the
        module only passed on.

        Args:
            numbers: the number of each module.
            rows: what is added to.
        """
        for module, presence in self.names.items():
            if module != self.package and self.modules.is_current(module) and not _SCRIPTS.search(module):
                born = self.modules.spans(module)[0][0]
                for name in self.removed(module):
                    spans = presence.text(name, self.axis)
                    if presence.spans(name)[0][0] == born or self.paths[module, name] != f"{module}.{name}":
                        spans = ".." + spans.partition("..")[2]
                    rows.setdefault(name, {}).setdefault(spans, []).append(numbers[module])

    def top_lines(self) -> list[str]:
        """Give one line a module that defines top-level names (or defined them last): the module, then "spans=names".

        A name whose definition is called otherwise is written "name:definition". A module that stands for itself, and
        what other packages define, stand under the package's own name.
        """
        presence = self.names[self.package]
        rows: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name in sorted(presence):
            home, _, last = self.paths[self.package, name].rpartition(".")
            if home.partition(".")[0] != self.package:
                home, last = self.package, name
            rows[home][presence.text(name, self.axis)].append(name if last == name else f"{name}:{last}")
        return [
            "\t".join([home, *(f"{spans}={','.join(found)}" for spans, found in sorted(groups.items()))])
            for home, groups in sorted(rows.items())
        ]

    def moves(self, newest: Namespace) -> dict[tuple[str, str], Move]:
        """Find where names that went are today: (module, name) -> Move, for those with one clear home."""
        homes: dict[str, list[str]] = defaultdict(list)
        for module, facts in newest.modules.items():
            if not module.rpartition(".")[2].startswith(_GENERATED_FILES) and not _SCRIPTS.search(module):
                for name, kind in facts.get("bindings", {}).items():
                    if kind in ("c", "f", "v"):
                        homes[name].append(module)
        found = {}
        for module in self.names:
            for name in self.removed(module):
                if not self.names[module].is_current(name) and not _SCRIPTS.search(module):
                    move = self._home(newest, homes, module, name)
                    if move and move.path != f"{module}.{name}":
                        found[module, name] = move
        return found

    def _home(self, newest: Namespace, homes: dict[str, list[str]], module_of_use: str, name: str) -> Move | None:
        """Find the home of a name that a module lost."""
        old = self.paths[module_of_use, name]
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
            same = self.public[module_of_use, name] or self._same(old, public)
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


def removed_lines(rows: dict[str, dict[str, list[int]]]) -> list[str]:
    """Give one line a name that some modules lost: the name, then "spans=modules" for each group."""
    return [
        "\t".join([name, *(f"{spans}={gaps(found)}" for spans, found in sorted(groups.items()))])
        for name, groups in sorted(rows.items())
    ]


def _may_move(old: str, new: str) -> bool:
    """Tell whether a definition can have been carried from one module to another.

    Never between two model families, nor from TensorFlow or Flax to PyTorch, which only share names.
    """
    if _OTHER_FRAMEWORK.search(old):
        return False
    return _family(new) in ("", _family(old))


def _family(module: str) -> str:
    """Give the model family of a module: "bert" for `models.bert.x` and for the old `modeling_bert`; else ""."""
    parts = module.split(".")
    if "models" in parts[:2]:
        rest = [part for part in parts[2:] if part != "deprecated"]
        return rest[0] if rest else ""
    match = _FLAT_FILE.match(module)
    return match[1] if match and not match[1].startswith("utils") else ""

"""Reads the wheels of all releases in order and makes the sections of the data file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from v5lint.rules.knowledge.collect import surfaces
from v5lint.rules.knowledge.collect.checkpoints import read_checkpoints
from v5lint.rules.knowledge.collect.classes import Classes, ClassFacts
from v5lint.rules.knowledge.collect.features import feature_lines
from v5lint.rules.knowledge.collect.history import Axis
from v5lint.rules.knowledge.collect.linear import linear_lines
from v5lint.rules.knowledge.collect.members import ClassMembers
from v5lint.rules.knowledge.collect.model_types import ModelType, read_model_types, type_lines
from v5lint.rules.knowledge.collect.names import Names, removed_lines
from v5lint.rules.knowledge.collect.namespace import Namespace
from v5lint.rules.knowledge.collect.processors import Processors
from v5lint.rules.knowledge.collect.replacements import (
    TABLES,
    CuratedError,
    NameReplacements,
    current_parameters,
    name_lines,
    nested_lines,
)
from v5lint.rules.knowledge.collect.wheels import as_wheel, download, read_wheel, version_key
from v5lint.rules.knowledge.families import joined, told_by_name
from v5lint.toml import loads

if TYPE_CHECKING:
    from pathlib import Path

    from v5lint.rules.knowledge.store import Store

Sections = dict[str, list[str]]
Say = Callable[[str], None]


class Package(NamedTuple):
    """A package whose releases are read.

    Attributes:
        oldest: the first release that is read, so that names of old scripts are known to have existed.
        baseline: the first release that scripts come from; see `history.Axis`.
    """

    oldest: str
    baseline: str


PACKAGES = {
    "transformers": Package("2.0.0", "4.20.0"),
    "huggingface_hub": Package("0.10.0", "0.20.0"),
    "peft": Package("0.2.0", "0.2.0"),
}

LAST_V4 = "4.57"
LATE = {"transformers": LAST_V4}
"""The minor since which the bases of classes, and the parameters of most methods, are kept."""
_CHECKPOINT_MINORS = ("4.20", "4.30", "4.38", "4.57")
"""Minors whose lists of checkpoints are read, beside the newest: the lists were dropped in 4.40 and 4.41."""


class Gathered:
    """All that was read of one package."""

    def __init__(self, package: str, axis: Axis) -> None:
        self.package = package
        self.axis = axis
        self.recent = axis.from_baseline()
        self.names = Names(package, axis)
        late = self._index_of(LATE.get(package, ""))
        self.classes = Classes(self.recent, late)
        self.processors = Processors()
        self.members = ClassMembers(package, late)
        self.surfaces = surfaces.Surfaces()
        self.checkpoints: dict[str, str] = {}
        self.model_types_v4: dict[str, ModelType] = {}
        self.model_types: dict[str, ModelType] = {}
        self.newest_classes: dict[str, ClassFacts] = {}
        self.newest: Namespace

    def _index_of(self, minor: str) -> int:
        """Give the index, among the recent releases, of the oldest of a minor; 0 when there is none."""
        releases = self.recent.releases
        return next((index for index, release in enumerate(releases) if minor and release.startswith(minor + ".")), 0)

    def read(self, folder: Path, say: Say) -> None:
        """Read every release of the line, oldest first."""
        content = None
        for index, release in enumerate(self.axis.releases):
            say(f"{self.package} {release}")
            content = read_wheel(self.package, release, folder, content)
            namespace = Namespace(as_wheel(self.package, release, content))
            self.names.add(namespace)
            if index >= self.axis.baseline:
                self._read_recent(namespace)
                if self.package == "transformers" and self._tells_checkpoints(index):
                    self.checkpoints.update(read_checkpoints(download(self.package, release, folder), namespace))
            self.newest = namespace
        self.names.finish()

    def _read_recent(self, namespace: Namespace) -> None:
        self.surfaces.add(namespace)
        if self.package == "transformers":
            self.newest_classes = self.classes.add(namespace)
            self.processors.add(namespace)
            release = namespace.wheel.release
            if release.startswith(LAST_V4 + "."):
                self.model_types_v4 = read_model_types(namespace, self.newest_classes)
            elif release == self.axis.releases[-1]:
                self.model_types = read_model_types(namespace, self.newest_classes)
        self.members.add(namespace, self.newest_classes)

    def _tells_checkpoints(self, index: int) -> bool:
        """Tell whether this is the last patch of a minor whose lists of checkpoints are read."""
        releases = self.axis.releases
        if index + 1 == len(releases):
            return True
        minor = ".".join(releases[index].split(".")[:2])
        return minor in _CHECKPOINT_MINORS and not releases[index + 1].startswith(minor + ".")


def gather(folder: Path, releases: dict[str, list[str]], say: Say) -> dict[str, Gathered]:
    """Read all packages.

    Args:
        folder: holds the wheels; missing ones are downloaded into it.
        releases: package -> the releases to read.
        say: takes a line about the progress.
    """
    found = {}
    for package, (oldest, baseline) in PACKAGES.items():
        wanted = [release for release in releases[package] if version_key(release) >= version_key(oldest)]
        gathered = Gathered(package, Axis(sorted(wanted, key=version_key), baseline))
        gathered.read(folder, say)
        found[package] = gathered
    return found


def make_sections(found: dict[str, Gathered], linear: Path | None, earlier: Store | None) -> Sections:
    """Make the sections of the data file.

    Args:
        found: what `gather` gave.
        linear: the folder with what `linear_names.py` wrote, of every release since 4.57 or of those alone that the
            earlier file does not know; None to keep its records.
        earlier: the data file that is replaced, if there is one.

    Raises:
        CuratedError: the curated tables and the wheels contradict each other.
    """
    transformers = found["transformers"]
    recent = transformers.recent
    modules = [line for own in found.values() for line in own.names.module_lines()]
    numbers = {line.partition("\t")[0]: number for number, line in enumerate(modules)}
    rows: dict[str, dict[str, list[int]]] = {}
    for own in found.values():
        own.names.removed_rows(numbers, rows)
    sections: Sections = {
        "packages": [
            "\t".join([name, PACKAGES[name].baseline, own.axis.releases[-1], str(len(own.axis.releases))])
            for name, own in found.items()
        ],
        "modules": modules,
        "names": removed_lines(rows),
        "top": [line for own in found.values() for line in own.names.top_lines()],
        "classes": transformers.classes.lines(),
        "bases": [line for own in found.values() for line in own.members.base_lines()],
        "members": [line for own in found.values() for line in own.members.member_lines(own.recent)],
        "lost_members": transformers.members.lost_lines(recent),
        "signatures": [line for own in found.values() for line in own.members.signature_lines(own.recent)],
        "features": feature_lines(transformers.newest, transformers.newest_classes),
        "processors": transformers.processors.lines(recent),
        "model_types": type_lines(transformers.model_types),
        "model_types_v4": type_lines(transformers.model_types_v4, transformers.model_types),
        "environment": _surface_lines(found, "environment"),
        "scripts": _surface_lines(found, "scripts"),
        "tasks": _surface_lines(found, "tasks"),
        "choices": _surface_lines(found, "choices"),
        "checkpoints": _checkpoint_lines(transformers),
    }
    if linear is not None:
        sections["linear"], sections["heads"] = linear_lines(linear, earlier)
    elif earlier is not None:
        for name in ("linear", "heads"):
            sections[name] = ["\t".join(record) for record in earlier.records(name)]
    sections.update(_replacement_sections(found, numbers))
    successors = _vision_successors(transformers)
    sections["vision_feature_extractors"] = [f"{old}\t{new}" for old, new in successors.items()]
    return sections


def _replacement_sections(found: dict[str, Gathered], numbers: dict[str, int]) -> Sections:
    names = NameReplacements(
        {package: own.names for package, own in found.items()},
        {package: own.newest for package, own in found.items()},
        {package: own.axis for package, own in found.items()},
        {
            f"transformers.{old}": f"transformers.{new}"
            for old, new in _vision_successors(found["transformers"]).items()
        },
    )
    lost: dict[str, list[str]] = defaultdict(list)
    for own in found.values():
        for module in own.names.names:
            if own.names.modules.is_current(module):
                for name in own.names.removed(module):
                    lost[name].append(module)
    collected = names.collect()
    replaced, replaced_holders = name_lines(collected, numbers, lost, names.astray(collected[""]))
    parameters: dict[str, str] = {}
    members: dict[str, str] = {}
    surfaces_now: dict[str, str] = {}
    for own in found.values():
        parameters.update(current_parameters(own.members.other_signatures, own.members.late(own.recent)))
        parameters.update(current_parameters(own.members.signatures, own.recent))
        for holder, presence in own.members.members.items():
            for member in presence:
                if presence.length == own.members.length and presence.is_current(member):
                    members[f"{holder}:{member}"] = own.recent.start(presence.spans(member)[-1][0])
        for section in ("environment", "scripts", "tasks", "choices"):
            surface = getattr(own.surfaces, section)
            for name in surface:
                if surface.is_current(name):
                    holder, _, value = name.partition("=") if section == "choices" else (section, "", name)
                    surfaces_now[f"{holder}:{value}"] = own.recent.start(surface.spans(name)[-1][0])
    return {
        "replaced": replaced,
        "replaced_holders": replaced_holders,
        "patterns": names.pattern_lines(),
        "replaced_members": nested_lines("members.toml", members),
        "replaced_arguments": nested_lines("arguments.toml", parameters),
        "replaced_surfaces": nested_lines("environment.toml", surfaces_now),
    }


def _surface_lines(found: dict[str, Gathered], name: str) -> list[str]:
    return surfaces.lines({package: (getattr(own.surfaces, name), own.recent) for package, own in found.items()})


def _checkpoint_lines(transformers: Gathered) -> list[str]:
    """Give the curated patterns first, which win, then what the model files list and the name does not tell."""
    curated: dict[str, str] = loads((TABLES / "checkpoints.toml").read_text(encoding="utf-8"))["checkpoints"]
    known = {*transformers.model_types, *transformers.model_types_v4}
    for pattern, model_type in curated.items():
        if model_type not in known:
            raise CuratedError(f"checkpoints.toml: {pattern}: there is no model type {model_type}")
    spelled = {joined(name): name for name in sorted(known)}
    listed = {
        name: model_type
        for name, model_type in sorted(transformers.checkpoints.items())
        if model_type in known and told_by_name(name, spelled) != model_type
    }
    return [f"{name}\t{model_type}" for name, model_type in [*curated.items(), *listed.items()]]


def _vision_successors(transformers: Gathered) -> dict[str, str]:
    """Give the removed feature extractors that were image processors under an old name, with the class that is left.

    From 4.25 on each of them was a subclass of its image processor that only warned.
    """
    newest = transformers.newest
    found = {}
    for name, facts in sorted(transformers.classes.latest.items()):
        if facts.kind == "feature_extractor" and "image" in facts.modalities:
            gone = newest.resolve("transformers", name) is None
            successors = [base for base in facts.bases if newest.resolve("transformers", base) is not None]
            if gone and successors:
                found[name] = successors[0]
    return found

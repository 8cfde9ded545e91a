"""Names of transformers in YAML that a program looks up: `_target_: transformers.AdamW` of Hydra and its like."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import removed_api
from v5lint.rules.parts.removed_api import Lost
from v5lint.rules.parts.standing import Standing
from v5lint.view.module import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from v5lint.rule import Applicability, Finding
    from v5lint.rules.parts.removed_api import Family
    from v5lint.view.script import ScriptView

#: A key whose whole value is a dotted path of transformers, or of a library that builds on it.
_PATH = pattern(
    r"(?:^[ \t]*(?:-[ \t]+)*|[{,][ \t]*)[\"']?(?P<key>[\w-]+)[\"']?[ \t]*:[ \t]*[\"']?"
    r"(?P<path>(?P<package>transformers|trl|sentence_transformers|peft)(?:\.\w+)+)(?=[\"']?[ \t]*(?:[,}#\r\n]|\Z))",
    re.MULTILINE,
)

#: Keys under which Hydra, LightningCLI and their like look up what is called with the keys beside it.
_TARGETS = frozenset({"_target_", "class_path", "target"})


#: Where a name stands that is in no module of Python.
_NOWHERE = ast.Pass()


class Target:
    """A dotted path in YAML.

    Attributes:
        key: its key.
        path: the path.
        start: where it begins.
    """

    __slots__ = ("key", "path", "start")

    def __init__(self, found: re.Match[str]) -> None:
        self.key = found["key"]
        self.path = found["path"]
        self.start = found.start("path")

    @property
    def is_made(self) -> bool:
        """Whether its key says that it is looked up."""
        return self.key in _TARGETS


def targets(view: ScriptView, packages: Collection[str] = (removed_api.PACKAGE,)) -> Iterator[Target]:
    """The dotted paths of some packages in a YAML file, in the order of their places."""
    if view.kind == "yaml" and not view.project.is_first_party(removed_api.PACKAGE, view.path):
        yield from (Target(found) for found in _PATH.finditer(view.text) if found["package"] in packages)


def extractors(view: ScriptView) -> Iterator[Finding]:
    """Yield the paths of the vision feature extractors that are gone."""
    gone = lookup.vision_feature_extractors()
    for target in targets(view):
        found = [each for each in target.path.split(".") if each in gone]
        if found and removed_api.removed(view, target.path) is not None:
            old = target.path[: target.path.index(found[0]) + len(found[0])]
            message = f"`{found[0]}` was removed in transformers 5.0; `{gone[found[0]]}` takes its place"
            fix = _renaming(target, old, f"{removed_api.PACKAGE}.{gone[found[0]]}", "4.25")
            yield view.finding(target.start, target.start + len(old), message, fix=fix)


def findings(view: ScriptView, family: Family, message: Callable[[Lost], str]) -> Iterator[Finding]:
    """Yield the paths whose name is gone.

    Args:
        view: the file.
        family: which of them.
        message: what is said of one.
    """
    for target in targets(view):
        removal = removed_api.removed(view, target.path)
        if removal is None or not f"{target.path}.".startswith(f"{removal.path}."):
            continue
        reference = Reference(removal.path, _NOWHERE, "string")
        lost = Lost(reference, removal, Standing("live"))
        if lost.family != family or reference.name in lookup.vision_feature_extractors():
            continue
        new = removal.replacement if lost.new and lost.is_drop_in else None
        yield view.finding(
            target.start,
            target.start + len(removal.path),
            message(lost),
            fix=_renaming(target, removal.path, new.new, new.since) if new is not None else None,
            since=removal.gone,
        )


def _renaming(target: Target, old: str, new: str, since: str) -> Fix:
    """The fix that writes another path; it is safe where the key says that the path is looked up."""
    edit = Edit(target.start, target.start + len(old), new)
    safety: Applicability = "safe" if target.is_made else "unsafe"
    return Fix(f"Replace `{old}` with `{new}`", [edit], applicability=safety, requires=since)

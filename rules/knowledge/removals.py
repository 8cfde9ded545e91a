"""What a release no longer has, and what to write instead."""

from __future__ import annotations

import functools

from v5lint.rules.knowledge import history
from v5lint.rules.knowledge.data import as_release, label_at, leads_to, packages, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from v5lint.rules.knowledge.data import AnyRelease

    Kind = Literal["module", "name", "member", "parameter", "environment", "script", "task", "choice"]

_GUIDE = "https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md"
_HUB_GUIDE = "https://huggingface.co/docs/huggingface_hub/concepts/migration"
_RELEASES = "https://github.com/huggingface/{}/releases/tag/v{}"

#: What each module has for itself, with what to write instead: that of another module is not its new home.
_OF_EACH_MODULE = {
    "logger": "Make one with transformers.utils.logging.get_logger(__name__).",
    "main": "",
    "dequantize": "",
}

#: In the place of the new path, for a name that has none though the module it stood in has a successor.
_NOTHING = "-"


class Replacement:
    """What to write instead.

    Attributes:
        new: a dotted path ("transformers.ViTImageProcessor"), a call or subscript of one, or, for members, parameters
            and surfaces, the new spelling in its place ("eval_strategy", "torch_compile").
        drop_in: nothing but the name has to change.
        since: the oldest release that has `new`, "4.46"; "" when all have since 4.20, or when it is another library's.
    """

    __slots__ = ("drop_in", "new", "since")

    def __init__(self, new: str, drop_in: bool, since: str) -> None:
        self.new = new
        self.drop_in = drop_in
        self.since = since

    def __repr__(self) -> str:
        return f"<Replacement {self.new}{' (drop-in)' if self.drop_in else ''} since {self.since or 'ever'}>"


class Removal:
    """Something that is gone.

    Attributes:
        path: what is gone, as short as it can be said: of a path through a module that is gone, the name in it.
        kind: "module", "name" (of a module), "member" (of a class), "parameter", "environment", "script", "task" or
            "choice" (a value of an argument).
        gone: the first release without it, "5.0".
        appeared: the first release with it, when that is after 4.20; else "". Of a name that a module only passed on,
            when the module appeared.
        replacement: what to write instead, if there is something.
        note: what to do, or to look after; "" when there is nothing to say.
        effect: what the release that lacks it does with it: "" for an error, "ignored", or "ValueError".
        url: where to read about it.
    """

    __slots__ = ("appeared", "effect", "gone", "kind", "note", "package", "path", "replacement")

    def __init__(self, path: str, kind: Kind, package: str, spans: str, gone: str, advice: list[str] | None) -> None:
        self.path = path
        self.kind = kind
        self.package = package
        self.gone = gone
        self.appeared = history.appeared_in(spans)
        self.replacement = as_replacement(advice)
        self.effect, self.note = (advice[3], advice[4]) if advice else ("", "")

    @property
    def url(self) -> str:
        """The migration guide for what the next major took, the notes of the release for anything else."""
        if self.gone == "5.0" and self.package == "transformers":
            return _GUIDE
        if self.gone in ("1.0", "2.0") and self.package == "huggingface_hub":
            return _HUB_GUIDE
        return _RELEASES.format(self.package, self.gone if self.gone.count(".") > 1 else self.gone + ".0")

    def __repr__(self) -> str:
        return f"<Removal {self.kind} {self.path} gone in {self.gone}>"


def as_replacement(advice: list[str] | None) -> Replacement | None:
    """Read the fields new, drop_in, since of a record; None when there is nothing to write instead."""
    return Replacement(advice[0], advice[1] == "1", advice[2]) if advice and advice[0] else None


def removed_in(path: str, release: AnyRelease = None) -> Removal | None:
    """Tell whether a release no longer has what a dotted path leads to.

    Args:
        path: "transformers.ViTFeatureExtractor", "transformers.modeling_utils.apply_chunking_to_forward",
            "huggingface_hub.HfFolder", "transformers.deepspeed"; what follows the name is not looked at.
        release: the release of the package that the path begins with.

    Returns:
        None when it is there, when it never was, or when nothing is known of the package.
    """
    wanted = as_release(release)
    module, rest = split(path)
    if not module:
        return None
    package = module.partition(".")[0]
    spans = _module_spans(module)
    gone = history.gone_in(spans, wanted)
    if gone and (rest or not _is_name(module)):
        name_advice = _advice(module, rest[0]) if rest else None
        if name_advice:
            return Removal(f"{module}.{rest[0]}", "name", package, spans, gone, name_advice)
        module_advice = _module_advice(module)
        if rest and module_advice:  # where the module went, this name need not have gone
            module_advice = ["", "", "", *module_advice[3:]]
        return Removal(module, "module", package, spans, gone, module_advice)
    if not rest:
        return None
    found = name_spans(module, rest[0])
    gone = history.gone_in(found, wanted) if found else ""
    if not gone:
        return None
    full = f"{module}.{rest[0]}"
    member_advice = store().record("replaced_holders", f"{full}.{rest[1]}") if len(rest) > 1 else None
    if member_advice:
        return Removal(f"{full}.{rest[1]}", "name", package, found, gone, member_advice)
    return Removal(full, "name", package, found, gone, _advice(module, rest[0]))


def resolves(path: str, release: AnyRelease = None) -> bool:
    """Tell whether a path can be imported, or imported up to its last attribute, in a release.

    False where the release is known to lack it. All top-level names and all modules are known; a name inside a module
    that no release dropped is taken to be there.
    """
    wanted = as_release(release)
    module, rest = split(path)
    if not module:
        return False
    if not history.is_present(_module_spans(module), wanted):
        return not rest and _is_name(module)
    if not rest:
        return True
    spans = name_spans(module, rest[0])
    if spans:
        return history.is_present(spans, wanted)
    return module not in packages()


def module_status(path: str, release: AnyRelease = None) -> str:
    """Tell how a module stands: "there", "gone", "later" (a newer release has it) or "unknown"."""
    fields = store().record("modules", path)
    if fields is None:
        return "unknown"
    wanted = as_release(release)
    if history.is_present(fields[0], wanted):
        return "there"
    return "gone" if history.gone_in(fields[0], wanted) else "later"


def home_of(name: str, package: str = "transformers") -> str | None:
    """Give the path where a top-level name is defined, in the newest release that has it.

    Args:
        name: the bare name, "Trainer".
        package: the package that exports it.

    Returns:
        "transformers.trainer.Trainer"; None when no release exported the name.
    """
    found = store().holder("top", name, package)
    if found is None:
        return None
    module, _, other = found[0].partition(":")
    return f"{module}.{other or name}"


def appeared_in(path: str) -> str | None:
    """Give the oldest release that has a top-level name or a module: "4.46", "" when all since 4.20 have it.

    Returns:
        None for what is neither.
    """
    package, _, name = path.partition(".")
    spans = (name_spans(package, name) if package in packages() and name.isidentifier() else "") or _module_spans(path)
    return history.appeared_in(spans) if spans else None


@functools.cache
def dropped_names(package: str = "transformers") -> frozenset[str]:
    """Give the bare names that some release dropped from somewhere: of modules, and of what stands in them.

    A name is among them too when it is still found in another place, or came back.

    Args:
        package: the package that dropped them.
    """
    found = {line.partition("\t")[0] for line in store().text("names").split("\n")}
    for module, *labels in store().records("top"):
        if module == package or module.startswith(package + "."):
            for label in labels:
                spans, _, members = label.partition("=")
                if not spans.endswith(".."):
                    found.update(member.partition(":")[0] for member in members.split(","))
    for module, spans, *_ in store().records("modules"):
        if not spans.endswith("..") and module.startswith(package + "."):
            found.add(module.rpartition(".")[2])
    return frozenset(found - {""})


def split(path: str) -> tuple[str, list[str]]:
    """Split a path into the longest module that some release had, and the names after it; ("", []) without one."""
    parts = path.split(".")
    if parts[0] in packages():
        for length in range(len(parts), 0, -1):
            module = ".".join(parts[:length])
            if store().record("modules", module) is not None:
                return module, parts[length:]
    return "", []


def _module_spans(module: str) -> str:
    fields = store().record("modules", module)
    return fields[0] if fields else ""


def name_spans(module: str, name: str) -> str:
    """Give the spans of a name of a module; "" when no release dropped it or, at the top level, ever had it."""
    if module in packages():
        found = store().holder("top", name, module)
        return found[1] if found else ""
    fields = store().record("names", name)
    number = store().number("modules", module)
    spans = label_at(fields, number) if fields and number is not None else None
    if not spans:
        return ""
    return history.appeared_in(_module_spans(module)) + spans if spans.startswith("..") else spans


def _is_name(path: str) -> bool:
    """Tell whether a path that was a module is a name now: the function `huggingface_hub.snapshot_download`."""
    fields = store().record("modules", path)
    return fields is not None and len(fields) > 1


def _advice(module: str, name: str) -> list[str] | None:
    """Give the fields of the replacement of a name that a module lost.

    What is known of it alone comes first, then the package's own export of that name, then the curated patterns.
    """
    if name in _OF_EACH_MODULE:
        note = _OF_EACH_MODULE[name]
        return ["", "", "", "", note] if note else None
    found = _told(module, name)
    if found is not None and found[0] != _NOTHING:
        return found
    package = module.partition(".")[0]
    public = name_spans(package, name)
    if module != package and public and history.is_present(public, None):
        return [f"{package}.{name}", "1", history.appeared_in(public), "", ""]
    advice = _pattern([f"{module}.{name}", f"{package}.{name}"] if public else [f"{module}.{name}"])
    successor = store().record("replaced_holders", module) if advice is None and found is None else None
    if successor and successor[0] and resolves(f"{successor[0]}.{name}"):
        return [f"{successor[0]}.{name}", "", history.appeared_in(_module_spans(successor[0])), "", ""]
    if advice is None and module == package:
        home = (home_of(name, package) or "").rpartition(".")[0]
        if home != package and not history.is_present(_module_spans(home), None):
            return _module_advice(home)
    return advice


def _module_advice(module: str) -> list[str] | None:
    """Give the fields of the replacement of a module, or else of the nearest package above it that has one."""
    parts = module.split(".")
    for length in range(len(parts), 1, -1):
        path = ".".join(parts[:length])
        found = store().record("replaced_holders", path) or _pattern([path])
        if found:
            return found
    return None


def _told(module: str, name: str) -> list[str] | None:
    """Give the fields of the replacement that the data holds for one name of one module.

    They begin with _NOTHING where the data holds that there is none, and None is for what it says nothing of.
    """
    number = store().number("modules", module)
    package = module.partition(".")[0]
    others: list[str] | None = None
    for mark in (f".{name}\t", f"\t{name}="):
        for record in store().lines_with("replaced", mark):
            fields, places = record[:5], record[5:]
            own = fields[0].rpartition(".")[2]
            for place in places:
                written, _, steps = place.partition("=")
                if (written or own) == name:
                    if steps.startswith("*"):
                        others = fields if steps[1:] == package else others
                    elif number is not None and leads_to(steps, number):
                        return fields
    return others if others and others[0] != _NOTHING else None


def _pattern(paths: list[str]) -> list[str] | None:
    """Give the fields of the first curated pattern that fits one of some paths."""
    for path in paths:
        for pattern, *fields in store().records("patterns"):
            matched = _match(pattern, path)
            if matched is not None:
                new = fields[0]
                for number, each in enumerate(matched, 1):
                    new = new.replace(f"{{{number}}}", each)
                if new != fields[0] and not (all(matched) and resolves(new)):
                    new = ""
                return [new, *fields[1:]]
    return None


def _match(pattern: str, path: str) -> list[str] | None:
    """Match a path against a pattern whose parts hold at most one `*` each; give what they stand for."""
    expected, parts = pattern.split("."), path.split(".")
    if len(expected) != len(parts):
        return None
    found: list[str] = []
    for wanted, part in zip(expected, parts, strict=True):
        start, star, end = wanted.partition("*")
        if not star:
            if part != wanted:
                return None
        elif not (part.startswith(start) and part.endswith(end) and len(part) >= len(start) + len(end)):
            return None
        else:
            found.append(part[len(start) : len(part) - len(end)])
    return found

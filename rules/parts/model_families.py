"""Which classes of a repository may be models of transformers, by names alone: cheaper than to parse each file."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rules.parts import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.project import Project

# Each begins with a byte that can be looked for: a search for words tries every letter.
_CLASS = pattern(rb"\n[ \t]*class[ \t]+(\w+)[ \t]*(?:\[[^\]]*\][ \t]*)?\(([^)]*)\)")
_ASSIGNED = pattern(rb"\n(\w+)[ \t]*=[ \t]*(?:\w+\.)*(\w+)[ \t]*(?=[\r\n])")
_AS = b" as "
_WORD = pattern(rb"\w+")
_LAST_WORD = pattern(rb"\w+\Z")
#: So many bytes before it are looked at for the name that is given another.
_LONGEST = 100
_KEY = ("model families",)


def may_hold_models(project: Project, file: str) -> bool:
    """Whether a file of a repository may define a class that descends from a model of transformers.

    Names that several classes share are not told apart, and a base that a call makes may be anything.
    """
    return file in project.noted(_KEY, lambda: _files_with_models(project))


def _files_with_models(project: Project) -> frozenset[str]:
    defined: dict[str, set[bytes]] = {}
    derived: dict[bytes, set[bytes]] = {}
    found: set[bytes] = set()
    for file in project.mentioning(b"class", ""):
        raw = b"\n" + bytes_of(file) + b"\n"
        for name, bases in _CLASS.findall(raw):
            defined.setdefault(file, set()).add(name)
            if b"(" in bases:
                found.add(name)
            for base in _WORD.findall(bases):
                derived.setdefault(base, set()).add(name)
        for old, new in _renamed(raw):
            derived.setdefault(old, set()).add(new)
    waiting = [name for name in derived if members.kind_of(name.decode("ascii", "replace")) == "model"]
    waiting += found
    while waiting:
        further = derived.get(waiting.pop(), set()) - found
        found |= further
        waiting += further
    return frozenset(file for file, names in defined.items() if not names.isdisjoint(found))


def _renamed(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The names that a file gives to others: by an import, or by a plain assignment."""
    for target, value in _ASSIGNED.findall(raw):
        yield value, target
    at = raw.find(_AS)
    while at >= 0:
        before = _LAST_WORD.search(raw, max(0, at - _LONGEST), at)
        after = _WORD.match(raw, at + len(_AS))
        if before and after:
            yield before[0], after[0]
        at = raw.find(_AS, at + 1)

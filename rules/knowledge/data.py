"""Opens the data file once, and turns what callers pass into what the records hold."""

from __future__ import annotations

import os.path

from v5lint.releases import parse_release
from v5lint.rules.knowledge.store import FILE_NAME, Store, read_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from v5lint.releases import Release

    AnyRelease: TypeAlias = str | Release | None
    """A release as "5.23" or as a tuple of `v5lint.releases`; None stands for the newest one known."""

_store: Store | None = None


def store() -> Store:
    """Give the opened data file; it is read once a process."""
    global _store
    if _store is None:
        _store = read_store(os.path.join(os.path.dirname(__file__), FILE_NAME))
    return _store


def newest(package: str = "transformers") -> str:
    """Give the newest release of a package that the data file knows, "5.23.0".

    Raises:
        KeyError: the data file knows nothing of the package.
    """
    fields = store().record("packages", package)
    if fields is None:
        raise KeyError(f"the knowledge holds no package `{package}`")
    return fields[1]


def packages() -> tuple[str, ...]:
    """Give the packages that the data file knows."""
    return tuple(record[0] for record in store().records("packages"))


def as_release(release: AnyRelease) -> Release | None:
    """Turn a release as callers write it into a tuple, or None for the newest."""
    return parse_release(release) if isinstance(release, str) else release


def short_name(name: str) -> str:
    """Give the last part of a short name or of a path of a known package; "" for a path of another package."""
    first, dot, _rest = name.partition(".")
    return "" if dot and first not in packages() else name.rpartition(".")[2]


def groups(fields: list[str]) -> dict[str, str]:
    """Give member -> label of the fields "label=member,member" of a record."""
    found = {}
    for field in fields:
        label, _, members = field.partition("=")
        for member in members.split(","):
            found[member] = label
    return found


def label_at(fields: list[str], number: int) -> str | None:
    """Give the label of the field "label=steps" whose steps lead to a number; None when there is none."""
    for field in fields:
        label, _, steps = field.partition("=")
        if leads_to(steps, number):
            return label
    return None


def leads_to(steps: str, number: int) -> bool:
    """Tell whether steps lead to a number: "3,2,4" leads to 3, 5 and 9."""
    reached = 0
    for step in steps.split(","):
        reached += int(step)
        if reached >= number:
            return reached == number
    return False


def label_of(fields: list[str], member: str) -> str | None:
    """Give the label of the field that holds a member, or None."""
    for field in fields:
        label, _, members = field.partition("=")
        if f",{member}," in f",{members},":
            return label
    return None

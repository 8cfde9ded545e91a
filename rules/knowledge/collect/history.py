"""Records over a line of releases which things exist, and what a thing's value is, as text that is short to store."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


def short_releases(releases: list[str]) -> list[str]:
    """Spell each release as short as it is clear: "5.9.0" is "5.9" when it is the oldest known of its minor.

    Args:
        releases: stable releases, oldest first.
    """
    result = []
    minors: set[str] = set()
    for release in releases:
        minor = ".".join(release.split(".")[:2])
        result.append(release if minor in minors else minor)
        minors.add(minor)
    return result


class Presence(Generic[Key]):
    """In which releases each of many things exists. Releases are added oldest first."""

    def __init__(self) -> None:
        self._spans: dict[Key, list[list[int]]] = {}
        self.length = 0

    def add(self, present: Iterable[Key]) -> None:
        """Record what the next release has."""
        index = self.length
        for key in present:
            spans = self._spans.setdefault(key, [])
            if spans and spans[-1][1] == index:
                spans[-1][1] = index + 1
            elif not spans or spans[-1][1] != index + 1:
                spans.append([index, index + 1])
        self.length += 1

    def __iter__(self) -> Iterator[Key]:
        return iter(self._spans)

    def __contains__(self, key: Key) -> bool:
        return key in self._spans

    def spans(self, key: Key) -> list[tuple[int, int]]:
        """Give the half-open spans of release indexes in which a thing exists."""
        return [(start, end) for start, end in self._spans.get(key, ())]

    def is_current(self, key: Key) -> bool:
        """Tell whether the newest release has it."""
        return self._spans[key][-1][1] == self.length

    def text(self, key: Key, names: list[str]) -> str:
        """Spell the spans: "4.26..5.0" (exclusive), "..5.0" from the first release on, "4.26.." until today.

        Args:
            key: the thing.
            names: the spelling of each release.
        """
        return ",".join(
            f"{names[start] if start else ''}..{names[end] if end < self.length else ''}"
            for start, end in self._spans[key]
        )


class Values(Generic[Key]):
    """What text each of many things has in each release; "" stands for a thing that a release lacks."""

    def __init__(self) -> None:
        self._changes: dict[Key, list[tuple[int, str]]] = {}
        self._latest: dict[Key, str] = {}
        self.length = 0

    def add(self, values: dict[Key, str]) -> None:
        """Record what the next release has."""
        for key in [*values, *(key for key in self._latest if key not in values)]:
            value = values.get(key, "")
            if self._latest.get(key, "") != value:
                self._changes.setdefault(key, []).append((self.length, value))
                self._latest[key] = value
        self.length += 1

    def __iter__(self) -> Iterator[Key]:
        return iter(self._changes)

    def changes(self, key: Key) -> list[tuple[int, str]]:
        """Give each change as (index of the release, new value)."""
        return list(self._changes[key])

    def last(self, key: Key) -> str:
        """Give the newest value that is not empty."""
        return next((value for _index, value in reversed(self._changes[key]) if value), "")

    def text(self, key: Key, names: list[str]) -> str:
        """Spell the changes: "=value" from the first release on, then "|4.26=other value", "|5.0=" when it went."""
        return "|".join(f"{names[index] if index else ''}={value}" for index, value in self._changes.get(key, ()))

"""Records over a line of releases which things exist, and what a thing's value is, as text that is short to store."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Axis:
    """The line of releases that a record runs over, and how each is spelled.

    Attributes:
        releases: stable releases, oldest first.
        baseline: the oldest release that anybody comes from; what an earlier one had was "always" there.
    """

    def __init__(self, releases: list[str], baseline: str) -> None:
        self.releases = releases
        self.baseline = releases.index(baseline)
        self._spelled: list[str] = []
        minors: set[str] = set()
        for release in releases:
            minor = ".".join(release.split(".")[:2])
            self._spelled.append(release if minor in minors else minor)
            minors.add(minor)

    def start(self, index: int) -> str:
        """Spell the first release that has a thing; "" when the baseline has it."""
        return "" if index <= self.baseline else self._spelled[index]

    def end(self, index: int) -> str:
        """Spell the first release that lacks a thing: "5.9" for "5.9.0", the oldest known release of its minor."""
        return self._spelled[index]

    def from_baseline(self) -> Axis:
        """Give the part of the line that begins with the baseline."""
        return Axis(self.releases[self.baseline :], self.releases[self.baseline])


def gaps(numbers: list[int]) -> str:
    """Spell numbers as the steps between them: [3, 5, 9] is "3,2,4"."""
    ordered = sorted(numbers)
    return ",".join(str(number - before) for before, number in zip([0, *ordered], ordered, strict=False))


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

    def text(self, key: Key, axis: Axis) -> str:
        """Spell the spans: "4.26..5.0" (exclusive), "..5.0" from the baseline on, "4.26.." until today."""
        return ",".join(
            f"{axis.start(start)}..{axis.end(end) if end < self.length else ''}" for start, end in self._spans[key]
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

    def __contains__(self, key: Key) -> bool:
        return key in self._changes

    def changes(self, key: Key) -> list[tuple[int, str]]:
        """Give each change as (index of the release, new value)."""
        return list(self._changes[key])

    def text(self, key: Key, axis: Axis) -> str:
        """Spell the changes: "=value" from the baseline on, then "|4.26=other value", "|5.0=" when it went."""
        return "|".join(f"{axis.start(index)}={value}" for index, value in self._changes.get(key, ()))

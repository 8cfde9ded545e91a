"""Packages of which some releases cannot be installed beside transformers 5."""

from __future__ import annotations

from v5lint.rules.knowledge.tables import table

_NAME = "dependents"


class Dependent:
    """A package that asks for transformers, or for what transformers asks for.

    Attributes:
        admitted: specifiers (PEP 440) of its releases that can stand beside transformers 5, the oldest first.
        newest: the newest release that was read.
        asks: what the newest of the other releases asks for, "transformers<5.0.0".
    """

    __slots__ = ("admitted", "asks", "newest")

    def __init__(self, admitted: tuple[str, ...], newest: str, asks: str) -> None:
        self.admitted = admitted
        self.newest = newest
        self.asks = asks


def dependent(package: str) -> Dependent | None:
    """What is known of a package, by its normalised name; None where all of its releases can, or it is not known."""
    row = table(_NAME).get(package)
    return Dependent(tuple(row["admitted"]), row["newest"], row["asks"]) if row else None

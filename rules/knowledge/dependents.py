"""Packages of which some releases cannot be installed beside transformers 5, or cannot be used there."""

from __future__ import annotations

from v5lint.rules.knowledge.tables import table

_NAME = "dependents"
_FAILING = "failing_imports"


class Dependent:
    """A package that asks for transformers, or for what transformers asks for.

    Attributes:
        admitted: specifiers (PEP 440) of its releases that work beside transformers 5, the oldest first.
        newest: the newest release that was read.
        reasons: what is in the way of the others, by the specifier of a span of them, the oldest first: what they ask
            for ("transformers<5.0.0"), or the error of importing them.
    """

    __slots__ = ("admitted", "newest", "reasons")

    def __init__(self, admitted: tuple[str, ...], newest: str, reasons: dict[str, str]) -> None:
        self.admitted = admitted
        self.newest = newest
        self.reasons = reasons


def dependent(package: str) -> Dependent | None:
    """Which releases of a package can be installed, by its normalised name; None where all can, or it is not known."""
    row = table(_NAME).get(package)
    return Dependent(tuple(row["admitted"]), row["newest"], {"": row["asks"]}) if row else None


def failing(package: str) -> Dependent | None:
    """The same of what a program can import; whole minor releases."""
    row = table(_FAILING).get(package)
    return Dependent(tuple(row["admitted"]), row["newest"], dict(row["errors"])) if row else None

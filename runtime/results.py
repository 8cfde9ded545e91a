"""The result of one check: the same record for the contract of the environment and for the validation of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Status = Literal["passed", "failed", "skipped", "note"]
"""`failed` stops a run; `note` is worth reading and stops nothing; `skipped` says in `detail` why it was not
measured.
"""


@dataclass(frozen=True)
class CheckResult:
    """What one check measured, what it expected, and what to do when the two differ.

    Attributes:
        name: The stable name of the check, so that reports of two runs can be compared.
        status: `passed`, `failed`, `skipped` or `note`.
        measured: What was found; plain data that JSON can hold.
        expected: What should have been found; plain data that JSON can hold.
        detail: One sentence that a person reads.
        remedy: What to do; empty when there is nothing to do.
    """

    name: str
    status: Status
    measured: Any = None
    expected: Any = None
    detail: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"{self.name}: status {self.status!r} is none of {', '.join(get_args(Status))}")

    @property
    def ok(self) -> bool:
        """Whether the run may go on: everything but `failed`."""
        return self.status != "failed"

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, as they stand in `report.json`."""
        return asdict(self)

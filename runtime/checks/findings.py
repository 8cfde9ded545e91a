"""Collect what one check measured, and turn it into results."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.results import CheckResult

if TYPE_CHECKING:
    from v5lint.runtime.results import Status


class Findings:
    """What one check measured, failed and could not look at.

    A check without a failure gives one `passed` result with everything that it measured, and beside it one result for
    each note and each part that was skipped. A check with failures gives one result for each of them.

    Args:
        check: The stable name of the check, which every result carries.
    """

    def __init__(self, check: str) -> None:
        self.check = check
        self.measured: dict[str, Any] = {}
        self.expected: dict[str, Any] = {}
        self._failed: list[CheckResult] = []
        self._others: list[CheckResult] = []

    def measure(self, aspect: str, measured: Any, expected: Any = None) -> None:
        """Keep a measurement that is as it should be, or that is only information."""
        self.measured[aspect] = measured
        if expected is not None:
            self.expected[aspect] = expected

    def fail(self, aspect: str, detail: str, remedy: str, measured: Any = None, expected: Any = None) -> None:
        """A fault, named."""
        self._failed.append(self._result("failed", aspect, detail, remedy, measured, expected))

    def note(self, aspect: str, detail: str, remedy: str = "", measured: Any = None, expected: Any = None) -> None:
        """Something worth reading that stops nothing."""
        self._others.append(self._result("note", aspect, detail, remedy, measured, expected))

    def skip(self, aspect: str, reason: str, remedy: str = "") -> None:
        """A part that could not be looked at, with the reason."""
        self._others.append(self._result("skipped", aspect, reason, remedy, None, None))

    def attempt(self, aspect: str, part: Callable[[], None]) -> None:
        """Do one part of the check; one that a stranger's model or data makes impossible is skipped with the reason.

        What the other parts have found is kept.
        """
        try:
            part()
        except Exception as error:  # nothing of a stranger's may be assumed, and the reason is reported
            self.skip(aspect, f"{aspect} could not be looked at: {reason_of(error)}")

    @property
    def failed(self) -> bool:
        """Whether anything has failed so far."""
        return bool(self._failed)

    def results(self, summary: str) -> list[CheckResult]:
        """All results, failures first.

        Args:
            summary: One sentence for the `passed` result, where there is no failure.
        """
        if self._failed:
            return [*self._failed, *self._others]
        if not self.measured:
            return self._others
        return [CheckResult(self.check, "passed", self.measured, self.expected, summary), *self._others]

    def _result(
        self, status: Status, aspect: str, detail: str, remedy: str, measured: Any, expected: Any
    ) -> CheckResult:
        return CheckResult(
            self.check,
            status,
            {aspect: measured if measured is not None else self.measured.get(aspect)},
            {aspect: expected} if expected is not None else None,
            detail,
            remedy,
        )


def reason_of(error: Exception) -> str:
    """The first line of what an exception says, with its kind where it is not one of the runtime's own."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return text if isinstance(error, RuntimeSetupError) else f"{type(error).__name__}: {text}"


def shown(names: object, limit: int = 3) -> str:
    """The first of some names, and how many more there are."""
    listed = (
        [str(name) for name in names] if isinstance(names, Iterable) and not isinstance(names, str) else [str(names)]
    )
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more

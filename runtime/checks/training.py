"""The checks of a training that the runtime starts itself: to be stopped by, to be reported, or to be left out."""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-subclassing-any

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from transformers import TrainerCallback

from v5lint.runtime.checks.callback import ValidationCallback
from v5lint.runtime.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.runtime.results import CheckResult

Validate = Literal["stop", "report", "off"]
"""End the training where a check fails, only report it, or leave the checks out."""


class TrainingChecks:
    """The checks of one training, as callbacks and with what they found.

    At its end they report: what was trained is written whatever they say.

    Args:
        validate: What a failure does.
        checkpoint: The base model.
        processor: What images are prepared with.
        group_column: Column of the data whose values must not be on both sides of the split.
    """

    def __init__(
        self, validate: Validate, checkpoint: str, processor: Any = None, group_column: str | None = None
    ) -> None:
        self.callbacks: list[TrainerCallback] = []
        self._checks: ValidationCallback | None = None
        if validate == "off":
            return
        self._checks = ValidationCallback("warn", checkpoint=checkpoint, processor=processor, group_column=group_column)
        self.callbacks = [self._checks, *([_Stop(self._checks)] if validate == "stop" else [])]

    @property
    def results(self) -> Sequence[CheckResult]:
        """What they found so far."""
        return () if self._checks is None else self._checks.report.results


class _Stop(TrainerCallback):
    """End a training in which a check has failed before its first step or in the steps after."""

    def __init__(self, checks: ValidationCallback) -> None:
        self._checks = checks

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._stop()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._stop()

    def _stop(self) -> None:
        failed = self._checks.report.failed
        if failed:
            found = "; ".join(f"{check.name}: {check.detail} {check.remedy}".strip() for check in failed)
            raise ValidationError(f"{found} (--validate report trains nevertheless)")

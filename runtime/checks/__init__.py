"""Checks that find the faults that raise nothing: of the model, its data, its training and what is saved.

`validate` runs them on a model, `ValidationCallback` inside a training; each check also stands alone in the module of
its name. Their names are stable, so that reports of two runs can be compared: `parameters`, `movement`, `weights`,
`resolution`, `preprocessing`, `split`, `quantization`, `device`, `reload`, `setup`.
"""

from __future__ import annotations

from v5lint.runtime.checks.callback import ValidationCallback
from v5lint.runtime.checks.validation import CHECKS, Report, make_subject, validate

__all__ = ["CHECKS", "Report", "ValidationCallback", "make_subject", "validate"]

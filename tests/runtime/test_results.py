from __future__ import annotations

import json

import pytest

from v5lint.runtime.results import CheckResult


def test_a_result_is_json() -> None:
    result = CheckResult("parameters", "failed", 1, 2, "one parameter, not two", "train the other")
    assert json.loads(json.dumps(result.as_dict())) == {
        "name": "parameters",
        "status": "failed",
        "measured": 1,
        "expected": 2,
        "detail": "one parameter, not two",
        "remedy": "train the other",
    }


@pytest.mark.parametrize(("status", "ok"), [("passed", True), ("note", True), ("skipped", True), ("failed", False)])
def test_only_a_failure_stops(status: str, ok: bool) -> None:
    assert CheckResult("x", status).ok is ok  # type: ignore[arg-type]


def test_a_status_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'ok' is none of passed"):
        CheckResult("x", "ok")  # type: ignore[arg-type]

from __future__ import annotations

import pytest

from v5lint.rules import pipeline_tasks
from v5lint.rules.knowledge import lookup

GONE = sorted(
    task
    for release in ("4.20", "4.40", "4.57")
    for task in lookup.names_of("tasks", release=release)
    if lookup.removed_task(task) is not None
)


@pytest.mark.parametrize("task", sorted({*GONE}))
def test_what_the_gate_looks_for_stands_in_every_task(task: str) -> None:
    assert any(part in task for part in pipeline_tasks.PARTS)


def test_tasks_are_gone() -> None:
    assert "summarization" in GONE
    assert "text-generation" not in GONE

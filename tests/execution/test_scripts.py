"""Legacy scripts run under transformers v4, break under v5, and run there again after v5lint has fixed them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from . import runs
from .environments import Environment
from .proofs import Ending, Proof, load_all
from .runs import Run

pytestmark = pytest.mark.execution


@dataclass(frozen=True)
class Evidence:
    """All runs of one script, and what v5lint says about it before and after the fix."""

    proof: Proof
    v4: Future[Run]
    v5: Future[Run]
    expected: Future[Run]
    linted: Future[list[str]]
    remaining: Future[list[str]]
    fixed: Future[Run]
    fixed_folder: Path

    def check(self, run: Run, ending: Ending) -> None:
        """Assert that `run` ended so."""
        if ending.error is not None:
            assert run.error is not None, f"no error, but {run.numbers}"
            assert runs.matches(ending.error, run.error), run.error
            return
        assert run.error is None, run.stderr
        found = runs.differences(self.expected.result().numbers, run.numbers, self.proof.tolerance)
        if ending.numbers == "other":
            assert found, "the numbers are the same"
        else:
            assert not found, "\n".join(found)


@pytest.fixture(scope="module", params=load_all(), ids=lambda proof: proof.name)
def evidence(
    request: pytest.FixtureRequest,
    v4: Environment,
    v5: Environment,
    home: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Evidence]:
    """Start all runs of a script, two at a time; each runs once and the tests wait for what they need."""
    proof: Proof = request.param
    root = tmp_path_factory.mktemp(proof.name)
    for name in ("v4", "v5", "fixed", "reference"):
        runs.copy(proof, root / name)
    runs.replace(proof, root / "reference")

    def fix() -> list[str]:
        runs.fix(proof, root / "fixed")
        return runs.lint(proof, root / "fixed")

    def run_fixed() -> Run:
        remaining.result()
        return runs.run(proof, root / "fixed", v5, home)

    with ThreadPoolExecutor(max_workers=2) as pool:
        linted = pool.submit(runs.lint, proof, proof.folder)
        remaining = pool.submit(fix)
        on_v4 = pool.submit(runs.run, proof, root / "v4", v4, home)
        on_v5 = pool.submit(runs.run, proof, root / "v5", v5, home)
        expected = pool.submit(runs.run, proof, root / "reference", v4, home) if proof.reference else on_v4
        fixed = pool.submit(run_fixed)
        yield Evidence(proof, on_v4, on_v5, expected, linted, remaining, fixed, root / "fixed")


def test_runs_under_v4(evidence: Evidence) -> None:
    evidence.check(evidence.v4.result(), evidence.proof.v4)


def test_breaks_under_v5(evidence: Evidence) -> None:
    evidence.check(evidence.v5.result(), evidence.proof.v5)


def test_is_reported(evidence: Evidence) -> None:
    assert evidence.linted.result() == evidence.proof.rules


def test_runs_under_v5_when_fixed(evidence: Evidence) -> None:
    evidence.check(evidence.fixed.result(), evidence.proof.fixed)


def test_is_reported_when_fixed(evidence: Evidence) -> None:
    assert evidence.remaining.result() == evidence.proof.remaining
    if not evidence.proof.rules:
        assert runs.sources(evidence.fixed_folder) == runs.sources(evidence.proof.folder)

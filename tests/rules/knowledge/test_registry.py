"""Whether the package registry has a release that the knowledge does not know: said, and no failure."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup

_ASK = ("-m", "pip", "index", "versions", "transformers", "--disable-pip-version-check", "--retries=0", "--timeout=5")


def _is_behind(known: str, newest: str) -> bool:
    """Whether a release is of a newer minor than the one that is known; a patch of that may change nothing."""
    return parse_release(newest)[:2] > parse_release(known)[:2]


@pytest.mark.parametrize(("newest", "behind"), [("5.24.3", False), ("5.25.0", True), ("6.0.0", True), ("5.9.1", False)])
def test_a_newer_minor_is_told_from_a_patch_and_from_a_mirror_that_lags(newest: str, behind: bool) -> None:
    assert _is_behind("5.24", newest) is behind


def test_the_registry_has_no_newer_minor() -> None:
    done = subprocess.run([sys.executable, *_ASK], capture_output=True, text=True, check=False)
    found = re.search(r"^transformers \(([\d.]+)\)", done.stdout, re.MULTILINE)
    if found is None:
        pytest.skip(f"no registry answers: {done.stderr.strip().splitlines()[-1:]}")
    if _is_behind(lookup.newest(), found[1]):
        pytest.skip(
            f"transformers {found[1]} is out, and the knowledge ends with {lookup.newest()}: "
            "run `python -m v5lint.rules.knowledge.collect CACHE`"
        )
    assert done.returncode == 0, done.stderr

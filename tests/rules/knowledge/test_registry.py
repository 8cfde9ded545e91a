"""Whether the package registry has a release that the knowledge does not know: said, and no failure."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup

_ASK = ("-m", "pip", "index", "versions", "transformers", "--disable-pip-version-check", "--retries=0", "--timeout=5")


def _newest_of_the_registry() -> str:
    """The newest release that pip finds; the test is skipped where it finds none."""
    done = subprocess.run([sys.executable, *_ASK], capture_output=True, text=True, check=False)
    found = re.search(r"^transformers \(([\d.]+)\)", done.stdout, re.MULTILINE)
    if done.returncode or found is None:
        pytest.skip(f"no registry answers: {done.stderr.strip().splitlines()[-1:]}")
    return found[1]


def test_the_registry_has_no_newer_minor() -> None:
    newest = _newest_of_the_registry()
    assert parse_release(newest)[:2] >= parse_release(lookup.newest())[:2], (
        "the knowledge is of a release not published"
    )
    if parse_release(newest)[:2] > parse_release(lookup.newest())[:2]:
        pytest.skip(
            f"transformers {newest} is out, and the knowledge ends with {lookup.newest()}: "
            "run `python -m v5lint.rules.knowledge.collect CACHE`"
        )

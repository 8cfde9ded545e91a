"""The environments and checkpoints that the execution tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import runs
from .environments import Environment, EnvironmentUnavailableError, ensure


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "execution: runs scripts in virtual environments of transformers v4 and v5, built when missing (minutes)",
    )


def _environment(name: str) -> Environment:
    try:
        return ensure(name)
    except EnvironmentUnavailableError as error:
        if os.environ.get("CI"):
            raise  # a proof that is skipped where it counts proves nothing
        pytest.skip(f"the {name} environment could not be built: {error}")


@pytest.fixture(scope="session")
def v4() -> Environment:
    return _environment("v4")


@pytest.fixture(scope="session")
def v5() -> Environment:
    return _environment("v5")


@pytest.fixture(scope="session")
def home(v4: Environment) -> Path:
    return runs.checkpoints(v4)

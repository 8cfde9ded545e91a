from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from v5lint.runtime.families import all_families, missing_libraries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MISSING = [name for name in ("torch", "transformers", "peft") if importlib.util.find_spec(name) is None]
WITHOUT_TORCH = {
    "test_backbones.py",
    "test_cli.py",
    "test_contract.py",
    "test_families.py",
    "test_hub.py",
    "test_package.py",
    "test_report.py",
    "test_results.py",
}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "texts: the test reads texts with a tokenizer of SigLIP")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "transformers" in MISSING or importlib.util.find_spec("sentencepiece") is not None:
        return
    import transformers

    if not transformers.__version__.startswith("5.0."):
        return
    reason = "this release finds no tokenizer for SigLIP without sentencepiece"
    for item in items:
        if item.get_closest_marker("texts"):
            item.add_marker(pytest.mark.skip(reason=reason))


class _Skipped(pytest.Module):
    """A module of tests that cannot be imported here, reported as skipped with the reason."""

    def collect(self) -> Iterable[pytest.Item]:
        pytest.skip(f"needs {', '.join(MISSING)}: pip install 'v5lint[runtime]'", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if MISSING and module_path.name not in WITHOUT_TORCH:
        return _Skipped.from_parent(parent, path=module_path)
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `family` runs for every family; those that need an absent library are skipped."""
    if "family" in metafunc.fixturenames:
        metafunc.parametrize(
            "family",
            [
                pytest.param(
                    name,
                    marks=pytest.mark.skipif(bool(missing), reason=f"needs {' and '.join(missing)}"),
                )
                for name, family in all_families().items()
                for missing in [missing_libraries(family)]
            ],
        )


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`checkpoints(family)` and `checkpoints(family, labels)`: tiny ones, made once a session, not to be changed."""
    from v5lint.runtime.tiny import make_tiny_checkpoint

    made: dict[tuple[str, tuple[str, ...] | None], Path] = {}

    def get(family: str, labels: tuple[str, ...] | None = None) -> Path:
        key = (family, labels)
        if key not in made:
            made[key] = make_tiny_checkpoint(family, tmp_path_factory.mktemp(family), labels=labels)
        return made[key]

    return get


@pytest.fixture(autouse=True)
def _quiet() -> None:
    if not MISSING:
        import torch
        import transformers

        torch.set_num_threads(1)  # several threads wait for each other over matrices as small as those of the tests
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()

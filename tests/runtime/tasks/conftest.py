from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore:DINOv3's image processor needs torchvision")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with seven images of several sizes, one of them in a sub-folder."""
    import numpy
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    random = numpy.random.default_rng(0)
    for index, (width, height) in enumerate([(60, 40), (40, 60), (32, 32), (90, 20), (33, 70), (48, 48)]):
        pixels = random.integers(0, 256, (height // 4, width // 4, 3), dtype=numpy.uint8)
        Image.fromarray(pixels).resize((width, height)).save(folder / f"{index}.png")
    Image.fromarray(random.integers(0, 256, (30, 30, 3), dtype=numpy.uint8)).save(folder / "more" / "6.png")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="session")
def opened(checkpoints: Callable[..., Path]) -> Callable[..., OpenCheckpoint]:
    """`opened(family, task)` and `opened(family, task, labels)`: models, loaded once a session, not to be changed."""
    from v5lint.runtime.tasks.checkpoint import open_checkpoint

    made: dict[object, OpenCheckpoint] = {}

    def get(family: str, task: str, labels: tuple[str, ...] | None = None) -> OpenCheckpoint:
        key = (family, task, labels)
        if key not in made:
            made[key] = open_checkpoint(checkpoints(family, labels), task, device="cpu")  # type: ignore[arg-type]
        return made[key]

    return get

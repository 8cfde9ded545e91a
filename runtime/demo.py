"""The whole fine-tune in a few seconds, without a network: a tiny checkpoint, scikit-learn's digits, all checks."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.errors import UsageError
from v5lint.runtime.export import whole_folder
from v5lint.runtime.families import all_families, missing_libraries
from v5lint.runtime.report import RunReport
from v5lint.runtime.results import CheckResult
from v5lint.runtime.tiny import make_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGES = 640
SIDE = 48
"""Pixels: larger than what the tiny checkpoints take, so that the processor has something to do."""


def digits_dataset(count: int = IMAGES) -> Any:
    """Scikit-learn's handwritten digits as a data set of PNG images with the columns `image` and `label`.

    Args:
        count: How many of its 1797 images.
    """
    import datasets
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    cells = []
    for values in digits.images[:count]:
        picture = Image.fromarray((values * 15.9375).astype("uint8")).convert("RGB").resize((SIDE, SIDE))
        file = io.BytesIO()
        picture.save(file, format="PNG")
        cells.append({"bytes": file.getvalue(), "path": None})
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=[str(digit) for digit in range(10)])}
    )
    columns = {"image": cells, "label": [int(target) for target in digits.target[:count]]}
    return datasets.Dataset.from_dict(columns, features=features)


def demo_config(family: str, folder: Path, *, overwrite: bool = False, **options: Any) -> FinetuneConfig:
    """The options of the demonstration, with its checkpoint and its data written into a folder.

    Args:
        family: Name of a family, as in `families.toml`.
        folder: Where to write.
        overwrite: Whether to replace an earlier demonstration.
        **options: Options that replace the demonstration's own.

    Raises:
        MissingDependencyError: The family needs timm and torchvision.
        UsageError: There are folders of these names already, and they are not to be replaced, or no demonstration's.
    """
    _check_free(folder, overwrite=overwrite)
    with whole_folder(folder / "checkpoint") as unfinished:
        make_tiny_checkpoint(family, unfinished)
    with whole_folder(folder / "data") as unfinished:
        digits_dataset().save_to_disk(str(unfinished))
    own: dict[str, Any] = {
        "checkpoint": str(folder / "checkpoint"),
        "data": str(folder / "data"),
        "output": str(folder),
        "lora_r": 8,
        "lora_alpha": 16,
        "lora_dropout": 0.0,
        "epochs": 6.0,
        "learning_rate": 1e-2,
        "augmentation": "none",
        "log_steps": 4,
        "keep_checkpoints": 1,
        "progress": False,
        "validate": "report",
        "overwrite": overwrite,
    }
    return FinetuneConfig(**{**own, **options})


def _check_free(folder: Path, *, overwrite: bool) -> None:
    """Raise where the checkpoint and the data would take the place of something else."""
    there = [name for name in ("checkpoint", "data") if (folder / name).exists()]
    if there and not overwrite:
        raise UsageError(
            f"{folder} has {' and '.join(there)} already: replace an earlier demonstration (overwrite=True), or choose "
            "another output"
        )
    known = (folder / "checkpoint" / "config.json", folder / "data" / "state.json")
    if there and not all(file.is_file() for file in known):
        raise UsageError(
            f"{folder} has {' and '.join(there)}, which no demonstration wrote: it is not replaced. Choose another "
            "output."
        )


def run_demo(family: str, folder: Path, *, overwrite: bool = False, **options: Any) -> RunReport:
    """Fine-tune the tiny checkpoint of a family on digits, check the result, and write everything into a folder."""
    from v5lint.runtime.training import finetune

    with _one_thread():
        return finetune(demo_config(family, folder, overwrite=overwrite, **options)).report


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: several would spend their time waiting for each other over matrices this small.

    On two busy cores the demonstration took 178 seconds with two threads and 20 with one.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def demo_all(folder: Path, *, overwrite: bool = False) -> Iterator[RunReport]:
    """The demonstration of every family, each in a folder of its name; those that cannot run here say why."""
    for name, family in all_families().items():
        missing = missing_libraries(family)
        if missing:
            yield skipped_report(name, missing, folder / name)
        else:
            yield run_demo(name, folder / name, overwrite=overwrite)


def skipped_report(family: str, missing: list[str], folder: Path) -> RunReport:
    """The report of a family that cannot run here, written like any other."""
    libraries = " and ".join(missing)
    check = CheckResult(
        "demonstration", "skipped", None, None, f"needs {libraries}", f"pip install {' '.join(missing)}"
    )
    report = RunReport(family=family, checks=[check])
    report.write(folder)
    return report

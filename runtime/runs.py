"""The output folder of a run: nothing of another run is lost unasked, and an interrupted one goes on as it was."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.distributed import is_main_process
from v5lint.runtime.errors import OutputError, UsageError
from v5lint.runtime.report import REPORT_FILE, write_json
from v5lint.runtime.restore import checkpoints, is_complete

if TYPE_CHECKING:
    from v5lint.runtime.config import FinetuneConfig

CONFIG_FILE = "finetune.json"
TRAINING_FOLDER = "training"
_MADE = (TRAINING_FOLDER, "adapter", "model", "merged", REPORT_FILE, "README.md", "curves.png", "confusion_matrix.png")
_MAY_CHANGE = frozenset(
    (
        "output",
        "resume",
        "overwrite",
        "progress",
        "workers",
        "report_to",
        "merge",
        "validate",
        "verify_images",
        "keep_checkpoints",
        "log_steps",
        "eval_batch_size",
    )
)
"""Options that change nothing of what a resumed run computes."""


def claim_output(config: FinetuneConfig) -> Path | None:
    """Take the output folder for this run.

    A run that is to be resumed and has no checkpoint yet starts from the beginning, which is said: whoever starts a job
    again and again until it is done passes `--resume` the first time too.

    Returns:
        The checkpoint from which to go on; `None` to start from the beginning.

    Raises:
        UsageError: Another run's results are there, or the run to resume had other options, or is done and its
            checkpoints are gone.
        OutputError: The folder cannot be written to.
    """
    output = Path(config.output)
    made = [name for name in _MADE if (output / name).exists()]
    if made and not config.resume and not config.overwrite:
        raise UsageError(
            f"{output} has the results of another run ({', '.join(made)}): replace them (overwrite=True), choose "
            "another output, or go on with that run (resume=True)"
        )
    if config.overwrite and not (output / CONFIG_FILE).is_file() and any(name != REPORT_FILE for name in made):
        raise UsageError(
            f"{output} has {', '.join(made)}, and no {CONFIG_FILE}: they are not of a fine-tune, and are not replaced. "
            "Choose another output, or remove them."
        )
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file, and a folder is needed")
    if config.resume:
        _check_same_options(config, output / CONFIG_FILE)
    found = list(checkpoints(output / TRAINING_FOLDER)) if config.resume else []
    whole = next((checkpoint for checkpoint in found if is_complete(checkpoint)), None)
    results = [name for name in made if name != TRAINING_FOLDER]
    if config.resume and whole is None and results:
        raise UsageError(
            f"{output} has the results of a run ({', '.join(results)}), and no whole checkpoint in {TRAINING_FOLDER} "
            "to go on from: replace them (overwrite=True), or choose another output"
        )
    if is_main_process():
        if config.resume:
            print(_where_it_begins(output / TRAINING_FOLDER, found, whole), file=sys.stderr)
        if config.overwrite:
            for name in made:
                _remove(output / name)
        for checkpoint in found:
            if not is_complete(checkpoint):
                _remove(checkpoint)
        write_json(output / CONFIG_FILE, config.as_dict())
    return whole


def check_apart(output: str | Path, *sources: str | Path | None) -> None:
    """Raise where results would lie among the data, whose figures would be images of a class the next time.

    Raises:
        UsageError: The output is a source, or below one.
    """
    place = Path(output).expanduser().resolve()
    for source in sources:
        folder = None if source is None else Path(source).expanduser().resolve()
        if folder is not None and folder.is_dir() and place.is_relative_to(folder):
            raise UsageError(
                f"output {output} lies inside of the data, {source}: its figures would be taken for images the next "
                "time. Choose a folder beside it."
            )


def check_kept(checkpoint: str, output: str | Path) -> None:
    """Raise where results would lie among the files of the base model, or in the place of it.

    Raises:
        UsageError: The output is the folder of the checkpoint, or the checkpoint is a result that a run there replaces.
    """
    if not Path(checkpoint).expanduser().is_dir():
        return
    base, place = Path(checkpoint).expanduser().resolve(), Path(output).expanduser().resolve()
    if base == place or any(base.is_relative_to(place / name) for name in _MADE):
        raise UsageError(
            f"output {output} would hold the results beside, or in place of, the base model {checkpoint}, which they "
            "are loaded with: choose another output"
        )


def _where_it_begins(training: Path, found: list[Path], whole: Path | None) -> str:
    """From where a run goes on, and what of it was left half-written."""
    broken = ", ".join(checkpoint.name for checkpoint in found if not is_complete(checkpoint))
    left = f" {broken} was not written to the end, and is removed." if broken else ""
    if whole is not None:
        return f"resume: going on from {whole}.{left}"
    return f"resume: there is no whole checkpoint in {training}: the training starts at its first step.{left}"


def _check_same_options(config: FinetuneConfig, path: Path) -> None:
    if not path.is_file():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}. Without it the run cannot be resumed.") from error
    now = config.as_dict()
    changed = [
        f"{name} was {before[name]!r}, now {now[name]!r}"
        for name in now
        if name in before and name not in _MAY_CHANGE and before[name] != now[name]
    ]
    if changed:
        raise UsageError(f"{path.parent} was started with other options: {'; '.join(changed)}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()

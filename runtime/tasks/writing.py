"""Write what the commands that look at images found: to the terminal, or to files beside the report."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from v5lint.runtime.errors import OutputError, RuntimeSetupError
from v5lint.runtime.report import RunReport, write_text
from v5lint.runtime.tasks.options import skipped_note
from v5lint.runtime.tasks.predict import WRITERS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint
    from v5lint.runtime.tasks.images import ImageFiles
    from v5lint.runtime.tasks.predict import Prediction


def write_predictions(
    predictions: Sequence[Prediction],
    arguments: argparse.Namespace,
    opened: OpenCheckpoint,
    files: ImageFiles,
    **metrics: Any,
) -> None:
    """Predictions in the asked form: printed, or into `predictions.csv` or `predictions.json` with the report."""
    text = WRITERS[arguments.format](predictions)
    if not arguments.output:
        print(text, end="")
        say_skipped(files)
        return
    path = write_text(arguments.output / f"predictions.{arguments.format}", text)
    print(f"{path}: {len(predictions)} images")
    write_report(arguments, opened, files, predictions=str(path), images=len(predictions), **metrics)


def write_report(arguments: argparse.Namespace, opened: OpenCheckpoint, files: ImageFiles, **metrics: Any) -> None:
    """`report.json` of a command that looked at images, with the ones that were left out."""
    say_skipped(files)
    unreadable = {str(path): reason for path, reason in files.unreadable.items()}
    RunReport(
        family=opened.family.name,
        checkpoint=opened.source,
        metrics={**metrics, "unreadable": unreadable},
    ).write(arguments.output)


def say_skipped(files: ImageFiles) -> None:
    """Say on the error stream which images were left out."""
    note = skipped_note(files)
    if note:
        print(note, file=sys.stderr)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of `path` when all is written, and is gone when something fails.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            yield unfinished
            unfinished.replace(path)
    except RuntimeSetupError:  # what is written could not be made
        raise
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from error

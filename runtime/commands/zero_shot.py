"""`v5lint-runtime zero-shot`: compare images with labels that were never trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError
from v5lint.runtime.tasks.options import add_image_arguments, add_model_arguments, images_from, open_from

if TYPE_CHECKING:
    import argparse

SUMMARY = "compare images with labels by SigLIP or SigLIP 2, without training"
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
WRITES = ("predictions.csv", "predictions.json", "report.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument("--labels", nargs="+", default=[], metavar="LABEL", help="what may be in the images")
    parser.add_argument("--labels-file", type=Path, metavar="FILE", help="the same, one a line")
    parser.add_argument("--template", help="text of a label (default: 'This is a photo of {label}.')")
    parser.add_argument("--top-k", type=int, metavar="K", help="labels of each image (default: all)")
    parser.add_argument("--format", choices=("csv", "json"), default="csv", help="of the result (default: csv)")


def run(arguments: argparse.Namespace) -> int:
    """Compare, write the probabilities, and the report."""
    from v5lint.runtime.tasks.writing import write_predictions
    from v5lint.runtime.tasks.zero_shot import PROMPT, prompts, zero_shot_images

    labels = [*arguments.labels, *(lines_of(arguments.labels_file) if arguments.labels_file else ())]
    template = arguments.template or PROMPT
    prompts(labels, template)  # says what is wrong with them before the model is loaded
    files = images_from(arguments)
    dual_encoder = open_from(arguments, "retrieval")
    predictions = list(
        zero_shot_images(
            dual_encoder, files, labels, template=template, top_k=arguments.top_k, batch_size=arguments.batch_size
        )
    )
    write_predictions(predictions, arguments, dual_encoder, files, labels=labels, template=template)
    return 0


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        UsageError: It cannot be read, or is a table, whose lines are rows.
    """
    if path.suffix.lower() in _TABLES:
        raise UsageError(f"{path} is a table: write its texts into a text file, one a line")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]

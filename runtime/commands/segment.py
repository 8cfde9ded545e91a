"""`v5lint-runtime segment`: a linear segmentation head on frozen patch features, with its mean IoU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError
from v5lint.runtime.tasks.options import add_model_arguments, open_from

if TYPE_CHECKING:
    import argparse

SUMMARY = "train a linear segmentation head on frozen patch features, and measure its mean IoU"
WRITES = ("head", "report.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model_arguments(parser, batch_size=8)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of images")
    parser.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="masks of the same names; 255: no class"
    )
    parser.add_argument("--labels", nargs="+", metavar="LABEL", help="class names by index (default: the numbers)")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the images (default: 20)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="RATE", help="(default: 1e-3)")
    parser.add_argument(
        "--eval-fraction", type=float, default=0.2, metavar="SHARE", help="not trained on (default: 0.2)"
    )
    parser.add_argument(
        "--resolution", type=int, metavar="PIXELS", help="side of what the model sees (default: its own)"
    )
    parser.add_argument("--seed", type=int, default=42, help="of split, head and order (default: 42)")


def run(arguments: argparse.Namespace) -> int:
    """Train, measure, write the head, and the report."""
    from v5lint.runtime.report import RunReport
    from v5lint.runtime.tasks.segmentation import (
        SegmentationOptions,
        find_masked_images,
        save_segmentation,
        train_segmentation,
    )

    if not arguments.output:
        raise UsageError("--output is needed: the head is written there")
    names = ("epochs", "batch_size", "learning_rate", "eval_fraction", "resolution", "seed")
    options = SegmentationOptions(**{name: getattr(arguments, name) for name in names})
    pairs = find_masked_images(arguments.images, arguments.masks)
    opened = open_from(arguments, "dense")
    result = train_segmentation(opened, pairs, arguments.labels, options)
    save_segmentation(result, opened, options, arguments.output / "head")
    trained = sum(parameter.numel() for parameter in result.head.parameters())
    report = RunReport(
        family=opened.family.name,
        checkpoint=opened.source,
        trainable_parameters=trained,
        total_parameters=trained + sum(parameter.numel() for parameter in opened.model.parameters()),
        losses=result.losses,
        metrics={**result.metrics, "train_images": result.images[0], "eval_images": result.images[1]},
    )
    report.show()
    report.write(arguments.output)
    return 0

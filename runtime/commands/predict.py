"""`v5lint-runtime predict`: labels and probabilities of images, from a checkpoint or an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.runtime.tasks.options import add_image_arguments, add_model_arguments, images_from, open_from

if TYPE_CHECKING:
    import argparse

SUMMARY = "classify images with a fine-tuned checkpoint or adapter"
WRITES = ("predictions.csv", "predictions.json", "report.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument("--top-k", type=int, default=1, metavar="K", help="labels of each image (default: 1)")
    parser.add_argument("--format", choices=("csv", "json"), default="csv", help="of the predictions (default: csv)")


def run(arguments: argparse.Namespace) -> int:
    """Classify, write the predictions, and the report."""
    from v5lint.runtime.tasks.predict import predict_images
    from v5lint.runtime.tasks.writing import write_predictions

    files = images_from(arguments)
    classifier = open_from(arguments, "classification")
    predictions = list(
        predict_images(classifier, files, top_k=arguments.top_k, batch_size=arguments.batch_size),
    )
    write_predictions(predictions, arguments, classifier, files)
    return 0

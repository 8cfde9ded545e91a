"""Class labels with their probabilities for images, from a fine-tuned classifier of any family."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint
    from v5lint.runtime.tasks.images import ImageFiles


@dataclass(frozen=True)
class Prediction:
    """What a classifier, or a zero-shot comparison, says of one image.

    Attributes:
        image: The file.
        labels: Labels, the most probable first.
        probabilities: Of each of them, between 0 and 1.
    """

    image: Path
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]


def predict_images(
    classifier: OpenCheckpoint, files: ImageFiles, *, top_k: int = 1, batch_size: int = 32
) -> Iterator[Prediction]:
    """Classify images, a batch at a time.

    Args:
        classifier: From `open_checkpoint(..., "classification")`.
        files: From `find_images`.
        top_k: How many labels of each image; all where there are fewer.
        batch_size: Images in a batch.

    Yields:
        One prediction an image, in the order of the files. The probabilities are the softmax of the scores, or for a
        model of the problem type `multi_label_classification` their sigmoid, a label by itself.

    Raises:
        DataError: An image cannot be decoded.
        UsageError: `top_k` or `batch_size` is not positive.
    """
    config: Any = classifier.model.config
    labels = [config.id2label[index] for index in range(config.num_labels)]
    independent = config.problem_type == "multi_label_classification"
    for batch in files.batches(batch_size):
        with torch.inference_mode():
            logits = classifier.model(**classifier.inputs(batch.images)).logits.float()
        probabilities = logits.sigmoid() if independent else logits.softmax(dim=-1)
        yield from ranked(batch.paths, labels, probabilities, top_k)


def ranked(
    paths: Sequence[Path], labels: Sequence[str], probabilities: torch.Tensor, top_k: int
) -> Iterator[Prediction]:
    """The most probable labels of each image.

    Args:
        paths: The images.
        labels: Names of the columns.
        probabilities: [images, labels].
        top_k: How many labels of each image; all where there are fewer.
    """
    if top_k < 1:
        raise UsageError(f"top_k {top_k}: must be at least 1")
    values, indices = probabilities.topk(min(top_k, len(labels)), dim=-1)
    for path, row, chosen in zip(paths, values.tolist(), indices.tolist(), strict=True):
        yield Prediction(path, tuple(labels[index] for index in chosen), tuple(row))


def as_csv(predictions: Sequence[Prediction]) -> str:
    """Predictions as CSV: one line an image and label, with the columns image, rank, label and probability."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image", "rank", "label", "probability"))
    for prediction in predictions:
        pairs = zip(prediction.labels, prediction.probabilities, strict=True)
        for rank, (label, probability) in enumerate(pairs, start=1):
            writer.writerow((prediction.image, rank, label, f"{probability:.6f}"))
    return text.getvalue()


def as_json(predictions: Sequence[Prediction]) -> str:
    """Predictions as JSON: a list of objects with `image` and `predictions`, each with `label` and `probability`."""
    return json.dumps([_as_dict(prediction) for prediction in predictions], indent=2, ensure_ascii=False) + "\n"


def _as_dict(prediction: Prediction) -> dict[str, Any]:
    pairs = zip(prediction.labels, prediction.probabilities, strict=True)
    found = [{"label": label, "probability": probability} for label, probability in pairs]
    return {"image": str(prediction.image), "predictions": found}


WRITERS = {"csv": as_csv, "json": as_json}
"""The forms in which predictions can be written."""

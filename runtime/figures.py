"""The pictures of a training run and of a validation: curves of loss and metric, and the confusion matrix."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from v5lint.runtime.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_DPI = 120
_LETTERS = 32
"""Of a class name in a picture."""
_NAMED_CLASSES = 40
"""Up to so many, a confusion matrix says their names and how many images are in a cell."""
_UNNAMED_SIDE = 10.0
"""Of a picture without names, in inches."""
_DARK = 0.7
"""Share of a row from which a cell is dark enough for white letters."""


def draw_curves(history: Sequence[Mapping[str, Any]], metric: str, path: Path) -> Path:
    """Loss of training and evaluation, and a metric of the evaluation, over the steps, as PNG.

    Args:
        history: `log_history` of Trainer.
        metric: Name of the metric without `eval_`.
        path: Where to write the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for key, name in (("loss", "training"), ("eval_loss", "evaluation")):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        if points:
            left.plot(*zip(*points, strict=True), label=name, marker="o" if len(points) < 20 else None, markersize=3)
    left.set(xlabel="step", ylabel="loss")
    left.legend(frameon=False)
    points = [(entry["step"], entry[f"eval_{metric}"]) for entry in history if f"eval_{metric}" in entry]
    if points:
        right.plot(*zip(*points, strict=True), marker="o", markersize=3)
    right.set(xlabel="step", ylabel=metric.replace("_", " "))
    return _save(figure, path)


def draw_confusion(matrix: Any, labels: Sequence[str], path: Path) -> Path:
    """A confusion matrix as PNG: as `confusion_picture` draws it.

    Args:
        matrix: Images of class i that were taken for class j, [C, C].
        labels: Class names.
        path: Where to write the picture.
    """
    return _save(_confusion(matrix, labels), path)


def confusion_picture(matrix: Any, labels: Sequence[str]) -> Image.Image:
    """A confusion matrix as a picture: rows are the true classes, a darker cell is a larger share of its row.

    Args:
        matrix: Images of class i that were taken for class j, [C, C].
        labels: Class names; of those that are missing, or in letters that the font lacks, the index is said.
    """
    buffer = io.BytesIO()
    _confusion(matrix, labels).savefig(buffer, dpi=_DPI, format="png")
    return Image.open(buffer)


def _confusion(matrix: Any, labels: Sequence[str]) -> Any:
    from matplotlib.figure import Figure

    counts = np.asarray(matrix, dtype=int)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    named = len(counts) <= _NAMED_CLASSES
    side = max(4.0, 0.4 * len(counts) + 2) if named else _UNNAMED_SIDE
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if named:
        names = [_drawable(labels[index] if index < len(labels) else "", index) for index in range(len(counts))]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    return figure


def _drawable(label: str, index: int) -> str:
    """A class name, shortened where it is long; its index where the font lacks a letter of it."""
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    if not label.strip() or not all(font.get_char_index(ord(letter)) for letter in label):
        return f"class {index}"
    return textwrap.shorten(label, _LETTERS, placeholder=" ...").replace("$", r"\$")  # or it starts a formula


def _save(figure: Any, path: Path) -> Path:
    unfinished = path.with_name(f".{path.name}")
    try:
        figure.savefig(unfinished, dpi=_DPI, format="png")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path

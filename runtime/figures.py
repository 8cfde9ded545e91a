"""The pictures of a training run: curves of loss and metric, and the confusion matrix."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from v5lint.runtime.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_DPI = 120
_LETTERS = 32
"""Of a class name in a picture."""
_NAMED_CLASSES = 40
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


def draw_confusion(matrix: np.ndarray[Any, Any], labels: Sequence[str], path: Path) -> Path:
    """A confusion matrix as PNG: rows are the true classes, each row scaled to its sum.

    Args:
        matrix: Images of class i that were taken for class j, [C, C].
        labels: Class names.
        path: Where to write the picture.
    """
    from matplotlib.figure import Figure

    side = min(16.0, max(4.0, 0.4 * len(labels) + 2))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if len(labels) <= _NAMED_CLASSES:
        names = [_drawable(label, index) for index, label in enumerate(labels)]
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if shares[row, column] > _DARK else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    return _save(figure, path)


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

"""Train a linear segmentation head on the frozen patch features of $backbone.

Backbone: $sentence
Licence: $licence
Classes of transformers 5: $model_class, $processor_class
Written under transformers $transformers, peft $peft and torch $torch; it holds for every release of transformers 5.

Run it:  python $script
"""

from __future__ import annotations

from pathlib import Path

from v5lint.runtime import (
    SegmentationOptions,
    check_contract,
    find_masked_images,
    open_checkpoint,
    save_segmentation,
    train_segmentation,
)

CHECKPOINT = "$checkpoint"
# With images/ and masks/ of the same names; a mask has one class index a pixel, 255 for none.
DATA = Path("$data")
OUTPUT = Path("$output")
OPTIONS = SegmentationOptions(epochs=20, batch_size=8, learning_rate=1e-3, seed=42)


def main() -> None:
    """Train the head, and say which mean IoU it reaches on images that it was not trained on."""
    check_contract().raise_if_broken()
    backbone = open_checkpoint(CHECKPOINT, "dense")
    result = train_segmentation(backbone, find_masked_images(DATA / "images", DATA / "masks"), options=OPTIONS)
    save_segmentation(result, backbone, OPTIONS, OUTPUT / "head")
    print(result.metrics)


if __name__ == "__main__":
    main()

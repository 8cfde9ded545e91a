"""What is checked: a model, with all that is known of how it was loaded, fed and trained."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.checks.items import Items, items_of
from v5lint.runtime.checks.pictures import Album, images_of
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.families import Family, find_family
from v5lint.runtime.hub import read_json
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import load_config, load_with_report
from v5lint.runtime.processors import load_processor
from v5lint.runtime.roles import unwrap

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn
    from transformers import PreTrainedModel

    from v5lint.runtime.checks.sources import ImageSource
    from v5lint.runtime.loading import LoadReport

LABEL_NAMES = ("labels", "label", "label_ids")
_PROBED = 8
"""Images in a batch that is only looked at."""


@dataclass
class Subject:
    """A model under examination, and what is known of its training.

    Attributes:
        model: As it is trained: bare, adapted by PEFT, quantised.
        processor: What the script prepares its images with.
        train: What it trains on.
        evaluation: What it evaluates on.
        args: `TrainingArguments`.
        optimizer: Of the training.
        scheduler: Of its learning rate.
        checkpoint: What the model was loaded from; found in its configuration where it is not given.
        lora_config: What the adapter was meant to be; by default what it says of itself.
        training: Whether the model is about to be trained, so that something must be trainable.
        trained: Whether it has been trained, so that the adapter must do something and predictions mean something.
        continued: Whether the training goes on from an earlier one, so that what it trains is no more the checkpoint's.
        restored_from: A checkpoint of this training that must be in the model: the best one, or the resumed one.
        group_column: A column whose values must not be on both sides of the split.
        sample: How many images of a data set are compared with one another.
        compared: Whether the two data sets were compared, and the adapter tried out, before this training, so that
            only what the model has learnt and answers is new.
        epochs: How often the training has shown its data; `None` where that is not known.
        steps: How many steps the training has in all; `None` where that is not known.
        sequential: Whether the training shows its data in the order in which it is stored.
        loader: What the training takes its batches from; `None` where that is not known.
        divides_loss: Whether the trainer leaves it to the model to divide the loss of accumulated batches.
        trainer: Whose loss and measures are looked at; `None` where there is none.
        files: Where pictures are written; `None` to write none.
    """

    model: nn.Module
    processor: Any = None
    train: ImageSource | None = None
    evaluation: ImageSource | None = None
    args: Any = None
    optimizer: Any = None
    scheduler: Any = None
    checkpoint: str | Path | None = None
    lora_config: Any = None
    training: bool = False
    trained: bool = False
    continued: bool = False
    restored_from: str | Path | None = None
    group_column: str | None = None
    sample: int = 2048
    compared: bool = False
    epochs: float | None = None
    steps: int | None = None
    sequential: bool = False
    loader: Any = None
    divides_loss: bool = False
    trainer: Any = None
    files: Path | None = None
    pictures: Album = field(default_factory=Album)
    _items: dict[str, Items | None] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def bare(self) -> Any:
        """The model inside the wrappers of PEFT, DDP and torch.compile."""
        return unwrap(self.model)

    @cached_property
    def family(self) -> Family | None:
        """The family of the model; `None` for one that the runtime does not know."""
        return find_family(self.bare) if hasattr(self.bare, "config") else None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @cached_property
    def image_processor(self) -> Any:
        """The image processor of the script; `None` where it has none."""
        return getattr(self.processor, "image_processor", self.processor)

    @cached_property
    def base(self) -> str | None:
        """What the model was loaded from, where its files can be read without a download."""
        wanted = self.checkpoint or getattr(getattr(self.bare, "config", None), "_name_or_path", None)
        if not wanted:
            return None
        try:
            found = read_json(wanted, "config.json", local_files_only=self.checkpoint is None)
        except RuntimeSetupError:
            return None
        return str(wanted) if found is not None else None

    @cached_property
    def reference_processor(self) -> Any:
        """The processor that belongs to the checkpoint.

        Raises:
            ProcessorError: The checkpoint has none, or one of another family.
        """
        if self.base is None:
            return None
        return (
            load_processor(self.base, local_files_only=True) if self.checkpoint is None else load_processor(self.base)
        )

    @cached_property
    def reference(self) -> tuple[PreTrainedModel, LoadReport] | None:
        """The checkpoint's weights in the class that fits them, with the report; `None` where neither is known.

        Raises:
            RuntimeSetupError: They do not fit any class.
        """
        if self.base is None or self.family is None:
            return None
        task, labels = self.task_and_labels
        dtype = next((p.dtype for p in self.bare.parameters() if p.is_floating_point()), torch.float32)
        with torch.random.fork_rng(devices=[]):
            model, report = load_with_report(self.base, task, labels=labels, dtype=dtype)
        moved: Any = model
        moved.to(self.device)
        return model, report

    @property
    def task_and_labels(self) -> tuple[Any, int | None]:
        """The task of the model's class, and for a classifier how many classes it has."""
        labels = getattr(self.bare, "num_labels", None)
        name = type(self.bare).__name__
        if labels and "Classification" in name:
            return "classification", max(int(labels), 2)  # a regression has one; of heads only their place is compared
        config = load_config(self.base) if self.base is not None else None
        dual = hasattr(config, "vision_config") and not hasattr(self.bare, "get_text_features")
        return ("dense" if dual or "Vision" in name else "retrieval"), None

    def items(self, title: str) -> Items | None:
        """Some items of the `training` or the `evaluation` data, fetched once; `None` where they cannot be."""
        if title not in self._items:
            self._items[title] = items_of(self.train if title == "training" else self.evaluation, images_of)
        return self._items[title]

    @property
    def classifies(self) -> bool:
        """Whether the model chooses one of several classes."""
        config = getattr(self.bare, "config", None)
        other = getattr(config, "problem_type", None) in ("regression", "multi_label_classification")
        labels = getattr(self.bare, "num_labels", None) or 0
        return "Classification" in type(self.bare).__name__ and labels > 1 and not other

    @property
    def draws_in_evaluation(self) -> bool:
        """Whether the model draws random numbers in evaluation by design: a caller may hand them in as `noise`."""
        return "noise" in self.forward_names

    @property
    def takes_images(self) -> bool:
        """Whether the model's forward takes pixels."""
        return self.family is not None or "pixel_values" in self.forward_names

    @cached_property
    def forward_names(self) -> frozenset[str]:
        """The names that the model's forward takes, labels among them."""
        names = set(inspect.signature(self.bare.forward).parameters) - {"self", "args", "kwargs"}
        optional = self.family.optional_inputs if self.family is not None else ()
        return frozenset({*names, *optional, *LABEL_NAMES})

    def probe(self, source: ImageSource | None = None, count: int = _PROBED) -> dict[str, torch.Tensor]:
        """A batch on the model's device: of the data where there is some, else of random pixels."""
        chosen = source or self.evaluation or self.train
        if chosen is None or not chosen.indexable or not len(chosen):
            if self.family is None:
                raise RuntimeSetupError(
                    f"There is no data set whose items can be fetched by index, and inputs of "
                    f"{type(self.bare).__name__} are not known."
                )
            return sample_inputs(self.model, min(count, 2))
        return self.placed(chosen.batch(chosen.spread(count)))

    def placed(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """A batch on the model's device, its pixels in the model's dtype, without what its forward does not take."""
        dtype = next(p.dtype for p in self.model.parameters() if p.is_floating_point())
        placed = {}
        for name, tensor in batch.items():
            if name in self.forward_names:
                kept = tensor.to(self.device)
                placed[name] = kept.to(dtype) if name == "pixel_values" and kept.is_floating_point() else kept
        return placed

    def without_labels(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The tensors of a batch that are the model's inputs."""
        return {name: tensor for name, tensor in batch.items() if name not in LABEL_NAMES}

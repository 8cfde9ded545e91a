"""More faults: of losses, samplers and rates that look right, and of pictures that differ between the two data sets.

Importing this module adds them to the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fault_scene import DIGITS, Pictures
from fault_table import IMAGE_FAMILIES, fault
from PIL import Image, ImageFilter, ImageOps
from torch import nn
from transformers import Trainer

from v5lint.runtime.loading import load_model
from v5lint.runtime.roles import classification_head, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault_scene import Scene

SOME = ("vit", "siglip2", "dinov2", "timm_vit")


def _with_head(scene: Scene, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """The scores go through a function behind the head."""

    def finish(model: Any) -> Any:
        inner = unwrap(model)
        head = inner.get_submodule(classification_head(inner)[0])
        head.register_forward_hook(lambda module, inputs, output: change(output))
        return model

    scene.finish = finish


@fault("setup", r"are cut off at 0")
def relu_behind_the_head(scene: Scene) -> None:
    """A ReLU stands behind the last layer, as behind every other one."""
    _with_head(scene, torch.relu)


@fault("setup", r"have been through a sigmoid")
def sigmoid_before_the_loss(scene: Scene) -> None:
    """A sigmoid stands behind the last layer, and the loss is a cross entropy over all classes."""
    _with_head(scene, torch.sigmoid)


@fault("setup", r"label_smoothing_factor=0\.1 is not looked at", status="note")
def smoothing_that_a_loss_passes_over(scene: Scene) -> None:
    """label_smoothing_factor beside compute_loss_func: Trainer takes the function, and the smoothing is lost."""

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs["logits"], labels, weight=torch.linspace(0.9, 1.1, 10))

    scene.trainer_options = lambda model: {"compute_loss_func": loss}
    scene.options = {"label_smoothing_factor": 0.1}
    scene.mode = "trainer"


def imbalanced(scene: Scene) -> list[int]:
    """Training data in which class c has about as many images as 10 - c; how many each has."""
    pictures, targets = scene.train
    kept: list[int] = []
    for label in range(10):
        own = [index for index, target in enumerate(targets) if target == label]
        kept += [own[number % len(own)] for number in range(3 * (10 - label))]
    order = np.random.default_rng(0).permutation(len(kept))
    scene.train = [pictures[kept[i]] for i in order], [targets[kept[i]] for i in order]
    return [3 * (10 - label) for label in range(10)]


class WeightedTrainer(Trainer):  # type: ignore[misc]
    """Has a loss with a weight for each class."""

    weights: torch.Tensor

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        found = nn.functional.cross_entropy(outputs["logits"], labels, self.weights)
        return (found, outputs) if return_outputs else found


@fault("setup", r"are those of other classes")
def weights_in_another_order(scene: Scene) -> None:
    """The class weights come in the order in which a Counter met the classes, not in that of their indices."""
    counts = imbalanced(scene)

    class Own(WeightedTrainer):
        weights = torch.tensor([1 / counts[label] for label in (6, 2, 9, 0, 4, 8, 1, 3, 7, 5)])

    scene.trainer_class = Own
    scene.mode = "trainer"


@fault("setup", r"do not go with the labels", status="note")
def sample_weights_in_another_order(scene: Scene) -> None:
    """The weights of the sampler were computed before the data was shuffled."""
    counts = imbalanced(scene)

    class Own(Trainer):  # type: ignore[misc]
        def _get_train_sampler(self, *given: Any) -> Any:
            weights = sorted(1 / counts[label] for label in self.train_dataset.targets)
            return torch.utils.data.WeightedRandomSampler(weights, len(weights))

    scene.trainer_class = Own
    scene.mode = "train"


@fault("setup", r"next to nothing is learnt in them")
def decay_by_layer_of_nothing(scene: Scene) -> None:
    """A decay of the rate by layer is to the power of the depth in modules, not in layers."""

    def options(model: Any) -> dict[str, Any]:
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [{"params": [p], "lr": 1e-3 * 0.1 ** (2 * depth)} for depth, p in enumerate(reversed(trained))]
        return {"optimizers": (torch.optim.AdamW(groups), None)}

    scene.trainer_options = options
    scene.mode = "train"


@fault("split", r"pictures are much smaller", status="note")
def thumbnails_in_evaluation(scene: Scene) -> None:
    """The evaluation pictures are the thumbnails of a gallery, which are enlarged again."""
    pictures, targets = scene.evaluation
    scene.evaluation = [each.resize((16, 12)) for each in pictures], targets


@fault("split", r"pictures are grey", status="note")
def grey_in_evaluation(scene: Scene) -> None:
    """The evaluation pictures were stored in grey, the training pictures in colour."""
    pictures, targets = scene.evaluation
    scene.evaluation = [each.convert("L").convert("RGB") for each in pictures], targets


@fault("split", r"are inverted", status="note")
def inverted_in_evaluation(scene: Scene) -> None:
    """The evaluation pictures are dark on bright, the training pictures bright on dark."""
    pictures, targets = scene.evaluation
    scene.evaluation = [ImageOps.invert(each) for each in pictures], targets


@fault("split", r"are in the training data, resized")
def thumbnails_leaked(scene: Scene) -> None:
    """Thumbnails of a third of the evaluation pictures are in the training data."""
    pictures, targets = scene.train
    extra, labels = scene.evaluation
    count = len(extra) // 3
    scene.train = [*pictures, *(each.resize((32, 24)) for each in extra[:count])], [*targets, *labels[:count]]


@fault("split", r"are in the training data, resized")
def sharpened_leak(scene: Scene) -> None:
    """A third of the evaluation pictures is in the training data, sharpened by an editing program."""
    pictures, targets = scene.train
    extra, labels = scene.evaluation
    count = len(extra) // 3
    sharp = [each.filter(ImageFilter.UnsharpMask(1, 60)) for each in extra[:count]]
    scene.train = [*pictures, *sharp], [*targets, *labels[:count]]


@fault("split", r"1 classes are evaluated and never trained on: 3")
def two_classes_merged(scene: Scene) -> None:
    """A table of synonyms makes one class of two in the training data alone."""
    pictures, targets = scene.train
    scene.train = pictures, [5 if target == 3 else target for target in targets]


class _Folder(Pictures):
    """A folder of classes, which numbers the folders that it has."""

    def __init__(self, data: Pictures, classes: list[str]) -> None:
        super().__init__(data.pictures, data.targets, data.prepare)
        self.classes = classes


@fault("split", r"Training and evaluation data number their classes otherwise")
def a_class_folder_missing(scene: Scene) -> None:
    """The validation folder has no picture of one class: each class behind it has another number."""
    pictures, targets = scene.evaluation
    kept = [index for index, target in enumerate(targets) if target != 4]
    scene.evaluation = [pictures[i] for i in kept], [targets[i] - (targets[i] > 4) for i in kept]
    names = iter((DIGITS, [name for name in DIGITS if name != "4"]))
    scene.wrap = lambda data: _Folder(data, next(names))


@fault("split", r"The model's id2label .* have the same classes in another order")
def names_sorted_as_text(scene: Scene) -> None:
    """id2label is sorted as text, with 10 before 2, where the data numbers its classes by value."""
    names = [str(number) for number in range(2, 12)]
    scene.load = lambda: load_model(scene.checkpoint, labels=sorted(names))
    scene.wrap = lambda data: _Folder(data, names)


def see_through(side: Any) -> Any:
    """Pictures and labels, the background of each transparent, as logos and cut-out products are stored."""
    made = []
    for image in side[0]:
        values = np.asarray(image.convert("RGB"))
        alpha = np.where(values.max(axis=-1) > 60, 255, 0).astype(np.uint8)
        made.append(Image.fromarray(np.dstack([values, alpha])))
    return made, side[1]


def laid_on(colour: str) -> Callable[[Image.Image], Image.Image]:
    """A function that lays pictures on this colour."""

    def paste(image: Image.Image) -> Image.Image:
        if image.mode != "RGBA":
            return image.convert("RGB")
        ground = Image.new("RGBA", image.size, colour)
        return Image.alpha_composite(ground, image).convert("RGB")

    return paste


@fault("preprocessing", r"transparent")
def transparent_on_white_in_evaluation(scene: Scene) -> None:
    """Transparent pictures are laid on black in training, and on white in evaluation."""
    scene.train, scene.evaluation = see_through(scene.train), see_through(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(laid_on("black")(image))
    scene.prepare_evaluation = lambda image: scene.prepared(laid_on("white")(image))


@fault("preprocessing", r"prepared otherwise than the training", IMAGE_FAMILIES, status="note")
def padded_in_evaluation(scene: Scene) -> None:
    """Training images are squashed, evaluation images are padded to a square."""
    scene.prepare_evaluation = lambda image: scene.prepared(ImageOps.pad(image, (max(image.size),) * 2))


@fault("preprocessing", r"show next to nothing", IMAGE_FAMILIES)
def crops_of_nothing(scene: Scene) -> None:
    """RandomResizedCrop(scale=(0.001, 0.01)): the shares are of the area, and were meant as percent."""

    def prepare(image: Image.Image) -> Any:
        side = max(2, round(0.07 * min(image.size)))
        left, top = np.random.randint(0, image.width - side + 1), np.random.randint(0, image.height - side + 1)
        return scene.prepared(image.crop((left, top, left + side, top + side)))

    scene.prepare = prepare
    scene.prepare_evaluation = scene.prepared


@fault("preprocessing", r"resized, cropped or filtered otherwise", SOME)
def enlarged_from_a_smaller_size(scene: Scene) -> None:
    """Images are first resized to an eighth, for speed, and enlarged again by the processor."""
    scene.prepare = lambda image: scene.prepared(image.resize((max(4, image.width // 8), max(4, image.height // 8))))


@fault("split", r"reach the model as another one: ")
def classes_moved_by_both_transforms(scene: Scene) -> None:
    """Both transforms add one to the labels, for a class of nothing that the model does not have."""

    class Moved(Pictures):
        classes = DIGITS

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "labels": (self.targets[index] + 1) % len(DIGITS)}

    scene.wrap = lambda data: Moved(data.pictures, data.targets, data.prepare)


@fault("split", r"number them otherwise: every prediction will be named wrongly")
def class_of_nothing_in_front(scene: Scene) -> None:
    """id2label begins with a class of nothing, which the data does not have: each name is that of the class before."""

    def wrap(dataset: Pictures) -> Pictures:
        dataset.classes = DIGITS  # type: ignore[attr-defined]
        return dataset

    scene.load = lambda: load_model(scene.checkpoint, labels=["nothing", *DIGITS])
    scene.wrap = wrap


@fault("split", r"The size of a picture, in pixels, tells its class", status="note")
def size_tells_the_class(scene: Scene) -> None:
    """The pictures of each class come from another source, which has another size."""

    def sized(side: Any) -> Any:
        return [image.resize((64 + 8 * label, 48 + 6 * label)) for image, label in zip(*side, strict=True)], side[1]

    scene.train, scene.evaluation = sized(scene.train), sized(scene.evaluation)


@fault("split", r"training pictures that were looked at only \d+ are different", status="note")
def few_pictures_repeated(scene: Scene) -> None:
    """A list of files has each of a few files many times: a join has multiplied its rows."""
    pictures, targets = scene.train
    first = [targets.index(label) for label in range(len(DIGITS))]
    scene.train = [pictures[index] for index in first] * 10, [targets[index] for index in first] * 10


@fault("setup", r"compute_metrics is never called")
def measure_that_is_never_called(scene: Scene) -> None:
    """label_names has the column of the data, and batches call it labels: evaluation has neither measure nor loss."""
    scene.mode = "trainer"
    scene.options = {"label_names": ["digit"]}
    scene.trainer_options = lambda model: {
        "compute_metrics": lambda given: {"accuracy": float((given.predictions.argmax(-1) == given.label_ids).mean())}
    }

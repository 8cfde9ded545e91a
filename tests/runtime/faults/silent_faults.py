"""More faults: of losses and measures, of what a set-up leaves to chance, of configurations, of tensors in disorder.

Importing this module adds them to the table.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fault_scene import DIGITS, Pictures, tiny
from fault_table import IMAGE_FAMILIES, fault
from peft import PeftModel, get_peft_model
from PIL import Image
from torch import nn
from transformers import Trainer

from v5lint.runtime.loading import load_config, load_model
from v5lint.runtime.lora import lora_config_for
from v5lint.runtime.roles import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from fault_scene import Scene

SOME = ("vit", "siglip", "siglip2", "dinov2")


def _with_loss(scene: Scene, loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    """A trainer with a loss of the script's own, of scores [B, C] and classes [B]."""

    class Own(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            found = loss(outputs["logits"], labels)
            return (found, outputs) if return_outputs else found

    scene.trainer_class = Own
    scene.mode = "trainer"


# --- losses ----------------------------------------------------------------------------------------------------------


@fault("setup", r"the loss leaves out class 0")
def class_left_out_of_the_loss(scene: Scene) -> None:
    """CrossEntropyLoss(ignore_index=0): 0 was the padding of another task, and is a class here."""
    _with_loss(scene, lambda scores, labels: nn.functional.cross_entropy(scores, labels, ignore_index=0))


@fault("setup", r"the loss leaves out class 3")
def weight_of_zero_for_a_class(scene: Scene) -> None:
    """The class weights of the loss have a zero: that class had no image when they were counted."""
    weights = torch.ones(10)
    weights[3] = 0
    _with_loss(scene, lambda scores, labels: nn.functional.cross_entropy(scores, labels, weights))


@fault("setup", r"the loss asks for class 1 where the label is class 0")
def loss_of_shifted_labels(scene: Scene) -> None:
    """The loss is given labels + 1, as for a head with a class for "nothing"."""
    _with_loss(scene, lambda scores, labels: nn.functional.cross_entropy(scores, (labels + 1) % 10))


@fault("setup", r"the loss asks for class 9 where the label is class 0")
def loss_of_shifted_scores(scene: Scene) -> None:
    """The scores are shifted by one against the labels, as for the next token of a text."""
    _with_loss(scene, lambda scores, labels: nn.functional.cross_entropy(scores.roll(1, dims=1), labels))


@fault("setup", r"The loss falls when the score of the right class falls")
def loss_with_the_other_sign(scene: Scene) -> None:
    """The loss is the log likelihood, not its negative."""
    _with_loss(scene, lambda scores, labels: -nn.functional.cross_entropy(scores, labels))


@fault("setup", r"without a softmax")
def nll_loss_of_scores(scene: Scene) -> None:
    """NLLLoss is given scores in place of log-probabilities: it falls without bound."""
    _with_loss(scene, lambda scores, labels: nn.functional.nll_loss(scores, labels))


@fault("setup", r"does not depend on the model's scores")
def loss_that_is_cut_off(scene: Scene) -> None:
    """The scores are detached before the loss, and a penalty on the weights alone is trained."""

    class Own(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            penalty = sum(p.pow(2).sum() for p in model.parameters() if p.requires_grad)
            found = nn.functional.cross_entropy(outputs["logits"].detach(), labels) + 1e-4 * penalty
            return (found, outputs) if return_outputs else found

    scene.trainer_class = Own
    scene.mode = "trainer"


# --- measures --------------------------------------------------------------------------------------------------------


def _measured_by(scene: Scene, measure: Callable[[Any, Any], float], name: str = "accuracy") -> None:
    scene.trainer_options = lambda model: {
        "compute_metrics": lambda prediction: {name: measure(prediction.predictions, prediction.label_ids)}
    }
    scene.mode = "trainer"


@fault("setup", r"compute_metrics gives accuracy=0 for answers that are all right")
def measure_of_shifted_labels(scene: Scene) -> None:
    """compute_metrics compares with labels that start at 1."""
    _measured_by(scene, lambda scores, labels: float((scores.argmax(-1) == labels + 1).mean()))


@fault("setup", r"compute_metrics gives accuracy=.* for answers that are all right")
def measure_of_the_wrong_axis(scene: Scene) -> None:
    """compute_metrics takes argmax over the images, not over the classes."""
    _measured_by(scene, lambda scores, labels: float(np.mean(scores.argmax(0) == labels[: scores.shape[1]])))


@fault("setup", r"compute_metrics gives accuracy=1 for answers that are all wrong")
def measure_of_the_labels_alone(scene: Scene) -> None:
    """compute_metrics compares the labels with themselves."""
    _measured_by(scene, lambda scores, labels: float((labels == labels).mean()))


# --- labels ----------------------------------------------------------------------------------------------------------


class Shifted(Pictures):
    """Hands out its labels as another table has them."""

    change: Callable[[int, int], int]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {**super().__getitem__(index), "labels": self.change(index, self.targets[index])}


def _handed_out(scene: Scene, *changes: Callable[[int, int], int]) -> None:
    given = iter(changes)

    def wrap(dataset: Pictures) -> Any:
        made = Shifted(dataset.pictures, dataset.targets, dataset.prepare)
        made.change = next(given)
        return made

    scene.wrap = wrap


@fault("split", r"reaches the model as \d in training and as \d in evaluation")
def evaluation_labels_moved_by_a_transform(scene: Scene) -> None:
    """The evaluation data set adds one to its labels when they are fetched, and the training data set does not."""
    _handed_out(scene, lambda index, target: target, lambda index, target: (target + 1) % 10)


@fault("split", r"reach the model under several labels")
def labels_of_the_next_item(scene: Scene) -> None:
    """The training data set fetches the label of the item after."""
    targets = scene.train[1]
    _handed_out(scene, lambda index, target: targets[(index + 1) % len(targets)], lambda index, target: target)


@fault("split", r"label2id is not the reverse of id2label")
def label2id_of_another_order(scene: Scene) -> None:
    """label2id was written by hand and numbers the classes otherwise than id2label."""

    def finish(model: Any) -> Any:
        unwrap(model).config.label2id = {name: (index + 1) % 10 for index, name in enumerate(DIGITS)}
        return model

    scene.finish = finish


# --- what is adapted, and onto what ----------------------------------------------------------------------------------


@fault("parameters", r"init_lora_weights=False")
def adapter_that_starts_at_random(scene: Scene) -> None:
    """init_lora_weights=False, which is for tests: the adapter disturbs the model before the first step."""

    def config(model: Any) -> Any:
        made = lora_config_for(model, r=8)
        made.init_lora_weights = False
        return made

    scene.config = config


@fault("weights", r"The adapter was trained on .* and this is")
def adapter_of_another_base(scene: Scene) -> None:
    """An adapter is loaded onto another checkpoint than the one that it was trained on, of the same shape."""

    def adapt(model: Any) -> Any:
        other = get_peft_model(load_model(tiny(scene.family, scene.seed + 1000), labels=DIGITS), scene.config(model))
        for name, parameter in other.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.02)
        other.save_pretrained(scene.folder / "adapter")
        return PeftModel.from_pretrained(model, scene.folder / "adapter", is_trainable=True)

    scene.adapt = adapt


@fault("parameters", r"never been trained and is not the one that is switched on", status="note")
def second_adapter_not_switched_on(scene: Scene) -> None:
    """A second adapter is added for the new task, and the first one goes on being trained."""

    def finish(model: Any) -> Any:
        model.add_adapter("task", copy.deepcopy(model.peft_config["default"]))
        return model

    scene.finish = finish


@fault("parameters", r"No parameter is trainable|it is frozen")
def all_frozen_after_the_adapter(scene: Scene) -> None:
    """model.requires_grad_(False), which once stood before the adapter, stands behind it."""
    scene.finish = lambda model: model.requires_grad_(False)


# --- the configuration -----------------------------------------------------------------------------------------------


def _configured(scene: Scene, **changes: Any) -> None:
    def load() -> Any:
        config = load_config(scene.checkpoint)
        for name, value in changes.items():
            setattr(getattr(config, "vision_config", config), name, value)
        config.num_labels = 10
        from v5lint.runtime.heads import classification_class

        return classification_class(config).from_pretrained(scene.checkpoint, config=config)

    scene.load = load


@fault("weights", r"configuration differs from the checkpoint's in num_attention_heads", SOME)
def other_number_of_heads(scene: Scene) -> None:
    """num_attention_heads of another model size: every tensor fits, and attention is another function."""
    config = load_config(scene.checkpoint)
    heads = getattr(config, "vision_config", config).num_attention_heads
    _configured(scene, num_attention_heads=heads // 2 if heads % 2 == 0 else heads * 2)


@fault("weights", r"configuration differs from the checkpoint's in hidden_act", SOME)
def other_activation(scene: Scene) -> None:
    """hidden_act was changed in the configuration: no tensor shows it."""
    _configured(scene, hidden_act="relu")


@fault("weights", r"configuration differs from the checkpoint's in layer_norm_eps", SOME)
def other_epsilon(scene: Scene) -> None:
    """layer_norm_eps was changed in the configuration."""
    _configured(scene, layer_norm_eps=1e-1)


@fault("weights", r"tensors of .* are not the checkpoint's|have no counterpart of their shape", ("vit", "siglip"))
def positions_made_anew(scene: Scene) -> None:
    """A larger image_size with ignore_mismatched_sizes=True: the positions start at random, not interpolated."""
    config = load_config(scene.checkpoint)
    side = getattr(config, "vision_config", config).image_size
    from v5lint.runtime.heads import classification_class

    def load() -> Any:
        config = load_config(scene.checkpoint)
        getattr(config, "vision_config", config).image_size = 2 * side
        config.num_labels = 10
        return classification_class(config).from_pretrained(
            scene.checkpoint, config=config, ignore_mismatched_sizes=True
        )

    scene.load = load


# --- the set-up ------------------------------------------------------------------------------------------------------


@fault("setup", r"drops 95% of its input", ("vit", "dinov2"))
def dropout_of_the_model(scene: Scene) -> None:
    """hidden_dropout_prob=0.95, for the share that is kept."""

    def finish(model: Any) -> Any:
        for module in unwrap(model).modules():
            if isinstance(module, nn.Dropout) and not hasattr(module, "lora_A"):
                module.p = 0.95
        return model

    scene.finish = finish


class Seeded(Pictures):
    """Draws from a generator of its own, as each worker has a copy of it."""

    def __init__(self, pictures: Any, targets: Any, prepare: Any) -> None:
        super().__init__(pictures, targets, prepare)
        self.generator = np.random.default_rng(0)

    def __getitem__(self, index: int) -> dict[str, Any]:
        picture = self.pictures[index]
        left = int(self.generator.integers(0, 8))
        self_ = picture.crop((left, 0, picture.width - 8 + left, picture.height))
        return {**self.prepare(self_), "labels": self.targets[index]}


@fault("setup", r"a generator of its own, which every worker copies", SOME)
def workers_with_one_seed(scene: Scene) -> None:
    """Augmentation draws from a generator in the data set: each worker has a copy, and every epoch starts it anew."""
    sides = iter((Seeded, Pictures))
    scene.wrap = lambda data: next(sides)(data.pictures, data.targets, data.prepare)
    scene.options = {"dataloader_num_workers": 2}
    scene.mode = "trainer"


@fault("setup", r"The schedule's learning rate is 0 at half")
def schedule_of_zero(scene: Scene) -> None:
    """A schedule of the script's own divides integers: its factor is 0 until the last step."""

    def options(model: Any) -> dict[str, Any]:
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        return {"optimizers": (optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step // 12))}

    scene.trainer_options = options
    scene.options = {"max_steps": 12}
    scene.mode = "train"


# --- tensors in disorder ---------------------------------------------------------------------------------------------


@fault("preprocessing", r"normalised twice")
def normalised_twice(scene: Scene) -> None:
    """Normalize() of the script before a processor that normalises again, with do_rescale=False."""
    from v5lint.runtime.checks.pictures import statistics_of

    mean, std = (torch.tensor(values) for values in statistics_of(scene.processor))
    scene.prepare = scene.with_pixels(lambda values: ((values - mean) / std - mean) / std)


@fault("preprocessing", r"read in the wrong order of its axes", IMAGE_FAMILIES)
def axes_in_disorder(scene: Scene) -> None:
    """An array of height, width and channels is reshaped to channels, height and width, not permuted."""

    def prepare(image: Image.Image) -> Any:
        pixels = scene.prepared(image)["pixel_values"]
        return {"pixel_values": pixels.permute(1, 2, 0).reshape(pixels.shape)}

    scene.prepare = prepare


@fault("preprocessing", r"values wrap around")
def eight_bits_overflow(scene: Scene) -> None:
    """Brightness is raised in eight bits: what is above 255 wraps around to black."""
    scene.prepare = lambda image: scene.prepared(Image.fromarray(np.asarray(image.convert("RGB")) + np.uint8(60)))


@fault("preprocessing", r"are cut off at")
def clipped_after_normalisation(scene: Scene) -> None:
    """A colour transform after Normalize() cuts its values off at 0 and 1."""
    from v5lint.runtime.checks.pictures import statistics_of

    mean, std = (torch.tensor(values) for values in statistics_of(scene.processor))
    scene.prepare = scene.with_pixels(lambda values: ((values - mean) / std).clamp(0, 1))


@fault("preprocessing", r"each patch has its channels first", ("siglip2",))
def patches_with_channels_first(scene: Scene) -> None:
    """Patches are flattened with the channels first, as a convolution has them, not last."""

    def prepare(image: Image.Image) -> Any:
        made = scene.prepared(image)
        pixels = made["pixel_values"]
        side = round((pixels.shape[1] / 3) ** 0.5)
        turned = pixels.reshape(len(pixels), side, side, 3).permute(0, 3, 1, 2).reshape(pixels.shape)
        return {**made, "pixel_values": turned}

    scene.prepare = prepare


@fault("preprocessing", r"the patches stand column by column", ("siglip2",))
def patches_by_columns(scene: Scene) -> None:
    """Patches are listed column by column."""

    def prepare(image: Image.Image) -> Any:
        made = scene.prepared(image)
        rows, columns = made["spatial_shapes"].tolist()
        pixels = made["pixel_values"].clone()
        used = pixels[: rows * columns].reshape(rows, columns, -1)
        pixels[: rows * columns] = used.transpose(0, 1).reshape(rows * columns, -1)
        return {**made, "pixel_values": pixels}

    scene.prepare = prepare


@fault("preprocessing", r"of \d+ .*images are of one colour where their pictures are not")
def blank_where_reading_fails(scene: Scene) -> None:
    """A picture that cannot be read is replaced by black, and that is half of them."""

    class Failing(Pictures):
        def __getitem__(self, index: int) -> dict[str, Any]:
            picture = self.pictures[index]
            if index % 2:
                picture = Image.new("RGB", picture.size)
            return {**self.prepare(picture), "labels": self.targets[index]}

    scene.wrap = lambda data: Failing(data.pictures, data.targets, data.prepare)


@fault("preprocessing", r"have the picture of another item")
def picture_of_the_item_before(scene: Scene) -> None:
    """The data set fetches the picture of the item before, and the label of its own."""

    class Before(Pictures):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**self.prepare(self.pictures[index - 1]), "labels": self.targets[index]}

    scene.wrap = lambda data: Before(data.pictures, data.targets, data.prepare)


@fault("preprocessing", r"have the picture of another item")
def pictures_and_labels_collated_apart(scene: Scene) -> None:
    """The collator sorts the pictures and leaves the labels as they came."""

    def collate(items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        order = sorted(range(len(items)), key=lambda index: float(items[index]["pixel_values"].sum()))
        made = {name: torch.stack([items[i][name] for i in order]) for name in items[0] if name != "labels"}
        return {**made, "labels": torch.tensor([item["labels"] for item in items])}

    scene.known = {"data_collator": collate}


@fault("preprocessing", r"prepared otherwise than the training", IMAGE_FAMILIES, status="note")
def evaluation_cropped_otherwise(scene: Scene) -> None:
    """Training images are squashed, evaluation images are cropped from their centre."""

    def cut(image: Image.Image) -> Any:
        side = min(image.size) * 3 // 4
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return scene.prepared(image.crop((left, top, left + side, top + side)))

    scene.prepare_evaluation = cut


# --- slips of the pen -------------------------------------------------------------------------------------------------


@fault("parameters", r"alpha_pattern: query matches no adapted module", SOME)
def pattern_that_matches_nothing(scene: Scene) -> None:
    """alpha_pattern has the module names of an older release, which PEFT passes over."""

    def config(model: Any) -> Any:
        made = lora_config_for(model, r=8)
        made.alpha_pattern = {"query": 32}
        return made

    scene.config = config


@fault("parameters", r"layers of LoRA, and it is not wrapped by PEFT")
def wrapper_thrown_away(scene: Scene) -> None:
    """The trainer is given the model inside PEFT's wrapper: what is saved is neither adapter nor model."""
    scene.finish = lambda model: model.get_base_model()


@fault("setup", r"in every step: next to nothing is learnt")
def rate_of_nothing(scene: Scene) -> None:
    """learning_rate=5e-9, a slip of the pen."""
    scene.options = {"learning_rate": 5e-9}
    scene.mode = "train"


@fault("setup", r"betas are \(0\.999, 0\.9\)")
def betas_exchanged(scene: Scene) -> None:
    """adam_beta1=0.999 and adam_beta2=0.9, in the wrong order."""
    scene.options = {"adam_beta1": 0.999, "adam_beta2": 0.9}
    scene.mode = "train"


@fault("setup", r"eps is 1, which")
def epsilon_of_another_optimizer(scene: Scene) -> None:
    """adam_epsilon=1.0, of a recipe for RMSProp: nearly every update is divided away."""
    scene.options = {"adam_epsilon": 1.0}
    scene.mode = "train"


@fault("split", r"has more images than the training data", status="note")
def splits_exchanged(scene: Scene) -> None:
    """train_dataset and eval_dataset are exchanged."""
    scene.train, scene.evaluation = scene.evaluation, scene.train


@fault("split", r"classes of id2label have one name", status="note")
def two_classes_of_one_name(scene: Scene) -> None:
    """Two classes of id2label have the same name: a list was copied with a slip."""
    scene.load = lambda: _renamed(scene)


def _renamed(scene: Scene) -> Any:
    model = load_model(scene.checkpoint, labels=DIGITS)
    model.config.id2label = {**model.config.id2label, 4: "3"}
    return model


@fault("parameters", r"is adapted twice")
def adapted_twice(scene: Scene) -> None:
    """get_peft_model() is called on what it has returned: an adapter on the layers of an adapter."""
    scene.finish = lambda model: get_peft_model(model, copy.deepcopy(model.peft_config["default"]))

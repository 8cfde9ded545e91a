"""What users rightly do, otherwise than the reference fine-tune does it: no check may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import numpy as np
import torch
import transformers
from everyday_faults import WeightedTrainer, imbalanced, laid_on, see_through
from fault_scene import DIGITS, Pictures, Scene, with_16_bits, with_lying_photographs
from fault_table import fitted
from packaging.version import Version
from peft import AdaLoraConfig, IA3Config, LoraConfig, get_peft_model
from PIL import Image, ImageEnhance, ImageOps
from torch import nn
from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification, Trainer, default_data_collator

from v5lint.runtime.data import decode_image
from v5lint.runtime.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if Version(transformers.__version__) < Version("5.18"):
    pytest.skip("module names are those since transformers 5.18", allow_module_level=True)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _lora(**options: Any) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        given = {"r": 4, "target_modules": ["q_proj", "v_proj"], "modules_to_save": ["classifier"], **options}
        scene.config = lambda model: LoraConfig(**given)

    return change


def _arguments(**options: Any) -> Callable[[Scene], None]:
    def change(scene: Scene) -> None:
        scene.options = options

    return change


def second_adapter(scene: Scene) -> None:
    def finish(model: Any) -> Any:
        model.add_adapter("second", LoraConfig(r=8, target_modules=["q_proj"], modules_to_save=["classifier"]))
        model.set_adapter("second")
        return model

    scene.finish = finish


def another_method(scene: Scene) -> None:
    config = IA3Config(target_modules=["k_proj", "v_proj", "fc2"], feedforward_modules=["fc2"],
                       modules_to_save=["classifier"])  # fmt: skip
    scene.adapt = lambda model: get_peft_model(model, config)


def colours_at_random(scene: Scene) -> None:
    def prepare(image: Image.Image) -> Any:
        image = ImageEnhance.Brightness(image).enhance(0.6 + 0.8 * float(torch.rand(())))
        return scene.prepared(image.convert("L").convert("RGB") if torch.rand(()) < 0.2 else image)

    scene.prepare, scene.prepare_evaluation = prepare, scene.prepared


def grey_pictures(scene: Scene) -> None:
    def grey(side: Any) -> Any:
        return [picture.convert("L").convert("RGB") for picture in side[0]], side[1]

    scene.train, scene.evaluation = grey(scene.train), grey(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(image.convert("L").convert("RGB"))


def padded_to_a_square(scene: Scene) -> None:
    scene.prepare = lambda image: scene.prepared(ImageOps.pad(image, (max(image.size),) * 2))


def cropped_to_a_square(scene: Scene) -> None:
    scene.prepare = lambda image: scene.prepared(ImageOps.fit(image, (min(image.size),) * 2))


def larger_images(scene: Scene) -> None:
    processor = AutoImageProcessor.from_pretrained(scene.checkpoint)
    processor.size = {"height": 64, "width": 64}
    scene.processor = processor

    def collate(items: list[Any]) -> Any:
        return {**default_data_collator(items), "interpolate_pos_encoding": True}

    scene.trainer_options = lambda model: {"data_collator": collate}


def two_classes_evenly(scene: Scene) -> None:
    """A model that has learnt nothing yet answers one of two classes."""

    def halved(side: Any) -> Any:
        return side[0], [index % 2 for index in range(len(side[1]))]

    def finish(model: Any) -> Any:
        model.get_base_model().classifier.modules_to_save["default"].bias.data[0] += 1e3
        return model

    scene.train, scene.evaluation = halved(scene.train), halved(scene.evaluation)
    scene.load = lambda: load_model(scene.checkpoint, labels=["even", "odd"])
    scene.finish = finish


def fewer_classes_evaluated(scene: Scene) -> None:
    sides = iter((DIGITS, DIGITS[:9]))

    def wrap(dataset: Pictures) -> Pictures:
        dataset.classes = next(sides)  # type: ignore[attr-defined]
        return dataset

    pairs = [pair for pair in zip(*scene.evaluation, strict=True) if pair[1] < 9]
    scene.evaluation = ([a for a, _ in pairs], [b for _, b in pairs])
    scene.wrap = wrap


def regression(scene: Scene) -> None:
    """One output, and numbers for labels."""

    class Numbers(Pictures):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "labels": float(self.targets[index])}

    scene.load = lambda: AutoModelForImageClassification.from_pretrained(scene.checkpoint, num_labels=1)
    scene.wrap = lambda data: Numbers(data.pictures, data.targets, data.prepare)


def several_classes_an_image(scene: Scene) -> None:
    class Several(Pictures):
        def __getitem__(self, index: int) -> dict[str, Any]:
            target = self.targets[index]
            return {**super().__getitem__(index), "labels": torch.eye(10)[target] + torch.eye(10)[(target + 1) % 10]}

    scene.load = lambda: AutoModelForImageClassification.from_pretrained(
        scene.checkpoint, num_labels=10, problem_type="multi_label_classification"
    )
    scene.wrap = lambda data: Several(data.pictures, data.targets, data.prepare)


def sixteen_bits_scaled(scene: Scene) -> None:
    scene.train, scene.evaluation = with_16_bits(scene.train), with_16_bits(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(decode_image(image))


def stream(scene: Scene) -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __init__(self, data: Any) -> None:
            self.data = data

        def __iter__(self) -> Any:
            return (self.data[index] for index in range(len(self.data)))

    scene.wrap = Stream


def weighted_loss(scene: Scene) -> None:
    weight = torch.linspace(0.5, 2, 10)
    scene.trainer_options = lambda model: {
        "compute_loss_func": lambda outputs, labels, num_items_in_batch=None: nn.functional.cross_entropy(
            outputs["logits"], labels, weight=weight
        )
    }


def photographs(scene: Scene) -> None:
    """A third of the pictures lie in their files, and are set upright on both sides."""
    scene.train, scene.evaluation = with_lying_photographs(scene.train), with_lying_photographs(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(ImageOps.exif_transpose(image))


def photographs_left_lying(scene: Scene) -> None:
    """On both sides alike: a note says so."""
    scene.train, scene.evaluation = with_lying_photographs(scene.train), with_lying_photographs(scene.evaluation)


def _sampled(make: Callable[[Any], Any]) -> Callable[[Scene], None]:
    class Sampled(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return make(self.train_dataset)

    def change(scene: Scene) -> None:
        scene.trainer_class = Sampled

    return change


def rates_by_layer(scene: Scene) -> None:
    """As BEiT's recipe has them, over as many layers as a large model has."""

    def options(model: Any) -> dict[str, Any]:
        trained = [p for p in model.parameters() if p.requires_grad]
        groups = [{"params": [p], "lr": 1e-3 * 0.65 ** (24 * i / len(trained))} for i, p in enumerate(trained)]
        return {"optimizers": (torch.optim.AdamW(groups), None)}

    scene.trainer_options = options


def transparent_pictures(scene: Scene) -> None:
    """On white, in both."""
    scene.train, scene.evaluation = see_through(scene.train), see_through(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(laid_on("white")(image))


def usual_crops(scene: Scene) -> None:
    """As RandomResizedCrop makes them by default, of the smallest share."""

    def prepare(image: Image.Image) -> Any:
        side = round(0.29 * image.width)
        left, top = np.random.randint(0, image.width - side + 1), np.random.randint(0, max(1, image.height - side + 1))
        return scene.prepared(image.crop((left, top, left + side, min(top + side, image.height))))

    scene.prepare, scene.prepare_evaluation = prepare, scene.prepared


def head_with_relu_inside(scene: Scene) -> None:
    """A head of two layers, in whose middle a ReLU stands."""

    def load() -> Any:
        model = load_model(scene.checkpoint, labels=DIGITS)
        width = model.classifier.in_features
        model.classifier = nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, 10))
        return model

    scene.load = load
    scene.config = lambda model: LoraConfig(r=4, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"])


def weights_of_rare_classes(scene: Scene) -> None:
    """The inverse numbers of images, in the order of the classes."""
    counts = imbalanced(scene)

    class Own(WeightedTrainer):
        weights = torch.tensor([1 / count for count in counts])

    scene.trainer_class = Own


def classes_of_few_images(scene: Scene) -> None:
    """More classes than a small sample has images: a split at random leaves some out of the training data."""
    generator = np.random.default_rng(0)

    def relabelled(side: Any) -> Any:
        return side[0], generator.integers(0, 80, len(side[0])).tolist()

    scene.train, scene.evaluation = relabelled(scene.train), relabelled(scene.evaluation)
    scene.load = lambda: load_model(scene.checkpoint, labels=[f"class {index}" for index in range(80)])


def fixed_camera(scene: Scene) -> None:
    """One scene from one place, as in a factory: what tells the classes apart is a scratch."""
    generator = np.random.default_rng(0)
    ground = Image.fromarray(generator.integers(40, 200, (9, 12, 3)).astype(np.uint8)).resize((96, 72))

    def seen(side: Any) -> Any:
        pictures = []
        for target in side[1]:
            values = np.asarray(ground, dtype=float) + generator.normal(0, 3, (72, 96, 3))
            row, column = generator.integers(5, 60, 2)
            values[row : row + 2, column : column + 2 * target] = 250
            pictures.append(Image.fromarray(values.clip(0, 255).astype(np.uint8)))
        return pictures, side[1]

    scene.train, scene.evaluation = seen(scene.train), seen(scene.evaluation)


def tiles_without_content(scene: Scene) -> None:
    """Every tenth tile is black on both sides, and of one class."""

    def emptied(side: Any) -> Any:
        empty = Image.new("RGB", (64, 48))
        return (
            [picture if index % 10 else empty for index, picture in enumerate(side[0])],
            [target if index % 10 else 0 for index, target in enumerate(side[1])],
        )

    scene.train, scene.evaluation = emptied(scene.train), emptied(scene.evaluation)


def _stored_otherwise(store: Callable[[int], int], names: list[str] | None) -> Callable[[Scene], None]:
    """Labels stand in the data under other numbers, and its code gives the model its own."""

    class Renumbered(Pictures):
        def __init__(self, data: Pictures) -> None:
            super().__init__(data.pictures, [store(target) for target in data.targets], data.prepare)
            self.numbers = {store(target): target for target in range(10)}
            if names is not None:
                self.classes = names

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "labels": self.numbers[self.targets[index]]}

    def change(scene: Scene) -> None:
        scene.wrap = Renumbered

    return change


def superclasses(scene: Scene) -> None:
    """Fine classes are stored, and the model is given coarse ones."""

    class Coarse(Pictures):
        classes = DIGITS

        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "labels": int(self.targets[index] > 4)}

    scene.load = lambda: load_model(scene.checkpoint, labels=["low", "high"])
    scene.wrap = lambda data: Coarse(data.pictures, data.targets, data.prepare)


def _kept(empty: Callable[[int], Any]) -> Callable[[Scene], None]:
    """Items are made once, and kept in a table or a list."""

    class Kept(Pictures):
        def __init__(self, data: Pictures) -> None:
            super().__init__(data.pictures, data.targets, data.prepare)
            self.kept = empty(len(data))

        def __getitem__(self, index: int) -> dict[str, Any]:
            found = self.kept.get(index) if isinstance(self.kept, dict) else self.kept[index]
            if found is None:
                found = self.kept[index] = super().__getitem__(index)
            return found

    def change(scene: Scene) -> None:
        scene.wrap = Kept

    return change


class EvaluatedAsItIs(Trainer):
    """A trainer whose collator is for training: evaluation has another one."""

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        kept, self.data_collator = self.data_collator, default_data_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = kept


def flipped_in_training_alone(scene: Scene) -> None:
    """The trainer's collator flips images at random, and its class gives evaluation another one."""

    def flip(items: list[Any]) -> Any:
        batch = default_data_collator(items)
        flipped = batch["pixel_values"].flip(-1)
        chosen = torch.rand(len(items)) < 0.5
        return {**batch, "pixel_values": torch.where(chosen[:, None, None, None], flipped, batch["pixel_values"])}

    scene.trainer_class = EvaluatedAsItIs
    scene.trainer_options = lambda model: {"data_collator": flip}


def mixed_in_training_alone(scene: Scene) -> None:
    """The trainer's collator mixes the images of a batch and their labels, as torchvision's MixUp does."""

    def mix(items: list[Any]) -> Any:
        batch = default_data_collator(items)
        share = float(torch.rand(()))
        targets = nn.functional.one_hot(batch["labels"], 10).float()
        mixed = {"pixel_values": batch["pixel_values"], "labels": targets}
        return {name: share * values + (1 - share) * values.roll(1, 0) for name, values in mixed.items()}

    class Mixed(EvaluatedAsItIs):
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
            targets = inputs.pop("labels")
            outputs = model(**inputs)
            loss = nn.functional.cross_entropy(outputs.logits, targets)
            return (loss, outputs) if return_outputs else loss

    scene.trainer_class = Mixed
    scene.trainer_options = lambda model: {"data_collator": mix}


def in_half_precision(scene: Scene) -> None:
    scene.finish = lambda model: model.to(torch.bfloat16)
    scene.options = {"bf16": True}


def ranks_that_are_given_out(scene: Scene) -> None:
    config = AdaLoraConfig(target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"], init_r=6, target_r=3,
                           total_step=6, tinit=1, tfinal=2)  # fmt: skip
    scene.adapt = lambda model: get_peft_model(model, config)


def turned_at_random(scene: Scene) -> None:
    """By quarters, as pictures from above may be."""

    def prepare(image: Image.Image) -> Any:
        return scene.prepared(image.rotate(90 * int(torch.randint(0, 4, ())), expand=True))

    scene.prepare, scene.prepare_evaluation = prepare, scene.prepared


def adapter_inside_a_model_of_ones_own(scene: Scene) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = get_peft_model(AutoModel.from_pretrained(scene.checkpoint),
                                           LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))  # fmt: skip
            self.head = nn.Linear(self.backbone.config.hidden_size, 10)

        def forward(self, pixel_values: Any, labels: Any = None) -> Any:
            scores = self.head(self.backbone(pixel_values=pixel_values).last_hidden_state[:, 0])
            loss = {} if labels is None else {"loss": nn.functional.cross_entropy(scores, labels)}
            return {**loss, "logits": scores}

    scene.load = Own
    scene.adapt = lambda model: model


def head_of_cosines(scene: Scene) -> None:
    class Cosines(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(10, width))

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            normalised = (nn.functional.normalize(each, dim=-1) for each in (features, self.weight))
            return 16 * nn.functional.linear(*normalised)

    def load() -> Any:
        model = load_model(scene.checkpoint, labels=DIGITS)
        model.classifier = Cosines(model.classifier.in_features)
        return model

    scene.load = load
    scene.config = lambda model: LoraConfig(r=4, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"])


RIGHT: dict[str, Callable[[Scene], None]] = {
    "bf16": _arguments(bf16=True),
    "one step": _arguments(max_steps=1),
    "warm-up that leaves one step": _arguments(max_steps=2, warmup_steps=1),
    "gradient accumulation over an epoch": _arguments(max_steps=2, gradient_accumulation_steps=64),
    "half of the steps warm up": _arguments(lr_scheduler_type="cosine", warmup_steps=0.5, max_steps=6),
    "DoRA": _lora(use_dora=True),
    "biases": _lora(bias="all"),
    "biases of LoRA": _lora(lora_bias=True),
    "PiSSA": _lora(init_lora_weights="pissa"),
    "excluded modules": _lora(exclude_modules=r".*layers\.0\..*"),
    "rank-stabilised": _lora(r=64, lora_alpha=64, use_rslora=True),
    "rank of one": _lora(r=1, lora_alpha=32),
    "drop of the last batch": _arguments(dataloader_drop_last=True, per_device_train_batch_size=40, max_steps=4),
    "classes evenly drawn": _sampled(
        lambda data: torch.utils.data.WeightedRandomSampler([1 + target for target in data.targets], 40)
    ),
    "part of an epoch": _sampled(lambda data: torch.utils.data.RandomSampler(data, num_samples=32)),
    "most of the data": _sampled(lambda data: torch.utils.data.SubsetRandomSampler(range(80))),
    "photographs": photographs,
    "photographs left lying": photographs_left_lying,
    "names of all releases": _lora(target_modules=["query", "value", "q_proj", "v_proj"]),
    "adapted patch embedding": _lora(target_modules=["q_proj", "v_proj", "projection"]),
    "second adapter": second_adapter,
    "another method": another_method,
    "colours at random": colours_at_random,
    "grey pictures": grey_pictures,
    "padded to a square": padded_to_a_square,
    "cropped to a square": cropped_to_a_square,
    "larger images": larger_images,
    "two classes evenly": two_classes_evenly,
    "fewer classes evaluated": fewer_classes_evaluated,
    "stream": stream,
    "16 bits scaled": sixteen_bits_scaled,
    "regression": regression,
    "several classes an image": several_classes_an_image,
    "gradients not clipped": _arguments(max_grad_norm=0.0),
    "strong decay": _arguments(weight_decay=0.5),
    "high rate": _arguments(learning_rate=0.05),
    "smoothed labels": _arguments(label_smoothing_factor=0.3),
    "strong dropout": _lora(lora_dropout=0.5),
    "accumulation": _arguments(gradient_accumulation_steps=3),
    "the smallest error kept": _arguments(
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
    ),
    "a constant rate": _arguments(lr_scheduler_type="constant", max_steps=4),
    "a rate that follows a metric": _arguments(
        lr_scheduler_type="reduce_lr_on_plateau", eval_strategy="steps", eval_steps=1, max_steps=4
    ),
    "some weights of zero": _sampled(
        lambda data: torch.utils.data.WeightedRandomSampler([float(target > 0) for target in data.targets], 96)
    ),
    "weighted loss": weighted_loss,
    "rates by layer": rates_by_layer,
    "transparent pictures": transparent_pictures,
    "usual crops": usual_crops,
    "a ReLU inside the head": head_with_relu_inside,
    "weights of rare classes": weights_of_rare_classes,
    "classes of few images": classes_of_few_images,
    "a fixed camera": fixed_camera,
    "tiles without content": tiles_without_content,
    "labels renumbered by their names": _stored_otherwise(lambda target: 9 - target, DIGITS[::-1]),
    "labels stored from one": _stored_otherwise(lambda target: target + 1, None),
    "superclasses": superclasses,
    "a table of made items": _kept(lambda size: {}),
    "a list of made items": _kept(lambda size: [None] * size),
    "flipped in training alone": flipped_in_training_alone,
    "mixed in training alone": mixed_in_training_alone,
    "half precision": in_half_precision,
    "ranks that are given out": ranks_that_are_given_out,
    "turned at random": turned_at_random,
    "adapter inside a model of one's own": adapter_inside_a_model_of_ones_own,
    "head of cosines": head_of_cosines,
}


@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT)
def test_nothing_fails(change: Callable[[Scene], None]) -> None:
    scene = Scene("vit", 0)
    scene.mode = "train"
    try:
        change(scene)
        report = scene.run()
    finally:
        scene.close()
    assert [f"{result.name}: {result.detail}" for result in report.failed] == []
    assert "movement" in {result.name for result in report.results if result.status == "passed"}


@pytest.mark.parametrize("change", [in_half_precision, ranks_that_are_given_out, tiles_without_content])
def test_nothing_fails_before_a_training(change: Callable[[Scene], None]) -> None:
    scene = Scene("vit", 0)
    try:
        change(scene)
        report = scene.run()
    finally:
        scene.close()
    assert [f"{result.name}: {result.detail}" for result in report.failed] == []


def test_a_head_that_no_training_has_reached_is_not_one_of_other_labels() -> None:
    """Features that tell the classes apart, and a head that names them at random: met with DINOv3 after 8 steps."""

    def finish(model: Any) -> Any:
        pictures, targets = scene.train
        scene.train = (pictures, [(target + 1) % 10 for target in targets])
        fitted(scene, model)
        scene.train = (pictures, targets)
        scene.evaluation = (pictures[:48], targets[:48])
        return model

    scene = Scene("vit", 0)
    try:
        scene.finish, scene.known = finish, {"trained": True}
        report = scene.run(["split"])
    finally:
        scene.close()
    assert not any("numbered otherwise" in result.detail for result in report.failed)


def test_two_trained_adapters_are_both_saved() -> None:
    """`save_pretrained` writes every adapter, so that none is trained for nothing."""
    scene = Scene("vit", 0)
    try:
        second_adapter(scene)
        report = scene.run(["parameters", "reload"])
    finally:
        scene.close()
    assert [result.detail for result in report.failed] == []
    assert {"parameters", "reload"} <= {result.name for result in report.results if result.status == "passed"}


@pytest.mark.parametrize("shorter", [35, 37, 48])
def test_a_centre_crop_is_usual(shorter: int) -> None:
    """The shorter side resized and the centre cropped, with torchvision's rounding, which tells at 32 pixels."""

    def prepare(image: Image.Image) -> Any:
        width, height = (int(shorter * side / min(image.size)) for side in image.size)
        left, top = round((width - 32) / 2), round((height - 32) / 2)
        return scene.prepared(image.resize((width, height)).crop((left, top, left + 32, top + 32)))

    scene = Scene("vit", 0)
    try:
        scene.prepare_evaluation = prepare
        report = scene.run(["preprocessing"])
    finally:
        scene.close()
    assert [result.detail for result in report.failed] == []
    assert any("in a usual way" in result.detail for result in report.of("preprocessing"))


def test_pictures_that_a_collator_mixes_are_no_other_statistics() -> None:
    def mixed(items: list[Any]) -> Any:
        batch = default_data_collator(items)
        batch["pixel_values"] = 0.7 * batch["pixel_values"] + 0.3 * batch["pixel_values"].flip(0)
        return batch

    scene = Scene("vit", 0)
    try:
        scene.known = {"data_collator": mixed}
        report = scene.run(["preprocessing"])
    finally:
        scene.close()
    assert [result.detail for result in report.failed] == []
    assert any("mixes the pictures of a batch" in result.detail for result in report.of("preprocessing"))

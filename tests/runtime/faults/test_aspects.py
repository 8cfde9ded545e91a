"""Each measurement that no row of the fault table reaches: a correct run has it, and a fault of its own is named."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import numpy as np
import torch
import transformers
from fault_scene import DIGITS, Pictures, Scene, with_lying_photographs
from packaging.version import Version
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from v5lint.runtime.checks import ValidationCallback
from v5lint.runtime.checks.labels import learnt_by_heart
from v5lint.runtime.checks.setup import check_setup
from v5lint.runtime.checks.subject import Subject
from v5lint.runtime.errors import ValidationError
from v5lint.runtime.heads import classification_class
from v5lint.runtime.loading import load_config, load_model
from v5lint.runtime.lora import lora_config_for
from v5lint.runtime.roles import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from v5lint.runtime.checks import Report


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = Scene(getattr(request, "param", "vit"), 0)
    yield made
    made.close()


def said(report: Report, check: str) -> str:
    """What a check has failed with; "" where it passed."""
    results = report.of(check)
    failed = "\n".join(result.detail for result in results if result.status == "failed")
    assert failed or "passed" in {result.status for result in results}, results
    return failed


# --- setup -----------------------------------------------------------------------------------------------------------


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    return TrainingArguments(str(folder), use_cpu=True, report_to="none", max_steps=8, **options)


@pytest.mark.parametrize(("variable", "count", "fails"), [
    ("WORLD_SIZE", "2", True), ("PMI_SIZE", "4", True), ("OMPI_COMM_WORLD_SIZE", "2", True), ("WORLD_SIZE", "1", False),
])  # fmt: skip
def test_processes_that_train_alone(
    variable: str, count: str, fails: bool, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = arguments(tmp_path)
    monkeypatch.setenv(variable, count)
    results = check_setup(Subject(scene.load(), args=args))
    details = " ".join(result.detail for result in results if result.status == "failed")
    assert (f"{count} processes were started and this training has a world size of 1" in details) is fails


@pytest.mark.parametrize(("factor", "fails"), [
    (lambda step: float(step == 0), True), (lambda step: 1.0 - step / 8, False),
])  # fmt: skip
def test_a_schedule_of_another_length(
    factor: Callable[[int], float], fails: bool, scene: Scene, tmp_path: Path
) -> None:
    model = scene.load()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    results = check_setup(Subject(model, args=arguments(tmp_path), optimizer=optimizer, scheduler=scheduler))
    details = " ".join(result.detail for result in results if result.status == "failed")
    assert ("is 0 at half and at three quarters of the 8 steps" in details) is fails


@pytest.mark.parametrize(("batches", "epoch", "fails"), [(1, 0.5, True), (4, 0.5, False), (1, 1.0, False)])
def test_a_step_has_as_many_batches_as_the_arguments_say(
    batches: int, epoch: float, fails: bool, scene: Scene, tmp_path: Path
) -> None:
    """The last step of an epoch may have fewer."""
    args, control = arguments(tmp_path, gradient_accumulation_steps=4), TrainerControl()
    model = scene.load()
    state = TrainerState(epoch=epoch, is_world_process_zero=True)
    callback = ValidationCallback("warn", checks=["setup", "movement"])
    callback.on_train_begin(args, state, control, model=model)
    for _ in range(batches - 1):
        callback.on_substep_end(args, state, control, model=model)
    callback.on_step_end(args, state, control, model=model)
    message = f"A step has {batches} batches, and gradient_accumulation_steps is 4."
    assert (message in [result.detail for result in callback.report.failed]) is fails


def test_an_accumulation_that_is_not_asked_for_ends_the_training(scene: Scene, tmp_path: Path) -> None:
    args, control = arguments(tmp_path, gradient_accumulation_steps=4), TrainerControl()
    model, state = scene.load(), TrainerState(epoch=0.5)
    callback = ValidationCallback(checks=["setup", "movement"])
    callback.on_train_begin(args, state, control, model=model)
    with pytest.raises(ValidationError, match="setup: A step has 1 batches"):
        callback.on_step_end(args, state, control, model=model)


@pytest.mark.parametrize(("steps", "notes"), [(4, True), (1, False)])
def test_a_loss_that_accelerate_divides_once_more(steps: int, notes: bool, scene: Scene, tmp_path: Path) -> None:
    """What transformers 5.2 to 5.5 make of gradient_accumulation_steps=4."""
    trainer = SimpleNamespace(accelerator=SimpleNamespace(gradient_accumulation_steps=steps))
    args = arguments(tmp_path, gradient_accumulation_steps=4)
    results = check_setup(Subject(scene.load(), args=args, trainer=trainer))
    assert any("gradients are 4 times too small" in result.detail for result in results) is notes


# --- parameters, weights, reload -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [8, 16])
def test_another_adapter_than_the_one_that_was_meant(rank: int, scene: Scene) -> None:
    meant = lora_config_for(load_model(scene.checkpoint, labels=DIGITS), r=rank)
    scene.known = {"lora_config": meant}
    found = said(scene.run(["parameters"]), "parameters")
    assert ("differs from the one that was meant in r" in found) is (rank == 16)
    assert bool(found) is (rank == 16)


@pytest.mark.parametrize("layers", [3, 2])
def test_a_configuration_of_fewer_layers_than_the_weights(layers: int, scene: Scene) -> None:
    path = scene.checkpoint / "config.json"
    content = json.loads(path.read_text())
    assert content["num_hidden_layers"] == 3
    path.write_text(json.dumps({**content, "num_hidden_layers": layers}))

    def load() -> Any:
        return classification_class(load_config(scene.checkpoint)).from_pretrained(scene.checkpoint, num_labels=10)

    scene.load = load
    found = said(scene.run(["weights"]), "weights")
    assert bool(re.search(r"\d+ tensors of the checkpoint, such as .*, have no place in", found)) is (layers == 2)
    # Those releases keep no layer of a bare checkpoint in a model with a head.
    is_lossy = Version("5.9") <= Version(transformers.__version__) < Version("5.16")
    assert bool(found) is (layers == 2 or is_lossy)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_merge_that_gives_other_scores(wrong: bool, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Linear.get_delta_weight
    if wrong:
        monkeypatch.setattr(Linear, "get_delta_weight", lambda layer, adapter: 0.5 * right(layer, adapter))

    def adapt(model: Any) -> Any:
        adapted = get_peft_model(model, LoraConfig(r=8, target_modules=lora_config_for(model).target_modules,
                                                   modules_to_save=["classifier"]))  # fmt: skip
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter)
        return adapted

    scene.adapt = adapt
    scene.known = {"trained": True}
    found = said(scene.run(["reload"]), "reload")
    assert ("Merged into the base model, the adapter gives other scores" in found) is wrong
    assert bool(found) is wrong


# --- resolution, quantisation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["siglip2"], indirect=True)
@pytest.mark.parametrize("wrong", [False, True])
def test_patches_beyond_the_room_for_them(wrong: bool, scene: Scene) -> None:
    def prepare(image: Image.Image) -> Any:
        made = scene.prepared(image)
        cut = int(made["spatial_shapes"].prod()) - 1
        return {**made, "pixel_values": made["pixel_values"][:cut],
                "pixel_attention_mask": made["pixel_attention_mask"][:cut]}  # fmt: skip

    if wrong:
        scene.prepare = prepare
    found = said(scene.run(["resolution"]), "resolution")
    assert bool(re.search(r"has (\d+) patches and there is room for \d+", found)) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_features_far_from_full_precision(wrong: bool, scene: Scene) -> None:
    pytest.importorskip("bitsandbytes")
    scene.load = lambda: load_model(scene.checkpoint, labels=DIGITS, quantization="4bit")

    def finish(model: Any) -> Any:
        for module in unwrap(model).modules():
            if isinstance(module, nn.LayerNorm):
                nn.init.normal_(module.weight)
        return model

    if wrong:
        scene.finish = finish
    found = said(scene.run(["quantization"]), "quantization")
    assert ("In 4bit the features differ from full precision by" in found) is wrong
    assert bool(found) is wrong


# --- split, preprocessing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [False, True])
def test_a_group_on_both_sides(wrong: bool, scene: Scene) -> None:
    datasets = pytest.importorskip("datasets")
    sides = iter(("train", "train" if wrong else "evaluation"))

    def wrap(dataset: Any) -> Any:
        side = next(sides)
        patients = [f"{side} {index // 4}" for index in range(len(dataset))]
        dataset.rows = datasets.Dataset.from_dict({"patient": patients})
        return dataset

    scene.wrap = wrap
    scene.known = {"group_column": "patient"}
    found = said(scene.run(["split"]), "split")
    assert ("12 values of 'patient' are on both sides of the split" in found) is wrong
    assert bool(found) is wrong


def computed(dataset: Pictures) -> list[dict[str, Any]]:
    """Tensors that were made beforehand, without their pictures."""
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize(("change", "message"), [
    (None, ""),
    (lambda values: values * 255, "never rescaled to 0..1"),
    (lambda values: values * 0.001 + 0.5, "rescaled twice, or empty"),
    (lambda values: (values - 0.9) / 0.1, "normalised with other statistics"),
])  # fmt: skip
def test_values_whose_pictures_cannot_be_found(change: Any, message: str, scene: Scene) -> None:
    if change is not None:
        scene.prepare = scene.with_pixels(change)
    scene.wrap = computed
    found = said(scene.run(["preprocessing"]), "preprocessing")
    assert message in found
    assert bool(found) is bool(message)


class Files(Dataset[dict[str, Any]]):
    """Pictures on the disk and tensors that were made of them beforehand."""

    def __init__(self, dataset: Pictures, folder: Path) -> None:
        folder.mkdir()
        self.paths = [str(folder / f"{index}.png") for index in range(len(dataset))]
        for path, picture in zip(self.paths, dataset.pictures, strict=True):
            picture.save(path)
        self.targets = dataset.targets
        self.made = SimpleNamespace(items=[dataset[index] for index in range(len(dataset))])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return dict(self.made.items[index])


@pytest.mark.parametrize("wrong", [False, True])
def test_tensors_beside_the_pictures_they_were_made_of(wrong: bool, scene: Scene, tmp_path: Path) -> None:
    if wrong:
        scene.prepare = scene.with_pixels(lambda values: values)
    folders = iter((tmp_path / "train", tmp_path / "evaluation"))
    scene.wrap = lambda dataset: Files(dataset, next(folders))
    found = said(scene.run(["preprocessing"]), "preprocessing")
    assert ("no normalisation" in found) is wrong
    assert bool(found) is wrong


# --- one threshold each, from both sides -----------------------------------------------------------------------------


def results_of(report: Report, check: str, status: str) -> str:
    return "\n".join(result.detail for result in report.of(check) if result.status == status)


@pytest.mark.parametrize(("alpha", "status"), [(16, ""), (160, "note"), (800, "failed")])
def test_a_scale_of_the_adapter(alpha: int, status: str, scene: Scene) -> None:
    scene.config = lambda model: lora_config_for(model, r=8, lora_alpha=alpha)
    report = scene.run(["parameters"])
    for each in ("note", "failed"):
        assert ("What the adapter adds is multiplied by" in results_of(report, "parameters", each)) is (each == status)


def test_an_adapter_that_is_scaled_to_nothing_while_it_trains(scene: Scene) -> None:
    """Before the training it has an effect, and behind it only what has changed is tried out again."""

    class Muting(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            for layer in kwargs["model"].modules():
                if isinstance(layer, Linear) and state.global_step == 3:
                    layer.scaling["default"] = 0.0

    scene.mode = "train"
    assert said(scene.run(["parameters"]), "parameters") == ""
    scene.trainer_options = lambda model: {"callbacks": [Muting()]}
    assert "The adapter moves the output of" in said(scene.run(["parameters"]), "parameters")


@pytest.mark.parametrize("scene", ["siglip2"], indirect=True)
@pytest.mark.parametrize(("budget", "small", "status"), [
    (16, False, ""), (7, False, "note"), (3, False, "failed"), (3, True, ""),
])  # fmt: skip
def test_a_patch_budget(budget: int, small: bool, status: str, scene: Scene) -> None:
    scene.prepare = lambda image: {
        name: tensor[0] for name, tensor in scene.processor(image, max_num_patches=budget, return_tensors="pt").items()
    }
    if small:  # of one patch, which no budget takes anything from
        scene.train, scene.evaluation = (
            ([image.resize((8, 8)) for image in side[0]], side[1]) for side in (scene.train, scene.evaluation)
        )
    report = scene.run(["resolution"])
    for each in ("note", "failed"):
        assert ("they lose their resolution" in results_of(report, "resolution", each)) is (each == status)


@pytest.mark.parametrize(("count", "status"), [(0, ""), (1, "note"), (2, "failed")])
def test_pictures_with_two_labels(count: int, status: str, scene: Scene) -> None:
    pictures, targets = scene.train
    scene.train = (pictures + pictures[:count], targets + [(target + 1) % 10 for target in targets[:count]])
    report = scene.run(["split"])
    for each in ("note", "failed"):
        assert ("pictures have two labels" in results_of(report, "split", each)) is (each == status)


def test_the_same_picture_twice_under_one_label_is_right(scene: Scene) -> None:
    pictures, targets = scene.train
    scene.train = (pictures * 2, targets * 2)
    assert said(scene.run(["split"]), "split") == ""


@pytest.mark.parametrize("shuffled", [False, True])
def test_labels_that_go_with_their_pictures(shuffled: bool, scene: Scene) -> None:
    """Evaluation labels alone: neighbours across the split share none, while those of the training data do."""
    pictures, targets = scene.evaluation
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(2)).tolist()
    scene.evaluation = (pictures, [targets[index] for index in order] if shuffled else targets)
    notes = results_of(scene.run(["split"]), "split", "note")
    assert ("which is chance: the labels of the evaluation data are shuffled" in notes) is shuffled


@pytest.mark.parametrize(("trained", "answered", "wrong"), [(1.0, 0.1, True), (0.5, 0.1, False), (1.0, 0.4, False)])
def test_labels_that_are_learnt_by_heart(trained: float, answered: float, wrong: bool) -> None:
    truth = np.arange(100) % 10

    def right(share: float) -> Any:
        """So many answers are right, and the others each class as often."""
        return np.where(np.arange(100) < share * 100, truth, (truth + 1 + np.arange(100) // 10) % 10)

    guessed = right(answered) if answered > 0.2 else np.random.default_rng(0).permutation(truth)
    found = learnt_by_heart(truth, guessed, (truth, right(trained)))
    assert bool(found) is wrong


@pytest.mark.parametrize("upright", [(True, True), (False, False), (True, False), (False, True)])
def test_photographs_are_upright_on_both_sides(upright: tuple[bool, bool], scene: Scene) -> None:
    scene.train, scene.evaluation = with_lying_photographs(scene.train), with_lying_photographs(scene.evaluation)
    turned = lambda image: scene.prepared(ImageOps.exif_transpose(image))  # noqa: E731
    scene.prepare, scene.prepare_evaluation = (turned if side else scene.prepared for side in upright)
    report = scene.run(["preprocessing"])
    named = {
        (True, False): "are set upright in the training data and not in the evaluation data",
        (False, True): "are set upright in the evaluation data and not in the training data",
    }
    found = said(report, "preprocessing")
    assert named[upright] in found if upright in named else found == ""
    assert ("lie on their side" in results_of(report, "preprocessing", "note")) is (upright == (False, False))


def _best_after_the_first_step(scene: Scene, steps: int) -> None:
    """A warm-up whose first step has a rate of zero, and a measure that only falls."""
    scene.options = {
        "eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1, "max_steps": steps,
        "warmup_steps": 1, "load_best_model_at_end": True, "metric_for_best_model": "worst",
    }  # fmt: skip
    falling = iter(range(100, 0, -1))
    scene.trainer_options = lambda model: {"compute_metrics": lambda prediction: {"worst": float(next(falling))}}
    scene.mode = "train"


@pytest.mark.parametrize("steps", [2, 6])
def test_a_best_checkpoint_from_before_the_adapter_moved(steps: int, scene: Scene) -> None:
    _best_after_the_first_step(scene, steps)
    report = scene.run(["parameters", "movement"])
    assert [result.detail.partition(", ")[0] for result in report.failed] == ["checkpoint-1"], report.failed
    assert ("were put back" in results_of(report, "movement", "skipped")) is (steps == 2)


class Stream(torch.utils.data.IterableDataset[Any]):
    """A stream with rows inside, and a length that raises."""

    def __init__(self, dataset: Pictures) -> None:
        self.rows = SimpleNamespace(column_names=["image"], __len__=None)
        self.dataset = dataset

    def __iter__(self) -> Any:
        return (self.dataset[index] for index in range(len(self.dataset)))

    def __len__(self) -> int:
        raise TypeError("IterableDataset has no len()")


def test_a_stream_is_skipped_in_words(scene: Scene) -> None:
    scene.mode, scene.wrap = "train", Stream
    report = scene.run(["split", "setup", "preprocessing"])
    assert report.failed == []
    assert "A stream cannot be compared image by image" in results_of(report, "split", "skipped")
    assert not any("TypeError" in result.detail for result in report.results)


@pytest.mark.parametrize(("size", "names"), [(24, True), (80, False)])
def test_a_sampler_of_a_part(size: int, names: bool, scene: Scene) -> None:
    class Sampled(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.SubsetRandomSampler(range(size))

    scene.trainer_class, scene.mode = Sampled, "train"
    found = said(scene.run(["setup"]), "setup")
    assert (f"SubsetRandomSampler shows {size} of" in found) is names


# --- the rest: one fault each, whose correct run is that of the fault matrix -----------------------------------------


def not_a_number(scene: Scene) -> None:
    scene.prepare = scene.with_pixels(lambda values: values * float("nan"))


def unused_module(scene: Scene) -> None:
    def finish(model: Any) -> Any:
        unwrap(model).forgotten = nn.Linear(4, 4)
        return model

    scene.finish = finish


def computed_leak(scene: Scene) -> None:
    scene.train = tuple(a + b for a, b in zip(scene.train, scene.evaluation, strict=True))
    scene.wrap = computed


def one_data_set_for_both(scene: Scene) -> None:
    made: list[Any] = []

    def wrap(dataset: Any) -> Any:
        made.append(dataset)
        return made[0]

    scene.wrap = wrap


def classes_numbered_twice(scene: Scene) -> None:
    orders = iter((DIGITS, ["9", *DIGITS[:9]]))

    def wrap(dataset: Any) -> Any:
        dataset.classes = next(orders)
        return dataset

    scene.wrap = wrap


def rate_of_zero_before_the_optimizer(scene: Scene) -> None:
    scene.options = {"learning_rate": 0.0}
    scene.mode = "trainer"


def grey_images(scene: Scene) -> None:
    scene.prepare = lambda image: {"pixel_values": scene.prepared(image)["pixel_values"][0]}


def patches_of_another_size(scene: Scene) -> None:
    scene.prepare = lambda image: {
        name: tensor[:, :-3] if name == "pixel_values" else tensor for name, tensor in scene.prepared(image).items()
    }


def tensors_of_another_shape(scene: Scene) -> None:
    config = load_config(scene.checkpoint)
    scene.load = lambda: classification_class(config).from_pretrained(
        scene.checkpoint, num_labels=10, image_size=2 * config.image_size, ignore_mismatched_sizes=True
    )


def tensors_that_are_missing(scene: Scene) -> None:
    path = scene.checkpoint / "model.safetensors"
    tensors = load_file(path)
    save_file(
        {name: tensor for name, tensor in tensors.items() if not re.search(r"layers?\.1\.", name)},
        path,
        {"format": "pt"},
    )
    assert len(load_file(path)) < len(tensors)
    scene.load = lambda: classification_class(load_config(scene.checkpoint)).from_pretrained(
        scene.checkpoint, num_labels=10
    )


@pytest.mark.parametrize(("make", "check", "message", "scene"), [
    (not_a_number, "movement", r"The gradients are NaN or infinite at step 1", "vit"),
    (unused_module, "movement", r"2 trainable tensors, such as .*forgotten.*, received no gradient", "vit"),
    (computed_leak, "split", r"evaluation items \(100%\) have the tensors of a training item", "vit"),
    (one_data_set_for_both, "split", r"The evaluation data is the training data itself", "vit"),
    (classes_numbered_twice, "split", r"Training and evaluation data number their classes otherwise", "vit"),
    (rate_of_zero_before_the_optimizer, "setup", r"learning_rate is 0: nothing is trained", "vit"),
    (grey_images, "resolution", r"has pixel_values of 3 dimensions", "vit"),
    (patches_of_another_size, "resolution", r"and the model takes patches of \d+ values", "siglip2"),
    (tensors_of_another_shape, "weights", r"have no counterpart of their shape in the checkpoint", "vit"),
    (tensors_that_are_missing, "weights", r"The checkpoint does not load as it should", "vit"),
], indirect=["scene"])  # fmt: skip
def test_a_fault_is_named(make: Callable[[Scene], None], check: str, message: str, scene: Scene) -> None:
    make(scene)
    assert re.search(message, said(scene.run([check]), check))

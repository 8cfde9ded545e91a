"""Aspects of the checks that no fault of the matrix reaches, and notes, each with what is said and with what is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import transformers
from fault_scene import DIGITS, Scene, digits
from packaging.version import Version
from peft import LoraConfig, get_peft_model, inject_adapter_in_model
from PIL import Image, ImageEnhance
from test_aspects import Files, results_of, said
from torch import nn
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForSequenceClassification, Trainer, default_data_collator

from v5lint.runtime.checks import validate
from v5lint.runtime.checks.loaders import source_of
from v5lint.runtime.export import LABELS_FILE
from v5lint.runtime.loading import load_model
from v5lint.runtime.processors import load_processor
from v5lint.runtime.roles import unwrap
from v5lint.runtime.tiny import make_tiny_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_IS_RENAMED = Version(transformers.__version__) >= Version("5.9")
_PROJECTIONS = ["q_proj", "v_proj"] if _IS_RENAMED else ["query", "value"]
"""The query and value projections of a ViT."""

pytest.importorskip("sklearn", reason="needs scikit-learn")


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    made = Scene(getattr(request, "param", "vit"), 0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("own", "status"), [("google/vit-a", ""), ("mirror/vit-a", "note"), ("google/vit-b", "failed")]
)
def test_the_base_of_an_adapter_by_its_name(own: str, status: str, scene: Scene) -> None:
    def finish(model: Any) -> Any:
        model.peft_config["default"].base_model_name_or_path = "google/vit-a"
        unwrap(model).config._name_or_path = own
        return model

    scene.finish = finish
    report = scene.run(["weights"])
    for each in ("note", "failed"):
        assert ("The adapter was trained on google/vit-a" in results_of(report, "weights", each)) is (each == status)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_step_that_cannot_be_taken(wrong: bool, scene: Scene) -> None:
    def finish(model: Any) -> Any:
        unwrap(model).forward = torch.no_grad()(unwrap(model).forward)
        return model

    if wrong:
        scene.finish = finish
    found = said(scene.run(["movement"]), "movement")
    assert ("A training step fails: " in found) is wrong
    assert bool(found) is wrong


def test_a_sampler_of_others_in_each_epoch(scene: Scene) -> None:
    class Sampled(Trainer):  # type: ignore[misc]
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.RandomSampler(self.train_dataset, num_samples=40)

    scene.trainer_class, scene.mode = Sampled, "train"
    report = scene.run(["setup"])
    assert "RandomSampler has 40 of 96 items, others in each." in results_of(report, "setup", "note")
    assert report.failed == []


@pytest.mark.parametrize("wrong", [False, True])
def test_a_class_that_is_never_evaluated(wrong: bool, scene: Scene) -> None:
    if wrong:
        pairs = [pair for pair in zip(*scene.evaluation, strict=True) if pair[1] != 3]
        scene.evaluation = ([picture for picture, _ in pairs], [target for _, target in pairs])
    report = scene.run(["split"])
    assert ("1 classes are trained on and never evaluated" in results_of(report, "split", "note")) is wrong
    assert report.failed == []


def test_a_group_that_nobody_has_named_is_noted(scene: Scene) -> None:
    datasets = pytest.importorskip("datasets")

    def wrap(dataset: Any) -> Any:
        dataset.rows = datasets.Dataset.from_dict({"patient": [index // 4 for index in range(len(dataset))]})
        return dataset

    scene.wrap = wrap
    report = scene.run(["split"])
    assert "values of 'patient' are on both sides of the split" in results_of(report, "split", "note")
    assert report.failed == []


def test_one_cut_out_picture_is_noted(scene: Scene) -> None:
    picture = scene.train[0][0]
    part = picture.crop((0, 0, round(picture.width * 0.9), round(picture.height * 0.9)))
    scene.evaluation = ([part, *scene.evaluation[0][1:]], [scene.train[1][0], *scene.evaluation[1][1:]])
    report = scene.run(["split"])
    assert "are cut out of a training image" in results_of(report, "split", "note")
    assert report.failed == []


@pytest.mark.parametrize("wrong", [False, True])
def test_what_is_saved_and_cannot_be_read(wrong: bool, scene: Scene) -> None:
    scene.adapt = lambda model: model

    def finish(model: Any) -> Any:
        if wrong:
            model.config.intermediate_size += 1
        return model

    scene.finish = finish
    found = said(scene.run(["reload"]), "reload")
    assert ("What is saved cannot be loaded again" in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("check", ["resolution", "preprocessing"])
def test_a_checkpoint_without_a_processor(check: str, scene: Scene) -> None:
    (scene.checkpoint / "preprocessor_config.json").unlink()
    processor, scene.processor = scene.processor, None
    scene.prepare = lambda image: {name: tensor[0] for name, tensor in processor(image, return_tensors="pt").items()}
    assert "preprocessor" in said(scene.run([check]), check).lower()


@pytest.mark.parametrize("wrong", [False, True])
def test_code_that_takes_no_other_pictures(wrong: bool, scene: Scene) -> None:
    def prepare(image: Any) -> Any:
        if image.size != (64, 48):
            raise ValueError("another size")
        return scene.prepared(image)

    if wrong:
        scene.prepare = prepare
    report = scene.run(["preprocessing"])
    notes = results_of(report, "preprocessing", "note")
    assert ("The training data's own code cannot be run on other images" in notes) is wrong
    assert report.failed == []


@pytest.mark.parametrize("wrong", [False, True])
def test_a_finished_folder_without_its_processor(wrong: bool, scene: Scene) -> None:
    scene.adapt = lambda model: model
    folder = scene.folder / "finished"

    def finish(model: Any) -> Any:
        model.save_pretrained(folder)
        if not wrong:
            scene.processor.save_pretrained(folder)
        return model

    scene.finish = finish
    scene.known = {"restored_from": folder}
    report = scene.run(["reload"])
    assert ("processor" in results_of(report, "reload", "note").lower()) is wrong
    assert report.failed == []


def test_transformers_own_adapter_is_no_loose_one(scene: Scene) -> None:
    """As `model.add_adapter()` leaves the model: it has the layers of LoRA, and saves them by itself."""

    def adapt(model: Any) -> Any:
        adapted = inject_adapter_in_model(scene.config(model), model)
        adapted._hf_peft_config_loaded = True
        return adapted

    scene.adapt = adapt
    assert "not wrapped by PEFT" not in said(scene.run(["parameters"]), "parameters")


# --- parameters, movement --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [False, True])
def test_a_model_in_which_nothing_is_trainable(wrong: bool, scene: Scene) -> None:
    scene.adapt = lambda model: model.requires_grad_(not wrong)
    found = said(scene.run(["parameters"]), "parameters")
    assert ("No parameter is trainable: the training changes nothing." in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_an_adapter_on_what_is_never_called(wrong: bool, scene: Scene) -> None:
    def load() -> Any:
        model: Any = load_model(scene.checkpoint, labels=DIGITS)
        model.vit.spare = nn.Linear(8, 8)
        return model

    targets = [*_PROJECTIONS, *(["spare"] if wrong else [])]
    scene.load = load
    scene.config = lambda model: LoraConfig(r=4, target_modules=targets, modules_to_save=["classifier"])
    found = said(scene.run(["parameters"]), "parameters")
    assert ("1 adapted modules, such as vit.spare, are never called by a forward pass" in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_an_adapter_outside_the_encoder(wrong: bool, scene: Scene) -> None:
    targets = ["projection"] if wrong else ["projection", *_PROJECTIONS]
    scene.config = lambda model: LoraConfig(r=4, target_modules=targets, modules_to_save=["classifier"])
    found = said(scene.run(["parameters"]), "parameters")
    assert ("No layer of the encoder is adapted: the adapter sits on" in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("wrong", [False, True])
def test_a_frozen_head_is_the_checkpoint_s(wrong: bool, scene: Scene) -> None:
    make_tiny_checkpoint("vit", scene.checkpoint, labels=DIGITS)
    scene.config = lambda model: LoraConfig(r=4, target_modules=_PROJECTIONS)

    def finish(model: Any) -> Any:
        if wrong:
            unwrap(model).classifier.weight.data += 1
        return model

    scene.finish = finish
    report = scene.run(["parameters"])
    assert ("is frozen at the values of the checkpoint" in results_of(report, "parameters", "note")) is not wrong
    assert ("is frozen, at random values" in said(report, "parameters")) is wrong


def test_a_frozen_head_of_a_family_that_is_not_known_is_noted() -> None:
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=100, num_labels=3
    )
    model: Any = get_peft_model(
        BertForSequenceClassification(config), LoraConfig(r=4, target_modules=["query", "value"])
    )
    report = validate(model, checks=["parameters"], training=True)
    assert "is frozen; whether it was trained before is not known" in results_of(report, "parameters", "note")
    assert report.failed == []


def test_adapters_in_the_text_tower_are_noted(tmp_path: Path) -> None:
    model = load_model(make_tiny_checkpoint("siglip", tmp_path), "retrieval")
    for targets, noted in (["q_proj", "v_proj"], True), (r"vision_model\..*\.(q_proj|v_proj)", False):
        adapted = get_peft_model(model, LoraConfig(r=4, target_modules=targets))
        report = validate(adapted, checks=["parameters"], training=True)
        assert ("adapted modules are in the text tower" in results_of(report, "parameters", "note")) is noted
        model = adapted.unload()


def test_an_adapter_that_is_switched_off_by_hand_has_no_gradient(scene: Scene) -> None:
    def finish(model: Any) -> Any:
        for module in model.modules():
            if hasattr(module, "lora_A"):
                module._disable_adapters = True
        return model

    scene.finish = finish
    assert "received no gradient: the adapter is switched off" in said(scene.run(["movement"]), "movement")


# --- preprocessing, resolution ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [False, True])
def test_random_crops_of_files(wrong: bool, scene: Scene, tmp_path: Path) -> None:
    """No picture of ours can be shown to them: the distribution of their values has the statistics."""
    prepare = scene.with_pixels(lambda values: values * (255 if wrong else 1) if wrong else (values - 0.5) / 0.5)

    def cropped(image: Image.Image) -> Any:
        left, top = np.random.randint(0, 16, 2)
        part = image.crop((left, top, left + 44, top + 32))
        return prepare(part) if wrong else scene.prepared(part)

    scene.prepare = cropped
    folders = iter((tmp_path / "train", tmp_path / "evaluation"))
    scene.wrap = lambda dataset: Files(dataset, next(folders))
    found = said(scene.run(["preprocessing"]), "preprocessing")
    assert ("is not normalised as the checkpoint's processor does it" in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize(("change", "message"), [
    (lambda values: values.flip(-1), "the channels are BGR in place of RGB"),
    (lambda values: values * 255, "values are not rescaled"),
    (lambda values: values * 0 + 0.5, "every image is the same"),
])  # fmt: skip
def test_wrong_values_whose_colours_are_changed_at_random(change: Any, message: str, scene: Scene) -> None:
    wrong = scene.with_pixels(change)
    scene.prepare = lambda image: wrong(ImageEnhance.Brightness(image).enhance(0.7 + 0.6 * float(torch.rand(()))))
    assert message in said(scene.run(["preprocessing"]), "preprocessing")


@pytest.mark.parametrize("wrong", [False, True])
def test_height_and_width_exchanged(wrong: bool, scene: Scene) -> None:
    if wrong:
        scene.prepare = lambda image: {"pixel_values": scene.prepared(image)["pixel_values"].transpose(1, 2)}
    found = said(scene.run(["preprocessing"]), "preprocessing")
    assert ("transposed (height and width exchanged)" in found) is wrong
    assert bool(found) is wrong


def test_a_processor_that_cannot_prepare_an_image(scene: Scene) -> None:
    def prepare(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise ValueError("no")

    own = type(scene.processor)
    broken = type(own.__name__, (own,), {"__call__": prepare})
    scene.known = {"processor": broken.from_pretrained(scene.checkpoint)}
    assert "The processor cannot prepare an image: no" in said(scene.run(["resolution"]), "resolution")


def test_without_any_processor_images_are_not_looked_at(scene: Scene) -> None:
    def finish(model: Any) -> Any:
        unwrap(model).config._name_or_path = "nobody/nothing"
        return model

    processor, scene.processor = scene.processor, None
    scene.prepare = lambda image: {name: tensor[0] for name, tensor in processor(image, return_tensors="pt").items()}
    scene.finish = finish
    report = scene.run(["preprocessing"])
    assert "There is no processor to hold the images against." in results_of(report, "preprocessing", "skipped")


@pytest.mark.parametrize("scene", ["dinov2"], indirect=True)
@pytest.mark.parametrize("other", [False, True])
def test_another_grid_that_the_model_takes_is_noted(other: bool, scene: Scene) -> None:
    def enlarged(image: Image.Image) -> Any:
        pixels = scene.prepared(image)["pixel_values"][None]
        return {"pixel_values": nn.functional.interpolate(pixels, scale_factor=2)[0]}

    if other:
        scene.prepare = enlarged
    report = scene.run(["resolution"])
    assert ("the training data has a grid of" in results_of(report, "resolution", "note")) is other
    assert report.failed == []


@pytest.mark.parametrize("scene", ["siglip"], indirect=True)
@pytest.mark.parametrize("rest", [False, True])
def test_a_model_whose_own_size_leaves_a_rest_is_noted(rest: bool, scene: Scene) -> None:
    """As SigLIP so400m-patch14-384 has it."""
    if rest:
        for name, path in ("config.json", ("vision_config", "image_size")), ("preprocessor_config.json", ("size",)):
            file = scene.checkpoint / name
            content = json.loads(file.read_text())
            if path == ("size",):
                content["size"] = {side: value + 1 for side, value in content["size"].items()}
            else:
                content["vision_config"]["image_size"] += 1
            file.write_text(json.dumps(content))
        scene.processor = load_processor(scene.checkpoint)
    report = scene.run(["resolution"])
    assert ("pixels are no multiple of" in results_of(report, "resolution", "note")) is rest
    assert report.failed == []


# --- split, data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [False, True])
def test_one_class_is_most_of_the_evaluation(wrong: bool, scene: Scene) -> None:
    if wrong:
        scene.evaluation = (scene.evaluation[0], [3] * 44 + scene.evaluation[1][44:])
    report = scene.run(["split"])
    assert ("of the evaluation images have one class: an accuracy" in results_of(report, "split", "note")) is wrong


@pytest.mark.parametrize("like", [False, True])
def test_one_picture_that_looks_like_another_is_noted(like: bool, scene: Scene) -> None:
    pairs = [pair for pair in zip(*digits(), strict=True) if not any(pair[0] is one for one in scene.train[0])][:60]
    if like:
        pairs.append((scene.train[0][0].resize((60, 45)), scene.train[1][0]))
    scene.evaluation = ([picture for picture, _ in pairs], [target for _, target in pairs])
    report = scene.run(["split"])
    assert ("1 of 61 evaluation images look like a training image" in results_of(report, "split", "note")) is like
    assert report.failed == []


def test_a_group_column_that_is_not_there(scene: Scene) -> None:
    scene.known = {"group_column": "patient"}
    assert "There is no column 'patient' on both sides." in results_of(scene.run(["split"]), "split", "skipped")


def _named(items: list[Any]) -> dict[str, Any]:
    batch = default_data_collator(items)
    return {"image": batch["pixel_values"], "target": batch["labels"]}


@pytest.mark.parametrize("collate", [lambda items: tuple(_named(items).values()), _named, default_data_collator])
def test_a_loader_s_tensors_have_the_model_s_names(collate: Callable[..., Any]) -> None:
    items = [{"pixel_values": torch.full((3, 4, 4), float(index)), "labels": index} for index in range(6)]
    loader = DataLoader(items, batch_size=2, collate_fn=collate)  # type: ignore[arg-type]
    batch = source_of(loader, None, None, {"pixel_values", "labels"}).batch([4, 5])
    assert batch["pixel_values"][:, 0, 0, 0].tolist() == [4.0, 5.0]
    assert batch["labels"].tolist() == [4, 5]


def test_a_list_of_batches_is_a_list_of_items() -> None:
    batches = [{"pixel_values": torch.full((2, 3, 4, 4), float(index)), "labels": torch.tensor([index] * 2)}
               for index in range(3)]  # fmt: skip
    source = source_of(batches, None, None, {"pixel_values", "labels"})
    assert len(source) == 6
    assert source.batch([0, 5])["labels"].tolist() == [0, 2]


def test_a_picture_that_cannot_be_read_is_said(scene: Scene, tmp_path: Path) -> None:
    folders = iter((tmp_path / "train", tmp_path / "evaluation"))

    def wrap(dataset: Any) -> Files:
        files = Files(dataset, next(folders))
        (tmp_path / "train" / "5.png").write_bytes(b"no picture")
        return files

    scene.wrap = wrap
    assert "The pictures cannot be read: " in results_of(scene.run(["split"]), "split", "skipped")


def test_of_several_evaluation_sets_the_first_is_looked_at(scene: Scene) -> None:
    scene.evaluation = scene.train
    made: list[Any] = []

    def wrap(dataset: Any) -> Any:
        made.append(dataset)
        return dataset if len(made) == 1 else {"first": dataset, "second": made[0]}

    scene.wrap = wrap
    assert "evaluation images (100%) are in the training data" in said(scene.run(["split"]), "split")


# --- setup, reload, quantisation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [False, True])
def test_a_loss_that_is_cut_off_from_all(wrong: bool, scene: Scene) -> None:
    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        return nn.functional.cross_entropy(outputs["logits"].detach() if wrong else outputs["logits"], labels)

    scene.mode = "trainer"
    scene.trainer_options = lambda model: {"compute_loss_func": loss}
    found = said(scene.run(["setup"]), "setup")
    assert ("The loss does not depend on the model's scores" in found) is wrong
    assert bool(found) is wrong


def test_an_optimizer_of_shards_is_skipped(scene: Scene) -> None:
    sharded = type("DeepSpeedZeroOptimizer", (torch.optim.AdamW,), {})
    scene.mode = "trainer"
    scene.trainer_options = lambda model: {"optimizers": (sharded(nn.Linear(2, 2).parameters()), None)}
    report = scene.run(["setup"])
    assert "DeepSpeed's optimiser holds shards" in results_of(report, "setup", "skipped")
    assert "optimiser" not in said(report, "setup")


@pytest.mark.parametrize("wrong", [False, True])
def test_scores_that_are_reduced_before_they_are_measured(wrong: bool, scene: Scene) -> None:
    scene.mode = "trainer"
    scene.trainer_options = lambda model: {
        "preprocess_logits_for_metrics": lambda logits, labels: (-logits if wrong else logits).argmax(dim=-1),
        "compute_metrics": lambda given: {"accuracy": float((given.predictions == given.label_ids).mean())},
    }
    found = said(scene.run(["setup"]), "setup")
    assert ("for answers that are all right: it does not measure what it says" in found) is wrong
    assert bool(found) is wrong


def test_a_checkpoint_that_is_gone_is_said(scene: Scene) -> None:
    scene.known = {"restored_from": scene.folder / "gone"}
    assert "is not there any more" in results_of(scene.run(["reload"]), "reload", "skipped")


@pytest.mark.parametrize("other", ["Three", "three ", "thr ee"])
def test_classes_whose_names_are_nearly_the_same_are_noted(other: str, scene: Scene) -> None:
    def finish(model: Any) -> Any:
        unwrap(model).config.id2label = {**unwrap(model).config.id2label, 3: "three", 4: other}
        return model

    scene.finish = finish
    text = f"such as 'three' and {other!r}: if one class was meant"
    assert (text in results_of(scene.run(["split"]), "split", "note")) is (other != "thr ee")


@pytest.mark.parametrize("named", [False, True])
def test_classes_without_names_are_noted(named: bool, scene: Scene) -> None:
    scene.adapt = lambda model: model
    if not named:
        scene.load = lambda: load_model(scene.checkpoint, labels=10)
    report = scene.run(["reload"])
    assert ("The 10 classes have no names" in results_of(report, "reload", "note")) is not named
    assert report.failed == []


@pytest.mark.parametrize("wrong", [False, True])
def test_scores_that_no_file_holds(wrong: bool, scene: Scene) -> None:
    def finish(model: Any) -> Any:
        if wrong:  # what a script does to its model beside its weights
            unwrap(model).classifier.register_forward_hook(lambda module, inputs, output: output + torch.arange(10))
        return model

    scene.finish = finish
    found = said(scene.run(["reload"]), "reload")
    assert ("Saved and read again, the model gives other scores: they differ by" in found) is wrong
    assert bool(found) is wrong


@pytest.mark.parametrize("named", [False, True])
def test_an_adapter_without_class_names_is_noted(named: bool, scene: Scene) -> None:
    folder = scene.folder / "adapter"

    def finish(model: Any) -> Any:
        model.save_pretrained(folder)
        if named:
            (folder / LABELS_FILE).write_text(json.dumps({"labels": DIGITS}))
        return model

    scene.finish = finish
    scene.known = {"restored_from": folder}
    report = scene.run(["reload"])
    assert ("saved without class names" in results_of(report, "reload", "note")) is not named
    assert report.failed == []


def test_a_batch_without_the_model_s_inputs_is_said(scene: Scene) -> None:
    prepare = scene.prepared
    scene.prepare = lambda image: {"pixels": prepare(image)["pixel_values"]}
    assert "inputs by name: labels, pixels" in results_of(scene.run(["resolution"]), "resolution", "skipped")


def test_a_quantized_model_that_cannot_be_run(scene: Scene) -> None:
    pytest.importorskip("bitsandbytes")
    scene.load = lambda: load_model(scene.checkpoint, labels=DIGITS, quantization="4bit")

    def finish(model: Any) -> Any:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no kernel")

        unwrap(model).vit.forward = refuse
        return model

    scene.finish = finish
    found = said(scene.run(["quantization"]), "quantization")
    assert "The quantised model cannot be run: no kernel" in found

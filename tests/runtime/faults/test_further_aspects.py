"""Aspects of the checks that no fault of the matrix reaches, and notes, each with what is said and with what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from fault_scene import Scene
from peft import inject_adapter_in_model
from test_aspects import results_of, said
from transformers import Trainer

from v5lint.runtime.roles import unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("sklearn", reason="needs scikit-learn")


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene("vit", 0)
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

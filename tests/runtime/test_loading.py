from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from v5lint.runtime.errors import CheckpointError, FamilyError
from v5lint.runtime.features import image_embeddings
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import build_on_meta, load_config, load_model, load_with_report, resolve_dtype

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LABELS = ["cat", "dog", "owl"]


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def edit(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_every_tensor_comes_from_the_checkpoint(task: Any, family: str, checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints(family)
    model, report = load_with_report(folder, task, labels=LABELS if task == "classification" else None)
    assert report.lost == ()
    assert report.fresh_head == (task == "classification")
    saved = load_file(folder / "model.safetensors")
    values = {tensor.float().sum().item() for tensor in saved.values()}
    head = tuple(f"{path}." for path in report.head)
    for name, tensor in model.state_dict().items():
        # Names differ from release to release, sums do not.
        if not name.startswith(head) and tensor.dim() >= 2 and "probe" not in name:
            assert tensor.float().sum().item() in values, name


def test_features_are_those_of_the_bare_model(family: str, checkpoints: Callable[..., Path]) -> None:
    """The backbone under a fresh head computes what transformers' own Auto class computes."""
    folder = checkpoints(family)
    bare = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = sample_inputs(bare, text=False)
    with torch.no_grad():
        expected = image_embeddings(bare, inputs)
        for task, labels in (("classification", LABELS), ("retrieval", None), ("dense", None)):
            model = load_model(folder, task, labels=labels)  # type: ignore[arg-type]
            torch.testing.assert_close(image_embeddings(model, inputs), expected, rtol=0, atol=1e-6)


def test_labels_are_kept_and_found_again(family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    model = load_model(checkpoints(family), labels=LABELS)
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {label: index for index, label in enumerate(LABELS)}
    model.save_pretrained(tmp_path)
    again, report = load_with_report(tmp_path)
    assert not report.fresh_head
    assert again.config.id2label == dict(enumerate(LABELS))
    inputs = sample_inputs(model)
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)


def test_a_classifier_serves_the_other_tasks(family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    model = load_model(checkpoints(family), labels=LABELS)
    model.save_pretrained(tmp_path)
    dense, report = load_with_report(tmp_path, "dense")
    assert report.lost == ()
    inputs = sample_inputs(model)
    with torch.no_grad():
        torch.testing.assert_close(image_embeddings(dense, inputs), image_embeddings(model, inputs), rtol=0, atol=1e-6)


def test_without_a_head_and_without_labels_it_is_an_error(checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(
        CheckpointError, match=r"no trained classification head \(classifier would be random\).*labels="
    ):
        load_model(checkpoints("vit"))


def test_another_number_of_labels_replaces_the_head_alone(checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints("vit", ("a", "b", "c", "d"))
    model, report = load_with_report(folder, labels=LABELS)
    assert report.mismatched == ("classifier.bias", "classifier.weight")
    assert report.lost == ()
    assert model.config.num_labels == 3


def test_other_names_replace_the_head_even_where_there_are_as_many(
    family: str, checkpoints: Callable[..., Path]
) -> None:
    folder = checkpoints(family, ("a", "b", "c"))
    own, report = load_with_report(folder, labels=["a", "b", "c"])
    other, fresh = load_with_report(folder, labels=["c", "b", "a"])
    (head,) = report.head
    assert not report.fresh_head
    assert fresh.fresh_head
    assert fresh.lost == ()
    assert not torch.equal(own.get_submodule(head).weight, other.get_submodule(head).weight)
    assert (other.get_submodule(head).bias == 0).all()


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_a_missing_tensor_is_an_error(task: Any, family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    folder = copied(checkpoints(family), tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    inside = ("fc1.weight", "intermediate.dense.weight", "up_proj.weight", "pointwise_conv1.weight")
    name = next(name for name in weights if name.endswith(inside) and not name.startswith("text_model"))
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="1 tensors outside the head would be random"):
        load_model(folder, task, labels=LABELS if task == "classification" else None)


@pytest.mark.parametrize("labels", [None, LABELS])
def test_a_tensor_of_another_shape_is_an_error(
    labels: list[str] | None, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    """With labels the library is told to ignore mismatched sizes, for the head's sake. Only the head may have any."""
    folder = copied(checkpoints("vit", ("a", "b", "c")), tmp_path / "broken")
    edit(folder, image_size=64)
    with pytest.raises(CheckpointError, match="does not fi"):
        load_model(folder, labels=labels)


def test_weights_of_another_family_are_an_error(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """Registers change DINOv2's names little enough to go unnoticed, and a NaFlex patch embedding is no convolution."""
    for config, weights in (("dinov2", "dinov2_with_registers"), ("siglip", "siglip2"), ("siglip2", "siglip")):
        folder = copied(checkpoints(config), tmp_path / f"{config}-{weights}")
        shutil.copy(checkpoints(weights) / "model.safetensors", folder / "model.safetensors")
        if config == "dinov2":
            with pytest.warns(UserWarning, match=r"1 tensors of the backbone have no place.*register_tokens"):
                load_model(folder, labels=LABELS)
            continue
        with pytest.raises(CheckpointError):
            load_model(folder, labels=LABELS)
    folder = copied(checkpoints("dinov2_with_registers"), tmp_path / "no-registers")
    shutil.copy(checkpoints("dinov2") / "model.safetensors", folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="register_tokens"):
        load_model(folder, labels=LABELS)


def test_layers_that_the_configuration_leaves_out_are_named(
    family: str, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copied(checkpoints(family), tmp_path / "shallow")
    config = json.loads((folder / "config.json").read_text())
    if family == "dinov3_convnext":
        config["depths"] = [1, 1, 1, 1]
    elif family.startswith("timm_"):
        config["model_args"]["depth"] = 2
    else:
        config.get("vision_config", config)["num_hidden_layers"] = 2
        for derived in ("stage_names", "out_features", "out_indices"):
            config.pop(derived, None)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.warns(UserWarning, match="tensors of the backbone have no place"):
        load_model(folder, labels=LABELS)


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_a_correct_load_drops_nothing(task: Any, family: str, checkpoints: Callable[..., Path]) -> None:
    _, report = load_with_report(checkpoints(family), task, labels=LABELS if task == "classification" else None)
    assert report.dropped == ()


@pytest.mark.parametrize("saved", [torch.float16, torch.bfloat16])
def test_the_dtype_is_explicit_and_not_the_checkpoints(
    saved: torch.dtype, family: str, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copied(checkpoints(family), tmp_path / "half")
    weights = {name: tensor.to(saved) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    edit(folder, dtype=str(saved).removeprefix("torch."))
    for dtype in ("float32", torch.bfloat16):
        model = load_model(folder, labels=LABELS, dtype=dtype)
        assert {p.dtype for p in model.parameters()} == {resolve_dtype(dtype)}


@pytest.mark.parametrize("dtype", ["auto", "int8", "nonsense", None])
def test_a_dtype_that_follows_the_checkpoint_is_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="name a floating-point dtype"):
        resolve_dtype(dtype)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (1, "fewer than two"),
        (["a"], "fewer than two"),
        ([], "fewer than two"),
        (["a", "b", "a"], "has a more than once"),
        ({1: "a", 2: "b"}, "0 to 1"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels: Any, message: str, checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=message):
        load_model(checkpoints("vit"), labels=labels)


def test_labels_by_index(checkpoints: Callable[..., Path]) -> None:
    assert load_model(checkpoints("vit"), labels={1: "b", 0: "a"}).config.id2label == {0: "a", 1: "b"}


def test_arguments_that_cannot_be_meant_are_refused(checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints("vit")
    with pytest.raises(ValueError, match="must be one of classification"):
        load_model(folder, "detection")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not for task='dense'"):
        load_model(folder, "dense", labels=3)
    with pytest.raises(TypeError, match="quantization='4bit'"):
        load_model(folder, labels=3, load_in_4bit=True)


def test_options_reach_the_configuration(checkpoints: Callable[..., Path]) -> None:
    model = load_model(checkpoints("dinov2"), labels=3, drop_path_rate=0.3, attn_implementation="eager")
    assert model.config.drop_path_rate == 0.3
    assert model.config._attn_implementation == "eager"


def test_no_checkpoint_is_an_error_that_says_what_is_missing(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_model(tmp_path)
    copied(checkpoints("vit"), tmp_path / "run" / "merged")
    with pytest.raises(CheckpointError, match=r"the output of a fine-tune: name the model in it, .*merged"):
        load_model(tmp_path / "run")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "google/vit"}')
    with pytest.raises(CheckpointError, match="It is an adapter of google/vit: name that, the base model"):
        load_model(tmp_path)
    bare = copied(checkpoints("vit"), tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_model(bare, labels=3)
    (bare / "config.json").write_text('{"model_type": "from_the_future"}')
    with pytest.raises(CheckpointError, match="from_the_future"):
        load_model(bare, labels=3)


def test_a_model_that_classifies_no_images_is_refused(tmp_path: Path) -> None:
    transformers.BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9).save_pretrained(
        tmp_path
    )
    with pytest.raises(FamilyError, match="'bert'"):
        load_model(tmp_path, labels=3)


def test_a_model_on_meta_costs_nothing_and_leaves_the_configuration_alone(checkpoints: Callable[..., Path]) -> None:
    config = load_config(checkpoints("siglip"))
    vision = build_on_meta(transformers.SiglipVisionModel, config)
    assert {parameter.device.type for parameter in vision.parameters()} == {"meta"}
    classifier = build_on_meta(transformers.SiglipForImageClassification, config, num_labels=7)
    assert classifier.num_labels == 7
    assert config.num_labels == 2

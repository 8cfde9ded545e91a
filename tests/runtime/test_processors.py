from __future__ import annotations

import importlib.util
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy
import pytest
import torch
from PIL import Image

from v5lint.runtime.errors import MissingDependencyError, ProcessorError
from v5lint.runtime.families import get_family
from v5lint.runtime.loading import load_model
from v5lint.runtime.processors import load_processor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HAS_TORCHVISION = importlib.util.find_spec("torchvision") is not None
pytestmark = pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")


def picture(height: int = 40, width: int = 60) -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    return Image.fromarray(pixels)


def edited(source: Path, target: Path, **fields: Any) -> Path:
    """A copy of a checkpoint with other fields in its preprocessor_config.json; `None` takes a field out."""
    shutil.copytree(source, target)
    path = target / "preprocessor_config.json"
    content = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
    return target


def test_the_processor_feeds_its_model(family: str, checkpoints: Callable[..., Path]) -> None:
    processor = load_processor(checkpoints(family))
    assert get_family(family).accepts_processor(processor)
    inputs = processor([picture(), picture(60, 30)], return_tensors="pt")
    model = load_model(checkpoints(family), labels=3)
    with torch.no_grad():
        assert model(**inputs).logits.shape == (2, 3)


def test_the_statistics_are_the_families(family: str, checkpoints: Callable[..., Path]) -> None:
    known = get_family(family)
    processor = load_processor(checkpoints(family))
    mean = processor.data_config["mean"] if known.is_timm else processor.image_mean
    std = processor.data_config["std"] if known.is_timm else processor.image_std
    assert tuple(mean) == (known.image_mean or tuple(mean))
    assert tuple(std) == (known.image_std or tuple(std))


def test_how_images_are_resized(family: str, checkpoints: Callable[..., Path]) -> None:
    """The colour of a stripe at the left edge of a wide picture survives a squash, and is cut away by a crop."""
    known = get_family(family)
    image = Image.new("RGB", (120, 40), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 12, 40))
    inputs = load_processor(checkpoints(family))([image], return_tensors="pt")
    pixels = inputs["pixel_values"]
    if known.resize == "budget":
        rows, columns = inputs["spatial_shapes"][0].tolist()
        assert rows * columns <= 16
        assert columns > rows
    else:
        left = pixels[0, :, :, : pixels.shape[-1] // 12].mean()
        assert (left > pixels.mean() + 0.5) == (known.resize == "squash")


@pytest.mark.texts
def test_a_dual_encoder_tokenises_for_retrieval(checkpoints: Callable[..., Path]) -> None:
    for family in ("siglip", "siglip2"):
        processor = load_processor(checkpoints(family), "retrieval")
        inputs = processor(
            text=["this is a photo of seven."],
            images=[picture()],
            padding="max_length",
            max_length=64,
            return_tensors="pt",
        )
        assert inputs["input_ids"].shape == (1, 64)
        assert "pixel_values" in inputs
        if family == "siglip2":  # the checkpoint's budget and patch size, not the library's defaults
            assert inputs["pixel_values"].shape == (1, 16, 8 * 8 * 3)
            tight = processor(images=[picture()], max_num_patches=9, return_tensors="pt")
            assert tight["pixel_values"].shape[1] == 9
        assert processor.tokenizer.unk_token_id not in inputs["input_ids"][0]
        assert len(set(inputs["input_ids"][0].tolist())) > 8


@pytest.mark.parametrize(("right", "wrong"), [("siglip", "siglip2"), ("siglip2", "siglip"), ("dinov2", "vit")])
def test_the_processor_of_another_family_is_refused(
    right: str, wrong: str, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    """transformers takes a SiglipImageProcessor for a NaFlex checkpoint, and the reverse, without a word."""
    folder = tmp_path / "mixed"
    shutil.copytree(checkpoints(right), folder)
    shutil.copy(checkpoints(wrong) / "preprocessor_config.json", folder)
    with pytest.raises(ProcessorError, match=f"the model is of {get_family(right).title}"):
        load_processor(folder)


@pytest.mark.parametrize("name", ["BitImageProcessor", "BitImageProcessorFast", "BitImageProcessorPil"])
def test_every_name_that_a_release_saves_is_known(name: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    load_processor(edited(checkpoints("dinov2"), tmp_path / "named", image_processor_type=name))


def test_the_old_key_of_a_feature_extractor_still_loads(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    folder = edited(
        checkpoints("vit"), tmp_path / "old", image_processor_type=None, feature_extractor_type="ViTFeatureExtractor"
    )
    assert get_family("vit").accepts_processor(load_processor(folder))


@pytest.mark.parametrize("key", ["image_mean", "image_std"])
def test_dinov2_without_statistics_is_refused(key: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """BitImageProcessor would take CLIP's."""
    folder = edited(checkpoints("dinov2"), tmp_path / "bare", **{key: None})
    with pytest.raises(ProcessorError, match=rf"no {key}.*CLIP's.*0\.485"):
        load_processor(folder)


def test_no_processor_is_an_error_that_says_what_to_do(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "without"
    shutil.copytree(checkpoints("vit"), folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ProcessorError, match=r"no preprocessor_config\.json.*save_pretrained"):
        load_processor(folder)
    with pytest.raises(ProcessorError, match=r"no config\.json"):
        load_processor(tmp_path)


def test_a_processor_survives_saving(family: str, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    if get_family(family).is_timm:
        pytest.skip("timm's processor is saved with the model, in config.json")
    processor = load_processor(checkpoints(family))
    shutil.copy(checkpoints(family) / "config.json", tmp_path)
    processor.save_pretrained(tmp_path)
    again = load_processor(tmp_path)
    images = [picture()]
    first, second = (p(images, return_tensors="pt")["pixel_values"] for p in (processor, again))
    assert torch.equal(first, second)


@pytest.mark.texts
def test_a_whole_processor_survives_saving(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    """Since 5.0 it is one file, `processor_config.json`, with the image processor inside."""
    shutil.copy(checkpoints("siglip") / "config.json", tmp_path)
    load_processor(checkpoints("siglip"), "retrieval").save_pretrained(tmp_path)
    assert get_family("siglip").accepts_processor(load_processor(tmp_path))
    assert load_processor(tmp_path, "retrieval").tokenizer is not None


@pytest.mark.skipif(not HAS_TORCHVISION, reason="needs torchvision")
@pytest.mark.parametrize("family_name", ["dinov3_vit", "dinov3_convnext"])
def test_the_stand_in_without_torchvision_is_within_a_grey_level(
    family_name: str, checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_processor(checkpoints(family_name))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torchvision" else find_spec(name))
    with pytest.warns(UserWarning, match="stands in for it"):
        stand_in = load_processor(checkpoints(family_name))
    smooth = Image.fromarray(numpy.asarray(picture(6, 9)), "RGB").resize((90, 60), Image.Resampling.BICUBIC)
    first, second = (p([smooth], return_tensors="pt")["pixel_values"] for p in (own, stand_in))
    level = 1 / 255 / torch.tensor(own.image_std)
    assert ((first - second).abs() <= 1.01 * level[None, :, None, None]).all()
    assert not torch.equal(first, second)


def test_timm_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architecture": "vit_base_patch16_224", "pretrained_cfg": {}}')
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install timm torchvision"):
        load_processor(tmp_path)


def test_a_processor_that_wants_a_library_names_it(
    checkpoints: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without torchvision, transformers 5.4 has a name for SigLIP 2's processor, and an ImportError behind it."""

    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("\nX requires the Torchvision library but it was not found in your environment. Check out it")

    monkeypatch.setattr("v5lint.runtime.processors._image_processor", missing)
    with pytest.raises(MissingDependencyError, match=r"siglip2.*: X requires the Torchvision library .* Install it"):
        load_processor(checkpoints("siglip2"))

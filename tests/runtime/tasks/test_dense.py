from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy
import pytest
import torch
from PIL import Image

from v5lint.runtime.cli import main
from v5lint.runtime.errors import UsageError
from v5lint.runtime.families import get_family
from v5lint.runtime.tasks.dense import component_picture, feature_maps, principal_components, whole_image_inputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint


def spot(width: int, height: int, box: tuple[int, int, int, int]) -> tuple[Image.Image, Image.Image]:
    """A noise image, and the same with a white box in it."""
    values = numpy.random.default_rng(0).integers(0, 120, (height, width, 3), dtype=numpy.uint8)
    plain = Image.fromarray(values)
    changed = plain.copy()
    changed.paste((255, 255, 255), box)
    return plain, changed


def test_a_patch_stands_for_its_place_in_the_whole_image(family: str, opened: Callable[..., OpenCheckpoint]) -> None:
    """A change in the outermost corner, which a centre crop would not see, moves the last patch most."""
    model = opened(family, "dense")
    plain, changed = spot(96, 64, (90, 58, 96, 64))
    before, after = (feature_maps(model, [image])[0] for image in (plain, changed))
    moved = (after - before).norm(dim=0)
    assert divmod(int(moved.argmax()), moved.shape[1]) == (moved.shape[0] - 1, moved.shape[1] - 1)
    assert before.shape[0] == 64


def test_the_whole_image_is_seen_with_the_processors_numbers(
    family: str, opened: Callable[..., OpenCheckpoint]
) -> None:
    """An image of the processor's own size and aspect is neither cropped nor squashed by either."""
    model = opened(family, "dense")
    if get_family(family).resize != "crop":
        pytest.skip("the processor itself is called")
    side = model.processor.crop_size["height"] if hasattr(model.processor, "crop_size") else 32
    image = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=numpy.uint8))
    made = whole_image_inputs(model, [image])["pixel_values"][0].permute(1, 2, 0).numpy()
    timm = getattr(model.processor, "data_config", None)
    mean, std = (timm["mean"], timm["std"]) if timm else (model.processor.image_mean, model.processor.image_std)
    expected = (numpy.asarray(image) / 255 - numpy.array(mean)) / numpy.array(std)
    numpy.testing.assert_allclose(made, expected, atol=1e-6)


def test_naflex_maps_have_the_aspect_of_their_image(opened: Callable[..., OpenCheckpoint]) -> None:
    wide, tall = (
        feature_maps(opened("siglip2", "dense"), [Image.new("RGB", size)])[0] for size in ((96, 32), (32, 96))
    )
    assert wide.shape[1:] == tall.shape[1:][::-1]
    assert wide.shape[2] > wide.shape[1]


def test_a_higher_resolution_gives_more_patches_where_the_family_takes_it(
    family: str, opened: Callable[..., OpenCheckpoint]
) -> None:
    model, known = opened(family, "dense"), get_family(family)
    image = Image.new("RGB", (50, 50))
    if known.layout == "patches":
        with pytest.raises(UsageError, match="keeps the aspect ratio"):
            feature_maps(model, [image], resolution=64)
        return
    (native,) = feature_maps(model, [image])
    side = 32 if known.name != "dinov3_convnext" else 64
    patch = side // native.shape[1]
    with pytest.raises(UsageError, match=f"must be a multiple of the patch, {patch} pixels"):
        feature_maps(model, [image], resolution=2 * side + 1)
    if known.off_grid == "error":
        with pytest.raises(UsageError, match="has a position embedding for each of its patches"):
            feature_maps(model, [image], resolution=2 * side)
    else:
        (larger,) = feature_maps(model, [image], resolution=2 * side)
        assert larger.shape == (64, 2 * native.shape[1], 2 * native.shape[2])


def test_principal_components_are_those_of_a_singular_value_decomposition() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(3, 0.1, 16).reshape(16, 1, 1)
    maps = [torch.randn(16, *shape, generator=generator) * scale for shape in ((4, 4), (3, 7))]
    found = principal_components(maps)
    assert [part.shape for part in found] == [(4, 4, 3), (3, 7, 3)]
    tokens = numpy.concatenate([part.flatten(1).T.numpy() for part in maps]).astype(numpy.float64)
    centred = tokens - tokens.mean(axis=0)
    left, values, _ = numpy.linalg.svd(centred, full_matrices=False)
    expected = left[:, :3] * values[:3]
    both = numpy.concatenate([part.reshape(-1, 3) for part in found])
    assert both.min(axis=0) == pytest.approx([0, 0, 0])
    assert both.max(axis=0) == pytest.approx([1, 1, 1])
    for component in range(3):  # up to sign, shift and scale: the picture's range is 0 to 1
        correlation = numpy.corrcoef(both[:, component], expected[:, component])[0, 1]
        assert abs(correlation) == pytest.approx(1, abs=1e-9)


def test_too_few_patches_have_no_components() -> None:
    with pytest.raises(UsageError, match="2 patches of 8 features have no 3 principal components"):
        principal_components([torch.zeros(8, 1, 2)])


def test_the_picture_has_a_square_for_each_patch() -> None:
    components = numpy.zeros((2, 3, 3))
    components[1, 2] = (1.0, 0.5, 0.0)
    picture = numpy.asarray(component_picture(components, 4))
    assert picture.shape == (8, 12, 3)
    assert (picture[4:, 8:] == (255, 128, 0)).all()
    assert not picture[:4].any()


def test_the_command_writes_pictures_and_maps(
    pictures: Path, checkpoints: Callable[..., Path], opened: Callable[..., OpenCheckpoint], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    words = ["dense", str(checkpoints("siglip2")), str(pictures), "--features", "--device", "cpu", "--batch-size", "3"]
    assert main([*words, "--output", str(tmp_path)]) == 0
    listed = json.loads((tmp_path / "report.json").read_text())["metrics"]["images"]
    stored = load_file(tmp_path / "features.safetensors")
    assert len(listed) == len(stored) == 7
    for entry in listed:
        (expected,) = feature_maps(opened("siglip2", "dense"), [Image.open(entry["image"]).convert("RGB")])
        torch.testing.assert_close(stored[entry["image"]], expected, rtol=0, atol=2e-5)
        _, rows, columns = entry["map"]
        assert Image.open(tmp_path / entry["picture"]).size == (columns * 8, rows * 8)
    assert main(words) == 2

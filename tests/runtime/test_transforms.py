"""Pictures to tensors in the way of each family's processor, and patches in the way of SigLIP 2's."""

from __future__ import annotations

import importlib.util
import math
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pictures import picture

from v5lint.runtime.augment import Augmentation, draws, mixup
from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.errors import MissingDependencyError, UsageError
from v5lint.runtime.families import get_family
from v5lint.runtime.loading import load_config, load_model
from v5lint.runtime.naflex import BucketSampler, PatchTransform
from v5lint.runtime.processors import load_processor
from v5lint.runtime.transforms import Transforms, make_transforms, pixels_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")
SIZES = [(48, 48), (60, 40), (70, 20), (33, 100), (9, 7)]
PICTURES = [picture(index, *size) for index, size in enumerate(SIZES)]
CHANCES = [Random(index) for index in range(len(SIZES))]
TIMM = importlib.util.find_spec("timm") is not None


def transforms(folder: Path, family: str, **options: Any) -> tuple[Any, Transforms]:
    processor = load_processor(folder)
    config = FinetuneConfig(checkpoint=str(folder), data="d", output="o", **options)
    return processor, make_transforms(processor, get_family(family), load_config(folder), config)


def batch(made: Transforms, which: str = "evaluation") -> dict[str, torch.Tensor]:
    items = getattr(made, which)(PICTURES, CHANCES)
    return made.collate([{**item, "labels": index} for index, item in enumerate(items)])


def test_a_batch_is_what_the_model_takes(family: str, checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints(family, ("a", "b", "c"))
    _, made = transforms(folder, family)
    model = load_model(folder)
    for which in ("train", "evaluation"):
        inputs = batch(made, which)
        assert inputs.pop("labels").tolist() == list(range(len(SIZES)))
        with torch.no_grad():
            assert model(**inputs).logits.shape == (len(SIZES), 3)


def test_training_pixels_have_the_statistics_of_the_processor(family: str, checkpoints: Callable[..., Path]) -> None:
    """Without a crop and a flip, an image of the right size is what the processor makes of it, to two grey levels."""
    folder = checkpoints(family)
    processor, made = transforms(folder, family, crop_area=1.0, flip=False)
    plain = made.evaluation(PICTURES[:1], CHANCES[:1])[0]
    if "pixel_values" not in plain:
        pytest.skip("patches have a test of their own")
    height, width = plain["pixel_values"].shape[1:]
    exact = picture(5, width, height)
    augmented = made.train([exact], CHANCES[:1])[0]["pixel_values"]
    pixels = pixels_of(processor)
    expected = torch.from_numpy(np.asarray(exact).copy()).permute(2, 0, 1) * pixels.scale
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (pixels.mean, pixels.std))
    torch.testing.assert_close(augmented, (expected - mean) / std, rtol=0, atol=1e-5)
    if get_family(family).resize == "squash":
        levels = (augmented - made.evaluation([exact], CHANCES[:1])[0]["pixel_values"]).abs() * std * 255
        assert levels.max() <= 2.01


@pytest.mark.parametrize("budget", [None, 1, 7, 20, 64])
def test_patches_are_those_of_the_processor(budget: int | None, checkpoints: Callable[..., Path]) -> None:
    processor, made = transforms(checkpoints("siglip2"), "siglip2", patch_budget=budget)
    ours = batch(made)
    theirs = processor(PICTURES, return_tensors="pt", max_num_patches=budget or processor.max_num_patches)
    longest = ours["pixel_values"].shape[1]
    assert torch.equal(ours["spatial_shapes"], theirs["spatial_shapes"])
    assert torch.equal(ours["pixel_attention_mask"], theirs["pixel_attention_mask"][:, :longest])
    assert not theirs["pixel_attention_mask"][:, longest:].any()
    levels = (ours["pixel_values"] - theirs["pixel_values"][:, :longest]).abs().max() * 127.5
    assert levels <= 1.01


def test_small_images_may_keep_their_size(checkpoints: Callable[..., Path]) -> None:
    _, made = transforms(checkpoints("siglip2"), "siglip2", patch_budget=64, upscale=False)
    assert batch(made)["spatial_shapes"].tolist()[:3] == [[6, 6], [5, 8], [3, 9]]
    assert made.patches is not None
    assert made.patches.grid(48, 48) == (6, 6)
    assert made.patches.grid(9, 7) == (1, 2)
    rows, columns = made.patches.grid(3000, 2000)
    assert rows * columns <= 64
    assert math.isclose(columns / rows, 1.5, rel_tol=0.35)


def test_padding_changes_no_score(checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints("siglip2", ("a", "b"))
    _, made = transforms(folder, "siglip2", patch_budget=64, upscale=False)
    model = load_model(folder)
    items = made.evaluation(PICTURES, CHANCES)
    with torch.no_grad():
        together = model(**{k: v for k, v in batch(made).items() if k != "labels"}).logits
        for index, item in enumerate(items):
            alone = made.collate([{**item, "labels": 0}])
            alone.pop("labels")
            torch.testing.assert_close(model(**alone).logits[0], together[index], rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(not TIMM, reason="needs timm")
def test_timms_naflexvit_takes_the_same_patches(checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints("timm_naflexvit", ("a", "b"))
    _, made = transforms(folder, "timm_naflexvit", patch_budget=16)
    inputs = batch(made)
    inputs.pop("labels")
    _, fixed = transforms(folder, "timm_naflexvit")
    image = fixed.evaluation(PICTURES[:1], CHANCES[:1])[0]["pixel_values"]
    with torch.no_grad():
        as_patches = load_model(folder)(**inputs).logits[0]
        as_image = load_model(folder)(pixel_values=image[None]).logits[0]
    torch.testing.assert_close(as_patches, as_image, rtol=0, atol=0.02)  # pixels differ by up to one grey level


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit", {"patch_budget": 64}, "patch_budget is for NaFlex models, and ViT takes images of one size"),
        ("vit", {"upscale": False}, "upscale is for NaFlex models"),
        ("siglip2", {"mixup": 0.2}, "mixup and cutmix need images of one size"),
    ],
)
def test_what_a_family_cannot_do(
    name: str, options: dict[str, Any], message: str, checkpoints: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match=message):
        transforms(checkpoints(name), name, **options)


def test_a_budget_of_nothing(checkpoints: Callable[..., Path]) -> None:
    pixels = pixels_of(load_processor(checkpoints("siglip2")))
    with pytest.raises(UsageError, match="patch_budget 0: an image needs at least one patch"):
        PatchTransform(pixels, 8, 0)


def test_a_crop_lies_in_the_image_and_keeps_its_share() -> None:
    augmentation = Augmentation(crop_area=0.3, aspect=4 / 3)
    shares = []
    for index in range(500):
        left, upper, right, lower = augmentation.box(64, 40, draws(0, 0, index))
        assert 0 <= left < right <= 64
        assert 0 <= upper < lower <= 40
        shares.append((right - left) * (lower - upper) / (64 * 40))
    assert 0.27 < min(shares) < 0.4
    assert max(shares) > 0.9
    assert Augmentation(crop_area=1.0, aspect=1.0).box(64, 40, Random(0)) == (0, 0, 64, 40)


def test_chance_depends_on_seed_epoch_and_image_alone() -> None:
    assert draws(1, 2, 3).random() == draws(1, 2, 3).random()
    assert len({draws(*key).random() for key in ((1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4))}) == 4


def test_half_of_the_images_are_mirrored() -> None:
    image = picture(0)
    flipped = [Augmentation().after_resize(image, draws(0, 0, i)).tobytes() != image.tobytes() for i in range(400)]
    assert 160 < sum(flipped) < 240


@pytest.mark.skipif(TIMM, reason="timm is installed")
@pytest.mark.parametrize("options", [{"augmentation": "randaugment"}])
def test_timms_parts_say_that_they_need_timm(options: dict[str, Any], checkpoints: Callable[..., Path]) -> None:
    with pytest.raises(MissingDependencyError, match="pip install timm torchvision"):
        transforms(checkpoints("vit"), "vit", **options)
    with pytest.raises(MissingDependencyError, match="mixup or cutmix needs"):
        mixup(0.2, 0.0, 0.0, 10)


@pytest.mark.skipif(not TIMM, reason="needs timm")
@pytest.mark.parametrize("size", [1, 4, 5])
def test_mixing_gives_soft_targets(size: int) -> None:
    mix = mixup(0.8, 1.0, 0.1, 10)
    images, targets = mix(torch.randn(size, 3, 8, 8), torch.arange(size))
    assert images.shape == (size, 3, 8, 8)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(size))
    assert (targets > 0).all()


@pytest.mark.skipif(not TIMM, reason="needs timm")
def test_randaugment_is_repeatable_for_an_image(checkpoints: Callable[..., Path]) -> None:
    _, made = transforms(checkpoints("vit"), "vit", augmentation="randaugment")
    first, again, other = (made.train(PICTURES[:1], [draws(0, 0, i)])[0]["pixel_values"] for i in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for index in range(300):  # none of the operations raises at any of the magnitudes
        made.train(PICTURES[:1], [draws(0, 1, index)])


class TestBucketSampler:
    def test_every_image_once_and_neighbours_of_like_length(self) -> None:
        lengths = np.random.default_rng(0).integers(10, 256, 1000)
        order = list(BucketSampler(lengths, 16, seed=0))
        assert sorted(order) == list(range(1000))
        padded = sum(max(lengths[order[i : i + 16]]) * len(order[i : i + 16]) for i in range(0, 1000, 16))
        assert padded < 1.05 * lengths.sum()
        random = np.random.default_rng(1).permutation(1000)
        assert sum(max(lengths[random[i : i + 16]]) * 16 for i in range(0, 992, 16)) > 1.7 * lengths.sum()

    def test_the_order_is_drawn_from_seed_and_epoch(self) -> None:
        sampler = BucketSampler(range(100), 8, seed=3)
        first = list(sampler)
        assert list(sampler) == first
        sampler.set_epoch(1)
        assert list(sampler) != first
        assert len(sampler) == 100

    def test_only_the_last_batch_is_short(self) -> None:
        sampler = BucketSampler([5] * 830, 8, seed=0)
        assert sorted(sampler) == list(range(830))

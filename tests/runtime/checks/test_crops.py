"""Parts of pictures are found in them, and nothing is found in others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from v5lint.runtime.checks.crops import Parts, cropped_from
from v5lint.runtime.checks.probes import textured_images

PICTURES = textured_images(tuple((120 + 4 * number, 90 + 2 * number) for number in range(24)))


def cut(image: Image.Image, share: float, place: float) -> Image.Image:
    """A part of the area, between the upper left corner (0) and the lower right one (1)."""
    width, height = round(image.width * share**0.5), round(image.height * share**0.5)
    left, top = round(place * (image.width - width)), round(place * (image.height - height))
    return image.crop((left, top, left + width, top + height))


@pytest.mark.parametrize(("share", "least"), [(0.95, 0.9), (0.8, 0.9), (0.6, 0.8), (0.4, 0.5)])
@pytest.mark.parametrize("change", [lambda image: image, ImageOps.mirror, lambda image: image.resize((64, 64))])
def test_a_part_is_found(share: float, least: float, change: object) -> None:
    parts = [change(cut(image, share, number / 23)) for number, image in enumerate(PICTURES)]  # type: ignore[operator]
    assert cropped_from(Parts(PICTURES), Parts(parts)).mean() >= least


def test_other_pictures_are_not_found() -> None:
    assert not cropped_from(Parts(PICTURES[:12]), Parts(PICTURES[12:])).any()


def test_smooth_pictures_fit_anything_and_are_left_out() -> None:
    row = np.linspace(0, 255, 96, dtype=np.uint8)
    smooth = [Image.fromarray(np.tile(row, (64, 1))), Image.fromarray(np.tile(row[::-1], (64, 1)))]
    parts = [cut(image, 0.6, 0.5) for image in smooth]
    assert not cropped_from(Parts(smooth), Parts(parts)).any()


def test_a_sign_on_a_plain_ground_is_moved_and_not_cut_out() -> None:
    whole = Image.new("RGB", (96, 72), (20, 30, 40))
    whole.paste(PICTURES[0].resize((36, 28)), (30, 20))
    assert not cropped_from(Parts([whole]), Parts([whole.crop((8, 6, 88, 66))])).any()


def test_a_whole_is_not_cut_out_of_itself() -> None:
    assert not cropped_from(Parts(PICTURES), Parts(PICTURES)).any()


def test_faint_details_are_left_out() -> None:
    """Of a few levels in all, noise is most of what could be compared."""
    slope = np.linspace(40, 200, 96)[:, None, None]
    texture = np.stack([np.asarray(each.resize((128, 96)), dtype=float) for each in PICTURES])
    for levels, found in ((40, 1.0), (4, 0.0)):
        strength = levels / texture.std(axis=(1, 2, 3), keepdims=True)
        shown = (slope + strength * (texture - texture.mean(axis=(1, 2, 3), keepdims=True))).clip(0, 255)
        wholes = [Image.fromarray(each.astype(np.uint8)) for each in shown]
        parts = [cut(image, 0.7, number / 23) for number, image in enumerate(wholes)]
        assert abs(cropped_from(Parts(wholes), Parts(parts)).mean() - found) <= 0.1


def test_pictures_that_are_alike_by_nature_are_not_found() -> None:
    """Halves of digits beside a plain half: one fits into another, moved and stretched, and not exactly."""
    digits = pytest.importorskip("sklearn.datasets").load_digits().images[:160]
    halves = []
    for digit in digits:
        picture = Image.fromarray((digit * 15).astype(np.uint8)).resize((64, 48), Image.Resampling.BICUBIC)
        picture.paste(127, (32, 0, 64, 48))
        halves.append(picture)
    assert cropped_from(Parts(halves[:96]), Parts(halves[96:])).sum() < 2


def test_a_part_is_found_behind_a_border() -> None:
    padded = [ImageOps.expand(image, 20, (128, 128, 128)) for image in PICTURES]
    assert cropped_from(Parts(padded), Parts(PICTURES)).mean() >= 0.8


def test_nothing_in_nothing() -> None:
    none = Parts([])
    assert cropped_from(none, none).shape == (0,)
    assert not cropped_from(none, Parts(PICTURES[:2])).any()

"""The pixels that the model gets, held against the checkpoint's own processor: the fault is named by a regression.

The cosine of two augmentations of an image, which is often taken for this test, rises with the worst faults (to 1.000
for a double rescale) and is blind to swapped channels. Pixels need no trained weights: of plain colours, the slope and
the intercept against the processor's output are the ratio of the standard deviations and the shift of the means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.Image import Resampling

from v5lint.runtime.checks.depth import check_depth
from v5lint.runtime.checks.disorder import disorder_of, grey_ramp, ramp_fault
from v5lint.runtime.checks.findings import Findings
from v5lint.runtime.checks.items import check_pictures
from v5lint.runtime.checks.orientation import check_orientation
from v5lint.runtime.checks.pictures import images_of, statistics_of
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.checks.probes import plain_images, textured_images
from v5lint.runtime.checks.transparency import check_transparency
from v5lint.runtime.checks.weights import without_adapter
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.features import image_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from v5lint.runtime.checks.sources import Batch, ImageSource
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

    Array: TypeAlias = "np.ndarray[Any, Any]"

NAME = "preprocessing"
_KNOWN = {
    "no normalisation": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "CLIP's": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
_SLOPE, _SHIFT = 0.03, 0.05
"""How far slope and intercept may be from 1 and 0: an eight-bit level is 0.004 of the range."""
_GREY = 12
"""Most levels that the channels of a grey image differ by: JPEG keeps colours loosely."""
_DRAWS = 12
"""How often a transform with chance in its colours is run."""
_SHOWN, _SLOPE_SIDE = 0.15, 192
"""Least share of a picture's width that a crop at random shows: of 0.08 of the area, which is usual, it is 0.28."""
_NEAR = 0.35
"""How far the mean of such a transform may be from the processor's: a jitter of 0.4 darkens by less."""
_LOOSE = 4
"""How many times as far where the images are cropped at random and only their distributions can be compared."""
_GEOMETRY = 0.96
"""Least share of the variance of a texture that the same geometry and a like filter explain."""
_CROPS = tuple(1 + step / 80 for step in range(41))
"""How many times the crop the shorter side is resized to: 256 for 224 is 1.143."""
_FILLS = ("black", "white", (127, 127, 127), (124, 116, 104))
"""What a picture is padded with to a square: the last is ImageNet's mean."""
_USUAL = 0.9
"""Likewise of a usual geometry that is not the processor's: its rounding of sizes may differ by a pixel."""
_BETTER = 0.3
"""How much more of it a mirrored or transposed image must explain to be named as that."""


@dataclass(frozen=True)
class Regression:
    """A data set's channels on the processor's.

    Attributes:
        channels: For each channel of the data set, the channel of the processor that explains it best.
        slope: Per channel.
        shift: Per channel.
        explained: Share of the variance, per channel.
    """

    channels: tuple[int, ...]
    slope: Array
    shift: Array
    explained: Array


def check_preprocessing(subject: Subject) -> list[CheckResult]:
    """Whether the script's own code makes of an image what the checkpoint's processor makes of it."""
    findings = Findings(NAME)
    if not subject.takes_images:
        findings.skip("images", f"{type(subject.bare).__name__} takes no images.")
        return findings.results("")
    try:
        reference = subject.reference_processor
    except RuntimeSetupError as error:
        report = findings.note if subject.family is None else findings.fail
        report("processor", str(error), "Save the base model's processor into the checkpoint.")
        return findings.results("")
    if reference is None:
        reference = subject.image_processor
        if reference is None:
            findings.skip("processor", "There is no processor to hold the images against.", "Pass checkpoint=.")
            return findings.results("")
        findings.note(
            "reference",
            "The model does not say what it was loaded from: images are held against the script's own processor.",
            "Pass checkpoint=.",
        )
    elif subject.image_processor is not None:
        _check_statistics(findings, subject.image_processor, reference)
    sources = {"training": subject.train, "evaluation": subject.evaluation}
    for title, source in sources.items():
        if source is not None and source.indexable and len(source):
            try:
                items = subject.items(title)
                if items is not None and not check_pictures(findings, title, items):
                    continue
                _check_source(findings, subject, title, source, reference)
            except RuntimeSetupError as error:
                findings.skip(title, str(error))
    findings.attempt("alike", lambda: _check_alike(findings, subject))
    findings.attempt("orientation", lambda: check_orientation(findings, sources, images_of))
    findings.attempt("transparency", lambda: check_transparency(findings, sources, images_of))
    findings.attempt("shown", lambda: _check_shown(findings, sources))
    findings.attempt("depth", lambda: check_depth(findings, sources, images_of))
    if not any(source is not None and source.indexable for source in sources.values()):
        findings.skip("data", "There is no data set whose items can be fetched by index.", "Pass train_dataset=.")
    return findings.results("The data is rescaled and normalised as the checkpoint's processor does it.")


def regress(ours: Array, theirs: Array) -> Regression:
    """Each of our channels on the channel of the processor that explains it best.

    Args:
        ours: Values of the data set, [M, 3].
        theirs: Values of the processor at the same places, [M, 3].
    """
    explained = np.zeros((3, 3))
    slopes, shifts = np.zeros((3, 3)), np.zeros((3, 3))
    for row in range(3):
        for column in range(3):
            x, y = theirs[:, column], ours[:, row]
            spread = x.var()
            slope = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0 else 0.0
            shift = float(y.mean() - slope * x.mean())
            rest = float(((y - slope * x - shift) ** 2).mean())
            slopes[row, column], shifts[row, column] = slope, shift
            explained[row, column] = 1 - rest / y.var() if y.var() > 1e-12 else 0.0
    # A grey image has three equal channels: each then explains itself.
    best = tuple(
        row if explained[row, row] >= explained[row].max() - 0.005 else int(explained[row].argmax()) for row in range(3)
    )
    pick = np.arange(3), np.array(best)
    return Regression(best, slopes[pick], shifts[pick], explained[pick])


def name_statistics(
    mean: Sequence[float], std: Sequence[float], found: Regression
) -> tuple[str, list[float], list[float]]:
    """What normalisation a regression implies: its name, and the mean and standard deviation per channel.

    Args:
        mean: Of the processor that was regressed on.
        std: Likewise.
        found: The regression.
    """
    order = list(found.channels)
    implied_std = np.asarray(std)[order] / found.slope
    implied_mean = np.asarray(mean)[order] - found.shift * implied_std
    size = float(np.median(found.slope))
    if size < -1 / 30:
        name = "values are inverted, black for white"
    elif size > 30:
        name = "values are not rescaled to 0..1"
    elif size < 1 / 30:
        name = "values are rescaled twice"
    else:
        name = "other statistics"
        for known, (known_mean, known_std) in _KNOWN.items():
            if np.abs(implied_mean - known_mean).max() < 0.02 and np.abs(implied_std - known_std).max() < 0.02:
                name = known if known.startswith("no ") else f"{known} statistics"
        twice = np.asarray(mean) * (1 + np.asarray(std)), np.square(std)  # of what is normalised already
        same = np.allclose(std, 1)  # which twice is as once
        if not same and np.abs(implied_mean - twice[0]).max() < 0.02 and np.abs(implied_std - twice[1]).max() < 0.02:
            name = "values are normalised twice"
    return name, [round(float(v), 4) for v in implied_mean], [round(float(v), 4) for v in implied_std]


def channel_values(batch: Batch) -> Array | None:
    """The median of each channel of each image, [B, 3]: what a plain image is, whatever is cropped or padded."""
    pixels = batch.get("pixel_values", batch.get("patches"))
    if pixels is None or pixels.dim() not in (3, 4):
        return None
    values = pixels.detach().float().cpu()
    medians: Array
    if values.dim() == 4:
        medians = np.asarray(values.flatten(2).median(dim=2).values)
        return medians
    mask = batch.get("pixel_attention_mask", batch.get("patch_valid"))
    rows = []
    for index, sequence in enumerate(values):
        kept = sequence if mask is None else sequence[mask[index].bool()]
        rows.append(kept.reshape(-1, 3).median(dim=0).values)
    medians = np.asarray(torch.stack(rows))
    return medians


def _check_statistics(findings: Findings, own: Any, reference: Any) -> None:
    """The script's processor says the same as the checkpoint's."""
    if not (hasattr(own, "image_mean") or hasattr(own, "data_config")):
        return
    (mean, std), (wanted_mean, wanted_std) = statistics_of(own), statistics_of(reference)
    findings.measure("statistics", [list(mean), list(std)], [list(wanted_mean), list(wanted_std)])
    if np.abs(np.subtract(mean, wanted_mean)).max() > 0.01 or np.abs(np.subtract(std, wanted_std)).max() > 0.01:
        findings.fail(
            "statistics",
            f"The processor normalises with mean {_few(mean)} and std {_few(std)}, and the checkpoint was trained with "
            f"mean {_few(wanted_mean)} and std {_few(wanted_std)}.",
            "Load the processor from the checkpoint, and leave its image_mean and image_std as they are.",
            [list(mean), list(std)],
            [list(wanted_mean), list(wanted_std)],
        )


def _check_source(findings: Findings, subject: Subject, title: str, source: ImageSource, reference: Any) -> None:
    if source.takes_pictures:
        try:
            plain = _in_kind(source, plain_images())
            drawn = [_plain_values(source, plain, seed) for seed in range(2)]
            if any(values is None for values in drawn):
                raise RuntimeSetupError("it gives no pixels of plain images.")
            kept = [values for values in drawn if values is not None]
            if not _agree(*kept):  # a collator that mixes the pictures of a batch leaves two that are the same
                alone = [_apart(source, plain, seed) for seed in range(2)]
                kept = alone if _agree(*alone) else kept
            theirs = channel_values(dict(reference(plain, return_tensors="pt")))
            assert theirs is not None  # a processor of a known family
            if _agree(*kept):
                found = regress(kept[0], theirs)
                if not _is_right(found) and _are_mixed(source, plain, kept[0], theirs):
                    findings.note(
                        title,
                        f"The {title} data mixes the pictures of a batch, in the same way each time; of a picture "
                        "alone its values are right.",
                        "Mix training data alone.",
                    )
                    return
                if not _is_right(found) and _named_otherwise(findings, title, source, reference):
                    return
                _check_colours(findings, title, reference, found, kept[0], 1)
                _check_geometry(findings, subject, title, source, reference)
                return
            more = [_plain_values(source, plain, seed) for seed in range(2, _DRAWS)]
            kept += [values for values in more if values is not None and values.shape == kept[0].shape]
        except RuntimeSetupError as error:
            findings.note(title, f"The {title} data's own code cannot be run on other images: {error}")
        else:
            findings.note(title, f"The {title} data changes colours at random: its statistics are those of the mean.")
            _check_random_colours(findings, title, reference, np.mean(kept, axis=0), theirs)
            return
    _check_stored(findings, title, source, reference)


def _is_right(found: Regression) -> bool:
    """Whether a regression says that values are those of the processor."""
    same = found.channels == (0, 1, 2) and np.abs(found.slope - 1).max() <= _SLOPE
    return bool(same and np.abs(found.shift).max() <= _SHIFT)


def _named_otherwise(findings: Findings, title: str, source: ImageSource, reference: Any) -> bool:
    """Name wrong values that no mean and deviation explain: axes in disorder, and ramps that do not rise evenly."""
    images = _in_kind(source, textured_images())
    with undisturbed():
        ours = source.apply(images) or {}
    what = disorder_of(ours, dict(reference(images, return_tensors="pt")))
    if what:
        findings.fail("axes", f"The {title} data is {what}.", "Prepare images with the checkpoint's processor.", what)
        return True
    values = _plain_values(source, grey_ramp(), 0)
    what = "" if values is None else ramp_fault(values)
    if what:
        findings.fail("ramp", f"In the {title} data {what}.", "Prepare images with the checkpoint's processor.", what)
    return bool(what)


def _agree(some: Array, others: Array) -> bool:
    """Whether two draws of the same pictures have the same values, to a hundredth of the largest."""
    scale = max(float(np.abs(some).max()), 1e-6)
    return bool(some.shape == others.shape and np.abs(some - others).max() <= 0.01 * scale)


def _apart(source: ImageSource, images: list[Image.Image], seed: int) -> Array:
    """The values of each picture in a batch with itself alone, [N, 3].

    Raises:
        RuntimeSetupError: The data makes no pixels of it.
    """
    rows = [_plain_values(source, [image, image], seed) for image in images]
    if any(values is None for values in rows):
        raise RuntimeSetupError("it gives no pixels of plain images.")
    return np.concatenate([values[:1] for values in rows if values is not None])


def _are_mixed(source: ImageSource, images: list[Image.Image], ours: Array, theirs: Array) -> bool:
    """Whether each picture alone has the processor's values, and a batch has means of several, not another order.

    Raises:
        RuntimeSetupError: The data makes no pixels of a picture.
    """
    exchanged = [np.abs(theirs - row).max(axis=1).min() <= _SHIFT for row in ours]
    return not all(exchanged) and _is_right(regress(_apart(source, images, 0), theirs))


def _plain_values(source: ImageSource, images: list[Image.Image], seed: int) -> Array | None:
    with undisturbed(seed=seed):
        return channel_values(source.apply(images) or {})


def _in_kind(source: ImageSource, images: list[Image.Image]) -> list[Image.Image]:
    """Our pictures without colours, where the data set's own have none: a conversion to grey then changes nothing."""
    with undisturbed():
        own = source.images(source.spread(8)) or []
    channels = [np.asarray(image.convert("RGB"), dtype=int) for image in own]
    grey = bool(channels) and all(int(np.ptp(values, axis=-1).max()) <= _GREY for values in channels)
    return [image.convert("L").convert("RGB") for image in images] if grey else images


def _check_random_colours(findings: Findings, title: str, reference: Any, ours: Array, theirs: Array) -> None:
    """Colours that are changed at random: no small shift is a fault, other statistics by name and other units are."""
    mean, std = statistics_of(reference)
    if ours.shape != theirs.shape or float(ours.std(axis=0).max()) < 1e-5 * max(1.0, float(np.abs(ours).max())):
        _check_colours(findings, title, reference, regress(ours, ours), ours, _LOOSE)
        return
    found = regress(ours, theirs)
    straight = found if found.channels == (2, 1, 0) else Regression((0, 1, 2), *_straight(ours, theirs))
    name, implied_mean, implied_std = name_statistics(mean, std, straight)
    own = _distance(implied_mean, implied_std, mean, std)
    known = min(_distance(implied_mean, implied_std, *statistics) for statistics in _KNOWN.values())
    usual = not name.startswith("values") and (own <= _NEAR or own <= known)
    if usual and straight.channels == (0, 1, 2):
        findings.measure(f"{title} slope", [round(float(v), 4) for v in straight.slope])
        return
    slope, shift = (np.ones(3), np.zeros(3)) if usual else (straight.slope, straight.shift)
    _check_colours(findings, title, reference, Regression(straight.channels, slope, shift, found.explained), ours, 1)


def _straight(ours: Array, theirs: Array) -> tuple[Array, Array, Array]:
    """Slope, shift and explained share of each channel on the processor's channel of the same name."""
    rows = [regress(ours[:, [c] * 3], theirs[:, [c] * 3]) for c in range(3)]
    slope, shift, explained = (np.array([getattr(row, n)[0] for row in rows]) for n in ("slope", "shift", "explained"))
    return slope, shift, explained


def _distance(mean: Sequence[float], std: Sequence[float], other_mean: Any, other_std: Any) -> float:
    """How far two normalisations are apart: of the means in units of the value range, of the deviations as a ratio."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.abs(np.log(np.abs(np.asarray(std) / np.asarray(other_std)))).max()
    return float(np.abs(np.subtract(mean, other_mean)).max() + ratio)


def _check_colours(
    findings: Findings, title: str, reference: Any, found: Regression, ours: Array, tolerance: float
) -> None:
    """Slope, intercept and order of the channels."""
    mean, std = statistics_of(reference)
    findings.measure(f"{title} slope", [round(float(v), 4) for v in found.slope], [1.0, 1.0, 1.0])
    findings.measure(f"{title} shift", [round(float(v), 4) for v in found.shift], [0.0, 0.0, 0.0])
    if float(ours.std(axis=0).max()) < 1e-5 * max(1.0, float(np.abs(ours).max())):
        findings.fail(
            "constant",
            f"In the {title} data every image is the same: what the model gets does not depend on the picture.",
            "Look at what the transform returns.",
        )
        return
    if found.channels != (0, 1, 2):
        swapped = "BGR in place of RGB" if found.channels == (2, 1, 0) else f"in the order {list(found.channels)}"
        if len(set(found.channels)) == 1:
            swapped = "all the same: the pictures have colours, and are made grey"
        findings.fail(
            "channels",
            f"In the {title} data the channels are {swapped}.",
            "Convert with image.convert('RGB'), not 'L'; OpenCV reads BGR.",
            list(found.channels),
            [0, 1, 2],
        )
    if np.abs(found.slope - 1).max() > _SLOPE * tolerance or np.abs(found.shift).max() > _SHIFT * tolerance:
        name, implied_mean, implied_std = name_statistics(mean, std, found)
        findings.fail(
            "normalisation",
            f"The {title} data is not normalised as the checkpoint's processor does it: {name}; what arrives is "
            f"(value - {_few(implied_mean)}) / {_few(implied_std)} in place of (value - {_few(mean)}) / {_few(std)}.",
            "Prepare images with the checkpoint's processor, once, or with its own mean, std and rescale_factor.",
            {"mean": implied_mean, "std": implied_std},
            {"mean": list(mean), "std": list(std)},
        )


def _check_geometry(findings: Findings, subject: Subject, title: str, source: ImageSource, reference: Any) -> None:
    """A texture comes out as the processor makes it, unless it is cropped or mirrored at random."""
    images = _in_kind(source, textured_images())
    with undisturbed():
        first = source.apply(images)
    with undisturbed(seed=1):
        second = source.apply(images)
    theirs = dict(reference(images, return_tensors="pt"))
    pairs = images_of(first or {}), images_of(second or {}), images_of(theirs)
    if any(pair is None for pair in pairs):
        return
    ours, again, wanted = (pair or [] for pair in pairs)
    if any(a.shape != b.shape or not np.allclose(a, b, atol=1e-5) for a, b in zip(ours, again, strict=True)):
        findings.measure(f"{title} geometry", "random")
        return
    if any(a.shape != b.shape for a, b in zip(ours, wanted, strict=True)):
        findings.measure(f"{title} size", [list(a.shape) for a in ours], [list(b.shape) for b in wanted])
        return
    explained = _explained(ours, wanted)
    findings.measure(f"{title} geometry", round(explained, 4), f">= {_GEOMETRY}")
    if explained < _GEOMETRY and not findings.failed:
        what = "resized, cropped or filtered otherwise than"
        if _explained([image[:, ::-1] for image in ours], wanted) > explained + _BETTER:
            what = "mirrored, unlike"
        elif _explained([image.transpose(1, 0, 2) for image in ours], wanted) > explained + _BETTER:
            what = "transposed (height and width exchanged), unlike"
        axes = disorder_of(first or {}, theirs)
        if axes:
            what = f"{axes}, unlike"
        usual = _usual_geometry(images, ours) if what.startswith("resized") else 0.0
        if usual >= _USUAL:
            findings.note(
                "geometry",
                f"The {title} images are cropped or squashed otherwise than by the checkpoint's processor, in a usual "
                "way.",
                "",
                round(explained, 4),
            )
            return
        findings.fail(
            "geometry",
            f"The {title} images are {what} by the checkpoint's processor: it explains {explained:.0%} of a texture.",
            "Use the processor's own resize, crop and filter (size, crop_size, resample), on pictures, not on arrays "
            "without antialiasing.",
            round(explained, 4),
            f">= {_GEOMETRY}",
        )
    if title == "evaluation" or subject.evaluation is None:
        findings.attempt("feature_cosine", lambda: _measure_features(findings, subject, first or {}, theirs))


def _check_alike(findings: Findings, subject: Subject) -> None:
    """Where neither has chance in it, evaluation images are cropped and resized as the training images are."""
    sources = subject.train, subject.evaluation
    if any(s is None or not s.takes_pictures or not s.indexable or not len(s) for s in sources):
        return
    images = _in_kind(sources[0], textured_images())  # type: ignore[arg-type]
    made = []
    for source in sources:
        assert source is not None  # seen to above
        drawn = []
        for seed in range(2):
            with undisturbed(seed=seed):
                drawn.append(images_of(source.apply(images) or {}))
        first, second = drawn
        if first is None or second is None:
            return
        if any(a.shape != b.shape or not np.allclose(a, b, atol=1e-5) for a, b in zip(first, second, strict=True)):
            return
        made.append(first)
    if any(a.shape != b.shape for a, b in zip(*made, strict=True)):
        return
    explained = _explained(*made)
    findings.measure("evaluation as training", round(explained, 4), f">= {_GEOMETRY}")
    if explained < _GEOMETRY:
        findings.note(
            "alike",
            f"The evaluation images are prepared otherwise than the training images: one explains {explained:.0%} of "
            "the other, of the same texture.",
            "Crop and resize both alike, where neither is augmented.",
            round(explained, 4),
            f">= {_GEOMETRY}",
        )


def _check_shown(findings: Findings, sources: dict[str, ImageSource | None]) -> None:
    """Crops at random show a part of the image that one can recognise: a slope of grey tells how much."""
    slope = np.tile(np.linspace(0, 255, _SLOPE_SIDE), (_SLOPE_SIDE, 1)).astype(np.uint8)
    for title, source in sources.items():
        if source is None or not source.takes_pictures or not source.indexable or not len(source):
            continue
        images = [Image.fromarray(slope).convert("RGB")] * _DRAWS + [
            Image.new("RGB", slope.shape, colour) for colour in ("black", "white")
        ]
        with undisturbed():
            made = images_of(source.apply(_in_kind(source, images)) or {})
        if made is None or len(made) != len(images):
            continue
        span = float(made[-1].mean() - made[-2].mean())
        if not span > 0:
            continue  # what it does to brightness is told elsewhere
        # Turned by a quarter, the slope goes down.
        along = [[float(np.ptp(values.mean(axis=(side, 2)))) for side in (0, 1)] for values in made[:_DRAWS]]
        shares = [max(each) / span for each in along]
        share = float(np.median(shares))
        findings.measure(f"{title} width shown", round(share, 3), f">= {_SHOWN}")
        if share < _SHOWN:
            findings.fail(
                "shown",
                f"The {title} images show next to nothing of a picture: {share:.0%} of its width, in the middle of "
                f"{_DRAWS} draws.",
                "The scale of RandomResizedCrop is a share of the area: (0.08, 1.0) or more is usual.",
                round(share, 3),
                f">= {_SHOWN}",
            )


def _usual_geometry(images: list[Image.Image], ours: list[Array]) -> float:
    """How much of our images a usual way to resize explains.

    Squashed; the shorter side resized and the centre cropped, at any common share; padded to a square.
    """
    sizes = [(array.shape[1], array.shape[0]) for array in ours]
    pairs = list(zip(images, sizes, strict=True))
    most = 0.0
    for way in _usual_ways():
        explained = _explained(ours, [np.asarray(way(image, size), dtype=np.float64) for image, size in pairs])
        most = max(most, explained)
        if most >= _USUAL:
            break
    return most


def _usual_ways() -> Iterator[Callable[[Image.Image, tuple[int, int]], Image.Image]]:
    yield lambda image, size: image.resize(size, Resampling.BILINEAR)
    for scale in _CROPS:
        yield partial(_cropped, scale=scale)
        for longer, corner in product((round, math.floor), (math.floor, round)):
            yield partial(_resized_and_cropped, scale=scale, longer=longer, corner=corner)  # type: ignore[arg-type]
    for fill in _FILLS:
        yield partial(_padded, fill=fill)


def _cropped(image: Image.Image, size: tuple[int, int], scale: float) -> Image.Image:
    """The centre, cut out before it is resized."""
    share = min(image.width / size[0], image.height / size[1]) / scale
    width, height = share * size[0] / 2, share * size[1] / 2
    x, y = image.width / 2, image.height / 2
    return image.resize(size, Resampling.BILINEAR, box=(x - width, y - height, x + width, y + height))


def _resized_and_cropped(
    image: Image.Image,
    size: tuple[int, int],
    scale: float,
    longer: Callable[[float], int],
    corner: Callable[[float], int],
) -> Image.Image:
    """The centre, cut out after the shorter side was resized to whole pixels.

    Libraries round the longer side and the corner each in their own way, which tells in small images.
    """
    ratio = round(scale * max(size)) / min(image.size)
    resized = image.resize((longer(image.width * ratio), longer(image.height * ratio)), Resampling.BILINEAR)
    left, top = corner((resized.width - size[0]) / 2), corner((resized.height - size[1]) / 2)
    return resized.crop((left, top, left + size[0], top + size[1]))


def _padded(image: Image.Image, size: tuple[int, int], fill: Any) -> Image.Image:
    return ImageOps.pad(image, (max(image.size),) * 2, color=fill).resize(size)


def _measure_features(findings: Findings, subject: Subject, ours: Batch, theirs: Batch) -> None:
    """For information: the cosine of the features of our pixels and the processor's, and how far images differ."""
    if subject.family is None:
        return
    with undisturbed(subject.model), torch.no_grad(), without_adapter(subject.model):
        subject.model.eval()
        mine = image_embeddings(subject.model, subject.without_labels(subject.placed(ours)), normalize=True).float()
        right = image_embeddings(subject.model, subject.without_labels(subject.placed(theirs)), normalize=True).float()
    cosines = (mine @ right.T).cpu()
    count = len(cosines)
    paired = float(cosines.diagonal().mean())
    others = float((cosines.sum() - cosines.diagonal().sum()) / (count * count - count))
    findings.measure("feature_cosine", round(float(cosines.diagonal().min()), 4))
    findings.measure("margin", round(paired - others, 4))


def _check_stored(findings: Findings, title: str, source: ImageSource, reference: Any) -> None:
    """Without a way to feed pictures: the stored ones beside their tensors, or the range of the tensors alone."""
    indices = source.spread(16)
    with undisturbed():
        batch = source.batch(indices)
        images = source.images(indices)
    tensors = images_of(batch)
    if tensors is None:
        findings.skip(title, f"The {title} data has no pixel_values that could be looked at.")
        return
    if images is not None:
        _compare_stored(findings, title, tensors, images, reference)
        return
    findings.skip(
        title,
        f"The pictures behind the {title} data could not be found, so only the range of its values was looked at.",
        "Give the trainer a data set of the datasets library with set_transform, or pass one here.",
    )
    values = np.concatenate([tensor.reshape(-1, 3) for tensor in tensors])
    mean, std = (np.asarray(numbers) for numbers in statistics_of(reference))
    low, high = (0 - mean) / std, (1 - mean) / std
    slack = 0.02 * (high - low)
    findings.measure(
        f"{title} range",
        [round(float(values.min()), 3), round(float(values.max()), 3)],
        [round(float(low.min()), 3), round(float(high.max()), 3)],
    )
    outside = (values < low - slack).any() or (values > high + slack).any()
    narrow = float(np.ptp(values, axis=0).max()) < 0.05 * float((high - low).min())
    if outside or narrow:
        what = "never rescaled to 0..1" if values.max() > 20 else "rescaled twice, or empty" if narrow else "normalised"
        findings.fail(
            "range",
            f"The {title} data has values from {values.min():.3f} to {values.max():.3f}, where the processor's lie "
            f"between {low.min():.3f} and {high.max():.3f}: they are {what}"
            + (" with other statistics." if what == "normalised" else "."),
            "Prepare images with the checkpoint's processor, once.",
            [round(float(values.min()), 3), round(float(values.max()), 3)],
            [round(float(low.min()), 3), round(float(high.max()), 3)],
        )


def _compare_stored(
    findings: Findings, title: str, tensors: list[Array], images: list[Image.Image], reference: Any
) -> None:
    wanted = images_of(dict(reference(images, return_tensors="pt"))) or []
    same = all(a.shape == b.shape for a, b in zip(tensors, wanted, strict=True))
    ours = np.concatenate([tensor.reshape(-1, 3) for tensor in tensors])
    theirs = np.concatenate([tensor.reshape(-1, 3) for tensor in wanted])
    found = regress(ours, theirs) if same else None
    if found is not None and found.explained.min() >= _GEOMETRY:
        _check_colours(findings, title, reference, found, ours, 1)
        return
    # Cropped at random, or another geometry: the distributions still have the statistics.
    quantiles = np.linspace(0.02, 0.98, 49)
    levels = np.quantile(ours, quantiles, axis=0), np.quantile(theirs, quantiles, axis=0)
    found = regress(*levels)
    straight = Regression((0, 1, 2), found.slope, found.shift, found.explained)
    mean, std = statistics_of(reference)
    name, implied_mean, implied_std = name_statistics(mean, std, straight)
    if (
        name == "other statistics" and _distance(implied_mean, implied_std, mean, std) <= _NEAR
    ):  # colours may be changed at random
        straight = Regression((0, 1, 2), np.ones(3), np.zeros(3), found.explained)
    _check_colours(findings, title, reference, straight, ours, _LOOSE)
    findings.measure(f"{title} geometry", "not compared: it is random, or another one")


def _explained(ours: list[Array], wanted: list[Array]) -> float:
    pairs = [(a, b) for a, b in zip(ours, wanted, strict=True) if a.shape == b.shape]
    if not pairs:
        return 0.0
    return min(float(regress(a.reshape(-1, 3), b.reshape(-1, 3)).explained.min()) for a, b in pairs)


def _few(numbers: Sequence[float]) -> str:
    rounded = [f"{round(float(number), 4) + 0.0:.3g}" for number in numbers]  # no minus before a zero
    return rounded[0] if len(set(rounded)) == 1 else "[" + ", ".join(rounded) + "]"

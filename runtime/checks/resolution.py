"""What of an image reaches the model: its size, its grid of patches, its mask, its shape.

A fixed-grid model raises on another grid, a model that interpolates its positions does not; a rest that fills no patch
is dropped without a word by SigLIP and DINOv2; in a NaFlex batch a mask of ones or transposed shapes move the output
and raise nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.checks.findings import Findings, shown
from v5lint.runtime.checks.pictures import as_picture
from v5lint.runtime.checks.preserve import undisturbed
from v5lint.runtime.checks.probes import textured_images
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.inputs import image_size_of, patch_size_of

if TYPE_CHECKING:
    from PIL import Image

    from v5lint.runtime.checks.sources import Batch, ImageSource
    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "resolution"
_PICTURES = 4
_FEW, _HALF = 1 / 4, 1 / 2
"""Shares of the checkpoint's patch budget from which a smaller one is a failure, and worth a note."""
_OF_PROCESSOR = "the processor's output"


def check_resolution(subject: Subject) -> list[CheckResult]:
    """Whether processor and data give the model whole images on the grid, and with the mask, that it was made for."""
    findings = Findings(NAME)
    if subject.family is None:
        findings.skip("family", f"{type(subject.bare).__name__} is of no family whose input is known.")
        return findings.results("")
    _check_processor(findings, subject)
    if not findings.failed:
        _check_probe(findings, subject)
    for title, source in (("training", subject.train), ("evaluation", subject.evaluation)):
        if source is not None and source.indexable and len(source):
            _check_source(findings, subject, title, source)
    if subject.train is None and subject.evaluation is None:
        findings.skip("data", "There is no data set to look at.", "Pass train_dataset= and eval_dataset=.")
    return findings.results("Images reach the model whole, on the grid that it was made for.")


def _check_processor(findings: Findings, subject: Subject) -> None:
    family, processor = subject.family, subject.image_processor
    assert family is not None  # the caller has seen to it
    if processor is None:
        try:
            processor = subject.reference_processor
        except RuntimeSetupError as error:
            findings.fail("processor", str(error), "Save the base model's processor into the checkpoint.")
            return
        if processor is None:
            findings.skip("processor", "No processor was given, and the model does not say what it was loaded from.")
            return
    name = type(processor).__name__
    if not (hasattr(processor, "image_mean") or hasattr(processor, "data_config")):
        findings.skip("processor", f"{name} is no image processor.")
        return
    findings.measure("processor", name, list(family.image_processors))
    if not family.accepts_processor(processor):
        findings.fail(
            "processor",
            f"The processor is {name} and the model is {family.title}, whose processor is "
            f"{' or '.join(family.image_processors)}: their resolutions and their inputs are not the same.",
            f"Load it with load_processor({subject.base or 'checkpoint'!r}).",
            name,
            list(family.image_processors),
        )


def _check_probe(findings: Findings, subject: Subject) -> None:
    """The processor's own output for images that are wide, high and square."""
    try:
        processor = subject.image_processor if subject.image_processor is not None else subject.reference_processor
    except RuntimeSetupError:
        return
    if processor is None or not callable(processor):
        return
    images = textured_images()
    try:
        batch = dict(processor(images, return_tensors="pt"))
    except Exception as error:  # a processor of any library
        findings.fail("processor", f"The processor cannot prepare an image: {error}", "Load it with load_processor().")
        return
    _check_batch(findings, subject, _OF_PROCESSOR, batch, images)
    _keep_pictures(subject, "processor", batch)


def _check_source(findings: Findings, subject: Subject, title: str, source: ImageSource) -> None:
    """The tensors of the script's own data, and what they make of images that are not square."""
    indices = source.spread(_PICTURES)
    try:
        with undisturbed():
            batch = source.batch(indices)
            images = source.images(indices)
    except RuntimeSetupError as error:
        findings.skip(title, str(error))
        return
    _check_batch(findings, subject, f"the {title} data", batch, None)
    _keep_pictures(subject, title, batch)
    if "spatial_shapes" not in batch:
        return
    if images:
        findings.attempt("patch_budget", lambda: _check_budget(findings, subject, title, batch, images or []))
    if source.takes_pictures:
        images = textured_images()
        try:
            with undisturbed():
                batch = source.apply(images) or batch
            with undisturbed(seed=1):
                again = source.apply(images) or batch
        except RuntimeSetupError as error:
            findings.skip(title, str(error))
            return
        if not torch.equal(batch["spatial_shapes"], again["spatial_shapes"]):
            return  # random crops have shapes of their own
    if images is not None:
        _check_shapes(findings, subject, f"the {title} data", batch, images)


def _check_budget(findings: Findings, subject: Subject, title: str, batch: Batch, images: list[Image.Image]) -> None:
    """Pictures that have more patches than the budget keep as many as the checkpoint was made for."""
    reference = getattr(subject.reference_processor, "max_num_patches", None)
    config: Any = getattr(subject.bare.config, "vision_config", subject.bare.config)
    side = int(config.patch_size)
    most = int(batch["spatial_shapes"].prod(dim=-1).max())
    larger = [image for image in images if math.ceil(image.width / side) * math.ceil(image.height / side) > most]
    if not reference or most >= _HALF * reference or 2 * len(larger) <= len(images):
        return
    report = findings.fail if most < _FEW * reference else findings.note
    report(
        "patch_budget",
        f"In the {title} data an image has at most {most} patches, where {len(larger)} of {len(images)} pictures have "
        f"more and the checkpoint's processor takes {reference}: they lose their resolution.",
        f"Leave max_num_patches at {reference}, or raise it.",
        most,
        reference,
    )


def _check_batch(
    findings: Findings, subject: Subject, where: str, batch: Batch, images: list[Image.Image] | None
) -> None:
    family = subject.family
    assert family is not None
    patches = family.layout == "patches"
    absent = [name for name in family.forward_inputs if name not in batch]
    if absent and not set(family.forward_inputs) & set(batch):
        findings.skip("inputs", f"{where} has none of {family.title}'s inputs by name: {shown(sorted(batch))}.")
        return
    if absent:
        findings.fail(
            "inputs",
            f"{where} has no {shown(absent)}, which {family.title} takes"
            + (": without a mask, padding is read as image." if patches else "."),
            "Keep every tensor that the processor returns (remove_unused_columns=False, a collator that keeps them).",
            sorted(batch),
            list(family.forward_inputs),
        )
        return
    pixels = batch["pixel_values"]
    findings.measure(f"shape of {where}", list(pixels.shape))
    if "patch_coord" in batch:
        return
    if patches:
        _check_patches(findings, subject, where, batch)
        if images is not None:
            _check_shapes(findings, subject, where, batch, images)
    elif pixels.dim() == 4:
        _check_grid(findings, subject, where, batch)
    else:
        findings.fail(
            "shape",
            f"{where} has pixel_values of {pixels.dim()} dimensions, and {family.title} takes [B, 3, H, W].",
            f"Prepare images with the processor of {family.title}.",
            list(pixels.shape),
        )


def _check_grid(findings: Findings, subject: Subject, where: str, batch: Batch) -> None:
    """The configured grid, a whole number of patches, and what becomes of the positions on another grid."""
    family = subject.family
    assert family is not None
    height, width = (int(side) for side in batch["pixel_values"].shape[-2:])
    wanted = image_size_of(subject.bare.config)
    patch = patch_size_of(subject.bare)
    rest = (height % patch[0], width % patch[1])
    own_rest = (wanted[0] % patch[0], wanted[1] % patch[1])
    findings.measure("grid", [height // patch[0], width // patch[1]], [wanted[0] // patch[0], wanted[1] // patch[1]])
    if any(rest) and (height, width) != wanted:
        findings.fail(
            "remainder",
            f"{where} has images of {height} x {width} pixels with patches of {patch[0]}: the last {rest[0]} rows and "
            f"{rest[1]} columns of pixels are "
            + ("refused" if family.remainder == "error" else "dropped, silently")
            + ".",
            f"Resize to a multiple of {patch[0]}; the model was made for {wanted[0]} x {wanted[1]}.",
            [height, width],
            list(wanted),
        )
    elif any(own_rest) and (height, width) == wanted:
        findings.note(
            "remainder",
            f"The model's own {wanted[0]} x {wanted[1]} pixels are no multiple of {patch[0]}: {own_rest[0]} are "
            "dropped by design.",
        )
    elif (height, width) != wanted and family.off_grid == "error" and not _is_taken(subject, where, batch):
        findings.fail(
            "size",
            f"{where} has images of {height} x {width} pixels, and the model takes {wanted[0]} x {wanted[1]} alone.",
            "Resize to the model's size, or pass interpolate_pos_encoding=True.",
            [height, width],
            list(wanted),
        )
    elif (height, width) != wanted:
        findings.note(
            "grid",
            f"{where} has a grid of {height // patch[0]} x {width // patch[1]} patches; the positions were trained on "
            f"{wanted[0] // patch[0]} x {wanted[1] // patch[1]} and are interpolated.",
            "",
            [height, width],
            list(wanted),
        )


def _is_taken(subject: Subject, where: str, batch: Batch) -> bool:
    """Whether the model takes a batch of another grid after all: the script asks it to interpolate its positions."""
    if where == _OF_PROCESSOR:  # what the data makes of it is looked at below
        return subject.train is not None or subject.evaluation is not None
    try:
        with undisturbed(subject.model), torch.no_grad():
            subject.model.eval()
            subject.model(**subject.without_labels(subject.placed(batch)))
    except Exception:  # each family refuses with an exception of its own
        return False
    return True


def _check_patches(findings: Findings, subject: Subject, where: str, batch: Batch) -> None:
    """Length, width and mask of a NaFlex batch agree with its shapes."""
    config: Any = subject.bare.config
    vision = getattr(config, "vision_config", config)
    pixels, mask, shapes = batch["pixel_values"], batch["pixel_attention_mask"], batch["spatial_shapes"]
    width = int(vision.patch_size) ** 2 * int(vision.num_channels)
    if pixels.dim() != 3 or pixels.shape[-1] != width:
        findings.fail(
            "patches",
            f"{where} has pixel_values {list(pixels.shape)}, and the model takes patches of {width} values.",
            f"Prepare images with patch_size={vision.patch_size}.",
            list(pixels.shape),
        )
        return
    lengths = shapes.prod(dim=-1).to(mask.device)
    if not torch.equal(mask.sum(dim=-1).to(lengths), lengths):
        findings.fail(
            "mask",
            f"In {where} pixel_attention_mask marks {mask.sum(dim=-1).tolist()[:4]} patches, and spatial_shapes says "
            f"{lengths.tolist()[:4]}: padding is read as image, or image as padding.",
            "Take the mask that the processor returns, and pad it with zeros.",
            mask.sum(dim=-1).tolist()[:4],
            lengths.tolist()[:4],
        )
    budget = getattr(subject.image_processor, "max_num_patches", None)
    findings.measure("patches", int(lengths.max()), f"<= {budget}" if budget else None)
    if int(lengths.max()) > pixels.shape[1]:
        findings.fail(
            "budget",
            f"In {where} an image has {int(lengths.max())} patches and there is room for {pixels.shape[1]}.",
            "Resize images to the patch budget: do_resize=True, with max_num_patches of the processor.",
            int(lengths.max()),
            int(pixels.shape[1]),
        )


def _check_shapes(findings: Findings, subject: Subject, where: str, batch: Batch, images: list[Image.Image]) -> None:
    """The grid of each image has the image's own shape, up to the rounding to whole patches."""
    for image, (rows, columns) in zip(images, batch["spatial_shapes"].tolist(), strict=False):
        stretch = (columns / rows) / (image.width / image.height)
        # Sides are rounded up to whole patches by the processor; others round down.
        least = min((rows - 1) / rows, columns / (columns + 1))
        most = max(columns / (columns - 1) if columns > 1 else math.inf, (rows + 1) / rows)
        if not least - 1e-6 <= stretch <= most + 1e-6:
            turned = abs(math.log(stretch * (rows / columns) ** 2)) < abs(math.log(stretch))
            findings.fail(
                "aspect_ratio",
                f"In {where} an image of {image.width} x {image.height} pixels (width x height) has {rows} rows and "
                f"{columns} columns of patches"
                + (": spatial_shapes is transposed." if turned else f": it is stretched by {stretch:.2f}."),
                "spatial_shapes is [rows, columns]; resize with the aspect ratio kept, as the processor does.",
                [int(rows), int(columns)],
                round(image.width / image.height, 3),
            )
            return


def _keep_pictures(subject: Subject, title: str, batch: Batch) -> None:
    for index in range(min(_PICTURES, len(batch.get("pixel_values", ())))):
        picture = as_picture(subject, batch, index)
        if picture is not None:
            subject.pictures.add(f"{title} {index}", picture.copy)

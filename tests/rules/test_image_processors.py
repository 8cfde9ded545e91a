"""The tables of V5402 and V5403 against what the releases have."""

from __future__ import annotations

import pytest

from v5lint.rules import asked_processors as asked
from v5lint.rules import image_processor_arguments as arguments
from v5lint.rules import image_processor_methods as methods
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import image_values as values

HAD = {
    "post_process": "DetrImageProcessor",
    "post_process_segmentation": "MaskFormerImageProcessor",
    "post_process_instance": "DetrImageProcessor",
    "post_process_panoptic": "DetrImageProcessor",
    "encode_inputs": "Mask2FormerImageProcessor",
    "convert_segmentation_map_to_binary_masks": "MaskFormerImageProcessor",
    "is_fast": "ViTImageProcessor",
    "pad_image": "NougatImageProcessor",
    "pad_and_create_pixel_mask": "DetrImageProcessor",
    "get_image_patches": "LlavaNextImageProcessor",
    "blend_rgba": "ChameleonImageProcessor",
    "plot_keypoint_matching": "LightGlueImageProcessor",
    "pan_and_scan": "Gemma3ImageProcessor",
    "split_image": "Idefics3ImageProcessor",
}


@pytest.mark.parametrize("name", sorted(methods._GONE))
def test_what_is_gone_is_gone(name: str) -> None:
    assert lookup.removed_member(HAD[name], name) is not None


@pytest.mark.parametrize("name", sorted(methods._ALIKE | methods._TOP_300))
def test_what_post_process_becomes_is_there(name: str) -> None:
    assert lookup.removed_member(name, "post_process") is not None
    assert lookup.removed_member(name, methods._NEW) is None


@pytest.mark.parametrize("name", sorted(methods._OWL.values()))
def test_what_owl_processors_lost(name: str) -> None:
    facts = lookup.class_facts(name)
    assert facts is not None
    assert methods._OWL[facts.model_type] == name
    assert lookup.removed_member(name, methods._NEW) is not None
    assert lookup.removed_member(name, methods._GROUNDED) is None


def test_classes_exist() -> None:
    lacking = [f"{name}ImageProcessor" for names in asked._LESS.values() for name in names]
    told = (*values._SIZES, *values._FORMATLESS, *methods._OF_PIXELS, *lacking)
    for name in (*methods._ALIKE, *methods._TOP_300, *arguments._WITH_MASK, *told):
        assert lookup.kind_of(name) == "image_processor", name

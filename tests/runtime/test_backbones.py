from __future__ import annotations

import pytest

from v5lint.runtime.backbones import catalogue, choose_backbone, get_backbone
from v5lint.runtime.errors import BackboneError


def test_the_catalogue_has_what_it_promises() -> None:
    sizes = {
        (family, size)
        for family in {backbone.family_name for backbone in catalogue().values()}
        for size in {b.size for b in catalogue().values() if b.family_name == family}
    }
    assert {("vit", size) for size in ("small", "base", "large", "huge")} <= sizes
    assert {("siglip", size) for size in ("base", "large", "so400m", "giant")} <= sizes
    assert {("siglip2", size) for size in ("base", "so400m")} <= sizes
    for family in ("dinov2", "dinov2_with_registers"):
        assert {(family, size) for size in ("small", "base", "large", "giant")} <= sizes
    assert {("dinov3_vit", size) for size in ("small", "base", "large", "huge", "7b")} <= sizes
    assert {("dinov3_convnext", size) for size in ("tiny", "small", "base", "large")} <= sizes
    naflexvits = [b.id for b in catalogue().values() if b.family_name == "timm_naflexvit"]
    assert len(naflexvits) == 3
    assert {b.resolution for b in catalogue().values() if b.family_name == "vit"} >= {224, 384}


def test_every_entry_is_whole() -> None:
    for backbone in catalogue().values():
        assert len(backbone.image_mean) == len(backbone.image_std) == 3, backbone.id
        assert backbone.resample in ("bilinear", "bicubic"), backbone.id
        assert backbone.gated == backbone.id.startswith("facebook/dinov3"), backbone.id
        assert backbone.published_in.startswith("https://"), backbone.id
        assert backbone.source == f"https://huggingface.co/{backbone.id}"
        assert ("retrieval" in backbone.tasks) == backbone.family.dual_encoder == bool(backbone.checkpoint_parameters)


def test_the_default_is_neither_gated_nor_under_terms_of_its_own() -> None:
    for task in ("classification", "retrieval", "dense"):
        chosen = choose_backbone(task=task).backbone
        assert not chosen.gated
        assert chosen.licence == "apache-2.0"
        assert task in chosen.tasks


def test_gated_weights_are_named_as_what_was_passed_over() -> None:
    choice = choose_backbone(task="dense", licence="any")
    assert not choice.backbone.gated
    assert [runner.reason for runner in choice.runners_up if runner.backbone.gated] == ["ruled out by: not gated"]
    assert choose_backbone(task="dense", allow_gated=True).backbone.gated


@pytest.mark.parametrize("resolution", [224, 256, 384, 512, 448, (448, 224)])
def test_the_choice_takes_the_resolution(resolution: int | tuple[int, int]) -> None:
    choice = choose_backbone(resolution=resolution)
    assert choice.backbone.fits(resolution) == 0.0
    assert any(str(resolution) in reason or "aspect ratio" in reason for reason in choice.reasons)


def test_mixed_aspect_ratios_want_naflex() -> None:
    choice = choose_backbone(resolution="mixed")
    assert choice.backbone.id == "google/siglip2-base-patch16-naflex"
    assert any("256 patches" in reason for reason in choice.reasons)


def test_retrieval_wants_a_dual_encoder() -> None:
    assert all(
        backbone.family.dual_encoder
        for choice in [choose_backbone(task="retrieval", compute="80GB")]
        for backbone in [choice.backbone, *(runner.backbone for runner in choice.runners_up)]
    )


@pytest.mark.parametrize("memory", [2, 4, 8, 16, 24, 80])
def test_more_memory_never_means_a_smaller_model_and_always_fits(memory: int) -> None:
    chosen = choose_backbone(compute=f"{memory}GB", resolution=224).backbone
    assert chosen.training_memory(16, 224) <= memory
    smaller = choose_backbone(compute=memory / 2, resolution=224, licence="any").backbone
    assert smaller.parameters <= chosen.parameters or smaller.family_name != chosen.family_name


def test_a_larger_batch_needs_more() -> None:
    base = get_backbone("google/vit-base-patch16-224-in21k")
    assert base.training_memory(64) > 3 * base.training_memory(16) / 2
    assert base.training_memory(16, 448) > 2 * base.training_memory(16)
    dual = get_backbone("google/siglip2-base-patch16-224")
    assert dual.training_memory(1, task="retrieval") > dual.training_memory(1) + 0.5


def test_a_cpu_gets_what_a_cpu_can_do() -> None:
    chosen = choose_backbone(compute="cpu").backbone
    assert chosen.training_gflops <= 100


def test_nothing_that_fits_is_an_error_with_numbers() -> None:
    with pytest.raises(BackboneError, match=rf"None of {len(catalogue())} .*by 0.01 GB at batch 16"):
        choose_backbone(compute="0.01GB")
    with pytest.raises(BackboneError, match="by licence"):
        choose_backbone(licence="gpl-3.0")


@pytest.mark.parametrize(
    "arguments",
    [
        {"task": "detection"},
        {"resolution": "large"},
        {"resolution": 0},
        {"resolution": (224, -1)},
        {"compute": "a lot"},
        {"compute": 0},
        {"compute": "-3GB"},
        {"compute": float("nan")},
        {"batch_size": 0},
    ],
)
def test_an_argument_that_is_none_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(arguments))}="):
        choose_backbone(**arguments)  # type: ignore[arg-type]


def test_an_unknown_name_gets_names_that_are_alike() -> None:
    with pytest.raises(BackboneError, match=r"facebook/dinov2-base"):
        get_backbone("facebook/dinov2-huge")


def test_a_choice_reads_well() -> None:
    text = str(choose_backbone(task="retrieval", compute="16GB"))
    assert text.splitlines()[0].startswith("google/siglip2-")
    assert "because" in text
    assert "next:" in text

from __future__ import annotations

import pytest

from v5lint.runtime.errors import FamilyError, MissingDependencyError
from v5lint.runtime.families import all_families, family_of, find_family, get_family, require_libraries


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "vit"}, "vit"),
        ({"model_type": "siglip"}, "siglip"),
        ({"model_type": "siglip_vision_model"}, "siglip"),
        ({"model_type": "siglip2"}, "siglip2"),
        ({"model_type": "siglip2_vision_model"}, "siglip2"),
        ({"model_type": "dinov2"}, "dinov2"),
        ({"model_type": "dinov2_with_registers"}, "dinov2_with_registers"),
        ({"model_type": "dinov3_vit"}, "dinov3_vit"),
        ({"model_type": "dinov3_convnext"}, "dinov3_convnext"),
        ({"architecture": "vit_base_patch16_224", "pretrained_cfg": {}}, "timm_vit"),
        ({"model_type": "timm_wrapper", "architecture": "vit_base_patch16_224"}, "timm_vit"),
        ({"architecture": "vit_7b_patch16_dinov3", "pretrained_cfg": {}}, "timm_dinov3"),
        ({"architecture": "naflexvit_base_patch16_gap", "pretrained_cfg": {}}, "timm_naflexvit"),
    ],
)
def test_a_config_is_recognised(config: dict[str, object], name: str) -> None:
    assert family_of(config).name == name
    assert family_of(config) is get_family(name)


@pytest.mark.parametrize(
    "config",
    [{}, {"model_type": "bert"}, {"model_type": "vit_mae"}, {"architecture": "resnet50", "pretrained_cfg": {}}],
)
def test_another_config_is_of_no_family(config: dict[str, object]) -> None:
    assert find_family(config) is None
    with pytest.raises(FamilyError, match="none of the families"):
        family_of(config)


def test_what_has_no_configuration_is_refused() -> None:
    with pytest.raises(FamilyError, match="TimmWrapper"):
        family_of(object())


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(FamilyError, match="siglip2"):
        get_family("siglip3")


def test_no_model_type_belongs_to_two_families() -> None:
    for name, family in all_families().items():
        for other in all_families().values():
            if other is not family and not family.is_timm:
                assert not set(family.model_types) & set(other.model_types), (name, other.name)


@pytest.mark.parametrize("suffix", ["", "Fast", "Pil"])
def test_the_backend_in_a_processors_name_does_not_matter(suffix: str) -> None:
    for family in all_families().values():
        for name in family.image_processors:
            assert family.accepts_processor(name + suffix)
            assert family.accepts_processor(type(name + suffix, (), {}))
            assert family.accepts_processor(type(name + suffix, (), {})())


def test_a_processor_of_another_family_is_not_accepted() -> None:
    assert not get_family("siglip").accepts_processor("Siglip2ImageProcessor")
    assert not get_family("siglip2").accepts_processor("SiglipImageProcessor")
    assert not get_family("dinov2").accepts_processor("ViTImageProcessor")


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    require_libraries(get_family("vit"))
    require_libraries(None)
    with pytest.raises(MissingDependencyError, match="pip install timm torchvision"):
        require_libraries(get_family("timm_vit"))

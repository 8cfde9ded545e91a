from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from v5lint.runtime.backbones import get_backbone
from v5lint.runtime.description import describe_backbone
from v5lint.runtime.errors import CheckpointError, FamilyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_backbone_of_the_catalogue_in_one_sentence() -> None:
    found = describe_backbone("google/vit-base-patch16-224-in21k")
    assert found.sentence == (
        "google/vit-base-patch16-224-in21k is a ViT backbone of 85.8 M parameters for classification and dense, "
        "licence apache-2.0, native resolution 224 x 224 pixels."
    )
    assert found.cost.trainable == get_backbone(found.name).trainable == 667_493
    assert found.cost.batch_size == 32
    assert "667,493 trained" in str(found)
    assert "GiB" in str(found)
    assert "TFLOP" in str(found)


def test_gated_weights_are_said_to_be() -> None:
    found = describe_backbone("facebook/dinov3-vits16-pretrain-lvd1689m", batch_size=1)
    assert "licence dinov3-license (gated: access must be asked for)" in found.sentence


def test_a_patch_budget_in_place_of_a_size(checkpoints: Callable[..., Path]) -> None:
    assert "any aspect ratio within 16 patches" in describe_backbone(checkpoints("siglip2")).sentence


def test_a_local_folder(family: str, checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints(family)
    found = describe_backbone(folder, batch_size=2, dtype="float32", num_labels=3, r=2)
    assert found.family.name == family
    assert found.licence is None
    assert "licence not stated, so find out before you train" in found.sentence
    assert found.cost.memory_bytes > found.cost.state_bytes > 0


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\n---\n# A model", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: dinov3-license\n---\n", "dinov3-license"),
        ("# license: mit is not front matter", None),
    ],
)
def test_the_licence_of_a_model_card(
    card: str, licence: str | None, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text((checkpoints("vit") / "config.json").read_text())
    (tmp_path / "README.md").write_text(card)
    assert describe_backbone(tmp_path, batch_size=1).licence == licence


def test_what_cannot_be_described(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        describe_backbone(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(FamilyError, match="'bert'"):
        describe_backbone(tmp_path)

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file

from v5lint.runtime.errors import FamilyError, MissingDependencyError
from v5lint.runtime.families import all_families, get_family
from v5lint.runtime.tiny import make_tiny_checkpoint, tiny_families

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_there_is_one_for_every_family_that_can_be_loaded() -> None:
    assert set(tiny_families()) == {name for name, family in all_families().items() if not _absent(family.requires)}


def _absent(libraries: tuple[str, ...]) -> list[str]:
    import importlib.util

    return [name for name in libraries if importlib.util.find_spec(name) is None]


def test_it_looks_like_the_hubs(family: str, checkpoints: Callable[..., Path]) -> None:
    folder = checkpoints(family)
    files = {path.name for path in folder.iterdir()}
    config = json.loads((folder / "config.json").read_text())
    if get_family(family).is_timm:
        assert files == {"config.json", "model.safetensors"}
        assert "model_type" not in config
    else:
        assert {"config.json", "model.safetensors", "preprocessor_config.json"} <= files
        assert config["model_type"] == get_family(family).model_types[0]
    assert ("tokenizer.json" in files) == get_family(family).dual_encoder
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_its_weights_have_the_names_of_the_hubs(checkpoints: Callable[..., Path]) -> None:
    """What releases since 5.9 call `layers.0.attention.q_proj` is on the Hub under its old name, and here too."""
    with safe_open(checkpoints("vit") / "model.safetensors", "pt") as weights:
        assert "encoder.layer.0.attention.attention.query.weight" in weights.keys()  # noqa: SIM118
    with safe_open(checkpoints("dinov3_vit") / "model.safetensors", "pt") as weights:
        assert "layer.0.attention.q_proj.weight" in weights.keys()  # noqa: SIM118


def test_the_same_seed_gives_the_same_weights_and_leaves_the_generator_alone(family: str, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    one, same, other = (
        load_file(make_tiny_checkpoint(family, tmp_path / str(index), seed=seed) / "model.safetensors")
        for index, seed in enumerate((0, 0, 1))
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_the_auto_classes_take_it_for_the_real_thing(family: str, checkpoints: Callable[..., Path]) -> None:
    model = transformers.AutoModel.from_pretrained(checkpoints(family))
    assert type(model).__name__ == get_family(family).classes["retrieval"]


def test_a_family_that_does_not_exist_or_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(FamilyError, match="No family is called"):
        make_tiny_checkpoint("resnet", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install timm torchvision"):
        make_tiny_checkpoint("timm_vit", tmp_path)
    assert not any(name.startswith("timm") for name in tiny_families())

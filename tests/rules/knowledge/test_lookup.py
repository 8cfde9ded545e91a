"""What the knowledge answers about things that were seen on the releases themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from v5lint.rules.knowledge import NEWEST, lookup
from v5lint.rules.knowledge import store as store_module


def test_the_data_file_is_small_enough() -> None:
    assert Path(store_module.__file__).with_name("knowledge.dat").stat().st_size <= 400 * 1024


def test_the_newest_release_is_the_default_target() -> None:
    assert lookup.newest().startswith(f"{NEWEST}.")


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("transformers.ViTFeatureExtractor", "5.0"),
        ("transformers.AutoModelForVision2Seq", "5.0"),
        ("transformers.TRANSFORMERS_CACHE", "5.0"),
        ("transformers.AdamW", "4.50"),
        ("transformers.top_k_top_p_filtering", "4.39"),
        ("transformers.modeling_bert.BertModel", "4.0"),
        ("transformers.deepspeed", "4.46"),
        ("transformers.models.vit.modeling_vit.ViTSelfAttention", "5.9"),
        ("huggingface_hub.HfFolder", "1.0"),
        ("huggingface_hub.cached_download", "0.26"),
    ],
)
def test_removed(path: str, gone: str) -> None:
    removal = lookup.removed_in(path)
    assert removal is not None
    assert removal.gone == gone
    assert not lookup.resolves(path)


@pytest.mark.parametrize(
    "path",
    [
        "transformers.AutoFeatureExtractor",
        "transformers.Wav2Vec2FeatureExtractor",
        "transformers.ViTModel",
        "transformers.file_utils.is_torch_available",
        "transformers.pytorch_utils.prune_linear_layer",
        "transformers.BertTokenizerFast",
        "huggingface_hub.hf_hub_download",
    ],
)
def test_kept(path: str) -> None:
    assert lookup.removed_in(path) is None
    assert lookup.resolves(path)


@pytest.mark.parametrize(
    ("function", "name", "gone"),
    [
        ("TrainingArguments", "warmup_ratio", "5.15"),
        ("TrainingArguments", "evaluation_strategy", "4.51"),
        ("TrainingArguments", "group_by_length", "5.2"),
        ("Trainer", "tokenizer", "5.0"),
    ],
)
def test_removed_parameters(function: str, name: str, gone: str) -> None:
    removal = lookup.removed_parameter(function, name)
    assert removal is not None
    assert removal.gone == gone


def test_a_release_is_asked_on_its_own() -> None:
    assert lookup.resolves("transformers.ViTFeatureExtractor", "4.57")
    assert lookup.removed_parameter("TrainingArguments", "warmup_ratio", "5.14") is None
    assert "query" in (lookup.leaf_names("vit", "5.8") or ())
    assert "q_proj" in (lookup.leaf_names("vit", "5.9") or ())
    assert "query" not in (lookup.leaf_names("vit", "5.9") or ())


@pytest.mark.parametrize("name", ["", "torch.nn.Module", "NoSuchClass", "elsewhere.ViTModel"])
def test_what_is_no_class_of_a_known_package_has_no_ancestors(name: str) -> None:
    assert lookup.ancestors(name) == ()
    assert not lookup.is_subclass(name, "PreTrainedModel")

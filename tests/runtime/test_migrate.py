from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from packaging.version import Version
from safetensors.torch import load_file, save_file

from v5lint.runtime.adapters import load_adapter
from v5lint.runtime.errors import AdapterError
from v5lint.runtime.heads import classification_class
from v5lint.runtime.loading import load_config
from v5lint.runtime.migrate import migrate_adapter

OLD = Path(__file__).parent / "old_adapters"
CASES = sorted(path.parent for path in OLD.glob("[0-9]*/*/adapter_config.json"))
RELEASE = Version(transformers.__version__)
NEVER = "6"
# Name of the base: the release that renamed what its adapters adapt.
RENAMED_IN = {
    "vit": "5.9.0",
    "dinov2": "5.18.0",
    "dinov2_swiglu": "5.18.0",
    "dinov2_with_registers": "5.18.0",
    "dinov3_vit": "5.4.0",
    "siglip_vision": "5.6.0",
    "clip_vision": "5.6.0",
    "siglip2_vision": "5.6.0",
    "segformer": "5.9.0",
    "bert": NEVER,
    "llama": NEVER,
    "gpt2": NEVER,
}
# The outputs were recorded on another processor, whose matrix products round otherwise in the last bits. That nothing
# but names changes is tested to the last bit below, and on one machine by tests/execution/test_old_adapters.py.
ROUNDING = 2e-6


def base_of(case: Path) -> Path:
    return OLD / json.loads((case / "adapter_config.json").read_text())["base_model_name_or_path"]


def load_base(folder: Path) -> transformers.PreTrainedModel:
    """The base model by transformers' own loader, so that nothing of the runtime stands between it and the old
    release.
    """
    config = load_config(folder)
    named = getattr(transformers, config.architectures[0])
    return named.from_pretrained(folder, dtype=torch.float32).eval()


def inputs_of(case: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in load_file(case / "expected.safetensors").items() if name != "output"}


def output_of(model: torch.nn.Module, case: Path) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return model(**inputs_of(case))[0], load_file(case / "expected.safetensors")["output"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_an_old_adapter_computes_what_it_computed(case: Path, tmp_path: Path) -> None:
    base = base_of(case)
    migration = migrate_adapter(case, tmp_path / "new", base=base)
    assert migration.changed == (Version(RENAMED_IN[base.name]) <= RELEASE)
    model = load_adapter(load_base(base), migration.output, inputs=inputs_of(case))
    output, expected = output_of(model, case)
    torch.testing.assert_close(output, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_migration_changes_names_and_no_bit_of_a_tensor(case: Path, tmp_path: Path) -> None:
    if case.name == "dinov2_swiglu":
        pytest.skip("a projection was cut in two: see the next test")
    migration = migrate_adapter(case, tmp_path / "new", base=base_of(case))
    old, new = (load_file(folder / "adapter_model.safetensors") for folder in (case, migration.output))
    assert sorted(bits(tensor) for tensor in new.values()) == sorted(bits(tensor) for tensor in old.values())


def bits(tensor: torch.Tensor) -> tuple[tuple[int, ...], bytes]:
    return tuple(tensor.shape), tensor.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()


def test_a_split_projection_is_split_without_arithmetic(tmp_path: Path) -> None:
    if Version(RENAMED_IN["dinov2_swiglu"]) > RELEASE:
        pytest.skip(f"transformers {RELEASE} still has one projection")
    case = OLD / "4.57.6" / "dinov2_swiglu"
    migration = migrate_adapter(case, tmp_path / "new", base=base_of(case))
    old, new = (load_file(folder / "adapter_model.safetensors") for folder in (case, migration.output))
    mlp = "base_model.model.dinov2.encoder.layer.0.mlp"
    gate, up = f"{mlp}.gate_proj", f"{mlp}.up_proj"
    assert torch.equal(
        torch.cat([new[f"{part}.lora_B.weight"] for part in (gate, up)]), old[f"{mlp}.weights_in.lora_B.weight"]
    )
    for part in (gate, up):
        assert torch.equal(new[f"{part}.lora_A.weight"], old[f"{mlp}.weights_in.lora_A.weight"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_without_migration_it_is_refused(case: Path) -> None:
    base = base_of(case)
    if Version(RENAMED_IN[base.name]) > RELEASE:
        pytest.skip(f"transformers {RELEASE} still has the old names")
    with pytest.raises(AdapterError, match=r"migrate_adapter\("):
        load_adapter(load_base(base), case)


def test_migration_leaves_the_source_alone_and_copies_what_else_it_holds(tmp_path: Path) -> None:
    source = tmp_path / "adapter"
    shutil.copytree(OLD / "4.57.6" / "vit", source)
    (source / "labels.json").write_text("[1, 2]")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    migration = migrate_adapter(source, base=OLD / "base" / "vit")
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    if not migration.changed:
        pytest.skip(f"transformers {RELEASE} still has the old names")
    assert migration.output == tmp_path / "adapter-migrated"
    assert (migration.output / "labels.json").read_text() == "[1, 2]"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    with pytest.raises(AdapterError, match="exists already"):
        migrate_adapter(source, base=OLD / "base" / "vit")


def test_a_second_migration_has_nothing_to_do(tmp_path: Path) -> None:
    first = migrate_adapter(OLD / "4.57.6" / "vit", tmp_path / "new", base=OLD / "base" / "vit")
    again = migrate_adapter(first.output, base=OLD / "base" / "vit")
    assert not again.changed
    assert again.output == first.output
    copied = migrate_adapter(first.output, tmp_path / "copy", base=OLD / "base" / "vit")
    assert not copied.changed
    assert (
        load_file(copied.output / "adapter_model.safetensors").keys()
        == load_file(first.output / "adapter_model.safetensors").keys()
    )


def test_an_adapter_of_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="neither in"):
        migrate_adapter(OLD / "4.57.6" / "vit", tmp_path / "new", base=OLD / "base" / "siglip_vision")


def test_an_adapter_of_another_size_is_refused(tmp_path: Path) -> None:
    if Version(RENAMED_IN["vit"]) > RELEASE:
        pytest.skip(f"transformers {RELEASE} still has the old names")
    wider = tmp_path / "wider"
    config = load_config(OLD / "base" / "vit")
    config.hidden_size = 24
    classification_class(config)(config).save_pretrained(wider)
    with pytest.raises(AdapterError, match="another base model"):
        migrate_adapter(OLD / "4.57.6" / "vit", tmp_path / "new", base=wider)
    assert not (tmp_path / "new").exists()


def test_without_a_class_in_the_adapter_its_task_and_its_base_say_it(tmp_path: Path) -> None:
    """The bare model has the same layers under shorter names: an adapter renamed to those would fit nothing."""
    for name, model_class in (("llama", "LlamaForCausalLM"), ("bert", "BertForSequenceClassification")):
        migration = migrate_adapter(OLD / "4.57.6" / name, base=OLD / "base" / name)
        assert (migration.model_class, migration.changed) == (model_class, False)
    source = tmp_path / "vit"
    shutil.copytree(OLD / "4.57.6" / "vit", source)
    config = json.loads((source / "adapter_config.json").read_text())
    for task in ("SEQ_CLS", "FEATURE_EXTRACTION", None):  # none of them is right, and the names decide
        (source / "adapter_config.json").write_text(json.dumps({**config, "auto_mapping": None, "task_type": task}))
        assert migrate_adapter(source, tmp_path / str(task), base=OLD / "base" / "vit").model_class == (
            "ViTForImageClassification"
        )


def test_experts_that_became_one_tensor_are_refused_with_the_way_out(tmp_path: Path) -> None:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.MixtralConfig(vocab_size=16, num_key_value_heads=1, num_local_experts=2, **sizes)
    config.architectures = ["MixtralForCausalLM"]
    config.save_pretrained(tmp_path / "base")
    source = tmp_path / "adapter"
    source.mkdir()
    (source / "adapter_config.json").write_text('{"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2}')
    module = "base_model.model.model.layers.0.block_sparse_moe.experts.0.w1"
    weights = {f"{module}.lora_A.weight": torch.ones(2, 16), f"{module}.lora_B.weight": torch.ones(32, 2)}
    save_file(weights, source / "adapter_model.safetensors")
    with pytest.raises(AdapterError, match=r"one tensor of several.*merge_and_unload"):
        migrate_adapter(source, base=tmp_path / "base")


def test_a_module_saved_whole_is_named_as_it_is_now(tmp_path: Path) -> None:
    if Version(RENAMED_IN["vit"]) > RELEASE:
        pytest.skip(f"transformers {RELEASE} still has the old names")
    migration = migrate_adapter(OLD / "4.57.6" / "vit_norms", tmp_path / "new", base=OLD / "base" / "vit")
    saved = json.loads((migration.output / "adapter_config.json").read_text())["modules_to_save"]
    assert sorted(saved) == ["classifier", "vit.layers.0.layernorm_before", "vit.layers.1.layernorm_before"]


def test_a_missing_base_is_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "adapter"
    shutil.copytree(OLD / "4.57.6" / "vit", source)
    config = json.loads((source / "adapter_config.json").read_text())
    for base in (None, str(tmp_path / "gone")):
        (source / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": base}))
        with pytest.raises(AdapterError, match="pass base="):
            migrate_adapter(source)


def test_other_kinds_of_adapter_and_no_adapter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="no folder"):
        migrate_adapter(tmp_path / "nothing")
    with pytest.raises(AdapterError, match=r"no adapter_config\.json"):
        migrate_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "IA3"}')
    with pytest.raises(AdapterError, match="IA3"):
        migrate_adapter(tmp_path)


def test_a_truncated_weight_file_is_named(tmp_path: Path) -> None:
    source = tmp_path / "adapter"
    shutil.copytree(OLD / "4.57.6" / "vit", source)
    whole = (source / "adapter_model.safetensors").read_bytes()
    (source / "adapter_model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors cannot be read"):
        migrate_adapter(source, base=OLD / "base" / "vit")


def test_one_wrong_weight_is_seen(tmp_path: Path) -> None:
    """The comparison of outputs has power: a change of one weight by a thousandth fails it."""
    case = OLD / "4.57.6" / "vit"
    migration = migrate_adapter(case, tmp_path / "new", base=base_of(case))
    folder = tmp_path / "bent"
    shutil.copytree(migration.output, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    name = next(name for name in weights if "lora_B" in name)
    weights[name][0, 0] += 1e-3
    save_file(weights, folder / "adapter_model.safetensors")
    output, expected = output_of(load_adapter(load_base(base_of(case)), folder), case)
    assert (output - expected).abs().max() > 5 * ROUNDING

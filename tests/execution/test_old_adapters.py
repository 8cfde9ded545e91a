"""Adapters of transformers 4.57 compute, once migrated, what they compute there: to the last bit, on one machine.

Outputs that were recorded elsewhere cannot show it: processors round the last bits of a matrix product differently.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .environments import Environment

pytestmark = pytest.mark.execution

OLD = Path(__file__).parent.parent / "runtime" / "old_adapters"
RELEASE = "4.57.6"
CASES = sorted(path.parent.name for path in (OLD / RELEASE).glob("*/adapter_config.json"))


@pytest.fixture(scope="module")
def outputs(v4: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the old release computes, here and now."""
    folder = tmp_path_factory.mktemp("outputs")
    done = subprocess.run([v4.python, OLD / "compute.py", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_migrated_adapter_gives_the_same_bits(name: str, outputs: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the runtime is not installed here")
    import transformers
    from safetensors.torch import load_file

    from v5lint.runtime.adapters import load_adapter
    from v5lint.runtime.migrate import migrate_adapter

    case = OLD / RELEASE / name
    base = OLD / json.loads((case / "adapter_config.json").read_text())["base_model_name_or_path"]
    architecture = json.loads((base / "config.json").read_text())["architectures"][0]
    migration = migrate_adapter(case, tmp_path / "new", base=base)
    loaded = getattr(transformers, architecture).from_pretrained(base, dtype=torch.float32).eval()
    model = load_adapter(loaded, migration.output)
    with torch.no_grad():
        output = model(pixel_values=load_file(case / "expected.safetensors")["pixel_values"])[0]
    expected = load_file(outputs / f"{name}.safetensors")["output"]
    if name == "dinov2_swiglu":
        # The release itself cut one matrix product of the base model in two, and a shorter product may round otherwise.
        torch.testing.assert_close(output, expected, rtol=0, atol=5e-7)
    else:
        assert torch.equal(output, expected), (output - expected).abs().max()

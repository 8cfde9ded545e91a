"""Adapters of transformers 4.57 compute, once migrated, what they compute there: to the last bit, on one machine.

Outputs that were recorded elsewhere cannot show it: processors round the last bits of a matrix product differently.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .environments import Environment

pytestmark = pytest.mark.execution

OLD = Path(__file__).parent.parent / "runtime" / "old_adapters"
RELEASE = "4.57.6"
CASES = sorted(path.parent.name for path in (OLD / RELEASE).glob("*/adapter_config.json"))
ROUNDED = {
    # The release itself cut one matrix product of the base model in two (`weights_in` into `gate_proj` and `up_proj`,
    # 5.18.0), and a shorter product may round otherwise: with the two weights joined again, every bit is the same.
    "dinov2_swiglu": 5e-7,
    # Since 5.24.0 `Siglip2VisionEmbeddings.resize_positional_embeddings` is a matrix product in place of
    # `F.interpolate`, which sums in another order. All that follows is unchanged: with the method of 5.23 put back,
    # every bit is the same in Siglip2VisionModel, Siglip2Model and Siglip2ForImageClassification. On the grid that the
    # positions were made for (the case `siglip2_vision`) the weights are 0 and 1, and nothing is rounded. A grid of one
    # column is left out: there `F.interpolate` with antialias=True resizes no rows on a CPU (torch 2.13, 2.14), so that
    # up to 5.23 all rows had the same position, and since 5.24 have their own.
    "siglip2_vision_other_grid": 5e-7,
}
"""Cases whose base model computes otherwise since then, with how far the output may be from the old one."""
EAGER = frozenset({"segformer"})
"""Cases of families that attend by torch's fused function since 5.x and had the eager way alone: the base model without
an adapter differs by a last bit (6e-8) between the two, and by nothing where both are eager."""


@pytest.fixture(scope="module")
def outputs(v4: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the old release computes, here and now."""
    folder = tmp_path_factory.mktemp("outputs")
    done = subprocess.run([v4.python, OLD / "compute.py", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """What `compute.py` has as well."""
    torch = pytest.importorskip("torch", reason="the runtime is not installed here")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
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
    way = {"attn_implementation": "eager"} if name in EAGER else {}
    loaded = getattr(transformers, architecture).from_pretrained(base, dtype=torch.float32, **way).eval()
    recorded = load_file(case / "expected.safetensors")
    inputs = {key: tensor for key, tensor in recorded.items() if key != "output"}
    model = load_adapter(loaded, migration.output, inputs=inputs)
    with torch.no_grad():
        output = model(**inputs)[0]
    expected = load_file(outputs / f"{name}.safetensors")["output"]
    if name in ROUNDED:
        torch.testing.assert_close(output, expected, rtol=0, atol=ROUNDED[name])
    else:
        assert torch.equal(output, expected), (output - expected).abs().max()

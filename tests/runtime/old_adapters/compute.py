"""Compute anew, with the installed release, what its adapters of this folder give: python compute.py FOLDER.

FOLDER/<case>.safetensors has the output for the recorded inputs. Only transformers and PEFT are used, so that it runs
under the release that the adapters were made with, on the machine at hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import PeftModel
from safetensors.torch import load_file, save_file

HERE = Path(__file__).parent


def output(case: Path) -> torch.Tensor:
    """Give the output of an adapter as PEFT saved it, on its base model."""
    base = HERE / json.loads((case / "adapter_config.json").read_text())["base_model_name_or_path"]
    architecture = json.loads((base / "config.json").read_text())["architectures"][0]
    loader: Any = getattr(transformers, architecture)
    model = PeftModel.from_pretrained(loader.from_pretrained(base), case).eval()
    recorded = load_file(case / "expected.safetensors")
    with torch.no_grad():
        computed: torch.Tensor = model(**{name: tensor for name, tensor in recorded.items() if name != "output"})[0]
    return computed.contiguous()


def main() -> None:
    """Write the outputs of every adapter of the installed release."""
    torch.set_num_threads(1)  # how a sum is shared by threads decides over its last bits
    folder = Path(sys.argv[1])
    for case in sorted(path.parent for path in (HERE / transformers.__version__).glob("*/adapter_config.json")):
        save_file({"output": output(case)}, folder / f"{case.name}.safetensors")


if __name__ == "__main__":
    main()

"""Builds every model of an installed transformers on the meta device and writes down the names of its linear layers.

This is the one collector that runs transformers. Run it by its path, with the Python of an environment that has torch
and the release to be read (no weights, no network, no other part of v5lint are needed):

    python rules/knowledge/collect/linear_names.py FOLDER

It writes FOLDER/linear-<release>.json: "linear" model type -> paths of the linear layers of its `AutoModel` class with
every number replaced by `*`; "heads" class -> the linear layers that it has beside its base model; "failed" what could
not be built, with the reason.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import re
import signal
import sys
import types
import warnings
from pathlib import Path
from typing import Any

SECONDS_PER_MODEL = 60
LAYER_COUNTS = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers", "depth",
    "num_encoder_layers", "num_decoder_layers", "num_hidden_groups",
)  # fmt: skip
"""Counts that are cut down first, because a model of 2 layers has the same names as one of 80."""


def main() -> None:
    """Read the options and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--heads", action="store_true", help="also build the classes with heads (takes minutes)")
    parser.add_argument(
        "--ignore-pins", action="store_true", help="let the release run with other tokenizers than it pins"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if options.ignore_pins:
        _ignore_pins()

    transformers: Any = importlib.import_module("transformers")
    found = collect(heads=options.heads)
    options.folder.mkdir(parents=True, exist_ok=True)
    target = options.folder / f"linear-{transformers.__version__}.json"
    target.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{target}: {len(found['linear'])} model types, {len(found['heads'])} heads, {len(found['failed'])} failed")


def collect(*, heads: bool) -> dict[str, Any]:
    """Build the models; see the module for what comes back."""
    modeling_auto: Any = importlib.import_module("transformers.models.auto.modeling_auto")
    bases: dict[str, Any] = dict(modeling_auto.MODEL_MAPPING_NAMES)
    for model_type, name in modeling_auto.MODEL_FOR_PRETRAINING_MAPPING_NAMES.items():
        bases.setdefault(model_type, name)
    found: dict[str, Any] = {"linear": {}, "heads": {}, "failed": {}}
    for model_type, named in sorted(bases.items()):
        name = named if isinstance(named, str) else named[0]
        model = _attempt(found, name, model_type)
        if model is not None:
            found["linear"][model_type] = sorted(linear_paths(model))
    if heads:
        for table in sorted(vars(modeling_auto)):
            if table.startswith("MODEL_") and table.endswith("_MAPPING_NAMES") and table != "MODEL_MAPPING_NAMES":
                for model_type, named in sorted(getattr(modeling_auto, table).items()):
                    for name in [named] if isinstance(named, str) else named:
                        if name not in found["heads"] and name not in found["failed"]:
                            model = _attempt(found, name, model_type)
                            if model is not None:
                                found["heads"][name] = sorted(head_paths(model))
    return found


def linear_paths(model: Any) -> set[str]:
    """Give the paths of the linear layers of a model, with `*` for every number."""
    return {
        re.sub(r"(?<=\.)\d+(?=\.|$)", "*", "." + path)[1:]
        for path, module in model.named_modules()
        if is_linear(module)
    }


def head_paths(model: Any) -> set[str]:
    """Give the paths of the linear layers that lie outside the base model."""
    prefix = getattr(model, "base_model_prefix", "")
    if not prefix or not hasattr(model, prefix):
        return set()
    return {path for path in linear_paths(model) if path.split(".")[0] != prefix}


def is_linear(module: Any) -> bool:
    """Tell whether LoRA treats a module as a linear layer."""
    torch: Any = importlib.import_module("torch")
    pytorch_utils: Any = importlib.import_module("transformers.pytorch_utils")
    return isinstance(module, (torch.nn.Linear, pytorch_utils.Conv1D))


def _attempt(found: dict[str, Any], name: str, model_type: str) -> Any:
    """Build a model with few layers, else with its default configuration; a failure is written down.

    Detectors whose default backbone is timm's get transformers' own ResNet in a last attempt.
    """
    reasons = []
    for shrink, options in ((True, {}), (False, {}), (True, {"use_timm_backbone": False})):
        signal.signal(signal.SIGALRM, _give_up)
        signal.alarm(SECONDS_PER_MODEL)
        try:
            return build(name, model_type, options, shrink=shrink)
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {str(error).strip()[:200]}")
        finally:
            signal.alarm(0)
    found["failed"][f"{model_type}:{name}"] = reasons[0]
    return None


def build(name: str, model_type: str, options: dict[str, Any], *, shrink: bool) -> Any:
    """Make a model without weights from the default configuration of its type.

    Args:
        name: the class.
        model_type: its type.
        options: what to change in the configuration.
        shrink: whether to cut the number of layers down.
    """
    torch: Any = importlib.import_module("torch")
    model_class: Any = getattr(importlib.import_module("transformers"), name)
    configurations: Any = importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    if options:
        resnet = configurations["resnet"](out_features=["stage4"])
        options = {**options, "backbone_config": resnet, "backbone": None, "use_pretrained_backbone": False}
    config = configurations[model_type](**options)
    if shrink:
        _shrink(config, set())
    with torch.device("meta"):
        return model_class(config)


def _shrink(config: Any, seen: set[int]) -> None:
    """Cut the layer counts of a configuration and of those inside it to 2."""
    if id(config) in seen:
        return
    seen.add(id(config))
    for count in LAYER_COUNTS:
        value = getattr(config, count, None)
        if isinstance(value, int) and value > 2:
            setattr(config, count, 2)
            for attribute, entry in list(vars(config).items()):
                if isinstance(entry, list) and len(entry) == value:
                    setattr(config, attribute, entry[:2])
    base = importlib.import_module("transformers").PretrainedConfig
    for value in list(vars(config).values()):
        if isinstance(value, base):
            _shrink(value, seen)


def _ignore_pins() -> None:
    """Take the place of the module in which transformers compares the installed versions with its pins."""
    stand_in: Any = types.ModuleType("transformers.dependency_versions_check")
    stand_in.dep_version_check = lambda *arguments, **options: None
    sys.modules[stand_in.__name__] = stand_in


def _give_up(_signal: int, _frame: Any) -> None:
    raise TimeoutError(f"not built within {SECONDS_PER_MODEL} s")


if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file holds modules with names of the standard library's kind
    main()

"""Which linear layers of a class transformers 4 left alone when it quantized, where version 5 takes them as well."""

from __future__ import annotations

from v5lint.rules.knowledge.data import short_name
from v5lint.rules.knowledge.tables import table

_read: dict[str, tuple[str, ...]] = {}


def unquantized_layers(model_class: str) -> tuple[str, ...] | None:
    """Give the linear layers of a class that 4.57 leaves alone without `llm_int8_skip_modules`.

    Args:
        model_class: short name or dotted path of a class that some Auto class loads.

    Returns:
        Their paths, "classifier", under the name of every release that has one; "*" among them stands for one whose
        path is the checkpoint's. None where the newest release leaves the same ones alone, or the class is not known.
    """
    if not _read:
        renamed = table("renamed_layers")
        for layers, names in table("unquantized").items():
            of_all = [name for each in layers.split() for name in (each, renamed.get(each)) if name]
            _read.update(dict.fromkeys(names, tuple(of_all)))
    return _read.get(short_name(model_class))

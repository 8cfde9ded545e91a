"""Collects which checkpoints transformers itself names, and the `model_type` of each."""

from __future__ import annotations

import re
import zipfile
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from v5lint.rules.knowledge.collect.namespace import Namespace

_FILE = re.compile(
    r"transformers/models/(?:deprecated/)?(\w+)/(?:configuration|modeling|modular)_(?!tf_|flax_)\w+\.py\Z"
)
_LIST = re.compile(r"_ARCHIVE_LIST\b[^=\n]*= *(\[.*?^\])", re.DOTALL | re.MULTILINE)
_MAP = re.compile(r"_ARCHIVE_MAP\b[^=\n]*= *(\{.*?^\})", re.DOTALL | re.MULTILINE)
_SINGLE = re.compile(r'(?:_CHECKPOINT_FOR_DOC|\bcheckpoint) *= *"([\w./-]+)"')
_QUOTED = re.compile(r'"([\w./-]+)"')
_KEY = re.compile(r'^ *"([\w./-]+)":', re.MULTILINE)
_MADE_UP = ("hf-internal-testing/", "path/", "your-", "dummy")


def read_checkpoints(path: Path, namespace: Namespace) -> dict[str, str]:
    """Read the checkpoints that the model files of one wheel name.

    Args:
        path: the wheel.
        namespace: the names of that release.

    Returns:
        Repository -> model type, for those that belong to one type.
    """
    types = folder_types(namespace)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    with zipfile.ZipFile(path) as archive:
        for file in archive.namelist():
            match = _FILE.match(file)
            if match and types.get(match[1]):
                for checkpoint in set(checkpoints_in(archive.read(file).decode("utf-8"))):
                    votes[checkpoint][types[match[1]]] += 1
    return {checkpoint: counts.most_common(1)[0][0] for checkpoint, counts in votes.items() if len(counts) == 1}


def checkpoints_in(text: str) -> list[str]:
    """Give the checkpoints that a model file lists as its own.

    The examples in docstrings do not count: some load a checkpoint of another type than their file's.
    """
    found = _SINGLE.findall(text)
    for block in _LIST.findall(text):
        found += _QUOTED.findall(block)
    for block in _MAP.findall(text):
        found += _KEY.findall(block)
    return [name for name in found if not name.startswith(_MADE_UP)]


def folder_types(namespace: Namespace) -> dict[str, str]:
    """Give the model type that each folder under `models` is named after, where it has one."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, facts in namespace.modules.items():
        parts = module.split(".")
        if "models" in parts[:2] and parts[-1].startswith("configuration_"):
            for own in facts.get("classes", {}).values():
                value = own.get("constants", {}).get("model_type")
                if isinstance(value, str) and value:
                    found[parts[-2]].add(value)
    result = {}
    for folder, values in found.items():
        named = [value for value in sorted(values) if value.replace("-", "_") == folder]
        result[folder] = next(iter(values)) if len(values) == 1 else (named[0] if named else "")
    return result

"""What the name of a checkpoint says: the `model_type` behind "google/vit-base-patch16-224".

Names on the Hub follow the model: most hold the model type as a word. The few well-known ones that do not stand in
`knowledge/checkpoints.toml`.
"""

from __future__ import annotations

import functools
import re

from v5lint.rules.knowledge import lookup

_WORDS = re.compile(r"[^a-z0-9]+")


@functools.cache
def _spelled() -> dict[str, str]:
    """Model types by their name as words without separators: "layoutlmv2", "visionencoderdecoder"."""
    return {_WORDS.sub("", name): name for name in lookup.model_types("4.57") + lookup.model_types()}


@functools.cache
def model_type_of(checkpoint: str) -> str:
    """The `model_type` that the name of a checkpoint tells; "" when it tells none.

    Args:
        checkpoint: a repository on the Hub or the path of a folder.
    """
    known = getattr(lookup, "checkpoint_model_type", lambda name: "")(checkpoint)
    if known:
        return str(known)
    name = checkpoint.rstrip("/").rpartition("/")[2].lower()
    words = [word for word in _WORDS.split(name) if word]
    spelled = _spelled()
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length + 1):
            found = spelled.get("".join(words[start : start + length]))
            if found:
                return found
    return ""


@functools.cache
def preprocessor_kind(checkpoint: str) -> str:
    """What a checkpoint's preprocessor takes: "image", "audio" or "" where its name does not tell."""
    return kind_of_model_type(model_type_of(checkpoint))


@functools.cache
def kind_of_model_type(name: str) -> str:
    """What the preprocessor of a model type takes: "image", "audio" or "" (text, or both)."""
    # The newest tables first: those of 4.57 list the vision extractors among the feature extractors.
    facts = lookup.model_type(name) or lookup.model_type(name, "4.57")
    if facts is None:
        return ""
    images = bool(facts.image_processors or facts.video_processors) or "image" in facts.modalities
    sounds = bool(facts.feature_extractors) or "audio" in facts.modalities
    if images is sounds:
        return ""
    return "image" if images else "audio"

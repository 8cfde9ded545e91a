"""Which linear layers a name means in a model family, release by release, as PEFT matches names."""

from __future__ import annotations

import functools
import re

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from v5lint.releases import Release

#: What 5.x calls the layers whose old paths end so; the longest ending counts.
_RENAMED = {
    "query": "q_proj",
    "key": "k_proj",
    "value": "v_proj",
    "attention.output.dense": "o_proj",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "mlp.dense1": "fc1",
    "mlp.dense2": "fc2",
    "attn.out_proj": "o_proj",
    "attention.out_proj": "o_proj",
    "self_attn.out_proj": "o_proj",
    "encoder_attn.out_proj": "o_proj",
    "sa_v_proj": "v_proj",
    "ca_v_proj": "v_proj",
    "sa_qcontent_proj": "q_content_proj",
    "ca_qcontent_proj": "q_content_proj",
    "sa_kcontent_proj": "k_content_proj",
    "ca_kcontent_proj": "k_content_proj",
    "sa_qpos_proj": "q_pos_proj",
    "ca_qpos_proj": "q_pos_proj",
    "sa_kpos_proj": "k_pos_proj",
    "ca_kpos_proj": "k_pos_proj",
    "ca_qpos_sine_proj": "q_pos_sine_proj",
}

#: Query, key and value layers, however families call them: names that mean nothing else.
_ATTENTION = frozenset(
    "query key value q_proj k_proj v_proj q_lin k_lin v_lin qkv query_key_value c_attn Wqkv to_q to_k to_v".split()
)

#: What may stand before a path of the base model in the model that is adapted.
_PREFIXES = ("", "model.", "base_model.", "encoder.")

#: Parts of a model that a path of a layer in it never leaves out.
_TOWERS = frozenset({"vision_model", "text_model"})

_DIGITS = ("0", "1", "5", "11")

#: The first release of which everything is known, and how the newest 4.x is named.
_BEFORE = "4.57"


@functools.cache
def layer_paths(model_type: str, release: str) -> frozenset[str]:
    """The paths of the linear layers that a family repeats, with `*` for their numbers; empty where not known."""
    return frozenset(path for path in lookup.linear_names(model_type, release) or () if "*" in path)


@functools.cache
def matched(target: str, model_type: str, release: str, *, is_pattern: bool = False) -> frozenset[str]:
    """The repeated linear layers of a family that a target means in a release.

    Args:
        target: one of the names in a list, which match the end of a path; or the one pattern for whole paths.
        model_type: "vit".
        release: "5.23".
        is_pattern: which of the two it is.
    """
    paths = layer_paths(model_type, release)
    if not is_pattern:
        return frozenset(path for path in paths if _ends_with(path, target))
    try:
        pattern = re.compile(target)
    except re.error:
        return frozenset()
    own = () if model_type.endswith(tuple(_TOWERS)) else (f"{model_type}.", f"{model_type.partition('_')[0]}.")
    prefixes = (*_PREFIXES, *own)
    return frozenset(path for path in paths if any(pattern.fullmatch(p + each) for p in prefixes for each in _at(path)))


def _at(path: str) -> list[str]:
    return [path.replace("*", digit) for digit in _DIGITS]


def _ends_with(path: str, target: str) -> bool:
    """Whether a name means a path: it is its end, or the whole of it behind a prefix."""
    parts, wanted = path.split("."), target.split(".")
    if len(wanted) > len(parts) and wanted[len(wanted) - len(parts) - 1] in _TOWERS:
        return False  # the layers of a tower that is flat now are no longer under its name
    tail = list(zip(reversed(parts), reversed(wanted), strict=False))
    return all(part == want or (part == "*" and want.isdigit()) for part, want in tail)


class Renamed:
    """What became of a target.

    Attributes:
        target: the name.
        news: what to write instead, in order; empty where that cannot be said by names.
        since: the release in which it stopped to mean anything.
    """

    __slots__ = ("news", "since", "target")

    def __init__(self, target: str, news: tuple[str, ...], since: str) -> None:
        self.target = target
        self.news = news
        self.since = since


def renamed(target: str, model_type: str, release: Release, *, is_pattern: bool = False) -> Renamed | None:
    """What became of a target that meant layers of a family under 4.x and means none in a release.

    Returns:
        None where it still means some, never did, or its layers did not go on as linear layers of another name.
    """
    now = library.release_text(release)
    old = matched(target, model_type, _BEFORE, is_pattern=is_pattern)
    paths = layer_paths(model_type, now)
    if not old or not paths or matched(target, model_type, now, is_pattern=is_pattern):
        return None
    news = {new_leaf(path) or path.rpartition(".")[2] for path in old}
    leaves = {path.rpartition(".")[2] for path in paths}
    if not news <= leaves:
        return None
    since = gone_in(target, model_type, release, is_pattern=is_pattern)
    means = {path for new in news for path in matched(new, model_type, now)}
    exact = not is_pattern and len(means) == len(old) and not any(part.isdigit() for part in target.split("."))
    order = [*dict.fromkeys(_RENAMED.values())]
    known = sorted(news, key=lambda name: (order.index(name) if name in order else len(order), name))
    return Renamed(target, tuple(known) if exact else (), since)


def listed_in(pattern: str, model_type: str, release: str) -> bool:
    """Whether a family keeps its layers in a list of a name, as `LoraConfig(layers_pattern=...)` finds them."""
    try:
        expression = re.compile(rf"(?:^|.*?\.){pattern}\.\d+\.")
    except re.error:
        return True
    return any(expression.match(each) for path in layer_paths(model_type, release) for each in _at(path))


def lists(model_type: str, release: str) -> set[str]:
    """What a family calls the lists that hold its layers: "layers"."""
    return {match[1] for path in layer_paths(model_type, release) if (match := re.search(r"(\w+)\.\*", path))}


def gone_in(target: str, model_type: str, release: Release, *, is_pattern: bool = False) -> str:
    """The first 5.x release, up to one, in which a target means no layer of a family."""
    return first(release, lambda text: not matched(target, model_type, text, is_pattern=is_pattern), model_type)


def first(release: Release, is_so: Callable[[str], bool], model_type: str) -> str:
    """The first minor of a major, up to a release, of which something is true, as far as the layers of a family go."""
    for minor in range(release[1] + 1 if len(release) > 1 else 1):
        text = f"{release[0]}.{minor}"
        if layer_paths(model_type, text) and is_so(text):
            return text
    return library.release_text(release)


def new_leaf(path: str) -> str:
    """What 5.x calls the layer at a path of 4.x, where it is one of those that were renamed; else ""."""
    endings = [end for end in _RENAMED if path == end or path.endswith(f".{end}")]
    return _RENAMED[max(endings, key=len)] if endings else ""


def attention_names(model_type: str, release: Release) -> tuple[str, ...]:
    """How a family calls its query, key and value layers, for a message."""
    leaves = {path.rpartition(".")[2] for path in layer_paths(model_type, library.release_text(release))}
    return tuple(sorted(leaves & _ATTENTION))


def is_foreign(target: str, model_type: str, release: Release) -> bool:
    """Whether a name means an attention layer in other families, and in this one never did."""
    texts = (library.release_text(release), _BEFORE)
    known = all(layer_paths(model_type, text) for text in texts[:1])
    return known and target in _ATTENTION and not any(matched(target, model_type, text) for text in texts)

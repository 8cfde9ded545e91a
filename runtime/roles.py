"""Which module of a model plays which role: query, key, value, output, MLP, head, patch embedding, tower.

Roles are found in the modules of the model at hand, never assumed from a release: what was
`vit.encoder.layer.0.attention. attention.query` in transformers 5.8 is `vit.layers.0.attention.q_proj` in 5.9. The
spellings stand in `roles.toml`. A model wrapped by PEFT or quantised by bitsandbytes is read like the bare one, with
the paths that its own `named_modules` has.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from torch import nn

from v5lint.runtime.families import find_family
from v5lint.runtime.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

Role = Literal["query", "key", "value", "output", "mlp"]
ROLES: tuple[Role, ...] = get_args(Role)
Tower = Literal["vision", "text", "both"]
_GIVEN_WEIGHT = re.compile(r"(?:\bF\.linear\(\w+, weight=|\w*proj_weight=|^\s+)self\.(\w+)\.weight,", re.MULTILINE)
"""A weight that is an argument of a function, on a line of its own or beside what it is multiplied with."""


@dataclass(frozen=True)
class EncoderLayer:
    """The Linear layers of one numbered layer of an encoder, as full module paths.

    Attributes:
        name: Path of the layer, for example `vit.layers.0`, or `model.stages.2.layers.1`. A layer that has a second
            attention (on another sequence, or over time) has an entry more for it, by the path of that attention.
        query: Path of the query projection; the fused projection where there is one for all three.
        key: Path of the key projection, or the fused one.
        value: Path of the value projection, or the fused one.
        output: Path of the projection behind the attention.
        mlp: Paths of the feed-forward projections, in the order of the data.
        fused: Whether query, key and value are one Linear: adapting one of them adapts all three.
    """

    name: str
    query: str | None = None
    key: str | None = None
    value: str | None = None
    output: str | None = None
    mlp: tuple[str, ...] = ()
    fused: bool = False

    def paths(self, role: Role) -> tuple[str, ...]:
        """The paths of a role; empty where the layer has no such projection."""
        if role == "mlp":
            return self.mlp
        path: str | None = getattr(self, role)
        return () if path is None else (path,)


@dataclass
class _Found:
    roles: dict[str, str] = field(default_factory=dict)
    mlp: list[str] = field(default_factory=list)
    fused: bool = False


def is_linear(module: object) -> bool:
    """Whether a module is a Linear layer: torch's, a quantised one, GPT-2's `Conv1D`, or one adapted by PEFT."""
    base = getattr(module, "base_layer", None)
    if base is not None:
        return is_linear(base)
    return isinstance(module, nn.Linear) or (type(module).__name__ == "Conv1D" and hasattr(module, "nf"))


def linear_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Every Linear layer of a model by its path, without those that only PEFT or a fused kernel reads.

    The inside of an adapted layer (`base_layer`, `lora_A`) is not listed, nor are the frozen copies that PEFT keeps
    of a head, nor `uncalled_linears`: an adapter on one of these is counted as trained and changes nothing.
    """
    found: dict[str, nn.Module] = {}
    skipped: tuple[str, ...] = tuple(f"{path}." for path in uncalled_linears(model))
    for path, module in model.named_modules():
        if f"{path}.".startswith(skipped):
            continue
        if hasattr(module, "modules_to_save") and hasattr(module, "original_module"):
            skipped += (f"{path}.original_module.",)
            if is_linear(module.original_module):
                skipped += (f"{path}.",)
                found[path] = module.original_module
        elif is_linear(module):
            found[path] = module
            if hasattr(module, "base_layer"):
                skipped += (f"{path}.",)
    return found


def encoder_layers(model: nn.Module, tower: Tower = "vision") -> list[EncoderLayer]:
    """The numbered layers of a model with the role of each of their Linear layers, in the model's order.

    Args:
        model: Any model of transformers or timm, bare, adapted or quantised.
        tower: Which tower of a dual encoder; a model with one tower is that tower.

    Returns:
        One entry a layer. Linear layers outside a numbered layer (heads, poolers, patch embeddings) are not among them.
    """
    children: dict[str, dict[str, str]] = {}
    for path in numbered_linears(model, tower):
        parent, _, leaf = path.rpartition(".")
        children.setdefault(parent, {})[leaf] = path
    layers: dict[str, _Found] = {}
    attentions: dict[str, _Found] = {}
    for parent, leaves in children.items():
        name = _layer_of(f"{parent}.") or parent
        found = layers.setdefault(name, _Found())
        attention = _attention(leaves, type(model.get_submodule(parent)).__name__)
        if attention:
            if found.roles:
                found = layers.setdefault(parent, _Found())
            found.roles.update(attention)
            found.fused = "fused" in attention
            attentions[parent] = found
    for parent, leaves in children.items():
        if parent in attentions:
            continue
        found = layers[_layer_of(f"{parent}.") or parent]
        for leaf, path in leaves.items():
            attended = _attention_before(parent, leaf, attentions)
            if attended is not None:
                attended.roles.setdefault("output", path)
            elif "attention" in parent.rpartition(".")[0].rpartition(".")[2]:
                continue  # the output of an attention that is not known
            elif leaf in _names()["mlp"] or f"{parent.rpartition('.')[2]}.{leaf}" in _names()["mlp"]:
                found.mlp.append(path)
    return [_layer(name, found) for name, found in layers.items() if found.roles or found.mlp]


def numbered_linears(model: nn.Module, tower: Tower = "vision") -> dict[str, str]:
    """The Linear layers inside the numbered layers of a tower by path, with the layer that each lies in.

    Args:
        model: Any model of transformers or timm, bare, adapted or quantised.
        tower: Which tower of a dual encoder; a model with one tower is that tower.
    """
    prefixes = tower_prefixes(model, tower)
    found: dict[str, str] = {}
    for path in linear_modules(model):
        layer = _layer_of(path)
        outside = prefixes and not any(path.startswith(f"{prefix}.") or f".{prefix}." in path for prefix in prefixes)
        if layer is not None and not outside:
            found[path] = layer
    return found


def tower_prefixes(model: nn.Module, tower: Tower) -> tuple[str, ...]:
    """The names of the children that make up a tower of a dual encoder; empty for a model with one tower."""
    if tower == "both":
        return ()
    names = {name.rpartition(".")[2] for name, _ in model.named_modules() if name.count(".") <= 3}
    vision = tuple(name for name in _names()["vision"] if name in names)
    text = tuple(name for name in _names()["text"] if name in names)
    if not (vision and text):
        return ()
    return vision if tower == "vision" else text


def classification_head(model: nn.Module) -> tuple[str, ...]:
    """Paths of the modules that map features to class scores, as `modules_to_save` wants them.

    A head is a Linear outside the numbered layers with one output a label; where it is part of a larger module beside
    the backbone, that module is the head. Several, where a model has several (DeiT's distilled head); empty for a
    bare model.
    """
    bare = unwrap(model)
    prefix = _path_of(model, bare)
    timm_model = getattr(bare, "timm_model", None)
    if timm_model is not None:
        if not getattr(bare, "num_labels", None):
            return ()
        head = timm_model.get_classifier()
        return tuple(path for path, module in model.named_modules() if module is head)
    # T5 and others have the number in their configuration alone.
    labels = getattr(bare, "num_labels", None) or getattr(getattr(bare, "config", None), "num_labels", None)
    if not labels or "Classification" not in type(bare).__name__:
        return ()
    beside: dict[str, None] = {}
    within: list[str] = []  # in the backbone: also layers whose width happens to be the number of labels
    for path, module in linear_modules(model).items():
        if _layer_of(path) is not None or _out_features(module) != labels:
            continue
        child = path.removeprefix(prefix).split(".", 1)[0]
        has_layers = any(_layer_of(name) for name, _ in getattr(bare, child).named_modules(prefix=child))
        if has_layers:
            within.append(path)
        else:
            beside[prefix + child] = None
    return tuple(beside or within)


def patch_embedding_linears(model: nn.Module) -> tuple[str, ...]:
    """Paths of patch embeddings that are a Linear (NaFlex models), not a convolution.

    A quantiser takes such a layer for one more Linear: in 4 bits the logits then move by 0.74 of their norm, in 8
    bits the forward fails.
    """
    return tuple(path for path in linear_modules(model) if _layer_of(path) is None and "embed" in path)


def uncalled_linears(model: nn.Module) -> tuple[str, ...]:
    """Paths of Linear layers whose weight another module reads without calling them: not to be adapted or quantised.

    Those of `nn.MultiheadAttention`, of WavLM, and the `qkv` of timm's BEiT and EVA, which joins it with biases of
    its own.
    """
    return tuple(f"{path}.{name}" for path, module in model.named_modules() for name in _uncalled_children(module))


def _uncalled_children(module: nn.Module) -> list[str]:
    """The Linear children of a module that it hands to a function by their weight."""
    if isinstance(module, nn.MultiheadAttention):
        return [name for name, child in module.named_children() if is_linear(child)]
    names, sometimes = _read_by_weight(cast("Hashable", type(module)))
    if not (names or sometimes):
        return []
    if getattr(module, "q_bias", None) is not None and not getattr(module, "qkv_bias_separate", False):
        names |= sometimes
    return [name for name in sorted(names) if is_linear(getattr(module, name, None))]


@cache
def _read_by_weight(cls: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Children whose weight a class of transformers or timm hands to a function: always, and in a branch of its own."""
    if not cls.__module__.startswith(("transformers.models.", "timm.")):
        return frozenset(), frozenset()
    try:
        source = inspect.getsource(cls)
    except OSError:  # only its bytecode is installed
        return frozenset(), frozenset()
    read = frozenset(_GIVEN_WEIGHT.findall(source))
    called = frozenset(name for name in read if f"self.{name}(" in source)
    return read - called, called


def backbone_of(model: nn.Module) -> nn.Module:
    """The part of a model without its head: what gives features. The model itself where it has no head."""
    bare = unwrap(model)
    if getattr(bare, "timm_model", None) is not None or not classification_head(bare):
        return bare
    heads = {path.split(".", 1)[0] for path in classification_head(bare)}
    children = [child for name, child in bare.named_children() if name not in heads]
    numbered = [child for child in children if any(_layer_of(name) for name, _ in child.named_modules(prefix="x"))]
    return numbered[0] if len(numbered) == 1 else bare


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside PEFT's, DDP's and torch.compile's wrappers."""
    inner: Any = model
    while True:
        if hasattr(inner, "peft_config") and hasattr(inner, "get_base_model"):
            inner = inner.get_base_model()
        elif isinstance(inner, nn.parallel.DistributedDataParallel):
            inner = inner.module
        elif hasattr(inner, "_orig_mod"):
            inner = inner._orig_mod
        else:
            return cast("nn.Module", inner)


def number_of_prefix_tokens(model: nn.Module) -> int:
    """How many tokens stand before the patch tokens in `last_hidden_state`: class and register tokens."""
    bare = unwrap(model)
    timm_model = getattr(bare, "timm_model", None)
    if timm_model is not None:
        return int(timm_model.num_prefix_tokens)
    family = find_family(bare)
    config: Any = bare.config
    if family is not None and (family.layout == "patches" or family.pooling == "pooler"):
        return 0
    return 1 + int(getattr(config, "num_register_tokens", 0) or 0)


def role_of(name: str) -> str | None:
    """The role that a layer of this name plays wherever there is one: `query` of `q_proj`, `fused` of `qkv`."""
    leaf = name.rpartition(".")[2]
    return next((role for role in ("query", "key", "value", "fused") if leaf in _names()[role]), None)


def describe_linears(model: nn.Module) -> str:
    """The leaf names of a model's Linear layers with how often each occurs, for messages that name what is right."""
    counts: dict[str, int] = {}
    for path in linear_modules(model):
        leaf = path.rpartition(".")[2]
        counts[leaf] = counts.get(leaf, 0) + 1
    return ", ".join(f"{leaf} ({count})" for leaf, count in counts.items())


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    table = read_table("roles")
    names = {
        **table["attention"],
        "ambiguous": table["ambiguous"]["names"],
        "mlp": table["mlp"]["names"],
        **table["towers"],
    }
    return {key: tuple(value) for key, value in names.items()}


def _layer_of(path: str) -> str | None:
    """The numbered layer that a path lies in, innermost: `vit.layers.0` of `vit.layers.0.attention.q_proj`."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if parts[end - 1].isdigit() and end > 1:
            return ".".join(parts[:end])
    return None


def _attention(leaves: Mapping[str, str], class_name: str) -> dict[str, str]:
    """Roles of the children of a module, empty where it is no attention."""
    names = _names()
    known = leaves if "Attention" in class_name else {leaf: leaves[leaf] for leaf in leaves.keys() - names["ambiguous"]}
    found = {
        role: known[name]
        for role in ("query", "key", "value", "fused", "output")
        for name in names[role]
        if name in known
    }
    if "fused" in found:
        return {**found, "query": found["fused"], "key": found["fused"], "value": found["fused"]}
    return found if {"query", "key", "value"} <= found.keys() else {}


def _attention_before(parent: str, leaf: str, attentions: Mapping[str, _Found]) -> _Found | None:
    """Of `attention.output.dense`, the `attention.attention` beside it: the output projection of that lies apart."""
    above, _, _ = parent.rpartition(".")
    if leaf not in _names()["output"] or not above or _layer_of(f"{above}.") == above:
        return None
    return next((found for path, found in attentions.items() if path.rpartition(".")[0] == above), None)


def _layer(name: str, found: _Found) -> EncoderLayer:
    roles = {role: found.roles.get(role) for role in ("query", "key", "value", "output")}
    return EncoderLayer(name=name, mlp=tuple(found.mlp), fused=found.fused, **roles)


def _path_of(model: nn.Module, inner: nn.Module) -> str:
    if model is inner:
        return ""
    return next((f"{path}." for path, module in model.named_modules() if module is inner), "")


def _out_features(module: nn.Module) -> int | None:
    base = getattr(module, "base_layer", module)
    features = getattr(base, "out_features", getattr(base, "nf", None))
    return int(features) if features is not None else None


def iter_targets(layers: list[EncoderLayer], roles: tuple[Role, ...]) -> Iterator[tuple[EncoderLayer, str]]:
    """Each Linear that plays one of the roles, with its layer, once (a fused projection plays three)."""
    for layer in layers:
        seen: set[str] = set()
        for role in roles:
            for path in layer.paths(role):
                if path not in seen:
                    seen.add(path)
                    yield layer, path

"""LoRA on the right modules: targets by role, the exact number of parameters, errors that name what is right.

A hand-written `target_modules=["query", "value"]` was right for ViT up to transformers 5.8, for DINOv2 up to 5.17,
and never for SigLIP or timm; half a match (`["query", "v_proj"]`) raises nothing. So targets are found by role in the
model at hand.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from torch import nn

from v5lint.runtime.errors import LoraTargetError
from v5lint.runtime.roles import (
    ROLES,
    EncoderLayer,
    Role,
    Tower,
    classification_head,
    describe_linears,
    encoder_layers,
    is_linear,
    iter_targets,
    numbered_linears,
    tower_prefixes,
    uncalled_linears,
    unwrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from peft import PeftModel

_TOWERS: tuple[Tower, ...] = get_args(Tower)
_COUNTED = {"bias": "none", "target_parameters": None, "trainable_token_indices": None, "layer_replication": None}
"""Options that add parameters of another kind, with the value at which they add none."""


@dataclass(frozen=True)
class ExpectedParameters:
    """How many parameters a LoRA fine-tune trains, and of how many.

    Attributes:
        lora: Parameters of the adapter: the sum of `r * (d_in + d_out)` over the targets.
        head: Parameters of the modules that are trained in full (`modules_to_save`).
        total: All parameters of the adapted model, as PEFT's `print_trainable_parameters` counts them: base, adapter
            and head, the head twice, since PEFT keeps a frozen copy of it.
        formula: The sum in the usual form, where all layers are alike.
    """

    lora: int
    head: int
    total: int
    formula: str

    @property
    def trainable(self) -> int:
        """Parameters that receive a gradient."""
        return self.lora + self.head

    @property
    def percent(self) -> float:
        """Trainable parameters in percent of all."""
        return 100 * self.trainable / self.total


def lora_config_for(
    model: nn.Module,
    r: int = 16,
    lora_alpha: int = 16,
    lora_dropout: float = 0.1,
    *,
    roles: Sequence[Role] | None = None,
    tower: Tower | None = None,
    target_modules: Sequence[str] | str | None = None,
    train_head: bool = True,
    **options: Any,
) -> LoraConfig:
    """The LoRA configuration for a model: query and value projections of every layer, and the head trained in full.

    Args:
        model: A model of transformers (timm's through `TimmWrapper`), not yet adapted.
        r: Rank of the adapter.
        lora_alpha: Scale of the adapter: its output is multiplied by `lora_alpha / r`.
        lora_dropout: Dropout before the adapter.
        roles: Which projections to adapt, of `query`, `key`, `value`, `output` and `mlp`. By default query and value;
            a model without attention (ConvNeXt) adapts its `mlp`. Where query, key and value are one fused Linear,
            that Linear is adapted whole, key included.
        tower: Which tower to adapt; the other stays frozen. By default the vision tower of a dual encoder. Where a
            vision tower feeds a language model there is no default, but for hand-written targets, which may be in both.
        target_modules: Hand-written targets, as PEFT takes them, in place of `roles`. They are checked: each must
            match, and what they match must be the same in every layer.
        train_head: Whether to train the classification head in full. A model without one has nothing to train beside
            the adapter.
        **options: Further options of `peft.LoraConfig` (`modules_to_save`, `use_rslora`, `use_dora`, ...).

    Returns:
        A configuration whose targets match exactly the intended modules: by leaf names where these suffice, else as a
        regular expression, else by full paths.

    Raises:
        LoraTargetError: The targets match nothing or only a part; the message names the modules that the model has.
    """
    _refuse_adapted(model)
    by_role = target_modules is None or target_modules == "all-linear"
    tower = _default_tower(model, by_role) if tower is None else tower
    if tower not in _TOWERS:
        raise LoraTargetError(f"tower={tower!r}: must be one of {', '.join(_TOWERS)}.")
    layers = encoder_layers(model, tower)
    if by_role:
        chosen = _roles(model, layers, ROLES if target_modules == "all-linear" else roles, tower)
        intended = [path for _, path in iter_targets(layers, chosen)]
        targets: list[str] | str = shortest_targets(model, intended)
    else:
        targets = target_modules if isinstance(target_modules, str) else list(target_modules or ())
        _check_targets(model, targets, layers, tower)
    to_save = list(options.pop("modules_to_save", None) or [])
    _check_modules_to_save(model, to_save)
    _warn_of_moving_statistics(model, to_save)
    if train_head:
        to_save += [path for path in _shortest_heads(model) if path not in to_save]
    return LoraConfig(
        r=r,
        lora_alpha=lora_alpha,
        lora_dropout=lora_dropout,
        target_modules=targets,
        modules_to_save=to_save or None,
        **options,
    )


def attach_lora(model: nn.Module, config: LoraConfig | None = None, **options: Any) -> PeftModel:
    """Adapt a model and prove that the adapter sits where it should.

    Args:
        model: A model of transformers, not yet adapted; PEFT changes it in place.
        config: What to attach; by default `lora_config_for(model, **options)`.
        **options: Options of `lora_config_for`, where no `config` is given.

    Returns:
        The adapted model, whose trainable parameters are exactly those that the configuration promises.

    Raises:
        LoraTargetError: PEFT adapted other modules, or trains another number of parameters, than the configuration
            says.
    """
    _refuse_adapted(model)
    config = lora_config_for(model, **options) if config is None else config
    intended = set(matched_modules(model, config))
    expected = expected_parameters(model, config)
    base: Any = model  # PEFT takes any nn.Module
    with warnings.catch_warnings():
        # peft 0.21 reads a property that transformers 5.24 has renamed: nothing that a script could do anything about.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        adapted = get_peft_model(base, config)
    found = {name.removeprefix("base_model.model.") for name in adapted_modules(adapted)}
    trainable, total = adapted.get_nb_trainable_parameters()
    if found != intended or (trainable, total) != (expected.trainable, expected.total):
        raise LoraTargetError(
            f"PEFT adapted {len(found)} modules with {trainable:,} trainable of {total:,} parameters, and the "
            f"configuration says {len(intended)} modules with {expected.trainable:,} of {expected.total:,} "
            f"({expected.formula}). "
            f"Only one side has: {', '.join(sorted(found ^ intended)) or 'the same modules'}."
        )
    return adapted


def adapted_modules(model: nn.Module) -> list[str]:
    """Paths of the modules that carry a LoRA adapter, in the model's order."""
    return [
        name for name, module in model.named_modules() if hasattr(module, "lora_A") and hasattr(module, "base_layer")
    ]


def matched_modules(model: nn.Module, config: LoraConfig) -> list[str]:
    """Paths of the modules that a configuration adapts, by PEFT's own matching, in the order of the model."""
    modules = dict(model.named_modules())
    return [path for path in targeted_modules(model, config) if is_linear(modules[path])]


def targeted_modules(model: nn.Module, config: LoraConfig) -> list[str]:
    """Like `matched_modules`, with what is no Linear too: convolutions, embeddings, and what PEFT cannot adapt."""
    if config.target_modules is None:
        return []
    names = (name for name, _ in model.named_modules() if name)
    return [name for name in names if (found := check_target_module_exists(config, name)) and not _excluded(found)]


def expected_parameters(model: nn.Module, config: LoraConfig) -> ExpectedParameters:
    """The exact number of parameters that a configuration trains on a model, from the shapes alone.

    The sum is `layers * targets * r * (d_in + d_out) + head_in * labels + labels` where all layers are alike; it is
    computed module by module, so it holds for hierarchical models, rank patterns, DoRA (one more magnitude an output)
    and fused projections too.

    Args:
        model: The model before it is adapted; on the meta device, if need be.
        config: What is to be attached.

    Raises:
        LoraTargetError: The configuration has an option that trains parameters which this formula does not know.
    """
    for option, none in _COUNTED.items():
        if (getattr(config, option, none) or none) != none:
            raise LoraTargetError(
                f"The expected number of parameters is not known for {option}={getattr(config, option)!r}; "
                f"only {option}={none!r} is counted."
            )
    modules = dict(model.named_modules())
    shapes: dict[tuple[int, int, int], int] = {}
    lora = 0
    for path in matched_modules(model, config):
        d_in, d_out = _features(modules[path])
        rank = int(pattern_value(config.rank_pattern, path, config.r))
        lora += rank * (d_in + d_out) + (d_out if config.use_dora else 0)
        shapes[rank, d_in, d_out] = shapes.get((rank, d_in, d_out), 0) + 1
    saved = _saved_modules(model, config.modules_to_save or ())
    head = sum(parameter.numel() for path in saved for parameter in modules[path].parameters())
    parts = [f"{count} x {rank} x ({d_in} + {d_out})" for (rank, d_in, d_out), count in shapes.items()]
    parts += [f"{sum(p.numel() for p in modules[path].parameters())} ({path})" for path in saved]
    total = sum(_numel(parameter) for parameter in model.parameters()) + lora + head
    return ExpectedParameters(lora=lora, head=head, total=total, formula=" + ".join(parts))


def _refuse_adapted(model: nn.Module) -> None:
    adapted = adapted_modules(model)
    if adapted:
        raise LoraTargetError(
            f"The model is adapted already ({len(adapted)} modules, such as {adapted[0]}). Pass the model as it was "
            "loaded, or the adapted one's get_base_model() after unload()."
        )


def _default_tower(model: nn.Module, by_role: bool) -> Tower:
    """The tower to adapt where none is named; of a language model that sees, either could be meant."""
    dual_encoder = any(hasattr(module, "get_text_features") for module in model.modules())
    if dual_encoder or not tower_prefixes(model, "vision"):
        return "vision"
    if by_role:
        raise LoraTargetError(
            f"{type(unwrap(model)).__name__} has a vision tower that feeds a language model, and which one to adapt "
            "cannot be known: name it with tower='vision', tower='text' or tower='both'."
        )
    return "both"


def _roles(
    model: nn.Module, layers: list[EncoderLayer], roles: Sequence[Role] | None, tower: Tower
) -> tuple[Role, ...]:
    """The roles to adapt, each of which every layer that has the role's kind of block must have."""
    name = type(unwrap(model)).__name__
    if not layers:
        other = next((name for name in _TOWERS if name != tower and encoder_layers(model, name)), None)
        where = f"The {tower} tower of {name}" if other else name
        hint = f" Its {other} tower has: tower={other!r}." if other else ""
        hint += " Name those to adapt in target_modules=." if numbered_linears(model, tower) else ""
        raise LoraTargetError(
            f"{where} has no numbered layer whose Linear layers are known by role. {_linears(model)}{hint}"
        )
    unknown = [role for role in roles or () if role not in ROLES]
    if unknown or (roles is not None and not roles):
        raise LoraTargetError(f"roles={list(roles or ())!r}: each must be one of {', '.join(ROLES)}.")
    if roles is None or not {"query", "key", "value"}.isdisjoint(roles):
        _refuse_unknown_attention(model, layers, tower)
    has_attention = any(layer.query for layer in layers)
    if roles is None:
        return ("query", "value") if has_attention else ("mlp",)
    present: tuple[Role, ...] = tuple(role for role in roles if any(layer.paths(role) for layer in layers))
    if not present or (has_attention and len(present) < len(roles)):
        raise LoraTargetError(
            f"No layer has a projection with the role {', '.join(set(roles) - set(present))}. The first layer has: "
            f"{_describe_layer(layers[0])}."
        )
    return present


def _refuse_unknown_attention(model: nn.Module, layers: list[EncoderLayer], tower: Tower) -> None:
    """Raise for an attention that the roles would pass over, whether others of the model are known or not."""
    name = type(unwrap(model)).__name__
    others = [role for role in ("output", "mlp") if any(layer.paths(role) for layer in layers)]
    way_out = (
        f"adapt others with roles={others!r} (--lora_roles {' '.join(others)})" if others else "adapt another model"
    )
    dead = next((path for path in uncalled_linears(model) if any(path.startswith(f"{x.name}.") for x in layers)), None)
    if dead is not None:
        raise LoraTargetError(
            f"The attention of {name} reads the weight of {dead} without calling it: an adapter there would be counted "
            f"as trained and change nothing. Leave query, key and value as they are, and {way_out}."
        )
    known = [path for layer in layers if layer.query for path in (layer.query, layer.key, layer.value)]
    linears = numbered_linears(model, tower)
    for path, module in model.named_modules():
        within = f"{path}."
        inside = [linear.removeprefix(within) for linear in linears if linear.startswith(within)]
        attends = type(module).__name__.endswith("Attention")
        if attends and inside and not any(linear and linear.startswith(within) for linear in known):
            which = f"of {len(known) // 3} attentions of {name} are known by name, others not" if known else ""
            which = which or f"of {name} are not known by name"
            raise LoraTargetError(
                f"The query and value projections {which}: its attention, such as {path}, has {', '.join(inside)}. "
                f"Name them in target_modules=, or {way_out}."
            )


def shortest_targets(model: nn.Module, intended: list[str]) -> list[str] | str:
    """The shortest form of `target_modules` that matches the intended modules and no other."""
    wanted = set(intended)
    depth = max(path.count(".") for path in intended) + 1
    for length in range(1, depth + 1):
        suffixes = sorted({".".join(path.split(".")[-length:]) for path in intended})
        if len(suffixes) == len(intended) and length > 1:
            break
        if _matching(model, suffixes) == wanted:
            return suffixes
    leaves = "|".join(sorted({path.rpartition(".")[2] for path in intended}))
    for part in intended[0].split(".")[:-1]:  # a tower, perhaps
        pattern = rf"(.*\.)?{re.escape(part)}\..*\.({leaves})"
        if _matching(model, pattern) == wanted:
            return pattern
    return intended


def _matching(model: nn.Module, targets: list[str] | str) -> set[str]:
    """All modules, Linear or not, that PEFT would try to adapt."""
    return set(targeted_modules(model, LoraConfig(target_modules=targets)))


def _check_targets(model: nn.Module, targets: list[str] | str, layers: list[EncoderLayer], tower: Tower) -> None:
    """Hand-written targets must each match, and match alike in every layer."""
    advice = (
        f"This model's projections, in each of {len(layers)} layers: {_describe_layer(layers[0])}. "
        "Leave target_modules out to have query and value found."
        if layers
        else _linears(model)
    )
    for target in [targets] if isinstance(targets, str) else targets:
        if not _matching(model, target if isinstance(targets, str) else [target]):
            raise LoraTargetError(f"target_modules: {target!r} matches no module of {type(model).__name__}. {advice}")
    matched = _matching(model, targets)
    linears = {name for name, module in model.named_modules() if is_linear(module)}
    containers = sorted(matched - linears)
    if containers:
        raise LoraTargetError(f"target_modules: {containers[0]!r} is no Linear layer. {advice}")
    usable = numbered_linears(model, tower)
    outside = sorted(matched - usable.keys())
    if outside:
        raise LoraTargetError(
            f"target_modules: {targets!r} matches {len(outside)} modules outside the layers to adapt, such as "
            f"{outside[0]!r}: a head, a pooler, another tower, or a weight that its module never calls. {advice}"
        )
    _check_evenness(targets, matched, layers, usable, advice)


def _check_evenness(
    targets: list[str] | str,
    matched: set[str],
    layers: list[EncoderLayer],
    usable: Mapping[str, str],
    advice: str,
) -> None:
    """What is matched in one layer is matched in all that have it: by role, or by name where the role is not known."""
    kinds = {path: path.removeprefix(f"{layer}.") for path, layer in usable.items()}
    for layer in layers:
        within = layer.name.removeprefix(usable[next(path for role in ROLES for path in layer.paths(role))])
        kinds.update({path: f"{within} {role}" for role in reversed(ROLES) for path in layer.paths(role)})
    having: dict[str, set[str]] = {}
    for path, kind in kinds.items():
        having.setdefault(kind, set()).add(usable[path])
    adapted = {(kinds[path], usable[path]) for path in matched}
    wanted = {(kind, layer) for kind, _ in adapted for layer in having[kind]}
    if wanted == adapted:
        return
    bare = sorted({layer for _, layer in wanted} - {layer for _, layer in adapted})
    what = f"nothing in {', '.join(bare)}" if bare else "other roles in some layers than in others"
    raise LoraTargetError(f"target_modules: {targets!r} matches {what}. {advice}")


def _check_modules_to_save(model: nn.Module, names: Sequence[str]) -> None:
    for name in names:
        if not _saved_modules(model, [name]):
            heads = classification_head(model)
            right = f"The head is {', '.join(heads)}." if heads else "This model has no classification head."
            raise LoraTargetError(
                f"modules_to_save: {name!r} matches no module of {type(model).__name__}; PEFT would say nothing and "
                f"leave the head frozen at its random values. {right}"
            )


def _warn_of_moving_statistics(model: nn.Module, to_save: Sequence[str]) -> None:
    """Say that batch normalisation changes in training, frozen or not, and that no adapter has its statistics."""
    saved = tuple(f"{path}." for path in _saved_modules(model, to_save))
    moving = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and module.track_running_stats
        and not f"{path}.".startswith(saved)
    ]
    if moving:
        warnings.warn(
            f"{type(unwrap(model)).__name__} has {len(moving)} layers of batch normalisation, such as {moving[0]}. "
            "Training moves their statistics, which the adapter does not hold: it would score otherwise once it is "
            "loaded. Keep them in evaluation mode while you train, or name them in modules_to_save=.",
            stacklevel=3,
        )


def _shortest_heads(model: nn.Module) -> list[str]:
    """The heads by the shortest name that matches them alone, as PEFT matches `modules_to_save`: by its end."""
    heads: list[str] = []
    for head in classification_head(model):
        parts = head.split(".")
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[-length:])
            if _saved_modules(model, [name]) == [head]:
                break
        heads.append(name)
    return heads


def _saved_modules(model: nn.Module, names: Iterable[str]) -> list[str]:
    """The modules that `modules_to_save` matches, without those inside another of them.

    PEFT compares ends of paths, not whole names: `classifier` also matches DistilBERT's `pre_classifier`.
    """
    matched = [path for path, _ in model.named_modules() if path and path.endswith(tuple(names))]
    return [path for path in matched if not any(path.startswith(f"{other}.") for other in matched)]


def _excluded(found: object) -> bool:
    return type(found).__name__ == "_ExcludedModule"


def pattern_value(patterns: Mapping[str, Any] | None, path: str, plain: Any) -> Any:
    """What PEFT's `rank_pattern` or `alpha_pattern` gives a module: that of the first key to match its path's end."""
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return value
    return plain


def _features(module: nn.Module) -> tuple[int, int]:
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    weight: Any = module.weight
    return int(weight.shape[0]), int(weight.shape[1])  # GPT-2's Conv1D keeps its weight transposed


def _numel(parameter: nn.Parameter) -> int:
    """Elements of a parameter before 4-bit packing, as PEFT counts them."""
    if type(parameter).__name__ == "Params4bit":
        quant_state = getattr(parameter, "quant_state", None)
        if quant_state is not None:
            return int(quant_state.shape.numel())
    return int(parameter.numel())


def _linears(model: nn.Module) -> str:
    return f"Its Linear layers: {describe_linears(model) or 'none'}."


def _describe_layer(layer: EncoderLayer) -> str:
    parts = [f"{layer.query} (fused query, key and value)"] if layer.fused else []
    parts += [
        f"{path} ({role})" for role in ROLES for path in layer.paths(role) if not (layer.fused and path == layer.query)
    ]
    return ", ".join(parts)

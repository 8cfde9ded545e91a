"""What is trained: the exact number of parameters, where the adapter sits, and that it does something.

The usual glance at the share of trainable parameters sees little: with the head forgotten a ViT-B has 0.68 % where
0.77 % is right, and with keys adapted in place of queries, a scale of zero or a merged adapter it has 0.77 % too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import get_peft_model_state_dict
from peft.tuners.tuners_utils import check_target_module_exists

from v5lint.runtime.checks.findings import Findings, reason_of, shown
from v5lint.runtime.checks.preserve import is_sharded, undisturbed
from v5lint.runtime.lora import pattern_value
from v5lint.runtime.measure import count_parameters
from v5lint.runtime.roles import (
    ROLES,
    classification_head,
    encoder_layers,
    linear_modules,
    role_of,
    tower_prefixes,
    uncalled_linears,
    unwrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from v5lint.runtime.checks.subject import Subject
    from v5lint.runtime.results import CheckResult

NAME = "parameters"
_WRAPPED = re.compile(r"\.(original_module|modules_to_save\.\w+)(?=\.|$)")
_LEAST_EFFECT = 1e-5
"""Of an adapter whose weights are of order one, relative to the output of its layer; `lora_alpha` / r scales it."""

_USUAL_SCALE, _MOST_SCALE = 16.0, 64.0
"""`lora_alpha` / r is 1 or 2 in most recipes and 16 in some; at 64 the first steps overwrite what was learnt."""

_MOST_DROPOUT = 0.8


def check_parameters(subject: Subject) -> list[CheckResult]:
    """Whether exactly what should be trained is trainable, and an adapter reaches the output of its layers."""
    findings = Findings(NAME)
    trainable = {name: p for name, p in subject.model.named_parameters() if p.requires_grad}
    total = count_parameters(subject.model)
    findings.measure("trainable", sum(p.numel() for p in trainable.values()))
    findings.measure("total", total)
    config = lora_config_of(subject.model)
    if config is not None:
        adapted = adapted_layers(subject.model)
        _check_config(findings, subject, config, list(adapted))
        _check_adapter(findings, subject, config, trainable, adapted)
        _check_scale(findings, subject, config, adapted)
        _check_effect(findings, subject, adapted)
    elif loose := _loose_layers(subject):
        findings.fail(
            "wrapper",
            f"The model has {loose} layers of LoRA, and it is not wrapped by PEFT: what is saved is neither an adapter "
            "nor a model that can be loaded.",
            "Hand on what get_peft_model() returns, not the model inside.",
            loose,
            0,
        )
    elif _peft_model(subject.model) is not None:
        findings.skip("count", "The adapter is no LoRA, so the number of its parameters is not known beforehand.")
    elif subject.training and trainable:
        share = sum(p.numel() for p in trainable.values()) / total
        findings.measure("share", round(share, 4))
    if subject.training and not trainable:
        findings.fail(
            "trainable",
            "No parameter is trainable: the training changes nothing.",
            "Load an adapter with is_trainable=True, or attach one before the trainer is made.",
            0,
        )
    _check_head(findings, subject, config)
    names = f"{findings.measured['trainable']:,} of {total:,} parameters are trainable"
    if "expected" in findings.measured:
        names += f", as the formula says ({findings.measured['formula']})"
    return findings.results(f"{names}.")


def lora_config_of(model: nn.Module) -> Any:
    """The configuration of the active LoRA adapter of a model, or `None`."""
    peft = _peft_model(model)
    if peft is None:
        return None
    config = peft.peft_config.get(active_adapter(peft))
    return config if str(getattr(getattr(config, "peft_type", None), "value", "")) == "LORA" else None


def active_adapter(model: nn.Module) -> str:
    """The name of the adapter that is switched on; of several, the first."""
    active = _peft_model(model).active_adapter
    return str(active if isinstance(active, str) else active[0])


def zero_at_the_start(layer: Any) -> list[torch.Tensor]:
    """The tensors of an adapted layer that are zero before the first step: lora_B, of an embedding lora_A.

    AdaLoRA keeps a diagonal between its two matrices, and starts that at zero.
    """
    between = getattr(layer, "lora_E", layer.lora_B)
    return [*between.parameters(), *getattr(layer, "lora_embedding_A", {}).values()]


def _peft_model(model: nn.Module) -> Any:
    inner: Any = getattr(model, "module", model)
    inner = getattr(inner, "_orig_mod", inner)
    return inner if hasattr(inner, "peft_config") and hasattr(inner, "get_base_model") else None


def adapted_layers(model: nn.Module) -> dict[str, Any]:
    """The layers that carry the active LoRA adapter, by their path in the model inside PEFT's wrapper."""
    active = active_adapter(model) if _peft_model(model) is not None else None
    return {
        name: module
        for name, module in unwrap(model).named_modules()
        if hasattr(module, "lora_A")
        and hasattr(module, "base_layer")
        and (active is None or active in module.lora_A or active in module.lora_embedding_A)
    }


def _loose_layers(subject: Subject) -> int:
    """Layers of LoRA in a model that neither PEFT nor transformers' own `add_adapter` knows of, nor one inside it."""
    known = any(
        _peft_model(module) is not None or getattr(module, "_hf_peft_config_loaded", False)
        for module in subject.model.modules()
    )
    if known:
        return 0
    return len(adapted_layers(subject.model))


def _check_config(findings: Findings, subject: Subject, config: Any, adapted: list[str]) -> None:
    """Every name in the configuration matches something, and the adapter is the one that was meant."""
    # A head that is trained whole lies in a wrapper of PEFT's.
    modules = {_WRAPPED.sub("", name): module for name, module in unwrap(subject.model).named_modules()}
    targets = config.target_modules
    unmatched = [] if isinstance(targets, str) or targets is None else _unmatched(targets, modules)
    if unmatched:
        # A list that has the names of several releases, or of several models, is whole where each role is adapted.
        roles = {role_of(name) for name in targets if name not in unmatched} - {None}
        spelt = all(role_of(name) in roles for name in unmatched)
        report = findings.note if spelt or subject.family is None else findings.fail
        report(
            "targets",
            f"target_modules: {shown(unmatched)} matches no module, so only a part of what was meant is adapted.",
            f"This model has {_projections(subject)}; lora_config_for(model) finds query and value.",
            sorted(unmatched),
        )
    _check_patterns(findings, subject, config, adapted)
    layers = getattr(config, "layers_to_transform", None)
    numbers = [layers] if isinstance(layers, int) else list(layers or ())
    count = len(encoder_layers(unwrap(subject.model))) if numbers else 0
    beyond = [number for number in numbers if number >= count > 0]
    if beyond and subject.family is not None:
        findings.fail(
            "layers_to_transform",
            f"layers_to_transform: there is no layer {shown(beyond)}, and PEFT is silent; of {count}, the first is 0.",
            "Name the layers of this model.",
            beyond,
            count - 1,
        )
    unsaved = _unmatched(config.modules_to_save or (), modules)
    # PEFT itself adds "classifier" and "score" for a task_type, of which one matches; the head is looked at below.
    if unsaved and len(unsaved) == len(config.modules_to_save):
        heads = classification_head(subject.bare)
        findings.fail(
            "modules_to_save",
            f"modules_to_save: {shown(unsaved)} matches no module, and PEFT says nothing: the head stays frozen.",
            f"The head is {shown(heads)}." if heads else "This model has no classification head.",
            sorted(unsaved),
            list(heads),
        )
    meant = subject.lora_config
    if meant is not None:
        same = ("r", "lora_alpha", "use_dora", "use_rslora", "modules_to_save")
        other = [name for name in same if _plain(getattr(meant, name, None)) != _plain(getattr(config, name, None))]
        if other:
            findings.fail(
                "configuration",
                f"The adapter in the model differs from the one that was meant in {shown(other)}.",
                "Attach the configuration that was meant: get_peft_model(model, lora_config).",
                {name: _plain(getattr(config, name, None)) for name in other},
                {name: _plain(getattr(meant, name, None)) for name in other},
            )


def _check_patterns(findings: Findings, subject: Subject, config: Any, adapted: list[str]) -> None:
    """Ranks and scales of their own are for modules that are adapted, and an adapter sits on no other."""
    for name in ("rank_pattern", "alpha_pattern"):
        pattern = getattr(config, name, None) or {}
        idle = [key for key in pattern if not any(pattern_value({key: 1}, path, 0) for path in adapted)]
        if idle and adapted:
            report = findings.fail if len(idle) == len(pattern) else findings.note
            report(
                name,
                f"{name}: {shown(idle)} matches no adapted module, and PEFT says nothing: there r and lora_alpha hold.",
                f"Adapted are {shown(adapted)}.",
                idle,
                [],
            )
    inner = _peft_model(subject.model).get_base_model()
    if hasattr(inner, "peft_config") and hasattr(inner, "get_base_model"):
        findings.fail(
            "twice",
            "The model is adapted twice: get_peft_model() was called on what it had returned, and adapters lie in one "
            "another.",
            "Call it once, on the model as it was loaded.",
            2,
            1,
        )


def _check_adapter(
    findings: Findings, subject: Subject, config: Any, trainable: dict[str, nn.Parameter], adapted: dict[str, Any]
) -> None:
    """The adapter sits on all that its configuration names, evenly, and has exactly the parameters of the formula."""
    base = unwrap(subject.model)
    linears = linear_modules(base)
    inside = sorted(set(adapted) & set(uncalled_linears(base)))
    if inside:
        findings.fail(
            "never_called",
            f"{shown(inside)} belongs to nn.MultiheadAttention, or another that reads its weight without calling it: "
            "the adapter there is counted as trained and changes nothing.",
            "Leave it out of target_modules; lora_config_for(model) does.",
            inside,
        )
    expected = 0
    shapes: dict[tuple[int, int, int], int] = {}
    for path in linears:
        if path in inside or not check_target_module_exists(config, path):
            continue
        d_in, d_out = _shape(linears[path])
        rank = int(pattern_value(config.rank_pattern, path, config.r))
        expected += rank * (d_in + d_out) + d_out * (bool(config.use_dora) + bool(getattr(config, "lora_bias", False)))
        shapes[rank, d_in, d_out] = shapes.get((rank, d_in, d_out), 0) + 1
    active = active_adapter(subject.model)
    formula = " + ".join(f"{count} x {r} x ({i} + {o})" for (r, i, o), count in shapes.items())
    present = sum(
        p.numel()
        for name, p in subject.model.named_parameters()
        if _is_lora(name, active) and not _within(name, inside)
    )
    counted = sum(p.numel() for name, p in trainable.items() if _is_lora(name, active) and not _within(name, inside))
    others = sorted(set(adapted) - set(linears) - set(inside))
    if others:
        findings.skip("count", f"{shown(others)} is adapted and no Linear layer: the number is not known.")
    plain = not others and (config.bias or "none") == "none" and not getattr(config, "target_parameters", None)
    measured = counted if subject.training else present
    findings.measure("lora", measured, expected)
    findings.measure("formula", formula)
    if plain and measured != expected:
        what = "is frozen" if present == expected else "is not where its configuration says"
        findings.fail(
            "count",
            f"The adapter has {measured:,} trainable parameters and should have {expected:,} ({formula}): it {what}.",
            "Load it with is_trainable=True, and freeze nothing by hand after it is attached."
            if present == expected
            else "Attach the adapter again, with lora_config_for(model).",
            measured,
            expected,
        )
    elif plain:
        findings.measure("expected", expected)
    _check_coverage(findings, subject, config, set(adapted))
    if subject.training:
        _check_saved(findings, subject, trainable)
    states = [name for name, layer in adapted.items() if layer.merged]
    if states:
        findings.fail(
            "merged",
            f"The adapter is merged into the weights of {len(states)} layers, so it receives no gradient.",
            "Call unmerge_adapter() before the training.",
            len(states),
            0,
        )
    off = [name for name, layer in adapted.items() if layer.disable_adapters]
    if off:
        findings.fail(
            "disabled",
            f"The adapter is switched off in {len(off)} of {len(adapted)} layers.",
            "Call enable_adapter_layers().",
            len(off),
            0,
        )


def _check_coverage(findings: Findings, subject: Subject, config: Any, adapted: set[str]) -> None:
    """Every layer is adapted in the same roles, and queries are among them."""
    layers = encoder_layers(unwrap(subject.model))
    roles = {layer.name: tuple(role for role in ROLES if set(layer.paths(role)) & adapted) for layer in layers}
    counts = {role: sum(role in found for found in roles.values()) for role in ROLES}
    findings.measure("layers", {role: count for role, count in counts.items() if count})
    both = bool(tower_prefixes(unwrap(subject.model), "text"))
    text = [layer.name for layer in encoder_layers(unwrap(subject.model), "text")] if both else []
    in_text = sorted(path for path in adapted if any(path.startswith(f"{name}.") for name in text))
    if in_text and not _gives_texts(subject):
        findings.note(
            "text_tower",
            f"{len(in_text)} of {len(adapted)} adapted modules are in the text tower.",
            "Where only images are trained on, lora_config_for(model) adapts the vision tower alone.",
            len(in_text),
        )
    bare = [name for name, found in roles.items() if not found]
    chosen = (
        getattr(config, "layers_to_transform", None)
        or getattr(config, "exclude_modules", None)
        or isinstance(config.target_modules, str)
    )
    if adapted and layers and not (set(adapted) & {path for layer in layers for r in ROLES for path in layer.paths(r)}):
        findings.fail(
            "coverage",
            f"No layer of the encoder is adapted: the adapter sits on {shown(sorted(adapted))} alone.",
            f"This model has {_projections(subject)}; lora_config_for(model) finds query and value.",
            sorted(adapted)[:5],
        )
    elif len(set(roles.values())) > 1 and not chosen and subject.family is not None:
        what = f"{len(bare)} of {len(layers)} layers have no adapter" if bare else "layers are adapted in unlike roles"
        findings.fail(
            "coverage",
            f"{what}: {shown({role: f'{role} {count}' for role, count in counts.items() if count}.values())}.",
            "Name the leaf modules alone, or leave it to lora_config_for(model).",
            counts,
        )
    if any(found and "key" in found and "query" not in found for found in roles.values()):
        report = findings.note if subject.family is None else findings.fail
        report(
            "roles",
            "Keys are adapted and queries are not; the number of parameters is the same, so no ratio shows it.",
            f"target_modules should be query and value: {_projections(subject)}.",
            {role: count for role, count in counts.items() if count},
            {"query": len(layers), "value": len(layers)},
        )


def _gives_texts(subject: Subject) -> bool:
    """Whether the training data has texts for a text tower."""
    source = subject.train
    return source is not None and "input_ids" in source.batch(source.spread(1))


def _check_saved(findings: Findings, subject: Subject, trainable: dict[str, nn.Parameter]) -> None:
    """What is trained beside the adapter is also what is saved with it."""
    peft = _peft_model(subject.model)
    saved = {
        tensor.data_ptr()
        for adapter in peft.peft_config  # all of which save_pretrained() writes
        for tensor in get_peft_model_state_dict(peft, adapter_name=adapter, save_embedding_layers=False).values()
    }
    lost = [name for name, parameter in trainable.items() if parameter.data_ptr() not in saved]
    if not lost:
        return
    heads = classification_head(subject.bare)
    head = [name for name in lost if any(f".{path}." in name for path in heads)]
    if head:
        findings.fail(
            "unsaved_head",
            f"The head ({shown(head)}) is trained and not saved with the adapter: it was unfrozen by hand.",
            f"Put it into modules_to_save of the LoraConfig: {list(heads)}.",
            head,
        )
    rest = [name for name in lost if name not in head]
    if rest:
        count = sum(trainable[name].numel() for name in rest)
        findings.fail(
            "unfrozen",
            f"{len(rest)} tensors of the frozen model ({count:,} parameters, such as {rest[0]}) are trainable, and are "
            "not saved with the adapter.",
            "Freeze them, or name their modules in modules_to_save.",
            count,
            0,
        )


def _check_scale(findings: Findings, subject: Subject, config: Any, adapted: dict[str, Any]) -> None:
    """The adapter's share of the output is multiplied by a number of the usual size."""
    dropout = float(getattr(config, "lora_dropout", 0.0) or 0.0)
    if subject.training and dropout > _MOST_DROPOUT:
        findings.fail(
            "dropout",
            f"lora_dropout={dropout:g} hides nearly all of the input from the adapter while it trains.",
            "0.0 to 0.1 is usual: it is the share that is dropped.",
            dropout,
            f"<= {_MOST_DROPOUT:g}",
        )
    if subject.training and not subject.trained and not subject.continued and config.init_lora_weights is False:
        findings.fail(
            "initialisation",
            "init_lora_weights=False, which is for tests: the adapter starts at random, and disturbs the model before "
            "the first step.",
            "Leave init_lora_weights as it is: lora_B then starts at zero.",
            False,
            True,
        )
    active = active_adapter(subject.model)
    idle = [name for name in _peft_model(subject.model).peft_config if name != active]
    idle = [name for name in idle if subject.training and _is_untrained(subject, name)]
    if idle:
        findings.note(
            "adapters",
            f"The adapter {shown(idle)} has never been trained and is not the one that is switched on, which is "
            f"{active}: that one is trained.",
            f"Call set_adapter({idle[0]!r}) if it is to be trained.",
            active,
        )
    scale = max((float(layer.scaling.get(active, 0)) for layer in adapted.values()), default=0.0)
    findings.measure("scale", round(scale, 4), f"<= {_USUAL_SCALE:g}")
    if scale > _USUAL_SCALE:
        formula = "lora_alpha / sqrt(r)" if getattr(config, "use_rslora", False) else "lora_alpha / r"
        report = findings.fail if scale > _MOST_SCALE else findings.note
        report(
            "scale",
            f"What the adapter adds is multiplied by {scale:g} ({formula}), where 1 or 2 is usual: the first steps "
            "drown what the model has learnt.",
            "Set lora_alpha to r or 2 r.",
            round(scale, 4),
            f"<= {_USUAL_SCALE:g}",
        )


def _is_untrained(subject: Subject, adapter: str) -> bool:
    """Whether an adapter's lora_B are all zero, as they are before its first step."""
    tensors = [p for name, p in subject.model.named_parameters() if ".lora_B." in name and f".{adapter}." in name]
    return bool(tensors) and not any(bool(tensor.any()) for tensor in tensors)


def _check_effect(findings: Findings, subject: Subject, adapted: dict[str, Any]) -> None:
    """With weights of order one, every adapter moves the output of its own layer, in one forward pass.

    Behind a training whose adapter was tried out before, that it has learnt something is what is new.
    """
    if is_sharded(subject.model):
        findings.skip("effect", "The parameters are sharded over several processes, so none can be tried out.")
        return
    trained = any(bool(tensor.any()) for layer in adapted.values() for tensor in zero_at_the_start(layer))
    if subject.trained and not trained:
        _name_untrained(findings, subject)
    scales = sorted({scale for layer in adapted.values() for scale in layer.scaling.values()})
    if subject.compared and len(scales) == 1 and scales[0] > _LEAST_EFFECT:
        return
    effects: dict[str, float] = {}

    def hook(name: str) -> Any:
        def measure(module: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            without = module.base_layer(inputs[0])
            effects[name] = float((output - without).norm() / without.norm().clamp_min(1e-12))

        return measure

    handles = [layer.register_forward_hook(hook(name)) for name, layer in adapted.items()]
    generator = torch.Generator().manual_seed(0)
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    try:
        with undisturbed(subject.model), torch.no_grad():
            subject.model.eval()
            for layer in adapted.values():
                for parameter in zero_at_the_start(layer):
                    kept.append((parameter, parameter.data))
                    parameter.data = torch.randn(parameter.shape, generator=generator).to(parameter)
            subject.model(**subject.without_labels(subject.probe(count=2)))
    except Exception as error:  # a model and a data set of the script's own
        findings.skip("effect", f"A forward pass could not be made: {reason_of(error)[:200]}")
        return
    finally:
        for parameter, data in kept:
            parameter.data = data
        for handle in handles:
            handle.remove()
    idle = [name for name in adapted if name not in effects]
    weak = [name for name, effect in effects.items() if not effect > _LEAST_EFFECT]
    known = set(uncalled_linears(unwrap(subject.model))) if idle else set()
    idle = [name for name in idle if name not in known]
    findings.measure("least_effect", min(effects.values(), default=None), f"> {_LEAST_EFFECT}")
    if idle:
        findings.fail(
            "idle",
            f"{len(idle)} adapted modules, such as {idle[0]}, are never called by a forward pass of the training data.",
            "Adapt what the training uses; of a dual encoder that is shown images only, the vision tower.",
            idle[:5],
        )
    if weak:
        findings.fail(
            "effect",
            f"The adapter moves the output of {len(weak)} of {len(adapted)} layers by less than {_LEAST_EFFECT} of it, "
            f"with weights of order one: its scale (lora_alpha / r) is {shown(scales)}, or it is switched off.",
            "Set lora_alpha to r or 2 r, and call enable_adapter_layers() or unmerge_adapter().",
            max(effects[name] for name in weak),
            f"> {_LEAST_EFFECT}",
        )


def _name_untrained(findings: Findings, subject: Subject) -> None:
    if subject.restored_from is None:
        findings.fail(
            "untrained",
            "After the training the adapter's lora_B are all zero: with the adapter on or off the output is the same.",
            "See what the check `movement` says; the learning rate or the gradient is zero.",
        )
        return
    findings.fail(
        "untrained",
        f"{Path(subject.restored_from).name}, the best checkpoint, was written before the adapter had moved: its "
        "lora_B are all zero, as after the first step of a warm-up.",
        "Evaluate later (eval_steps), or choose the best checkpoint by a measure that training improves.",
    )


def _check_head(findings: Findings, subject: Subject, config: Any) -> None:
    heads = classification_head(subject.bare)
    if not heads:
        return
    modules = dict(subject.bare.named_modules())
    frozen = [path for path in heads if not any(p.requires_grad for p in modules[path].parameters())]
    findings.measure("head", {path: path not in frozen for path in heads})
    if not frozen or not subject.training:
        return
    if subject.family is None:
        findings.note("head", f"The head ({shown(frozen)}) is frozen; whether it was trained before is not known.")
        return
    if _head_is_from_checkpoint(subject, frozen):
        findings.note("head", f"The head ({shown(frozen)}) is frozen at the values of the checkpoint.")
        return
    findings.fail(
        "head",
        f"The head ({shown(frozen)}) is frozen, at random values.",
        f"Put it into modules_to_save of the LoraConfig: {list(heads)}." if config is not None else "Unfreeze it.",
        dict.fromkeys(frozen, False),
        dict.fromkeys(heads, True),
    )


def _head_is_from_checkpoint(subject: Subject, heads: list[str]) -> bool:
    if subject.reference is None:
        return False
    model, report = subject.reference
    if report.fresh_head:
        return False
    modules, saved = dict(subject.bare.named_modules()), dict(model.named_modules())
    pairs = [(modules[path], saved.get(path)) for path in heads]
    return all(
        other is not None
        and all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=False))
        for module, other in pairs
    )


def _unmatched(names: Iterable[str], modules: dict[str, Any]) -> list[str]:
    return sorted(name for name in names if not any(path == name or path.endswith(f".{name}") for path in modules))


def _projections(subject: Subject) -> str:
    layers = encoder_layers(unwrap(subject.model))
    if not layers:
        return "no numbered layers"
    return ", ".join(
        f"{path.removeprefix(layers[0].name + '.')} ({role})" for role in ROLES for path in layers[0].paths(role)
    )


def _shape(module: Any) -> tuple[int, int]:
    base = getattr(module, "base_layer", module)
    if hasattr(base, "nf"):  # GPT-2's Conv1D keeps its weight transposed
        return int(base.weight.shape[0]), int(base.weight.shape[1])
    return int(base.in_features), int(base.out_features)


def _is_lora(name: str, adapter: str) -> bool:
    return ".lora_" in name and f".{adapter}." in f"{name}."


def _within(name: str, paths: Iterable[str]) -> bool:
    return any(f".{path}." in f".{name}" for path in paths)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list | set | tuple) else value

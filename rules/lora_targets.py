"""V5701: LoRA targets that name no layer of the model."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    adapters,
    expert_targets,
    held_models,
    joined_targets,
    library,
    linear_layers,
    lora_choices,
    models,
)
from v5lint.view.values import Constant, Elements, Partial, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.adapters import Adaptation
    from v5lint.rules.parts.linear_layers import Renamed
    from v5lint.rules.parts.models import Model
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_FIELD = "target_modules"

#: Names that vanished from so many families that a configuration without a model in sight is worth a word.
_OLD = frozenset({"query", "key", "value"})

#: The last release of 4.x.
_BEFORE = "4.57"


class LoraTargetMismatch(Rule):
    """LoRA targets that name no layer of the model that is adapted.

    ## What it does

    Finds a PEFT configuration whose `target_modules` do not exist in the family of the model that it goes with, as far
    as the file shows both: a model of a known class, or of an Auto class with a known checkpoint. `["query", "value"]`
    is right for BERT, and wrong for ViT, DeiT, BEiT, Swin, SegFormer, ViT-MAE, ViT-MSN, ViViT, I-JEPA and AST since
    5.9, for DINOv2 since 5.18, and for CLIP and SigLIP in every release; `out_proj` is `o_proj` in DETR since 5.1.
    Lists, patterns and paths are read as PEFT reads them; so are `layers_pattern`, with which `layers_to_transform`
    counts, `exclude_modules`, `rank_pattern` and `alpha_pattern`. Adapters that were saved already
    (`adapter_config.json`) are data and not looked at: `v5lint.runtime` migrates them.

    Of a TrOCR and other models that are put together (`VisionEncoderDecoderModel`) the encoder is asked: names that
    left it, and `q_proj` and `v_proj`, which were layers of the decoder alone and are its layers, too.

    Also names of layers in the experts of a mixture (Mixtral, MiniMax, Qwen2-MoE, Qwen3-MoE, Qwen3-Next, OLMoE,
    DeepSeek V2 and V3, GLM-4-MoE, ERNIE 4.5, HunYuan, Phi-MoE, Jamba), which are parameters since 5.0.

    ## Why it breaks

    Where nothing matches, PEFT says so (measured with peft 0.21.2):

        NoMatchingPeftModuleError: Target modules {'query', 'value'} not found in the base model. Please check the
        target modules and try again.

    Where something else in the list matches, nothing is said: `["query", "value", "classifier"]` on a ViT adapts the
    classifier alone, and the training run ends with a frozen backbone. `exclude_modules=["query"]` leaves nothing out:
    19 layers of a small ViT are adapted in place of 16, with a UserWarning. `layers_pattern="layer"` beside
    `layers_to_transform` finds no layer, and raises as above.

    `["q_proj", "v_proj"]` on a TrOCR adapts the decoder alone under 4.57 and the encoder as well since 5.9; `["query",
    "value"]`, the encoder alone until then, raises as above.

    Experts are the parameters `gate_up_proj` and `down_proj`. PEFT takes `w1`, `w3`, `w2` of a Mixtral and `gate_proj`,
    `up_proj`, `down_proj` of most others for them (measured with peft 0.21.2 on 5.24.0), with three exceptions that
    raise and two that do not:

        ValueError: lora.ParamWrapper does not work with lora_dropout != 0.
        ValueError: lora.ParamWrapper does not work with use_dora=True.
        ValueError: Cannot convert PEFT target(s) w1 without also targeting w3 because they are fused into gate_up_proj.

    Where shared experts or dense layers have the same names (DeepSeek, GLM-4-MoE, Qwen3-Next, ...), the experts are
    adapted in their place; in Qwen2-MoE, Phi-MoE and Jamba the experts are not, and what else has the names is.
    `target_parameters=["experts.gate_up_proj", "experts.down_proj"]` reaches the experts of all of them.

    ## Example

        model = ViTForImageClassification.from_pretrained("google/vit-base-patch16-224-in21k")
        model = get_peft_model(model, LoraConfig(target_modules=["query", "value"], modules_to_save=["classifier"]))

    becomes

        model = get_peft_model(model, LoraConfig(target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]))

    ## Fix safety

    Safe where the model can only be of that family; unsafe where a command line or an environment variable may name
    another one. While the project supports releases on both sides of the renaming (`min-version`), the fix names both:
    `["query", "value", "q_proj", "v_proj"]` adapts the same layers on either side (measured on 4.57.6 and 5.23.0).
    `v5lint.runtime.lora_config_for(model)` finds the names by the layers' roles.

    ## References

    - https://huggingface.co/docs/peft/package_reference/lora
    - https://github.com/huggingface/transformers/blob/main/src/transformers/conversion_mapping.py
    """

    code = "V5701"
    name = "lora-target-mismatch"
    since = "5.0"
    tokens = (_FIELD, *adapters.TOKENS)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        met: set[ast.AST] = set()
        for each in adapters.adaptations(module):
            met.add(each.config.node)
            if not module.guards.is_dead(each.meeting.node):
                yield from _check(module, each)
                yield from lora_choices.findings(module, each)
                yield from expert_targets.findings(module, each)
        for call, _ in module.keywords({_FIELD}):
            if (
                call.node not in met
                and adapters.is_config(call)
                and any(_OLD & set(each.names) for each in _targets(call))
            ):
                yield module.unseen(call.node, "the model that these targets are meant for is not in sight")


class Targets:
    """What a configuration names as its targets.

    Attributes:
        names: the names, or the one pattern; empty where they are not known.
        is_pattern: whether it is one pattern for whole paths.
        is_sure: whether nothing else can be meant: a command line, or a caller, may name others.
    """

    __slots__ = ("is_pattern", "is_sure", "names")

    def __init__(self, names: list[str], *, is_pattern: bool = False, is_sure: bool = True) -> None:
        self.names = names
        self.is_pattern = is_pattern
        self.is_sure = is_sure


def _targets(config: CallSite) -> list[Targets]:
    """The lists that a configuration may name as its targets: where others may be given, those that are its default."""
    values = adapters.setting(config, _FIELD).values
    known = sorted((each for each in values if not isinstance(each, Unknown) and each != Constant(None)), key=repr)
    sure = len(values) == 1  # None is what a caller gives who leaves the choice to the function
    found = [_read(each, is_sure=sure) for each in known]
    return found if all(each.names for each in found) else []


def _read(value: Value, *, is_sure: bool) -> Targets:
    if isinstance(value, Constant) and isinstance(value.value, str):
        return Targets([value.value], is_pattern=True, is_sure=is_sure)
    if not isinstance(value, Elements):
        return Targets([])
    found = []
    for item in value.items:
        known = [each for each in item if not (value.is_open and isinstance(each, Unknown) and each.origin)]
        names = [text for each in sorted(known, key=repr) if (text := _text(each))]
        if len(names) != len(known) or (len(names) > 1 and not value.is_open):
            return Targets([])
        is_sure = is_sure and len(known) == len(item)
        found += names
    return Targets(found, is_sure=is_sure)


def _text(value: Value) -> str:
    """The name that a value is; of a path of which only the number is not known, that of the first layer."""
    if isinstance(value, Partial) and len(value.parts) == 2 and any("." in part for part in value.parts):
        return "0".join(value.parts)
    return value.value if isinstance(value, Constant) and isinstance(value.value, str) else ""


def _check(view: ModuleView, adaptation: Adaptation) -> Iterator[Finding | Unseen]:
    given = _targets(adaptation.config)
    if not given or any(each.is_pattern and each.names[0] == "all-linear" for each in given):
        return
    found = adaptation.models.found
    parts = [models.part_of(each) for each in found]
    if parts and all(parts):
        yield from _in_joined(view, adaptation, given)
        return
    known = [each for each in found if each.model_type]
    if not known or len(known) < len(found):
        if not found and (lost := _in_parts(view, adaptation, given)) is not None:
            yield lost
        elif any(_OLD & set(each.names) for each in given):
            yield view.unseen(adaptation.meeting.node, "the family of the model that is adapted is not known")
        return
    verdicts = [_verdict(model, each, view) for model in known for each in given]
    if any(each is None for each in verdicts):
        return  # right for one of the models that it may be
    model, verdict = known[0], verdicts[0]
    assert verdict is not None
    here = adaptation.config.view is view
    node = _place(adaptation.config) if here and not adaptation.is_shared else adaptation.meeting.node
    since, message, gone = verdict
    sure = len({each.model_type for each in known}) == 1 and not adaptation.is_shared and here and len(given) == 1
    certain = model.is_sure and adaptation.models.is_complete and given[0].is_sure
    fix = _fix(view, adaptation, gone, model, is_sure=certain) if sure and gone else None
    yield view.finding(node, message, fix=fix, since=since)


def _in_joined(view: ModuleView, adaptation: Adaptation, given: list[Targets]) -> Iterator[Finding]:
    """The same for models that are put together from two, of which one is known."""
    verdicts = [
        joined_targets.told(each, part, targets.names, view.settings.target)
        for each in adaptation.models.found
        for targets in given
        if (part := models.part_of(each)) is not None and not targets.is_pattern
    ]
    if verdicts and all(verdicts) and not any(each.is_pattern for each in given):
        assert verdicts[0] is not None
        message, since = verdicts[0]
        here = adaptation.config.view is view and not adaptation.is_shared
        yield view.finding(_place(adaptation.config) if here else adaptation.meeting.node, message, since=since)


def _in_parts(view: ModuleView, adaptation: Adaptation, given: list[Targets]) -> Finding | None:
    """The same for a module of the repository that holds models: no part of it has a layer of these names."""
    held = held_models.held(view, adaptation.model)
    parts = [each for one in held for each in one.models]
    if not parts or not all(one.models for one in held) or not all(each.model_type for each in parts):
        return None
    own = held_models.attributes(view, adaptation.model)
    since, message = "", ""
    for targets in given:
        for each in parts:
            verdict = None if targets.is_pattern else _verdict(each, targets, view)
            if verdict is None or not verdict[2] or any(gone.target in own for gone in verdict[2]):
                return None
            since, message, _ = verdict
    node = _place(adaptation.config) if adaptation.config.view is view else adaptation.meeting.node
    return view.finding(node, message, since=since)


def _place(config: CallSite) -> ast.AST:
    return adapters.setting(config, _FIELD).node or config.node


def _verdict(model: Model, given: Targets, view: ModuleView) -> tuple[str, str, list[Renamed]] | None:
    """Since when the targets are wrong for a model, the message, and the renamed ones; None where they are right."""
    release, family = view.settings.target, model.model_type
    targets, is_pattern = given.names, given.is_pattern
    now = library.release_text(release)
    if not linear_layers.layer_paths(family, now):
        return None
    gone = [
        each
        for target in targets
        if (each := linear_layers.renamed(target, family, release, is_pattern=is_pattern)) is not None
        and not (each.news and set(each.news) <= set(targets))
    ]
    if gone:
        return gone[-1].since, _message(model, gone, targets, view), gone
    if is_pattern or any(not linear_layers.is_foreign(target, family, release) for target in targets):
        return None
    if model.is_own or _runs_remote_code(model):
        return None
    names = library.listed(linear_layers.attention_names(family, release))
    said = f"no layer of a `{family}` model has the name {library.listed(targets, 'or')}, and none had it before"
    return "4.20", f"{said}: its attention layers are {names}" if names else said, []


def _runs_remote_code(model: Model) -> bool:
    return model.call is not None and bool(model.call.values_of("trust_remote_code"))


def _message(model: Model, gone: list[Renamed], targets: list[str], view: ModuleView) -> str:
    wrong = [each.target for each in gone]
    rest = [each for each in targets if each not in wrong]
    news = list(dict.fromkeys(name for each in gone for name in each.news))
    kind = f"a `{model.model_type}` model" if model.name.startswith("Auto") else f"`{model.name}`"
    verb = "names" if len(wrong) == 1 else "name"
    effect = (
        f"only {library.listed(rest)} {'is' if len(rest) == 1 else 'are'} adapted, without a word"
        if _matches_rest(model, rest, view)
        else "PEFT raises NoMatchingPeftModuleError"
    )
    said = f"{library.listed(wrong)} {verb} no layer of {kind} and {effect}"
    if not news:
        return f"{said}: use `v5lint.runtime.lora_config_for(model)`, which finds the layers by their roles"
    since = gone[-1].since
    if view.settings.minimum < parse_release(since):
        both = library.listed([*wrong, *news])
        return (
            f"{said}: from {since} on write {library.listed(news)}; where older releases are supported as well, name "
            f"both ({both}) or use `v5lint.runtime.lora_config_for(model)`"
        )
    return f"{said}: write {library.listed(news)}"


def _matches_rest(model: Model, rest: list[str], view: ModuleView) -> bool:
    now = library.release_text(view.settings.target)
    heads = lookup.head_names(model.name) or ()
    return any(
        linear_layers.matched(each, model.model_type, now) or each in heads or each in ("classifier", "score")
        for each in rest
    )


def _fix(view: ModuleView, adaptation: Adaptation, gone: list[Renamed], model: Model, *, is_sure: bool) -> Fix | None:
    """Put the new names in the place of the old ones, in the list as it is written."""
    node = adapters.setting(adaptation.config, _FIELD).node
    given = adapters.written(view, node) if node is not None else None
    if not isinstance(given, (ast.List, ast.Tuple, ast.Set)) or any(not each.news for each in gone):
        return None
    news = {each.target: each.news for each in gone}
    if any(_names_one(each, news) for each in adaptation.config.node.keywords if each.arg != _FIELD):
        return None  # `feedforward_modules` must name the same layers, `rank_pattern` should
    written = [each.value for each in given.elts if isinstance(each, ast.Constant)]
    if len(written) != len(given.elts) or not set(news) <= set(written):
        return None

    applicability: Applicability = "safe" if is_sure else "unsafe"
    if view.settings.minimum < parse_release(gone[-1].since):
        return _name_both(view, given, gone, model, applicability)
    edits: list[Edit] = []
    there = [name for name in written if name not in news]
    for element in given.elts:
        assert isinstance(element, ast.Constant)
        if element.value in news:
            quote = view.source(element)[-1]
            names = [name for name in news[element.value] if name not in there]
            if not names:
                return None
            there += names
            edits.append(view.replace(element, ", ".join(f"{quote}{name}{quote}" for name in names)))
    message = f"Write {library.listed([name for each in gone for name in each.news])}"
    return Fix(message, edits, applicability=applicability, requires=gone[-1].since)


def _name_both(
    view: ModuleView,
    given: ast.List | ast.Tuple | ast.Set,
    gone: list[Renamed],
    model: Model,
    applicability: Applicability,
) -> Fix | None:
    """Put the new names behind the old ones: on either side of the renaming one half of them means the layers.

    None where a new name meant other layers before.
    """
    written = {each.value for each in given.elts if isinstance(each, ast.Constant)}
    news = list(dict.fromkeys(name for each in gone for name in each.news if name not in written))
    if not news or any(linear_layers.matched(name, model.model_type, _BEFORE) for name in news):
        return None
    last = given.elts[-1]
    quote, end = view.source(last)[-1], view.span(last)[1]
    edit = Edit(end, end, "".join(f", {quote}{name}{quote}" for name in news))
    return Fix(f"Name {library.listed(news)} as well", [edit], applicability=applicability)


def _names_one(keyword: ast.keyword, names: Container[str]) -> bool:
    """Whether another setting of a configuration names one of the layers."""
    return any(isinstance(each, ast.Constant) and each.value in names for each in ast.walk(keyword.value))

"""V5505: attributes of configurations that are gone."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import generation_parameters
from v5lint.rules.parts import (
    expected_defaults,
    library,
    members,
    named_settings,
    origins,
    own_rotary,
    rotary_settings,
    second_choices,
    text_settings,
)
from v5lint.view.values import Constant, External, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.members import Owner
    from v5lint.view.module import ModuleView

_THETA, _SCALING, _PARAMETERS = rotary_settings.THETA, rotary_settings.SCALING, rotary_settings.PARAMETERS

#: The configuration of a model of which only the base is known, and what a configuration class of a repository does.
_OF_ANY_MODEL = "PreTrainedModel.config"
_SETS_ITS_OWN = f"self.{_THETA} = {_THETA}"

_DROPPED = (
    f"setting `{_SCALING}` drops the `{_THETA}` of the configuration since transformers 5.0: update `{_PARAMETERS}`, "
    "which holds both"
)

#: What made a configuration of those of its parts, of single classes, with the beginnings of their names for the gate.
_MAKERS = (
    "from_backbone_and_decoder_configs from_backbone_config from_backbone_configs from_configs from_sub_model_configs "
    "from_sub_models_config from_vision_qformer_text_configs"
).split()
_COMPOSED = "pass the configurations to the constructor, each under its name"

_SET = f'setting `{_THETA}` does nothing since transformers 5.0: set `{_PARAMETERS}["{_THETA}"]`'

_OVERWRITTEN = (
    f"a saved configuration holds `{_SCALING}` as `{_PARAMETERS}` since transformers 5.0, which the base has read when "
    "this sets the default again: take what is there"
)


class RemovedConfigAttribute(Rule):
    """An attribute or method that a configuration no longer has.

    ## What it does

    Finds on configurations of transformers (objects of a configuration class, `model.config`): `rope_theta`, read as an
    attribute, with `getattr` and a default, or set; `rope_scaling` that is set or compared with None; both where
    `from_pretrained` is given them; methods such as `from_text_vision_configs`, `from_sub_models_config` (Musicgen) and
    `from_vision_qformer_text_configs` (BLIP-2); and, on objects made by a constructor in the file, every attribute that
    a release took from the class (`torchscript`, `pruned_heads`, `position_embedding_type`, ...); and what the
    configurations of Qwen2-VL and Qwen2.5-VL gave of their `text_config` (`model.config.hidden_size`,
    `model.config.use_cache = False`). What else `from_pretrained` loads still has those that are written in the
    checkpoint's config.json, so nothing is said of them. Configurations that a repository defines itself keep their
    `rope_theta`; of their `rope_scaling`, what is set behind `super().__init__(**kwargs)` is found, and what is set
    before it and compared with None elsewhere, by code that reads its `["type"]` or `["factor"]`. What a subclass of a
    library layer (`class Mine(LlamaAttention)`) is given, and `text_config`, is taken for the library's. The parameters
    of generation have a rule of their own (V5506).

    ## Why it breaks

    Measured on 5.23:

        AttributeError: 'LlamaConfig' object has no attribute 'rope_theta'

    `getattr(config, "rope_theta", 10000.0)` raises nothing and gives the default, whatever the checkpoint was trained
    with. `rope_scaling` is always a dict, never None, and setting it drops the base frequency, which fails when the
    model is built:

        TypeError: unsupported operand type(s) for ** or pow(): 'NoneType' and 'Tensor'

    And of the configuration of Qwen2-VL, whose `use_cache` and others nothing hands on any more when they are set:

        AttributeError: 'Qwen2VLConfig' object has no attribute 'hidden_size'

    A configuration class of one's own that sets `self.rope_scaling` before it calls its base has the dict, too, and the
    `["type"]` of a model that was written for None is a KeyError. One that sets it behind loses it: it is written as
    `rope_parameters`, and is None when the configuration is loaded again.

    `AutoConfig.from_pretrained(name, rope_theta=500000.0)` keeps what the checkpoint says, and nothing is said.

    ## Example

        base = model.config.rope_theta

    becomes

        base = model.config.rope_parameters["rope_theta"]

    ## Fix safety

    Safe for the attributes of a `text_config`. Safe for reading `rope_theta` of a configuration class that is known (of
    Gemma 3, whose types of layers have parameters of their own, it is
    `rope_parameters["full_attention"]["rope_theta"]`), and held back while the project supports v4, which has no
    `rope_parameters`. Unsafe where a configuration of one's own takes what its base has read (`self.rope_scaling =
    rope_scaling or getattr(self, "rope_parameters", None)`): a check of its own may count the entries, which are two
    more. The others are for a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide says that
      all of `from_xxx_config` is gone: `from_encoder_decoder_configs` is still there, and is not reported)
    """

    code = "V5505"
    name = "removed-config-attribute"
    since = "5.0"
    tokens = (
        _THETA,
        _SCALING,
        "Config(",
        "from_text_vision_configs",
        "from_text_audio_configs",
        *_MAKERS,
        *text_settings.TOKENS,
        *(f".{name}" for name in expected_defaults.DEFAULTS),
    )

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for found in members.gone(module, ("config",)):
            name = found.node.attr
            if name == _THETA or generation_parameters.is_parameter(name) or text_settings.is_about(found):
                continue
            if _is_method(module, found.node) or _is_constructed(module, found.node.value, name):
                message = members.told(found, instead=_COMPOSED if name in _MAKERS else "")
                yield module.finding(found.node, message, since=found.removal.gone)
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr == _THETA:
                yield from _theta(module, node)
            elif node.attr == _SCALING:
                yield from _scaling(module, node)
        if _SCALING in module.text:
            for target in own_rotary.overwritten(module):
                yield module.finding(target, _OVERWRITTEN, fix=own_rotary.kept(module, target))
        yield from expected_defaults.findings(module)
        yield from text_settings.findings(module)
        yield from _defaults(module)
        yield from _by_name(module)
        yield from rotary_settings.in_loaders(module)


def _rotary(view: ModuleView, node: ast.expr) -> list[Owner]:
    """The configurations that an expression may be, if their rotary embeddings are set in one dict now."""
    target = library.release_text(view.settings.target)
    found = members.owners(view, node, ("config",))
    if any(isinstance(each.of, LocalClass) or each.shown in members.BASES_OF_CONFIGS for each in found):
        return []  # a class of the repository, or one that its annotation does not name
    if any(isinstance(each, Instance) and isinstance(each.of, LocalClass) for each in view.values(node)):
        return []  # one of the repository, as another branch has it
    if any(not each.is_exact for each in found) and _is_of_remote_code(view, node):
        return []
    if any(each.shown == _OF_ANY_MODEL for each in found) and _has_own_configurations(view):
        return []
    return [each for each in found if not each.is_exact or rotary_settings.has_lost_theta(each.name, target)]


def _has_own_configurations(view: ModuleView) -> bool:
    """Whether the repository defines a configuration with rotary settings of its own, which stay where they are."""
    return _SETS_ITS_OWN in view.text or bool(view.project.mentioning(_SETS_ITS_OWN.encode(), view.path))


def _is_of_remote_code(view: ModuleView, node: ast.expr) -> bool:
    """Whether a configuration, or the model whose it is, may be one of its checkpoint's own."""
    held = node.value if isinstance(node, ast.Attribute) else node
    return origins.runs_remote_code(view, node) or origins.runs_remote_code(view, held)


def _theta(view: ModuleView, node: ast.Attribute) -> Iterator[Finding | Unseen]:
    if members.is_prepared(view, node) or _knows_parameters(view, node, node.value):
        return
    owners = _rotary(view, node.value)
    if not owners or members.is_own_attribute(view, node):
        inner = rotary_settings.in_text_configurations(view, node) or rotary_settings.in_layers(view, node)
        if inner and isinstance(node.ctx, ast.Load):
            new = f'{_PARAMETERS}["{_THETA}"]'
            yield view.finding(node, f"`{inner}` has no `{_THETA}` since transformers 5.0: read `{new}`")
            return
        if isinstance(node.ctx, ast.Load) and _is_foreign(view, node):
            yield view.unseen(node, f"what `{view.source(node.value)}` is comes from elsewhere")
        return
    shown = owners[0].shown
    new = rotary_settings.place(owners[0].name)
    if isinstance(node.ctx, ast.Store):
        yield view.finding(node, f"setting `{_THETA}` does nothing since transformers 5.0: set `{new}`")
        return
    message = f"`{shown}` has no `{_THETA}` since transformers 5.0: read `{new}`"
    safety = library.safety_of(view, node.value)
    fix = Fix(f"Read `{_PARAMETERS}`", [Edit(*view.name_span(node), new)], applicability=safety, requires="5.0")
    is_sure = all(
        each.is_exact and rotary_settings.place(each.name) == new and rotary_settings.is_plain(each.name)
        for each in owners
    )
    yield view.finding(node, message, fix=fix if is_sure else None)


def _knows_parameters(view: ModuleView, node: ast.AST, holder: ast.expr) -> bool:
    """Whether a function asks the same configuration for its `rope_parameters`, and so knows either release."""
    around = view.links.function_around(node)
    shown = ast.unparse(holder)
    asked = [*view.calls({"getattr", "hasattr"})]
    return any(
        view.links.function_around(call.node) is around
        and len(call.args) > 1
        and Constant(_PARAMETERS) in view.values(call.args[1])
        and ast.unparse(call.args[0]) == shown
        for call in asked
    )


def _parameters_read(view: ModuleView) -> Iterator[ast.Attribute]:
    for each in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(each, ast.Attribute)
        if each.attr == _PARAMETERS and isinstance(each.ctx, ast.Load):
            yield each


def _is_foreign(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute is read from something unknown that is called a configuration."""
    return members.is_untyped(view, node, "config") and members.imports_transformers(view)


def _scaling(view: ModuleView, node: ast.Attribute) -> Iterator[Finding]:
    if members.is_prepared(view, node):
        return
    is_own = isinstance(node.ctx, ast.Load) and own_rotary.never_none(view, node.value)
    if not is_own and not _rotary(view, node.value):
        return
    parent = view.tree.parents[node]
    if isinstance(node.ctx, ast.Store):
        if isinstance(parent, (ast.Assign, ast.AnnAssign)):
            is_built = isinstance(node.value, ast.Attribute)  # of a model that is there, None is read by nobody
            if (is_built and _is_none(view, parent.value)) or rotary_settings.keeps_theta(view, parent.value):
                return
            yield view.finding(node, _DROPPED)
    elif isinstance(parent, ast.Compare) and any(
        isinstance(each, ast.Constant) and each.value is None for each in [parent.left, *parent.comparators]
    ):
        yield view.finding(
            node, f'`{_SCALING}` is a dict since transformers 5.0, never None: ask for `{_PARAMETERS}["rope_type"]`'
        )


def _by_name(view: ModuleView) -> Iterator[Finding]:
    """`config.update({"rope_scaling": {...}})` and `setattr(config, "rope_theta", 1e6)`."""
    for each in named_settings.settings(view, (_THETA, _SCALING)):
        if (each.name == _SCALING and rotary_settings.keeps_theta(view, each.value)) or not _rotary(view, each.holder):
            continue
        yield view.finding(each.node if each.name == _THETA else each.call, _SET if each.name == _THETA else _DROPPED)


def _is_none(view: ModuleView, value: ast.expr | None) -> bool:
    return value is None or view.values(value) == frozenset({Constant(None)})


def _defaults(view: ModuleView) -> Iterator[Finding]:
    """`getattr(config, "rope_theta", 10000)`, which gives the default without a word."""
    for call in view.calls({"getattr"}):
        if len(call.args) != 3 or Constant(_THETA) not in view.values(call.args[1]):
            continue
        owners = _rotary(view, call.args[0])
        is_ready = members.is_prepared(view, call.node) or _knows_parameters(view, call.node, call.args[0])
        is_ready = is_ready or any(second_choices.is_without(view, each, call.node) for each in _parameters_read(view))
        if owners and not is_ready:
            yield view.finding(
                call.node,
                f"`{owners[0].shown}` has no `{_THETA}` since transformers 5.0, and `getattr` gives its default: read "
                f"`{_PARAMETERS}`",
            )


def _is_method(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a member is called on the class itself: `CLIPConfig.from_text_vision_configs(...)`."""
    parent = view.tree.parents[node]
    if not isinstance(parent, ast.Call) or parent.func is not node:
        return False
    return any(isinstance(each, External) for each in view.values(node.value))


def _is_constructed(view: ModuleView, node: ast.expr, name: str) -> bool:
    """Whether a configuration is made by a constructor in the module, without an argument of the name."""
    call = view.links.defining_call(node)
    if call is None or any(each.arg in (None, name) for each in call.keywords):
        return False
    return any(isinstance(each, External) and each.package == "transformers" for each in view.values(call.func))

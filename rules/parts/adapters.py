"""Where PEFT is put around a model: configurations, and the models they go with."""

from __future__ import annotations

import ast

from v5lint.rules.parts import library, models, origins
from v5lint.view.values import NOTHING_KNOWN, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rules.parts.models import Models
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Values

#: Where a configuration and a model meet: the function, and the places of the model and of the configuration.
_MEETINGS = {
    "get_peft_model": (("model", 0), ("peft_config", 1)),
    "PeftModel": (("model", 0), ("peft_config", 1)),
    "PeftModelForSequenceClassification": (("model", 0), ("peft_config", 1)),
    "PeftModelForCausalLM": (("model", 0), ("peft_config", 1)),
    "PeftModelForTokenClassification": (("model", 0), ("peft_config", 1)),
    "PeftModelForSeq2SeqLM": (("model", 0), ("peft_config", 1)),
    "PeftModelForQuestionAnswering": (("model", 0), ("peft_config", 1)),
    "PeftModelForFeatureExtraction": (("model", 0), ("peft_config", 1)),
    "inject_adapter_in_model": (("model", 1), ("peft_config", 0)),
    "attach_lora": (("model", 0), ("config", 1)),
    "SFTTrainer": (("model", 0), ("peft_config", -1)),
    "DPOTrainer": (("model", 0), ("peft_config", -1)),
    "RewardTrainer": (("model", 0), ("peft_config", -1)),
}


#: One of them is in every file in which a configuration meets a model.
TOKENS = ("get_peft_model", "PeftModel", "peft_config", "add_adapter", "inject_adapter_in_model", "attach_lora")


class Adaptation:
    """A configuration and the model it is put around.

    Attributes:
        config: the call that makes the configuration.
        meeting: the call in which both meet.
        model: the expression for the model in it.
        models: what the model may be.
        is_shared: whether the configuration goes with other models as well.
    """

    __slots__ = ("config", "is_shared", "meeting", "model", "models")

    def __init__(self, config: CallSite, meeting: CallSite, model: ast.expr, found: Models) -> None:
        self.config = config
        self.meeting = meeting
        self.model = model
        self.models = found
        self.is_shared = False


def adaptations(view: ModuleView) -> Iterator[Adaptation]:
    """The configurations of PEFT that meet a model in a module."""
    found: list[Adaptation] = []
    for call, model, config in _meetings(view):
        for origin in origins.origins(view, config).found:
            if is_config(origin.call):
                found.append(Adaptation(origin.call, call, model, models.of_model_or_part(view, model)))
    for each in found:
        each.is_shared = sum(other.config.node is each.config.node for other in found) > 1
    yield from found


def is_config(call: CallSite) -> bool:
    """Whether a call makes a configuration of PEFT."""
    return call.name.endswith("Config") and any(
        isinstance(each, External) and each.package == "peft" for each in call.callees
    )


class Setting:
    """What a configuration is given for one of its fields.

    Attributes:
        node: the expression, in the module of the configuration; None where it is not in sight.
        values: what it may be; empty where nothing is given.
    """

    __slots__ = ("node", "values")

    def __init__(self, node: ast.expr | None, values: Values) -> None:
        self.node = node
        self.values = values


def setting(config: CallSite, name: str) -> Setting:
    """What a configuration is given for a field: in its constructor, through a dict, or by an assignment afterwards."""
    view = config.view
    given = config.argument(name)
    entry = config.entry(name) if given is None else None
    if entry is not None:
        given = entry.value
    stored = [] if given is not None else _stored(config, name)
    if len(stored) == 1:
        given = stored[0]
    if given is None:
        return Setting(None, config.values_of(name) if not stored else NOTHING_KNOWN)
    return Setting(given if given in view.tree.parents else None, view.values(given))


def _stored(config: CallSite, name: str) -> list[ast.expr]:
    """What `config.name = ...` gives to a field of a configuration."""
    view = config.view
    found = []
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        parent = view.tree.parents[node]
        if node.attr != name or not isinstance(parent, ast.Assign) or node not in parent.targets:
            continue
        if view.links.defining_call(node.value) is config.node:
            found.append(parent.value)
    return found


def written(view: ModuleView, node: ast.expr) -> ast.expr:
    """The expression that a name stands for which is bound once and read once; else the expression itself."""
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        binding = bindings[0] if len(bindings) == 1 else None
        if binding is not None and binding.kind == "assign" and binding.value is not None:
            is_read_once = not view.links.other_bindings(binding) and len(view.links.uses(binding)) == 1
            if is_read_once and not library.is_handed_on(view, binding):
                return binding.value
    return node


def _meetings(view: ModuleView) -> Iterator[tuple[CallSite, ast.expr, ast.expr]]:
    for call in view.calls(_MEETINGS):
        if not any(isinstance(each, External) and each.package in ("peft", "trl", "v5lint") for each in call.callees):
            continue
        (model, model_place), (config, config_place) = _MEETINGS[call.name]
        given = call.argument(model, model_place), call.argument(config, config_place)
        if given[0] is not None and given[1] is not None:
            yield call, given[0], given[1]
    for call in view.calls({"add_adapter"}):
        config_given = call.argument("adapter_config", 0)
        if config_given is not None and isinstance(call.func, ast.Attribute):
            yield call, call.func.value, config_given

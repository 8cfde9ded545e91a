"""Where PEFT is put around a model: configurations, and the models they go with."""

from __future__ import annotations

import ast

from v5lint.rules import models, origins
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rules.models import Models
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

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


class Adaptation:
    """A configuration and the model it is put around.

    Attributes:
        config: the call that makes the configuration.
        meeting: the call in which both meet.
        models: what the model may be.
        is_shared: whether the configuration goes with other models as well.
    """

    __slots__ = ("config", "is_shared", "meeting", "models")

    def __init__(self, config: CallSite, meeting: CallSite, found: Models) -> None:
        self.config = config
        self.meeting = meeting
        self.models = found
        self.is_shared = False


def adaptations(view: ModuleView) -> Iterator[Adaptation]:
    """The configurations of PEFT that meet a model in a module."""
    found: list[Adaptation] = []
    for call, model, config in _meetings(view):
        for origin in origins.origins(view, config).found:
            if is_config(origin.call):
                found.append(Adaptation(origin.call, call, models.models(view, model)))
    for each in found:
        each.is_shared = sum(other.config.node is each.config.node for other in found) > 1
    yield from found


def is_config(call: CallSite) -> bool:
    """Whether a call makes a configuration of PEFT."""
    return call.name.endswith("Config") and any(
        isinstance(each, External) and each.package == "peft" for each in call.callees
    )


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

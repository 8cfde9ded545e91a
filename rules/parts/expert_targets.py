"""LoRA targets among the experts of a mixture, which are parameters and no linear layers since 5.0."""

from __future__ import annotations

from v5lint.rules.parts import adapters
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.adapters import Adaptation
    from v5lint.view.module import ModuleView

_FIELD = "target_modules"
_ALL = "all-linear"

#: Since when, and what reaches the experts in every family.
_SINCE = "5.0"
_INSTEAD = '`target_parameters=["experts.gate_up_proj", "experts.down_proj"]`'

#: What the layers of an expert were called: the two that are one parameter now, and the third.
_GATED = ("gate_proj", "up_proj", "down_proj")
_NUMBERED = ("w1", "w3", "w2")

#: Families whose names PEFT 0.21 takes for the parameters, and the layers of the same names that it passes over then
#: (measured with small models on 5.24.0): experts that all tokens share, and the dense layers in front.
_TAKEN = {
    "mixtral": (_NUMBERED, ""),
    "minimax": (_NUMBERED, ""),
    "qwen3_moe": (_GATED, ""),
    "olmoe": (_GATED, ""),
    "deepseek_v2": (_GATED, "`mlp.shared_experts` and the dense layers"),
    "deepseek_v3": (_GATED, "`mlp.shared_experts` and the dense layers"),
    "glm4_moe": (_GATED, "`mlp.shared_experts` and the dense layers"),
    "ernie4_5_moe": (_GATED, "`mlp.shared_experts`"),
    "hunyuan_v1_moe": (_GATED, "`mlp.shared_mlp`"),
    "qwen3_next": (_GATED, "`mlp.shared_expert`"),
}

#: Families whose names it does not take so, and what else has the names.
_LOST = {
    "qwen2_moe": (_GATED, "`mlp.shared_expert`"),
    "jamba": (_GATED, "the dense layers"),
    "phimoe": (_NUMBERED, ""),
}

#: Settings that PEFT refuses for a parameter, and what it says.
_REFUSED = {"lora_dropout": "lora_dropout != 0", "use_dora": "use_dora=True"}


def findings(view: ModuleView, adaptation: Adaptation) -> Iterator[Finding]:
    """What a configuration means by names of layers in experts."""
    types = adaptation.models.types
    if len(types) != 1 or not adaptation.models.is_complete or adaptation.config.name != "LoraConfig":
        return
    (model_type,) = types
    names = _names(adaptation)
    if not names or adapters.setting(adaptation.config, "target_parameters").values:
        return
    said = _taken(adaptation, model_type, names) if model_type in _TAKEN else _lost(model_type, names)
    if said:
        given = adapters.setting(adaptation.config, _FIELD).node
        here = adaptation.config.view is view and given is not None and not adaptation.is_shared
        node = given if here and given is not None else adaptation.meeting.node
        yield view.finding(node, said, since=_SINCE)


def _names(adaptation: Adaptation) -> set[str]:
    """The targets, where they are one list of names, or all linear layers; none where they are not known."""
    values = adapters.setting(adaptation.config, _FIELD).values
    if values == {Constant(_ALL)}:
        return {_ALL}
    (value,) = values if len(values) == 1 else (None,)
    if not isinstance(value, Elements) or value.is_open:
        return set()
    found: set[str] = set()
    for item in value.items:
        texts = [each.value for each in item if isinstance(each, Constant) and isinstance(each.value, str)]
        if len(texts) != 1 or len(item) != 1:
            return set()
        found.add(texts[0].rpartition("experts.")[2])
    return found


def _taken(adaptation: Adaptation, model_type: str, names: set[str]) -> str:
    (first, second, third), others = _TAKEN[model_type]
    if names & {first, second, third, _ALL}:
        for field, error in _REFUSED.items():
            if _is_set(adaptation, field):
                said = (
                    f"the experts of a `{model_type}` model are parameters, and PEFT raises a ValueError for `{field}`"
                )
                return f'{said}: "lora.ParamWrapper does not work with {error}"'
    if (first in names) != (second in names):
        one, other = (first, second) if first in names else (second, first)
        said = f"`{one}` and `{other}` are one parameter in a `{model_type}` model"
        return f"{said}, and PEFT raises a ValueError where only one of them is a target"
    if others and (first in names or third in names):
        shown = f"`{first}`, `{second}` or `{third}`"
        return f"PEFT takes {shown} for parameters of the experts of a `{model_type}` model: {others} stay as they are"
    return ""


def _lost(model_type: str, names: set[str]) -> str:
    layers, others = _LOST.get(model_type, ((), ""))
    if not names & {*layers, *([_ALL] if layers else [])}:
        return ""
    effect = f"only {others} of these names are adapted" if others else "none of these names is adapted"
    if _ALL in names:
        effect = "none of them is adapted"
    return f"the experts of a `{model_type}` model are parameters since 5.0, and {effect}: add {_INSTEAD}"


def _is_set(adaptation: Adaptation, field: str) -> bool:
    """Whether a field is given a value that counts: not 0, False or None, and nothing that is not known."""
    values = adapters.setting(adaptation.config, field).values
    return bool(values) and all(isinstance(each, Constant) and bool(each.value) for each in values)

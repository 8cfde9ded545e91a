"""What becomes of the fields that TrainingArguments no longer has: by their values, as v4 read them."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix
from v5lint.rules.parts import arguments
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.rule import Applicability, Edit
    from v5lint.rules.parts.arguments import Given

#: Fields that go without another in their place: the values with which they changed nothing under v4 (None: all).
_WITHOUT_EFFECT: dict[str, tuple[object, ...] | None] = {
    "overwrite_output_dir": None,
    "use_mps_device": None,
    "fp16_opt_level": None,
    "mp_parameters": ("",),
    "fp16_backend": ("auto", "cuda_amp", "cpu_amp"),
    "half_precision_backend": ("auto", "cuda_amp", "cpu_amp"),
    "past_index": (-1,),
    "use_legacy_prediction_loop": (False,),
    "use_ipex": (False,),
    "jit_mode_eval": (False,),
    "tpu_num_cores": (None,),
    "ray_scope": ("last",),
    "save_safetensors": (True,),
    "_n_gpu": (),
    "sharded_ddp": ("", False),
    "tp_size": (0, 1),
    "include_tokens_per_second": (False,),
}

#: Those of them that are not dropped where their value had an effect: what they did has to be asked for elsewhere.
_KEPT = frozenset({"sharded_ddp", "tp_size", "include_tokens_per_second", "fp16_backend", "half_precision_backend"})

#: Flags that a value of another field takes the place of: field, its value for True and for False, since when.
_FLAGS = {
    "group_by_length": ("train_sampling_strategy", '"group_by_length"', '"random"', "5.2"),
    "include_inputs_for_metrics": ("include_for_metrics", '["inputs"]', "[]", "4.46"),
    "tpu_metrics_debug": ("debug", '"tpu_metrics_debug"', '""', "4.20"),
    "adafactor": ("optim", '"adafactor"', "", "4.20"),
}

#: Fields that become a key of a field that holds a dict: the field, the key, the value without effect, since when.
_KEYS: dict[str, tuple[str, str, object, str]] = {
    "fsdp_min_num_params": ("fsdp_config", "min_num_params", 0, "4.27"),
    "fsdp_transformer_layer_cls_to_wrap": ("fsdp_config", "transformer_layer_cls_to_wrap", None, "4.27"),
    "dispatch_batches": ("accelerator_config", "dispatch_batches", None, "4.38"),
    "split_batches": ("accelerator_config", "split_batches", None, "4.38"),
}

_MODEL_ID, _ORGANIZATION, _HUB_ID = "push_to_hub_model_id", "push_to_hub_organization", "hub_model_id"
_RATIO, _STEPS = "warmup_ratio", "warmup_steps"


def had_effect(name: str) -> bool:
    """Whether some value of a field changed what the Trainer of v4 did."""
    return _WITHOUT_EFFECT.get(name, ()) is not None


def is_without_effect(name: str, values: Iterable[object]) -> bool:
    """Whether the Trainer of v4 did the same with each of some values of a field as without it."""
    harmless = _WITHOUT_EFFECT.get(name, ())
    return harmless is None or all(_is_in(each, harmless) for each in values)


def is_share(name: str) -> bool:
    """Whether a field holds a share of the steps, which another one takes since 5.0."""
    return name == _RATIO


class Plan:
    """What becomes of one field.

    Attributes:
        given: the field.
        do: "rename", "replace", "remove", "choose" (the field that the release at hand has) or "" (nothing that a tool
            can do).
        new: the other field.
        value: its value, as source.
        applicability: of the fix.
        requires: the oldest release that takes the new spelling.
        first: the field in whose place the new one is put: of several that become one, the first.
        along: the others of them.
    """

    __slots__ = ("along", "applicability", "do", "first", "given", "new", "requires", "value")

    def __init__(
        self,
        given: Given,
        do: str = "",
        new: str = "",
        value: str = "",
        *,
        safe: bool = True,
        requires: str = "",
        first: Given | None = None,
        along: Iterable[Given] = (),
    ) -> None:
        self.given = given
        self.do = do
        self.new = new
        self.value = value
        self.applicability: Applicability = "safe" if safe else "unsafe"
        self.requires = requires
        self.first = first or given
        self.along = list(along)


def fixes(group: list[Given]) -> Iterator[tuple[Given, Fix | None, str]]:
    """The fix of each of the fields given in one call or dict, and a remark for the message."""
    by_name = {each.name: each for each in group}
    plans = [_plan(each, by_name) for each in group]
    gone: dict[Applicability, list[Given]] = {}
    remarks = {}
    for plan in plans:
        level, remarks[plan.given] = arguments.safety(plan.given)
        if plan.applicability == "safe" and (level == "unsafe" or _is_asked_for(plan)):
            plan.applicability = "unsafe"
        if plan.do == "remove":
            gone.setdefault(plan.applicability, []).append(plan.given)
    removals = {level: arguments.removal_fix(each, level) for level, each in gone.items()}
    replacements: dict[Given, Fix | None] = {}
    for plan in plans:
        given = plan.given
        fix: Fix | None = None
        if plan.do == "remove":
            fix = removals[plan.applicability]
        elif plan.do == "rename":
            fix = arguments.rename_fix(given, plan.new, plan.requires, plan.applicability)
        elif plan.do == "choose" and given.is_editable:
            fix = _choice(plan)
        elif plan.do == "replace" and all(each.is_editable for each in (plan.first, *plan.along)):
            if plan.first not in replacements:
                replacements[plan.first] = _replacement(plan)
            fix = replacements[plan.first]
        yield given, fix, remarks[given]


def _is_asked_for(plan: Plan) -> bool:
    """Whether a module asks for a field that did nothing else, and goes another way without it."""
    name = plan.given.name
    is_plain = plan.do != "remove" or had_effect(name) or plan.given.constants == [False]
    return not is_plain and f".{name}" in plan.given.view.text


def _replacement(plan: Plan) -> Fix | None:
    first = plan.first
    if first.other(plan.new) is not None or any(each.owner is not first.owner for each in plan.along):
        return None
    if first.entry is not None and first.entry.how == "subscript" and plan.along:
        return None

    def build() -> list[Edit]:
        return first.replaced(plan.new, plan.value, plan.along)

    names = ", ".join(f"`{each.name}`" for each in [first, *plan.along])
    return Fix(f"Replace {names} with `{plan.new}`", build, applicability=plan.applicability, requires=plan.requires)


def _choice(plan: Plan) -> Fix:
    """The fix that gives the field which the release has that runs: no name of it is in all that are supported."""
    given = plan.given
    func, value = given.view.source(given.call.func), given.view.source(given.value)  # type: ignore[arg-type]
    old, new = f'{{"{given.name}": {value}}}', f'{{"{plan.new}": {plan.value}}}'
    text = f'**({old} if hasattr({func}, "{given.name}") else {new})'

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(given.view, given.call.node, replace={given.node: text})]

    return Fix(f"Give `{given.name}` or `{plan.new}`, whichever there is", build, applicability=plan.applicability)


def _plan(given: Given, beside: dict[str, Given]) -> Plan:
    name, constants = given.name, given.constants
    if name in _WITHOUT_EFFECT:
        harmless = _WITHOUT_EFFECT[name]
        is_known = constants is not None and all(_is_in(each, harmless or ()) for each in constants)
        if harmless is not None and not is_known and name in _KEPT:
            return Plan(given)
        return Plan(given, "remove", safe=harmless is None or is_known)
    if name in _FLAGS:
        return _flag(given, constants)
    if name in _KEYS:
        return _key(given, beside)
    if name == _RATIO:
        return _ratio(given, constants)
    if name == "logging_dir":
        return Plan(given, "remove", safe=constants == [None] or _logs_elsewhere(given))
    if name in (_MODEL_ID, _ORGANIZATION):
        return _hub_id(given, beside)
    if name == "torchdynamo" and constants == [None]:
        return Plan(given, "remove")
    if name in ("per_gpu_train_batch_size", "per_gpu_eval_batch_size") and constants in ([None], [0]):
        return Plan(given, "remove")
    replacement = given.removal.replacement
    if replacement is None or not (replacement.drop_in or name == "torchdynamo"):
        return Plan(given)
    return Plan(given, "rename", replacement.new, requires=replacement.since)


def _is_in(value: object, known: tuple[object, ...]) -> bool:
    return any(type(each) is type(value) and each == value for each in known)


def _flag(given: Given, constants: list[object] | None) -> Plan:
    new, on, off, since = _FLAGS[given.name]
    if constants is not None and not any(constants):
        return Plan(given, "remove")
    if constants is not None and all(constants):
        if parse_release(since) > given.view.settings.minimum and _is_named(given):
            return Plan(given, "choose", new, on, safe=False)
        return Plan(given, "replace", new, on, requires=since)
    if not off or given.value is None:
        return Plan(given)
    value = f"{on} if {arguments.operand(given)} else {off}"
    if parse_release(since) > given.view.settings.minimum and _is_named(given):
        return Plan(given, "choose", new, value, safe=False)
    return Plan(given, "replace", new, value, requires=since)


def _is_named(given: Given) -> bool:
    """Whether a field is given by its name to a class that is called by a plain name."""
    parts = ast.walk(given.call.func)
    return given.entry is None and all(isinstance(each, (ast.Name, ast.Attribute, ast.Load)) for each in parts)


def _key(given: Given, beside: dict[str, Given]) -> Plan:
    new, _, _, since = _KEYS[given.name]
    if _is_off(given):
        return Plan(given, "remove")
    partners = [each for each in beside.values() if _KEYS.get(each.name, ("",))[0] == new and not _is_off(each)]
    if any(each.value is None for each in partners):
        return Plan(given)
    pairs = []
    for each in partners:
        assert each.value is not None
        source = each.view.source(each.value)
        if each.name == "fsdp_transformer_layer_cls_to_wrap":
            source = f"[{source}]"
        pairs.append(f'"{_KEYS[each.name][1]}": {source}')
    is_known = all(each.constants is not None for each in partners)
    value = f"{{{', '.join(pairs)}}}"
    first, *along = partners
    return Plan(given, "replace", new, value, safe=is_known, requires=since, first=first, along=along)


def _is_off(given: Given) -> bool:
    off = _KEYS[given.name][2]
    return given.constants is not None and all(each == off for each in given.constants)


def _ratio(given: Given, constants: list[object] | None) -> Plan:
    steps = given.other(_STEPS)
    if steps is not None:
        wins = isinstance(steps, ast.Constant) and isinstance(steps.value, (int, float)) and steps.value > 0
        return Plan(given, "remove", safe=True) if wins or constants == [0.0] else Plan(given)
    shares = [each for each in constants or () if isinstance(each, (int, float))]
    if any(each >= 1 for each in shares):
        return Plan(given)  # from 1 on warmup_steps counts steps
    is_known = constants is not None and len(shares) == len(constants)
    return Plan(given, "rename", _STEPS, safe=is_known, requires="5.0")


def _logs_elsewhere(given: Given) -> bool:
    """Whether nothing is reported to TensorBoard, which alone reads the folder."""
    node = given.other("report_to")
    if node is None or (isinstance(node, ast.Constant) and node.value is ...):
        return False
    found: set[object] = set()
    for value in given.view.values(node):
        if isinstance(value, Elements):
            for item in value.items:
                found |= {each.value if isinstance(each, Constant) else "all" for each in item}
        else:
            found.add(value.value if isinstance(value, Constant) else "all")
    return not found & {"all", "tensorboard", None}


def _hub_id(given: Given, beside: dict[str, Given]) -> Plan:
    model, organization = beside.get(_MODEL_ID), beside.get(_ORGANIZATION)
    if organization is None:
        return Plan(given, "rename", _HUB_ID)
    texts = [
        each.constants[0] if each is not None and each.constants is not None and len(each.constants) == 1 else None
        for each in (organization, model)
    ]
    if model is None or not all(isinstance(each, str) for each in texts):
        return Plan(given)
    value = f'"{texts[0]}/{texts[1]}"'
    return Plan(given, "replace", _HUB_ID, value, first=model, along=[organization])

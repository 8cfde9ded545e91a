"""V5002: `load_in_4bit` and `load_in_8bit` given to a loader of transformers."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Finding, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    carried_fields,
    kbit_dicts,
    library,
    model_loads,
    named_calls,
    parsed_options,
    quantization,
    settings_files,
    standing,
)
from v5lint.rules.parts.quantization import CONFIG, FLAGS, KEYWORD, SINCE, SKIP, TELL
from v5lint.view.script import ScriptView
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Applicability, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.dicts import Entry
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: Kinds of classes whose loaders took the flags.
_MODELS = frozenset({"model", "auto_model"})


class RemovedKbitFlag(Rule):
    """`load_in_4bit` or `load_in_8bit` given to a loader of transformers.

    ## What it does

    Finds the flags where they reach `from_pretrained` of a transformers model: as keywords, in a dict that is splatted
    into the call later, in this module or in another one of the repository, in `pipeline(model_kwargs={...})`, through
    functions that hand their `**kwargs` on, through a subclass of a transformers model and through PEFT's
    `AutoPeftModel*`. `BitsAndBytesConfig(load_in_4bit=True)` itself, other libraries' loaders (unsloth) and
    configurations, and a project's own functions that take an argument of the name are left alone. Loads that are
    given a dict from elsewhere are counted as not followed.

    Also found are settings that say what is called with them: `_target_: transformers.AutoModel.from_pretrained` and
    the keys beside it in YAML or in a dict, and `dict(type=AutoModel.from_pretrained, ...)`, as mmengine has it.

    So are the fields of an object that go into the call as a whole: `**asdict(config)`, `**vars(config)`; and the
    `kwargs={...}` of a thread or process whose `target` is a loader, or hands them on to one.

    ## Why it breaks

    Since 5.0 the flags reach the constructor of the model, `False` as well as `True`:

        TypeError: LlamaForCausalLM.__init__() got an unexpected keyword argument 'load_in_8bit'

    ## Example

        model = AutoModelForCausalLM.from_pretrained(name, load_in_8bit=args.int8, device_map="auto")

    becomes

        model = AutoModelForCausalLM.from_pretrained(
            name, quantization_config=BitsAndBytesConfig(load_in_8bit=True) if args.int8 else None, device_map="auto"
        )

    The condition is meant: `BitsAndBytesConfig(load_in_8bit=False)` quantizes to 4-bit. `bnb_4bit_*` and `llm_int8_*`
    arguments beside the flag move into the configuration; where the call has a `quantization_config` already, the flags
    only go. Where a dict may hold a configuration already, what is put in by an assignment goes under an `if`, and
    `{**kwargs, "load_in_8bit": flag}` becomes `{**kwargs, **({"quantization_config": ...} if flag else {})}`.

    Version 4 left the last layer of a model alone, a classifier say; version 5 quantizes it where it has a bias. So the
    configuration of a class that has such a layer names it:

        BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["classifier"])

    ## Fix safety

    Safe where every call that the flag reaches is known to load a model. Unsafe where a flag that may be off stands
    beside a `**kwargs` from elsewhere, which may bring a `quantization_config` then (beside a flag that is on version 4
    refused it as well), where an `except` around the call hides the TypeError (the program took a second way), where
    another library hands the dict on, where the dict goes to another module of the repository, in code that never runs,
    and where it depends on the checkpoint which layer version 4 left alone (`AutoModelForSequenceClassification` and
    other Auto classes with a head, unless the checkpoint's name tells). No fix where the loader may be another
    library's, and none of a flag in a dict, or in the `**kwargs` of a function, that goes to a call with a flag or a
    configuration of its own: two configurations would meet there (TypeError).

    Without a `dtype`, version 4 loaded what is not quantized in half precision, version 5 loads it as the checkpoint
    has it: more memory, and other roundings. `dtype=torch.float16` brings it back; no fix adds it.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5002"
    name = "removed-kbit-flag"
    since = "5.0"
    tokens = (*FLAGS, "from_pretrained", "pipeline(")
    anywhere = True
    tokens_by_kind = {"script": named_calls.TOKENS}
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        places = set()
        for each in () if isinstance(module, ScriptView) else _in_module(module):
            places.add(each.start)
            yield each
        for setting in named_calls.settings(module, FLAGS):
            holder, _, method = setting.function.rpartition(".")
            if method == "from_pretrained" and lookup.kind_of(holder) in _MODELS and setting.start not in places:
                message = f"{TELL.format(flag=setting.name)}: put a `{CONFIG}` into `{KEYWORD}`"
                yield Finding(message, setting.start, setting.start + len(setting.name))


def _in_module(view: ModuleView) -> Iterator[Finding | Unseen]:
    seen: set[ast.Call] = set()
    for call, _ in view.keywords(FLAGS):
        if call.node not in seen:
            seen.add(call.node)
            yield from _call(view, call)
    yield from kbit_dicts.check(view)
    told = set()
    for each in carried_fields.carried(view, FLAGS, _may_load):
        if _loads(each.call, each.name):
            message = f"{TELL.format(flag=each.name)}, and `{each.of.name}` has a field of the name"
            told.add(each.call.node)
            yield view.finding(each.node, f"{message}: put a `{CONFIG}` into `{KEYWORD}`")
    for option in parsed_options.options(view, FLAGS, _may_load):
        if _loads(option.call, option.name):
            message = f"{TELL.format(flag=option.name)}, and line {option.call.node.lineno} gives all options to it"
            told.add(option.call.node)
            yield view.finding(option.place, f"{message}: put a `{CONFIG}` into `{KEYWORD}`")
    for setting in settings_files.given(view, FLAGS, _may_load):
        message = f"{TELL.format(flag=setting.name)}, and `{setting.file}` has a key of the name"
        told.add(setting.call.node)
        yield view.finding(setting.node, f"{message}: put a `{CONFIG}` into `{KEYWORD}`")
    yield from _given_from_elsewhere(view, told)


def _may_load(call: CallSite) -> bool:
    return _loads(call, FLAGS[0])


def _loads(call: CallSite, flag: str) -> bool:
    return model_loads.target(call, flag).kind in ("model", "peft")


def _given_from_elsewhere(view: ModuleView, told: Container[ast.AST]) -> Iterator[Unseen]:
    """Loads that are given a dict which could not be followed: the flags may be in it; without those told already."""
    for call in view.calls({"from_pretrained", "pipeline"}):
        if not call.splats or call.node in told or call.bound is not None or any(call.keyword(flag) for flag in FLAGS):
            continue
        flows = [view.dicts.flow(splat) for splat in call.splats]
        if not any(flow.is_open for flow in flows) or any(each.key in FLAGS for flow in flows for each in flow.entries):
            continue
        if model_loads.target(call, FLAGS[0]).kind in ("model", "peft", "pipeline") and not view.guards.is_dead(
            call.node
        ):
            given = ", ".join(f"`**{view.source(splat)}`" for splat in call.splats)
            yield view.unseen(call.node, f"what is in {given} comes from elsewhere, and may hold a flag")


# Flags as keywords of a call


def _call(view: ModuleView, call: CallSite) -> Iterator[Finding | Unseen]:
    flags = [keyword for keyword in call.node.keywords if keyword.arg in FLAGS]
    reached = model_loads.target(call, str(flags[0].arg))
    kind = reached.kind
    if kind == "unknown":
        yield view.unseen(call.node, f"`{flags[0].arg}=` goes to a class or function that v5lint cannot follow")
    if kind not in ("model", "peft", "pipeline") or standing.never_runs(view, call.node):
        return
    if model_loads.is_tried_with(view, call, KEYWORD):
        return
    if kind == "pipeline":
        for flag in flags:
            message = f"{TELL.format(flag=flag.arg)}, and `pipeline` hands it on: put a `BitsAndBytesConfig` into "
            yield view.finding(flag, message + "`model_kwargs`")
        return
    safety, remark = model_loads.safety(view, call)
    if reached.way or kind == "peft":
        remark = f" (`{reached.way or reached.name}` hands it on){remark}"
    clash = _clash(view, call, flags)
    plan = _Plan(view, call, flags, reached)
    if plan.doubt or plan.may_be_double:
        safety = "unsafe"
    is_second = plan.needs_config and reached.meets_own
    fix = plan.fix(safety) if reached.is_sure and not clash and not is_second else None
    if is_second:
        remark += quantization.SECOND
    remark += plan.doubt
    for flag in flags:
        yield view.finding(flag, f"{TELL.format(flag=flag.arg)}{remark}{clash}", fix=fix)


def _clash(view: ModuleView, call: CallSite, flags: list[ast.keyword]) -> str:
    """The remark that a flag and the configuration beside it say different things."""
    config = call.keyword(KEYWORD)
    if config is None:
        return ""
    clash = any(quantization.disagree(view, str(flag.arg), flag.value, config.value) for flag in flags)
    return quantization.CLASH if clash else ""


class _Plan:
    """What becomes of the flags of one call, and of what goes with them."""

    def __init__(self, view: ModuleView, call: CallSite, flags: list[ast.keyword], reached: model_loads.Target) -> None:
        self.view = view
        self.call = call
        self.flags = flags
        self.siblings = [each for each in call.node.keywords if quantization.is_sibling(each.arg)]
        self.values = {str(each.arg): each.value for each in flags}
        self.existing = call.keyword(KEYWORD)
        may_be_none = self.existing is not None and Constant(None) in view.values(self.existing.value)
        is_on = not all(quantization.is_off(value) for value in self.values.values())
        splatted = _splatted(call)
        configs = [each for each in splatted if each.key == KEYWORD]
        in_splat = any(_is_given(view, each, call) for each in configs)
        self.needs_config = is_on and not in_splat and (self.existing is None or may_be_none)
        # With a dict that brings a configuration only now and then, or flags of its own, there would be two of them.
        self.is_divided = self.needs_config and any(
            each.key in (KEYWORD, *FLAGS) or quantization.is_sibling(each.key) for each in splatted
        )
        says_itself = any(each.arg == SKIP for each in self.siblings) or not self.needs_config
        self.untouched = () if says_itself else model_loads.untouched(call, reached)

    @property
    def may_be_double(self) -> bool:
        """Whether a `**kwargs` may bring a configuration beside the new one, which v4 took while the flag was off."""
        is_on = any(quantization.is_on(self.view, value) for value in self.values.values())
        return self.needs_config and self.existing is None and not is_on and self.call.is_open

    @property
    def doubt(self) -> str:
        """The remark that the new configuration may quantize more than the flags did."""
        return "" if self.untouched is not None else quantization.HEAD_DOUBT

    def fix(self, safety: Applicability) -> Fix | None:
        names = _listed([*self.values, *(str(each.arg) for each in self.siblings)])
        if not self.needs_config:
            return Fix(f"Remove {names}", self._without, applicability=safety)
        if self.is_divided or not quantization.is_repeatable(self.values):
            return None
        if self.may_be_double and model_loads.is_given_by_callers(self.call, KEYWORD):
            return None
        if not library.is_free(self.view, CONFIG, self.call.node):
            return None
        message = f"Replace {names} with `{KEYWORD}=`"
        return Fix(message, self._with_config, applicability=safety, requires=SINCE)

    def _without(self) -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(self.view, self.call.node, remove=[*self.flags, *self.siblings])]

    def _with_config(self) -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.imports import ImportEdits

        view, existing = self.view, self.existing
        imports = ImportEdits(view)
        config = imports.use("transformers", CONFIG, self.call.node, beside=_loader_import(view, self.call))
        given = {str(each.arg): view.source(each.value) for each in self.siblings}
        given |= quantization.skipping(self.untouched)
        source = quantization.config_source(view, config, self.values, given)
        if existing is not None:
            replaced: ast.keyword = existing
            source = quantization.in_place_of_none(view, existing.value, source)
        else:
            replaced = next(each for each in self.flags if not quantization.is_off(each.value))
        rest = [each for each in [*self.flags, *self.siblings] if each is not replaced]
        edit = edit_arguments(
            view, self.call.node, remove=rest, keep_comments=self.siblings, replace={replaced: f"{KEYWORD}={source}"}
        )
        return [edit, *imports.edits()]


def _splatted(call: CallSite) -> list[Entry]:
    """What the dicts bring along that are splatted into a call."""
    entries = [each for splat in call.splats for each in call.view.dicts.flow(splat).entries]
    return [each for each in entries if each.how != "removal"]


def _is_given(view: ModuleView, entry: Entry, call: CallSite) -> bool:
    """Whether an entry of a dict is there, and not None, whenever a call is made with it."""
    if entry.value is None or Constant(None) in view.values(entry.value):
        return False
    return view.reach.always_before(entry.node, call.node)


def _loader_import(view: ModuleView, call: CallSite) -> Binding | None:
    """The import of the class on which a call is made."""
    func = call.func
    owner = func.value if isinstance(func, ast.Attribute) else func
    if isinstance(owner, ast.Name):
        for binding in view.links.bindings_read(owner):
            if binding.kind == "import":
                return binding
    return None


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}=`" for name in names)

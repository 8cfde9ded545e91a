"""V5002: `load_in_4bit` and `load_in_8bit` given to a loader of transformers."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import kbit_dicts, library, model_loads, quantization
from v5lint.rules.quantization import CONFIG, FLAGS, KEYWORD, SINCE, TELL
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding


class RemovedKbitFlag(Rule):
    """`load_in_4bit` or `load_in_8bit` given to a loader of transformers.

    ## What it does

    Finds the flags where they reach `from_pretrained` of a transformers model: as keywords, in a dict that is splatted
    into the call later, in `pipeline(model_kwargs={...})`, through functions that hand their `**kwargs` on, through a
    subclass of a transformers model and through PEFT's `AutoPeftModel*`. `BitsAndBytesConfig(load_in_4bit=True)` itself, other libraries' loaders (unsloth) and
    configurations, and a project's own functions that take an argument of the name are left alone.

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
    only go.

    ## Fix safety

    Safe where every call that the flag reaches is known to load a model. Unsafe where an `except` around the call hides
    the TypeError (the program took a second way), where another library hands the dict on, and in code that never runs.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5002"
    name = "removed-kbit-flag"
    since = "5.0"
    tokens = FLAGS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        seen: set[ast.Call] = set()
        for call, _ in module.keywords(FLAGS):
            if call.node not in seen:
                seen.add(call.node)
                yield from _call(module, call)
        yield from kbit_dicts.check(module)


# Flags as keywords of a call


def _call(view: ModuleView, call: CallSite) -> Iterator[Finding | Unseen]:
    flags = [keyword for keyword in call.node.keywords if keyword.arg in FLAGS]
    reached = model_loads.target(call, str(flags[0].arg))
    kind = reached.kind
    if kind == "unknown":
        yield view.unseen(call.node, f"`{flags[0].arg}=` goes to a class that v5lint cannot follow")
    if kind not in ("model", "peft", "pipeline") or view.guards.is_dead(call.node):
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
    if clash and safety == "safe":
        safety = "unsafe"
    fix = _call_fix(view, call, flags, safety) if reached.is_sure else None
    for flag in flags:
        yield view.finding(flag, f"{TELL.format(flag=flag.arg)}{remark}{clash}", fix=fix)


def _clash(view: ModuleView, call: CallSite, flags: list[ast.keyword]) -> str:
    """The remark that a flag and the configuration beside it say different things."""
    config = call.keyword(KEYWORD)
    if config is None:
        return ""
    made = view.links.defining_call(config.value)
    if made is None:
        return ""
    for flag in flags:
        mine = view.constants(flag.value, bool)
        other = next((each for each in made.keywords if each.arg == flag.arg), None)
        theirs = view.constants(other.value, bool) if other is not None else [False]
        if len(mine) == 1 and len(theirs) == 1 and mine != theirs:
            return f"; the `{KEYWORD}` beside it says otherwise, and stays"
    return ""


def _call_fix(view: ModuleView, call: CallSite, flags: list[ast.keyword], safety: Applicability) -> Fix | None:
    siblings = [each for each in call.node.keywords if quantization.is_sibling(each.arg)]
    values = {str(each.arg): each.value for each in flags}
    existing = call.keyword(KEYWORD)
    in_splat = call.entry(KEYWORD) is not None
    on = not all(quantization.is_off(value) for value in values.values())
    may_be_none = existing is not None and Constant(None) in view.values(existing.value)
    needs_config = on and not in_splat and (existing is None or may_be_none)
    if not needs_config:
        message = f"Remove {_listed([*values, *(str(each.arg) for each in siblings)])}"
    else:
        message = f"Replace {_listed([*values, *(str(each.arg) for each in siblings)])} with `{KEYWORD}=`"
        if not library.is_free(view, CONFIG, call.node) or not quantization.is_repeatable(values):
            return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.imports import ImportEdits

        if not needs_config:
            return [edit_arguments(view, call.node, remove=[*flags, *siblings])]
        imports = ImportEdits(view)
        config = imports.use("transformers", CONFIG, call.node, beside=_loader_import(view, call))
        given = {str(each.arg): each.value for each in siblings}
        source = quantization.config_source(view, config, values, given)
        if existing is not None:
            written = view.source(existing.value)
            both = source if written == "None" else f"{written} or ({source})"
            rest = [*flags, *siblings]
            edit = edit_arguments(view, call.node, remove=rest, replace={existing: f"{KEYWORD}={both}"})
        else:
            first = next(each for each in flags if not quantization.is_off(each.value))
            rest = [each for each in [*flags, *siblings] if each is not first]
            edit = edit_arguments(view, call.node, remove=rest, replace={first: f"{KEYWORD}={source}"})
        return [edit, *imports.edits()]

    return Fix(message, edits, applicability=safety, requires=SINCE if needs_config else "")


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

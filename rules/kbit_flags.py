"""V5002: `load_in_4bit` and `load_in_8bit` given to a loader of transformers."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import library, quantization
from v5lint.rules.knowledge import lookup
from v5lint.rules.quantization import CONFIG, FLAGS, KEYWORD, SINCE
from v5lint.view.calls import CallSite
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import Constant, External, LocalClass, LocalFunction, Method, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.dicts import Entry, Flow, Receiver
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import Value

#: Arguments under which libraries that build on transformers hand a dict on to its loaders.
_HANDED_ON = frozenset({"model_kwargs", "model_init_kwargs", "automodel_args", "model_args"})

_TELL = "`{flag}=` is no argument of `from_pretrained` since transformers 5.0"


class RemovedKbitFlag(Rule):
    """`load_in_4bit` or `load_in_8bit` given to a loader of transformers.

    ## What it does

    Finds the flags where they reach `from_pretrained` of a transformers model: as keywords, in a dict that is splatted
    into the call later, in `pipeline(model_kwargs={...})`, through a subclass of a transformers model and through PEFT's
    `AutoPeftModel*`. `BitsAndBytesConfig(load_in_4bit=True)` itself, other libraries' loaders (unsloth) and
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
        for flow, entries in _dicts(module):
            yield from _entries(module, flow, entries)


# What a call is


def _target(call: CallSite) -> tuple[str, str]:
    """What a call that is given a flag is.

    Returns:
        The kind and the name of what is called: "model" (a loader of transformers), "peft" (handed on to one),
        "pipeline", "ignores" (a tokenizer or configuration: takes and ignores it), "unknown" (a `from_pretrained` of
        something that could not be followed) or "" (none of ours).
    """
    callees = set(call.callees)
    if External("functools.partial") in callees and call.node.args:
        callees = set(call.view.values(call.node.args[0]))
    kinds: dict[str, str] = {}
    for callee in callees:
        kind, name = _kind_of(call, callee)
        kinds[kind] = name
    for kind in ("model", "peft", "pipeline", "ignores", "unknown"):
        if kind in kinds:
            return kind, kinds[kind]
    return "", ""


def _kind_of(call: CallSite, callee: Value) -> tuple[str, str]:
    if isinstance(callee, External) and callee.package == "transformers" and callee.name == "pipeline":
        return "pipeline", "pipeline"
    if isinstance(callee, Unknown):
        func = call.node.func
        known = isinstance(func, ast.Attribute) and func.attr == "from_pretrained"
        return ("unknown", "") if known else ("", "")
    if not isinstance(callee, Method) or callee.name != "from_pretrained":
        return "", ""
    if isinstance(callee.owner, External) and callee.owner.package == "peft":
        return "peft", callee.owner.name
    names = library.library_classes(call.view, callee.owner)
    for name in names:
        if lookup.is_model_class(name) or name in ("PreTrainedModel", "GenerationMixin"):
            return "model", callee.owner.name
    if names:
        return "ignores", names[0]
    if isinstance(callee.owner, External) and callee.owner.package == "transformers":
        return "ignores", callee.owner.name
    return "", ""


# Flags as keywords of a call


def _call(view: ModuleView, call: CallSite) -> Iterator[Finding | Unseen]:
    kind, name = _target(call)
    flags = [keyword for keyword in call.node.keywords if keyword.arg in FLAGS]
    if kind == "unknown":
        yield view.unseen(call.node, f"`{flags[0].arg}=` goes to a class that v5lint cannot follow")
    if kind not in ("model", "peft", "pipeline") or view.guards.is_dead(call.node):
        return
    if kind == "pipeline":
        for flag in flags:
            message = f"{_TELL.format(flag=flag.arg)}, and `pipeline` hands it on: put a `BitsAndBytesConfig` into "
            yield view.finding(flag, message + "`model_kwargs`")
        return
    safety, remark = _safety(view, call)
    if kind == "peft":
        remark = f" (`{name}` hands it on){remark}"
    clash = _clash(view, call, flags)
    fix = _call_fix(view, call, flags, safety)
    for flag in flags:
        yield view.finding(flag, f"{_TELL.format(flag=flag.arg)}{remark}{clash}", fix=fix)


def _safety(view: ModuleView, call: CallSite) -> tuple[Applicability, str]:
    if view.guards.dead_constant(call.node):
        return "unsafe", "; this code never runs"
    handled = view.guards.handled(call.node, CALL_ERRORS)
    if handled is None:
        return "safe", ""
    line = getattr(handled.handler, "lineno", 0)
    return "unsafe", f"; the handler in line {line} hides the TypeError and the program goes another way without a word"


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
    func = call.node.func
    owner = func.value if isinstance(func, ast.Attribute) else func
    if isinstance(owner, ast.Name):
        for binding in view.links.bindings_read(owner):
            if binding.kind == "import":
                return binding
    return None


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}=`" for name in names)


# Flags in dicts


def _dicts(view: ModuleView) -> Iterator[tuple[Flow, list[Entry]]]:
    """The dicts into which a flag is put, each with the entries that do it."""
    starts: dict[ast.expr, None] = {}
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        if any(isinstance(key, ast.Constant) and key.value in FLAGS for key in node.keys):
            starts[node] = None
    for call, _ in view.keywords(FLAGS):
        func = call.node.func
        if External("builtins.dict") in call.callees:
            starts[call.node] = None
        elif isinstance(func, ast.Attribute) and func.attr == "update":
            starts[func.value] = None
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        key = node.slice
        if isinstance(node.ctx, ast.Store) and isinstance(key, ast.Constant) and key.value in FLAGS:
            starts[node.value] = None
    for call in view.calls({"setdefault"}):
        first = call.node.args[0] if call.node.args else None
        if isinstance(first, ast.Constant) and first.value in FLAGS and isinstance(call.node.func, ast.Attribute):
            starts[call.node.func.value] = None
    done: set[ast.AST] = set()
    for start in starts:
        flow = view.dicts.flow(start)
        entries = [
            each for each in flow.entries if each.key in FLAGS and each.how != "removal" and each.node not in done
        ]
        done.update(each.node for each in entries)
        if entries:
            yield flow, entries


class _Destination:
    """Where a dict with a flag goes: by kind (see `_target`, and "handed on"), with the calls."""

    __slots__ = ("calls", "escapes", "name")

    def __init__(self) -> None:
        self.calls: dict[str, list[CallSite]] = {}
        self.escapes = False
        self.name = ""

    def add(self, kind: str, call: CallSite, name: str) -> None:
        self.calls.setdefault(kind, []).append(call)
        self.name = self.name or name


def _destination(view: ModuleView, flow: Flow, *, nested: str = "", depth: int = 0) -> _Destination:
    found = _Destination()
    for receiver in flow.receivers:
        if receiver.how == "splat" and receiver.call is not None:
            call = CallSite(view, receiver.call)
            kind, name = _target(call)
            if nested:
                kind = "model" if kind == "pipeline" and nested == "model_kwargs" else ""
            found.add(kind, call, name)
        elif receiver.how == "argument" and receiver.call is not None and not nested:
            call = CallSite(view, receiver.call)
            found.add(_as_argument(call, receiver), call, library.callee_name(call))
        elif receiver.how == "entry" and depth < 2:
            outer = view.tree.parents[receiver.node]
            while not isinstance(outer, (ast.Dict, ast.Call)):
                outer = view.tree.parents[outer]
            inner = _destination(view, view.dicts.flow(outer), nested=receiver.name, depth=depth + 1)
            for kind, calls in inner.calls.items():
                for call in calls:
                    found.add(kind, call, inner.name)
        elif receiver.how == "escape":
            found.escapes = True
    return found


def _as_argument(call: CallSite, receiver: Receiver) -> str:
    """What it means that a dict is one argument of a call."""
    if receiver.name == KEYWORD:
        return ""
    for callee in call.callees:
        if _kind_of(call, callee)[0] == "pipeline":
            return "model" if receiver.name == "model_kwargs" else ""
        if isinstance(callee, (LocalFunction, LocalClass)):
            return ""
    if receiver.name in _HANDED_ON and any(isinstance(each, (External, Method)) for each in call.callees):
        return "handed on"
    return ""


def _entries(view: ModuleView, flow: Flow, entries: list[Entry]) -> Iterator[Finding | Unseen]:
    removed = {each.key for each in flow.entries if each.how == "removal"}
    entries = [each for each in entries if each.key not in removed and not view.guards.is_dead(each.node)]
    goes = _destination(view, flow)
    if not entries:
        return
    loading = [*goes.calls.get("model", ()), *goes.calls.get("peft", ())]
    if not loading:
        yield from _elsewhere(view, goes, entries)
        return
    safety, remark = _worst(view, loading)
    fix = _entries_fix(view, flow, entries, goes, safety)
    for entry in entries:
        key = f"`{entry.key}`"
        loader = "pipeline" if goes.name == "pipeline" else f"{goes.name}.from_pretrained"
        where = f" and reaches `{loader}` in line {loading[0].node.lineno}" if goes.name else ""
        yield view.finding(
            entry.node, f"{key} is no argument of `from_pretrained` since transformers 5.0{where}{remark}", fix=fix
        )


def _worst(view: ModuleView, calls: list[CallSite]) -> tuple[Applicability, str]:
    for call in calls:
        safety, remark = _safety(view, call)
        if safety != "safe":
            return safety, remark
    return "safe", ""


def _elsewhere(view: ModuleView, goes: _Destination, entries: list[Entry]) -> Iterator[Finding | Unseen]:
    for entry in entries:
        if goes.calls.get("pipeline"):
            message = (
                f"`{entry.key}` goes to `pipeline`, which hands it on to `from_pretrained`: since transformers 5.0 "
            )
            yield view.finding(entry.node, message + "a `BitsAndBytesConfig` belongs under `model_kwargs`")
        elif goes.calls.get("handed on"):
            name = library.callee_name(goes.calls["handed on"][0])
            yield view.finding(
                entry.node,
                f"`{entry.key}` is no argument of `from_pretrained` since transformers 5.0, and `{name}` hands it on",
                fix=_replaced(view, [entry], entry, "unsafe"),
            )
        elif goes.calls.get("unknown"):
            yield view.unseen(entry.node, f"`{entry.key}` goes to a class that v5lint cannot follow")


def _entries_fix(
    view: ModuleView, flow: Flow, entries: list[Entry], goes: _Destination, safety: Applicability
) -> Fix | None:
    others = [kind for kind in goes.calls if kind not in ("model", "peft")]
    existing = [each for each in flow.entries if each.key == KEYWORD and each.how != "removal"]
    if all(each.value is not None and quantization.is_off(each.value) for each in entries):
        return _removal_fix(view, entries, "safe")  # it did nothing under v4 either
    covered = [each for each in entries if _covers(view, each, existing)]
    left = [each for each in entries if each not in covered]
    if not left:
        return _removal_fix(view, entries, safety)
    if goes.escapes or any(kind != "ignores" for kind in others):
        return None
    if "ignores" in others:
        return _moved_fix(view, entries, goes, safety) if not existing else None
    beside = [each for each in existing if each.owner is left[0].owner]
    if beside and len(existing) == 1 and not covered:
        return _replaced(view, left, left[0], safety, beside=beside[0])
    if len({each.key for each in left}) > 1 and not _exclusive(view, left):
        return _replaced(view, left, left[0], safety) if not existing and _is_one_place(left) else None
    if not _exclusive(view, [*left, *existing]):
        return None
    fixes = [_replaced(view, [each], each, safety) for each in left]
    if covered:
        fixes.append(_removal_fix(view, covered, safety))
    if any(fix is None for fix in fixes):
        return None
    return Fix(
        f"Put a `{CONFIG}` in its place",
        lambda: [edit for fix in fixes if fix is not None for edit in fix.edits],
        applicability=safety,
        requires=SINCE,
    )


def _is_one_place(entries: list[Entry]) -> bool:
    return len({each.owner for each in entries}) == 1 and entries[0].how != "subscript"


def _covers(view: ModuleView, entry: Entry, existing: list[Entry]) -> bool:
    """Whether a configuration is put in wherever the flag is."""
    here = view.reach.path(entry.node)
    for each in existing:
        there = view.reach.path(each.node)
        nothing = each.value is None or Constant(None) in view.values(each.value)
        if there == here[: len(there)] and not nothing:
            return True
    return False


def _exclusive(view: ModuleView, entries: list[Entry]) -> bool:
    """Whether only one of the entries is put in: each stands in another arm of one `if`."""
    paths = [view.reach.path(each.node) for each in entries]
    for number, first in enumerate(paths):
        for second in paths[number + 1 :]:
            split = next((a for a, b in zip(first, second, strict=False) if a != b), None)
            if split is None or not isinstance(split[0], ast.If):
                return False
    return True


def _removal_fix(view: ModuleView, entries: list[Entry], safety: Applicability) -> Fix | None:
    if not all(each.how in ("literal", "keyword", "subscript") for each in entries):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.entries import remove_entries

        return remove_entries(view, entries)

    return Fix(f"Remove {_quoted(entries)}", edits, applicability=safety)


def _replaced(
    view: ModuleView, entries: list[Entry], first: Entry, safety: Applicability, *, beside: Entry | None = None
) -> Fix | None:
    """Put the configuration where a flag stands.

    Args:
        view: the module.
        entries: the flags that it takes the place of.
        first: the one whose place it takes.
        safety: the applicability.
        beside: a configuration in the same literal that may be None, and counts before the flags.
    """
    values = {str(each.key): each.value for each in entries if each.value is not None}
    siblings = _siblings(first)
    if first.how not in ("literal", "keyword", "subscript") or len(values) != len(entries):
        return None
    if not library.is_free(view, CONFIG, first.node) or not quantization.is_repeatable(values):
        return None
    if _has_loose_siblings(view, first):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.entries import replace_entry
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        config = imports.use("transformers", CONFIG, first.node)
        given = {str(each.key): each.value for each in siblings if each.value is not None}
        source = quantization.config_source(view, config, values, given)
        rest = [each for each in [*entries, *siblings] if each is not first]
        if beside is not None and beside.value is not None:
            source = f"{view.source(beside.value)} or ({source})"
            return [*replace_entry(view, beside, KEYWORD, source, [first, *rest]), *imports.edits()]
        return [*replace_entry(view, first, KEYWORD, source, rest), *imports.edits()]

    return Fix(f"Put a `{CONFIG}` in the place of {_quoted(entries)}", edits, applicability=safety, requires=SINCE)


def _siblings(entry: Entry) -> list[Entry]:
    """The entries beside a flag, in the same literal or call, that belong into the configuration."""
    from v5lint.view.dicts import written_entries

    return [each for each in written_entries(entry.owner) if quantization.is_sibling(each.key)]


def _has_loose_siblings(view: ModuleView, entry: Entry) -> bool:
    """Whether arguments that belong into the configuration are put into the dict elsewhere."""
    base: ast.AST = entry.owner
    if isinstance(base, ast.Assign) and isinstance(base.targets[0], ast.Subscript):
        base = base.targets[0].value
    if not isinstance(base, ast.expr):
        return True
    beside = {each.node for each in _siblings(entry)}
    flow = view.dicts.flow(base)
    return any(quantization.is_sibling(each.key) and each.node not in beside for each in flow.entries)


def _moved_fix(view: ModuleView, entries: list[Entry], goes: _Destination, safety: Applicability) -> Fix | None:
    """Take the flag out of a dict that a tokenizer shares, and give the configuration to the model's call alone."""
    calls = [*goes.calls.get("model", ()), *goes.calls.get("peft", ())]
    if len(entries) != 1 or len(calls) != 1 or goes.escapes:
        return None
    (entry,), (call,) = entries, calls
    function = view.links.function_around(entry.node)
    if view.reach.path(entry.node) != () or view.links.function_around(call.node) is not function:
        return None
    if not isinstance(entry.value, (ast.Constant, ast.Name)) or entry.how not in ("literal", "keyword", "subscript"):
        return None
    if isinstance(entry.value, ast.Name) and len(view.links.bindings_read(entry.value)) != 1:
        return None
    if not library.is_free(view, CONFIG, call.node) or _siblings(entry) or call.keyword(KEYWORD) is not None:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.entries import remove_entries
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        config = imports.use("transformers", CONFIG, call.node)
        assert entry.value is not None
        source = quantization.config_source(view, config, {str(entry.key): entry.value}, {})
        added = edit_arguments(view, call.node, append=[f"{KEYWORD}={source}"])
        return [*remove_entries(view, entries), added, *imports.edits()]

    return Fix(f"Give a `{CONFIG}` to the call that loads the model", edits, applicability=safety, requires=SINCE)


def _quoted(entries: list[Entry]) -> str:
    return ", ".join(f"`{each.key}`" for each in entries)

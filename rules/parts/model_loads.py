"""Whether what is given to a call reaches a loader of transformers: at once, through PEFT, or through `**kwargs`."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library, quantization
from v5lint.view import elsewhere
from v5lint.view.calls import CallSite
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import External, LocalClass, LocalFunction, Method, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rule import Applicability
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: Packages whose loaders have the flags of their own.
_WITH_FLAGS = frozenset({"unsloth", "unsloth_zoo"})

#: Packages whose classes have a `from_pretrained` of their own, with the beginning of those that hand its keywords on.
_HANDING_ON = {"adapters": "AutoAdapterModel", "peft": "AutoPeftModel", "trl": "AutoModelFor"}

#: Those of them that look at the flags on the way.
_LOOKING = frozenset({"trl"})

#: What puts the arguments that it gets somewhere, and calls nothing with them.
_COLLECTS = frozenset(
    "update setdefault set_defaults replace _replace evolve copy merge add_argument append extend config".split()
)

#: How many functions that hand their `**kwargs` on are followed.
_DEPTH = 4


class Target:
    """What an argument of a call reaches.

    Attributes:
        kind: "model" (a loader of transformers), "peft" (handed on to one), "pipeline", "ignores" (a tokenizer or
            configuration: takes it and ignores it), "unknown" (something that could not be followed) or "" (none of
            ours).
        name: the class or function at the end of the way.
        is_sure: whether nothing else gets it on the way.
        way: the function of the repository that hands it on, "" where there is none.
        meets_own: whether a call on the way says itself how to quantize: a configuration in the place of the argument
            would be the second one there.
    """

    __slots__ = ("is_sure", "kind", "meets_own", "name", "way")

    def __init__(
        self, kind: str = "", name: str = "", *, is_sure: bool = True, way: str = "", meets_own: bool = False
    ) -> None:
        self.kind = kind
        self.name = name
        self.is_sure = is_sure
        self.way = way
        self.meets_own = meets_own


def target(call: CallSite, argument: str, depth: int = 0) -> Target:
    """What a keyword argument of a call reaches.

    Args:
        call: the call.
        argument: the name of the argument.
        depth: how many functions were followed already.
    """
    bound = call.bound
    if bound is not None:
        inner = target(bound, argument, depth)
        gives_more = bool(bound.splats) or any(quantization.is_of_config(each.arg) for each in bound.node.keywords)
        is_sure = inner.is_sure and not gives_more
        return Target(inner.kind, inner.name, is_sure=is_sure, way=inner.way, meets_own=inner.meets_own)
    found: dict[str, Target] = {}
    for callee in sorted(call.callees, key=repr):  # of several models the same one is named in every run
        reached = _of(call, callee, argument, depth)
        known = found.setdefault(reached.kind, reached)
        if not reached.is_sure:
            known.is_sure = False
        known.meets_own = known.meets_own or reached.meets_own
    for kind in ("model", "peft", "pipeline", "ignores", "unknown"):
        if kind in found:
            chosen = found[kind]
            others = {*found} - {kind}
            # a table of loaders, say, of which some load tokenizers, or a class that another library has as well
            if others & {"ignores", ""} or any(not found[each].is_sure for each in others):
                return Target(kind, chosen.name, is_sure=False, way=chosen.way, meets_own=chosen.meets_own)
            return chosen
    is_unknown = all(isinstance(each, Unknown) for each in call.callees)
    return Target("unknown") if is_unknown and call.name not in _COLLECTS else Target()


def is_tried_with(view: ModuleView, call: CallSite, keyword: str) -> bool:
    """Whether a program loads with an argument of today where a load fails, or has tried that before it."""
    blocks = [
        view.tree.parents[parent].body  # type: ignore[attr-defined]
        for parent in view.tree.ancestors(call.node)
        if isinstance(parent, ast.ExceptHandler)
    ]
    handled = view.guards.handled(call.node, CALL_ERRORS)
    if handled is not None and isinstance(handled.handler, ast.ExceptHandler):
        blocks.append(handled.handler.body)
    calls = (each for block in blocks for statement in block for each in ast.walk(statement))
    return any(
        isinstance(each, ast.Call)
        and any(given.arg == keyword for given in each.keywords)
        and CallSite(view, each).name == call.name
        for each in calls
    )


def safety(view: ModuleView, call: CallSite) -> tuple[Applicability, str]:
    """The applicability of a fix of a call that loads a model, and a remark on what hides its failure."""
    if view.guards.dead_constant(call.node):
        return "unsafe", "; this code never runs"
    handled = view.guards.handled(call.node, CALL_ERRORS)
    if handled is None:
        return "safe", ""
    line = getattr(handled.handler, "lineno", 0)
    return "unsafe", f"; the handler in line {line} hides the TypeError and the program goes another way without a word"


#: Auto classes whose models mostly have an output embedding or no head at all: v4 and v5 leave the same layers alone.
_ALIKE = frozenset({
    "AutoModel", "AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForSpeechSeq2Seq",
    "AutoModelForVision2Seq", "AutoModelForImageTextToText",
})  # fmt: skip

_TASKS_ALIKE = frozenset(
    "automatic-speech-recognition conversational feature-extraction image-text-to-text image-to-text summarization "
    "text-generation text2text-generation translation".split()
)


def untouched(call: CallSite, reached: Target) -> tuple[str, ...] | None:
    """The layers of the loaded model that v4 left alone when it quantized, and v5 does not.

    Args:
        call: a call that loads a model.
        reached: what it reaches.

    Returns:
        Their paths, none where the two agree; None where that depends on the checkpoint, or on a class of this
        repository.
    """
    found = {_untouched(call, name) for name in library.loaders(call) or [reached.name]}
    return found.pop() if len(found) == 1 else None


def _untouched(call: CallSite, name: str) -> tuple[str, ...] | None:
    if name == "pipeline":
        tasks = {text.partition("_")[0] for text in library.texts(call.values_of("task", 0))}
        return () if tasks <= _TASKS_ALIKE else None
    auto = name.replace("AutoPeftModel", "AutoModel", 1)
    facts = lookup.class_facts(auto)
    if facts is None or facts.kind != "auto_model":
        if name.endswith("PreTrainedModel"):
            return None  # the base of a class with a head of its own
        layers = lookup.unquantized_layers(name)
        return None if layers and "*" in layers else layers or ()
    loaded = {_loaded_class(auto, each) for each in library.texts(call.values_of(*library.CHECKPOINT))}
    if loaded and "" not in loaded:
        kinds = {_untouched(call, each) for each in loaded}
        return kinds.pop() if len(kinds) == 1 else None
    return () if auto in _ALIKE else None


def _loaded_class(auto: str, checkpoint: str) -> str:
    """The class that an Auto class loads from a checkpoint, as far as its name tells."""
    facts = lookup.model_type(checkpoints.model_type_of(checkpoint), "4.57")
    return facts.models.get(auto, "") if facts is not None else ""


def _of(call: CallSite, callee: Value, argument: str, depth: int) -> Target:
    if isinstance(callee, External) and callee.package == "transformers" and callee.name == "pipeline":
        return Target("pipeline", "pipeline")
    if isinstance(callee, (LocalFunction, LocalClass)):
        return _handed_on(callee, argument, depth)
    if isinstance(callee, Unknown):
        if library.is_fetched_by_name(call):
            return Target("model", "transformers", is_sure=False)
        return Target("unknown") if call.name == "from_pretrained" else Target()
    if not isinstance(callee, Method) or callee.name != "from_pretrained":
        return Target()
    if isinstance(callee.owner, External) and callee.owner.package in _HANDING_ON:
        # `PeftModel.from_pretrained` gets a model that is loaded already, and drops what it does not know.
        package, name = callee.owner.package, callee.owner.name
        hands_on = name.startswith(_HANDING_ON[package])
        return Target("peft" if hands_on else "ignores", name, is_sure=package not in _LOOKING)
    names = library.library_classes(call.view, callee.owner)
    for name in names:
        if lookup.is_model_class(name) or name in ("PreTrainedModel", "GenerationMixin"):
            return Target("model", callee.owner.name)
    if names:
        return Target("ignores", names[0])
    is_elsewhere = isinstance(callee.owner, External) and callee.owner.package not in ("transformers", *_WITH_FLAGS)
    # The class of another library may inherit from a model, or have flags of its own.
    return Target("unknown", is_sure=False) if is_elsewhere else Target()


def _handed_on(callee: LocalFunction | LocalClass, argument: str, depth: int) -> Target:
    """What a function of the repository does with a keyword that it does not name itself."""
    function = callee.view.links.constructor(callee) if isinstance(callee, LocalClass) else callee
    if function is None or depth >= _DEPTH:
        return Target()
    args, view = function.node.args, function.view
    if args.kwarg is None or argument in {each.arg for each in [*args.posonlyargs, *args.args, *args.kwonlyargs]}:
        return Target()
    if any(isinstance(each, ast.Constant) and each.value == argument for each in ast.walk(function.node)):
        return Target()  # it takes it out, or asks for it
    flow = view.dicts.flow_of(args.kwarg)
    found: dict[str, Target] = {}
    meets_own = any(quantization.is_of_config(each.key) for each in flow.entries if each.how != "removal")
    for receiver in flow.receivers:
        if view.dicts.is_taken_out(flow, receiver, argument):
            continue
        if receiver.how == "splat" and receiver.call is not None:
            call = CallSite(view, receiver.call)
            reached = target(call, argument, depth + 1)
            found[reached.kind] = reached
            meets_own = meets_own or reached.meets_own or _says_itself(call, receiver.node, function)
        elif receiver.how != "read":
            found.setdefault("", Target())
    for kind in ("model", "peft", "pipeline"):
        if kind in found:
            sure = {*found} <= {"model", "peft"} and all(each.is_sure for each in found.values())
            sure = sure and not view.dicts.may_lose(flow, argument)
            way = "" if isinstance(function.node, ast.Lambda) else function.node.name
            return Target(kind, found[kind].name, is_sure=sure, way=way, meets_own=meets_own)
    return found.get("unknown", Target())


def is_given_by_callers(call: CallSite, argument: str) -> bool:
    """Whether a caller of the function around a call gives it an argument by the `**kwargs` that the call is given."""
    function = call.view.links.function_around(call.node)
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    args = function.args
    handed_on = {splat.id for splat in call.splats if isinstance(splat, ast.Name)}
    if args.kwarg is None or args.kwarg.arg not in handed_on:
        return False
    if argument in {each.arg for each in [*args.args, *args.kwonlyargs]}:
        return False
    calls = [*call.view.links.calls_of(function), *elsewhere.calls(call.view, function)]
    return any(each.arg == argument for made in calls for each in made.keywords)


def _says_itself(call: CallSite, given_on: ast.AST, function: LocalFunction) -> bool:
    """Whether a call that is given the `**kwargs` of a function says beside them how to quantize.

    A function with a `quantization_config` of its own takes the configuration by it: then that has to go on as it is.
    """
    args = function.node.args
    given = call.keyword(quantization.KEYWORD)
    if any(each.arg == quantization.KEYWORD for each in [*args.args, *args.kwonlyargs]):
        return given is None or not (isinstance(given.value, ast.Name) and given.value.id == quantization.KEYWORD)
    if any(quantization.makes_config(each.arg, each.value) for each in call.node.keywords):
        return True
    others = (splat for splat in call.splats if splat is not given_on)
    return any(quantization.is_of_config(each.key) for other in others for each in call.view.dicts.flow(other).entries)

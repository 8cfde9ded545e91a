"""Calls of transformers that load, save and share: what they are, for the rules of their arguments."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, carried_fields, library, members, parsed_options, settings_files
from v5lint.view.values import External, Instance, Method, Result, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator

    from v5lint.rule import Finding, Fix, Level, Unseen
    from v5lint.rules.parts.arguments import Functions, Given, Judge
    from v5lint.view.calls import CallSite
    from v5lint.view.dicts import Receiver
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

LOAD = frozenset({"from_pretrained"})
SAVE = frozenset({"save_pretrained"})
SHARE = frozenset({"push_to_hub"})

#: Of which class the objects are that an Auto class loads.
_LOADED_BY = {
    "auto_model": "PreTrainedModel",
    "auto_config": "PretrainedConfig",
    "auto_tokenizer": "PreTrainedTokenizerBase",
    "auto_processor": "ProcessorMixin",
    "auto_image_processor": "ImageProcessingMixin",
    "auto_feature_extractor": "FeatureExtractionMixin",
}

_MODEL_LOADER = "PreTrainedModel.from_pretrained"

#: What shares a model of PEFT, whose classes inherit it from transformers; their `save_pretrained` is their own.
_PEFT_SHARER = "PushToHubMixin.push_to_hub"
_ADAPTED = ("PeftModel", "AutoPeftModel")
_ADAPTER = "peft.get_peft_model"


def functions(methods: Container[str], *, with_pipeline: bool = False) -> Functions:
    """What says which of some methods of transformers' classes a call is of.

    Args:
        methods: the methods.
        with_pipeline: whether `pipeline(...)` counts as well.
    """

    def called(call: CallSite, callee: Value) -> Iterator[str]:
        if isinstance(callee, External):
            if with_pipeline and callee.package == "transformers" and callee.name == "pipeline":
                yield "pipeline"
        elif isinstance(callee, Unknown):
            if call.name in methods and call.name in LOAD:
                yield _MODEL_LOADER if library.is_fetched_by_name(call) else arguments.UNKNOWN_CALLEE
            elif call.name in methods and call.name in SHARE and _is_adapted(call):
                yield _PEFT_SHARER
        elif isinstance(callee, Method) and callee.name in methods:
            owner = callee.owner
            if isinstance(owner, External) and owner.package == "peft":
                if owner.name.startswith("AutoPeftModel") and callee.name in LOAD:
                    yield _MODEL_LOADER  # it hands its keywords on to the loader of the base model
                elif owner.name.startswith(_ADAPTED) and callee.name in SHARE:
                    yield _PEFT_SHARER
                return
            if callee.name in SAVE and _is_adapted(call):
                return  # PEFT has a method of its own, which may be the one that is called
            for name in library.library_classes(call.view, owner):
                holder = name if callee.name in LOAD else _LOADED_BY.get(lookup.kind_of(name), name)
                yield f"{holder}.{callee.name}"

    return called


def _is_adapted(call: CallSite) -> bool:
    """Whether a method is called on what may be a model of PEFT: what `get_peft_model` gave back, or `PeftModel`."""
    func = call.func
    return isinstance(func, ast.Attribute) and any(
        (isinstance(each, Result) and each.of == _ADAPTER)
        or (isinstance(each, Instance) and isinstance(each.of, External) and each.of.package == "peft")
        for each in call.view.values(func.value)
    )


def takers(call: CallSite, receiver: Receiver) -> Iterator[str]:
    """The loader that gets a dict which is an argument of its own: `pipeline(model_kwargs={...})`."""
    if receiver.name == "model_kwargs":
        for callee in call.callees:
            if isinstance(callee, External) and callee.package == "transformers" and callee.name == "pipeline":
                yield _MODEL_LOADER


def check(
    view: ModuleView,
    names: Collection[str],
    called: Functions,
    result: Callable[[list[Given]], Iterator[Finding]],
    judge: Judge | None = None,
) -> Iterator[Finding | Unseen]:
    """Yield what is wrong with some arguments.

    Args:
        view: the module.
        names: the arguments.
        called: see `arguments.Functions`.
        result: the findings about the arguments of one call or dict.
        judge: see `arguments.Judge`.
    """
    found: list[Given] = []
    for each in arguments.given(view, names, called, takers, judge, abroad=True):
        if isinstance(each, arguments.Given):
            found.append(each)
        elif members.imports_transformers(view):
            node, name = each
            yield view.unseen(node, f"`{name}=` goes to a class that v5lint cannot follow")
    for group in arguments.together(found):
        yield from result(group)
    for way in (carried_fields, parsed_options, settings_files):
        yield from way.reaching(view, names, called, judge or arguments.removal_of)


def told(given: Given) -> str:
    """What is wrong, as the first half of a sentence."""
    removal = given.removal
    since = f"since {removal.package} {removal.gone}"
    if removal.effect == "ignored":
        how = "without a word" if removal.package == "transformers" else "with no more than a warning"
        return f"{arguments.shown(given)} ignores `{given.name}` {how} {since}"
    return f"{arguments.shown(given)} takes no `{given.name}` {since}"


def finding(
    given: Given, fix: Fix | None, remark: str = "", advice: str | None = None, *, is_idle: bool = False
) -> Finding:
    """The finding about one argument.

    Args:
        given: the argument.
        fix: what to do about it.
        remark: the end of the message.
        advice: what to write instead, where the knowledge does not say it.
        is_idle: whether what it asks for happens in any case: nothing breaks where it is ignored.
    """
    said = arguments.advice(given.removal) if advice is None else f": {advice}"
    level: Level = "deprecated" if is_idle and given.removal.effect == "ignored" else "breaks"
    return given.view.finding(given.node, f"{told(given)}{said}{remark}", fix=fix, since=_since(given), level=level)


def _since(given: Given) -> str:
    return given.removal.gone if given.removal.package == "transformers" else ""

"""V5527: arguments of `generate` that it no longer takes, or takes only together with code from the Hub."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.parts import arguments, library, members
from v5lint.rules.parts.arguments import Given
from v5lint.view.values import Constant, External, Method, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.dicts import Receiver
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_PACKAGE = "transformers"
_GENERATE, _CONFIG = "generate", "GenerationConfig"

#: The arguments that ask for a way of decoding which is code on the Hub now: the way, its repository, and since when
#: `generate` refuses it without.
_MODES = {
    "penalty_alpha": ("contrastive search", "contrastive-search", "4.56"),
    "num_beam_groups": ("group beam search", "group-beam-search", "4.57"),
    "constraints": ("constrained beam search", "constrained-beam-search", "4.57"),
    "force_words_ids": ("constrained beam search", "constrained-beam-search", "4.57"),
    "dola_layers": ("DoLa decoding", "dola", "4.56"),
}

#: The arguments that no `generate` takes any more, and since when.
_FORCED, _LEGACY = "forced_decoder_ids", "return_legacy_cache"
_GONE = {_FORCED: "4.53", _LEGACY: "5.0"}

#: Numbers up to which an argument asks for nothing.
_UP_TO = {"penalty_alpha": 0, "num_beam_groups": 1}

#: What says that a program knows of the code on the Hub.
_KNOWN = frozenset({"custom_generate", "trust_remote_code"})

#: The method of Whisper's processor that made forced ids of these two.
_PROMPT, _CHOICES = "get_decoder_prompt_ids", ("language", "task")


class RemovedGenerationArgument(Rule):
    """An argument of `generate` that it refuses, or takes only together with code from the Hub.

    ## What it does

    Finds, given to `generate` of a model of transformers (by keyword, in a dict, in a pipeline's `generate_kwargs`) or
    to `GenerationConfig`, what asks for a way of decoding that left the library: `penalty_alpha` above 0 without
    sampling or beams (contrastive search, 4.56), `num_beam_groups` above 1 (group beam search, 4.57), `constraints` and
    `force_words_ids` (constrained beam search, 4.57), `dola_layers` (DoLa, 4.56); and, given to `generate`,
    `forced_decoder_ids` (gone in 4.53) and `return_legacy_cache` (5.0). Values that switch nothing on, calls that name
    a `custom_generate` or `trust_remote_code`, and the `generate` of other libraries are left alone.

    ## Why it breaks

    Measured on 5.24.0:

        ValueError: Group Beam Search requires `trust_remote_code=True` in your `generate` call, since it loads
        https://hf.co/transformers-community/group-beam-search.
        ValueError: The following `model_kwargs` are not used by the model: ['forced_decoder_ids'] (note: typos in the
        generate arguments will also show up in this list)

    The other three ways say the same of their repositories; `return_legacy_cache` says what `forced_decoder_ids` does.

    ## Example

        prompt = processor.get_decoder_prompt_ids(language="french", task="transcribe")
        ids = model.generate(features, forced_decoder_ids=prompt)

    becomes

        prompt = processor.get_decoder_prompt_ids(language="french", task="transcribe")
        ids = model.generate(features, language="french", task="transcribe")

    ## Fix safety

    Taking `return_legacy_cache=False` out is safe. The ids of Whisper's prompt are replaced by the language and the
    task that they were made of, where these stand in the call that made them: unsafely, as `generate` refuses them for
    a checkpoint whose generation config is outdated and lists no languages (a ValueError that says so). A way of
    decoding that moved is for a person: to name its repository is to run code from the Hub. `num_beams` alone, or
    `do_sample=True`, needs none.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.56.0
    - https://github.com/huggingface/transformers/releases/tag/v4.57.0
    - https://huggingface.co/docs/transformers/generation_strategies#custom-generation-methods
    """

    code = "V5527"
    name = "removed-generation-argument"
    since = "4.53"
    words = (*_MODES, *_GONE)
    beside = (_PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for given in arguments.given(module, {*_MODES, *_GONE}, _functions, _takers, _removal):
            if isinstance(given, Given):
                yield from _moved(module, given) if given.name in _MODES else _gone(module, given)


def _functions(call: CallSite, callee: Value) -> Iterator[str]:
    """`generate` of a model of transformers, also behind PEFT; the class of its settings."""
    if isinstance(callee, External) and callee.package == _PACKAGE and callee.name == _CONFIG:
        yield _CONFIG
    elif isinstance(callee, Method) and callee.name == _GENERATE:
        if _is_adapted(callee) or _is_model(call.view, callee):
            yield _GENERATE
    elif isinstance(callee, Unknown) and _is_called_model(call):
        yield _GENERATE


def _is_adapted(callee: Method) -> bool:
    """Whether it is a method of PEFT, which hands it on to the model inside."""
    return isinstance(callee.owner, External) and callee.owner.package == "peft"


def _is_model(view: ModuleView, callee: Method) -> bool:
    return any(members.kind_of(name) == "model" for name in library.library_classes(view, callee.owner))


def _is_called_model(call: CallSite) -> bool:
    """Whether something of which nothing but the name is known is called a model, where transformers is imported."""
    if call.name != _GENERATE or not isinstance(call.func, ast.Attribute):
        return False
    return members.imports_transformers(call.view) and members.is_untyped(call.view, call.func, "model")


def _takers(call: CallSite, receiver: Receiver) -> Iterator[str]:
    """What a pipeline hands to `generate`."""
    if receiver.name == "generate_kwargs":
        for callee in call.callees:
            if isinstance(callee, External) and callee.package == _PACKAGE and callee.name == "pipeline":
                yield _GENERATE


def _removal(function: str, name: str, target: str) -> Removal | None:
    gone = _MODES[name][2] if name in _MODES else _GONE[name]
    if parse_release(target) < parse_release(gone) or (name in _GONE and function == _CONFIG):
        return None  # the settings keep what they do not know, and nothing reads it
    return Removal(f"{function}:{name}", "parameter", _PACKAGE, f"..{gone}", gone, None)


def _moved(view: ModuleView, given: Given) -> Iterator[Finding | Unseen]:
    if any(given.other(each) is not None for each in _KNOWN):
        return
    asked = _asks(given)
    if asked is None:
        yield view.unseen(given.node, f"`{given.name}=` may ask for a way of decoding that left transformers")
    elif asked:
        what, repository, since = _MODES[given.name]
        told = f"{what} is no part of transformers since {since}, and `generate` refuses `{given.name}`"
        said = f'{told} unless it gets `custom_generate="transformers-community/{repository}", trust_remote_code=True`'
        yield view.finding(given.node, said, since=since)


def _asks(given: Given) -> bool | None:
    """Whether an argument asks for a way of decoding that moved; None where its value, or another's, decides."""
    if given.value is None:
        return None
    values = given.view.values(given.value)
    known = [each.value for each in values if isinstance(each, Constant)]
    idle = [each for each in known if _is_idle(given.name, each)]
    if known and len(idle) == len(known):
        return False if len(known) == len(values) else None
    if not known and given.name in _UP_TO:
        return None
    if given.name == "penalty_alpha":
        return _decodes_greedily(given)
    return True


def _is_idle(name: str, value: object) -> bool:
    limit = _UP_TO.get(name)
    return value is None or (limit is not None and isinstance(value, (int, float)) and value <= limit)


def _decodes_greedily(given: Given) -> bool | None:
    """Whether the call neither samples nor searches with beams."""
    for name, off in (("do_sample", (False, None)), ("num_beams", (1, None))):
        node = given.other(name)
        if node is None:
            continue
        if isinstance(node, ast.Constant):
            values: list[object] = [node.value]
        else:
            found = given.view.values(node)
            values = [each.value for each in found if isinstance(each, Constant)]
            if not values or len(values) < len(found):
                return None
        if all(each not in off for each in values):
            return False
    return True


def _gone(view: ModuleView, given: Given) -> Iterator[Finding]:
    constants = given.constants
    if given.name == _FORCED and constants == [None]:
        return
    level, remark = arguments.safety(given)
    told = f"`generate` takes no `{given.name}` since transformers {given.removal.gone}"
    fix: Fix | None = None
    if given.name == _LEGACY:
        told += ": the cache of the result is a `DynamicCache`"
        fix = arguments.removal_fix([given], level) if constants == [False] else None
    else:
        told += ": give it `language=` and `task=`"
        fix = _choices(given)
    yield view.finding(given.node, told + remark, fix=fix, since=given.removal.gone)


def _choices(given: Given) -> Fix | None:
    """The fix that gives the language and the task of which the forced ids were made."""
    if given.value is None or given.entry is not None or any(given.other(each) is not None for each in _CHOICES):
        return None
    made = given.view.links.defining_call(given.value)
    if made is None or not isinstance(made.func, ast.Attribute) or made.func.attr != _PROMPT or made.args:
        return None
    words = [each for each in made.keywords if each.arg in _CHOICES]
    if not words or len(words) < len(made.keywords) or not all(isinstance(each.value, ast.Constant) for each in words):
        return None
    text = ", ".join(f"{each.arg}={given.view.source(each.value)}" for each in words)
    start, end = given.view.span(given.node)
    return Fix(f"Give {text}", [Edit(start, end, text)], applicability="unsafe")

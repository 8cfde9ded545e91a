"""V5410: arguments of a tokenizer's call that spell padding and truncation as transformers 2 did, or a prefix."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.parts import arguments, called_tokenizers, library, members
from v5lint.rules.parts.arguments import Given
from v5lint.view.values import External, LocalClass, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Edit, Finding, Level
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_PADS, _CUTS, _PREFIX = "pad_to_max_length", "truncation_strategy", "add_prefix_space"
_SINCE = "4.52"
_PREFIX_SINCE = "5.0"

#: The arguments, and what takes their place; measured, for no signature names them.
_REMOVALS = {
    old: Removal(f"{members.TOKENIZER}.{old}", "parameter", "transformers", "", _SINCE, [new, "", "4.20", "", ""])
    for old, new in ((_PADS, "padding"), (_CUTS, "truncation"))
}
_REMOVALS[_PREFIX] = Removal(
    f"{members.TOKENIZER}.{_PREFIX}", "parameter", "transformers", "", _PREFIX_SINCE, ["", "", "", "", ""]
)

#: How many arguments by position come before `max_length`: text, pair, add_special_tokens, padding, truncation.
_POSITIONS = 5

_METHODS = frozenset({"encode", "encode_plus", "batch_encode_plus", "__call__", "prepare_for_model", "pad", "tokenize"})


class IgnoredPaddingArgument(Rule):
    """`pad_to_max_length=`, `truncation_strategy=` or `add_prefix_space=True` given to a tokenizer.

    ## What it does

    Finds the arguments in calls of a tokenizer and of its methods, by keyword and in dicts that are splatted into the
    call: `tokenizer(..., pad_to_max_length=True)`, `tokenizer.encode(..., truncation_strategy="only_first")`. Settings
    and parameters of these names that are a project's own are left alone, and so is `add_prefix_space=` where a
    tokenizer is loaded or made, which both majors read.

    ## Why it breaks

    Since 4.52 `pad_to_max_length` is ignored (until 4.57 a tokenizer in Rust raised a TypeError), and nothing is
    padded. Measured on 5.23, of a text of two words, `tokenizer(text, pad_to_max_length=True, max_length=6)` gives four
    ids, where 4.51 gave six. What follows fails where the lengths differ, or trains on another shape.

    What it meant hung on what stood beside it. Without a `max_length=` it padded to the longest text of the batch, as
    `padding=True` does; `padding="max_length"` would pad to the longest that the model takes. With one it cut as well
    as padded, where no `truncation=` said otherwise: `max_length=` alone cuts to this day, but beside
    `padding="max_length"` it does not (measured on 4.51 and 5.24: `max_length=4, padding="max_length"` leaves eight
    words at eight).

    `pad_to_max_length=False`, and any beside a `padding="longest"`, which counted before, are ignored too: with them
    5.24 does what it did, and logs a warning.

    `truncation_strategy` raises. Measured on 5.24:

        TypeError: transformers.tokenization_utils_tokenizers.TokenizersBackend._encode_plus() got multiple values for
        keyword argument 'truncation_strategy'

    `add_prefix_space=True` in a call is ignored since 5.0: tokenizers written in Python (`GPT2Tokenizer`,
    `RobertaTokenizer`, `BartTokenizer`) put a space in front of the text, and those in Rust raised a TypeError.
    Measured on 4.57.6 and on 5.0.0 and 5.24: `tokenizer.tokenize("hello", add_prefix_space=True)` of GPT-2 begins with
    `Ġ` and without it, so that a list of `bad_words_ids`, say, names other tokens.

    ## Example

        encoded = tokenizer(text, max_length=128, pad_to_max_length=True, truncation_strategy="longest_first")

    becomes

        encoded = tokenizer(text, max_length=128, padding="max_length", truncation="longest_first")

    and `tokenizer(text, max_length=128, pad_to_max_length=True)` becomes
    `tokenizer(text, max_length=128, padding="max_length", truncation=True)`.

    ## Fix safety

    Safe where the receiver is known, for a literal `True` or `False`; for a variable the fix is a conditional. Unsafe
    where a dict that is splatted into the call may hold a `max_length` or a `truncation` that is not seen. Beside
    another `padding=` or `truncation=`, which v4 preferred, the old argument goes. Unsafe where only the name says that
    it is a tokenizer (in a file that imports transformers, or in a repository that does and has no other), and where it
    may be another library's.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.52.1
    """

    code = "V5410"
    name = "ignored-padding-argument"
    since = "4.52"
    tokens = (_PADS, _CUTS, _PREFIX)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in arguments.given(module, _REMOVALS, _functions, judge=lambda _, name, __: _REMOVALS[name]):
            if isinstance(each, Given) and (each.name != _PREFIX or _asks_for_prefix(each)):
                message = f"a tokenizer {_told(each)}"
                level: Level = "deprecated" if _is_idle(each) and module.settings.target >= (5, 0) else "breaks"
                yield module.finding(each.node, message, fix=_fix(each), level=level)


def _told(given: Given) -> str:
    """What becomes of an argument, and what to do, for a message."""
    if given.name == _PREFIX:
        advice = "load the tokenizer with it, or begin the text with a space"
        return f"ignores `{_PREFIX}=True` in a call since transformers {_PREFIX_SINCE}: {advice}"
    if given.name == _CUTS:
        return f"takes no `{_CUTS}=` since transformers {_SINCE}: pass `truncation=`"
    said = f"ignores `{_PADS}=` since transformers {_SINCE}"
    if _pads_anyhow(given) or given.constants == [False]:
        return f"{said}, and does the same without it: {'drop it' if _pads_anyhow(given) else 'pass `padding=False`'}"
    if given.other("padding") is not None:
        return f"{said}: `padding=` alone counts"
    if not _has_length(given):
        return f"{said} and pads nothing: pass `padding=True`, for without `max_length=` it padded to the longest"
    cut = "" if _says_what_is_cut(given) else ", truncation=True"
    return f'{said} and pads nothing: pass `padding="max_length"{cut}`'


def _asks_for_prefix(given: Given) -> bool:
    """Whether a call about a text asks for the space: a constructor keeps it for all texts."""
    made = any(isinstance(each, (External, LocalClass)) for each in given.call.callees)
    return given.constants == [True] and not made


def _is_idle(given: Given) -> bool:
    return given.name == _PADS and (given.constants == [False] or _pads_anyhow(given))


def _pads_anyhow(given: Given) -> bool:
    """Whether `padding=` beside it says what to do, which counted before."""
    beside = given.other("padding")
    return isinstance(beside, ast.Constant) and beside.value not in (False, None, ...)


def _functions(call: CallSite, callee: Value) -> Iterator[str]:
    """A tokenizer, where it is what is called, or one of its methods is."""
    view, func = call.view, call.func
    if not isinstance(func, (ast.Name, ast.Attribute)):
        return
    if isinstance(func, ast.Attribute) and func.attr in _METHODS:
        if members.owners(view, func.value, ("tokenizer",)):
            if not members.is_own_attribute(view, func):
                yield members.TOKENIZER
        elif members.is_untyped(view, func, "tok") and _is_of_transformers(call):
            yield members.TOKENIZER
    elif members.owners(view, func, ("tokenizer",)) or _is_named_so(call):
        yield members.TOKENIZER


def _is_named_so(call: CallSite) -> bool:
    """Whether something is called of which only a name is known, which says that it is a tokenizer."""
    return (
        call.name.lower().endswith(("tokenizer", "tok"))
        and all(isinstance(each, Unknown) for each in call.callees)
        and _is_of_transformers(call)
    )


def _is_of_transformers(call: CallSite) -> bool:
    """Whether what is called a tokenizer is one of transformers."""
    return members.imports_transformers(call.view) or called_tokenizers.is_called_like_one(call.view, call.node)


def _fix(given: Given) -> Fix | None:
    new = _REMOVALS[given.name].replacement
    if new is None or given.value is None or not given.is_editable:
        return None
    beside = given.other(new.new)
    level: Applicability = arguments.safety(given)[0] if _is_known(given.call) else "unsafe"
    if level == "safe":
        level = library.safety_of(given.view, _holder(given.call))
    if beside is not None:
        wins = isinstance(beside, ast.Constant) and beside.value not in (False, None, ...)
        return arguments.removal_fix([given], level) if wins else None
    if given.name == _CUTS:
        return arguments.rename_fix(given, new.new, new.since, level)
    value = _padding(given)
    if value != "False" and level == "safe" and _may_be_given_more(given):
        level = "unsafe"
    cuts = value != "False" and _has_length(given) and not _says_what_is_cut(given)
    if cuts and given.entry is not None and given.entry.how not in ("literal", "keyword"):
        return None
    if _is_given_already(given, new.new) or (cuts and _is_given_already(given, "truncation")):
        return None

    def build() -> list[Edit]:
        return _cutting(given, new.new, value) if cuts else given.replaced(new.new, value)

    return Fix(f"Replace `{_PADS}=` with `padding=`", build, applicability=level)


def _padding(given: Given) -> str:
    """What `padding=` has to be, as source: the length if one is given, else the longest of the batch."""
    long = '"max_length"' if _has_length(given) else "True"
    if isinstance(given.value, ast.Constant):
        return long if given.value.value else "False"
    return f"{long} if {arguments.operand(given)} else False"


def _cutting(given: Given, name: str, value: str) -> list[Edit]:
    """The edits that put `padding=` in its place, and say that what is too long is cut."""
    from v5lint.edits.arguments import edit_arguments

    owner, view = given.owner, given.view
    if isinstance(owner, ast.Dict) and isinstance(given.node, ast.expr) and given.value is not None:
        quote = view.source(given.node)[-1]
        more = f"{value}, {quote}truncation{quote}: True"
        return [view.replace(given.node, f"{quote}{name}{quote}"), view.replace(given.value, more)]
    assert isinstance(owner, ast.Call)
    return [edit_arguments(view, owner, replace={given.node: f"{name}={value}"}, append=["truncation=True"])]


def _is_given_already(given: Given, name: str) -> bool:
    """Whether the call has an argument of a name, if only None, or by position, beside which no other can be put."""
    place = {"padding": 3, "truncation": 4}[name]
    return given.other(name) is not None or len(given.call.node.args) > place


def _has_length(given: Given) -> bool:
    """Whether a `max_length` is given, by name or by position."""
    beside = given.other("max_length")
    if beside is not None:
        return not (isinstance(beside, ast.Constant) and beside.value is None)
    return len(given.call.node.args) > _POSITIONS


def _says_what_is_cut(given: Given) -> bool:
    """Whether the call says what is cut, under either name or by position."""
    beside = given.other("truncation")
    if beside is not None and not (isinstance(beside, ast.Constant) and beside.value is None):
        return True
    return given.other(_CUTS) is not None or len(given.call.node.args) > _POSITIONS - 1


def _may_be_given_more(given: Given) -> bool:
    """Whether something is splatted into the call that cannot be followed and may hold what is not seen here."""
    splatted = [keyword for keyword in given.call.node.keywords if keyword.arg is None]
    seen = given.other("max_length") is not None and _says_what_is_cut(given)
    return len(splatted) > (given.entry is not None) and not seen


def _is_known(call: CallSite) -> bool:
    """Whether the receiver is known to be a tokenizer by more than its name."""
    return bool(members.owners(call.view, _holder(call), ("tokenizer",)))


def _holder(call: CallSite) -> ast.expr:
    """The tokenizer that a call is about."""
    func = call.func
    return func.value if isinstance(func, ast.Attribute) and func.attr in _METHODS else func

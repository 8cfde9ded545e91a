"""V5410: `pad_to_max_length=True` given to a tokenizer, which pads nothing any more."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules import members
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_OLD = "pad_to_max_length"
_METHODS = frozenset({"encode", "encode_plus", "batch_encode_plus", "__call__", "prepare_for_model", "pad"})


class IgnoredPaddingArgument(Rule):
    """`pad_to_max_length=` given to a tokenizer.

    ## What it does

    Finds the argument in calls of a tokenizer and of its methods: `tokenizer(..., pad_to_max_length=True)`,
    `tokenizer.encode_plus(...)`. Settings and parameters of that name that are a project's own are left alone.

    ## Why it breaks

    Silently: since 4.52 the argument is ignored (until 4.57 a tokenizer in Rust raised a TypeError), and nothing is
    padded. Measured on 5.23, of a text of two words, `tokenizer(text, pad_to_max_length=True, max_length=6)` gives four
    ids, where 4.51 gave six. What follows fails where the lengths differ, or trains on another shape.

    ## Example

        encoded = tokenizer(text, max_length=128, pad_to_max_length=True, truncation=True)

    becomes

        encoded = tokenizer(text, max_length=128, padding="max_length", truncation=True)

    ## Fix safety

    Safe for a literal `True` or `False` without another `padding=`; for a variable the fix is a conditional.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.52.1
    """

    code = "V5410"
    name = "ignored-padding-argument"
    since = "4.52"
    tokens = (_OLD,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_OLD}):
            if not module.guards.is_dead(call.node) and _is_tokenizer_call(module, call):
                message = f"a tokenizer ignores `{_OLD}=` since transformers 4.52 and pads nothing: pass "
                yield module.finding(keyword, message + '`padding="max_length"`', fix=_fix(module, call, keyword))


def _is_tokenizer_call(view: ModuleView, call: CallSite) -> bool:
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr in _METHODS:
        if members.owners(view, func.value, ("tokenizer",)):
            return not members.is_own_attribute(view, func)
        return members.is_untyped(view, func, "tok") and members.imports_transformers(view)
    return bool(members.owners(view, func, ("tokenizer",))) and isinstance(func, (ast.Name, ast.Attribute))


def _fix(view: ModuleView, call: CallSite, keyword: ast.keyword) -> Fix | None:
    values = view.values(keyword.value)
    written = view.source(keyword.value)
    if call.keyword("padding") is not None or call.is_open:
        return None
    if values == frozenset({Constant(True)}) and written == "True":
        text = 'padding="max_length"'
    elif written == "False":
        text = "padding=False"
    else:
        text = f'padding="max_length" if {written} else False'

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, replace={keyword: text})]

    return Fix(f"Replace `{_OLD}=` with `padding=`", build)

"""V5518: functions of `masking_utils` that are given arguments which they no longer take."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.view.strings import last_name
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_MODULE = "transformers.masking_utils"
_FUNCTIONS = frozenset(
    {
        "create_causal_mask",
        "create_chunked_causal_mask",
        "create_masks_for_generate",
        "create_sliding_window_causal_mask",
    }
)

_EMBEDS, _NEW_EMBEDS = "input_embeds", "inputs_embeds"
_POSITIONS = "cache_position"
_SINCE = "5.9"

#: The oldest release that takes the new arguments alone.
_REQUIRES = "5.6"

#: What 4.x took by position: the positions of the tokens stood where the cache stands now.
_ORDER = ("config", _EMBEDS, "attention_mask", _POSITIONS, "past_key_values", "position_ids")
_AT = _ORDER.index(_POSITIONS)
_CACHES = ("past_key_values", "cache")

#: Takes any keyword: what it does not know is passed over.
_OPEN = "create_masks_for_generate"


class RemovedMaskArgument(Rule):
    """`create_causal_mask` and its like with `input_embeds` or `cache_position`, which they no longer take.

    ## What it does

    Finds calls of `create_causal_mask`, `create_sliding_window_causal_mask`, `create_chunked_causal_mask` and
    `create_masks_for_generate` of `transformers.masking_utils` with one of the two by name, in the call or in a dict,
    and with the positions of the tokens by position, where the cache stands now.

    ## Why it breaks

    `input_embeds` is called `inputs_embeds` since 5.2 (the old name was translated up to 5.8), and `cache_position`,
    which is needed before 5.6, went in 5.9 (read in ten releases from 4.57.6 to 5.24.0, run on both of these):

        TypeError: create_causal_mask() got an unexpected keyword argument 'input_embeds'
        TypeError: create_causal_mask() got an unexpected keyword argument 'cache_position'
        AttributeError: 'Tensor' object has no attribute 'get_query_offset'

    the last of them by position. No such call is right for 4.x and for 5.9: where both are supported, choose by
    `inspect.signature(create_causal_mask).parameters`.

    ## Example

        mask = create_causal_mask(config=config, input_embeds=x, attention_mask=mask, cache_position=positions,
                                  past_key_values=cache)

    becomes

        mask = create_causal_mask(config=config, inputs_embeds=x, attention_mask=mask,
                                  past_key_values=cache)

    ## Fix safety

    Unsafe: `position_ids` of packed sequences are what tells them apart now. Held back while releases before 5.6 are
    supported; none where the arguments come in a dict.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/masking_utils.py
    """

    code = "V5518"
    name = "removed-mask-argument"
    since = _SINCE
    words = tuple(sorted(_FUNCTIONS))

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls(_FUNCTIONS):
            name = _function(call)
            if not name or module.guards.is_dead(call.node):
                continue
            given = [each for each in (_EMBEDS, _POSITIONS) if call.keyword(each) or call.entry(each)]
            if _POSITIONS in given and name == _OPEN:
                given.remove(_POSITIONS)
            if _in_old_order(call):
                message = (
                    f"the cache is the fourth argument of `{name}` since transformers {_SINCE}, where positions are "
                    "given here: leave them out"
                )
                yield module.finding(call.node.args[_AT], message, fix=_reordered(module, call))
            elif given:
                listed = " and ".join(f"`{each}`" for each in given)
                said = f"`{name}` takes no {listed} since transformers {_SINCE}, a TypeError"
                advice = f": the first is `{_NEW_EMBEDS}` now" if given[0] == _EMBEDS else ""
                written = [each for each in call.node.keywords if each.arg in given]
                fix = _fix(module, call, written) if len(written) == len(given) else None
                yield module.finding(written[0] if written else call.node, f"{said}{advice}", fix=fix)


def _function(call: CallSite) -> str:
    """The function of `masking_utils` that is called, "" when it is none."""
    for callee in call.callees:
        if isinstance(callee, External) and callee.path.startswith(_MODULE) and callee.name in _FUNCTIONS:
            return callee.name
    return ""


def _in_old_order(call: CallSite) -> bool:
    """Whether the positions of the tokens stand where they stood: so they are called, or the cache is named, too."""
    given = call.node.args
    if len(given) <= _AT or any(isinstance(each, ast.Starred) for each in given):
        return False
    says_so = last_name(given[_AT]).endswith(_POSITIONS) or last_name(given[_AT]) == "positions"
    return says_so or any(call.keyword(each) is not None for each in _CACHES)


def _reordered(view: ModuleView, call: CallSite) -> Fix | None:
    """The fix that leaves the positions out, and names what stood behind them."""
    behind = call.node.args[_AT + 1 :]
    if len(behind) > len(_ORDER) - _AT - 1:
        return None

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        named: dict[ast.AST, str] = {
            each: f"{name}={view.source(each)}" for each, name in zip(behind, _ORDER[_AT + 1 :], strict=False)
        }
        named.update(
            (each, f"{_NEW_EMBEDS}={view.source(each.value)}") for each in call.node.keywords if each.arg == _EMBEDS
        )
        return [edit_arguments(view, call.node, remove=[call.node.args[_AT]], replace=named)]

    return Fix("Write what 5.9 takes", build, applicability="unsafe", requires=_REQUIRES)


def _fix(view: ModuleView, call: CallSite, written: list[ast.keyword]) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        dropped = [each for each in written if each.arg == _POSITIONS]
        renamed: dict[ast.AST, str] = {
            each: f"{_NEW_EMBEDS}={view.source(each.value)}" for each in written if each.arg == _EMBEDS
        }
        return [edit_arguments(view, call.node, remove=dropped, replace=renamed)]

    return Fix("Write what 5.9 takes", build, applicability="unsafe", requires=_REQUIRES)

"""V5518: functions of `masking_utils` that are given arguments which they no longer take."""

from __future__ import annotations

from v5lint.rule import Fix, Rule
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
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

#: Takes any keyword: what it does not know is passed over.
_OPEN = "create_masks_for_generate"


class RemovedMaskArgument(Rule):
    """`create_causal_mask` and its like with `input_embeds` or `cache_position`, which they no longer take.

    ## What it does

    Finds calls of `create_causal_mask`, `create_sliding_window_causal_mask`, `create_chunked_causal_mask` and
    `create_masks_for_generate` of `transformers.masking_utils` with one of the two by name, in the call or in a dict.

    ## Why it breaks

    `input_embeds` is called `inputs_embeds` since 5.2 (the old name was translated up to 5.8), and `cache_position`,
    which is needed before 5.6, went in 5.9 (read in ten releases from 4.57.6 to 5.24.0, run on both of these):

        TypeError: create_causal_mask() got an unexpected keyword argument 'input_embeds'
        TypeError: create_causal_mask() got an unexpected keyword argument 'cache_position'

    No call with these names is right for 4.x and for 5.9: where both are supported, choose by
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
            if given:
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


def _fix(view: ModuleView, call: CallSite, written: list[ast.keyword]) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        dropped = [each for each in written if each.arg == _POSITIONS]
        renamed: dict[ast.AST, str] = {
            each: f"{_NEW_EMBEDS}={view.source(each.value)}" for each in written if each.arg == _EMBEDS
        }
        return [edit_arguments(view, call.node, remove=dropped, replace=renamed)]

    return Fix("Write what 5.9 takes", build, applicability="unsafe", requires=_REQUIRES)

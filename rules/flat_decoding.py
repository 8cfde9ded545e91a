"""V5928: `batch_decode` of one sequence of ids, which was taken for a batch of single tokens."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import library, members, token_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_METHOD, _BATCH = "batch_decode", "sequences"

#: Processors whose `batch_decode` is one of their own.
_OWN = ("WithLM", "Mgpstr")

#: What the loop of the fix may be called over.
_ITEMS = ("token_id", "each_token_id")


class FlatBatchDecode(Rule):
    """`batch_decode` of one sequence of token ids.

    ## What it does

    Finds `tokenizer.batch_decode(ids)` where `ids` are those of one text: `input_ids[0]`, `encoded.input_ids[0]` of
    tensors, `model.generate(...)[0]`, what `tokenizer.encode(text)` gave, one row of a loop over them.

    ## Why it breaks

    Silently. Each element was decoded by itself, so that a sequence gave the text of each of its tokens; since 5.0 a
    sequence is decoded as one text. Measured on 4.57.6 and on 5.0.0 and 5.24:

        tokenizer.batch_decode(tokenizer("hello world").input_ids)
        # ['[CLS]', 'hello', 'world', '[SEP]'] and ['[CLS] hello world [SEP]']

    What takes the result for a list with an entry for each token (labels of a plot, a loop beside the scores) has one
    entry now.

    ## Example

        tokens = tokenizer.batch_decode(input_ids[0], skip_special_tokens=True)

    becomes

        tokens = [tokenizer.decode(token_id, skip_special_tokens=True) for token_id in input_ids[0]]

    ## Fix safety

    Safe where it follows from the calls that there is one sequence: it is what `batch_decode` did, measured equal on
    both majors for lists, arrays and tensors. Unsafe where only a name tells (`input_ids[0]` of a parameter).

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/tokenization_utils_base.py (`decode`
      takes one sequence or several, and `batch_decode` calls it)
    """

    code = "V5928"
    name = "flat-batch-decode"
    since = "5.0"
    tokens = (_METHOD,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({_METHOD}):
            func = call.func
            ids = call.argument(_BATCH, 0)
            if not isinstance(func, ast.Attribute) or ids is None or module.guards.is_dead(call.node):
                continue
            shape = token_ids.shape_of(module, ids)
            if shape is None or shape.dimensions != 1 or not _is_tokenizer(module, func):
                continue
            message = f"`{_METHOD}` of one sequence gives one text since transformers 5.0, and no longer each token's"
            fix = _fix(module, call, func, ids, is_sure=shape.is_sure)
            yield module.finding(call.node, f"{message}: decode them one by one", fix=fix)


def _is_tokenizer(view: ModuleView, func: ast.Attribute) -> bool:
    found = members.owners(view, func.value, ("tokenizer", "processor"))
    if any(word in each.name for each in found for word in _OWN) or members.is_own_attribute(view, func):
        return False
    if members.is_prepared(view, func):
        return False
    return bool(found) or any(members.is_untyped(view, func, word) for word in ("tok", "processor"))


def _fix(view: ModuleView, call: CallSite, func: ast.Attribute, ids: ast.expr, *, is_sure: bool) -> Fix | None:
    node = call.node
    rest = [
        each for each in (*node.args, *node.keywords) if each is not ids and getattr(each, "value", None) is not ids
    ]
    if any(isinstance(each, ast.Starred) for each in node.args) or "\n" in view.source(node):
        return None
    name = next((each for each in _ITEMS if library.is_free(view, each, node)), None)
    if name is None:
        return None
    holder = view.source(func.value)
    written = ", ".join([name, *(view.source(each) for each in rest)])
    written = f"[{holder}.decode({written}) for {name} in {view.source(ids)}]"
    safety = library.safety_of(view, func.value) if is_sure else "unsafe"
    start, end = view.span(node)
    return Fix("Decode the tokens one by one", [Edit(start, end, written)], applicability=safety)

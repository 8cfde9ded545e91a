"""V5417: tokens or ids that are given to `encode` of a tokenizer, which takes text."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import members, token_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_METHOD = "encode"

_SAID = {
    "tokens": "takes each token for a text of its own since transformers 5.0 and gives a list of lists",
    "ids": "takes no ids since transformers 5.0 and raises a ValueError",
}


class TokenizedInput(Rule):
    """Tokens or ids that are given to `encode` of a tokenizer.

    ## What it does

    Finds `tokenizer.encode(tokens)` where the tokens came out of `tokenizer.tokenize(...)`, or ids out of
    `convert_tokens_to_ids`; also slices and sums of them. `encode_plus` of them is V5404's. With
    `is_split_into_words=True` they are read as words by both majors, and left alone.

    ## Why it breaks

    A tokenizer that was written in Python (`BertTokenizer`, not `BertTokenizerFast`) put special tokens around them.
    There are no such tokenizers any more for most models, and those in Rust refused both under 4.x. Measured on 4.57.6
    and on 5.0.0 and 5.24:

        BertTokenizer.from_pretrained(path).encode(["hello", "world", "a"])
        # [2, 132, 127, 25, 3] and [[2, 132, 3], [2, 127, 3], [2, 25, 3]]

        ValueError: text input must be of type `str` (single example), `list[str]` (batch or single pretokenized
        example) or `list[list[str]]` (batch of pretokenized examples).

    With `return_tensors` and tokens of the same length the batch goes through the model without a word.

    ## Example

        ids = tokenizer.encode(tokenizer.tokenize(text))

    becomes, by hand,

        ids = tokenizer.encode(text)

    ## Fix safety

    No fix: where the text is not at hand, write the special tokens yourself
    (`[tokenizer.cls_token_id, *tokenizer.convert_tokens_to_ids(tokens), tokenizer.sep_token_id]`).

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5417"
    name = "tokenized-input"
    since = "5.0"
    tokens = (".tokenize(", ".convert_tokens_to_ids(")
    beside = (f".{_METHOD}(",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({_METHOD}):
            func, text = call.func, call.argument("text", 0)
            if not isinstance(func, ast.Attribute) or text is None or call.keyword("is_split_into_words") is not None:
                continue
            said = _SAID.get(token_ids.kind_of_list(module, text))
            if said is None or members.is_own_attribute(module, func) or members.is_prepared(module, func):
                continue
            found = members.owners(module, func.value, ("tokenizer",))
            if found or (members.is_untyped(module, func, "tok") and members.imports_transformers(module)):
                yield module.finding(call.node, f"`{_METHOD}` {said}: give it the text")

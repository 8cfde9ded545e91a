"""V5409: methods and attributes of tokenizers and processors that are gone."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import members, origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

#: What has a rule of its own.
_ELSEWHERE = frozenset(
    "encode_plus batch_encode_plus prepare_seq2seq_batch as_target_tokenizer as_target_processor feature_extractor "
    "additional_special_tokens additional_special_tokens_ids additional_special_tokens_id".split()
)


class RemovedTokenizerMember(Rule):
    """A method or attribute that tokenizers, their results or processors no longer have.

    ## What it does

    Finds every member that a release since 4.20 took from the base classes of tokenizers and processors or from one of
    their classes, on everything that is known to be of the class: `prepare_for_model`,
    `build_inputs_with_special_tokens`, `create_token_type_ids_from_sequences`, `truncate_sequences`,
    `special_tokens_map_extended`, `all_special_tokens_extended`, `sanitize_special_tokens`, `BatchEncoding.words()`;
    of the tokenizers that were written in Python `sp_model`, `encoder`, `bpe`, `ids_to_tokens`, `basic_tokenizer`,
    `wordpiece_tokenizer` and their like. Classes that keep one, and subclasses that define it, are left alone; so is
    what `trust_remote_code=True` loads. Methods with rules of their own (V5404, V5405, V5406) are theirs.

    ## Why it breaks

    Measured on 5.23:

        AttributeError: BertTokenizer has no attribute prepare_for_model
        AttributeError: BertTokenizer has no attribute build_inputs_with_special_tokens
        AttributeError: BertTokenizer has no attribute ids_to_tokens
        AttributeError: TokenizersBackend has no attribute special_tokens_map_extended

    ## Example

        words = encoding.words()

    becomes

        words = encoding.word_ids()

    ## Fix safety

    Only `words` has a drop-in, which is safe. The others are for a person: what took their place depends on what the
    result is used for, and is said in the finding.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide calls
      `BatchEncoding.words()` deprecated: it is gone. What it calls removed, `clean_up_tokenization`, is back since 5.3,
      and `parse_response` never went; neither is reported)
    """

    code = "V5409"
    name = "removed-tokenizer-member"
    since = "5.0"
    tokens = ("okenizer", "Processor")

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for found in members.gone(module, ("tokenizer", "encoding", "processor")):
            if found.node.attr in _ELSEWHERE:
                continue
            if origins.runs_remote_code(module, found.node.value):
                yield module.unseen(found.node, "the checkpoint brings a class of its own, which may have it")
                continue
            new = found.removal.replacement
            fix = members.renamed(module, found.node, new.new, new.since) if new is not None and new.drop_in else None
            yield module.finding(found.node, members.told(found), fix=fix, since=found.removal.gone)

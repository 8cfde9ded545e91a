"""V5427: methods of tokenizers of one's own which nothing calls any more."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import library
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: Classes that were written in Python, by themselves, and are tokenizers in Rust since 5.0: asked of both releases.
CLASSES = frozenset(
    """
    AlbertTokenizer BartTokenizer BarthezTokenizer BertTokenizer BigBirdTokenizer BlenderbotTokenizer CLIPTokenizer
    CamembertTokenizer CodeGenTokenizer CodeLlamaTokenizer ConvBertTokenizer DPRContextEncoderTokenizer
    DPRQuestionEncoderTokenizer DPRReaderTokenizer DebertaTokenizer DebertaV2Tokenizer DistilBertTokenizer
    ElectraTokenizer FNetTokenizer FunnelTokenizer GPT2Tokenizer GemmaTokenizer HerbertTokenizer LEDTokenizer
    LayoutLMTokenizer LayoutLMv2Tokenizer LayoutLMv3Tokenizer LayoutXLMTokenizer LlamaTokenizer LongformerTokenizer
    LukeTokenizer LxmertTokenizer MBart50Tokenizer MBartTokenizer MLukeTokenizer MPNetTokenizer MarkupLMTokenizer
    MobileBertTokenizer MvpTokenizer NllbTokenizer OpenAIGPTTokenizer PegasusTokenizer Qwen2Tokenizer
    ReformerTokenizer RemBertTokenizer RoFormerTokenizer RobertaTokenizer SeamlessM4TTokenizer SplinterTokenizer
    SqueezeBertTokenizer T5Tokenizer UdopTokenizer WhisperTokenizer XGLMTokenizer XLMRobertaTokenizer XLNetTokenizer
    """.split()
)

#: What a tokenizer in Python called of its own when texts were encoded, and when ids were decoded.
ENCODING = (
    "tokenize",
    "_tokenize",
    "prepare_for_tokenization",
    "_convert_token_to_id",
    "prepare_for_model",
    "build_inputs_with_special_tokens",
    "create_token_type_ids_from_sequences",
    "truncate_sequences",
    "_batch_encode_plus",
)
DECODING = ("_convert_id_to_token", "convert_tokens_to_string")

#: Methods by which a class does all of it itself.
_WHOLE_ENCODING = frozenset({"__call__", "_encode_plus"})
_WHOLE_DECODING = frozenset({"decode", "_decode"})


class UncalledTokenizerMethod(Rule):
    """A method of a tokenizer of one's own which nothing calls any more: the tokenizer it inherits from is in Rust.

    ## What it does

    Finds classes that inherit from a tokenizer that was written in Python under 4.x (`BertTokenizer`, `GPT2Tokenizer`,
    `T5Tokenizer` and fifty others, not those with Fast in their name) and define `tokenize`, `_tokenize`,
    `_convert_token_to_id`, `build_inputs_with_special_tokens` or another method that such a tokenizer called when it
    encoded or decoded. A class with a `__call__` or `_encode_plus` of its own, or a `decode`, does that itself.

    ## Why it breaks

    Silently: since 5.0 these classes hand the whole text to the tokenizer in Rust, and read no method of Python on the
    way. Measured on 4.57.6 and 5.24.0, with a subclass of `BertTokenizer` whose `_tokenize` splits into characters:

        tokenizer("ab")["input_ids"]      # 4.57: [2, 5, 6, 3]    5.24: [2, 1, 3]

    `tokenizer.tokenize(text)` calls a `tokenize` of one's own still; `tokenizer(text)` does not. `super()._tokenize()`
    and the attributes of the old class (`sp_model`, `encoder`) are gone: see V5409.

    ## Example

        class CharTokenizer(BertTokenizer):
            def _tokenize(self, text):
                return list(text)

    Inherit from a tokenizer that is written in Python still: `PreTrainedTokenizer` (`PythonBackend`), or
    `transformers.models.bert.tokenization_bert_legacy.BertTokenizerLegacy` for BERT's. Or set the steps of the one in
    Rust: `tokenizer.backend_tokenizer.pre_tokenizer`, `.post_processor`, `.decoder`.

    ## Fix safety

    No fix: what the method was for has its place in another step.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (slow and fast tokenizers are one)
    """

    code = "V5427"
    name = "uncalled-tokenizer-method"
    since = "5.0"
    tokens = tuple(f"def {each}" for each in (*ENCODING, *DECODING))
    beside = ("Tokenizer",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            written = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
            if not written.keys() & {*ENCODING, *DECODING} or module.guards.is_dead(node):
                continue
            of = LocalClass(module, node)
            base = next((name for name in library.library_classes(module, of) if name in CLASSES), "")
            names = _uncalled(of, written) if base else []
            if names:
                listed = library.listed(names)
                yield module.finding_at_name(
                    written[names[0]],
                    f"`{base}` is a tokenizer in Rust since transformers 5.0, and calls no {listed} of `{node.name}`",
                )


def _uncalled(of: LocalClass, written: dict[str, ast.FunctionDef]) -> list[str]:
    """The methods of a class that nothing calls, as far as no other one does their work."""
    defines = of.view.links.defines
    names: list[str] = []
    for methods, whole in ((ENCODING, _WHOLE_ENCODING), (DECODING, _WHOLE_DECODING)):
        if not any(defines([of], each) for each in whole):
            names += [each for each in methods if each in written and not _is_another(written[each])]
    return names


def _is_another(method: ast.FunctionDef) -> bool:
    """Whether a method only refuses to be called, or is for a list of texts, which a tokenizer never gave it."""
    args = [*method.args.posonlyargs, *method.args.args]
    is_of_many = method.name == "tokenize" and len(args) > 1 and args[1].arg.endswith("s")
    return is_of_many or isinstance(method.body[-1], ast.Raise)

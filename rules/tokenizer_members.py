"""V5409: methods and attributes of tokenizers and processors that are gone."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library, members, origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: What has a rule of its own.
_ELSEWHERE = frozenset(
    "encode_plus batch_encode_plus prepare_seq2seq_batch as_target_tokenizer as_target_processor feature_extractor "
    "additional_special_tokens additional_special_tokens_ids additional_special_tokens_id".split()
)

#: What was behind a property, and is read through it.
_BEHIND = {f"_{each}_token": f"{each}_token" for each in ("bos", "cls", "eos", "mask", "pad", "sep", "unk")}

#: What did for one token what these do for one or many.
_OF_ONE = {"_convert_token_to_id": "convert_tokens_to_ids", "_convert_id_to_token": "convert_ids_to_tokens"}

#: The ids of languages by their code, which the tokenizer of one family had: the codes are tokens like others.
_CODES, _OF_CODES, _FAMILY = "lang_code_to_id", "convert_tokens_to_ids", "nllb"

#: Attributes of tokenizers in Python, which those in Rust have under no name.
_OF_SLOW_ONES = frozenset(
    "sp_model encoder bpe_ranks byte_encoder byte_decoder bpe ids_to_tokens basic_tokenizer wordpiece_tokenizer "
    "fairseq_tokens_to_ids fairseq_ids_to_tokens".split()
)

#: What V5402 reports of the processors that have it under another name.
_OF_OWL, _OWL = "post_process_object_detection", frozenset({"OwlViTProcessor", "Owlv2Processor"})


class RemovedTokenizerMember(Rule):
    """A method or attribute that tokenizers, their results or processors no longer have.

    ## What it does

    Finds every member that a release since 4.20 took from the base classes of tokenizers and processors or from one
    of their classes, on everything that is known to be of the class: `prepare_for_model`,
    `build_inputs_with_special_tokens`, `create_token_type_ids_from_sequences`, `truncate_sequences`,
    `special_tokens_map_extended`, `all_special_tokens_extended`, `sanitize_special_tokens`, `BatchEncoding.words()`;
    of the tokenizers that were written in Python `sp_model`, `encoder`, `bpe`, `ids_to_tokens`, `basic_tokenizer`,
    `wordpiece_tokenizer` and their like, also where `AutoTokenizer` is told `use_fast=False`. Classes that keep one,
    and subclasses that define it, are left alone; so is what `trust_remote_code=True` loads. Methods with rules of
    their own (V5404, V5405, V5406) are theirs. `_pad_token` and its like, which no tokenizer of transformers has, are
    found on what is only called a tokenizer as well.

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

    `words` has a drop-in, `lang_code_to_id[code]` of NLLB's tokenizer (gone since 4.42; found by the name of the
    checkpoint, too) is `convert_tokens_to_ids(code)`, and `_pad_token` and its like are read through the properties
    that they were behind (`pad_token`): all three are safe. `_convert_token_to_id(token)` becomes
    `convert_tokens_to_ids(token)` unsafely: it asks the tokens that were added as well. The others are for a person:
    what took their place depends on what the result is used for, and is said in the finding.

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
            name = found.node.attr
            if name in _ELSEWHERE or (name == _OF_OWL and found.owner.name in _OWL):
                continue
            if origins.runs_remote_code(module, found.node.value):
                yield module.unseen(found.node, "the checkpoint brings a class of its own, which may have it")
                continue
            new, told = found.removal.replacement, ""
            fix = members.renamed(module, found.node, new.new, new.since) if new is not None and new.drop_in else None
            if name in _BEHIND:
                told, fix = f"read `{_BEHIND[name]}`", members.renamed(module, found.node, _BEHIND[name], "")
            elif name in _OF_ONE:
                told = f"call `{_OF_ONE[name]}`"
                is_call = _takes_one(module.tree.parents[found.node], found.node)
                fix = _renamed(module, found.node, _OF_ONE[name]) if is_call else None
            elif name == _CODES:
                told, fix = f"call `{_OF_CODES}` with the code", _called(module, found.node)
            yield module.finding(found.node, members.told(found, instead=told), fix=fix, since=found.removal.gone)
        yield from _by_name(module)
        yield from _by_checkpoint(module)
        yield from _of_slow_ones(module)


def _by_name(view: ModuleView) -> Iterator[Finding]:
    """The same of what is only called a tokenizer, for what no tokenizer of transformers has any more."""
    target = library.release_text(view.settings.target)
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr not in _BEHIND or not isinstance(node.ctx, ast.Load) or not members.is_untyped(view, node, "tok"):
            continue
        removal = lookup.removed_member(members.TOKENIZER, node.attr, target)
        if removal is not None and members.imports_transformers(view):
            said = f"`{view.source(node.value)}` has no `{node.attr}` since transformers {removal.gone}"
            fix = _renamed(view, node, _BEHIND[node.attr])
            yield view.finding(node, f"{said}: read `{_BEHIND[node.attr]}`", fix=fix, since=removal.gone)


def _by_checkpoint(view: ModuleView) -> Iterator[Finding]:
    """The codes of NLLB's languages, of the tokenizer that `AutoTokenizer` loads for it."""
    removal = lookup.removed_member("NllbTokenizer", _CODES, library.release_text(view.settings.target))
    if removal is None:
        return
    for node in view.attributes({_CODES}):
        if not isinstance(node.ctx, ast.Load) or members.is_prepared(view, node):
            continue
        made = origins.origins(view, node.value)
        names = [_loaded_by_auto(each.call) for each in made.found]
        if made.is_complete and names and all(name and _FAMILY in name.lower() for name in names):
            said = f"the tokenizer of `{names[0]}` has no `{_CODES}` since transformers {removal.gone}"
            fix = _called(view, node)
            yield view.finding(node, f"{said}: call `{_OF_CODES}` with the code", fix=fix, since=removal.gone)


def _of_slow_ones(view: ModuleView) -> Iterator[Finding]:
    """What only tokenizers in Python had, of those that `AutoTokenizer` was told to load: `use_fast=False`."""
    target = library.release_text(view.settings.target)
    for node in view.attributes(_OF_SLOW_ONES):
        if not isinstance(node.ctx, ast.Load) or members.is_prepared(view, node):
            continue
        made = origins.origins(view, node.value)
        classes = [_slow_class(each.call) for each in made.found]
        removals = [lookup.removed_member(each, node.attr, target) if each else None for each in classes]
        if not made.is_complete or not removals or None in removals:
            continue
        removal = removals[0]
        assert removal is not None
        said = f"the tokenizer that `AutoTokenizer` loads has no `{node.attr}` since transformers {removal.gone}"
        note = f": {removal.note[0].lower()}{removal.note[1:].rstrip('.')}" if removal.note else ""
        yield view.finding(node, f"{said}, with `use_fast=False` either{note}", since=removal.gone)


def _slow_class(call: CallSite) -> str:
    """The tokenizer in Python that 4.57 loads where it is told not to take a fast one; "" where that is not known."""
    asked = call.argument("use_fast")
    if not (isinstance(asked, ast.Constant) and asked.value is False):
        return ""
    facts = lookup.model_type(checkpoints.model_type_of(_loaded_by_auto(call)), "4.57")
    slow = [each for each in facts.tokenizers if not each.endswith("Fast")] if facts is not None else []
    return slow[0] if slow else ""


def _loaded_by_auto(call: CallSite) -> str:
    """The checkpoint from which `AutoTokenizer` loads in a call; "" where it is not known or another class loads."""
    named = library.texts(call.values_of(*library.CHECKPOINT))
    return named[0] if len(named) == 1 and library.loaders(call) == ["AutoTokenizer"] else ""


def _called(view: ModuleView, node: ast.Attribute) -> Fix | None:
    """The fix that asks for one code by a call: `tokenizer.lang_code_to_id["fra_Latn"]`."""
    whole = view.tree.parents[node]
    if not isinstance(whole, ast.Subscript) or whole.value is not node or not isinstance(whole.ctx, ast.Load):
        return None
    name, key, end = view.name_span(node), view.span(whole.slice), view.span(whole)[1]
    if view.text[name[1] : key[0]].strip() != "[" or view.text[key[1] : end].strip() != "]":
        return None
    edits = [Edit(name[0], key[0], f"{_OF_CODES}("), Edit(key[1], end, ")")]
    return Fix(f"Call `{_OF_CODES}`", edits, applicability=library.safety_of(view, node.value))


def _renamed(view: ModuleView, node: ast.Attribute, new: str) -> Fix:
    return Fix(f"Rename to `{new}`", [Edit(*view.name_span(node), new)], applicability="unsafe")


def _takes_one(call: ast.AST, func: ast.Attribute) -> bool:
    return isinstance(call, ast.Call) and call.func is func and len(call.args) == 1 and not call.keywords

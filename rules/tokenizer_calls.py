"""V5404: the methods of a tokenizer that became the call of the tokenizer itself."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, FixUnavailableError, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import batches, called_tokenizers, library, members
from v5lint.view.calls import CallSite
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.strings import is_super
from v5lint.view.values import External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.module import ModuleView

#: What `prepare_seq2seq_batch` of multilingual tokenizers sets, and their call does not look at.
_LANGUAGES = frozenset({"src_lang", "tgt_lang"})

_PREPARE, _OF_TWO = "prepare_seq2seq_batch", "RagTokenizer"

#: The methods, with how many of their leading parameters the call of a tokenizer takes at the same places.
_METHODS = {"encode_plus": 2, "batch_encode_plus": 1, _PREPARE: 1}

_BEFORE = "4.57"

#: Names of what is tokenized already: `encode_plus` of a slow tokenizer took lists of tokens and ids, a call does not.
_TOKENS = pattern(r"(^|_)(tokens?|toks?|ids?|words?|pieces|tokenized|subwords?|encod\w+|span\w*)(_[a-z0-9]+)?$")

_IDS = pattern(r"(^|_)(ids|tokens)$")

_LIST = pattern(r"[\"']?(typing\.)?(List|list|Sequence)\b")


class RemovedTokenizerCall(Rule):
    """`encode_plus`, `batch_encode_plus` or `prepare_seq2seq_batch` of a tokenizer.

    ## What it does

    Finds the methods on everything that is known to be a tokenizer of transformers: what `from_pretrained` gave, what a
    parameter is annotated with, or is given by the calls of its function or class (by those in other modules unsafely),
    attributes of `self`, `processor.tokenizer`, subclasses. Where only the name tells
    (`tokenizer.batch_encode_plus(...)` on a parameter, in a file that imports transformers, or with arguments that only
    its tokenizers take, in a repository that does) the finding stays and its fix is unsafe. Tokenizers that keep the
    methods (TAPAS, MarkupLM, RoCBert) and classes with methods of their own of the name are left alone.

    ## Why it breaks

    Since 5.0 a tokenizer is called. Measured on 5.23:

        AttributeError: BertTokenizer has no attribute encode_plus
        AttributeError: BertTokenizer has no attribute batch_encode_plus
        AttributeError: TokenizersBackend has no attribute prepare_seq2seq_batch

    ## Example

        encoded = tokenizer.batch_encode_plus(texts, True, padding="longest", return_tensors="pt")

    becomes

        encoded = tokenizer(texts, add_special_tokens=True, padding="longest", return_tensors="pt")

    Arguments by position get their names where the call has others at those places. A batch that is no list
    (`frame["text"].values`, a generator, `d.keys()`), which `batch_encode_plus` of a tokenizer written in Python took,
    becomes one: `tokenizer(list(...))`; the call raises a ValueError on anything else.
    `prepare_seq2seq_batch(src, tgt)` becomes `tokenizer(src, text_target=tgt, padding="longest", truncation=True)`,
    with the defaults that it had.

    ## Fix safety

    Safe where the receiver is known and gets text. No fix where a list of tokens or ids is given to `encode_plus`
    (a tokenizer written in Python took them; called with a list, every token becomes a sequence of its own: give
    `is_split_into_words=True`), where `prepare_seq2seq_batch` gets another `max_target_length` than `max_length`, where
    it gets `src_lang` or `tgt_lang` (called with them, MBart's tokenizer keeps the language it was loaded with and says
    nothing: set `tokenizer.src_lang` before), where the method is handed on without being called. Unsafe where the
    tokenizer may be another library's (`try: from modelscope import AutoTokenizer`).

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide calls the methods
      deprecated: they are gone; and the `input_ids_target` of its example is a KeyError, `text_target=` gives `labels`)
    """

    code = "V5404"
    name = "removed-tokenizer-call"
    since = "5.0"
    tokens = ("encode_plus", "prepare_seq2seq_batch")
    anywhere = True

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        known = {each.node: each for each in members.gone(module, ("tokenizer",), _METHODS, asks_type=False)}
        for node in module.attributes(_METHODS):
            if not isinstance(node.ctx, ast.Load):
                continue
            found = known.get(node)
            if found is not None:
                is_hidden = module.guards.handled(node, CALL_ERRORS) is not None
                safety: Applicability = "unsafe" if is_hidden else library.safety_of(module, node.value)
                fix = _fix(module, node, safety) if not _has_own_call(found.owner) else None
                yield module.finding(node, _message(found.owner.shown, node.attr), fix=fix, since=found.removal.gone)
            elif node.attr == _PREPARE and _is_of_rag(module, node):
                message = _message(_OF_TWO, node.attr)
                yield module.finding(node, f"{message}, and `tokenizer.generator(...)` with the targets")
            elif members.is_untyped(module, node, "tok"):
                if members.imports_transformers(module) or _is_called_like_one(module, node):
                    shown = module.source(node.value)
                    yield module.finding(node, _message(shown, node.attr), fix=_fix(module, node, "unsafe"))
                else:
                    yield module.unseen(node, f"what `{module.source(node.value)}` is comes from elsewhere")


def _is_of_rag(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a method is asked of a `RagTokenizer`, which is two tokenizers in one and inherits from none."""
    classes = view.classes_of(node.value)
    return any(isinstance(each, External) and each.name == _OF_TWO for each in classes) and not members.is_prepared(
        view, node, asks_type=False
    )


def _is_called_like_one(view: ModuleView, node: ast.Attribute) -> bool:
    call = view.tree.parents[node]
    return isinstance(call, ast.Call) and call.func is node and called_tokenizers.is_called_like_one(view, call)


def _message(owner: str, method: str) -> str:
    return f"`{owner}` has no `{method}` since transformers 5.0: call the tokenizer itself"


def _has_own_call(owner: members.Owner) -> bool:
    """Whether a class of the repository is called in a way of its own."""
    if not isinstance(owner.of, LocalClass):
        return False
    found = owner.of.view.evaluator.class_attribute(owner.of, "__call__", instance=True)
    return any(isinstance(each, LocalFunction) for each in found)


def _fix(view: ModuleView, func: ast.Attribute, safety: Applicability) -> Fix | None:
    node = view.tree.parents[func]
    if not isinstance(node, ast.Call) or node.func is not func:
        return None
    if is_super(func.value):
        return None  # under v4 the call of the base class ends in the method again
    call = CallSite(view, node)
    arguments = _arguments(view, call, func.attr)
    if arguments is None:
        return None
    replace, remove, append = arguments

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        edits = [_callee_edit(view, func)]
        if replace or remove or append:
            edits.append(edit_arguments(view, node, replace=replace, remove=remove, append=append))
        return edits

    requires = "4.22" if any("text_target" in each for each in [*replace.values(), *append]) else ""
    return Fix("Call the tokenizer", build, applicability=safety, requires=requires)


def _callee_edit(view: ModuleView, func: ast.Attribute) -> Edit:
    start, end = view.span(func.value)[1], view.span(func)[1]
    if not re.fullmatch(rf"\s*\.\s*{func.attr}", view.text[start:end]):
        raise FixUnavailableError("something stands between the tokenizer and its method")
    return Edit(start, end, "")


def _arguments(
    view: ModuleView, call: CallSite, method: str
) -> tuple[dict[ast.AST, str], list[ast.AST], list[str]] | None:
    """The arguments that change, go and come; None where the call means something else with them."""
    known = lookup.parameters(f"{members.TOKENIZER}.{method}", _BEFORE)
    if (
        known is None
        or any(isinstance(each, ast.Starred) for each in call.args)
        or len(call.args) > len(known.positional)
    ):
        return None
    replace: dict[ast.AST, str] = {}
    for place, each in enumerate(call.args[_METHODS[method] :], start=_METHODS[method]):
        replace[each] = f"{known.positional[place]}={view.source(each)}"
    if method == "prepare_seq2seq_batch":
        return _seq2seq(view, call, replace)
    if method == "batch_encode_plus" and (_is_text_in_splat(call) or _holds_ids(view, call)):
        return None
    if method == "encode_plus":
        texts = [call.argument("text", 0), call.argument("text_pair", 1)]
        if call.keyword("is_split_into_words") is None and any(_is_tokens(view, each) for each in texts):
            return None
    keyword = call.keyword("batch_text_or_text_pairs")
    batch = call.argument("batch_text_or_text_pairs", 0) if method == "batch_encode_plus" else None
    written = view.source(batch) if batch is not None else ""
    if batch is not None and batches.is_other_iterable(view, batch):
        written = f"list({written})"
        if keyword is None:
            replace[batch] = written
    if keyword is not None:
        replace[keyword] = f"text={written}"
    return replace, [], []


def _is_text_in_splat(call: CallSite) -> bool:
    """Whether a dict gives the texts, under the name that only the method has, or may do so."""
    if call.entry("batch_text_or_text_pairs") is not None:
        return True
    return call.is_open and call.argument("batch_text_or_text_pairs", 0) is None


def _holds_ids(view: ModuleView, call: CallSite) -> bool:
    """Whether the batch is written as a list of lists of ids: `[input_ids]`, `[(input_ids, None)]`."""
    batch = call.argument("batch_text_or_text_pairs", 0)
    for each in batch.elts if isinstance(batch, (ast.List, ast.Tuple)) else ():
        for one in each.elts if isinstance(each, ast.Tuple) else [each]:
            if _IDS.search(one.id if isinstance(one, ast.Name) else "") or (
                isinstance(one, ast.List) and one.elts and all(view.constants(item, int) for item in one.elts)
            ):
                return True
    return False


def _is_tokens(view: ModuleView, node: ast.expr | None) -> bool:
    """Whether an argument may be a list of tokens or ids."""
    if node is None:
        return False
    if isinstance(node, (ast.List, ast.ListComp)):
        return True
    if isinstance(node, ast.Call):
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        return name in ("tokenize", "convert_tokens_to_ids", "split", "encode", "list")
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if isinstance(node, ast.Subscript):
        inner = node.slice
        name = str(inner.value) if isinstance(inner, ast.Constant) else ""
        if isinstance(inner, ast.Slice):
            return _is_tokens(view, node.value)
    if name and _TOKENS.search(name.lower()):
        return True
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        if any(each.annotation is not None and _LIST.match(view.source(each.annotation)) for each in bindings):
            return True
        values = [each.value for each in bindings if each.kind == "assign"]
        made = (ast.Call, ast.List, ast.ListComp)
        return any(
            (isinstance(each, made) and _is_tokens(view, each))
            or (isinstance(each, ast.Name) and _TOKENS.search(each.id.lower()) is not None)
            for each in values
        )
    return False


def _seq2seq(
    view: ModuleView, call: CallSite, replace: dict[ast.AST, str]
) -> tuple[dict[ast.AST, str], list[ast.AST], list[str]] | None:
    """What `prepare_seq2seq_batch(src, tgt, ...)` gave to the call of the tokenizer, its own defaults included."""
    names = {"src_texts": "text", "tgt_texts": "text_target"}
    remove: list[ast.AST] = []
    given: dict[str, str] = {}
    for keyword in call.node.keywords:
        if keyword.arg is None:
            return None
        given[keyword.arg] = view.source(keyword.value)
        if keyword.arg in names:
            replace[keyword] = f"{names[keyword.arg]}={given[keyword.arg]}"
    for node, text in list(replace.items()):
        name, _, value = text.partition("=")
        given[name] = value
        if name in names:
            replace[node] = f"{names[name]}={value}"
        elif name == "max_target_length":
            remove.append(node)
            del replace[node]
    if given.keys() & _LANGUAGES:
        return None
    longest = given.get("max_length", "None")
    if given.pop("max_target_length", longest) not in (longest, "None") and (
        "tgt_texts" in given or "text_target" in given
    ):
        return None
    remove += [each for each in call.node.keywords if each.arg == "max_target_length"]
    append = [
        f"{name}={value}" for name, value in (("padding", '"longest"'), ("truncation", "True")) if name not in given
    ]
    return replace, remove, append

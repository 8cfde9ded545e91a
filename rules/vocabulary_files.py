"""V5408: a tokenizer that is made of a vocabulary file that it ignores."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.calls import CallSite
from v5lint.view.values import External, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.knowledge.lookup import Parameters
    from v5lint.view.module import ModuleView

#: The arguments, in the order in which the constructors take them, and what they are called now.
_FILES = {"vocab_file": "vocab", "merges_file": "merges"}
_BEFORE = "4.57"

#: Arguments from which the vocabulary is read as well.
_INSTEAD = ("tokenizer_file", "tokenizer_object", "vocab")


class IgnoredVocabularyFile(Rule):
    """A tokenizer that is constructed with `vocab_file=` or `merges_file=`.

    ## What it does

    Finds the constructors of the tokenizers whose arguments are called `vocab` and `merges` now, with the old keywords.
    `from_pretrained(...)`, `tokenizer_file=` and files that are passed by position are left alone: they are read.

    ## Why it breaks

    Silently: since 5.0 the keyword lands in `**kwargs`, and the tokenizer is empty. Measured on 5.23, with a vocabulary
    of nine words and one of 367:

        len(BertTokenizer(vocab_file=path))                          # 9 in 4.57, 5 in 5.23: everything is [UNK]
        len(GPT2Tokenizer(vocab_file=path, merges_file=merges))      # 367 in 4.57, 1 in 5.23

    ## Example

        tokenizer = BertTokenizer(vocab_file="vocab.txt", do_lower_case=False)

    becomes

        tokenizer = BertTokenizer("vocab.txt", do_lower_case=False)

    ## Fix safety

    Safe: by position the files are read by both majors, measured equal. No fix where only one of two files is given,
    where other arguments are passed by position or come in a dict, where the files are no longer the first parameters
    (`BlenderbotTokenizer`), and for models of sentencepiece: use `from_pretrained`.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide names only
      LlamaTokenizer, and says that the argument "cannot be used": it is taken, and ignored, by BERT's and GPT-2's too)
    """

    code = "V5408"
    name = "ignored-vocabulary-file"
    since = "5.0"
    tokens = tuple(_FILES)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        seen: set[ast.Call] = set()
        for call in self._calls(module):
            if call.node in seen or module.guards.is_dead(call.node):
                continue
            seen.add(call.node)
            name = _made(call)
            written = [each for each in call.node.keywords if each.arg in _FILES]
            given = [each for each in _FILES if _is_given(call, each)]
            if name and given and _is_ignored(module, name) and not any(_is_given(call, each) for each in _INSTEAD):
                listed = " and ".join(f"`{each}=`" for each in given)
                message = f"`{name}` ignores {listed} since transformers 5.0 and is left with an empty vocabulary"
                fix = _fix(module, call, name, written) if len(written) == len(given) else None
                advice = "load its folder by `from_pretrained`" if _is_sentencepiece(name) else "pass it by position"
                yield module.finding(call.node, f"{message}: {advice}", fix=fix)

    def _calls(self, module: ModuleView) -> Iterator[CallSite]:
        """The calls that may get such a file: by keyword, or in a dict."""
        for call, _ in module.keywords(_FILES):
            yield call
        for keyword in module.tree.nodes.get(ast.keyword, ()):
            call_node = module.tree.parents[keyword]
            if isinstance(keyword, ast.keyword) and keyword.arg is None and isinstance(call_node, ast.Call):
                site = CallSite(module, call_node)
                if "okenizer" in site.name:
                    yield site


def _is_given(call: CallSite, name: str) -> bool:
    return call.keyword(name) is not None or call.entry(name) is not None


def _made(call: CallSite) -> str:
    """The tokenizer class of transformers whose constructor is called, "" when it is none."""
    for callee in call.callees:
        of = callee
        if isinstance(callee, Method) and callee.name == "__init__":
            of = callee.owner
        if isinstance(of, LocalClass) and any(getattr(each, "name", "") == "__init__" for each in of.node.body):
            continue
        if isinstance(of, (External, LocalClass)):
            for name in library.library_classes(call.view, of):
                if lookup.kind_of(name) == "tokenizer":
                    return name
    return ""


def _is_ignored(view: ModuleView, name: str) -> bool:
    now = _parameters(view, name)
    return now is not None and "vocab_file" not in now and _FILES["vocab_file"] in now


def _parameters(view: ModuleView, name: str) -> Parameters | None:
    """The parameters of a tokenizer under the target; those of its base class where it hands all on."""
    target = library.release_text(view.settings.target)
    for each in (name, *lookup.ancestors(name)):
        found = lookup.parameters(each, target)
        if found is not None and not (found.variadic and not found.positional):
            return found
    return None


def _is_sentencepiece(name: str) -> bool:
    """Whether the file of a tokenizer is a model of sentencepiece, which is no vocabulary."""
    facts = lookup.class_facts(name)
    own = facts.alias_of() if facts is not None else ""
    before = lookup.parameters(own or name, _BEFORE)
    return before is None or "sp_model_kwargs" in before


def _fix(view: ModuleView, call: CallSite, name: str, given: list[ast.keyword]) -> Fix | None:
    now = _parameters(view, name)
    if (
        now is None
        or now.positional[0] != _FILES["vocab_file"]
        or call.node.args
        or any(each.arg in (None, *_FILES.values()) for each in call.node.keywords)
    ):
        return None
    if _is_sentencepiece(name):
        return None
    wanted = [old for old, new in _FILES.items() if new in now.positional[:2]]
    values = {str(each.arg): view.source(each.value) for each in given}
    if set(values) != set(wanted):
        return None

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        rest = [each for each in call.node.keywords if each not in given]
        texts = [*(values[each] for each in wanted), *(view.source(each) for each in rest)]
        replace: dict[ast.AST, str] = dict(zip(call.node.keywords, texts, strict=True))
        changed = {node: text for node, text in replace.items() if view.source(node) != text}
        return [edit_arguments(view, call.node, replace=changed)]

    return Fix("Pass the files by position", build)

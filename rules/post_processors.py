"""V5426: keyword arguments of the post-processors of tokenizers that are positions now."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import arguments
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_CLASSES = frozenset({"BertProcessing", "RobertaProcessing"})
_PACKAGE = "tokenizers"

#: The parameters that have no name any more, in their order.
_PLACES = ("sep", "cls")


class PostProcessorKeyword(Rule):
    """`cls=` of a post-processor of tokenizers.

    ## What it does

    Finds `BertProcessing` and `RobertaProcessing` of `tokenizers.processors` whose special tokens are given by name.

    ## Why it breaks

    transformers asks for tokenizers 0.23 since 5.16, where `cls` is called `cls_token`. Measured on 0.23.1 and 0.23.3:

        TypeError: BertProcessing.__new__() got an unexpected keyword argument 'cls'

    By position both tokens are taken by all releases.

    ## Example

        tokenizer.post_processor = BertProcessing(sep=("[SEP]", 102), cls=("[CLS]", 101))

    becomes

        tokenizer.post_processor = BertProcessing(("[SEP]", 102), ("[CLS]", 101))

    ## Fix safety

    Safe: the tokens are given by position, `sep` first.

    ## References

    - https://huggingface.co/docs/tokenizers/api/post-processors
    """

    code = "V5426"
    name = "post-processor-keyword"
    since = "5.16"  # the release of transformers that asks for tokenizers 0.23
    tokens = ("BertProcessing", "RobertaProcessing")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls(_CLASSES):
            keyword = next((each for each in call.node.keywords if each.arg == "cls"), None)
            if keyword is None or not _is_theirs(call) or module.guards.is_dead(call.node):
                continue
            if arguments.is_tried_otherwise(module, call, keyword):
                continue
            message = (
                f"`{call.name}` takes no `cls` since tokenizers 0.23, which transformers asks for since 5.16: "
                "give both tokens by position"
            )
            yield module.finding(keyword, message, fix=_fix(module, call))


def _is_theirs(call: CallSite) -> bool:
    callees = call.callees
    return bool(callees) and all(isinstance(each, External) and each.package == _PACKAGE for each in callees)


def _fix(view: ModuleView, call: CallSite) -> Fix | None:
    node = call.node
    by_name = {each.arg: each for each in node.keywords}
    given = len(node.args)
    wanted = [by_name.get(each) for each in _PLACES[given:]]
    if any(isinstance(each, ast.Starred) for each in node.args) or None in by_name or None in wanted:
        return None
    places = sorted((each for each in wanted if each is not None), key=view.span)
    if {*node.keywords[: len(places)]} != {*places}:
        return None  # what goes by position stands before all that goes by name

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        texts = [view.source(each.value) for each in wanted if each is not None]
        return [edit_arguments(view, node, replace=dict(zip(places, texts, strict=True)))]

    return Fix("Give the tokens by position", edits)

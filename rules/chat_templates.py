"""V5407: `apply_chat_template` of a tokenizer, which gives a dict now."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import library, members
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding, Unseen
    from v5lint.view.module import ModuleView

_METHOD = "apply_chat_template"
_KEYWORD = "return_dict"

#: The first release whose tokenizers take `return_dict=`.
_SINCE = "4.40"

#: Attributes that a dict of tensors has, and no list or tensor.
_OF_DICTS = frozenset("input_ids attention_mask items keys values get".split())

#: Methods that give the same back.
_SAME = frozenset("to cuda cpu result".split())

_QUESTIONS = frozenset("hasattr isinstance getattr".split())

#: Through so many functions of the repository a result is followed.
_DEPTH = 3


class ChatTemplateDict(Rule):
    """`apply_chat_template` of a tokenizer that is read as a list of ids or as a tensor.

    ## What it does

    Finds calls of `apply_chat_template` on tokenizers that say nothing of `return_dict`, and tokenize. Processors are
    left alone (they still return text, or what they returned), as are `tokenize=False`, TRL's function of the same
    name, own methods, and calls whose result is read as a dict (`["input_ids"]`, `**inputs`), asked what it is (also
    in a function of the repository that it is given to) or compared with that of another such call. What is a
    tokenizer by its name alone (a parameter) is said to be unseen.

    ## Why it breaks

    `return_dict` is True by default since 5.0: what was a list of ids, or a tensor, is a `BatchEncoding`. Measured:

        len(tokenizer.apply_chat_template(messages))        # 4.57: the number of tokens; 5.23: the number of keys
        tokenizer.apply_chat_template(messages, return_tensors="pt").shape
        # AttributeError in 5.23

    ## Example

        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True)

    becomes

        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)

    ## Fix safety

    Safe: the argument spells out what was the default, and both majors take it. Unsafe where the tokenizer may be
    another library's.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5407"
    name = "chat-template-dict"
    since = "5.0"
    tokens = (_METHOD,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for call in module.calls({_METHOD}):
            func = call.func
            if not isinstance(func, ast.Attribute) or members.is_prepared(module, func):
                continue
            every = _with_later_calls(module, call)
            if every is None:
                yield module.unseen(call.node, "who calls it, and with what, is not seen: the result is a dict now")
                continue
            if any(each.keyword(_KEYWORD) is not None or each.entry(_KEYWORD) is not None for each in every):
                continue
            tokenize = frozenset(value for each in every for value in each.values_of("tokenize", 6))
            if Constant(False) in tokenize and len(tokenize) == 1:
                continue
            if any(_is_read_as_dict(module, each.node) for each in every):
                continue
            found = members.owners(module, func.value, ("tokenizer", "processor"))
            if any(each.kind == "processor" for each in found) or members.is_own_attribute(module, func):
                continue
            is_chosen = Constant(False) in tokenize  # else: whoever calls may want the ids
            if found and not call.is_open and not is_chosen:
                yield module.finding(call.node, _MESSAGE, fix=_fix(module, call))
            elif found or members.is_untyped(module, func, "tok"):
                what = (
                    "`tokenize=` comes"
                    if is_chosen
                    else "the arguments come"
                    if found
                    else f"what `{module.source(func.value)}` is comes"
                )
                yield module.unseen(call.node, f"{what} from elsewhere: with a tokenizer the result is a dict now")


def _with_later_calls(view: ModuleView, call: CallSite) -> list[CallSite] | None:
    """A call, and those of the `partial` that it makes; None where not all of them are seen, and they may decide."""
    if External("functools.partial") not in view.values(call.node.func):
        return [call]
    parent = view.tree.parents[call.node]
    targets = parent.targets if isinstance(parent, ast.Assign) else []
    uses: list[ast.expr] = [call.node] if not targets else []
    for name in targets:
        for binding in view.links.bindings_at(name) if isinstance(name, ast.Name) else ():
            uses += view.links.uses(binding)
    around = [(use, view.tree.parents[use]) for use in uses]
    later = [CallSite(view, each) for use, each in around if isinstance(each, ast.Call) and each.func is use]
    if len(later) < len(uses) and not call.values_of("tokenize", 6):
        return None
    return [call, *later]


def _is_read_as_dict(view: ModuleView, node: ast.expr, depth: int = 0) -> bool:
    """Whether a program takes what a call gives for a dict, or asks what it is: it was written for 5.0."""
    waiting, seen = [node], {node}
    while waiting:
        at = waiting.pop()
        parent = view.tree.parents[at]
        if isinstance(parent, ast.Attribute):
            around = view.tree.parents[parent]
            if parent.attr in _OF_DICTS:
                return True
            if parent.attr in _SAME and isinstance(around, ast.Call):
                following: list[ast.expr] = [around]
            else:
                continue
        elif isinstance(parent, ast.Subscript) and parent.value is at:
            if any(isinstance(value, Constant) and isinstance(value.value, str) for value in view.values(parent.slice)):
                return True
            continue
        elif (isinstance(parent, ast.keyword) and parent.arg is None) or _is_question(parent):
            return True
        elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
            names = [each for each in targets if isinstance(each, ast.Name)]
            following = [
                use for name in names for each in view.links.bindings_at(name) for use in view.links.uses(each)
            ]
        elif isinstance(parent, (ast.IfExp, ast.Await)):
            following = [parent]
        elif isinstance(parent, ast.Call) and at in parent.args:
            if depth < _DEPTH and any(
                _is_read_as_dict(other, use, depth + 1) for other, use in view.links.reads_inside(parent, at)
            ):
                return True
            continue
        elif isinstance(parent, ast.Compare):
            if all(_is_rendered(each) for each in (parent.left, *parent.comparators)):
                return True  # two results are compared, whatever they are
            continue
        else:
            continue
        for each in following:
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


def _is_rendered(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _METHOD


def _is_question(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _QUESTIONS


_MESSAGE = (
    "a tokenizer's `apply_chat_template` returns a dict since transformers 5.0, where it returned the ids: "
    "pass `return_dict=False`"
)


def _fix(view: ModuleView, call: CallSite) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, append=[f"{_KEYWORD}=False"])]

    func = call.func
    safety = library.safety_of(view, func.value) if isinstance(func, ast.Attribute) else "unsafe"
    return Fix("Pass `return_dict=False`", build, applicability=safety, requires=_SINCE)

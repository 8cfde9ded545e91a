"""V5405: tokenizing the targets inside of `with tokenizer.as_target_tokenizer():`."""

from __future__ import annotations

import ast
import re

from v5lint.rule import Edit, Fix, FixUnavailableError, Rule
from v5lint.rules.parts import library, members
from v5lint.view.guards import IMPORT_ERRORS
from v5lint.view.values import LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

#: The context managers: the argument of the call that takes the targets, and that of `pad`, where there is one.
_METHODS = {"as_target_tokenizer": ("text_target", ""), "as_target_processor": ("text", "labels")}
_SINCE = "4.22"

#: The parameters of a tokenizer's call that take a text.
_TEXTS = ("text", "text_pair")

#: What switches a processor, and nothing but its own call: its parts do what they did.
_OF_PROCESSORS = "as_target_processor"
_PARTS = frozenset({"tokenizer", "feature_extractor", "image_processor"})

#: What does not depend on which side the tokenizer is switched to.
_NEUTRAL = frozenset(
    "pad pad_token pad_token_id eos_token eos_token_id bos_token_id unk_token_id decode batch_decode".split()
)


class TargetTokenizerContext(Rule):
    """`with tokenizer.as_target_tokenizer():` or `with processor.as_target_processor():`.

    ## What it does

    Finds the context managers on tokenizers and processors of transformers, and on anything else in a file that imports
    transformers: no other library has methods of these names.

    ## Why it breaks

    Since 5.0 neither exists. Measured on 5.23:

        AttributeError: BertTokenizer has no attribute as_target_tokenizer
        AttributeError: 'Wav2Vec2Processor' object has no attribute 'as_target_processor'

    ## Example

        with tokenizer.as_target_tokenizer():
            labels = tokenizer(examples["summary"], max_length=128, truncation=True)

    becomes

        labels = tokenizer(text_target=examples["summary"], max_length=128, truncation=True)

    and, for speech processors, `processor(batch["text"])` becomes `processor(text=batch["text"])` and
    `processor.pad(features)` becomes `processor.pad(labels=features)`.

    ## Fix safety

    Safe: measured equal on 4.57 and 5.23. No fix where the block does something else with the tokenizer than calling it
    with a text or a pair (`tokenizer.encode(...)`, handing it to a function, calling a function that uses it), as that
    has no spelling for targets. Unsafe where the tokenizer may be another library's.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5405"
    name = "target-tokenizer-context"
    since = "5.0"
    tokens = tuple(_METHODS)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        known = {each.node: each for each in members.gone(module, ("tokenizer", "processor"), _METHODS)}
        for node in module.attributes(_METHODS):
            if not isinstance(node.ctx, ast.Load):
                continue
            is_known = node in known or _is_some_processor(module, node)
            if not is_known and not members.is_untyped(module, node, ""):
                continue
            if not is_known and not members.imports_transformers(module):
                yield module.unseen(node, f"what `{module.source(node.value)}` is comes from elsewhere")
                continue
            what = f"`{_METHODS[node.attr][0]}=`"
            message = f"`{node.attr}` is gone since transformers 5.0: call it with {what}, without the context manager"
            yield module.finding(node, message, fix=_fix(module, node))


def _is_some_processor(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether it is asked of what `AutoProcessor` loads: a processor of any class, and all of them have lost it."""
    found = members.owners(view, node.value, ("processor",))
    return (
        any(not each.is_exact for each in found)
        and not members.is_own_attribute(view, node)
        and not members.is_prepared(view, node)
    )


def _fix(view: ModuleView, func: ast.Attribute) -> Fix | None:
    call = view.tree.parents[func]
    item = view.tree.parents[call] if isinstance(call, ast.Call) else call
    if not isinstance(item, ast.withitem) or item.optional_vars is not None:
        return None
    statement = view.tree.parents[item]
    if not isinstance(statement, ast.With):
        return None
    if view.guards.handled(func, IMPORT_ERRORS) is not None:
        return None
    edits = _inner_edits(view, statement, func)
    is_idle = func.attr == _OF_PROCESSORS and _names(statement.body, func.value)
    if edits is None or not (edits or is_idle) or _uses_elsewhere(view, statement, func.value):
        return None

    def build() -> list[Edit]:
        if len(statement.items) > 1:
            return [_without_item(view, statement, item), *edits]
        return [_dedented(view, statement, edits)]

    safety = library.safety_of(view, func.value)
    return Fix(f"Replace the block with `{_METHODS[func.attr][0]}=`", build, applicability=safety, requires=_SINCE)


def _names(block: list[ast.stmt], holder: ast.expr) -> bool:
    """Whether a block names the processor, and so shows what it does with it."""
    same = ast.dump(holder)
    return any(ast.dump(node) == same for each in block for node in ast.walk(each) if isinstance(node, type(holder)))


def _uses_elsewhere(view: ModuleView, statement: ast.With, holder: ast.expr) -> bool:
    """Whether a block names a function of the module that works with the same tokenizer: it is switched as well."""
    same = ast.dump(holder)
    for each in statement.body:
        for node in ast.walk(each):
            if not isinstance(node, (ast.Name, ast.Attribute)) or not isinstance(node.ctx, ast.Load):
                continue
            for value in view.values(node):
                if isinstance(value, LocalFunction) and value.view is view:
                    inside = (n for n in ast.walk(value.node) if isinstance(n, (ast.Name, ast.Attribute)))
                    if any(ast.dump(n) == same for n in inside):
                        return True
    return False


def _without_item(view: ModuleView, statement: ast.With, item: ast.withitem) -> Edit:
    """The edit that takes one of several context managers out of the head of a block."""
    place = statement.items.index(item)
    start, end = view.span(item.context_expr)
    if place:
        before = statement.items[place - 1]
        start = view.span(before.optional_vars or before.context_expr)[1]
        between = view.text[start : view.span(item.context_expr)[0]]
    else:
        end = view.span(statement.items[1].context_expr)[0]
        between = view.text[view.span(item.context_expr)[1] : end]
    if not re.fullmatch(r"\s*,\s*(\\\s*)?", between):
        raise FixUnavailableError("something stands between the context managers")
    return Edit(start, end, "")


def _inner_edits(view: ModuleView, statement: ast.With, func: ast.Attribute) -> list[Edit] | None:
    """The new arguments inside of the block; None where it does something else with the tokenizer."""
    argument, padded = _METHODS[func.attr]
    holder = ast.dump(func.value)
    edits = []
    for each in statement.body:
        for node in ast.walk(each):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.lineno != node.end_lineno:
                return None  # the text of a string would be dedented
            if not isinstance(node, (ast.Name, ast.Attribute)) or ast.dump(node) != holder:
                continue
            parent = view.tree.parents[node]
            if isinstance(parent, ast.Attribute):
                around = view.tree.parents[parent]
                if padded and parent.attr == "pad":
                    if not isinstance(around, ast.Call) or around.func is not parent:
                        return None
                    edit = _named(view, around, padded, "input_features")
                    if edit is None:
                        return None
                    edits.append(edit)
                elif parent.attr not in (_NEUTRAL | _PARTS if func.attr == _OF_PROCESSORS else _NEUTRAL):
                    return None
                continue
            if not isinstance(parent, ast.Call) or parent.func is not node:
                return None
            found = _named_both(view, parent) if argument == "text_target" else [_named(view, parent, argument, "text")]
            if None in found:
                return None
            edits += [each for each in found if each is not None]
    return edits


def _named_both(view: ModuleView, call: ast.Call) -> list[Edit | None]:
    """The edits that make the text of a call, and that of its pair, the targets."""
    pair = next((each for each in call.keywords if each.arg == "text_pair"), None)
    found: list[Edit | None] = []
    if pair is not None:
        found.append(Edit(*view.name_span(pair), "text_pair_target"))
    elif len(call.args) == len(_TEXTS) and not isinstance(call.args[1], (ast.Starred, ast.GeneratorExp)):
        between = view.text[view.span(call.args[0])[1] : (start := view.span(call.args[1])[0])]
        found.append(Edit(start, start, "text_pair_target=") if not between.strip(" \t\r\n,") else None)
    return [_named(view, call, "text_target", "text", most=1 + len(found)), *found]


def _named(view: ModuleView, call: ast.Call, name: str, old: str, most: int = 1) -> Edit | None:
    """The edit that gives the first of at most so many positional arguments of a call its name."""
    given = next((each for each in call.keywords if each.arg == old), None)
    if any(each.arg == name and each is not given for each in call.keywords):
        return None
    if not call.args and given is not None:
        return Edit(*view.name_span(given), name)
    if not 0 < len(call.args) <= most or isinstance(call.args[0], ast.Starred) or given is not None:
        return None
    start = view.span(call.args[0])[0]
    if isinstance(call.args[0], ast.GeneratorExp) or (view.text[start - 1] == "(" and _is_wrapped(view, call)):
        return None
    return Edit(start, start, f"{name}=")


def _is_wrapped(view: ModuleView, call: ast.Call) -> bool:
    """Whether the first argument stands in parentheses of its own: its span begins behind them."""
    between = view.text[view.span(call.func)[1] : view.span(call.args[0])[0]]
    return between.count("(") > 1


def _dedented(view: ModuleView, statement: ast.With, edits: list[Edit]) -> Edit:
    """The edit that puts the statements of a block in the place of the block."""
    if statement.body[0].lineno == statement.lineno:
        return _on_one_line(view, statement, edits)
    first = view.offset(statement.lineno, 0)
    start, end = view.span(statement)
    outer = view.text[first:start]
    body = view.offset(statement.body[0].lineno, 0)
    inner = view.text[body : view.span(statement.body[0])[0]]
    if outer.strip() or inner.strip() or not inner.startswith(outer):
        raise FixUnavailableError("the block shares its line with something else")
    header = view.span(statement.items[0].context_expr)[1]
    comment_start = view.text.index(":", header) + 1
    above = view.text[comment_start:body]
    text = view.text[body:end]
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start - body] + edit.content + text[edit.end - body :]
    cut = len(inner) - len(outer)
    lines = text.splitlines(keepends=True)
    moved = [line[cut:] if line.startswith(inner[:cut]) else line for line in lines]
    kept = _comments(above, outer, inner)
    return Edit(first, end, kept + "".join(moved))


def _on_one_line(view: ModuleView, statement: ast.With, edits: list[Edit]) -> Edit:
    """The edit for a block that stands in the line of its head: the head goes."""
    start, end = view.span(statement)
    body = view.span(statement.body[0])[0]
    text = view.text[body:end]
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start - body] + edit.content + text[edit.end - body :]
    return Edit(start, end, text)


def _comments(above: str, outer: str, inner: str) -> str:
    """The comments between the head of a block and its first statement, at the depth of the head."""
    found = []
    for line in above.splitlines(keepends=True):
        if line.strip().startswith("#"):
            end = line[len(line.rstrip("\r\n")) :]
            found.append(outer + line.strip() + end)
    return "".join(found)

"""V5406: the additional special tokens of a tokenizer, which are called extra special tokens."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

_NAMES = ("additional_special_tokens", "additional_special_tokens_ids", "additional_special_tokens_id")
_ARGUMENT = "replace_additional_special_tokens"

#: `extra_special_tokens` exists since 4.47, but holds something else (a dict) until 4.57.
_SINCE = "5.0"


class AdditionalSpecialTokens(Rule):
    """`additional_special_tokens` of a tokenizer.

    ## What it does

    Finds `tokenizer.additional_special_tokens`, `..._ids`, where they are read and where they are set, the entry
    `special_tokens_map["additional_special_tokens"]` (`.get` of it, which gives its default, a test for it), and
    `add_special_tokens(replace_additional_special_tokens=)`. `add_special_tokens({"additional_special_tokens": [...]})`
    goes on working and is left alone.

    ## Why it breaks

    The attributes are called `extra_special_tokens` since 5.0. Measured on 5.23:

        AttributeError: TokenizersBackend has no attribute additional_special_tokens
        KeyError: 'additional_special_tokens'
        TypeError: PreTrainedTokenizerBase.add_special_tokens() got an unexpected keyword argument
        'replace_additional_special_tokens'

    Setting the attribute raises nothing and does nothing: the tokens are not among `all_special_tokens`.

    ## Example

        ids = tokenizer.additional_special_tokens_ids

    becomes

        ids = tokenizer.extra_special_tokens_ids

    ## Fix safety

    Safe, and held back while the project supports v4: `extra_special_tokens` of 4.57 is a dict of something else, and
    `extra_special_tokens_ids` is not there. Unsafe where the tokenizer may be another library's.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide says that
      the old name is "still accepted": the attribute is gone)
    """

    code = "V5406"
    name = "additional-special-tokens"
    since = "5.0"
    tokens = ("additional_special_tokens",)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for attribute in module.attributes(_NAMES):
            if not members.is_prepared(module, attribute):
                yield from _attribute(module, attribute)
        for node in module.tree.nodes.get(ast.Subscript, ()):
            assert isinstance(node, ast.Subscript)
            yield from _entry(module, node)
        for asking in module.links.calls_named("get"):
            yield from _entry(module, asking)
        for test in module.tree.nodes.get(ast.Compare, ()):
            assert isinstance(test, ast.Compare)
            yield from _test(module, test)
        for call, keyword in module.keywords({_ARGUMENT}):
            func = call.func
            if module.guards.is_dead(keyword) or arguments.is_tried_otherwise(module, call, keyword):
                continue
            if call.name == "add_special_tokens" and isinstance(func, ast.Attribute) and _is_tokenizer(module, func):
                new = "replace_extra_special_tokens"
                message = f"`add_special_tokens` takes no `{_ARGUMENT}=` since transformers 5.0: it is `{new}=`"
                fix = Fix(
                    f"Rename the argument to `{new}=`",
                    [Edit(*module.name_span(keyword), new)],
                    applicability=library.safety_of(module, func.value),
                    requires=_SINCE,
                )
                yield module.finding(keyword, message, fix=fix)


def _is_tokenizer(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute is one of a tokenizer of transformers, by its type or by its name."""
    if members.owners(view, node.value, ("tokenizer",)):
        return True
    return members.is_untyped(view, node, "tok") and members.imports_transformers(view)


def _attribute(view: ModuleView, node: ast.Attribute) -> Iterator[Finding | Unseen]:
    if not _is_tokenizer(view, node):
        if members.is_untyped(view, node, "tok"):
            yield view.unseen(node, f"what `{view.source(node.value)}` is comes from elsewhere")
        return
    if members.is_own_attribute(view, node):
        return
    if any(
        lookup.removed_member(each.name, node.attr) is None
        for each in members.owners(view, node.value, ("tokenizer",))
        if each.is_exact
    ):
        return
    new = "extra_special_tokens_ids" if node.attr.endswith(("_id", "_ids")) else "extra_special_tokens"
    if isinstance(node.ctx, ast.Store):
        message = f"setting `{node.attr}` does nothing since transformers 5.0: the attribute is `{new}`"
    else:
        message = f"a tokenizer has no `{node.attr}` since transformers 5.0: it is `{new}`"
    fix = members.renamed(view, node, new, _SINCE)
    yield view.finding(node, message, fix=fix if node.attr != "additional_special_tokens_id" else None)


def _entry(view: ModuleView, node: ast.Subscript | ast.Call) -> Iterator[Finding]:
    """What reads the entry of `special_tokens_map`: by its key, or by `get`."""
    func = node.func if isinstance(node, ast.Call) else None
    if isinstance(node, ast.Subscript):
        table, key, is_safe = node.value, node.slice, isinstance(node.ctx, ast.Load)
        if not is_safe:
            return
    elif isinstance(func, ast.Attribute) and func.attr == "get" and node.args and not node.keywords:
        table, key = func.value, node.args[0]
        # Without such tokens `get` gave its default, and the attribute is an empty list.
        is_safe = len(node.args) > 1 and isinstance(node.args[1], (ast.List, ast.Tuple)) and not node.args[1].elts
    else:
        return
    if _is_entry(view, table, key):
        assert isinstance(table, ast.Attribute)
        new = f"{view.source(table.value)}.extra_special_tokens"
        message = "`special_tokens_map` holds no additional special tokens since transformers 5.0: read "
        fix = Fix(
            "Read `extra_special_tokens`",
            [view.replace(node, new)],
            applicability=library.safety_of(view, table.value) if is_safe else "unsafe",
            requires=_SINCE,
        )
        yield view.finding(node, message + "`extra_special_tokens`", fix=fix)


def _test(view: ModuleView, node: ast.Compare) -> Iterator[Finding]:
    """A test for the entry, which is there no more; it was there with at least one such token."""
    table, operator = node.comparators[0], node.ops[0]
    if len(node.ops) > 1 or not isinstance(operator, (ast.In, ast.NotIn)) or not _is_entry(view, table, node.left):
        return
    assert isinstance(table, ast.Attribute)
    tokens = f"{view.source(table.value)}.extra_special_tokens"
    new = f"len({tokens}) {'>' if isinstance(operator, ast.In) else '=='} 0"
    message = (
        "`special_tokens_map` holds no additional special tokens since transformers 5.0: ask `extra_special_tokens`"
    )
    fix = Fix("Ask `extra_special_tokens`", [view.replace(node, new)], requires=_SINCE)
    yield view.finding(node, message, fix=fix)


def _is_entry(view: ModuleView, table: ast.expr, key: ast.expr) -> bool:
    """Whether a key of a table is that of the additional tokens in a tokenizer's `special_tokens_map`."""
    return (
        isinstance(table, ast.Attribute)
        and table.attr == "special_tokens_map"
        and isinstance(key, ast.Constant)
        and key.value == "additional_special_tokens"
        and bool(members.owners(view, table.value, ("tokenizer",)))
        and not members.is_prepared(view, table)
    )

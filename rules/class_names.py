"""V5919: classes that are asked for by their name, which no object has any more."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import compared_names, library, members
from v5lint.view.strings import last_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_FAST = "Fast"
_KINDS = ("Tokenizer", "ImageProcessor")

#: What the fast image processors inherited from, while they were classes of their own.
_FAST_PROCESSOR = "BaseImageProcessorFast"

#: What is asked of a name to find out whether a tokenizer is one of the library tokenizers.
_PARTS = frozenset({_FAST, *(kind + _FAST for kind in _KINDS)})


class ComparedClassName(Rule):
    """The name of an object's class is compared with one that no class has any more.

    ## What it does

    Finds `tokenizer.__class__.__name__ == "LlamaTokenizerFast"` and `type(tokenizer).__name__ in (...)`, where the
    release keeps the name only as another name of a class; and `"Fast" in type(tokenizer).__name__` and
    `type(tokenizer).__name__.endswith("Fast")`. A comparison that asks for the name of today as well is left alone, as
    is `isinstance`, which sees through the other name.

    ## Why it breaks

    There is one class a tokenizer since 5.0, and one an image processor since 5.4: the old names lead to it, but it has
    a name of its own. Nothing is raised; the program takes its other branch. Measured on 5.24.0:

        >>> from transformers import LlamaTokenizerFast
        >>> LlamaTokenizerFast.__name__
        'LlamaTokenizer'

    The branch for what is no fast tokenizer then often calls `_convert_token_to_id`, which only the tokenizers that
    were written in Python had.

    ## Example

        if "Fast" in tokenizer.__class__.__name__:
            ids = tokenizer.convert_tokens_to_ids(tokens)

    becomes

        if tokenizer.is_fast:
            ids = tokenizer.convert_tokens_to_ids(tokens)

    ## Fix safety

    `is_fast` is safe where the object is known to be a tokenizer, and unsafe where only its name says so. Another name
    in the place of the old one is unsafe: it was that of another class under v4. Image processors are left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5919"
    name = "compared-class-name"
    since = "5.0"
    tokens = ("TokenizerFast", "ImageProcessorFast", '"Fast"', "'Fast'")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if not members.imports_transformers(module):
            return
        target = library.release_text(module.settings.target)
        for name, asked in compared_names.compared(module):
            old = str(name.value)
            facts = lookup.class_facts(old)
            new = facts.alias_of(target) if facts is not None else ""
            if new and new not in asked:
                since = facts.alias_since(target) if facts is not None else ""
                fix = compared_names.asking_for(module, name, new, since) if old == new + _FAST else None
                said = f"no object's class is named `{old}` since transformers {since}: it is another name of `{new}`"
                yield module.finding(name, f"{said}; ask with `isinstance`", fix=fix, since=since)
        for node in module.tree.nodes.get(ast.Compare, ()):
            assert isinstance(node, ast.Compare)
            if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
                denied = isinstance(node.ops[0], ast.NotIn)
                yield from _part(module, node, node.left, node.comparators[0], denied=denied)
        for call in module.links.calls_named("endswith"):
            if isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords:
                yield from _part(module, call, call.args[0], call.func.value)


def _part(
    view: ModuleView, node: ast.expr, part: ast.expr, whole: ast.expr, *, denied: bool = False
) -> Iterator[Finding]:
    """A part of a name that is looked for in that of an object's class."""
    holder = compared_names.object_named(view, whole)
    if holder is None or not isinstance(part, ast.Constant) or part.value not in _PARTS or view.guards.is_dead(node):
        return
    is_known = bool(members.owners(view, holder, ("tokenizer",)))
    called = last_name(holder).lower()
    if not is_known and "token" not in called:
        facts = lookup.class_facts(_FAST_PROCESSOR)
        since = facts.alias_since(library.release_text(view.settings.target)) if facts is not None else ""
        if "processor" in called and since:
            said = f"fast image processors are no classes named `...{part.value}` since transformers {since}"
            yield view.finding(node, said, since=since)
        return
    source = f"{'not ' if denied else ''}{view.source(holder)}.is_fast"
    if denied and isinstance(view.tree.parents[node], ast.UnaryOp):
        source = f"({source})"
    fix = Fix("Ask `is_fast`", [view.replace(node, source)], applicability="safe" if is_known else "unsafe")
    yield view.finding(
        node, f"fast tokenizers are no classes named `...{part.value}` since transformers 5.0: ask `is_fast`", fix=fix
    )

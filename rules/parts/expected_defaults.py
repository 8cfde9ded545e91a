"""Attributes that every configuration of 4.x had, asked whether they are set: a part of V5505.

`config.tokenizer_class is None` was true of most checkpoints; since 5.0 the attribute is only there where the
checkpoint's config.json holds it. A plain read of the value counts on its being there, and is left alone.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import library, members
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.members import Owner
    from v5lint.view.module import ModuleView

#: The attributes, none of which a configuration declares of itself today, with the default of 4.57.6.
DEFAULTS = {
    "finetuning_task": "None",
    "prefix": "None",
    "pruned_heads": "{}",
    "task_specific_params": "None",
    "tf_legacy_loss": "False",
    "tie_encoder_decoder": "False",
    "tokenizer_class": "None",
    "torchscript": "False",
    "use_bfloat16": "False",
}


def findings(view: ModuleView) -> Iterator[Finding]:
    """The places that ask whether one of the attributes is set, of configurations that may not have it."""
    target = library.release_text(view.settings.target)
    for node in view.attributes(DEFAULTS):
        if not _is_asked(view, node) or members.is_prepared(view, node) or members.is_own_attribute(view, node):
            continue
        owners = members.owners(view, node.value, ("config",))
        if not owners or any(isinstance(each.of, LocalClass) or _has(each, node.attr, target) for each in owners):
            continue
        if not _is_given(view, node):
            text = f'getattr({view.source(node.value)}, "{node.attr}", {DEFAULTS[node.attr]})'
            yield view.finding(
                node,
                f"`{owners[0].shown}` has no `{node.attr}` since transformers 5.0, but where the checkpoint sets it: "
                f"read it with the default of v4, {DEFAULTS[node.attr]}",
                fix=Fix("Read it with `getattr`", [Edit(*view.span(node), text)]),
            )


def _is_asked(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether code asks if an attribute is set: compares it with None, or takes it for a condition."""
    if not isinstance(node.ctx, ast.Load):
        return False
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Compare):
        return any(isinstance(each, ast.Constant) and each.value is None for each in [parent.left, *parent.comparators])
    if isinstance(parent, ast.UnaryOp):
        return isinstance(parent.op, ast.Not)
    return isinstance(parent, (ast.If, ast.IfExp, ast.While, ast.Assert)) and parent.test is node


def _has(owner: Owner, name: str, target: str) -> bool:
    return owner.is_exact and members.removal(owner, name, target) is None


def _is_given(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a module sets the attribute itself, on anything, or loads a configuration with it."""
    return any(
        isinstance(each, ast.Attribute) and each.attr == node.attr and isinstance(each.ctx, ast.Store)
        for each in view.tree.nodes.get(ast.Attribute, ())
    ) or any(True for _ in view.keywords({node.attr}))

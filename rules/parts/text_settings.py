"""What configurations of Qwen2-VL and Qwen2.5-VL gave of their `text_config` as their own: a part of V5505."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import library, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.members import Gone
    from v5lint.view.module import ModuleView

#: The configurations that read and set the attributes of `text_config` in 4.52 to 4.57; before, they were their own.
#: (measured on 4.57.6 and 5.24.0, with a config.json that is flat and one that is nested; 5.0.0 has it no more)
_CLASSES = frozenset({"Qwen2VLConfig", "Qwen2_5_VLConfig"})

#: The attributes. What the base class of 4.x gave every configuration is not among them.
_FIELDS = frozenset(
    "attention_dropout bos_token_id eos_token_id hidden_act hidden_size initializer_range intermediate_size "
    "layer_types max_position_embeddings max_window_layers num_attention_heads num_hidden_layers "
    "num_key_value_heads pad_token_id rms_norm_eps sliding_window use_cache use_sliding_window vocab_size".split()
)

#: What is also set on them; of the tokens V5506 speaks.
_SET = frozenset({"use_cache"})

_TEXT = "text_config"

#: The tokens of the rule: the classes, and the checkpoints that an Auto class loads.
TOKENS = ("Qwen2VL", "Qwen2_5_VL", "Qwen2-VL", "Qwen2.5-VL")


def is_about(found: Gone) -> bool:
    """Whether an attribute that is gone is one of those."""
    return found.owner.name in _CLASSES and found.node.attr in _FIELDS


def findings(view: ModuleView) -> Iterator[Finding]:
    """Yield the attributes that are read of, or set on, a configuration and are its `text_config`'s."""
    if not any(each in view.text for each in TOKENS):
        return
    given = {
        (node.attr, ast.dump(node.value))
        for node in view.tree.nodes.get(ast.Attribute, ())
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in _FIELDS
    }
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        is_set = isinstance(node.ctx, ast.Store)
        if node.attr not in (_SET if is_set else _FIELDS) or isinstance(node.ctx, ast.Del):
            continue
        owners = members.owners(view, node.value, ("config",))
        if not owners or not all(each.is_exact and each.name in _CLASSES for each in owners):
            continue
        is_given = not is_set and (node.attr, ast.dump(node.value)) in given
        if is_given or members.is_own_attribute(view, node) or members.is_prepared(view, node):
            continue
        new, shown = f"{_TEXT}.{node.attr}", owners[0].shown
        message = f"`{shown}` has no `{node.attr}` since transformers 5.0: read `{new}`"
        if is_set:
            message = f"setting `{node.attr}` on `{shown}` does not reach the model since transformers 5.0: set `{new}`"
        edit = Edit(*view.name_span(node), new)
        safety = library.safety_of(view, node.value)
        fix = Fix(f"Write `{new}`", [edit], applicability=safety, requires="4.52")
        yield view.finding(node, message, fix=fix, since="5.0")

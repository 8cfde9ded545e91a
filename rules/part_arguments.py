"""V5547: arguments that constructors of parts of models and of outputs, and functions beside them, no longer take."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import arguments, signatures
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.signatures import Refused
    from v5lint.view.module import ModuleView

#: Parameters that are the same under another name.
_RENAMED = {
    "block_idx": "layer_idx",
    "dim": "hidden_size",
    "embedding_dim": "num_position_features",
    "layer_id": "layer_idx",
    "num_heads": "num_attention_heads",
    "num_pos_feats": "num_position_features",
    "past_key_values_length": "cache_length",
    "router_logits": "gate_logits",
}

#: What to do about an argument that has no other name.
_ADVICE = {
    "device": "move it with `.to(device)`",
    "audio_hidden_states": "give `audio_outputs` with a `pooler_output`",
    "embed_tokens": "set it as `embed_tokens` of what was made",
    "image_hidden_states": "give `image_outputs` with a `pooler_output`",
    "position_embedding_type": "relative positions are gone from the attention of BERT and its kin",
}

#: What a parameter was without being given.
_IDLE = frozenset({Constant(None)})

#: What the configurations of these models say that give nothing else.
_USUAL = frozenset({("position_embedding_type", Constant("absolute"))})


class RefusedPartArgument(Rule):
    """An argument that the constructor of a part of a model no longer takes.

    ## What it does

    Finds calls of the classes that models of transformers are made of, and of functions in its modules, with an
    argument that they have taken in 4.57 and refuse now, or take for another: `T5Stack(config, shared)`,
    `BertSelfAttention(config, "relative_key")`, `super().__init__(config, embed_tokens)` in a class that inherits from
    `BartEncoder`. The outputs of models that see pictures or hear are among them:
    `Gemma3CausalLMOutputWithPast(image_hidden_states=...)`. The table of what they take is read in the wheels: some 300
    classes and 40 functions.

    ## Why it breaks

    Encoders and decoders make their embeddings themselves since 5.0. Measured on 5.24.0:

        TypeError: T5Stack.__init__() takes 2 positional arguments but 3 were given
        TypeError: BartEncoder.__init__() got an unexpected keyword argument 'embed_tokens'

    The classes of rotary embeddings take no device since 5.19:

        TypeError: LlamaRotaryEmbedding.__init__() got an unexpected keyword argument 'device'

    Outputs hold those of the vision tower as a whole since 5.24:

        TypeError: Gemma3CausalLMOutputWithPast.__init__() got an unexpected keyword argument 'image_hidden_states'

    By position, the second argument of `BertSelfAttention` is `is_causal` and no longer `position_embedding_type`:
    nothing is raised, and `"absolute"` is true.

    ## Example

        self.encoder = T5Stack(encoder_config, self.shared)

    write

        self.encoder = T5Stack(encoder_config)
        self.encoder.set_input_embeddings(self.shared)

    which is right on 4.x as well.

    ## Fix safety

    A `None` is dropped, which was the default, and what has another name alone gets it, for which the project must need
    the release that has it: safe. `position_embedding_type="absolute"` is dropped unsafely: a configuration that said
    something else is not in sight. Anything else is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/models/t5/modeling_t5.py
    """

    code = "V5547"
    name = "refused-part-argument"
    since = "5.0"
    tokens = ("transformers.",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, callee, signature in signatures.calls(module):
            if module.guards.is_dead(call) or arguments.is_tried_otherwise(module, CallSite(module, call), call):
                continue
            found = signatures.refused(call, callee, signature, _RENAMED, module.settings.target)
            for each in found:
                fix = _fix(module, call, each) if len(found) == 1 else None
                yield module.finding(each.node, _message(each), fix=fix, since=each.since)


def _message(refused: Refused) -> str:
    advice = f"it is `{refused.new}` now" if refused.new else _ADVICE.get(refused.name, "")
    told = f"`{refused.callee}` takes no `{refused.name}` since transformers {refused.since}"
    if refused.now:
        told += f": its place is that of `{refused.now}`"
    return f"{told}; {advice}" if advice and refused.now else f"{told}: {advice}" if advice else told


def _fix(view: ModuleView, call: ast.Call, refused: Refused) -> Fix | None:
    node = refused.node
    value = node.value if isinstance(node, ast.keyword) else node
    values = view.values(value)
    is_usual = bool(values) and all((refused.name, each) in _USUAL for each in values)
    is_idle = isinstance(value, ast.Constant) and (values <= _IDLE or is_usual)
    is_last = isinstance(node, ast.keyword) or node is call.args[-1]
    new = refused.new
    if not new and not (is_idle and is_last):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        if new and isinstance(node, ast.keyword):
            return [edit_arguments(view, call, replace={node: f"{new}={view.source(value)}"})]
        return [edit_arguments(view, call, remove=[node])]

    if new:
        return Fix(f"Write `{new}`", edits, requires=refused.since)
    return Fix(f"Remove `{refused.name}`", edits, applicability="unsafe" if is_usual else "safe")

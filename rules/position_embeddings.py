"""V5548: layers of a decoder that are called without the rotary embeddings of their positions."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import arguments, decoder_layers, standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_POSITIONS, _EMBEDDINGS = "position_ids", "position_embeddings"

#: What of a layer that a program may have replaced makes the call its own matter.
_PARTS = frozenset({"self_attn", "attn", "attention"})


class MissingPositionEmbeddings(Rule):
    """A layer of a decoder that is called with `position_ids` and without `position_embeddings`.

    ## What it does

    Finds calls with `position_ids=` of what comes from the list `model.model.layers` of a model
    (`layers[i].to(device)`, the variable of a loop over them, a copy), with neither `position_embeddings=` nor
    `**kwargs`. The model may be of any class of transformers: all that have this path are decoders with rotary
    positions. Models of the repository, and layers whose attention the same function replaces, are left alone.

    ## Why it breaks

    Up to 4.47 a layer computed the rotary embeddings from the positions itself. Since 4.48 the model computes them once
    and hands them to all layers; the positions alone are taken and not read. Measured on 4.57.6 and 5.24.0, with
    Llama, Mistral, Qwen2, Gemma, Phi-3 and eleven other families (up to 4.57 some have it
    "missing 1 required positional argument"):

        TypeError: cannot unpack non-iterable NoneType object

    Programs that quantize, prune or compress a model layer by layer do so.

    ## Example

        for layer in model.model.layers:
            hidden = layer(hidden, attention_mask=mask, position_ids=position_ids)[0]

    becomes

        position_embeddings = model.model.rotary_emb(hidden, position_ids)
        for layer in model.model.layers:
            hidden = layer(
                hidden, attention_mask=mask, position_ids=position_ids, position_embeddings=position_embeddings
            )

    Where the inputs of the first layer are caught in its place, `kwargs["position_embeddings"]` is among them. A layer
    gives its tensor and no tuple since 4.54, so that `[0]` is the first of the batch (see V5519).

    ## Fix safety

    No fix: where the rotary embeddings are made depends on what is kept of the model on which device.

    ## References

    - https://github.com/huggingface/transformers/pull/34858
    """

    code = "V5548"
    name = "missing-position-embeddings"
    since = "4.48"
    tokens = (_POSITIONS,)
    beside = ("model.layers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_POSITIONS}):
            node = call.node
            if call.func is not node.func or call.splats or call.keyword(_EMBEDDINGS) is not None:
                continue
            func = (
                node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "forward" else node.func
            )
            if (
                decoder_layers.is_item(module, func)
                and not module.guards.is_dead(node)
                and not standing.never_runs(module, node)
                and not arguments.is_tried_otherwise(module, call, keyword)
                and not _replaces_attention(module, node)
            ):
                yield module.finding(
                    call.node.func,
                    f"a layer of `model.layers` needs `{_EMBEDDINGS}` since transformers 4.48, and reads no "
                    f"`{_POSITIONS}`: give it `model.model.rotary_emb(hidden_states, {_POSITIONS})`",
                )


def _replaces_attention(view: ModuleView, node: ast.AST) -> bool:
    """Whether the function around puts an attention of its own into a layer."""
    around = view.links.function_around(node)
    return around is not None and any(
        isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and each.attr in _PARTS
        for each in ast.walk(around)
    )

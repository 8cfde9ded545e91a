"""V5926: arguments of encoders, layers and attentions that are taken and not read."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import inner_parts, patched_methods
from v5lint.view.strings import dotted, last_name
from v5lint.view.values import Constant, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_CAUSAL, _MASK = "causal_attention_mask", "attention_mask"
_CACHE, _NEW_CACHE = "past_key_value", "past_key_values"

#: What a layer hands on with all else that it is given, beside its own: the attention gets it twice, which is an error.
_POSITIONS = "position_embeddings"
_HEADS = ("head_mask", "layer_head_mask", "cross_attn_head_mask", "cross_attn_layer_head_mask")

#: What an encoder is told to keep, and the field of its output.
_KEPT = {"output_attentions": "attentions", "output_hidden_states": "hidden_states"}

#: What made the masks of all layers of the one that a model was given, most often of None.
_HANDS_THROUGH = "get_head_mask"

_EFFECTS = {
    _CAUSAL: f"each token sees those behind it; pass it as `{_MASK}`",
    _CACHE: f"what is computed is not kept; it is `{_NEW_CACHE}`",
    "layer_past": "what is computed is not kept; pass it under the name that `forward` has for it now",
    "object_queries": "no position counts; pass them as `spatial_position_embeddings`",
    _POSITIONS: "pass them as `spatial_position_embeddings`, to a decoder as `object_queries_position_embeddings`",
    "relative_position_bias": f"no relative position counts; pass it as `{_MASK}`",
    "query_position_embeddings": "the queries have no positions; pass them as `object_queries_position_embeddings`",
    **dict.fromkeys(("rel_2d_pos", "rel_pos"), "no relative position counts; what is read is `position_bias`"),
    **dict.fromkeys(_HEADS, "every head counts"),
    **{name: f"the `{state}` of its output are None" for name, state in _KEPT.items()},
}

#: The body of CLIP's text tower, whatever the model is that it is reached through.
_TEXT_BODY = pattern(r"(?:text|clip)\w*\.encoder\Z", re.IGNORECASE)

#: A `def` with a parameter for the mask: an encoder of one's own reads it.
_TAKES_CAUSAL = pattern(rb"\bdef[ \t]+\w+\([^)]*\bcausal_attention_mask\b")

#: The release that reads `past_key_values` in every layer.
_CACHE_REQUIRES = "4.56"


class SwallowedArgument(Rule):
    """An argument of an encoder, a layer or an attention of a model, which takes it and does not read it.

    ## What it does

    Finds `causal_attention_mask=`, `past_key_value=`, `layer_past=`, the masks of heads, and positions under names that
    layers of DETR and its kin, LayoutLMv3 and BEiT had (`object_queries=`, `position_embeddings=`, `rel_pos=`), in
    calls of parts of models of transformers (`model.text_model.encoder(...)`, `layer(...)` of `for layer in
    self.layers`, `self.self_attn(...)`) whose `forward` has no such parameter any more, and takes any keyword, and
    `output_hidden_states=True` and `output_attentions=True` in calls of encoders. The table of the classes is read
    in the wheels. None is left alone, and so is a mask of heads that is handed through and not made there.

    `causal_attention_mask` of `x.text_model.encoder(...)`, or of another encoder of what is called after texts or CLIP,
    is found where `x` is not known, too, as long as no function of the repository takes such an argument.

    ## Why it breaks

    The text tower of CLIP was given its causal mask as an argument of its own. Since 5.0 its encoder takes one mask;
    without it each token sees those behind it, and all embeddings of texts are other ones. Nothing is raised (measured
    on 4.57.6 and on 5.0.0, 5.4, 5.9, 5.18 and 5.24: the output of the encoder that is called so is the model's own on
    4.57.6 alone; with the mask as `attention_mask` it is on all of them).

    `past_key_value` was translated up to 4.57. Since 5.0 a layer of Llama that is given a cache so leaves it empty
    (measured: 0 tokens in it, and 3 with `past_key_values`, on 5.0.0, 5.18 and 5.24). Masks of heads: see V5908.

    The positions of DETR's layers have other names since 5.1 (`object_queries` is `spatial_position_embeddings`,
    `query_position_embeddings` is `object_queries_position_embeddings`), and those of LayoutLMv3's layers come as one
    `position_bias` since 5.24. Under the old names they do not count (measured on 5.24: a layer gives the same for
    positions and for zeros, which it did not on 4.57.6). The same for `relative_position_bias` of BEiT's layers since
    5.9. The layers of Deformable DETR, RT-DETR and D-FINE, which had `position_embeddings`, hand it to an attention
    that they give their own (measured on 5.24):

        TypeError: RTDetrSelfAttention(...) got multiple values for keyword argument 'position_embeddings'

    Only models keep their hidden states and attention maps now. The encoder of BERT or CLIP that is called by itself
    gives None for both, which is met where they are read:

        TypeError: 'NoneType' object is not subscriptable

    Call the model with `output_hidden_states=True`, or keep them with forward hooks.

    ## Example

        encoder_outputs = self.text_model.encoder(
            inputs_embeds=hidden_states, attention_mask=None, causal_attention_mask=causal_attention_mask
        )

    becomes

        encoder_outputs = self.text_model.encoder(
            inputs_embeds=hidden_states, attention_mask=causal_attention_mask
        )

    ## Fix safety

    The causal mask becomes `attention_mask`, safely where that is None or not given: 4.x computes the same. Where both
    are variables they are added, as 4.x does; that is unsafe, as is every fix where the model is not known.
    `past_key_value` becomes `past_key_values`, for which the project must need 4.56 at least: its older releases do not
    read that. 5.24 warns of it until 5.40.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/models/clip/modeling_clip.py
    """

    code = "V5926"
    name = "swallowed-argument"
    since = "5.0"
    tokens = (*_EFFECTS,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({*_EFFECTS}):
            name = str(keyword.arg)
            if module.guards.is_dead(call.node) or not _says_something(module, keyword):
                continue
            func = call.func.value if call.name == "forward" and isinstance(call.func, ast.Attribute) else call.func
            found = inner_parts.ignoring(module, func, name)
            if found is not None and not patched_methods.is_replaced(module, func, found[:1]):
                part, since = found
                does = "gives its attention a second" if name == _POSITIONS else "ignores"
                yield module.finding(
                    keyword,
                    f"`{part}` {does} `{name}` since transformers {since}: {_EFFECTS[name]}",
                    fix=_fix(module, call, keyword, is_sure=True),
                    since=since,
                )
            elif name == _CAUSAL and _is_text_body(module, func):
                yield module.finding(
                    keyword,
                    f"the encoder of CLIP's texts ignores `{_CAUSAL}` since transformers 5.0: {_EFFECTS[name]}",
                    fix=_fix(module, call, keyword, is_sure=False),
                )


def _says_something(view: ModuleView, keyword: ast.keyword) -> bool:
    """Whether a value is not None; of a mask of heads, which copies of models hand through, whether it is made here."""
    values = view.values(keyword.value)
    if keyword.arg in _KEPT:
        return values == {Constant(True)}
    if keyword.arg in _HEADS:
        made = view.links.defining_call(keyword.value)
        return made is not None and last_name(made.func) != _HANDS_THROUGH and Constant(None) not in values
    return not values or any(each != Constant(None) for each in values)


def _is_text_body(view: ModuleView, func: ast.expr) -> bool:
    """Whether the encoder of CLIP's text tower is called, of a model that is not known."""
    if not _TEXT_BODY.search(dotted(func)) or patched_methods.is_replaced(view, func):
        return False
    if any(not isinstance(each, Unknown) for each in view.values(func)):
        return False
    return not view.project.noted((_CAUSAL,), lambda: _files_with_an_own(view)) and not _TAKES_CAUSAL.search(
        view.text.encode("utf-8", "surrogatepass")
    )


def _files_with_an_own(view: ModuleView) -> list[str]:
    """The files of the repository in which a function takes a causal mask."""
    files = view.project.mentioning(_CAUSAL.encode(), "")
    return [file for file in files if _TAKES_CAUSAL.search(bytes_of(file))]


def _fix(view: ModuleView, call: CallSite, keyword: ast.keyword, *, is_sure: bool) -> Fix | None:
    if keyword.arg == _CAUSAL:
        return _as_attention_mask(view, call, keyword, is_sure=is_sure)
    if keyword.arg != _CACHE or call.splats or call.keyword(_NEW_CACHE) is not None:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, replace={keyword: f"{_NEW_CACHE}={view.source(keyword.value)}"})]

    return Fix(f"Pass it as `{_NEW_CACHE}`", edits, requires=_CACHE_REQUIRES)


def _as_attention_mask(view: ModuleView, call: CallSite, keyword: ast.keyword, *, is_sure: bool) -> Fix | None:
    """Pass the causal mask as the one mask that there is."""
    if call.splats or len(call.node.args) > 1 or any(isinstance(each, ast.Starred) for each in call.node.args):
        return None
    other = call.keyword(_MASK)
    causal = view.source(keyword.value)
    is_none = other is None or view.values(other.value) == {Constant(None)}
    if is_none:
        value = causal
    elif isinstance(keyword.value, ast.Name) and other is not None and isinstance(other.value, ast.Name):
        value = f"{causal} if {other.value.id} is None else {other.value.id} + {causal}"
    else:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        gone = [other] if other is not None else []
        return [edit_arguments(view, call.node, replace={keyword: f"{_MASK}={value}"}, remove=gone)]

    return Fix(f"Pass it as `{_MASK}`", edits, applicability="safe" if is_sure and is_none else "unsafe")

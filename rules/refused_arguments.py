"""V5528: arguments that the `forward` of a part of a model no longer takes."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import forwards
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.forwards import Forward
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_LENGTH = "past_key_values_length"

#: Parameters that have another name in their place.
_RENAMED = {
    _LENGTH: "cache_length",
    "attn_mask": "attention_mask",
    "hidden_state": "hidden_states",
    "input_embeds": "inputs_embeds",
    "x": "hidden_states",
}

#: What the parts of many families took; more is found where the class is known.
_NAMES = frozenset(
    {
        *_RENAMED,
        "head_mask",
        "interpolate_pos_encoding",
        "layer_head_mask",
        "output_attentions",
        "pixel_mask",
        "seq_len",
    }
)

#: What says nothing: it can go from a call that does not take it.
_IDLE = {Constant(None), Constant(False)}


class RefusedArgument(Rule):
    """An argument that the `forward` of a part of a model no longer takes.

    ## What it does

    Finds keyword arguments in calls of embeddings, layers, attentions and encoders of models of transformers
    (`self.embeddings(...)` in a class that inherits from `BertModel`, `model.transformer.layer[0](...)`) that these
    have taken in 4.57 and refuse now. A part is known by its class, or by where it stands in a class or model that is.
    The table of the classes is read in the wheels.

    ## Why it breaks

    Measured on 5.24.0, of `forward` methods copied from `BertModel`:

        TypeError: BertEmbeddings.forward() got an unexpected keyword argument 'past_key_values_length'

    It is `cache_length` since 5.24, in the embeddings of 54 classes. Masks of heads are gone from all parts since 5.0:

        TypeError: CanineSelfAttention.forward() got an unexpected keyword argument 'head_mask'

    The layers of DistilBERT and what holds them have called their input `x` until 5.0:

        TypeError: Transformer.forward() missing 1 required positional argument: 'hidden_states'

    and ignore `attn_mask=`, so that padding is attended to. Other parts that take any keyword: see V5926 and V5908.

    ## Example

        embedding_output = self.embeddings(input_ids=input_ids, past_key_values_length=past_length)

    becomes

        embedding_output = self.embeddings(input_ids=input_ids, cache_length=past_length)

    ## Fix safety

    What has another name gets it, for which the project must need the release that has it. A length of 0 is dropped,
    which is its default on all releases, and so are None and False. All are safe. Anything else is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/models/bert/modeling_bert.py
    """

    code = "V5528"
    name = "refused-argument"
    since = "5.0"
    tokens = (*sorted(_NAMES - {"x"}), "(x=")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords(_NAMES):
            if call.func is not call.node.func or module.guards.is_dead(call.node):
                continue
            name = str(keyword.arg)
            parts = forwards.called(module, call.node)
            target = module.settings.target
            if parts and all(_refuses(each, name) and forwards.is_lost(each, name, target) for each in parts.values()):
                part, forward = next(iter(parts.items()))
                since = forward.lost[name]
                new = _successor(name, forward)
                advice = f": it is `{new}` now" if new else ""
                yield module.finding(
                    keyword,
                    f"`{part}` takes no `{name}` since transformers {since}{advice}",
                    fix=_fix(module, call, keyword, new, since),
                    since=since,
                )


def _refuses(forward: Forward, name: str) -> bool:
    """Whether a part does not take an argument, or takes it without a word and reads another in its place."""
    return name in forward.lost and (not forward.is_open or bool(_successor(name, forward)))


def _successor(name: str, forward: Forward) -> str:
    """The name of what stands in the place of a parameter, if it is the same under another name."""
    new = _RENAMED.get(name, "")
    place = forward.before.index(name) if name in forward.before else len(forward.now)
    return new if new and forward.now[place : place + 1] == (new,) else ""


def _fix(view: ModuleView, call: CallSite, keyword: ast.keyword, new: str, since: str) -> Fix | None:
    values = view.values(keyword.value)
    name = keyword.arg
    is_idle = isinstance(keyword.value, ast.Constant) and (
        values <= _IDLE or (name == _LENGTH and values == {Constant(0)})
    )
    if not is_idle and not new:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        if is_idle:
            return [edit_arguments(view, call.node, remove=[keyword])]
        return [edit_arguments(view, call.node, replace={keyword: f"{new}={view.source(keyword.value)}"})]

    if is_idle:
        return Fix(f"Remove `{name}`", edits)
    return Fix(f"Write `{new}`", edits, requires=since)

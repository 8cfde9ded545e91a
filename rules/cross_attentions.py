"""V5934: an attention of BERT or of its kin that attends to other states than its own, and no longer does."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import origins
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_STATES, _SWITCH = "encoder_hidden_states", "is_cross_attention"

#: The families whose attention took the other states in 4.57, without being told when it was made, and ignores them
#: now: both classes of each were run with and without them on 4.57.6 and 5.24.0.
_FAMILIES = (
    "Bert", "BertGeneration", "BridgeTower", "Camembert", "Data2VecText", "Electra", "Ernie", "RoCBert", "Roberta",
    "RobertaPreLayerNorm", "XLMRoberta", "XLMRobertaXL", "Xmod",
)  # fmt: skip
_PARTS = frozenset(f"{family}{part}" for family in _FAMILIES for part in ("Attention", "SelfAttention"))

#: The place of the switch among the arguments of the constructor: behind the configuration, `is_causal`, `layer_idx`.
_PLACE = 3


class CrossAttention(Rule):
    """`BertAttention(config)` that is given `encoder_hidden_states`, and attends to its own states all the same.

    ## What it does

    Finds `encoder_hidden_states=` in calls of `BertAttention`, `BertSelfAttention` and those of RoBERTa, ELECTRA and
    their kin that were made without `is_cross_attention=True`. `BertLayer` is left alone: it makes what it needs.

    ## Why it breaks

    Up to 4.57 these attended to other states where they were given them. Since 5.0 there is a class of its own for
    that, and they read their own states, take the argument and ignore it: what one modality knows of the other is gone,
    and nothing is raised. Measured with `BertAttention(config)(hidden, encoder_hidden_states=states)` on 5.24: the
    output is that without the argument, which it was not on 4.57.6.

    ## Example

        self.cross = BertAttention(config)
        ...
        fused = self.cross(text, attention_mask=mask, encoder_hidden_states=image)[0]

    needs

        self.cross = BertAttention(config, is_cross_attention=True)
        ...
        fused = self.cross(text, encoder_hidden_states=image, encoder_attention_mask=mask)[0]

    which 4.57 does not take. `torch.nn.MultiheadAttention` holds on all releases.

    ## Fix safety

    No fix: 4.57 has no such switch, and the mask has another name with it.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/models/bert/modeling_bert.py
    """

    code = "V5934"
    name = "cross-attention"
    since = "5.0"
    tokens = (f"{_STATES}=",)
    beside = ("Attention",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_STATES}):
            if module.guards.is_dead(call.node) or Constant(None) in module.values(keyword.value):
                continue
            made = origins.origins(module, call.func)
            names = {name for each in made.found if (name := _part(each.call)) is not None}
            if made.is_complete and len(names) == 1 and all(_part(each.call) for each in made.found):
                name = names.pop()
                yield module.finding(
                    keyword,
                    f"`{name}` attends to its own states since transformers 5.0: make it with `{_SWITCH}=True`, and "
                    "pass the mask as `encoder_attention_mask`",
                )


def _part(call: CallSite) -> str | None:
    """The class of an attention that a call makes, unless it is told that it is to attend to others."""
    for each in call.callees:
        if isinstance(each, External) and each.package == "transformers" and each.name in _PARTS:
            told = call.keyword(_SWITCH) is not None or len(call.node.args) > _PLACE or call.splats
            return None if told else each.name
    return None

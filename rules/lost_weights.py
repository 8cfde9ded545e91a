"""V5555: library models that do not get back a weight which 4.x shared or renamed when it loaded it."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge import tables
from v5lint.rules.parts import library
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_LOST = {each[0]: tuple(each[1:]) for each in tables.table("lost_weights")["lost"]}


class LostWeight(Rule):
    """A model of transformers that does not get back one of its weights from a file of 4.x.

    ## What it does

    Finds `from_pretrained` of four classes: `LukeForMaskedLM`, `ReformerModelWithLMHead`, `UdopModel` and
    `ViltForMaskedLM`. A call that is told `state_dict=` or `key_mapping=` is left alone.

    ## Why it breaks

    Silently, but for one line of the report that loading prints (`lm_head.decoder.weight | MISSING`). 4.x writes a
    weight once where two modules share it, and shares it again when it loads the file; these classes of 5.x say nothing
    of the sharing, and fill the other module anew. Measured: models with the same weights, saved on 4.57.6 and loaded
    on 5.24.0, with the same input (the mean of the absolute outputs):

        LukeForMaskedLM            0.2520   0.0999   (the whole output layer is random)
        ReformerModelWithLMHead    0.3497   0.3459   (no bias)
        UdopModel                  0.8122   0.8122   (the means of the outputs differ: -0.1435, -0.1437)
        ViltForMaskedLM            0.2454   0.2419   (no bias)

    Of the other 329 classes that were saved so, the report of loading names no lost weight. A file that 5.x wrote holds
    the weights. An old `pytorch_model.bin` may hold the weight twice, and is loaded whole then.

    ## Example

        model = LukeForMaskedLM.from_pretrained("luke-finetuned")

    needs, unless the report of loading names nothing as missing (measured: with it the outputs of the other three, and
    the weights of LUKE, are those of 4.57.6),

        model = LukeForMaskedLM.from_pretrained("luke-finetuned")
        model.lm_head.decoder.weight = model.luke.embeddings.word_embeddings.weight

    `UdopModel` needs the like for its `encoder` and for its `decoder` (the message names the first). The bias of
    `ViltForMaskedLM` is `mlm_score.bias` in the file: load it with
    `key_mapping={"^mlm_score.bias": "mlm_score.decoder.bias"}`.

    ## Fix safety

    No fix: what the file holds is not in sight.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/models/luke/modeling_luke.py
    """

    code = "V5555"
    name = "lost-weight"
    since = "5.0"
    tokens = tuple(_LOST)
    beside = ("from_pretrained",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in library.loads(module):
            if module.guards.is_dead(call.node) or any(call.argument(each) for each in ("state_dict", "key_mapping")):
                continue
            for owner in call.owners({"from_pretrained"}):
                if isinstance(owner, External) and owner.package == "transformers" and owner.name in _LOST:
                    since, weight, source = _LOST[owner.name]
                    remedy = f"it was `{source}`" if source else "map the old name to it with `key_mapping=`"
                    yield module.finding(
                        call.node,
                        f"`{owner.name}` fills `{weight}` anew since transformers {since} where a file of 4.x does not "
                        f"name it, and computes something else: {remedy}",
                        since=since,
                    )
                    break

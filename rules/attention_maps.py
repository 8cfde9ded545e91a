"""V5912: attention maps that the default attention does not give."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules import models
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_WANTED = "output_attentions"
_HOW = "attn_implementation"

#: The model types whose default attention is not SDPA, so that they give their maps: measured by building the
#: `AutoModel` of every type on 5.23.0.
_EAGER = frozenset(
    """
    align bark big_bird bigbird_pegasus bit blip bloom bridgetower bros canine clap clvp codegen convbert convnext
    convnextv2 cpmant cvt dac deberta deberta-v2 deepseek_v4 dinov3_convnext donut-swin efficientnet encodec
    falcon_mamba fastspeech2_conformer fastspeech2_conformer_with_hifigan flaubert flava flint fnet focalnet fsmt
    funnel gemma2 gemma4_audio git glpn got_ocr2 gpt_neo gpt_neox_japanese gpt_oss gptj granite_swa granitemoe_swa
    grounding-dino groupvit hgnet_v2 hiera hy_v4 ibert imagegpt inkling2 inkling2_text layoutlmv3 led levit lilt
    longformer longt5 luke lxmert mamba mamba2 markuplm mask2former maskformer maskformer-swin megatron-bert mgp-str
    mimo_v2_flash mm-grounding-dino mobilenet_v1 mobilenet_v2 mobilevit mobilevitv2 mpnet mpt mra mvp nllb-moe
    nystromformer oneformer openai-gpt openai_privacy_filter patchtsmixer pegasus_x perceiver poolformer
    pp_ocrv6_small_det prophetnet pvt pvt_v2 reformer regnet rembert resnet roformer rwkv seggpt sew-d
    speech_to_text speecht5 splinter squeezebert swiftformer swin2sr swinv2 switch_transformers t5gemma tapas
    textnet timesformer tvp univnet uvdoc vaultgemma vibevoice_acoustic_tokenizer
    vibevoice_acoustic_tokenizer_decoder vibevoice_acoustic_tokenizer_encoder videoprism videoprism_vision_model
    vilt visual_bert vitdet vits wavlm xcodec xglm xlm xlnet xlstm yoso
    """.split()
)


class AttentionMaps(Rule):
    """Attention maps asked of a model that does not compute them.

    ## What it does

    Finds `output_attentions=True`, at loading or in a call, where the model is loaded without
    `attn_implementation="eager"`.

    ## Why it breaks

    The default attention (SDPA) computes no maps. 4.x noticed and computed them eagerly; since 5.0
    `outputs.attentions` is None, and since 5.2 an empty tuple, with one line in the log (measured on a BERT: 2 maps on
    4.57.6, none on 5.23.0). Code that plots or averages them stops with an IndexError, or averages nothing.

    ## Example

        model = BertModel.from_pretrained("bert-base-uncased", output_attentions=True)

    becomes

        model = BertModel.from_pretrained("bert-base-uncased", output_attentions=True, attn_implementation="eager")

    ## Fix safety

    Safe where the model's class is certain: it is what 4.x fell back to. Else unsafe.

    ## References

    - https://huggingface.co/docs/transformers/attention_interface
    """

    code = "V5912"
    name = "attention-maps"
    since = "5.0"
    tokens = (_WANTED,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        done: set[ast.AST] = set()
        for call, keyword in module.keywords({_WANTED}):
            if Constant(True) not in module.values(keyword.value) or module.guards.is_dead(call.node):
                continue
            loads = call.name in ("from_pretrained", "from_config", "_from_config")
            target = call.node if loads else call.func
            if call.name in ("forward", "generate", "encode") and isinstance(call.func, ast.Attribute):
                target = call.func.value
            found = models.models(module, target)
            if not found.found or any(not each.model_type or each.model_type in _EAGER for each in found.found):
                continue
            if any(each.is_own or each.call is None or _is_eager(each.call) for each in found.found):
                continue
            model = found.found[0]
            fix = None
            load = model.call
            if load is not None and load.view is module and len(found.found) == 1 and load.node not in done:
                done.add(load.node)
                fix = _fix(module, load, is_sure=model.is_sure and found.is_complete)
            message = (
                f'`{model.name}` computes no attention maps with its default attention: load it with `{_HOW}="eager"`'
            )
            yield module.finding(keyword, message, fix=fix)


def _is_eager(load: CallSite) -> bool:
    """Whether a model's attention is chosen where it is loaded."""
    return load.is_open or bool(load.values_of(_HOW)) or bool(load.values_of("config"))


def _fix(view: ModuleView, load: CallSite, *, is_sure: bool) -> Fix | None:
    if load.name not in ("from_pretrained", "from_config"):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, load.node, append=[f'{_HOW}="eager"'])]

    applicability = "safe" if is_sure else "unsafe"
    return Fix(f'Load it with `{_HOW}="eager"`', edits, applicability=applicability, requires="4.36")  # type: ignore[arg-type]

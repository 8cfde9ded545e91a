"""V5912: attention maps that the default attention does not give."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import models
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

_WANTED = "output_attentions"
_HOW = "attn_implementation"

#: What computes no maps, whoever asks.
_WITHOUT_MAPS = frozenset({Constant("sdpa"), Constant("flash_attention_2"), Constant("flash_attention_3")})

#: How maps are asked for: in a call, where the model is loaded, or by a setting of a loaded model.
_CALLED, _LOADED, _CONFIGURED = "called", "loaded", "configured"

#: Models of two towers, whose configuration does not ask these for their maps any more (measured, for all of them).
_TOWERS = frozenset(
    "AltCLIPModel ChineseCLIPModel CLIPModel CLIPSegModel MetaClip2Model OwlViTForObjectDetection OwlViTModel "
    "Owlv2ForObjectDetection Owlv2Model".split()
)
_OF_TOWERS = "the towers of `{}` give no attention maps for its configuration: ask for them where it is called"
_SET = f"`{_WANTED}` of the configuration cannot be set once a model has its default attention (ValueError)"

#: The hidden states, which the towers of these give no longer for the configuration of the whole: since when, measured
#: on 5.0, 5.2, 5.4, 5.6 and 5.24. OWL-ViT's and ALIGN's were measured on 5.24 alone.
_STATES = "output_hidden_states"
_STATES_SINCE = {
    **dict.fromkeys(("CLIPModel", "MetaClip2Model"), "5.0"),
    **dict.fromkeys(("AltCLIPModel", "ChineseCLIPModel"), "5.4"),
    "CLIPSegModel": "5.6",
    **dict.fromkeys(("AlignModel", "Owlv2Model", "OwlViTModel"), "5.24"),
}
_NO_STATES = (
    "the towers of `{}` give no hidden states for its configuration since transformers {}: ask for them where it is "
    "called"
)

#: Calls that load or build a model.
_LOADS = frozenset({"from_pretrained", "from_config", "_from_config"})

#: The model types whose default attention is not SDPA, so that they give their maps: measured by building the
#: `AutoModel` of every type on 5.24.0, and of those that need more than their defaults read in the model files. A test
#: holds it against the model files of the installed release.
EAGER = frozenset(
    """
    align autoformer bark big_bird bigbird_pegasus bit blip bloom bridgetower bros canine clap clvp convbert
    convnext convnextv2 cpmant cvt dab-detr dac deberta deberta-v2 deepseek_v4 dinat dinov3_convnext donut-swin
    efficientnet encodec falcon_mamba fastspeech2_conformer fastspeech2_conformer_with_hifigan flaubert flava flint
    fnet focalnet fsmt funnel gemma2 gemma4_audio git glpn got_ocr2 gpt_neo gpt_neox_japanese gpt_oss granite_swa
    granitemoe_swa grounding-dino groupvit hgnet_v2 hiera higgs_audio_v2_tokenizer hy_v4 hy_v4_vl hy_v4_vl_text
    ibert imagegpt informer inkling2 inkling2_loop inkling2_loop_text inkling2_text layoutlmv2 led levit lilt
    longformer longt5 luke lxmert mamba mamba2 markuplm mask2former maskformer maskformer-swin megatron-bert mgp-str
    mimo_v2_flash mm-grounding-dino mobilenet_v1 mobilenet_v2 mobilevit mobilevitv2 mpnet mpt mra mvp nllb-moe
    nystromformer omdet-turbo oneformer openai-gpt openai_privacy_filter patchtsmixer pegasus_x perceiver poolformer
    pp_ocrv6_medium_det pp_ocrv6_small_det prophetnet pvt pvt_v2 reformer regnet rembert resnet roformer rwkv seggpt
    sew-d speech_to_text speecht5 splinter squeezebert swiftformer swin2sr swinv2 switch_transformers t5gemma
    table-transformer tapas textnet time_series_transformer timesformer tvp univnet uvdoc vaultgemma
    vibevoice_acoustic_tokenizer vibevoice_acoustic_tokenizer_decoder vibevoice_acoustic_tokenizer_encoder
    videoprism videoprism_vision_model vilt visual_bert vitdet vits wavlm wavtokenizer wavtokenizer_encoder xcodec
    xglm xlm xlnet xlstm yoso
    """.split()
)

#: Model types whose default attention became SDPA after 5.0, by the release: read from the model files of all minors.
_LATER = {
    "5.1": "conditional_detr d_fine deformable_detr detr rt_detr_v2",
    "5.4": "owlv2 owlvit",
    "5.6": "altclip chinese_clip clipseg xclip",
    "5.9": "segformer swin",
    "5.10": "zamba",
    "5.13": "ctrl recurrent_gemma",
    "5.15": "mt5 pix2struct pop2piano t5 udop umt5",
    "5.16": "seamless_m4t seamless_m4t_v2 wav2vec2-bert wav2vec2-conformer",
    "5.20": "decision_transformer layoutlm",
    "5.24": "codegen gptj layoutlmv3",
}
SINCE = {model_type: release for release, types in _LATER.items() for model_type in types.split()}


class AttentionMaps(Rule):
    """Attention maps asked of a model that does not compute them.

    ## What it does

    Finds `output_attentions=True` in a call of a model or of the base model in it (`model.bert(...)`), and
    `model.config.output_attentions = True`, where the model is loaded without `attn_implementation`, or with one that
    computes none ("sdpa", "flash_attention_2"). A model that is loaded with `output_attentions=True`, or with a
    configuration that has it, is eager by that, as it was, and left alone, unless it is one of two towers (CLIP,
    OWL-ViT), which that does not reach any more. Of these, `output_hidden_states=True` where they are loaded as well.

    ## Why it breaks

    The default attention (SDPA) computes no maps. 4.x noticed and computed them eagerly; since 5.0
    `outputs.attentions` is None, and since 5.2 an empty tuple, with one line in the log (measured on a BERT: 2 maps on
    4.57.6, none on 5.23.0). Code that plots or averages them stops with an IndexError, or averages nothing. Setting
    it on the configuration of a loaded model raises, as it does since 4.54:

        ValueError: The `output_attentions` attribute is not supported when using the `attn_implementation` set to sdpa.
        Please set it to 'eager' instead.

    The towers of CLIP give no hidden states either for a configuration that asks for them (None since 5.0; measured on
    4.57.6, which gave them, 5.0, 5.4 and 5.24); in the call it works.

    ## Example

        model = BertModel.from_pretrained("bert-base-uncased")
        maps = model(**inputs, output_attentions=True).attentions

    becomes

        model = BertModel.from_pretrained("bert-base-uncased", attn_implementation="eager")
        maps = model(**inputs, output_attentions=True).attentions

    ## Fix safety

    Safe where the model's class is certain: it is what 4.x fell back to. Else unsafe, and so it is where another
    attention was chosen.

    ## References

    - https://huggingface.co/docs/transformers/attention_interface
    """

    code = "V5912"
    name = "attention-maps"
    since = "5.0"
    tokens = (_WANTED, _STATES)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        chosen = _chosen_later(module)
        done: set[ast.AST] = set()
        for how, node, target in _asked(module):
            if chosen & _names(module, target):
                continue
            found = models.of_model_or_base(module, target)
            if not found.found or any(not _computes_none(each, module) for each in found.found):
                continue
            model = found.found[0]
            since = SINCE.get(model.model_type, "")
            if how == _LOADED:
                if all(each.name in _TOWERS for each in found.found):
                    yield module.finding(node, f"{_OF_TOWERS.format(model.name)}", since=since)
                continue
            if any(each.call is not None and _asks(each.call) for each in found.found):
                continue
            fix = None
            load = model.call
            if load is not None and load.view is module and len(found.found) == 1 and load.node not in done:
                done.add(load.node)
                fix = _fix(module, load, is_sure=model.is_sure and found.is_complete)
            written = load.keyword(_HOW) if load is not None and fix is not None else None
            attention = f"`{module.source(written)}`" if written is not None else "its default attention"
            text = _SET if how == _CONFIGURED else f"`{model.name}` computes no attention maps with {attention}"
            yield module.finding(node, f'{text}: load it with `{_HOW}="eager"`', fix=fix, since=since)
        yield from _without_states(module)


def _without_states(view: ModuleView) -> Iterator[Finding]:
    """Hidden states that the configuration of a model of two towers asks for."""
    for how, node, target in _asked(view, _STATES):
        if how == _CALLED:
            continue
        found = models.models(view, target)
        since = {_STATES_SINCE.get(each.name, "") for each in found.found if not each.is_own}
        if len(since) != 1 or not found.is_complete or any(each.is_own for each in found.found):
            continue
        (release,) = since
        if release and view.settings.target >= parse_release(release):
            yield view.finding(node, _NO_STATES.format(found.found[0].name, release), since=release)


def _asked(view: ModuleView, wanted: str = _WANTED) -> Iterator[tuple[str, ast.AST, ast.expr]]:
    """Where attention maps, or other states, are asked for: how, the place, and the expression of the model."""
    for call, keyword in view.keywords({wanted}):
        if Constant(True) not in view.values(keyword.value) or view.guards.is_dead(call.node):
            continue
        if call.name not in _LOADS:
            forwards = call.name in ("forward", "generate", "encode") and isinstance(call.func, ast.Attribute)
            yield _CALLED, keyword, call.func.value if forwards else call.func  # type: ignore[attr-defined]
        if call.name in _LOADS or call.name.endswith("Config"):
            yield _LOADED, keyword, call.node
            for other in view.calls(_LOADS):
                given = other.argument("config", 0 if other.name != "from_pretrained" else -1)
                if given is not None and view.links.defining_call(given) is call.node:
                    yield _LOADED, keyword, other.node
            for other in view.calls(_TOWERS | _STATES_SINCE.keys()):  # built, not loaded
                given = other.argument("config", 0)
                if given is not None and call.node in (given, view.links.defining_call(given)):
                    yield _LOADED, keyword, other.node
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        parent = view.tree.parents[node]
        if node.attr != wanted or not isinstance(parent, ast.Assign) or view.guards.is_dead(node):
            continue
        if node not in parent.targets or Constant(True) not in view.values(parent.value):
            continue
        if isinstance(node.value, ast.Attribute) and node.value.attr == "config":
            yield _CONFIGURED, node, node.value.value


def _chosen_later(view: ModuleView) -> set[str]:
    """The models, as they are written, whose attention a module chooses after they were loaded."""
    found = {
        ast.unparse(call.func.value)
        for call in view.calls({"set_attn_implementation"})
        if isinstance(call.func, ast.Attribute)
    }
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr.endswith(_HOW) and isinstance(node.ctx, ast.Store):
            found.add(ast.unparse(node.value).removesuffix(".config"))
    return found


def _names(view: ModuleView, target: ast.expr) -> set[str]:
    """What a model is called: the expression itself, and what it is assigned to where it is made."""
    parent = view.tree.parents[target]
    assigned = parent.targets if isinstance(parent, ast.Assign) else []
    return {ast.unparse(each) for each in [target, *assigned]}


def _computes_none(model: Model, view: ModuleView) -> bool:
    """Whether a model is known to give no maps with the attention that it is loaded with."""
    if not model.model_type or model.model_type in EAGER or model.is_own:
        return False
    since = SINCE.get(model.model_type)
    if since is not None and parse_release(since) > view.settings.target:
        return False
    return model.call is not None and not _is_eager(model.call)


def _is_eager(load: CallSite) -> bool:
    """Whether a model's attention is chosen where it is loaded, and may give maps."""
    chosen = load.values_of(_HOW)
    if load.is_open or chosen:
        return not chosen or not chosen <= _WITHOUT_MAPS
    given = load.argument("config", 0 if load.name != "from_pretrained" else -1)
    if given is None:
        return bool(load.values_of("config"))
    made = load.view.links.defining_call(given)
    return made is None or CallSite(load.view, made).is_open or bool(CallSite(load.view, made).values_of(_HOW))


def _asks(load: CallSite) -> bool:
    """Whether maps are asked for where a model is loaded, or by the configuration that it gets: it is eager by that."""
    return any(Constant(True) in each.values_of(_WANTED) for each in models.settings_of(load))


def _fix(view: ModuleView, load: CallSite, *, is_sure: bool) -> Fix | None:
    if load.name not in ("from_pretrained", "from_config"):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        if chosen is not None:
            return [edit_arguments(view, load.node, replace={chosen: eager})]
        return [edit_arguments(view, load.node, append=[eager])]

    eager = f'{_HOW}="eager"'
    chosen = load.keyword(_HOW)
    applicability = "safe" if is_sure and chosen is None else "unsafe"
    return Fix(f'Load it with `{_HOW}="eager"`', edits, applicability=applicability, requires="4.36")  # type: ignore[arg-type]

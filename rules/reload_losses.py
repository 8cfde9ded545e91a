"""Which models lose weights when a checkpoint of theirs is loaded without the renaming that `from_pretrained` does.

`save_pretrained` writes the names of 4.x; the models of 5.x have names of their own. The table holds, for every class
of 5.23.0 that an Auto class loads, how many tensors of its state_dict have another name in the file that it saves:
measured by building each model on the meta device and undoing the conversion of its weights
(`transformers.core_model_loading.revert_weight_conversion`), for one patch release of every minor from 5.0 to 5.23.
Types that are put together from two others (`vision-encoder-decoder`) lose what their parts lose, and are not in it.
"""

from __future__ import annotations

from v5lint.releases import parse_release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release
    from v5lint.rules.models import Model

#: One record a model type: the type, the first release that loses something, and class=lost/all.
_TABLE = """\
afmoe 5.4 AfmoeForCausalLM=62/575 AfmoeModel=62/574
altclip 5.6 AltCLIPModel=576/595
aria 5.0 AriaForConditionalGeneration=602/602 AriaModel=386/601
aria_text 5.18 AriaTextForCausalLM=64/387 AriaTextModel=64/386
audio-spectrogram-transformer 5.9 ASTForAudioClassification=192/203 ASTModel=192/199
audioflamingo3 5.10 AudioFlamingo3ForConditionalGeneration=878/878 AudioFlamingo3Model=386/877
axk1 5.15 AXK1ForCausalLM=180/1035 AXK1ForSequenceClassification=180/1035 AXK1Model=180/1034
axk2 5.15 AXK2ForCausalLM=332/1197 AXK2ForSequenceClassification=332/1197 AXK2Model=332/1196
bailing_hybrid 5.20 BailingHybridForCausalLM=548/800 BailingHybridModel=547/799
beam 5.20 BeamForCausalLM=98/832 BeamModel=98/831
beit 5.9 BeitForImageClassification=204/211 BeitModel=204/209
cohere2_moe 5.9 Cohere2MoeForCausalLM=80/322 Cohere2MoeModel=80/322
cohere_asr 5.4 CohereAsrModel=996/2148
colpali 5.0 ColPaliForRetrieval=164/605
cosmos3_edge 5.15 Cosmos3EdgeForConditionalGeneration=496/670 Cosmos3EdgeModel=438/669
cosmos3_omni 5.11 Cosmos3OmniForConditionalGeneration=705/706 Cosmos3OmniModel=192/705
csm 5.21 CsmForConditionalGeneration=250/537
d_fine 5.1 DFineForObjectDetection=52/1197 DFineModel=52/1149
deepseek_v2 5.0 DeepseekV2ForCausalLM=64/483 DeepseekV2ForSequenceClassification=64/483 DeepseekV2Model=64/482
deepseek_v3 5.0 DeepseekV3ForCausalLM=116/967 DeepseekV3ForSequenceClassification=116/967 DeepseekV3Model=116/966
deepseek_v32 5.11 DeepseekV32ForCausalLM=116/1272 DeepseekV32Model=116/1271
deepseek_v4 5.8 DeepseekV4ForCausalLM=1282/1287 DeepseekV4Model=1285/1286
deit 5.9 DeiTModel=192/201
depth_pro 5.18 DepthProModel=192/467
dinov2 5.18 Dinov2ForImageClassification=96/225 Dinov2Model=96/223
dinov2_with_registers 5.18 Dinov2WithRegistersForImageClassification=96/226 Dinov2WithRegistersModel=96/224
dinov3_convnext 5.4 DINOv3ConvNextModel=178/180
dinov3_vit 5.4 DINOv3ViTModel=204/211
dots3_note 5.23 Dots3NoteForCausalLM=90/892 Dots3NoteForConditionalGeneration=1726/1727 Dots3NoteModel=1726/1726
dots3_note_text 5.23 Dots3NoteTextModel=90/891
ernie4_5_moe 5.0 Ernie4_5_MoeForCausalLM=81/362 Ernie4_5_MoeModel=81/362
ernie4_5_vl_moe 5.3 Ernie4_5_VLMoeForConditionalGeneration=869/872 Ernie4_5_VLMoeModel=869/872
exaone_moe 5.1 ExaoneMoeForCausalLM=93/479 ExaoneMoeModel=93/478
flex_olmo 5.0 FlexOlmoForCausalLM=64/355 FlexOlmoModel=64/354
flint 5.21 FlintForCausalLM=143/732 FlintModel=143/731
fuyu 5.0 FuyuForCausalLM=582/582 FuyuModel=579/581
gemma3 5.0 Gemma3ForConditionalGeneration=550/550 Gemma3ForSequenceClassification=550/551 Gemma3Model=340/550
glm4_moe 5.0 Glm4MoeForCausalLM=90/597 Glm4MoeModel=90/596
glm4_moe_lite 5.0 Glm4MoeLiteForCausalLM=92/751 Glm4MoeLiteModel=92/750
glm4v_moe 5.0 Glm4vMoeForConditionalGeneration=90/916 Glm4vMoeModel=90/915
glm5_next 5.16 Glm5NextForConditionalGeneration=524/1609 Glm5NextModel=524/1608
glm5_next_text 5.18 Glm5NextTextModel=524/1261
glm_moe_dsa 5.2 GlmMoeDsaForCausalLM=150/1629 GlmMoeDsaModel=150/1628
glmasr 5.10 GlmAsrForConditionalGeneration=744/744 GlmAsrModel=254/744
got_ocr2 5.0 GotOcr2ForConditionalGeneration=471/471 GotOcr2Model=290/471
gpt_neox 5.14 GPTNeoXForCausalLM=1/532 GPTNeoXForSequenceClassification=0/532 GPTNeoXModel=0/531
gradium_phonon_tts 5.21 GradiumPhononTTSModel=18/69
granite_speech 5.10 GraniteSpeechModel=290/883
granite_speech_plus 5.10 GraniteSpeechPlusModel=290/883
granitemoe 5.13 GraniteMoeForCausalLM=96/291 GraniteMoeModel=96/290
granitemoehybrid 5.13 GraniteMoeHybridForCausalLM=96/483 GraniteMoeHybridModel=96/482
granitemoeshared 5.13 GraniteMoeSharedForCausalLM=96/291 GraniteMoeSharedModel=96/290
grounding-dino 5.9 GroundingDinoModel=217/974
gte 5.18 GteForMaskedLM=194/201 GteForSequenceClassification=192/200 GteModel=192/196
hrm_text 5.9 HrmTextForCausalLM=224/259 HrmTextModel=224/258
hy_v3 5.6 HYV3ForCausalLM=553/1199 HYV3Model=553/1198
hy_v4 5.17 HYV4ForCausalLM=309/868 HYV4Model=309/867
hyperclovax_vision_v2 5.18 HyperCLOVAXVisionV2ForConditionalGeneration=2/746 HyperCLOVAXVisionV2Model=0/746
ijepa 5.9 IJepaForImageClassification=192/199 IJepaModel=192/197
inkling2 5.23 Inkling2ForConditionalGeneration=1514/1514 Inkling2Model=1273/1513
inkling2_text 5.23 Inkling2ForCausalLM=1092/1092 Inkling2TextModel=1042/1091
inkling_mm_model 5.14 InklingForConditionalGeneration=1506/1506 InklingModel=1369/1505
internvl 5.0 InternVLForConditionalGeneration=756/756 InternVLModel=386/756
jamba 5.0 JambaForCausalLM=32/515 JambaForSequenceClassification=32/515 JambaModel=32/514
jina_embeddings_v3 5.4 JinaEmbeddingsV3ForMaskedLM=386/393 JinaEmbeddingsV3ForSequenceClassification=386/392
  JinaEmbeddingsV3Model=386/390
kimi_k25 5.13 Kimi_K25ForConditionalGeneration=1407/1409 Kimi_K25Model=1396/1409
kimi_linear 5.17 KimiLinearForCausalLM=290/545 KimiLinearModel=290/544
kolibri1 5.20 Kolibri1ForCausalLM=250/853 Kolibri1Model=250/852
laguna 5.7 LagunaForCausalLM=234/639 LagunaModel=234/638
lfm3 5.23 Lfm3ForCausalLM=11/286 Lfm3Model=11/286
lfm3_vl 5.23 Lfm3VlForConditionalGeneration=24/424 Lfm3VlModel=24/424
lfm3_vl_vision 5.23 Lfm3VlVisionModel=13/132
llava 5.0 LlavaForConditionalGeneration=686/686 LlavaModel=290/685
llava_next 5.0 LlavaNextForConditionalGeneration=687/687 LlavaNextModel=290/686
llava_next_video 5.0 LlavaNextVideoForConditionalGeneration=687/687 LlavaNextVideoModel=290/686
llava_onevision 5.0 LlavaOnevisionForConditionalGeneration=813/813 LlavaOnevisionModel=386/812
longcat_flash 5.0 LongcatFlashForCausalLM=56/787 LongcatFlashModel=56/786
lw_detr 5.9 LwDetrForObjectDetection=70/423 LwDetrModel=70/415
mask2former 5.9 Mask2FormerModel=421/757
maskformer 5.4 MaskFormerModel=48/639
mellum 5.10 MellumForCausalLM=56/311 MellumModel=56/310
mimi 5.21 MimiModel=250/350
mimi_decoder 5.21 MimiDecoderModel=28/125
mimi_encoder 5.21 MimiEncoderModel=28/125
mimo_v2_flash 5.13 MiMoV2FlashForCausalLM=133/521 MiMoV2FlashModel=133/520
minimax 5.0 MiniMaxForCausalLM=96/355 MiniMaxForSequenceClassification=96/355 MiniMaxModel=96/354
minimax_m2 5.0 MiniMaxM2ForCausalLM=248/747 MiniMaxM2Model=248/746
minimax_m3_vl 5.12 MiniMaxM3SparseForConditionalGeneration=1366/1366 MiniMaxM3VLModel=360/1365
mistral3 5.0 Mistral3ForConditionalGeneration=584/584 Mistral3Model=362/584
mistral_large4 5.22 MistralLarge4ForConditionalGeneration=2005/2005 MistralLarge4Model=1935/2004
mistral_large4_text 5.22 MistralLarge4TextModel=1725/1728
mixtral 5.0 MixtralForCausalLM=96/291 MixtralForSequenceClassification=96/291 MixtralModel=96/290
mllama 5.0 MllamaForCausalLM=0/395 MllamaForConditionalGeneration=906/906 MllamaModel=394/905
mm-grounding-dino 5.9 MMGroundingDinoModel=217/975
molmo2 5.20 Molmo2ForConditionalGeneration=812/813 Molmo2Model=812/812
molmo2_text 5.20 Molmo2TextModel=325/398
musicflamingo 5.10 MusicFlamingoForConditionalGeneration=878/878 MusicFlamingoModel=386/877
nemo_speechlm 5.22 Nemotron3_5TranscribeForConditionalGeneration=1415/1415 Nemotron3_5TranscribeModel=1110/1412
nemotron_h 5.3 NemotronHForCausalLM=26/27 NemotronHModel=2/26
nemotron_h_omni 5.18 NemotronH_Omni_Reasoning_V3=610/611
nomic_bert 5.5 NomicBertForMaskedLM=134/141 NomicBertForSequenceClassification=134/140 NomicBertModel=134/136
olmo_hybrid 5.3 OlmoHybridForCausalLM=80/475 OlmoHybridModel=80/474
olmoe 5.0 OlmoeForCausalLM=32/179 OlmoeModel=32/178
oneformer 5.9 OneFormerModel=217/598
paddleocr_vl 5.0 PaddleOCRVLForConditionalGeneration=607/607 PaddleOCRVLModel=0/607
paligemma 5.0 PaliGemmaForConditionalGeneration=603/603 PaliGemmaModel=164/603
phimoe 5.0 PhimoeForCausalLM=96/356 PhimoeForSequenceClassification=96/356 PhimoeModel=96/355
pi0 5.4 PI0ForConditionalGeneration=775/777 PI0Model=164/767
pixio 5.9 PixioModel=512/518
pp_doclayout_v2 5.3 PPDocLayoutV2ForObjectDetection=52/1005
pp_doclayout_v3 5.1 PPDocLayoutV3ForObjectDetection=52/907 PPDocLayoutV3Model=52/907
pp_doclayout_v4 5.20 PPDocLayoutV4ForObjectDetection=85/922 PPDocLayoutV4Model=85/922
qianfan_ocr 5.6 QianfanOCRForConditionalGeneration=797/797 QianfanOCRModel=788/796
qwen2_5_omni_thinker 5.21 Qwen2_5OmniThinkerForConditionalGeneration=1345/1346 Qwen2_5OmniThinkerModel=0/1345
qwen2_5_vl 5.0 Qwen2_5_VLForConditionalGeneration=1352/1353 Qwen2_5_VLModel=0/1352
qwen2_audio 5.10 Qwen2AudioForConditionalGeneration=876/876 Qwen2AudioModel=386/875
qwen2_moe 5.0 Qwen2MoeForCausalLM=48/387 Qwen2MoeForSequenceClassification=48/387 Qwen2MoeModel=48/386
qwen2_vl 5.0 Qwen2VLForConditionalGeneration=1353/1354 Qwen2VLModel=0/1353
qwen3_5_moe 5.2 Qwen3_5MoeForCausalLM=80/693 Qwen3_5MoeForConditionalGeneration=80/1026 Qwen3_5MoeModel=80/1025
qwen3_5_moe_text 5.2 Qwen3_5MoeTextModel=80/692
qwen3_moe 5.0 Qwen3MoeForCausalLM=48/267 Qwen3MoeForSequenceClassification=48/267 Qwen3MoeModel=48/266
qwen3_next 5.0 Qwen3NextForCausalLM=96/759 Qwen3NextForSequenceClassification=96/759 Qwen3NextModel=96/758
qwen3_omni_moe_thinker 5.6 Qwen3OmniMoeThinkerForConditionalGeneration=1186/1187 Qwen3OmniMoeThinkerModel=56/1186
radio 5.13 RadioModel=582/582
rf_detr 5.9 RfDetrForObjectDetection=491/499 RfDetrModel=490/491
rt_detr 5.1 RTDetrForObjectDetection=52/764 RTDetrModel=52/716
rt_detr_v2 5.1 RTDetrV2ForObjectDetection=52/770 RTDetrV2Model=52/722
sam3_tracker 5.4 Sam3TrackerModel=685/685
sam3_tracker_video 5.4 Sam3TrackerVideoModel=845/845
sam3_video 5.4 Sam3VideoModel=307/1797
sapiens2 5.10 Sapiens2Model=461/461
segformer 5.9 SegformerForImageClassification=192/194 SegformerForSemanticSegmentation=200/208 SegformerModel=192/192
shieldgemma2 5.0 ShieldGemma2ForImageClassification=340/550
solar_open 5.0 SolarOpenForCausalLM=96/627 SolarOpenModel=96/626
step3p7 5.16 Step3p7ForConditionalGeneration=1565/1566 Step3p7Model=1148/1565
swin 5.9 SwinForImageClassification=156/221 SwinModel=156/219
t5gemma2 5.1 T5Gemma2ForConditionalGeneration=341/890 T5Gemma2ForSequenceClassification=341/892 T5Gemma2Model=341/890
timesfm2_5 5.3 TimesFm2_5Model=40/266
tipsv2 5.14 Tipsv2Model=419/420
tipsv2_dpt 5.14 Tipsv2DptForSemanticSegmentation=276/276
tipsv2_text_model 5.14 Tipsv2TextModel=195/195
tipsv2_vision_model 5.14 Tipsv2VisionModel=224/224
ultrabert 5.20 UltrabertForMaskedLM=291/293 UltrabertForSequenceClassification=290/292 UltrabertModel=0/290
ultravbert 5.21 UltraVBertForMaskedLM=3/492 UltraVBertForSequenceClassification=0/491 UltraVBertModel=0/489
unlimited_ocr 5.20 UnlimitedOcrForConditionalGeneration=713/715 UnlimitedOcrModel=713/714
vibevoice_asr 5.10 VibeVoiceAsrForConditionalGeneration=949/949 VibeVoiceAsrModel=386/948
video_llava 5.0 VideoLlavaForConditionalGeneration=1077/1077 VideoLlavaModel=290/1076
videomae 5.18 VideoMAEForPreTraining=32/248 VideoMAEForVideoClassification=24/186 VideoMAEModel=24/182
vipllava 5.0 VipLlavaForConditionalGeneration=688/688 VipLlavaModel=290/687
vit 5.9 ViTForImageClassification=192/200 ViTModel=192/200
vit_mae 5.9 ViTMAEForPreTraining=320/334 ViTMAEModel=192/198
vit_msn 5.9 ViTMSNForImageClassification=192/200 ViTMSNModel=192/198
vivit 5.9 VivitForVideoClassification=192/200 VivitModel=192/200
voxtral 5.10 VoxtralForConditionalGeneration=762/762 VoxtralModel=272/761
voxtral_realtime 5.10 VoxtralRealtimeForConditionalGeneration=711/711 VoxtralRealtimeModel=288/711
yolos 5.18 YolosForObjectDetection=1/212 YolosModel=1/202
"""

_losses: dict[str, dict[str, Loss]] = {}


class Loss:
    """What a model loses.

    Attributes:
        name: its class.
        lost: the tensors that do not come back.
        total: all of them.
        since: the first release in which it loses them.
    """

    __slots__ = ("lost", "name", "since", "total")

    def __init__(self, name: str, lost: int, total: int, since: str) -> None:
        self.name = name
        self.lost = lost
        self.total = total
        self.since = since

    @property
    def kept(self) -> int:
        """The tensors that come back."""
        return self.total - self.lost


def loss_of(model: Model, release: Release) -> Loss | None:
    """What a model loses under a release; None where that is nothing, or not known.

    Args:
        model: the model. A class that was not measured loses what the others of its type lose.
        release: the target.
    """
    if not _losses:
        _losses.update(_read())
    classes = _losses.get(model.model_type)
    if classes is None:
        return None
    found = classes.get(model.name) or max(classes.values(), key=lambda each: each.lost / each.total)
    if not found.lost or parse_release(found.since) > release:
        return None
    return Loss(model.name, found.lost, found.total, found.since)


def _read() -> dict[str, dict[str, Loss]]:
    found: dict[str, dict[str, Loss]] = {}
    for record in _TABLE.replace("\n  ", " ").splitlines():
        model_type, since, *classes = record.split()
        found[model_type] = {}
        for each in classes:
            name, _, counts = each.partition("=")
            lost, _, total = counts.partition("/")
            found[model_type][name] = Loss(name, int(lost), int(total), since)
    return found

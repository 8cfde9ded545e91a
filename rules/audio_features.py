"""V5421: arguments of audio processors that do nothing now, or something else."""

from __future__ import annotations

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import library, processor_classes
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: The argument of Whisper's feature extractor, which no other class takes.
_FRAMES, _NUMBER = "return_token_timestamps", "num_frames"
_WHISPER = frozenset({"WhisperFeatureExtractor", "WhisperProcessor"})
_AUTO = frozenset({"AutoFeatureExtractor", processor_classes.AUTO})

#: What CLAP pads sounds with that are shorter than the ten seconds of its input.
_PADDING, _CLAP = "padding", "ClapFeatureExtractor"
_CLAP_PROCESSOR, _CLAP_SINCE = "ClapProcessor", "5.22"
_SOUNDS = ("audio", "audios", "raw_speech")


class AudioFeatureArgument(Rule):
    """An argument of Whisper's or CLAP's audio processor that does nothing now, or something else.

    ## What it does

    Finds `return_token_timestamps=` in calls of Whisper's feature extractor and processor, and `padding=True` in calls
    of CLAP's with a sound.

    ## Why it breaks

    `return_token_timestamps=True` made `num_frames` until 4.57 (with a warning), and is passed over since 5.0:

        KeyError: 'num_frames'

    Where it is not read but handed on, as in `model.generate(**inputs)`, nobody says how long a sound is.

    `padding=True`, which the documentation of CLAP gives for the texts, padded sounds of less than ten seconds with
    silence until 5.21. Since 5.22 it stands for the setting of the checkpoint, mostly "repeatpad": the sound is
    repeated. Nothing is raised, and each embedding is another one (measured on 4.57.6, 5.15.0 and 5.24.0: the mean of
    the features of 0.2 seconds is -98.9 and -51.9).

    ## Example

        features = feature_extractor(sound, padding=True, return_tensors="pt")

    becomes, for CLAP,

        features = feature_extractor(sound, padding="pad", return_tensors="pt")

    ## Fix safety

    Safe for CLAP's feature extractor. A processor takes `padding=` for texts and sounds: write
    `text_kwargs={"padding": True}, audio_kwargs={"padding": "pad"}` for what it did, or `text_kwargs=` alone for what
    the checkpoint was made with. For Whisper, ask for `return_attention_mask=True`: the sum of a row of the mask is its
    number of frames, and `generate` takes it into account.

    ## References

    - https://huggingface.co/docs/transformers/model_doc/clap
    - https://huggingface.co/docs/transformers/model_doc/whisper
    """

    code = "V5421"
    name = "audio-feature-argument"
    since = "5.0"
    tokens = (_FRAMES, "Clap")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_FRAMES}):
            if module.guards.is_ready(call.node) or Constant(False) in module.values(keyword.value):
                continue
            names = _classes(module, call)
            if names and names <= _WHISPER | _AUTO:
                text = f"`{min(names)}` passes over `{_FRAMES}=` since transformers 5.0 and gives no `{_NUMBER}`"
                yield module.finding(keyword, f"{text}: ask for `return_attention_mask=True`", since="5.0")
        for call, keyword in module.keywords({_PADDING}):
            if module.values(keyword.value) != frozenset({Constant(True)}) or module.guards.is_ready(call.node):
                continue
            names = _classes(module, call)
            has_sound = bool(call.args) or any(call.keyword(each) is not None for each in _SOUNDS)
            if names in ({_CLAP}, {_CLAP_PROCESSOR}) and has_sound:
                yield _padded(module, call, names == {_CLAP})


def _classes(view: ModuleView, call: CallSite) -> set[str]:
    """The classes of the audio processor that is called; none where it is another thing."""
    names = {name for of in view.classes_of(call.func) for name in library.library_classes(view, of)}
    if names <= {processor_classes.AUTO}:
        names, _ = processor_classes.classes(view, call.func)
    return names


def _padded(view: ModuleView, call: CallSite, is_alone: bool) -> Finding:
    keyword = call.keyword(_PADDING)
    assert keyword is not None
    text = f"`{_PADDING}=True` has CLAP repeat short sounds since transformers {_CLAP_SINCE}, not pad them with silence"
    if is_alone:
        fix = Fix('Pad with silence, `padding="pad"`', [view.replace(keyword.value, '"pad"')])
        return view.finding(keyword, f'{text}: that is `{_PADDING}="pad"`', fix=fix, since=_CLAP_SINCE)
    instead = '`text_kwargs={"padding": True}, audio_kwargs={"padding": "pad"}` does what it did'
    return view.finding(keyword, f"{text}: {instead}", since=_CLAP_SINCE)

"""V5414: what a processor is called with: the text in the first place, and `audios=`."""

from __future__ import annotations

import ast
import builtins
import re

from v5lint.patterns import pattern
from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import processor_classes
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding
    from v5lint.view.module import ModuleView

_AUTO = processor_classes.AUTO
_TEXT, _IMAGES, _VIDEOS, _AUDIO, _AUDIOS = "text", "images", "videos", "audio", "audios"

#: Processors that took the text first: since when `images` stand there, and what stood in the second place. Read in
#: the signatures of 40 releases from 4.36 to 5.24; most swapped the two with a warning until 4.53.
TEXT_FIRST = {
    "AlignProcessor": ("4.45", _IMAGES),
    "AltCLIPProcessor": ("4.45", _IMAGES),
    "AriaProcessor": ("5.10", _IMAGES),
    "CLIPProcessor": ("4.57", _IMAGES),
    "ChameleonProcessor": ("4.46", _IMAGES),
    "ChineseCLIPProcessor": ("4.57", _IMAGES),
    "ClapProcessor": ("5.0", _AUDIO),
    "DeepseekVLHybridProcessor": ("5.15", _IMAGES),
    "DeepseekVLProcessor": ("5.15", _IMAGES),
    "FuyuProcessor": ("4.45", _IMAGES),
    "GitProcessor": ("4.45", _IMAGES),
    "Idefics2Processor": ("4.46", _IMAGES),
    "LlavaNextProcessor": ("4.45", _IMAGES),
    "LlavaNextVideoProcessor": ("4.50", _IMAGES),
    "LlavaProcessor": ("4.45", _IMAGES),
    "OwlViTProcessor": ("4.49", _IMAGES),
    "Owlv2Processor": ("4.49", _IMAGES),
    "PaliGemmaProcessor": ("4.45", _IMAGES),
    "Phi4MultimodalProcessor": ("5.23", _IMAGES),
    "Qwen2AudioProcessor": ("5.16", _AUDIO),
    "SiglipProcessor": ("4.57", _IMAGES),
    "TvpProcessor": ("4.57", _VIDEOS),
    "VideoLlavaProcessor": ("5.15", _IMAGES),
    "VisionTextDualEncoderProcessor": ("4.52", _IMAGES),
    "XCLIPProcessor": ("4.57", _VIDEOS),
}

#: Processors that took `audios=`, and the release since which they take `audio=`.
WITH_AUDIOS = {"ClapProcessor": "4.57", "Qwen2AudioProcessor": "4.51", "SeamlessM4TProcessor": "4.57"}

#: Processors that took `raw_speech=` for `audio=`, with a warning, until 4.57.
_RAW = "raw_speech"
WITH_RAW_SPEECH = frozenset({"Speech2TextProcessor", "Wav2Vec2Processor", "Wav2Vec2ProcessorWithLM"})

#: Words in the names of what is text, and of what is none.
_ABOUT_TEXT = frozenset(
    "text texts prompt prompts caption captions question questions query queries sentence sentences label labels "
    "title titles description descriptions instruction instructions message messages phrase phrases".split()
)
_ABOUT_OTHERS = frozenset(
    "image images img imgs picture pictures photo photos pil frame frames pixel pixels video videos clip clips audio "
    "audios wav waveform sound sample samples speech url path file".split()
)
_WORDS = pattern(r"[A-Z]?[a-z]+")
_PICTURE = pattern(r"\Ahttps?://|\.(jpe?g|png|webp|bmp|gif|tiff?)\Z", re.IGNORECASE)

_OF_PYTHON = frozenset(dir(builtins))

#: What makes text of something.
_MAKES_TEXT = frozenset({"format", "join", "apply_chat_template", "strip", "lower", "replace"})


class ProcessorInput(Rule):
    """A processor that gets its text in the first place, where images stand now, or `audios=`.

    ## What it does

    Finds `processor(text, images)`, `processor(text)` and `processor(text, images=...)` of the processors that took the
    text first (CLIP since 4.57, SigLIP, LLaVA, OWL-ViT, PaliGemma, CLAP, ...), where the first argument is text by
    its value or its name; and `audios=`, which is `audio=`, as is `raw_speech=` of the processors of Wav2Vec2 and
    Speech2Text. Of `AutoProcessor` the checkpoint tells the class, or the one model that the file imports.

    ## Why it breaks

    The first parameter of every processor of images is `images` now. A text in its place is taken for the address of
    an image. Measured on 5.24.0 (4.56 took the text, of CLIP):

        ValueError: Incorrect image source. Must be a valid URL starting with `http://` or `https://`, a valid path to
        an image file, or a base64 encoded string. Got hello. ...
        TypeError: ProcessorMixin.__call__() got multiple values for argument 'images'
        ValueError: You passed keyword argument `audios` which is deprecated. Please use `audio` instead.
        ValueError: You need to specify either an `audio` or `text` input to process.

    `ClapProcessor`, which has nothing to make of images, gives an empty batch for `processor(["a dog barks"])`.

    ## Example

        inputs = processor(["a photo of a cat"], image, return_tensors="pt", padding=True)
        inputs = clap(audios=sound, return_tensors="pt")

    becomes

        inputs = processor(text=["a photo of a cat"], images=image, return_tensors="pt", padding=True)
        inputs = clap(audio=sound, return_tensors="pt")

    ## Fix safety

    Safe: the names are those of every release (`audio=` came with 4.57 for CLAP and SeamlessM4T, with 4.51 for
    Qwen2-Audio, and the fix waits for it). Unsafe where the class is known by the model beside it alone. There is
    no fix for more than two arguments by position.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/processors
    """

    code = "V5414"
    name = "processor-input"
    since = "5.0"
    tokens = (*TEXT_FIRST, *(each for each in WITH_AUDIOS if each not in TEXT_FIRST), *sorted(WITH_RAW_SPEECH), _AUTO)
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_AUDIOS}):
            if call.keyword(_AUDIO) is None and not module.guards.is_ready(call.node):
                yield from _audios(module, call, keyword)
        for call, keyword in module.keywords({_RAW}):
            names, _is_sure = processor_classes.classes(module, call.func)
            if names and names <= WITH_RAW_SPEECH and not module.guards.is_ready(call.node):
                text = f"`{min(names)}` takes no `{_RAW}=` since transformers 5.0: it is `{_AUDIO}=`"
                edit = Edit(*module.name_span(keyword), _AUDIO)
                fix = Fix(f"Rename the argument to `{_AUDIO}=`", [edit], requires="4.57")
                yield module.finding(keyword, text, fix=fix, since="5.0")
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            if node.args and _may_be_processor(node.func):
                call = CallSite(module, node)
                if call.args is node.args and not any(isinstance(each, ast.Starred) for each in node.args):
                    yield from _in_first_place(module, call)


def _may_be_processor(func: ast.expr) -> bool:
    """Whether what is called is no class and no function of Python's own: the cheap question first."""
    name = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
    return name[:1].islower() and name not in _OF_PYTHON


def _audios(view: ModuleView, call: CallSite, keyword: ast.keyword) -> Iterator[Finding]:
    names, is_sure = processor_classes.classes(view, call.func)
    if not names or not names <= {*WITH_AUDIOS, _AUTO} or view.settings.target < (5,):
        return
    shown = min(names)
    requires = max((WITH_AUDIOS.get(each, "4.57") for each in names), key=parse_release)
    applicability: Applicability = "safe" if is_sure and _AUTO not in names else "unsafe"
    edit = Edit(*view.name_span(keyword), _AUDIO)
    fix = Fix(f"Rename the argument to `{_AUDIO}=`", [edit], applicability=applicability, requires=requires)
    yield view.finding(
        keyword, f"`{shown}` refuses `{_AUDIOS}=` since transformers 5.0: it is `{_AUDIO}=`", fix=fix, since="5.0"
    )


def _in_first_place(view: ModuleView, call: CallSite) -> Iterator[Finding]:
    given = {each.arg for each in call.node.keywords}
    if _TEXT in given or None in given:
        return
    args = call.node.args
    is_named = _IMAGES in given  # twice, since the first place is theirs
    if not is_named and not _is_text(view, args[0]) and not (len(args) > 1 and _is_other(args[1])):
        return
    if _is_other(args[0]) or (len(args) > 1 and _is_text(view, args[1])):
        return
    names, is_sure = processor_classes.classes(view, call.func)
    known = [TEXT_FIRST[each] for each in names if each in TEXT_FIRST]
    if not names or len(known) != len(names):
        return
    since, second = max(known, key=lambda each: parse_release(each[0]))
    if parse_release(since) > view.settings.target or view.guards.is_ready(call.node):
        return
    what = "the text and what goes with it" if len(args) > 1 else "the text"
    message = f"`{min(names)}` takes images first since transformers {since}: pass {what} by name"
    fix = None
    if len(args) < 3:
        changed = [f"{_TEXT}={view.source(args[0])}", *(f"{second}={view.source(each)}" for each in args[1:])]
        replace: dict[ast.AST, str] = dict(zip(args, changed, strict=True))

        def build() -> list[Edit]:
            from v5lint.edits.arguments import edit_arguments

            return [edit_arguments(view, call.node, replace=replace)]

        requires = WITH_AUDIOS.get(min(names), "") if second == _AUDIO and len(args) > 1 else ""
        applicability: Applicability = "safe" if is_sure else "unsafe"
        fix = Fix("Pass them by name", build, applicability=applicability, requires=requires)
    yield view.finding(args[0], message, fix=fix, since=since)


def _is_text(view: ModuleView, node: ast.expr) -> bool:
    """Whether an argument is text, by its value or by its name."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and not _PICTURE.search(node.value)
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and all(_is_text(view, each) for each in node.elts)
    if isinstance(node, ast.ListComp):
        return isinstance(node.elt, ast.JoinedStr)
    if isinstance(node, ast.JoinedStr):
        return True
    if isinstance(node, ast.BinOp):
        return _is_text(view, node.left) or _is_text(view, node.right)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in _MAKES_TEXT
    values = [each.value for each in view.values(node) if isinstance(each, Constant)]
    if values and all(isinstance(each, str) and not _PICTURE.search(each) for each in values):
        return not _words(node) & _ABOUT_OTHERS
    words = _words(node)
    return bool(words & _ABOUT_TEXT) and not words & _ABOUT_OTHERS


def _is_other(node: ast.expr) -> bool:
    """Whether an argument is no text but an image, a video or a sound, by its name or by what makes it."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and all(_is_other(each) for each in node.elts)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "Image.open"
    words = _words(node)
    return bool(words & _ABOUT_OTHERS) and not words & _ABOUT_TEXT


def _words(node: ast.expr) -> set[str]:
    """The words of the last name in an expression: of `self.raw_image`, of `batch["captions"]`."""
    while isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return {each.lower() for each in _WORDS.findall(node.slice.value)}
        node = node.value
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return {each.lower() for each in _WORDS.findall(name)}

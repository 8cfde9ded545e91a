"""What the preprocessor of a checkpoint takes, images or sound: by its name, its models, and what is done with it."""

from __future__ import annotations

import ast
import functools
import re

from v5lint.patterns import pattern
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library
from v5lint.view.calls import CallSite
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView

#: Attributes of a preprocessor, and keys of what it returns, that tell what it takes.
_IMAGE_USES = frozenset(
    "image_mean image_std do_resize do_center_crop do_rescale crop_size resample "
    "post_process_object_detection post_process_semantic_segmentation post_process_segmentation post_process".split()
)
_AUDIO_USES = frozenset("sampling_rate n_fft hop_length num_mel_bins feature_size".split())
_IMAGE_RESULTS = frozenset({"pixel_values", "pixel_mask"})
_AUDIO_RESULTS = frozenset({"input_values", "input_features"})
_AUDIO_ARGUMENTS = frozenset({"sampling_rate", "raw_speech", "audio", "audios"})

#: What the kinds of preprocessor take.
_PREPROCESSORS = {"image_processor": "image", "auto_image_processor": "image", "video_processor": "image"}

#: Tasks of pipelines, by what their preprocessor takes.
_TASKS = {
    "image": pattern(r"image|object-detection|depth|mask-generation|visual|video|keypoint|document"),
    "audio": pattern(r"audio|speech"),
}

#: Words of a module that is (also) about sound, or about images: beside them a model of the one kind proves nothing.
_ABOUT_SOUND = pattern(r"audio|speech|waveform|wav2vec|librosa|soundfile|sampling_rate|whisper|hubert|wavlm", re.I)
_ABOUT_IMAGES = pattern(r"pixel_values|\bPIL\b|\bcv2\b|torchvision", re.IGNORECASE)

#: Methods that load a model; the second takes two checkpoints.
_MODEL_LOADERS = frozenset({"from_pretrained", "from_encoder_decoder_pretrained"})


class Modality:
    """What a preprocessor takes, and how that is known.

    Attributes:
        kind: "image", "audio", "mixed" or "" (unknown).
        because: the evidence, in words for a message.
    """

    __slots__ = ("because", "kind")

    def __init__(self, kind: str, because: str = "") -> None:
        self.kind = kind
        self.because = because


def modality(view: ModuleView, call: CallSite) -> Modality:
    """What the preprocessor takes that `AutoFeatureExtractor.from_pretrained(...)` and its like load.

    Asked in turn: the checkpoint's name, what is loaded from or saved to the same checkpoint, what is done with the
    preprocessor, the words in the name, and the models of the module.
    """
    names = library.texts(call.values_of(*library.CHECKPOINT))
    kinds = {name: _kind_of_checkpoint(view, name) for name in names}
    told = {kind for kind in kinds.values() if kind}
    if len(told) > 1:
        # Of a table whose key is not known, what is done with the checkpoint says which part of it is meant.
        chosen = _by_neighbours(view, call) or _by_use(view, call)
        if chosen is not None:
            return chosen
        return Modality("mixed", f"it is called with {', '.join(f'`{name}`' for name in names)}")
    if told:
        kind = told.pop()
        return Modality(kind, f"`{next(name for name in names if kinds[name] == kind)}` is a checkpoint for {kind}s")
    return (
        _by_neighbours(view, call)
        or _by_saving(view, call)
        or _by_use(view, call)
        or _by_words(names)
        or _by_test(view, call)
        or by_models(view)
        or Modality("")
    )


def _kind_of_checkpoint(view: ModuleView, name: str) -> str:
    """What the preprocessor of a checkpoint takes: by its files in the repository, else by its name."""
    stored = checkpoints.stored_model_type(view, name)
    return checkpoints.kind_of_model_type(stored) if stored else checkpoints.preprocessor_kind(name)


@functools.cache
def model_kind(name: str) -> str:
    """What the preprocessor of a model takes: "image", "audio" or "", by the model class or the Auto class.

    Of an Auto class: what the models take that have a preprocessor. Models of text have none.
    """
    facts = lookup.class_facts(name)
    if facts is None:
        return ""
    if facts.kind == "auto_model":
        kinds = {*_kinds_of_auto(name)} - {""}
        return kinds.pop() if len(kinds) == 1 and name != "AutoModel" else ""
    if facts.kind in ("model", "tf_model", "flax_model", "config"):
        return checkpoints.kind_of_model_type(facts.model_type)
    return ""


@functools.cache
def _kinds_of_auto(name: str) -> tuple[str, ...]:
    """What the preprocessor of each model takes that an Auto class loads; "" of a model of text."""
    return tuple(
        checkpoints.kind_of_model_type(each) for each in lookup.model_types("4.57") if name in _models_of(each)
    )


def _is_of_one_kind(name: str) -> bool:
    """Whether a model class tells what a file is about: not an Auto class that mostly loads models of text."""
    facts = lookup.class_facts(name)
    if facts is None or facts.kind != "auto_model":
        return True
    kinds = _kinds_of_auto(name)
    return 2 * kinds.count("") < len(kinds)


def _models_of(model_type: str) -> dict[str, str]:
    facts = lookup.model_type(model_type, "4.57")
    return facts.models if facts is not None else {}


def same_checkpoint(view: ModuleView, first: CallSite, second: CallSite) -> bool:
    """Whether two loads take the same checkpoint: the same known name, or the same variable."""
    mine = first.argument(*library.CHECKPOINT)
    theirs = [*second.args[:2], *([] if second.args else [second.argument(*library.CHECKPOINT)])]
    return mine is not None and any(each is not None and is_same(view, mine, each) for each in theirs)


def is_same(view: ModuleView, first: ast.expr, second: ast.expr) -> bool:
    """Whether two expressions have the same value: they are alike and read the same variables, or it is known."""
    values = view.values(first)
    if len(values) == 1 and library.texts(values):
        return view.values(second) == values
    if ast.dump(first) != ast.dump(second):
        return False
    if view.links.class_around(first) is not view.links.class_around(second):
        return False
    names = zip(_names_in(first), _names_in(second), strict=True)
    return all(a.id == "self" or view.links.bindings_read(a) == view.links.bindings_read(b) for a, b in names)


def _names_in(node: ast.expr) -> list[ast.Name]:
    return [each for each in ast.walk(node) if isinstance(each, ast.Name)]


def _by_neighbours(view: ModuleView, call: CallSite) -> Modality | None:
    """By the models of the same checkpoint: those that are loaded along with it, else those in the place of it."""
    others = [
        each for each in view.calls(_MODEL_LOADERS) if each.node is not call.node and same_checkpoint(view, call, each)
    ]
    along = [each for each in others if not view.reach.are_exclusive(call.node, each.node)]
    found: dict[str, str] = {}
    for other in along or others:
        for owner in other.owners(_MODEL_LOADERS):
            for name in library.library_classes(view, owner):
                kind = model_kind(name)
                if kind:
                    found[kind] = name
    if len(found) == 1:
        ((kind, name),) = found.items()
        return Modality(kind, f"`{name}` is loaded from the same checkpoint")
    return None


def _by_saving(view: ModuleView, call: CallSite) -> Modality | None:
    """By what is saved to the folder that the preprocessor is loaded from."""
    given = call.argument(*library.CHECKPOINT)
    for saved in view.calls({"save_pretrained"}):
        folder = saved.argument("save_directory", 0)
        if given is None or folder is None or not is_same(view, given, folder):
            continue
        if not isinstance(saved.func, ast.Attribute):
            continue
        for of in view.classes_of(saved.func.value):
            for name in library.library_classes(view, of):
                kind = model_kind(name) if lookup.is_model_class(name) else _PREPROCESSORS.get(lookup.kind_of(name), "")
                if name == "AutoFeatureExtractor":
                    kind = _kind_of_loads(view, saved.func.value, call)
                if kind:
                    return Modality(kind, f"`{name}` is saved there in line {saved.node.lineno}")
    return None


def _kind_of_loads(view: ModuleView, node: ast.expr, but: CallSite) -> str:
    """What an object takes that `AutoFeatureExtractor.from_pretrained` made, by the name of its checkpoint."""
    for load in view.calls({"from_pretrained"}):
        if load.node is not but.node and node in view.aliases(load.node):
            kinds = {checkpoints.preprocessor_kind(name) for name in library.texts(load.values_of(*library.CHECKPOINT))}
            return kinds.pop() if len(kinds) == 1 else ""
    return ""


#: What programs call the two in their settings.
KINDS = {"image": "image", "images": "image", "vision": "image", "audio": "audio", "speech": "audio"}


def _by_test(view: ModuleView, call: CallSite) -> Modality | None:
    """By the test that decides over it: `if modality == "image":`."""
    for test, wanted in view.reach.conditions(call.node):
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.comparators[0], ast.Constant):
            asked = test.comparators[0].value
            kind = KINDS.get(asked) if isinstance(asked, str) else None
            if kind is not None and isinstance(test.ops[0], ast.Eq if wanted else ast.NotEq):
                return Modality(kind, f"it is for what is called `{asked!s}`")
    return None


def _by_words(names: list[str]) -> Modality | None:
    """By the words in the name of a checkpoint: of what is in the pictures, of the data that it was trained on."""
    for name in names:
        images, sounds = checkpoints.IMAGE_WORDS.search(name), checkpoints.SOUND_WORDS.search(name)
        if images and not sounds and all(checkpoints.IMAGE_WORDS.search(each) for each in names):
            return Modality("image", f"`{name}` is a checkpoint for images by its name")
        if sounds:
            return Modality("audio" if not images else "", f"`{name}` is a checkpoint for sound by its name")
    return None


def _by_use(view: ModuleView, call: CallSite) -> Modality | None:
    found: dict[str, str] = {}
    for alias in view.aliases(call.node):
        parent = view.tree.parents[alias]
        if isinstance(parent, ast.Attribute) and parent.value is alias:
            if parent.attr in _IMAGE_USES:
                found["image"] = f"`.{parent.attr}` of it is read in line {parent.lineno}"
            elif parent.attr in _AUDIO_USES:
                found["audio"] = f"`.{parent.attr}` of it is read in line {parent.lineno}"
        elif isinstance(parent, ast.keyword):
            kind, because = _by_pipeline(view, parent)
            if kind:
                found[kind] = because
        elif isinstance(parent, ast.Call) and parent.func is alias:
            kind, because = _by_call(view, parent)
            if kind:
                found[kind] = because
    if len(found) == 1:
        ((kind, because),) = found.items()
        return Modality(kind, because)
    return None


def _by_pipeline(view: ModuleView, keyword: ast.keyword) -> tuple[str, str]:
    """By the task of the pipeline that gets it: `pipeline("image-classification", feature_extractor=extractor)`."""
    call = view.tree.parents[keyword]
    if keyword.arg not in ("feature_extractor", "image_processor") or not isinstance(call, ast.Call):
        return "", ""
    if External("transformers.pipeline") not in view.values(call.func):
        return "", ""
    for task in library.texts(CallSite(view, call).values_of("task", 0)):
        for kind, words in _TASKS.items():
            if words.search(task):
                return kind, f"a pipeline for `{task}` gets it in line {call.lineno}"
    return "", ""


def _by_call(view: ModuleView, call: ast.Call) -> tuple[str, str]:
    """What a call of a preprocessor is given, or what is read from its result."""
    for keyword in call.keywords:
        if keyword.arg == "images":
            return "image", f"it is called with `images=` in line {call.lineno}"
        if keyword.arg in _AUDIO_ARGUMENTS:
            return "audio", f"it is called with `{keyword.arg}=` in line {call.lineno}"
    for alias in view.aliases(call):
        parent = view.tree.parents[alias]
        key: object = None
        if isinstance(parent, ast.Attribute):
            key = parent.attr
        elif isinstance(parent, ast.Subscript) and isinstance(parent.slice, ast.Constant):
            key = parent.slice.value
        if key in _IMAGE_RESULTS:
            return "image", f"`{key}` is read from what it gives in line {getattr(parent, 'lineno', 0)}"
        if key in _AUDIO_RESULTS:
            return "audio", f"`{key}` is read from what it gives in line {getattr(parent, 'lineno', 0)}"
    return "", ""


def by_models(view: ModuleView) -> Modality | None:
    """What the models of a module take, where all take the same and nothing in it is about the other."""
    found: dict[str, str] = {}
    for name in library.imported_names(view):
        kind = model_kind(name) if lookup.is_model_class(name) and _is_of_one_kind(name) else ""
        if kind:
            found.setdefault(kind, name)
    if len(found) == 1:
        ((kind, name),) = found.items()
        other = _ABOUT_SOUND if kind == "image" else _ABOUT_IMAGES
        return None if other.search(view.text) else Modality(kind, f"`{name}` is used beside it")
    return None

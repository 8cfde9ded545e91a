"""What the name of a checkpoint says: the `model_type` behind "google/vit-base-patch16-224", and what it takes."""

from __future__ import annotations

import functools
import json
import os.path
import re

from v5lint.document import UnreadableError
from v5lint.patterns import pattern
from v5lint.reading import read_bytes
from v5lint.rules.knowledge import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView

#: Names that training scripts give to the folders inside of a run; they say nothing, what is around them may.
_INNER = pattern(r"checkpoint-\d+|best|last|final|latest|model|models|output|outputs|weights", re.IGNORECASE)

#: Who publishes checkpoints as their authors or transformers' own maintainers wrote them. Those that others fine-tuned
#: were often saved with a feature extractor, whose name stands in their files.
_PUBLISHERS = frozenset(
    "adept apple BAAI baidu BridgeTower CIDAS CohereForAI CompVis dandelin deepmind depth-anything facebook google "
    "HuggingFaceM4 hustvl impira Intel kakaobrain kha-white laion LiheYoung llava-hf magic-leap-community Matthijs "
    "MCG-NJU microsoft naver-clova-ix nlpconnect nvidia OFA-Sys openai openmmlab PekingU RUCAIBox sail "
    "Salesforce SenseTime shi-labs snap-research StanfordAIMI stabilityai timm tue-mps Visual-Attention-Network "
    "vinvino02 WinKawaks YituTech zinengtang".split()
)


#: What names of folders that a run wrote have in them.
_RUN = pattern(
    r"output|result|checkpoint-|ckpt|fine.?tune|saved|best|final|trained|_model|model_|-model", re.IGNORECASE
)

#: Words in the name of a checkpoint that tell what it was trained on, where its architecture is not in it.
IMAGE_WORDS = pattern(
    r"(?<![a-z])(?:images?|imagenet|photos?|pictures?|faces?|facial|nsfw|cifar-?100?|food-?101|eurosat|mnist|coco"
    r"|in1k|in2[12]k|ade20k|cityscapes)(?![a-z])|patch(?:14|16|32)",
    re.IGNORECASE,
)
SOUND_WORDS = pattern(
    r"audio|speech|voice|(?<![a-z])(?:asr|speaker|music|genres?|gtzan|superb|librispeech|sound)(?![a-z])", re.IGNORECASE
)


def may_be_fine_tuned(checkpoint: str) -> bool:
    """Whether a name is that of a folder, or of a checkpoint that others than its publisher have saved."""
    publisher, slash, name = checkpoint.partition("/")
    if not slash:
        return bool(_RUN.search(checkpoint))
    return publisher not in _PUBLISHERS or "/" in name


@functools.cache
def model_type_of(checkpoint: str) -> str:
    """The `model_type` that the name of a checkpoint tells; "" when it tells none.

    Args:
        checkpoint: a repository on the Hub or the path of a folder.
    """
    found = lookup.checkpoint_model_type(checkpoint)
    head, _, last = checkpoint.rstrip("/").rpartition("/")
    return found or (model_type_of(head) if head and _INNER.fullmatch(last) else "")


def stored_model_type(view: ModuleView | ScriptView, checkpoint: str) -> str:
    """The `model_type` in the files of a checkpoint that is a folder of the repository; "" where it is none."""
    if os.path.isabs(checkpoint):
        return ""  # what is there is not what will be there where the program runs
    for start in dict.fromkeys((view.project.root, os.path.dirname(view.path))):
        try:
            found = json.loads(read_bytes(os.path.join(start, checkpoint, "config.json")))
        except (UnreadableError, ValueError):
            continue
        named = found.get("model_type") if isinstance(found, dict) else None
        return named if isinstance(named, str) else ""
    return ""


@functools.cache
def preprocessor_kind(checkpoint: str) -> str:
    """What a checkpoint's preprocessor takes: "image", "audio" or "" where its name does not tell."""
    return kind_of_model_type(model_type_of(checkpoint))


@functools.cache
def kind_of_model_type(name: str) -> str:
    """What the preprocessor of a model type takes: "image", "audio" or "" (text, or both)."""
    # The newest tables first: those of 4.57 list the vision extractors among the feature extractors.
    facts = lookup.model_type(name) or lookup.model_type(name, "4.57")
    if facts is None:
        return ""
    images = bool(facts.image_processors or facts.video_processors) or "image" in facts.modalities
    sounds = bool(facts.feature_extractors) or "audio" in facts.modalities
    if images is sounds:
        return ""
    return "image" if images else "audio"


def loads(checkpoint: str, image_processor: str) -> bool:
    """Whether `AutoImageProcessor` loads this class from a checkpoint, or another one, as far as its name tells."""
    facts = lookup.model_type(model_type_of(checkpoint))
    return facts is None or not facts.image_processors or image_processor in facts.image_processors

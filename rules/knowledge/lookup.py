"""Answers what rules ask about transformers, huggingface_hub and peft, from the data file beside this module.

Every answer is about names, never about installed packages: nothing is imported. Releases are written "5.23" or
"5.23.0", or come as the tuples of `v5lint.releases`; where a release may be left out, the newest known one is meant.
A name that no release ever had is unknown, which is not the same as removed.
"""

from __future__ import annotations

import os.path

from v5lint.releases import parse_release
from v5lint.rules.knowledge import history
from v5lint.rules.knowledge.store import FILE_NAME, Store, read_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from v5lint.releases import Release

    AnyRelease: TypeAlias = str | Release | None

_store: Store | None = None
_cache: dict[str, dict[str, str]] = {}


def store() -> Store:
    """Give the opened data file; it is read once a process."""
    global _store
    if _store is None:
        _store = read_store(os.path.join(os.path.dirname(__file__), FILE_NAME))
    return _store


def newest(package: str = "transformers") -> str:
    """Give the newest release that the data file knows, "5.23.0"."""
    record = store().record("packages", package)
    if record is None:
        raise KeyError(f"the knowledge holds no package `{package}`")
    return record[1]


class ClassFacts:
    """What a class of transformers is.

    Attributes:
        name: its short name.
        kind: "model", "tf_model", "flax_model", "auto_model", "config", "tokenizer", "processor", "video_processor",
            "image_processor", "feature_extractor", "pipeline", "trainer", "training_arguments", "callback", "cache",
            "generation_config", "quantization_config", or "auto_config", "auto_tokenizer", "auto_processor",
            "auto_image_processor", "auto_video_processor", "auto_feature_extractor".
        model_type: the `model_type` of its configuration; "" for classes that serve none or several.
        modalities: what a model or a feature extractor takes, of "image", "text", "audio", "video", "time".
        path: the dotted path of its definition, in the newest release that has it.
    """

    __slots__ = ("_bases", "kind", "modalities", "model_type", "name", "path")

    def __init__(self, name: str, fields: list[str]) -> None:
        self.name = name
        self.kind, self.model_type, modalities, self.path, self._bases = fields
        self.modalities = tuple(modalities.split())

    def bases(self, release: AnyRelease = None) -> tuple[str, ...]:
        """Give the short names of its direct bases in a release; empty where the release lacks the class."""
        return tuple(base for base in history.value_at(self._bases, _release(release)).split() if base != "object")

    def exists(self, release: AnyRelease = None) -> bool:
        """Tell whether a release defines the class."""
        return history.value_at(self._bases, _release(release)) != ""

    def __repr__(self) -> str:
        return f"<ClassFacts {self.kind} {self.path}>"


def class_facts(name: str) -> ClassFacts | None:
    """Give what is known of a class.

    Args:
        name: a short name, `ViTModel`, or a dotted path of transformers that ends with it.

    Returns:
        None for classes of no kind that is listed at `ClassFacts`, and for names of other packages.
    """
    short = _short(name)
    fields = store().record("classes", short) if short else None
    return ClassFacts(short, fields) if fields else None


def kind_of(name: str) -> str:
    """Give the kind of a class (see `ClassFacts`), "" when it is none of them."""
    facts = class_facts(name)
    return facts.kind if facts else ""


def is_model_class(name: str) -> bool:
    """Tell whether `from_pretrained` of a class loads a PyTorch model: a model class or an Auto class of models."""
    return kind_of(name) in ("model", "auto_model")


def ancestors(name: str, release: AnyRelease = None) -> tuple[str, ...]:
    """Give the short names of all bases of a class in a release, nearest first.

    The line ends where a base is none of the classes listed at `ClassFacts`; that base is still named.
    """
    found: list[str] = []
    waiting = [_short(name)]
    while waiting:
        facts = class_facts(waiting.pop(0)) if waiting[0] else None
        bases = [base for base in facts.bases(release) if base not in found] if facts else []
        found += bases
        waiting = bases + waiting
    return tuple(found)


def is_subclass(name: str, base: str, release: AnyRelease = None) -> bool:
    """Tell whether a class is, or derives from, another in a release; both as short names or dotted paths."""
    return _short(name) == _short(base) or _short(base) in ancestors(name, release)


def vision_feature_extractors() -> Mapping[str, str]:
    """Give the removed vision feature extractors with the image processor that took the place of each."""
    found = _cache.get("vision")
    if found is None:
        found = {old: new for old, new, *_ in store().records("vision_feature_extractors")}
        _cache["vision"] = found
    return found


def processor_parts(name: str, release: AnyRelease = None) -> tuple[str, ...] | None:
    """Give the attributes of a processor that hold a part: "image_processor", "tokenizer", "feature_extractor", ...

    Args:
        name: a processor class, as short name or dotted path.
        release: the release asked about.

    Returns:
        The names, sorted; None when the class is no processor or the release lacks it.
    """
    record = store().record("processors", _short(name))
    value = history.value_at(record[0], _release(release)) if record else ""
    return tuple(value.split()) if value else None


def processor_arguments(name: str, release: AnyRelease = None) -> tuple[str, ...] | None:
    """Give the parameters of a processor's constructor that take a part, in order, deprecated spellings last.

    Returns:
        None when the class is no processor or the release lacks it.
    """
    record = store().record("processors", _short(name))
    value = history.value_at(record[1], _release(release)) if record else ""
    return tuple(value.split()) if value else None


class ModelType:
    """What belongs to one `model_type`, by the tables of the Auto classes.

    Attributes:
        name: "vit", "siglip_vision_model", ...
        modalities: what its model takes, of "image", "text", "audio", "video", "time".
        config: the configuration class.
        tokenizers, image_processors, feature_extractors, video_processors, processors: the classes, none or several.
        models: Auto class -> the class that it loads: "AutoModelForImageClassification" -> "ViTForImageClassification".
    """

    __slots__ = (
        "config",
        "feature_extractors",
        "image_processors",
        "modalities",
        "models",
        "name",
        "processors",
        "tokenizers",
        "video_processors",
    )

    def __init__(self, name: str, fields: list[str]) -> None:
        self.name = name
        self.modalities = tuple(fields[0].split())
        self.config = fields[1]
        self.tokenizers = _listed(fields[2])
        self.image_processors = _listed(fields[3])
        self.feature_extractors = _listed(fields[4])
        self.video_processors = _listed(fields[5])
        self.processors = _listed(fields[6])
        self.models = dict(pair.split("=") for pair in _listed(fields[7]))

    @property
    def modality(self) -> str:
        """The one word: "vision" (images or video alone), "audio", "text", "time", "multimodal"; "" when unknown."""
        kinds = {"vision" if modality in ("image", "video") else modality for modality in self.modalities}
        return "multimodal" if len(kinds) > 1 else next(iter(kinds), "")

    def __repr__(self) -> str:
        return f"<ModelType {self.name} {'+'.join(self.modalities)}>"


def model_type(name: str, release: AnyRelease = None) -> ModelType | None:
    """Give what belongs to a `model_type`.

    Args:
        name: the value in a checkpoint's config.json, "vit".
        release: any 4.x release stands for 4.57, any other for the newest one.

    Returns:
        None when the release has no such type.
    """
    wanted = _release(release)
    if wanted is not None and wanted < (5,):
        fields = store().record("model_types_v4", name)
        if fields is not None:
            return ModelType(name, fields)
        return None
    fields = store().record("model_types", name)
    return ModelType(name, fields) if fields else None


def model_types(release: AnyRelease = None) -> tuple[str, ...]:
    """Give every `model_type` of 4.57 (for a 4.x release) or of the newest release."""
    wanted = _release(release)
    section = "model_types_v4" if wanted is not None and wanted < (5,) else "model_types"
    return tuple(record[0] for record in store().records(section))


def _release(release: AnyRelease) -> Release | None:
    return parse_release(release) if isinstance(release, str) else release


def _short(name: str) -> str:
    """Give the last part of a path of transformers, "" for a path of another package."""
    first, dot, _rest = name.partition(".")
    return "" if dot and first != "transformers" else name.rpartition(".")[2]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()

"""What belongs to a `model_type`: classes, modality, linear layers; and which checkpoints are of which type."""

from __future__ import annotations

from v5lint.rules.knowledge import history
from v5lint.rules.knowledge.data import as_release, short_name, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from v5lint.rules.knowledge.data import AnyRelease

_spelled: dict[str, str] = {}


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
        self.models = _models(_listed(fields[7]))

    @property
    def modality(self) -> str:
        """The one word: "vision" (images or video alone), "audio", "text", "time", "multimodal"; "" when unknown."""
        kinds = {"vision" if modality in ("image", "video") else modality for modality in self.modalities}
        return "multimodal" if len(kinds) > 1 else next(iter(kinds), "")

    def __repr__(self) -> str:
        return f"<ModelType {self.name} {'+'.join(self.modalities)}>"


def _models(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read "AutoModel=BertModel", "AutoModelForMaskedLM": the second loads `BertForMaskedLM`."""
    found = dict(pair.split("=") for pair in pairs if "=" in pair)
    stem = found.get("AutoModel", "").removesuffix("Model")
    found.update({auto: stem + auto.removeprefix("AutoModel") for auto in pairs if "=" not in auto})
    return found


def model_type(name: str, release: AnyRelease = None) -> ModelType | None:
    """Give what belongs to a `model_type`.

    Args:
        name: the value in a checkpoint's config.json, "vit".
        release: any 4.x release stands for 4.57, any other for the newest one.

    Returns:
        None when the release has no such type.
    """
    fields = store().record(_section(release), name)
    if fields is None:
        return None
    if "=" in fields:  # the same in the newest release
        newer = store().record("model_types", name) or fields
        fields = [other if field == "=" else field for field, other in zip(fields, newer, strict=True)]
    return ModelType(name, fields)


def model_types(release: AnyRelease = None) -> tuple[str, ...]:
    """Give every `model_type` of 4.57 (for a 4.x release) or of the newest release."""
    return tuple(record[0] for record in store().records(_section(release)))


def linear_names(name: str, release: AnyRelease = None) -> tuple[str, ...] | None:
    """Give the paths of the linear layers of a type's `AutoModel` class, with `*` for every number.

    Args:
        name: a `model_type`.
        release: any 4.x release stands for 4.57.6.

    Returns:
        "layers.*.attention.q_proj", ...; None when the release has no such type, or its model could not be built from
        its default configuration.
    """
    fields = store().record("linear", name)
    value = history.value_at(fields[0], as_release(release)) if fields else ""
    return tuple(value.split()) if value else None


def leaf_names(name: str, release: AnyRelease = None) -> frozenset[str] | None:
    """Give the last parts of `linear_names`, which `LoraConfig(target_modules=[...])` matches: "query", "value", ..."""
    paths = linear_names(name, release)
    return None if paths is None else frozenset(path.rpartition(".")[2] for path in paths)


def head_names(model_class: str, release: AnyRelease = None) -> tuple[str, ...] | None:
    """Give the linear layers that a model class has beside its base model: "classifier".

    Args:
        model_class: short name or dotted path of a class that some Auto class loads.
        release: 4.57.6 for a 4.x release, else the newest.

    Returns:
        None when the class has none, or is not known.
    """
    fields = store().record("heads", short_name(model_class))
    value = history.value_at(fields[0], as_release(release)) if fields else ""
    return tuple(value.split()) if value else None


def checkpoint_model_type(checkpoint: str) -> str:
    """Give the `model_type` of a checkpoint by its name, "" when that does not tell.

    What is written down of well-known checkpoints comes first; else the name tells when it holds the type as words.

    Args:
        checkpoint: a repository of the Hub, "nvidia/mit-b0", or the path of a folder.
    """
    for pattern, found in store().records("checkpoints"):
        start, star, end = pattern.partition("*")
        if checkpoint == pattern:
            return found
        if star and checkpoint.startswith(start) and checkpoint.endswith(end):
            return found
    if not _spelled:
        for section in ("model_types_v4", "model_types"):
            _spelled.update((joined(record[0]), record[0]) for record in store().records(section))
    return told_by_name(checkpoint, _spelled)


def told_by_name(checkpoint: str, spelled: Mapping[str, str]) -> str:
    """Give the model type that stands as words in the last part of a name; of several the one with most words.

    Args:
        checkpoint: "google/vit-mae-base".
        spelled: letters and digits of a model type -> the type: "vitmae" -> "vit_mae".
    """
    last = checkpoint.rstrip("/").rpartition("/")[2].lower()
    words = "".join(letter if letter.isalnum() else " " for letter in last).split()
    for length in (4, 3, 2, 1):
        for start in range(len(words) - length + 1):
            found = spelled.get("".join(words[start : start + length]))
            if found:
                return found
    return ""


def joined(name: str) -> str:
    """Give the letters and digits of a name: "vit_mae" -> "vitmae"."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _section(release: AnyRelease) -> str:
    wanted = as_release(release)
    return "model_types_v4" if wanted is not None and wanted < (5,) else "model_types"


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()

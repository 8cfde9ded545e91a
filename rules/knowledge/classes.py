"""What the classes of transformers are: models, processors, ...; their bases, parts and modalities."""

from __future__ import annotations

from v5lint.rules.knowledge import history
from v5lint.rules.knowledge.data import as_release, short_name, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from v5lint.rules.knowledge.data import AnyRelease

_vision: dict[str, str] = {}


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
    """

    __slots__ = ("_bases", "kind", "modalities", "model_type", "name")

    def __init__(self, name: str, fields: list[str]) -> None:
        self.name = name
        self.kind, self.model_type, modalities, self._bases = fields
        self.modalities = tuple(modalities.split())

    def bases(self, release: AnyRelease = None) -> tuple[str, ...]:
        """Give the short names of its direct bases in a release; empty where the release lacks the class.

        A class that a release keeps as another name of a class has that class as its one base: `BertTokenizerFast`
        has `BertTokenizer` in 5.x.
        """
        value = history.value_at(self._bases, as_release(release))
        return tuple(base.removeprefix("=") for base in value.split() if base != "object")

    def alias_of(self, release: AnyRelease = None) -> str:
        """Give the class that this one is another name of in a release; "" when it is a class of its own."""
        value = history.value_at(self._bases, as_release(release))
        return value[1:] if value.startswith("=") else ""

    def alias_since(self, release: AnyRelease = None) -> str:
        """Give the release since which this one is another name of a class; "" when it is a class of its own."""
        return history.value_since(self._bases, as_release(release)) if self.alias_of(release) else ""

    def exists(self, release: AnyRelease = None) -> bool:
        """Tell whether a release has the class."""
        return history.value_at(self._bases, as_release(release)) != ""

    def __repr__(self) -> str:
        return f"<ClassFacts {self.kind} {self.name}>"


def class_facts(name: str) -> ClassFacts | None:
    """Give what is known of a class.

    Args:
        name: a short name, `ViTModel`, or a dotted path of transformers that ends with it.

    Returns:
        None for classes of no kind that is listed at `ClassFacts`, and for names of other packages.
    """
    short = short_name(name)
    fields = store().record("classes", short) if short else None
    return ClassFacts(short, fields) if fields else None


def kind_of(name: str) -> str:
    """Give the kind of a class (see `ClassFacts`), "" when it is none of them."""
    facts = class_facts(name)
    return facts.kind if facts else ""


def kinds() -> Iterator[tuple[str, str]]:
    """Give the short name of every class of a kind that `ClassFacts` lists, and the kind: all for the price of one."""
    return ((name, kind) for name, kind, *_ in store().records("classes"))


def is_model_class(name: str) -> bool:
    """Tell whether `from_pretrained` of a class loads a PyTorch model: a model class or an Auto class of models."""
    return kind_of(name) in ("model", "auto_model")


def ancestors(name: str, release: AnyRelease = None) -> tuple[str, ...]:
    """Give the short names of all bases of a class in a release, nearest first.

    The line ends where a base is none of the classes listed at `ClassFacts`; that base is still named.
    """
    found: list[str] = []
    waiting = [short_name(name)]
    while waiting:
        facts = class_facts(waiting.pop(0))
        bases = [base for base in facts.bases(release) if base not in found] if facts else []
        found += bases
        waiting = bases + waiting
    return tuple(found)


def is_subclass(name: str, base: str, release: AnyRelease = None) -> bool:
    """Tell whether a class is, or derives from, another in a release; both as short names or dotted paths."""
    wanted = _own(short_name(base), release)
    return wanted != "" and wanted in (_own(short_name(name), release), *ancestors(name, release))


def _own(name: str, release: AnyRelease) -> str:
    """Give the class that a name stands for in a release."""
    facts = class_facts(name)
    return (facts.alias_of(release) or name) if facts else name


def vision_feature_extractors() -> Mapping[str, str]:
    """Give the removed vision feature extractors with the image processor that took the place of each."""
    if not _vision:
        _vision.update((record[0], record[1]) for record in store().records("vision_feature_extractors"))
    return _vision


def processor_parts(name: str, release: AnyRelease = None) -> tuple[str, ...] | None:
    """Give the attributes of a processor that hold a part: "image_processor", "tokenizer", "feature_extractor", ...

    Args:
        name: a processor class, as short name or dotted path.
        release: the release asked about.

    Returns:
        The names, sorted; None when the class is no processor or the release lacks it.
    """
    return _parts(name, 0, release)


def processor_arguments(name: str, release: AnyRelease = None) -> tuple[str, ...] | None:
    """Give the parameters of a processor's constructor that take a part, in order, deprecated spellings last.

    Returns:
        None when the class is no processor or the release lacks it.
    """
    return _parts(name, 1, release)


def _parts(name: str, column: int, release: AnyRelease) -> tuple[str, ...] | None:
    fields = store().record("processors", short_name(name))
    value = history.value_at(fields[column], as_release(release)) if fields else ""
    return tuple(value.split()) if value else None


def feature_methods(name: str) -> tuple[str, ...]:
    """Give the `get_..._features` methods of a model class that return an output object since 5.0.

    Until 4.57 they returned the tensor that is its `pooler_output` now.
    """
    fields = store().record("features", short_name(name))
    return tuple(fields) if fields else ()

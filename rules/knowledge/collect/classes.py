"""Collects what each class of transformers is: a model, a processor, ...; its model type, modalities and bases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from v5lint.rules.knowledge.collect.history import Axis, Values
from v5lint.rules.knowledge.collect.literals import strings

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.namespace import Namespace

KINDS = (
    ("TFPreTrainedModel", "tf_model"),
    ("FlaxPreTrainedModel", "flax_model"),
    ("PreTrainedModel", "model"),
    ("_BaseAutoModelClass", "auto_model"),
    ("PretrainedConfig", "config"),
    ("PreTrainedConfig", "config"),
    ("PreTrainedTokenizerBase", "tokenizer"),
    ("PreTrainedTokenizer", "tokenizer"),
    ("ProcessorMixin", "processor"),
    ("BaseVideoProcessor", "video_processor"),
    ("ImageProcessingMixin", "image_processor"),
    ("FeatureExtractionMixin", "feature_extractor"),
    ("PreTrainedFeatureExtractor", "feature_extractor"),
    ("ImageFeatureExtractionMixin", "feature_extractor"),
    ("Pipeline", "pipeline"),
    ("Trainer", "trainer"),
    ("TrainingArguments", "training_arguments"),
    ("TrainerCallback", "callback"),
    ("Cache", "cache"),
    ("GenerationConfig", "generation_config"),
    ("QuantizationConfigMixin", "quantization_config"),
)
"""The base class that makes a class one of a kind; the first that is found counts."""

AUTO_KINDS = {
    "AutoConfig": "auto_config",
    "AutoTokenizer": "auto_tokenizer",
    "AutoProcessor": "auto_processor",
    "AutoImageProcessor": "auto_image_processor",
    "AutoVideoProcessor": "auto_video_processor",
    "AutoFeatureExtractor": "auto_feature_extractor",
}

_IMAGE_BASES = {"ImageProcessingMixin", "ImageFeatureExtractionMixin", "BaseImageProcessor"}
_MAIN_INPUTS = {
    "pixel_values": "image",
    "pixel_values_videos": "video",
    "input_values": "audio",
    "input_features": "audio",
}


class ClassFacts(NamedTuple):
    """What one release says of one class.

    Attributes:
        kind: see `KINDS` and `AUTO_KINDS`.
        model_type: the `model_type` of its configuration, or "".
        modalities: for a model or feature extractor, what it takes: "image", "text", "audio", "video", "time".
        path: where it is defined.
        bases: the short names of its direct bases.
    """

    kind: str
    model_type: str
    modalities: tuple[str, ...]
    path: str
    bases: tuple[str, ...]


class Classes:
    """Gathers the classes of every release, oldest first; the newest definition of a class describes it."""

    def __init__(self, axis: Axis, bases_since: int) -> None:
        """Start with the line of releases.

        Args:
            axis: the releases that will be added.
            bases_since: the index of the release since which bases are kept.
        """
        self.axis = axis
        self.bases_since = bases_since
        self.latest: dict[str, ClassFacts] = {}
        self.gone: dict[str, int] = {}
        self.bases: Values[str] = Values()
        self.length = 0

    def add(self, namespace: Namespace) -> dict[str, ClassFacts]:
        """Read the classes of the next release, and give them.

        A class that lives on as another name of a class, `BertTokenizerFast` of `BertTokenizer`, is there; its one
        base is written "=BertTokenizer".
        """
        found = read_classes(namespace)
        for name in {*self.latest, *namespace.names("transformers")} - found.keys():
            target = (namespace.resolve("transformers", name) or "").rpartition(".")[2]
            if target in found and target != name:
                found[name] = found[target]._replace(bases=("=" + target,))
        self.latest.update(found)
        if self.length >= self.bases_since:
            self.bases.add({name: _spelled(facts) for name, facts in found.items()})
        else:
            self.gone.update(dict.fromkeys(self.latest.keys() - found.keys() - self.gone.keys(), self.length))
        self.length += 1
        return found

    def lines(self) -> list[str]:
        """Give one line a class: name, kind, model type, modalities, history of its bases.

        The history of a class that was gone before bases are kept is its last bases, and the release that lacks it.
        """
        late = Axis(self.axis.releases[self.bases_since :], self.axis.releases[self.bases_since])
        lines = []
        for name, facts in sorted(self.latest.items(), key=_order):
            if name in self.bases:
                history = self.bases.text(name, late)
            else:
                history = f"={_spelled(facts)}|{self.axis.end(self.gone.get(name, self.bases_since))}="
            lines.append("\t".join([name, facts.kind, facts.model_type, " ".join(facts.modalities), history]))
        return lines


def _order(item: tuple[str, ClassFacts]) -> tuple[str, str, str]:
    """Put classes of one model together, which makes the file smaller."""
    name, facts = item
    return ("~" if facts.kind in ("tf_model", "flax_model") else facts.model_type, facts.kind, name)


def _spelled(facts: ClassFacts) -> str:
    """Spell the bases of a class; those of TensorFlow and Flax classes do not matter to anybody."""
    return "object" if facts.kind in ("tf_model", "flax_model") else " ".join(facts.bases) or "object"


def read_classes(namespace: Namespace) -> dict[str, ClassFacts]:
    """Read every class of one release that is of a kind that rules ask about.

    Classes are known by their short names. Of several with one name, the one that is exported counts, then the one in
    the module that sorts first.
    """
    model_types = _ModelTypes(namespace)
    exported = {namespace.resolve("transformers", name) for name in namespace.names("transformers")}
    found: dict[str, ClassFacts] = {}
    for module, facts in sorted(namespace.modules.items()):
        leaf = module.rpartition(".")[2]
        if leaf.startswith(("modular_", "convert_", "dummy_")):
            continue
        for name in facts.get("classes", ()):
            path = f"{module}.{name}"
            if name in found and path not in exported:
                continue
            ancestors = namespace.ancestors(path)
            kind = kind_of(name, [path, *ancestors])
            if kind:
                bases = tuple(base.rpartition(".")[2] for base in namespace.bases(path))
                found[name] = ClassFacts(
                    kind,
                    model_types.of(path, kind, ancestors),
                    _modalities(namespace, path, kind, ancestors),
                    path,
                    bases,
                )
    return found


def kind_of(name: str, line: list[str]) -> str:
    """Tell what kind of class this is from its path and its ancestors' paths; "" for none that rules ask about."""
    if name in AUTO_KINDS:
        return AUTO_KINDS[name]
    shorts = {path.rpartition(".")[2] for path in line}
    for base, kind in KINDS:
        if base in shorts:
            if kind == "auto_model" and name.startswith(("TF", "Flax")):
                return "tf_model" if name.startswith("TF") else "flax_model"
            if kind == "image_processor" and name.endswith("FeatureExtractor"):
                return "feature_extractor"
            return kind
    return ""


def constant(namespace: Namespace, line: list[str], attribute: str) -> Any:
    """Give a class attribute that is a constant, from the class or the nearest ancestor that sets it."""
    for path in line:
        facts = namespace.class_facts(path)
        if facts is not None and attribute in facts.get("constants", {}):
            return facts["constants"][attribute]
    return None


def config_name(namespace: Namespace, path: str) -> str:
    """Give the configuration class that a model class names in its body, as written there; "" when it names none."""
    names = (namespace.class_facts(path) or {}).get("names", {})
    return str(names.get("config_class") or names.get("config") or "")


def _modalities(namespace: Namespace, path: str, kind: str, ancestors: list[str]) -> tuple[str, ...]:
    line = [path, *ancestors]
    if kind == "feature_extractor":
        shorts = {base.rpartition(".")[2] for base in line}
        if shorts & _IMAGE_BASES:
            return ("image",)
        return ("audio",) if "SequenceFeatureExtractor" in shorts else ()
    if kind != "model":
        return ()
    own = [base for base in line if not base.endswith(".PreTrainedModel")]
    if path not in own:  # PreTrainedModel itself: what it says is the default of 5.x
        default = constant(namespace, line, "input_modalities")
        return (default,) if isinstance(default, str) else ()
    declared = constant(namespace, own, "input_modalities")
    if declared:
        return (declared,) if isinstance(declared, str) else tuple(strings(declared))
    main = constant(namespace, own, "main_input_name")
    return (_MAIN_INPUTS.get(main, "text"),) if isinstance(main, str) else ("text",)


class _ModelTypes:
    """Finds the `model_type` that belongs to a class of a release."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.by_folder: dict[str, set[str]] = {}
        self.by_class: dict[str, set[str]] = {}
        for module, facts in namespace.modules.items():
            if ".models." in module and ".models.auto" not in module:
                for name, own in facts.get("classes", {}).items():
                    value = own.get("constants", {}).get("model_type")
                    if isinstance(value, str) and value:
                        self.by_folder.setdefault(module.rpartition(".")[0], set()).add(value)
                        self.by_class.setdefault(name, set()).add(value)

    def of(self, path: str, kind: str, ancestors: list[str]) -> str:
        """Give the model type of a class, or "" where it has none or several."""
        namespace, line = self.namespace, [path, *ancestors]
        if kind == "config":
            value = constant(namespace, line[:1], "model_type")
            return value if isinstance(value, str) else ""
        if kind in ("model", "tf_model", "flax_model"):
            for base in line:
                written = config_name(namespace, base)
                config = namespace.locate(base.rpartition(".")[0], written) if written else None
                value = constant(namespace, [config], "model_type") if config else None
                if isinstance(value, str) and value:
                    return value
        found = self.by_folder.get(path.rsplit(".", 2)[0], set())
        if len(found) == 1:
            return next(iter(found))
        # A folder with a text, a vision and a joint configuration belongs to the one that carries the folder's name.
        folder = path.split(".")[-3] if path.count(".") >= 3 else ""
        return next((value for value in sorted(found) if value.replace("-", "_") == folder), "")

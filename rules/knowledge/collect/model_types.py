"""Collects what belongs to each `model_type`: configuration, processors, tokenizers, classes of the Auto models."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from v5lint.rules.knowledge.collect.namespace import Namespace, listed

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.classes import ClassFacts

PARTS = {
    "CONFIG_MAPPING_NAMES": "config",
    "TOKENIZER_MAPPING_NAMES": "tokenizer",
    "IMAGE_PROCESSOR_MAPPING_NAMES": "image_processor",
    "FEATURE_EXTRACTOR_MAPPING_NAMES": "feature_extractor",
    "VIDEO_PROCESSOR_MAPPING_NAMES": "video_processor",
    "PROCESSOR_MAPPING_NAMES": "processor",
}


_PART_MODALITIES = {"tokenizer": "text", "image_processor": "image", "video_processor": "video"}


class ModelType(NamedTuple):
    """What one release says of one model type.

    Attributes:
        parts: part of `PARTS` -> class names.
        models: Auto class -> class name.
        modalities: what its model takes.
    """

    parts: dict[str, list[str]]
    models: dict[str, str]
    modalities: tuple[str, ...]

    def fields(self) -> list[str]:
        """Spell it as the columns of the data file.

        An Auto class stands alone where its class is called like it, with the name of the model for "Auto":
        `AutoModelForMaskedLM` loads `BertForMaskedLM` beside `AutoModel`, which loads `BertModel`.
        """
        parts = [",".join(self.parts.get(part, ())) for part in PARTS.values()]
        stem = self.models.get("AutoModel", "").removesuffix("Model")
        models = [
            auto if auto != "AutoModel" and name == stem + auto.removeprefix("AutoModel") else f"{auto}={name}"
            for auto, name in sorted(self.models.items())
        ]
        return [" ".join(self.modalities), *parts, ",".join(models)]


def type_lines(types: dict[str, ModelType], newer: dict[str, ModelType] | None = None) -> list[str]:
    """Give one line a model type: its name, then its fields; a field that is the same in `newer` is written "="."""
    lines = []
    for name, own in types.items():
        other = newer[name].fields() if newer and name in newer else []
        fields = own.fields()
        lines.append(
            "\t".join([name, *("=" if other and field == other[i] else field for i, field in enumerate(fields))])
        )
    return lines


def read_model_types(namespace: Namespace, classes: dict[str, ClassFacts]) -> dict[str, ModelType]:
    """Read the Auto tables of one release.

    Args:
        namespace: the release.
        classes: what `read_classes` gave for it.
    """
    parts: dict[str, dict[str, list[str]]] = {}
    models: dict[str, dict[str, str]] = {}
    autos = _auto_classes(namespace)
    for module, facts in sorted(namespace.modules.items()):
        if not module.startswith("transformers.models.auto."):
            continue
        for name, table in facts.get("tables", {}).items():
            part = PARTS.get(name.removeprefix("MISSING_"))
            for model_type, value in table.items():
                names = [item for item in listed(value) if item.isidentifier()]
                if part and names:
                    known = parts.setdefault(model_type, {}).setdefault(part, [])
                    known.extend(item for item in names if item not in known)
                elif name in autos and names:
                    models.setdefault(model_type, {})[autos[name]] = names[0]
    found = {}
    for model_type in sorted(parts):
        if "config" in parts[model_type]:
            own = models.get(model_type, {})
            found[model_type] = ModelType(
                parts[model_type], own, _modalities(model_type, parts[model_type], own, classes)
            )
    return found


def _auto_classes(namespace: Namespace) -> dict[str, str]:
    """Give the Auto class that each table of model classes belongs to, TensorFlow's and Flax's left out."""
    found: dict[str, str] = {}
    facts = namespace.modules.get("transformers.models.auto.modeling_auto", {})
    for name, own in facts.get("classes", {}).items():
        mapping = own.get("names", {}).get("_model_mapping")
        if mapping:
            public = name.lstrip("_")
            found.setdefault(mapping.removesuffix("_MAPPING") + "_MAPPING_NAMES", public)
    return found


def _modalities(
    model_type: str, parts: dict[str, list[str]], models: dict[str, str], classes: dict[str, ClassFacts]
) -> tuple[str, ...]:
    """Give what the model of a type takes: the base model's word, else that of any class with this model type.

    Before 5.0 no model said so: there its main input counts, and the processors that belong to the type.
    """
    base = models.get("AutoModel") or models.get("AutoModelForPreTraining")
    if base in classes and classes[base].modalities:
        found = set(classes[base].modalities)
    else:
        found = {
            modality
            for facts in classes.values()
            if facts.kind == "model" and facts.model_type == model_type
            for modality in facts.modalities
        }
    if "PreTrainedModel" in classes and not classes["PreTrainedModel"].modalities:
        found |= {modality for part, modality in _PART_MODALITIES.items() if part in parts}
        for name in parts.get("feature_extractor", ()):
            found |= set(classes[name].modalities) if name in classes else set()
    return tuple(sorted(found))

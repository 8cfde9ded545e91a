"""Collects the methods and attributes of classes, and the parameters of their methods, inherited ones included."""

from __future__ import annotations

import builtins
import collections
import enum
import functools
from typing import Any

from v5lint.rules.knowledge.collect.classes import ClassFacts, kind_of
from v5lint.rules.knowledge.collect.namespace import Namespace
from v5lint.rules.knowledge.collect.torch_module import MEMBERS as TORCH_MODULE_MEMBERS

BASE_CLASSES = {
    "transformers": """
        AddedToken BaseImageProcessor BaseImageProcessorFast BatchEncoding BatchFeature BitsAndBytesConfig Cache
        CallbackHandler DataCollatorForLanguageModeling DataCollatorForSeq2Seq DataCollatorForTokenClassification
        DataCollatorWithPadding DynamicCache EncoderDecoderCache EvalPrediction FeatureExtractionMixin GPTQConfig
        GenerationConfig GenerationMixin HfArgumentParser ImageFeatureExtractionMixin ImageProcessingMixin ModelOutput
        ModuleUtilsMixin PilBackend Pipeline PreTrainedConfig PreTrainedModel PreTrainedTokenizer
        PreTrainedTokenizerBase PreTrainedTokenizerFast PretrainedConfig ProcessorMixin PushToHubMixin PythonBackend
        QuantizedCache Seq2SeqTrainer Seq2SeqTrainingArguments SequenceFeatureExtractor SizeDict SpecialTokensMixin
        StaticCache TokenizersBackend TorchvisionBackend Trainer TrainerCallback TrainerControl TrainerState
        TrainingArguments AutoConfig AutoFeatureExtractor AutoImageProcessor AutoProcessor AutoTokenizer
        _BaseAutoModelClass SentencePieceBackend AutoBackbone EarlyStoppingCallback BaseVideoProcessor
    """.split(),
    "huggingface_hub": """
        HfApi HfFileSystem HfFolder InferenceClient ModelCard ModelCardData ModelHubMixin PyTorchModelHubMixin
        Repository CommitScheduler KerasModelHubMixin ModelInfo DatasetInfo RepoCard
    """.split(),
    "peft": """
        AutoPeftModel AutoPeftModelForCausalLM LoraConfig LoraModel PeftConfig PeftModel PeftModelForCausalLM
        PeftModelForFeatureExtraction PeftModelForSeq2SeqLM PeftModelForSequenceClassification
        PeftModelForTokenClassification PromptTuningConfig PrefixTuningConfig PromptEncoderConfig IA3Config AdaLoraConfig
        LoftQConfig LoraRuntimeConfig
    """.split(),
}
"""The classes whose whole set of members is kept for every release; of all others, the members that went."""

KINDS_WITH_INIT = ("tokenizer", "image_processor", "feature_extractor", "processor", "trainer", "video_processor")
METHODS_OF_ALL = ("forward", "preprocess", "pad", "post_process", "get_image_features", "get_text_features", "generate")

Members = dict[str, str | None]


def members(namespace: Namespace, path: str) -> Members:
    """Give the members of a class and of its bases.

    Args:
        namespace: a release.
        path: the definition of a class in it.

    Returns:
        Name -> the parameters of a method joined by spaces (see `source.parameters`), or None for an attribute.
    """
    found: Members = {}
    for base in [path, *namespace.ancestors(path)]:
        facts = namespace.class_facts(base)
        if facts is None:
            found.update({name: None for name in outside_members(base) if name not in found})
            continue
        properties = set(facts.get("properties", ()))
        for name, parameters in facts.get("methods", {}).items():
            found.setdefault(name, None if name in properties else " ".join(parameters))
        for name in facts.get("attributes", ()):
            found.setdefault(name, None)
        if facts.get("dataclass") and "__init__" not in found:
            found["__init__"] = " ".join(dataclass_parameters(namespace, base))
    return {name: value for name, value in found.items() if not name.startswith("__") or name in ("__init__", "__call__")}


def dataclass_parameters(namespace: Namespace, path: str) -> list[str]:
    """Give the parameters of the constructor that a dataclass gets, those of its bases first."""
    fields: dict[str, None] = {}
    for base in reversed([path, *namespace.ancestors(path)]):
        facts = namespace.class_facts(base) or {}
        if facts.get("dataclass"):
            fields.update(dict.fromkeys(name for name in facts.get("fields", ()) if not name.startswith("_")))
    return ["self", *fields]


@functools.cache
def outside_members(path: str) -> frozenset[str]:
    """Give the members of a base from another package, as far as it is the standard library's or `torch.nn.Module`."""
    module, _, name = path.rpartition(".")
    if name == "Module" and module.startswith("torch"):
        return TORCH_MODULE_MEMBERS
    for holder in (builtins, collections, enum):
        value: Any = getattr(holder, name, None)
        if isinstance(value, type) and module in ("", "builtins", "typing", "collections", "enum", "collections.abc"):
            return frozenset(dir(value))
    return frozenset()


def read_members(namespace: Namespace, classes: dict[str, ClassFacts]) -> dict[str, Members]:
    """Read the members of every class of one release that rules ask about, by short name.

    Args:
        namespace: the release.
        classes: the classes of a known kind; those of `BASE_CLASSES` are read, too.
    """
    paths = {name: facts.path for name, facts in classes.items() if facts.kind not in ("tf_model", "flax_model")}
    wanted = set(BASE_CLASSES[namespace.wheel.package])
    for module, facts in sorted(namespace.modules.items()):
        for name in wanted.intersection(facts.get("classes", ())):
            if "dummy_" not in module and kind_of(name, [name]) in ("", kind_of(name, [f"{module}.{name}"])):
                paths.setdefault(name, f"{module}.{name}")
    return {name: members(namespace, path) for name, path in paths.items()}

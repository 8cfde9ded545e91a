"""Collects the methods and attributes of classes, and the parameters of their methods, inherited ones included."""

from __future__ import annotations

import builtins
import collections
import enum
import functools
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from v5lint.rules.knowledge.collect.history import Axis, Presence, Values
from v5lint.rules.knowledge.collect.torch_module import MEMBERS as TORCH_MODULE_MEMBERS

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.classes import ClassFacts
    from v5lint.rules.knowledge.collect.namespace import Namespace

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
    "huggingface_hub": "HfApi HfFolder ModelCard ModelHubMixin PyTorchModelHubMixin Repository".split(),
    "peft": """
        AutoPeftModel AutoPeftModelForCausalLM LoftQConfig LoraConfig LoraModel PeftConfig PeftModel
        PeftModelForCausalLM PeftModelForFeatureExtraction PeftModelForSeq2SeqLM PeftModelForSequenceClassification
        PeftModelForTokenClassification
    """.split(),
}
"""The classes whose whole set of members is kept for every release; of all others, the members that went."""

WITH_PRIVATE = ("Trainer", "Seq2SeqTrainer")
"""The base classes whose private methods are overridden often enough to keep their parameters."""

ONLY_CHANGED = ("HfApi", "Repository", "ModelCard", "LoraModel")
"""The base classes of whose methods only those with changed parameters are kept."""

SIGNATURES_OF_KINDS = {
    "tokenizer": ("__init__",),
    "processor": ("__init__", "__call__"),
    "image_processor": ("preprocess", "pad"),
    "model": ("forward",),
}
"""The methods of other classes whose parameters are kept, where they changed."""

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
        own = facts.get("attributes", ())
        for name in [*own, *facts.get("fields", ())] if facts.get("dataclass") else own:
            found.setdefault(name, None)
        found.update(dict.fromkeys(_set_by_name(namespace, base, facts).difference(found)))
        if "__getattr__" in facts.get("methods", {}):
            found.update({name: None for name in _served(facts) if name not in found})
        if facts.get("dataclass") and "__init__" not in found:
            found["__init__"] = " ".join(dataclass_parameters(namespace, base))
    return {
        name: value for name, value in found.items() if not name.startswith("__") or name in ("__init__", "__call__")
    }


def _set_by_name(namespace: Namespace, path: str, facts: dict[str, Any]) -> set[str]:
    """Give the attributes that constructors set under a name that the class holds elsewhere.

    Image processors of 5.x have one for each of their `valid_kwargs`; models one called like their `base_model_prefix`.
    """
    found = set()
    prefix = facts.get("constants", {}).get("base_model_prefix")
    if isinstance(prefix, str) and prefix:
        found.add(prefix)
    kwargs = facts.get("names", {}).get("valid_kwargs")
    located = namespace.locate(path.rpartition(".")[0], kwargs) if kwargs else None
    if located:
        for base in [located, *namespace.ancestors(located)]:
            found.update((namespace.class_facts(base) or {}).get("fields", ()))
    return found


def _served(facts: dict[str, Any]) -> list[str]:
    """Give the attributes that `__getattr__` of a tokenizer serves: its special tokens and the number of each."""
    tokens = facts.get("constants", {}).get("SPECIAL_TOKENS_ATTRIBUTES", ())
    extra = ["extra_special_tokens", "extra_special_tokens_ids"] if tokens else []
    return [*tokens, *(f"{token}_id" for token in tokens), *extra]


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


def member_paths(namespace: Namespace, classes: dict[str, ClassFacts]) -> dict[str, str]:
    """Give the classes of one release whose members are read: short name -> definition.

    Args:
        namespace: the release.
        classes: the classes of a known kind; those of `BASE_CLASSES` are added.
    """
    package = namespace.wheel.package
    paths = {name: facts.path for name, facts in classes.items() if facts.kind not in ("tf_model", "flax_model")}
    wanted = set(BASE_CLASSES[package])
    for module, facts in sorted(namespace.modules.items()):
        if not module.rpartition(".")[2].startswith(("dummy_", "modular_")):
            for name in wanted.intersection(facts.get("classes", ())):
                paths.setdefault(name, f"{module}.{name}")
    for name in wanted:  # PreTrainedTokenizerFast is another name of TokenizersBackend in 5.x
        path = namespace.resolve(package, name)
        if path is not None and namespace.class_facts(path) is not None:
            paths[name] = path
    return paths


class ClassMembers:
    """Gathers members and parameters, oldest release first."""

    def __init__(self, package: str, others_since: int) -> None:
        """Start.

        Args:
            package: the package.
            others_since: the index of the release since which the parameters of classes beside the base classes count.
        """
        self.bases = frozenset(BASE_CLASSES[package])
        self.others_since = others_since
        self.members: dict[str, Presence[str]] = {}
        self.signatures: Values[str] = Values()
        self.other_signatures: Values[str] = Values()
        self.models: set[str] = set()
        self.exported: frozenset[str] = frozenset()
        self.lines_of: dict[str, list[str]] = {}
        self.length = 0

    def add(self, namespace: Namespace, classes: dict[str, ClassFacts]) -> None:
        """Read the next release.

        Args:
            namespace: the release.
            classes: what `classes.read_classes` gave for it; empty for packages whose classes have no kind.
        """
        paths = member_paths(namespace, classes)
        spellings: dict[str, list[str]] = {}
        for name in self.bases & paths.keys():
            spellings.setdefault(paths[name], []).append(name)
        signatures: dict[str, str] = {}
        others: dict[str, str] = {}
        for name, path in paths.items():
            own = members(namespace, path)
            presence = self.members.setdefault(name, Presence())
            presence.length = self.length
            presence.add(own)
            if name in self.bases:
                defined = _defined(namespace.class_facts(path) or {})
                signatures.update(
                    {
                        f"{name}.{method}": text
                        for method, text in own.items()
                        if text is not None
                        and method in defined
                        and (not method.startswith("_") or method == "__init__" or name in WITH_PRIVATE)
                    }
                )
            elif name in classes:
                methods = SIGNATURES_OF_KINDS.get(classes[name].kind, ())
                others.update(
                    {f"{name}.{method}": _positional(text) for method in methods if (text := own.get(method))}
                )
            line = [base for base in namespace.ancestors(path) if base in spellings or name in classes]
            spelled = [each for base in line for each in spellings.get(base, [base.rpartition(".")[2]])]
            self.lines_of[name] = list(dict.fromkeys(spelled))
            if name in classes and classes[name].kind == "model":
                self.models.add(name)
        self.exported = namespace.names(namespace.wheel.package)
        for function, parameters in _public_functions(namespace):
            signatures[function] = " ".join(parameters)
        self.signatures.add(signatures)
        if self.length >= self.others_since:
            self.other_signatures.add(others)
        self.length += 1

    def base_lines(self) -> list[str]:
        """Give one line a base class: its name, then the base classes that it derives from, nearest first."""
        lines = []
        for name in sorted(self.bases & self.members.keys()):
            line = self._line(name)
            if line:
                lines.append(f"{name}\t{' '.join(line)}")
        return lines

    def _line(self, name: str) -> list[str]:
        """Give the base classes among the bases of a class."""
        return [base for base in self.lines_of.get(name, ()) if base in self.bases]

    def member_lines(self, axis: Axis) -> list[str]:
        """Give one line a base class: its name, then "spans=member,member" for each group.

        What a base class of it has in the same releases is left out.
        """
        lines = []
        for name in sorted(self.bases & self.members.keys()):
            presence = self.members[name]
            inherited = [self.members[base] for base in self._line(name)]
            own = [
                member
                for member in sorted(presence)
                if not any(
                    member in base and base.text(member, axis) == presence.text(member, axis) for base in inherited
                )
            ]
            lines.append("\t".join([name, *_groups(presence, own, axis)]))
        return lines

    def lost_lines(self, axis: Axis) -> list[str]:
        """Give one line each other class that lost members: as `member_lines`, with the lost ones alone.

        A member that a base class of the class lost, too, is written down there alone; one that a base class lost and
        this class kept stands here under the label "kept". Private members of model classes are left out.
        """
        lines = []
        lost = {name: set(self._lost(name)) for name in self.members}
        for name in sorted(self.members.keys() - self.bases):
            presence = self.members[name]
            if presence.length == self.length:
                line = self.lines_of.get(name, ())
                inherited = set().union(*(lost.get(base, ()) for base in line))
                public = {member for member in lost[name] if name not in self.models or not member.startswith("_")}
                fields = _groups(presence, sorted(public - inherited), axis)
                held = {member for base in line if base in self.bases for member in self._current(base)}
                kept = sorted(
                    member for member in (inherited & self._current(name)) - held if not member.startswith("_")
                )
                if kept:
                    fields.append(f"kept={','.join(kept)}")
                if fields:
                    lines.append("\t".join([name, *fields]))
        return lines

    def _lost(self, name: str) -> list[str]:
        presence = self.members[name]
        return [member for member in presence if presence.length == self.length and not presence.is_current(member)]

    def _current(self, name: str) -> set[str]:
        presence = self.members.get(name)
        if presence is None or presence.length != self.length:
            return set()
        return {member for member in presence if presence.is_current(member)}

    def late(self, axis: Axis) -> Axis:
        """Give the part of the line of releases over which the parameters of other classes are kept."""
        return Axis(axis.releases[self.others_since :], axis.releases[self.others_since])

    def signature_lines(self, axis: Axis) -> list[str]:
        """Give one line a function: "Class.method" or its name, then the changes of its parameters.

        A method stands at the class that defines it. Of classes that are no base classes those methods stand here whose
        positional parameters changed.
        """
        late = self.late(axis)
        lines = {
            key: self.signatures.text(key, axis)
            for key in self.signatures
            if key.partition(".")[0] not in ONLY_CHANGED or len(self.signatures.changes(key)) > 1
        }
        for key in self.other_signatures:
            changes = self.other_signatures.changes(key)
            known = key.partition(".")[0] in self.exported
            if known and changes[0][0] == 0 and _shifts([text for _index, text in changes if text]):
                lines[key] = self.other_signatures.text(key, late)
        return [f"{key}\t{text}" for key, text in sorted(lines.items(), key=lambda item: item[0].split(".")[::-1])]


def _defined(facts: dict[str, Any]) -> set[str]:
    """Give the methods that a class defines itself, the constructor that a dataclass gets included."""
    return {*facts.get("methods", ()), *(["__init__"] if facts.get("dataclass") else [])}


def _shifts(signatures: list[str]) -> bool:
    """Tell whether a later signature has another parameter at a place that an earlier one had, or lacks it."""
    lists = [text.partition(" *")[0].split() for text in signatures]
    return any(before != after[: len(before)] for before, after in pairwise(lists))


def _positional(text: str) -> str:
    """Leave out of parameters what is looked up in `**kwargs`."""
    return " ".join(word for word in text.split() if not word.startswith("~"))


def _groups(presence: Presence[str], names: list[str], axis: Axis) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(presence.text(name, axis), []).append(name)
    return [f"{spans}={','.join(group)}" for spans, group in sorted(groups.items())]


def _public_functions(namespace: Namespace) -> list[tuple[str, list[str]]]:
    """Give the functions that can be imported from the top level, with their parameters."""
    package = namespace.wheel.package
    found = []
    for name in sorted(namespace.names(package)):
        module, _, original = (namespace.resolve(package, name) or "").rpartition(".")
        parameters = namespace.modules.get(module, {}).get("functions", {}).get(original)
        if parameters is not None:
            found.append((name, parameters))
    return found

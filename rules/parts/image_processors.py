"""Which expressions are image processors of transformers, and of which class: what V5401, V5402 and V5403 share."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library, modality, origins, processor_parts
from v5lint.view.calls import CallSite
from v5lint.view.strings import last_name
from v5lint.view.values import External, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.view.module import ModuleView

#: A file without any of these has no image processor that could be known as one.
TOKENS = ("ImageProcessor", "FeatureExtractor", "image_processor", "feature_extractor")

AUTO = "AutoImageProcessor"
EXTRACTOR = "AutoFeatureExtractor"

#: The kinds of class whose objects are used as image processors are.
_OTHERS = frozenset(
    "feature_extractor tokenizer auto_tokenizer processor auto_processor video_processor auto_video_processor".split()
)
_PARTS = ("image_processor", "feature_extractor")

#: What the names of the classes end with.
_MADE = ("ImageProcessor", "FeatureExtractor")


class ImageProcessor:
    """What is known of an image processor.

    Attributes:
        shown: its class as the module knows it, for a message.
        names: the classes that it may be of, by their names in version 5 without `Fast` and `Pil`; none where an Auto
            class made it and the checkpoint's name does not tell.
        is_fast: whether it is of a class that worked on tensors under version 4 already.
    """

    __slots__ = ("is_fast", "names", "shown")

    def __init__(self, shown: str, names: frozenset[str], *, is_fast: bool = False) -> None:
        self.shown = shown
        self.names = names
        self.is_fast = is_fast


def image_processor(view: ModuleView, node: ast.expr) -> ImageProcessor | None:
    """The image processor that an expression stands for; None where it is not known to be one."""
    shown: list[str] = []
    names: set[str] = set()
    is_known = True
    is_fast = False
    for of in view.classes_of(node):
        for name in library.library_classes(view, of):
            known = _class(name)
            if not known:
                if lookup.kind_of(name) in _OTHERS:
                    return None  # one or the other: what is done with it may be for the other
                continue
            if known == AUTO:
                loaded = _loaded(view, node, name)
                if loaded is None:
                    continue
                names |= loaded
                is_known = is_known and bool(loaded)
            else:
                names.add(known)
                is_fast = is_fast or name.endswith("Fast")
            shown.append(of.name)
    if shown:
        return ImageProcessor(shown[0], frozenset(names) if is_known else frozenset(), is_fast=is_fast)
    return _part(view, node)


def _class(name: str) -> str:
    """The name of an image processor class in version 5; AUTO for the Auto classes, "" for any other class."""
    if name in (AUTO, EXTRACTOR):
        return AUTO
    name = lookup.vision_feature_extractors().get(name, name)
    if lookup.kind_of(name) != "image_processor":
        return ""
    return name.removesuffix("Fast").removesuffix("Pil")


def _loaded(view: ModuleView, node: ast.expr, auto: str) -> frozenset[str] | None:
    """The classes that an Auto class loads, none where the checkpoints do not tell; None where it is for audio."""
    found: set[str] = set()
    for origin in origins.origins(view, node).found:
        call = origin.call
        if call.name != "from_pretrained":
            continue
        if auto != AUTO and modality.modality(call.view, call).kind != "image":
            return None
        kinds = _classes_loaded(call)
        if not kinds:
            return frozenset()
        found.update(kinds)
    return frozenset(found) if found or auto == AUTO else None


def _classes_loaded(call: CallSite) -> frozenset[str]:
    """The classes of the checkpoints that a call of an Auto class loads; none where they do not tell."""
    kinds = {_class_for(name) for name in library.texts(call.values_of(*library.CHECKPOINT))}
    return frozenset() if "" in kinds else frozenset(kinds)


def _class_for(checkpoint: str) -> str:
    facts = lookup.model_type(checkpoints.model_type_of(checkpoint))
    classes = {_class(name) for name in facts.image_processors} if facts is not None else set()
    return classes.pop() if len(classes) == 1 else ""


def _part(view: ModuleView, node: ast.expr) -> ImageProcessor | None:
    """`processor.image_processor`, where the processor is known to have one."""
    if not isinstance(node, ast.Attribute) or node.attr not in _PARTS:
        return None
    kind, name = processor_parts.processor_behind(view, node.value)
    if kind != "image":
        return None
    facts = lookup.class_facts(name)
    known = lookup.model_type(facts.model_type) if facts is not None and facts.model_type else None
    classes = {_class(each) for each in known.image_processors} if known is not None else set()
    return ImageProcessor(f"{name}.image_processor", frozenset(classes) if len(classes) == 1 else frozenset())


def is_own(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute of an image processor is what a class of this repository defines for it."""
    return view.links.is_own_attribute(node)


def constructions(view: ModuleView, argument: str) -> Iterator[tuple[CallSite, ImageProcessor, str]]:
    """The calls that make an image processor and are given an argument: the call, what it makes, "made" or "loaded"."""
    for call, _ in view.keywords({argument}):
        how = "loaded" if call.name in ("from_pretrained", "from_dict") else "made"
        if any(isinstance(each, Instance) for each in call.callees):
            continue  # a use of one
        for of in origins.made_classes(call):
            if not isinstance(of, External) or of.package != "transformers":
                continue
            known = _class(of.name)
            if known and not (known == AUTO and of.name not in (AUTO, EXTRACTOR)):
                names = _classes_loaded(call) if known == AUTO and how == "loaded" else frozenset({known} - {AUTO})
                yield call, ImageProcessor(of.name, names), how
                break


def made_by_position(view: ModuleView) -> Iterator[tuple[CallSite, str]]:
    """The calls of a class that make an image processor and give it something by position, each with the class."""
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        if not node.args or not last_name(node.func).endswith(_MADE):
            continue
        call = CallSite(view, node)
        for of in call.callees:
            known = _class(of.name) if isinstance(of, External) and of.package == "transformers" else ""
            if known and known != AUTO and isinstance(of, External) and not of.name.endswith("Fast"):
                yield call, of.name
                break


def uses(view: ModuleView, arguments: Container[str]) -> Iterator[tuple[CallSite, ImageProcessor]]:
    """The calls of an image processor, `processor(...)` or `processor.preprocess(...)`, with certain arguments."""
    seen: set[ast.Call] = set()
    for call, _ in view.keywords(arguments):
        if call.node in seen:
            continue
        seen.add(call.node)
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr == "preprocess":
            func = func.value
        elif isinstance(func, ast.Attribute):
            if func.attr not in _PARTS and not _is_of_self(func):
                continue
        elif not isinstance(func, (ast.Name, ast.Call)):
            continue
        found = image_processor(view, func)
        if found is not None and not any(isinstance(each, (External, LocalClass)) for each in view.values(func)):
            yield call, found


def _is_of_self(func: ast.Attribute) -> bool:
    return isinstance(func.value, ast.Name) and func.value.id in ("self", "cls")

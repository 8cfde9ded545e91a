"""V5416: processors of one's own, whose parts are found by the names of the constructor's parameters."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.view.strings import is_super_call
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_BASE = "ProcessorMixin"

#: What the name of a part holds (read on the wheels of 5.0 to 5.24, where they are the same).
_KINDS = ("image_processor", "video_processor", "feature_extractor", "audio_processor", "tokenizer")

#: A part that is none for the constructor, and the arguments that it takes beside the parts.
_NO_PART = "audio_tokenizer"
_BESIDE = frozenset({"chat_template", _NO_PART})

_SINCE = "since transformers 5.0"


class OwnProcessor(Rule):
    """A processor of one's own whose parts are not those that its constructor's parameters speak of.

    ## What it does

    Finds classes that inherit from `ProcessorMixin`, say their `attributes`, and call `super().__init__` with other
    parts than the names of the parameters of `__init__` tell: a parameter more with "tokenizer", "image_processor" or
    their like in its name, be it a flag (`use_fast_tokenizer`), a part under another name, parts in another order, an
    `optional_attributes` that is handed to the base. And an image processor as `feature_extractor`.

    ## Why it breaks

    Until 4.57 `attributes` said what the parts of a processor are. It is no longer read: since 5.0 every parameter of
    `__init__` with the name of such a part in its own is one. Measured on 5.0 and 5.24, in that order:

        ValueError: This processor requires 2 arguments: tokenizer, use_fast_tokenizer. Got 1 arguments instead.
        TypeError: Received a WhisperFeatureExtractor for argument tokenizer, but a ('PreTrainedTokenizerBase', ...
        TypeError: Unexpected keyword argument codebook.
        TypeError: Received a CLIPImageProcessorPil for argument feature_extractor, but a FeatureExtractionMixin was ...

    A part that no parameter is named after is silently left out: AttributeError when it is asked for.

    ## Example

        class Reader(ProcessorMixin):
            attributes = ["image_processor", "tokenizer"]
            image_processor_class = "AutoImageProcessor"
            tokenizer_class = "AutoTokenizer"

            def __init__(self, tokenizer, image_processor):
                super().__init__(image_processor, tokenizer)

    becomes

        class Reader(ProcessorMixin):
            attributes = ["image_processor", "tokenizer"]
            image_processor_class = "AutoImageProcessor"
            tokenizer_class = "AutoTokenizer"

            def __init__(self, tokenizer, image_processor):
                super().__init__(image_processor=image_processor, tokenizer=tokenizer)

    ## Fix safety

    Safe, where the same parts come in another order: both releases take them by name. All else is left to a person: a
    parameter is renamed where it is given, too, and a new name of a part is the name of a file.

    ## References

    - https://github.com/vllm-project/vllm/pull/35107
    """

    code = "V5416"
    name = "own-processor-parts"
    since = "5.0"
    tokens = (_BASE,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            if not node.bases or module.guards.is_dead(node) or not _is_processor(module, node):
                continue
            yield from _image_processors(module, node)
            made = _construction(node)
            if made is not None:
                yield from made.findings(module)


def _is_processor(view: ModuleView, node: ast.ClassDef) -> bool:
    """Whether the next constructor of the library behind that of a class is the one of `ProcessorMixin`."""
    bases = view.evaluator.bases(LocalClass(view, node))
    roots = [each for base in bases if isinstance(base, (External, LocalClass)) for each in view.roots(base)]
    ours = [each for each in roots if each.package == "transformers" and each.name == _BASE]
    if not ours or len(ours) != len([each for each in roots if each.name != "object"]):
        return False
    return not any(isinstance(base, LocalClass) and _method(base.node) is not None for base in bases)


def _image_processors(view: ModuleView, node: ast.ClassDef) -> Iterator[Finding]:
    """`feature_extractor_class = "AutoImageProcessor"` of a part that is said to be a feature extractor."""
    parts = _strings(node, "attributes") or ()
    for each in node.body:
        name = _target(each)
        if name is None or not name.endswith("feature_extractor_class") or name.removesuffix("_class") not in parts:
            continue
        assert isinstance(each, ast.Assign)
        classes = [one.value for one in ast.walk(each.value) if isinstance(one, ast.Constant)]
        if classes and all(isinstance(one, str) and _is_of_images(one) for one in classes):
            message = (
                f"`{_BASE}` takes no image processor as `{name.removesuffix('_class')}` {_SINCE}: call the part and "
                "the parameter `image_processor`"
            )
            yield view.finding(each, message)


def _is_of_images(name: str) -> bool:
    return name.removesuffix("Fast").endswith("ImageProcessor") or name in lookup.vision_feature_extractors()


@dataclass(frozen=True)
class _Construction:
    """How a processor hands its parts to the base."""

    #: The parts as 4.57 counts them, and as v5 does.
    said: tuple[str, ...]
    named: tuple[str, ...]
    optional: frozenset[str]
    call: ast.Call

    def findings(self, view: ModuleView) -> Iterator[Finding]:
        """What v5 does not take, of what 4.57 took."""
        keywords = [each.arg for each in self.call.keywords if each.arg is not None]
        parts = [each for each in keywords if each not in self.optional]
        count = len(self.call.args)
        if not set(parts) <= set(self.said[count:]) or count + len(parts) != len(self.said):
            return
        problem = self._problem(count, [each for each in keywords if each not in _BESIDE])
        if problem:
            message = f"{problem}: {_SINCE} the names of the parameters say what the parts are, not `attributes`"
            same = sorted(self.said) == sorted(self.named) and set(keywords) <= {*self.said, *_BESIDE}
            yield view.finding(self.call, message, fix=self._by_name(view) if same else None)

    def _problem(self, count: int, keywords: list[str]) -> str:
        for each in keywords:
            if each not in self.named:
                return f"`{_BASE}` takes no argument `{each}`"
        for said, named in zip(self.said[:count], self.named, strict=False):
            if said != named:
                return f"`{_BASE}` takes `{said}` for `{named}`"
        missing = [each for each in self.named if each not in {*self.said[:count], *keywords}]
        if missing:
            return f"`{_BASE}` waits for a part `{missing[0]}`"
        if count > len(self.named):
            return f"`{_BASE}` leaves out `{self.said[len(self.named)]}`"
        return ""

    def _by_name(self, view: ModuleView) -> Fix:
        starts = [view.span(each)[0] for each in self.call.args]
        edits = [Edit(start, start, f"{name}=") for start, name in zip(starts, self.said, strict=False)]
        return Fix("Hand over the parts by name", edits)


def _construction(node: ast.ClassDef) -> _Construction | None:
    """How a class that has a constructor of its own hands its parts to the base, where both are written down."""
    said, init = _strings(node, "attributes"), _method(node)
    if said is None or init is None:
        return None
    calls = [each for each in ast.walk(init) if isinstance(each, ast.Call) and is_super_call(each, "__init__")]
    if len(calls) != 1 or any(isinstance(each, ast.Starred) for each in calls[0].args):
        return None
    if any(each.arg is None for each in calls[0].keywords):
        return None
    args = init.args
    names = [each.arg for each in (*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg) if each]
    named = tuple(each for each in names if _is_part(each))
    if not named:
        targets = [target for target in map(_target, node.body) if target and target.endswith("_class")]
        named = tuple(each.removesuffix("_class") for each in targets if _is_part(each.removesuffix("_class")))
    optional = frozenset(_strings(node, "optional_attributes") or ()) | _BESIDE
    return _Construction(said, named, optional, calls[0])


def _is_part(name: str) -> bool:
    return name != _NO_PART and any(each in name for each in _KINDS)


def _method(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)


def _target(statement: ast.stmt) -> str | None:
    """The name that a statement of a class gives a value."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None


def _strings(node: ast.ClassDef, name: str) -> tuple[str, ...] | None:
    """A list of texts that a class has under a name, None where it has none or not all of them are written down."""
    value = next((each.value for each in node.body if isinstance(each, ast.Assign) and _target(each) == name), None)
    if not isinstance(value, (ast.List, ast.Tuple)):
        return None
    found = tuple(each.value for each in value.elts if isinstance(each, ast.Constant) and isinstance(each.value, str))
    return found if len(found) == len(value.elts) else None

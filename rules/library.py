"""What rules ask about transformers' own objects in a module: loaders, models, processors, and who is prepared for v5."""

from __future__ import annotations

import ast
import functools

from v5lint.rules import checkpoints
from v5lint.rules.knowledge import lookup
from v5lint.view.values import Constant, External, Partial, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView, Reference
    from v5lint.view.values import ClassValue, Values

#: The parameter that names the checkpoint, and its place.
CHECKPOINT = ("pretrained_model_name_or_path", 0)


def release_text(release: tuple[int, ...]) -> str:
    """A release as users write it: "5.23"."""
    return ".".join(str(part) for part in (*release, 0)[: max(2, len(release))])


def resolves(view: ModuleView, path: str) -> bool:
    """Whether a dotted path of transformers can be imported under the target release."""
    if not hasattr(lookup, "resolves"):
        return path.rpartition(".")[2] not in lookup.vision_feature_extractors()
    return bool(lookup.resolves(path, release_text(view.settings.target)))


def try_succeeds(view: ModuleView, statement: ast.Try) -> bool:
    """Whether the body of a `try` imports from transformers, and only what the target release has."""
    paths = []
    for node in ast.walk(ast.Module(statement.body, [])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "transformers":
            paths += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            paths += [alias.name for alias in node.names if alias.name.startswith("transformers.")]
    return bool(paths) and all(resolves(view, path) for path in paths)


class Standing:
    """How a reference to a removed name stands.

    Attributes:
        kind: "live" (it fails), "prepared" (it does not run, or something else takes its place: no finding) or
            "swallowed" (its failure passes without a word).
        clause: for a message, how the failure is hidden: "the `except ImportError` around it ...".
    """

    __slots__ = ("clause", "kind")

    def __init__(self, kind: str, clause: str = "") -> None:
        self.kind = kind
        self.clause = clause


def standing(view: ModuleView, reference: Reference) -> Standing:
    """How a reference to a name that the target release does not have stands."""
    node = reference.node
    if view.guards.is_dead(node) or view.guards.in_fallback(node, lambda each: try_succeeds(view, each)):
        return Standing("prepared")
    if reference.name in shimmed_names(view):
        return Standing("prepared")
    handled = view.guards.handled(node)
    if handled is None:
        return Standing("live")
    if handled.kind == "fallback" and (reference.how == "import" or _uses_library(view, handled.handler)):
        return Standing("prepared")
    if isinstance(handled.handler, ast.ExceptHandler):
        caught = ast.unparse(handled.handler.type) if handled.handler.type is not None else ""
        return Standing("swallowed", f"the `except{' ' if caught else ''}{caught}` in line {handled.handler.lineno}")
    return Standing("swallowed", "the `suppress` around it")


def _uses_library(view: ModuleView, handler: ast.AST) -> bool:
    for node in ast.walk(handler):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "transformers":
            return True
        if isinstance(node, (ast.Name, ast.Attribute)):
            for value in view.values(node):
                if isinstance(value, External) and value.package == "transformers" and "." in value.path:
                    return True
    return False


def shimmed_names(view: ModuleView) -> frozenset[str]:
    """The names that a module puts into transformers itself, so that they go on working."""
    found: set[str] = set()
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if isinstance(node.ctx, ast.Store) and _is_library(view, node.value):
            found.add(node.attr)
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        table = node.value
        if isinstance(node.ctx, ast.Store) and isinstance(table, ast.Attribute) and _is_library(view, table.value):
            found.update(str(value.value) for value in view.values(node.slice) if isinstance(value, Constant))
    for call in view.calls({"setattr"}):
        if len(call.node.args) == 3 and _is_library(view, call.node.args[0]):
            found.update(str(each) for each in view.constants(call.node.args[1]))
    return frozenset(found)


def _is_library(view: ModuleView, node: ast.expr) -> bool:
    return any(isinstance(value, External) and value.package == "transformers" for value in view.values(node))


def library_classes(view: ModuleView, of: ClassValue) -> list[str]:
    """The names of the transformers classes that a class is, or inherits from through classes of this repository."""
    return [root.name for root in view.roots(of) if root.package == "transformers"]


def loaders(call: CallSite) -> list[str]:
    """The transformers classes on which a call of `from_pretrained` is made."""
    return [name for owner in call.owners({"from_pretrained"}) for name in library_classes(call.view, owner)]


def callee_name(call: CallSite) -> str:
    """The name of what is called, for a message."""
    func = call.node.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else "the call"


def is_free(view: ModuleView, name: str, node: ast.AST) -> bool:
    """Whether a name of transformers can be used at a node: it is imported there, or nothing else has it."""
    owner = view.evaluator.owner(name, view.tree.scope_of(node))
    if owner is None:
        return True
    return External(f"transformers.{name}") in view.evaluator.name_values(name, view.tree.scope_of(node), node)


def texts(values: Values) -> list[str]:
    """The strings among some values; of one that is known in part, its parts with "…" between them."""
    found = [value.value for value in values if isinstance(value, Constant) and isinstance(value.value, str)]
    found += ["…".join(value.parts) for value in values if isinstance(value, Partial)]
    return sorted(found)


def origin(values: Values) -> str:
    """Where the values come from that could not be followed, in words for a message; "" when all are known."""
    origins = {value.origin for value in values if isinstance(value, Unknown)}
    words = {"caller": "the caller", "command line": "the command line", "environment": "the environment"}
    for name, text in words.items():
        if name in origins:
            return text
    return "an expression that v5lint cannot follow" if origins else ""


# Which preprocessor a checkpoint needs


@functools.cache
def class_kind(name: str) -> str:
    """What the preprocessor of a model takes: "image", "audio" or "", by the model class or the Auto class."""
    facts = lookup.class_facts(name)
    if facts is None:
        return ""
    if facts.kind == "auto_model":
        kinds = {
            checkpoints.kind_of_model_type(each) for each in lookup.model_types("4.57") if name in _models_of(each)
        }
        kinds.discard("")
        return kinds.pop() if len(kinds) == 1 and name != "AutoModel" else ""
    if facts.kind in ("model", "tf_model", "flax_model", "config"):
        return checkpoints.kind_of_model_type(facts.model_type)
    if facts.kind in ("image_processor", "video_processor", "auto_image_processor"):
        return "image"
    return ""


def _models_of(model_type: str) -> dict[str, str]:
    facts = lookup.model_type(model_type, "4.57")
    return facts.models if facts is not None else {}


class Modality:
    """What a preprocessor takes, and how that is known.

    Attributes:
        kind: "image", "audio", "mixed" or "" (unknown).
        because: the evidence, in words for a message.
    """

    __slots__ = ("because", "kind")

    def __init__(self, kind: str, because: str = "") -> None:
        self.kind = kind
        self.because = because


def modality(view: ModuleView, call: CallSite) -> Modality:
    """What the preprocessor takes that `AutoFeatureExtractor.from_pretrained(...)` and its like load.

    Asked in turn: the checkpoint's name, the models that are loaded from the same checkpoint, what is done with the
    preprocessor, and the models of the module.
    """
    values = call.values_of(*CHECKPOINT)
    names = texts(values)
    kinds = {name: checkpoints.preprocessor_kind(name) for name in names}
    told = {kind for kind in kinds.values() if kind}
    if len(told) > 1:
        return Modality("mixed", f"it is called with {_quoted(names)}")
    if told:
        kind = told.pop()
        return Modality(kind, f"`{next(name for name in names if kinds[name] == kind)}` is a checkpoint for {kind}s")
    return _by_neighbours(view, call) or _by_use(view, call) or _by_models(view) or Modality("")


def _quoted(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _by_neighbours(view: ModuleView, call: CallSite) -> Modality | None:
    given = call.argument(*CHECKPOINT)
    if given is None:
        return None
    same = ast.dump(given)
    values = call.values_of(*CHECKPOINT)
    known = bool(texts(values))
    found: dict[str, str] = {}
    for other in view.calls({"from_pretrained"}):
        if other.node is call.node:
            continue
        argument = other.argument(*CHECKPOINT)
        if argument is None:
            continue
        alike = ast.dump(argument) == same and not isinstance(given, ast.Constant)
        if alike or (known and other.values_of(*CHECKPOINT) == values):
            for name in loaders(other):
                kind = class_kind(name)
                if kind:
                    found[kind] = name
    if len(found) == 1:
        ((kind, name),) = found.items()
        return Modality(kind, f"`{name}` is loaded from the same checkpoint")
    return None


_IMAGE_USES = frozenset(
    "image_mean image_std do_resize do_center_crop do_rescale crop_size resample do_normalize_image "
    "post_process_object_detection post_process_semantic_segmentation post_process_segmentation post_process".split()
)
_AUDIO_USES = frozenset("sampling_rate n_fft hop_length num_mel_bins feature_size".split())


def _by_use(view: ModuleView, call: CallSite) -> Modality | None:
    found: dict[str, str] = {}
    for alias in view.aliases(call.node):
        parent = view.tree.parents[alias]
        if isinstance(parent, ast.Attribute) and parent.value is alias:
            if parent.attr in _IMAGE_USES:
                found["image"] = f"`.{parent.attr}` of it is read in line {parent.lineno}"
            elif parent.attr in _AUDIO_USES:
                found["audio"] = f"`.{parent.attr}` of it is read in line {parent.lineno}"
        elif isinstance(parent, ast.Call) and parent.func is alias:
            for keyword in parent.keywords:
                if keyword.arg == "images":
                    found["image"] = f"it is called with `images=` in line {parent.lineno}"
                elif keyword.arg in ("sampling_rate", "raw_speech", "audio"):
                    found["audio"] = f"it is called with `{keyword.arg}=` in line {parent.lineno}"
    if len(found) == 1:
        ((kind, because),) = found.items()
        return Modality(kind, because)
    return None


def _by_models(view: ModuleView) -> Modality | None:
    found: dict[str, str] = {}
    for name in imported_names(view):
        kind = class_kind(name) if lookup.is_model_class(name) else ""
        if kind:
            found.setdefault(kind, name)
    if len(found) == 1:
        ((kind, name),) = found.items()
        return Modality(kind, f"`{name}` is used beside it")
    return None


def imported_names(view: ModuleView) -> Iterator[str]:
    """The names that a module fetches from transformers, by import or attribute."""
    for statement in view.tree.nodes.get(ast.ImportFrom, ()):
        assert isinstance(statement, ast.ImportFrom)
        if (statement.module or "").partition(".")[0] == "transformers" and not statement.level:
            yield from (alias.name for alias in statement.names)
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr[:1].isupper() and External("transformers") in view.values(node.value):
            yield node.attr

"""Paths of submodules inside of models: which one an expression reads, and what became of it."""

from __future__ import annotations

import ast
import functools

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, linear_layers, models

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

_BEFORE = "4.57"

#: How many names and loops back a path is followed.
_DEPTH = 12

#: Functions that give the modules of a list one by one; `enumerate` and `zip` give tuples of them.
_IN_ORDER = frozenset({"reversed", "list", "tuple", "iter", "tqdm"})

#: The last names of submodules that went, as far as their layers are elsewhere now.
NAMES = frozenset({"attention", "intermediate", "output", "self", "vision_model"})


class Place:
    """A submodule of a model.

    Attributes:
        models: the models that it may be a part of.
        path: where, as ("encoder", "layer", "*", "attention").
    """

    __slots__ = ("models", "path")

    def __init__(self, models: list[Model], path: tuple[str, ...]) -> None:
        self.models = models
        self.path = path


class Lost:
    """A submodule that the target release does not have.

    Attributes:
        model: the model.
        path: where it was in the base model of its family: "encoder.layer.*.attention.attention".
        since: the release in which it went.
        news: the layers in it under 4.x -> what they are now, both as paths of the base model.
    """

    __slots__ = ("model", "news", "path", "since")

    def __init__(self, model: Model, path: str, since: str, news: dict[str, str]) -> None:
        self.model = model
        self.path = path
        self.since = since
        self.news = news


def lost_by_name(view: ModuleView, model: Model, path: tuple[str, ...]) -> tuple[str, str] | None:
    """What a path in text means in the base model of a family, and the release since which it means nothing there.

    Args:
        view: the module.
        model: the model whose module, parameter or weight it names.
        path: its parts, with `*` for every number.

    Returns:
        None where it is still there, was not there under 4.x, or is none of what stands around linear layers.
    """
    inside = in_base_model(model, path)
    before, now = prefixes(model.model_type, _BEFORE), library.release_text(view.settings.target)
    parts = inside.split(".") if inside else []
    known = [end for end in range(1, len(parts) + 1) if ".".join(parts[:end]) in before]
    if not known:
        return None
    around = ".".join(parts[: known[-1]])
    if not prefixes(model.model_type, now) or around in prefixes(model.model_type, now):
        return None
    since = linear_layers.first(
        view.settings.target, lambda text: around not in prefixes(model.model_type, text), model.model_type
    )
    return inside, since


def lost(view: ModuleView, node: ast.Attribute) -> Lost | None:
    """What is known of a submodule that is read, which the target release does not have where all before it is there.

    Returns:
        None where the model is not known, the submodule is still there, or its layers did not go on under other names.
    """
    at = place(view, node) if node.attr in NAMES else None
    if at is None:
        return None
    found = []
    for model in at.models:
        path = in_base_model(model, at.path)
        became = _became(model.model_type, path, view.settings.target) if path else None
        if became is None:
            return None
        found.append(Lost(model, path, *became))
    return found[0] if found else None


def place(view: ModuleView, node: ast.expr) -> Place | None:
    """The submodule of models that an expression stands for; None where it is the model itself, or nothing known."""
    found = _place(view, node, 0)
    return found if found is not None and found.path else None


def is_part(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression stands for a submodule inside of a model of transformers."""
    return place(view, node) is not None


def _place(view: ModuleView, node: ast.expr, depth: int) -> Place | None:
    """The submodule that an expression stands for; the model itself where the path is empty."""
    if depth > _DEPTH:
        return None
    if isinstance(node, ast.Attribute):
        around = _place(view, node.value, depth + 1)
        if around is not None:
            return Place(around.models, (*around.path, node.attr))
    elif isinstance(node, ast.Subscript):
        around = _place(view, node.value, depth + 1)
        if around is None or not around.path or isinstance(node.slice, ast.Slice):
            return around if around is not None and around.path else None
        return Place(around.models, (*around.path, "*"))
    elif isinstance(node, ast.Name):
        found = _named(view, node, depth)
        if found is not None:
            return found
    made = models.models(view, node)
    if not made.found or not made.is_complete:
        return None
    if any(each.is_own or each.is_adapted or not each.model_type for each in made.found):
        return None
    return Place(made.found, ())


def _named(view: ModuleView, node: ast.Name, depth: int) -> Place | None:
    """The submodule that a variable stands for: by its one assignment, or by the loop that binds it."""
    bindings = view.links.bindings_read(node)
    if len(bindings) != 1 or bindings[0].value is None:
        return None
    (binding,) = bindings
    assert binding.value is not None
    if binding.kind == "assign" and isinstance(binding.value, (ast.Attribute, ast.Subscript, ast.Name)):
        return _place(view, binding.value, depth + 1)
    if binding.kind == "for":
        items = iterated(binding.value, binding.index)
        around = _place(view, items, depth + 1) if items is not None else None
        if around is not None and around.path:
            return Place(around.models, (*around.path, "*"))
    return None


def iterated(node: ast.expr, index: int) -> ast.expr | None:
    """The list whose items a loop gives, at an index of its tuples where it gives tuples."""
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "enumerate" and index == 1 and node.args:
            return iterated(node.args[0], -1)
        if name == "zip" and 0 <= index < len(node.args):
            return iterated(node.args[index], -1)
        return iterated(node.args[0], -1) if name in _IN_ORDER and node.args and index < 0 else None
    return node if index < 0 and isinstance(node, (ast.Attribute, ast.Subscript, ast.Name)) else None


def in_base_model(model: Model, path: tuple[str, ...]) -> str:
    """A path as it is in the base model of the family; "" where the model has none."""
    facts = lookup.model_type(model.model_type)
    base = facts.models.get("AutoModel", "") if facts is not None else ""
    if not base:
        return ""
    names = {"base_model", "model", model.model_type, model.model_type.replace("_", "")}
    names.add(model.model_type.replace("-", "_"))
    names.add(model.model_type.partition("_")[0])
    # A backbone, and a model for images and text under 4.x, have the parts of the base model themselves.
    inner = model.name != base and path[0] in names
    return ".".join(path[1:] if inner else path)


@functools.cache
def prefixes(model_type: str, release: str) -> frozenset[str]:
    """The paths of everything around the linear layers of a family, and of these."""
    parts = [path.split(".") for path in linear_layers.layer_paths(model_type, release)]
    return frozenset(".".join(each[:end]) for each in parts for end in range(1, len(each) + 1))


def _became(model_type: str, path: str, release: Release) -> tuple[str, dict[str, str]] | None:
    now = library.release_text(release)
    around = path.rpartition(".")[0]
    after = prefixes(model_type, now)
    if path not in prefixes(model_type, _BEFORE) or path in after or around not in after:
        return None
    news: dict[str, str] = {}
    paths = linear_layers.layer_paths(model_type, now)
    for old in sorted(linear_layers.layer_paths(model_type, _BEFORE)):
        if old == path or old.startswith(f"{path}."):
            flat = around + old.removeprefix(path)
            leaf = linear_layers.new_leaf(old)
            found = [each for each in paths if each == flat or (leaf and _is_under(each, around, leaf))]
            if len(found) != 1:
                return None  # they did not go on one by one
            news[old] = found[0]
    minors = range(release[1] + 1 if len(release) > 1 else 1)
    texts = [f"{release[0]}.{minor}" for minor in minors]
    known = [text for text in texts if prefixes(model_type, text)]
    return next((text for text in known if path not in prefixes(model_type, text)), now), news


def home(name: str, attribute: str, release: Release) -> str:
    """Where the layers behind an attribute of a base model are now, under their old names: "model.layer", or "".

    Args:
        name: the class of the model.
        attribute: "layer".
        release: the target.
    """
    facts = lookup.class_facts(name)
    model_type = facts.model_type if facts is not None else ""
    known = lookup.model_type(model_type) if model_type else None
    if known is None or known.models.get("AutoModel") != name:
        return ""
    paths = linear_layers.layer_paths(model_type, library.release_text(release))
    old = [each for each in linear_layers.layer_paths(model_type, _BEFORE) if each.startswith(f"{attribute}.")]
    found = {new.removesuffix(each) + attribute for each in old for new in paths if new.endswith(f".{each}")}
    return found.pop() if len(found) == 1 else ""


def _is_under(path: str, around: str, leaf: str) -> bool:
    return path.startswith(f"{around}.") and path.endswith(f".{leaf}")

"""Layers of models that gave a tuple under 4.x and give their tensor now: which of them an expression stands for.

`knowledge/layer_outputs.toml` holds for each the release since which it does, and the lists that hold such layers
("BertEncoder.layer"), read in the wheels (see `knowledge/collect/layer_outputs.py`).
"""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import generating, library, module_paths
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from v5lint.rules.parts.module_paths import Place
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue

#: What the name of the class with the list is, behind that of the family; and a family that calls it otherwise.
_HOLDERS = ("Model", "Encoder", "Decoder", "Transformer")
_ODD_HOLDERS = {"distilbert": ("Transformer",)}

_LIST = "ModuleList"

_layers: dict[str, str] = {}
_lists: dict[str, str] = {}


class Layer:
    """A layer that gives its tensor now.

    Attributes:
        name: its class, "BertLayer".
        since: the release since which it gives no tuple.
    """

    __slots__ = ("name", "since")

    def __init__(self, name: str, since: str) -> None:
        self.name = name
        self.since = since


def layer(view: ModuleView, node: ast.expr) -> Layer | None:
    """The layer of transformers that an expression stands for, if it gives no tuple in the target release."""
    found = names(view, node)
    if not found or not all(name in _layers for name in found):
        return None
    name, since = max(((each, _layers[each]) for each in found), key=lambda pair: parse_release(pair[1]))
    return Layer(name, since) if view.settings.target >= parse_release(since) else None


def since(name: str) -> str:
    """The release since which a class of layers gives no tuple; "" where it is not known to."""
    _load()
    return _layers.get(name, "")


def names(view: ModuleView, node: ast.expr) -> set[str]:
    """The classes of layers that an expression may be an object of; empty where it is not known to be a layer."""
    _load()
    found = of_classes(view, view.classes_of(node), _layers)
    if found:
        return found
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        found = _held(view, node.value)
    elif isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        if len(bindings) == 1 and bindings[0].kind == "for" and bindings[0].value is not None:
            items = module_paths.iterated(bindings[0].value, bindings[0].index)
            found = _held(view, items) if items is not None else set()
        elif len(bindings) == 1 and bindings[0].kind == "assign" and isinstance(bindings[0].value, ast.Subscript):
            found = names(view, bindings[0].value)
    if found:
        return found
    place = module_paths.place(view, node)
    return _at(place) if place is not None else set()


def of_classes(view: ModuleView, classes: Iterable[ClassValue], known: Container[str]) -> set[str]:
    """The names of classes of which all are some of transformers, with the `forward` of these; else none."""
    found: set[str] = set()
    for each in classes:
        if isinstance(each, LocalClass) and generating.is_written_here(each, "forward"):
            return set()
        of_library = [root.name for root in view.roots(each) if root.package == "transformers" and root.name in known]
        if not of_library:
            return set()
        found.update(of_library)
    return found


def _held(view: ModuleView, items: ast.expr) -> set[str]:
    """The layers in a list that is an attribute of `self`: what the class puts there, else what it inherits."""
    if isinstance(items, ast.Subscript) and isinstance(items.slice, ast.Slice):
        items = items.value
    if not isinstance(items, ast.Attribute) or not isinstance(items.value, ast.Name) or items.value.id != "self":
        return set()
    owner = view.links.class_around(items)
    if owner is None:
        return set()
    given = view.links.self_assignments(owner).get(items.attr, [])
    if not given:
        names = library.library_classes(view, LocalClass(view, owner))
        inherited = {_lists[place] for place in (f"{name}.{items.attr}" for name in names) if place in _lists}
        return set() if any(_has_another(view, name) for name in inherited) else inherited
    found: set[str] = set()
    for each in given:
        made = listed(each)
        names_made = of_classes(view, view.classes_of(made), _layers) if made is not None else set()
        if not names_made:
            return set()
        found |= names_made
    return found


def _has_another(view: ModuleView, name: str) -> bool:
    """Whether a module defines `OwnBertLayer` beside what inherits its layers: it is put in the place of theirs."""
    return any(
        isinstance(each, ast.ClassDef) and each.name.endswith(name) for each in view.tree.nodes.get(ast.ClassDef, ())
    )


def listed(node: ast.expr) -> ast.expr | None:
    """What a list of modules is made of: `BertLayer(config)` of `nn.ModuleList([BertLayer(config) for _ in ...])`."""
    if not isinstance(node, ast.Call) or len(node.args) != 1:
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    inner = node.args[0]
    return inner.elt if name == _LIST and isinstance(inner, (ast.ListComp, ast.GeneratorExp)) else None


def _at(place: Place) -> set[str]:
    """The layers at a path inside of models: `("bert", "encoder", "layer", "*")`."""
    if len(place.path) < 2 or place.path[-1] != "*":
        return set()
    found: set[str] = set()
    for model in place.models:
        facts = lookup.model_type(model.model_type)
        base = facts.models.get("AutoModel", "") if facts is not None else ""
        prefix = base.removesuffix("Model")
        holders = _ODD_HOLDERS.get(model.model_type, tuple(prefix + each for each in _HOLDERS) if prefix else ())
        names = [_lists.get(f"{each}.{place.path[-2]}", "") for each in holders]
        sides = [each for each in ("Encoder", "Decoder") if each.lower() in place.path]
        known = [each for each in names if each and (len(sides) != 1 or sides[0] in each or not _is_sided(each))]
        if not known:
            return set()
        found.update(known)
    return found


def _is_sided(name: str) -> bool:
    return "Encoder" in name or "Decoder" in name


def _load() -> None:
    if _layers:
        return
    for name, facts in table("layer_outputs").items():
        _layers[name] = facts["since"]
        _lists.update(dict.fromkeys(facts["lists"], name))

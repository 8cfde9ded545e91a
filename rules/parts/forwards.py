"""The `forward` of models and of their parts: which class an expression is an object of, and what that takes.

`knowledge/forwards.toml` holds the classes whose `forward` refuses an argument of 4.57 or has it in another place, and
which class stands behind an attribute of another (see `knowledge/collect/forwards.py`).
"""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import library, model_layers, models, module_paths, patched_methods
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release
    from v5lint.view.module import ModuleView

#: How far a part is followed from attribute to attribute.
_DEPTH = 12

#: Names that a cache has had.
CACHES = frozenset({"cache", "cache_params", "layer_past", "past_key_value", "past_key_values"})

_forwards: dict[str, Forward] = {}
_places: dict[str, dict[str, str]] = {}


class Forward:
    """What a `forward` takes.

    Attributes:
        before: the parameters that went by position in 4.57.
        lost: what it does not read any more, with the release since which.
        now: the parameters that go by position in the newest release.
        named: those that go by name alone.
        needed: those that are new and have no default.
        is_open: whether it takes any other keyword without a word.
    """

    __slots__ = ("before", "is_open", "lost", "named", "needed", "now")

    def __init__(self, before: str, now: str) -> None:
        words = before.split()
        self.lost = dict(each.lstrip("~").split("@") for each in words if "@" in each)
        self.before = tuple(each.partition("@")[0] for each in _by_position(words))
        words = now.split()
        self.is_open = words[-1:] == ["**"]
        self.now = tuple(each.rstrip("!") for each in _by_position(words))
        self.named = frozenset(each.strip("!~*") for each in words) - {"", *self.now}
        self.needed = tuple(each[:-1] for each in words if each.endswith("!"))


def _by_position(words: list[str]) -> list[str]:
    names = words[: words.index("*")] if "*" in words else words
    return [each for each in names if each != "**" and not each.startswith("~")]


def called(view: ModuleView, call: ast.Call) -> dict[str, Forward]:
    """The classes whose `forward` a call runs, and what it takes; empty where one of them is not known to have changed.

    Args:
        view: the module.
        call: `self.encoder(...)`, or `self.encoder.forward(...)`.
    """
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "forward":
        func = func.value
    return of_part(view, func)


def of_part(view: ModuleView, func: ast.expr) -> dict[str, Forward]:
    """The classes that an expression may be an object of, and what their `forward` takes; empty as in `called`."""
    if not isinstance(func, (ast.Attribute, ast.Name, ast.Subscript)) or _is_super(func):
        return {}
    names = _classes(view, func, 0)
    if not names or any(name not in _forwards for name in names) or patched_methods.is_replaced(view, func, names):
        return {}
    if any(_has_own(view, name) for name in names):
        return {}
    return {name: _forwards[name] for name in sorted(names)}


def is_lost(forward: Forward, name: str, target: Release) -> bool:
    """Whether an argument is not read in a release."""
    return name in forward.lost and target >= parse_release(forward.lost[name])


def _has_own(view: ModuleView, name: str) -> bool:
    """Whether a file defines a class of one's own for a part, `OwnBertLayer`: it is put in the place of theirs."""
    classes = (each for each in view.tree.nodes.get(ast.ClassDef, ()) if isinstance(each, ast.ClassDef))
    return any(name in each.name for each in classes)


def _is_super(func: ast.expr) -> bool:
    return isinstance(func, ast.Name) and func.id == "super"


def _load() -> None:
    if _forwards:
        return
    read = table("forwards")
    for before, now, names in read["forwards"]:
        forward = Forward(before, now)
        _forwards.update(dict.fromkeys(names.split(), forward))
    for holder, attribute, part, families in read["places"]:
        for each in families.split():
            family = each.strip("-")
            _places.setdefault(family + holder[1:], {})[attribute] = family + part[1:]


class _Known:
    """The classes that the table speaks of."""

    def __contains__(self, name: object) -> bool:
        return name in _forwards or name in _places


def _classes(view: ModuleView, node: ast.expr, depth: int) -> set[str]:
    """The classes that an expression may be an object of, as far as the table speaks of them all."""
    _load()
    if depth > _DEPTH:
        return set()
    if isinstance(node, ast.Attribute):
        return _behind(view, node, "", depth)
    if isinstance(node, ast.Subscript):
        return set() if isinstance(node.slice, ast.Slice) else _items(view, node.value, depth)
    found = model_layers.of_classes(view, view.classes_of(node), _Known())
    if found or not isinstance(node, ast.Name):
        return found
    bindings = view.links.bindings_read(node)
    if len(bindings) != 1 or bindings[0].value is None:
        return set()
    (binding,) = bindings
    assert binding.value is not None
    if binding.kind == "for":
        items = module_paths.iterated(binding.value, binding.index)
        return _items(view, items, depth) if items is not None else set()
    if binding.kind == "assign" and isinstance(binding.value, (ast.Attribute, ast.Subscript)):
        return _classes(view, binding.value, depth + 1)
    return _models(view, node)


def _items(view: ModuleView, node: ast.expr, depth: int) -> set[str]:
    """The classes of the items of a list of modules."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        node = node.value
    return _behind(view, node, "[]", depth) if isinstance(node, ast.Attribute) else set()


def _behind(view: ModuleView, node: ast.Attribute, kind: str, depth: int) -> set[str]:
    """The classes of what stands behind an attribute, or of the items of the list there (kind "[]")."""
    is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
    owner = view.links.class_around(node) if is_own else None
    if is_own and owner is None:
        return set()
    if owner is not None:
        given = _given(LocalClass(view, owner), node.attr)
        if given:
            if not kind:
                return model_layers.of_classes(view, view.classes_of(node), _Known()) or _models(view, node)
            return _made(given)
        around = {*library.library_classes(view, LocalClass(view, owner))} & _places.keys()
    else:
        around = _classes(view, node.value, depth + 1)
    found = {_places.get(name, {}).get(node.attr + kind, "") for name in around}
    return set() if "" in found else found


def _given(of: LocalClass, attribute: str) -> list[tuple[ModuleView, ast.expr]]:
    """What a class of the repository, or one that it inherits from, puts into an attribute of its own, and where."""
    found: list[tuple[ModuleView, ast.expr]] = []
    waiting, seen = [of], {of}
    while waiting:
        at = waiting.pop()
        found += [(at.view, each) for each in at.view.links.self_assignments(at.node).get(attribute, [])]
        bases = [each for each in at.view.evaluator.bases(at) if isinstance(each, LocalClass) and each not in seen]
        waiting += bases
        seen.update(bases)
    return found


def _made(given: list[tuple[ModuleView, ast.expr]]) -> set[str]:
    found: set[str] = set()
    for view, each in given:
        made = model_layers.listed(each)
        names = model_layers.of_classes(view, view.classes_of(made), _Known()) if made is not None else set()
        if not names:
            return set()
        found |= names
    return found


def _models(view: ModuleView, node: ast.expr) -> set[str]:
    """The models that an expression stands for, where nothing else can be meant."""
    found = models.models(view, node)
    if not found.found or not found.is_complete or any(each.is_own or each.is_adapted for each in found.found):
        return set()
    return {each.name for each in found.found}

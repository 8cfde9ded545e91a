"""Parts of models of transformers: which class of them an expression stands for, as far as it lost an argument.

`knowledge/swallowed_arguments.toml` holds what each has lost (see `knowledge/collect/swallowed_arguments.py`).
"""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import library, model_layers, module_paths
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.view.module import ModuleView

#: What holds a part, and how the class of it ends.
_ATTENTIONS = dict.fromkeys(("self_attn", "attn", "attention", "self_attention"), "Attention")
_BODIES = {"encoder": "Encoder", "decoder": "Decoder"}

#: A model of two others, whose parts are of any family.
_OF_TWO = "EncoderDecoder"

_lost: dict[str, dict[str, str]] = {}


def ignoring(view: ModuleView, func: ast.expr, argument: str) -> tuple[str, str] | None:
    """The part of a model that is called, and the release since which it ignores an argument.

    Args:
        view: the module.
        func: what is called.
        argument: the name of the argument.

    Returns:
        None where the part is not known, or reads the argument in the target release.
    """
    lost = _lost_by(argument)
    names = sorted(_named(view, func, lost))
    if not names or any(name not in lost for name in names):
        return None
    since = max((lost[name] for name in names), key=parse_release)
    return (names[0], since) if view.settings.target >= parse_release(since) else None


def _lost_by(argument: str) -> dict[str, str]:
    """The classes that have lost an argument, each with the release since which it is ignored."""
    if not _lost:
        for since, name, classes in table("swallowed_arguments")["lost"]:
            _lost.setdefault(name, {}).update(dict.fromkeys(classes.split(), since))
    return _lost.get(argument, {})


def _named(view: ModuleView, func: ast.expr, lost: dict[str, str]) -> set[str]:
    """The classes that an expression may be an object of."""
    found = model_layers.of_classes(view, view.classes_of(func), lost) or model_layers.names(view, func)
    if found or not isinstance(func, ast.Attribute):
        return found
    if func.attr in _ATTENTIONS:
        around = model_layers.names(view, func.value) or _own_roots(view, func)
        return {*_of_family(around, _ATTENTIONS[func.attr], lost)}
    if func.attr in _BODIES:
        place = module_paths.place(view, func)
        models = {each.name for each in place.models} if place is not None else _own_roots(view, func)
        return {*_of_family(models, _BODIES[func.attr], lost)}
    return set()


def _own_roots(view: ModuleView, func: ast.Attribute) -> set[str]:
    """The classes of transformers that the class around `self.text_model.encoder` inherits from, with their parts."""
    first: ast.expr = func
    while isinstance(first, ast.Attribute) and isinstance(first.value, ast.Attribute):
        first = first.value
    if not isinstance(first, ast.Attribute) or not isinstance(first.value, ast.Name) or first.value.id != "self":
        return set()
    owner = view.links.class_around(func)
    if owner is None or view.links.self_assignments(owner).get(first.attr):
        return set()
    return {*library.library_classes(view, LocalClass(view, owner))}


def _of_family(names: Iterable[str], end: str, lost: dict[str, str]) -> Iterator[str]:
    """The class of a part beside each of some classes of its family: `CLIPEncoder` of `CLIPTextTransformer`."""
    for name in names:
        if _OF_TWO in name:
            continue
        part = next((part for at in range(len(name), 1, -1) if (part := name[:at] + end) in lost), "")
        if part:
            yield part

"""The models of transformers that a module of the repository holds: `self.vit = ViTModel.from_pretrained(...)`."""

from __future__ import annotations

from v5lint.rules.parts import library, models
from v5lint.view.values import Constant, Elements, External, Instance, LocalClass, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView


class Held:
    """One attribute of a module.

    Attributes:
        name: the attribute.
        models: the models that it may be; empty where it is another module that could not be followed.
    """

    __slots__ = ("models", "name")

    def __init__(self, name: str, found: list[Model]) -> None:
        self.name = name
        self.models = found


def attributes(view: ModuleView, node: ast.expr) -> set[str]:
    """The names that objects of a class of the repository set on themselves, those of their layers among them."""
    return {
        name
        for value in view.values(node)
        if isinstance(value, Instance) and isinstance(value.of, LocalClass)
        for name in value.of.view.links.self_assignments(value.of.node)
    }


def held(view: ModuleView, node: ast.expr) -> list[Held]:
    """What a module of the repository holds beside layers of PyTorch; nothing where it is no such module.

    Args:
        view: the module of the file.
        node: an expression for an object of the class, `self` in its methods among them.
    """
    found: list[Held] = []
    for value in view.values(node):
        if not isinstance(value, Instance) or not isinstance(value.of, LocalClass):
            continue
        of = value.of
        if library.library_classes(of.view, of):
            continue  # a subclass of a model is that model
        for name, assigned in of.view.links.self_assignments(of.node).items():
            made = [model for each in assigned for model in models.models(of.view, each).found]
            if made or not all(_is_layer(of.view, each) for each in assigned):
                found.append(Held(name, made))
    return found if any(each.models for each in found) else []


def holds(view: ModuleView, node: ast.expr, depth: int = 3) -> bool:
    """Whether a module of the repository holds a model of transformers, or a module of the repository that does.

    Args:
        view: the module of the file.
        node: an expression for an object of the class.
        depth: how many modules may lie around the model.
    """
    if held(view, node):
        return True
    return depth > 1 and any(
        holds(value.of.view, each, depth - 1)
        for value in view.values(node)
        if isinstance(value, Instance) and isinstance(value.of, LocalClass)
        for assigned in value.of.view.links.self_assignments(value.of.node).values()
        for each in assigned
    )


def _is_layer(view: ModuleView, node: ast.expr) -> bool:
    """Whether an attribute is a layer of PyTorch, or certainly no module."""
    return all(
        isinstance(each, (Constant, Elements, Mapping))
        or (isinstance(each, Instance) and isinstance(each.of, External) and each.of.package == "torch")
        for each in view.values(node)
    )

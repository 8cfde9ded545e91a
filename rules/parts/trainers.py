"""Trainers of transformers in a module: what they train, with which arguments, and where they are told to."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, models, origins
from v5lint.view.calls import CallSite
from v5lint.view.values import External, Instance, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rules.parts.models import Models
    from v5lint.view.module import ModuleView

_BASE = "Trainer"


class Training:
    """A trainer that a module makes.

    Attributes:
        call: the call that makes it.
        models: what it trains.
        arguments: the calls that make its arguments, as far as they are in sight.
    """

    __slots__ = ("arguments", "call", "models")

    def __init__(self, call: CallSite, found: Models, arguments: list[CallSite]) -> None:
        self.call = call
        self.models = found
        self.arguments = arguments


def trainings(view: ModuleView) -> Iterator[Training]:
    """The trainers of a module: of transformers' own classes, and of classes that inherit from them."""
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        call = CallSite(view, node)
        if call.name[:1].isupper() and is_trainer(call):
            yield Training(call, _models(view, call), _arguments(view, call))


def is_trainer(call: CallSite) -> bool:
    """Whether a call makes a trainer of transformers."""
    for callee in call.callees:
        if isinstance(callee, (External, LocalClass)):
            for name in library.library_classes(call.view, callee):
                if lookup.is_subclass(name, _BASE):
                    return True
    return False


def _models(view: ModuleView, call: CallSite) -> Models:
    given = call.argument("model", 0)
    if given is not None:
        return models.models(view, given)
    made = call.argument("model_init")
    for value in view.values(made) if made is not None else ():
        if isinstance(value, LocalFunction):
            for each in value.view.links.returns(value.node):
                if each is not None:
                    return models.models(value.view, each)
    return models.Models([], is_complete=False)


def _arguments(view: ModuleView, call: CallSite) -> list[CallSite]:
    given = call.argument("args", 1)
    return [each.call for each in origins.origins(view, given).found] if given is not None else []


def train_calls(view: ModuleView, training: Training) -> list[CallSite]:
    """The calls of `train` on a trainer."""
    found = []
    for call in view.calls({"train"}):
        if isinstance(call.func, ast.Attribute):
            made = origins.origins(view, call.func.value).found
            if any(each.call.node is training.call.node for each in made):
                found.append(call)
    return found


def is_training_arguments(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is an object of `TrainingArguments`, or of a class that inherits from it."""
    for value in view.values(node):
        if isinstance(value, Instance):
            for name in library.library_classes(view, value.of):
                if lookup.is_subclass(name, "TrainingArguments"):
                    return True
    return False

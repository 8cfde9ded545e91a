"""Fields of TrainingArguments that a subclass declares anew: with their own default, and what that no longer does."""

from __future__ import annotations

import ast
import re

from v5lint.project import bytes_of
from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, training_fields
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Finding
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.module import ModuleView

_CLASS = "TrainingArguments"

#: The field that has the Trainer choose the batches, and what a program holds that does so itself or knows better.
_GROUPED = "group_by_length"
_SORTS = re.compile(rb"Sampler|train_sampling_strategy|get_train_dataloader")


class Declared:
    """A field that a subclass of TrainingArguments declares.

    Attributes:
        node: the declaration.
        name: the field.
        of: the class.
        default: the expression of its default; None where it has none that can be seen.
    """

    __slots__ = ("default", "name", "node", "of")

    def __init__(self, node: ast.AnnAssign, name: str, of: ast.ClassDef, default: ast.expr | None) -> None:
        self.node = node
        self.name = name
        self.of = of
        self.default = default


def declared(view: ModuleView, names: Container[str]) -> Iterator[Declared]:
    """The fields of some names that the subclasses of TrainingArguments in a module declare."""
    for node in view.tree.nodes.get(ast.AnnAssign, ()):
        assert isinstance(node, ast.AnnAssign)
        around = view.tree.parents[node]
        if not isinstance(around, ast.ClassDef) or not isinstance(node.target, ast.Name) or node.target.id not in names:
            continue
        classes = library.library_classes(view, LocalClass(view, around))
        if any(lookup.is_subclass(each, _CLASS) for each in classes) and not view.guards.is_dead(node):
            yield Declared(node, node.target.id, around, _default(node.value))


def _default(value: ast.expr | None) -> ast.expr | None:
    """The default that stands in `field(default=...)`, or is the value itself."""
    if isinstance(value, ast.Call):
        return next((each.value for each in value.keywords if each.arg == "default"), None)
    return value


def findings(view: ModuleView, names: Container[str]) -> Iterator[Finding]:
    """The findings about removed fields that are declared anew for the Trainer, and read by nobody else."""
    target = library.release_text(view.settings.target)
    for each in declared(view, names):
        removal = lookup.removed_parameter(_CLASS, each.name, target)
        if removal is None or not training_fields.had_effect(each.name):
            continue
        if _is_read(view, each.name) and not _is_the_trainers(view, each.name):
            continue
        message = (
            f"the Trainer reads no field `{each.name}` since transformers {removal.gone}: declaring it does nothing"
        )
        new = removal.replacement
        advice = f"; it reads `{new.new}`" if new is not None else ""
        fix = _fix(view, each, removal)
        yield view.finding(each.node.target, f"{message}{advice}", fix=fix, since=removal.gone)


def _is_read(view: ModuleView, name: str) -> bool:
    """Whether the project itself reads a field of the name somewhere."""
    read = re.compile(rb"""\.\s*%s\b(?!\s*=[^=])|["']%s["']""" % (name.encode(), name.encode()))
    return bool(read.search(view.text.encode())) or any(
        read.search(bytes_of(file)) for file in view.project.mentioning(name.encode(), view.path)
    )


def _is_the_trainers(view: ModuleView, name: str) -> bool:
    """Whether a field is the Trainer's, although the project reads it: it says who makes the batches, and names none.

    A program that adds a column of lengths where `group_by_length` is set has the Trainer sort by it.
    """
    if name != _GROUPED:
        return False
    texts = [view.text.encode(), *(bytes_of(file) for file in view.project.mentioning(name.encode(), view.path))]
    return not any(_SORTS.search(each) for each in texts)


def _fix(view: ModuleView, of: Declared, removal: Removal) -> Fix | None:
    """The fix that declares the field under its name of today; the options of the command line change with it."""
    new = removal.replacement
    if new is None or not (new.drop_in or training_fields.is_share(of.name)) or not new.new.isidentifier():
        return None
    if any(isinstance(each, ast.AnnAssign) and _named(each) == new.new for each in of.of.body):
        return None
    if training_fields.is_share(of.name):
        shares = view.constants(of.default, float) if of.default is not None else []
        if not shares or any(not isinstance(each, float) or each >= 1 for each in shares):
            return None
    start, end = view.span(of.node.target)
    requires = "5.0" if training_fields.is_share(of.name) else new.since
    message = f"Declare `{new.new}`"
    return Fix(message, [Edit(start, end, new.new)], applicability="unsafe", requires=requires)


def _named(node: ast.AnnAssign) -> str:
    return node.target.id if isinstance(node.target, ast.Name) else ""

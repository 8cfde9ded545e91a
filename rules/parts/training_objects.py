"""Trainers and their arguments as objects: what is read from one, or set on one, that the target does not have."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.project import bytes_of
from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, members, trl_trainers
from v5lint.rules.parts.training_classes import CLASS, is_heir
from v5lint.view import elsewhere
from v5lint.view.strings import is_super
from v5lint.view.values import Constant, External, Instance, LocalClass, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Applicability
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue

    _Node = ast.Attribute | ast.Call | ast.Subscript

TRAINER = "Trainer"
CALLBACK = "TrainerCallback"

#: What gives the fields of training arguments as a dict.
_AS_DICT = frozenset({"to_dict", "to_sanitized_dict"})
_FIELDS_OF = frozenset({"vars", "asdict"})

#: The errors of a dict that has no such key.
_KEY_ERRORS = frozenset({"KeyError", "LookupError", "Exception", "BaseException"})

#: The place of the training arguments among the parameters of a callback's methods.
_PLACE_OF_ARGS = 1


class Mention:
    """An attribute of an object, read or set: `args.no_cuda`, `getattr(args, "no_cuda")`, `args.to_dict()["no_cuda"]`.

    Attributes:
        node: the Attribute, the call or the subscript.
        holder: the object.
        name: the attribute.
        is_read: whether it is read.
        span: where its name is written.
        listed: the string in a table that is its name, where the table is gone through; else None.
    """

    __slots__ = ("holder", "is_read", "listed", "name", "node", "span")

    def __init__(
        self,
        node: _Node,
        holder: ast.expr,
        name: str,
        span: tuple[int, int],
        *,
        is_read: bool,
        listed: ast.Constant | None = None,
    ) -> None:
        self.node = node
        self.holder = holder
        self.name = name
        self.span = span
        self.is_read = is_read
        self.listed = listed

    def renamed(self, new: str, *, requires: str = "", applicability: Applicability = "safe") -> Fix | None:
        """The fix that gives it another name; None where what else goes by the name is not seen."""
        if self.listed is not None:
            return None
        edit = Edit(*self.span, new)
        return Fix(f"Replace `{self.name}` with `{new}`", [edit], applicability=applicability, requires=requires)


def gone(view: ModuleView, names: Container[str], base: str) -> Iterator[tuple[Mention, Removal]]:
    """The attributes of some names that objects of a class of transformers lost under the target release.

    Args:
        view: the module.
        names: the attributes.
        base: "Trainer" or "TrainingArguments".
    """
    target = library.release_text(view.settings.target)
    heirs: dict[ast.ClassDef, bool] = {}
    set_on: set[str] | None = None
    patched: set[str] | None = None
    for each in [*_mentions(view, names), *(_keys(view, names) if base == CLASS else ())]:
        if not _may_be(view, each.holder, base, heirs):
            continue
        found = _owners(view, each.holder, base, each.name)
        if base == TRAINER and any(_has_foreign_base(view, of) for of in found):
            continue
        if not found or _is_own(view, each, found, base) or members.is_prepared(view, each.node):
            continue
        removal = lookup.removed_parameter(CLASS, each.name, target) if base == CLASS else None
        removal = removal or lookup.removed_member(base, each.name, target)
        if removal is None or _is_set_under_both(view, each, removal) or _is_never_run(view, each, names, base):
            continue
        if set_on is None or patched is None:
            set_on = _set_from_outside(view, names)
            patched = _patched(view, names, base)
        if each.name in patched:
            continue
        if not each.is_read or f"{each.name} {ast.dump(each.holder)}" not in set_on or _sets_tokenizer(each):
            yield each, removal


def _is_never_run(view: ModuleView, mention: Mention, names: Container[str], base: str) -> bool:
    """Whether the code around asks for something else that is gone as well, and goes another way without it.

    `if getattr(self, "do_grad_scaling", False): self.scaler.step(optimizer)` is never run under the target.
    """
    for test, wanted in view.reach.conditions(mention.node):
        for each in [test, *(test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else ())]:
            if (
                wanted
                and isinstance(each, ast.Call)
                and isinstance(each.func, ast.Name)
                and each.func.id == "getattr"
                and len(each.args) == 3
                and isinstance(each.args[2], ast.Constant)
                and not each.args[2].value
                and any(value in names for value in view.constants(each.args[1]))
                and _owners(view, each.args[0], base, mention.name)
            ):
                return True
    return False


def _is_set_under_both(view: ModuleView, mention: Mention, removal: Removal) -> bool:
    """Whether a program sets the attribute of today as well, or takes the value from it: for readers of both majors."""
    if mention.is_read or removal.replacement is None:
        return False
    new, holder = removal.replacement.new.partition("=")[0], ast.dump(mention.holder)
    function = view.links.function_around(mention.node)
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == new
        and ast.dump(each.value) == holder
        and view.links.function_around(each) is function
        and (isinstance(each.ctx, ast.Store) or mention.node in _targets(view, each))
        for each in view.tree.nodes.get(ast.Attribute, ())
    )


def _targets(view: ModuleView, value: ast.expr) -> list[ast.expr]:
    """What an expression is assigned to."""
    statement = view.tree.parents[value]
    return statement.targets if isinstance(statement, ast.Assign) else []


def _sets_tokenizer(mention: Mention) -> bool:
    """Whether setting the attribute is found, and renamed, as well."""
    return mention.name == "tokenizer"


def _mentions(view: ModuleView, names: Container[str]) -> Iterator[Mention]:
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr in names and not isinstance(node.ctx, ast.Del):
            yield Mention(node, node.value, node.attr, view.name_span(node), is_read=isinstance(node.ctx, ast.Load))
    for asking, count in (("getattr", 2), ("setattr", 3)):
        for call in view.links.calls_named(asking):
            if isinstance(call.func, ast.Name) and len(call.args) == count and not call.keywords:
                for name in view.written(call.args[1]):
                    yield from _named(view, call, name, names, is_read=count == 2)


def _named(
    view: ModuleView, call: ast.Call, name: Constant, names: Container[str], *, is_read: bool
) -> Iterator[Mention]:
    """The attribute that a call fetches or sets by its name, where the name stands in the module."""
    node = name.node
    if name.value not in names or not isinstance(node, ast.Constant) or node not in view.tree.parents:
        return
    start, end = view.span(node)
    if view.text[start + 1 : end - 1] == name.value:
        listed = node if node is not call.args[1] else None
        yield Mention(call, call.args[0], name.value, (start + 1, end - 1), is_read=is_read, listed=listed)


def _keys(view: ModuleView, names: Container[str]) -> Iterator[Mention]:
    """The fields that are looked up in the dict of an object: `args.to_dict()["no_cuda"]`, `vars(args)["no_cuda"]`."""
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        key = node.slice
        if not isinstance(node.ctx, ast.Load) or not isinstance(key, ast.Constant) or key.value not in names:
            continue
        holder = _holder_of(view, node.value)
        start, end = view.span(key)
        if holder is None or view.text[start + 1 : end - 1] != key.value or _is_asked(view, node, key.value):
            continue
        if view.guards.handled(node, _KEY_ERRORS) is None:
            yield Mention(node, holder, key.value, (start + 1, end - 1), is_read=True)


def _holder_of(view: ModuleView, node: ast.expr) -> ast.expr | None:
    """The object whose fields a dict holds."""
    if isinstance(node, ast.Attribute):
        return node.value if node.attr == "__dict__" else None
    made = view.links.defining_call(node)
    if made is None or (isinstance(node, ast.Name) and len(view.links.bindings_read(node)) > 1):
        return None
    if isinstance(made.func, ast.Attribute) and made.func.attr in _AS_DICT:
        return made.func.value
    called = ast.unparse(made.func).rpartition(".")[2]
    return made.args[0] if called in _FIELDS_OF and len(made.args) == 1 else None


def _is_asked(view: ModuleView, node: ast.Subscript, key: str) -> bool:
    """Whether a program asks for a key before it reads it, or has put it in."""
    if any(
        isinstance(part, ast.Constant) and part.value == key
        for test, _ in view.reach.conditions(node)
        for part in ast.walk(test)
    ):
        return True
    mapping = ast.dump(node.value)
    return any(
        isinstance(each, ast.Subscript)
        and isinstance(each.ctx, ast.Store)
        and ast.unparse(each.slice) == repr(key)
        and ast.dump(each.value) == mapping
        for each in view.tree.nodes.get(ast.Subscript, ())
    )


def _may_be(view: ModuleView, node: ast.expr, base: str, heirs: dict[ast.ClassDef, bool]) -> bool:
    """Whether an expression may be an object of a class: the cheap question before the dear one.

    `self` is one where the class around inherits from it. Of a trainer, the name, or that of what makes it, says so.
    """
    if base != TRAINER:
        return True
    if isinstance(node, ast.Name) and node.id == "self":
        around = view.links.class_around(node)
        if around is None or not around.bases:
            return False
        if around not in heirs:
            heirs[around] = is_a(view, LocalClass(view, around), base)
        return heirs[around]
    made = view.links.defining_call(node)
    if made is not None and any(isinstance(each, (LocalClass, LocalFunction)) for each in view.values(made.func)):
        return True
    if isinstance(node, ast.Name) and any(each.annotation is not None for each in view.links.bindings_read(node)):
        return True
    name = ast.unparse(made.func if made is not None else node)
    return "trainer" in name.lower() or "super" in name


def is_a(view: ModuleView, of: ClassValue, base: str) -> bool:
    """Whether a class inherits from a class of transformers, through this repository's own and through trl's."""
    if any(lookup.is_subclass(name, base) for name in library.library_classes(view, of)):
        return True
    return base == TRAINER and any(trl_trainers.is_trainer(view, root) for root in view.roots(of))


def _has_foreign_base(view: ModuleView, of: ClassValue) -> bool:
    """Whether a class also inherits from another library's trainer, which may have the attribute itself.

    So had the PPOTrainer of trl, until it was remade: what its heirs ask of it is no matter of one name.
    """
    return any(
        root.package != "transformers"
        and root.name.endswith(TRAINER)
        and (trl_trainers.is_remade(root) or not trl_trainers.is_trainer(view, root))
        for root in view.roots(of)
    )


def _owners(view: ModuleView, holder: ast.expr, base: str, name: str) -> list[ClassValue]:
    """The classes of which an expression is an object, as far as they have an attribute from a class."""
    found = [
        each
        for each in view.classes_of(holder) or elsewhere.classes(view, holder)
        if is_a(view, each, base) or (base == CLASS and any(is_heir(root, name) for root in view.roots(each)))
    ]
    if is_super(holder):
        bases = [each for each in view.values(holder) if isinstance(each, (External, LocalClass))]
        found += [each for each in bases if is_a(view, each, base)]
    if not found and base == CLASS and is_handed_arguments(view, holder):
        found.append(External(f"transformers.{CLASS}"))
    return found


def is_handed_arguments(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is training arguments that the Trainer hands out: `self.args`, `args` of a callback."""
    return _is_args_of_trainer(view, node) or _is_args_of_callback(view, node)


def _is_own(view: ModuleView, mention: Mention, owners: list[ClassValue], base: str) -> bool:
    """Whether the repository itself gives the objects the attribute."""
    for each in owners:
        if not isinstance(each, LocalClass):
            continue
        if arguments.declares(each, mention.name):
            return True
        if mention.is_read:
            given = each.view.evaluator.class_attribute(each, mention.name, instance=True)
            if not any(isinstance(value, Method) and value.name == mention.name for value in given):
                return True
    if base == TRAINER and not mention.is_read and _is_self(mention.holder):
        return True  # the class keeps something under that name
    return (
        base == CLASS and not all(isinstance(each, LocalClass) for each in owners) and is_declared(view, mention.name)
    )


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _stand_together(path: str, other: str) -> bool:
    """Whether two files are in one folder, or one of them is in a folder below the other's."""
    folders = sorted(os.path.dirname(os.path.abspath(each)) + os.sep for each in (path, other))
    return folders[1].startswith(folders[0])


def is_declared(view: ModuleView, name: str) -> bool:
    """Whether a subclass of TrainingArguments declares a field, in a file of the program: objects may be of it."""
    written = re.compile(rb"^[ \t]+%s[ \t]*:" % name.encode(), re.MULTILINE)
    here = [view] if written.search(view.text.encode()) else []
    for file in view.project.mentioning(name.encode(), view.path):
        raw = bytes_of(file)
        other = view.project.view(file, view.settings) if CLASS.encode() in raw and written.search(raw) else None
        if other is not None and (_stand_together(view.path, file) or view.project.are_linked(view.path, other)):
            here.append(other)
    for each in here:
        for node in each.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            of = LocalClass(each, node)
            if each.tree.scopes[node].bindings.get(name) and is_a(each, of, CLASS):
                return True
    return False


def _is_args_of_trainer(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the `args` of a trainer, which nothing but its constructor sets.

    So is a variable that is nothing else: `args = self.args`.
    """
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        return bool(bindings) and all(
            isinstance(each.value, ast.Attribute) and each.kind == "assign" and _is_args_of_trainer(view, each.value)
            for each in bindings
        )
    if not isinstance(node, ast.Attribute) or node.attr != "args":
        return False
    if not any(is_a(view, each, TRAINER) for each in view.classes_of(node.value)):
        return False
    values = view.values(node)
    return all(isinstance(each, Method) or _is_arguments(view, each) for each in values)


def _is_arguments(view: ModuleView, value: object) -> bool:
    return isinstance(value, Instance) and isinstance(value.of, External) and is_a(view, value.of, CLASS)


def _is_args_of_callback(view: ModuleView, node: ast.expr) -> bool:
    """Whether a name is the training arguments that a callback is called with."""
    if not isinstance(node, ast.Name):
        return False
    bindings = view.links.bindings_read(node)
    function = bindings[0].scope.node if len(bindings) == 1 and bindings[0].kind == "parameter" else None
    if not isinstance(function, ast.FunctionDef) or not is_event(view, function):
        return False
    positional = [*function.args.posonlyargs, *function.args.args]
    return positional[_PLACE_OF_ARGS : _PLACE_OF_ARGS + 1] == [bindings[0].node]


def is_event(view: ModuleView, function: ast.FunctionDef) -> bool:
    """Whether a function is a method of a TrainerCallback which the Trainer calls."""
    around = view.tree.parents[function]
    return (
        function.name.startswith("on_")
        and isinstance(around, ast.ClassDef)
        and any(_is_callback(name) for name in library.library_classes(view, LocalClass(view, around)))
    )


def _set_from_outside(view: ModuleView, names: Container[str]) -> set[str]:
    """The attributes that a module sets on objects from outside of their class, each with what it is set on."""
    return {
        f"{each.name} {ast.dump(each.holder)}"
        for each in _mentions(view, names)
        if not each.is_read and not _is_self(each.holder)
        if not (isinstance(each.node, ast.Attribute) and members.is_read_first(view, each.node))
    }


def _patched(view: ModuleView, names: Container[str], base: str) -> set[str]:
    """The attributes that a module gives to a class, for code which asks its objects: `Trainer.tokenizer = ...`."""
    return {
        each.name
        for each in _mentions(view, names)
        if not each.is_read
        and any(isinstance(of, (External, LocalClass)) and is_a(view, of, base) for of in view.values(each.holder))
    }


def _is_callback(name: str) -> bool:
    """Whether a class of transformers is a callback of the Trainer: those of `integrations` are called so as well."""
    return lookup.is_subclass(name, CALLBACK) or (name.endswith("Callback") and not name.startswith("Keras"))

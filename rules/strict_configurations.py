"""V5516: configurations, which are strict dataclasses now."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, members
from v5lint.view.strings import dotted, is_super_call, last_name
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: Fields that a configuration goes on having when they are deleted: the class has a default for each.
_LABELS = frozenset({"id2label", "label2id"})

#: The property that the base class sets on every object.
_SET = "num_labels"

#: What makes something that can be changed, and that a dataclass refuses as a default.
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MAKERS = frozenset({"list", "dict", "set", "OrderedDict", "defaultdict"})

#: Classes that kept a constructor of their own, which takes arguments by position (read on the wheels of 5.4 to 5.24).
_WITH_CONSTRUCTORS = frozenset({"Ernie4_5_VL_MoeConfig", "Ernie4_5_VL_MoeTextConfig", "Ernie4_5_VL_MoeVisionConfig"})


class StrictConfiguration(Rule):
    """A configuration that is used in a way that a strict dataclass refuses.

    ## What it does

    Finds positional arguments of a configuration class of transformers, also in `super().__init__(...)` of a subclass.
    And in subclasses of `PretrainedConfig`: an annotated attribute of the class whose default can be changed (a list, a
    dict), `num_labels` as a property without a setter, `del self.id2label`, `__post_init__` of a dataclass that
    calls the constructor of its base, and `@dataclass` above fields that have no default of their own, such as
    `field(default_factory=list)` and `field(init=False)`.

    ## Why it breaks

    Since 5.4 every configuration is a dataclass, and so is every subclass. Measured on 5.24, the second and third when
    the module is imported: the base class makes a dataclass of a subclass before its own decorator does, which finds
    the factories gone.

        ValueError: BertConfig accepts only keyword arguments, but found `2` positional args.
        ValueError: mutable default <class 'list'> for field layers is not allowed: use default_factory
        TypeError: non-default argument 'layers' follows default argument
        AttributeError: property 'num_labels' of 'Config' object has no setter
        RecursionError: maximum recursion depth exceeded

    A deleted `id2label` was gone, and what a subclass does when an attribute is missing was done; now it is None.

    ## Example

        class Config(PretrainedConfig):
            keys_to_ignore_at_inference: list[str] = ["past_key_values"]

    becomes

        class Config(PretrainedConfig):
            keys_to_ignore_at_inference = ["past_key_values"]

    ## Fix safety

    Leaving out the annotation is safe: without, the attribute is no field of the dataclass, as it was none before.
    `@dataclass(init=False)` is safe in a class that has a constructor, which `@dataclass` leaves as it is. All else is
    left to a person: the names of the arguments are those of the constructor of 4.x. Values of a wrong type
    (`hidden_size="32"`) have a rule of their own (V5517).

    ## References

    - https://huggingface.co/docs/transformers/main_classes/configuration
    """

    code = "V5516"
    name = "strict-configuration"
    since = "5.4"
    tokens = ("Config(", "Config)", "Config,", "Config as", "id2label")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        aliases = {
            alias.asname
            for alias in module.tree.nodes.get(ast.alias, ())
            if isinstance(alias, ast.alias) and alias.name.endswith("Config")
        }
        for call in module.calls():
            if call.args and (call.name.endswith("Config") or call.name == "__init__" or call.name in aliases):
                yield from _positional(module, call)
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            if node.bases and not module.guards.is_dead(node) and _is_configuration(module, node):
                yield from _in_class(module, node)
        for statement in module.tree.nodes.get(ast.Delete, ()):
            assert isinstance(statement, ast.Delete)
            for target in statement.targets:
                if isinstance(target, ast.Attribute) and target.attr in _LABELS and _is_of_one(module, target.value):
                    message = (
                        f"`{target.attr}` is None when it is deleted since transformers 5.4, where it was gone: "
                        "`hasattr` is true, and no fallback is asked"
                    )
                    yield module.finding(target, message)


def _positional(view: ModuleView, call: CallSite) -> Iterator[Finding]:
    """A configuration that is made with positional arguments."""
    if call.node.func is not call.func or isinstance(call.args[0], ast.Starred) or view.guards.is_dead(call.node):
        return
    names = _constructed(view, call)
    if names and not names & _WITH_CONSTRUCTORS:
        name = min(names)
        message = f"`{name}` takes keyword arguments alone since transformers 5.4: say which these are"
        yield view.finding(call.node, message)


def _constructed(view: ModuleView, call: CallSite) -> frozenset[str]:
    """The configuration classes of transformers whose constructor is called, as far as all of them are known."""
    if call.name == "__init__":
        around = view.links.class_around(call.node) if is_super_call(call.node, "__init__") else None
        classes = list(view.evaluator.bases(LocalClass(view, around))) if around is not None else []
        if len(classes) != 1:
            return frozenset()
    else:
        classes = [each for each in call.callees if isinstance(each, (External, LocalClass))]
        if len(classes) != len(call.callees):
            return frozenset()
    found = {each.name for each in classes if isinstance(each, External) and each.package == "transformers"}
    known = {name for name in found if lookup.kind_of(name) == "config" and name not in members.BASES_OF_CONFIGS}
    return frozenset(known) if len(known) == len(classes) else frozenset()


def _is_configuration(view: ModuleView, node: ast.ClassDef) -> bool:
    names = library.library_classes(view, LocalClass(view, node))
    return any(lookup.kind_of(name) == "config" for name in names)


def _is_of_one(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a configuration: `self` in a class of them, or an object that is known to be one."""
    if view.guards.is_dead(node):
        return False
    if isinstance(node, ast.Name) and node.id == "self":
        around = view.links.class_around(node)
        return around is not None and _is_configuration(view, around)
    return bool(members.owners(view, node, ("config",)))


def _in_class(view: ModuleView, node: ast.ClassDef) -> Iterator[Finding]:
    is_dataclass = any(_decorator(each) == "dataclass" for each in node.decorator_list)
    if is_dataclass:
        yield from _decorated(view, node)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and not is_dataclass and _is_mutable(each):
            shown = view.source(each.target)
            message = f"`{shown}` is a field of a dataclass since transformers 5.4, which takes no such default"
            gap = Edit(view.span(each.target)[1], view.span(each.annotation)[1], "")
            fix = Fix("Leave out the annotation", [gap]) if "#" not in view.text[gap.start : gap.end] else None
            yield view.finding(each, message, fix=fix)
        elif isinstance(each, ast.FunctionDef) and each.name == _SET and _is_read_only(node, each):
            message = f"every configuration sets `{_SET}` since transformers 5.4: give the property a setter"
            yield view.finding(each.decorator_list[0], message)
        elif isinstance(each, ast.FunctionDef) and each.name == "__post_init__" and is_dataclass:
            for call in ast.walk(each):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                    message = (
                        "the constructor of a configuration calls `__post_init__` since transformers 5.4, which calls "
                        "it again and again: call `super().__post_init__()`"
                    )
                    yield view.finding(call, message)


def _decorated(view: ModuleView, node: ast.ClassDef) -> Iterator[Finding]:
    """A dataclass whose decorator writes a constructor in which a field without a default follows those of the base."""
    decorator = next(each for each in node.decorator_list if _decorator(each) == "dataclass")
    if isinstance(decorator, ast.Call) and any(each.arg in {"init", "kw_only", None} for each in decorator.keywords):
        return
    lacking = next(_lacking(node), None)
    if lacking is None:
        return
    message = (
        f"the fields of the base have defaults since transformers 5.4, and `{view.source(lacking.target)}` has none: "
        "`@dataclass` refuses that when the module is imported"
    )
    has_constructor = any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in node.body)
    yield view.finding(decorator, message, fix=_without_init(view, decorator) if has_constructor else None)


def _lacking(node: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    """The fields without a default that the decorator took before 5.4, when no field of the base stood before them."""
    defaults = False
    for each in node.body:
        if not isinstance(each, ast.AnnAssign) or "ClassVar" in ast.unparse(each.annotation):
            continue
        if each.value is None:
            if not defaults:
                yield each
            continue
        given = {one.arg for one in each.value.keywords} if _is_field(each.value) else {"default"}
        if None not in given and "default" not in given:
            yield each
        defaults = defaults or bool(given & {"default", "default_factory"})


def _is_field(node: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and last_name(node.func) == "field"


def _without_init(view: ModuleView, decorator: ast.expr) -> Fix:
    """Tells the decorator to write no constructor, which it does not where the class has one."""
    end = view.span(decorator)[1]
    if not isinstance(decorator, ast.Call):
        edit = Edit(end, end, "(init=False)")
    else:
        last = view.span(decorator.keywords[-1])[1] if decorator.keywords else end - 1
        edit = Edit(last, last, ", init=False" if decorator.keywords else "init=False")
    return Fix("Leave the constructor to the class", [edit])


def _decorator(node: ast.expr) -> str:
    return dotted(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2]


def _is_mutable(statement: ast.AnnAssign) -> bool:
    """Whether a dataclass would refuse the default of an attribute that is annotated."""
    value = statement.value
    if "ClassVar" in ast.unparse(statement.annotation):
        return False
    return isinstance(value, _MUTABLE) or (isinstance(value, ast.Call) and last_name(value.func) in _MAKERS)


def _is_read_only(owner: ast.ClassDef, method: ast.FunctionDef) -> bool:
    """Whether a method is a property that nothing sets."""
    setters = (each for one in owner.body if isinstance(one, ast.FunctionDef) for each in one.decorator_list)
    is_property = any(dotted(each) == "property" for each in method.decorator_list)
    return is_property and not any(dotted(each) == f"{method.name}.setter" for each in setters)

"""Fields of an object that all go into one call: `AutoModel.from_pretrained(name, **asdict(config))`.

A part of the rules of arguments: what the call no longer takes may be a field of a class of the repository.
"""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, standing
from v5lint.rules.parts.training_classes import CLASS
from v5lint.view.calls import CallSite
from v5lint.view.carriers import words_of
from v5lint.view.strings import last_name
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from weakref import WeakKeyDictionary

    from v5lint.rule import Finding
    from v5lint.rules.parts.arguments import Functions, Judge
    from v5lint.view.module import ModuleView

    #: Whether a call is one of those asked about.
    Asked = Callable[[CallSite], bool]

#: Functions and methods that give the fields of an object as a dict.
_FUNCTIONS = frozenset({"asdict", "vars", "to_container"})
_METHODS = frozenset({"model_dump", "dict", "_asdict"})

#: What takes a key or an attribute out by its name.
_TAKE = frozenset({"pop", "delattr", "__delitem__", "__delattr__"})

#: Words that say nothing of which object is meant.
_WORDS = frozenset({"self", "cls", "parse_args", "parse_known_args", "items", "get", *_FUNCTIONS, *_METHODS, *_TAKE})

#: The one of them whose name other classes have for other things.
_DICT = "dict"

#: Makes a configuration with the fields of a dataclass.
_STRUCTURED = "structured"

#: What gives the attributes of any object.
_OF_OBJECTS = frozenset({"vars", "__dict__"})

#: What is written where they do: the tokens of the rule, for files that name no field themselves.
TOKENS = ("**asdict(", "**dataclasses.asdict(", "**vars(", ".model_dump(", ".__dict__)", "Arguments(**")

#: An argument that no callable has by name: it reaches those that hand on what they do not know.
_ANY = "**"

_found: WeakKeyDictionary[ModuleView, list[tuple[ast.Call, ast.expr, list[ast.expr]]]] | None = None

#: Through so many assignments and copies a dict is followed back.
_FOLLOWED = 4


class Carried:
    """A field that goes into a call with all the others of its object.

    Attributes:
        node: what is splatted into the call.
        call: the call.
        of: the class of the object.
        name: the field.
    """

    __slots__ = ("call", "name", "node", "of")

    def __init__(self, node: ast.expr, call: CallSite, of: LocalClass, name: str) -> None:
        self.node = node
        self.call = call
        self.of = of
        self.name = name


def carried(view: ModuleView, names: Collection[str], is_asked: Asked) -> Iterator[Carried]:
    """The fields of some names that go into calls with all the others of their object.

    Args:
        view: the module.
        names: the fields.
        is_asked: see `Asked`.
    """
    for call, splatted, source in splats(view, is_asked):
        for of in view.classes_of(object_of(view, source)):
            if not isinstance(of, LocalClass) or (_is_dict_method(source) and not _is_pydantic(view, of)):
                continue
            fields = _fields(of)
            if is_of_attributes(source):
                fields = {**dict.fromkeys(of.view.links.self_assignments(of.node), False), **fields}
            for name in sorted(fields.keys() & set(names)):
                if not _is_left_out(source, name, is_none=fields[name]) and not is_lost(view, source, name):
                    yield Carried(splatted, CallSite(view, call), of, name)


def findings(view: ModuleView, names: Collection[str], is_asked: Asked) -> Iterator[Finding]:
    """Yield the fields of some names that reach TrainingArguments: a part of V5301.

    Args:
        view: the module.
        names: the removed fields.
        is_asked: see `Asked`.
    """
    target = library.release_text(view.settings.target)
    for each in carried(view, names, is_asked):
        made = [value for value in each.call.callees if isinstance(value, (External, LocalClass))]
        if not any(lookup.is_subclass(name, CLASS) for of in made for name in library.library_classes(view, of)):
            continue
        removal = lookup.removed_parameter(CLASS, each.name, target)
        is_declared = any(isinstance(of, LocalClass) and arguments.declares(of, each.name) for of in made)
        if removal is None or is_declared:
            continue
        message = (
            f"`{each.of.name}` has a field `{each.name}`, and `{CLASS}` has none since transformers {removal.gone}"
        )
        yield view.finding(each.node, f"{message}{arguments.advice(removal)}", since=removal.gone)


def reaching(
    view: ModuleView, names: Collection[str], functions: Functions, judge: Judge = arguments.removal_of
) -> Iterator[Finding]:
    """Yield the fields of some names that reach a callable which no longer takes them.

    Args:
        view: the module.
        names: the arguments.
        functions: see `arguments.Functions`.
        judge: see `arguments.Judge`.
    """
    target = library.release_text(view.settings.target)
    for each in carried(view, names, reaches(functions)):
        found = arguments.lost(arguments.called(each.call, functions), each.name, judge, target)
        if found is not None:
            shown = found[0].rpartition(":")[2]
            message = f"`{each.of.name}` has a field `{each.name}`, and `{shown}` {arguments.fate(found[1])}"
            yield view.finding(each.node, message, since=found[1].gone)


def sources(view: ModuleView, node: ast.expr) -> Iterator[ast.expr]:
    """The expressions that give the attributes of an object, of which what is splatted into a call is made.

    `asdict(o)` of `f(**asdict(o))`, of `f(**{**asdict(o), "a": 1})`, and of `d.update(asdict(o)); f(**d)`.

    Args:
        view: the module.
        node: what is splatted.
    """
    yield from dict.fromkeys(_sources(view, node))


def object_of(view: ModuleView, source: ast.expr) -> ast.expr:
    """The object of which a source gives the attributes: of `asdict(o)["part"]` it is `o.part`."""
    if isinstance(source, ast.Subscript):
        outer = _object(source.value)
        if outer is not None and isinstance(source.slice, ast.Constant):
            return ast.copy_location(ast.Attribute(outer, str(source.slice.value), ast.Load()), source)
    given = _object(source)
    return given if given is not None else source


def is_of_attributes(source: ast.expr) -> bool:
    """Whether a source gives the attributes of any object: `vars(o)`, `o.__dict__`."""
    return last_name(getattr(source, "func", source)) in _OF_OBJECTS


def is_lost(view: ModuleView, source: ast.expr, name: str) -> bool:
    """Whether an attribute is taken out again of a dict that a source gives, or of a copy, or of the object."""
    return view.dicts.may_lose(view.dicts.flow(source), name) or is_taken_by_name(view, source, name)


def is_taken_by_name(view: ModuleView, source: ast.AST, name: str) -> bool:
    """Whether a module takes a key or an attribute out of what a source names: `vars(o).pop("a")`, `del o.a`."""
    holders: list[ast.AST] = []
    for node in view.tree.nodes.get(ast.Constant, ()):
        parent = view.tree.parents.get(node) if getattr(node, "value", None) == name else None
        if isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Del):
            holders.append(parent.value)
        elif isinstance(parent, ast.Call) and last_name(parent.func) in _TAKE:
            holders += [parent.func, *parent.args[:1]]
    for each in view.tree.nodes.get(ast.Attribute, ()):
        if isinstance(each, ast.Attribute) and each.attr == name and isinstance(each.ctx, ast.Del):
            holders.append(each.value)
    mine = words_of(source) - _WORDS
    return any(not mine.isdisjoint(words_of(each)) for each in holders)


def reaches(functions: Functions) -> Asked:
    """Whether what is splatted into a call reaches a callable: asked first, for it is the cheap question."""

    def is_asked(call: CallSite) -> bool:
        found = arguments.reach(call, _ANY, functions).functions
        return any(each != arguments.UNKNOWN_CALLEE for each in found)

    return is_asked


def splats(view: ModuleView, is_asked: Asked) -> Iterator[tuple[ast.Call, ast.expr, ast.expr]]:
    """The attributes of objects that are splatted into calls that are asked about.

    Yields:
        The call, what is splatted into it, and an expression that gives the attributes (see `sources`).
    """
    global _found
    if _found is None:
        from weakref import WeakKeyDictionary

        _found = WeakKeyDictionary()
    if view not in _found:
        _found[view] = [*_splats(view)]
    for call, splatted, given in _found[view]:
        if is_asked(CallSite(view, call)):
            yield from ((call, splatted, source) for source in given)


def _splats(view: ModuleView) -> Iterator[tuple[ast.Call, ast.expr, list[ast.expr]]]:
    """The calls into which attributes of objects are splatted: every rule asks for the same, of other callables."""
    if not any(map(view.links.calls_named, (*_FUNCTIONS, *_METHODS - {_DICT}, "fields", _STRUCTURED))) and not (
        f".{_DICT}(" in view.text or "__dict__" in view.text or "hydra" in view.text
    ):
        return
    for keyword in view.tree.nodes.get(ast.keyword, ()):
        assert isinstance(keyword, ast.keyword)
        call = view.tree.parents[keyword]
        if keyword.arg is not None or not isinstance(call, ast.Call):
            continue
        given = [*sources(view, keyword.value)]
        if given and not standing.never_runs(view, call):
            yield call, keyword.value, given


def _sources(view: ModuleView, node: ast.expr, depth: int = 0) -> Iterator[ast.expr]:
    is_part = (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and _object(node.value) is not None
    )
    if is_part or _object(node) is not None or _is_structured(view, node):
        yield node
        return
    if depth == _FOLLOWED:
        return
    if isinstance(node, ast.Attribute):
        for given in _given_by_property(view, node):
            yield from _sources(view, given, depth + 1)
    if isinstance(node, ast.DictComp):
        for each in _filtered(node):
            yield from _sources(view, each, depth + 1)
        return
    for entry in view.dicts.flow(node).entries:
        if entry.how == "unknown" and isinstance(entry.node, ast.expr) and entry.node is not node:
            yield from _sources(view, entry.node, depth + 1)
        elif entry.how == "unknown" and isinstance(entry.node, ast.arg):
            function = view.links.function_around(entry.node)
            for each in view.links.arguments_for(function, entry.node)[0] if function is not None else ():
                yield from _sources(view, each, depth + 1)


def _given_by_property(view: ModuleView, node: ast.Attribute) -> Iterator[ast.expr]:
    """What an attribute gives that is a property of a class of the module."""
    for of in view.classes_of(node.value):
        for each in of.node.body if isinstance(of, LocalClass) and of.view is view else ():
            if isinstance(each, ast.FunctionDef) and each.name == node.attr and each.decorator_list:
                yield from (given for given in view.links.returns(each) if given is not None)


def _is_structured(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a configuration of OmegaConf or Hydra that has the fields of a dataclass.

    An object of the dataclass itself cannot be splatted.
    """
    is_made = isinstance(node, ast.Call) and last_name(node.func) == _STRUCTURED
    if not (is_made or isinstance(node, (ast.Name, ast.Attribute))) or not (
        "omegaconf" in view.text or "hydra" in view.text
    ):
        return False
    classes = [each for each in view.classes_of(node) if isinstance(each, LocalClass)]
    return bool(classes) and all(
        any(last_name(getattr(each, "func", each)) == "dataclass" for each in of.node.decorator_list)
        and not arguments.declares(of, "keys")
        for of in classes
    )


def _filtered(copy: ast.DictComp) -> list[ast.expr]:
    """The dict that a comprehension copies whatever the keys: `{k: v for k, v in d.items() if v is not None}`."""
    only = copy.generators[0]
    if len(copy.generators) > 1 or not isinstance(copy.key, ast.Name) or not isinstance(only.iter, ast.Call):
        return []
    asked = {each.id for test in only.ifs for each in ast.walk(test) if isinstance(each, ast.Name)}
    func = only.iter.func
    is_whole = isinstance(func, ast.Attribute) and func.attr == "items" and copy.key.id not in asked
    return [func.value] if is_whole else []  # type: ignore[attr-defined]


def _is_pydantic(view: ModuleView, of: LocalClass) -> bool:
    """Whether `dict()` of an object gives its fields."""
    return any(each.package.startswith("pydantic") for each in view.roots(of)) and not arguments.declares(of, _DICT)


def _is_dict_method(source: ast.expr) -> bool:
    return isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute) and source.func.attr == _DICT


def _object(node: ast.expr) -> ast.expr | None:
    """The object whose fields an expression gives: of `asdict(o)`, `vars(o)`, `o.__dict__` and `o.model_dump()`.

    And of `{each.name: getattr(o, each.name) for each in fields(o)}`.
    """
    if isinstance(node, ast.DictComp):
        value, loop = node.value, node.generators[0]
        is_of_fields = isinstance(loop.iter, ast.Call) and last_name(loop.iter.func) == "fields" and not loop.ifs
        is_read = isinstance(value, ast.Call) and last_name(value.func) == "getattr" and len(value.args) > 1
        if not is_of_fields or not is_read or ast.dump(value.args[1]) != ast.dump(node.key):  # type: ignore[attr-defined]
            return None
        read: ast.expr = value.args[0]  # type: ignore[attr-defined]
        return read
    if isinstance(node, ast.Attribute):
        return node.value if node.attr == "__dict__" else None
    if not isinstance(node, ast.Call):
        return None
    name = last_name(node.func)
    if name in _FUNCTIONS and len(node.args) == 1:
        return node.args[0]
    return node.func.value if name in _METHODS and isinstance(node.func, ast.Attribute) else None


def _fields(of: LocalClass) -> dict[str, bool]:
    """The fields that a class declares or inherits within the repository, each with whether its default is None."""
    found: dict[str, bool] = {}
    waiting, seen = [of], {of}
    while waiting:
        at = waiting.pop(0)
        for each in at.node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                is_none = isinstance(each.value, ast.Constant) and each.value.value is None
                found.setdefault(each.target.id, is_none)
        for base in at.view.evaluator.bases(at):
            if isinstance(base, LocalClass) and base not in seen:
                seen.add(base)
                waiting.append(base)
    return found


def _is_left_out(node: ast.expr, name: str, *, is_none: bool) -> bool:
    """Whether a dump leaves a field out: `model_dump(exclude={"name"})`, `exclude_none=True` with a default of None."""
    for each in node.keywords if isinstance(node, ast.Call) else ():
        written = ast.unparse(each.value)
        if each.arg == "exclude" and (f"'{name}'" in written or isinstance(each.value, (ast.Name, ast.Attribute))):
            return True
        if each.arg == "include" and f"'{name}'" not in written:
            return True
        if each.arg in ("exclude_none", "exclude_unset", "exclude_defaults", None) and is_none:
            return True
    return False

"""What an expression may stand for: names, attributes, calls, constants, through one module and its siblings."""

from __future__ import annotations

import ast

from v5lint.view import strings
from v5lint.view.annotations import Annotations, is_vague
from v5lint.view.called import MODULE_NAME, NAMED_TUPLE, Calls
from v5lint.view.dicts import written_entries
from v5lint.view.links import PROPERTIES
from v5lint.view.tested import Tests, is_decorated
from v5lint.view.tree import COMPREHENSIONS, Binding, Scope
from v5lint.view.values import (
    NOTHING_KNOWN,
    UNKNOWN,
    Constant,
    Elements,
    External,
    Instance,
    LocalClass,
    LocalFunction,
    Mapping,
    Method,
    Placed,
    Result,
    Table,
    Unknown,
    Value,
    any_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue, Values

#: How deep an expression is followed, and how many values it may have before the rest is called unknown.
_DEPTH = 40
_WIDTH = 32

#: How many places a constant may be written in, of all those that an expression may be: a table has many rows.
_PLACES = 512

#: How many expressions one question may lead to; what is left open then is unknown. Real questions need a few hundred.
_STEPS = 5_000

#: Deeper than any place on the way: no cycle was met.
_NO_CYCLE = 1 << 30

#: Decorators and defaults that declare a command-line option with its default first.
_OPTION_FACTORIES = frozenset({"typer.Option", "typer.Argument", "fastapi.Query", "fastapi.Form", "pydantic.Field"})

#: What a plain dict has as attributes: any other one is read from something that gives its items as attributes.
_OF_DICTS = frozenset(dir(dict))

_NOTHING = frozenset({Constant(None)})

_MODULES = External("sys.modules")

#: Literals of more items are data: going through them would take all steps, and say nothing of any one.
_MOST_ITEMS = 256

#: Gives the attributes of an object as a dict: `vars(parser.parse_args())["model"]`.
_VARIABLES = "builtins.vars"

#: The decorators of generators of which `with` or a test gets what they yield.
_GIVES_WHAT_IT_YIELDS = ("contextmanager", "asynccontextmanager", "fixture")

#: Where a LightningModule keeps the arguments of its constructor, and the call that puts them there.
_HYPERPARAMETERS, _SAVES_THEM = "hparams", "save_hyperparameters"


class Evaluator:
    """Follows the expressions of one module; asks the evaluators of siblings about what they define."""

    def __init__(self, view: ModuleView, *, placed: bool = False) -> None:
        """Follow the expressions of a module.

        Args:
            view: the module.
            placed: whether equal constants that are written at different places of it are different values.
        """
        self._view = view
        self._calls = Calls(view, self)
        self._tests = Tests(view, self)
        self._annotations = Annotations(view, self)
        self._constants = Placed if placed else Constant
        self._width = _PLACES if placed else _WIDTH
        self._known: dict[ast.AST, Values] = {}
        self._bound: dict[Binding, Values] = {}
        self._busy: dict[object, int] = {}  # what is on the way, with its place
        self._cycle = _NO_CYCLE  # the outermost place on the way that was met again
        self._open: dict[object, tuple[Values, int]] = {}  # what was found on a cycle, and where that began
        self._begun: dict[int, list[object]] = {}  # the same by that place
        self._steps = 0

    def values(self, node: ast.expr) -> Values:
        """The values that an expression may have, never an empty set."""
        known = self._known.get(node)
        if known is not None:
            return known
        if node in self._open:
            return self._met_again(node)
        place = self._enter(node)
        if place < 0:
            return NOTHING_KNOWN
        try:
            handler = _EXPRESSIONS.get(type(node))
            found = _bounded(handler(self, node), self._width) if handler is not None else NOTHING_KNOWN
        finally:
            self._leave(node, place)
        if self._cycle >= place:  # what this depends on is complete: a cycle, if any, began here
            self._cycle = _NO_CYCLE
            self._known[node] = found
        else:
            self._keep(node, found)
        return found

    def of(self, view: ModuleView) -> Evaluator:
        """Who follows the expressions of a module: this one its own."""
        return self if view is self._view else view.evaluator

    def _enter(self, what: object) -> int:
        """Take something up: its place on the way, or -1 where it is on the way already, or the way is too long."""
        place = len(self._busy)
        if place == 0:
            self._steps = 0
            self._cycle = _NO_CYCLE
        self._steps += 1
        if what in self._busy:
            self._cycle = min(self._cycle, self._busy[what])
            return -1
        if place > _DEPTH or self._steps > _STEPS:
            self._cycle = 0
            return -1
        self._busy[what] = place
        return place

    def _leave(self, what: object, place: int) -> None:
        """Be done with something; what was found on the cycles that began there may now be found better."""
        del self._busy[what]
        for each in self._begun.pop(place, ()):
            del self._open[each]

    def _keep(self, what: object, found: Values) -> None:
        """Remember what was found on a cycle until the way is back at its beginning."""
        self._open[what] = found, self._cycle
        self._begun.setdefault(self._cycle, []).append(what)

    def _met_again(self, what: object) -> Values:
        found, began = self._open[what]
        self._cycle = min(self._cycle, began)
        return found

    # Names

    def name_values(self, name: str, scope: Scope, read: ast.AST) -> Values:
        """The values of a name where it is read."""
        owner = self.owner(name, scope)
        if owner is None:
            return self._unbound(name, scope)
        found: set[Value] = set()
        for binding in self._view.reach.reaching(owner, name, read):
            found |= self.binding_values(binding)
        return frozenset(found) or NOTHING_KNOWN

    def owner(self, name: str, scope: Scope) -> Scope | None:
        """The scope whose name a read in `scope` means; None for builtins, star imports and undefined names."""
        at: Scope | None = scope
        first = True
        if name in scope.globals:
            at = self._view.tree.scope
        while at is not None:
            if name in at.bindings and (first or not at.is_class):
                return at
            # A comprehension in a class body does not see the class's names either, but for its first iterable.
            first = first and isinstance(at.node, COMPREHENSIONS)
            at = at.parent
        return None

    def _unbound(self, name: str, scope: Scope) -> Values:
        found: set[Value] = set()
        at: Scope | None = scope
        while at is not None:
            for star in at.stars:
                found |= self._view.names.star_values(star, name)
            at = at.parent
        if found:
            return frozenset(found)
        return frozenset({External(f"builtins.{name}")}) if strings.is_builtin(name) else NOTHING_KNOWN

    def binding_values(self, binding: Binding) -> Values:
        """The values that one binding gives its name."""
        known = self._bound.get(binding)
        if known is not None:
            return known
        if binding in self._open:
            return self._met_again(binding)
        place = self._enter(binding)
        if place < 0:
            return NOTHING_KNOWN
        try:
            found = _bounded(self._binding_values(binding), self._width)
        finally:
            self._leave(binding, place)
        if self._cycle >= place:
            self._cycle = _NO_CYCLE
            self._bound[binding] = found
        else:
            self._keep(binding, found)
        return found

    def _binding_values(self, binding: Binding) -> Iterable[Value]:
        kind, node, value = binding.kind, binding.node, binding.value
        if kind == "import":
            assert isinstance(node, ast.alias)
            return self._view.names.imported_values(binding)
        if kind == "class":
            assert isinstance(node, ast.ClassDef)
            return {LocalClass(self._view, node)}
        if kind == "def":
            assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            return {LocalFunction(self._view, node)}
        if kind == "parameter":
            return self._parameter(binding)
        if kind == "assign" and value is not None:
            found = self.values(value)
            if binding.annotation is not None and UNKNOWN in found:
                return found | self.annotated(binding.annotation)
            # `processor: Optional[TrOCRProcessor] = None`, `models: list[ViTModel] = []`
            if binding.annotation is not None and (found == _NOTHING or _is_empty(value)):
                return found | self.annotated(binding.annotation) - NOTHING_KNOWN
            return found
        if kind == "augment" and isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            before = self._view.reach.reaching(binding.owner, binding.name, node.target)
            left = frozenset(value for each in before if each is not binding for value in self.binding_values(each))
            again = NOTHING_KNOWN if binding in before else frozenset()  # in a loop
            return self._added(left, self.values(node.value)) | again
        if kind == "declare" and binding.annotation is not None:
            return self.annotated(binding.annotation)
        if kind == "unpack" and value is not None:
            return self.item(self.values(value), binding.index)
        if kind == "for" and value is not None:
            items = self.iterated(value)
            return items if binding.index < 0 else self.item(items, binding.index)
        if kind == "with" and value is not None:
            return self.values(value)
        if kind == "nested" and value is not None:
            found = self.iterated(value) if binding.is_looped else self.values(value)
            for place in binding.places:
                found = self.item(found, place) if isinstance(place, int) else _part(found, place)
            return found
        return NOTHING_KNOWN

    def _parameter(self, binding: Binding) -> Iterable[Value]:
        assert isinstance(binding.node, ast.arg)
        function = binding.scope.node
        if binding.index > 0:  # *args, **kwargs
            return {Unknown("caller")}
        owner = self._view.links.class_of_method(function)
        if owner is not None and self._is_first(function, binding.node):
            decorators = {strings.dotted(each) for each in getattr(function, "decorator_list", [])}
            if "staticmethod" not in decorators:
                of = LocalClass(self._view, owner)
                return {of if "classmethod" in decorators else Instance(of)}
        if tried := self._tests.given(function, binding.node.arg):
            return tried
        found: set[Value] = set()
        if binding.annotation is not None:
            found |= self.annotated(binding.annotation) - NOTHING_KNOWN
        given, always = self._view.links.arguments_for(function, binding.node)
        for each in given:
            found |= self.values(each)
        if owner is None and not found and self._is_first(function, binding.node):
            found |= {Instance(each) for each in self._patched(function)}
        if binding.value is not None and not (given and always):
            found.update(self._default(binding.value))
        found |= self._view.links.option_defaults(function, binding.node.arg)
        return found | {Unknown("caller")} if not given else found

    def _patched(self, function: ast.AST) -> Iterator[External]:
        """The classes of other packages that a function is made a method of: `LlamaAttention.forward = forward`."""
        name, tree = getattr(function, "name", ""), self._view.tree
        for mention in self._view.links.mentions(name) if name else ():
            statement = tree.parents.get(mention)
            if not isinstance(statement, ast.Assign) or statement.value is not mention:
                continue
            for target in statement.targets:
                for each in self.values(target.value) if isinstance(target, ast.Attribute) else ():
                    if isinstance(each, External) and each.name[:1].isupper():
                        yield each

    def _default(self, value: ast.expr) -> Iterable[Value]:
        """A parameter's default, or the default inside `typer.Option("x")`."""
        if isinstance(value, ast.Call) and value.args:
            for callee in self.values(value.func):
                if isinstance(callee, External) and callee.path in _OPTION_FACTORIES:
                    return {*self.values(value.args[0]), Unknown("command line")}
        return self.values(value)

    @staticmethod
    def _is_first(function: ast.AST, arg: ast.arg) -> bool:
        args = function.args  # type: ignore[attr-defined]
        positional = [*args.posonlyargs, *args.args]
        return bool(positional) and positional[0] is arg

    def annotated(self, annotation: ast.expr) -> Values:
        """What an annotation says of a value: see `v5lint.view.annotations`."""
        return self._annotations.values(annotation)

    def annotation_classes(self, annotation: ast.expr) -> Iterator[ClassValue]:
        """The classes that an annotation names."""
        yield from self._annotations.classes(annotation)

    # Expressions

    def _constant(self, node: ast.Constant) -> Iterable[Value]:
        return {self._constants(node.value, node)}

    def _name(self, node: ast.Name) -> Iterable[Value]:
        return self.name_values(node.id, self._view.tree.scopes[node], node)

    def _attribute(self, node: ast.Attribute) -> Iterable[Value]:
        if isinstance(node.value, ast.Attribute) and node.value.attr == _HYPERPARAMETERS:
            return self._hyperparameter(node) or NOTHING_KNOWN
        found: set[Value] = set()
        for value in self.values(node.value):
            found |= self.attribute_values(value, node.attr)
        return found

    def _hyperparameter(self, node: ast.Attribute) -> Iterable[Value]:
        """What `self.hparams.name` is where the constructor calls `self.save_hyperparameters()`: its own argument.

        `self.save_hyperparameters(args)` makes the attributes of `args` those of `self.hparams`.
        """
        owner = self._view.links.class_around(node)
        found: set[Value] = set()
        for call in self._view.links.calls_named(_SAVES_THEM) if owner is not None else ():
            if self._view.links.class_around(call) is not owner:
                continue
            function = self._view.links.function_around(call)
            arguments = self._view.tree.scopes[function].bindings.get(node.attr, ()) if function is not None else ()
            found |= {value for each in arguments if each.kind == "parameter" for value in self.binding_values(each)}
            for given in call.args:
                for value in self.values(given):
                    if not isinstance(value, (Constant, Unknown)):
                        found |= self.attribute_values(value, node.attr)
        return found

    def attribute_values(self, value: Value, name: str) -> Values:
        """The values of an attribute of a value."""
        if isinstance(value, External):
            if value.name[:1].isupper() and not value.name.isupper() and value.package != "builtins":
                return frozenset({Method(value, name, bound=False)})
            return self._view.names.member_values(value.path, name)
        if isinstance(value, LocalClass):
            return self.of(value.view).class_attribute(value, name, instance=False)
        if isinstance(value, Instance):
            if name == "__class__":
                return frozenset({value.of})
            if isinstance(value.of, LocalClass):
                members = self.of(value.of.view).members(value.of) if name == "value" else None
                return members or self.of(value.of.view).class_attribute(value.of, name, instance=True)
            return frozenset({Method(value.of, name, bound=True)})
        if isinstance(value, Result) and value.of.endswith((".parse_args", ".parse_known_args")):
            return value.view.links.argparse_default(name)
        if isinstance(value, Mapping):
            return self.of(value.view).namespace_attribute(value, name)
        if isinstance(value, Constant) and name == "value":
            return frozenset({value})  # of a member of an enumeration
        return NOTHING_KNOWN

    def members(self, of: LocalClass) -> Values:
        """The values of the members of an enumeration of this module; nothing of any other class."""
        if not any(isinstance(each, External) and each.package == "enum" for each in self.bases(of)):
            return frozenset()
        scope = self._view.tree.scopes[of.node]
        found = (self.binding_values(each) for bound in scope.bindings.values() for each in bound if each.value)
        return frozenset().union(*found)

    def namespace_attribute(self, of: Mapping, name: str) -> Values:
        """The values of an attribute of a `SimpleNamespace(...)`, which any other module may set as well."""
        if name in _OF_DICTS or not isinstance(of.node, (ast.Call, ast.Dict)):
            return NOTHING_KNOWN
        written = written_entries(of.node)
        if isinstance(of.node, ast.Call):
            written += [entry for each in of.node.args if isinstance(each, ast.Dict) for entry in written_entries(each)]
        found = [self.values(entry.value) for entry in written if entry.key == name and entry.value]
        if isinstance(of.node, ast.Call):
            found += [self.values(each) for each in self._tuple_field(of.node, name)]
        is_set = any(
            node.attr == name and isinstance(node.ctx, ast.Store)  # type: ignore[attr-defined]
            for node in self._view.tree.nodes.get(ast.Attribute, ())
        )
        return frozenset().union(*found, NOTHING_KNOWN if is_set or not found else ())

    def _tuple_field(self, made: ast.Call, name: str) -> Iterator[ast.expr]:
        """What a call gives a field of a `namedtuple("Pair", ["model", "tokenizer"])` by its place."""
        for of in self.values(made.func):
            if not isinstance(of, Result) or of.of != NAMED_TUPLE or len(of.node.args) < 2:
                continue
            names: list[object] = []
            for value in of.view.values(of.node.args[1]):
                if isinstance(value, Elements):
                    names = [next(iter(each)).value for each in value.items if _is_constant(each)]  # type: ignore[attr-defined]
                elif isinstance(value, Constant):
                    names = [*str(value.value).replace(",", " ").split()]
            before = made.args[: names.index(name) + 1] if name in names else []
            if before and len(before) > names.index(name) and not any(isinstance(each, ast.Starred) for each in before):
                yield before[-1]

    def class_attribute(self, of: LocalClass, name: str, *, instance: bool) -> Values:
        """The values of an attribute of a class of this module, or of its objects."""
        found: set[Value] = set()
        scope = self._view.tree.scopes[of.node]
        bindings = scope.bindings.get(name, ())
        for binding in bindings:
            for value in self.binding_values(binding):
                if isinstance(value, Result) and strings.is_field(value.of):
                    found |= self._field_default(value)
                elif instance and isinstance(value, LocalFunction) and _is_property(value):
                    found |= self.returned(value)
                else:
                    found.add(value)
            if binding.kind in ("assign", "declare") and binding.annotation is not None and self._is_settable(of):
                found.discard(UNKNOWN)
                found.add(Unknown("command line"))
                for given in self._view.links.field_arguments(of.node, name) if instance else ():
                    found |= self.values(given)
        if instance:
            assigned = self._view.links.self_assignments(of.node).get(name, ())
            for each in assigned:
                found |= self.values(each)
            for whole, place in self._view.links.self_unpackings(of.node).get(name, ()):
                found |= self.item(self.values(whole), place)
            if all(isinstance(each, Unknown) for each in found) or any(map(_is_empty, assigned)):
                for annotation in self._view.links.self_annotations(of.node, name):
                    found |= self.annotated(annotation)
        if found:
            return frozenset(found)
        for base in self.bases(of):
            if isinstance(base, LocalClass):
                if self._enter((base, name)) < 0:
                    continue
                try:
                    inherited = self.of(base.view).class_attribute(base, name, instance=instance)
                finally:
                    del self._busy[base, name]
                if any(not isinstance(each, (Unknown, Method)) for each in inherited):
                    return inherited
        return frozenset({Method(of, name, bound=instance)})

    def _field_default(self, field: Result) -> Values:
        for keyword in field.node.keywords:
            if keyword.arg == "default":
                return self.of(field.view).values(keyword.value)
            if keyword.arg == "default_factory" and isinstance(keyword.value, ast.Lambda):
                return self.of(field.view).values(keyword.value.body)
            if keyword.arg == "default_factory":
                made = self.of(field.view).values(keyword.value)
                return frozenset(Instance(each) for each in made if isinstance(each, LocalClass)) or NOTHING_KNOWN
        return NOTHING_KNOWN

    def _is_settable(self, of: LocalClass) -> bool:
        """Whether the fields of a class are filled from outside: a dataclass, a named tuple, a pydantic model."""
        for decorator in of.node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if strings.dotted(called).rpartition(".")[2] in ("dataclass", "define", "attrs", "s", "frozen"):
                return True
        bases = [each for each in self.bases(of) if isinstance(each, External)]
        return any(each.package.startswith("pydantic") or each.path == "typing.NamedTuple" for each in bases)

    def bases(self, of: LocalClass) -> list[Value]:
        """The direct bases of a class, as values."""
        found: list[Value] = []
        for base in of.node.bases:
            inner = base.value if isinstance(base, ast.Subscript) else base  # Generic[T]
            found += self.of(of.view).values(inner)
        return found

    def _call(self, node: ast.Call) -> Iterable[Value]:
        return self._calls.values(node)

    def returned(self, function: LocalFunction) -> Values:
        """The values that a function of this module gives back."""
        node = function.node
        if isinstance(node, ast.Lambda):
            return self.values(node.body)
        found: set[Value] = set()
        for each in self._view.links.returns(node):
            found |= self.values(each) if each is not None else {Constant(None)}
        if not found and (yielded := self._view.links.yields(node)):
            given = frozenset().union(*map(self.values, yielded))
            gives_them = any(is_decorated(node, each) for each in _GIVES_WHAT_IT_YIELDS)
            found |= given if gives_them else {Elements((given,), is_open=True)}
        if node.returns is not None and all(_says_little(each) for each in found):
            several = self._annotations.several(node.returns)
            if several is not None:
                return frozenset({several})
        if not found or found == {UNKNOWN}:
            return self.annotated(node.returns) if node.returns is not None else NOTHING_KNOWN
        return frozenset(found)

    def _joined_str(self, node: ast.JoinedStr) -> Iterable[Value]:
        pieces = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                plain = part.conversion == -1 and part.format_spec is None
                pieces.append(self.values(part.value) if plain else NOTHING_KNOWN)
            else:
                pieces.append(self.values(part))
        return strings.joined(pieces, "")

    def _bin_op(self, node: ast.BinOp) -> Iterable[Value]:
        if isinstance(node.op, ast.BitOr):
            both = self.values(node.left) | self.values(node.right)
            return {Mapping(self._view, node)} if any(isinstance(each, Mapping) for each in both) else NOTHING_KNOWN
        if isinstance(node.op, ast.Add):
            return self._added(self.values(node.left), self.values(node.right))
        if isinstance(node.op, ast.Div):
            return strings.joined([self.values(node.left), self.values(node.right)], "/")
        if isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
            right_node = node.right
            given = right_node.elts if isinstance(right_node, ast.Tuple) else [right_node]
            return strings.formatted(node.left.value.replace("%d", "%s"), "%s", [self.values(each) for each in given])
        return NOTHING_KNOWN

    def _if_exp(self, node: ast.IfExp) -> Iterable[Value]:
        return self.values(node.body) | self.values(node.orelse)

    def _bool_op(self, node: ast.BoolOp) -> Iterable[Value]:
        found: set[Value] = set()
        for number, each in enumerate(node.values):
            for value in self.values(each):
                falsy = isinstance(value, Constant) and not value.value
                if (
                    number == len(node.values) - 1
                    or falsy == isinstance(node.op, ast.And)
                    or not isinstance(value, Constant)
                ):
                    found.add(value)
        return found

    @staticmethod
    def _added(left: Values, right: Values) -> Values:
        """What `+` makes of two lists or of two strings."""
        if len(left) == len(right) == 1:
            (first,), (second,) = left, right
            if isinstance(first, Elements) and isinstance(second, Elements):
                is_open = first.is_open or second.is_open
                return frozenset({Elements(first.items + second.items, is_open=is_open)})
        return strings.joined([left, right], "") if left else NOTHING_KNOWN

    def _unary_op(self, node: ast.UnaryOp) -> Iterable[Value]:
        number = _integer(self.values(node.operand))
        return {Constant(-number)} if isinstance(node.op, ast.USub) and number is not None else NOTHING_KNOWN

    def _named_expr(self, node: ast.NamedExpr) -> Iterable[Value]:
        return self.values(node.value)

    def _await(self, node: ast.Await) -> Iterable[Value]:
        return self.values(node.value)

    def _lambda(self, node: ast.Lambda) -> Iterable[Value]:
        return {LocalFunction(self._view, node)}

    def _dict(self, node: ast.Dict | ast.DictComp) -> Iterable[Value]:
        return {Mapping(self._view, node)}

    def _elements(self, node: ast.List | ast.Tuple | ast.Set) -> Iterable[Value]:
        if len(node.elts) > _MOST_ITEMS:
            return NOTHING_KNOWN
        items: list[Values] = []
        is_open = False
        for each in node.elts:
            if not isinstance(each, ast.Starred):
                items.append(self.values(each))
                continue
            inner = self.values(each.value)
            only = next(iter(inner)) if len(inner) == 1 else None
            if isinstance(only, Elements) and not only.is_open:
                items += only.items
            else:
                items.append(self.iterated(each.value))
                is_open = True
        return {Elements(tuple(items), is_open=is_open)}

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Iterable[Value]:
        """Of a list that a comprehension makes, the values that its elements have: how many it has is not known."""
        return {Elements((self.values(node.elt),), is_open=True)}

    def _subscript(self, node: ast.Subscript) -> Iterable[Value]:
        containers = self.values(node.value)
        if isinstance(node.slice, ast.Slice):
            return {self._sliced(container, node.slice) for container in containers}
        return self.items_of(containers, self.values(node.slice), strings.dotted(node.value))

    def items_of(self, containers: Values, keys: Values, called: str) -> Values:
        """What containers hold under some keys.

        Args:
            containers: the containers.
            keys: the keys.
            called: what the container is called in the source, "" where it is no name.
        """
        found: set[Value] = set()
        for container in containers:
            if isinstance(container, Mapping):
                found |= self.of(container.view).looked_up(container, keys)
            elif isinstance(container, Elements):
                for key in keys:
                    index = key.value if isinstance(key, Constant) and isinstance(key.value, int) else None
                    found |= self.item(frozenset({container}), index)
            elif isinstance(container, Table):
                found |= container.items
            elif container == _MODULES:
                found |= {External(each.value) for each in keys if _names_module(each)} or NOTHING_KNOWN  # type: ignore[attr-defined]
            elif isinstance(container, Result) and container.of == _VARIABLES and len(container.node.args) == 1:
                for key in keys:
                    name = key.value if isinstance(key, Constant) and isinstance(key.value, str) else ""
                    for value in self.of(container.view).values(container.node.args[0]) if name else ():
                        found |= self.attribute_values(value, name)
            else:
                found.add(Unknown("environment") if called.endswith("environ") else UNKNOWN)
        return frozenset(found) or NOTHING_KNOWN

    def _sliced(self, container: Value, part: ast.Slice) -> Value:
        """What a slice takes of a sequence or of a string: `names[1:]`, `names[::-1]`, `text[:-4]`."""
        bounds: list[int | None] = []
        for each in (part.lower, part.upper, part.step):
            number = _integer(self.values(each)) if each is not None else None
            if each is not None and number is None:
                return any_of(frozenset({container})) if isinstance(container, Elements) else UNKNOWN
            bounds.append(number)
        at = slice(*bounds)
        if isinstance(container, Elements):
            return next(iter(_part(frozenset({container}), at)))
        if isinstance(container, Constant) and isinstance(container.value, str):
            return Constant(container.value[at])
        return container if isinstance(container, Unknown) else UNKNOWN

    def looked_up(self, mapping: Mapping, keys: Values) -> Values:
        """The values of the entries of a dict of this module under a key; under any where the key is unknown."""
        wanted = {key.value for key in keys if isinstance(key, Constant)}
        every = len(wanted) < len(keys)
        if every and _is_data(mapping.node):
            return NOTHING_KNOWN
        found: set[Value] = set()
        for entry in self._view.dicts.entries(mapping.node):
            may_be_any = entry.key is None and entry.how != "removal"  # `{name: ... for name in names}`
            if entry.value is not None and (every or may_be_any or entry.key in wanted):
                found |= self.values(entry.value)
        return frozenset(found) or NOTHING_KNOWN

    def iterated(self, node: ast.expr) -> Values:
        """What a loop over an expression gives, one at a time."""
        if isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Name):
            if node.func.id == "enumerate":
                return frozenset({Elements((NOTHING_KNOWN, self.iterated(node.args[0])))})
            if node.func.id == "zip":
                return frozenset({Elements(tuple(self.iterated(each) for each in node.args))})
            if node.func.id in ("tqdm", "reversed", "sorted", "list", "set", "tuple", "iter", "frozenset"):
                return self.iterated(node.args[0])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            for container in self.values(node.func.value):
                if isinstance(container, (Mapping, Table)):
                    return self.iterated_mapping(container, node.func.attr)
        found: set[Value] = set()
        for container in self.values(node):
            if isinstance(container, Elements):
                for item in container.items:
                    found |= item
            elif isinstance(container, (Mapping, Table)):
                found |= self.iterated_mapping(container, "keys")
            else:
                found.add(container if isinstance(container, Unknown) else UNKNOWN)
        return frozenset(found) or NOTHING_KNOWN

    def iterated_mapping(self, container: Mapping | Table, what: str) -> Values:
        """What a loop over the "keys", "values" or "items" of a dict takes."""
        if isinstance(container, Table):
            pair = frozenset({Elements((NOTHING_KNOWN, container.items))})
            return {"items": pair, "values": container.items}.get(what, NOTHING_KNOWN)
        if _is_data(container.node):
            return NOTHING_KNOWN
        entries = container.view.dicts.entries(container.node)
        keys: set[Value] = {
            self._constants(each.key, each.node if isinstance(each.node, (ast.expr, ast.keyword)) else None)
            if each.key is not None
            else UNKNOWN
            for each in entries
        }
        values: set[Value] = set()
        for each in entries:
            if each.value is not None:
                values |= self.of(container.view).values(each.value)
        if what == "items":
            return frozenset({Elements((frozenset(keys) or NOTHING_KNOWN, frozenset(values) or NOTHING_KNOWN))})
        return frozenset(values if what == "values" else keys) or NOTHING_KNOWN

    @staticmethod
    def item(containers: Values, index: int | None) -> Values:
        """What some sequences hold at a place; anything that they hold where it is not known."""
        found: set[Value] = set()
        for container in containers:
            if not isinstance(container, Elements):
                # `model, info = X.from_pretrained(..., output_loading_info=True)`: the first is the model; and
                # `module, is_there = optional_import("transformers")`; and `args, rest = parser.parse_known_args()`.
                is_pair = isinstance(container, Result) and container.of.endswith(".parse_known_args")
                if (isinstance(container, (Instance, External)) or is_pair) and index == 0:
                    found.add(container)
                else:
                    found.add(UNKNOWN)
            elif index is None or container.is_open:
                for item in container.items:
                    found |= item
            elif -len(container.items) <= index < len(container.items):
                found |= container.items[index]
        return frozenset(found) or NOTHING_KNOWN


def _part(containers: Values, place: slice) -> Values:
    """What a slice takes of some sequences."""
    found: set[Value] = set()
    for each in containers:
        known = isinstance(each, Elements) and not each.is_open
        found.add(Elements(each.items[place]) if known else each)  # type: ignore[attr-defined]
    return frozenset(found)


def _says_little(value: Value) -> bool:
    """Whether an annotation may say more than a value does."""
    return isinstance(value, (Unknown, Result)) or (isinstance(value, Elements) and is_vague(value))


def _is_empty(value: ast.expr) -> bool:
    """Whether a literal is a list or dict that is filled later."""
    return (isinstance(value, ast.List) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)


def _is_data(mapping: ast.AST) -> bool:
    """Whether a dict is a table of data, of which no one entry is meant."""
    return isinstance(mapping, ast.Dict) and len(mapping.keys) > _MOST_ITEMS


def _integer(values: Values) -> int | None:
    only = next(iter(values)) if len(values) == 1 else None
    return only.value if isinstance(only, Constant) and type(only.value) is int else None


def _is_constant(values: Values) -> bool:
    return len(values) == 1 and isinstance(next(iter(values)), Constant)


def _names_module(value: Value) -> bool:
    """Whether a value is the name of a module: the key of `sys.modules["transformers"]`."""
    return isinstance(value, Constant) and isinstance(value.value, str) and MODULE_NAME.match(value.value) is not None


def _is_property(function: LocalFunction) -> bool:
    """Whether a method is read like an attribute."""
    decorators = getattr(function.node, "decorator_list", ())
    return any(strings.dotted(each).rpartition(".")[2] in PROPERTIES for each in decorators)


def _bounded(values: Iterable[Value], width: int) -> Values:
    found = values if isinstance(values, frozenset) else frozenset(values)
    if len(found) <= width:
        return found
    return frozenset([*sorted(found, key=repr)[: width - 1], UNKNOWN])


_EXPRESSIONS: dict[type[ast.expr], Callable[[Evaluator, Any], Iterable[Value]]] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.Call: Evaluator._call,
    ast.JoinedStr: Evaluator._joined_str,
    ast.BinOp: Evaluator._bin_op,
    ast.IfExp: Evaluator._if_exp,
    ast.BoolOp: Evaluator._bool_op,
    ast.UnaryOp: Evaluator._unary_op,
    ast.NamedExpr: Evaluator._named_expr,
    ast.Await: Evaluator._await,
    ast.Lambda: Evaluator._lambda,
    ast.Dict: Evaluator._dict,
    ast.DictComp: Evaluator._dict,
    ast.List: Evaluator._elements,
    ast.Tuple: Evaluator._elements,
    ast.Set: Evaluator._elements,
    ast.ListComp: Evaluator._comprehension,
    ast.SetComp: Evaluator._comprehension,
    ast.GeneratorExp: Evaluator._comprehension,
    ast.Subscript: Evaluator._subscript,
}

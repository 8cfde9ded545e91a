"""Who uses what inside one module: the reads of a binding, the calls of a function, the attributes of `self`."""

from __future__ import annotations

import ast

from v5lint.view.strings import dotted, is_super, last_name
from v5lint.view.tree import FUNCTIONS, Binding
from v5lint.view.values import Instance, LocalClass, LocalFunction, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Scope
    from v5lint.view.values import Value, Values


#: Decorators of a method that is read like an attribute.
PROPERTIES = frozenset({"property", "cached_property"})


class Links:
    """Answers for one module; every table is made when it is first asked for."""

    def __init__(self, view: ModuleView) -> None:
        self._view = view
        self._names: dict[str, list[ast.Name]] | None = None
        self._reads: dict[str, dict[Scope | None, list[ast.Name]]] = {}
        self._calls: dict[str, list[ast.Call]] | None = None
        self._about: dict[str, list[tuple[int, ast.Call]]] | None = None
        self._assigned: dict[ast.ClassDef, dict[str, list[ast.expr]]] | None = None
        self._unpacked: dict[ast.ClassDef, dict[str, list[tuple[ast.expr, int]]]] | None = None
        self._options: dict[str, list[ast.Call]] | None = None
        self._returns: dict[ast.AST, list[ast.Return]] | None = None

    # Names

    def mentions(self, name: str) -> list[ast.Name]:
        """Every Name of that spelling, in source order, those inside string annotations last."""
        if self._names is None:
            self._names = {}
            for node in self._view.tree.nodes.get(ast.Name, ()):
                assert isinstance(node, ast.Name)
                self._names.setdefault(node.id, []).append(node)
            for quoted in self._view.names.quoted(ast.Name):
                self._names.setdefault(quoted.id, []).append(quoted)
        return self._names.get(name, [])

    def uses(self, binding: Binding) -> list[ast.Name]:
        """The reads of a name that may see what this binding gave it."""
        owner, name, reach = binding.owner, binding.name, self._view.reach
        return [node for node in self._reads_of(name).get(owner, ()) if binding in reach.reaching(owner, name, node)]

    def _reads_of(self, name: str) -> dict[Scope | None, list[ast.Name]]:
        """The reads of a name by the scope whose name it is, in the order of `mentions`."""
        if (known := self._reads.get(name)) is not None:
            return known
        found: dict[Scope | None, list[ast.Name]] = {}
        owners: dict[Scope, Scope | None] = {}
        for node in self.mentions(name):
            if isinstance(node.ctx, ast.Load):
                scope = self._view.tree.scopes[node]
                if scope not in owners:
                    owners[scope] = self._view.evaluator.owner(name, scope)
                found.setdefault(owners[scope], []).append(node)
        self._reads[name] = found
        return found

    def bindings_read(self, node: ast.Name) -> list[Binding]:
        """The bindings that a read may see."""
        owner = self._view.evaluator.owner(node.id, self._view.tree.scopes[node])
        return self._view.reach.reaching(owner, node.id, node) if owner is not None else []

    def bindings_at(self, target: ast.Name) -> list[Binding]:
        """The bindings that an assignment target makes."""
        owner = self._view.evaluator.owner(target.id, self._view.tree.scopes[target])
        return [each for each in owner.bindings[target.id] if each.node is target] if owner is not None else []

    def bindings_augmented(self, statement: ast.AugAssign) -> list[Binding]:
        """The bindings that `name |= ...` makes: what the name means from there on."""
        target = statement.target
        if not isinstance(target, ast.Name):
            return []
        owner = self._view.evaluator.owner(target.id, self._view.tree.scopes[target])
        return [each for each in owner.bindings[target.id] if each.node is statement] if owner is not None else []

    def augmentations(self, binding: Binding) -> list[Binding]:
        """The bindings by `name |= ...` to which the value of another binding of the name goes on."""
        owner = binding.owner
        return [
            each
            for each in owner.bindings.get(binding.name, ())
            if isinstance(each.node, ast.AugAssign)
            and each is not binding
            and binding in self._view.reach.reaching(owner, binding.name, each.node.target)
        ]

    def is_imported(self, node: ast.Name, name: str) -> bool:
        """Whether a name that is read may be an import of another module's `name`, whatever it is called here."""
        return any(getattr(each.node, "name", "") == name for each in self.bindings_read(node) if each.kind == "import")

    def other_bindings(self, binding: Binding) -> list[Binding]:
        """The other bindings of the same name in the same scope."""
        owner = binding.owner
        return [each for each in owner.bindings.get(binding.name, ()) if each is not binding]

    def defining_call(self, node: ast.expr) -> ast.Call | None:
        """The call that an expression is, or that the only assignment to its name makes."""
        if isinstance(node, ast.Call):
            return node
        if isinstance(node, ast.Name):
            calls = [each.value for each in self.bindings_read(node) if isinstance(each.value, ast.Call)]
            return calls[0] if len(calls) == 1 else None
        return None

    def defining_calls(self, node: ast.expr) -> list[ast.Call]:
        """The calls that an expression may be, or that the assignments to its name make; None may be assigned besides.

        Where something else may be assigned, or nothing is known, there are none.
        """
        if not isinstance(node, ast.Name):
            return [node] if isinstance(node, ast.Call) else []
        bindings = self.bindings_read(node)
        values = [each.value if each.kind == "assign" else node for each in bindings]
        made = [each for each in values if not (isinstance(each, ast.Constant) and each.value is None)]
        calls = [each for each in made if isinstance(each, ast.Call)]
        return calls if len(calls) == len(made) else []

    # Surroundings

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """The class whose method a node is, or is in."""
        for parent in self._view.tree.ancestors(node):
            if isinstance(parent, ast.ClassDef):
                return parent
        return None

    def class_of_method(self, function: ast.AST) -> ast.ClassDef | None:
        """The class that a function is a method of; a function inside a method is none."""
        for parent in self._view.tree.ancestors(function):
            if isinstance(parent, ast.ClassDef):
                return parent
            if isinstance(parent, FUNCTIONS):
                return None
        return None

    def function_around(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
        """The function that a node is in."""
        for parent in self._view.tree.ancestors(node):
            if isinstance(parent, FUNCTIONS):
                return parent
            if isinstance(parent, ast.ClassDef):
                return None
        return None

    # Functions

    def returns(self, function: ast.AST) -> list[ast.expr | None]:
        """What a function gives back, one for each `return` (and the body of a lambda)."""
        if isinstance(function, ast.Lambda):
            return [function.body]
        if self._returns is None:
            self._returns = {}
            for node in self._view.tree.nodes.get(ast.Return, ()):
                assert isinstance(node, ast.Return)
                around = self.function_around(node)
                if around is not None:
                    self._returns.setdefault(around, []).append(node)
        return [each.value for each in self._returns.get(function, ())]

    def yields(self, function: ast.AST) -> list[ast.expr]:
        """What a generator gives, one for each `yield` of something."""
        found = [each for each in self._view.tree.nodes.get(ast.Yield, ()) if self.function_around(each) is function]
        return [each.value for each in found if isinstance(each, ast.Yield) and each.value is not None]

    def calls_named(self, name: str) -> list[ast.Call]:
        """The calls whose callee ends in that name: `f(...)`, `x.f(...)`."""
        if self._calls is None:
            self._calls = {}
            for node in self._view.tree.nodes.get(ast.Call, ()):
                assert isinstance(node, ast.Call)
                self._calls.setdefault(last_name(node.func), []).append(node)
        return self._calls.get(name, [])

    def calls_about(self, names: Container[str]) -> list[ast.Call]:
        """The calls in source order whose callee or first argument ends in one of some names."""
        if self._about is None:
            self._about = {}
            for place, node in enumerate(self._view.tree.nodes.get(ast.Call, ())):
                assert isinstance(node, ast.Call)
                for each in {last_name(part) for part in (node.func, *node.args[:1])}:
                    self._about.setdefault(each, []).append((place, node))
        # A module calls far fewer names than it has calls, and most questions are about none of them.
        found = {place: node for name, calls in self._about.items() if name in names for place, node in calls}
        return [found[place] for place in sorted(found)]

    def calls_of(self, function: ast.AST) -> list[ast.Call]:
        """The calls of a function of this module in this module; of `__init__`, those of its class.

        Its class is called as `cls(...)` as well, and its `__init__` by the subclasses: `super().__init__(...)`.
        """
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return []
        owner = self.class_around(function)
        is_method = owner is not None and self._view.tree.parents[function] is owner
        if is_method and function.name == "__init__":
            assert owner is not None
            made = [call for name in (owner.name, "cls") for call in self.calls_named(name) if self._means(call, owner)]
            inherited = [call for call in self.calls_named("__init__") if _is_of_super(call)]
            return made + [call for call in inherited if self._means(call, function)]
        found = []
        for call in self.calls_named(function.name):
            if self._means(call, function) or (is_method and self._may_mean_method(call, owner)):
                found.append(call)
        return found

    def _means(self, call: ast.Call, definition: ast.AST) -> bool:
        for value in self._view.evaluator.values(call.func):
            if isinstance(value, (LocalFunction, LocalClass)) and value.node is definition:
                return True
        return False

    def _may_mean_method(self, call: ast.Call, owner: ast.ClassDef | None) -> bool:
        """Whether the receiver of a method call is of the class: `self`, or an object that is known to be."""
        if not isinstance(call.func, ast.Attribute):
            return False
        for value in self._view.evaluator.values(call.func.value):
            of = value.of if isinstance(value, Instance) else value
            if isinstance(of, LocalClass) and of.node is owner:
                return True
        return False

    def parameter_for(self, callee: LocalFunction, call: ast.Call, name: str, index: int) -> Binding | None:
        """The parameter that an argument of a call becomes.

        Args:
            callee: a function of the repository.
            call: a call of it in this module.
            name: the keyword; "" for a positional argument.
            index: the place of a positional argument.
        """
        args = callee.node.args
        positional = [*args.posonlyargs, *args.args]
        if name:
            found = [each for each in [*positional, *args.kwonlyargs] if each.arg == name]
        else:
            found = positional[index + self._bound_by(callee, call) :][:1]
        if not found:
            return None
        bindings = callee.view.tree.scopes[callee.node].bindings.get(found[0].arg, ())
        return next((each for each in bindings if each.node is found[0]), None)

    def reads_inside(self, call: ast.Call, given: ast.expr) -> Iterator[tuple[ModuleView, ast.Name]]:
        """Where the functions of the repository that a call may mean read a positional argument of it.

        Args:
            call: a call in this module.
            given: one of its positional arguments.

        Yields:
            The reads, each with the module that it stands in.
        """
        for callee in self._view.evaluator.values(call.func):
            if isinstance(callee, LocalFunction):
                parameter = self.parameter_for(callee, call, "", call.args.index(given))
                for use in callee.view.links.uses(parameter) if parameter is not None else ():
                    yield callee.view, use

    def _bound_by(self, callee: LocalFunction, call: ast.Call) -> int:
        """How many leading parameters a call fills by itself: `self` of a method."""
        if isinstance(callee.node, ast.Lambda) or not isinstance(call.func, ast.Attribute):
            return 1 if callee.node in self._inits(call) else 0
        owner = callee.view.links.class_around(callee.node)
        if owner is None or callee.view.tree.parents[callee.node] is not owner:
            return 0
        return 0 if "staticmethod" in {dotted(each) for each in callee.node.decorator_list} else 1

    def _inits(self, call: ast.Call) -> list[ast.AST]:
        found: list[ast.AST] = []
        for value in self._view.evaluator.values(call.func):
            if isinstance(value, LocalClass):
                found += [each for each in value.node.body if getattr(each, "name", "") == "__init__"]
        return found

    def parameters_with_default(self, default: ast.expr) -> list[Binding]:
        """The parameter whose default an expression is."""
        function = self._view.tree.parents[default]
        if not isinstance(function, FUNCTIONS):
            return []
        args = function.args
        positional = [*args.posonlyargs, *args.args]
        pairs = [*zip(reversed(positional), reversed(args.defaults), strict=False)]
        pairs += [(arg, value) for arg, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value]
        bindings = self._view.tree.scopes[function].bindings
        return [
            each for arg, value in pairs if value is default for each in bindings.get(arg.arg, ()) if each.node is arg
        ]

    def constructor(self, of: LocalClass) -> LocalFunction | None:
        """The `__init__` that an object of a class of this repository is made with, if the repository writes it."""
        for value in of.view.evaluator.class_attribute(of, "__init__", instance=False):
            if isinstance(value, LocalFunction):
                return value
        return None

    def arguments_for(self, function: ast.AST, arg: ast.arg) -> tuple[list[ast.expr], bool]:
        """What the calls in this module give a parameter, and whether every one of them gives it something."""
        found: list[ast.expr] = []
        always = True
        args = function.args  # type: ignore[attr-defined]
        positional = [*args.posonlyargs, *args.args]
        for call in self.calls_of(function):
            given = next((each.value for each in call.keywords if each.arg == arg.arg), None)
            if given is None and arg in positional:
                assert not isinstance(function, ast.Lambda)
                callee = LocalFunction(self._view, function)  # type: ignore[arg-type]
                index = positional.index(arg) - self._bound_by(callee, call)
                before = call.args[: index + 1]
                if 0 <= index < len(call.args) and not any(isinstance(each, ast.Starred) for each in before):
                    given = call.args[index]
            if given is not None:
                found.append(given)
            else:
                always = False
        return found, always

    def field_arguments(self, owner: ast.ClassDef, name: str) -> list[ast.expr]:
        """What the calls in this module give a field of a dataclass or of a named tuple.

        Args:
            owner: the class.
            name: the field; by its place only where no base may have fields before it.
        """
        declared = [each.target for each in owner.body if isinstance(each, ast.AnnAssign)]
        fields = [each.id for each in declared if isinstance(each, ast.Name)]
        if name not in fields or any(getattr(each, "name", "") == "__init__" for each in owner.body):
            return []
        is_first = all(dotted(each).rpartition(".")[2] in ("NamedTuple", "object", "BaseModel") for each in owner.bases)
        found = []
        for call in self.calls_named(owner.name):
            given = next((each.value for each in call.keywords if each.arg == name), None)
            before = call.args[: fields.index(name) + 1] if is_first else []
            if given is None and len(before) > fields.index(name):
                given = before[-1] if not any(isinstance(each, ast.Starred) for each in before) else None
            if given is not None and self._means(call, owner):
                found.append(given)
        return found

    # Attributes of self

    def self_assignments(self, owner: ast.ClassDef) -> dict[str, list[ast.expr]]:
        """The values that the methods of a class give to each attribute of `self`.

        The pipelines of diffusers give theirs by `self.register_modules(unet=unet)`; `setattr(self, "unet", unet)`
        and `self.add_module("unet", unet)` do the same.
        """
        if self._assigned is None:
            self._assigned = {}
            for target, value in self._attribute_targets():
                self._assign(target.value, target, target.attr, value)
            for call in self.calls_named("register_modules"):
                if isinstance(call.func, ast.Attribute):
                    for each in call.keywords:
                        if each.arg is not None:
                            self._assign(call.func.value, call, each.arg, each.value)
            for call in (*self.calls_named("setattr"), *self.calls_named("add_module")):
                whole = [call.func.value, *call.args] if isinstance(call.func, ast.Attribute) else call.args
                if len(whole) == 3 and isinstance(whole[1], ast.Constant) and isinstance(whole[1].value, str):
                    self._assign(whole[0], call, whole[1].value, whole[2])
        return self._assigned.get(owner, {})

    def self_annotations(self, owner: ast.ClassDef, name: str) -> list[ast.expr]:
        """The annotations that the methods of a class give to an attribute: `self.model: CLIPModel = model`."""
        return [
            each.annotation
            for each in self._view.tree.nodes.get(ast.AnnAssign, ())
            if isinstance(each, ast.AnnAssign)
            and isinstance(each.target, ast.Attribute)
            and each.target.attr == name
            and self._is_self(each.target.value)
            and self.class_around(each) is owner
        ]

    def self_unpackings(self, owner: ast.ClassDef) -> dict[str, list[tuple[ast.expr, int]]]:
        """The attributes of `self` that the methods of a class unpack one value into: `self.a, self.b = load()`.

        Each has the values, and which of their items it gets.
        """
        if self._unpacked is None:
            self._unpacked = {}
            for node in self._view.tree.nodes.get(ast.Assign, ()):
                assert isinstance(node, ast.Assign)
                if isinstance(node.value, (ast.Tuple, ast.List)):
                    continue  # its parts are values of their own
                for target in node.targets:
                    for place, to in enumerate(_plain_items(target)):
                        if isinstance(to, ast.Attribute) and self._is_self(to.value):
                            around = self.class_around(to)
                            assert around is not None
                            given = self._unpacked.setdefault(around, {}).setdefault(to.attr, [])
                            given.append((node.value, place))
        return self._unpacked.get(owner, {})

    def _assign(self, holder: ast.expr, place: ast.AST, name: str, value: ast.expr) -> None:
        """Note a value that is given to an attribute of `holder`, if that is the `self` of the class around."""
        owner = self.class_around(place) if self._is_self(holder) else None
        if owner is not None:
            assert self._assigned is not None
            self._assigned.setdefault(owner, {}).setdefault(name, []).append(value)

    def _attribute_targets(self) -> Iterator[tuple[ast.Attribute, ast.expr]]:
        for kind in (ast.Assign, ast.AnnAssign):
            for node in self._view.tree.nodes.get(kind, ()):
                assert isinstance(node, (ast.Assign, ast.AnnAssign))
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets if node.value is not None else ():
                    assert node.value is not None
                    for to, value in _assigned_pairs(target, node.value):
                        if isinstance(to, ast.Attribute):
                            yield to, value

    def _is_self(self, node: ast.expr) -> bool:
        if not isinstance(node, ast.Name):
            return False
        function = self.function_around(node)
        if function is None:
            return False
        positional = [*function.args.posonlyargs, *function.args.args]
        return bool(positional) and positional[0].arg == node.id and self.class_of_method(function) is not None

    def class_attribute_reads(self, target: ast.Name) -> list[ast.Attribute]:
        """The reads of an attribute that is assigned in the body of a class: `self.NAME`, `cls.NAME`, `Class.NAME`."""
        owner = self._view.tree.parents[self._view.tree.statement(target)]
        if not isinstance(owner, ast.ClassDef):
            return []
        found = []
        for each in self._view.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(each, ast.Attribute)
            if each.attr == target.id and isinstance(each.ctx, ast.Load) and self._is_of(each.value, owner):
                found.append(each)
        return found

    def property_reads(self, function: ast.AST) -> list[ast.Attribute]:
        """The reads of a method that is read like an attribute; none of any other function."""
        owner = self.class_of_method(function)
        decorators = {dotted(each).rpartition(".")[2] for each in getattr(function, "decorator_list", ())}
        if owner is None or not decorators & PROPERTIES:
            return []
        found = []
        for each in self._view.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(each, ast.Attribute)
            if each.attr == function.name and isinstance(each.ctx, ast.Load) and self._is_of(each.value, owner):  # type: ignore[attr-defined]
                found.append(each)
        return found

    def class_attribute_values(self, node: ast.Attribute) -> list[ast.expr]:
        """What the bodies of the classes of this module assign to the attribute that an expression reads."""
        found = []
        for value in self._view.evaluator.values(node.value):
            of = value.of if isinstance(value, Instance) else value
            if isinstance(of, LocalClass) and of.view is self._view:
                bindings = self._view.tree.scopes[of.node].bindings.get(node.attr, ())
                found += [each.value for each in bindings if each.value is not None]
        return found

    def attribute_assignments(self, node: ast.Attribute) -> list[ast.expr]:
        """What this module assigns to the attribute of a class that an expression reads: in its body, or by `self`."""
        found = self.class_attribute_values(node)
        for of in self._own_classes(self._view.evaluator.values(node.value)):
            if of.view is self._view:
                found += self.self_assignments(of.node).get(node.attr, ())
        return found

    def is_own_attribute(self, node: ast.Attribute) -> bool:
        """Whether a class of this repository defines what is read: in its body, or by setting it on `self`."""
        return self.defines(self._view.evaluator.values(node.value), node.attr)

    def defines(self, values: Iterable[Value], name: str) -> bool:
        """Whether a class among some values, or the one of an object, defines an attribute: see `is_own_attribute`."""
        return any(
            name in of.view.tree.scopes[of.node].bindings
            or name in of.view.links.self_assignments(of.node)
            or name in of.view.links.self_unpackings(of.node)
            for of in self._own_classes(values)
        )

    def _is_of(self, node: ast.expr, owner: ast.ClassDef) -> bool:
        """Whether an expression is a class of this module or an object of it, or of one that inherits from it."""
        return any(of.node is owner for of in self._own_classes(self._view.evaluator.values(node)))

    def _own_classes(self, values: Iterable[Value]) -> Iterator[LocalClass]:
        """The classes of this repository among some values, or of their objects, with those they inherit from."""
        at = [each.of if isinstance(each, Instance) else each for each in values]
        seen: set[Value] = set()
        while at:
            of = at.pop()
            if isinstance(of, LocalClass) and of not in seen:
                seen.add(of)
                yield of
                at += of.view.evaluator.bases(of)

    def same_attributes(self, node: ast.Attribute) -> list[ast.Attribute]:
        """Every mention of `self.name` in the class around, for a node that is one; else the node alone."""
        owner = self.class_around(node)
        if owner is None or not self._is_self(node.value):
            return [node]
        found = []
        for each in self._view.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(each, ast.Attribute)
            if each.attr == node.attr and self.class_around(each) is owner and self._is_self(each.value):
                found.append(each)
        return found

    # Command lines

    def argparse_default(self, name: str) -> Values:
        """The default of the command-line option that fills `args.<name>`, if this module declares it."""
        if self._options is None:
            self._options = {}
            for call in self.calls_named("add_argument"):
                for destination in destinations(call):
                    self._options.setdefault(destination, []).append(call)
        found: set[Value] = set()
        for call in self._options.get(name, ()):
            required = any(
                each.arg == "required" and isinstance(each.value, ast.Constant) and each.value.value
                for each in call.keywords
            )
            for keyword in call.keywords:
                if keyword.arg == "default" and not required:
                    found |= self._view.evaluator.values(keyword.value)
        return frozenset({*found, Unknown("command line")})

    def option_defaults(self, function: ast.AST, name: str) -> Values:
        """The default that a `@click.option` of a function gives to one of its parameters."""
        found: set[Value] = set()
        for decorator in getattr(function, "decorator_list", ()):
            if not isinstance(decorator, ast.Call) or dotted(decorator.func).rpartition(".")[2] != "option":
                continue
            if name not in destinations(decorator):
                continue
            for keyword in decorator.keywords:
                if keyword.arg == "default":
                    found |= self._view.evaluator.values(keyword.value)
                    found.add(Unknown("command line"))
        return frozenset(found)


def _is_of_super(call: ast.Call) -> bool:
    """Whether a method is called on `super()`."""
    return isinstance(call.func, ast.Attribute) and is_super(call.func.value)


def destinations(call: ast.Call) -> list[str]:
    """The attribute that an option fills: its `dest`, the name that click is given without dashes, or its long flags.

    Of click's `--shout/--no-shout` the first word counts.
    """
    for keyword in call.keywords:
        if keyword.arg == "dest" and isinstance(keyword.value, ast.Constant):
            return [str(keyword.value.value)]
    flags = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    named = [each for each in flags if each.isidentifier()]
    long = named or [each for each in flags if each.startswith("--")] or flags
    return [each.partition("/")[0].lstrip("-").replace("-", "_") for each in long]


def _plain_items(target: ast.expr) -> list[ast.expr]:
    """The targets of an unpacking, up to the one that takes what is left."""
    if not isinstance(target, (ast.Tuple, ast.List)):
        return []
    starred = next((at for at, each in enumerate(target.elts) if isinstance(each, ast.Starred)), len(target.elts))
    return target.elts[:starred]


def _assigned_pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The targets of an assignment with the value of each; those of `a, b = f(), g()` one by one.

    A tuple that is unpacked from one value, or with a star on either side, stays whole.
    """
    if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        is_starred = any(isinstance(each, ast.Starred) for each in (*target.elts, *value.elts))
        if len(target.elts) == len(value.elts) and not is_starred:
            for to, of in zip(target.elts, value.elts, strict=True):
                yield from _assigned_pairs(to, of)
            return
    yield target, value

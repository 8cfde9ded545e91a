"""Dicts that become keyword arguments: what is put into one, and where it goes.

`kw = {"load_in_8bit": True}; kw.update(device_map="auto"); model = load(**kw)` is one flow: two entries, one receiver.
"""

from __future__ import annotations

import ast
import os.path

from v5lint.view import namespaces
from v5lint.view.carriers import carriers, words_of
from v5lint.view.values import Constant, External, LocalClass, LocalFunction, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: Calls that only look at a dict.
_READERS = frozenset(
    "print len str repr bool list sorted set tuple isinstance type dumps pformat pprint id hash any all".split()
)
#: How many modules a dict is followed through.
_MODULES = 3

_LOGGERS = frozenset("debug info warning warn error exception log critical".split())
_READING_METHODS = frozenset("get items keys values pop popitem __contains__".split())
_TAKING_METHODS = frozenset({"pop", "popitem", "clear"})


class Entry:
    """One key that is put into a dict.

    Attributes:
        key: the constant key, or None where it cannot be known.
        node: the node to point at: the key, the keyword, or the subscript.
        value: the expression of the value; None where it cannot be known.
        owner: what would be edited: the Dict, the Call (`dict(...)`, `d.update(...)`) or the assignment statement.
        how: "literal", "keyword", "subscript", "setdefault", "pair" (in a list of pairs), "removal" (`pop`, `del`) or
            "unknown" (`**other`).
    """

    __slots__ = ("how", "key", "node", "owner", "value")

    def __init__(self, key: object, node: ast.AST, value: ast.expr | None, owner: ast.AST, how: str) -> None:
        self.key = key
        self.node = node
        self.value = value
        self.owner = owner
        self.how = how


class Receiver:
    """One place where a dict goes.

    Attributes:
        how: "splat" (`f(**d)`), "argument" (`f(d)`, `f(kw=d)`), "entry" (the value of a key of another dict), "read"
            (looked at only) or "escape" (somewhere that is not followed).
        node: the expression that stands for the dict there.
        call: the call, of "splat" and "argument".
        name: the keyword of an "argument", or the key of an "entry"; else "".
    """

    __slots__ = ("call", "how", "name", "node")

    def __init__(self, how: str, node: ast.AST, call: ast.Call | None = None, name: str = "") -> None:
        self.how = how
        self.node = node
        self.call = call
        self.name = name


class Taking:
    """One place that takes a key out of a dict, or out of a copy of it.

    Attributes:
        key: the constant key, or None where it may be any: `for each in [*d]: d.pop(each)`, `d.clear()`.
        node: the call or the subscript.
        mapping: the expression that stands for the dict or the copy there.
    """

    __slots__ = ("key", "mapping", "node")

    def __init__(self, key: object, node: ast.expr, mapping: ast.expr) -> None:
        self.key = key
        self.node = node
        self.mapping = mapping


class Flow:
    """A dict, followed forward from where it is made or named.

    Attributes:
        entries: what is put in, in source order.
        receivers: where it goes, in source order.
        aliases: every expression that stands for the dict itself.
        functions: the functions of the module that give it back, or a copy of it.
        makers: the expressions that make it: the literals, the `dict(...)` calls.
        takings: what takes keys out of it, or out of a copy.
        is_wrapped: whether its keys are read as attributes of something that is made of it.
    """

    __slots__ = ("aliases", "entries", "functions", "is_wrapped", "makers", "receivers", "takings")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.receivers: list[Receiver] = []
        self.aliases: list[ast.expr] = []
        self.functions: list[ast.AST] = []
        self.makers: list[ast.expr] = []
        self.takings: list[Taking] = []
        self.is_wrapped = False

    def settle(self) -> None:
        """Put what was found in order, without repeats."""
        once = {(id(entry.node), entry.key, entry.how): entry for entry in self.entries}
        self.entries = sorted(once.values(), key=lambda entry: _place(entry.node))
        self.receivers.sort(key=lambda receiver: _place(receiver.node))

    @property
    def is_open(self) -> bool:
        """Whether keys that cannot be known are put in."""
        return any(entry.how == "unknown" or (entry.key is None and entry.how != "removal") for entry in self.entries)


class Dicts:
    """Follows the dicts of one module."""

    def __init__(self, view: ModuleView) -> None:
        self._view = view
        self._flows: dict[ast.expr, Flow] = {}
        self._entries: dict[ast.expr, list[Entry]] = {}
        self._arguments: dict[ast.arg, Flow] = {}
        self._chosen: dict[ast.AST, list[ast.expr]] | None = None

    def entries(self, node: ast.Dict | ast.Call | ast.DictComp | ast.BinOp) -> list[Entry]:
        """What a dict holds: its own entries and those that are put in later."""
        known = self._entries.get(node)
        if known is None:
            self._entries[node] = _own_entries(node, self._view)  # what a dict that holds itself finds
            known = self._entries[node] = self.flow(node).entries
        return known

    def flow(self, node: ast.expr) -> Flow:
        """Follow a dict forward.

        Args:
            node: what makes the dict (a Dict or a `dict(...)` call), or a name or attribute that stands for it.
        """
        known = self._flows.get(node)
        if known is None:
            known = self._flows[node] = Flow()
            follow = _Follow(self._view, known)
            follow.start(node)
            for place in self._places_chosen().get(node, ()) if self._is_held(node) else ():
                known.is_wrapped = known.is_wrapped or isinstance(place, ast.Attribute)
                follow.expression(place, copied=False)
                for binding in self._view.links.bindings_read(place) if isinstance(place, ast.Name) else ():
                    follow.binding(binding, copied=False)
            known.settle()
        return known

    def flow_of(self, parameter: ast.arg) -> Flow:
        """Follow a parameter that is a dict, `kwargs` of `**kwargs`, through its function."""
        known = self._arguments.get(parameter)
        if known is None:
            known = self._arguments[parameter] = Flow()
            function = self._view.tree.parents[parameter]
            for binding in self._view.tree.scopes[function].bindings[parameter.arg]:
                if binding.node is parameter:
                    _Follow(self._view, known).binding(binding, copied=False)
            known.settle()
        return known

    def abroad(self, flow: Flow) -> Iterator[tuple[ModuleView, Flow]]:
        """The same dict in other modules of the repository.

        They call a function that gives it back, they import it (or the table or the class that holds it), or they have
        a function that is called with it.

        Args:
            flow: the dict in this module.
        """
        seen: set[tuple[str, tuple[int, int]]] = set()
        waiting = [(self._view, flow, 0)]
        while waiting:
            view, at, depth = waiting.pop(0)
            for other, there in (*_given_back(view, at), *_imported(view, at), *_given_on(view, at)):
                first = next((_place(each) for each in there.aliases), (0, 0))
                if (other.path, first) not in seen:
                    seen.add((other.path, first))
                    yield other, there
                    if depth < _MODULES:
                        waiting.append((other, there, depth + 1))

    def given_to(self, receiver: Receiver) -> tuple[ModuleView, ast.arg] | None:
        """The parameter that a dict becomes that is an argument of a function of another module, with that module."""
        call = receiver.call
        if receiver.how != "argument" or call is None:
            return None
        index = call.args.index(receiver.node) if receiver.node in call.args else -1
        for callee in sorted(self._view.evaluator.values(call.func), key=repr):
            function = callee.view.links.constructor(callee) if isinstance(callee, LocalClass) else callee
            if isinstance(function, LocalFunction) and function.view is not self._view:
                parameter = self._view.links.parameter_for(function, call, receiver.name, index)
                if parameter is not None and isinstance(parameter.node, ast.arg):
                    return function.view, parameter.node
        return None

    def may_lose(self, flow: Flow, key: object) -> bool:
        """Whether a key is taken out somewhere, of a dict or of a copy."""
        return any(True for _ in self._takings(flow, key))

    def is_taken_out(self, flow: Flow, receiver: Receiver, key: object) -> bool:
        """Whether a key has been taken out of a dict, or of the copy, that goes to a place.

        A test that asks for the key is no condition (`if "k" in d: del d["k"]`), and a key that is not known may be
        this one.

        Args:
            flow: the dict.
            receiver: the place.
            key: the key.
        """
        return any(self._is_before(each, flow, receiver, key) for each in self._takings(flow, key))

    def _takings(self, flow: Flow, key: object) -> Iterator[Taking]:
        """What takes a key out that is not put in again behind it."""
        function = self._view.links.function_around
        put = [each for each in flow.entries if each.key == key and each.how != "removal"]
        for taking in flow.takings:
            if taking.key in (key, None) and not any(
                _place(each.node) > _place(taking.node) and function(each.node) is function(taking.node) for each in put
            ):
                yield taking

    def _is_before(self, taking: Taking, flow: Flow, receiver: Receiver, key: object) -> bool:
        view = self._view
        here = view.links.function_around(taking.node)
        if here is not view.links.function_around(receiver.node):
            if here is None or here not in flow.functions:
                return False  # or else what the function gives back has lost it
        elif _place(taking.node) > _place(receiver.node) or not self._share_variable(taking.mapping, receiver.node):
            return False
        if taking.key is None:
            return True
        known = {ast.dump(test) for test, _ in view.reach.conditions(receiver.node)}
        tests = [test for test, _ in view.reach.conditions(taking.node) if ast.dump(test) not in known]
        return all(self._asks_for(test, taking.mapping, key) for test in tests)

    def _share_variable(self, mapping: ast.expr, node: ast.AST) -> bool:
        """Whether an expression is made of what another one stands for: `{**d, "a": 1}` of `d`."""
        if not isinstance(mapping, ast.Name):
            return any(ast.dump(each) == ast.dump(mapping) for each in ast.walk(node))
        mine = set(self._view.links.bindings_read(mapping))
        return any(
            not mine.isdisjoint(self._view.links.bindings_read(each))
            for each in ast.walk(node)
            if isinstance(each, ast.Name) and each.id == mapping.id
        )

    def _asks_for(self, test: ast.expr, mapping: ast.expr, key: object) -> bool:
        """Whether a test asks a dict for a key and for nothing else, by itself or by a variable."""
        if isinstance(test, ast.BoolOp):
            return all(self._asks_for(each, mapping, key) for each in test.values)
        if isinstance(test, ast.Name):
            given = [bound.value for bound in self._view.links.bindings_read(test)]
            return bool(given) and all(
                isinstance(each, (ast.Call, ast.Subscript, ast.Compare)) and self._asks_for(each, mapping, key)
                for each in given
            )
        asked = ast.unparse(mapping)
        nodes = [*ast.walk(test)]
        return any(isinstance(each, ast.Constant) and each.value == key for each in nodes) and any(
            isinstance(each, (ast.Name, ast.Attribute)) and ast.unparse(each) == asked for each in nodes
        )

    def arrivals(self, home: ModuleView, makers: list[ast.expr], names: Iterable[str]) -> Flow:
        """A dict of another module in this one: what is put into it here, and where it goes.

        Args:
            home: the module that makes it.
            makers: the expressions that make it there.
            names: the names by which it may be had: of the variable, or of the member of a class.
        """
        found = Flow()
        follow = _Follow(self._view, found)
        wanted = {_name_of(home, each) for each in makers}
        file = os.path.realpath(home.path)

        def is_it(node: ast.expr) -> bool:
            return any(
                isinstance(each, Mapping)
                and os.path.realpath(each.view.path) == file
                and _name_of(each.view, each.node) in wanted
                for each in self._view.evaluator.values(node)
            )

        words = carriers(self._view.tree, names)
        for kind in (ast.Name, ast.Attribute, ast.Subscript, ast.Call):
            for node in self._view.tree.nodes.get(kind, ()):
                assert isinstance(node, ast.expr)
                if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)) or words.isdisjoint(words_of(node)):
                    continue
                if is_it(node):
                    follow.expression(node, copied=False)
        found.settle()
        return found

    def _places_chosen(self) -> dict[ast.AST, list[ast.expr]]:
        """The expressions that take a dict out of a table or a list, by what makes the dict.

        `f(**PRESETS[name])`, `chosen = PRESETS.get(name, {})`, `for each in [{...}]: f(**each)`.
        """
        if self._chosen is None:
            self._chosen = {}
            flows, entries = dict(self._flows), dict(self._entries)
            nodes = self._view.tree.nodes
            places = (*nodes.get(ast.Subscript, ()), *nodes.get(ast.Call, ()), *nodes.get(ast.keyword, ()))
            for place in (*places, *self._attributes_read()):
                if isinstance(place, ast.keyword):
                    if place.arg is not None or not isinstance(place.value, ast.Name):
                        continue
                    place = place.value
                assert isinstance(place, ast.expr)
                if not self._is_chosen(place):
                    continue
                for value in self._view.evaluator.values(place):
                    if isinstance(value, Mapping) and value.view is self._view and value.node is not place:
                        self._chosen.setdefault(value.node, []).append(place)
            self._flows, self._entries = flows, entries  # without those that were followed while this was half known
        return self._chosen

    def _attributes_read(self) -> Iterator[ast.Attribute]:
        """The attributes that may be entries which are dicts: `config.training` of `OmegaConf.create({...})`."""
        nodes = self._view.tree.nodes
        if not any(map(self._view.links.calls_named, namespaces.NAMESPACE_NAMES)):
            return
        keys = {
            key.value
            for each in nodes.get(ast.Dict, ())
            for key, value in zip(each.keys, each.values, strict=True)  # type: ignore[attr-defined]
            if isinstance(key, ast.Constant) and isinstance(value, (ast.Dict, ast.Call))
        }
        keys |= {each.arg for each in nodes.get(ast.keyword, ()) if isinstance(each.value, (ast.Dict, ast.Call))}  # type: ignore[attr-defined]
        for each in nodes.get(ast.Attribute, ()):
            if each.attr in keys and isinstance(each.ctx, ast.Load):  # type: ignore[attr-defined]
                yield each  # type: ignore[misc]

    def _is_held(self, node: ast.expr) -> bool:
        """Whether a dict stands in something that it can be chosen from: a table, a list, `TABLE["small"] = {...}`."""
        parent = self._view.tree.parents.get(node)
        if isinstance(parent, ast.Assign):
            return any(isinstance(each, ast.Subscript) for each in parent.targets)
        if isinstance(parent, ast.Call):  # what is there by default: `TABLE.get(name, {...})`
            return self._is_chosen(parent)
        return isinstance(parent, (ast.Dict, ast.List, ast.Tuple, ast.keyword))

    def _is_chosen(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Name):
            return any(each.kind in ("for", "unpack") for each in self._view.links.bindings_read(node))
        if isinstance(node, (ast.Subscript, ast.Attribute)):
            return isinstance(node.ctx, ast.Load)
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop")


def _given_back(view: ModuleView, flow: Flow) -> Iterator[tuple[ModuleView, Flow]]:
    """A dict in the other modules that call a function which gives it back, and not another one of that name."""
    file = os.path.realpath(view.path)
    for function in flow.functions:
        name = getattr(function, "name", "")
        if not name or view.tree.parents[function] is not view.tree.scope.node:
            continue
        for other in _importers(view, name):
            for call in other.links.calls_named(name):
                for callee in other.evaluator.values(call.func):
                    if not isinstance(callee, LocalFunction) or os.path.realpath(callee.view.path) != file:
                        continue
                    if getattr(callee.node, "name", "") == name:
                        yield other, other.dicts.flow(call)


def _imported(view: ModuleView, flow: Flow) -> Iterator[tuple[ModuleView, Flow]]:
    """A dict in the other modules that import it, or what holds it."""
    homes: dict[str, set[str]] = {}
    for maker in () if _is_local(view, flow) else flow.makers:
        statement = view.tree.statement(maker)
        around = [statement, *view.tree.ancestors(statement)]
        for parent in around:
            if view.tree.parents.get(parent) is view.tree.root:
                for name in _bound_by(parent):
                    members = _members(view, flow, around) if isinstance(parent, ast.ClassDef) else {name}
                    homes.setdefault(name, set()).update(members or {name})
    seen: set[str] = set()
    for name, members in homes.items():
        for other in _importers(view, name, members):
            if other.path not in seen:
                seen.add(other.path)
                there = other.dicts.arrivals(view, flow.makers, {each for every in homes.values() for each in every})
                if there.aliases:
                    yield other, there


def _is_local(view: ModuleView, flow: Flow) -> bool:
    """Whether a dict is made in functions and stays in their variables: nobody can import it, nor what holds it."""
    return (
        not flow.functions
        and all(view.links.function_around(each) is not None for each in flow.makers)
        and not any(isinstance(each, ast.Attribute) for each in flow.aliases)
        and all(each.how in ("splat", "read", "argument") for each in flow.receivers)
    )


def _members(view: ModuleView, flow: Flow, around: list[ast.AST]) -> set[str]:
    """The names by which those who have a class, or an object of it, come by a dict that is made in it.

    Args:
        view: the module of the class.
        flow: the dict.
        around: the statement that makes it, and what is around that.

    Returns:
        Nothing where it may come out in other ways: handed to another class, given back by `__call__`, looped over as
        a member of an enumeration.
    """
    if any(_is_enumeration(each) for each in around) or any(map(_leaves, flow.receivers)):
        return set()
    found = set(_bound_by(around[0])) if isinstance(view.tree.parents[around[0]], ast.ClassDef) else set()
    for alias in flow.aliases:
        statement = view.tree.statement(alias)
        for target in statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]:
            found |= {each.attr for each in ast.walk(target) if isinstance(each, ast.Attribute)} if target else set()
    found |= {getattr(each, "name", "") for each in flow.functions}
    return set() if any(each.startswith("__") for each in found) else found


def _is_enumeration(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases)


def _leaves(receiver: Receiver) -> bool:
    """Whether a dict goes where it is not followed, other than out of a function."""
    return receiver.how == "argument" or (receiver.how == "escape" and isinstance(receiver.node, ast.expr))


def _bound_by(statement: ast.AST) -> list[str]:
    """The names that a statement of a module gives to others: what it assigns, or the class that it defines."""
    if isinstance(statement, ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _name_of(view: ModuleView, maker: ast.expr) -> tuple[str, str, int]:
    """How an expression that makes a dict is known in all views of its file.

    The view of a file that another file asks for is not the one that is linted, and has the text before the fixes that
    are tried: places move, names stay.
    """
    around = [maker, *view.tree.ancestors(maker)]
    statement = around[-2] if len(around) > 1 else maker
    kind = _called_name(maker) if isinstance(maker, ast.Call) else type(maker).__name__
    same = [
        each
        for each in ast.walk(statement)
        if (_called_name(each) if isinstance(each, ast.Call) else type(each).__name__) == kind
    ]
    return ",".join(_bound_by(statement)), kind, same.index(maker)


def _given_on(view: ModuleView, flow: Flow) -> Iterator[tuple[ModuleView, Flow]]:
    """A dict in the other modules that have a function which is called with it."""
    for receiver in flow.receivers:
        given = view.dicts.given_to(receiver)
        if given is not None:
            yield given[0], given[0].dicts.flow_of(given[1])


def _importers(view: ModuleView, name: str, members: Iterable[str] = ()) -> Iterator[ModuleView]:
    """The other modules that have a name of a module and, where members are given, mention one of them."""
    files = view.project.all_importers(view.path, name)
    if members:
        speaking = {file for each in members for file in view.project.mentioning(each.encode(), view.path)}
        files = [file for file in files if file in speaking]
    for file in files:
        other = view.project.view(file, view.settings)
        if other is not None and other is not view:
            yield other


class _Follow:
    """One walk forward along the uses of a dict and of its copies."""

    def __init__(self, view: ModuleView, flow: Flow) -> None:
        self.view = view
        self.flow = flow
        self.seen: set[tuple[object, object]] = set()

    def start(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            scope = self.view.tree.scopes[node]
            owner = self.view.evaluator.owner(node.id, scope)
            if owner is not None:
                for binding in self.view.reach.reaching(owner, node.id, node):
                    self.binding(binding, copied=False)
                    if binding.kind == "parameter":
                        self.flow.entries.append(Entry(None, binding.node, None, binding.node, "unknown"))
                    elif binding.kind == "assign" and binding.value is not None:
                        self.backward(binding.value)
                    elif binding.kind == "augment" and isinstance(binding.node, ast.AugAssign):
                        self.augmented(binding.node)
                return
        if isinstance(node, ast.Attribute):
            self.attribute(node, copied=False)
            return
        self.backward(node)
        self.expression(node, copied=False)

    def augmented(self, node: ast.AugAssign) -> None:
        """Add the entries of a dict that `d |= ...` adds to: those that it had, and the new ones."""
        if ("augmented", node) in self.seen:
            return
        self.seen.add(("augmented", node))
        if isinstance(node.target, ast.Name):
            self.start(node.target)
        if isinstance(node.op, ast.BitOr):
            self.backward(node.value)
        else:
            self.flow.entries.append(Entry(None, node, None, node, "unknown"))

    def backward(self, node: ast.expr) -> None:
        """Add the entries of the expression that a dict comes from."""
        if isinstance(node, (ast.IfExp, ast.BoolOp)):
            for each in (node.body, node.orelse) if isinstance(node, ast.IfExp) else node.values:
                self.backward(each)
            return
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            self.backward(node.left)
            self.backward(node.right)
            return
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "copy":
            self.backward(node.func.value if not node.args else node.args[0])
            return
        if isinstance(node, (ast.Dict, ast.DictComp)) or (isinstance(node, ast.Call) and _is_copy(self.view, node)):
            self.flow.makers.append(node)
            if isinstance(node, ast.Call) and _is_namespace(self.view, node):
                self.flow.is_wrapped = True
            for entry in _own_entries(node, self.view):
                self.flow.entries.append(entry)
            return
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Call) and self.returned(node):
            return
        if isinstance(node, ast.Name):
            before = len(self.flow.entries)
            inner = self.view.dicts.flow(node) if ("flow", node) not in self.seen else None
            self.seen.add(("flow", node))
            if inner is not None:
                known = {(id(entry.node), entry.how) for entry in self.flow.entries}
                self.flow.entries += [e for e in inner.entries if (id(e.node), e.how) not in known]
            if len(self.flow.entries) > before:
                return
        self.flow.entries.append(Entry(None, node, None, node, "unknown"))

    def returned(self, call: ast.Call) -> bool:
        """Add the entries of the dicts that a function of this module gives back; whether it is one."""
        found = False
        for callee in self.view.evaluator.values(call.func):
            if isinstance(callee, LocalFunction) and callee.view is self.view:
                found = True
                for each in self.view.links.returns(callee.node):
                    if each is not None and ("flow", each) not in self.seen:
                        self.seen.add(("flow", each))
                        known = {(id(entry.node), entry.how) for entry in self.flow.entries}
                        inner = self.view.dicts.flow(each).entries
                        self.flow.entries += [e for e in inner if (id(e.node), e.how) not in known]
        return found

    def binding(self, binding: Binding, *, copied: bool) -> None:
        """Follow a variable: every read of its name that this binding reaches."""
        if (binding, copied) in self.seen:
            return
        self.seen.add((binding, copied))
        for use in self.view.links.uses(binding):
            self.expression(use, copied=copied)
        for added in self.view.links.augmentations(binding):  # `d |= {...}`: the same dict, under a new binding
            self.binding(added, copied=copied)
            if not copied and added.value is not None:
                self.backward(added.value)

    def attribute(self, node: ast.Attribute, *, copied: bool) -> None:
        """Follow `self.name`: every other mention of it in the class."""
        owner = self.view.links.class_around(node)
        key = (owner, ast.unparse(node))
        if (key, copied) in self.seen:
            return
        self.seen.add((key, copied))
        for made in self.view.links.class_attribute_values(node) if not copied else ():
            self.backward(made)
        for use in self.view.links.same_attributes(node):
            if isinstance(use.ctx, ast.Load):
                self.expression(use, copied=copied)
            else:
                statement = self.view.tree.parents[use]
                value = getattr(statement, "value", None)
                if isinstance(statement, (ast.Assign, ast.AnnAssign)) and value is not None and not copied:
                    self.backward(value)

    def function(self, node: ast.AST, *, copied: bool) -> None:
        """Follow what a function gives back: every call of it."""
        if (node, copied) in self.seen:
            return
        self.seen.add((node, copied))
        self.flow.functions.append(node)
        calls = self.view.links.calls_of(node)
        reads = self.view.links.property_reads(node)
        for each in (*calls, *reads):
            self.expression(each, copied=copied)
        if not calls and not reads:
            self.flow.receivers.append(Receiver("escape", node))

    def expression(self, node: ast.expr, *, copied: bool) -> None:
        """See what the surroundings do with an expression that stands for the dict, or for a copy of it."""
        if (node, copied) in self.seen:
            return
        self.seen.add((node, copied))
        if not copied:
            self.flow.aliases.append(node)
        parent = self.view.tree.parents[node]
        if isinstance(parent, ast.keyword):
            self.keyword(node, parent, copied=copied)
        elif isinstance(parent, ast.Call) and node in parent.args:
            self.argument(node, parent, copied=copied)
        elif isinstance(parent, ast.Attribute):
            self.method(node, parent, copied=copied)
        elif isinstance(parent, ast.Subscript) and parent.value is node:
            if isinstance(parent.ctx, ast.Del):
                self.take(parent.slice, parent, node)
            if not copied:
                self.subscript(parent)
        elif isinstance(parent, ast.Dict):
            for key, value in zip(parent.keys, parent.values, strict=True):
                if value is not node:  # a dict is no key: where the name is one, it stands for something else
                    continue
                if key is None:
                    self.expression(parent, copied=True)
                else:
                    name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
                    self.flow.receivers.append(Receiver("entry", node, name=name))
        elif isinstance(parent, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            self.assigned(node, parent, copied=copied)
        elif isinstance(parent, ast.AugAssign):
            if parent.value is node:
                self.merged_into(parent.target)
                for binding in self.view.links.bindings_augmented(parent):
                    self.binding(binding, copied=True)
        elif isinstance(parent, (ast.IfExp, ast.BoolOp)) or (
            isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr)
        ):
            if not (isinstance(parent, ast.IfExp) and parent.test is node):
                self.expression(parent, copied=copied or isinstance(parent, ast.BinOp))
        elif isinstance(parent, ast.Return):
            function = self.view.links.function_around(parent)
            if function is not None:
                self.function(function, copied=copied)
        elif (field := self.field_made_by(parent)) is not None:
            for use in self.view.links.class_attribute_reads(field):
                self.expression(use, copied=copied)
        elif parameters := self.view.links.parameters_with_default(node):
            for binding in parameters:
                self.binding(binding, copied=copied)
        elif isinstance(parent, (ast.Expr, ast.If, ast.While, ast.Assert, ast.Compare, ast.UnaryOp, ast.Delete)):
            return
        elif isinstance(parent, (ast.For, ast.comprehension, ast.FormattedValue)) or self.is_looped_over(parent):
            self.flow.receivers.append(Receiver("read", node))
        else:
            self.flow.receivers.append(Receiver("escape", node))

    def field_made_by(self, node: ast.AST) -> ast.Name | None:
        """The field of a dataclass whose value a lambda makes: `x: dict = field(default_factory=lambda: {...})`."""
        keyword = self.view.tree.parents.get(node) if isinstance(node, ast.Lambda) else None
        if not isinstance(keyword, ast.keyword) or keyword.arg != "default_factory":
            return None
        declared = self.view.tree.statement(keyword)
        target = declared.target if isinstance(declared, ast.AnnAssign) else None
        return target if isinstance(target, ast.Name) else None

    def is_looped_over(self, node: ast.AST) -> bool:
        """Whether a node is a list that is only there for a loop; what the loop does with a dict, `Dicts` finds out."""
        if not isinstance(node, (ast.List, ast.Tuple)):
            return False
        parent = self.view.tree.parents[node]
        if isinstance(parent, (ast.List, ast.Tuple)):
            return self.is_looped_over(parent)
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
            uses = [
                use for each in self.view.links.bindings_at(parent.targets[0]) for use in self.view.links.uses(each)
            ]
            return bool(uses) and all(
                isinstance(self.view.tree.parents[use], (ast.For, ast.comprehension)) for use in uses
            )
        return isinstance(parent, (ast.For, ast.comprehension))

    def keyword(self, node: ast.expr, keyword: ast.keyword, *, copied: bool) -> None:
        call = self.view.tree.parents[keyword]
        assert isinstance(call, ast.Call)
        if keyword.arg is None:
            if _is_copy(self.view, call):
                self.copied_by(call)
            elif isinstance(call.func, ast.Attribute) and call.func.attr == "update":
                self.merged_into(call.func.value)
            else:
                self.flow.receivers.append(Receiver("splat", node, call))
        elif _is_copy(self.view, call):
            self.flow.receivers.append(Receiver("entry", node, name=keyword.arg))
        else:
            self.passed(node, call, keyword.arg, -1, copied=copied)

    def argument(self, node: ast.expr, call: ast.Call, *, copied: bool) -> None:
        if _is_copy(self.view, call):
            self.copied_by(call)
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "update":
            self.merged_into(call.func.value)
        elif _called_name(call) in _READERS or _called_name(call) in _LOGGERS:
            self.flow.receivers.append(Receiver("read", node, call))
        else:
            self.passed(node, call, "", call.args.index(node), copied=copied)

    def copied_by(self, call: ast.Call) -> None:
        """Follow the copy that a call makes."""
        self.flow.is_wrapped = self.flow.is_wrapped or _is_namespace(self.view, call)
        self.expression(call, copied=True)

    def passed(self, node: ast.expr, call: ast.Call, name: str, index: int, *, copied: bool) -> None:
        """Follow an argument into a function of this module; any other function is a receiver."""
        for callee in self.view.evaluator.values(call.func):
            function = self.view.links.constructor(callee) if isinstance(callee, LocalClass) else callee
            if isinstance(function, LocalFunction) and function.view is self.view:
                parameter = self.view.links.parameter_for(function, call, name, index)
                if parameter is not None:
                    self.binding(parameter, copied=copied)
                    continue
            self.flow.receivers.append(Receiver("argument", node, call, name))

    def method(self, node: ast.expr, attribute: ast.Attribute, *, copied: bool) -> None:
        call = self.view.tree.parents[attribute]
        name = attribute.attr
        if isinstance(call, ast.Call) and call.func is attribute and name in _TAKING_METHODS:
            self.take(call.args[0] if name == "pop" and call.args else None, call, node)
        if not isinstance(call, ast.Call) or call.func is not attribute:
            self.flow.receivers.append(Receiver("read", node))
        elif name == "copy":
            self.expression(call, copied=True)
        elif name == "items" and (kept := _filtered(self.view, call)) is not None:
            self.expression(kept, copied=True)
        elif name == "update" and not copied:
            self.flow.entries += _update_entries(call, self.view)
        elif name == "setdefault" and not copied and call.args:
            value = call.args[1] if len(call.args) > 1 else None
            self.add(call.args[0], value, call, "setdefault")
        elif name == "pop" and not copied and call.args:
            self.add(call.args[0], None, call, "removal")
        elif name in _READING_METHODS:
            self.flow.receivers.append(Receiver("read", node))

    def subscript(self, node: ast.Subscript) -> None:
        statement = self.view.tree.parents[node]
        if isinstance(node.ctx, ast.Store) and isinstance(statement, (ast.Assign, ast.AnnAssign)):
            self.add(node.slice, statement.value, statement, "subscript")
        elif isinstance(node.ctx, ast.Del):
            self.add(node.slice, None, statement, "removal")
        else:
            self.flow.receivers.append(Receiver("read", node))

    def take(self, key: ast.expr | None, node: ast.expr, mapping: ast.expr) -> None:
        for known in self.view.evaluator.values(key) if key is not None else (None,):
            constant = known.value if isinstance(known, Constant) else None
            self.flow.takings.append(Taking(constant, node, mapping))

    def add(self, key: ast.expr, value: ast.expr | None, owner: ast.AST, how: str) -> None:
        for known in self.view.evaluator.values(key):
            constant = known.value if isinstance(known, Constant) else None
            self.flow.entries.append(Entry(constant, key, value, owner, how))

    def assigned(self, node: ast.expr, parent: ast.Assign | ast.AnnAssign | ast.NamedExpr, *, copied: bool) -> None:
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        for target in targets:
            if isinstance(target, ast.Name):
                for binding in self.view.links.bindings_at(target):
                    self.binding(binding, copied=copied)
                for use in self.view.links.class_attribute_reads(target):
                    self.expression(use, copied=copied)
            elif isinstance(target, ast.Attribute):
                self.attribute(target, copied=copied)
            else:
                self.flow.receivers.append(Receiver("escape", node))
        if isinstance(parent, ast.NamedExpr):
            self.expression(parent, copied=copied)

    def merged_into(self, target: ast.expr) -> None:
        """Follow the dict that this one's entries were copied into."""
        if isinstance(target, ast.Name):
            owner = self.view.evaluator.owner(target.id, self.view.tree.scopes[target])
            for binding in self.view.reach.reaching(owner, target.id, target) if owner is not None else ():
                self.binding(binding, copied=True)
        elif isinstance(target, ast.Attribute):
            self.attribute(target, copied=True)
        else:
            self.flow.receivers.append(Receiver("escape", target))


def written_entries(owner: ast.AST) -> list[Entry]:
    """The entries with constant keys that stand in a dict literal or in the keywords of a call."""
    if isinstance(owner, ast.Dict):
        pairs = zip(owner.keys, owner.values, strict=True)
        return [Entry(k.value, k, v, owner, "literal") for k, v in pairs if isinstance(k, ast.Constant)]
    if isinstance(owner, ast.Call):
        return [Entry(each.arg, each, each.value, owner, "keyword") for each in owner.keywords if each.arg]
    return []


def started_by_pairs(call: CallSite, names: Container[str]) -> ast.expr | None:
    """The dict into which pairs with one of some keys are put: `dict([("a", 1)])`, `d.update([("a", 1)])`; or None."""
    first = call.args[0] if call.args else None
    keys = [each.elts[0] for each in getattr(first, "elts", ()) if _is_pair(each)]
    if not any(isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value in names for key in keys):
        return None
    return call.func.value if isinstance(call.func, ast.Attribute) and call.name == "update" else call.node


def asked_of(view: ModuleView, mapping: ast.expr) -> ast.expr | None:
    """The key that a dict is asked for: `k` of `d[k]`, `d.get(k)` and `k in d`."""
    parent = view.tree.parents[mapping]
    if isinstance(parent, ast.Subscript) and parent.value is mapping and isinstance(parent.ctx, ast.Load):
        return parent.slice
    if isinstance(parent, ast.Attribute) and parent.attr == "get":
        call = view.tree.parents[parent]
        return call.args[0] if isinstance(call, ast.Call) and call.func is parent and call.args else None
    if isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.In, ast.NotIn)):
        return parent.left if parent.comparators[0] is mapping else None
    return None


def _own_entries(node: ast.Dict | ast.Call | ast.DictComp | ast.BinOp, view: ModuleView) -> list[Entry]:
    if isinstance(node, ast.Call):
        return _update_entries(node, view)
    if isinstance(node, ast.DictComp):
        return [Entry(None, node, node.value, node, "unknown")]
    if isinstance(node, ast.BinOp):
        return _merged_entries(node.left, view) + _merged_entries(node.right, view)
    found = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            found += _merged_entries(value, view)
        else:
            for known in view.evaluator.values(key):
                constant = known.value if isinstance(known, Constant) else None
                found.append(Entry(constant, key, value, node, "literal"))
    return found


def _update_entries(call: ast.Call, view: ModuleView) -> list[Entry]:
    """The entries of the arguments of `dict(...)` or `d.update(...)`."""
    found = []
    for argument in call.args:
        found += _merged_entries(argument, view)
    is_call_of_name = _called_name(call) in namespaces.NAMES  # which may be given how to copy, beside what
    if is_call_of_name and not namespaces.takes_keywords(view.evaluator.values(call.func)):
        return found
    for keyword in call.keywords:
        if keyword.arg is None:
            found += _merged_entries(keyword.value, view)
        else:
            found.append(Entry(keyword.arg, keyword, keyword.value, call, "keyword"))
    return found


def _merged_entries(node: ast.expr, view: ModuleView) -> list[Entry]:
    if isinstance(node, ast.IfExp):
        return _merged_entries(node.body, view) + _merged_entries(node.orelse, view)
    if isinstance(node, (ast.Dict, ast.DictComp)) or (isinstance(node, ast.Call) and _is_copy(view, node)):
        return _own_entries(node, view)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _own_entries(node, view)
    if isinstance(node, (ast.List, ast.Tuple)) and all(map(_is_pair, node.elts)):
        return [_entry_of(pair.elts[0], pair.elts[1], node, view) for pair in node.elts]  # type: ignore[attr-defined]
    if isinstance(node, ast.Call) and External("builtins.zip") in view.evaluator.values(node.func):
        columns = [_written_sequence(view, each) for each in node.args]
        if len(columns) == 2 and len({len(each) for each in columns}) == 1 and columns[0]:
            return [_entry_of(key, value, node, view) for key, value in zip(*columns, strict=True)]
    if isinstance(node, ast.Name):
        entries = view.dicts.flow(node).entries
        if entries:
            return list(entries)
    return [Entry(None, node, None, node, "unknown")]


def _is_pair(node: ast.expr) -> bool:
    return isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) == 2


def _written_sequence(view: ModuleView, node: ast.expr) -> list[ast.expr]:
    """The elements of a list or tuple, as they are written there or where its only name is assigned; else none."""
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        node = bindings[0].value or node if len(bindings) == 1 and bindings[0].kind == "assign" else node
    if not isinstance(node, (ast.List, ast.Tuple)) or any(isinstance(each, ast.Starred) for each in node.elts):
        return []
    return node.elts


def _entry_of(key: ast.expr, value: ast.expr, owner: ast.expr, view: ModuleView) -> Entry:
    """The entry that a pair becomes: `("k", v)` in `dict([("k", v)])`, and `dict(zip(["k"], [v]))`."""
    known = view.evaluator.values(key)
    only = next(iter(known)) if len(known) == 1 else None
    return Entry(only.value if isinstance(only, Constant) else None, key, value, owner, "pair")


def _is_copy(view: ModuleView, call: ast.Call) -> bool:
    """Whether a call makes a dict of what it is given: `dict(...)`, `copy.deepcopy(d)`, `OmegaConf.create(d)`."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "copy" and not call.args and not call.keywords:
        return True
    if _called_name(call) == "vars":  # of an object whose attributes are entries
        return len(call.args) == 1 and any(
            isinstance(each, Mapping) and isinstance(each.node, ast.Call)
            for each in view.evaluator.values(call.args[0])
        )
    return _called_name(call) in namespaces.NAMES and namespaces.is_copy(view.evaluator.values(call.func))


def _is_namespace(view: ModuleView, call: ast.Call) -> bool:
    """Whether a call makes something whose attributes are its entries: `OmegaConf.create(...)`, `EasyDict(...)`."""
    return _called_name(call) in namespaces.NAMES and namespaces.is_namespace(view.evaluator.values(call.func))


def _filtered(view: ModuleView, items: ast.Call) -> ast.DictComp | None:
    """The copy that leaves some values out: `{k: v for k, v in d.items() if v is not None}`; which keys, it knows not.

    Args:
        view: the module.
        items: the call `d.items()`.
    """
    generator = view.tree.parents[items]
    copy = view.tree.parents[generator] if isinstance(generator, ast.comprehension) else None
    if not isinstance(generator, ast.comprehension) or not isinstance(copy, ast.DictComp) or len(copy.generators) > 1:
        return None
    target = generator.target
    if not isinstance(target, ast.Tuple) or ast.unparse(target) not in (f"({_pair(copy)})", _pair(copy)):
        return None
    key = ast.unparse(copy.key)
    names = {each.id for test in generator.ifs for each in ast.walk(test) if isinstance(each, ast.Name)}
    return None if key in names else copy


def _pair(copy: ast.DictComp) -> str:
    return f"{ast.unparse(copy.key)}, {ast.unparse(copy.value)}"


def _called_name(call: ast.Call) -> str:
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _place(node: ast.AST) -> tuple[int, int]:
    return (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))

"""Arguments on their way to a callable: given by keyword or in a dict, handed on, and edited where they stand."""

from __future__ import annotations

import ast
import os.path

from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, standing, started_calls
from v5lint.view import namespaces
from v5lint.view.calls import CallSite
from v5lint.view.dicts import asked_of, started_by_pairs
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import Constant, External, LocalClass, LocalFunction, Method, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    from v5lint.rule import Applicability
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.dicts import Entry, Flow, Receiver
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

    #: From a call and one of the things that it may call to the callables, as `lookup.parameters` knows them.
    Functions = Callable[[CallSite, Value], Iterable[str]]
    #: The same for a call that takes a whole dict as one argument.
    Takers = Callable[[CallSite, Receiver], Iterable[str]]
    #: From a callable, an argument and a release of transformers to what took the argument away, if something did.
    Judge = Callable[[str, str, str], "Removal | None"]

#: What a function says of a callee that could not be followed and may be one of those asked about.
UNKNOWN_CALLEE = "?"

#: How many functions that hand their `**kwargs` on are followed.
_DEPTH = 4

#: Functions that call what a dict names, with all else that is in it.
_INSTANTIATORS = frozenset({"hydra.utils.instantiate", "hydra.utils.call"})

_EDITABLE = ("literal", "keyword", "subscript")


class Reached:
    """What an argument of a call reaches.

    Attributes:
        functions: the callables, as `lookup.parameters` knows them.
        is_unknown: whether it may reach one that could not be followed.
        is_sure: whether nothing else gets it.
        way: the function or class of the repository that hands it on, "" where there is none.
        is_asked_for: whether one that hands it on also looks it up by its name, which it has to keep then.
    """

    __slots__ = ("functions", "is_asked_for", "is_sure", "is_unknown", "way")

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.is_unknown = False
        self.is_sure = True
        self.way = ""
        self.is_asked_for = False


class Given:
    """An argument that some callable no longer takes, where it is given.

    Attributes:
        view: the module in which it is written; the call may stand in another one.
        name: the argument.
        node: the keyword, or the key of the dict.
        value: its value; None where it cannot be known.
        function: the callable at the end of the way.
        removal: what the knowledge says of it.
        call: the call that gets it.
        entry: the entry of a dict; None for a keyword.
        beside: the dict in which the entry stands; None for a keyword.
        reached: everything that it reaches.
    """

    __slots__ = ("beside", "call", "entry", "function", "name", "node", "reached", "removal", "value", "view")

    def __init__(
        self,
        call: CallSite,
        name: str,
        node: ast.AST,
        value: ast.expr | None,
        reached: Reached,
        gone: tuple[str, Removal],
        entry: Entry | None = None,
        beside: Flow | None = None,
        view: ModuleView | None = None,
    ) -> None:
        self.view = view or call.view
        self.call = call
        self.name = name
        self.node = node
        self.value = value
        self.reached = reached
        self.function, self.removal = gone
        self.entry = entry
        self.beside = beside

    @property
    def owner(self) -> ast.AST:
        """What would be edited: the call or the dict."""
        return self.entry.owner if self.entry is not None else self.call.node

    @property
    def constants(self) -> list[object] | None:
        """The constants that the value can be; None where it can be something else."""
        if self.value is None:
            return None
        if isinstance(self.value, ast.UnaryOp) and isinstance(self.value.operand, ast.Constant):
            return [ast.literal_eval(self.value)] if isinstance(self.value.op, ast.USub) else None
        values = self.view.values(self.value)
        if not all(isinstance(each, Constant) for each in values):
            return None
        return [each.value for each in values if isinstance(each, Constant)]

    def other(self, name: str) -> ast.expr | None:
        """The value of another argument that is given to the same callable; None where there is none in sight."""
        keyword = self.call.keyword(name)
        if keyword is not None:
            return keyword.value
        for entry in self.beside.entries if self.beside is not None else ():
            if entry.key == name and entry.how != "removal":
                return entry.value if entry.value is not None else ast.Constant(...)
        splatted = self.call.entry(name)
        return (splatted.value or ast.Constant(...)) if splatted is not None else None

    # Edits

    @property
    def is_editable(self) -> bool:
        """Whether it can be taken out, or written otherwise, where it stands."""
        if self.reached.is_asked_for:
            return False
        if self.entry is None:
            return True
        return (
            self.entry.how in _EDITABLE
            and not (isinstance(self.entry.node, ast.expr) and not isinstance(self.entry.node, ast.Constant))
            and self.entry.owner in self.view.tree.parents
            and not self._is_read
        )

    @property
    def _is_read(self) -> bool:
        """Whether a key of the name is looked up: `d["name"]`, `d.get("name")`, `"name" in d`, `d.name`.

        In this module anyone may do so, in those that have the dict from it whoever asks the dict.
        """
        if self.beside is not None and self.beside.is_wrapped:
            reads = (each for each in self.view.tree.nodes.get(ast.Attribute, ()) if isinstance(each, ast.Attribute))
            if any(each.attr == self.name for each in reads):
                return True
        for node in self.view.tree.nodes.get(ast.Constant, ()):
            if isinstance(node, ast.Constant) and node.value == self.name:
                parent = self.view.tree.parents[node]
                if isinstance(parent, (ast.Compare, ast.Call)):
                    return True
                if isinstance(parent, ast.Subscript) and not isinstance(parent.ctx, ast.Store):
                    return True
        return self.beside is not None and any(
            _asks(other, alias, self.name)
            for other, there in self.view.dicts.abroad(self.beside)
            for alias in there.aliases
        )

    def renamed(self, new: str) -> list[Edit]:
        """The edit that gives it another name."""
        if isinstance(self.node, ast.keyword):
            start, end = self.view.name_span(self.node)
            return [Edit(start, end, new)]
        source = self.view.source(self.node)
        quote = source[-1]
        return [self.view.replace(self.node, f"{quote}{new}{quote}")]

    def replaced(self, new: str, value: str, remove: Iterable[Given] = ()) -> list[Edit]:
        """The edits that put another argument in its place.

        Args:
            new: its name.
            value: its value, as source.
            remove: others of the same call or dict that go with it.
        """
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.entries import replace_entry

        if self.entry is not None:
            entries = [each.entry for each in remove if each.entry is not None]
            return replace_entry(self.view, self.entry, new, value, entries)
        gone = [each.node for each in remove]
        return [edit_arguments(self.view, self.call.node, remove=gone, replace={self.node: f"{new}={value}"})]


def removed(given: Iterable[Given]) -> list[Edit]:
    """The edits that take arguments out, wherever they are given."""
    from v5lint.edits.arguments import edit_arguments
    from v5lint.edits.entries import remove_entries

    by_call: dict[ast.Call, list[Given]] = {}
    entries: dict[ModuleView, list[Entry]] = {}
    for each in given:
        if each.entry is not None:
            entries.setdefault(each.view, []).append(each.entry)
        else:
            by_call.setdefault(each.call.node, []).append(each)
    edits = [
        edit_arguments(group[0].view, call, remove=[each.node for each in group]) for call, group in by_call.items()
    ]
    for view, group in entries.items():
        edits += remove_entries(view, group)
    return edits


def together(given: Iterable[Given]) -> Iterator[list[Given]]:
    """Put arguments of one call or dict in a group."""
    groups: dict[ast.AST, list[Given]] = {}
    for each in given:
        groups.setdefault(each.owner, []).append(each)
    yield from groups.values()


# Finding them


def given(
    view: ModuleView,
    names: Container[str],
    functions: Functions,
    takers: Takers | None = None,
    judge: Judge | None = None,
    *,
    abroad: bool = False,
) -> Iterator[Given | tuple[ast.AST, str]]:
    """The arguments of some names that reach a callable which no longer takes them.

    Args:
        view: the module.
        names: the arguments.
        functions: see `Functions`.
        takers: see `Takers`.
        judge: see `Judge`; `removal_of` unless given.
        abroad: whether dicts are followed into the modules that have them from this one.

    Yields:
        Each argument; or a place and the argument in it, which may reach such a callable and could not be followed.
    """
    judge = judge or removal_of
    done: set[ast.AST] = set()
    for call, keyword in view.keywords(names):
        name = str(keyword.arg)
        reached = reach(call, name, functions)
        gone = _gone(view, reached, name, judge)
        if gone is not None and not _is_prepared(view, call, keyword, name, gone[1]):
            done.add(keyword)
            yield Given(call, name, keyword, keyword.value, reached, gone)
        elif gone is None and reached.is_unknown and not reached.functions and not view.guards.is_dead(keyword):
            yield call.node, name
    for start in starts(view, names):
        flow = view.dicts.flow(start)
        out = {each.key for each in flow.entries if each.how == "removal"}
        for entry in flow.entries:
            if not isinstance(entry.key, str) or entry.key not in names or entry.how == "removal":
                continue
            if entry.node in done or entry.key in out or entry.node not in view.tree.parents:
                continue
            found = _in_flow(view, flow, entry, functions, takers, judge)
            if found is None and abroad:
                found = _in_another(view, flow, entry, functions, judge)
            if found is not None:
                done.add(entry.node)
                yield found


def reach(call: CallSite, name: str, functions: Functions, depth: int = 0) -> Reached:
    """What a keyword argument of a call reaches."""
    if call.bound is not None:
        found = reach(call.bound, name, functions, depth)
        found.is_sure = found.is_sure and not call.bound.node.keywords  # which may hold what is written instead
        return found
    found = Reached()
    for callee in sorted(call.callees, key=repr):
        _follow(found, call, callee, name, functions, depth)
    if not found.functions:
        found.is_sure = False
    return found


def _follow(found: Reached, call: CallSite, callee: Value, name: str, functions: Functions, depth: int) -> None:
    known = list(functions(call, callee))
    if UNKNOWN_CALLEE in known:
        found.is_unknown = True
        found.is_sure = False
    elif known:
        found.functions += known
    elif isinstance(callee, (LocalClass, LocalFunction)):
        inner = _handed_on(call, callee, name, functions, depth)
        found.functions += inner.functions
        found.is_sure = found.is_sure and inner.is_sure and bool(inner.functions)
        found.way = found.way or inner.way
        found.is_asked_for = found.is_asked_for or inner.is_asked_for
    elif isinstance(callee, Method) and isinstance(callee.owner, LocalClass) and callee.name == "__init__":
        _follow(found, call, callee.owner, name, functions, depth)
    elif not isinstance(callee, Unknown):
        found.is_sure = False
    else:
        found.is_sure = False


def _handed_on(
    call: CallSite, callee: LocalFunction | LocalClass, name: str, functions: Functions, depth: int
) -> Reached:
    """What a function or class of the repository does with a keyword."""
    found = Reached()
    function = constructor(callee) if isinstance(callee, LocalClass) else callee
    if function is None:
        if isinstance(callee, LocalClass) and not declares(callee, name, as_field=True):
            for root in callee.view.roots(callee):
                found.functions += [each for each in functions(call, root) if each != UNKNOWN_CALLEE]
            found.way = callee.name
        return found
    if depth >= _DEPTH:
        return found
    args, view = function.node.args, function.view
    if args.kwarg is None or name in {each.arg for each in [*args.posonlyargs, *args.args, *args.kwonlyargs]}:
        return found
    named = [each for each in ast.walk(function.node) if isinstance(each, ast.Constant) and each.value == name]
    if not all(_is_read_from(view, each, args.kwarg.arg) for each in named):
        return found  # it takes it out, or asks whether it is there
    found.is_asked_for = bool(named)
    flow = view.dicts.flow_of(args.kwarg)
    found.is_sure = not view.dicts.may_lose(flow, name)
    for receiver in flow.receivers:
        if view.dicts.is_taken_out(flow, receiver, name):
            continue
        if receiver.how == "splat" and receiver.call is not None:
            inner = reach(CallSite(view, receiver.call), name, functions, depth + 1)
            found.functions += inner.functions
            found.is_sure = found.is_sure and inner.is_sure
            found.is_asked_for = found.is_asked_for or inner.is_asked_for
        elif receiver.how != "read":
            found.is_sure = False
    found.way = callee.name if isinstance(callee, LocalClass) else getattr(callee.node, "name", "")
    return found


def _is_read_from(view: ModuleView, key: ast.Constant, mapping: str) -> bool:
    """Whether a string is the key that a dict is read at: `kwargs["name"]`, `kwargs.get("name")`."""
    parent = view.tree.parents[key]
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.ctx, ast.Load) and ast.unparse(parent.value) == mapping
    return isinstance(parent, ast.Call) and ast.unparse(parent.func) == f"{mapping}.get" and parent.args[0] is key


def constructor(of: LocalClass) -> LocalFunction | None:
    """The `__init__` that an object of a class is made with, if this repository writes it."""
    for value in of.view.evaluator.class_attribute(of, "__init__", instance=False):
        if isinstance(value, LocalFunction):
            return value
    return None


def declares(of: LocalClass, name: str, *, as_field: bool = False) -> bool:
    """Whether a class, or one of its bases in this repository, has a field or attribute of a name.

    Args:
        of: the class.
        name: the field or attribute.
        as_field: whether only fields count, which a dataclass is made with: what has an annotation.
    """
    waiting, seen = [of], {of}
    while waiting:
        at = waiting.pop()
        bindings = at.view.tree.scopes[at.node].bindings.get(name, ())
        if any(each.annotation is not None for each in bindings) if as_field else bindings:
            return True
        for base in at.view.evaluator.bases(at):
            if isinstance(base, LocalClass) and base not in seen:
                seen.add(base)
                waiting.append(base)
    return False


def starts(view: ModuleView, names: Container[str]) -> list[ast.expr]:
    """The dicts into which one of some keys is put."""
    found: dict[ast.expr, None] = {}
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        if any(isinstance(key, ast.Constant) and key.value in names for key in node.keys if _is_text(key)):
            found[node] = None
    for call, _ in view.keywords(names):
        if namespaces.is_made_with(call.callees):
            found[call.node] = None
        elif isinstance(call.func, ast.Attribute) and call.name == "update":
            found[call.func.value] = None
    for each in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(each, ast.Subscript)
        key = each.slice
        if isinstance(each.ctx, ast.Store) and isinstance(key, ast.Constant) and _is_text(key) and key.value in names:
            found[each.value] = None
    for call in view.calls({"dict", "update"}):
        if (start := started_by_pairs(call, names)) is not None:
            found[start] = None
    for call in view.calls({"setdefault"}):
        first = call.argument("", 0)
        if not isinstance(call.func, ast.Attribute) or not isinstance(first, ast.Constant):
            continue
        if _is_text(first) and first.value in names:
            found[call.func.value] = None
    return [*found]


def _is_text(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _in_flow(
    view: ModuleView, flow: Flow, entry: Entry, functions: Functions, takers: Takers | None, judge: Judge
) -> Given | None:
    """The argument that an entry of a dict becomes, where a callable that gets it no longer takes it."""
    name = str(entry.key)
    hit: tuple[CallSite, tuple[str, Removal]] | None = None
    every = Reached()
    every.is_sure = not view.dicts.may_lose(flow, name) and not flow.is_wrapped
    for receiver in flow.receivers:
        if view.dicts.is_taken_out(flow, receiver, name):
            continue
        if receiver.how in ("read", "entry"):
            every.is_sure = every.is_sure and receiver.how == "read"
            continue
        if receiver.call is None or receiver.how == "escape":
            every.is_sure = False
            continue
        call = CallSite(view, receiver.call)
        started = started_calls.started(call) if receiver.name == started_calls.KWARGS else None
        if receiver.how == "splat":
            reached = reach(call, name, functions)
        elif started is not None:
            reached = reach(started, name, functions)
        else:
            reached = Reached()
            reached.functions = list(takers(call, receiver)) if takers is not None else []
            reached.functions += _instantiated(call, flow, functions)
            reached.is_sure = bool(reached.functions)
        gone = _gone(view, reached, name, judge)
        every.functions += reached.functions
        every.is_sure = every.is_sure and reached.is_sure and gone is not None
        every.way = every.way or reached.way
        every.is_asked_for = every.is_asked_for or reached.is_asked_for
        if gone is not None and hit is None:
            hit = call, gone
    if hit is None or _is_prepared(view, hit[0], entry.node, name, hit[1][1]):
        return None
    return Given(hit[0], name, entry.node, entry.value, every, hit[1], entry, flow)


def _in_another(view: ModuleView, flow: Flow, entry: Entry, functions: Functions, judge: Judge) -> Given | None:
    """The argument that an entry of a dict becomes in another module, which imports the dict or what makes it."""
    name = str(entry.key)
    for other, there in view.dicts.abroad(flow):
        for receiver in there.receivers:
            if receiver.how != "splat" or receiver.call is None or other.dicts.is_taken_out(there, receiver, name):
                continue
            call = CallSite(other, receiver.call)
            reached = reach(call, name, functions)
            gone = _gone(other, reached, name, judge)
            if gone is None or _is_prepared(view, call, entry.node, name, gone[1]):
                continue
            reached.is_sure = False  # who else has the dict is not known for certain
            return Given(call, name, entry.node, entry.value, reached, gone, entry, flow, view)
    return None


def _asks(view: ModuleView, mapping: ast.expr, name: str) -> bool:
    """Whether a key is looked up in a dict at a place where the dict stands."""
    key = asked_of(view, mapping)
    return isinstance(key, ast.Constant) and key.value == name


def _instantiated(call: CallSite, flow: Flow, functions: Functions) -> list[str]:
    """What Hydra calls with the other entries of a dict: the `_target_` that it names."""
    if not any(isinstance(each, External) and each.path in _INSTANTIATORS for each in call.callees):
        return []
    found: list[str] = []
    for entry in flow.entries:
        paths = call.view.constants(entry.value) if entry.key == "_target_" and entry.value is not None else []
        for path in paths:
            owner, _, name = str(path).rpartition(".")
            is_method = owner.rpartition(".")[2][:1].isupper()
            callee = Method(External(owner), name, bound=False) if is_method else External(str(path))
            found += [each for each in functions(call, callee) if each != UNKNOWN_CALLEE]
    return found


def _gone(view: ModuleView, reached: Reached, name: str, judge: Judge) -> tuple[str, Removal] | None:
    """The first callable among those reached that no longer takes an argument."""
    target = library.release_text(view.settings.target)
    loud = [
        (function, removal)
        for function in dict.fromkeys(reached.functions)
        if (removal := judge(function, name, target)) is not None
    ]
    if len(loud) < len(set(reached.functions)):
        reached.is_sure = False
    loud.sort(key=lambda each: each[1].effect == "ignored")  # the one that raises tells more
    return loud[0] if loud else None


def removal_of(function: str, name: str, target: str) -> Removal | None:
    """What took an argument from a callable, in a release of transformers or of what it requires.

    Args:
        function: as `lookup.parameters` knows it; "huggingface_hub@1.31:hf_hub_download" names the release itself.
        name: the argument.
        target: the release of transformers.
    """
    _, at, rest = function.partition("@")
    if at:
        target, _, function = rest.partition(":")
    return lookup.removed_parameter(function, name, target)


def _is_prepared(view: ModuleView, call: CallSite, node: ast.AST, name: str, removal: Removal) -> bool:
    """Whether code does not run under the target, or asks first which spelling is taken."""
    places = [(view, node), (call.view, call.node)]
    if any(standing.never_runs(at, each) for at, each in places):
        return True
    if isinstance(call.func, ast.Attribute) and library.is_asked_for_another(call.view, call.func.value):
        return True
    new = removal.replacement.new.partition("=")[0] if removal.replacement is not None else name
    # `kwargs = {"tokenizer": t}`, and another dict where a test says so: both are what the call is given
    places += [(call.view, each.node) for value in _splatted(call) for each in call.view.links.bindings_read(value)]
    for at, each in places:
        for test, _ in at.reach.conditions(each):
            if any(isinstance(part, ast.Constant) and part.value in (name, new) for part in ast.walk(test)):
                return True
    return is_tried_otherwise(call.view, call, node if call.view is view else call.node)


def _splatted(call: CallSite) -> Iterator[ast.Name]:
    """The variables whose dicts a call is given: `**kwargs`."""
    for each in call.node.keywords:
        if each.arg is None and isinstance(each.value, ast.Name):
            yield each.value


def is_tried_otherwise(view: ModuleView, call: CallSite, node: ast.AST) -> bool:
    """Whether a program calls the same function in another way where a call fails, or has done so before it.

    Args:
        view: the module.
        call: the call.
        node: its argument, or where that is written.
    """
    for each in {node, call.node}:
        for parent in view.tree.ancestors(each):
            if isinstance(parent, ast.ExceptHandler):
                statement = view.tree.parents[parent]
                if isinstance(statement, ast.Try) and _calls_same(statement.body, call):
                    return True  # the second try, after the spelling of today
    handled = view.guards.handled(call.node, CALL_ERRORS)
    if handled is None or not isinstance(handled.handler, ast.ExceptHandler):
        return False
    return _calls_same(handled.handler.body, call)


def _calls_same(body: list[ast.stmt], call: CallSite) -> bool:
    """Whether some statements hold a call of the same name."""
    for statement in body:
        for each in ast.walk(statement):
            if isinstance(each, ast.Call) and CallSite(call.view, each).name == call.name:
                return True
    return False


def safety(of: Given) -> tuple[Applicability, str]:
    """The applicability of a fix that is right in itself, and a remark for the message."""
    call = of.call
    if of.reached.is_asked_for:
        return "unsafe", f"; `{of.reached.way}` also looks it up by its name"
    if not of.reached.is_sure:
        return "unsafe", ""
    if call.view.guards.dead_constant(call.node):
        return "unsafe", "; this code never runs"
    handled = call.view.guards.handled(call.node, CALL_ERRORS)
    if handled is None:
        return "safe", ""
    line = getattr(handled.handler, "lineno", 0)
    return "unsafe", f"; the handler in line {line} hides the failure and the program goes another way without a word"


def shown(of: Given) -> str:
    """The callable, for a message, and the function of the repository on the way to it."""
    function = of.function.rpartition(":")[2]
    called = of.call.name
    if "." not in function and called[:1].isupper():
        function = called
    way = of.reached.way
    said = f"`{function}`" if not way or way == function else f"`{function}` (which gets it from `{way}`)"
    if of.call.view is not of.view:
        said += f" in line {of.call.node.lineno} of {os.path.basename(of.call.view.path)}"
    return said


def operand(of: Given) -> str:
    """The value as the test of a conditional expression."""
    assert of.value is not None
    return library.operand(of.view, of.value)


def rename_fix(of: Given, new: str, since: str, applicability: Applicability) -> Fix | None:
    """The fix that gives an argument its new name; None where that name is given already."""
    if not of.is_editable or of.other(new) is not None:
        return None
    return Fix(
        f"Replace `{of.name}` with `{new}`", lambda: of.renamed(new), applicability=applicability, requires=since
    )


def removal_fix(group: list[Given], applicability: Applicability) -> Fix | None:
    """The fix that takes arguments of one call or dict out."""
    if not group or not all(each.is_editable for each in group):
        return None
    names = ", ".join(f"`{each.name}`" for each in group)
    return Fix(f"Remove {names}", lambda: removed(group), applicability=applicability)


def advice(removal: Removal) -> str:
    """What to do about an argument that is gone, as the end of a sentence: ": write `eval_strategy`"."""
    said = []
    if removal.replacement is not None:
        said.append(f"write `{removal.replacement.new}`")
    if removal.note:
        said.append(clause(removal.note))
    return f": {'; '.join(said)}" if said else ""


def called(call: CallSite, functions: Functions) -> list[str]:
    """The callables that a call is of, as far as they are known."""
    found = [name for callee in sorted(call.callees, key=repr) for name in functions(call, callee)]
    return [each for each in dict.fromkeys(found) if each != UNKNOWN_CALLEE]


def lost(reached: Iterable[str], name: str, judge: Judge, release: str) -> tuple[str, Removal] | None:
    """The first of some callables that no longer takes an argument, and what the knowledge says; None without one."""
    for function in dict.fromkeys(reached):
        removal = judge(function, name, release) if function != UNKNOWN_CALLEE else None
        if removal is not None:
            return function, removal
    return None


def fate(removal: Removal) -> str:
    """What a callable does with an argument that is gone, and what to do: "takes none since transformers 5.0: ..."."""
    does = "ignores it without a word" if removal.effect == "ignored" else "takes none"
    return f"{does} since transformers {removal.gone}{advice(removal)}"


def clause(note: str) -> str:
    """A note as the end of a sentence."""
    first = note.split()[0]
    start = note[0].lower() + note[1:] if first.istitle() else note
    return start.rstrip(".")

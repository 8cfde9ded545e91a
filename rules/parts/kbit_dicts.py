"""`load_in_4bit` and `load_in_8bit` put into dicts that become the keywords of a loader: a part of V5002."""

from __future__ import annotations

import ast
import os

from v5lint.rule import Fix
from v5lint.rules.parts import library, model_loads, quantization, standing, started_calls
from v5lint.rules.parts.quantization import CONFIG, FLAGS, KEYWORD, SINCE
from v5lint.view import namespaces
from v5lint.view.calls import CallSite
from v5lint.view.dicts import Entry, asked_of, started_by_pairs, written_entries
from v5lint.view.values import Constant, External, LocalClass, LocalFunction, Method, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Applicability, Edit, Finding, Unseen
    from v5lint.view.dicts import Flow, Receiver
    from v5lint.view.module import ModuleView

#: Arguments under which libraries that build on transformers hand a dict on to its loaders.
_HANDED_ON = frozenset({"model_kwargs", "model_init_kwargs", "automodel_args", "model_args"})

#: Of a flag, what stands around its number.
_PARTS = ("load_in_", "bit")

_TELL = "`{flag}` is no argument of `from_pretrained` since transformers 5.0"


def check(view: ModuleView) -> Iterator[Finding | Unseen]:
    """Yield the flags that reach a loader in a dict."""
    done: set[ast.AST] = set()
    for start in _starts(view):
        flow = view.dicts.flow(start)
        flags = [each for each in flow.entries if each.key in FLAGS and each.how != "removal" and each.node not in done]
        flags += [made for each in flow.entries if each.node not in done and (made := _put_together(view, each))]
        flags = [*{each.node: each for each in reversed(flags)}.values()][::-1]  # a key may be one flag or the other
        done.update(each.node for each in flags)
        live = [
            each for each in flags if not _is_taken_out(view, flow, each) and not standing.never_runs(view, each.node)
        ]
        if live:
            yield from _Flags(view, flow, live).results()


def _put_together(view: ModuleView, entry: Entry) -> Entry | None:
    """The flag that a key with an unknown part is: `{f"load_in_{bits}bit": True}`; no fix knows which of the two."""
    if entry.key is not None or not isinstance(entry.node, ast.JoinedStr):
        return None
    for known in view.values(entry.node):
        if isinstance(known, Partial) and known.parts == _PARTS:
            return Entry(FLAGS[0], entry.node, None, entry.owner, entry.how)
    return None


def _removals(view: ModuleView, flow: Flow, flag: Entry) -> list[Entry]:
    """The places that take a flag out of its dict again, after it was put in and before the dict goes anywhere."""
    around = view.links.function_around(flag.node)
    goes = [view.span(each.node)[0] for each in flow.receivers if each.how == "splat"]
    found = []
    for each in flow.entries:
        if each.how == "removal" and each.key == flag.key:
            at = view.span(each.node)[0]
            is_here = view.links.function_around(each.node) is around
            if not is_here or (at > view.span(flag.node)[0] and any(place > at for place in goes)):
                found.append(each)
    return found


def _given_up(view: ModuleView, flow: Flow, flag: object) -> list[Entry]:
    """What takes a flag out and does nothing else, as a statement of its own; none where it is taken out otherwise."""
    parents = view.tree.parents
    found = [
        each
        for each in flow.entries
        if each.how == "removal"
        and each.key == flag
        and isinstance(each.node, ast.Constant)
        and isinstance(parents[each.node], ast.Call)
        and isinstance(parents[parents[each.node]], ast.Expr)
    ]
    calls = {parents[each.node] for each in found}
    takings = {each.node for each in flow.takings if each.key in (flag, None)}
    return found if takings == calls else []


def _is_taken_out(view: ModuleView, flow: Flow, flag: Entry) -> bool:
    """Whether a flag never reaches anything: it is taken out in any case, or where the version of transformers says."""
    for each in _removals(view, flow, flag):
        if view.reach.always_before(each.node, flag.node):
            return True
        if any("version" in ast.unparse(test).lower() for test, _ in view.reach.conditions(each.node)):
            return True
    return False


def _starts(view: ModuleView) -> list[ast.expr]:
    """The dicts into which a flag is put."""
    found: dict[ast.expr, None] = {}
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        if any(key is not None and _names_flag(view, key) for key in node.keys):
            found[node] = None
    for call, _ in view.keywords(FLAGS):
        if namespaces.is_made_with(call.callees):
            found[call.node] = None
        elif isinstance(call.func, ast.Attribute) and call.name == "update":
            found[call.func.value] = None
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        if isinstance(node.ctx, ast.Store) and _names_flag(view, node.slice):
            found[node.value] = None
    for call in view.calls({"dict", "update"}):
        if (start := started_by_pairs(call, FLAGS)) is not None:
            found[start] = None
    for call in view.calls({"setdefault"}):
        first = call.argument("", 0)
        if isinstance(first, ast.Constant) and first.value in FLAGS and isinstance(call.func, ast.Attribute):
            found[call.func.value] = None
    return [*found]


def _names_flag(view: ModuleView, key: ast.expr) -> bool:
    """Whether a key is a flag: `kwargs["load_in_8bit"]`, or `kwargs[key]` where that is what the variable holds."""
    if isinstance(key, ast.Constant):
        return key.value in FLAGS
    if isinstance(key, ast.JoinedStr):
        pieces = tuple(each.value for each in key.values if isinstance(each, ast.Constant))
        return pieces == _PARTS
    return isinstance(key, (ast.Name, ast.Attribute)) and not set(FLAGS).isdisjoint(view.constants(key))


class _Destination:
    """Where a dict goes.

    Attributes:
        calls: by kind (see `model_loads.Target`, and "handed on": another library gives it to a loader).
        models: the calls that load a model with it, each with the class that they load.
        is_sure: whether it goes nowhere that could not be followed.
        meets_own: as of `model_loads.Target`.
        is_beside_open: whether a call gets what is not known beside it, which may hold a configuration.
    """

    def __init__(self) -> None:
        self.calls: dict[str, list[CallSite]] = {}
        self.models: list[tuple[CallSite, str]] = []
        self.is_sure = True
        self.meets_own = False
        self.is_beside_open = False

    def add(self, kind: str, call: CallSite, name: str) -> None:
        self.calls.setdefault(kind, []).append(call)
        if kind in ("model", "peft"):
            self.models.append((call, name))

    def add_all(self, other: _Destination) -> None:
        """Add where another dict goes, of which this one is a part."""
        for kind, calls in other.calls.items():
            self.calls.setdefault(kind, []).extend(calls)
        self.models += other.models
        self.meets_own = self.meets_own or other.meets_own
        self.is_beside_open = self.is_beside_open or other.is_beside_open

    @property
    def loads(self) -> list[CallSite]:
        """The calls that load a model with it."""
        return [call for call, _ in self.models]

    def named_in(self, view: ModuleView) -> ast.Call | None:
        """A call of a module that shows how the module names transformers."""
        calls = [call for group in self.calls.values() for call in group]
        return next((call.node for call in calls if call.view is view), None)


def _destination(
    view: ModuleView,
    flow: Flow,
    flag: str,
    *,
    under: str = "",
    depth: int = 0,
    given_back: Container[ast.AST] = (),
) -> _Destination:
    """Where a dict goes.

    Args:
        view: the module.
        flow: the dict.
        flag: the key that matters.
        under: the key of this dict under which the one that holds the flag is kept.
        depth: how many dicts the flag is in.
        given_back: the functions whose callers are known, though this module has none.
    """
    found = _Destination()
    found.is_sure = bool(under) or not view.dicts.may_lose(flow, flag) or bool(_given_up(view, flow, flag))
    for receiver in flow.receivers:
        if not under and view.dicts.is_taken_out(flow, receiver, flag):
            continue
        if receiver.how == "splat" and receiver.call is not None:
            if standing.never_runs(view, receiver.call):
                found.is_sure = False  # that call is for older releases, and still wants what is in the dict
                continue
            call = CallSite(view, receiver.call)
            reached = model_loads.target(call, under or flag)
            kind = reached.kind
            if under:
                kind = "model" if kind == "pipeline" and under == "model_kwargs" else ""
            found.is_sure = found.is_sure and reached.is_sure
            beside = [view.dicts.flow(splat) for splat in call.splats if splat is not receiver.node]
            is_said = any(quantization.makes_config(each.arg, each.value) for each in call.node.keywords)
            is_said = is_said or any(_says_more(each) for other in beside for each in other.entries)
            found.meets_own = found.meets_own or reached.meets_own or is_said
            found.is_beside_open = found.is_beside_open or any(other.is_open for other in beside)
            found.add(kind, call, reached.name)
        elif receiver.how == "argument" and view.dicts.given_to(receiver) is not None:
            continue  # it goes on there: see `Dicts.abroad`
        elif receiver.how == "argument" and receiver.call is not None and not under:
            call = CallSite(view, receiver.call)
            if receiver.name == started_calls.KWARGS and (started := started_calls.started(call)) is not None:
                reached = model_loads.target(started, flag)
                found.is_sure = found.is_sure and reached.is_sure
                found.meets_own = found.meets_own or reached.meets_own
                found.add(reached.kind, started, reached.name)
                continue
            found.add(_as_argument(call, receiver), call, library.callee_name(call))
        elif receiver.how == "entry" and depth < 2:
            outer = view.tree.parents[receiver.node]
            while not isinstance(outer, (ast.Dict, ast.Call)):
                outer = view.tree.parents[outer]
            inner = _destination(view, view.dicts.flow(outer), flag, under=receiver.name, depth=depth + 1)
            found.add_all(inner)
        elif receiver.how == "escape" and receiver.node not in given_back:
            found.is_sure = False
    return found


def _everywhere(view: ModuleView, flow: Flow, flag: str) -> tuple[_Destination, bool, bool]:
    """Where a dict goes, in other modules as well; whether it does, and whether something asks it for a flag."""
    abroad = [*view.dicts.abroad(flow)]
    found = _destination(view, flow, flag, given_back=flow.functions if abroad else ())
    for other, there in abroad:
        inner = _destination(other, there, flag)
        found.add_all(inner)
        found.is_sure = found.is_sure and inner.is_sure and not any(map(_is_about, there.entries))
    asked = any(_asks_for_flag(at, each) for at, one in [(view, flow), *abroad] for each in one.aliases)
    return found, bool(abroad), asked


def _is_about(entry: Entry) -> bool:
    """Whether an entry of a dict is about quantization."""
    return entry.key in (KEYWORD, *FLAGS) or quantization.is_sibling(entry.key)


def _says_more(entry: Entry) -> bool:
    """Whether an entry of another dict makes a configuration beside that of a flag."""
    return entry.how != "removal" and _is_about(entry) and not (entry.key in FLAGS and _is_off(entry))


def _as_argument(call: CallSite, receiver: Receiver) -> str:
    """What it means that a dict is one argument of a call."""
    if receiver.name == KEYWORD:
        return ""
    for callee in call.callees:
        if isinstance(callee, External) and callee.package == "transformers" and callee.name == "pipeline":
            return "model" if receiver.name == "model_kwargs" else ""
        if isinstance(callee, (LocalFunction, LocalClass)):
            return ""
    if receiver.name in _HANDED_ON and any(isinstance(each, (External, Method)) for each in call.callees):
        return "handed on"
    return ""


class _Flags:
    """The flags in one dict, and what to do about them."""

    def __init__(self, view: ModuleView, flow: Flow, flags: list[Entry]) -> None:
        self.view = view
        self.flow = flow
        self.flags = flags
        self.goes, self.is_abroad, self.is_asked_for = _everywhere(view, flow, str(flags[0].key))
        self.configs = [each for each in flow.entries if each.key == KEYWORD and each.how != "removal"]
        self.untouched = self._untouched()

    def results(self) -> Iterator[Finding | Unseen]:
        """The findings."""
        loads = self.goes.loads
        if not loads:
            yield from self._elsewhere()
            return
        if all(model_loads.is_tried_with(call.view, call, KEYWORD) for call in loads):
            return
        safety, remark = self._safety(loads)
        fix = self._fix(safety) if remark != quantization.CLASH else None
        name = self.goes.models[0][1]
        loader = "pipeline" if name == "pipeline" else f"{name}.from_pretrained"
        place = "" if loads[0].view is self.view else f" of {os.path.basename(loads[0].view.path)}"
        remark += quantization.SECOND if self.goes.meets_own and not all(map(_is_off, self.flags)) else ""
        where = f" and reaches `{loader}` in line {loads[0].node.lineno}{place}" if name else ""
        for flag in self.flags:
            yield self.view.finding(flag.node, f"{_TELL.format(flag=flag.key)}{where}{remark}", fix=fix)

    def _elsewhere(self) -> Iterator[Finding | Unseen]:
        calls = self.goes.calls
        for flag in self.flags:
            if calls.get("pipeline"):
                message = (
                    f"`{flag.key}` goes to `pipeline`, which hands it on to `from_pretrained`: since transformers "
                )
                yield self.view.finding(flag.node, message + f"5.0 a `{CONFIG}` belongs under `model_kwargs`")
            elif calls.get("handed on"):
                name = library.callee_name(calls["handed on"][0])
                message = f"{_TELL.format(flag=flag.key)}, and `{name}` hands it on"
                yield self.view.finding(flag.node, message, fix=self._replaced([flag], "unsafe"))
            elif calls.get("unknown"):
                yield self.view.unseen(flag.node, f"`{flag.key}` goes to a class or function that v5lint cannot follow")

    def _untouched(self) -> tuple[str, ...] | None:
        """The layers that v4 left alone and v5 does not; None where that depends on what is not known."""
        if all(map(_is_off, self.flags)):
            return ()
        if all(self._is_covered(each) for each in self.flags):
            return ()
        if any(each.key == quantization.SKIP for each in self.flow.entries):
            return ()
        found = {model_loads.untouched(call, model_loads.Target(name=name)) for call, name in self.goes.models}
        return found.pop() if len(found) == 1 else None

    def _safety(self, loads: list[CallSite]) -> tuple[Applicability, str]:
        for call in loads:
            safety, remark = model_loads.safety(call.view, call)
            if safety != "safe":
                return safety, remark
        for flag in self.flags:
            value = flag.value
            if value is not None and any(
                each.value is not None and quantization.disagree(self.view, str(flag.key), value, each.value)
                for each in self.configs
                if self._is_covered(flag) and self.view.reach.always_before(each.node, flag.node)
            ):
                return "unsafe", quantization.CLASH
        is_on = any(each.value is not None and quantization.is_on(self.view, each.value) for each in self.flags)
        if (self.is_abroad or (self.goes.is_beside_open and not is_on)) and self.untouched is not None:
            return "unsafe", ""
        return ("safe", "") if self.untouched is not None else ("unsafe", quantization.HEAD_DOUBT)

    def _fix(self, safety: Applicability) -> Fix | None:
        given_up = _given_up(self.view, self.flow, self.flags[0].key) if len(self.flags) == 1 else []
        may_lose = any(self.view.dicts.may_lose(self.flow, each.key) for each in self.flags)
        if self.is_asked_for or (may_lose and not given_up):
            return None
        if self.flow.is_wrapped or self._meets_others():
            return None
        if any(each.how == "literal" and not isinstance(each.node, ast.Constant) for each in self.flags):
            return None  # the key is a variable, which others may use
        if all(map(_is_off, self.flags)):
            return self._removal(self.flags, "safe")  # it did nothing under v4 either
        if self.goes.meets_own:
            return None
        covered = [each for each in self.flags if self._is_covered(each)]
        left = [each for each in self.flags if each not in covered]
        if not left:
            return self._removal(self.flags, safety)
        if may_lose or any(_removals(self.view, self.flow, each) for each in left):
            # Where a configuration is there already, say; or where the flag alone is given up.
            before = given_up == _removals(self.view, self.flow, left[0])
            return self._replaced_with(left[0], given_up, safety) if given_up and before else None
        others = {*self.goes.calls} - {"model", "peft"}
        if not self.goes.is_sure or others - {"ignores"}:
            return None
        if others:
            return self._moved(safety) if not self.configs else None
        beside = [each for each in self.configs if each.owner is left[0].owner]
        if beside and len(self.configs) == 1 and not covered:
            return self._replaced(left, safety, beside=beside[0])
        if len(left) > 1 and (_is_one_place(left) or _are_neighbours(self.view, left)):
            return self._replaced(left, safety) if not self.configs else None
        if not self._are_compatible([*left, *self.configs]) or not self._have_homes(left):
            return None
        fixes = [self._replaced([each], safety) for each in left]
        fixes += [self._removal(covered, safety)] if covered else []
        if any(fix is None for fix in fixes):
            return None

        def build() -> list[Edit]:
            return [edit for fix in fixes if fix is not None for edit in fix.edits]

        return Fix(f"Put a `{CONFIG}` in its place", build, applicability=safety, requires=SINCE)

    def _meets_others(self) -> bool:
        """Whether a dict that this one is merged with has a flag that may count before, or that this one switches off.

        `{**{"load_in_8bit": True}, "load_in_8bit": False}`: where they meet it is decided which of them counts.
        """
        mine = {each.node for each in self.flags}
        keys = {each.key for each in self.flags}
        is_on = not all(map(_is_off, self.flags))
        apart = self.view.reach.are_exclusive
        return any(
            each.node not in mine
            and each.how != "removal"
            and not all(apart(each.node, flag) for flag in mine)
            and (each.key in keys or (is_on and each.key in FLAGS and not _is_off(each)))
            for receiver in self.flow.receivers
            if receiver.how == "splat" and isinstance(receiver.node, ast.expr)
            for each in self.view.dicts.flow(receiver.node).entries
        )

    def _is_covered(self, flag: Entry) -> bool:
        """Whether a configuration is put in wherever a flag is."""
        here = self.view.reach.path(flag.node)
        for each in self.configs:
            there = self.view.reach.path(each.node)
            nothing = each.value is None or Constant(None) in self.view.values(each.value)
            if there == here[: len(there)] and not nothing:
                return True
        return False

    def _are_compatible(self, entries: list[Entry]) -> bool:
        """Whether each entry can become a configuration for itself: none takes the place of one that counted.

        Version 4 refused two flags that are switched on, and a flag beside a configuration. So of two entries the
        later one may overwrite the first, if it is only put in where it is switched on.
        """
        for number, second in enumerate(entries):
            for first in entries[:number]:
                early, late = sorted((first, second), key=lambda each: self.view.span(each.node))
                if not self.view.reach.are_exclusive(early.node, late.node) and not self._only_when_on(late):
                    return False
        return True

    def _have_homes(self, flags: list[Entry]) -> bool:
        """Whether what goes with the flags goes into the configuration of one of them."""
        found = {each.node for flag in flags for each in _siblings(self.view, flag, self.flow) or ()}
        return all(each.node in found for each in _wanted(self.flow))

    def _may_be_there(self, flag: Entry) -> bool:
        """Whether what is not known of the dict is put in before a flag: a None in its place would hide it."""
        merged = _merged_into(self.view, flag.owner)
        entries = [*self.flow.entries, *(self.view.dicts.flow(merged).entries if merged is not None else ())]
        at = self.view.span(flag.node)[0]
        return any(
            self.view.span(each.node)[0] < at
            for each in entries
            if each.how == "unknown" or (each.key is None and each.how != "removal")
        )

    def _all_entries(self) -> list[ast.AST]:
        return [each.node for each in [*self.flags, *self.configs]]

    def _only_when_on(self, entry: Entry) -> bool:
        """Whether what is put in place of an entry is never None."""
        if entry.value is None:
            return False
        if entry.key != KEYWORD:
            return quantization.is_on(self.view, entry.value) or self._has_its_line(entry)
        return Constant(None) not in self.view.values(entry.value) or any(
            truth and _tests(test, entry.value) for test, truth in self.view.reach.conditions(entry.node)
        )

    def _has_its_line(self, entry: Entry) -> bool:
        """Whether an entry is put in by a statement before which an `if` can be written."""
        owner = entry.owner
        if not isinstance(owner, ast.Assign) or len(owner.targets) > 1:
            return False
        start, _ = self.view.span(owner)
        return not self.view.text[self.view.offset(owner.lineno, 0) : start].strip()

    def _removal(self, entries: list[Entry], safety: Applicability) -> Fix | None:
        if not all(each.how in ("literal", "keyword", "subscript") for each in entries):
            return None

        def build() -> list[Edit]:
            from v5lint.edits.entries import remove_entries

            return remove_entries(self.view, entries)

        return Fix(f"Remove {_quoted(entries)}", build, applicability=safety)

    def _replaced_with(self, flag: Entry, removals: list[Entry], safety: Applicability) -> Fix | None:
        """Put the configuration in the place of a flag, and take it out where the flag was given up."""
        if self.configs or self.flow.is_open or {*self.goes.calls} - {"model", "peft"}:
            return None
        fix = self._replaced([flag], safety) if self.goes.is_sure else None
        if fix is None:
            return None

        def build() -> list[Edit]:
            quote = [self.view.source(each.node)[0] for each in removals]
            keys = [
                self.view.replace(each.node, f"{mark}{KEYWORD}{mark}")
                for each, mark in zip(removals, quote, strict=True)
            ]
            return [*fix.edits, *keys]

        return Fix(fix.message, build, applicability=safety, requires=SINCE)

    def _replaced(self, flags: list[Entry], safety: Applicability, *, beside: Entry | None = None) -> Fix | None:
        """Put the configuration where the first flag stands.

        Args:
            flags: those that it takes the place of.
            safety: the applicability.
            beside: a configuration in the same literal that may be None, and counts before the flags.
        """
        view, first = self.view, flags[0]
        values = {str(each.key): each.value for each in flags if each.value is not None}
        siblings = _siblings(view, first, self.flow)
        if siblings is None or len(values) != len(flags):
            return None
        if first.how not in ("literal", "keyword", "subscript", "setdefault"):
            return None
        if not isinstance(first.node, (ast.Constant, ast.keyword)):
            return None
        under_if = self._has_its_line(first) and (self.flow.is_open or len({*self._all_entries()}) > 1)
        under_if = under_if or (first.how in ("literal", "keyword") and self._may_be_there(first))
        if not library.is_free(view, CONFIG, first.node) or not quantization.is_repeatable(values):
            return None

        def build() -> list[Edit]:
            from v5lint.edits.entries import replace_entry
            from v5lint.edits.imports import ImportEdits

            imports = ImportEdits(view)
            shown = self.goes.named_in(view)
            config = imports.use("transformers", CONFIG, first.node, like=shown, read=shown)
            given = {str(each.key): view.source(each.value) for each in siblings if each.value is not None}
            if quantization.SKIP not in given:
                given |= quantization.skipping(self.untouched)
            source = quantization.config_source(view, config, values, given)
            rest = [each for each in [*flags, *siblings] if each is not first]
            if beside is not None and beside.value is not None:
                source = quantization.in_place_of_none(view, beside.value, source)
                return [*replace_entry(view, beside, KEYWORD, source, [first, *rest]), *imports.edits()]
            condition = ""
            if under_if:
                source, condition = quantization.config_parts(view, config, values, given)
            return [*replace_entry(view, first, KEYWORD, source, rest, condition=condition), *imports.edits()]

        return Fix(f"Put a `{CONFIG}` in the place of {_quoted(flags)}", build, applicability=safety, requires=SINCE)

    def _moved(self, safety: Applicability) -> Fix | None:
        """Take the flag out of a dict that a tokenizer shares, and give the configuration to the model's call alone."""
        view, calls = self.view, self.goes.loads
        if len(self.flags) != 1 or len(calls) != 1 or self.is_abroad:
            return None
        (flag,), (call,) = self.flags, calls
        if view.reach.path(flag.node) != () or (
            view.links.function_around(call.node) is not view.links.function_around(flag.node)
        ):
            return None
        if not isinstance(flag.value, (ast.Constant, ast.Name)) or flag.how not in ("literal", "keyword", "subscript"):
            return None
        if isinstance(flag.value, ast.Name) and len(view.links.bindings_read(flag.value)) != 1:
            return None
        if not library.is_free(view, CONFIG, call.node) or call.keyword(KEYWORD) is not None:
            return None
        if _siblings(view, flag, self.flow) != []:
            return None

        def build() -> list[Edit]:
            from v5lint.edits.arguments import edit_arguments
            from v5lint.edits.entries import remove_entries
            from v5lint.edits.imports import ImportEdits

            imports = ImportEdits(view)
            config = imports.use("transformers", CONFIG, call.node, like=call.node)
            assert flag.value is not None
            given = quantization.skipping(self.untouched)
            source = quantization.config_source(view, config, {str(flag.key): flag.value}, given)
            added = edit_arguments(view, call.node, append=[f"{KEYWORD}={source}"])
            return [*remove_entries(view, [flag]), added, *imports.edits()]

        return Fix(f"Give a `{CONFIG}` to the call that loads the model", build, applicability=safety, requires=SINCE)


def _is_off(flag: Entry) -> bool:
    return flag.value is not None and quantization.is_off(flag.value)


def _merged_into(view: ModuleView, owner: ast.AST) -> ast.expr | None:
    """The dict that a literal is merged into: `d` of `d.update({...})`, `d | {...}` and `d |= {...}`."""
    parent = view.tree.parents[owner]
    if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr == "update":
        return parent.func.value
    if isinstance(parent, ast.BinOp) and parent.right is owner:
        return parent.left
    return parent.target if isinstance(parent, ast.AugAssign) else None


def _tests(test: ast.expr, value: ast.expr) -> bool:
    """Whether a test says that a value is not None: `if value:`, `if value is not None:`."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot):
        test = test.left
    return ast.dump(test) == ast.dump(value)


def _is_one_place(entries: list[Entry]) -> bool:
    return len({each.owner for each in entries}) == 1 and entries[0].how != "subscript"


def _asks_for_flag(view: ModuleView, mapping: ast.expr) -> bool:
    """Whether a dict is asked for a flag, `if kwargs["load_in_8bit"]:`: what asks would find nothing any more."""
    asked = asked_of(view, mapping)
    return asked is not None and any(flag in view.constants(asked) for flag in FLAGS)


def _are_neighbours(view: ModuleView, entries: list[Entry]) -> bool:
    """Whether entries of different keys are put in by assignments in the lines beside each other."""
    owners = [each.owner for each in entries if isinstance(each.owner, ast.Assign)]
    if len(owners) < len(entries) or len({each.key for each in entries}) < len(entries):
        return False
    return all(each in _next_to(view, owners[0]) for each in owners[1:])


def _siblings(view: ModuleView, flag: Entry, flow: Flow) -> list[Entry] | None:
    """The entries beside a flag that belong into the configuration; None where some are put in elsewhere."""
    wanted = [each for each in _wanted(flow) if not view.reach.are_exclusive(each.node, flag.node)]
    if isinstance(flag.owner, ast.Assign):
        near = _next_to(view, flag.owner)
        found = [each for each in wanted if each.owner in near]
    else:
        found = [each for each in written_entries(flag.owner) if quantization.is_sibling(each.key)]
    known = {each.node for each in found}
    return found if all(each.node in known for each in wanted) else None


def _wanted(flow: Flow) -> list[Entry]:
    return [each for each in flow.entries if quantization.is_sibling(each.key) and each.how != "removal"]


def _next_to(view: ModuleView, statement: ast.Assign) -> list[ast.Assign]:
    """The assignments to keys of the same dict in the lines before and behind one."""
    from v5lint.edits.statements import block_of

    block = block_of(view, statement)
    at = block.index(statement)
    found = []
    for part in (block[at + 1 :], block[:at][::-1]):
        for each in part:
            if not isinstance(each, ast.Assign) or not _is_same_dict(each, statement):
                break
            found.append(each)
    return found


def _is_same_dict(first: ast.Assign, second: ast.Assign) -> bool:
    a, b = first.targets[0], second.targets[0]
    return isinstance(a, ast.Subscript) and isinstance(b, ast.Subscript) and ast.dump(a.value) == ast.dump(b.value)


def _quoted(entries: list[Entry]) -> str:
    return ", ".join(f"`{each.key}`" for each in entries)

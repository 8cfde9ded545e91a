"""Arguments of trl's trainers and configurations that the releases to go with transformers 5 no longer take."""

from __future__ import annotations

import ast

from v5lint.pins import admits_before
from v5lint.releases import parse_release
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import arguments, members, standing, trl_names, trl_trainers
from v5lint.rules.parts.trl_trainers import PACKAGE
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability
    from v5lint.rules.parts.arguments import Given
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView
    from v5lint.view.values import Value

_TABLE, _MOVED, _ADVICE = "trl_arguments", "moved", "trl_advice"

_lost: dict[str, dict[str, str]] = {}


def removal(of: str, name: str) -> Removal | None:
    """What took an argument from a class of trl; None where nothing did."""
    return _judge(f"{PACKAGE}:{of}", name, "")


def names() -> frozenset[str]:
    """Every argument that some class lost."""
    return frozenset(name for lost in _known().values() for name in lost)


def given(view: ModuleView) -> Iterator[Given]:
    """The arguments that a class no longer takes, where they are given to it."""
    if not trl_trainers.is_plain(view):
        return
    for each in arguments.given(view, names(), functions, judge=_judge, abroad=True):
        if not isinstance(each, arguments.Given) or trl_names.is_held_before(view, each.removal.gone):
            continue
        if each.entry is not None and any(_judge(of, each.name, "") is None for of in each.reached.functions):
            continue  # `kwargs` that go to whichever class was chosen: the entry may be for one that takes it
        if not trl_trainers.is_for_older(each.view, each.node, each.removal.gone):
            yield each


def read(view: ModuleView) -> Iterator[tuple[ast.Attribute, Removal]]:
    """The fields that a configuration no longer has, where they are read from it."""
    if not trl_trainers.is_plain(view):
        return
    wanted = names()
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr not in wanted or not isinstance(node.ctx, ast.Load) or standing.never_runs(view, node):
            continue
        found = [_judge(f"{PACKAGE}:{of}", node.attr, "") for of in _classes_of(view, node.value)]
        lost = next((each for each in found if each is not None), None)
        if lost is None or not all(found) or members.is_prepared(view, node) or _is_set(view, node):
            continue
        if not trl_names.is_held_before(view, lost.gone) and not trl_trainers.is_for_older(view, node, lost.gone):
            yield node, lost


def functions(call: CallSite, callee: Value) -> Iterator[str]:
    """The class of trl that a call makes an object of."""
    if isinstance(callee, External) and callee.package == PACKAGE and callee.name in _known():
        yield f"{PACKAGE}:{callee.name}"
    elif isinstance(callee, Method) and callee.name == "__init__" and isinstance(callee.owner, External):
        yield from functions(call, callee.owner)


def safety(view: ModuleView | ScriptView, removal: Removal) -> Applicability:
    """The applicability of a new name: a project that names older releases may run with one that lacks it."""
    since = parse_release(removal.replacement.since) if removal.replacement is not None else ()
    held = view.project.required(PACKAGE, view.path)
    return "unsafe" if any(admits_before(each, since) for each in held) else "safe"


def _judge(function: str, name: str, _target: str) -> Removal | None:
    of = function.rpartition(":")[2]
    since = _known().get(of, {}).get(name)
    if since is None:
        return None
    path = f"{of}.{name}"
    advice = table(_ADVICE)
    new, first = advice["renamed"].get(path, ("", ""))
    note = advice["arguments"].get(path) or advice["arguments"].get(name, "")
    if not new and not note and name in table(_TABLE)[of].get(_MOVED, "").split():
        note = f"it is a field of `{of.replace('Trainer', 'Config')}`"
    told = [new, "1", first, "", note] if new else ["", "", "", "", note]
    return Removal(f"{PACKAGE}.{path}", "parameter", PACKAGE, "", since, told)


def _classes_of(view: ModuleView, node: ast.expr) -> list[str]:
    """The classes of trl of which an expression is an object; none where it may be of another one."""
    roots = [root for each in view.classes_of(node) for root in view.roots(each)]
    found = [root.name for root in roots if root.package == PACKAGE and root.name in _known()]
    return found if len(found) == len(roots) else []


def _is_set(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the program gives the object the attribute itself."""
    holder = ast.dump(node.value)
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == node.attr
        and isinstance(each.ctx, ast.Store)
        and ast.dump(each.value) == holder
        for each in view.tree.nodes.get(ast.Attribute, ())
    )


def _known() -> dict[str, dict[str, str]]:
    """What is gone, by class and argument: the first release without it."""
    if not _lost:
        for of, rows in table(_TABLE).items():
            _lost[of] = {name: release for release, lost in rows.items() if release != _MOVED for name in lost.split()}
    return _lost

"""Calls that a thread or a process makes: `Thread(target=f, args=(x,), kwargs={...})`, `context.Process(...)`."""

from __future__ import annotations

import ast

from v5lint.view.calls import CallSite
from v5lint.view.values import External, Result

#: Classes that call their `target` with `args` and `kwargs`, and the name of the latter.
_CLASSES = frozenset({"Thread", "Process"})
KWARGS = "kwargs"

#: What gives an object that has them: `multiprocessing.get_context("spawn").Process`.
_CONTEXT = "get_context"


def started(call: CallSite) -> CallSite | None:
    """The call that a thread or process makes: that of `f`; None where a call makes no such thing."""
    target, given = call.keyword("target"), call.keyword("args")
    if target is None or not _makes_one(call):
        return None
    found = CallSite(call.view, call.node)
    found.func = target.value
    found.args = given.value.elts if given is not None and isinstance(given.value, (ast.Tuple, ast.List)) else []
    return found


def _makes_one(call: CallSite) -> bool:
    if call.name not in _CLASSES:
        return any(isinstance(each, External) and each.name in _CLASSES for each in call.callees)
    contexts = call.view.values(call.func.value) if isinstance(call.func, ast.Attribute) else frozenset()
    return any(isinstance(each, External) for each in call.callees) or any(
        isinstance(each, Result) and each.of.rpartition(".")[2] == _CONTEXT for each in contexts
    )

"""A call, and what can be known of its arguments."""

from __future__ import annotations

import ast

from v5lint.view.strings import last_name
from v5lint.view.values import UNKNOWN, Constant, External, Mapping, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from v5lint.view.dicts import Entry
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue, Value, Values


class CallSite:
    """One call of a module; `partial(f, x, k=v)` and `to_thread(f, x)` are taken for the call of `f` they stand for.

    Attributes:
        view: the module.
        node: the call as it is written.
        func: what is called.
        args: the positional arguments.
    """

    __slots__ = ("args", "func", "node", "view")

    def __init__(self, view: ModuleView, node: ast.Call) -> None:
        self.view = view
        self.node = node
        self.func: ast.expr = node.func
        self.args: list[ast.expr] = node.args
        if node.args and _is_partial(view, node.func):
            self.func, *self.args = node.args

    @property
    def name(self) -> str:
        """The last name of what is called: "f" of `f(...)` and of `x.f(...)`; "" for any other expression."""
        return last_name(self.func)

    @property
    def callees(self) -> Values:
        """What is called."""
        return self.view.evaluator.values(self.func)

    @property
    def bound(self) -> CallSite | None:
        """The `partial(f, ...)` that is called, where that is what this calls: its own call is the one of `f`."""
        made = self.view.links.defining_call(self.func) if isinstance(self.func, ast.Name) else None
        site = CallSite(self.view, made) if made is not None else None
        return site if site is not None and site.func is not site.node.func else None

    def owners(self, methods: Container[str]) -> list[ClassValue]:
        """The classes on which one of some methods is called: `AutoModel` of `AutoModel.from_pretrained(...)`."""
        found = [each for each in self.callees if isinstance(each, Method) and not each.bound]
        return sorted((each.owner for each in found if each.name in methods), key=repr)

    def keyword(self, name: str) -> ast.keyword | None:
        """The keyword argument of that name, as written in the call."""
        return next((each for each in self.node.keywords if each.arg == name), None)

    def argument(self, name: str, position: int = -1) -> ast.expr | None:
        """The argument that is written in the call under a name, or at a place.

        Args:
            name: the keyword.
            position: its place among the positional arguments; -1 where it can only be given by name.
        """
        keyword = self.keyword(name)
        if keyword is not None:
            return keyword.value
        if 0 <= position < len(self.args):
            before = self.args[: position + 1]
            if not any(isinstance(each, ast.Starred) for each in before):
                return before[-1]
        return None

    @property
    def splats(self) -> list[ast.expr]:
        """The expressions given as `**kwargs`."""
        return [each.value for each in self.node.keywords if each.arg is None]

    def entry(self, name: str) -> Entry | None:
        """The entry of a splatted dict that becomes the argument of that name."""
        for splat in self.splats:
            for entry in self.view.dicts.flow(splat).entries:
                if entry.key == name and entry.how != "removal":
                    return entry
        return None

    @property
    def is_open(self) -> bool:
        """Whether arguments that cannot be known are passed: `*args`, or a `**kwargs` from elsewhere."""
        if any(isinstance(each, ast.Starred) for each in self.args):
            return True
        return any(self.view.dicts.flow(splat).is_open for splat in self.splats)

    def values_of(self, name: str, position: int = -1) -> Values:
        """The values that a parameter may get; empty where nothing is passed for it.

        Args:
            name: the parameter.
            position: its place; -1 where it can only be given by name.
        """
        given = self.argument(name, position)
        if given is not None:
            return self.view.evaluator.values(given)
        entry = self.entry(name)
        if entry is not None:
            return self.view.evaluator.values(entry.value) if entry.value is not None else frozenset({UNKNOWN})
        return self._chosen(name) or (frozenset({UNKNOWN}) if self.is_open else frozenset())

    def _chosen(self, name: str) -> Values:
        """What a splatted dict gives that is an entry of another one, or of another module: `f(**CONFIG["lora"])`."""
        found: Values = frozenset()
        for splat in self.splats:
            if isinstance(splat, (ast.Subscript, ast.Attribute)):
                for table in self.view.evaluator.values(splat):
                    if not isinstance(table, Mapping):
                        return frozenset()
                    found |= table.view.evaluator.looked_up(table, frozenset({Constant(name)}))
        return found


def _is_partial(view: ModuleView, func: ast.expr) -> bool:
    """Whether what is called calls its first argument with the other ones, now or later."""
    if isinstance(func, ast.Attribute):
        if func.attr == "submit":
            return any(_is_pool(each) for each in view.evaluator.values(func))
        return func.attr in _CALLERS and External(_CALLERS[func.attr]) in view.evaluator.values(func)
    return isinstance(func, ast.Name) and any(
        view.links.is_imported(func, name) and External(path) in view.evaluator.values(func)
        for name, path in _CALLERS.items()
    )


def _is_pool(value: Value) -> bool:
    """Whether a value is the `submit` of a pool of threads or processes."""
    return (
        isinstance(value, Method)
        and isinstance(value.owner, External)
        and value.owner.path.startswith("concurrent.futures.")
    )


#: Functions that call their first argument with the other ones.
_CALLERS = {"partial": "functools.partial", "to_thread": "asyncio.to_thread"}

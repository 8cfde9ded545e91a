"""What runs while `from_pretrained` builds a model: its constructor, methods and functions, and those of its parts."""

from __future__ import annotations

import ast
import os.path

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import hand_made, library, members
from v5lint.view.calls import CallSite
from v5lint.view.values import LocalClass, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

LOAD = "from_pretrained"
INIT = "__init__"

#: How many methods and constructors are followed from a constructor.
_DEPTH = 4


class Run:
    """A function that a constructor runs, and how.

    Attributes:
        of: the class whose method it is, or whose constructor calls it.
        function: the function.
        is_certain: whether no condition decides over it.
        call: the call that runs it; None of the constructor of the model itself.
        caller: the run in which the call stands.
    """

    __slots__ = ("call", "caller", "function", "is_certain", "of")

    def __init__(
        self,
        of: LocalClass,
        function: ast.FunctionDef,
        is_certain: bool,
        call: ast.Call | None = None,
        caller: Run | None = None,
    ) -> None:
        self.of = of
        self.function = function
        self.is_certain = is_certain
        self.call = call
        self.caller = caller

    @property
    def depth(self) -> int:
        """How many calls lie between the constructor of the model and this."""
        return 0 if self.caller is None else self.caller.depth + 1

    def nodes(self) -> Iterator[ast.AST]:
        """The nodes of the function that are not those of a function inside of it."""
        around = self.of.view.links.function_around
        return (node for node in ast.walk(self.function) if around(node) is self.function)


def loaded_models(view: ModuleView) -> Iterator[LocalClass]:
    """The classes of a module that are models which transformers' own `from_pretrained` builds.

    Not those whose constructor needs more than loading gives it, where nothing loads them.
    """
    for of in models(view):
        init = method_of(of, INIT)
        if init is None or not hand_made.is_made_by_hand(of, init[1]):
            yield of


def models(view: ModuleView) -> Iterator[LocalClass]:
    """The classes of a module that are models which transformers' own `from_pretrained` can build."""
    for node in view.tree.nodes.get(ast.ClassDef, ()):
        assert isinstance(node, ast.ClassDef)
        of = LocalClass(view, node)
        if not view.guards.is_dead(node) and _is_loaded(of):
            yield of


def _is_loaded(of: LocalClass) -> bool:
    names = library.library_classes(of.view, of)
    if not any(members.kind_of(name) == "model" and lookup.kind_of(name) != "auto_model" for name in names):
        return False
    found = of.view.evaluator.class_attribute(of, LOAD, instance=False)
    return all(isinstance(each, Method) for each in found)


def runs(of: LocalClass, *, across: bool = False) -> Iterator[Run]:
    """What building an object of a class runs; in other modules of the repository only if `across`."""
    yield from _Walk(across=across).method(of, INIT, None, None, is_certain=True)


def method_of(of: LocalClass, name: str) -> tuple[LocalClass, ast.FunctionDef] | None:
    """A method of a class, its own or that of a base in the repository, with the class that has it."""
    return _method_of(of, name, 0)


def _method_of(of: LocalClass, name: str, depth: int) -> tuple[LocalClass, ast.FunctionDef] | None:
    for each in of.node.body:
        if isinstance(each, ast.FunctionDef) and each.name == name:
            return of, each
    bases = of.view.evaluator.bases(of) if depth < _DEPTH else ()
    found = (_method_of(each, name, depth + 1) for each in bases if isinstance(each, LocalClass) and each != of)
    return next((each for each in found if each is not None), None)


def place(view: ModuleView, node: ast.AST) -> tuple[str, int, int]:
    """Where a node stands, the same for all views of its file."""
    return os.path.realpath(view.path), getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


class _Walk:
    """The functions that were met on the way from one constructor, each with whether it was certain to run."""

    def __init__(self, *, across: bool) -> None:
        self.across = across
        self.met: dict[tuple[str, int, int], bool] = {}

    def method(
        self, of: LocalClass, name: str, call: ast.Call | None, caller: Run | None, *, is_certain: bool
    ) -> Iterator[Run]:
        """A method of a class, wherever it is inherited from, and what it runs."""
        found = method_of(of, name)
        if found is not None:
            yield from self.run(Run(*found, is_certain, call, caller))

    def run(self, run: Run) -> Iterator[Run]:
        """A function and what it calls: methods of the class, functions and constructors of the repository."""
        view = run.of.view
        key = place(view, run.function)
        before = self.met.get(key)
        if run.depth > _DEPTH or (before is not None and before >= run.is_certain):
            return
        self.met[key] = run.is_certain
        yield run
        for node in run.nodes():
            if not isinstance(node, ast.Call):
                continue
            conditions = view.reach.conditions(node)
            certain = run.is_certain and not any(
                view.links.function_around(test) is run.function for test, _ in conditions
            )
            for callee in CallSite(view, node).callees:
                if isinstance(callee, LocalClass) and (self.across or callee.view is view):
                    yield from self.method(callee, INIT, node, run, is_certain=certain)
                elif _is_plain(callee, run.of):
                    yield from self.run(Run(run.of, callee.node, certain, node, run))  # type: ignore[attr-defined]
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "self":
                yield from self.method(run.of, node.func.attr, node, run, is_certain=certain)


def _is_plain(callee: Value, of: LocalClass) -> bool:
    """Whether a callee is a function of the module of a class, and no method."""
    return (
        isinstance(callee, LocalFunction)
        and callee.view is of.view
        and isinstance(callee.node, ast.FunctionDef)
        and of.view.links.class_of_method(callee.node) is None
    )

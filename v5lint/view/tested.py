"""What pytest gives to the parameters of tests and fixtures: parametrized values and what fixtures return."""

from __future__ import annotations

import ast
import os

from v5lint.view import strings
from v5lint.view.values import LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.evaluate import Evaluator
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Scope
    from v5lint.view.values import Values

_CONFTEST = "conftest.py"


class Tests:
    """Answers for one module, for the evaluator of its expressions."""

    __slots__ = ("_evaluator", "_view")

    def __init__(self, view: ModuleView, evaluator: Evaluator) -> None:
        self._view = view
        self._evaluator = evaluator

    def given(self, function: ast.AST, name: str) -> Values:
        """The values that pytest gives to a parameter; none where it is no parameter of a test, or not known.

        Args:
            function: the function with the parameter.
            name: the parameter.
        """
        return self._parametrized(function, name) or self._fixture(function, name)

    def _parametrized(self, function: ast.AST, name: str) -> Values:
        """What `@pytest.mark.parametrize("a, b", [...])` gives to a parameter of a test, one at a time."""
        for decorator in getattr(function, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and strings.last_name(decorator.func) == "parametrize":
                names = strings.listed(decorator.args[0]) if len(decorator.args) > 1 else []
                if name in names:
                    items = self._evaluator.iterated(decorator.args[1])
                    return items if len(names) == 1 else self._evaluator.item(items, names.index(name))
        return frozenset()

    def _fixture(self, function: ast.AST, name: str) -> Values:
        """What a parameter of a test, or of a fixture, gets from the fixture of its name.

        That is one of its class, of its module, or of the `conftest.py` that is nearest in the folders above.
        """
        if not getattr(function, "name", "").startswith("test") and not is_decorated(function, "fixture"):
            return frozenset()
        view = self._view
        owner = view.links.class_of_method(function)
        for scope in (view.tree.scopes[owner] if owner is not None else None, view.tree.scope):
            for made in _fixtures(view, scope, name) if scope is not None else ():
                if made.node is not function:
                    return self._evaluator.of(made.view).returned(made)
        for file in view.project.noted((_CONFTEST, os.path.dirname(view.path)), self._conftests):
            other = view.project.view(file, view.settings) if file != view.path else None
            for made in _fixtures(other, other.tree.scope, name) if other is not None else ():
                return self._evaluator.of(made.view).returned(made)
        return frozenset()

    def _conftests(self) -> list[str]:
        """The files of fixtures for the tests of a folder, the nearest first."""
        root = os.path.abspath(self._view.project.root)
        folder = os.path.dirname(os.path.abspath(self._view.path))
        found = []
        while folder == root or folder.startswith(root + os.sep):
            file = os.path.join(folder, _CONFTEST)
            if os.path.isfile(file):
                found.append(file)
            if folder == root:
                break
            folder = os.path.dirname(folder)
        return found


def _fixtures(view: ModuleView, scope: Scope, name: str) -> Iterator[LocalFunction]:
    """The fixtures of a name in a module or class: that which is called so, or imported, or says that it is."""
    for binding in scope.bindings.get(name, ()):
        if binding.kind in ("def", "import"):
            for made in view.evaluator.binding_values(binding):
                if isinstance(made, LocalFunction) and is_decorated(made.node, "fixture"):
                    yield made
    for bindings in scope.bindings.values():
        for binding in bindings:
            if binding.kind == "def" and name in _names_given(binding.node):
                yield LocalFunction(view, binding.node)  # type: ignore[arg-type]


def _names_given(function: ast.AST) -> Iterator[str]:
    """The other name of a fixture: `@pytest.fixture(name="model")`."""
    for decorator in getattr(function, "decorator_list", ()):
        if isinstance(decorator, ast.Call) and strings.last_name(decorator.func) == "fixture":
            for keyword in decorator.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    yield str(keyword.value.value)


def is_decorated(function: ast.AST, name: str) -> bool:
    """Whether a function has a decorator of a name, called or not: `@pytest.fixture(scope="module")`."""
    decorators = getattr(function, "decorator_list", ())
    return any(strings.last_name(each.func if isinstance(each, ast.Call) else each) == name for each in decorators)

"""Whether code runs under the target release at all, and who catches it when it fails.

A guarded old name is not a finding: the `except ImportError` side of a pair, the branch that a version check does not
take. A handler that only says it in other words and stops guards nothing, and neither does a check that *some*
transformers is installed.
"""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.releases import parse_release
from v5lint.view import questions
from v5lint.view.links import PROPERTIES
from v5lint.view.strings import dotted, last_name
from v5lint.view.tree import FUNCTIONS
from v5lint.view.values import Constant, External, LocalClass, LocalFunction, Method, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from v5lint.releases import Release
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import Value

#: Exceptions that a missing name or argument raises, and their bases.
IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "AttributeError"})
CALL_ERRORS = frozenset({"TypeError", "Exception", "BaseException"})
MEMBER_ERRORS = frozenset({"AttributeError", "Exception", "BaseException"})
_ANYTHING = frozenset({"Exception", "BaseException"})

#: `try` with `except` and with `except*`, which Python 3.10 does not have.
TRIES: tuple[type[ast.Try], ...] = (ast.Try, getattr(ast, "TryStar", ast.Try))

#: What a test says that it waits for an error with: pytest's, and unittest's.
_AWAITS = frozenset({"raises", "assertRaises", "assertRaisesRegex"})

_TALKS = pattern(r"(^|\.)(print|warn|warning|error|exception|critical|info|debug|log|write|print_exc|echo|fail|skip)$")
_VERSION_NAME = pattern(r"version|_v[45]\b|_v[45]_|_[45]_?0|_ge_|_gt_|_lt_|_le_|geq|leq|(?i:v[45]$)")
_GREATER = pattern(
    r"(?i)(greater|newer|after|above|at_?least|min|since|gte?|ge|geq|v5)(?=_|$|or|than|equal)|or_newer|or_later|_v5"
)
#: What a helper has in its name that says no word of versions: `check_if_transformers_greater("4.26")`.
_COMPARES = pattern(r"(?i)greater|newer|older|at_?least|less_?than|lower_?than")
_LESS = pattern(r"(?i)(less|lower|older|before|below|lte?|le|leq|v4)(?=_|$|or|than|equal)|_v4")


#: The requirement of one release: "transformers>=5.0".
_REQUIREMENT = pattern(r"\s*([\w.-]+)\s*(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)\s*\Z")


class Handled:
    """Who catches the failure of a piece of code.

    Attributes:
        kind: "fallback" (something else is used in its place) or "swallowed" (the failure passes without a trace: a
            name becomes None, a block is skipped).
        handler: the `except` clause, or the `with suppress(...)` statement.
        statement: the `try`.
    """

    __slots__ = ("handler", "kind", "statement")

    def __init__(self, kind: str, handler: ast.AST, statement: ast.AST) -> None:
        self.kind = kind
        self.handler = handler
        self.statement = statement


class Guards:
    """Answers for one module."""

    def __init__(self, view: ModuleView) -> None:
        self._view = view
        self._never_called: dict[tuple[ast.AST, str], bool] = {}

    def is_dead(self, node: ast.AST, package: str = "transformers") -> bool:
        """Whether a node does not run under the target release, by a check of the version or of a name.

        A check that clearly asks for the version, and that cannot be computed, counts as a guard as well: silence is
        better than a wrong finding. So does `hasattr(transformers, ...)`: code that asks first is prepared. And so
        does a test that wants the failure: `with pytest.raises(ImportError):`.
        """
        for test, wanted in self._view.reach.conditions(node):
            truth = self._truth(test, package)
            if truth is _UNDECIDED_VERSION or (isinstance(truth, bool) and truth is not wanted):
                return True
        if ast.With in self._view.tree.nodes and self._is_awaited(node):
            return True
        function = self._view.links.function_around(node)
        return isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and self._is_never_called(
            function, package
        )

    def _is_awaited(self, node: ast.AST) -> bool:
        """Whether a test wants that a node fails, with the error that an import or a use of what is gone raises."""
        is_import = isinstance(self._view.tree.statement(node), (ast.Import, ast.ImportFrom))
        errors = IMPORT_ERRORS - {"AttributeError"} if is_import else CALL_ERRORS | MEMBER_ERRORS
        for parent in self._view.tree.ancestors(node):
            if isinstance(parent, FUNCTIONS):
                break
            for item in parent.items if isinstance(parent, ast.With) else ():
                call = item.context_expr
                is_one = isinstance(call, ast.Call) and last_name(call.func) in _AWAITS
                if is_one and any(_names(each, errors, self._view) for each in call.args[:1]):  # type: ignore[attr-defined]
                    return True
        return False

    def _is_never_called(self, function: ast.FunctionDef | ast.AsyncFunctionDef, package: str) -> bool:
        """Whether all that calls a function is dead, and nothing else mentions it: `if old: return _load_as_then()`."""
        key = (function, package)
        if key not in self._never_called:
            self._never_called[key] = False  # what calls itself is called from elsewhere, or not at all
            named = self._view.links.calls_named(function.name)
            if not named or not all(map(self._view.reach.conditions, named)):
                return False  # the cheap question first: most functions are called somewhere under no condition
            calls = self._view.links.calls_of(function)
            self._never_called[key] = (
                bool(calls)
                and all(self.is_dead(each, package) for each in calls)
                and self._is_only_called(function, calls)
            )
        return self._never_called[key]

    def _is_only_called(self, function: ast.FunctionDef | ast.AsyncFunctionDef, calls: list[ast.Call]) -> bool:
        """Whether some calls are all that is done with a function: nothing hands it on, or has it from this module."""
        name, view = function.name, self._view
        called = {each.func for each in calls}
        for kind, field in ((ast.Name, "id"), (ast.Attribute, "attr"), (ast.Constant, "value")):
            if any(getattr(each, field) == name and each not in called for each in view.tree.nodes.get(kind, ())):
                return False
        return not function.decorator_list and not any(view.project.all_importers(view.path, name))

    def is_ready(self, node: ast.AST, errors: frozenset[str] = CALL_ERRORS) -> bool:
        """Whether a node does not run under the target release, or the program goes another way where it fails.

        Args:
            node: the node.
            errors: the names of the exception that it raises and of its bases.
        """
        return self.is_dead(node) or self.is_made_up_for(node, errors)

    def dead_constant(self, node: ast.AST) -> bool:
        """Whether a node stands under `if False:` or `if 0:` and never runs."""
        return any(
            isinstance(test, ast.Constant) and bool(test.value) is not wanted
            for test, wanted in self._view.reach.conditions(node)
        )

    def _truth(self, test: ast.expr, package: str) -> Any:
        return _Condition(self._view, package).truth(test)

    def version_truth(self, test: ast.expr, release: str, package: str = "transformers") -> bool | None:
        """What a test that asks for the version of a package gives under a release; None where it asks for none.

        None as well where it asks in a way that cannot be computed.
        """
        truth = _Condition(self._view, package, release).truth(test)
        return truth if isinstance(truth, bool) else None

    def is_version_text(self, node: ast.expr, package: str = "transformers") -> bool:
        """Whether an expression is the version of a package as a string."""
        condition = _Condition(self._view, package, "5.4.321")
        return condition.compute(node) == "5.4.321" and condition.asks_version

    def in_fallback(self, node: ast.AST, succeeds: Callable[[ast.Try], bool]) -> bool:
        """Whether a node stands in a handler that cannot run, because what it is the fallback of works.

        Args:
            node: the node.
            succeeds: whether the body of a `try` works under the target release.
        """
        for parent in self._view.tree.ancestors(node):
            if isinstance(parent, ast.ExceptHandler):
                statement = self._view.tree.parents[parent]
                if isinstance(statement, TRIES) and catches(parent, IMPORT_ERRORS, self._view) and succeeds(statement):
                    return True
        return False

    def is_made_up_for(self, node: ast.AST, errors: frozenset[str] = MEMBER_ERRORS) -> bool:
        """Whether a handler waits for the failure of a node: it goes on with the same object, in another way.

        `except AttributeError` says what it waits for. One that catches everything and has nothing to do with the
        object (`return {"error": str(error)}`) only hides the failure, and so does one that does the same again.

        Args:
            node: what fails: an attribute that is read, a call.
            errors: the names of the exception that it raises and of its bases.
        """
        handled = self.handled(node, errors)
        if handled is None or handled.kind != "fallback" or not isinstance(handled.handler, ast.ExceptHandler):
            return False
        handler = handled.handler
        if handler.type is not None and catches(handler, errors - _ANYTHING, self._view):
            return True
        same = ast.dump(node)
        if any(isinstance(each, type(node)) and ast.dump(each) == same for each in ast.walk(handler)):
            return False
        objects = {*_objects(node), *self._bound_with(node, handled.statement)}
        named = (each for each in ast.walk(handler) if isinstance(each, (ast.Name, ast.Attribute)))
        return any(ast.dump(each) in objects for each in named)

    def _bound_with(self, node: ast.AST, around: ast.AST) -> Iterator[str]:
        """What the statement of a node, in a `try`, gives a value to, as it looks where it is read."""
        statement = self._view.tree.statement(node)
        if statement is not around:
            for each in ast.walk(statement):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield ast.dump(ast.Name(each.id, ast.Load()))

    def handled(self, node: ast.AST, errors: frozenset[str] = IMPORT_ERRORS) -> Handled | None:
        """Who catches the failure of a node: the nearest handler that does not raise again, exit or only print.

        Args:
            node: the node that fails.
            errors: the names of the exception that it raises and of its bases.
        """
        child = node
        for parent in self._view.tree.ancestors(node):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                return None  # who calls the function is another question
            if isinstance(parent, TRIES) and child in parent.body:
                for handler in parent.handlers:
                    if not catches(handler, errors, self._view):
                        continue
                    kind = handler_kind(handler.body)
                    if kind:
                        return Handled(kind, handler, parent)
                    break
            elif isinstance(parent, (ast.With, ast.AsyncWith)) and child in parent.body:
                for item in parent.items:
                    call = item.context_expr
                    if isinstance(call, ast.Call) and dotted(call.func).rpartition(".")[2] == "suppress":
                        names = {dotted(each).rpartition(".")[2] for each in call.args}
                        if names & errors:
                            return Handled("swallowed", parent, parent)
            child = parent
        return None


def _objects(node: ast.AST) -> Iterator[str]:
    """What a node is read from, step by step, but for `self` alone: of `self.vit.encoder.layer` all from `self.vit`."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
        if isinstance(node, ast.Attribute) or (isinstance(node, ast.Name) and node.id not in ("self", "cls")):
            yield ast.dump(node)


def catches(handler: ast.ExceptHandler, errors: frozenset[str], view: ModuleView) -> bool:
    """Whether an `except` clause catches one of the errors: it is bare, or names one, alone or in a tuple."""
    return handler.type is None or _names(handler.type, errors, view)


def _names(node: ast.expr, errors: frozenset[str], view: ModuleView) -> bool:
    """Whether an expression is one of some errors, or a tuple with one of them."""
    for each in node.elts if isinstance(node, ast.Tuple) else [node]:
        if dotted(each).rpartition(".")[2] in errors:
            return True
        if isinstance(each, ast.Name):
            for value in view.evaluator.values(each):
                if isinstance(value, External) and value.name in errors:
                    return True
    return False


def handler_kind(body: list[ast.stmt]) -> str:
    """What a handler does: "" when it raises, exits or only talks; "swallowed" or "fallback" otherwise."""
    kinds = {_statement_kind(statement) for statement in body}
    if "leaves" in kinds:
        return ""
    if "fallback" in kinds:
        return "fallback"
    return "swallowed" if "swallowed" in kinds or kinds == {"pass"} else ""


def handler_leaves(body: list[ast.stmt]) -> bool:
    """Whether a handler raises again or ends the program."""
    return any(_statement_kind(statement) == "leaves" for statement in body)


def _statement_kind(statement: ast.stmt) -> str:
    if isinstance(statement, (ast.Pass, ast.Continue)):
        return "pass"
    if isinstance(statement, ast.Raise):
        return "leaves"
    if isinstance(statement, ast.Expr):
        if isinstance(statement.value, ast.Constant):
            return "talks"
        if isinstance(statement.value, ast.Call):
            name = dotted(statement.value.func)
            if name in ("sys.exit", "exit", "quit", "os._exit", "pytest.skip", "pytest.fail"):
                return "leaves"
            if _TALKS.search(name):
                return "talks"
        return "fallback"
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return "swallowed" if _is_nothing(statement.value) else "fallback"
    if isinstance(statement, ast.Return):
        return "swallowed" if _is_nothing(statement.value) else "fallback"
    if isinstance(statement, ast.If):
        arms = [{_statement_kind(each) for each in arm} for arm in (statement.body, statement.orelse)]
        if all("leaves" in arm for arm in arms):
            return "leaves"
        kinds = {kind for arm in arms if "leaves" not in arm for kind in arm}  # `message = ...; raise` only says it
        return "fallback" if "fallback" in kinds else "swallowed" if "swallowed" in kinds else "talks"
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        # A stand-in that raises when it is used.
        raises = any(isinstance(each, ast.Raise) for each in ast.walk(statement))
        empty = all(isinstance(each, (ast.Pass, ast.Expr)) for each in statement.body)
        return "swallowed" if raises or empty else "fallback"
    return "fallback"


def _is_nothing(value: ast.expr | None) -> bool:
    if value is None:
        return True
    if isinstance(value, ast.Constant):
        return value.value in (None, False, "", 0)
    if isinstance(value, (ast.Tuple, ast.List)):
        return all(_is_nothing(each) for each in value.elts)
    return isinstance(value, ast.Name) and value.id == "object"


class _UndecidedVersion:
    """The truth of a test that asks for the version in a way that cannot be computed."""


_UNDECIDED_VERSION = _UndecidedVersion()
_NO_VALUE = object()


class _Parsed:
    """What `Version(...)` and its like make of a version: compared as a release."""

    __slots__ = ("release",)

    def __init__(self, release: Release) -> None:
        self.release = release


_DISTRIBUTIONS = frozenset({"get_distribution", "distribution"})

#: How a name comes by a value that can be computed.
_MADE = frozenset({"assign", "unpack"})
_VERSION_FUNCTIONS = frozenset({"importlib.metadata.version", "importlib_metadata.version"})

#: How many expressions one test may lead to: names that are assigned of each other branch without end.
_STEPS = 1_000


class _Condition:
    """Computes a test with `<package>.__version__` being a release; the target one unless another is given."""

    def __init__(self, view: ModuleView, package: str, release: str = "") -> None:
        self.view = view
        self.package = package
        target = view.settings.target
        self.told = not release  # what the target release has is asked; of another one a test tells no version
        self.version = release or ".".join(str(part) for part in (*target, 0, 0)[: max(3, len(target))])
        self.depth = 0
        self.steps = 0
        self.given: Mapping[ast.AST, Any] = {}  # what the parameters are of the function that is computed
        self.asks_version = False

    def truth(self, test: ast.expr) -> Any:
        """True, False, None (not about the version, or not known) or _UNDECIDED_VERSION."""
        value = self.compute(test)
        if value is _NO_VALUE:
            return _UNDECIDED_VERSION if self.asks_version else None
        if not self.asks_version:
            return None
        return bool(value)

    def compute(self, node: ast.expr) -> Any:
        """The value of an expression; _NO_VALUE where it cannot be known."""
        self.depth += 1
        self.steps += 1
        try:
            if self.depth > 30 or self.steps > _STEPS:
                return _NO_VALUE
            handler = _CONDITIONS.get(type(node))
            return handler(self, node) if handler is not None else _NO_VALUE
        finally:
            self.depth -= 1

    def constant(self, node: ast.Constant) -> Any:
        return node.value

    def bool_op(self, node: ast.BoolOp) -> Any:
        decisive = isinstance(node.op, ast.Or)
        asked, unknown, asks_before = False, False, self.asks_version
        for each in node.values:
            self.asks_version = False
            value = self.compute(each)
            if value is _NO_VALUE and not self.asks_version:
                unknown = True
                continue
            if value is _NO_VALUE:
                return _NO_VALUE
            asked = asked or self.asks_version
            if bool(value) is decisive:
                self.asks_version = asked or asks_before
                return decisive
        # With something unknown, what the version says decides nothing: `fast or version < "4"`.
        self.asks_version = asks_before or (asked and not unknown)
        return _NO_VALUE if unknown else not decisive

    def unary_op(self, node: ast.UnaryOp) -> Any:
        value = self.compute(node.operand)
        if value is _NO_VALUE or not isinstance(node.op, ast.Not):
            return _NO_VALUE
        return not value

    def compare(self, node: ast.Compare) -> Any:
        left = self.compute(node.left)
        if isinstance(node.ops[0], (ast.In, ast.NotIn)):
            answer = questions.membership(self.view, self.package, node, left, self.told)
            if answer is not questions.NONE:
                held = self.answered(answer)
                return held if held is _NO_VALUE or isinstance(node.ops[0], ast.In) else not held
        result = True
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.compute(right_node)
            one = _compared(op, left, right)
            if one is _NO_VALUE:
                return _NO_VALUE
            result = result and one
            left = right
        return result

    def answered(self, answer: object) -> Any:
        """The truth of a question for a name or an argument, which is a question about the release."""
        self.asks_version = True
        return _NO_VALUE if answer is None else answer

    def is_of_package(self, node: ast.expr) -> bool:
        """Whether an expression stands for something of the package."""
        return any(
            isinstance(each, External) and each.package == self.package for each in self.view.evaluator.values(node)
        )

    def if_exp(self, node: ast.IfExp) -> Any:
        test = self.compute(node.test)
        return _NO_VALUE if test is _NO_VALUE else self.compute(node.body if test else node.orelse)

    def named_expr(self, node: ast.NamedExpr) -> Any:
        return self.compute(node.value)

    def sequence(self, node: ast.Tuple | ast.List) -> Any:
        values = [self.compute(each) for each in node.elts]
        return _NO_VALUE if _NO_VALUE in values else tuple(values)

    def name(self, node: ast.Name) -> Any:
        return self.followed(node)

    def attribute(self, node: ast.Attribute) -> Any:
        if node.attr == "__version__" or node.attr in ("major", "minor", "micro", "release", "base_version", "public"):
            value = self.compute(node.value) if node.attr != "__version__" else _NO_VALUE
            if isinstance(value, _Parsed):
                padded = (*value.release, 0, 0, 0)
                numbers = {"major": padded[0], "minor": padded[1], "micro": padded[2], "release": padded[:3]}
                return numbers.get(node.attr, self.version)
        if node.attr in ("version", "parsed_version"):
            made = self.view.links.defining_call(node.value)
            if made is not None and self.is_distribution(made):
                self.asks_version = True
                return self.version if node.attr == "version" else _parsed(self.version)
        return self.followed(node)

    def is_distribution(self, call: ast.Call) -> bool:
        """Whether a call gives the installed distribution: `pkg_resources.get_distribution("transformers")`."""
        name = dotted(call.func).rpartition(".")[2]
        return name in _DISTRIBUTIONS and bool(call.args) and self.compute(call.args[0]) == self.package

    def followed(self, node: ast.Name | ast.Attribute) -> Any:
        """A name or attribute: the version itself, a constant, or what it was assigned."""
        bindings = self.view.links.bindings_read(node) if isinstance(node, ast.Name) else []
        for binding in bindings:
            if binding.node in self.given:
                return self.given[binding.node]
        found = []
        for value in self.view.evaluator.values(node):
            found.append(self.of_value(value))
        if len(found) != 1 or found[0] is _NO_VALUE:
            made = [each for each in bindings if each.kind in _MADE and each.value not in (None, node)]
            if made:
                return _agreed([self.made(each) for each in made])
            given = self.view.links.attribute_assignments(node) if isinstance(node, ast.Attribute) else []
            if given:
                return _agreed([self.compute(each) for each in given])
            for read in self.properties(node) if isinstance(node, ast.Attribute) else ():
                value = self.returned(read)
                if value is not _NO_VALUE:
                    return value
            value = self.of_sibling(node, bindings)
            if value is not _NO_VALUE:
                return value
        if len(found) == 1 and found[0] is not _NO_VALUE:
            return found[0]
        text = dotted(node)
        if _VERSION_NAME.search(text) and self.package in text.lower():
            self.asks_version = True
        return _NO_VALUE

    def properties(self, node: ast.Attribute) -> Iterator[LocalFunction]:
        """The methods that an attribute reads: `self.is_new`, with `@property` above it."""
        for of in self.view.classes_of(node.value):
            bound = of.view.tree.scopes[of.node].bindings.get(node.attr, ()) if isinstance(of, LocalClass) else ()
            for binding in bound:
                decorators = {last_name(each) for each in getattr(binding.node, "decorator_list", ())}
                if isinstance(binding.node, ast.FunctionDef) and decorators & PROPERTIES:
                    yield LocalFunction(of.view, binding.node)  # type: ignore[union-attr]

    def returned(self, function: LocalFunction, given: Callable[[], Mapping[ast.AST, Any]] = dict) -> Any:
        """What a function gives that does nothing but return."""
        found = function.view.links.returns(function.node)
        if len(found) != 1 or found[0] is None:
            return _NO_VALUE
        return self.computed_in(function.view, found[0], given())

    def made(self, binding: Binding) -> Any:
        """What a name is assigned, or gets of what is unpacked: `major, minor = map(int, version.split(".")[:2])`."""
        value = self.compute(binding.value) if binding.value is not None else _NO_VALUE
        if binding.kind == "assign":
            return value
        return value[binding.index] if isinstance(value, tuple) and binding.index < len(value) else _NO_VALUE

    def of_sibling(self, node: ast.Name | ast.Attribute, bindings: list[Binding]) -> Any:
        """A flag that another module of the repository assigns: `from .compat import IS_NEW`, `compat.IS_NEW`."""
        view = self.view
        if isinstance(node, ast.Attribute):
            modules = [each.path for each in view.evaluator.values(node.value) if isinstance(each, External)]
            asked = [(path, node.attr) for path in modules]
        else:
            asked = [
                (view.names.module_of(each.statement), each.node.name)
                for each in bindings
                if isinstance(each.statement, ast.ImportFrom) and isinstance(each.node, ast.alias)
            ]
        for module, name in asked:
            file = view.project.module_file(module, view.path)
            other = view.project.view(file, view.settings) if file is not None else None
            final = other.reach.final(other.tree.scope, name) if other is not None else []
            made = [each.value for each in final if each.kind == "assign" and each.value is not None]
            if other is not None and made:
                return _agreed([self.computed_in(other, each) for each in made])
        return _NO_VALUE

    def computed_in(self, view: ModuleView, node: ast.expr, given: Mapping[ast.AST, Any] | None = None) -> Any:
        """The value of an expression of another module, or of a function that is called.

        Args:
            view: the module.
            node: the expression.
            given: what the parameters of the function are.
        """
        inner = _Condition(view, self.package, self.version)
        inner.given, inner.told = given or {}, self.told
        inner.steps, inner.depth = self.steps, self.depth
        value = inner.compute(node)
        self.steps = inner.steps
        self.asks_version = self.asks_version or inner.asks_version
        return value

    def of_value(self, value: Value) -> Any:
        if isinstance(value, Constant):
            return value.value
        if isinstance(value, External):
            if value.path in (f"{self.package}.__version__", f"{self.package}.version.__version__"):
                self.asks_version = True
                return self.version
            name = value.name.lower()
            if self.package in name and _VERSION_NAME.search(name):
                return self.by_name(value.name, [])
        if isinstance(value, Result):
            return self.call(value.node) if value.view is self.view else _NO_VALUE
        return _NO_VALUE

    def call(self, node: ast.Call) -> Any:
        name = (dotted(node.func) or (node.func.attr if isinstance(node.func, ast.Attribute) else "")).rpartition(".")[
            2
        ]
        arguments = [self.compute(each) for each in node.args]
        if name == "hasattr" or (arguments and questions.is_path_in(self.package, arguments[0])):
            answer = questions.call(self.view, self.package, node, arguments, self.told)
            if answer is not questions.NONE:
                held = self.answered(answer)
                return None if held is False and name != "hasattr" else held  # a module that is not found is None
        if name == "any" and node.args and (asked := _membership(node.args[0])) is not None:
            return self.compare(asked)
        if name == "getattr" and arguments[1:2] == ["__version__"] and self.is_of_package(node.args[0]):
            self.asks_version = True
            return self.version
        if name in ("Version", "parse", "LooseVersion", "StrictVersion", "parse_version") and arguments:
            return _parsed(arguments[0])
        if arguments == [self.package] and (name == "version" or self.asks_metadata(node)):
            self.asks_version = True
            return self.version
        if isinstance(node.func, ast.Attribute):
            method = self.method(node, name, arguments)
            if method is not _NO_VALUE:
                return method
        if name == "int" and len(arguments) == 1 and isinstance(arguments[0], (str, int)):
            digits = str(arguments[0])
            return int(digits) if digits.isdigit() else _NO_VALUE
        if name in ("tuple", "list") and len(node.args) == 1:
            inner = node.args[0]
            if isinstance(inner, (ast.GeneratorExp, ast.ListComp)):
                return self.numbers(inner.generators[0].iter)
            return tuple(arguments[0]) if isinstance(arguments[0], (tuple, str)) else _NO_VALUE
        if name == "map" and len(node.args) == 2 and dotted(node.args[0]) == "int":
            return self.numbers(node.args[1])
        if name in ("float",) and isinstance(arguments[0] if arguments else None, str):
            try:
                return float(arguments[0])
            except ValueError:
                return _NO_VALUE
        return self.helper(node, name, arguments)

    def asks_metadata(self, node: ast.Call) -> bool:
        """Whether a call is `importlib.metadata.version(...)` under another name."""
        return any(
            isinstance(each, External) and each.path in _VERSION_FUNCTIONS
            for each in self.view.evaluator.values(node.func)
        )

    def numbers(self, node: ast.expr) -> Any:
        value = self.compute(node)
        if isinstance(value, tuple) and all(isinstance(part, (int, str)) and str(part).isdigit() for part in value):
            return tuple(int(part) for part in value)
        return _NO_VALUE

    def comprehension(self, node: ast.ListComp) -> Any:
        """`[int(part) for part in version.split(".")]`."""
        return self.numbers(node.generators[0].iter) if dotted(getattr(node.elt, "func", node)) == "int" else _NO_VALUE

    def method(self, node: ast.Call, name: str, arguments: list[Any]) -> Any:
        assert isinstance(node.func, ast.Attribute)
        value = self.compute(node.func.value)
        if isinstance(value, str) and _NO_VALUE not in arguments:
            if name == "split":
                return tuple(value.split(*arguments))
            if name == "startswith" and len(arguments) == 1:
                return value.startswith(arguments[0])
            if name in ("strip", "lower", "rstrip", "lstrip"):
                return value
            if name == "partition":
                return value.partition(*arguments)
        return _NO_VALUE

    def subscript(self, node: ast.Subscript) -> Any:
        value = self.compute(node.value)
        if not isinstance(value, (tuple, str)):
            return _NO_VALUE
        if isinstance(node.slice, ast.Slice):
            bounds = [self.compute(each) if each is not None else None for each in (node.slice.lower, node.slice.upper)]
            if all(bound is None or isinstance(bound, int) for bound in bounds) and node.slice.step is None:
                return value[bounds[0] : bounds[1]]
            return _NO_VALUE
        index = self.compute(node.slice)
        return value[index] if isinstance(index, int) and -len(value) <= index < len(value) else _NO_VALUE

    def helper(self, node: ast.Call, name: str, arguments: list[Any]) -> Any:
        """A call of a function that compares versions: followed where it is short, else understood by its name."""
        for callee in self.view.evaluator.values(node.func):
            if isinstance(callee, LocalFunction):
                value = self.returned(callee, lambda of=callee: self.parameters(of, node, arguments))  # type: ignore[misc]
                if value is not _NO_VALUE:
                    return value
            if isinstance(callee, Method) and callee.name == "parse_version":
                return _parsed(arguments[0] if arguments else None)
        required = [self.required(each) for each in arguments if isinstance(each, str)]
        if any(each is not None for each in required):
            self.asks_version = True
            return all(required)
        if not _VERSION_NAME.search(name) and not (self.package in name.lower() and _COMPARES.search(name)):
            return _NO_VALUE
        texts = [each for each in arguments if isinstance(each, str)]
        about = self.package in name.lower() or self.package in texts
        for each in node.args:
            about = about or External(self.package) in self.view.evaluator.values(each)
        if not about:
            return _NO_VALUE
        return self.by_name(name, texts)

    def required(self, text: str) -> bool | None:
        """Whether the version is what `RequirementCache("transformers>=5.0")` asks for; None where it asks for none."""
        found = _REQUIREMENT.match(text)
        if found is None or found[1] != self.package:
            return None
        mine, against = _parsed(self.version), _parsed(found[3])
        return _OPERATORS[found[2]](mine.release, against.release)

    def parameters(self, callee: LocalFunction, node: ast.Call, arguments: list[Any]) -> dict[ast.AST, Any]:
        """What the parameters of a function are in a call of it."""
        found: dict[ast.AST, Any] = {}
        keywords = [(each.arg, self.compute(each.value)) for each in node.keywords if each.arg]
        for name, place, value in [
            *(("", place, value) for place, value in enumerate(arguments)),
            *((name, -1, value) for name, value in keywords),
        ]:
            binding = self.view.links.parameter_for(callee, node, name, place)
            if binding is not None:
                found[binding.node] = value
        return found

    def by_name(self, name: str, texts: list[str]) -> Any:
        """A comparison whose meaning is in the name of the helper, and in an operator among its arguments."""
        self.asks_version = True
        operators = [text for text in texts if text in _OPERATORS]
        releases = [text for text in texts if text[:1].isdigit()]
        if not releases:
            found = re.search(r"(?i)v?([45])(?:[_.](\d+))?(?:$|_|\D)", name)
            releases = [f"{found[1]}.{found[2] or 0}"] if found else []
        if not releases:
            return _NO_VALUE
        against = _parsed(releases[0])
        mine = _parsed(self.version)
        if operators:
            return _OPERATORS[operators[0]](mine.release, against.release)
        if _LESS.search(name):
            return mine.release < against.release
        if _GREATER.search(name) or name.lower().rstrip("_").endswith(("v5", "5_0")):
            return mine.release >= against.release
        return _NO_VALUE


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda left, right: left >= right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    "<": lambda left, right: left < right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
}

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.GtE: ">=",
    ast.Gt: ">",
    ast.LtE: "<=",
    ast.Lt: "<",
    ast.Eq: "==",
    ast.NotEq: "!=",
}


def _membership(node: ast.expr) -> ast.Compare | None:
    """The `"X" in names` that `any(name == "X" for name in names)` asks."""
    if not isinstance(node, (ast.GeneratorExp, ast.ListComp)) or len(node.generators) > 1 or node.generators[0].ifs:
        return None
    test, loop = node.elt, node.generators[0]
    if not isinstance(test, ast.Compare) or len(test.ops) > 1 or not isinstance(test.ops[0], ast.Eq):
        return None
    sides = [test.left, test.comparators[0]]
    others = [each for each in sides if ast.dump(each) != ast.dump(ast.Name(ast.unparse(loop.target), ast.Load()))]
    if len(others) != 1 or not isinstance(loop.target, ast.Name):
        return None
    return ast.copy_location(ast.Compare(others[0], [ast.In()], [loop.iter]), test)


def _agreed(values: list[Any]) -> Any:
    """What all assignments to a name come to; _NO_VALUE where they do not agree."""
    first, *others = [each.release if isinstance(each, _Parsed) else each for each in values]
    return values[0] if all(each == first for each in others) else _NO_VALUE


def _parsed(text: Any) -> Any:
    if isinstance(text, _Parsed):
        return text
    if not isinstance(text, str):
        return _NO_VALUE
    try:
        return _Parsed(parse_release(text))
    except ValueError:
        return _NO_VALUE


def _compared(op: ast.cmpop, left: Any, right: Any) -> Any:
    if left is _NO_VALUE or right is _NO_VALUE:
        return _NO_VALUE
    if isinstance(left, _Parsed) or isinstance(right, _Parsed):
        left, right = _parsed(left), _parsed(right)
        if not isinstance(left, _Parsed) or not isinstance(right, _Parsed):
            return _NO_VALUE
        left, right = left.release, right.release
    name = _COMPARISONS.get(type(op))
    try:
        if name is not None:
            return _OPERATORS[name](left, right)
        if isinstance(op, ast.In):
            return left in right
        if isinstance(op, ast.NotIn):
            return left not in right
        if isinstance(op, (ast.Is, ast.IsNot)):
            return (left is right) is isinstance(op, ast.Is)
    except TypeError:
        return _NO_VALUE
    return _NO_VALUE


_CONDITIONS: dict[type[ast.expr], Callable[[_Condition, Any], Any]] = {
    ast.Constant: _Condition.constant,
    ast.BoolOp: _Condition.bool_op,
    ast.UnaryOp: _Condition.unary_op,
    ast.Compare: _Condition.compare,
    ast.IfExp: _Condition.if_exp,
    ast.Tuple: _Condition.sequence,
    ast.List: _Condition.sequence,
    ast.Name: _Condition.name,
    ast.Attribute: _Condition.attribute,
    ast.Call: _Condition.call,
    ast.ListComp: _Condition.comprehension,
    ast.Subscript: _Condition.subscript,
    ast.NamedExpr: _Condition.named_expr,
}

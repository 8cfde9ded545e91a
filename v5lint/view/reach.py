"""Which bindings of a name can reach a place where it is read, and under which conditions a place is reached."""

from __future__ import annotations

import ast

from v5lint.view.strings import dotted, last_name
from v5lint.view.tree import FUNCTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from v5lint.view.tree import Binding, Position, Scope, Tree

    #: Compound statements around a place, outermost first, each with the name of the arm that the place is in.
    Path: TypeAlias = tuple[tuple[ast.AST, str], ...]

    #: A test, and the truth value that it has.
    Condition: TypeAlias = tuple[ast.expr, bool]

#: Decorators that leave a test out, with the truth value under which it runs.
_SKIPS = {"skipif": False, "skipIf": False, "skipUnless": True}

#: The variable of a module or class of tests that marks them all.
_MARKS = "pytestmark"

_LOOPS = (ast.For, ast.AsyncFor, ast.While)

#: Arms of a `try` that never run in one pass: a binding in the first does not reach a read in the second.
_TRY_EXCLUSIVE = {("handler", "orelse"), ("orelse", "handler"), ("handler", "handler")}


class Reach:
    """Answers for one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._paths: dict[ast.AST, Path] = {}
        self._reaching: dict[tuple[ast.AST, Scope, str], list[Binding]] = {}
        self._held: dict[ast.AST, dict[str, bool]] = {}
        self._steady: dict[ast.expr, str] = {}
        self._above: dict[ast.stmt, list[Condition]] = {}
        self._leaving: dict[ast.AST, dict[ast.stmt, list[Condition]]] = {}

    def reaching(self, owner: Scope, name: str, read: ast.AST) -> list[Binding]:
        """The bindings of `name` in the scope `owner` whose value a read of it may see, in source order.

        Args:
            owner: the scope that the name belongs to.
            name: the name.
            read: the node that reads it, in that scope or in one inside of it.
        """
        bindings = owner.bindings.get(name, [])
        if len(bindings) < 2:
            return bindings
        key = (read, owner, name)
        if key not in self._reaching:
            self._reaching[key] = self._found(bindings, owner, read)
        return self._reaching[key]

    def _found(self, bindings: list[Binding], owner: Scope, read: ast.AST) -> list[Binding]:
        place: Position | None = (getattr(read, "lineno", 1), getattr(read, "col_offset", 0))
        path = self.path(read)
        if not self._runs_with(owner, read):
            # In a function that runs later: what the scope ends with, whatever comes first in the file.
            place, path = None, ()
        return self._agreeing(self._alive(owner, bindings, place, path), read)

    def final(self, owner: Scope, name: str) -> list[Binding]:
        """The bindings whose value a name may have at the end of its scope, in source order."""
        return self._alive(owner, owner.bindings.get(name, []), None, ())

    def _alive(self, owner: Scope, bindings: list[Binding], place: Position | None, path: Path) -> list[Binding]:
        alive: list[Binding] = []
        arms: dict[ast.AST, set[str]] = {}
        for binding in reversed(bindings):
            if binding.scope is not owner:  # `global` in a function: at any time
                alive.append(binding)
                continue
            where = self.path(binding.node)
            if place is not None and (binding.at > place and not _same_loop(where, path)):
                continue
            if _exclusive(where, path):
                continue
            alive.append(binding)
            if (place is None or binding.at <= place) and binding.kind != "declare" and self._kills(where, path, arms):
                break
        alive.reverse()
        real = [each for each in alive if each.kind not in ("declare", "del")]
        return real or alive

    def _agreeing(self, bindings: list[Binding], read: ast.AST) -> list[Binding]:
        """The bindings that do not stand under a test which holds where they are read, and would not have held."""
        mine = self._tests(read)
        if not mine or len(bindings) < 2:
            return bindings
        found = []
        for binding in bindings:
            theirs = self._tests(binding.node)
            if not any(theirs.get(test, truth) is not truth for test, truth in mine.items()):
                found.append(binding)
        return found or bindings

    def _tests(self, node: ast.AST) -> dict[str, bool]:
        """The simple tests that hold at a node, with their truth values."""
        known = self._held.get(node)
        if known is not None:
            return known
        found: dict[str, bool] = {}
        for test, truth in self.conditions(node):
            while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                test, truth = test.operand, not truth
            if isinstance(test, (ast.Name, ast.Attribute, ast.Compare)) and (written := self._steadily(test)):
                found.setdefault(written, truth)
        self._held[node] = found
        return found

    def _steadily(self, test: ast.expr) -> str:
        """What tells a test from others, if its names are bound once: it gives the same wherever it stands; else ""."""
        known = self._steady.get(test)
        if known is None:
            known = self._steady[test] = ast.dump(test) if self._is_steady(test) else ""
        return known

    def _is_steady(self, test: ast.expr) -> bool:
        for name in ast.walk(test):
            if isinstance(name, ast.Name):
                scope: Scope | None = self._tree.scopes[name]
                while scope is not None and name.id not in scope.bindings:
                    scope = scope.parent
                if scope is not None and len(scope.bindings[name.id]) > 1:
                    return False
        return True

    def _kills(self, where: Path, path: Path, arms: dict[ast.AST, set[str]]) -> bool:
        """Whether a binding hides all earlier ones: it stands in a block around the read, or every arm binds."""
        where = tuple(step for step in where if not isinstance(step[0], (ast.With, ast.AsyncWith)))
        around = [step for step in path if not isinstance(step[0], (ast.With, ast.AsyncWith))]
        common = 0
        while common < len(where) and common < len(around) and where[common] == around[common]:
            common += 1
        rest = where[common:]
        while rest:
            block, arm = rest[-1]
            if not isinstance(block, ast.If):
                return False
            seen = arms.setdefault(block, set())
            seen.add(arm)
            if len(seen) < 2:
                return False
            rest = rest[:-1]
        return True

    def _runs_with(self, owner: Scope, read: ast.AST) -> bool:
        """Whether a read runs in the flow of the scope, and not in a function of it that is called later."""
        scope = self._tree.scope_of(read)
        while scope is not owner:
            if scope.is_function or scope.parent is None:
                return False
            scope = scope.parent
        return True

    def path(self, node: ast.AST) -> Path:
        """The compound statements around a node, up to the function or module that it is in, outermost first."""
        known = self._paths.get(node)
        if known is not None:
            return known
        steps: list[tuple[ast.AST, str]] = []
        child = node
        for parent in self._tree.ancestors(node):
            if isinstance(parent, FUNCTIONS):
                break
            arm = _arm(parent, child)
            if arm:
                steps.append((parent, arm))
            child = parent
        found = tuple(reversed(steps))
        self._paths[node] = found
        return found

    def are_exclusive(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether of two places of one function only one runs.

        They are in two arms of one statement, or the first is in an arm that leaves before the second comes.
        """
        one, other = self.path(first), self.path(second)
        return _exclusive(one, other) or self._leaves_before(first, second) or self._leaves_before(second, first)

    def _leaves_before(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether the first is in an arm that always ends in `return`, and the second stands behind it."""
        one, other = self.path(first), self.path(second)
        for depth, (block, arm) in enumerate(one):
            if other[:depth] != one[:depth] or (depth < len(other) and other[depth][0] is block):
                return False
            if isinstance(block, ast.If) and always_leaves(getattr(block, arm)):
                is_behind = getattr(second, "lineno", 0) > (block.end_lineno or 0) and not _same_loop(one, other)
                return is_behind and self._function(first) is self._function(second)
        return False

    def _function(self, node: ast.AST) -> ast.AST | None:
        return next((each for each in self._tree.ancestors(node) if isinstance(each, FUNCTIONS)), None)

    def always_before(self, first: ast.AST, second: ast.AST) -> bool:
        """Whether a place is in a block around another one: it has always run when the other one runs after it."""
        there = self.path(first)
        return there == self.path(second)[: len(there)]

    def conditions(self, node: ast.AST) -> list[tuple[ast.expr, bool]]:
        """The tests that hold when a node runs, nearest first, each with the truth value that it has then.

        Besides the `if`, `while`, `a if b else c`, `and`/`or` and the filters of comprehensions around the node these
        are the tests of earlier `if` statements in the same blocks whose other arm always leaves the block for good
        (`if new: return ...`), across the functions around the node, and the conditions under which a test is not
        skipped. An arm that raises or exits does not count: the code after it is what the program is about, and
        refusing to run is no second way.
        """
        found: list[Condition] = []
        child = node
        while not isinstance(child, ast.stmt):
            parent = self._tree.parents.get(child)
            if parent is None:
                return found
            found += self._asked_by(parent, child)
            child = parent
        return found + self._conditions_above(child)

    def required(self, node: ast.AST) -> list[tuple[ast.expr, bool]]:
        """What the function around a node refuses to go on without: `assert x`, `if not x: raise ...`, before it."""
        found: list[Condition] = []
        child = node
        for parent in self._tree.ancestors(node):
            for field in ("body", "orelse", "finalbody") if isinstance(child, ast.stmt) else ():
                block = getattr(parent, field, None)
                if isinstance(block, list) and child in block:
                    for statement in block[: block.index(child)]:
                        if isinstance(statement, ast.Assert):
                            found.append((statement.test, True))
                        elif isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise):
                            found.append((statement.test, False))
            if isinstance(parent, FUNCTIONS):
                break
            child = parent
        return found

    def _conditions_above(self, statement: ast.stmt) -> list[Condition]:
        """The conditions under which a statement runs: worked out once, since many things stand in it."""
        known = self._above.get(statement)
        if known is None:
            known = []
            child: ast.AST = statement
            for parent in self._tree.ancestors(statement):
                known += self._asked_by(parent, child)
                if isinstance(child, ast.stmt):
                    known += self._left_before(parent, child)
                child = parent
                if child in self._above:
                    known += self._above[child]
                    break
            self._above[statement] = known
        return known

    def _asked_by(self, parent: ast.AST, child: ast.AST) -> list[Condition]:
        """The tests of a node that hold in one of its children."""
        if isinstance(parent, (ast.If, ast.While)):
            return [(parent.test, child in parent.body)] if child is not parent.test else []
        if isinstance(parent, ast.IfExp):
            return [(parent.test, child is parent.body)] if child is not parent.test else []
        if isinstance(parent, ast.Match):
            return _matched(parent, child) if isinstance(child, ast.match_case) else []
        if isinstance(parent, ast.BoolOp):
            before = parent.values[: parent.values.index(child)]  # type: ignore[arg-type]
            return [(each, isinstance(parent.op, ast.And)) for each in reversed(before)]
        if isinstance(parent, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp, ast.comprehension)):
            return [(each, True) for each in _filters_before(parent, child)]
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return self._not_skipped(parent)
        return []

    def _left_before(self, parent: ast.AST, child: ast.stmt) -> list[Condition]:
        """What earlier statements of the same block tested before they left it for good, the nearest first."""
        known = self._leaving.get(parent)
        if known is None:
            known = self._leaving[parent] = {}
            for field in ("body", "orelse", "finalbody"):
                block = getattr(parent, field, None)
                if isinstance(block, list):
                    left: list[Condition] = []
                    for statement in block:
                        if left:
                            known[statement] = left
                        condition = _leaves(statement)
                        if condition is not None:
                            left = [condition, *left]
        return known.get(child, [])

    def _not_skipped(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[tuple[ast.expr, bool]]:
        """What the decorators ask that leave a test out: `@pytest.mark.skipif(old)`, `@unittest.skipUnless(new)`.

        The same of the `pytestmark` of its class or module.
        """
        found: list[tuple[ast.expr, bool]] = []
        for decorator in (*node.decorator_list, *self._marks(node)):
            made: ast.expr | None = decorator
            if isinstance(decorator, ast.Name):  # `needs_new = pytest.mark.skipif(...)`
                bindings = self._tree.scope.bindings.get(decorator.id, ())
                made = bindings[0].value if len(bindings) == 1 else None
            if isinstance(made, ast.Call):
                name = last_name(made.func)
                given = [*made.args[:1], *(each.value for each in made.keywords if each.arg == "condition")]
                if name in _SKIPS and given:
                    found.append((given[0], _SKIPS[name]))
        return found

    def _marks(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[ast.expr]:
        """What `pytestmark` is in a class, or in the module whose function or class a node is."""
        scopes = [self._tree.scopes[node]] if isinstance(node, ast.ClassDef) else []
        scopes += [self._tree.scope] if self._tree.parents.get(node) is self._tree.root else []
        for scope in scopes:
            bindings = scope.bindings.get(_MARKS, ())
            value = bindings[0].value if len(bindings) == 1 else None
            if value is not None:
                yield from value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]


def _filters_before(parent: ast.AST, child: ast.AST) -> list[ast.expr]:
    """The filters of a comprehension that a part of it comes after, the nearest first."""
    if isinstance(parent, ast.comprehension):
        before = parent.ifs[: parent.ifs.index(child)] if child in parent.ifs else []
        return before[::-1]
    generators: list[ast.comprehension] = parent.generators  # type: ignore[attr-defined]
    if isinstance(child, ast.comprehension):
        generators = generators[: generators.index(child)]
    return [test for each in reversed(generators) for test in reversed(each.ifs)]


def _matched(statement: ast.Match, case: ast.match_case) -> list[tuple[ast.expr, bool]]:
    """The comparisons that a `case` of constants stands for, its own and those of the cases before it."""
    found: list[tuple[ast.expr, bool]] = []
    for each in statement.cases[: statement.cases.index(case) + 1]:
        patterns = each.pattern.patterns if isinstance(each.pattern, ast.MatchOr) else [each.pattern]
        values = [pattern.value for pattern in patterns if isinstance(pattern, ast.MatchValue)]
        if len(values) == len(patterns) and each.guard is None:
            test = ast.Compare(statement.subject, [ast.In()], [ast.Tuple(values, ast.Load())])
            found.append((ast.copy_location(test, case.pattern), each is case))
    return found


def _leaves(statement: ast.stmt) -> Condition | None:
    """What an `if` has tested, with the truth value that it had where the program goes on behind it."""
    if isinstance(statement, ast.If):
        if always_leaves(statement.body):
            return statement.test, False
        if statement.orelse and always_leaves(statement.orelse):
            return statement.test, True
    return None


def always_leaves(block: list[ast.stmt]) -> bool:
    """Whether a block always ends in `return`, `continue` or `break`, or in the test's being skipped."""
    for statement in block:
        if isinstance(statement, (ast.Return, ast.Continue, ast.Break)) or _skips(statement):
            return True
        if isinstance(statement, ast.If) and statement.orelse:
            if always_leaves(statement.body) and always_leaves(statement.orelse):
                return True
        elif isinstance(statement, (ast.With, ast.AsyncWith)) and always_leaves(statement.body):
            return True
    return False


def _skips(statement: ast.stmt) -> bool:
    """Whether a statement ends a test without a verdict: `pytest.skip("...")`, `self.skipTest("...")`."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and (dotted(call.func) == "pytest.skip" or last_name(call.func) == "skipTest")


def _arm(parent: ast.AST, child: ast.AST) -> str:
    """In which arm of a compound statement a child stands; empty where the parent is none or the child is its test."""
    if isinstance(parent, (ast.If, *_LOOPS)):
        if child in parent.body:
            return "body"
        return "orelse" if child in parent.orelse else ""
    if isinstance(parent, ast.Try) or type(parent).__name__ == "TryStar":
        if child in parent.body:  # type: ignore[attr-defined]
            return "try"
        if child in parent.handlers:  # type: ignore[attr-defined]
            return f"handler{parent.handlers.index(child)}"  # type: ignore[attr-defined]
        return "orelse" if child in parent.orelse else "finally"  # type: ignore[attr-defined]
    if isinstance(parent, ast.Match):
        return f"case{parent.cases.index(child)}" if child in parent.cases else ""
    if isinstance(parent, (ast.With, ast.AsyncWith)):
        return "body" if child in parent.body else ""
    if isinstance(parent, ast.IfExp) and child is not parent.test:
        return "body" if child is parent.body else "orelse"
    return ""


def _same_loop(first: Path, second: Path) -> bool:
    """Whether both places are in the body of one loop, so that the later one comes first the next time round."""
    return any(step in second and isinstance(step[0], _LOOPS) and step[1] == "body" for step in first)


def _exclusive(first: Path, second: Path) -> bool:
    """Whether the two places are in arms of one statement of which only one runs."""
    for (block, arm), (other, other_arm) in zip(first, second, strict=False):
        if block is not other:
            return False
        if arm == other_arm:
            continue
        if isinstance(block, (ast.If, ast.IfExp, ast.Match)):
            return True
        if isinstance(block, ast.Try) or type(block).__name__ == "TryStar":
            kinds = (arm.rstrip("0123456789"), other_arm.rstrip("0123456789"))
            return kinds in _TRY_EXCLUSIVE
        return False
    return False

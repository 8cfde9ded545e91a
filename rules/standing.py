"""How a reference to a name that is gone stands: it fails, something else takes its place, or nobody hears of it."""

from __future__ import annotations

import ast

from v5lint.rules import library
from v5lint.view.guards import IMPORT_ERRORS, catches, handler_kind
from v5lint.view.reach import always_leaves
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView, Reference
    from v5lint.view.tree import Binding


#: Through so many modules of the repository a name is followed.
_MODULES = 3


class Standing:
    """How a reference to a removed name stands.

    Attributes:
        kind: "live" (it fails), "prepared" (it does not run, or something else takes its place: no finding) or
            "swallowed" (its failure passes without a word).
        clause: for a message, how the failure is hidden: "the `except ImportError` around it ...".
    """

    __slots__ = ("clause", "kind")

    def __init__(self, kind: str, clause: str = "") -> None:
        self.kind = kind
        self.clause = clause


def standing_of(view: ModuleView, reference: Reference) -> Standing:
    """How a reference to a name that the target release does not have stands."""
    node = reference.node
    if view.guards.is_dead(node) or view.guards.in_fallback(node, lambda each: _try_succeeds(view, each)):
        return Standing("prepared")
    is_second = _is_second_choice(view, node) or _is_after_a_try(view, node) or _is_passed_over(view, node)
    if is_second or has_second_way(view, reference) or reference.name in _shimmed_names(view):
        return Standing("prepared")
    if any(reference.path == each or reference.path.startswith(f"{each}.") for each in _shimmed_modules(view)):
        return Standing("prepared")
    if reference.has_default:
        asks = (_has_second_choice, _has_good_default, _is_question, _is_asked_about)
        is_prepared = any(each(view, node) for each in asks)
        return Standing("prepared" if is_prepared else "swallowed", "the default of `getattr`")
    handled = view.guards.handled(node)
    if handled is None:
        return Standing("live")
    if handled.kind == "fallback":
        fetched = [*_fetched(view, handled.handler)]
        expected = reference.how == "import" or _names_error(handled.handler, "AttributeError")
        if any(library.resolves(view, path) for path in fetched) or (not fetched and expected):
            return Standing("prepared")
        if fetched:
            return Standing("live")
    if isinstance(handled.handler, ast.ExceptHandler):
        caught = ast.unparse(handled.handler.type) if handled.handler.type is not None else ""
        return Standing("swallowed", f"the `except{' ' if caught else ''}{caught}` in line {handled.handler.lineno}")
    return Standing("swallowed", "the `suppress` around it")


def _is_passed_over(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands in the branch that is not taken because an import works: `if not HAS_NEW_NAME:`."""
    for test, wanted in view.reach.conditions(node):
        truth = _truth_by_import(view, test)
        if truth is not None and truth is not wanted:
            return True
    return False


def has_second_way(view: ModuleView, reference: Reference) -> bool:
    """Whether a name that may be None is only read behind a question, and without it a program does something else.

    `Old = getattr(module, "Old", None)` and `try: ... except ImportError: Old = None`, then `if Old is None: ...`. A
    program that then raises, or does nothing, has no second way: it lacks what it was written for. And where the file
    imports the library in no other way the question is whether it is installed, and the answer a wrong one.
    """
    if reference.binding is not None:
        if view.guards.handled(reference.node) is None or not _is_installed(view, reference):
            return False
        others = view.links.other_bindings(reference.binding)
        names = [reference.binding, *(each for each in others if _is_none(each.value))]
    elif reference.has_default:
        names = _names_assigned(view, reference.node)
    else:
        return False
    uses = {use for name in names for use in view.links.uses(name)}
    reads = [use for use in uses if not view.guards.in_fallback(use, lambda each: _try_succeeds(view, each))]
    if not reads:
        return bool(names) and not {*names} & {*view.reach.final(names[0].scope, names[0].name)}
    ways = [way for use in reads if (way := _way_without(view, use)) is not None]
    return bool(ways) and all(ways) and all(_is_asked(view, use) for use in reads)


def _is_installed(view: ModuleView, reference: Reference) -> bool:
    """Whether a module does not run at all without the library that a reference is to."""
    package = reference.path.partition(".")[0]
    return any(
        view.tree.scope_of(each.node) is view.tree.scope
        and view.guards.handled(each.node) is None
        and not view.reach.conditions(each.node)
        and not isinstance(view.tree.parents[view.tree.parents[each.node]], ast.ExceptHandler)
        for each in view.imports(package)
        if each.how in ("import", "module")
    )


def _is_none(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _names_assigned(view: ModuleView, node: ast.AST) -> list[Binding]:
    """The name that what a `getattr` gives is assigned to."""
    call = node if isinstance(node, ast.Call) else view.tree.parents[node]
    statement = view.tree.parents[call]
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return []
    return view.links.bindings_at(statement.targets[0])


def _is_asked(view: ModuleView, use: ast.Name) -> bool:
    """Whether a name is read in the test that asks for it, or where that test has said that it is there."""
    if _asks_none(view.tree.parents[use], use) is not None:
        return True
    return any(
        is_none is not wanted
        for test, wanted in view.reach.conditions(use)
        if (is_none := _says_none(test, use.id)) is not None
    )


def _says_none(test: ast.expr, name: str) -> bool | None:
    """Whether a test holds where a name is None; None where it asks for something else."""
    truth = True
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, truth = test.operand, not truth
    if isinstance(test, ast.Name):
        return not truth if test.id == name else None
    if isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == name:
        said = _asks_none(test, test.left)
        return None if said is None else said is truth
    return None


def _asks_none(test: ast.AST, name: ast.Name) -> bool | None:
    """Whether a comparison is `name is None` (True) or `name is not None` (False); None where it is neither."""
    if not isinstance(test, ast.Compare) or test.left is not name or len(test.ops) != 1:
        return None
    if not _is_none(test.comparators[0]):
        return None
    return {ast.Is: True, ast.IsNot: False}.get(type(test.ops[0]))


def _way_without(view: ModuleView, use: ast.Name) -> bool | None:
    """Whether a program does something of its own where a name is None; None where it is not asked for here."""
    for parent in view.tree.ancestors(use):
        if isinstance(parent, ast.If) and (is_none := _says_none(parent.test, use.id)) is not None:
            if not any(each is use for each in ast.walk(parent.test)):
                return None
            way, other = (parent.body, parent.orelse) if is_none else (parent.orelse, parent.body)
            if not way and always_leaves(other):
                way = _behind(view, parent)
            return bool(way) and handler_kind(way) == "fallback"
        if isinstance(parent, ast.IfExp) and (is_none := _says_none(parent.test, use.id)) is not None:
            return not isinstance(parent.body if is_none else parent.orelse, ast.Constant)
        if isinstance(parent, ast.stmt):
            return None
    return None


def _behind(view: ModuleView, statement: ast.stmt) -> list[ast.stmt]:
    """The statements that follow one in its block."""
    parent = view.tree.parents[statement]
    for field in ("body", "orelse", "finalbody"):
        block = getattr(parent, field, None)
        if isinstance(block, list) and statement in block:
            return block[block.index(statement) + 1 :]
    return []


def _truth_by_import(view: ModuleView, test: ast.expr) -> bool | None:
    """The truth of a test of a name that a `try` sets, whose imports the target release has; None of any other."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        truth = _truth_by_import(view, test.operand)
        return None if truth is None else not truth
    asks_none = isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.IsNot))
    if isinstance(test, ast.Compare):
        if not asks_none or not isinstance(test.left, ast.Name) or ast.unparse(test.comparators[0]) != "None":
            return None
        is_none = _value_by_import(view, test.left, asks_none=True)
        return None if is_none is None else is_none is isinstance(test.ops[0], ast.Is)
    return _value_by_import(view, test, asks_none=False) if isinstance(test, ast.Name) else None


def _value_by_import(view: ModuleView, name: ast.Name, *, asks_none: bool) -> bool | None:
    """Whether a name is true, or None, once the `try` that sets it has succeeded, here or in another module."""
    view, found = _bound_at_home(view, view.links.bindings_read(name))
    left = [each for each in found if not view.guards.in_fallback(each.node, lambda tried: _try_succeeds(view, tried))]
    set_by = [tried for each in left if (tried := _succeeding_try(view, each.node)) is not None]
    if set_by:
        first = min(tried.lineno for tried in set_by)
        left = [each for each in left if each.at[0] >= first]
    elif len(left) == len(found):
        return None
    truths: set[bool | None] = set()
    for each in left:
        if each.kind == "import":
            truths.add(not asks_none)  # a module, a class or a function: true, and not None
        elif each.kind == "assign" and isinstance(each.value, ast.Constant):
            truths.add(each.value.value is None if asks_none else bool(each.value.value))
        else:
            truths.add(None)
    return truths.pop() if len(truths) == 1 else None


def _bound_at_home(view: ModuleView, bindings: list[Binding]) -> tuple[ModuleView, list[Binding]]:
    """The module of the repository that a name is imported from, with what binds it there."""
    for _ in range(_MODULES):
        only = bindings[0] if len(bindings) == 1 else None
        if only is None or not isinstance(only.statement, ast.ImportFrom) or not isinstance(only.node, ast.alias):
            break
        file = view.project.module_file(view.names.module_of(only.statement), view.path)
        home = view.project.view(file, view.settings) if file is not None else None
        if home is None:
            break
        view, bindings = home, home.reach.final(home.tree.scope, only.node.name)
    return view, bindings


def _succeeding_try(view: ModuleView, node: ast.AST) -> ast.Try | None:
    """The `try` around a node, in its body or `else`, that is prepared for a failing import which does not fail."""
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.Try) and (child in parent.body or child in parent.orelse):
            prepared = any(catches(each, IMPORT_ERRORS, view) for each in parent.handlers)
            return parent if prepared and _try_succeeds(view, parent) else None
        child = parent
    return None


def _is_second_choice(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands behind an `or`, and before it something that the target release has."""
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.stmt) or (isinstance(parent, ast.Call) and not _is_getattr(parent)):
            return False  # of a call's result, as of `isinstance(x, transformers.Old)`, it is no choice
        if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or):
            for each in parent.values[: parent.values.index(child)]:  # type: ignore[arg-type]
                if any(library.resolves(view, path) for path in _fetched(view, each)):
                    return True
        child = parent
    return False


def _has_second_choice(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands before an `or`."""
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.stmt):
            return False
        if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or) and child is not parent.values[-1]:
            return True
        child = parent
    return False


def _is_after_a_try(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands behind a `try` that succeeds under the target release and then leaves the function."""
    child = node
    for parent in view.tree.ancestors(node):
        for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
            if isinstance(block, list) and child in block:
                for each in block[: block.index(child)]:
                    if isinstance(each, ast.Try) and _leaves(each) and _try_succeeds(view, each):
                        return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)):
            return False
        child = parent
    return False


def _leaves(statement: ast.Try) -> bool:
    """Whether a `try` returns where nothing fails in it."""
    return isinstance((statement.orelse or statement.body)[-1], ast.Return)


def _has_good_default(view: ModuleView, node: ast.AST) -> bool:
    """Whether the default of the `getattr` that asks for a name is something that the target release has."""
    for call in (node, *view.tree.ancestors(node)):
        if isinstance(call, ast.Call) and _is_getattr(call) and len(call.args) > 2:
            paths = [
                value.path
                for each in ast.walk(call.args[2])
                if isinstance(each, ast.expr)
                for value in view.values(each)
                if isinstance(value, External) and value.package == "transformers" and "." in value.path
            ]
            return bool(paths) and all(library.resolves(view, path) for path in paths)
    return False


def _is_question(view: ModuleView, node: ast.AST) -> bool:
    """Whether a `getattr` only asks whether a name is there, as `hasattr` does: `if getattr(m, "f", None) is None:`."""
    call = node if isinstance(node, ast.Call) else view.tree.parents[node]
    around = view.tree.parents[call]
    if isinstance(around, ast.Compare):
        return around.left is call and _is_none(around.comparators[0])
    if isinstance(around, ast.UnaryOp) and isinstance(around.op, ast.Not):
        return True
    return isinstance(around, (ast.If, ast.While, ast.IfExp, ast.Assert)) and around.test is call


def _is_asked_about(view: ModuleView, node: ast.AST) -> bool:
    """Whether the result of `getattr` is tested, and something that the target release has is fetched in a branch."""
    name, child = "", node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.NamedExpr) and isinstance(parent.target, ast.Name):
            name = parent.target.id
            break
        if isinstance(parent, ast.Assign) and child is parent.value and isinstance(parent.targets[0], ast.Name):
            name = parent.targets[0].id
            break
        child = parent
    function = view.links.function_around(node)
    for test in view.tree.nodes.get(ast.If, ()) if name else ():
        assert isinstance(test, ast.If)
        names = {each.id for each in ast.walk(test.test) if isinstance(each, ast.Name)}
        if name in names and view.links.function_around(test) is function:
            paths = [path for each in (*test.body, *test.orelse) for path in _fetched(view, each)]
            if any(library.resolves(view, path) for path in paths):
                return True
    return False


def _is_getattr(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "getattr"


def _try_succeeds(view: ModuleView, statement: ast.Try) -> bool:
    """Whether the body of a `try` fetches names of transformers, and only such as the target release has."""
    paths = [path for each in statement.body for path in _fetched(view, each)]
    return bool(paths) and all(library.resolves(view, path) for path in paths)


def _fetched(view: ModuleView, around: ast.AST) -> Iterator[str]:
    """The names of transformers that a piece of code fetches, as dotted paths."""
    for node in ast.walk(around):
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] == "transformers" and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("transformers."))
        elif isinstance(node, (ast.Attribute, ast.Call)):
            for value in view.values(node):
                if isinstance(value, External) and value.package == "transformers" and "." in value.path:
                    yield value.path


def _names_error(handler: ast.AST, error: str) -> bool:
    """Whether an `except` clause asks for an error by its name."""
    asked = handler.type if isinstance(handler, ast.ExceptHandler) else None
    return asked is not None and any(getattr(each, "id", "") == error for each in ast.walk(asked))


def _shimmed_modules(view: ModuleView) -> frozenset[str]:
    """The modules of transformers that a module puts in their place itself: `sys.modules["transformers.x"] = y`."""
    keys = [
        node.slice
        for node in view.tree.nodes.get(ast.Subscript, ())
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Store)
        and External("sys.modules") in view.values(node.value)
    ]
    for call in view.calls({"setdefault"}):
        func = call.func
        if isinstance(func, ast.Attribute) and call.args and External("sys.modules") in view.values(func.value):
            keys.append(call.args[0])
    return frozenset(str(each) for key in keys for each in view.constants(key))


def _shimmed_names(view: ModuleView) -> frozenset[str]:
    """The names that a module puts into transformers itself, so that they go on working."""
    found: set[str] = set()
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if isinstance(node.ctx, ast.Store) and view.is_of(node.value, "transformers"):
            found.add(node.attr)
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        table = node.value
        if (
            isinstance(node.ctx, ast.Store)
            and isinstance(table, ast.Attribute)
            and view.is_of(table.value, "transformers")
        ):
            found.update(str(value.value) for value in view.values(node.slice) if isinstance(value, Constant))
    for call in view.calls({"setattr"}):
        # `monkeypatch.setattr` wants that the name is there already, unless it is told otherwise.
        puts = isinstance(call.func, ast.Name) or call.keyword("raising") is not None
        if puts and len(call.node.args) == 3 and view.is_of(call.node.args[0], "transformers"):
            found.update(str(each) for each in view.constants(call.node.args[1]))
    return frozenset(found)

"""What a program does where a name of transformers is gone: other names that it fetches, other ways that it goes."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.offered import ELSEWHERE
from v5lint.rules.parts import library
from v5lint.view.guards import handler_kind
from v5lint.view.reach import always_leaves
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView, Reference
    from v5lint.view.tree import Binding


def is_there(view: ModuleView, path: str) -> bool:
    """Whether a program finds a name of transformers, or what took its place elsewhere, under the target release."""
    return path in ELSEWHERE or library.resolves(view, path)


def fetched(view: ModuleView, around: ast.AST) -> Iterator[str]:
    """The names of transformers that a piece of code fetches, or what took their place elsewhere, as dotted paths."""
    for node in ast.walk(around):
        if isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*" and not node.level]
            yield from (each for each in paths if each.startswith("transformers.") or each in ELSEWHERE)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("transformers."))
        elif isinstance(node, (ast.Attribute, ast.Call)):
            for value in view.values(node):
                if isinstance(value, External) and (value.path.startswith("transformers.") or value.path in ELSEWHERE):
                    yield value.path


def try_succeeds(view: ModuleView, statement: ast.Try | ast.With) -> bool:
    """Whether the body of a `try` fetches names of transformers, and only such as the target release has."""
    paths = [path for each in statement.body for path in fetched(view, each)]
    return bool(paths) and all(is_there(view, path) for path in paths)


def try_fails(view: ModuleView, statement: ast.Try) -> bool:
    """Whether the body of a `try` asks for something of transformers that the target release does not have."""
    paths = [path for each in statement.body for path in fetched(view, each)]
    return any(lookup.removed_in(path, library.release_text(view.settings.target)) is not None for path in paths)


def is_second_choice(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands behind an `or`, and before it something that the target release has."""
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.stmt) or (isinstance(parent, ast.Call) and not _is_getattr(parent)):
            return False  # of a call's result, as of `isinstance(x, transformers.Old)`, it is no choice
        if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or):
            for each in parent.values[: parent.values.index(child)]:  # type: ignore[arg-type]
                if any(is_there(view, path) for path in fetched(view, each)):
                    return True
        child = parent
    return False


def is_optional(view: ModuleView, node: ast.AST) -> bool:
    """Whether a program can do without what a `getattr` with a default asks for.

    Args:
        view: the module.
        node: the reference: the string with the name, or the `getattr` itself.
    """
    return any(ask(view, node) for ask in (_has_second_choice, _has_good_default, _is_question, _is_asked_about))


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
            paths = [path for each in (*test.body, *test.orelse) for path in fetched(view, each)]
            if any(is_there(view, path) for path in paths):
                return True
    return False


def _is_getattr(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "getattr"


def has_second_way(view: ModuleView, reference: Reference) -> bool:
    """Whether a name that may be None is only read behind a question, and without it a program does something else.

    `Old = getattr(module, "Old", None)` and `try: ... except ImportError: Old = None`, then `if Old is None: ...`. A
    program that then raises, or does nothing, has no second way: it lacks what it was written for. And where the file
    imports the library in no other way the question is whether it is installed, and the answer a wrong one. Of a name
    that has a successor the second way is the one for old releases: v5 takes it without a word.
    """
    if reference.binding is not None:
        if view.guards.handled(reference.place) is None or not _is_installed(view, reference):
            return False
        others = view.links.other_bindings(reference.binding)
        names = [reference.binding, *(each for each in others if _is_none(each.value))]
    elif reference.has_default:
        names = _names_assigned(view, reference.place)
    else:
        return False
    uses = {use for name in names for use in view.links.uses(name)}
    reads = [use for use in uses if not view.guards.in_fallback(use, lambda each: try_succeeds(view, each))]
    if not reads:
        return bool(names) and not {*names} & {*view.reach.final(names[0].scope, names[0].name)}
    if reference.binding is not None and _has_successor(reference):
        return False
    ways = [way for use in reads if (way := _way_without(view, use)) is not None]
    return bool(ways) and all(ways) and all(_is_asked(view, use) for use in reads)


def is_imported_again(view: ModuleView, reference: Reference) -> bool:
    """Whether an import that may fail is one of two that bind a name, of which the other one works.

    `try: from transformers import Old as X`, `except ImportError: pass`, and the same with `New as X` behind it, or
    under `if X is None:`.
    """
    if reference.binding is None:
        return False
    for other in view.links.other_bindings(reference.binding):
        of, alias = other.statement, other.node
        if isinstance(of, ast.ImportFrom) and isinstance(alias, ast.alias) and not of.level:
            path = f"{of.module}.{alias.name}"
            is_there = path.startswith("transformers.") and library.resolves(view, path)
            if is_there and not view.reach.are_exclusive(of, reference.place):
                return True
    return False


def is_beside_the_new_name(view: ModuleView, reference: Reference) -> bool:
    """Whether the successor of a name is asked for likewise, in the same block or function: one of them is there.

    `try: from transformers import New`, `except ImportError: New = None`, and the same with `Old` behind it; or
    `getattr(transformers, "New", None)` before `getattr(transformers, "Old", None)`.
    """
    removal = lookup.removed_in(reference.path)
    if removal is None or removal.replacement is None:
        return False
    others = view.references({removal.replacement.new.rpartition(".")[2]})
    if reference.has_default:
        function = view.links.function_around(reference.node)
        return any(each.has_default and view.links.function_around(each.node) is function for each in others)
    mine = view.guards.handled(reference.place)
    for other in others if mine is not None and reference.binding is not None else ():
        theirs = view.guards.handled(other.place) if other.binding is not None else None
        if mine is not None and theirs is not None and theirs.statement is not mine.statement:
            return view.tree.parents[theirs.statement] is view.tree.parents[mine.statement]
    return False


def is_one_of_several(view: ModuleView, reference: Reference) -> bool:
    """Whether a name that may fail is one of several that a loop tries, of which another one is there.

    `for name in ("New", "Old"): try: found = getattr(transformers, name)`, and the same with the modules beside the
    names: `for home, name in (("transformers", "New"), ("transformers", "Old"))`.
    """
    around = view.tree.parents[reference.node]
    if reference.how not in ("getattr", "string") or not isinstance(around, (ast.Tuple, ast.List)):
        return False
    whole = view.tree.parents[around]
    if isinstance(whole, (ast.Tuple, ast.List)):
        rows = [each.elts for each in whole.elts if isinstance(each, (ast.Tuple, ast.List))]
        paths = [".".join(cell.value for cell in row if _is_text(cell)) for row in rows]  # type: ignore[attr-defined]
        return any(is_there(view, path) for path in paths)
    home = reference.path.rpartition(".")[0]
    others = [each.value for each in around.elts if isinstance(each, ast.Constant) and each is not reference.node]
    return any(isinstance(each, str) and library.resolves(view, f"{home}.{each}") for each in others)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _has_successor(reference: Reference) -> bool:
    """Whether something takes the place of a name that is gone."""
    removal = lookup.removed_in(reference.path)
    return removal is not None and removal.replacement is not None


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


def _is_none(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is None

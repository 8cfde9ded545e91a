"""What in a module may come from a name of another one, by words alone: the cheap question before the evaluator's."""

from __future__ import annotations

import ast

from v5lint.view.strings import last_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.view.tree import Tree


def carriers(tree: Tree, names: Iterable[str]) -> frozenset[str]:
    """The words of a module that may stand for what some names stand for.

    Whatever is made of one of them is another: a variable, a loop's, a parameter of a function that is called with it,
    a function that gives it back, an object that it is put into. Scopes are not told apart: there may be too many, and
    there are none too few.

    Args:
        tree: the module.
        names: the names to begin with: what is imported, or a member of it.
    """
    found = set(names)
    passed = [(words, given) for words, given in _passed(tree) if words and given]
    while True:
        left = [(words, given) for words, given in passed if found.isdisjoint(words)]
        if len(left) == len(passed):
            return frozenset(found)
        for words, given in passed:
            if not found.isdisjoint(words):
                found |= given
        passed = left


def words_of(node: ast.AST | None) -> set[str]:
    """The identifiers in an expression, and the strings that may name one."""
    found = set()
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            found.add(each.value)
    return found


def _passed(tree: Tree) -> Iterator[tuple[set[str], set[str]]]:
    """From what to what a value may go: the words of an expression, and those that stand for it afterwards."""
    for node in _all(tree, ast.Import, ast.ImportFrom):
        assert isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names:
            if alias.asname:
                yield set(alias.name.split(".")), {alias.asname}
    for assigned in _all(tree, ast.Assign):
        assert isinstance(assigned, ast.Assign)
        yield words_of(assigned.value), {word for target in assigned.targets for word in words_of(target)}
    for single in _all(tree, ast.AnnAssign, ast.AugAssign, ast.NamedExpr):
        assert isinstance(single, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr))
        yield words_of(single.value), words_of(single.target)
    for loop in _all(tree, ast.For, ast.AsyncFor, ast.comprehension):
        assert isinstance(loop, (ast.For, ast.AsyncFor, ast.comprehension))
        yield words_of(loop.iter), words_of(loop.target)
    for item in _all(tree, ast.withitem):
        assert isinstance(item, ast.withitem)
        yield words_of(item.context_expr), words_of(item.optional_vars)
    yield from _given_by_functions(tree)
    yield from _given_to_functions(tree)


def _given_by_functions(tree: Tree) -> Iterator[tuple[set[str], set[str]]]:
    """What functions give back, and what their parameters are by default."""
    for node in _all(tree, ast.Return, ast.Yield):
        assert isinstance(node, (ast.Return, ast.Yield))
        around = next((each for each in tree.ancestors(node) if hasattr(each, "args")), None)
        yield words_of(node.value), {getattr(around, "name", "")}
    for function in _all(tree, ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        defaults = [each for each in (*function.args.defaults, *function.args.kw_defaults) if each is not None]
        yield {word for each in defaults for word in words_of(each)}, _parameters(function)


def _given_to_functions(tree: Tree) -> Iterator[tuple[set[str], set[str]]]:
    """What functions of the module are called with, and what objects are given by their methods."""
    parameters: dict[str, set[str]] = {}
    for function in _all(tree, ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        parameters.setdefault(function.name, set()).update(_parameters(function))
        owner = tree.parents[function]
        if isinstance(owner, ast.ClassDef) and function.name == "__init__":
            parameters.setdefault(owner.name, set()).update(_parameters(function))
    for node in _all(tree, ast.Call):
        assert isinstance(node, ast.Call)
        words = {word for each in (*node.args, *(each.value for each in node.keywords)) for word in words_of(each)}
        called = node.func
        last = last_name(called)
        given = parameters.get(last, set()) | {each.arg for each in node.keywords if each.arg}
        if isinstance(called, ast.Attribute):  # `table.update(x)`, `rows.append(x)`
            given = given | words_of(called.value)
        elif last == "setattr":
            given = given | words
        yield words, given


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {each.arg for each in every if each is not None}


def _all(tree: Tree, *kinds: type[ast.AST]) -> list[ast.AST]:
    """The nodes of some kinds."""
    return [node for kind in kinds for node in tree.nodes.get(kind, ())]

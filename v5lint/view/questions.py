"""Tests that ask a release for a name or an argument before they act: `hasattr(transformers, "AdamW")`.

What the target release answers is told by the facts of the rules' catalogue. Where those say nothing, the code is
prepared for either answer.
"""

from __future__ import annotations

import ast
import re

from v5lint.view.strings import dotted, last_name
from v5lint.view.values import External, Instance, LocalClass, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: The answer where a test asks nothing of a release.
NONE = object()

#: The functions that ask for a module.
_FINDERS = frozenset({"find_spec", "find_loader"})

#: What gives the names of a module or class, and what leaves them as they are.
_LISTINGS = frozenset({"dir", "vars"})
_LISTED = frozenset({"__all__", "__dict__", "_import_structure", "_objects", "_class_to_module"})
_KEPT = frozenset({"list", "set", "tuple", "frozenset", "sorted"})

#: What gives the parameters of a function, or the fields of a class.
_SIGNATURES = frozenset({"signature", "getfullargspec", "getargspec"})
_FIELDS = frozenset({"fields", "dataclasses.fields"})
_PARAMETERS = frozenset({"co_varnames", "__dataclass_fields__", "__annotations__", "model_fields"})

#: Through so many assignments a collection is followed.
_FOLLOWED = 3


def membership(view: ModuleView, package: str, test: ast.Compare, name: Any, told: bool) -> bool | object | None:
    """What `name in collection` asks of a release: the answer, None where it is not known, or NONE.

    Args:
        view: the module.
        package: the package whose names count as those of the release.
        test: the comparison.
        name: the value on its left, as far as it is known.
        told: whether the facts may be asked.
    """
    collection = test.comparators[0]
    holders = _listed(view, collection)
    if holders:
        return _held(view, package, holders, name, told)
    asked = [*_callables(view, collection)]
    if not asked:
        return NONE
    answers = {_taken(view, each, name) if told else None for each in asked if _is_asked(each, package)}
    if not answers:
        return NONE
    if len(answers) == 1 and None not in answers:
        return answers.pop()
    return None if _is_written_elsewhere(view, test, name) else NONE


def call(view: ModuleView, package: str, node: ast.Call, arguments: list[Any], told: bool) -> bool | object | None:
    """What `hasattr(holder, name)` or `find_spec(module)` asks of a release: the answer, None or NONE as above.

    Args:
        view: the module.
        package: as of `membership`.
        node: the call.
        arguments: the values of its arguments, as far as they are known.
        told: as of `membership`.
    """
    if len(node.args) == 2 and dotted(node.func) == "hasattr":
        return _held(view, package, _externals(view, node.args[0]), arguments[1], told)
    if arguments and is_path_in(package, arguments[0]) and _finds_modules(view, node.func):
        return _has(view, arguments[0]) if told else None
    return NONE


def is_path_in(package: str, path: object) -> bool:
    """Whether a value is the dotted path of something in a package."""
    return isinstance(path, str) and path.startswith(f"{package}.")


def _finds_modules(view: ModuleView, func: ast.expr) -> bool:
    if last_name(func) in _FINDERS:
        return True
    return any(isinstance(each, External) and each.name in _FINDERS for each in view.evaluator.values(func))


def _held(view: ModuleView, package: str, holders: list[External], name: Any, told: bool) -> bool | object | None:
    """Whether some modules or classes have a name, which of another package is a question only where it is known."""
    answer = _offered(view, holders, name) if told and holders else None
    return NONE if answer is None and all(each.package != package for each in holders) else answer


def _offered(view: ModuleView, holders: list[External], name: Any) -> bool | None:
    """Whether all of some modules or classes have a name; None where they differ, or it is not known."""
    if not isinstance(name, str):
        return None
    answers = {_has(view, f"{each.path}.{name}") for each in holders}
    return answers.pop() if len(answers) == 1 else None


def _has(view: ModuleView, path: str) -> bool | None:
    for facts in view.settings.facts:
        answer = facts.has(path, _target(view))
        if answer is not None:
            return answer
    return None


def _taken(view: ModuleView, function: Value, name: Any) -> bool | None:
    """Whether a function or class of a package takes an argument; None where that is not known."""
    if isinstance(function, Method) and isinstance(function.owner, External):
        path = f"{function.owner.path}.{function.name}"
    elif isinstance(function, External):
        path = function.path
    else:
        return None
    for facts in view.settings.facts if isinstance(name, str) else ():
        answer = facts.takes(path, name, _target(view))
        if answer is not None:
            return answer
    return None


def _target(view: ModuleView) -> str:
    return ".".join(map(str, view.settings.target))


def _listed(view: ModuleView, node: ast.expr, depth: int = 0) -> list[External]:
    """The modules and classes whose names a collection holds: `dir(transformers)`, `transformers.__all__`."""
    if isinstance(node, ast.Call):
        name = dotted(node.func)
        if len(node.args) == 1 and name in _LISTINGS:
            return _externals(view, node.args[0])
        if len(node.args) == 1 and name in _KEPT:
            return _listed(view, node.args[0], depth)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "keys":
            return _listed(view, node.func.value, depth)
        return []
    if isinstance(node, ast.Attribute):
        return _externals(view, node.value) if node.attr in _LISTED else []
    found: list[External] = []
    for value in _assigned(view, node) if depth < _FOLLOWED else ():
        found += _listed(view, value, depth + 1)
    return found


def _externals(view: ModuleView, node: ast.expr) -> list[External]:
    return [each for each in view.evaluator.values(node) if isinstance(each, External)]


def _assigned(view: ModuleView, node: ast.AST) -> Iterator[ast.expr]:
    """What a name is assigned."""
    if isinstance(node, ast.Name):
        for made in view.links.bindings_read(node):
            if made.kind == "assign" and made.value is not None and made.value is not node:
                yield made.value


def _callables(view: ModuleView, node: ast.expr, depth: int = 0) -> Iterator[Value]:
    """The functions whose parameters, and the classes whose fields, a collection holds.

    `"processing_class" in inspect.signature(Trainer.__init__).parameters` is a question about the release.
    """
    for each in ast.walk(node):
        given: ast.expr | None = None
        if isinstance(each, ast.Call) and each.args:
            if last_name(each.func) in _SIGNATURES or dotted(each.func) in _FIELDS:
                given = each.args[0]
        elif isinstance(each, ast.Attribute) and each.attr in _PARAMETERS:
            given = each.value
            if isinstance(given, ast.Attribute) and given.attr == "__code__":
                given = given.value
        if given is not None:
            yield from view.evaluator.values(given)
        for value in _assigned(view, each) if depth < _FOLLOWED else ():
            yield from _callables(view, value, depth + 1)


def _is_asked(function: Value, package: str) -> bool:
    """Whether the parameters of a function may depend on the release: they do not where it is written here."""
    if isinstance(function, Method):
        owner = function.owner
        return isinstance(owner, LocalClass) or owner.package == package
    if isinstance(function, (External, Instance)):
        of = function.of if isinstance(function, Instance) else function
        return isinstance(of, LocalClass) or of.package == package
    return not isinstance(function, LocalFunction)


def _is_written_elsewhere(view: ModuleView, test: ast.Compare, name: Any) -> bool:
    """Whether what a test asks for is used around it: else it has nothing to do with what stands there."""
    if not isinstance(name, str):
        return True
    around = view.links.function_around(test) or view.tree.root
    start, end = view.span(around) if around is not view.tree.root else (0, len(view.text))
    word = re.compile(rf"\b{re.escape(name)}\b")
    inside = len(word.findall(view.text, *view.span(test)))
    return len(word.findall(view.text, start, end)) > inside

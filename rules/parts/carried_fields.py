"""Fields of an object that all go into TrainingArguments, as `TrainingArguments(**asdict(config))`: a part of V5301."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library
from v5lint.rules.parts.training_classes import CLASS
from v5lint.view.strings import last_name
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: Functions and methods that give the fields of an object as a dict.
_FUNCTIONS = frozenset({"asdict", "vars"})
_METHODS = frozenset({"model_dump"})

#: What is written behind `**` where they do: the tokens of the rule, for files that name no field themselves.
TOKENS = ("**asdict(", "**dataclasses.asdict(", "**vars(", ".model_dump(", ".__dict__)")


def findings(view: ModuleView, names: Collection[str]) -> Iterator[Finding]:
    """Yield the fields of some names that reach TrainingArguments with all the others of their object.

    Args:
        view: the module.
        names: the removed fields.
    """
    target = library.release_text(view.settings.target)
    for keyword in view.tree.nodes.get(ast.keyword, ()):
        assert isinstance(keyword, ast.keyword)
        given = _object(keyword.value) if keyword.arg is None else None
        call = view.tree.parents[keyword]
        if given is None or not isinstance(call, ast.Call) or view.guards.is_dead(call):
            continue
        made = [each for each in view.values(call.func) if isinstance(each, (External, LocalClass))]
        if not any(lookup.is_subclass(name, CLASS) for each in made for name in library.library_classes(view, each)):
            continue
        for of in view.classes_of(given):
            fields = _fields(of) if isinstance(of, LocalClass) else {}
            for name in sorted(fields.keys() & set(names)):
                removal = lookup.removed_parameter(CLASS, name, target)
                is_declared = any(isinstance(each, LocalClass) and arguments.declares(each, name) for each in made)
                if removal is None or is_declared or _is_left_out(keyword.value, name, is_none=fields[name]):
                    continue
                message = f"`{of.name}` has a field `{name}`, and `{CLASS}` has none since transformers {removal.gone}"
                yield view.finding(keyword.value, f"{message}{arguments.advice(removal)}", since=removal.gone)


def _object(node: ast.expr) -> ast.expr | None:
    """The object whose fields an expression gives: of `asdict(o)`, `vars(o)`, `o.__dict__` and `o.model_dump()`."""
    if isinstance(node, ast.Attribute):
        return node.value if node.attr == "__dict__" else None
    if not isinstance(node, ast.Call):
        return None
    name = last_name(node.func)
    if name in _FUNCTIONS and len(node.args) == 1:
        return node.args[0]
    return node.func.value if name in _METHODS and isinstance(node.func, ast.Attribute) else None


def _fields(of: LocalClass) -> dict[str, bool]:
    """The fields that a class declares or inherits within the repository, each with whether its default is None."""
    found: dict[str, bool] = {}
    waiting, seen = [of], {of}
    while waiting:
        at = waiting.pop(0)
        for each in at.node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                is_none = isinstance(each.value, ast.Constant) and each.value.value is None
                found.setdefault(each.target.id, is_none)
        for base in at.view.evaluator.bases(at):
            if isinstance(base, LocalClass) and base not in seen:
                seen.add(base)
                waiting.append(base)
    return found


def _is_left_out(node: ast.expr, name: str, *, is_none: bool) -> bool:
    """Whether a dump leaves a field out: `model_dump(exclude={"name"})`, `exclude_none=True` with a default of None."""
    for each in node.keywords if isinstance(node, ast.Call) else ():
        written = ast.unparse(each.value)
        if each.arg == "exclude" and (f"'{name}'" in written or isinstance(each.value, (ast.Name, ast.Attribute))):
            return True
        if each.arg == "include" and f"'{name}'" not in written:
            return True
        if each.arg in ("exclude_none", "exclude_unset", "exclude_defaults", None) and is_none:
            return True
    return False

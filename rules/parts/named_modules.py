"""Modules, parameters and weights that are fetched by their paths in text: `model.get_submodule("encoder.layer.0")`."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, models, module_paths
from v5lint.view.values import Constant, External, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

#: Methods that fetch one thing by its path, and methods that give all of them with their paths.
FETCHES = frozenset({"get_submodule", "get_parameter", "get_buffer"})
LISTS = frozenset({"named_modules", "named_parameters", "named_buffers", "state_dict"})

_ERRORS = frozenset({"KeyError", "AttributeError", "LookupError", "Exception", "BaseException"})

#: How many names back a dict of all modules is followed.
_DEPTH = 4


def findings(view: ModuleView) -> Iterator[Finding]:
    """The paths in text under which the model has nothing any more."""
    for node, holder, path in [*_fetched(view), *_looked_up(view)]:
        found = models.of_model_or_part(view, holder)
        if not found.found or not found.is_complete or any(not _is_plain(each) for each in found.found):
            continue
        for text in _texts(view, path):
            parts = tuple("*" if part.isdigit() else part for part in text.split("."))
            lost = [module_paths.lost_by_name(view, each, parts) for each in found.found]
            if any(each is None for each in lost) or _is_prepared(view, node):
                continue
            assert lost[0] is not None
            yield view.finding(node, _message(view, found.found[0], text, lost[0][1]), since=lost[0][1])
            break


def _is_plain(model: Model) -> bool:
    return bool(model.model_type) and not model.is_own and not model.is_adapted


def _fetched(view: ModuleView) -> Iterator[tuple[ast.expr, ast.expr, ast.expr]]:
    """What is fetched by `model.get_submodule(path)`: the call, the model, the path."""
    for call in view.calls(FETCHES):
        path = call.argument("target", 0)
        if isinstance(call.func, ast.Attribute) and path is not None:
            yield call.node, call.func.value, path


def _looked_up(view: ModuleView) -> Iterator[tuple[ast.expr, ast.expr, ast.expr]]:
    """What is looked up in `dict(model.named_modules())`, `model.state_dict()`: the subscript, the model, the path."""
    if not any(view.links.calls_named(name) for name in LISTS):
        return
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        if isinstance(node.ctx, ast.Load) and not isinstance(node.slice, ast.Slice):
            holder = _listed(view, node.value, 0)
            if holder is not None:
                yield node, holder, node.slice


def _listed(view: ModuleView, node: ast.expr, depth: int) -> ast.expr | None:
    """The model whose modules or weights a dict holds."""
    if isinstance(node, ast.Name) and depth < _DEPTH:
        bindings = view.links.bindings_read(node)
        value = bindings[0].value if len(bindings) == 1 and bindings[0].kind == "assign" else None
        if value is None or any(
            isinstance(view.tree.parents[use], ast.Subscript) and _is_set(view, use)
            for use in view.links.uses(bindings[0])
        ):
            return None
        return _listed(view, value, depth + 1)
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Attribute):
        return node.func.value if node.func.attr == "state_dict" else None
    if External("builtins.dict") in view.values(node.func) and len(node.args) == 1 and not node.keywords:
        made = node.args[0]
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr in LISTS:
            return made.func.value
    return None


def _is_set(view: ModuleView, use: ast.Name) -> bool:
    """Whether an entry of a dict is written: keys of its own may be in it."""
    around = view.tree.parents[use]
    return isinstance(around, ast.Subscript) and isinstance(around.ctx, ast.Store)


def _texts(view: ModuleView, node: ast.expr) -> list[str]:
    """The paths that an expression may be; of one with a number that is not known, that of the first."""
    found = []
    for value in sorted(view.values(node), key=repr):
        if isinstance(value, Constant) and isinstance(value.value, str):
            found.append(value.value)
        elif isinstance(value, Partial) and value.parts[0] and len(value.parts) == 2:
            found.append("0".join(value.parts))
        else:
            return []
    return found


def _is_prepared(view: ModuleView, node: ast.expr) -> bool:
    """Whether the program does not run there, asks first whether the path exists, or goes on without."""
    if view.guards.is_dead(node) or view.guards.handled(node, _ERRORS) is not None:
        return True
    return any(
        isinstance(each, ast.Compare) and isinstance(each.ops[0], (ast.In, ast.NotIn))
        for test, _ in view.reach.conditions(node)
        for each in ast.walk(test)
    )


def _message(view: ModuleView, model: Model, text: str, since: str) -> str:
    paths = lookup.linear_names(model.model_type, library.release_text(view.settings.target)) or ()
    example = next((path for path in paths if "q_proj" in path), paths[0] if paths else "")
    told = f": its layers are called `{example.replace('*', '0')}` and the like" if example else ""
    return f"`{model.name}` has nothing at `{text}` since transformers {since}{told}"

"""Clones of the Hub's repositories: `Repository(folder, clone_from=repo_id)` and its `push_to_hub`.

Not a rule: the rule of names that huggingface_hub lost asks for the fix. The scripts `run_*_no_trainer.py` of
transformers' examples, and all that were made from them, push by such a clone.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, FixUnavailableError
from v5lint.rules.parts import hub, library
from v5lint.view.strings import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView

NAME = "Repository"
_NEW = "HfApi"

#: The parameters of Repository, in their order, of which a clone and its pushes can be written with HfApi.
_PARAMETERS = ("local_dir", "clone_from", "repo_type", "token")
_TOKENS = frozenset({"token", "use_auth_token"})

#: What `push_to_hub` takes, in its order. An upload skips what is there already and tracks large files by itself.
_PUSHED = ("commit_message", "blocking", "clean_ok", "auto_lfs_prune")
_OF_GIT = frozenset({"clean_ok", "auto_lfs_prune"})


class _Clone:
    """A statement that makes a clone, with the calls that push from it.

    Attributes:
        statement: the statement, alone in its line.
        given: its arguments by name, as source.
        variable: the name of the clone; "" where it has none.
        pushes: the calls of `push_to_hub`.
    """

    __slots__ = ("given", "pushes", "statement", "variable")

    def __init__(self, statement: ast.stmt, given: dict[str, str], variable: str, pushes: list[ast.Call]) -> None:
        self.statement = statement
        self.given = given
        self.variable = variable
        self.pushes = pushes


def as_uploads(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import with all its clones; None where one of them does more than to be pushed from."""
    binding = lost.reference.binding
    if lost.standing.kind != "live" or binding is None or library.is_handed_on(view, binding):
        return None
    clones = [_clone(view, use) for use in view.links.uses(binding)]
    found = [each for each in clones if each is not None]
    if not found or len(found) != len(clones):
        return None

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        bound = imports.rename(binding, _NEW, hub.PACKAGE)
        edits = [edit for each in found for edit in _edits(view, each, bound)]
        return [*imports.edits(), *edits]

    return Fix("Download the repository and upload the folder with `HfApi`", build, applicability="unsafe")


def _clone(view: ModuleView, use: ast.AST) -> _Clone | None:
    call = view.tree.parents[use]
    if not isinstance(call, ast.Call) or call.func is not use:
        return None
    statement = view.tree.parents[call]
    given = _by_name(call, _PARAMETERS)
    if given is None or not {"local_dir", "clone_from"} <= given.keys() or "url" in ast.unparse(given["clone_from"]):
        return None
    if isinstance(statement, ast.Expr):
        variable, pushes = "", []
    else:
        target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
        if not isinstance(target, ast.Name) or not isinstance(statement, ast.Assign) or statement.value is not call:
            return None
        scope = view.tree.scopes[target]
        bindings = scope.bindings[target.id]
        if len(bindings) != 1 or target.id in scope.globals or library.is_handed_on(view, bindings[0]):
            return None
        variable = target.id
        parents = [view.tree.parents[view.tree.parents[each]] for each in view.links.uses(bindings[0])]
        pushes = [each for each in parents if isinstance(each, ast.Call) and _is_push(view, each)]
        if len(pushes) != len(parents) or any(view.tree.scopes[_root(each)] is not scope for each in pushes):
            return None
        if not all(_stays(view, given[each], statement) for each in ("local_dir", "clone_from")):
            return None
    return _Clone(statement, {name: view.source(value) for name, value in given.items()}, variable, pushes)


def _by_name(call: ast.Call, parameters: tuple[str, ...]) -> dict[str, ast.expr] | None:
    """The arguments of a call by the names of its parameters; None where there are others, or some in a dict."""
    if len(call.args) > len(parameters) or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    given = dict(zip(parameters, call.args, strict=False))
    for keyword in call.keywords:
        name = "token" if keyword.arg in _TOKENS else keyword.arg
        if name not in parameters or name in given:
            return None
        given[name] = keyword.value
    return given


def _is_push(view: ModuleView, call: ast.Call) -> bool:
    """Whether a call pushes, and nobody reads what it gives."""
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "push_to_hub"
        and isinstance(view.tree.parents[call], ast.Expr)
        and _by_name(call, _PUSHED) is not None
    )


def _root(call: ast.Call) -> ast.Name:
    assert isinstance(call.func, ast.Attribute)
    assert isinstance(call.func.value, ast.Name)
    return call.func.value


def _stays(view: ModuleView, value: ast.expr, statement: ast.stmt) -> bool:
    """Whether an expression is the same at every later place of the function: a name, an attribute, a constant."""
    root = library.root_of(value)
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str) and "://" not in value.value
    if not isinstance(root, ast.Name) or not dotted(value):
        return False
    begins = (statement.lineno, statement.col_offset)
    bound = view.tree.scopes[root].bindings.get(root.id, [])
    written = ast.unparse(value)
    set_again = any(
        isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and ast.unparse(each) == written
        for each in view.tree.nodes.get(ast.Attribute, ())
    )
    return not set_again and all(_begin(each.node) < begins for each in bound)


def _begin(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _edits(view: ModuleView, clone: _Clone, api: str) -> Iterator[Edit]:
    from v5lint.edits.slices import newline_of

    start, end = view.span(clone.statement)
    indent = view.text[view.offset(clone.statement.lineno, 0) : start]
    if indent.strip():
        raise FixUnavailableError("another statement stands in the line")
    given = clone.given
    made = f"{api}(token={given['token']})" if "token" in given else f"{api}()"
    kind = [f"repo_type={given['repo_type']}"] if "repo_type" in given else []
    fetched = ", ".join([given["clone_from"], *kind, f"local_dir={given['local_dir']}"])
    if clone.pushes:
        lines = [f"{clone.variable} = {made}", f"{clone.variable}.snapshot_download({fetched})"]
    else:
        lines = [f"{made}.snapshot_download({fetched})"]
    yield Edit(start, end, f"{newline_of(view.text)}{indent}".join(lines))
    for push in clone.pushes:
        yield from _upload(view, clone, push, kind)


def _upload(view: ModuleView, clone: _Clone, push: ast.Call, kind: list[str]) -> Iterator[Edit]:
    """`repo.upload_folder(...)` in the place of `repo.push_to_hub(...)`; its message keeps its place and layout."""
    from v5lint.edits.arguments import edit_arguments

    given = _by_name(push, _PUSHED) or {}
    nodes: dict[str, ast.AST] = {**given, **{each.arg: each for each in push.keywords if each.arg}}
    replace: dict[ast.AST, str] = {}
    if "commit_message" in given:
        replace[nodes["commit_message"]] = f"commit_message={view.source(given['commit_message'])}"
    remove = [nodes[each] for each in _OF_GIT & given.keys()]
    if "blocking" in given:
        waits = given["blocking"]
        if isinstance(waits, ast.Constant) and waits.value:
            remove.append(nodes["blocking"])
        else:
            is_off = isinstance(waits, ast.Constant)
            replace[nodes["blocking"]] = f"run_as_future={'True' if is_off else f'not {library.operand(view, waits)}'}"
    where = [f"repo_id={clone.given['clone_from']}", f"folder_path={clone.given['local_dir']}", *kind]
    edit = edit_arguments(view, push, remove=remove, replace=replace, append=where)
    assert isinstance(push.func, ast.Attribute)
    yield Edit(*view.name_span(push.func), "upload_folder")
    yield edit

"""Factories of requests' sessions for `configure_http_backend`, which are factories of httpx' clients now.

Not a rule: the rule of names that huggingface_hub lost asks for the fix.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import hub, library
from v5lint.view.values import External, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView

NAME = "configure_http_backend"
_NEW = "set_client_factory"
_PARAMETER = "backend_factory"
_NEW_PARAMETER = "client_factory"

#: Has httpx in huggingface_hub 1 and httpx2 in 2, both by this name (measured on 1.31 and 2.4).
_HTTPX = (f"{hub.PACKAGE}.utils", "httpx")

_SESSIONS = frozenset(
    {External("requests.Session"), External("requests.session"), External("requests.sessions.Session")}
)

#: What a client takes under the name that a session's attribute has.
_SETTINGS = frozenset({"auth", "cert", "trust_env", "verify"})

#: What a session does by itself, and a client only when told to: huggingface_hub's own client has the same.
_ALWAYS = ("follow_redirects=True", "timeout=None")


def as_clients(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import with all its calls, or of one attribute; None where a session is more than set up."""
    reference = lost.reference
    if reference.how not in ("import", "attribute"):
        return None
    if reference.binding is not None and library.is_handed_on(view, reference.binding):
        return None
    uses = [*view.links.uses(reference.binding)] if reference.binding is not None else [reference.node]
    calls = [_call(view, use) for use in uses]
    given = [(call, _given(call)) for call in calls if call is not None]
    made = [(factory, _made(view, factory)) for _, factory in given if factory is not None]
    found = [(factory, arguments) for factory, arguments in made if arguments is not None]
    if not found or len(found) != len(uses):
        return None

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        edits: list[Edit] = []
        bound = imports.rename(reference.binding, _NEW, hub.PACKAGE) if reference.binding is not None else _NEW
        for call, _ in given:
            assert isinstance(call.func, (ast.Name, ast.Attribute))
            edits.append(Edit(*view.name_span(call.func), bound))
            for keyword in call.keywords:
                start = view.span(keyword)[0]
                edits.append(Edit(start, start + len(_PARAMETER), _NEW_PARAMETER))
        for factory, arguments in {id(_function(view, factory)): (factory, said) for factory, said in found}.values():
            function = _function(view, factory)
            httpx = imports.use(*_HTTPX, function)
            client = f"{httpx}.Client({', '.join([*arguments, *_ALWAYS])})"
            if isinstance(function, ast.Lambda):
                edits.append(Edit(*view.span(function.body), client))
                continue
            assert isinstance(function, ast.FunctionDef)
            body = _body(function)
            edits.append(Edit(view.span(body[0])[0], view.span(body[-1])[1], f"return {client}"))
            if function.returns is not None:
                edits.append(Edit(*view.span(function.returns), f"{httpx}.Client"))
        return [*imports.edits(), *edits]

    return Fix(f"Hand a factory of clients to `{_NEW}`", build, applicability="unsafe")


def _call(view: ModuleView, use: ast.AST) -> ast.Call | None:
    call = view.tree.parents[use]
    return call if isinstance(call, ast.Call) and call.func is use else None


def _given(call: ast.Call) -> ast.expr | None:
    """The factory that a call gives, and nothing else."""
    if len(call.args) == 1 and not call.keywords:
        return call.args[0]
    if not call.args and [each.arg for each in call.keywords] == [_PARAMETER]:
        return call.keywords[0].value
    return None


def _function(view: ModuleView, factory: ast.expr) -> ast.AST:
    """The function that an expression is or names; the expression itself where there is none."""
    if isinstance(factory, ast.Name):
        values = [*view.values(factory)]
        if len(values) == 1 and isinstance(values[0], LocalFunction) and values[0].view is view:
            return values[0].node
    return factory


def _made(view: ModuleView, factory: ast.expr) -> list[str] | None:
    """The arguments of a client that is set up as the sessions of a factory are; None where it cannot be."""
    function = _function(view, factory)
    if isinstance(function, ast.Lambda):
        return [] if not _takes_any(function) and _is_session(view, function.body) else None
    if not isinstance(function, ast.FunctionDef) or function.decorator_list or _takes_any(function):
        return None
    if len(view.links.mentions(function.name)) != 1:
        return None  # who else calls it wants a session
    body = _body(function)
    if "#" in view.text[view.span(body[0])[0] : view.span(body[-1])[1]]:
        return None
    last = body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return None
    if len(body) == 1:
        return [] if _is_session(view, last.value) else None
    name = _session_name(view, body[0])
    if not name or not _is_name(last.value, name):
        return None
    said = [_setting(view, each, name) for each in body[1:-1]]
    return said if all(said) else None


def _takes_any(function: ast.FunctionDef | ast.Lambda) -> bool:
    given = function.args
    return bool(given.posonlyargs or given.args or given.kwonlyargs or given.vararg or given.kwarg)


def _body(function: ast.FunctionDef) -> list[ast.stmt]:
    """The statements of a function, without its documentation."""
    is_documented = ast.get_docstring(function, clean=False) is not None and len(function.body) > 1
    return function.body[1:] if is_documented else function.body


def _is_session(view: ModuleView, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or node.args or node.keywords:
        return False
    made_by = view.values(node.func)
    return bool(made_by) and made_by <= _SESSIONS


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _session_name(view: ModuleView, statement: ast.stmt) -> str:
    """The name of the session that a statement makes: `session = requests.Session()`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return ""
    return target.id if isinstance(target, ast.Name) and _is_session(view, value) else ""


def _setting(view: ModuleView, statement: ast.stmt, name: str) -> str:
    """The argument of a client for `session.verify = False` or `session.headers.update({...})`; "" for the rest."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Attribute) and _is_name(target.value, name) and target.attr in _SETTINGS:
            return f"{target.attr}={view.source(value)}"
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and len(call.args) == 1 and not call.keywords:
        updated = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == "update" else None
        if isinstance(updated, ast.Attribute) and updated.attr == "headers" and _is_name(updated.value, name):
            return f"headers={view.source(call.args[0])}"
    return ""

"""V5208: errors of requests caught around calls of huggingface_hub."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import api_edits, hub
from v5lint.view.calls import CallSite
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

_REQUESTS = "requests"
_MODULE, _NEW = "huggingface_hub.errors", "HfHubHTTPError"

#: Functions of huggingface_hub that ask the Hub nothing.
_LOCAL = frozenset({"hf_hub_url", "get_token", "try_to_load_from_cache", "scan_cache_dir", "get_full_repo_name"})


class RequestsErrorAroundHub(Rule):
    """An `except` for an error of `requests` around calls of `huggingface_hub`.

    ## What it does

    Finds `except requests.HTTPError` and its like where the `try` calls functions of `huggingface_hub` or methods of
    `HfApi` that ask the Hub. Handlers that name an error of `huggingface_hub`, `OSError` or `Exception` as well, or in
    a clause of their own, are left alone, and so is a repository that holds a package `transformers` of its own.

    ## Why it breaks

    transformers 5 requires `huggingface_hub` 1 or 2, which no longer use `requests`: errors derive from those of httpx
    (1.x) or httpx2 (2.x), and the handler catches none of them. Measured on 2.4.0:

        >>> issubclass(huggingface_hub.errors.HfHubHTTPError, requests.HTTPError)
        False

    ## Example

        try:
            info = HfApi().model_info(name)
        except requests.exceptions.HTTPError as error:
            print(error.response.status_code)

    becomes

        try:
            info = HfApi().model_info(name)
        except HfHubHTTPError as error:
            print(error.response.status_code)

    ## Fix safety

    Safe for `HTTPError`: `HfHubHTTPError` is what every release raises, and it has a `response` as before. Where the
    `try` calls something else too, the handler gets both. `RequestException`, `ConnectionError` and `Timeout` are left
    to a person: what takes their place depends on the release (`httpx.RequestError`, `httpx2.RequestError`).

    ## References

    - https://huggingface.co/docs/huggingface_hub/concepts/migration
    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide says `httpx.HTTPError`:
      huggingface_hub 2.x, which 5.18 and newer take, does not even install httpx)
    """

    code = "V5208"
    name = "requests-error-around-hub"
    since = "5.0"
    tokens = (hub.PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if hub.is_of_another(module):
            return
        for statement in module.tree.nodes.get(ast.Try, ()):
            assert isinstance(statement, ast.Try)
            handlers = [each for each in statement.handlers if each.type is not None]
            caught = [
                (each, node, path)
                for each in handlers
                for node in _types(module, each)
                for path in _paths(module, node)
            ]
            wrong = [each for each in caught if each[2].startswith(f"{_REQUESTS}.")]
            if not wrong or any(_is_enough(path) for _, _, path in caught) or len(handlers) < len(statement.handlers):
                continue
            of_hub, of_others = _calls(module, statement)
            if not of_hub or module.guards.is_dead(statement):
                continue
            for handler, node, path in wrong:
                name = path.rpartition(".")[2]
                asked = of_hub[0].name
                said = f"`{asked}` raises no errors of `requests` since huggingface_hub 1.0, and this misses its own"
                is_written = node is handler.type or node in getattr(handler.type, "elts", ())
                fix = None
                if name == "HTTPError" and is_written:
                    fix = _fix(module, handler, node, of_hub[0], alone=not of_others)
                place = node if is_written else handler.type or handler
                yield module.finding(place, f"{said}: catch `{_MODULE}.{_NEW}`", fix=fix)


def _types(view: ModuleView, handler: ast.ExceptHandler) -> list[ast.expr]:
    """The classes that a handler is for, also those of a tuple that has a name."""
    caught = handler.type
    assert caught is not None
    if isinstance(caught, ast.Name):
        named = [each.value for each in view.links.bindings_read(caught) if each.kind == "assign"]
        if len(named) == 1 and isinstance(named[0], ast.Tuple):
            return named[0].elts
    return caught.elts if isinstance(caught, ast.Tuple) else [caught]


def _paths(view: ModuleView, node: ast.expr) -> list[str]:
    return sorted(each.path for each in view.values(node) if isinstance(each, External))


def _is_enough(path: str) -> bool:
    """Whether a class catches what huggingface_hub raises today."""
    package = path.partition(".")[0]
    name = path.rpartition(".")[2]
    if package in (hub.PACKAGE, "httpx", "httpx2"):
        return True
    return package == "builtins" and name in ("OSError", "IOError", "EnvironmentError", "Exception", "BaseException")


def _calls(view: ModuleView, statement: ast.Try) -> tuple[list[CallSite], bool]:
    """The calls of huggingface_hub's functions in a `try`, and whether it calls something else that may raise."""
    found: list[CallSite] = []
    others = False
    for part in statement.body:
        for node in ast.walk(part):
            if isinstance(node, ast.Call):
                callees = CallSite(view, node).callees
                if any(_asks_the_hub(each) for each in callees):
                    found.append(CallSite(view, node))
                elif not all(_is_harmless(each) for each in callees):
                    others = True
    return found, others


def _asks_the_hub(callee: object) -> bool:
    if isinstance(callee, External):
        return callee.package == hub.PACKAGE and callee.name[:1].islower() and callee.name not in _LOCAL
    return (
        isinstance(callee, Method)
        and isinstance(callee.owner, External)
        and callee.owner.path.startswith(f"{hub.PACKAGE}.")
        and callee.owner.name == "HfApi"
    )


def _is_harmless(callee: object) -> bool:
    return isinstance(callee, External) and (callee.package in ("builtins", hub.PACKAGE, "os"))


def _read_here_alone(view: ModuleView, node: ast.expr) -> Binding | None:
    """The import of an error, or of the module that has it, that nothing but a handler names."""
    if isinstance(node, ast.Attribute):
        return api_edits.import_for(view, node)
    bindings = view.links.bindings_read(node) if isinstance(node, ast.Name) else []
    if len(bindings) != 1 or not isinstance(bindings[0].statement, ast.ImportFrom):
        return None
    is_wanted = api_edits.is_handed_on(view, bindings[0]) or len(view.links.uses(bindings[0])) != 1
    return None if is_wanted else bindings[0]


def _fix(view: ModuleView, handler: ast.ExceptHandler, node: ast.expr, of_hub: CallSite, *, alone: bool) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.imports import CannotImportError, ImportEdits

        edits = ImportEdits(view)
        beside = edits.optional_import(of_hub.node)
        if beside is not None and view.tree.parents[handler] in view.tree.ancestors(beside.node):
            raise CannotImportError("what is imported in the `try` is not there yet where its handlers are asked")
        name = edits.use(_MODULE, _NEW, node, read=of_hub.node)
        if alone:
            if (left := _read_here_alone(view, node)) is not None:
                edits.remove(left)
            return [view.replace(node, name), *edits.edits()]
        if isinstance(handler.type, ast.Tuple):
            return [view.replace(node, f"{view.source(node)}, {name}"), *edits.edits()]
        return [view.replace(node, f"({view.source(node)}, {name})"), *edits.edits()]

    return Fix(f"Catch `{_NEW}`", build)

"""Downloads in two steps: `cached_download(hf_hub_url(repo_id, filename))`, which is one call of `hf_hub_download` now.

Not a rule: the rule of names that huggingface_hub lost asks for the fix.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import hub, library
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

NAME = "cached_download"
_URL = "hf_hub_url"
_NEW = "hf_hub_download"

#: What both functions take, beside what the URL is made of.
_SHARED = frozenset({"cache_dir", "force_download", "local_files_only", "token", "library_name", "library_version"})


def one_step(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import with all its calls, or of one attribute; None where a URL comes from somewhere else."""
    reference = lost.reference
    if lost.standing.kind != "live" or reference.how not in ("import", "attribute"):
        return None
    if reference.binding is not None and library.is_handed_on(view, reference.binding):
        return None
    uses = [*view.links.uses(reference.binding)] if reference.binding is not None else [reference.node]
    calls = [_call(view, use) for use in uses]
    pairs = [(call, _url(view, call)) for call in calls if call is not None]
    found = [(call, url) for call, url in pairs if url is not None]
    if not found or len(found) != len(uses):
        return None

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        edits: list[Edit] = []
        if reference.binding is not None:
            bound = imports.rename(reference.binding, _NEW, hub.PACKAGE)
        for binding in _idle(view, [url for _, url in found]):
            imports.remove(binding)
        for call, url in found:
            opened = view.span(url.func)[1] + view.text[view.span(url.func)[1] :].index("(") + 1
            written = bound if reference.binding is not None else _attribute(view, call.func)
            edits.append(Edit(view.span(call)[0], opened, f"{written}("))
            edits.append(_without_parenthesis(view, call, url))
        return [*imports.edits(), *edits]

    return Fix(f"Download with `{_NEW}`", build)


def _without_parenthesis(view: ModuleView, call: ast.Call, url: ast.Call) -> Edit:
    """The edit that joins the arguments of the inner call to those that follow it."""
    _, end = view.span(url)
    start = end - 1
    last = max(view.span(each)[1] for each in (*url.args, *(each.value for each in url.keywords)))
    between = view.text[last:start]
    if "," in between.partition("#")[0] and len(call.args) + len(call.keywords) > 1:
        end = view.text.index(",", end) + 1
    if "#" not in between or view.text[end - 1] == ",":
        start = last + len(between.rstrip())
    return Edit(start, end, "")


def _attribute(view: ModuleView, func: ast.expr) -> str:
    """`huggingface_hub.hf_hub_download` in the place of `huggingface_hub.cached_download`."""
    assert isinstance(func, ast.Attribute)
    return f"{view.source(func.value)}.{_NEW}"


def _call(view: ModuleView, use: ast.AST) -> ast.Call | None:
    """The call of a use that gives the URL and nothing that the new function does not take."""
    call = view.tree.parents[use]
    if not isinstance(call, ast.Call) or call.func is not use or len(call.args) != 1:
        return None
    is_package = not isinstance(use, ast.Attribute) or External(hub.PACKAGE) in view.values(use.value)
    return call if is_package and all(each.arg in _SHARED for each in call.keywords) else None


def _url(view: ModuleView, call: ast.Call) -> ast.Call | None:
    """The call that makes the URL of a file on the Hub."""
    (given,) = call.args
    if not isinstance(given, ast.Call) or any(isinstance(each, ast.Starred) for each in given.args):
        return None
    if any(each.arg is None for each in given.keywords) or not (given.args or given.keywords):
        return None
    made_by = view.values(given.func)
    is_hub = bool(made_by) and all(
        isinstance(each, External) and each.package == hub.PACKAGE and each.name == _URL for each in made_by
    )
    return given if is_hub else None


def _idle(view: ModuleView, urls: list[ast.Call]) -> list[Binding]:
    """The imports of the function that made the URLs, where nothing else uses them."""
    functions = {url.func for url in urls}
    bindings = {
        id(each): each for func in functions if isinstance(func, ast.Name) for each in view.links.bindings_read(func)
    }
    return [
        each
        for each in bindings.values()
        if each.kind == "import" and {*view.links.uses(each)} <= functions and not library.is_handed_on(view, each)
    ]

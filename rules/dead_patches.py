"""V5916: a patch of something that the library no longer has."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.guards import IMPORT_ERRORS, catches
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: Where names are the library's own business: whoever assigns one there wants to change what the library does.
_INNER = "transformers.models."


class DeadPatch(Rule):
    """An assignment that patches a function or class that transformers no longer has.

    ## What it does

    Finds assignments and `setattr` on a module `transformers.models...` where the target release has no such function
    or class any more and an older one had it. Names that are put into `transformers` itself, so that other code finds
    them again, are no patches, and neither are methods that are put back into a class.

    ## Why it breaks

    Python lets anything be assigned: nothing is raised, nothing calls the new function, and the model computes what it
    computes without the patch. Flash attention, longer positions or a changed mask are quietly off:

        transformers.models.llama.modeling_llama._make_causal_mask = mine

    ## Example

        from transformers.models.bart import modeling_bart
        modeling_bart._expand_mask = expand_mask

    has no successor: find what the release calls in its place and patch that, or take the patch out.

    ## Fix safety

    No fix.

    ## References

    - https://huggingface.co/docs/transformers/attention_interface
    """

    code = "V5916"
    name = "dead-patch"
    since = "4.20"
    tokens = ("transformers.models",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for statement in module.tree.nodes.get(ast.Assign, ()):
            assert isinstance(statement, ast.Assign)
            for target in statement.targets if not _takes_away(statement.value) else ():
                if isinstance(target, ast.Attribute) and _may_be_ours(target.value):
                    yield from _check(module, target, target.value, target.attr)
        for call in module.calls({"setattr"}):
            # `monkeypatch.setattr` raises where the name is not there, unless it is told otherwise.
            puts = isinstance(call.func, ast.Name) or call.keyword("raising") is not None
            if puts and len(call.node.args) == 3 and _may_be_ours(call.node.args[0]):
                if _takes_away(call.node.args[2]):
                    continue
                for value in module.values(call.node.args[1]):
                    if isinstance(value, Constant) and isinstance(value.value, str):
                        yield from _check(module, call.node, call.node.args[0], value.value)


def _may_be_ours(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Attribute)) and not (
        isinstance(node, ast.Name) and node.id in ("self", "cls")
    )


def _takes_away(value: ast.expr) -> bool:
    """Whether a patch only switches something off, which is off where it is gone."""
    return isinstance(value, ast.Constant) and not value.value


def _check(view: ModuleView, node: ast.expr, owner: ast.expr, name: str) -> Iterator[Finding]:
    if not view.is_of(owner, "transformers"):
        return
    for value in view.values(owner):
        if not isinstance(value, External) or not value.path.startswith(_INNER) or value.name[:1].isupper():
            continue
        gone = _gone(value.path, name, view)
        if not gone or view.guards.is_dead(node) or view.guards.handled(node) is not None:
            return
        if _is_shim(view, node) or _is_asked_for(view, name) or _is_another_name(view, name):
            return
        message = f"`{value.name}.{name}` is gone, so this patches nothing, and nothing says so"
        yield view.finding(node, message, since=gone)
        return


def _is_shim(view: ModuleView, node: ast.expr) -> bool:
    """Whether a name is put there because an import of another module has missed it: it makes the next try work."""
    return any(
        isinstance(each, ast.ExceptHandler) and catches(each, IMPORT_ERRORS, view) for each in view.tree.ancestors(node)
    )


def _is_asked_for(view: ModuleView, name: str) -> bool:
    """Whether a module asks for the name first, and knows that it may not be there."""
    return any(
        len(call.args) > 1 and Constant(name) in view.values(call.args[1])
        for question in ("hasattr", "getattr")
        for call in view.links.calls_named(question)
        if question == "hasattr" or len(call.args) > 2
    )


def _is_another_name(view: ModuleView, name: str) -> bool:
    """Whether a module gives something that the library has the old name again: for code that still imports it."""
    for statement in view.tree.nodes.get(ast.Assign, ()):
        assert isinstance(statement, ast.Assign)
        named = any(isinstance(each, ast.Attribute) and each.attr == name for each in statement.targets)
        if named and view.is_of(statement.value, "transformers"):
            return True
    return False


def _gone(path: str, name: str, view: ModuleView) -> str:
    """The release in which a name of a module went; "" where it is there or never was."""
    removal = lookup.removed_in(f"{path}.{name}", library.release_text(view.settings.target))
    # Where the module itself is gone its import fails, which is another rule's finding.
    return removal.gone if removal is not None and removal.kind != "module" else ""

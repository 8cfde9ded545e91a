"""V5916: a patch of something that the library no longer has."""

from __future__ import annotations

import ast
import functools
import re

from v5lint.project import bytes_of
from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import library
from v5lint.view.guards import IMPORT_ERRORS, catches
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: Classes that called their methods themselves.
_CALLERS = frozenset({"GenerationMixin", "Trainer", "Seq2SeqTrainer"})

#: What models called to make their masks.
_MASKS = frozenset({"_prepare_decoder_attention_mask", "_update_causal_mask", "_prepare_attn_mask"})

#: Where names are the library's own business: whoever assigns one there wants to change what the library does.
_INNER = "transformers.models."


class DeadPatch(Rule):
    """An assignment that patches a function or class that transformers no longer has.

    ## What it does

    Finds assignments and `setattr` on a module `transformers.models...` where the target release has no such function
    or class any more and an older one had it. Names that are put into `transformers` itself, so that other code finds
    them again, are no patches.

    The same for functions that are put into `GenerationMixin` and `Trainer` in the place of methods that these had
    (`GenerationMixin.sample = mine`, `greedy_search`, `_get_logits_warper`), and into the classes of models where
    they made their masks (`LlamaModel._prepare_decoder_attention_mask = mine`). Methods that the repository calls
    itself are put back, and left alone, and so is a function that is put under the new name as well.

    ## Why it breaks

    Python lets anything be assigned: nothing is raised, nothing calls the new function, and the model computes what it
    computes without the patch. Flash attention, longer positions or a changed mask are quietly off:

        transformers.models.llama.modeling_llama._make_causal_mask = mine

    `generate` calls `_sample` and `_beam_search` since 4.41, with other arguments: a decoding of one's own that is put
    in for `sample` or `greedy_search` is off (measured on 4.57.6 and 5.24.0: the function is not called).

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
    tokens = ("transformers.models", "GenerationMixin", "Trainer.")

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
        if isinstance(value, External) and value.name[:1].isupper():
            gone = _gone_method(view, value.name, name)
            if gone and not _is_alive(view, node, value, name):
                message = f"`{value.name}.{name}` is gone: nothing calls what is put there, and nothing says so"
                yield view.finding(node, message, since=gone)
                return
            continue
        if not isinstance(value, External) or not value.path.startswith(_INNER):
            continue
        gone = _gone(value.path, name, view)
        if not gone or view.guards.is_dead(node) or view.guards.handled(node) is not None:
            return
        if _is_shim(view, node) or _is_asked_for(view, name) or _is_another_name(view, name):
            return
        message = f"`{value.name}.{name}` is gone, so this patches nothing, and nothing says so"
        yield view.finding(node, message, since=gone)
        return


def _gone_method(view: ModuleView, owner: str, name: str) -> str:
    """The release in which a method went that a class called itself; "" where it is there or never was."""
    target = view.settings.target
    if owner in _CALLERS:
        removal = lookup.removed_member(owner, name, target)
        return removal.gone if removal is not None else ""
    since = _masks().get((owner, name), "")
    return since if since and target >= parse_release(since) else ""


@functools.cache
def _masks() -> dict[tuple[str, str], str]:
    """The methods by which models made their masks, each by its class -> the release since which it is gone."""
    return {
        (of, name): since
        for since, attributes, classes in table("lost_attributes")["lost"]
        for name in attributes.split()
        if name in _MASKS
        for of in classes.split()
    }


def _is_alive(view: ModuleView, node: ast.expr, owner: External, name: str) -> bool:
    """Whether a method is called by the repository, or its function is put under another name of the class as well."""
    if view.guards.is_dead(node) or view.guards.handled(node) is not None or _is_asked_for(view, name):
        return True
    around = view.tree.parents[node]
    for other in view.tree.nodes.get(ast.Assign, ()) if isinstance(around, ast.Assign) else ():
        assert isinstance(other, ast.Assign)
        assert isinstance(around, ast.Assign)
        for target in other.targets:
            if isinstance(target, ast.Attribute) and owner in view.values(target.value):
                is_there = not _gone_method(view, owner.name, target.attr)
                if is_there and ast.dump(other.value) == ast.dump(around.value):
                    return True
    called = re.compile(rb"(?:\bself|\bsuper\(\)|\w*model)\." + re.escape(name.encode()) + rb"\s*\(")
    files = view.project.mentioning(name.encode(), view.path)
    own = view.text.encode("utf-8", "surrogatepass")
    return called.search(own) is not None or any(called.search(bytes_of(file)) for file in files)


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

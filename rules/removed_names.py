"""V5101: names that transformers no longer has, and that nothing takes the place of."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    api_edits,
    hub,
    hub_folders,
    language_heads,
    library,
    processor_parts,
    removed_api,
    script_targets,
)
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.rules.parts.standing import standing_of
from v5lint.view.script import ScriptView
from v5lint.view.values import External, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView

#: Names that look like other words at the beginning of a sentence.
_PROPER = frozenset({"Flax", "Keras", "Trainer"})

#: Functions whose calls change nothing in the program, and can go with them.
_IDLE = frozenset({"send_example_telemetry"})

#: Decorators that only asked for torch, which is always there beside a class of v5 that has it.
_IDLE_DECORATORS = frozenset({"torch_required"})

#: What transformers has at its top without saying so: the stand-ins for missing packages bring it along.
_UNLISTED = frozenset({"DummyObject"})

#: The module that was a copy of huggingface_hub before that was a package.
_HUB_MODULE = "transformers.hf_api"

#: What an argument may be made of that goes with its call: evaluating it does nothing.
_PURE = (ast.Name, ast.Attribute, ast.Constant, ast.keyword, ast.expr_context)


class RemovedName(Rule):
    """A name that transformers no longer has.

    ## What it does

    Finds classes, functions and constants, public and private ones, that the target release lacks: imported, read as
    an attribute, asked for by `getattr` or in a string that is resolved. Every name of every module of the releases
    since 3.0 is known; a class that none of them has (a misspelt one, or one of a fork) is named by `--verbose` as not
    followed. Names that moved (V5103) or have a successor (V5104), TensorFlow and Flax (V5105) and a few
    more families have rules of their own.

    In YAML the same is found in paths of transformers that a program looks up: `_target_:` (Hydra), `class_path:`.

    ## Why it breaks

        ImportError: cannot import name 'find_pruneable_heads_and_indices' from 'transformers.pytorch_utils'
        AttributeError: module transformers has no attribute AutoModelWithLMHead

    An import that fails takes the whole module with it, also where the name is hardly ever used.

    ## Example

        from transformers.modeling_utils import find_pruneable_heads_and_indices

    has to be written anew: the message says what the releases' notes advise. Functions that only helped can be copied
    from the last release that had them.

    ## Fix safety

    Safe: an import that nothing uses, neither in the module nor from another one, is removed, and so are the calls of
    `send_example_telemetry`, which only counted the uses of an example, and the decorator `torch_required`, which only
    asked whether torch is installed. `AutoModelWithLMHead` becomes the class that
    loads the same model where the checkpoint's name tells it (unsafe for checkpoints that others fine-tuned, whose name
    is all that is known). Nothing else is changed. Where an `except`, a
    version check or `hasattr` is prepared for the missing name, nothing is reported.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5101"
    name = "removed-name"
    since = "5.0"
    words = removed_api.WORDS
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from script_targets.findings(module, "name", _message)
            return
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "name"):
            fix = rewrites.without(lost) or _without_calls(module, lost) or _without_decorators(module, lost)
            if fix is None and lost.reference.name == language_heads.OLD:
                fix = language_heads.fix(module, lost)
            elif fix is None and lost.reference.name == hub_folders.NAME:
                fix = hub_folders.as_functions(module, [lost.reference])
            yield module.finding(
                lost.reference.node,
                _message(lost),
                fix=fix,
                since=lost.removal.gone,
            )
        yield from _never_there(module)
        yield from _dynamic_names(module)


def _never_there(view: ModuleView) -> Iterator[Unseen]:
    """The classes that no release has: misspelt, of a fork of transformers, or of a release to come."""
    for reference in view.imports(removed_api.PACKAGE):
        module, _, name = reference.path.rpartition(".")
        if reference.how != "import" or module != removed_api.PACKAGE or not name[:1].isupper() or name.isupper():
            continue
        if (
            name in _UNLISTED
            or lookup.resolves(reference.path)
            or removed_api.removed(view, reference.path) is not None
        ):
            continue
        if standing_of(view, reference).kind == "live":
            yield view.unseen(reference.node, f"no release of transformers up to {lookup.newest()} has `{name}`")


def _dynamic_names(view: ModuleView) -> Iterator[Unseen]:
    """Places that ask transformers for a name which is not known; V5001 counts them in files that it looks at."""
    if any(token in view.text for token in processor_parts.TOKENS):
        return
    for call in view.calls({"getattr"}):
        if len(call.args) != 2 or External(removed_api.PACKAGE) not in view.values(call.args[0]):
            continue
        values = view.values(call.args[1])
        if library.origin(values) or any(isinstance(each, Partial) for each in values):
            where = library.origin(values) or "an expression that v5lint cannot follow"
            yield view.unseen(call.node, f"the name that transformers is asked for comes from {where}")


def _without_calls(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix that takes a function out whose calls do nothing for the program; None where it is more than called."""
    binding = lost.reference.binding
    if lost.reference.name not in _IDLE or binding is None or api_edits.is_handed_on(view, binding):
        return None
    statements: list[ast.stmt] = []
    for use in view.links.uses(binding):
        call = view.tree.parents[use]
        statement = view.tree.parents[call]
        if not isinstance(call, ast.Call) or call.func is not use or not isinstance(statement, ast.Expr):
            return None
        if not all(isinstance(each, _PURE) for part in (*call.args, *call.keywords) for each in ast.walk(part)):
            return None
        statements.append(statement)

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits
        from v5lint.edits.statements import delete_statement

        imports = ImportEdits(view)
        imports.remove(binding)
        return [*imports.edits(), *(delete_statement(view, each) for each in statements)]

    return Fix(f"Remove the calls of `{lost.reference.name}`", build)


def _without_decorators(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix that takes a decorator out that did nothing; None where it is more than a decorator, or handed on."""
    binding = lost.reference.binding
    if lost.reference.name not in _IDLE_DECORATORS or binding is None or api_edits.is_handed_on(view, binding):
        return None
    uses = view.links.uses(binding)
    for use in uses:
        parent = view.tree.parents[use]
        if not isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)) or use not in parent.decorator_list:
            return None

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits
        from v5lint.edits.statements import delete_decorator

        imports = ImportEdits(view)
        imports.remove(binding)
        return [*imports.edits(), *(delete_decorator(view, use) for use in uses)]

    return Fix(f"Remove the decorator `{lost.reference.name}`", build)


def _message(lost: Lost) -> str:
    start = f"`{lost.removal.path}` was removed in transformers {lost.removal.gone}"
    if lost.reference.name != lost.removal.path.rpartition(".")[2]:
        start = f"`{lost.reference.path}`: {start}"
    return f"{start}; {advice(lost)}"


def advice(lost: Lost) -> str:
    """What the knowledge says to do, as the end of a sentence."""
    note = (lost.removal.note or _of_the_hub(lost)).rstrip(".")
    if not note:
        return "nothing takes its place"
    return note if _is_spelling(note) else note[0].lower() + note[1:]


def _of_the_hub(lost: Lost) -> str:
    """What is said of a name that went to huggingface_hub, and is gone there as well."""
    replacement = lost.removal.replacement
    went = replacement is not None and replacement.new.startswith(f"{hub.PACKAGE}.")
    if not went and lost.gone_module != _HUB_MODULE:
        return ""
    gone = lookup.removed_in(f"{hub.PACKAGE}.{lost.reference.name}")
    return gone.note if gone is not None else ""


def _is_spelling(note: str) -> bool:
    """Whether a note begins with a name, which keeps its capitals."""
    first = note.split(" ")[0].rstrip(":,.")
    return first != first.capitalize() or "_" in first or "." in first or first in _PROPER

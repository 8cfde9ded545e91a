"""Successors of functions and classes that are called otherwise: an argument more, one less, or by another name.

Not a rule: V5104 and its fixes read it.
"""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import api_edits, removed_api
from v5lint.rules.parts.handed_around import is_handed_around, partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rule import Applicability
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView


class _Successor:
    """What is called in the place of something, and how.

    Attributes:
        path: its dotted path.
        added: an argument that its calls say in addition.
        dropped: a parameter that it does not have, beside what is added.
        renamed: old and new names of parameters, whose places stayed.
        safety: whether it does the same.
        needs: what it reads of what it is given, that its predecessor did without: a word, and what makes it.
    """

    __slots__ = ("added", "dropped", "needs", "path", "renamed", "safety")

    def __init__(
        self,
        path: str,
        added: str = "",
        dropped: str = "",
        renamed: tuple[tuple[str, str], ...] = (),
        safety: Applicability = "unsafe",
        needs: tuple[str, str] = ("", ""),
    ) -> None:
        self.path = path
        self.added = added
        self.dropped = dropped
        self.renamed = renamed
        self.safety: Applicability = safety
        self.needs = needs


_STEPS = (("warmup_steps", "num_warmup_steps"), ("t_total", "num_training_steps"), ("cycles", "num_cycles"))

#: The schedules were classes until 2.2; their formulas, and the places of their arguments, are those of the functions.
_SUCCESSORS = {
    "is_torch_tpu_available": _Successor("transformers.is_torch_xla_available", "check_is_tpu=True", "check_device"),
    # The old one read the words off the tokens; the new one takes them from the offsets.
    "DataCollatorForWholeWordMask": _Successor(
        "transformers.DataCollatorForLanguageModeling",
        "whole_word_mask=True",
        needs=(
            "offset_mapping",
            "`return_offsets_mapping=True` of a fast tokenizer, and a Trainer that keeps the column",
        ),
    ),
    "WarmupLinearSchedule": _Successor(
        "transformers.get_linear_schedule_with_warmup", renamed=_STEPS[:2], safety="safe"
    ),
    "WarmupConstantSchedule": _Successor(
        "transformers.get_constant_schedule_with_warmup", renamed=_STEPS[:1], safety="safe"
    ),
    "WarmupCosineSchedule": _Successor("transformers.get_cosine_schedule_with_warmup", renamed=_STEPS, safety="safe"),
    "WarmupCosineWithHardRestartsSchedule": _Successor(
        "transformers.get_cosine_with_hard_restarts_schedule_with_warmup", renamed=_STEPS, safety="safe"
    ),
    "ConstantLRSchedule": _Successor("transformers.get_constant_schedule", safety="safe"),
}


def need_of(lost: Lost) -> str:
    """What a successor wants to be given in addition; "" for nothing."""
    successor = _SUCCESSORS.get(lost.reference.name)
    return "it wants features with `{}`: {}".format(*successor.needs) if successor and successor.needs[0] else ""


def call_fix(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import with all its uses, or of one attribute; None where the successor cannot stand there."""
    successor = _SUCCESSORS.get(lost.reference.name)
    uses = _uses(view, lost)
    if successor is None or not uses or not all(_can_follow(view, use, successor) for use in uses):
        return None
    binding = lost.reference.binding
    of_values = any(_call_of(view, use) is None and not removed_api.names_a_type(view, use) for use in uses)

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        module, _, name = successor.path.rpartition(".")
        bound = imports.rename(binding, name, module) if binding is not None else imports.use(module, name, uses[0])
        found: list[Edit] = []
        for use in uses:
            call = _call_of(view, use)
            written = bound
            if call is not None:
                found += _argument_edits(view, call, successor)
            elif not removed_api.names_a_type(view, use):
                written = partial(imports, use, bound, [successor.added])
            if view.source(use) != written:
                place = view.name_span(use) if isinstance(use, ast.Name) else view.span(use)
                found.append(Edit(*place, written))
        return [*imports.edits(), *found]

    replacement = lost.removal.replacement
    safety: Applicability = "unsafe" if of_values or lost.standing.kind == "swallowed" else successor.safety
    if successor.needs[0] not in view.text:
        safety = "display"  # calls alone would only move the error to the first batch
    message = f"Call `{successor.path}({successor.added})`" if successor.added else f"Call `{successor.path}`"
    return Fix(message, build, applicability=safety, requires=replacement.since if replacement is not None else "")


def _uses(view: ModuleView, lost: Lost) -> list[ast.expr]:
    reference = lost.reference
    if reference.binding is not None:
        return [] if api_edits.is_handed_on(view, reference.binding) else [*view.links.uses(reference.binding)]
    return [reference.node] if isinstance(reference.node, ast.Attribute) and reference.how == "attribute" else []


def _can_follow(view: ModuleView, use: ast.expr, successor: _Successor) -> bool:
    call = _call_of(view, use)
    if call is None:
        is_class = successor.path.rpartition(".")[2][:1].isupper()
        return is_class and (removed_api.names_a_type(view, use) or is_handed_around(view, use))
    open_ended = any(keyword.arg is None for keyword in call.keywords)
    return not open_ended and not (successor.dropped and call.args)


def _call_of(view: ModuleView, use: ast.expr) -> ast.Call | None:
    """The call in which a use is what is called."""
    parent = view.tree.parents[use]
    return parent if isinstance(parent, ast.Call) and parent.func is use else None


def _argument_edits(view: ModuleView, call: ast.Call, successor: _Successor) -> list[Edit]:
    from v5lint.edits.arguments import edit_arguments

    new = dict(successor.renamed)
    starts = [(view.span(keyword)[0], keyword.arg) for keyword in call.keywords if keyword.arg in new]
    found = [Edit(start, start + len(old), new[old]) for start, old in starts if old is not None]
    own = [keyword for keyword in call.keywords if keyword.arg == successor.dropped]
    if successor.added:
        found.append(edit_arguments(view, call, remove=own, append=[successor.added]))
    return found

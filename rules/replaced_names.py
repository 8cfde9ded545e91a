"""V5104: names that transformers replaced by others."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import api_edits, removed_api
from v5lint.rules.api_edits import Rewrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.removed_api import Lost
    from v5lint.view.module import ModuleView

#: Names whose successor does all that they did, beside what the note says of it.
_ALIKE = frozenset({"LogitsWarper", "isin_mps_friendly"})

#: What a call of the successor says in addition, and what it no longer says.
_CALLS = {
    "is_torch_tpu_available": ("transformers.is_torch_xla_available", "check_is_tpu=True", "check_device"),
    "DataCollatorForWholeWordMask": ("transformers.DataCollatorForLanguageModeling", "whole_word_mask=True", ""),
}


class ReplacedName(Rule):
    """A class, function or constant that has a successor of another name.

    ## What it does

    Finds names that the target release lacks and that have a successor: `AutoModelForVision2Seq`,
    `GreedySearchDecoderOnlyOutput` and the other outputs of generation, `MT5Tokenizer`, `HybridCache`, `LogitsWarper`,
    `is_torch_tpu_available`.

    ## Why it breaks

        ImportError: cannot import name 'AutoModelForVision2Seq' from 'transformers'
        AttributeError: module transformers has no attribute AutoModelForVision2Seq

    ## Example

        from transformers import AutoModelForVision2Seq
        model = AutoModelForVision2Seq.from_pretrained("microsoft/kosmos-2-patch14-224")

    becomes

        from transformers import AutoModelForImageTextToText
        model = AutoModelForImageTextToText.from_pretrained("microsoft/kosmos-2-patch14-224")

    ## Fix safety

    Safe where the successor is the same thing under a new name; it waits until `min-version` has the new name
    (`AutoModelForImageTextToText` came with 4.46). Unsafe where it differs in detail and where an `except` hid the
    failure. Where the call has to be written otherwise, it is only shown.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5104"
    name = "replaced-name"
    since = "5.0"
    words = removed_api.WORDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "replaced"):
            fix = rewrites.without(lost)
            if fix is None and not removed_api.is_of_backend(module):
                fix = _call_fix(module, lost)
                if fix is None and lost.new:
                    fix = rewrites.to_new(lost, _safety(lost))
            yield module.finding(lost.reference.node, _message(lost), fix=fix, since=lost.removal.gone)


def _call_fix(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import whose uses are calls alone, which need an argument more."""
    binding = lost.reference.binding
    new, added, dropped = _CALLS.get(lost.reference.name, ("", "", ""))
    if binding is None or not new or api_edits.is_handed_on(view, binding):
        return None
    uses = view.links.uses(binding)
    calls = [parent for use in uses if isinstance(parent := view.tree.parents[use], ast.Call) and parent.func is use]
    open_ended = any(keyword.arg is None for call in calls for keyword in call.keywords)
    if len(calls) != len(uses) or open_ended or (dropped and any(call.args for call in calls)):
        return None

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        module, _, name = new.rpartition(".")
        bound = imports.rename(binding, name, module)
        found = [*imports.edits(), *(Edit(*view.name_span(use), bound) for use in uses if use.id != bound)]
        for call in calls:
            own = [keyword for keyword in call.keywords if keyword.arg == dropped]
            found.append(edit_arguments(view, call, remove=own, append=[added]))
        return found

    replacement = lost.removal.replacement
    since = replacement.since if replacement is not None else ""
    return Fix(f"Call `{new}({added})`", build, applicability="unsafe", requires=since)


def _safety(lost: Lost) -> Applicability:
    if lost.is_drop_in and lost.standing.kind != "swallowed":
        return "safe"
    if lost.reference.name in _ALIKE:
        return "unsafe"
    return "display" if lost.removal.note and not lost.is_drop_in else "unsafe"


def _message(lost: Lost) -> str:
    replacement = lost.removal.replacement
    assert replacement is not None
    gone = f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}"
    message = f"{gone}; `{replacement.new}` takes its place"
    if lost.removal.note:
        message += f": {lost.removal.note.rstrip('.')}"
    if lost.standing.kind == "swallowed":
        message += f" ({lost.standing.clause} hides the error: the program goes on without it)"
    return message

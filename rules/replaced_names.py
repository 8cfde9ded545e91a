"""V5104: names that transformers replaced by others."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import library, removed_api, script_targets
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.rules.parts.successor_calls import call_fix, need_of
from v5lint.view.script import ScriptView
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView

#: Names whose successor does all that they did, beside what the note says of it.
_ALIKE = frozenset({"LogitsWarper", "isin_mps_friendly"})
_FAST_ARGUMENTS = "FastImageProcessorKwargs"

#: Classes that find a model's class, and how they load it.
_AUTO = "AutoModel"
_LOADERS = frozenset({"from_pretrained", "from_config"})


class ReplacedName(Rule):
    """A class, function or constant that has a successor of another name.

    ## What it does

    Finds names that the target release lacks and that have a successor: `AutoModelForVision2Seq`,
    `GreedySearchDecoderOnlyOutput` and the other outputs of generation, `MT5Tokenizer`, `HybridCache`, `LogitsWarper`,
    `is_torch_tpu_available`.

    In YAML the same is found in paths of transformers that a program looks up: `_target_:` (Hydra), `class_path:`.

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
    (`AutoModelForImageTextToText` came with 4.46). Unsafe for an Auto class that loads with `trust_remote_code=True`: a
    model whose code comes with the checkpoint is found by the name of the class in the checkpoint's `auto_map`
    (`ValueError: Unrecognized configuration class ... for this kind of AutoModel`). Unsafe where it differs in detail
    and where an `except` hid the failure. Where the call is written otherwise (`WarmupLinearSchedule(optimizer,
    warmup_steps=0, t_total=100)` is `get_linear_schedule_with_warmup(optimizer, num_warmup_steps=0,
    num_training_steps=100)`), the import changes with all its calls or not at all; a class that is handed around as a
    value is `partial(New, argument=...)` afterwards, which is unsafe: it is no class.
    `DataCollatorForLanguageModeling(whole_word_mask=True)` takes the words from offsets that its predecessor did
    without (`IndexError: too many indices for array`, measured on 4.57.6 and 5.24.0): where the module does not speak
    of an `offset_mapping`, the calls are shown and not written.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5104"
    name = "replaced-name"
    since = "5.0"
    words = removed_api.WORDS
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from script_targets.findings(module, "replaced", _message)
            return
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "replaced"):
            fix = rewrites.without(lost)
            if fix is None and not removed_api.is_of_backend(module):
                fix = call_fix(module, lost)
                if fix is None and lost.new:
                    fix = rewrites.to_new(lost, _safety(module, lost))
            text = _message(lost)
            if _loads_foreign_code(module, lost):
                text += "; code that a checkpoint brings along is found by the old name, if its `auto_map` has no other"
            yield module.finding(lost.reference.node, text, fix=fix, since=lost.removal.gone)


def _safety(view: ModuleView, lost: Lost) -> Applicability:
    if lost.is_drop_in and lost.standing.kind != "swallowed" and not _loads_foreign_code(view, lost):
        return "safe"
    if lost.reference.name in _ALIKE or lost.reference.name.endswith(_FAST_ARGUMENTS):
        return "unsafe"
    return "display" if lost.removal.note and not lost.is_drop_in else "unsafe"


def _loads_foreign_code(view: ModuleView, lost: Lost) -> bool:
    """Whether an Auto class may load a model with the checkpoint's own code, which says for which class by its name."""
    if not lost.reference.name.startswith(_AUTO):
        return False
    for call in view.calls(_LOADERS):
        if not library.may_bring_code(call) or not isinstance(call.func, ast.Attribute):
            continue
        loaded = view.values(call.func.value)
        known = [each for each in loaded if isinstance(each, External)]
        if len(known) < len(loaded) or any(each.name == lost.reference.name for each in known):
            return True
    return False


def _message(lost: Lost) -> str:
    replacement = lost.removal.replacement
    assert replacement is not None
    gone = f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}"
    message = f"{gone}; `{replacement.new}` takes its place"
    if lost.removal.note:
        message += f": {lost.removal.note.rstrip('.')}"
    if need := need_of(lost):
        message += f"; {need}"
    if lost.standing.kind == "swallowed":
        message += f" ({lost.standing.clause} hides the error: the program goes on without it)"
    return message

"""V5213: names that trl no longer has in the releases that work beside transformers 5."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import trl_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.trl_names import Gone
    from v5lint.view.module import ModuleView


class RemovedTrlName(Rule):
    """A name that `trl` dropped before the releases that work beside transformers 5.

    ## What it does

    Finds what scripts of 4.x import from trl and the newest release lacks: `DataCollatorForCompletionOnlyLM`,
    `ConstantLengthDataset`, `trl.core`, `trl.commands`, `get_kbit_device_map`, `AutoModelForCausalLMWithValueHead`, and
    every other name and module that it has dropped. A project whose requirements keep a release of trl that has the
    name, and that trains beside transformers 5 (0.12 or newer), is left alone, and so are imports in a `try`.

    ## Why it breaks

    Releases of trl before 0.12 do not train beside transformers 5, and the trainers for preferences of those before
    0.29 cannot be imported there. Measured on 5.24 (the first with trl 0.9.6, the second with 0.24.0):

        TypeError: Trainer.__init__() got an unexpected keyword argument 'tokenizer'
        RuntimeError: Failed to import trl.trainer.dpo_trainer ...

    Beside transformers 5 thus a newer trl is installed, without what it has dropped:

        ImportError: cannot import name 'DataCollatorForCompletionOnlyLM' from 'trl'
        ModuleNotFoundError: No module named 'trl.core'

    ## Example

        from trl import DataCollatorForCompletionOnlyLM, SFTTrainer

    has to be written anew, or trl pinned to a release that has the name: 0.12 to 0.19 train with an `SFTTrainer`.

    ## Fix safety

    No fix: what takes the place has another form, or is in `trl.experimental`, which changes from release to release.

    ## References

    - https://github.com/huggingface/trl/releases
    """

    code = "V5213"
    name = "removed-trl-name"
    since = "5.0"
    words = ("trl",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in trl_names.gone(module):
            yield module.finding(each.reference.node, _message(each))


def _message(gone: Gone) -> str:
    path = gone.reference.path
    said = f"`{path}` was removed in trl {gone.since}"
    if gone.path != path:
        said += f", with all of `{gone.path}`"
    if gone.is_needed:
        said += ", and transformers 5 needs 0.12 or newer"
    else:
        said += ", and beside transformers 5 a newer one is installed where the project asks for no older one"
    advice = trl_names.advice(gone.reference.name) or (f"it is `{gone.new}` now" if gone.new else "")
    return f"{said}: {advice}" if advice else said

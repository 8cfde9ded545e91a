"""V5103: names and modules that are found in another place of transformers, or in another package."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import removed_api, script_targets
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView


class MovedName(Rule):
    """A name or module that is found in another place now.

    ## What it does

    Finds names fetched from modules that no longer hold them while another one does: `prune_linear_layer` of
    `transformers.modeling_utils`, `transformers.deepspeed`, paths of 3.x such as `transformers.modeling_bert`.

    In YAML the same is found in paths of transformers that a program looks up: `_target_:` (Hydra), `class_path:`.

    ## Why it breaks

        ImportError: cannot import name 'prune_linear_layer' from 'transformers.modeling_utils'
        ModuleNotFoundError: No module named 'transformers.deepspeed'

    ## Example

        from transformers.modeling_utils import PreTrainedModel, prune_linear_layer

    becomes

        from transformers.modeling_utils import PreTrainedModel
        from transformers.pytorch_utils import prune_linear_layer

    ## Fix safety

    Safe where it is the same object, also for modules of the repository that import the name from here. Unsafe where
    the thing of that name was changed on the way (other parameters, other submodules), where an `except` hid the
    failure, in strings, and where it is another package's that may not be installed (`mamba_ssm`, `flash_attn`: the
    name was None there then). A file of TensorFlow or Flax code (V5105) is not rewritten.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide calls the
      module of BERT's tokenizer in Python `bert_legacy`: it is `transformers.models.bert.tokenization_bert_legacy`)
    """

    code = "V5103"
    name = "moved-name"
    since = "5.0"
    words = removed_api.WORDS
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from script_targets.findings(module, "moved", _moved)
            return
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "moved"):
            swallowed = lost.standing.kind == "swallowed"
            safety: Applicability = "safe" if lost.is_drop_in and not swallowed else "unsafe"
            if lost.removal.note and not lost.is_drop_in:
                safety = "display"
            fix = None if removed_api.is_of_backend(module) else rewrites.to_new(lost, safety)
            message = _moved(lost)
            if swallowed:
                message += f" ({lost.standing.clause} hides the error: the program goes on without it)"
            yield module.finding(lost.reference.node, message, fix=fix, since=lost.removal.gone)


def _moved(lost: Lost) -> str:
    message = f"`{lost.reference.path}` is gone since transformers {lost.removal.gone}: it is `{lost.new}` now"
    if not lost.is_drop_in and lost.removal.note:
        message += f" ({lost.removal.note.rstrip('.')})"
    return message

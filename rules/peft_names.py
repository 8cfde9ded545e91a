"""V5209: names that PEFT no longer has."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import arguments, required_names
from v5lint.rules.parts.api_edits import Rewrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView

_PACKAGE = "peft"


class RemovedPeftName(Rule):
    """A name that `peft` no longer has.

    ## What it does

    Finds `prepare_model_for_int8_training`, `BoneConfig` and every other name that the newest `peft` lacks: imported,
    read as an attribute or asked for with `getattr`. Imports in a `try` that have a fallback which works are left
    alone.

    ## Why it breaks

    transformers 5 works with recent releases of PEFT alone (it refuses to load adapters with an older one), and the
    scripts of 2023 import what went since. Measured on 0.21.2:

        ImportError: cannot import name 'prepare_model_for_int8_training' from 'peft'

    ## Example

        from peft import prepare_model_for_int8_training
        model = prepare_model_for_int8_training(model)

    becomes

        from peft import prepare_model_for_kbit_training
        model = prepare_model_for_kbit_training(model)

    ## Fix safety

    Safe where the successor is the same thing: since PEFT 0.4, `prepare_model_for_int8_training` only called
    `prepare_model_for_kbit_training`. Safe as well where an import that nothing uses is taken out. `BoneConfig` is left
    to a person: `MissConfig` is another method. Unsafe where a name is found in another module, changed on the way.

    ## References

    - https://github.com/huggingface/peft/releases/tag/v0.10.0
    """

    code = "V5209"
    name = "removed-peft-name"
    since = "5.0"
    tokens = (_PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        rewrites = Rewrites(module)
        for lost in required_names.lost(module, _PACKAGE):
            fix = rewrites.without(lost)
            if fix is None and lost.new:
                fix = rewrites.to_new(lost, _safety(lost))
            yield module.finding(lost.reference.node, _message(lost), fix=fix)


def _safety(lost: Lost) -> Applicability:
    if lost.is_drop_in:
        return "safe"
    return "display" if lost.removal.note else "unsafe"


def _message(lost: Lost) -> str:
    removal = lost.removal
    gone = f"`{lost.reference.path}` was removed in PEFT {removal.gone}"
    new = f"write `{lost.new}`" if lost.new else ""
    advice = "; ".join(each for each in (new, arguments.clause(removal.note) if removal.note else "") if each)
    return f"{gone}: {advice}" if advice else gone

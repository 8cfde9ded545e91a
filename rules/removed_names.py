"""V5101: names that transformers no longer has, and that nothing takes the place of."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules import removed_api
from v5lint.rules.api_edits import Rewrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.removed_api import Lost
    from v5lint.view.module import ModuleView

#: Names that look like other words at the beginning of a sentence.
_PROPER = frozenset({"Flax", "Keras", "Trainer"})


class RemovedName(Rule):
    """A name that transformers no longer has.

    ## What it does

    Finds classes, functions and constants, public and private ones, that the target release lacks: imported, read as
    an attribute, asked for by `getattr` or in a string that is resolved. Every name of every module of the releases
    since 3.0 is known. Names that moved (V5103) or have a successor (V5104), TensorFlow and Flax (V5105) and a few
    more families have rules of their own.

    ## Why it breaks

        ImportError: cannot import name 'find_pruneable_heads_and_indices' from 'transformers.pytorch_utils'
        AttributeError: module transformers has no attribute AutoModelWithLMHead

    An import that fails takes the whole module with it, also where the name is hardly ever used.

    ## Example

        from transformers.modeling_utils import find_pruneable_heads_and_indices

    has to be written anew: the message says what the releases' notes advise. Functions that only helped can be copied
    from the last release that had them.

    ## Fix safety

    Safe: an import that nothing uses, neither in the module nor from another one, is removed. Nothing else is changed.
    Where an `except`, a version check or `hasattr` is prepared for the missing name, nothing is reported.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5101"
    name = "removed-name"
    since = "5.0"
    words = removed_api.WORDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "name"):
            yield module.finding(
                lost.reference.node, _message(lost), fix=rewrites.without(lost), since=lost.removal.gone
            )


def _message(lost: Lost) -> str:
    start = f"`{lost.removal.path}` was removed in transformers {lost.removal.gone}"
    if lost.reference.name != lost.removal.path.rpartition(".")[2]:
        start = f"`{lost.reference.path}`: {start}"
    return f"{start}; {advice(lost)}"


def advice(lost: Lost) -> str:
    """What the knowledge says to do, as the end of a sentence."""
    note = lost.removal.note.rstrip(".")
    if not note:
        return "nothing takes its place"
    return note if _is_spelling(note) else note[0].lower() + note[1:]


def _is_spelling(note: str) -> bool:
    """Whether a note begins with a name, which keeps its capitals."""
    first = note.split(" ")[0].rstrip(":,.")
    return first != first.capitalize() or "_" in first or "." in first or first in _PROPER

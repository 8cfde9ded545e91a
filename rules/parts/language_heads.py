"""The Auto class that takes the place of `AutoModelWithLMHead`, which depends on the checkpoint.

Not a rule: V5101 asks for the fix.
"""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import api_edits, checkpoints, library, swaps
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rule import Applicability, Fix
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

OLD = "AutoModelWithLMHead"

#: The first of them that a model type has gave the class of `AutoModelWithLMHead`, for 77 of its 84 types (4.57).
_ORDER = ("AutoModelForSeq2SeqLM", "AutoModelForMaskedLM", "AutoModelForCausalLM")

#: For these it was another one.
_OTHERS = {"megatron-bert": "AutoModelForCausalLM", "reformer": "AutoModelForCausalLM", "whisper": ""}


def fix(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import with all its loads, or of one attribute; None where a checkpoint is not known."""
    reference = lost.reference
    if lost.standing.kind != "live":
        return None
    if reference.binding is not None:
        if api_edits.is_handed_on(view, reference.binding):
            return None
        owners: list[ast.expr] = [*view.links.uses(reference.binding)]
    else:
        owners = [reference.node] if isinstance(reference.node, ast.Attribute) else []
    loads = [call for call in view.calls({"from_pretrained"}) if _owner(call) in owners]
    names = {name for call in loads for name in _checkpoints(call)}
    news = {_successor(name) for name in names}
    if not owners or len(loads) != len(owners) or len(news) != 1 or "" in news:
        return None
    sure = not any(checkpoints.may_be_fine_tuned(name) for name in names)
    safety: Applicability = "safe" if sure else "unsafe"
    return swaps.swap(view, owners, OLD, news.pop(), safety=safety)


def _owner(call: CallSite) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _checkpoints(call: CallSite) -> list[str]:
    """The checkpoints that a call loads; "" where one of them is not known."""
    values = call.values_of(*library.CHECKPOINT)
    known = [value.value if isinstance(value, Constant) and isinstance(value.value, str) else "" for value in values]
    return known or [""]


def _successor(checkpoint: str) -> str:
    """The Auto class that loads a checkpoint now; "" where its name does not tell."""
    model_type = checkpoints.model_type_of(checkpoint)
    facts = lookup.model_type(model_type) if model_type else None
    if facts is None:
        return ""
    return _OTHERS.get(model_type, next((each for each in _ORDER if each in facts.models), ""))

"""V5308: strings that a field of TrainingArguments no longer takes."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules import arguments, library, training_arguments
from v5lint.rules.arguments import Given
from v5lint.rules.knowledge import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.module import ModuleView

_FIELD = "optim"

#: Every optimizer that some release dropped; which ones the target lacks is asked of the knowledge.
CHOICES = ("adamw_hf", "adamw_apex_fused")


class RemovedTrainingChoice(Rule):
    """`TrainingArguments(optim=...)` names an optimizer that is gone.

    ## What it does

    Finds `optim="adamw_hf"` and `optim="adamw_apex_fused"` given to `TrainingArguments` and to the classes that
    inherit from it, by keyword and in dicts that are splatted into the call. In which release each went is read from
    the wheels: 4.50 and 5.8.

    ## Why it breaks

    Measured on 5.23.0:

        ValueError: adamw_hf is not a valid OptimizerNames, please select one of ['adamw_torch', ...

    ## Example

        args = TrainingArguments("out", optim="adamw_hf")

    becomes

        args = TrainingArguments("out", optim="adamw_torch")

    ## Fix safety

    Safe for `adamw_hf`, though not to the last bit: learning rate, betas, `eps` and weight decay go to both from the
    same fields, and torch adds `eps` after the correction of the bias (see V5107 for what that amounts to).
    For `adamw_apex_fused`, whose kernels are another library's, the fix is unsafe. No fix where the value is not
    written in the call or dict itself.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5308"
    name = "removed-training-choice"
    since = "5.0"
    tokens = CHOICES

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        target = library.release_text(module.settings.target)
        gone = {each: removal for each in CHOICES if (removal := lookup.removed_choice(_FIELD, each, target))}
        if not gone:
            return
        first = next(iter(gone.values()))
        for each in arguments.given(module, {_FIELD}, training_arguments.functions, judge=lambda *_: first):
            if isinstance(each, Given):
                yield from _finding(each, gone)


def _finding(given: Given, gone: dict[str, Removal]) -> Iterator[Finding]:
    constants = given.constants or []
    for value in dict.fromkeys(each for each in constants if isinstance(each, str)):
        removal = gone.get(value)
        if removal is not None:
            said = f'{arguments.shown(given)} takes no `{_FIELD}="{value}"` since transformers {removal.gone}'
            message = f"{said}{arguments.advice(removal)}"
            yield given.view.finding(given.node, message, fix=_fix(given, value, removal), since=removal.gone)


def _fix(given: Given, value: str, removal: Removal) -> Fix | None:
    new, node = removal.replacement, given.value
    if new is None or not isinstance(node, ast.Constant) or not given.is_editable:
        return None
    source = given.view.source(node)
    if source.count(value) != 1:
        return None
    level, _ = arguments.safety(given)
    edit = given.view.replace(node, source.replace(value, new.new))
    applicability: Applicability = level if value == "adamw_hf" else "unsafe"
    return Fix(f"Replace `{value}` with `{new.new}`", [edit], applicability=applicability, requires=new.since)

"""V5308: strings that a field of TrainingArguments no longer takes."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, redeclared_fields, training_classes
from v5lint.rules.parts.arguments import Given
from v5lint.rules.parts.training_classes import CLASS
from v5lint.view.values import Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.redeclared_fields import Declared
    from v5lint.view.module import ModuleView

_FIELD = "optim"
_NAMES = "OptimizerNames"

#: Every optimizer that some release dropped; which ones the target lacks is asked of the knowledge.
CHOICES = ("adamw_hf", "adamw_apex_fused")


class RemovedTrainingChoice(Rule):
    """`TrainingArguments(optim=...)` names an optimizer that is gone.

    ## What it does

    Finds `optim="adamw_hf"` and `optim="adamw_apex_fused"` given to `TrainingArguments` and to the classes that
    inherit from it, by keyword and in dicts that are splatted into the call, as the default of a subclass, and
    `OptimizerNames.ADAMW_HF`. In which release each went is read from
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
    written in the call or dict itself, nor in a comparison (`args.optim == OptimizerNames.ADAMW_HF`), whose branch is
    for an optimizer that nobody can ask for any more, and not for the one of the new name.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5308"
    name = "removed-training-choice"
    since = "5.0"
    tokens = (*CHOICES, *(each.upper() for each in CHOICES))

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        target = library.release_text(module.settings.target)
        gone = {each: removal for each in CHOICES if (removal := lookup.removed_choice(_FIELD, each, target))}
        if not gone:
            return
        first = next(iter(gone.values()))
        for each in arguments.given(module, {_FIELD}, training_classes.functions, judge=lambda *_: first):
            if isinstance(each, Given):
                yield from _finding(each, gone)
        for field in redeclared_fields.declared(module, {_FIELD}):
            yield from _default(module, field, gone)
        yield from _members(module, gone)


def _default(view: ModuleView, of: Declared, gone: dict[str, Removal]) -> Iterator[Finding]:
    """The finding about the default that a subclass gives the field."""
    node = of.default
    value = str(node.value) if isinstance(node, ast.Constant) else ""
    removal = gone.get(value)
    if removal is not None and isinstance(node, ast.Constant):
        said = f'`{CLASS}` takes no `{_FIELD}="{value}"` since transformers {removal.gone}'
        fix = _replaced(view, node, value, removal, "safe")
        yield view.finding(node, f"{said}{arguments.advice(removal)}", fix=fix, since=removal.gone)


def _members(view: ModuleView, gone: dict[str, Removal]) -> Iterator[Finding]:
    """The findings about the members of `OptimizerNames` that went with the values."""
    members = {each.upper(): each for each in gone}
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr not in members or view.guards.is_dead(node):
            continue
        for value in view.values(node):
            if isinstance(value, Method) and value.owner.name == _NAMES:
                removal = gone[members[node.attr]]
                message = f"`{_NAMES}` has no `{node.attr}` since transformers {removal.gone}"
                new = removal.replacement
                fix = None
                if new is not None and not _is_compared(view, node):
                    edit = Edit(*view.name_span(node), new.new.upper())
                    level: Applicability = "safe" if node.attr == "ADAMW_HF" else "unsafe"
                    fix = Fix(f"Replace `{node.attr}`", [edit], applicability=level, requires=new.since)
                yield view.finding(node, f"{message}{arguments.advice(removal)}", fix=fix, since=removal.gone)
                break


def _is_compared(view: ModuleView, node: ast.AST) -> bool:
    """Whether a program asks for a member: under its new name the answer would be for another optimizer too."""
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, (ast.Compare, ast.match_case)):
            return not isinstance(child, ast.stmt)
        if isinstance(parent, ast.stmt) or (isinstance(parent, ast.Call) and child is not parent.func):
            return False
        child = parent
    return False


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
    level, _ = arguments.safety(given)
    return _replaced(given.view, node, value, removal, level)


def _replaced(view: ModuleView, node: ast.Constant, value: str, removal: Removal, level: Applicability) -> Fix | None:
    new, source = removal.replacement, view.source(node)
    if new is None or source.count(value) != 1:
        return None
    edit = view.replace(node, source.replace(value, new.new))
    applicability: Applicability = level if value == "adamw_hf" else "unsafe"
    return Fix(f"Replace `{value}` with `{new.new}`", [edit], applicability=applicability, requires=new.since)

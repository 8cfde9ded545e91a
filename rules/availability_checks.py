"""V5108: the checks of frameworks that transformers no longer supports, or always has."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import api_edits, removed_api
from v5lint.rules.parts.api_edits import Rewrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView


class RemovedAvailabilityCheck(Rule):
    """A check like `is_tf_available()` whose answer is always the same since v5, and which is gone.

    ## What it does

    Finds `is_tf_available`, `is_flax_available`, `is_safetensors_available`, `is_torch_sdpa_available` and the other
    checks of frameworks that v5 dropped or demands, imported from transformers or read as an attribute; and the
    constants that compare the version of torch, such as `is_torch_less_than_1_11`. Functions of the same name in other
    packages are kept.

    ## Why it breaks

        ImportError: cannot import name 'is_tf_available' from 'transformers'
        ImportError: cannot import name 'is_safetensors_available' from 'transformers.utils'

    ## Example

        from transformers import is_tf_available, is_torch_available
        backend = "tf" if is_tf_available() else "pt"

    becomes

        from transformers import is_torch_available
        backend = "tf" if False else "pt"

    ## Fix safety

    Each call is replaced by its answer, and the import goes. Safe for what v5 demands (the answer is `True`) and for
    versions of torch. Unsafe for what it dropped: where TensorFlow is installed, v4 said `True`. A check that other
    modules import from here, or that is handed around as a value, is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5108"
    name = "removed-availability-check"
    since = "5.0"
    words = removed_api.WORDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "availability"):
            answer = {**removed_api.ANSWERS, **removed_api.TORCH_ANSWERS}[lost.reference.name]
            message = (
                f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}: "
                f"its answer is always `{answer}`"
            )
            fix = rewrites.without(lost) or _fix(module, lost, answer=answer)
            yield module.finding(lost.reference.node, message, fix=fix, since=lost.removal.gone)


def _fix(view: ModuleView, lost: Lost, *, answer: bool) -> Fix | None:
    binding = lost.reference.binding
    uses: list[ast.expr]
    if binding is not None:
        if api_edits.is_handed_on(view, binding):
            return None
        uses = [*view.links.uses(binding)]
    elif isinstance(lost.reference.node, (ast.Attribute, ast.Name)):
        uses = [lost.reference.node]
    else:
        return None
    is_constant = lost.reference.name in removed_api.TORCH_ANSWERS
    questions: list[ast.AST] = [*uses] if is_constant else [view.tree.parents[use] for use in uses]
    for use, call in zip(uses, questions, strict=True):
        if is_constant:
            continue
        if not isinstance(call, ast.Call) or call.func is not use or not all(map(_is_pure, call.args)) or call.keywords:
            return None

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        if binding is not None:
            imports.remove(binding)
        return [*imports.edits(), *(view.replace(each, str(answer)) for each in questions)]

    safety: Applicability = "safe" if (answer or is_constant) and lost.standing.kind == "live" else "unsafe"
    return Fix(f"Replace the check with `{answer}`", build, applicability=safety)


def _is_pure(node: ast.expr) -> bool:
    """Whether an argument can go with the call: evaluating it does nothing."""
    return all(isinstance(each, (ast.Name, ast.Attribute, ast.Constant, ast.expr_context)) for each in ast.walk(node))

"""V5908: `head_mask` given to a model. V5911: `return_all_scores` given to a pipeline."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import models, origins
from v5lint.view.values import Constant, External, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_MASK = "head_mask"
_ALL = "return_all_scores"


class IgnoredHeadMask(Rule):
    """`head_mask` given to a model, which takes it and does nothing with it.

    ## What it does

    Finds `head_mask=` in calls of models of transformers whose `forward` has no such parameter any more, of the base
    model in one (`model.bert(...)`) as well, and a mask in a dict that is splatted into one. A mask that is only handed
    on, from a parameter that is None unless a caller says otherwise, is none: `forward` methods of models with a head
    of their own do that.

    ## Why it breaks

    Head masking was removed in 5.0. `forward` takes any keyword, so nothing is raised: on a BERT with all heads masked
    the output is that of the unmasked model (measured on 5.23.0; on 4.57.6 it differs). Importance scores of heads,
    and everything that prunes by them, are computed from nothing.

    ## Example

        outputs = bert(input_ids, head_mask=head_mask)

    has no successor: stay with transformers 4, or mask the heads' outputs with a forward hook.

    ## Fix safety

    Taking `head_mask=None` out is safe. Anything else is left to a person.

    ## References

    - https://github.com/huggingface/transformers/pull/41076
    """

    code = "V5908"
    name = "ignored-head-mask"
    since = "5.0"
    tokens = (_MASK,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_MASK}):
            target = call.func.value if call.name == "forward" and isinstance(call.func, ast.Attribute) else call.func
            found = models.of_model_or_base(module, target).found
            if not found or any(_takes_mask(each.name, module) or each.is_own for each in found):
                continue
            if module.guards.is_dead(call.node) or _is_handed_on(module, keyword):
                continue
            is_none = module.values(keyword.value) == {Constant(None)}
            effect = "it can go" if is_none else "every head counts, and nothing is said"
            yield module.finding(
                keyword,
                f"`{found[0].name}` ignores `{_MASK}`: {effect}",
                fix=_without(module, call, keyword, None),
                level="deprecated" if is_none else "breaks",
            )
        yield from _in_dicts(module)


def _in_dicts(view: ModuleView) -> Iterator[Finding]:
    """The same for the entry of a dict that is splatted into the call: `model(**{"head_mask": mask})`."""
    met: set[ast.AST] = set()
    for call in view.calls() if _MASK in view.text else ():
        entry = call.entry(_MASK) if call.splats else None
        if entry is None or entry.node in met or entry.node not in view.tree.parents or entry.value is None:
            continue
        target = call.func.value if call.name == "forward" and isinstance(call.func, ast.Attribute) else call.func
        found = models.of_model_or_base(view, target).found
        if not found or any(_takes_mask(each.name, view) or each.is_own for each in found):
            continue
        values = view.values(entry.value)
        if Constant(None) in values or view.guards.is_dead(call.node) or view.guards.is_dead(entry.node):
            continue  # of a dict that others may take, too, what changes nothing may stay
        met.add(entry.node)
        message = f"`{found[0].name}` ignores `{_MASK}`: every head counts, and nothing is said"
        yield view.finding(entry.node, message)


def _is_handed_on(view: ModuleView, keyword: ast.keyword) -> bool:
    """Whether all that is known of a variable's value is that it is None by default."""
    if isinstance(keyword.value, ast.Constant):
        return False
    values = view.values(keyword.value)
    return Constant(None) in values and all(each == Constant(None) or isinstance(each, Unknown) for each in values)


def _takes_mask(name: str, view: ModuleView) -> bool:
    """Whether a model's `forward` still has the parameter, or is not known to have lost it."""
    function = f"{name}.forward"
    before, after = lookup.parameters(function, "4.57"), lookup.parameters(function, view.settings.target)
    return before is None or after is None or _MASK not in before or _MASK in after


def _without(view: ModuleView, call: CallSite, keyword: ast.keyword, value: object) -> Fix | None:
    if not isinstance(keyword.value, ast.Constant) or keyword.value.value is not value:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, remove=[keyword])]

    return Fix(f"Remove `{keyword.arg}`", edits)


class ReturnAllScores(Rule):
    """`return_all_scores` given to a text-classification pipeline, which ignores it.

    ## What it does

    Finds `return_all_scores=` where a pipeline of transformers is made, and where one is called.

    ## Why it breaks

    Since 5.0 the argument is ignored, and only the best label comes back (measured on 5.23.0):

        [{'label': 'LABEL_1', 'score': 0.502}]

    where 4.57.6 gave a list of all labels for each text. `top_k=None` gives all of them, sorted by their scores.

    ## Example

        classify = pipeline("text-classification", model=name, return_all_scores=True)

    becomes

        classify = pipeline("text-classification", model=name, top_k=None)

    ## Fix safety

    `return_all_scores=False` goes, safely. `True` becomes `top_k=None`, which is unsafe: the labels come in the order
    of their scores, no longer in that of their ids.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/pipelines#transformers.TextClassificationPipeline
    """

    code = "V5911"
    name = "return-all-scores"
    since = "5.0"
    tokens = (_ALL,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_ALL}):
            if not (_makes_pipeline(call) or _calls_pipeline(module, call)) or module.guards.is_dead(call.node):
                continue
            values = module.values(keyword.value)
            fix = _without(module, call, keyword, False) or _top_k(module, call, keyword)
            off = values == {Constant(False)}
            message = f"`{_ALL}` is ignored: " + (
                "it can go" if off else "only the best label comes back; write `top_k=None`"
            )
            yield module.finding(keyword, message, fix=fix, level="deprecated" if off else "breaks")


def _makes_pipeline(call: CallSite) -> bool:
    return any(
        isinstance(each, External)
        and each.package == "transformers"
        and (each.name == "pipeline" or lookup.kind_of(each.name) == "pipeline")
        for each in call.callees
    )


def _calls_pipeline(view: ModuleView, call: CallSite) -> bool:
    return any(_makes_pipeline(each.call) for each in origins.origins(view, call.func).found)


def _top_k(view: ModuleView, call: CallSite, keyword: ast.keyword) -> Fix | None:
    if view.values(keyword.value) != {Constant(True)} or call.keyword("top_k") is not None:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, replace={keyword: "top_k=None"})]

    return Fix("Write `top_k=None`", edits, applicability="unsafe", requires="4.20")

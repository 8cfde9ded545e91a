"""V5107: the optimizers that transformers had of its own."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import api_edits, removed_api
from v5lint.rules.api_edits import Rewrites
from v5lint.rules.handed_around import is_handed_around, partial
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.removed_api import Lost
    from v5lint.view.module import ModuleView

#: The defaults of transformers' AdamW that are other ones in torch, with the place of each argument.
_DEFAULTS = (("eps", 3, "1e-6"), ("weight_decay", 4, "0.0"))

_WRITTEN_OUT = [f"{name}={value}" for name, _, value in _DEFAULTS]

#: Arguments that torch does not take: of the first, only the default can be left out.
_OWN = ("correct_bias", "no_deprecation_warning")

#: How many arguments, given by position, both take.
_POSITIONAL = 5


class RemovedOptimizer(Rule):
    """`AdamW` of transformers, which `torch.optim.AdamW` replaces with other defaults.

    ## What it does

    Finds `AdamW` imported from transformers or `transformers.optimization`, and calls of it.

    ## Why it breaks

        ImportError: cannot import name 'AdamW' from 'transformers'

    ## Example

        from transformers import AdamW
        optimizer = AdamW(model.parameters(), lr=2e-5, correct_bias=True)

    becomes

        from torch.optim import AdamW
        optimizer = AdamW(model.parameters(), lr=2e-5, eps=1e-6, weight_decay=0.0)

    The defaults were `eps=1e-6` and `weight_decay=0.0`; torch's are `1e-8` and `0.01`. Where a call does not say them,
    they are written out: a rename alone would switch weight decay on.

    ## Fix safety

    Safe, though not to the last bit: torch adds `eps` after the correction of the bias. Over 300 steps on
    scikit-learn's digits, the losses of transformers 4.49's class and of torch's with these arguments differ by at most
    0.0001 at a learning rate of 5e-5, and by 0.0005 at 1e-3. Unsafe where the class is handed around as a value, which
    `partial(AdamW, eps=1e-6, weight_decay=0.0)` then is: it is no class, and who calls it may know `correct_bias`.
    `correct_bias=False`, which torch does not have, `**kwargs` and a class inherited from are left to a person.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.50.0
    - https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    code = "V5107"
    name = "removed-optimizer"
    since = "4.50"
    words = removed_api.WORDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "optimizer"):
            message = (
                f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}; `{lost.new}` takes its "
                "place, with other defaults: pass `eps=1e-6` and `weight_decay=0.0` where the call does not say them"
            )
            fix = rewrites.without(lost) or _fix(module, lost)
            yield module.finding(lost.reference.node, message, fix=fix, since=lost.removal.gone)


def _fix(view: ModuleView, lost: Lost) -> Fix | None:
    """The fix of an import with all its calls, or of one attribute."""
    reference = lost.reference
    if removed_api.is_of_backend(view) or lost.standing.kind == "swallowed":
        return None
    if reference.binding is not None:
        if api_edits.is_handed_on(view, reference.binding):
            return None
        uses: list[ast.expr] = [*view.links.uses(reference.binding)]
    elif isinstance(reference.node, (ast.Attribute, ast.Name)):
        uses = [reference.node]
    else:
        return None
    values: list[ast.expr] = []
    for use in uses:
        parent = view.tree.parents[use]
        if isinstance(parent, ast.Call) and parent.func is use:
            if not _can_be_torch(view, parent):
                return None
        elif not removed_api.names_a_type(view, use):
            if not is_handed_around(view, use):
                return None
            values.append(use)

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        module, _, name = lost.new.rpartition(".")
        if reference.binding is not None:
            written = imports.rename(reference.binding, name, module)
        else:
            written = imports.use(module, name, uses[0])
        found: list[Edit] = []
        for use in uses:
            parent = view.tree.parents[use]
            if isinstance(parent, ast.Call) and parent.func is use:
                found += _argument_edits(view, parent)
            here = partial(imports, use, written, _WRITTEN_OUT) if use in values else written
            if view.source(use) != here:
                found.append(Edit(*_place(view, use), here))
        return [*imports.edits(), *found]

    safety: Applicability = "unsafe" if values else "safe"
    return Fix(f"Use `{lost.new}` with the defaults that transformers had", build, applicability=safety)


def _place(view: ModuleView, use: ast.expr) -> tuple[int, int]:
    return view.name_span(use) if isinstance(use, ast.Name) else view.span(use)


def _can_be_torch(view: ModuleView, call: ast.Call) -> bool:
    """Whether torch's optimizer takes what a call gives, once its own arguments are gone."""
    if any(isinstance(each, ast.Starred) for each in call.args) or len(call.args) > _POSITIONAL:
        return False
    if any(keyword.arg is None for keyword in call.keywords):
        return False
    biased = next((keyword.value for keyword in call.keywords if keyword.arg == _OWN[0]), None)
    return biased is None or view.values(biased) == frozenset({Constant(True)})


def _argument_edits(view: ModuleView, call: ast.Call) -> list[Edit]:
    from v5lint.edits.arguments import edit_arguments

    given = {keyword.arg for keyword in call.keywords}
    missing = [f"{name}={value}" for name, place, value in _DEFAULTS if name not in given and place >= len(call.args)]
    own = [keyword for keyword in call.keywords if keyword.arg in _OWN]
    return [edit_arguments(view, call, remove=own, append=missing)] if own or missing else []

"""V5107: the optimizers that transformers had of its own."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import api_edits, removed_api
from v5lint.rules.api_edits import Rewrites
from v5lint.rules.handed_around import is_handed_around, partial
from v5lint.view.values import Constant, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.removed_api import Lost
    from v5lint.view.dicts import Entry
    from v5lint.view.module import ModuleView

#: The defaults of transformers' AdamW that are other ones in torch, with the place of each argument.
_DEFAULTS = (("eps", 3, "1e-6"), ("weight_decay", 4, "0.0"))

_WRITTEN_OUT = [f"{name}={value}" for name, _, value in _DEFAULTS]

#: Arguments that torch does not take: of the first, only the default can be left out.
_OWN = ("correct_bias", "no_deprecation_warning")

_LEVELS: tuple[Applicability, ...] = ("safe", "unsafe", "display")

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
    `partial(AdamW, eps=1e-6, weight_decay=0.0)` then is: it is no class, and who calls it may know `correct_bias`;
    where a call has `**kwargs` of unknown keys, which becomes `**{"eps": 1e-6, "weight_decay": 0.0, **kwargs}`; and
    where a class inherits from it and its `__init__` calls that of the base. `correct_bias=False` is left to a person,
    and the fix that drops it is only shown: torch always corrects the bias, so that the first thousand steps or so are
    smaller than they were, by a factor of up to 6.6.

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
            fix = rewrites.without(lost) or _fix(module, lost)
            yield module.finding(lost.reference.node, _message(lost, fix), fix=fix, since=lost.removal.gone)


def _message(lost: Lost, fix: Fix | None) -> str:
    message = (
        f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}; `{lost.new}` takes its "
        "place, with other defaults: pass `eps=1e-6` and `weight_decay=0.0` where the call does not say them"
    )
    if fix is not None and fix.applicability == "display":
        message += "; it always corrects the bias and has no `correct_bias`: without, the first steps are smaller"
    return message


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
    calls: list[ast.Call] = []
    safeties: list[Applicability] = ["safe"]
    for use in uses:
        call = _call(view, use)
        if call is not None:
            safety = _safety(view, call)
            if safety is None:
                return None
            calls.append(call)
            # of a class that inherits, not all is seen here
            safeties.append("unsafe" if safety == "safe" and call.func is not use else safety)
        elif not removed_api.names_a_type(view, use):
            if not is_handed_around(view, use):
                return None
            values.append(use)
            safeties.append("unsafe")

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        module, _, name = lost.new.rpartition(".")
        if reference.binding is not None:
            written = imports.rename(reference.binding, name, module)
        else:
            written = imports.use(module, name, uses[0])
        found = [edit for call in calls for edit in _argument_edits(view, call)]
        for use in uses:
            here = partial(imports, use, written, _WRITTEN_OUT) if use in values else written
            if view.source(use) != here:
                found.append(Edit(*_place(view, use), here))
        return [*imports.edits(), *found]

    message = f"Use `{lost.new}` with the defaults that transformers had"
    return Fix(message, build, applicability=max(safeties, key=_LEVELS.index))


def _place(view: ModuleView, use: ast.expr) -> tuple[int, int]:
    return view.name_span(use) if isinstance(use, ast.Name) else view.span(use)


def _call(view: ModuleView, use: ast.expr) -> ast.Call | None:
    """The call that makes an optimizer of a class: of the class itself, or of the `__init__` of one that inherits."""
    parent = view.tree.parents[use]
    if isinstance(parent, ast.Call) and parent.func is use:
        return parent
    if not isinstance(parent, ast.ClassDef) or use not in parent.bases or _OWN[0] in view.source(parent):
        return None
    calls = [each for each in ast.walk(parent) if isinstance(each, ast.Call) and _calls_base(each.func)]
    return calls[0] if len(calls) == 1 else None


def _calls_base(func: ast.expr) -> bool:
    """Whether `super().__init__` is what is called."""
    owner = func.value if isinstance(func, ast.Attribute) and func.attr == "__init__" else None
    return isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"


def _safety(view: ModuleView, call: ast.Call) -> Applicability | None:
    """How safely torch's optimizer takes what a call gives, once its own arguments are gone; None where it does not."""
    if len(call.args) > _POSITIONAL:
        return None
    opened = _opened(call)
    biased = next((keyword.value for keyword in call.keywords if keyword.arg == _OWN[0]), None)
    if len(opened) > 1 or any(entry.key in _OWN for each in opened for entry in _entries(view, each)):
        return None
    if biased is not None and view.values(biased) != frozenset({Constant(True)}):
        return "display"
    is_open = opened and not _known_keys(view, opened[0])
    return "unsafe" if is_open or any(isinstance(each, ast.Starred) for each in call.args) else "safe"


def _opened(call: ast.Call) -> list[ast.keyword]:
    """The dicts that a call takes arguments from: `**kwargs`."""
    return [keyword for keyword in call.keywords if keyword.arg is None]


def _known_keys(view: ModuleView, opened: ast.keyword) -> frozenset[str]:
    """The keys of a dict that is written out and never changed; none where they are not known."""
    entries = _entries(view, opened)
    if any(each.how not in ("literal", "keyword") for each in entries):
        return frozenset()
    return frozenset(str(each.key) for each in entries)


def _entries(view: ModuleView, opened: ast.keyword) -> list[Entry]:
    """What is put into a dict that the module makes."""
    values = view.values(opened.value)
    if len(values) != 1:
        return []
    (value,) = values
    return view.dicts.entries(value.node) if isinstance(value, Mapping) and value.view is view else []


def _argument_edits(view: ModuleView, call: ast.Call) -> list[Edit]:
    from v5lint.edits.arguments import edit_arguments

    given = {keyword.arg for keyword in call.keywords}
    opened = _opened(call)
    known = _known_keys(view, opened[0]) if opened else frozenset()
    missing = [(name, value) for name, place, value in _DEFAULTS if name not in given and place >= len(call.args)]
    missing = [(name, value) for name, value in missing if name not in known]
    own = [keyword for keyword in call.keywords if keyword.arg in _OWN]
    if not own and not missing:
        return []
    if opened and not known and missing:
        defaults = ", ".join(f'"{name}": {value}' for name, value in missing)
        merged = f"**{{{defaults}, **{view.source(opened[0].value)}}}"
        return [edit_arguments(view, call, remove=own, replace={opened[0]: merged})]
    return [edit_arguments(view, call, remove=own, append=[f"{name}={value}" for name, value in missing])]

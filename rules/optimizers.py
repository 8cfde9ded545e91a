"""V5107: the optimizers that transformers had of its own."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import api_edits, library, passed_on_optimizers, removed_api, script_targets
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.rules.parts.handed_around import is_handed_around, partial
from v5lint.view.script import ScriptView
from v5lint.view.strings import is_super_call
from v5lint.view.values import Constant, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.dicts import Entry
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

_NAME = "AdamW"
_NEW = "torch.optim.AdamW"

_PASSED_ON = (
    "this is the `AdamW` that another module of the repository gets from transformers, which removed it in 4.50; "
    f"`{_NEW}` takes its place, with other defaults: pass `eps=1e-6` and `weight_decay=0.0` where the call does not "
    "say them"
)

#: The defaults of transformers' AdamW that are other ones in torch, with the place of each argument.
_DEFAULTS = (("eps", 3, "1e-6"), ("weight_decay", 4, "0.0"))

_WRITTEN_OUT = [f"{name}={value}" for name, _, value in _DEFAULTS]

#: Arguments that torch does not take: of the first, only the default can be left out.
_OWN = ("correct_bias", "no_deprecation_warning")

#: torch cannot leave the bias uncorrected.
_UNCORRECTED = "; it always corrects the bias and has no `correct_bias`: with it off, the first steps were larger"

_LEVELS: tuple[Applicability, ...] = ("safe", "unsafe")

#: How many arguments, given by position, both take.
_POSITIONAL = 5


class RemovedOptimizer(Rule):
    """`AdamW` of transformers, which `torch.optim.AdamW` replaces with other defaults.

    ## What it does

    Finds `AdamW` imported from transformers or `transformers.optimization`, and calls of it; also where a module gets
    it from another one of the repository.

    In YAML the same is found in paths of transformers that a program looks up: `_target_:` (Hydra), `class_path:`.

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
    where a call has `**kwargs` of unknown keys, which becomes `**{"eps": 1e-6, "weight_decay": 0.0, **kwargs}`; where
    a class inherits from it and its `__init__` calls that of the base; and where a package's `__init__.py` hands it on
    without naming it in `__all__`, since programs outside of the repository may get it there, too; and where the module
    reads names of its own by strings, with `eval` or `globals()`.
    Unsafe as well is to drop `correct_bias=False`, or a value that is not known, for which torch has nothing: it always
    corrects the bias, so that the first thousand steps or so are smaller than they were, by a factor of up to 6.6. On
    the digits, at a learning rate of 1e-3, 300 steps ended at a loss of 0.84 in the place of 0.39, and 5,000 steps at
    0.35 in the place of 0.36: a short training needs a higher learning rate.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.50.0
    - https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    code = "V5107"
    name = "removed-optimizer"
    since = "4.50"
    words = (_NAME,)
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from script_targets.findings(module, "optimizer", lambda lost: _message(lost, None))
            return
        if removed_api.PACKAGE in module.text:
            rewrites = Rewrites(module)
            for lost in removed_api.lost(module, "optimizer"):
                idle = rewrites.without(lost)
                plan = _plan_of(module, lost) if idle is None else None
                fix = idle if plan is None else _move(module, plan)
                yield module.finding(lost.reference.node, _message(lost, plan), fix=fix, since=lost.removal.gone)
        for binding in passed_on_optimizers.imports(module, _NAME):
            plan = _plan(module, binding, [*module.links.uses(binding)])
            if plan is not None and plan.uses:
                message = _PASSED_ON + _UNCORRECTED if plan.uncorrected else _PASSED_ON
                yield module.finding(binding.node, message, fix=_move(module, plan), since=self.since)


class _Plan:
    """How a name of transformers' AdamW becomes torch's.

    Attributes:
        binding: the import; None for an attribute that is read.
        uses: where it is read.
        calls: the calls that make an optimizer.
        values: the uses that hand the class around.
        safety: how safe that is.
        uncorrected: whether a call may ask that the bias is left uncorrected, which torch cannot do.
    """

    __slots__ = ("binding", "calls", "safety", "uncorrected", "uses", "values")

    def __init__(
        self,
        binding: Binding | None,
        uses: list[ast.expr],
        calls: list[ast.Call],
        values: list[ast.expr],
        safety: Applicability,
        uncorrected: bool = False,
    ) -> None:
        self.binding = binding
        self.uses = uses
        self.calls = calls
        self.values = values
        self.safety: Applicability = safety
        self.uncorrected = uncorrected


def _message(lost: Lost, plan: _Plan | None) -> str:
    message = (
        f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}; `{lost.new}` takes its "
        "place, with other defaults: pass `eps=1e-6` and `weight_decay=0.0` where the call does not say them"
    )
    return message + _UNCORRECTED if plan is not None and plan.uncorrected else message


def _plan_of(view: ModuleView, lost: Lost) -> _Plan | None:
    """What to change of an import with all its calls, or of one attribute."""
    reference = lost.reference
    if removed_api.is_of_backend(view) or lost.standing.kind == "swallowed":
        return None
    if reference.binding is not None:
        return _plan(view, reference.binding, [*view.links.uses(reference.binding)])
    if isinstance(reference.node, (ast.Attribute, ast.Name)):
        return _plan(view, None, [reference.node])
    return None


def _plan(view: ModuleView, binding: Binding | None, uses: list[ast.expr]) -> _Plan | None:
    """What to change; None where it cannot be done in this module, or in those that get the name from it."""
    safeties: list[Applicability] = ["safe"]
    if binding is not None and api_edits.is_handed_on(view, binding):
        takers = passed_on_optimizers.takers(view, binding)
        if takers is None:
            return None
        if passed_on_optimizers.is_public(view) or library.looks_itself_up(view):
            safeties.append("unsafe")
        for other, taken in takers:
            plan = _plan(other, taken, [*other.links.uses(taken)])
            if plan is None or not plan.uses:
                return None
            safeties.append(plan.safety)
    calls: list[ast.Call] = []
    values: list[ast.expr] = []
    for use in uses:
        call = _call(view, use)
        if call is not None:
            safety = _safety(view, call)
            if safety is None:
                return None
            calls.append(call)
            # of a class that inherits, not all is seen here
            safeties.append("unsafe" if call.func is not use else safety)
        elif not removed_api.names_a_type(view, use):
            if not is_handed_around(view, use):
                return None
            values.append(use)
            safeties.append("unsafe")
    uncorrected = any(_is_uncorrected(view, call) for call in calls)
    return _Plan(binding, uses, calls, values, max(safeties, key=_LEVELS.index), uncorrected)


def _move(view: ModuleView, plan: _Plan) -> Fix:
    """The fix that follows a plan."""

    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        module, _, name = _NEW.rpartition(".")
        if plan.binding is not None:
            written = imports.rename(plan.binding, name, module)
        else:
            written = imports.use(module, name, plan.uses[0])
            if (left := api_edits.import_for(view, plan.uses[0])) is not None:
                imports.remove(left)
        found = [edit for call in plan.calls for edit in _argument_edits(view, call)]
        for use in plan.uses:
            here = partial(imports, use, written, _WRITTEN_OUT) if use in plan.values else written
            if view.source(use) != here:
                found.append(Edit(*_place(view, use), here))
        return [*imports.edits(), *found]

    return Fix(f"Use `{_NEW}` with the defaults that transformers had", build, applicability=plan.safety)


def _place(view: ModuleView, use: ast.expr) -> tuple[int, int]:
    return view.name_span(use) if isinstance(use, ast.Name) else view.span(use)


def _call(view: ModuleView, use: ast.expr) -> ast.Call | None:
    """The call that makes an optimizer of a class: of the class itself, or of the `__init__` of one that inherits."""
    parent = view.tree.parents[use]
    if isinstance(parent, ast.Call) and parent.func is use:
        return parent
    if not isinstance(parent, ast.ClassDef) or use not in parent.bases or _OWN[0] in view.source(parent):
        return None
    calls = [each for each in ast.walk(parent) if isinstance(each, ast.Call) and is_super_call(each, "__init__")]
    return calls[0] if len(calls) == 1 else None


def _safety(view: ModuleView, call: ast.Call) -> Applicability | None:
    """How safely torch's optimizer takes what a call gives, once its own arguments are gone; None where it does not."""
    if len(call.args) > _POSITIONAL:
        return None
    opened = _opened(call)
    if len(opened) > 1 or any(entry.key in _OWN for each in opened for entry in _entries(view, each)):
        return None
    if _is_uncorrected(view, call):
        return "unsafe"
    is_open = opened and not _known_keys(view, opened[0])
    return "unsafe" if is_open or any(isinstance(each, ast.Starred) for each in call.args) else "safe"


def _is_uncorrected(view: ModuleView, call: ast.Call) -> bool:
    """Whether a call may say `correct_bias=False`, or a group of parameters, where torch does not look at it."""
    said = next((keyword.value for keyword in call.keywords if keyword.arg == _OWN[0]), None)
    if said is not None:
        return view.values(said) != frozenset({Constant(True)})
    return any(
        isinstance(each, ast.Constant) and each.value == _OWN[0] for each in view.tree.nodes.get(ast.Constant, ())
    )


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

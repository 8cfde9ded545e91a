"""V5310: arguments that the `set_...` methods of TrainingArguments lost, or take at another place."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, training_objects
from v5lint.rules.parts.training_classes import CLASS
from v5lint.view.values import Constant, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_RATIO, _STEPS, _JIT = "warmup_ratio", "warmup_steps", "jit_mode"

#: The arguments that each method lost, and since when.
_LOST = {
    "set_lr_scheduler": {_RATIO: "5.15"},
    "set_evaluate": {_JIT: "5.0"},
    "set_testing": {_JIT: "5.0"},
}

#: The methods whose positional arguments stand for others: from which place on, and since when.
_SHIFTED = {"set_lr_scheduler": (4, "5.0"), "set_dataloader": (7, "5.15")}

_ORDINALS = {4: "fourth", 7: "seventh"}

_ADVICE = {
    _RATIO: f"write `{_STEPS}`, which takes a share as a float since 5.0",
    _JIT: "nothing takes its place",
}


class LostSetterArgument(Rule):
    """An argument that a `set_...` method of `TrainingArguments` no longer takes, or takes at another place.

    ## What it does

    Finds `warmup_ratio=` of `set_lr_scheduler`, `jit_mode=` of `set_evaluate` and `set_testing`, and arguments by
    position which stand for another parameter than under 4.x: the fifth of `set_lr_scheduler`, and those behind the
    seventh of `set_dataloader`.

    ## Why it breaks

    Measured on 5.24.0:

        TypeError: TrainingArguments.set_lr_scheduler() got an unexpected keyword argument 'warmup_ratio'
        TypeError: TrainingArguments.set_evaluate() got an unexpected keyword argument 'jit_mode'
        TypeError: TrainingArguments.set_lr_scheduler() takes from 1 to 5 positional arguments but 6 were given

    `set_dataloader(8, 8, False, 0, True, False, None, True)` raises nothing: what was `auto_find_batch_size` is
    `multiprocessing_context` since 5.15.

    ## Example

        args = TrainingArguments("out").set_lr_scheduler(name="cosine", warmup_ratio=0.1)

    becomes

        args = TrainingArguments("out").set_lr_scheduler(name="cosine", warmup_steps=0.1)

    ## Fix safety

    A share that is written down becomes `warmup_steps` where the project supports nothing before 5.0, as 4.x took 0.1
    for a number of steps; safely, where no `warmup_steps` stands beside it. `jit_mode=False` goes, safely. Arguments by
    position get their names, safely, but for the fifth of `set_lr_scheduler`, which is left to a person.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments.set_lr_scheduler
    """

    code = "V5310"
    name = "lost-setter-argument"
    since = "5.0"
    tokens = (*_LOST, *_SHIFTED)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({*_LOST, *_SHIFTED}):
            if module.guards.is_dead(call.node) or not _is_of_arguments(module, call):
                continue
            for keyword in call.node.keywords:
                since = _LOST.get(call.name, {}).get(keyword.arg or "", "")
                if since:
                    said = f"`{call.name}` takes no `{keyword.arg}` since transformers {since}: {_ADVICE[keyword.arg]}"  # type: ignore[index]
                    yield module.finding(keyword, said, fix=_without(module, call, keyword), since=since)
            yield from _shifted(module, call)


def _is_of_arguments(view: ModuleView, call: CallSite) -> bool:
    """Whether the method is that of TrainingArguments; each gives the object back, so that they are chained."""
    if not isinstance(call.func, ast.Attribute):
        return False
    holder = _first_of_chain(view, call.func.value)
    classes = view.classes_of(holder)
    if not classes:
        return training_objects.is_handed_arguments(view, holder)
    return all(
        training_objects.is_a(view, of, CLASS)
        and not (isinstance(of, LocalClass) and arguments.declares(of, call.name))
        for of in classes
    )


def _first_of_chain(view: ModuleView, holder: ast.expr) -> ast.expr:
    """What the first setter of a chain is called on: `args` of `args.set_training(8).set_save("no")`."""
    met: set[ast.AST] = set()
    while (made := view.links.defining_call(holder)) is not None and made not in met:
        met.add(made)
        if not isinstance(made.func, ast.Attribute) or not made.func.attr.startswith("set_"):
            break
        holder = made.func.value
    return holder


def _without(view: ModuleView, call: CallSite, keyword: ast.keyword) -> Fix | None:
    """The argument renamed, where it is a share that is written down, or taken out where it asks for nothing."""
    values = view.values(keyword.value)
    if not values or not all(isinstance(each, Constant) for each in values):
        return None
    given = [each.value for each in values if isinstance(each, Constant)]
    if keyword.arg == _JIT:
        if any(each is not False for each in given):
            return None

        def taken_out() -> list[Edit]:
            from v5lint.edits.arguments import edit_arguments

            return [edit_arguments(view, call.node, remove=[keyword])]

        return Fix(f"Remove `{_JIT}`", taken_out)
    if call.keyword(_STEPS) is not None or call.is_open or len(call.node.args) > 3:
        return None
    if not all(isinstance(each, float) and 0 <= each < 1 for each in given):
        return None

    def renamed() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, replace={keyword: f"{_STEPS}={view.source(keyword.value)}"})]

    return Fix(f"Write `{_STEPS}`", renamed, requires="5.0")


def _shifted(view: ModuleView, call: CallSite) -> Iterator[Finding]:
    """Arguments by position that stand for another parameter under the target release."""
    place, since = _SHIFTED.get(call.name, (0, ""))
    given = call.node.args
    if not since or len(given) <= place or any(isinstance(each, ast.Starred) for each in given):
        return
    before = lookup.parameters(f"{CLASS}.{call.name}", "4.57")
    after = lookup.parameters(f"{CLASS}.{call.name}", view.settings.target)
    if before is None or after is None:
        return
    names = list(before.positional)[place : len(given)]
    if names == list(after.positional)[place : len(given)]:
        return
    fix = None
    kept = set(after.positional[place:])
    if len(names) == len(given) - place and all(name in kept for name in names):

        def edits() -> list[Edit]:
            from v5lint.edits.arguments import edit_arguments

            named = zip(given[place:], names, strict=True)
            return [edit_arguments(view, call.node, replace={n: f"{name}={view.source(n)}" for n, name in named})]

        fix = Fix("Pass it by its name", edits)
    said = f"`{call.name}` takes other arguments behind the {_ORDINALS[place]} since transformers {since}: pass "
    yield view.finding(given[place], f"{said}`{names[0] if names else 'them'}` by name", fix=fix, since=since)

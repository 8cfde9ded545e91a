"""V5910: a Trainer that no longer logs to what is installed."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

_SWITCH = "WANDB_DISABLED"

#: What shows that a program wants a logger: its module is imported, or a variable that only it reads is set.
_SIGNS = {
    "wandb": ("WANDB_PROJECT", "WANDB_LOG_MODEL", "WANDB_WATCH"),
    "mlflow": ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI"),
    "comet_ml": ("COMET_PROJECT_NAME",),
}


class DefaultLoggers(Rule):
    """A Trainer that no longer logs to every logger that is installed.

    ## What it does

    Finds `TrainingArguments` without `report_to` in a program that uses a logger (it imports `wandb`, or sets
    `WANDB_PROJECT`), `report_to=None`, and writes of `WANDB_DISABLED`.

    ## Why it breaks

    `report_to` was "all" by default, everything that is installed, and is "none" since 5.0: the run trains and its
    dashboard stays empty. `None`, which meant all of them, now stops the `Trainer`:

        ValueError: None is not supported, only azure_ml, comet_ml, mlflow, ... are supported.

    `WANDB_DISABLED` is no longer read: beside a `report_to` that names wandb the run is logged after all.

    ## Example

        import wandb
        args = TrainingArguments("out")

    becomes

        import wandb
        args = TrainingArguments("out", report_to="wandb")

    ## Fix safety

    `report_to="all"` in the place of `None` is safe; no fix beside `WANDB_DISABLED`, since "all" would log to wandb
    now, which it did not under 4.x. Naming the logger that the program uses is unsafe: under 4.x others that happen to
    be installed were used, too.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments.report_to
    """

    code = "V5910"
    name = "default-loggers"
    since = "5.0"
    tokens = ("TrainingArguments", _SWITCH)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        logger = next((name for name in _SIGNS if name in module.text.lower() and _is_used(module, name)), "")
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            call = CallSite(module, node)
            if call.name.endswith("Arguments") and _is_arguments(call) and not module.guards.is_dead(node):
                yield from _check(module, call, logger)
        if "transformers" in module.text and _SWITCH in module.text:
            for key in module.environment_keys({_SWITCH}):
                if key.is_written:
                    message = (
                        f'`{_SWITCH}` is no longer read: nothing is logged by default; else write `report_to="none"`'
                    )
                    yield module.finding(key.node, message, level="deprecated")


def _is_used(view: ModuleView, logger: str) -> bool:
    """Whether a module imports a logger for itself, or sets a variable that only this logger reads."""
    for statement in view.tree.nodes.get(ast.Import, ()):
        assert isinstance(statement, ast.Import)
        if any(alias.name == logger for alias in statement.names) and view.links.function_around(statement) is None:
            return view.guards.handled(statement) is None and view.tree.parents[statement] is view.tree.scope.node
    return any(key.is_written for key in view.environment_keys(_SIGNS[logger]))


def _is_arguments(call: CallSite) -> bool:
    for callee in call.callees:
        if isinstance(callee, (External, LocalClass)):
            for name in library.library_classes(call.view, callee):
                if lookup.is_subclass(name, "TrainingArguments"):
                    return not isinstance(callee, LocalClass)
    return False


def _check(view: ModuleView, call: CallSite, logger: str) -> Iterator[Finding]:
    given = call.values_of("report_to")
    keyword = call.keyword("report_to")
    if given == {Constant(None)}:
        is_off = any(key.is_written for key in view.environment_keys({_SWITCH}))
        fix = _fix(view, call, keyword, "all", safe=True) if keyword is not None and not is_off else None
        message = '`report_to=None` makes the `Trainer` raise a ValueError: write `report_to="all"` for what it meant'
        if is_off:
            message += f", or the loggers without wandb, of which `{_SWITCH}` took care"
        yield view.finding(keyword or call.node, message, fix=fix)
    elif not given and logger and not call.is_open:
        message = (
            f'nothing is logged to {logger} any more (`report_to` is "none" by default): write `report_to="{logger}"`'
        )
        yield view.finding(call.node, message, fix=_fix(view, call, None, logger, safe=False))


def _fix(view: ModuleView, call: CallSite, keyword: ast.keyword | None, value: str, *, safe: bool) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        text = f'report_to="{value}"'
        if keyword is not None:
            return [edit_arguments(view, call.node, replace={keyword: text})]
        return [edit_arguments(view, call.node, append=[text])]

    return Fix(f'Write `report_to="{value}"`', edits, applicability="safe" if safe else "unsafe")

"""V5990: training scripts in which nothing checks the fine-tune."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, FixUnavailableError, Rule
from v5lint.rules import models, trainers
from v5lint.view.calls import CallSite
from v5lint.view.values import Elements, External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeGuard

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

_RUNTIME = "v5lint.runtime"
_CALLBACK = "ValidationCallback"
_VALIDATE = "validate"

#: Trainers of trl that inherit from transformers' and take `callbacks`, in every release that was read (0.7 to 1.16).
_OF_TRL = frozenset(
    {"SFTTrainer", "DPOTrainer", "RewardTrainer", "KTOTrainer", "CPOTrainer", "ORPOTrainer", "GRPOTrainer"}
)

#: So many arguments of `Trainer` stand before `callbacks` where they are given by their place (fewer before 5.0).
_BEFORE_CALLBACKS = 8

#: What a trainer does without training, and what it trains with.
_USES = frozenset({"evaluate", "predict"})
_TRAINS = frozenset({"train", "hyperparameter_search"})


class MissingValidation(Rule):
    """A training script that calls no check of `v5lint.runtime`.

    ## What it does

    Finds where a module makes a `Trainer` of transformers (or one that inherits from it, trl's among them), or trains
    a model of transformers in a loop of its own, with or without PEFT, and imports nothing of `v5lint.runtime`. A
    trainer that merely evaluates is no training. Off unless selected: whether a script shall depend on the runtime is
    for its owner to say.

    ## Why it breaks

    The faults of a fine-tune that v5 brought raise nothing: LoRA on half of the layers, a head that is not trained, a
    best checkpoint that is restored in part, a processor of another family. The loss falls all the same. The checks of
    the runtime look at what was trained and stop the run with the fault by name.

    ## Example

        trainer = Trainer(model=model, args=args, train_dataset=train, eval_dataset=test)
        trainer.train()

    becomes

        from v5lint.runtime import ValidationCallback

        trainer = Trainer(
            model=model, args=args, train_dataset=train, eval_dataset=test, callbacks=[ValidationCallback()]
        )
        trainer.train()

    ## Fix safety

    Unsafe: the script needs `v5lint[runtime]` from then on, and stops where a check fails. In a loop of its own,
    `validate(model, trained=True).raise_if_failed()` stands behind the loop.

    ## References

    - docs/runtime.md
    """

    code = "V5990"
    name = "missing-validation"
    tokens = ("Trainer", "backward(")
    default = False

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if any(True for _ in _runtime_imports(module)):
            return
        found = False
        for call in _trainers(module):
            found = True
            message = "nothing checks what this trainer does; give it a `ValidationCallback`"
            yield module.finding(call.node, message, fix=_with_callback(module, call))
        if found:
            return
        for loop, model in _own_loops(module):
            message = f"nothing checks what this loop does; `{_VALIDATE}` the model behind it"
            at = loop.target if isinstance(loop, ast.For) else loop.test
            yield module.finding(at, message, fix=_with_validate(module, loop, model))


def _runtime_imports(view: ModuleView) -> Iterator[str]:
    for kind in (ast.Import, ast.ImportFrom):
        for node in view.tree.nodes.get(kind, ()):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("v5lint"):
                yield node.module or ""
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name.startswith("v5lint"))


def _trainers(view: ModuleView) -> Iterator[CallSite]:
    """The calls that make a trainer, in a module that does not merely evaluate with them."""
    called = {node.func.attr for node in view.tree.nodes.get(ast.Call, ()) if _is_method(node)}
    if called & _USES and not called & _TRAINS:
        return
    yield from (training.call for training in trainers.trainings(view))
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        call = CallSite(view, node)
        if call.name in _OF_TRL and any(isinstance(of, External) and of.package == "trl" for of in call.callees):
            yield call


def _is_method(node: ast.AST) -> TypeGuard[Any]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _with_callback(view: ModuleView, call: CallSite) -> Fix | None:
    own = [each for each in call.callees if isinstance(each, LocalClass)]
    if any(_takes_no_callbacks(each) for each in own) or call.entry("callbacks") is not None:
        return None
    if call.keyword("callbacks") is None and (call.is_open or len(call.args) > _BEFORE_CALLBACKS):
        return None  # they may be given already

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        callback = f"{imports.use(_RUNTIME, _CALLBACK, call.node)}()"
        given = call.keyword("callbacks")
        if given is None:
            edit = edit_arguments(view, call.node, append=[f"callbacks=[{callback}]"])
        else:
            value = f"callbacks={_extended(view, given.value, callback)}"
            edit = edit_arguments(view, call.node, replace={given: value})
        return [edit, *imports.edits()]

    return Fix("Add a `ValidationCallback`", edits, applicability="unsafe")


def _takes_no_callbacks(of: LocalClass) -> bool:
    """Whether a class has a constructor of its own that knows no `callbacks` and hands nothing on."""
    for statement in of.node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            arguments = statement.args
            names = {each.arg for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
            return "callbacks" not in names and arguments.kwarg is None
    return False


def _extended(view: ModuleView, value: ast.expr, callback: str) -> str:
    if isinstance(value, ast.Constant) and value.value is None:
        return f"[{callback}]"
    source = view.source(value)
    if isinstance(value, ast.List):
        if not value.elts:
            if "#" in source:
                raise FixUnavailableError("the list of callbacks holds comments")
            return f"[{callback}]"
        end = view.span(value.elts[-1])[1] - view.span(value)[0]
        while source[end:].lstrip().startswith(")"):
            end = source.index(")", end) + 1  # of an element in brackets
        return f"{source[:end]}, {callback}{source[end:]}"
    values = view.values(value)
    if isinstance(value, (ast.BinOp, ast.ListComp)) or (values and all(isinstance(each, Elements) for each in values)):
        return f"[*{source}, {callback}]" if isinstance(value, ast.Name) else f"[*({source}), {callback}]"
    inner = source if isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.BoolOp)) else f"({source})"
    ending = "" if isinstance(value, ast.BoolOp) and isinstance(value.values[-1], ast.List) else " or []"
    return f"[*({inner}{ending}), {callback}]"


def _own_loops(view: ModuleView) -> Iterator[tuple[ast.For | ast.While, str]]:
    """The outermost loops that train a model of transformers, with the expression of the model.

    A loop trains where it both goes backward and takes a step of an optimiser: a saliency map does the first alone.
    """
    seen: set[ast.AST] = set()
    for node in view.tree.nodes.get(ast.Call, ()):
        if not (_is_method(node) and node.func.attr == "backward"):
            continue
        loops = []
        for parent in view.tree.ancestors(node):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                break
            if isinstance(parent, (ast.For, ast.While)):
                loops.append(parent)
        if loops and loops[-1] not in seen:
            seen.add(loops[-1])
            model = _trained_model(view, loops[-1])
            if model and any(_is_method(each) and each.func.attr == "step" for each in ast.walk(loops[-1])):
                yield loops[-1], model


def _trained_model(view: ModuleView, loop: ast.For | ast.While) -> str:
    """The model of transformers that is called in a loop with gradients; "" where there is none, or more than one."""
    without = {id(node) for each in ast.walk(loop) if _is_without_gradients(each) for node in ast.walk(each)}
    found: dict[str, None] = {}
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and id(node) not in without and _is_model(view, node.func):
            found[view.source(node.func)] = None
    return next(iter(found)) if len(found) == 1 else ""


def _is_without_gradients(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and any(
        isinstance(each, ast.Attribute) and each.attr in ("no_grad", "inference_mode")
        for item in node.items
        for each in ast.walk(item.context_expr)
    )


def _is_model(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression, a name or `self.name`, is a model of transformers, as accelerate's `prepare` leaves it."""
    inner = node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return False
    if models.models(view, node).found:
        return True
    if not isinstance(node, ast.Name):
        return False
    for call in view.calls({"prepare"}):
        for given in call.args:
            if isinstance(given, ast.Name) and given.id == node.id and models.models(view, given).found:
                return True
    return False


def _with_validate(view: ModuleView, loop: ast.For | ast.While, model: str) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits
        from v5lint.edits.statements import end_of_line
        from v5lint.rule import Edit

        imports = ImportEdits(view)
        validate = imports.use(_RUNTIME, _VALIDATE, loop)
        start = view.span(loop)[0]
        indent = view.text[view.offset(loop.lineno, 0) : start]
        if indent.strip():
            raise FixUnavailableError("the loop does not begin its line")
        at = end_of_line(view, loop)
        line = f"\n{indent}{validate}({model}, trained=True).raise_if_failed()"
        return [Edit(at, at, line), *imports.edits()]

    return Fix("Validate the model behind the loop", edits, applicability="unsafe")

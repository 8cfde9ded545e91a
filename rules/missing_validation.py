"""V5990: training scripts in which nothing checks the fine-tune."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, FixUnavailableError, Rule
from v5lint.rules.parts import held_models, loop_data, models, trained_parameters, trainers
from v5lint.view.calls import CallSite
from v5lint.view.values import Elements, External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias, TypeGuard

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

    _Loop: TypeAlias = "ast.For | ast.While"

_RUNTIME = "v5lint.runtime"
_CALLBACK = "ValidationCallback"
_VALIDATE = "validate"

#: Trainers of trl that inherit from transformers' and take `callbacks`, in every release that was read (0.7 to 1.16).
_OF_TRL = frozenset(
    {"SFTTrainer", "DPOTrainer", "RewardTrainer", "KTOTrainer", "CPOTrainer", "ORPOTrainer", "GRPOTrainer"}
)

#: So many arguments of `Trainer` stand before `callbacks` where they are given by their place (fewer before 5.0).
_BEFORE_CALLBACKS = 8

#: Calls from a loop to where it goes backward: a step function, and what that calls.
_DEPTH = 3

#: What a trainer does without training, and what it trains with.
_USES = frozenset({"evaluate", "predict"})
_TRAINS = frozenset({"train", "hyperparameter_search"})


class MissingValidation(Rule):
    """A training script that calls no check of `v5lint.runtime`.

    ## What it does

    Finds where a module makes a `Trainer` of transformers (or one that inherits from it, trl's among them), or trains
    a model of transformers, or a module that holds one, in a loop of its own (what goes backward may be a function that
    the loop calls), with or without PEFT, and imports nothing of `v5lint.runtime`. A trainer that merely evaluates or
    saves is no training, nor is a loop whose optimiser has other parameters than the model's. Off unless selected:
    whether a script shall depend on the runtime is for its owner to say.

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
    `validate(model, trained=True).raise_if_failed()` stands behind the loop, with `train_dataset=` and `eval_dataset=`
    where the loaders are seen that it trains and evaluates with; no fix where the model is only trained under a
    condition.

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
            is_sure = not trained_parameters.is_under_condition(module, loop, model)
            yield module.finding(at, message, fix=_with_validate(module, loop, model) if is_sure else None)


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
    for training in trainers.trainings(view):
        if not _is_told_otherwise(view, training.call):
            yield training.call
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        call = CallSite(view, node)
        if call.name in _OF_TRL and any(isinstance(of, External) and of.package == "trl" for of in call.callees):
            yield call


def _is_told_otherwise(view: ModuleView, call: CallSite) -> bool:
    """Whether all that is done with a trainer is in sight, and it is never told to train."""
    parent = view.tree.parents[call.node]
    if isinstance(parent, ast.Attribute):
        return parent.attr not in _TRAINS
    if not isinstance(parent, ast.Assign) or not all(isinstance(each, ast.Name) for each in parent.targets):
        return False
    if view.links.function_around(parent) is None:
        return False  # a name of the module: another one may tell it
    uses = [
        view.tree.parents[use]
        for target in parent.targets
        for binding in view.links.bindings_at(target)  # type: ignore[arg-type]
        for use in view.links.uses(binding)
    ]
    return bool(uses) and all(isinstance(use, ast.Attribute) and use.attr not in _TRAINS for use in uses)


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


def _own_loops(view: ModuleView) -> Iterator[tuple[_Loop, str]]:
    """The outermost loops that train a model of transformers, with the expression of the model.

    A loop trains where it both goes backward and takes a step of an optimiser: a saliency map does the first alone.
    Either may be done in functions that it calls; a loop that is reached from another one is part of that.
    """
    found: list[tuple[_Loop, str, set[int]]] = []
    for kind in (ast.For, ast.While):
        for loop in view.tree.nodes.get(kind, ()):
            assert isinstance(loop, (ast.For, ast.While))
            if any(isinstance(parent, (ast.For, ast.While)) for parent in _within_function(view, loop)):
                continue
            bodies = _reached(view, loop)
            methods = {node.func.attr for of in (loop, *bodies) for node in ast.walk(of) if _is_method(node)}
            if not {"backward", "step"} <= methods:
                continue
            model = _trained_model(view, loop) or _handed_model(view, loop, bodies)
            if model and not _is_made_in(loop, model) and not trained_parameters.leave_out(view, loop, model):
                found.append((loop, model, {id(body) for body in bodies}))
    covered = set[int]().union(*(reached for _, _, reached in found))
    for loop, model, _ in sorted(found, key=lambda each: each[0].lineno):
        if not any(id(parent) in covered for parent in view.tree.ancestors(loop)):
            yield loop, model


def _within_function(view: ModuleView, node: ast.AST) -> Iterator[ast.AST]:
    """What stands around a node in its own function."""
    for parent in view.tree.ancestors(node):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            return
        yield parent


def _reached(view: ModuleView, loop: _Loop) -> list[ast.FunctionDef]:
    """The functions of this module that are called in a loop, and in them, down to a depth."""
    found: dict[ast.FunctionDef, None] = {}
    level: list[ast.AST] = [loop]
    for _ in range(_DEPTH):
        below: list[ast.AST] = []
        for body in level:
            for node in ast.walk(body):
                for callee in view.values(node.func) if isinstance(node, ast.Call) else ():
                    if not isinstance(callee, LocalFunction) or callee.view is not view:
                        continue
                    if isinstance(callee.node, ast.FunctionDef) and callee.node not in found:
                        found[callee.node] = None
                        below.append(callee.node)
        level = below
    return list(found)


def _is_made_in(loop: _Loop, model: str) -> bool:
    """Whether each round of a loop has a model of its own, so that behind it only the last is there."""
    root = model.partition(".")[0]
    return root != "self" and any(
        isinstance(node, ast.Name) and node.id == root and isinstance(node.ctx, ast.Store) for node in ast.walk(loop)
    )


def _trained_model(view: ModuleView, loop: ast.AST) -> str:
    """The model of transformers that is called in a loop with gradients; "" where there is none, or more than one."""
    found = _called_models(view, loop)
    return next(iter(found)) if len(found) == 1 else ""


def _called_models(view: ModuleView, body: ast.AST) -> dict[str, ast.expr]:
    """The models of transformers that are called in a body with gradients, by their source."""
    without = {id(node) for each in ast.walk(body) if _is_without_gradients(each) for node in ast.walk(each)}
    return {
        view.source(node.func): node.func
        for node in ast.walk(body)
        if isinstance(node, ast.Call) and id(node) not in without and _is_model(view, node.func)
    }


def _handed_model(view: ModuleView, loop: _Loop, bodies: list[ast.FunctionDef]) -> str:
    """The model that functions called in a loop train, as the loop names it; "" where that is not clear.

    It is an argument of theirs, an attribute of the object whose methods they are, or a name of the module.
    """
    called = [_called_models(view, body) for body in bodies]
    if not any(called):
        return ""
    found: dict[str, None] = {}
    for node in ast.walk(loop):
        if not isinstance(node, ast.Call):
            continue
        functions = [each.node for each in view.values(node.func) if isinstance(each, LocalFunction)]
        if not any(function in bodies for function in functions):
            continue
        for given in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(given, (ast.Name, ast.Attribute)) and _is_model(view, given):
                found[view.source(given)] = None
    if found:
        return next(iter(found)) if len(found) == 1 else ""
    around = next((each for each in view.tree.ancestors(loop) if isinstance(each, ast.FunctionDef)), None)
    for body, names in zip(bodies, called, strict=True):
        found.update(dict.fromkeys(source for source in names if _is_same_here(view, source, body, around)))
    return next(iter(found)) if len(found) == 1 else ""


def _is_same_here(view: ModuleView, source: str, body: ast.FunctionDef, around: ast.FunctionDef | None) -> bool:
    """Whether a name of a function, `self.model` or one of the module, stands for the same where it is called."""
    root, _, rest = source.partition(".")
    first = [each.args.args[0].arg if each is not None and each.args.args else "" for each in (body, around)]
    if rest:
        return root == first[0] == first[1] and _is_method_of_one_class(view, body, around)
    arguments = {each.arg for each in ast.walk(body.args) if isinstance(each, ast.arg)}
    return around is None and root not in arguments and not _binds(body, root)


def _is_method_of_one_class(view: ModuleView, one: ast.AST, other: ast.AST | None) -> bool:
    def owner(node: ast.AST) -> ast.AST | None:
        parent = next(iter(view.tree.ancestors(node)), None)
        return parent if isinstance(parent, ast.ClassDef) else None

    return other is not None and owner(one) is not None and owner(one) is owner(other)


def _binds(body: ast.AST, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in ast.walk(body)
    )


def _is_without_gradients(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and any(
        isinstance(each, ast.Attribute) and each.attr in ("no_grad", "inference_mode")
        for item in node.items
        for each in ast.walk(item.context_expr)
    )


def _is_model(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression, a name or `self.name`, is a model of transformers, as accelerate's `prepare` leaves it.

    A module of the repository that holds one counts as well.
    """
    inner = node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return False
    if models.models(view, node).found or held_models.holds(view, node):
        return True
    if not isinstance(node, ast.Name):
        return False
    for call in view.calls({"prepare"}):
        for given in call.args:
            if isinstance(given, ast.Name) and given.id == node.id and models.models(view, given).found:
                return True
    return False


def _with_validate(view: ModuleView, loop: _Loop, model: str) -> Fix:
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
        training, evaluation = loop_data.loaders(view, loop)
        given = [model]
        given += [f"train_dataset={training}"] if training else []
        given += [f"eval_dataset={evaluation}"] if evaluation else []
        line = f"\n{indent}{validate}({', '.join(given)}, trained=True).raise_if_failed()"
        return [Edit(at, at, line), *imports.edits()]

    return Fix("Validate the model behind the loop", edits, applicability="unsafe")

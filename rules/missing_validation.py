"""V5990: training scripts in which nothing checks the fine-tune."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, FixUnavailableError, Rule
from v5lint.rules import models, trainers
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_RUNTIME = "v5lint.runtime"
_CALLBACK = "ValidationCallback"
_VALIDATE = "validate"


class MissingValidation(Rule):
    """A training script that calls no check of `v5lint.runtime`.

    ## What it does

    Finds where a module makes a `Trainer` of transformers (or one that inherits from it), or trains a model of
    transformers in a loop of its own, with or without PEFT, and imports nothing of `v5lint.runtime`. Off unless
    selected: whether a script shall depend on the runtime is for its owner to say.

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
        for training in trainers.trainings(module):
            found = True
            message = "nothing checks what this trainer does; give it a `ValidationCallback`"
            yield module.finding(training.call.node, message, fix=_with_callback(module, training.call))
        if found:
            return
        for loop, model in _own_loops(module):
            message = f"nothing checks what this loop does; `{_VALIDATE}` the model behind it"
            yield module.finding(loop.target, message, fix=_with_validate(module, loop, model))


def _runtime_imports(view: ModuleView) -> Iterator[str]:
    for kind in (ast.Import, ast.ImportFrom):
        for node in view.tree.nodes.get(kind, ()):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("v5lint"):
                yield node.module or ""
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name.startswith("v5lint"))


def _with_callback(view: ModuleView, call: CallSite) -> Fix | None:
    own = [each for each in call.callees if isinstance(each, LocalClass)]
    if any(_takes_no_callbacks(each) for each in own) or call.entry("callbacks") is not None:
        return None

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
        if "#" in source:
            raise FixUnavailableError("the list of callbacks holds comments")
        inner = source[1:-1].strip().rstrip(",")
        return f"[{inner}, {callback}]" if inner else f"[{callback}]"
    return f"[*{source}, {callback}]" if isinstance(value, ast.Name) else f"[*({source}), {callback}]"


def _own_loops(view: ModuleView) -> Iterator[tuple[ast.For, str]]:
    """The outermost loops that train a model of transformers, with the name of the model."""
    seen: set[ast.AST] = set()
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        if not (isinstance(node.func, ast.Attribute) and node.func.attr == "backward"):
            continue
        loops = []
        for parent in view.tree.ancestors(node):
            if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                break
            if isinstance(parent, ast.For):
                loops.append(parent)
        if loops and loops[-1] not in seen:
            seen.add(loops[-1])
            model = _called_model(view, loops[-1])
            if model:
                yield loops[-1], model


def _called_model(view: ModuleView, loop: ast.For) -> str:
    """The name of a model of transformers that is called in a loop; "" where there is none."""
    for node in ast.walk(loop):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and models.models(view, node.func).found:
            return node.func.id
    return ""


def _with_validate(view: ModuleView, loop: ast.For, model: str) -> Fix:
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

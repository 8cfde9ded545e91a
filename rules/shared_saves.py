"""V5933: `_save` of a Trainer subclass, which every process of a distributed run calls now."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import training_objects, trl_trainers
from v5lint.view.strings import is_super, last_name
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_METHOD, _CALLER = "_save", "save_model"

#: What a method writes files with: `model.save(folder)`, `torch.save(...)`, `tokenizer.save_pretrained(folder)`.
_WRITES = pattern(r"save|save_\w+|dump|write_text|write_bytes|writelines|copyfile|copytree")

_MESSAGE = (
    f"the Trainer calls `{_METHOD}` in every process since transformers 5.23, and all of them write the same files: "
    "ask `self.args.should_save` first"
)

#: What tells the processes from each other.
_TELLS = pattern(r"\w*(?:should_save|process_zero|main_process|process_index|rank|world_size)\w*")


class SharedSave(Rule):
    """`_save` of a Trainer subclass that writes files, in every process of a distributed run.

    ## What it does

    Finds `_save` in subclasses of `Trainer`, `Seq2SeqTrainer` and trl's trainers, where it writes files and does not
    ask which process it is in (`self.args.should_save`, `self.is_world_process_zero()`, a rank). One that leaves the
    writing to `super()._save` is left alone, and so is a class with a `save_model` of its own that does not ask the
    Trainer's.

    ## Why it breaks

    Up to 5.22 the Trainer called it in the process that is to save, and in no other one. Since 5.23 `save_model` calls
    it in every process, and the Trainer's own `_save` returns where nothing is to be written. Nothing is raised, as a
    rule: all processes write the same files at the same time, and what is left is of the last one, or of two. Measured
    with two processes, a method that prints its `process_index`, and `trainer.save_model()`:

        0         # 4.57.6
        0 and 1   # 5.24.0

    ## Example

        class MyTrainer(Trainer):
            def _save(self, output_dir=None, state_dict=None):
                self.model.save(output_dir or self.args.output_dir)

    becomes

        class MyTrainer(Trainer):
            def _save(self, output_dir=None, state_dict=None):
                if not self.args.should_save:
                    return
                self.model.save(output_dir or self.args.output_dir)

    ## Fix safety

    Unsafe: a method that gathers the parts of a model from all processes must be run in each of them.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/trainer.py
    """

    code = "V5933"
    name = "shared-save"
    since = "5.23"
    tokens = (f"def {_METHOD}(",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
            method = methods.get(_METHOD)
            if method is None or module.guards.is_dead(method) or not _writes_everywhere(module, method):
                continue
            of = LocalClass(module, node)
            if not training_objects.is_a(module, of, training_objects.TRAINER):
                continue
            caller = methods.get(_CALLER)
            if (caller is not None and not _asks_super(caller)) or any(
                trl_trainers.is_remade(root) for root in module.roots(of)
            ):
                continue
            yield module.finding_at_name(method, _MESSAGE, fix=_fix(module, method))


def _writes_everywhere(view: ModuleView, method: ast.FunctionDef) -> bool:
    """Whether a method writes a file without having asked which process it is in."""
    for statement in method.body:
        if (
            isinstance(statement, ast.If)
            and _tells(statement.test)
            and isinstance(statement.body[-1], (ast.Return, ast.Raise))
        ):
            return False
        for call in ast.walk(statement):
            if isinstance(call, ast.Call) and _writes(call) and not _is_told(view, call, method):
                return True
    return False


def _writes(call: ast.Call) -> bool:
    func = call.func
    if isinstance(func, ast.Attribute) and is_super(func.value):
        return False
    return _WRITES.fullmatch(last_name(func)) is not None


def _is_told(view: ModuleView, node: ast.AST, method: ast.FunctionDef) -> bool:
    """Whether a call stands in a branch that is taken in some of the processes."""
    around = view.tree.parents.get(node)
    while around is not None and around is not method:
        if isinstance(around, (ast.If, ast.IfExp)) and _tells(around.test):
            return True
        if isinstance(around, ast.Call) and any(_tells(each) for each in around.keywords):
            return True  # save_pretrained(..., is_main_process=...)
        around = view.tree.parents.get(around)
    return isinstance(node, ast.Call) and any(_tells(each) for each in node.keywords)


def _tells(node: ast.AST) -> bool:
    names = (
        getattr(each, "attr", "") or getattr(each, "id", "") or getattr(each, "arg", "") for each in ast.walk(node)
    )
    return any(isinstance(name, str) and _TELLS.fullmatch(name) for name in names)


def _asks_super(method: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Attribute) and is_super(each.value) for each in ast.walk(method))


def _fix(view: ModuleView, method: ast.FunctionDef) -> Fix | None:
    """Return at once where nothing is to be saved."""
    body = method.body[1:] if ast.get_docstring(method, clean=False) is not None else method.body
    first = view.span(body[0])[0]
    line = view.text.rfind("\n", 0, first) + 1
    indent = view.text[line:first]
    if indent.strip() or not method.args.args:
        return None
    of = method.args.args[0].arg

    def build() -> list[Edit]:
        from v5lint.edits.slices import newline_of

        end = newline_of(view.text)
        step = indent[method.col_offset :]
        return [Edit(line, line, f"{indent}if not {of}.args.should_save:{end}{indent}{step}return{end}")]

    return Fix("Return where nothing is to be saved", build, applicability="unsafe")

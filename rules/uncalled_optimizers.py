"""V5932: the method of a Trainer subclass that makes optimizer and scheduler, which the Trainer no longer calls."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rule import Rule
from v5lint.rules.parts import training_objects, trl_trainers
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_METHOD = "create_optimizer_and_scheduler"

_MESSAGE = (
    f"the Trainer does not call `{_METHOD}` since transformers 5.1, and trains with the optimizer and the scheduler of "
    "its arguments: override `create_optimizer` and `create_scheduler`"
)

#: What the Trainer's own method does: a subclass that does no more loses nothing.
_SAME = frozenset({"create_optimizer", "create_scheduler", _METHOD})

#: A call of the method that is not the subclass's of the one it replaces: the program calls it itself.
_CALLED = pattern(rb"(super[ \t]*\([\w., \t]*\))?\.create_optimizer_and_scheduler[ \t]*\(")

#: A class of trl that calls the method itself, besides those that became another class.
_CALLS_IT = frozenset({"RLOOTrainer"})


class UncalledOptimizer(Rule):
    """`create_optimizer_and_scheduler` of a Trainer subclass, which the Trainer no longer calls.

    ## What it does

    Finds the method in subclasses of `Trainer`, `Seq2SeqTrainer` and trl's trainers. One that does no more than to call
    `create_optimizer` and `create_scheduler` is left alone, and so is one that the repository calls itself.

    ## Why it breaks

    Up to 5.0 a training run called it (as the wheels say). Since 5.1 the run calls `create_optimizer()` and
    `create_scheduler(num_training_steps=)` one by one, and this method only where somebody asks for it (the error
    messages of 5.24 still advise to override it). Nothing is raised: the model is trained by AdamW with the linear
    schedule of the arguments, and learning rates of one's own, groups of parameters and the scheduler are gone.
    Measured with a method that sets `torch.optim.SGD`:

        >>> type(trainer.optimizer.optimizer).__name__    # after trainer.train()
        'SGD'                                              # 4.57.6
        'AdamW'                                            # 5.24.0

    ## Example

        class MyTrainer(Trainer):
            def create_optimizer_and_scheduler(self, num_training_steps):
                self.optimizer = SGD(self.model.parameters(), lr=0.1)
                self.lr_scheduler = ConstantLR(self.optimizer)

    needs

        class MyTrainer(Trainer):
            def create_optimizer(self, model=None):
                self.optimizer = SGD((model or self.model).parameters(), lr=0.1)
                return self.optimizer

            def create_scheduler(self, num_training_steps, optimizer=None):
                self.lr_scheduler = ConstantLR(self.optimizer)
                return self.lr_scheduler

    which 4.x calls as well. Or give `optimizers=(optimizer, scheduler)` to the Trainer.

    ## Fix safety

    No fix: what belongs to the optimizer and what to the scheduler is for a person to say.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/trainer.py
    """

    code = "V5932"
    name = "uncalled-optimizer"
    since = "5.1"
    tokens = (f"def {_METHOD}",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            for method in node.body:
                if not isinstance(method, ast.FunctionDef) or method.name != _METHOD or _does_the_same(method):
                    continue
                of = LocalClass(module, node)
                if module.guards.is_dead(method) or not training_objects.is_a(module, of, training_objects.TRAINER):
                    continue
                if any(trl_trainers.is_remade(root) or root.name in _CALLS_IT for root in module.roots(of)):
                    continue
                if not _is_called(module):
                    yield module.finding_at_name(method, _MESSAGE)


def _does_the_same(method: ast.FunctionDef) -> bool:
    """Whether a method calls those that the Trainer calls now, and does nothing else."""
    for statement in method.body:
        if isinstance(statement, ast.Pass) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            continue
        value = statement.value if isinstance(statement, (ast.Expr, ast.Return)) else None
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute) or value.func.attr not in _SAME:
            return False
    return True


def _is_called(view: ModuleView) -> bool:
    """Whether a file of the repository calls the method."""
    own = view.text.encode("utf-8", "surrogatepass")
    return _has_call(own) or bool(view.project.noted((_METHOD,), lambda: _callers(view)))


def _callers(view: ModuleView) -> list[str]:
    files = view.project.mentioning(_METHOD.encode(), "")
    return [file for file in files if _has_call(bytes_of(file))]


def _has_call(text: bytes) -> bool:
    return any(found[1] is None for found in _CALLED.finditer(text))

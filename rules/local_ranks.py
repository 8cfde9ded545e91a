"""V5914: `local_rank` of `TrainingArguments`, which is -1 now in a single process."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import trainers
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_RANK = "local_rank"
_PROCESS = "local_process_index"


class LocalRankZero(Rule):
    """`local_rank` of `TrainingArguments` compared with 0.

    ## What it does

    Finds `args.local_rank == 0`, `!= 0`, `if args.local_rank:` and `if not args.local_rank:` where `args` is an object
    of `TrainingArguments`. What holds on both sides is left alone: `in (-1, 0)`, `<= 0`, `== 0 or ... == -1`; and so
    is `== -1` alone, which is right again.

    ## Why it breaks

    In a single process it is 0 under 4.57 and -1 since 5.0 (measured on 4.57.6 and 5.23.0): what only the first
    process should do (saving, printing, logging) is done by none.

    ## Example

        if training_args.local_rank == 0:
            model.save_pretrained("out")

    becomes

        if training_args.local_process_index == 0:
            model.save_pretrained("out")

    ## Fix safety

    Safe: `local_process_index` is 0 in a single process and in the first one of several, under every release.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments.local_process_index
    """

    code = "V5914"
    name = "local-rank-zero"
    since = "5.0"
    tokens = (_RANK,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if "transformers" not in module.text:
            return
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr != _RANK or not isinstance(node.ctx, ast.Load):
                continue
            if not _is_compared(module, node) or module.guards.is_dead(node):
                continue
            if not trainers.is_training_arguments(module, node.value):
                continue
            start, end = module.name_span(node)
            fix = Fix(f"Write `{_PROCESS}`", [Edit(start, end, _PROCESS)])
            message = f"`{_RANK}` is -1 in a single process, no longer 0: write `{_PROCESS}`"
            yield module.finding(node, message, fix=fix)


def _is_compared(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a rank is told apart from 0, and -1 goes another way than 0 does."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Compare) and len(parent.ops) == 1:
        other = parent.comparators[0] if parent.left is node else parent.left
        if isinstance(parent.ops[0], (ast.Eq, ast.NotEq)):
            return view.values(other) == {Constant(0)} and not _is_told_apart(view, parent)
        if isinstance(parent.ops[0], (ast.In, ast.NotIn)):
            alone = Elements((frozenset({Constant(0)}),))
            return view.values(parent.comparators[0]) == {alone}
        return False
    if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
        return True
    return isinstance(parent, (ast.If, ast.IfExp, ast.While)) and parent.test is node


def _is_told_apart(view: ModuleView, compared: ast.Compare) -> bool:
    """Whether -1 is asked for beside: `rank == 0 or rank == -1`."""
    around = view.tree.parents[compared]
    others = around.values if isinstance(around, ast.BoolOp) else []
    return any(
        isinstance(each, ast.Compare)
        and each is not compared
        and "-1" in ast.unparse(each)
        and _RANK in ast.unparse(each)
        for each in others
    )

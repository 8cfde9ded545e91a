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

    Finds `args.local_rank == 0`, `!= 0`, `== -1`, `if args.local_rank:` and `if not args.local_rank:` where `args` is an
    object of `TrainingArguments`. `in (-1, 0)`, `<= 0` and `> 0` hold on both sides and are left alone.

    ## Why it breaks

    In a single process it is 0 under 4.57 and -1 since 5.0 (measured on 4.57.6 and 5.23.0): what only the first process
    should do (saving, printing, logging) is done by none.

    ## Example

        if training_args.local_rank == 0:
            model.save_pretrained("out")

    becomes

        if training_args.local_process_index == 0:
            model.save_pretrained("out")

    ## Fix safety

    Safe for comparisons with 0, and where it is used as a truth value: `local_process_index` is 0 in a single process and
    in the first one of several, under every release. `== -1` has no fix: what it was to tell apart is not in sight.

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
            compared = _compared(module, node)
            if compared is None or module.guards.is_dead(node):
                continue
            if not trainers.is_training_arguments(module, node.value):
                continue
            start, end = module.name_span(node)
            fix = None
            if compared == 0:
                fix = Fix(f"Write `{_PROCESS}`", [Edit(start, end, _PROCESS)])
            message = f"`{_RANK}` is -1 in a single process, no longer 0: write `{_PROCESS}`"
            yield module.finding(node, message, fix=fix)


def _compared(view: ModuleView, node: ast.Attribute) -> int | None:
    """What a rank is compared with: 0 (also as a truth value) or -1; None where both defaults go the same way."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Compare) and len(parent.ops) == 1 and isinstance(parent.ops[0], (ast.Eq, ast.NotEq)):
        other = parent.comparators[0] if parent.left is node else parent.left
        values = view.values(other)
        if values == {Constant(0)}:
            return 0
        return -1 if _is_minus_one(other) else None
    if isinstance(parent, ast.Compare) and len(parent.ops) == 1 and isinstance(parent.ops[0], (ast.In, ast.NotIn)):
        for value in view.values(parent.comparators[0]):
            if isinstance(value, Elements) and value.items == (frozenset({Constant(0)}),):
                return 0
        return None
    if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
        return 0
    if isinstance(parent, (ast.If, ast.IfExp, ast.While)) and parent.test is node:
        return 0
    return None


def _is_minus_one(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and ast.unparse(node.operand) == "1"

"""V5914: `local_rank` of `TrainingArguments`, which is -1 now in a single process."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import trainers, training_objects
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_RANK = "local_rank"
_PROCESS = "local_process_index"
_SAID = f"`{_RANK}` is -1 in a single process, no longer 0"


class LocalRankZero(Rule):
    """`local_rank` of `TrainingArguments` compared with 0.

    ## What it does

    Finds `args.local_rank == 0`, `!= 0`, `if args.local_rank:` and `if not args.local_rank:` where `args` is an object
    of `TrainingArguments`. What holds on both sides is left alone: `in (-1, 0)`, `<= 0`, `== 0 or ... == -1`; and so
    is `== -1` alone, which is right again. Variables that get the rank are followed, `global` ones too.

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

    Safe where the attribute itself is compared; a variable that holds it gets no fix, as it may choose a device, too.
    `local_process_index` is 0 in a single process and in the first one of several, under every release.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments.local_process_index
    """

    code = "V5914"
    name = "local-rank-zero"
    since = "5.0"
    tokens = (_RANK,)
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if not _is_rank(module, node) or module.guards.is_dead(node):
                continue
            if _is_compared(module, node):
                start, end = module.name_span(node)
                fix = Fix(f"Write `{_PROCESS}`", [Edit(start, end, _PROCESS)])
                yield module.finding(node, f"{_SAID}: write `{_PROCESS}`", fix=fix)
            for use in _uses(module, node):
                if _is_compared(module, use) and not module.guards.is_dead(use):
                    message = f"{_SAID}, and `{use.id}` gets it in line {node.lineno}: give it `{_PROCESS}`"
                    yield module.finding(use, message)


def _is_rank(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute reads the rank of training arguments."""
    is_read = node.attr == _RANK and isinstance(node.ctx, ast.Load)
    return is_read and (
        trainers.is_training_arguments(view, node.value) or training_objects.is_handed_arguments(view, node.value)
    )


def _uses(view: ModuleView, node: ast.Attribute) -> list[ast.Name]:
    """The reads of the variable that a rank is given to."""
    parent = view.tree.parents[node]
    if not isinstance(parent, ast.Assign) or parent.value is not node:
        return []
    found: list[ast.Name] = []
    for target in parent.targets:
        for binding in view.links.bindings_at(target) if isinstance(target, ast.Name) else ():
            found += view.links.uses(binding)
    return found


def _is_compared(view: ModuleView, node: ast.Attribute | ast.Name) -> bool:
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

"""V5924: a Trainer that accumulates gradients of a model whose loss it no longer divides."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import trainers
from v5lint.view.strings import last_name
from v5lint.view.values import Constant, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.trainers import Training
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_STEPS = "gradient_accumulation_steps"
_SAYS = "accepts_loss_kwargs"

_ITEMS = "num_items_in_batch"

#: What gives the loss in the place of the model.
_OWN_LOSS = ("compute_loss_func", "training_step(", "def get_batch_samples")

_since: dict[str, str] = {}

#: From the first to before the second, accelerate divides every loss by the steps as well, behind what is logged.
_DIVIDED_ONCE_MORE = ((5, 2), (5, 5, 4))


class AccumulatedLoss(Rule):
    """A Trainer that accumulates gradients of a model whose loss it no longer divides by the steps.

    ## What it does

    Finds trainers that get a model of a known class and `gradient_accumulation_steps` of more than one, where `forward`
    of the class takes `**kwargs` since a release of v5 and its loss is the mean of each batch all the same: the classes
    of BERT and its kin, T5, BART, Whisper, BEiT, Wav2Vec2 for classification, ... (some 400). Models that are told
    `accepts_loss_kwargs`, and code that computes with `num_items_in_batch` itself, are left alone.

    ## Why it breaks

    The Trainer takes `**kwargs` for a sign that a model divides its loss by the number of items in all batches of a
    step, and does not divide it itself. The loss that is logged, and every gradient, is as many times too large as
    there are batches in a step, as if the learning rate were (or the gradient is clipped all the time). Nothing is
    raised. Measured with a step of four batches, on 4.57.6 and 5.24:

        BertForSequenceClassification  loss 1.269 -> 5.072, norm of the gradient 17.8 -> 71.7
        T5ForConditionalGeneration     loss 25.95 -> 103.8, norm of the gradient 1340 -> 5359
        GPT2LMHeadModel                loss 6.381 -> 6.381 (divides it itself)

    From 5.2.0 to 5.5.3 accelerate divides once more, behind the loss that is logged. There the gradient of these models
    is right, and the fix would make it too small (BERT with four batches on 5.4.0: 0.0515 as on 4.57.6, and 0.0129 with
    the fix), so nothing is said where the target is one of these releases. Every other model has gradients that are too
    small there (GPT-2: 0.245, and 0.977 on 4.57.6 and 5.24): take another release.

    ## Example

        args = TrainingArguments("out", gradient_accumulation_steps=4)
        trainer = Trainer(model=model, args=args, train_dataset=train)

    becomes

        args = TrainingArguments("out", gradient_accumulation_steps=4)
        model.accepts_loss_kwargs = False
        trainer = Trainer(model=model, args=args, train_dataset=train)

    ## Fix safety

    Safe: releases before 4.46 do not read the attribute. No fix where the model that is given has no name, or PEFT is
    around it.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/trainer.py
    """

    code = "V5924"
    name = "accumulated-loss"
    since = "5.0"
    tokens = (_STEPS,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if _SAYS in module.text or any(each in module.text for each in _OWN_LOSS) or _divides(module):
            return
        for training in trainers.trainings(module):
            steps = _steps(training)
            found = training.models
            if steps is None or module.guards.is_dead(training.call.node) or not found.found or not found.is_complete:
                continue
            if any(each.is_own or not each.is_sure for each in found.found):
                continue
            since = [_since_of(each.name) for each in found.found]
            if not all(since):
                continue
            newest = max(since, key=parse_release)
            target = module.settings.target
            if target >= parse_release(newest) and not _DIVIDED_ONCE_MORE[0] <= target < _DIVIDED_ONCE_MORE[1]:
                message = (
                    f"the Trainer does not divide the loss of `{found.found[0].name}` by `{_STEPS}` since transformers "
                    f"{newest}: loss and gradients are {steps} times as large; set `{_SAYS} = False` on the model"
                )
                yield module.finding(training.call.node, message, fix=_fix(module, training), since=newest)


def _divides(view: ModuleView) -> bool:
    """Whether a module computes with the number of items, other than handing it on, or divides a loss by the steps."""
    if any(
        isinstance(each, ast.Name) and each.id == _ITEMS and not isinstance(view.tree.parents[each], ast.keyword)
        for each in view.tree.nodes.get(ast.Name, ())
    ):
        return True
    for node in (*view.tree.nodes.get(ast.BinOp, ()), *view.tree.nodes.get(ast.AugAssign, ())):
        assert isinstance(node, (ast.BinOp, ast.AugAssign))
        parts = (node.target, node.value) if isinstance(node, ast.AugAssign) else (node.left, node.right)
        if isinstance(node.op, ast.Div) and last_name(parts[1]) == _STEPS and "loss" in ast.unparse(parts[0]).lower():
            return True
    return False


def _steps(training: Training) -> int | None:
    """How many batches make a step, where it is more than one on every way."""
    found: list[int] = []
    for call in training.arguments:
        values = call.values_of(_STEPS)
        given = [each.value for each in values if isinstance(each, Constant)]
        others = [each for each in values if not isinstance(each, Constant)]
        if not given or any(each != Unknown("command line") for each in others):  # of an option, its default
            return None
        if not all(isinstance(each, int) and each > 1 for each in given):
            return None
        found += given
    return found[0] if found else None


def _fix(view: ModuleView, training: Training) -> Fix | None:
    """Tell the model, in a line before the one that makes the trainer."""
    call: CallSite = training.call
    model = call.argument("model", 0)
    statement = view.tree.statement(call.node)
    start, _end = view.span(statement)
    indent = view.text[view.offset(statement.lineno, 0) : start]
    if any(each.is_adapted for each in training.models.found):
        return None  # it is read of the model in the adapter
    if not isinstance(model, ast.Name) or not isinstance(statement, (ast.Assign, ast.Expr)) or indent.strip():
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.slices import newline_of

        return [Edit(start, start, f"{model.id}.{_SAYS} = False{newline_of(view.text)}{indent}")]

    return Fix(f"Set `{_SAYS}` on the model", edits)


def _since_of(name: str) -> str:
    """The release since which a class is taken for one that divides its loss; "" where it is not."""
    if not _since:
        for release, names in table("scaled_losses").items():
            _since.update(dict.fromkeys(names, release))
    return _since.get(name, "")

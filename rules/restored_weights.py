"""V5901: a Trainer that brings back the head of its best checkpoint and not the encoder."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import library, trainers
from v5lint.rules.parts.reload_losses import loss_of
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.reload_losses import Loss
    from v5lint.rules.parts.trainers import Training
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_BEST = "load_best_model_at_end"
_RESUME = "resume_from_checkpoint"
_CHECKPOINT = "best_model_checkpoint"

#: Names for the model that the fix loads: the first one that the module does not use.
_NAMES = ("best", "best_model", "model_of_best_checkpoint")

#: What wraps a model on some ways through a program.
_ADAPTS = frozenset({"get_peft_model", "inject_adapter_in_model"})

#: Classes whose checkpoints are mostly of the families that lose their encoder.
_LIKELY = frozenset(
    "AutoModelForImageClassification AutoModelForSemanticSegmentation AutoModelForAudioClassification "
    "AutoModelForVideoClassification VisionEncoderDecoderModel VisionTextDualEncoderModel".split()
)


class EncoderNotRestored(Rule):
    """A Trainer that brings back the head of a checkpoint, and leaves the encoder as it was.

    ## What it does

    Finds `load_best_model_at_end=True` and `train(resume_from_checkpoint=...)` where the model is of a family whose
    checkpoints name its layers as 4.x did while the model names them anew: ViT, DeiT, BEiT, Swin, SegFormer, ViT-MAE,
    ViViT and AST since 5.9, DINOv2 since 5.18, Mixtral and most other mixtures of experts since 5.0; TrOCR, and what
    `VisionEncoderDecoderModel` puts together with an encoder of these. Models that PEFT wraps are restored whole, and
    so are BERT, CLIP, SigLIP, ConvNeXt, ResNet, Llama and all others.

    ## Why it breaks

    The Trainer loads the checkpoint with `load_state_dict(strict=False)` and without the renaming that
    `from_pretrained` does. What does not match stays as it is. The only trace is a warning in the log:

        There were missing keys in the checkpoint model loaded: ['vit.layers.0.attention.q_proj.weight', ...

    Measured on 5.23.0 with a small ViT: 8 of 40 tensors come back, and on 5.24.0 with a small TrOCR: the decoder comes
    back, and of the encoder no layer. The "best model" is the best head on the encoder of the last step, and a resumed
    run starts from the encoder that the program loaded at its start.

    ## Example

        args = TrainingArguments("out", eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True)
        trainer = Trainer(model=ViTForImageClassification.from_pretrained(name), args=args, ...)
        trainer.train()

    becomes

        trainer.train()
        if trainer.state.best_model_checkpoint:
            best = type(trainer.model).from_pretrained(trainer.state.best_model_checkpoint)
            trainer.model.load_state_dict(best.state_dict())

    For a resumed run, build the model from the checkpoint: `from_pretrained(checkpoint)`; the Trainer then restores
    optimizer, scheduler and step.

    ## Fix safety

    No fix where some way through the program wraps the model with PEFT. Unsafe: the metrics after training become those
    of the best checkpoint, as under 4.x (measured: 40 of 40 tensors).

    ## References

    - https://github.com/huggingface/transformers/issues/48805
    - https://github.com/huggingface/transformers/pull/48822
    """

    code = "V5901"
    name = "encoder-not-restored"
    since = "5.0"
    tokens = (_BEST, _RESUME)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for training in trainers.trainings(module):
            if module.guards.is_dead(training.call.node):
                continue
            losses = [loss_of(each, module.settings.target) for each in training.models.found if not each.is_adapted]
            known = [each for each in losses if each is not None]
            if known and len(known) == len(training.models.found):
                yield from _best(module, training, known[0])
                yield from _resumed(module, training, known[0])
            elif any(each.name in _LIKELY and not each.is_adapted for each in training.models.found):
                place = _wants_best(training)
                if place is not None:
                    reason = (
                        "the checkpoint that is trained is not known: a ViT, Swin or DINOv2 gets back its head only"
                    )
                    yield module.unseen(place if place in module.tree.parents else training.call.node, reason)


def _wants_best(training: Training) -> ast.AST | None:
    """Where a training asks for the best model at its end."""
    for call in training.arguments:
        if any(isinstance(value, Constant) and value.value is True for value in call.values_of(_BEST)):
            entry = call.entry(_BEST)
            return call.keyword(_BEST) or (entry.node if entry is not None else call.node)
    return None


def _best(view: ModuleView, training: Training, loss: Loss) -> Iterator[Finding]:
    place = _wants_best(training)
    if place is None or _reloads(view):
        return
    node = place if place in view.tree.parents else training.call.node
    message = (
        f"the best checkpoint brings back only {loss.kept} of the {loss.total} tensors of `{loss.name}` "
        "(the log warns of missing keys); the rest keeps the weights of the last step: load it with "
        "`from_pretrained` after training"
    )
    yield view.finding(node, message, fix=_fix(view, training), since=loss.since)


def _resumed(view: ModuleView, training: Training, loss: Loss) -> Iterator[Finding]:
    for call in trainers.train_calls(view, training):
        given = call.argument(_RESUME, 0)
        if given is None or all(isinstance(each, Constant) and not each.value for each in view.values(given)):
            continue
        if _is_loaded_from(view, training, given):
            continue
        message = (
            f"a resumed run gets back only {loss.kept} of the {loss.total} tensors of `{loss.name}` from its "
            "checkpoint (the log warns of missing keys): build the model from the checkpoint with `from_pretrained`"
        )
        yield view.finding(call.keyword(_RESUME) or given, message, since=loss.since)


def _is_loaded_from(view: ModuleView, training: Training, checkpoint: ast.expr) -> bool:
    """Whether the model is built from the checkpoint that the run resumes from."""
    wanted = ast.unparse(checkpoint)
    for model in training.models.found:
        given = model.call.argument("pretrained_model_name_or_path", 0) if model.call is not None else None
        if given is not None and wanted in {
            ast.unparse(each) for each in ast.walk(given) if isinstance(each, ast.expr)
        }:
            return True
    return False


def _reloads(view: ModuleView) -> bool:
    """Whether the module loads the best checkpoint itself."""
    for call in view.calls({"from_pretrained"}):
        if any(isinstance(each, ast.Attribute) and each.attr == _CHECKPOINT for each in ast.walk(call.node)):
            return True
        given = call.argument("pretrained_model_name_or_path", 0)
        for binding in view.links.bindings_read(given) if isinstance(given, ast.Name) else ():
            if binding.value is not None and _CHECKPOINT in ast.unparse(binding.value):
                return True
    return False


def _may_wrap(view: ModuleView, call: CallSite, training: Training) -> bool:
    """Whether PEFT may wrap what is trained: not where it gets, and gives, a variable of another name beside it."""
    trained = training.call.argument("model", 0)
    statement = view.tree.statement(call.node)
    if not isinstance(trained, ast.Name) or not isinstance(statement, ast.Assign) or statement.value is not call.node:
        return True
    names = [*call.args[:1], *statement.targets]
    around = view.links.function_around
    if around(call.node) is not around(training.call.node) or not all(isinstance(each, ast.Name) for each in names):
        return True
    wrapped = {each.id for each in names if isinstance(each, ast.Name)}
    given = {each.id for binding in view.links.bindings_read(trained) for each in _names_in(binding.value)}
    return bool(wrapped & {trained.id, *given})


def _names_in(value: ast.expr | None) -> list[ast.Name]:
    return [each for each in ast.walk(value) if isinstance(each, ast.Name)] if value is not None else []


def _fix(view: ModuleView, training: Training) -> Fix | None:
    """Load the best checkpoint after the one call of `train`."""
    calls = trainers.train_calls(view, training)
    if any(_may_wrap(view, call, training) for call in view.calls(_ADAPTS)):
        return None  # where the model is wrapped, its class loads an adapter
    if len(calls) != 1 or not isinstance(calls[0].func, ast.Attribute):
        return None
    if not isinstance(library.root_of(calls[0].func.value), ast.Name):
        return None  # `Trainer(...).train()`: nobody holds what was trained
    statement = view.tree.statement(calls[0].node)
    start, end = view.span(statement)
    line = view.text[view.offset(statement.lineno, 0) : start]
    rest = view.text[end:].partition("\n")[0]
    if not isinstance(statement, (ast.Expr, ast.Assign)) or line.strip() or (rest.strip() and "#" not in rest[:3]):
        return None
    trainer = view.source(calls[0].func.value)
    if all(view.links.mentions(each) for each in _NAMES):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.slices import newline_of

        step = "\t" if "\t" in line else "    "
        state = f"{trainer}.state.{_CHECKPOINT}"
        name = next(each for each in _NAMES if not view.links.mentions(each))
        lines = [
            f"{line}if {state}:",
            f"{line}{step}{name} = type({trainer}.model).from_pretrained({state})",
            f"{line}{step}{trainer}.model.load_state_dict({name}.state_dict())",
        ]
        place = end + len(rest.rstrip("\r"))
        newline = newline_of(view.text)
        return [Edit(place, place, "".join(newline + each for each in lines))]

    return Fix("Load the best checkpoint with `from_pretrained` after training", edits, applicability="unsafe")

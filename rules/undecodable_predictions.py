"""V5309: predictions that a Seq2SeqTrainer pads with -100, decoded as they are."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, trainers
from v5lint.view.values import Constant, External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.trainers import Training
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_TRAINER, _GENERATES, _METRICS = "Seq2SeqTrainer", "predict_with_generate", "compute_metrics"

#: What sets a length of its own, which then holds for all batches.
_LENGTHS = ("generation_max_length", "generation_config")
_SET = (".generation_config", "config.max_length")

#: What takes a length for one run.
_RUNS, _OF_RUNS = frozenset({"evaluate", "predict"}), ("max_length", "max_new_tokens")

#: The models whose checkpoints say no `max_length`, so that the default of 20 holds.
_TYPES = frozenset({"t5", "mt5", "umt5", "longt5", "switch_transformers"})

_DECODERS = frozenset({"batch_decode", "decode"})
_FIELD, _PADDING = "predictions", "-100"


class UndecodablePredictions(Rule):
    """Predictions of a `Seq2SeqTrainer`, decoded with the -100 that pads them since 5.3.

    ## What it does

    Finds `tokenizer.batch_decode(predictions)` in the `compute_metrics` of a `Seq2SeqTrainer` that generates
    (`predict_with_generate=True`) with a T5, mT5, UMT5, LongT5 or Switch Transformers and says no length
    (`generation_max_length`, a `generation_config`), where nothing replaces -100 in the predictions first.

    ## Why it breaks

    Those checkpoints say no `max_length`. 4.57 generated 20 new tokens for each batch. Since 5.3 the Trainer writes the
    default into `model.generation_config` after the first batch, so that all others are one token shorter, and where
    batches are put together the shorter ones are padded with -100. Measured (T5, two batches): up to 5.2
    the smallest prediction is 0, on 5.3.0, 5.12.0 and 5.24.0 it is -100:

        OverflowError: number too small to fit in target type

    (`piece id is out of range` of tokenizers written in Python.)

    ## Example

        def compute_metrics(eval_pred):
            predictions, labels = eval_pred
            texts = tokenizer.batch_decode(predictions, skip_special_tokens=True)

    becomes

            texts = tokenizer.batch_decode(np.where(predictions != -100, predictions, tokenizer.pad_token_id), ...)

    ## Fix safety

    Safe: under 4.57 there is nothing to replace. No fix where numpy is not imported as a module. To get texts of one
    length for all batches, set `generation_max_length` as well.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/trainer_seq2seq.py
    """

    code = "V5309"
    name = "undecodable-predictions"
    since = "5.3"
    tokens = (_GENERATES,)
    beside = tuple(f".{each}(" for each in sorted(_DECODERS))

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if any(each in module.text for each in _SET):
            return
        if any(call.keyword(name) is not None for call in module.calls(_RUNS) for name in _OF_RUNS):
            return
        done: set[ast.AST] = set()
        for training in trainers.trainings(module):
            if module.guards.is_dead(training.call.node) or not _is_asked_about(training):
                continue
            given = training.call.argument(_METRICS)
            for value in module.values(given) if given is not None else ():
                if not isinstance(value, LocalFunction) or value.view is not module:
                    continue
                for call, predictions in _decoded(module, value.node):
                    if call.node not in done:
                        done.add(call.node)
                        yield module.finding(
                            predictions,
                            f"`{_TRAINER}` pads predictions with {_PADDING} since transformers 5.3 where no length is "
                            "set, which no tokenizer decodes: replace it first",
                            fix=_fix(module, call, predictions),
                        )


def _is_asked_about(training: Training) -> bool:
    """Whether a Seq2SeqTrainer generates with a model that says no length, and is told none."""
    call = training.call
    names = [
        name
        for each in call.callees
        if isinstance(each, (External, LocalClass))
        for name in library.library_classes(call.view, each)
    ]
    if not any(lookup.is_subclass(each, _TRAINER) for each in names):
        return False
    models = training.models
    if not models.found or any(each.model_type not in _TYPES for each in models.found):
        return False
    made = training.arguments
    return bool(made) and all(
        Constant(True) in each.values_of(_GENERATES)
        and not each.splats
        and all(each.keyword(name) is None for name in _LENGTHS)
        for each in made
    )


def _decoded(
    view: ModuleView, function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
) -> Iterator[tuple[CallSite, ast.expr]]:
    """The calls in a function that decode its predictions as they came, each with the argument."""
    if isinstance(function, ast.Lambda) or not function.args.args:
        return
    whole = function.args.args[0].arg
    names = _names(function, whole)
    if names is None:
        return
    for call in view.calls(_DECODERS):
        if view.links.function_around(call.node) is not function or not call.args:
            continue
        given = call.args[0]
        if (isinstance(given, ast.Name) and given.id in names) or _is_field(given, whole):
            yield call, given


def _names(function: ast.FunctionDef | ast.AsyncFunctionDef, whole: str) -> set[str] | None:
    """The variables that hold the predictions as they came; None where something is put in the place of -100."""
    names: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        target, value = node.targets[0], node.value
        first = target.elts[0] if isinstance(target, (ast.Tuple, ast.List)) and target.elts else None
        if isinstance(value, ast.Name) and value.id == whole and isinstance(first, ast.Name):
            names.add(first.id)
        elif isinstance(target, ast.Name) and (_is_field(value, whole) or _is_item(value, {whole})):
            names.add(target.id)
    for node in ast.walk(function):
        if not isinstance(node, (ast.Assign, ast.AugAssign)):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            held = target.value if isinstance(target, ast.Subscript) else target
            if isinstance(held, ast.Name) and held.id in names:
                if isinstance(target, ast.Subscript):
                    return None
                if not (_is_item(node.value, names | {whole}) or _is_field(node.value, whole)):
                    return None
    return names


def _is_field(node: ast.expr, whole: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == _FIELD
        and isinstance(node.value, ast.Name)
        and node.value.id == whole
    )


def _is_item(node: ast.expr, names: set[str]) -> bool:
    """Whether a node is the first of something: `predictions[0]`, of a model that gives more than one output."""
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        and isinstance(node.slice, ast.Constant)
        and node.slice.value == 0
    )


def _fix(view: ModuleView, call: CallSite, predictions: ast.expr) -> Fix | None:
    imported = [each.node for each in view.imports("numpy") if isinstance(each.node, ast.alias)]
    numpy = next((each.asname or each.name for each in imported if each.name == "numpy"), None)
    func = call.func
    if numpy is None or not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name):
        return None
    if "processor" in func.value.id:
        return None  # a processor has no padding token
    written = view.source(predictions)
    text = f"{numpy}.where({written} != {_PADDING}, {written}, {func.value.id}.pad_token_id)"

    def edits() -> list[Edit]:
        return [view.replace(predictions, text)]

    return Fix("Replace the padding first", edits)

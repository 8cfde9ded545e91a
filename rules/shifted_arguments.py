"""V5906: positional arguments of `TrainingArguments` that have shifted. V5907: those of a model's `forward`."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, models, origins
from v5lint.view.calls import CallSite
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

_BEFORE = "4.57"

#: No parameter of a `forward` has moved that stood before the third.
_FEWEST = 3

#: What a `forward` calls its cache since 5.24, and what before; the old names are taken until 5.40.
_CACHE = "cache"
_CACHE_BEFORE = frozenset({"past_key_values", "cache_params"})

#: What some models (GPT-2) got in the middle of their parameters late in 4.x, and lost again.
_INSERTED = "cache_position"

_ARGUMENTS = frozenset({"TrainingArguments", "Seq2SeqTrainingArguments"})


class ShiftedTrainingArguments(Rule):
    """Positional arguments of `TrainingArguments` whose places have shifted.

    ## What it does

    Finds `TrainingArguments` and `Seq2SeqTrainingArguments` with more than their first argument given by position, and
    subclasses that have no constructor of their own.

    ## Why it breaks

    The fields were ordered anew: the second was `overwrite_output_dir` in 4.x, `do_train` in 5.0 and 5.1 and is
    `per_device_train_batch_size` since 5.2. Nothing is raised: `TrainingArguments("out", True)` trains with a batch
    size of `True`, which is 1 (measured on 5.23.0; 4.57.6 had 8).

    ## Example

        args = TrainingArguments("out", False, True)

    becomes

        args = TrainingArguments("out", do_train=True)

    ## Fix safety

    Safe: the arguments get the names that their places had in 4.57. A field that is gone is dropped where it is False,
    its default; else there is no fix.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer#transformers.TrainingArguments
    """

    code = "V5906"
    name = "shifted-training-arguments"
    since = "5.0"
    tokens = ("TrainingArguments",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            call = CallSite(module, node)
            if len(node.args) < 2 or call.args is not node.args or not call.name.endswith("Arguments"):
                continue
            name = _training_arguments(call)
            if name and not module.guards.is_dead(call.node):
                yield from _check(module, call, name, f"transformers.{name}")


def _training_arguments(call: CallSite) -> str:
    for callee in call.callees:
        if isinstance(callee, (External, LocalClass)):
            if isinstance(callee, LocalClass) and callee.node.body and _has_fields(callee):
                return ""
            for name in library.library_classes(call.view, callee):
                if name in _ARGUMENTS:
                    return name
    return ""


def _has_fields(of: LocalClass) -> bool:
    """Whether a class has a constructor of its own, or fields, which come after the inherited ones."""
    return any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in of.node.body)


class ShiftedForwardArguments(Rule):
    """Positional arguments of a model's `forward` whose places have shifted.

    ## What it does

    Finds calls of a model of transformers with arguments by position that meant something else under 4.x.

    ## Why it breaks

    `head_mask` was removed from every `forward` in 5.0, and `cache_position` and the `output_*` flags from most later
    on, so what stood behind them moved up: `labels` of `BertForSequenceClassification` from the seventh place to the
    sixth, those of `ViTForImageClassification` from the third to the second, `attention_mask` of GPT-2 from the fourth
    to the third. One argument too many is a TypeError (measured on 5.23.0):

        TypeError: BertForSequenceClassification.forward() takes from 1 to 7 positional arguments but 8 were given

    fewer are bound to the wrong names without a word.

    ## Example

        loss = vit(pixels, None, labels).loss

    becomes

        loss = vit(pixels, labels=labels).loss

    ## Fix safety

    Safe where the model's class is certain, else unsafe: each argument that moved gets its name. `None` in the place
    of a parameter that is gone is dropped; anything else there leaves the call as it is. There is no fix where
    `cache_position` stood before or at the arguments, as in GPT-2: it came into their midst during 4.x, so that the
    release for which the call was written decides.

    ## References

    - https://github.com/huggingface/transformers/pull/41076
    """

    code = "V5907"
    name = "shifted-forward-arguments"
    since = "5.0"
    tokens = ("from_pretrained", "from_config", "Config(")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            if len(node.args) < _FEWEST or isinstance(node.args[0], ast.Constant):
                continue
            call = CallSite(module, node)
            target = _called_model(call) if call.args is node.args else None
            if target is None or not origins.origins(module, target).found:
                continue
            found = models.models(module, target)
            known = [each for each in found.found if each.model_type]
            if len(known) == 1 and not known[0].is_own and not module.guards.is_dead(call.node):
                sure = known[0].is_sure and found.is_complete
                yield from _check(module, call, known[0].name, f"{known[0].name}.forward", is_sure=sure)


def _called_model(call: CallSite) -> ast.expr | None:
    """The object that is called, or whose `forward` is."""
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "forward":
        return func.value
    if isinstance(func, ast.Name) and not func.id[:1].isupper():
        return func
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "self":
        return func
    return None


def _check(view: ModuleView, call: CallSite, name: str, function: str, *, is_sure: bool = True) -> Iterator[Finding]:
    """Compare the places of a call's arguments with those of 4.57."""
    now = library.release_text(view.settings.target)
    before, after = lookup.parameters(function, _BEFORE), lookup.parameters(function, now)
    if before is None or after is None or before.variadic or after.variadic:
        return
    old, new = before.positional, after.positional
    moved = [
        place
        for place in range(min(len(call.node.args), len(old)))
        if place >= len(new) or not is_same(old[place], new[place])
    ]
    first = moved[0] if moved else 0
    if not moved or any(isinstance(each, ast.Starred) for each in call.node.args[: moved[-1] + 1]):
        return
    if len(call.node.args) > len(old) or all(_is_none(call.node.args[place]) for place in moved):
        return
    inserted = [place for place in moved if old[place] == _INSERTED]
    if inserted and not _is_none(call.node.args[inserted[0]]):
        return  # nobody gives it by position: the call is from before, when its parameters stood as they do now
    what = new[first] if first < len(new) else "no parameter"
    shown = f"`{what}`" if first < len(new) else what
    place = f"argument {first + 1} of `{name}`"
    message = f"{place} is {shown} now, where 4.x had `{old[first]}`: pass it, and what follows, by name"
    fix = _fix(view, call, first, old, set(new) | set(after.keyword_only), is_sure=is_sure)
    yield view.finding(call.node.args[first], message, fix=fix)


def is_same(old: str, new: str) -> bool:
    """Whether two names are those of one parameter: since 5.24 the cache is called `cache` in every `forward`."""
    return old == new or (new == _CACHE and old in _CACHE_BEFORE)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _fix(
    view: ModuleView, call: CallSite, first: int, old: tuple[str, ...], taken: set[str], *, is_sure: bool
) -> Fix | None:
    if _INSERTED in old[first : len(call.node.args)]:
        return None  # which of the releases of 4.x the call was written for decides what its arguments mean
    remove: list[ast.AST] = []
    replace: dict[ast.AST, str] = {}
    for place, given in enumerate(call.node.args[first:], start=first):
        if any(is_same(old[place], each) for each in taken):
            replace[given] = f"{old[place]}={view.source(given)}"
        elif isinstance(given, ast.Constant) and given.value in (None, False):
            remove.append(given)
        else:
            return None
    if any(isinstance(each, ast.NamedExpr) for each in replace):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, remove=remove, replace=replace)]

    return Fix("Pass them by name", edits, applicability="safe" if is_sure else "unsafe")

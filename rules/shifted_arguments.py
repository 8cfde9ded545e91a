"""V5906: positional arguments of `TrainingArguments` that have shifted. V5907: those of a model's `forward`."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import forwards, library, models, origins
from v5lint.view.calls import CallSite
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.rules.parts.forwards import Forward
    from v5lint.view.module import ModuleView

_BEFORE = "4.57"

#: No parameter of a `forward` has moved that stood before the third.
_FEWEST = 3

#: What a `forward` calls its cache since 5.24, and what before; the old names are taken until 5.40.
_CACHE = "cache"
_CACHE_BEFORE = frozenset({"past_key_values", "cache_params"})

#: What some models (GPT-2) got in the middle of their parameters late in 4.x, and lost again.
_INSERTED = "cache_position"

#: What one that takes any keyword ignores without another result, or keeps by it.
_FORM = frozenset({"cache_position", "output_attentions", "output_hidden_states", "return_dict", "use_cache"})

#: The release whose layers all call their cache as the models do, in the plural.
_CACHE_REQUIRES = "4.56"

#: Under which names parts of models, and the models in others, stand that lost a parameter in the midst of others.
_PARTS = frozenset(
    "attention attn blk block crossattention decoder embeddings encoder encoder_attn h layer layers self "
    "self_attention self_attn transformer albert bert deberta distilbert electra esm longformer roberta vit".split()
)

#: What computes a layer anew for its gradients: the layer, and its arguments.
_CHECKPOINTS = frozenset({"checkpoint", "_gradient_checkpointing_func"})

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
    """Positional arguments of the `forward` of a model, or of a part of one, whose places have shifted.

    ## What it does

    Finds calls of a model of transformers with arguments by position that meant something else under 4.x, and calls of
    its parts: encoders, layers and attentions that are known by their class, or by where they stand in a class or model
    that is (`layer(...)` of `for layer in self.layer` in a class that inherits from `BertEncoder`).

    ## Why it breaks

    `head_mask` was removed from every `forward` in 5.0, and `cache_position` and the `output_*` flags from most later
    on, so what stood behind them moved up: `labels` of `BertForSequenceClassification` from the seventh place to the
    sixth, those of `ViTForImageClassification` from the third to the second, `attention_mask` of GPT-2 from the fourth
    to the third. One argument too many is a TypeError (measured on 5.23.0):

        TypeError: BertForSequenceClassification.forward() takes from 1 to 7 positional arguments but 8 were given

    fewer are bound to the wrong names without a word. Copies of the body of BERT give a layer seven arguments by
    position (measured on 5.24.0; with four, the states of an encoder are taken for its mask):

        TypeError: BertLayer.forward() takes from 2 to 6 positional arguments but 8 were given

    ## Example

        loss = vit(pixels, None, labels).loss

    becomes

        loss = vit(pixels, labels=labels).loss

    ## Fix safety

    Safe where the model's class is certain, else unsafe: each argument that moved gets its name. `None` in the place
    of a parameter that is gone is dropped; anything else there leaves the call as it is. A part that takes any keyword
    is given what it no longer reads by name, too: 4.x reads it. That is unsafe for a mask of heads. There is no fix
    where `cache_position` stood before or at the arguments, as in GPT-2: it came into their midst during 4.x, so that
    the release for which the call was written decides.

    ## References

    - https://github.com/huggingface/transformers/pull/41076
    """

    code = "V5907"
    name = "shifted-forward-arguments"
    since = "5.0"
    tokens = (
        *("from_pretrained", "from_config", "Config("),
        *("Layer(", "Block(", "Attention(", "Layer)", "Block)", "Attention)", "Encoder)", "Decoder)", "Model)"),
    )
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            if len(node.args) > 1 and (part := _called_part(node)) is not None:
                found = [*_check_part(module, node, *part)]
                yield from found
                if found:
                    continue
            if len(node.args) < _FEWEST or isinstance(node.args[0], ast.Constant):
                continue
            call = CallSite(module, node)
            target = _called_model(call) if call.args is node.args else None
            if target is None or not origins.origins(module, target).found:
                continue
            meant = models.models(module, target)
            known = [each for each in meant.found if each.model_type]
            if len(known) == 1 and not known[0].is_own and not module.guards.is_dead(call.node):
                sure = known[0].is_sure and meant.is_complete
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


def _called_part(node: ast.Call) -> tuple[ast.expr, int] | None:
    """What may be a part of a model that a call runs, and the place of the part's first argument."""
    func, first = node.func, 0
    if (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) in _CHECKPOINTS:
        func, first = node.args[0], 1
    if isinstance(func, ast.Attribute) and func.attr in ("forward", "__call__"):
        func = func.value
    is_part = isinstance(func, ast.Subscript) or (isinstance(func, ast.Attribute) and func.attr in _PARTS)
    return (func, first) if is_part or isinstance(func, ast.Name) else None


def _check_part(view: ModuleView, node: ast.Call, func: ast.expr, first: int) -> Iterator[Finding]:
    """Compare the places of the arguments of a part with those of 4.57."""
    if isinstance(func, ast.Name) and not {each.kind for each in view.links.bindings_read(func)} & {"for", "assign"}:
        return
    args = node.args[first:]
    for name, forward in list(forwards.of_part(view, func).items())[:1]:
        old, new = forward.before, forward.now
        places = range(min(len(args), len(old)))
        moved = [at for at in places if at >= len(new) or not _is_same_of_part(old[at], new[at])]
        if not moved or not forwards.is_lost(forward, old[moved[0]], view.settings.target):
            return
        if len(args) > len(old) or any(isinstance(each, ast.Starred) for each in args) or view.guards.is_dead(node):
            return
        if len(args) <= len(new) and all(_is_none(args[at]) for at in moved):
            return
        if any(old[at] == _INSERTED and not _is_none(args[at]) for at in moved):
            return
        at = moved[0]
        shown = f"`{new[at]}`" if at < len(new) else "no parameter"
        was = f"argument {at + 1} of `{name}` is {shown} now, where 4.x had `{old[at]}`"
        fix = _fix_of_part(view, node, at, forward) if not first else None
        yield view.finding(args[at], f"{was}: pass it, and what follows, by name", fix=fix, since=forward.lost[old[at]])


def _is_same_of_part(old: str, new: str) -> bool:
    return old == new or {old, new} <= forwards.CACHES


def _fix_of_part(view: ModuleView, node: ast.Call, first: int, forward: Forward) -> Fix | None:
    """Pass them by name, what is gone as well where any keyword is taken: 4.x reads it."""
    taken = {*forward.now, *forward.named}
    remove: list[ast.AST] = []
    replace: dict[ast.AST, str] = {}
    is_safe = True
    for name, given in zip(forward.before[first:], node.args[first:], strict=False):
        if isinstance(given, ast.NamedExpr):
            return None
        if name not in taken and isinstance(given, ast.Constant) and given.value in (None, False):
            remove.append(given)
        elif name in taken or forward.is_open:
            replace[given] = f"{name}={view.source(given)}"
            is_safe = is_safe and (name in taken or name in _FORM)
        else:
            return None
    names = {text.partition("=")[0] for text in replace.values()}
    if names & {each.arg for each in node.keywords}:
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, node, remove=remove, replace=replace)]

    requires = _CACHE_REQUIRES if names & forwards.CACHES else ""
    return Fix("Pass them by name", edits, applicability="safe" if is_safe else "unsafe", requires=requires)


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
    if len(call.node.args) > len(old):
        return
    if len(call.node.args) <= len(new) and all(_is_none(call.node.args[place]) for place in moved):
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

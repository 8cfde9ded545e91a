"""V5306: methods of a Trainer subclass that cannot take what the Trainer gives them, or that it no longer calls."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, parameters, training_objects, trl_trainers
from v5lint.view.strings import is_super
from v5lint.view.values import External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

_TRAINER = "Trainer"

#: What a training run of 5.23.0 gives these methods: so many arguments by position (without `self`), one by name; and
#: the release since which it gives the last of them.
_GIVEN = {
    "compute_loss": (2, "num_items_in_batch", "4.46"),
    "training_step": (3, "", "4.46"),
    "log": (2, "", "4.47"),
    "get_batch_samples": (3, "", "4.50"),
    "_get_train_sampler": (1, "", "4.52"),
    "_maybe_log_save_evaluate": (7, "learning_rate", "4.51"),
    "evaluate": (0, "ignore_keys", "4.9"),
    "prediction_step": (3, "ignore_keys", "4.0"),
    "save_model": (1, "_internal_call", "4.16"),
    "create_optimizer": (1, "", "5.3"),
}

#: A method that others had before the Trainer did, and its parameters since then.
_SAMPLES = ("get_batch_samples", "epoch_iterator", "num_batches")

#: The parameter that is missing most often, and its default.
_ADDED = {
    "compute_loss": ("num_items_in_batch", "None"),
    "training_step": ("num_items_in_batch", "None"),
    "log": ("start_time", "None"),
    "get_batch_samples": ("device", "None"),
    "_get_train_sampler": ("train_dataset", "None"),
    "evaluate": ("ignore_keys", "None"),
    "prediction_step": ("ignore_keys", "None"),
    "save_model": ("_internal_call", "False"),
    "create_optimizer": ("model", "None"),
}

#: What is given only now and then, and must not be ignored: no fix adds it.
_SOMETIMES = {"create_optimizer": "the Trainer makes the optimizer of the wrapped `model` under FSDP"}

#: What calls these on behalf of the loop.
_REPORT, _REPORTED = "_maybe_log_save_evaluate", frozenset({"evaluate", "log"})

#: The methods of the Trainer that call these, in groups: where a class has all of a group its own way, the Trainer does
#: not call the method any more, the class does.
_LOOP = tuple(frozenset({each}) for each in ("train", "_inner_training_loop", "_run_epoch"))
_CALLERS: dict[str, tuple[frozenset[str], ...]] = {
    "compute_loss": (frozenset({"training_step", "prediction_step"}),),
    "create_optimizer": _LOOP[:2],
    "evaluate": _LOOP,
    "get_batch_samples": _LOOP,
    "log": (*_LOOP, frozenset({_REPORT})),
    "prediction_step": (frozenset({"evaluation_loop"}),),
    "training_step": _LOOP,
    "_get_train_sampler": (frozenset({"get_train_dataloader"}),),
    "_maybe_log_save_evaluate": _LOOP,
}

#: With so many arguments by position every release of version 4 called these: what takes fewer was never called so.
_EVER = {"_maybe_log_save_evaluate": 4, "compute_loss": 2, "log": 1, "prediction_step": 3, "training_step": 2}

#: Methods that the Trainer called itself while it had them: that the target lacks them is asked of the knowledge.
_HOOKS = (
    "_activate_neftune", "_add_sm_patterns_to_gitignore", "_align_special_tokens", "_deactivate_neftune",
    "_fsdp_qlora_plugin_updates", "_gather_and_numpify", "_is_attention_mask_causal", "_nested_gather",
    "_pad_across_processes", "_rotate_checkpoints", "_save_tpu", "_sorted_checkpoints",
    "compare_trainer_and_checkpoint_args", "ipex_optimize_model", "prediction_loop", "propagate_args_to_deepspeed",
    "torch_jit_model_eval",
)  # fmt: skip

#: Methods of the Trainer that take less than they did.
_NARROWED = {"_save_checkpoint": "4.47"}

#: The method that is given its optimizer no more, the parameter, and the last release that gave it.
_SCHEDULER, _OPTIMIZER, _UNGIVEN_SINCE = "create_scheduler", "optimizer", "5.1"

#: What makes a schedule of an optimizer and cannot make one of None.
_SCHEDULES = pattern(r"torch\.optim\.lr_scheduler\.\w+|transformers\.(?:optimization\.)?get_\w*schedule\w*")

_METHODS = (*_GIVEN, *_HOOKS, *_NARROWED, _SCHEDULER)


class TrainerOverrideMismatch(Rule):
    """A method of a Trainer subclass that cannot take what the Trainer gives it, or that it no longer calls.

    ## What it does

    Finds `compute_loss`, `training_step`, `prediction_step`, `evaluate`, `log`, `save_model`, `create_optimizer`,
    `get_batch_samples`, `_get_train_sampler` and `_maybe_log_save_evaluate` in subclasses of `Trainer`,
    `Seq2SeqTrainer` and trl's trainers, where their signature has no room for an argument that the Trainer of the
    target release passes. A class that has what calls them its own way as well (a `train` of its own, `compute_loss`
    beside a `training_step` and a `prediction_step` that do not ask the Trainer's) calls them itself, and is left
    alone. Also methods that the Trainer called until it lost them (`_rotate_checkpoints`, `_nested_gather`,
    `prediction_loop`, ...) and that the program does not call itself; and `super()._save_checkpoint(..., metrics=...)`.

    ## Why it breaks

    Measured on 5.23.0, at the first step of the training run:

        TypeError: MyTrainer.compute_loss() got an unexpected keyword argument 'num_items_in_batch'
        TypeError: MyTrainer.training_step() takes 3 positional arguments but 4 were given

    `compute_loss` and `training_step` get it since 4.46, `log` since 4.47, `_get_train_sampler` since 4.52;
    `create_optimizer` gets the wrapped model since 5.3, where FSDP is used (run on 5.24 with a Trainer that was told
    so). A method that the Trainer has lost raises nothing, and is never called: checkpoints are rotated, or tensors
    gathered, as the Trainer does it. `create_scheduler` is given the number of steps alone since 5.1 (run on 5.24):

        TypeError: MyTrainer.create_scheduler() missing 1 required positional argument: 'optimizer'
        TypeError: NoneType is not an Optimizer

    ## Example

        class MyTrainer(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False):
                ...

    becomes

        class MyTrainer(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
                ...

    ## Fix safety

    Unsafe: with gradient accumulation a loss that ignores `num_items_in_batch` is averaged over another number of items
    than the Trainer's own. Dropping what `_save_checkpoint` does not take is safe. `create_scheduler` takes the
    Trainer's optimizer where none is given, which 4.x gave it.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer
    """

    code = "V5306"
    name = "trainer-override-mismatch"
    since = "4.46"
    tokens = tuple(f"def {method}" for method in _METHODS)  # `log` alone stands in every other file

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name in _METHODS]
            of = LocalClass(module, node)
            if not methods or not training_objects.is_a(module, of, _TRAINER):
                continue
            if any(trl_trainers.is_remade(root) for root in module.roots(of)):
                continue  # a class of trl that was no Trainer when it took what is written here
            for method in methods:
                if module.guards.is_dead(method):
                    continue
                if method.name in _GIVEN:
                    yield from _narrow(module, method)
                elif method.name in _HOOKS:
                    yield from _never_called(module, method)
                elif method.name == _SCHEDULER:
                    yield from _without_optimizer(module, method)
                else:
                    yield from _handed_too_much(module, method)


def _narrow(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    """The finding about a method that has no room for what it is given."""
    name = method.name
    added, default = _ADDED.get(name, ("", ""))
    known = lookup.parameters(f"{_TRAINER}.{name}", library.release_text(view.settings.target))
    lacks = _lack(method)
    if not lacks or known is None or (added and added not in known) or method.decorator_list:
        return
    if _was_never_called(method) or _calls_it_itself(view, method):
        return
    since = _GIVEN[name][2]
    said = f"the Trainer gives `{name}` {lacks} since transformers {since}"
    if name in _SOMETIMES:
        yield view.finding_at_name(method, f"{said}: {_SOMETIMES[name]}", since=since)
        return
    advice = f": add `{added}={default}`" if added else ""
    if added == "num_items_in_batch":
        advice += ", and make the loss take it into account"
    fix = _fix(view, method, added, default) if added else None
    yield view.finding_at_name(method, f"{said}{advice}", fix=fix, since=since)


def _was_never_called(method: ast.FunctionDef) -> bool:
    """Whether a method takes less, or asks for more, than any Trainer gave it: it is a method of another purpose."""
    args = method.args
    positional = [*args.posonlyargs, *args.args][1:]
    asked = len(positional) - len(args.defaults)
    return asked > _GIVEN[method.name][0] or (args.vararg is None and len(positional) < _EVER.get(method.name, 0))


def _calls_it_itself(view: ModuleView, method: ast.FunctionDef) -> bool:
    """Whether a class has all that calls a method its own way, and gives it no more than it takes."""
    owner = view.links.class_of_method(method)
    return isinstance(owner, ast.ClassDef) and any(
        all(_is_replaced(LocalClass(view, owner), caller, method.name) for caller in group)
        for group in _CALLERS.get(method.name, ())
    )


def _is_replaced(of: LocalClass, caller: str, called: str) -> bool:
    """Whether a class has a method of its own that neither asks the one it replaces nor gives what is missing."""
    found = of.view.evaluator.class_attribute(of, caller, instance=True)
    added, _ = _ADDED.get(called, ("", ""))
    for each in found:
        if not isinstance(each, LocalFunction):
            return False
        for node in ast.walk(each.node):
            if isinstance(node, ast.Attribute) and node.attr == caller and ast.unparse(node.value) != "self":
                return False
            if called in _REPORTED and isinstance(node, ast.Attribute) and node.attr == _REPORT:
                return False
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == called
                and any(keyword.arg in (None, added) for keyword in node.keywords)
            ):
                return False
    return bool(found)


def _never_called(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    """The finding about a method that only the Trainer called, and no longer does."""
    removal = lookup.removed_member(_TRAINER, method.name, library.release_text(view.settings.target))
    if removal is None:
        return
    for node in view.tree.nodes.get(ast.Attribute, ()):
        if isinstance(node, ast.Attribute) and node.attr == method.name and not is_super(node.value):
            return  # the program calls it itself
    message = f"the Trainer has no `{method.name}` since transformers {removal.gone}: nothing calls this method now"
    yield view.finding_at_name(method, message, since=removal.gone)


def _handed_too_much(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    """The findings about calls of the Trainer's own method with arguments that it no longer takes."""
    name = method.name
    known = lookup.parameters(f"{_TRAINER}.{name}", library.release_text(view.settings.target))
    for call in view.links.calls_named(name):
        func = call.func
        if known is None or known.open or not isinstance(func, ast.Attribute) or not is_super(func.value):
            continue
        if view.links.function_around(call) is not method:
            continue
        extra: list[ast.AST] = [each for each in call.keywords if each.arg is not None and each.arg not in known]
        if not any(isinstance(each, ast.Starred) for each in call.args):
            extra += call.args[len(known.positional) :]
        if extra:
            shown = ", ".join(f"`{view.source(each)}`" for each in extra)
            message = f"`{_TRAINER}.{name}` does not take {shown} since transformers {_NARROWED[name]}"
            yield view.finding(call, message, fix=_dropped(view, call, extra), since=_NARROWED[name])


def _without_optimizer(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    """The finding about a `create_scheduler` that cannot do without an optimizer."""
    args = method.args
    positional = [*args.posonlyargs, *args.args][1:]
    place = next((at for at, each in enumerate(positional) if each.arg == _OPTIMIZER), None)
    if place is None or method.decorator_list or view.settings.target < parse_release(_UNGIVEN_SINCE):
        return
    if place < len(positional) - len(args.defaults):
        lacks = f"gives `{_SCHEDULER}` no optimizer"
    elif _makes_a_schedule_of_it(view, method):
        lacks = f"gives `{_SCHEDULER}` no optimizer, and no schedule is made of None"
    else:
        return
    message = f"the Trainer {lacks} since transformers {_UNGIVEN_SINCE}: take `self.{_OPTIMIZER}`"
    fix = _own_optimizer(view, method, positional[place])
    yield view.finding_at_name(method, message, fix=fix, since=_UNGIVEN_SINCE)


def _makes_a_schedule_of_it(view: ModuleView, method: ast.FunctionDef) -> bool:
    """Whether a method makes a schedule of the optimizer that it is given, and never asks whether it is one."""
    mentions = [each for each in ast.walk(method) if isinstance(each, ast.Name) and each.id == _OPTIMIZER]
    used = False
    for each in mentions:
        around = view.tree.parents.get(each)
        if isinstance(each.ctx, ast.Store) or isinstance(
            around, (ast.Compare, ast.BoolOp, ast.If, ast.IfExp, ast.UnaryOp)
        ):
            return False
        call = view.tree.parents.get(around) if isinstance(around, ast.keyword) else around
        if isinstance(call, ast.Call) and (isinstance(around, ast.keyword) or call.args[:1] == [each]):
            used = used or any(
                isinstance(found, External) and _SCHEDULES.fullmatch(found.path) for found in view.values(call.func)
            )
    return used


def _own_optimizer(view: ModuleView, method: ast.FunctionDef, parameter: ast.arg) -> Fix | None:
    """Give the parameter a default, and take the Trainer's optimizer where there is none."""
    args = method.args
    body = method.body[1:] if ast.get_docstring(method, clean=False) is not None else method.body
    positional = [*args.posonlyargs, *args.args]
    if not body or body[0].lineno == method.lineno:
        return None
    start = view.span(body[0])[0]
    line = view.text.rfind("\n", 0, start) + 1
    indent = view.text[line:start]
    if indent.strip():
        return None
    place, asked = positional.index(parameter), len(positional) - len(args.defaults)
    if place < asked - 1:
        return None  # parameters without a default stand behind it

    def build() -> list[Edit]:
        from v5lint.edits.slices import newline_of

        taken = f"{_OPTIMIZER} = self.{_OPTIMIZER} if {_OPTIMIZER} is None else {_OPTIMIZER}"
        edits = [Edit(line, line, f"{indent}{taken}{newline_of(view.text)}")]
        if place < asked:
            end = view.span(parameter)[1]
            edits.append(Edit(end, end, " = None" if parameter.annotation else "=None"))
        return edits

    return Fix(f"Take `self.{_OPTIMIZER}`", build, applicability="unsafe")


def _dropped(view: ModuleView, call: ast.Call, extra: list[ast.AST]) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call, remove=extra)]

    return Fix("Drop what is not taken", build)


def _lack(method: ast.FunctionDef) -> str:
    """What a method has no room for, in words; "" where it takes everything."""
    count, keyword, _ = _GIVEN[method.name]
    args = method.args
    positional = [each.arg for each in (*args.posonlyargs, *args.args)][1:]
    if args.vararg is None and len(positional) < count:
        return f"{count} argument{'s' if count > 1 else ''} by position"
    named = {*positional[count:], *(each.arg for each in args.kwonlyargs)}
    if keyword and args.kwarg is None and keyword not in named:
        return f"`{keyword}`"
    return ""


def _fix(view: ModuleView, method: ast.FunctionDef, added: str, default: str) -> Fix | None:
    """Add a parameter behind the last one that can be given by position."""
    args = method.args
    positional = [*args.posonlyargs, *args.args]
    if not positional or added in {each.arg for each in (*positional, *args.kwonlyargs)}:
        return None
    if len(positional) - 1 < _GIVEN[method.name][0] - 1:
        return None  # more than the one is missing
    if method.name == _SAMPLES[0] and [each.arg for each in positional[1:]] != [*_SAMPLES[1:]]:
        return None  # another method, which the Trainer came to call by chance
    last: ast.AST = args.defaults[-1] if args.defaults else positional[-1]
    end = view.span(last)[1]
    while view.text[end : end + 1] == ")" and view.text[view.span(method)[0] : end].count("(") > (
        view.text[view.span(method)[0] : end].count(")") + 1
    ):
        end += 1  # a default in parentheses
    text = parameters.behind(view, positional[-1], f"{added}={default}")
    return Fix(f"Add `{added}={default}`", [Edit(end, end, text)], applicability="unsafe")

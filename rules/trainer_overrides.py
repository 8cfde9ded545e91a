"""V5306: methods of a Trainer subclass that cannot take what the Trainer gives them."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import library
from v5lint.rules.knowledge import lookup
from v5lint.view.values import LocalClass

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
}

#: A method that others had before the Trainer did, and its parameters since then.
_SAMPLES = ("get_batch_samples", "epoch_iterator", "num_batches")

#: The parameter that is missing most often, and which may as well be ignored.
_ADDED = {
    "compute_loss": "num_items_in_batch",
    "training_step": "num_items_in_batch",
    "log": "start_time",
    "get_batch_samples": "device",
    "_get_train_sampler": "train_dataset",
}


class TrainerOverrideMismatch(Rule):
    """A method of a Trainer subclass that cannot take what the Trainer gives it.

    ## What it does

    Finds `compute_loss`, `training_step`, `log`, `get_batch_samples`, `_get_train_sampler` and
    `_maybe_log_save_evaluate` in subclasses of `Trainer` and `Seq2SeqTrainer`, where their signature has no room for
    an argument that the Trainer of the target release passes.

    ## Why it breaks

    Measured on 5.23.0, at the first step of the training run:

        TypeError: MyTrainer.compute_loss() got an unexpected keyword argument 'num_items_in_batch'
        TypeError: MyTrainer.training_step() takes 3 positional arguments but 4 were given

    `compute_loss` and `training_step` get it since 4.46, `log` since 4.47, `_get_train_sampler` since 4.52.

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
    than the Trainer's own.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/trainer
    """

    code = "V5306"
    name = "trainer-override-mismatch"
    since = "4.46"
    tokens = tuple(_GIVEN)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        target = module.settings.target
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name in _GIVEN]
            if not methods or not _is_trainer(module, node):
                continue
            for method in methods:
                name = method.name
                added = _ADDED.get(name, "")
                known = lookup.parameters(f"{_TRAINER}.{name}", library.release_text(target))
                lacks = _lack(method)
                if not lacks or known is None or (added and added not in known) or method.decorator_list:
                    continue
                if module.guards.is_dead(method):
                    continue
                since = _GIVEN[name][2]
                said = f"the Trainer gives `{name}` {lacks} since transformers {since}"
                advice = (
                    f": add `{added}=None`, and make the loss take it into account"
                    if added == "num_items_in_batch"
                    else ""
                )
                advice = advice or (f": add `{added}=None`" if added else "")
                fix = _fix(module, method, added) if added else None
                yield _finding(module, method, f"{said}{advice}", fix, since)


def _is_trainer(view: ModuleView, node: ast.ClassDef) -> bool:
    names = library.library_classes(view, LocalClass(view, node))
    return any(lookup.is_subclass(name, _TRAINER) for name in names)


def _lack(method: ast.FunctionDef) -> str:
    """What a method has no room for, in words; "" where it takes everything."""
    count, keyword, _ = _GIVEN[method.name]
    args = method.args
    positional = [each.arg for each in (*args.posonlyargs, *args.args)][1:]
    if args.vararg is None and len(positional) < count:
        return f"{count} arguments by position"
    named = {*positional[count:], *(each.arg for each in args.kwonlyargs)}
    if keyword and args.kwarg is None and keyword not in named:
        return f"`{keyword}`"
    return ""


def _finding(view: ModuleView, method: ast.FunctionDef, message: str, fix: Fix | None, since: str) -> Finding:
    from v5lint.rule import Finding

    start, _ = view.span(method)
    at = view.text.index(method.name, start + len("def"))
    return Finding(message, at, at + len(method.name), fix=fix, since=since)


def _fix(view: ModuleView, method: ast.FunctionDef, added: str) -> Fix | None:
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
    return Fix(f"Add `{added}=None`", [Edit(end, end, f", {added}=None")], applicability="unsafe")

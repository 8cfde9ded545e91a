"""V5921: buffers of a model that loading leaves uninitialized."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules.parts import constructors, library, members, model_families
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.constructors import Run
    from v5lint.view.module import ModuleView

_REGISTER = "register_buffer"
_FILL = "_init_weights"

#: What transformers fills by itself, in classes of rotary embeddings that keep the second one.
_ROTARY, _FREQUENCIES, _ORIGINAL = "RotaryEmbedding", "inv_freq", "original_inv_freq"

#: The base of a model with checkpoints of its own, which hold its buffers.
_BASE = "PreTrainedModel"

#: Losses of torch that keep a tensor as a buffer, and the arguments that give it.
_LOSSES = frozenset(
    "CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss MultiMarginLoss MultiLabelSoftMarginLoss".split()
)
_WEIGHTS = ("weight", "pos_weight")

#: Methods that exist to fill what loading left empty.
_RESTORES = pattern(r"init|reset|restore|materializ")

#: What makes room for values that a checkpoint brings.
_PLACEHOLDERS = frozenset({"zeros", "empty", "zeros_like", "empty_like", "new_zeros", "new_empty"})


class UninitializedBuffer(Rule):
    """A buffer of a model that holds whatever was in memory after `from_pretrained`.

    ## What it does

    Finds, in what the constructor of a model runs that transformers' `from_pretrained` builds (a subclass of
    `PreTrainedModel`, of the model of a family, the parts that it is made of, and what they call): buffers that are
    registered with `persistent=False`; and, in a model that inherits from one of a family and so is first loaded from
    a checkpoint that knows nothing of them, its own buffers and the weights of its losses
    (`CrossEntropyLoss(weight=...)`, `BCEWithLogitsLoss(pos_weight=...)`).

    Left alone is what `_init_weights` of the model fills, the `inv_freq` of rotary embeddings that keep an
    `original_inv_freq` (transformers fills those by the name of the class), models with a `from_pretrained` of their
    own, buffers that are None, those of the second kind that begin as zeros, which a checkpoint is to fill, caches
    (zeros of which a method sets parts before it reads them), and what a part restores in a method for that
    (`init_weights`, `reset_buffers`), which the program calls itself.

    ## Why it breaks

    Since 5.0 `from_pretrained` builds every model on the meta device and gives what the checkpoint does not hold
    `torch.empty_like(...)`; `_init_weights` is asked to fill it, and knows nothing of a buffer of yours. No error, no
    warning. Measured on 5.0.0, 5.20 and 5.24 with a buffer of `torch.arange(4)`:

        4.57.6  tensor([0., 1., 2., 3.])
        5.24.0  tensor([ 6.1657e-44,  0.0000e+00, -6.9005e-39,  4.5712e-41])

    The class weights of a loss in a model that starts from a base checkpoint were [1, 2, 3] under 4.57.6, and between
    0 and 1e-38 under 5.24. A model that is built from a configuration is right.

    ## Example

        class Rotary(nn.Module):
            def __init__(self, dim):
                super().__init__()
                self.register_buffer("inv_freq", frequencies(dim), persistent=False)

    write beside it, in the model:

        def _init_weights(self, module):
            super()._init_weights(module)
            if isinstance(module, Rotary):
                module.inv_freq.copy_(frequencies(module.dim))

    ## Fix safety

    No fix: what the buffer is computed from is not always kept.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_utils.py
      (`_move_missing_keys_from_meta_to_device`)
    """

    code = "V5921"
    name = "uninitialized-buffer"
    since = "5.0"
    tokens = (_REGISTER, "weight=")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        calls = [*module.calls({_REGISTER, *_LOSSES})]
        if not calls:
            return
        here = {constructors.place(module, each): each for each in module.tree.nodes.get(ast.Call, ())}
        met: set[tuple[str, int, int]] = set()
        # A model of another module loses only what no checkpoint holds.
        elsewhere = any(call.argument("persistent", 2) is not None for call in calls)
        for model in _models(module, elsewhere=elsewhere):
            for run in constructors.runs(model, across=True):
                for call, name in _registered(run):
                    key = constructors.place(run.of.view, call)
                    if key not in here or key in met or members.is_prepared(module, here[key]):  # type: ignore[arg-type]
                        continue
                    if _is_lost(model, run, call) and not (
                        _is_filled(model, run.of, name) or _is_cache(run, call, name) or _is_restored(run, name)
                    ):
                        met.add(key)
                        yield module.finding(here[key], _told(model, call, name))


def _models(view: ModuleView, *, elsewhere: bool) -> Iterator[LocalClass]:
    """The models of a module, and those of modules of the repository that take a class from it."""
    yield from constructors.loaded_models(view)
    met = {view.path}
    for node in view.tree.nodes.get(ast.ClassDef, ()) if elsewhere else ():
        assert isinstance(node, ast.ClassDef)
        for file in view.project.all_importers(view.path, node.name):
            if file in met or not model_families.may_hold_models(view.project, file):
                continue
            met.add(file)
            other = view.project.view(file, view.settings)
            if other is not None:
                yield from constructors.loaded_models(other)


def _registered(run: Run) -> Iterator[tuple[ast.Call, str]]:
    """The calls in a function that register a buffer, with its name, and the losses that keep a tensor as one."""
    for node in run.nodes():
        if not isinstance(node, ast.Call):
            continue
        call = CallSite(run.of.view, node)
        if call.name == _REGISTER and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "self":
            name, value = call.argument("name", 0), call.argument("tensor", 1)
            if isinstance(name, ast.Constant) and value is not None and Constant(None) not in run.of.view.values(value):
                yield node, str(name.value)
        elif call.name in _LOSSES and any(_is_loss(each) for each in run.of.view.values(node.func)):
            given = [each for each in _WEIGHTS if call.argument(each) is not None]
            if given and Constant(None) not in run.of.view.values(call.argument(given[0])):  # type: ignore[arg-type]
                yield node, given[0]


def _is_loss(value: object) -> bool:
    return isinstance(value, External) and value.package == "torch" and value.name in _LOSSES


def _is_lost(model: LocalClass, run: Run, call: ast.Call) -> bool:
    """Whether loading leaves a buffer as it is in memory: no checkpoint holds it, or none of those it starts from."""
    persistent = CallSite(run.of.view, call).argument("persistent", 2)
    if persistent is not None and run.of.view.values(persistent) == frozenset({Constant(False)}):
        return True
    if persistent is not None or not _is_own(model, run) or _is_placeholder(run, call):
        return False
    families = [name for name in library.library_classes(model.view, model) if members.kind_of(name) == "model"]
    return bool(families) and _BASE not in families


def _is_own(model: LocalClass, run: Run) -> bool:
    """Whether a function is one of the model itself, and no condition decides over it."""
    return run.is_certain and constructors.place(run.of.view, run.of.node) == constructors.place(model.view, model.node)


def _is_placeholder(run: Run, call: ast.Call) -> bool:
    """Whether a buffer begins as zeros."""
    value = CallSite(run.of.view, call).argument("tensor", 1)
    made = run.of.view.links.defining_call(value) if value is not None else None
    return made is not None and CallSite(run.of.view, made).name in _PLACEHOLDERS


def _is_cache(run: Run, call: ast.Call, name: str) -> bool:
    """Whether a buffer begins as zeros, and a method of the part sets elements of it: `self.k_cache[:, at:end] = k`."""
    return _is_placeholder(run, call) and any(
        isinstance(each, ast.Subscript)
        and isinstance(each.ctx, ast.Store)
        and ast.unparse(each.value) == f"self.{name}"
        and run.of.view.links.class_around(each) is run.of.node
        for each in run.of.view.tree.nodes.get(ast.Subscript, ())
    )


def _is_restored(run: Run, name: str) -> bool:
    """Whether a method of the part that the constructor does not run is there to fill the buffer again."""
    return any(
        isinstance(each, ast.FunctionDef)
        and each is not run.function
        and _RESTORES.search(each.name)
        and not each.name.startswith("__")
        and re.search(rf"\b{re.escape(name)}\b", ast.unparse(each))
        and not any(isinstance(inner, ast.Attribute) and inner.attr == each.name for inner in ast.walk(run.of.node))
        for each in run.of.node.body
    )


def _is_filled(model: LocalClass, part: LocalClass, name: str) -> bool:
    """Whether the model, or transformers for it, fills a buffer of one of its parts when it is loaded."""
    if _ROTARY in part.name and name in (_FREQUENCIES, _ORIGINAL) and _ORIGINAL in ast.unparse(part.node):
        return True
    for of in (model, part):
        found = constructors.method_of(of, _FILL)
        if found is not None and _fills(found[1], part, name):
            return True
    return False


def _fills(function: ast.FunctionDef, part: LocalClass, name: str) -> bool:
    """Whether `_init_weights` names a buffer, or calls a method of the part that names it."""
    if any(isinstance(each, ast.Attribute) and each.attr == name for each in ast.walk(function)):
        return True
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and node.value == name:
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = constructors.method_of(part, node.func.attr)
            if called is not None and called[1] is not function and name in ast.unparse(called[1]):
                return True
    return False


def _told(model: LocalClass, call: ast.Call, name: str) -> str:
    is_buffer = isinstance(call.func, ast.Attribute) and call.func.attr == _REGISTER
    what = f"the buffer `{name}`" if is_buffer else f"the `{name}` of the loss, a buffer,"
    why = "is not in the checkpoint"
    if not is_buffer or not any(each.arg == "persistent" for each in call.keywords):
        why = "is in no checkpoint but those of this class"
    return (
        f"{what} {why}: since transformers 5.0 `{model.name}.from_pretrained` leaves it uninitialized instead of what "
        f"the constructor computed; fill it in `{_FILL}`"
    )

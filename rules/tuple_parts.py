"""V5529: models that are loaded with `return_dict=False`, and fail over the tuples of their own parts."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import models, named_settings, standing, tuple_parts
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_ARGUMENT, _CONFIG = "return_dict", "config"

#: Calls that load or build a model.
_LOADS = frozenset({"from_pretrained", "from_config", "_from_config"})


class TuplePart(Rule):
    """A model whose configuration asks for tuples, which its own `forward` cannot read.

    ## What it does

    Finds `return_dict=False` where a model, or the configuration of one, is loaded or built, and
    `model.config.return_dict = False`, where the class of the model is known and fails so. The table of the classes is
    read in the wheels. A model that is only called with `return_dict=False` is left alone: that works in every release.

    ## Why it breaks

    The parts of a model have its configuration, and give a tuple, too. `forward` of 4.x asked for that; since 5.0, in
    some families later, it reads a field of what a part gives:

        AttributeError: 'tuple' object has no attribute 'last_hidden_state'
        AttributeError: 'tuple' object has no attribute 'cache'
        AttributeError: 'tuple' object has no attribute 'hidden_states'

    Of 365 classes that were built from a small configuration and called on 5.24, 205 fail so: most decoders, all CTC
    models, Whisper, T5, CLIP, Segformer, DETR. Base models and the models of BERT and RoBERTa with a head do not. Llama
    and its kin failed under 4.57 already, and are not told of.

    ## Example

        model = GPT2LMHeadModel.from_pretrained("gpt2", return_dict=False)
        logits = model(input_ids)[0]

    write, with both majors,

        model = GPT2LMHeadModel.from_pretrained("gpt2")
        logits = model(input_ids, return_dict=False)[0]

    and for `torch.jit.trace` a module whose `forward` calls the model so.

    ## Fix safety

    No fix: each call of the model has to say it.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/utils/generic.py (`can_return_tuple`)
    """

    code = "V5529"
    name = "tuple-part"
    since = "5.0"
    tokens = (_ARGUMENT,)
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        told: set[ast.AST] = set()
        for place, model in _asking(module):
            if place in told or standing.never_runs(module, place):
                continue
            found = models.models(module, model)
            failing = tuple_parts.failing(found.found, module.settings.target) if found.is_complete else None
            if failing is not None:
                told.add(place)
                name, since = failing
                yield module.finding(
                    place,
                    f"`{name}` cannot read the tuples that its parts give for `{_ARGUMENT}=False` in its configuration "
                    f"since transformers {since}: give it where the model is called",
                    since=since,
                )


def _asking(view: ModuleView) -> Iterator[tuple[ast.AST, ast.expr]]:
    """The places that ask for tuples, and the expression of the model that is to give them."""
    for call, keyword in view.keywords({_ARGUMENT}):
        if not _is_false(view, keyword.value):
            continue
        if call.name in _LOADS:
            yield keyword, call.node
        if call.name == "from_pretrained" or call.name.endswith("Config"):
            yield from ((keyword, each) for each in _made_with(view, call.node))
    for node in view.attributes({_ARGUMENT}):
        parent = view.tree.parents[node]
        if isinstance(node.ctx, ast.Store) and isinstance(parent, ast.Assign) and _is_false(view, parent.value):
            yield from ((node, each) for each in _models_of(view, node.value))
    for setting in named_settings.settings(view, {_ARGUMENT}):
        if setting.value is not None and _is_false(view, setting.value):
            yield from ((setting.node, each) for each in _models_of(view, setting.holder))


def _models_of(view: ModuleView, config: ast.expr) -> Iterator[ast.expr]:
    """The models that have a configuration: the one that it is an attribute of, or those that are made with it."""
    if isinstance(config, ast.Attribute) and config.attr == _CONFIG:
        yield config.value
    made = view.links.defining_call(config)
    if made is not None:
        yield from _made_with(view, made)


def _made_with(view: ModuleView, config: ast.Call) -> Iterator[ast.Call]:
    """The calls that load or build a model with the configuration that a call makes."""
    for node in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        call = CallSite(view, node)
        given = call.argument(_CONFIG, -1 if call.name == "from_pretrained" else 0)
        if given is not None and view.links.defining_call(given) is config:
            yield node


def _is_false(view: ModuleView, node: ast.expr) -> bool:
    return view.values(node) == frozenset({Constant(False)})

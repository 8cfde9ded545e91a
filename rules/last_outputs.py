"""V5930: attention maps that are taken as the last thing a model gives, and are the last but one now."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import models
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

_WANTED, _MAPS, _TUPLES = "output_attentions", "attentions", "return_dict"

#: What makes a model attend to something else as well: the last thing that it gives are the maps of that, then.
_CROSS = frozenset({"encoder_hidden_states", "add_cross_attention", "decoder_input_ids"})

#: The classes that give an empty tuple behind their attention maps: each class of the Auto classes for base models,
#: language models, texts and classification was built on 5.24 and asked for its maps. The release was measured for the
#: first two rows and for T5, on 5.0, 5.2, 5.3, 5.4, 5.9 and 5.15; the others of the third row may have begun before.
_SINCE = {
    "5.2": "BertModel ElectraModel RobertaModel",
    "5.3": "GPT2LMHeadModel GPT2Model",
    "5.4": """
    BartForCausalLM BertGenerationDecoder BertGenerationEncoder BertLMHeadModel BigBirdPegasusForCausalLM
    BlenderbotForCausalLM BlenderbotSmallForCausalLM CamembertForCausalLM CamembertModel Data2VecTextForCausalLM
    Data2VecTextModel ElectraForCausalLM ErnieForCausalLM ErnieModel GPTBigCodeForCausalLM GPTBigCodeModel
    MBartForCausalLM MarianForCausalLM PLBartForCausalLM PegasusForCausalLM RoCBertForCausalLM RoCBertModel
    RobertaForCausalLM RobertaPreLayerNormForCausalLM RobertaPreLayerNormModel WhisperForCausalLM XGLMForCausalLM
    XGLMModel XLMRobertaForCausalLM XLMRobertaModel XLMRobertaXLForCausalLM XLMRobertaXLModel
    """,
    "5.15": "MT5EncoderModel T5EncoderModel UMT5EncoderModel",
}
EMPTY_LAST = {name: since for since, names in _SINCE.items() for name in names.split()}


class LastOutput(Rule):
    """Attention maps that are taken as the last thing that a model gives.

    ## What it does

    Finds `outputs[-1]` and `*rest, maps = outputs` of a model that is asked for its attention maps
    (`output_attentions=True` where it is called or loaded) and is of a class that could attend to an encoder, and does
    not: `BertModel`, `RobertaModel`, `GPT2LMHeadModel`, `T5EncoderModel` and their kin.

    ## Why it breaks

    Silently, in most programs. Behind the maps these models give the maps of the attention to an encoder, an empty
    tuple, which 4.x left out. Measured on 4.57.6 and 5.0.0, and on 5.2 and 5.24, of a `BertModel` with two layers that
    is loaded with `output_attentions=True`:

        len(model(ids)[-1])     # 2 and 0
        len(model(ids))         # 3 and 4

    A plot of it is empty, a mean is nan, and `sequence, pooled, maps = model(ids).to_tuple()` raises:

        ValueError: too many values to unpack (expected 3)

    ## Example

        attention = outputs[-1]

    becomes

        attention = outputs.attentions

    ## Fix safety

    Safe: it is what stood there, on both majors. No fix where the model gives a plain tuple (`return_dict=False`).

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/utils/output_capturing.py
    """

    code = "V5930"
    name = "last-output"
    since = "5.2"
    tokens = (_WANTED,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Subscript, ()):
            assert isinstance(node, ast.Subscript)
            if isinstance(node.ctx, ast.Load) and ast.unparse(node.slice) == "-1":
                yield from _found(module, node, node.value)
        for node in module.tree.nodes.get(ast.Assign, ()):
            assert isinstance(node, ast.Assign)
            target = node.targets[0]
            if isinstance(target, ast.Tuple) and any(isinstance(each, ast.Starred) for each in target.elts[:-1]):
                yield from _found(module, node.value, node.value)


def _found(view: ModuleView, place: ast.expr, outputs: ast.expr) -> Iterator[Finding]:
    """The finding of a place that takes the last of some outputs."""
    made = view.links.defining_call(outputs)
    if made is None or view.guards.is_dead(place):
        return
    call = CallSite(view, made)
    func = call.func
    forwards = call.name == "forward" and isinstance(func, ast.Attribute)
    found = models.models(view, func.value if forwards else func)  # type: ignore[attr-defined]
    if not found.found or not found.is_complete:
        return
    since = {EMPTY_LAST.get(each.name, "") for each in found.found if not each.is_own}
    if len(since) != 1 or "" in since or not _asks(call, found.found):
        return
    (release,) = since
    if view.settings.target < parse_release(release):
        return
    text = f"the last thing that `{found.found[0].name}` gives is an empty tuple since transformers {release}"
    is_tuple = any(_says(each, _TUPLES) for each in _calls(call, found.found))
    fix = None
    if isinstance(place, ast.Subscript) and not is_tuple:
        start, end = view.span(place.value)[1], view.span(place)[1]
        fix = Fix(f"Read `.{_MAPS}`", [Edit(start, end, f".{_MAPS}")])
    yield view.finding(place, f"{text}: read `.{_MAPS}`", fix=fix, since=release)


def _calls(call: CallSite, found: list[Model]) -> list[CallSite]:
    """The calls that decide over what a model gives: its own, and those that set the model up."""
    return [call, *(each for model in found if model.call is not None for each in models.settings_of(model.call))]


def _says(call: CallSite, name: str) -> bool:
    """Whether a call gives an argument that is neither None nor True."""
    return bool(call.values_of(name) - {Constant(None), Constant(True)})


def _asks(call: CallSite, found: list[Model]) -> bool:
    """Whether a model is asked for its maps, and for nothing else that comes behind them."""
    calls = _calls(call, found)
    if any(each.values_of(name) - {Constant(None), Constant(False)} for each in calls for name in _CROSS):
        return False
    return any(Constant(True) in each.values_of(_WANTED) for each in calls)

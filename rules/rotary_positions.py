"""V5532: positions that are handed to `apply_rotary_pos_emb`, which does not take them any more."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import arguments, standing
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_FUNCTION, _ARGUMENT = "apply_rotary_pos_emb", "position_ids"

#: What the rotary embedding was called with when it gave the cosines of all positions.
_LENGTH = "seq_len"

#: The place of the positions, behind `q, k, cos, sin`.
_PLACE = 4

#: The model files whose function lost the parameter in 5.0, and did not read it in 4.57: read in the wheels.
FILES = frozenset(
    """
    apertus arcee aria bamba bitnet blt chameleon cohere cohere2 csm dbrx deepseek_v3 dia diffllama doge dots1
    efficientloftr emu3 ernie4_5 ernie4_5_moe evolla exaone4 falcon falcon_h1 flex_olmo gemma gemma2 gemma3 glm glm4
    glm4_moe gpt_neox gpt_neox_japanese granite granitemoe granitemoehybrid granitemoeshared helium hunyuan_v1_dense
    hunyuan_v1_moe jetmoe kyutai_speech_to_text lfm2 lightglue llama mimi minimax ministral mistral mixtral mllama
    modernbert modernbert_decoder moonshine moshi nemotron olmo olmo2 olmo3 olmoe persimmon phi phi3 phi4_multimodal
    pixtral qwen2 qwen2_5_omni qwen2_moe qwen3 qwen3_moe qwen3_next qwen3_omni_moe qwen3_vl qwen3_vl_moe
    recurrent_gemma seed_oss smollm3 stablelm starcoder2 t5gemma
    """.split()
)

#: The oldest release whose functions do not read the positions.
_REQUIRES = "4.46"


class RotaryPosition(Rule):
    """Positions that `apply_rotary_pos_emb` of a model file is given.

    ## What it does

    Finds `position_ids=`, and a fifth argument by position that is no number, in calls of `apply_rotary_pos_emb` that
    is imported from `transformers.models.llama.modeling_llama` and 80 other model files. A copy of the function in the
    repository is left alone.

    ## Why it breaks

    The parameter was taken and not read for long, and is gone since 5.0; what stands behind `sin` is `unsqueeze_dim`
    now. Measured on 5.24:

        TypeError: apply_rotary_pos_emb() got an unexpected keyword argument 'position_ids'
        TypeError: unsqueeze(): argument 'dim' (position 1) must be int, not Tensor
        TypeError: apply_rotary_pos_emb() takes from 4 to 5 positional arguments but 6 were given

    With None for the positions it is "must be int, not NoneType".

    ## Example

        query, key = apply_rotary_pos_emb(query, key, cos, sin, position_ids)

    becomes

        query, key = apply_rotary_pos_emb(query, key, cos, sin)

    ## Fix safety

    Safe: no release since 4.46 reads the positions. There is no fix where `cos` and `sin` come from a rotary embedding
    that is called with `seq_len=`: such code is older than that, and its positions have to go into that call, which
    fails under 4.57 already: `rotary_emb(x, position_ids)`.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/models/llama/modeling_llama.py
    """

    code = "V5532"
    name = "rotary-position"
    since = "5.0"
    tokens = (_FUNCTION,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls():  # under whatever name it is imported
            if not _is_of_model_file(call) or standing.never_runs(module, call.node):
                continue
            given = _positions(module, call)
            if given is not None and not arguments.is_tried_otherwise(module, call, given):
                yield module.finding(
                    given,
                    f"`{_FUNCTION}` takes no `{_ARGUMENT}` since transformers 5.0, and read none since {_REQUIRES}",
                    fix=_fix(module, call, given),
                )


def _is_of_model_file(call: CallSite) -> bool:
    """Whether a call is of the function of one of the model files."""
    return any(
        isinstance(each, External)
        and each.name == _FUNCTION
        and each.package == "transformers"
        and each.path.split(".")[-2].removeprefix("modeling_") in FILES
        for each in call.callees
    )


def _positions(view: ModuleView, call: CallSite) -> ast.keyword | ast.expr | None:
    """The positions that a call gives; None where it gives none."""
    keyword = call.keyword(_ARGUMENT)
    if keyword is not None:
        return keyword
    args = call.node.args
    if len(args) <= _PLACE or any(isinstance(each, ast.Starred) for each in args):
        return None
    given = args[_PLACE]
    values = view.values(given)
    is_number = len(args) == _PLACE + 1 and any(
        isinstance(each, Constant) and isinstance(each.value, int) for each in values
    )
    return None if is_number else given


def _fix(view: ModuleView, call: CallSite, given: ast.keyword | ast.expr) -> Fix | None:
    """Take the positions out; what stands behind them moves up."""
    if call.splats or _is_of_all_positions(view, call):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, remove=[given])]

    return Fix(f"Remove `{_ARGUMENT}`", edits, requires=_REQUIRES)


def _is_of_all_positions(view: ModuleView, call: CallSite) -> bool:
    """Whether the cosines are those of all positions, of which the function took some: `rotary_emb(x, seq_len=n)`."""
    cosines = call.argument("cos", _PLACE - 2)
    bindings = view.links.bindings_read(cosines) if isinstance(cosines, ast.Name) else ()
    made = [each.value for each in bindings if isinstance(each.value, ast.Call)]
    return any(keyword.arg == _LENGTH for each in made for keyword in each.keywords)

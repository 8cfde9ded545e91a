"""V5520: the decorator that collected the outputs of layers, and no longer does."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_DECORATOR = "check_model_inputs"


class UncapturedOutput(Rule):
    """A model whose `forward` is decorated with `check_model_inputs`, which collects no outputs any more.

    ## What it does

    Finds `transformers.utils.generic.check_model_inputs` as a decorator: copies of model files of 4.54 to 4.57 have it
    above `forward`.

    ## Why it breaks

    What it did is two decorators since 5.2: `merge_with_config_defaults` and `capture_outputs`. The old name was gone
    in 5.2 and 5.3, and is the first of them alone since. Without a word, `output_hidden_states=True` and
    `output_attentions=True` give None, and `return_dict=False` an object. With parentheses it is an error when the
    module is imported. Measured on 5.24:

        TypeError: check_model_inputs() missing 1 required positional argument: 'func'
        TypeError: check_model_inputs() got an unexpected keyword argument 'tie_last_hidden_states'

    ## Example

        from transformers.utils.generic import check_model_inputs

        class Encoder(LlamaPreTrainedModel):
            _can_record_outputs = {"hidden_states": LlamaDecoderLayer}

            @check_model_inputs
            def forward(self, input_ids=None, **kwargs): ...

    write, where 4.57 need not be supported,

        from transformers.utils.generic import merge_with_config_defaults
        from transformers.utils.output_capturing import capture_outputs

        class Encoder(LlamaPreTrainedModel):
            _can_record_outputs = {"hidden_states": LlamaDecoderLayer}

            @merge_with_config_defaults
            @capture_outputs
            def forward(self, input_ids=None, **kwargs): ...

    `tie_last_hidden_states=False` is an argument of `capture_outputs`.

    ## Fix safety

    No fix: neither of the two is in 4.57.

    ## References

    - https://github.com/huggingface/transformers/pull/43862
    """

    code = "V5520"
    name = "uncaptured-output"
    since = "5.2"
    tokens = (_DECORATOR,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for function in (*module.tree.nodes.get(ast.FunctionDef, ()), *module.tree.nodes.get(ast.AsyncFunctionDef, ())):
            assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
            for each in function.decorator_list:
                used = each.func if isinstance(each, ast.Call) else each
                if module.guards.is_dead(function) or not _is_it(module, used):
                    continue
                effect = "takes the function alone" if isinstance(each, ast.Call) else "collects no outputs"
                message = (
                    f"`{_DECORATOR}` {effect} since transformers 5.2: write `merge_with_config_defaults` and "
                    "`capture_outputs`"
                )
                yield module.finding(each, message)


def _is_it(view: ModuleView, node: ast.expr) -> bool:
    values = view.values(node)
    return view.is_of(node, "transformers") and all(
        isinstance(each, External) and each.name == _DECORATOR for each in values
    )

"""V5912: attention maps that the default attention does not give."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules import models
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_WANTED = "output_attentions"
_HOW = "attn_implementation"

#: Families whose default attention is not SDPA under 5.23.0, or that give their maps all the same.
_EAGER = frozenset({"deberta", "deberta-v2", "longformer", "led", "big_bird", "xlnet", "xlm", "reformer", "funnel"})


class AttentionMaps(Rule):
    """Attention maps asked of a model that does not compute them.

    ## What it does

    Finds `output_attentions=True`, at loading or in a call, where the model is loaded without
    `attn_implementation="eager"`.

    ## Why it breaks

    The default attention (SDPA) computes no maps. 4.x noticed and computed them eagerly; since 5.0 `outputs.attentions` is
    None, and since 5.2 an empty tuple, with one line in the log (measured on a BERT: 2 maps on 4.57.6, none on 5.23.0).
    Code that plots or averages them stops with an IndexError, or averages nothing.

    ## Example

        model = BertModel.from_pretrained("bert-base-uncased", output_attentions=True)

    becomes

        model = BertModel.from_pretrained("bert-base-uncased", output_attentions=True, attn_implementation="eager")

    ## Fix safety

    Safe where the model's class is certain: it is what 4.x fell back to. Else unsafe.

    ## References

    - https://huggingface.co/docs/transformers/attention_interface
    """

    code = "V5912"
    name = "attention-maps"
    since = "5.0"
    tokens = (_WANTED,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        done: set[ast.AST] = set()
        for call, keyword in module.keywords({_WANTED}):
            if Constant(True) not in module.values(keyword.value) or module.guards.is_dead(call.node):
                continue
            loads = call.name in ("from_pretrained", "from_config", "_from_config")
            target = call.node if loads else call.func
            if call.name in ("forward", "generate", "encode") and isinstance(call.func, ast.Attribute):
                target = call.func.value
            found = models.models(module, target)
            if not found.found or any(not each.model_type or each.model_type in _EAGER for each in found.found):
                continue
            if any(each.is_own or each.call is None or _is_eager(each.call) for each in found.found):
                continue
            model = found.found[0]
            fix = None
            load = model.call
            if load is not None and load.view is module and len(found.found) == 1 and load.node not in done:
                done.add(load.node)
                fix = _fix(module, load, is_sure=model.is_sure and found.is_complete)
            message = (
                f"`{model.name}` computes no attention maps with its default attention: load it with "
                f'`{_HOW}="eager"`'
            )
            yield module.finding(keyword, message, fix=fix)


def _is_eager(load: CallSite) -> bool:
    """Whether a model's attention is chosen where it is loaded."""
    return load.is_open or bool(load.values_of(_HOW)) or bool(load.values_of("config"))


def _fix(view: ModuleView, load: CallSite, *, is_sure: bool) -> Fix | None:
    if load.name not in ("from_pretrained", "from_config"):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, load.node, append=[f'{_HOW}="eager"'])]

    applicability = "safe" if is_sure else "unsafe"
    return Fix(f'Load it with `{_HOW}="eager"`', edits, applicability=applicability, requires="4.36")  # type: ignore[arg-type]

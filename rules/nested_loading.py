"""V5509: a model that loads another one while it is built."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import constructors, library, members
from v5lint.view.calls import CallSite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.values import LocalClass

_LOAD = constructors.LOAD


class NestedLoading(Rule):
    """A model whose constructor loads another one with `from_pretrained`.

    ## What it does

    Finds `from_pretrained` of a model in the constructor of a `PreTrainedModel`, in the methods that the constructor
    calls, in functions of the module and in the parts that it builds. What a condition decides over is left alone, and
    so are classes that have a `from_pretrained` of their own, processors and configurations.

    ## Why it breaks

    Since 5.0 `from_pretrained` builds every model on the meta device. One that is loaded inside of it refuses to
    (measured on 5.24.0; the class can still be built from a configuration):

        RuntimeError: You are using `from_pretrained` with a meta device context manager or
        `torch.set_default_device('meta')`. This is an anti-pattern as `from_pretrained` wants to load existing weights.

    ## Example

        class Tagger(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel.from_pretrained("bert-base-uncased")
                self.post_init()

    write

        class Tagger(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel(config)
                self.post_init()

    and load the weights of the part once, before the first `save_pretrained`.

    ## Fix safety

    No fix: the configuration of the part is not in sight, and its weights have to come from somewhere.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_utils.py
    """

    code = "V5509"
    name = "nested-loading"
    since = "5.0"
    tokens = (_LOAD,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if not any(True for _ in module.calls({_LOAD})):
            return
        met: set[ast.AST] = set()
        for of in constructors.loaded_models(module):
            for call in _loads(of):
                if call.node in met or members.is_prepared(module, call.node):
                    continue
                met.add(call.node)
                loaded = module.source(call.func)
                message = (
                    f"`{loaded}` in the constructor of `{of.name}` raises a RuntimeError when "
                    f"`{of.name}.{_LOAD}` builds it on the meta device: build the part from its configuration"
                )
                yield module.finding(call.node, message)


def _loads(of: LocalClass) -> Iterator[CallSite]:
    """The calls while a class is built that load a model whatever the arguments are."""
    for run in constructors.runs(of):
        if not run.is_certain:
            continue
        for node in run.nodes():
            if not isinstance(node, ast.Call):
                continue
            call = CallSite(of.view, node)
            if call.name != _LOAD or not any(lookup.is_model_class(name) for name in library.loaders(call)):
                continue
            conditions = of.view.reach.conditions(node)
            if not any(of.view.links.function_around(test) is run.function for test, _ in conditions):
                yield call

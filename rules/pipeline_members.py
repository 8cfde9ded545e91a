"""V5211: attributes and methods that pipelines no longer have."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_FRAMEWORK = "framework"
_INSTEAD = {
    _FRAMEWORK: 'it was "pt", and PyTorch is the only one',
    "modelcard": "read the card with `huggingface_hub.ModelCard.load`",
    "run_multi": "call the pipeline with the list",
    "iterate": "call the pipeline with the generator",
}


class RemovedPipelineMember(Rule):
    """`framework`, `modelcard`, `run_multi` or `iterate` of a pipeline.

    ## What it does

    Finds the four on `self` in a pipeline class of the repository (`return_tensors=self.framework` is how they were
    written), on objects of the pipeline classes of transformers, and on what `pipeline(...)` gives. A class that sets
    the attribute itself is left alone.

    ## Why it breaks

    Gone since 5.0. Measured on 5.24.0:

        AttributeError: 'TokenClassificationPipeline' object has no attribute 'framework'

    ## Example

        class PairPipeline(Pipeline):
            def preprocess(self, inputs):
                return self.tokenizer(inputs, return_tensors=self.framework)

    becomes

        class PairPipeline(Pipeline):
            def preprocess(self, inputs):
                return self.tokenizer(inputs, return_tensors="pt")

    ## Fix safety

    Safe for `return_tensors=...framework`: with PyTorch it was `"pt"`. Anything else is left to a person.

    ## References

    - https://huggingface.co/docs/transformers/add_new_pipeline
    """

    code = "V5211"
    name = "removed-pipeline-member"
    since = "5.0"
    tokens = ("ipeline",)
    beside = tuple(_INSTEAD)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for found in members.gone(module, ("pipeline",), _INSTEAD):
            node = found.node
            parent = module.tree.parents[node]
            is_kind_of_tensors = isinstance(parent, ast.keyword) and parent.arg == "return_tensors"
            fix = None
            if node.attr == _FRAMEWORK and is_kind_of_tensors:
                fix = Fix('Write `"pt"`', [module.replace(node, '"pt"')])
            message = members.told(found, instead=_INSTEAD[node.attr])
            yield module.finding(node, message, fix=fix, since=found.removal.gone)

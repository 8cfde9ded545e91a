"""V5920: the parameters of `forward`, asked in a way that does not look behind a wrapper."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import library, members
from v5lint.view.strings import last_name
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

_FORWARD = "forward"

#: What tells the parameters of a function without following `__wrapped__`, as `inspect.signature` does.
_ASKING = ("getfullargspec", "getargspec")
_CODE = "__code__"
_VARIABLES = frozenset({"co_varnames", "co_argcount"})


class WrappedForward(Rule):
    """`inspect.getfullargspec(model.forward)` and `model.forward.__code__`, which no longer see the parameters.

    ## What it does

    Finds `getfullargspec` of the `forward` of a model of transformers, and its `__code__.co_varnames` and
    `co_argcount`. `inspect.signature` is left alone: it sees them.

    ## Why it breaks

    Since 5.0 nearly every `forward` is wrapped (by what collects the outputs and makes tuples of them); under 4.57 many
    were not (BERT, GPT-2, T5, BART), and of those of ViT, CLIP and Llama no more was to be seen than now. Nothing is
    raised: a script that gives a model only what its `forward` takes gives it nothing at all. Measured:

        >>> inspect.getfullargspec(BertModel.forward).args
        ['self', 'input_ids', 'attention_mask', ...]      # 4.57.6: 15 names
        ['self']                                          # 5.24.0

    ## Example

        wanted = inspect.getfullargspec(model.forward).args

    needs

        wanted = list(inspect.signature(model.forward).parameters)

    ## Fix safety

    No fix: the two differ in whether `self` is among the names.

    ## References

    - https://docs.python.org/3/library/inspect.html#inspect.getfullargspec
    """

    code = "V5920"
    name = "wrapped-forward"
    since = "5.0"
    tokens = (*_ASKING, _CODE)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        asked: list[tuple[ast.expr, ast.expr]] = []
        for name in _ASKING:
            for call in module.links.calls_named(name):
                if External(f"inspect.{name}") in module.values(call.func):
                    asked += [(call, each) for each in call.args[:1]]
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            code = node.value
            if node.attr in _VARIABLES and isinstance(code, ast.Attribute) and code.attr == _CODE:
                asked.append((node, code.value))
        for node, function in asked:
            if isinstance(function, ast.Attribute) and function.attr == "__func__":
                function = function.value
            if not isinstance(function, ast.Attribute) or function.attr != _FORWARD:
                continue
            model = library.object_of(module, function.value) or function.value
            if members.owners(module, model, ("model",)):
                said = f"the `forward` of a model is wrapped since transformers 5.0, and `{module.source(node)}` sees"
                yield module.finding(node, f"{said} the wrapper alone: ask `inspect.signature`")
            elif "model" in last_name(model).lower() and members.imports_transformers(module):
                yield module.unseen(node, f"what `{module.source(model)}` is comes from elsewhere")

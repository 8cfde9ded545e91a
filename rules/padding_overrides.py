"""V5428: a `_pad` of a tokenizer of one's own that has no room for what it is given."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import library, parameters
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_METHOD, _SIDE = "_pad", "padding_side"

#: What a `_pad` is told by: it was given this from the beginning.
_STRATEGY = "padding_strategy"


class PaddingOverride(Rule):
    """A `_pad` of a tokenizer that has no room for the `padding_side` that it is given.

    ## What it does

    Finds methods `_pad` with a parameter `padding_strategy`, and neither a `padding_side` nor `**kwargs`, in classes
    that inherit from a tokenizer of transformers: `ChatGLMTokenizer` and what was copied from it.

    ## Why it breaks

    Since 4.45 `pad` hands on the side. Measured on 4.57.6 and 5.24.0, whenever texts are encoded:

        TypeError: Own._pad() got an unexpected keyword argument 'padding_side'

    ## Example

        def _pad(self, encoded_inputs, max_length=None, padding_strategy=None, pad_to_multiple_of=None):

    becomes

        def _pad(
            self, encoded_inputs, max_length=None, padding_strategy=None, pad_to_multiple_of=None, padding_side=None
        ):

    ## Fix safety

    Safe: the side is None unless a call names one, and the method went by `self.padding_side` before.

    ## References

    - https://github.com/huggingface/transformers/pull/32858
    """

    code = "V5428"
    name = "padding-override"
    since = "4.45"
    tokens = (f"def {_METHOD}",)
    beside = ("okenizer",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for method in module.tree.nodes.get(ast.FunctionDef, ()):
            assert isinstance(method, ast.FunctionDef)
            owner = module.links.class_of_method(method) if method.name == _METHOD else None
            if owner is None or not _is_narrow(method) or module.guards.is_dead(method):
                continue
            if any("Tokenizer" in each for each in library.library_classes(module, LocalClass(module, owner))):
                said = f"`{_METHOD}` is given `{_SIDE}` as well since transformers 4.45: take it"
                yield module.finding_at_name(method, said, fix=_fix(module, method))


def _is_narrow(method: ast.FunctionDef) -> bool:
    names = {each.arg for each in (*method.args.args, *method.args.kwonlyargs)}
    return method.args.kwarg is None and _STRATEGY in names and _SIDE not in names


def _fix(view: ModuleView, method: ast.FunctionDef) -> Fix | None:
    edits = parameters.added(view, method, f"{_SIDE}=None")
    return Fix(f"Take `{_SIDE}`", edits) if edits is not None else None

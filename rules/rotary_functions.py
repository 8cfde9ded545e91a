"""V5511: the function for plain rotary embeddings, which the library's table no longer holds."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_TABLE = "ROPE_INIT_FUNCTIONS"
_PLAIN = "default"

#: How a program gives the library's table the function again.
_PUT_BACK = (b'ROPE_INIT_FUNCTIONS["default"] =', b"ROPE_INIT_FUNCTIONS['default'] =")

#: What the missing entry raises, and what that is.
_ERRORS = frozenset({"KeyError", "LookupError", "Exception", "BaseException"})


class RemovedRotaryDefault(Rule):
    """`ROPE_INIT_FUNCTIONS["default"]`, which is gone.

    ## What it does

    Finds model code of a repository that takes its function for rotary embeddings out of the table
    `transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS`, under a name that is or may be `"default"`: nearly every
    copy of a model file since 4.43 has such a line. Code that treats `"default"` apart is ready.

    ## Why it breaks

    Embeddings without scaling are computed by the models themselves since 5.0, each by its own
    `compute_default_rope_parameters`. Measured on 5.24, when such a model is built:

        KeyError: 'default'

    ## Example

        self.rope_type = "default"
        self.rope_init_fn = ROPE_INIT_FUNCTIONS[self.rope_type]

    write, with a `compute_default_rope_parameters` like that of the library's model,

        self.rope_type = "default"
        self.rope_init_fn = self.compute_default_rope_parameters
        if self.rope_type != "default":
            self.rope_init_fn = ROPE_INIT_FUNCTIONS[self.rope_type]

    ## Fix safety

    No fix: the function has to be written into the model.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_rope_utils.py
    """

    code = "V5511"
    name = "removed-rotary-default"
    since = "5.0"
    tokens = (_TABLE,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if any(module.project.mentioning(each, module.path) for each in _PUT_BACK):
            return  # another module of the repository gives the table its function
        for node in module.tree.nodes.get(ast.Subscript, ()):
            assert isinstance(node, ast.Subscript)
            if not isinstance(node.ctx, ast.Load) or not _is_table(module, node.value):
                continue
            if Constant(_PLAIN) in module.values(node.slice) and not _is_ready(module, node):
                message = (
                    f'`{_TABLE}` has no "{_PLAIN}" since transformers 5.0 (KeyError): compute plain embeddings in the '
                    "model, as the library's `compute_default_rope_parameters` do"
                )
                yield module.finding(node, message)


def _is_table(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the table of the library, and none that the module has changed."""
    if not any(isinstance(each, External) and each.name == _TABLE for each in view.values(node)):
        return False
    return view.is_of(node, "transformers") and not any(
        isinstance(each, ast.Subscript) and isinstance(each.ctx, ast.Store) and ast.dump(each.value) == ast.dump(node)
        for each in view.tree.nodes.get(ast.Subscript, ())
    )


def _is_ready(view: ModuleView, node: ast.Subscript) -> bool:
    """Whether code asks for the plain kind, or for what the table holds, before it looks there."""
    if view.guards.is_dead(node) or view.guards.handled(node, _ERRORS) is not None:
        return True
    return any(
        _TABLE in ast.unparse(test) or f"'{_PLAIN}'" in ast.unparse(test) for test, _ in view.reach.conditions(node)
    )

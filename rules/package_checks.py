"""V5922: the check for a package, whose answer is a tuple now."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

_NAME = "_is_package_available"
_PATHS = frozenset({f"transformers.utils.import_utils.{_NAME}", f"transformers.utils.{_NAME}"})

#: The argument with which the answer is a tuple under every release.
_VERSION = "return_version"


class PackageCheckTuple(Rule):
    """`_is_package_available("x")` of transformers, taken for a bool.

    ## What it does

    Finds calls of `transformers.utils.import_utils._is_package_available` whose answer is not taken for a tuple: no
    `return_version=True`, no `[0]`, nothing unpacked. Functions of that name in other packages (accelerate, diffusers,
    trl, peft) are theirs.

    ## Why it breaks

    Since 5.3 the answer is a tuple, which is true whatever is in it: every optional dependency is there, and the import
    behind the check fails. Measured on 5.24:

        bool(_is_package_available("no_such_package"))      # (False, None), which is true; 4.57: False

    ## Example

        if _is_package_available("bitsandbytes"):
            import bitsandbytes

    becomes

        if _is_package_available("bitsandbytes", return_version=True)[0]:
            import bitsandbytes

    ## Fix safety

    Safe: with `return_version=True` every release since 4.30 gives a tuple. No fix where the function may be another
    one, as that of a fallback in the module.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/utils/import_utils.py
    """

    code = "V5922"
    name = "package-check-tuple"
    since = "5.3"
    tokens = (_NAME,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            call = CallSite(module, node)
            values = call.callees
            if call.func is not node.func or not any(isinstance(v, External) and v.path in _PATHS for v in values):
                continue
            wanted = call.values_of(_VERSION, 1)
            if (wanted and wanted != {Constant(False)}) or call.is_open or module.guards.is_dead(node):
                continue
            if not _is_taken_for_tuple(module, node):
                message = f"`{_NAME}` gives a tuple since transformers 5.3, which is always true: take the first of it"
                yield module.finding(node, message, fix=_fix(module, call) if len(values) == 1 else None)


def _is_taken_for_tuple(view: ModuleView, node: ast.expr) -> bool:
    """Whether a program takes the answer apart, or asks what it is."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Subscript):
        return parent.value is node
    if isinstance(parent, ast.Call):
        return node in parent.args and ast.unparse(parent.func) in ("isinstance", "type")
    targets = parent.targets if isinstance(parent, ast.Assign) else []
    if isinstance(parent, (ast.AnnAssign, ast.NamedExpr)):
        targets = [parent.target]
    if any(isinstance(each, (ast.Tuple, ast.List)) for each in targets):
        return True
    names = [each for each in targets if isinstance(each, ast.Name)]
    uses = [use for name in names for each in view.links.bindings_at(name) for use in view.links.uses(each)]
    return any(_is_taken_for_tuple(view, use) for use in uses)


def _fix(view: ModuleView, call: CallSite) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.rule import Edit

        given = call.keyword(_VERSION) or call.argument(_VERSION, 1)
        text = f"{_VERSION}=True"
        if given is not None:
            changed = edit_arguments(view, call.node, replace={given: text})
        else:
            changed = edit_arguments(view, call.node, append=[text])
        end = view.span(call.node)[1]
        return [Edit(changed.start, end, f"{changed.content}{view.text[changed.end : end]}[0]")]

    return Fix("Take the first of the tuple", edits)

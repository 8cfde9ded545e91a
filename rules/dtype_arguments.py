"""V5204: `torch_dtype`, which is called `dtype` now."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.parts import arguments, loading, members
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_OLD, _NEW = "torch_dtype", "dtype"

#: The oldest release that takes the new name.
_SINCE = "4.56"

_MESSAGE = f"`{_OLD}` is deprecated since transformers {_SINCE}: write `{_NEW}`"


class DeprecatedTorchDtype(Rule):
    """`torch_dtype`, the deprecated name of `dtype`.

    ## What it does

    Finds `torch_dtype` given to `from_pretrained` and `from_config` of a transformers model (as a keyword, or in a
    dict that is splatted into the call), to `pipeline` and in its `model_kwargs`, and `config.torch_dtype`. diffusers'
    pipelines, PEFT's and other libraries' own arguments of the name are left alone.

    ## Why it breaks

    It does not yet. Measured on 5.23.0, once a process:

        `torch_dtype` is deprecated! Use `dtype` instead!

    ## Example

        model = AutoModel.from_pretrained(name, torch_dtype=torch.bfloat16)

    becomes

        model = AutoModel.from_pretrained(name, dtype=torch.bfloat16)

    ## Fix safety

    Safe, and held back while the project supports releases before 4.56, which give `dtype` to the constructor of the
    model. Unsafe where a dict also goes somewhere else.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/model
    """

    code = "V5204"
    name = "deprecated-torch-dtype"
    since = "4.56"
    tokens = (_OLD,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for given in arguments.given(module, {_OLD}, _loader, loading.takers, _deprecated):
            if isinstance(given, arguments.Given):
                level, _ = arguments.safety(given)
                fix = arguments.rename_fix(given, _NEW, _SINCE, level)
                yield module.finding(given.node, _MESSAGE, fix=fix, level="deprecated")
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr == _OLD and _is_of_config(module, node):
                start, end = module.name_span(node)
                replaced = Fix(f"Replace `{_OLD}` with `{_NEW}`", [Edit(start, end, _NEW)], requires=_SINCE)
                yield module.finding(node, _MESSAGE, fix=replaced, level="deprecated")


_methods = loading.functions(frozenset({"from_pretrained", "from_config", "_from_config"}), with_pipeline=True)


def _loader(call: CallSite, callee: Value) -> Iterator[str]:
    if isinstance(callee, Method) and isinstance(callee.owner, External) and callee.owner.package == "peft":
        return
    for function in _methods(call, callee):
        holder = function.partition(".")[0]
        if function == "pipeline" or lookup.is_model_class(holder) or holder in ("PreTrainedModel", "GenerationMixin"):
            yield function


def _deprecated(function: str, name: str, target: str) -> Removal | None:
    if parse_release(target) < parse_release(_SINCE):
        return None
    return Removal(
        f"{function}:{name}", "parameter", "transformers", f"..{_SINCE}", _SINCE, [_NEW, "1", _SINCE, "", ""]
    )


def _is_of_config(view: ModuleView, node: ast.Attribute) -> bool:
    if view.guards.is_dead(node) or members.is_prepared(view, node):
        return False
    if isinstance(node.ctx, ast.Load) and members.is_own_attribute(view, node):
        return False
    return bool(members.owners(view, node.value, ("config",)))

"""V5566: caches that are made with the arguments of older releases."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import arguments
from v5lint.view.strings import is_super_call, last_name
from v5lint.view.values import Constant, External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_DYNAMIC, _STATIC = "DynamicCache", "StaticCache"
_MAKES = "__init__"

#: What a dynamic cache was told, and the first release that takes data in that place.
_LAYERS, _LAYERS_SINCE = "num_hidden_layers", "4.50"

#: The places of a static cache were `config, batch_size, max_cache_len, device, dtype`; there are four others since.
_LENGTH, _LENGTH_PLACE, _STATIC_SINCE = "max_cache_len", 2, "4.56"


class CacheConstruction(Rule):
    """A `DynamicCache` that is told the number of layers, or a `StaticCache` that is told a batch size by position.

    ## What it does

    Finds `DynamicCache(num_hidden_layers)`, `DynamicCache(num_hidden_layers=...)` and `StaticCache(config, batch_size,
    max_cache_len, ...)`, and the same in `super().__init__(...)` of classes that inherit from them.

    ## Why it breaks

    The first place of a `DynamicCache` is for data since 4.50, and a `StaticCache` takes `config, max_cache_len,
    offloading, offload_only_non_sliding` since 4.56: with three arguments by position the batch size becomes the
    length, and nothing is raised. Measured on 4.57.6 and 5.24.0:

        TypeError: 'int' object is not iterable
        TypeError: DynamicCache.__init__() got an unexpected keyword argument 'num_hidden_layers'
        TypeError: StaticCache.__init__() takes from 3 to 5 positional arguments but 6 were given

    ## Example

        cache = StaticCache(model.config, 1, 128, model.device, model.dtype)
        other = DynamicCache(model.config.num_hidden_layers)

    becomes

        cache = StaticCache(model.config, max_cache_len=128)
        other = DynamicCache()

    ## Fix safety

    Safe for a `DynamicCache`: no release needs the number. Unsafe for a `StaticCache`, which is as large as the first
    batch that it is given.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/cache_utils.py
    """

    code = "V5566"
    name = "cache-construction"
    since = "4.50"
    tokens = (_DYNAMIC, _STATIC)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls():
            kinds = _kinds(module, call)
            if len(kinds) != 1 or any(isinstance(each, ast.Starred) for each in call.node.args):
                continue
            if module.guards.is_dead(call.node) or arguments.is_tried_otherwise(module, call, call.node):
                continue
            if kinds == {_DYNAMIC} and (given := _number_of_layers(module, call)) is not None:
                said = f"`{_DYNAMIC}` takes no number of layers since transformers {_LAYERS_SINCE}: give it nothing"
                fix = Fix("Leave the number out", lambda c=call, g=given: _without(c, g))  # type: ignore[misc]
                yield module.finding(given, said, fix=fix, since=_LAYERS_SINCE)
            elif kinds == {_STATIC} and _has_a_batch_size(call) and _is_reached(module):
                said = f"the second place of `{_STATIC}` is for `{_LENGTH}` since transformers {_STATIC_SINCE}"
                fix = None
                if len(call.node.args) > _LENGTH_PLACE:
                    fix = Fix(
                        f"Give `{_LENGTH}` alone",
                        lambda c=call: _with_length(c),  # type: ignore[misc]
                        applicability="unsafe",
                        requires=_STATIC_SINCE,
                    )
                yield module.finding(call.node.args[1], f"{said}: give `{_LENGTH}=` and no batch size", fix=fix)


def _is_reached(view: ModuleView) -> bool:
    return view.settings.target >= parse_release(_STATIC_SINCE)


def _kinds(view: ModuleView, call: CallSite) -> set[str]:
    """The caches of the library that a call makes, or is the constructor of the base of."""
    if call.name in (_DYNAMIC, _STATIC):
        found = [each for each in call.callees if isinstance(each, External) and each.package == "transformers"]
    elif is_super_call(call.node, _MAKES):
        owner = view.links.class_around(call.node)
        bases = view.evaluator.bases(LocalClass(view, owner)) if owner is not None else []
        found = [each for each in bases if isinstance(each, External) and each.package == "transformers"]
    else:
        return set()
    return {each.name for each in found} & {_DYNAMIC, _STATIC}


def _number_of_layers(view: ModuleView, call: CallSite) -> ast.AST | None:
    """The argument that says how many layers there are."""
    if keyword := call.keyword(_LAYERS):
        return keyword
    first = call.node.args[0] if len(call.node.args) == 1 else None
    if first is None:
        return None
    is_number = any(isinstance(each, Constant) and type(each.value) is int for each in view.values(first))
    return first if is_number or last_name(first) in (_LAYERS, "num_layers", "n_layer") else None


def _has_a_batch_size(call: CallSite) -> bool:
    count = len(call.node.args)
    return count > _LENGTH_PLACE or (count == _LENGTH_PLACE and call.keyword(_LENGTH) is not None)


def _without(call: CallSite, given: ast.AST) -> list[Edit]:
    from v5lint.edits.arguments import edit_arguments

    return [edit_arguments(call.view, call.node, remove=[given])]


def _with_length(call: CallSite) -> list[Edit]:
    from v5lint.edits.arguments import edit_arguments

    length = call.view.source(call.node.args[_LENGTH_PLACE])
    return [edit_arguments(call.view, call.node, remove=call.node.args[1:], append=[f"{_LENGTH}={length}"])]

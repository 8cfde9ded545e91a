"""V5552: caches of one's own that the models cannot use any more."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import parameters
from v5lint.view.strings import is_super_call
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_CACHE, _UPDATE, _GIVEN = "Cache", "update", "kwargs"

#: The release since which an attention gives `update` its own keyword arguments by this name.
_GIVEN_SINCE = "5.24"

#: The release since which a cache is made of layers.
_LAYERS_SINCE = "4.56"

#: How much an attention gave: the cache, the keys, the values, the layer, and one dict of the rest.
_GIVEN_BEFORE = 5

#: What an `update` is told by.
_LAYER = "layer_idx"


class OwnCache(Rule):
    """A cache of one's own whose `update` has no room for `kwargs`, or that is made of no layers.

    ## What it does

    Finds classes that inherit from a cache of transformers (`Cache`, `DynamicCache`, `StaticCache`, ...) and define
    `update` without a parameter `kwargs` and without `**kwargs` (not one that asks for more than an attention of the
    library gives, and is called by the program's own); and those that inherit from `Cache` itself and call
    `super().__init__()` without arguments.

    ## Why it breaks

    Attentions call `cache.update(key, value, layer_idx, kwargs=kwargs)` since 5.24, and a `Cache` is made of layers
    since 4.56. Measured on 5.24.0, and the second on 4.57.6 as well:

        TypeError: Own.update() got an unexpected keyword argument 'kwargs'
        ValueError: You should provide exactly one of `layers` or `layer_class_to_replicate` to initialize a Cache.

    ## Example

        class Own(Cache):
            def __init__(self):
                super().__init__()

            def update(self, key_states, value_states, layer_idx, cache_kwargs=None):

    becomes

        class Own(Cache):
            def __init__(self):
                super().__init__(layers=[])

            def update(self, key_states, value_states, layer_idx, cache_kwargs=None, **kwargs):

    ## Fix safety

    `**kwargs` is added safely: what comes with it was in `cache_kwargs` or nowhere. Where `cache_kwargs` is read
    (`cache_kwargs["sin"]`) it is unsafe: nothing is given by that name any more. No fix for the constructor.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/cache_utils.py
    """

    code = "V5552"
    name = "own-cache"
    since = "4.56"
    tokens = (f"{_CACHE})", f"{_CACHE},")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            of = LocalClass(module, node)
            roots = [each for each in module.roots(of) if each.package == "transformers"] if node.bases else []
            if not roots or not all(each.name.endswith(_CACHE) for each in roots) or module.guards.is_dead(node):
                continue
            methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
            update = methods.get(_UPDATE)
            if update is not None and _is_narrow(update) and module.settings.target >= parse_release(_GIVEN_SINCE):
                said = f"`{_UPDATE}` is given `{_GIVEN}` by name since transformers {_GIVEN_SINCE}: take `**{_GIVEN}`"
                yield module.finding_at_name(update, said, fix=_fix(module, update), since=_GIVEN_SINCE)
            made = methods.get("__init__")
            if made is not None and [each.name for each in roots] == [_CACHE]:
                for call in _empty(made):
                    said = f"a `{_CACHE}` is made of layers since transformers {_LAYERS_SINCE}: give it `layers=[]`"
                    yield module.finding(call, said, since=_LAYERS_SINCE)


def _is_narrow(update: ast.FunctionDef) -> bool:
    """Whether an attention of the library could call an `update` before, and cannot now."""
    args = update.args
    names = {each.arg for each in (*args.args, *args.kwonlyargs)}
    is_asking = len(args.args) - len(args.defaults) > _GIVEN_BEFORE or None in args.kw_defaults
    return args.kwarg is None and _LAYER in names and _GIVEN not in names and not is_asking


def _empty(made: ast.FunctionDef) -> Iterator[ast.Call]:
    """The calls of the base's constructor without arguments."""
    for call in ast.walk(made):
        if isinstance(call, ast.Call) and not call.args and not call.keywords and is_super_call(call, "__init__"):
            yield call


def _fix(view: ModuleView, update: ast.FunctionDef) -> Fix | None:
    """Add `**kwargs` behind the last parameter."""
    edits = parameters.added(view, update, f"**{_GIVEN}")
    if edits is None:
        return None
    args = update.args
    old = args.args[_GIVEN_BEFORE - 1].arg if len(args.args) >= _GIVEN_BEFORE else ""
    reads = [each for each in ast.walk(update) if isinstance(each, ast.Name) and each.id == old]
    return Fix(f"Take `**{_GIVEN}`", edits, applicability="unsafe" if reads else "safe")

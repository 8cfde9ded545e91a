"""V5549: hooks on parts of models that read arguments which these are no longer given."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.parts import decoder_layers, model_layers, patched_methods, replaced_parts
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_CACHE = "cache"

#: What parts of models were given by name -> the release since which they are not, and what is there in its place.
_GONE = {
    "past_key_value": ("4.56", f'the cache is `["{_CACHE}"]` (`["past_key_values"]` from 4.56 to 5.23)'),
    "past_key_values": ("5.24", f'the cache is `["{_CACHE}"]`'),
    "cache_position": ("5.4", "take the positions from `position_ids`, or the length of the cache"),
}

#: What gives a part what it is given.
_FORWARD = "forward"

_REGISTER = frozenset({"register_forward_hook", "register_forward_pre_hook"})
_WITH = "with_kwargs"

#: The place of the keyword arguments among the parameters of a hook: the module, its inputs, those by name.
_PLACE = 2

#: Attributes that hold a part of a layer.
_PARTS = frozenset({"self_attn", "attn", "attention", "self_attention"})

_READS = frozenset({"get", "pop"})


class HookArgument(Rule):
    """A hook on a part of a model, or what replaces its `forward`, that reads the cache or positions by the old name.

    ## What it does

    Finds functions that are registered with `with_kwargs=True` on an attention (`layer.self_attn`) or a layer of a
    model and that read `kwargs["past_key_values"]`, `kwargs["past_key_value"]` or `kwargs["cache_position"]`. Methods
    are found in the subclasses of the class that registers them, too. A function that knows of `"cache"` is left alone.

    The same in functions `(*args, **kwargs)` that are put in the place of the `forward` of such a part
    (`layer.self_attn.forward = MethodType(wrapped, layer.self_attn)`, `LlamaAttention.forward = wrapped`).

    ## Why it breaks

    Models hand the cache to their layers, and these to their attention, as `cache` since 5.24 (`past_key_value` up to
    4.55, `past_key_values` up to 5.23), and hand on no `cache_position` since 5.4. Measured with Llama on 5.24:

        KeyError: 'past_key_values'
        KeyError: 'cache_position'

    `kwargs.get("past_key_values")` is None.

    ## Example

        def hook(module, args, kwargs, output):
            cache = kwargs["past_key_values"]

        layer.self_attn.register_forward_hook(hook, with_kwargs=True)

    write, which works before 5.24, too,

        def hook(module, args, kwargs, output):
            cache = kwargs["cache"] if "cache" in kwargs else kwargs["past_key_values"]

    ## Fix safety

    No fix: what the program does with the positions is its own.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/models/llama/modeling_llama.py
    """

    code = "V5549"
    name = "hook-argument"
    since = "4.56"
    tokens = tuple(_GONE)
    beside = ("kwargs",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for function in module.tree.nodes.get(ast.FunctionDef, ()):
            assert isinstance(function, ast.FunctionDef)
            rest = function.args.kwarg.arg if function.args.kwarg is not None else ""
            for given, is_given in ((_given(module, function), _is_hook), (rest, _is_forward)):
                reads = [(node, key) for node, key in _reads(function, given) if key in _GONE] if given else []
                if reads and is_given(module, function):
                    yield from _found(module, reads)


def _found(view: ModuleView, reads: list[tuple[ast.expr, str]]) -> Iterator[Finding]:
    for node, key in reads:
        since, now = _GONE[key]
        if view.settings.target >= parse_release(since) and not view.guards.is_dead(node):
            said = f"the part is given no `{key}` since transformers {since}: {now}"
            yield view.finding(node, said, since=since)


def _given(view: ModuleView, function: ast.FunctionDef) -> str:
    """The parameter of a function that is the keyword arguments where it is a hook; "" where it has no room."""
    args = [*function.args.posonlyargs, *function.args.args]
    place = _PLACE + (view.links.class_of_method(function) is not None)
    return args[place].arg if place < len(args) else ""


def _reads(function: ast.FunctionDef, given: str) -> list[tuple[ast.expr, str]]:
    """What a function reads of a dict by constant names; nothing where it knows of the new name."""
    found: list[tuple[ast.expr, str]] = []
    stored: set[object] = set()
    key: ast.expr | None
    for node in ast.walk(function):
        if isinstance(node, ast.Constant) and node.value == _CACHE:
            return []
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            holder, key = node.value, node.slice
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            stored.add(node.slice.value)
            continue
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _READS:
            holder, key = node.func.value, node.args[0] if node.args else None
        else:
            continue
        if isinstance(holder, ast.Name) and holder.id == given and isinstance(key, ast.Constant):
            found.append((node, str(key.value)))
    names = {key for _node, key in found}
    return [
        each
        for each in found
        if each[1] not in stored and (each[1] != "past_key_value" or "past_key_values" not in names)
    ]


def _is_hook(view: ModuleView, function: ast.FunctionDef) -> bool:
    """Whether a function is registered as a hook on a part of a model, by this module or by a base of its class."""
    owner = view.links.class_of_method(function)
    if owner is None:
        return any(_registers(other, function.name) for other in (view, *view.importers(function.name)))
    waiting, seen = [LocalClass(view, owner)], set()
    while waiting:
        of = waiting.pop()
        if _registers(of.view, function.name):
            return True
        bases = [each for each in of.view.evaluator.bases(of) if isinstance(each, LocalClass) and each not in seen]
        seen.update(bases)
        waiting += bases
    return False


def _is_forward(view: ModuleView, function: ast.FunctionDef) -> bool:
    """Whether a function is put in the place of the `forward` of a part, and nothing else gives it what is gone."""
    if view.links.class_of_method(function) is not None:
        return False
    inside = set(ast.walk(function))
    if any(call.node not in inside for call, _keyword in view.keywords(set(_GONE))):
        return False
    if any(decoder_layers.is_part(each) for each in patched_methods.patched_classes(view, function, _FORWARD)):
        return True
    return any(_puts(other, function.name) for other in (view, *view.importers(function.name)))


def _puts(view: ModuleView, name: str) -> bool:
    """Whether a module puts a function in the place of the `forward` of a part: `layer.self_attn.forward = mine`."""
    for statement in view.tree.nodes.get(ast.Assign, ()):
        assert isinstance(statement, ast.Assign)
        if replaced_parts.put(statement.value) != name:
            continue
        for target in statement.targets:
            if isinstance(target, ast.Attribute) and target.attr == _FORWARD and _is_part(view, target.value):
                return True
    return False


def _registers(view: ModuleView, name: str) -> bool:
    for method in _REGISTER:
        for call in view.links.calls_named(method):
            hook = call.args[0] if call.args else None
            called = hook.attr if isinstance(hook, ast.Attribute) else getattr(hook, "id", "")
            if called == name and any(each.arg == _WITH for each in call.keywords):
                assert isinstance(call.func, ast.Attribute)
                if _is_part(view, call.func.value):
                    return True
    return False


def _is_part(view: ModuleView, part: ast.expr) -> bool:
    """Whether an expression stands for a part of a model, by the name of the attribute or its place."""
    if isinstance(part, ast.Attribute) and part.attr in _PARTS:
        return True
    return decoder_layers.is_item(view, part) or bool(model_layers.names(view, part))

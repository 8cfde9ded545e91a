"""V5501: key-value caches that are handled as the tuples of tuples that they were."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, members, models
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, LocalClass, LocalFunction, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.members import Gone, Owner
    from v5lint.view.module import ModuleView

_PAST = "past_key_values"

#: The place of the cache in what a decoder gives without labels: the logits are the first.
_PLACE = 1

#: What says, somewhere, that no cache is given.
_NO_CACHE = pattern(r"""use_cache["'\]]*\s*[=:]\s*False""")

#: What a call that makes a cache ends its function's name with.
_MADE = "Cache("

#: Methods of caches alone: nothing else has any of the name.
_SPECIFIC = frozenset({"from_legacy_cache", "to_legacy_cache"})

#: The cache that a model makes, and what programs read of it that it lost.
_DYNAMIC = "DynamicCache"
_LOST = frozenset(
    {"key_cache", "value_cache", "seen_tokens", "_seen_tokens", "get_usable_length", "get_max_cache_shape"}
)

#: The first release whose caches have layers with keys and values, and whose constructor takes the tuples.
_SINCE = "4.56"

#: Methods of tensors that give a tuple of them: a prefix is made so for every layer at once.
_SPLITS = frozenset({"split", "chunk", "unbind"})

#: Functions that give another cache of the same kind.
_COPIES = frozenset({"deepcopy", "copy"})

#: How a model is called of which a file knows no more.
_MODEL = "model"
_ANY_DECODER = "AutoModelForCausalLM"

#: Models whose cache has two parts, and libraries whose models give tuples.
_OTHER_MODELS = pattern(r"Seq2Seq|ConditionalGeneration|EncoderDecoder|optimum|onnx|openvino|ipex|\bjax\b|tensorflow")

#: How many names back a cache is followed.
_DEPTH = 4


class LegacyCache(Rule):
    """A key-value cache that is used like a tuple, or through methods that are gone.

    ## What it does

    Finds on what is known to be a cache of transformers (an object of a cache class, `outputs.past_key_values` of a
    model of transformers, also of a `model` of which no more is known, in files that work with decoders of
    transformers; or the second of the tuple that a decoder gives without labels): subscripts, loops over
    pairs, `from_legacy_cache`, `to_legacy_cache`, `key_cache`, `value_cache`, `seen_tokens`, `get_usable_length`,
    `get_max_cache_shape`, `crop(max_length=)`, a positive length that is given to `crop`, and every other member that a
    release since 4.36 took from the cache classes. Also tuples that a model is given as `past_key_values=`, of which
    4.x made a cache, or what `split` makes of the tensor of a prefix. Attention code that handles a tuple of its own
    (`past_key_value[0]`), and code that asks for the type first, is left alone.

    ## Why it breaks

    Since 5.0 a cache is an object with layers. Measured on 5.23:

        TypeError: 'DynamicCache' object is not subscriptable
        ValueError: too many values to unpack (expected 2)
        AttributeError: type object 'DynamicCache' has no attribute 'from_legacy_cache'
        AttributeError: 'DynamicCache' object has no attribute 'to_legacy_cache'
        AttributeError: 'tuple' object has no attribute 'get_seq_length'
        TypeError: Cache.crop() got an unexpected keyword argument 'max_length'
        ValueError: Calling `crop` with a positive value (`2`) is not supported. Please use a negative integer ...

    ## Example

        cache = DynamicCache.from_legacy_cache(past_key_values)
        length = outputs.past_key_values[0][0].shape[2]

    becomes

        cache = DynamicCache(past_key_values)
        length = outputs.past_key_values.layers[0].keys.shape[2]

    ## Fix safety

    Safe for `DynamicCache.from_legacy_cache`. Unsafe for subscripts and loops, and for decoder models only: the cache
    of an encoder-decoder model has two parts, and a layer of linear attention has no keys.

    ## References

    - https://huggingface.co/docs/transformers/kv_cache
    """

    code = "V5501"
    name = "legacy-cache"
    since = "5.0"
    tokens = (_PAST, "Cache", "legacy_cache")

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        yield from _members(module)
        for call, keyword in module.keywords({"max_length"}):
            func = call.func
            if call.name == "crop" and isinstance(func, ast.Attribute) and _cache(module, func.value):
                message = (
                    "`crop` takes no `max_length=` since transformers 5.15: pass how many tokens to take off, negated"
                )
                yield module.finding(keyword, message, since="5.15")
        for call in module.calls({"crop"}):
            func = call.func
            lengths = module.constants(call.args[0], int) if call.args else []
            if (
                isinstance(func, ast.Attribute)
                and any(isinstance(each, int) and each > 0 for each in lengths)
                and _cache(module, func.value)
            ):
                message = "`crop` refuses a positive length since transformers 5.20: pass what to take off, negated"
                yield module.finding(call.args[0], message, since="5.20")
        if _PAST not in module.text and _MADE not in module.text:
            return
        yield from _tuples_given(module)
        for node in module.tree.nodes.get(ast.Subscript, ()):
            assert isinstance(node, ast.Subscript)
            is_read = isinstance(node.ctx, ast.Load) and not _is_key(module, node)
            models = _cache(module, node.value) if is_read else []
            if models and not _is_asked(module, node):
                message = "a cache is no tuple since transformers 5.0: read `.layers[i].keys` and `.values`"
                yield module.finding(node, message, fix=_subscript_fix(module, node, models))
        for target, source in _loops(module):
            models = _cache(module, source) if _takes_pairs(module, target) else []
            if models and not _is_asked(module, source):
                message = "a cache gives more than pairs of keys and values since transformers 5.0: loop over its "
                yield module.finding(source, message + "`.layers`", fix=_loop_fix(module, source, models))


# Tuples that are given to a model


def _tuples_given(view: ModuleView) -> Iterator[Finding]:
    for call, keyword in view.keywords({_PAST}):
        if view.guards.is_dead(call.node) or not _is_tuple(view, keyword.value, 0):
            continue
        target = call.func.value if call.name == "forward" and isinstance(call.func, ast.Attribute) else call.func
        found = models.models(view, target)
        if found.found and not any(each.is_own for each in found.found):
            name = found.found[0].name
            message = (
                f"`{name}` takes a cache, and no tuples, since transformers 5.0: give it `DynamicCache(...)` of them"
            )
            yield view.finding(keyword, message)


def _is_tuple(view: ModuleView, node: ast.expr, depth: int) -> bool:
    """Whether an expression is certainly a tuple or list: written so, or what `split` makes of a tensor."""
    if isinstance(node, (ast.Tuple, ast.List, ast.ListComp)):
        return True
    if isinstance(node, ast.Name) and depth < _DEPTH:
        bindings = view.links.bindings_read(node)
        values = [each.value for each in bindings if not _is_none(each.value)]
        kinds = {each.kind for each in bindings}
        return (
            kinds == {"assign"} and bool(values) and all(each and _is_tuple(view, each, depth + 1) for each in values)
        )
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name) and node.func.id in ("tuple", "list"):
        return len(node.args) == 1
    if isinstance(node.func, ast.Attribute) and node.func.attr in _SPLITS:
        return True
    functions = [each for each in view.values(node.func) if isinstance(each, LocalFunction) and each.view is view]
    given = [one for each in functions for one in view.links.returns(each.node) if not _is_none(one)]
    return bool(given) and depth < _DEPTH and all(each and _is_tuple(view, each, depth + 1) for each in given)


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


# Methods and attributes


def _members(view: ModuleView) -> Iterator[Finding | Unseen]:
    known = {each.node: each for each in members.gone(view, ("cache",), asks_type=False)}
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        found = known.get(node)
        if found is None and node.attr in _LOST:
            found = _lost(view, node)
        if found is not None:
            yield view.finding(node, members.told(found), fix=_member_fix(view, node), since=found.removal.gone)
        elif node.attr in _SPECIFIC and isinstance(node.ctx, ast.Load) and members.is_untyped(view, node, ""):
            if members.imports_transformers(view):
                message = f"caches have no `{node.attr}` since transformers 5.0: the constructor takes the tuples, and "
                yield view.finding(node, message + "`.layers` has them")
            else:
                yield view.unseen(node, f"what `{view.source(node.value)}` is comes from elsewhere")


def _lost(view: ModuleView, node: ast.Attribute) -> Gone | None:
    """What a cache lost that is known by the call that gave it: `outputs.past_key_values.key_cache`."""
    given = _cache(view, node.value) if isinstance(node.ctx, ast.Load) else []
    if not given or any(isinstance(each.of, LocalClass) and each.kind == "cache" for each in given):
        return None  # a cache of the repository may have it
    removal = lookup.removed_member(_DYNAMIC, node.attr, library.release_text(view.settings.target))
    if removal is None or members.is_prepared(view, node, asks_type=False):
        return None
    return members.Gone(node, members.Owner(_DYNAMIC, _DYNAMIC, "cache", is_exact=True), removal)


def _member_fix(view: ModuleView, node: ast.Attribute) -> Fix | None:
    """`DynamicCache.from_legacy_cache(x)` is `DynamicCache(x)`."""
    call = view.tree.parents[node]
    if node.attr != "from_legacy_cache" or not isinstance(call, ast.Call) or call.func is not node:
        return None
    of = members.owners(view, node.value, ("cache",))
    if [each.name for each in of] != ["DynamicCache"] or len(call.args) > 1 or call.keywords:
        given = call.keywords[0].arg if len(call.keywords) == 1 and not call.args else ""
        if given != _PAST:
            return None
        edit = view.replace(call, f"{view.source(node.value)}({view.source(call.keywords[0].value)})")
        return Fix("Pass the tuples to the constructor", [edit], requires=_SINCE)
    return Fix("Pass the tuples to the constructor", [view.replace(node, view.source(node.value))], requires=_SINCE)


# What is a cache


def _cache(view: ModuleView, node: ast.expr, depth: int = 0) -> list[Owner]:
    """The classes of the models whose cache an expression is, or of the caches that it is; none where it is neither."""
    if isinstance(node, ast.Attribute) and node.attr == _PAST:
        return _models_behind(view, node.value)
    if isinstance(node, ast.Subscript) and Constant(_PAST) in view.values(node.slice):
        return _models_behind(view, node.value)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value == _PLACE:
        return _given_second(view, node.value)
    if isinstance(node, (ast.Name, ast.Attribute)) and depth < _DEPTH:
        found = []
        for value in _given(view, node):
            if isinstance(value, list):
                found += value
                continue
            if value is None:
                return []
            if isinstance(value, ast.Constant) and value.value is None:
                continue
            models = _cache(view, value, depth + 1)
            if not models:
                return []
            found += models
        return found
    if isinstance(node, ast.Call):
        if CallSite(view, node).name in _COPIES and len(node.args) == 1 and depth < _DEPTH:
            return _cache(view, node.args[0], depth + 1)
        return members.owners(view, node, ("cache",))
    return []


def _given_second(view: ModuleView, outputs: ast.expr) -> list[Owner]:
    """The decoders whose call gave an output of which the cache is the second: `model(ids)[1]`, without a loss."""
    call = view.links.defining_call(outputs)
    if call is None or CallSite(view, call).is_open or CallSite(view, call).name == "generate":
        return []
    if any(each.arg == "labels" for each in call.keywords) or len(call.args) > 1 or _NO_CACHE.search(view.text):
        return []
    found = _models_behind(view, outputs, is_named=False)
    return found if found and all(_names_decoder(each.name) for each in found) else []


def _given(view: ModuleView, node: ast.Name | ast.Attribute) -> list[ast.expr | list[Owner] | None]:
    """What a variable, or an attribute of `self`, is given; None among it for what is not in sight.

    Of `logits, past = model(ids, return_dict=False)` it is the models that gave the second.
    """
    if isinstance(node, ast.Name):
        found: list[ast.expr | list[Owner] | None] = []
        for each in view.links.bindings_read(node):
            is_second = each.kind == "unpack" and each.index == _PLACE and each.value is not None
            second = _given_second(view, each.value) if is_second and each.value is not None else []
            found.append(each.value if each.kind == "assign" else second or None)
        return found
    owner = view.links.class_around(node)
    if owner is None or not isinstance(node.value, ast.Name) or node.value.id != "self":
        return []
    return [*view.links.self_assignments(owner).get(node.attr, ())]


def _models_behind(view: ModuleView, outputs: ast.expr, *, is_named: bool = True) -> list[Owner]:
    """The models whose call, or whose `generate`, gave an output.

    Args:
        view: the module.
        outputs: the output.
        is_named: whether the cache is read of it by its name, which says what a model is that is not known.
    """
    found: list[Owner] = []
    for call in view.links.defining_calls(outputs):
        models = _models_called(view, call.func, is_named=is_named)
        if not models:
            return []
        found += models
    return found


def _models_called(view: ModuleView, func: ast.expr, *, is_named: bool) -> list[Owner]:
    if isinstance(func, ast.Attribute) and func.attr in ("generate", "forward"):
        func = func.value
    elif isinstance(func, ast.Attribute) and not isinstance(func.value, ast.Name):
        return []
    found = members.owners(view, func, ("model",))
    if not found and is_named and _is_untyped_decoder(view, func):
        return [members.Owner(_ANY_DECODER, _ANY_DECODER, "model", is_exact=False)]
    return [each for each in found if _is_transformers_own(view, each)]


def _is_untyped_decoder(view: ModuleView, func: ast.expr) -> bool:
    """Whether what is called is a `model` that a function is given, in a file that works with decoders of transformers.

    The file must import a decoder class of transformers, and nothing with an encoder as well. A file that has a
    `forward` of its own, or a runtime whose models keep tuples, is left alone.
    """
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if not name.endswith(_MODEL):
        return False
    if not all(isinstance(each, Unknown) for each in view.values(func)):
        return False
    if _OTHER_MODELS.search(view.text) or _NO_CACHE.search(view.text) or not members.imports_transformers(view):
        return False
    if any(each.name == "forward" for each in view.tree.nodes.get(ast.FunctionDef, ())):  # type: ignore[attr-defined]
        return False
    return any(
        _names_decoder(alias.name)
        for each in view.tree.nodes.get(ast.ImportFrom, ())
        if isinstance(each, ast.ImportFrom) and (each.module or "").partition(".")[0] == "transformers"
        for alias in each.names
    )


def _is_transformers_own(view: ModuleView, owner: Owner) -> bool:
    """Whether a model's forward is transformers' own, and not that of a class of the repository."""
    from v5lint.view.values import External

    return owner.of is None or isinstance(owner.of, External)


def _is_asked(view: ModuleView, node: ast.expr) -> bool:
    """Whether a test on the type, or on the version, decides over a node."""
    if view.guards.is_dead(node):
        return True
    return any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in ("isinstance", "hasattr")
        for test, _wanted in view.reach.conditions(node)
        for each in ast.walk(test)
    )


def _is_key(view: ModuleView, node: ast.Subscript) -> bool:
    """Whether what is read is an entry of the output, or a part of a tensor, and not a layer of the cache."""
    if isinstance(node.slice, ast.Tuple):  # `prompts[:, :n]`: of a tuple it never was
        return True
    return any(isinstance(each, Constant) and isinstance(each.value, str) for each in view.values(node.slice))


def _loops(view: ModuleView) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The targets and sources of all loops; of `enumerate` what is counted."""
    for kind in (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp):
        for around in view.tree.nodes.get(kind, ()):
            node = around if isinstance(around, ast.For) else around.generators[0]  # type: ignore[attr-defined]
            target, source = node.target, node.iter
            if (
                isinstance(source, ast.Call)
                and isinstance(source.func, ast.Name)
                and source.func.id == "enumerate"
                and source.args
                and isinstance(target, ast.Tuple)
                and len(target.elts) == 2
            ):
                target, source = target.elts[1], source.args[0]
            yield target, source


def _takes_pairs(view: ModuleView, target: ast.expr) -> bool:
    """Whether a loop takes each item for a pair: `for k, v in cache`, or loops over the item itself."""
    if isinstance(target, ast.Tuple):
        return len(target.elts) == 2
    uses = [
        use
        for each in (view.links.bindings_at(target) if isinstance(target, ast.Name) else ())
        for use in view.links.uses(each)
    ]
    for use in uses:
        parent = view.tree.parents[use]
        if isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is use:
            return True
        if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple):
            return len(parent.targets[0].elts) == 2
    return False


# Fixes


def _is_decoder(models: list[Owner]) -> bool:
    return all(
        each.name == "DynamicCache" or _names_decoder(each.shown) or _names_decoder(each.name) for each in models
    )


def _names_decoder(name: str) -> bool:
    return name.endswith(("ForCausalLM", "LMHeadModel"))


def _subscript_fix(view: ModuleView, node: ast.Subscript, models: list[Owner]) -> Fix | None:
    outer = view.tree.parents[node]
    if not _is_decoder(models) or isinstance(node.slice, ast.Slice) or not isinstance(outer, ast.Subscript):
        return None
    if outer.value is not node or not isinstance(outer.slice, ast.Constant) or outer.slice.value not in (0, 1):
        return None
    part = "keys" if outer.slice.value == 0 else "values"
    text = f"{view.source(node.value)}.layers[{view.source(node.slice)}].{part}"
    edit = view.replace(outer, text)
    return Fix("Read the layers of the cache", [edit], applicability="unsafe", requires=_SINCE)


def _loop_fix(view: ModuleView, source: ast.expr, models: list[Owner]) -> Fix | None:
    """Loop over pairs of the layers' tensors, which is what the tuples were."""
    if not _is_decoder(models):
        return None
    edit = view.replace(source, f"((layer.keys, layer.values) for layer in {view.source(source)}.layers)")
    return Fix("Loop over the layers of the cache", [edit], applicability="unsafe", requires=_SINCE)

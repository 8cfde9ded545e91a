"""V5512: methods of a model that `generate` gives other arguments, or that it no longer calls."""

from __future__ import annotations

import ast

from v5lint.rule import Finding, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import generating, library, lost_generate
from v5lint.view.strings import is_super_call
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.releases import Release
    from v5lint.view.module import ModuleView

_PREPARE = "prepare_inputs_for_generation"
_UPDATE = "_update_model_kwargs_for_generation"
_SPECIAL_TOKENS = "_prepare_special_tokens"

#: The keyword that stands second in `prepare_inputs_for_generation` since 5.3, and that every override is given.
_LENGTH = "next_sequence_length"
_POSITIONS = "cache_position"
_MASK = "attention_mask"

#: Since when: of the keyword, without positions, with a mask of None, with `batch_size`, with `cache`.
_SINCE_LENGTH, _SINCE_POSITIONS, _SINCE_MASK, _SINCE_BATCH, _SINCE_CACHE = "5.3", "5.4", "5.18", "5.13", "5.24"

#: Methods that `generate` called itself while it had them: that the target lacks them is asked of the knowledge.
_HOOKS = (
    "_cache_dependant_input_preparation", "_contrastive_search", "_constrained_beam_search", "_dola_decoding",
    "_extract_past_from_model_output", "_get_cache", "_get_initial_cache_position",
    "_get_layer_device_map_for_cache_init", "_group_beam_search", "_prefill_chunking",
    "_prepare_encoder_decoder_kwargs_for_generation", "_temporary_reorder_cache", "_validate_assistant",
)  # fmt: skip

_METHODS = (_PREPARE, _UPDATE, _SPECIAL_TOKENS, *_HOOKS)


class GenerationHookMismatch(Rule):
    """A method of a model that `generate` gives other arguments than it reads, or that it no longer calls.

    ## What it does

    Finds, in classes of the repository that have the `generate` of transformers:

    - `prepare_inputs_for_generation` that reads `cache_position`, or `past_key_values` where it does not take `cache`;
      that has no room for further keywords; or that hands its arguments to `super()` by position.
    - `_update_model_kwargs_for_generation` that reads `model_kwargs["cache_position"]`, or takes a mask that is there
      for a tensor.
    - `_prepare_special_tokens` without `batch_size`.
    - methods that `generate` called until it lost them (`_get_initial_cache_position`, `_get_cache`,
      `_prepare_encoder_decoder_kwargs_for_generation`, ...) and that the file does not call itself.

    Classes with a `generate` of their own, and methods that assign what they read, are left alone.

    ## Why it breaks

    Measured with a small Llama on 4.57.6 and on 5.0 to 5.24. Since 5.3 `next_sequence_length` is passed by name, and
    is the second parameter of the method of the library:

        TypeError: M.prepare_inputs_for_generation() got an unexpected keyword argument 'next_sequence_length'
        TypeError: GenerationMixin.prepare_inputs_for_generation() got multiple values for argument
        'next_sequence_length'

    Since 5.4 there is no `cache_position`: `cache_position[0]` is a TypeError, `.shape` an AttributeError,
    `model_kwargs["cache_position"]` a KeyError, and a branch behind `cache_position is not None` is never taken: the
    pixels that it adds in the first step are lost without a word. (In 5.3 it holds all positions since the first
    token, so that each step looks like the first one.) Since 5.18 a mask without padding is None in `model_kwargs`,
    where the key stays:

        AttributeError: 'NoneType' object has no attribute 'new_ones'

    Since 5.24 the cache comes as `cache`, and `past_key_values` is None in every step: the whole text is computed anew
    for each token, and what belongs to the first step is done in all of them. `kwargs["past_key_values"]` is a
    KeyError. A method that is no longer called raises nothing.

    ## Example

        def prepare_inputs_for_generation(self, input_ids, past_key_values=None, cache_position=None, **kwargs):
            inputs = super().prepare_inputs_for_generation(input_ids, past_key_values=past_key_values, **kwargs)
            if cache_position[0] == 0:
                inputs["pixel_values"] = kwargs.get("pixel_values")
            return inputs

    write

        def prepare_inputs_for_generation(self, input_ids, is_first_iteration=False, **kwargs):
            inputs = super().prepare_inputs_for_generation(
                input_ids, is_first_iteration=is_first_iteration, **kwargs
            )
            if is_first_iteration:
                inputs["pixel_values"] = kwargs.get("pixel_values")
            return inputs

    ## Fix safety

    No fix: what the method does with what it no longer gets is for its author to say.

    ## References

    - https://github.com/huggingface/transformers/pull/44130
    - https://github.com/huggingface/transformers/blob/main/src/transformers/generation/utils.py
    """

    code = "V5512"
    name = "generation-hook-mismatch"
    since = "5.3"
    tokens = tuple(f"def {method}" for method in _METHODS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name in _METHODS]
            if not methods or module.guards.is_dead(node) or not lost_generate.is_to_generate(LocalClass(module, node)):
                continue
            for method in methods:
                if module.guards.is_dead(method):
                    continue
                if method.name == _PREPARE:
                    yield from _prepares(module, method)
                elif method.name == _UPDATE:
                    yield from _updates(module, method)
                elif method.name == _SPECIAL_TOKENS:
                    yield from _special_tokens(module, method)
                else:
                    yield from _never_called(module, method)


def _prepares(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    """What is wrong with a `prepare_inputs_for_generation`."""
    given = generating.parameters(method)
    if method.args.kwarg is None and _LENGTH not in given:
        said = f"`generate` passes `{_LENGTH}=` since transformers {_SINCE_LENGTH}, and `{_PREPARE}` has no `**kwargs`"
        yield view.finding_at_name(method, said, since=_SINCE_LENGTH)
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and is_super_call(node, _PREPARE) and len(node.args) > 1:
            said = f"the second parameter of `{_PREPARE}` is `{_LENGTH}` since transformers {_SINCE_LENGTH}"
            yield view.finding(node.args[1], f"{said}: pass it, and what follows, by name", since=_SINCE_LENGTH)
    read = _first_read(view, method, _POSITIONS)
    if read is not None:
        said = f"`generate` passes no `{_POSITIONS}` since transformers {_SINCE_POSITIONS}, and it is None here"
        yield view.finding(read, f"{said}: `is_first_iteration` tells the first step", since=_SINCE_POSITIONS)
    old, new = generating.CACHE_BEFORE, generating.CACHE
    read = _first_read(view, method, old) if new not in given and not _reads(method, new) else None
    if read is not None:
        said = f"`generate` passes the cache as `{new}` since transformers {_SINCE_CACHE}, and `{old}` is not given"
        yield view.finding(read, f"{said}: take both names", since=_SINCE_CACHE)


def _updates(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    """What is wrong with an `_update_model_kwargs_for_generation`."""
    for node in ast.walk(method):
        if _key(node) == _POSITIONS and isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            if not _is_in_test(view, node, _POSITIONS):
                said = f"`model_kwargs` holds no `{_POSITIONS}` since transformers {_SINCE_POSITIONS}"
                yield view.finding(node, f"{said}: a KeyError", since=_SINCE_POSITIONS)
            break
    for node in ast.walk(method):
        if isinstance(node, ast.If) and _is_membership(node.test, _MASK):
            taken = [each for each in ast.walk(node) if _key(each) == _MASK and not _is_compared(view, each)]
            tests = [each for each in ast.walk(node) if isinstance(each, ast.Constant) and each.value is None]
            if taken and not tests:
                said = f"`model_kwargs` has `{_MASK}` as None since transformers {_SINCE_MASK} where nothing is padded"
                yield view.finding(node.test, f"{said}: ask whether it is None", since=_SINCE_MASK)


def _special_tokens(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    if method.args.kwarg is None and "batch_size" not in generating.parameters(method):
        said = f"`generate` gives `{_SPECIAL_TOKENS}` `batch_size=` since transformers {_SINCE_BATCH}"
        yield view.finding_at_name(method, f"{said}: a TypeError", since=_SINCE_BATCH)


def _never_called(view: ModuleView, method: ast.FunctionDef) -> Iterator[Finding]:
    target: Release = view.settings.target
    removal = lookup.removed_member(generating.MIXIN, method.name, library.release_text(target))
    if removal is not None and not generating.is_called(view, method.name, but_in=method):
        said = f"`generate` has no `{method.name}` since transformers {removal.gone}: nothing calls this method now"
        yield view.finding_at_name(method, said, since=removal.gone)


def _first_read(view: ModuleView, method: ast.FunctionDef, name: str) -> ast.AST | None:
    """Where a method first does something with an argument; None where it makes it itself, or only hands it on."""
    if name in generating.parameters(method):
        names = [each for each in ast.walk(method) if isinstance(each, ast.Name) and each.id == name]
        if any(isinstance(each.ctx, ast.Store) and not _is_narrowed(view, each, name) for each in names):
            return None
        reads: list[ast.AST] = [each for each in names if isinstance(each.ctx, ast.Load)]
    elif method.args.kwarg is not None:
        rest = method.args.kwarg.arg
        reads = [each for each in ast.walk(method) if _is_taken_from(each, rest, name)]
    else:
        return None
    used = [each for each in reads if not _is_handed_on(view, each, name)]
    return min(used, key=lambda each: view.span(each), default=None)


def _is_narrowed(view: ModuleView, node: ast.AST, name: str) -> bool:
    """Whether an assignment to a name only changes what it held: `cache_position = cache_position[-1:]`."""
    statement = view.tree.parents.get(node)
    value = getattr(statement, "value", None)
    return value is not None and any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(value))


def _is_taken_from(node: ast.AST, rest: str, name: str) -> bool:
    """Whether a node is `kwargs["name"]`, `kwargs.get("name")` or `kwargs.pop("name")`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load) and _key(node) == name and _is_name(node.value, rest)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
        first = node.args[0] if node.args else None
        return isinstance(first, ast.Constant) and first.value == name and _is_name(node.func.value, rest)
    return False


def _is_handed_on(view: ModuleView, node: ast.AST, name: str) -> bool:
    """Whether an argument is given to the method of the library, or as one of the results where None does no harm."""
    parent = view.tree.parents.get(node)
    if isinstance(parent, ast.keyword):
        call = view.tree.parents.get(parent)
        return is_super_call(call, _PREPARE) or name == _POSITIONS
    if is_super_call(parent, _PREPARE):
        return True
    return name == _POSITIONS and isinstance(parent, ast.Dict)


def _reads(method: ast.FunctionDef, name: str) -> bool:
    """Whether a method takes an argument out of its `**kwargs`."""
    rest = method.args.kwarg
    return rest is not None and any(_is_taken_from(each, rest.arg, name) for each in ast.walk(method))


def _key(node: ast.AST) -> object:
    """The key of `x["key"]`."""
    constant = node.slice if isinstance(node, ast.Subscript) else None
    return constant.value if isinstance(constant, ast.Constant) else None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_membership(test: ast.expr, key: str) -> bool:
    """Whether a test is `"key" in x`."""
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.In):
        return False
    return isinstance(test.left, ast.Constant) and test.left.value == key


def _is_compared(view: ModuleView, node: ast.AST) -> bool:
    return isinstance(view.tree.parents.get(node), ast.Compare)


def _is_in_test(view: ModuleView, node: ast.AST, key: str) -> bool:
    """Whether a node stands behind a test that names a key: `if "cache_position" in model_kwargs`."""
    above = view.tree.parents.get(node)
    while above is not None and not isinstance(above, ast.FunctionDef):
        names = ast.walk(above.test) if isinstance(above, (ast.If, ast.IfExp)) else ()
        if any(isinstance(each, ast.Constant) and each.value == key for each in names):
            return True
        above = view.tree.parents.get(above)
    return False

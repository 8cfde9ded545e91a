"""V5513: models with positions in three dimensions that are not told which tokens are images."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules.parts import generating, library, lost_generate, models
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_TYPES = "mm_token_type_ids"
_INDEX = "get_rope_index"
_GRIDS = ("image_grid_thw", "video_grid_thw")
_IDS = "input_ids"

#: Where it stands among the parameters of `get_rope_index` since 5.3.
_PLACE = 1

#: Families whose index is made of it since 5.3; those that raise where it is missing, since 5.4, and the one that
#: does not.
_LOUD = frozenset({"qwen2_vl", "qwen3_vl", "qwen3_vl_moe", "glm4v", "glm4v_moe", "glm46v", "qwen3_5", "qwen3_5_moe"})
_SILENT = "qwen2_5_vl"
_FAMILIES = frozenset({*_LOUD, _SILENT})

#: Their classes and checkpoints, as a file names them.
_NAMED = pattern(r"Qwen(2|2[._]5|3)[_-]?VL|qwen(2|2_5|3)_vl|Glm4[v6]|glm4[v6]|Qwen3_5")

#: Frameworks that have the same models under the same names.
_FRAMEWORKS = ("mlx", "paddle", "mindspore")

#: Models whose index is made as before.
_OTHERS = pattern(r"omni|glm_image|GlmImage", re.IGNORECASE)


class MissingTokenTypes(Rule):
    """A Qwen-VL or GLM-V model that is not told which tokens are images: no `mm_token_type_ids`.

    ## What it does

    Finds, for Qwen2-VL, Qwen2.5-VL, Qwen3-VL, Qwen3.5 and GLM-4V:

    - `get_rope_index(input_ids, image_grid_thw, ...)` without `mm_token_type_ids`, which is the second parameter now;
    - a call of the model, or of its `generate`, with `input_ids=` and `image_grid_thw=`, and a dict with these keys
      (what a collator returns), without it;
    - a subclass whose own `forward` does not take it by name, while the processor gives it; with `**kwargs` only where
      the file calls `generate`.

    Files that name `mm_token_type_ids` anywhere, and calls that give `position_ids`, are left alone.

    ## Why it breaks

    Up to 5.2 the models found the images by their token; since 5.3 they go by `mm_token_type_ids`, which the processor
    returns. Measured with small models on 4.57.6, 5.2, 5.3, 5.8 and 5.24:

        TypeError: Qwen2VLModel.get_rope_index() missing 1 required positional argument: 'mm_token_type_ids'
        TypeError: 'NoneType' object is not an iterator
        ValueError: Multimodal data was passed (via `image_grid_thw` or `video_grid_thw`) but `mm_token_type_ids` is
        missing. Please pass `mm_token_type_ids` to the model ...

    The second is a call with the grid in its place; the last one came with 5.4, in a forward of Qwen2-VL, Qwen3-VL
    and GLM-4V. Qwen2.5-VL, every model in 5.3, and `generate` of all of them say nothing: images are given the
    positions of text, and the results are other ones. A `forward` that does not name it makes `generate` refuse what
    the processor returns, `**kwargs` or not: a ValueError about `model_kwargs` that "are not used by the model".

    ## Example

        position_ids, deltas = model.model.get_rope_index(input_ids, image_grid_thw, attention_mask=mask)

    write

        position_ids, deltas = model.model.get_rope_index(
            input_ids, mm_token_type_ids=batch["mm_token_type_ids"], image_grid_thw=image_grid_thw, attention_mask=mask
        )

    ## Fix safety

    No fix: where the types of the tokens are is not in sight.

    ## References

    - https://github.com/huggingface/transformers/pull/43972
    """

    code = "V5513"
    name = "missing-token-types"
    since = "5.3"
    tokens = (_INDEX, *_GRIDS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if _TYPES in module.text or "transformers" not in module.text or _is_of_another_framework(module):
            return
        yield from _indices(module)
        yield from _forwards(module)
        if _INDEX in module.text:
            return  # it makes the positions itself
        yield from _given_to_models(module)
        yield from _dicts(module)


def _is_of_another_framework(view: ModuleView) -> bool:
    """Whether a module is written for MLX, Paddle or MindSpore, whose ports of these models are their own."""
    return any(True for each in _FRAMEWORKS for _ in view.imports(each))


def _indices(view: ModuleView) -> Iterator[Finding]:
    """The calls of `get_rope_index` that do not give the types of the tokens."""
    if _is_written_in(view, _INDEX):
        return
    for node in view.links.calls_named(_INDEX):
        if not isinstance(node.func, ast.Attribute) or view.guards.is_dead(node) or _is_open(node):
            continue
        if not node.args and not any(each.arg == _IDS for each in node.keywords):
            continue
        if _is_of_others(view, node.func.value):
            continue
        unbound = any(isinstance(each, ast.Name) and each.id == "self" for each in node.args[:1])
        given = node.args[_PLACE + unbound :]
        if given:
            said = f"the second parameter of `{_INDEX}` is `{_TYPES}` since transformers 5.3"
            yield view.finding(given[0], f"{said}: give it, and what follows, by name")
        else:
            yield view.finding(node.func, f"`{_INDEX}` takes `{_TYPES}` since transformers 5.3, and raises without it")


def _is_of_others(view: ModuleView, node: ast.expr) -> bool:
    """Whether the owner of a `get_rope_index` is no model of these families, as far as the file tells."""
    root = library.root_of(node)
    found = [each.model_type for each in models.of_model_or_part(view, root if node is not root else node).found]
    known = [each for each in found if each]
    if known:
        return not set(known) & _FAMILIES
    return not _NAMED.search(view.text) or bool(_OTHERS.search(view.text))


def _given_to_models(view: ModuleView) -> Iterator[Finding]:
    """The calls of a model, or of its `generate`, with a grid and without the types of the tokens."""
    for call, keyword in view.keywords(_GRIDS):
        node, func = call.node, call.func
        names = {each.arg for each in node.keywords}
        if _IDS not in names or "position_ids" in names or _is_open(node) or view.guards.is_dead(node):
            continue
        if keyword is not next(each for each in node.keywords if each.arg in _GRIDS):
            continue
        is_generating = isinstance(func, ast.Attribute) and func.attr == "generate"
        target = func.value if isinstance(func, ast.Attribute) and func.attr in ("generate", "forward") else func
        found = models.models(view, target).types
        if found and found <= _FAMILIES:
            effect = "raises a ValueError" if found <= _LOUD and not is_generating else "gives images positions of text"
            yield view.finding(keyword, f"the model {effect} without `{_TYPES}`, since transformers 5.3", since="5.3")


def _dicts(view: ModuleView) -> Iterator[Finding]:
    """The dicts that hold what such a model takes, but not the types of the tokens."""
    if not _NAMED.search(view.text) or _OTHERS.search(view.text):
        return
    said = f"`{_TYPES}` is not among what the model gets: since transformers 5.3 it does not find the images without it"
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        keys = {each.value: each for each in node.keys if isinstance(each, ast.Constant)}
        grid = next((keys[each] for each in _GRIDS if each in keys), None)
        is_whole = len(keys) == len(node.keys) and _IDS in keys and "position_ids" not in keys
        if grid is not None and is_whole and not _holds_texts(node) and not view.guards.is_dead(node):
            yield view.finding(grid, said)
    for node in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if key != _GRIDS[0] or not isinstance(node.ctx, ast.Store) or not isinstance(node.value, ast.Name):
            continue
        if _is_made_of_ids(view, node.value) and not view.guards.is_dead(node):
            yield view.finding(node, said)


def _holds_texts(node: ast.Dict) -> bool:
    """Whether a dict maps names to names or numbers: a table about the inputs, no inputs."""
    return all(isinstance(each, (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict)) for each in node.values)


def _is_made_of_ids(view: ModuleView, name: ast.Name) -> bool:
    """Whether a name is a dict that is written in the same function, and holds `input_ids` and no positions."""
    function = view.links.function_around(name)
    if function is None:
        return False
    keys: set[object] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == name.id for each in node.targets
        ):
            if isinstance(node.value, ast.Dict) and None not in node.value.keys:
                keys |= {each.value for each in node.value.keys if isinstance(each, ast.Constant)}
            elif isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "dict":
                if _is_open(node.value):
                    return False
                keys |= {each.arg for each in node.value.keywords}
            else:
                return False
        elif isinstance(node, ast.Subscript) and _is_stored_in(node, name.id) and isinstance(node.slice, ast.Constant):
            keys.add(node.slice.value)
    return _IDS in keys and "position_ids" not in keys


def _is_stored_in(node: ast.Subscript, name: str) -> bool:
    """Whether a node is `name[...] = ...`."""
    return isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == name


def _forwards(view: ModuleView) -> Iterator[Finding]:
    """The subclasses whose `forward` does not name what the processor gives."""
    for node in view.tree.nodes.get(ast.ClassDef, ()):
        assert isinstance(node, ast.ClassDef)
        forward = next(
            (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "forward"), None
        )
        if forward is None or view.guards.is_dead(node):
            continue
        grid = next((arg for name, arg in generating.parameters(forward).items() if name in _GRIDS), None)
        of = LocalClass(view, node)
        if grid is None or not any(_FAMILY_CLASS.match(name) for name in library.library_classes(view, of)):
            continue
        if lost_generate.is_to_generate(of) and (forward.args.kwarg is None or ".generate(" in view.text):
            said = f"`generate` refuses `{_TYPES}`, which the processor gives since transformers 5.3"
        elif forward.args.kwarg is None:
            said = f"the processor gives `{_TYPES}` since transformers 5.3, a TypeError in this `forward`"
        else:
            continue
        yield view.finding(grid, f"{said}: name it among the parameters")


#: The models of these families, by the beginnings of their names.
_FAMILY_CLASS = pattern(r"(Qwen(2|2_5|3)_?VL|Glm4v|Glm46V|Qwen3_5)\w*(Model|ForConditionalGeneration)\Z")


def _is_open(node: ast.Call) -> bool:
    """Whether a call gets more than is written in it."""
    return any(each.arg is None for each in node.keywords) or any(isinstance(each, ast.Starred) for each in node.args)


def _is_written_in(view: ModuleView, name: str) -> bool:
    """Whether a module has a function of a name itself."""
    return any(getattr(each, "name", "") == name for each in view.tree.nodes.get(ast.FunctionDef, ()))

"""V5923: the pooled output of a tower in the output of CLIP, which is the projected one now."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import members
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: The models, and since when the outputs of their towers are those of `get_image_features` and `get_text_features`.
_SINCE = {"CLIPModel": "5.6", "ChineseCLIPModel": "5.6", "MetaClip2Model": "5.6", "CLIPSegModel": "5.4"}

#: ChineseCLIP had no pooled output of its texts.
_WITHOUT_TEXT = frozenset({"ChineseCLIPModel"})

_VISION, _TEXT = "vision_model_output", "text_model_output"
_POOLED = "pooler_output"

#: Where the pooled output is in the tuple.
_PLACE = 1


class ProjectedPoolerOutput(Rule):
    """The pooled output of one tower, read of the output of a CLIP model.

    ## What it does

    Finds `outputs.vision_model_output.pooler_output` and `outputs.text_model_output.pooler_output` (`[1]` and
    `["pooler_output"]` as well), where `outputs` is what `CLIPModel`, `ChineseCLIPModel`, `MetaClip2Model` or
    `CLIPSegModel` gave. The output of a tower that is called itself (`model.vision_model(...)`), `last_hidden_state`,
    `image_embeds` and the outputs of SigLIP are as they were and are left alone.

    ## Why it breaks

    Since 5.6 (CLIPSeg: 5.4) these are the outputs of `get_image_features` and `get_text_features`, whose pooled output
    is the projected one. Of openai/clip-vit-large-patch14 it has 768 numbers, where that of the tower has 1024, and a
    layer that takes it fails; of a text model in CLIP both have 768 or 512, and nothing is said. Measured on 4.57.6
    and 5.24.0, with a hidden size of 32 and a projection of 16:

        outputs.vision_model_output.pooler_output.shape   (2, 32) -> (2, 16)

    ## Example

        features = outputs.vision_model_output.pooler_output

    becomes

        features = model.vision_model.post_layernorm(outputs.vision_model_output.last_hidden_state[:, 0])

    ## Fix safety

    Unsafe: it is what the tower computes, to the bit on 4.57.6 and 5.24.0, but of the model that has the name where it
    is read. No fix for texts, whose place in the sequence depends on their ids: read `pooler_output` of
    `model.text_model(...)`.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/models/clip/modeling_clip.py
    """

    code = "V5923"
    name = "projected-pooler-output"
    since = "5.4"
    tokens = (_VISION, _TEXT)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr not in (_VISION, _TEXT) or not isinstance(node.ctx, ast.Load):
                continue
            readers = [*_readers(module, node)]
            model = _model(module, node.value) if readers else None
            if model is None:
                continue
            name = _class(module, model)
            if not name or (node.attr == _TEXT and name in _WITHOUT_TEXT):
                continue
            if module.settings.target < parse_release(_SINCE[name]):
                continue
            for reader in readers:
                if members.is_prepared(module, node):
                    continue
                text = (
                    f"`{node.attr}.{_POOLED}` of `{name}` is the projected one since transformers {_SINCE[name]}, "
                    f"where it was that of the tower: that is `{_pooled(module, node, model)}`"
                )
                yield module.finding(reader, text, fix=_fix(module, node, model, reader), since=_SINCE[name])


def _readers(view: ModuleView, node: ast.Attribute) -> Iterator[ast.expr]:
    """Where the pooled output of a tower's output is read, also through a name that it is given."""
    around = view.tree.parents[node]
    if isinstance(around, ast.expr) and _is_pooled(view, around, node):
        yield around
    target = around.targets[0] if isinstance(around, ast.Assign) and len(around.targets) == 1 else None
    for binding in view.links.bindings_at(target) if isinstance(target, ast.Name) else ():
        for use in view.links.uses(binding) if binding.value is node else ():
            outer = view.tree.parents[use]
            is_sure = isinstance(outer, ast.expr) and len(view.links.bindings_read(use)) == 1
            if is_sure and _is_pooled(view, outer, use):  # type: ignore[arg-type]
                yield outer  # type: ignore[misc]


def _is_pooled(view: ModuleView, around: ast.expr, node: ast.expr) -> bool:
    if isinstance(around, ast.Attribute):
        return around.attr == _POOLED and isinstance(around.ctx, ast.Load)
    if isinstance(around, ast.Subscript) and around.value is node and isinstance(around.ctx, ast.Load):
        return view.values(around.slice) in ({Constant(_PLACE)}, {Constant(_POOLED)})
    return False


def _model(view: ModuleView, outputs: ast.expr) -> ast.expr | None:
    """What was called to get some outputs: `model` of `model(**inputs)` and of `model.forward(**inputs)`."""
    call = view.links.defining_call(outputs)
    if call is None:
        return None
    func = call.func
    return func.value if isinstance(func, ast.Attribute) and func.attr == "forward" else func


def _class(view: ModuleView, model: ast.expr) -> str:
    found = {each.name for each in members.owners(view, model, ("model",))}
    return found.pop() if len(found) == 1 and found <= _SINCE.keys() else ""


def _pooled(view: ModuleView, node: ast.Attribute, model: ast.expr) -> str:
    """What the tower gives: for images computed from what it gave, for texts asked of it."""
    if node.attr == _TEXT:
        return f"{view.source(model)}.text_model(...).{_POOLED}"
    return f"{view.source(model)}.vision_model.post_layernorm({view.source(node)}.last_hidden_state[:, 0])"


def _fix(view: ModuleView, node: ast.Attribute, model: ast.expr, reader: ast.expr) -> Fix | None:
    names = view.source(model).split("."), view.source(node).split(".")
    if node.attr == _TEXT or not all(each.isidentifier() for parts in names for each in parts):
        return None
    start, end = view.span(reader)
    return Fix(
        "Compute what the tower does with its last hidden state",
        [Edit(start, end, _pooled(view, node, model))],
        applicability="unsafe",
    )

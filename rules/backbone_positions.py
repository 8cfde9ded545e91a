"""V5540: position embeddings that the backbone of DETR no longer gives."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import module_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_BACKBONE = "backbone"

#: What the backbone gave: features and positions.
_PARTS = 2

#: The families whose backbone gave features and positions (measured on 4.57.6 and 5.24.0, by calling it); Table
#: Transformer, DAB-DETR and Grounding DINO give both still.
_TYPES = frozenset({"detr", "conditional_detr", "deformable_detr"})


class BackbonePositions(Rule):
    """Position embeddings taken from the backbone of a DETR, which gives the feature maps alone.

    ## What it does

    Finds `features, positions = model.model.backbone(pixel_values, pixel_mask)`, and `[1]` of what the call gives, of
    DETR, Conditional DETR and Deformable DETR.

    ## Why it breaks

    The backbone gave a list of pairs (a feature map and its mask) and a list of position embeddings. Since 5.1 it gives
    the first list alone. Measured on 5.24.0, for one feature map and for three:

        ValueError: not enough values to unpack (expected 2, got 1)
        ValueError: too many values to unpack (expected 2)

    Of a backbone with two feature maps both would be taken for what they are not, without a word.

    ## Example

        features, positions = detr.model.backbone(pixel_values, pixel_mask)

    becomes `features = detr.model.backbone(pixel_values, pixel_mask)`; the positions are what
    `detr.model.position_embedding` gives.

    ## Fix safety

    None: how the positions are made is for a person to write.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/models/detr/modeling_detr.py
    """

    code = "V5540"
    name = "backbone-positions"
    since = "5.1"
    tokens = (_BACKBONE,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({_BACKBONE}):
            if not _takes_positions(module, call) or module.guards.is_dead(call.node):
                continue
            place = module_paths.place(module, call.func)
            if place is None or any(
                each.model_type not in _TYPES or module_paths.in_base_model(each, place.path) != _BACKBONE
                for each in place.models
            ):
                continue
            said = f"the backbone of `{place.models[0].name}` gives feature maps alone since transformers 5.1"
            yield module.finding(call.node, f"{said}: `position_embedding` of the model gives the positions")


def _takes_positions(view: ModuleView, call: CallSite) -> bool:
    """Whether two things are taken from what a call gives, or the second of them."""
    parent = view.tree.parents[call.node]
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.slice, ast.Constant) and parent.slice.value == 1
    if not isinstance(parent, ast.Assign) or parent.value is not call.node:
        return False
    return any(
        isinstance(each, (ast.Tuple, ast.List))
        and len(each.elts) == _PARTS
        and not any(isinstance(part, ast.Starred) for part in each.elts)
        for each in parent.targets
    )

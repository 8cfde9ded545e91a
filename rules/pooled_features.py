"""V5508: `get_image_features` and its like, which return an output object where they returned a tensor."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.members import Owner
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_OUTPUT = "pooler_output"

#: Models whose output object has what 4.x returned in another field, without a pooler output.
_FIELDS = {"FuyuModel": "last_hidden_state", "Llama4ForConditionalGeneration": "last_hidden_state"}

#: Families whose pooler output is not what 4.x returned: that was a tuple, one tensor where there is one an image now,
#: had another shape, or (PaliGemma) another scale.
_OTHER_FORM = (
    "AyaVision",
    "Chameleon",
    "Cohere2Vision",
    "DeepseekVLHybrid",
    "Idefics",
    "Kosmos2_5",
    "LlavaNextVideo",
    "LlavaOnevision",
    "Ovis2",
    "PaliGemma",
    "Qwen2_5Omni",
    "Qwen3Omni",
    "Qwen3VL",
    "SmolVLM",
)

#: Models whose methods returned an output object under 4.x, too.
_NEVER_A_TENSOR = frozenset({"Blip2Model"})

#: The names of classes that are one tower: `ClapTextModelWithProjection`, `CLIPVisionModel`.
_TOWER = pattern(r"(Text|Vision|Audio)(Model|Encoder)")

#: Functions that ask what an object is, or has.
_ASKS = frozenset({"isinstance", "hasattr", "getattr"})

#: The methods of which a call may be one of transformers when the receiver could not be followed.
_METHODS = ("get_image_features", "get_text_features", "get_audio_features", "get_video_features")


class PooledFeatures(Rule):
    """`get_image_features`, `get_text_features` or their like, read as a tensor.

    ## What it does

    Finds the calls on models of transformers whose method returns an output object since 5.0 (CLIP, SigLIP, BLIP,
    ALIGN, CLAP, OWL-ViT, ...), and whose result is used as a tensor. What reads `.pooler_output` already, checks what
    it got (`isinstance`, `getattr`, `hasattr`), and methods of the name that are a project's own are left alone. A
    parameter is what its function is called with, in this module or (the fix is unsafe then) in others.

    ## Why it breaks

    Measured on 5.23:

        AttributeError: 'BaseModelOutputWithPooling' object has no attribute 'norm'
        AttributeError: 'BaseModelOutputWithPooling' object has no attribute 'shape'
        TypeError: unsupported operand type(s) for /: 'BaseModelOutputWithPooling' and 'int'

    An index raises nothing: `features[0]` is the whole last hidden state now, where it was the first image.

    ## Example

        features = model.get_image_features(**inputs)
        features = features / features.norm(dim=-1, keepdim=True)

    becomes

        features = model.get_image_features(**inputs).pooler_output
        features = features / features.norm(dim=-1, keepdim=True)

    ## Fix safety

    Safe: `pooler_output` is the tensor that v4 returned (measured: equal; of Fuyu and Llama 4 it is
    `last_hidden_state`). No fix where it is another one: Qwen3-VL and Ovis2 returned a tuple, Idefics and SmolVLM one
    tensor for all images, PaliGemma one of another scale. Held back while the project supports v4, where the tensor has
    no such attribute. What an Auto class loads from a checkpoint that is not known is said to be unseen. Unsafe
    where the model may be another library's.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v5.0.0
    """

    code = "V5508"
    name = "pooled-features"
    since = "5.0"
    tokens = ("_features(",)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for call in module.calls():
            func = call.func
            if (
                not isinstance(func, ast.Attribute)
                or not func.attr.startswith("get_")
                or not func.attr.endswith("_features")
                or call.node.func is not func
            ):
                continue
            if _is_read_as_output(module, call) or members.is_prepared(module, func):
                continue
            if members.is_own_attribute(module, func):
                continue
            owners = members.owners(module, func.value, ("model",))
            mine = [each for each in owners if func.attr in lookup.feature_methods(each.name)]
            if any(each.name in _NEVER_A_TENSOR for each in mine):
                continue
            if mine and all(each in mine or _is_tower(each) for each in owners):
                yield _finding(module, call, func.attr, mine)
            elif func.attr in _METHODS and _may_be_ours(module, func, owners):
                yield module.unseen(call.node, f"which model `{module.source(func.value)}` is could not be followed")


def _is_tower(owner: Owner) -> bool:
    """Whether a class is one tower of a model, which has no such method and cannot be meant where it is called."""
    return owner.is_exact and _TOWER.search(owner.name) is not None


def _may_be_ours(view: ModuleView, func: ast.Attribute, owners: list[Owner]) -> bool:
    """Whether a model of transformers may be meant: an Auto class loads it, or nothing is known of it."""
    if owners:
        return any(each.shown.startswith("Auto") for each in owners)
    return members.is_untyped(view, func, "") and members.imports_transformers(view)


def _finding(view: ModuleView, call: CallSite, method: str, owners: list[Owner]) -> Finding:
    end = view.span(call.node)[1]
    fields = {_FIELDS.get(each.name, _OUTPUT) for each in owners}
    field = min(fields)
    assert isinstance(call.func, ast.Attribute)
    safety = library.safety_of(view, call.func.value)
    fix = Fix(f"Read `.{field}`", [Edit(end, end, f".{field}")], applicability=safety, requires="5.0")
    asked = call.keyword("return_dict")
    gives_output = asked is None or (isinstance(asked.value, ast.Constant) and asked.value.value is True)
    is_same = len(fields) == 1 and not any(each.name.startswith(_OTHER_FORM) for each in owners)
    message = (
        f"`{owners[0].shown}.{method}` returns an output object since transformers 5.0, where it returned a tensor: "
        f"read `.{field}`"
    )
    if not is_same:
        message += ", which has another form or scale than that tensor"
    if not gives_output:
        message += f" of it; `{view.source(asked)}` asks for a tuple, which 4.x did not give"  # type: ignore[arg-type]
    return view.finding(call.node, message, fix=fix if is_same and gives_output else None)


def _is_read_as_output(view: ModuleView, call: CallSite) -> bool:
    """Whether what a call gives is read as an output object, or checked first."""
    reads: list[ast.AST] = [call.node]
    asked = call.keyword("return_dict")
    is_tuple = asked is not None and not (isinstance(asked.value, ast.Constant) and asked.value.value is True)
    parent = view.tree.parents[call.node]
    if isinstance(parent, (ast.Assign, ast.AnnAssign)):
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        for target in targets:
            if isinstance(target, ast.Tuple):
                return True  # a tuple of outputs: a model that returns several
            if isinstance(target, ast.Name):
                for binding in view.links.bindings_at(target):
                    reads += view.links.uses(binding)
    for node in reads:
        around = view.tree.parents[node]
        if isinstance(around, ast.Attribute) and around.attr in (_OUTPUT, "last_hidden_state", "image_embeds"):
            return True
        if is_tuple and isinstance(around, ast.Subscript) and around.value is node:
            return True
        asks = isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and node in around.args
        if asks and around.func.id in _ASKS:  # type: ignore[attr-defined]
            return True
        if isinstance(around, ast.Call) and node in around.args and _is_asked_inside(view, around, node):
            return True
    return isinstance(parent, ast.Expr)


def _is_asked_inside(view: ModuleView, call: ast.Call, given: ast.expr) -> bool:
    """Whether a function of the repository that gets an output asks what it is, or reads it as one."""
    for other, use in view.links.reads_inside(call, given):
        around = other.tree.parents[use]
        if isinstance(around, ast.Attribute) and around.attr == _OUTPUT:
            return True
        if isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id in _ASKS:
            return True
    return False

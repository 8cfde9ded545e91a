"""V5418: image processors that are asked whether they have an attribute, which all of them have now."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import image_processors, members
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

#: Attribute -> the classes that did not have it under 4.57.6, and have None for it under 5.24.0, both loaded from the
#: file that 4.57.6 writes (measured).
_LESS = {
    "crop_size": frozenset(
        "Aria Blip ConditionalDetr ConvNext DPT DeepseekVL DeepseekVLHybrid DeformableDetr DepthPro Detr Donut "
        "EfficientLoFTR Eomt Fuyu GLPN Gemma3 Glm4v GotOcr2 GroundingDino Idefics Idefics2 Idefics3 ImageGPT Janus "
        "Kosmos2_5 LayoutLMv2 LayoutLMv3 LightGlue LlavaOnevision Mask2Former MaskFormer Mllama Nougat Ovis2 Owlv2 "
        "Pix2Struct Pixtral PromptDepthAnything Pvt Qwen2VL RTDetr Sam SegGpt Segformer Siglip Siglip2 SmolVLM "
        "SuperGlue SuperPoint Swin2SR ViT Vilt VitMatte VitPose Yolos ZoeDepth".split()
    ),
    "image_mean": frozenset(
        "EfficientLoFTR GLPN Kosmos2_5 LayoutLMv2 LightGlue Pix2Struct SuperGlue SuperPoint Swin2SR".split()
    ),
    "size": frozenset("Aria GLPN Kosmos2_5 Pix2Struct Siglip2 Swin2SR VitMatte".split()),
}
_LESS["image_std"] = _LESS["image_mean"]
_VALUES = frozenset(_LESS)

#: What is asked of a processor of which only the name is known: nothing else has it.
_BY_NAME = "crop_size"

#: What such a processor is called where a file speaks of transformers without importing it.
_PLAIN = frozenset({"image_processor", "preprocessor"})

_SINCE = "since transformers 5.4"


class AskedImageProcessor(Rule):
    """An image processor that is asked whether it has a `crop_size`, a `size`, an `image_mean` or an `image_std`.

    ## What it does

    Finds `hasattr(image_processor, "crop_size")`, `getattr(image_processor, "crop_size", default)` and an
    `except AttributeError` around it, and the same for `image_mean`, `image_std` and `size`, of image processors of
    transformers whose class did not have it, or is not known. `crop_size` is also found where it is asked of what is
    only called a processor, in a file that imports transformers or speaks of it.

    ## Why it breaks

    Until 5.3 a class had the attributes that it used, as `...Fast` classes did not. Since 5.4 every image processor has
    all of them, and those that it does not use are None (measured with `ViTImageProcessor` on 4.57.6, 5.0.0, 5.4.0 and
    5.24.0, with torchvision and without): `hasattr` is true, `getattr` gives None and not its default.

        TypeError: 'NoneType' object is not subscriptable

    ## Example

        if hasattr(image_processor, "crop_size"):
            side = image_processor.crop_size["height"]
        mean = getattr(image_processor, "image_mean", IMAGENET_DEFAULT_MEAN)

    becomes

        if getattr(image_processor, "crop_size", None) is not None:
            side = image_processor.crop_size["height"]
        mean = getattr(image_processor, "image_mean", None) or IMAGENET_DEFAULT_MEAN

    ## Fix safety

    Safe: it says the same of an attribute that is not there and of one that is None. There is no fix for
    `except AttributeError`.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/image_processor
    """

    code = "V5418"
    name = "asked-image-processor"
    since = "5.4"
    tokens = tuple(sorted(_VALUES))
    beside = ("rocessor", "FeatureExtractor", "feature_extractor")

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            if not isinstance(node.func, ast.Name) or node.func.id not in ("hasattr", "getattr") or node.keywords:
                continue
            if len(node.args) != (2 if node.func.id == "hasattr" else 3):
                continue
            name = _constant(node.args[1])
            if name in _VALUES and _may_lack(module, node.args[0], name) and not module.guards.is_dead(node):
                yield from _asked(module, node, name)
        for each in module.attributes(_VALUES):
            if isinstance(each.ctx, ast.Load) and _is_caught(module, each) and _may_lack(module, each.value, each.attr):
                text = f"every image processor has `{each.attr}` {_SINCE}: it is None and no AttributeError"
                yield module.finding(each, text)


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _may_lack(view: ModuleView, node: ast.expr, attribute: str) -> bool:
    """Whether an expression is an image processor that may not have had an attribute."""
    found = image_processors.image_processor(view, node)
    if found is not None:
        if found.is_fast:
            return False  # these had all of them under 4.x
        names = {name.removesuffix("ImageProcessor") for name in found.names}
        return bool(names & _LESS[attribute]) if names else attribute != "size"
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if not name.endswith("processor") or attribute != _BY_NAME:
        return False
    if not members.imports_transformers(view) and not (name in _PLAIN and "transformers" in view.text):
        return False
    return not any(isinstance(each, (External, LocalClass)) for each in view.classes_of(node))


def _asked(view: ModuleView, call: ast.Call, name: str) -> Iterator[Finding]:
    holder = view.source(call.args[0])
    assert isinstance(call.func, ast.Name)
    if call.func.id == "hasattr":
        if not _is_read(view, call.args[0], name):
            return
        new = f'getattr({holder}, "{name}", None) is not None'
        parent = view.tree.parents[call]
        if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
            fix = Fix("Ask for None", [view.replace(parent, f'getattr({holder}, "{name}", None) is None')])
        else:
            fix = Fix("Ask for None", [view.replace(call, f"({new})" if _binds_tighter(parent) else new)])
        text = f"every image processor has `{name}` {_SINCE}, which is None where it is not used: `hasattr` is true"
        yield view.finding(call, text, fix=fix)
        return
    default = call.args[2]
    if isinstance(default, ast.Constant) and not default.value:
        return
    start, end = view.span(call)
    is_alone = isinstance(view.tree.parents[call], (ast.Assign, ast.AnnAssign, ast.Call, ast.Return, ast.keyword))
    edits = [
        view.replace(default, "None"),
        Edit(end, end, f" or {_wrapped(view, default)}{'' if is_alone else ')'}"),
        *([] if is_alone else [Edit(start, start, "(")]),
    ]
    text = f"every image processor has `{name}` {_SINCE}, which is None where it is not used, and not the default here"
    yield view.finding(call, text, fix=Fix("Take the default for None", edits))


def _is_read(view: ModuleView, holder: ast.expr, name: str) -> bool:
    """Whether the module reads the attribute of the same thing; one that is only set is set without harm."""
    wanted = ast.dump(holder)
    return any(isinstance(each.ctx, ast.Load) and ast.dump(each.value) == wanted for each in view.attributes({name}))


def _binds_tighter(parent: ast.AST) -> bool:
    return isinstance(parent, (ast.Compare, ast.BinOp, ast.UnaryOp, ast.Attribute, ast.Subscript, ast.Await))


def _wrapped(view: ModuleView, node: ast.expr) -> str:
    text = view.source(node)
    return f"({text})" if isinstance(node, (ast.IfExp, ast.Lambda, ast.BoolOp, ast.NamedExpr)) else text


def _is_caught(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an AttributeError of an attribute is caught, and something else is done then."""
    handled = view.guards.handled(node, frozenset({"AttributeError"}))
    if handled is None or handled.kind != "fallback":
        return False
    handler = handled.handler
    caught = handler.type if isinstance(handler, ast.ExceptHandler) else None
    return caught is not None and "AttributeError" in ast.unparse(caught)

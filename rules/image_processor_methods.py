"""V5402: methods and attributes that image processors lost, or that are other methods now."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, image_processors, library, loaded_together, members, origins
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import NOTHING_KNOWN, Constant, Mapping, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.image_processors import ImageProcessor
    from v5lint.view.module import ModuleView

#: What is gone from every image processor that had it, and what to do.
_GONE = {
    "post_process": "call `post_process_object_detection(..., threshold=0.0, target_sizes=...)`, which gives all boxes",
    "post_process_segmentation": "call `post_process_semantic_segmentation` or `post_process_instance_segmentation`",
    "post_process_instance": "call `post_process_instance_segmentation`",
    "post_process_panoptic": "call `post_process_panoptic_segmentation`",
    "encode_inputs": "call the processor itself with the images and `segmentation_maps=`",
    "convert_segmentation_map_to_binary_masks": "call the processor itself with `segmentation_maps=`",
    "is_fast": '`backend` is "torchvision" or "pil"',
    "pad_image": "call the processor itself, which pads",
    "pad_and_create_pixel_mask": "call the processor itself on all images, which pads and makes the mask",
    "get_image_patches": "call the processor itself",
    "blend_rgba": "convert the image first: `image.convert('RGB')`",
    "plot_keypoint_matching": "call `visualize_keypoint_matching`",
    "pan_and_scan": "call the processor itself with `do_pan_and_scan=True`",
    "split_image": "call the processor itself with `do_image_splitting=True`",
}

#: What the image processor of Qwen-VL had beside its `size` until 5.3, and what of the size it is (measured equal).
_PIXELS = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}
_OF_PIXELS = frozenset({"Qwen2VLImageProcessor"})

#: The methods of SAM's image processor that took `return_tensors=` until 5.3, and whose processors hand them on.
_OF_MASKS = frozenset({"filter_masks", "generate_crop_boxes", "post_process_for_mask_generation", "post_process_masks"})
_SAM = frozenset({"SamImageProcessor", "SamProcessor"})

#: Those that image processors of some classes still have.
_KEPT_BY_SOME = frozenset({"encode_inputs", "pad_image", "get_image_patches", "split_image"})

#: Methods that take other arguments since 5.4, where image processors came to work on tensors.
_BY_TENSOR = ("resize", "center_crop", "normalize")
_PAD_ARGUMENTS = frozenset("annotations constant_values return_pixel_mask return_tensors data_format".split())

#: The class whose heirs take tensors; those that inherit from the base class alone take arrays, as they did.
_ON_TENSORS = "TorchvisionBackend"

#: The classes that pad images as their `pad` did when they are called with all else turned off, on 4.57.6 and 5.24.0
#: (measured), and the one that makes a mask as well then.
_PAD_WHEN_CALLED = frozenset(
    f"{name}ImageProcessor"
    for name in "Detr ConditionalDetr DeformableDetr GroundingDino Yolos Vilt MaskFormer Mask2Former".split()
)
_MASK_AS_WELL = frozenset({"YolosImageProcessor"})

#: The classes whose `post_process` gives what `post_process_object_detection` gives without a threshold: measured.
_ALIKE = frozenset({"DetrImageProcessor", "YolosImageProcessor", "OwlViTImageProcessor"})

#: The classes whose `post_process` gave 300 boxes, where its successor gives 100.
_TOP_300 = frozenset({"ConditionalDetrImageProcessor", "DeformableDetrImageProcessor"})

_TENSORS = "return_tensors"
_NEW = "post_process_object_detection"
_AUTO = "AutoProcessor"

_CALLER = frozenset({Unknown("caller")})

#: Processors that handed both on to their image processor: their types, and since when it is known that they do not.
_OWL = {"owlvit": "OwlViTProcessor", "owlv2": "Owlv2Processor"}
_GROUNDED = "post_process_grounded_object_detection"
_OLD = "post_process"
_OF_OWL = frozenset({_OLD, _NEW})

#: Of the models that this class loads only those of OWL-ViT and OWLv2 come with a processor that had the newer one.
_ZERO_SHOT = "AutoModelForZeroShotObjectDetection"

#: What its arguments were called in the processors of Grounding DINO and OmDet-Turbo, and until when.
_OLD_NAMES = {"box_threshold": "threshold", "score_threshold": "threshold", "classes": "text_labels"}
_OLD_NAMES_UNTIL = "4.55"

#: `post_process_object_detection` came with 4.25, `post_process_grounded_object_detection` of OWL-ViT with 4.49.
_SINCE = "4.25"
_GROUNDED_SINCE = "4.49"


class ImageProcessorMethod(Rule):
    """A method that image processors lost, or that takes other arguments now.

    ## What it does

    Finds `post_process`, `post_process_segmentation`, `post_process_panoptic`, `encode_inputs`, `is_fast` and their
    like, and `pad`, `resize`, `center_crop` and `normalize`, where they are asked of an image processor of transformers
    (or of a vision feature extractor, which becomes one). A class that inherits from `BaseImageProcessor` itself still
    has the methods that take arrays, and the `...Fast` classes of version 4 took tensors already: neither is reported.
    `pad` of audio feature extractors and of tokenizers is another method and is left alone. The processors of OWL-ViT
    and OWLv2, also those that `AutoProcessor` loads, are asked for `post_process` and `post_process_object_detection`,
    and those of Grounding DINO and OmDet-Turbo for the arguments of `post_process_grounded_object_detection`. And
    `min_pixels` and `max_pixels` that are read from the image processor of Qwen-VL, and `return_tensors=` of SAM's
    `post_process_masks` and its like.

    ## Why it breaks

    Gone since 5.0:

        AttributeError: 'DetrImageProcessor' object has no attribute 'post_process'
        AttributeError: 'OwlViTImageProcessor' object has no attribute 'post_process'
        AttributeError: 'OwlViTProcessor' object has no attribute 'post_process_object_detection'

    and since 5.4:

        AttributeError: 'Qwen2VLImageProcessor' object has no attribute 'min_pixels'
        TypeError: SamImageProcessor.post_process_masks() got an unexpected keyword argument 'return_tensors'

    `box_threshold=` was renamed in 4.49 and taken with a warning until 4.54, as were `score_threshold=` and `classes=`:

        TypeError: GroundingDinoProcessor.post_process_grounded_object_detection() got an unexpected keyword argument
        'box_threshold'

    Since 5.4 image processors work on tensors; `pad` pads one image to a given size, where it padded a list of images
    to the largest one:

        TypeError: DetrImageProcessor.pad() got an unexpected keyword argument 'return_tensors'

    `resize` and `center_crop` want a `SizeDict` in place of a dict or number, and with `normalize` a tensor in place of
    an array, which was all that they took:

        AttributeError: 'dict' object has no attribute 'shortest_edge'
        TypeError: Functional F.normalize supports inputs of type dict_keys([...]), but got <class 'numpy.ndarray'>

    ## Example

        results = processor.post_process(outputs, target_sizes)

    becomes

        results = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=target_sizes)

    and `post_process_grounded_object_detection(outputs, ids, box_threshold=0.4)` is called with `threshold=0.4`.
    The threshold is meant: by default `post_process_object_detection` drops the boxes below 0.5.

    ## Fix safety

    Safe for DETR, YOLOS and OWL-ViT, whose boxes, scores and labels are equal. Unsafe where the class is not known, and
    for Conditional and Deformable DETR, whose `post_process` raises under 4.57 already. Safe for
    `pad(images, return_tensors=...)` of DETR and its kin, ViLT and MaskFormer, which becomes a call with
    `do_resize=False, do_rescale=False, do_normalize=False`: the same pixels and mask on 4.57.6 and 5.24.0; unsafe for
    YOLOS, which makes a `pixel_mask` as well then. Safe for the pixels of Qwen-VL, and for renamed arguments, where the
    processor is made in sight. The other methods have no successor that does the same.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    - https://huggingface.co/docs/transformers/main_classes/image_processor
    """

    code = "V5402"
    name = "image-processor-method"
    since = "5.0"
    tokens = (*image_processors.TOKENS, _NEW, _GROUNDED, f".{_OLD}(")
    anywhere = True

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        names = {*_GONE, *_BY_TENSOR, *_PIXELS, *_OF_MASKS, "pad", _NEW, _GROUNDED}
        if not any(f".{name}" in module.text for name in names):
            return
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr not in names or not isinstance(node.ctx, ast.Load):
                continue
            if owner := _owl(module, node) if node.attr in _OF_OWL else "":
                yield from _of_owl(module, node, owner)
                continue
            if node.attr == _GROUNDED:
                yield from _old_names(module, node)
            if node.attr in _OF_MASKS:
                yield from _without_tensors(module, node)
            if node.attr in (_NEW, _GROUNDED, *_OF_MASKS):
                continue
            found = image_processors.image_processor(module, node.value)
            if found is None and _pads_pixels(module, node):
                found = image_processors.ImageProcessor(module.source(node.value), frozenset())
            if found is None or image_processors.is_own(module, node) or _is_prepared(module, node):
                continue
            if node.attr in _PIXELS:
                yield from _pixels(module, node, found)
            elif node.attr in _GONE:
                yield from _gone(module, node, found)
            else:
                yield from _changed(module, node, found)


def _is_prepared(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the code asks first, for this or for what takes its place, or a handler does something else."""
    return members.is_prepared(view, node) or view.guards.is_made_up_for(node, CALL_ERRORS)


def _pads_pixels(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether something that is only called an extractor or processor pads what is called pixels."""
    of = node.value
    name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
    if name.rpartition("_")[2] not in ("extractor", "processor") or not view.values(of) <= NOTHING_KNOWN | _CALLER:
        return False
    call = _call_of(view, node)
    if node.attr == "pad_and_create_pixel_mask":
        return call is not None
    if node.attr != "pad" or call is None or not call.args or not any(k.arg == "return_tensors" for k in call.keywords):
        return False
    return "pixel_values" in view.source(call.args[0])


def _call_of(view: ModuleView, node: ast.Attribute) -> ast.Call | None:
    call = view.tree.parents[node]
    return call if isinstance(call, ast.Call) and call.func is node else None


# What is gone


def _gone(view: ModuleView, node: ast.Attribute, found: ImageProcessor) -> Iterator[Finding]:
    target = library.release_text(view.settings.target)
    removals = [lookup.removed_member(name, node.attr, target) for name in found.names]
    if any(removal is None for removal in removals) or (not found.names and node.attr in _KEPT_BY_SOME):
        return
    since = next((each.gone for each in removals if each is not None), "")
    text = f"`{found.shown}` has no `{node.attr}` since transformers {since or '5.0'}: {_GONE[node.attr]}"
    if found.names & _TOP_300:
        text += "; `top_k=300` as well"
    fix = None
    if node.attr == _OLD:
        before = "threshold=0.0, top_k=300, " if found.names & _TOP_300 else "threshold=0.0, "
        is_known = bool(found.names) and found.names <= _ALIKE
        safety: Applicability = library.safety_of(view, node.value) if is_known else "unsafe"
        fix = _detection_fix(view, node, _NEW, before, safety)
    yield view.finding(node, text, fix=fix, since=since)


def _detection_fix(view: ModuleView, node: ast.Attribute, new: str, before: str, safety: Applicability) -> Fix | None:
    """The fix that calls the successor, with what makes it give all boxes in front of the sizes."""
    call = _call_of(view, node)
    if call is None or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    name = Edit(*view.name_span(node), new)
    given = {keyword.arg: keyword for keyword in call.keywords}
    if len(call.args) == 2 and not given:
        start = view.span(call.args[1])[0]
        if view.text[:start].rstrip().endswith("("):
            return None  # in brackets of its own
        added = Edit(start, start, f"{before}target_sizes=")
    elif "target_sizes" in given and {*given} <= {"outputs", "target_sizes"}:
        start = view.span(given["target_sizes"])[0]
        added = Edit(start, start, before)
    else:
        return None
    since = _SINCE if new == _NEW else _GROUNDED_SINCE
    return Fix(f"Call `{new}`, with all boxes", [name, added], applicability=safety, requires=since)


def _owl(view: ModuleView, node: ast.Attribute) -> str:
    """The class of OWL-ViT's and OWLv2's processors that an attribute is asked of; "" for anything else."""
    for of in view.classes_of(node.value):
        for name in library.library_classes(view, of):
            if name in _OWL.values():
                return name
            if name == _AUTO:
                return _owl_behind(view, node)
    return ""


def _owl_behind(view: ModuleView, node: ast.Attribute) -> str:
    """The same for what `AutoProcessor` loads: by the checkpoint, or by the model that is loaded from it as well."""
    for origin in origins.origins(view, node.value).found:
        names = library.texts(origin.call.values_of(*library.CHECKPOINT))
        types = {checkpoints.model_type_of(name) for name in names}
        if types:
            return _OWL.get(types.pop(), "") if len(types) == 1 else ""
        for beside in loaded_together.classes_beside(origin.call):
            facts = lookup.class_facts(beside)
            if beside == _ZERO_SHOT and node.attr == _NEW:
                return _AUTO
            if facts is not None and facts.model_type in _OWL:
                return _OWL[facts.model_type]
    return ""


def _of_owl(view: ModuleView, node: ast.Attribute, owner: str) -> Iterator[Finding]:
    """What a whole processor handed on to its image processor, and has under another name."""
    target = library.release_text(view.settings.target)
    asked = _OWL["owlvit"] if owner == _AUTO else owner
    gone = lookup.removed_member(asked, _NEW, target)
    if gone is None or _is_prepared(view, node):
        return
    if node.attr == _OLD:
        if not lookup.removed_member(asked.replace("Processor", "ImageProcessor"), _OLD, target):
            return
        said = f"`{owner}.{_OLD}` asks its image processor, which has none since transformers 5.0"
        text = f"{said}: call `{_GROUNDED}(..., threshold=0.0, target_sizes=...)`, which gives all boxes"
        yield view.finding(node, text, fix=_detection_fix(view, node, _GROUNDED, "threshold=0.0, ", "safe"))
        return
    text = f"`{owner}` has no `{_NEW}` since transformers 5.0: it is `{_GROUNDED}`"
    edit = Edit(*view.name_span(node), _GROUNDED)
    yield view.finding(node, text, fix=Fix(f"Call `{_GROUNDED}`", [edit], requires=_GROUNDED_SINCE))


def _pixels(view: ModuleView, node: ast.Attribute, found: ImageProcessor) -> Iterator[Finding]:
    """`min_pixels` and `max_pixels`, which are set (and have an effect then), but not there to be read."""
    wanted = ast.dump(node.value)
    stores = [each for each in view.attributes({node.attr}) if isinstance(each.ctx, ast.Store)]
    if found.names != _OF_PIXELS or any(ast.dump(each.value) == wanted for each in stores):
        return
    new = f'size["{_PIXELS[node.attr]}"]'
    text = f"`{found.shown}` has no `{node.attr}` since transformers 5.4, unless it is set: it is `{new}`"
    fix = Fix(f"Read `{new}`", [Edit(*view.name_span(node), new)], requires="4.57")
    yield view.finding(node, text, fix=fix, since="5.4")


# What takes other arguments


def _old_names(view: ModuleView, node: ast.Attribute) -> Iterator[Finding]:
    """The arguments of a method of Grounding DINO's and OmDet-Turbo's processors under their names before 4.49."""
    call = _call_of(view, node)
    given = {keyword.arg for keyword in call.keywords} if call is not None else set()
    if call is None or image_processors.is_own(view, node) or _is_prepared(view, node):
        return
    for keyword in call.keywords:
        new = _OLD_NAMES.get(keyword.arg or "")
        if not new:
            continue
        start = view.span(keyword)[0]
        edit = Edit(start, start + len(keyword.arg or ""), new)
        safety: Applicability = "unsafe" if view.values(node.value) <= NOTHING_KNOWN | _CALLER else "safe"
        fix = Fix(f"Rename to `{new}`", [edit], applicability=safety, requires=_GROUNDED_SINCE)
        text = f"`{node.attr}` takes no `{keyword.arg}` since transformers {_OLD_NAMES_UNTIL}: it is `{new}`"
        yield view.finding(keyword, text, fix=fix if new not in given else None, since=_OLD_NAMES_UNTIL)


def _without_tensors(view: ModuleView, node: ast.Attribute) -> Iterator[Finding]:
    """`return_tensors=` of a method of SAM that gives tensors of Torch in any case."""
    call = _call_of(view, node)
    keyword = next((each for each in call.keywords if each.arg == _TENSORS), None) if call is not None else None
    if call is None or keyword is None or _is_prepared(view, node):
        return
    found = image_processors.image_processor(view, node.value)
    names = {name for of in view.classes_of(node.value) for name in library.library_classes(view, of)}
    names = set(found.names) if found is not None else names
    if not names or not names <= _SAM:
        return

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call, remove=[keyword])]

    text = f"`{node.attr}` of SAM takes no `{_TENSORS}=` since transformers 5.4: it gives tensors of Torch"
    is_torch = Constant("pt") in view.values(keyword.value)
    yield view.finding(keyword, text, fix=Fix(f"Remove `{_TENSORS}=`", build) if is_torch else None, since="5.4")


def _changed(view: ModuleView, node: ast.Attribute, found: ImageProcessor) -> Iterator[Finding]:
    call = _call_of(view, node)
    if call is None or found.is_fast or view.settings.target < (5, 4):
        return
    if node.attr == "pad":
        if _pads_a_list(view, call, found):
            yield view.finding(
                node,
                f"`pad` of `{found.shown}` is another method since transformers 5.4, and pads one image to a given "
                "size: call the processor on all images, where it can with everything else turned off",
                fix=_pad_by_call(view, node, call, found),
                since="5.4",
            )
        return
    target = library.release_text(view.settings.target)
    if any(_ON_TENSORS not in lookup.ancestors(name, target) for name in found.names):
        return
    size = next((each.value for each in call.keywords if each.arg == "size"), None)
    size = size if size is not None or len(call.args) < 2 else call.args[1]
    if node.attr == "normalize":
        takes, instead = "a tensor", "an array"
    elif size is not None and _is_old_size(view, size):
        takes, instead = "a tensor and a `SizeDict`", "an array and (height, width)"
    else:
        return
    yield view.finding(
        node,
        f"`{node.attr}` of `{found.shown}` takes {takes} since transformers 5.4: "
        f"`transformers.image_transforms.{node.attr}` takes {instead}",
        since="5.4",
    )


def _pad_by_call(view: ModuleView, node: ast.Attribute, call: ast.Call, found: ImageProcessor) -> Fix | None:
    """Call the processor itself, which pads, with everything turned off that comes before."""
    if not found.names or not found.names <= _PAD_WHEN_CALLED or len(call.args) != 1 or len(call.keywords) != 1:
        return None
    (keyword,) = call.keywords
    if keyword.arg != "return_tensors" or isinstance(call.args[0], ast.Starred):
        return None
    start = view.span(keyword)[0]
    edits = [
        Edit(view.span(node.value)[1], view.span(node)[1], ""),
        Edit(start, start, "do_resize=False, do_rescale=False, do_normalize=False, "),
    ]
    applicability: Applicability = "unsafe" if found.names & _MASK_AS_WELL else "safe"
    return Fix("Call the processor, with everything but the padding turned off", edits, applicability=applicability)


def _pads_a_list(view: ModuleView, call: ast.Call, found: ImageProcessor) -> bool:
    """Whether a call of `pad` is meant for the method of version 4."""
    given = {keyword.arg for keyword in call.keywords if keyword.arg}
    target = library.release_text(view.settings.target)
    for name in found.names:
        before, now = lookup.parameters(f"{name}.pad", "4.57"), lookup.parameters(f"{name}.pad", target)
        if before is None or now is None:
            return False
        if any(argument not in now for argument in given):
            return True
        gave_a_batch = "return_tensors" in before and "return_tensors" not in now
        return gave_a_batch and len(call.args) < 2 and all(argument in before for argument in given)
    return bool(given & _PAD_ARGUMENTS)


def _is_old_size(view: ModuleView, node: ast.expr) -> bool:
    """Whether a size is a dict, a number or a tuple, and no `SizeDict`."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return True
    return any(
        isinstance(each, Mapping) or (isinstance(each, Constant) and isinstance(each.value, int))
        for each in view.values(node)
    )

"""V5403: arguments that image processors no longer take, or take and ignore."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import image_processors, image_values, library, longest_edges, members
from v5lint.view.values import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.image_processors import ImageProcessor
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: Arguments of tokenizers and audio extractors, that image processors ignored with a warning and refuse since 5.4.
_IGNORED = frozenset(
    "padding truncation max_length text add_special_tokens return_attention_mask return_token_type_ids "
    "sampling_rate".split()
)

#: Arguments of a call, with what they are called since 4.25, and the classes that took them until 5.4.
_RENAMED = {"pad_and_return_pixel_mask": "do_pad"}
_WITH_MASK = frozenset(
    "ConditionalDetrImageProcessor DeformableDetrImageProcessor DetrImageProcessor GroundingDinoImageProcessor "
    "YolosImageProcessor".split()
)
_LABELS = "reduce_labels"

#: The classes whose constructors still take arguments by position (measured on 5.24.0).
_BY_POSITION = frozenset(f"{name}ImageProcessor" for name in ("Emu3", "Glm", "ImageGPT", "VideoLlava", "Vivit"))

#: What a processor hands on to its image processor.
_IMAGES = "images_kwargs"

#: What chose between the classes in PIL and in torchvision, and what chooses between them since 5.4.
_FAST = "use_fast"
_BACKENDS = {True: 'backend="torchvision"', False: 'backend="pil"'}

#: The frameworks that transformers has no tensors of any more.
_FRAMEWORKS = frozenset({"tf", "jax"})


class ImageProcessorArgument(Rule):
    """An argument that an image processor refuses or ignores.

    ## What it does

    Finds `reduce_labels=`, `pad_and_return_pixel_mask=`, arguments of tokenizers (`padding=`, `truncation=`, ...) and
    `return_tensors="tf"` where they are given to an image processor of transformers, or to a vision feature extractor,
    which becomes one; those of tokenizers in the `images_kwargs=` of a processor, too. Values of the wrong type: whole
    numbers, arrays and tensors for `image_mean=` and `image_std=`, a whole number for `rescale_factor=`, 0 and 1 for
    `do_resize=` and its like, one number for the `size=` of MaskFormer, Mask2Former and SAM, and None for a
    constructor's `size=`, `image_mean=` or `image_std=`. `data_format=` that asks for the channels last. What a
    constructor is given by position. `max_size=` of
    `from_pretrained`, but for a `size=` that names the edges itself. And `use_fast=` of
    `AutoImageProcessor.from_pretrained`, which only warns so far.

    ## Why it breaks

    Since 5.4 a call of an image processor refuses what it does not know, where it warned:

        TypeError: ImagesKwargs.__init__() got an unexpected keyword argument 'padding'
        TypeError: SegformerImageProcessorKwargs.__init__() got an unexpected keyword argument 'reduce_labels'

    and checks the types of what it does know, with torchvision and without (the constructors do not check):

        StrictDataclassFieldValidationError: Validation error for field 'rescale_factor':
            TypeError: Field 'rescale_factor' with value 1 doesn't match any type in (<class 'float'>, ...
        ValueError: Size must contain 'height' and 'width' keys or 'shortest_edge' and 'longest_edge' keys...
        AttributeError: 'SizeDict' object has no attribute 'keys'
        ValueError: `image_mean` and `image_std` must both be specified if `do_normalize` is `True`.

    The constructors of all but five classes take their arguments by name alone since 5.4:

        TypeError: CLIPImageProcessor.__init__() takes 1 positional argument but 2 were given

    `data_format="channels_last"` is taken and passed over since 5.4: the channels come first (the classes for
    torchvision refused it before).

    `SegformerImageProcessor(reduce_labels=True)` raises nothing and does nothing since 4.55: the background of the
    segmentation maps becomes a class of its own and all labels are off by one. The argument is `do_reduce_labels=`.

    `DetrImageProcessor.from_pretrained(name, size=200, max_size=220)` and those of YOLOS, Conditional and Deformable
    DETR and Grounding DINO raise nothing and pass over `max_size=` since 5.0: an image of 300 by 400 becomes one of 200
    by 266, where it became one of 165 by 220. The constructor still reads it.

    There are no tensors of TensorFlow and JAX since 5.0:

        ValueError: tf is not a valid TensorType, please select one of ['pt', 'np', 'mlx']

    `use_fast=True` is `backend="torchvision"` since 5.4, `use_fast=False` is `backend="pil"`:

        The `use_fast` parameter is deprecated and will be removed in a future version.

    ## Example

        processor = SegformerImageProcessor(reduce_labels=True)
        inputs = image_processor(images, padding=True, return_tensors="pt")

    becomes

        processor = SegformerImageProcessor(do_reduce_labels=True)
        inputs = image_processor(images, return_tensors="pt")

    ## Fix safety

    Safe where an argument goes that was ignored, for `use_fast=` with True or False (while the project supports
    releases before 5.4, which ignore `backend=`, the fix waits), where `pad_and_return_pixel_mask=` becomes `do_pad=`,
    where a value is written as one of another type, and where `size=` and `max_size=` are numbers in sight. Unsafe
    where the class is not known (a processor from the Hub's own code may take more), and for `reduce_labels=`: up to
    4.54 it did what `do_reduce_labels=` does, but a model that was trained with a release that ignored it has the other
    labels. There is no fix for `return_tensors="tf"`, for arrays and tensors, for `data_format=`, for None, for what
    is given by position, and for `max_size=` without `size=`, which the file beside the checkpoint decides over.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    - https://huggingface.co/docs/transformers/main_classes/image_processor
    """

    code = "V5403"
    name = "image-processor-argument"
    since = "5.4"
    tokens = (*image_processors.TOKENS, _IMAGES)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if _FAST in module.text:
            yield from _deprecated(module)
        if any(name in module.text for name in image_values.NAMES):
            yield from image_values.check(module)
        if longest_edges.LONGEST in module.text:
            yield from longest_edges.check(module)
        for call, name in image_processors.made_by_position(module):
            known = lookup.vision_feature_extractors().get(name, name)
            if known not in _BY_POSITION and not module.guards.is_ready(call.node):
                text = (
                    f"`{known}` takes no argument by position since transformers 5.4: give `do_resize=`, `size=`, ..."
                )
                yield module.finding(call.args[0], f"{text} their names", since="5.4")
        names = {_LABELS, "return_tensors", *_RENAMED, *_IGNORED}
        if not any(name in module.text for name in names):
            return
        for call, found, how in image_processors.constructions(module, _LABELS):
            keyword = call.keyword(_LABELS)
            if keyword is not None and not _is_off(keyword.value) and not module.guards.is_ready(call.node):
                text = f"`{found.shown}` ignores `{_LABELS}=` since transformers 4.55"
                if how == "loaded":
                    text += ", and so does what it loads"
                yield module.finding(
                    keyword, f"{text}: it is `do_reduce_labels=`", fix=_relabelled(module, keyword), since="4.55"
                )
        if _IMAGES in module.text:
            yield from _of_processors(module)
        for call, found in image_processors.uses(module, names):
            if not module.guards.is_ready(call.node):
                yield from _of_call(module, call, found)


def _of_processors(view: ModuleView) -> Iterator[Finding]:
    """Arguments of tokenizers that a processor is given for its image processor: `images_kwargs={"padding": True}`."""
    for call, keyword in view.keywords({_IMAGES}):
        if view.guards.is_ready(call.node) or not members.owners(view, call.func, ("processor",)):
            continue
        for table in view.values(keyword.value):
            for entry in view.dicts.entries(table.node) if isinstance(table, Mapping) and table.view is view else ():
                if entry.key in _IGNORED and entry.how != "removal":
                    message = (
                        f"the image processor refuses `{entry.key}` in `{_IMAGES}=` since transformers 5.4, which it "
                        "ignored before"
                    )
                    yield view.finding(entry.node, message)


def _deprecated(view: ModuleView) -> Iterator[Finding]:
    """`AutoImageProcessor.from_pretrained(name, use_fast=True)`, which warns; the classes themselves ignore it."""
    for call, keyword in view.keywords({_FAST}):
        if (
            call.name != "from_pretrained"
            or set(library.loaders(call)) != {image_processors.AUTO}
            or view.guards.is_ready(call.node)
        ):
            continue
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        new = _BACKENDS.get(value) if isinstance(value, bool) else None
        fix = None
        if new is not None and call.keyword("backend") is None:
            fix = Fix(f"Replace `{_FAST}=` with `{new}`", [view.replace(keyword, new)], requires="5.4")
        message = f"`{_FAST}=` of image processors is deprecated since transformers 5.4: write `{new or 'backend=...'}`"
        yield view.finding(keyword, message, fix=fix, level="deprecated")


def _is_only_declared(view: ModuleView, call: CallSite) -> bool:
    """Whether what is called is a parameter, and known by its annotation alone."""
    bindings = view.links.bindings_read(call.func) if isinstance(call.func, ast.Name) else []
    return bool(bindings) and all(each.kind == "parameter" and each.annotation is not None for each in bindings)


def _is_off(value: ast.expr) -> bool:
    return getattr(value, "value", True) is False


def _relabelled(view: ModuleView, keyword: ast.keyword) -> Fix:
    edit = Edit(*view.name_span(keyword), f"do_{_LABELS}")
    return Fix("Rename the argument to `do_reduce_labels=`", [edit], applicability="unsafe", requires="4.25")


def _of_call(view: ModuleView, call: CallSite, found: ImageProcessor) -> Iterator[Finding]:
    ignored = [each for each in call.node.keywords if each.arg in _IGNORED]
    if call.keyword("text") is not None and _is_only_declared(view, call):
        return  # what reads text is a processor, whatever the annotation says
    for keyword in call.node.keywords:
        refused = f"`{found.shown}` refuses `{keyword.arg}=` since transformers 5.4"
        if keyword.arg in _IGNORED:
            yield view.finding(keyword, f"{refused}, which it ignored before", fix=_without(view, call, ignored, found))
        elif keyword.arg == _LABELS:
            yield view.finding(keyword, f"{refused}: it is `do_reduce_labels=`", fix=_relabelled(view, keyword))
        elif keyword.arg in _RENAMED:
            new = _RENAMED[keyword.arg]
            edit = Edit(*view.name_span(keyword), new)
            is_known = bool(found.names) and found.names <= _WITH_MASK
            fix = Fix(f"Rename the argument to `{new}=`", [edit], requires="4.25") if is_known else None
            yield view.finding(keyword, f"{refused}: it is `{new}=`", fix=fix)
        elif keyword.arg == "return_tensors":
            values = view.constants(keyword.value)
            if values and all(each in _FRAMEWORKS for each in values):
                text = f"`{found.shown}` makes no tensors of `{values[0]}` since transformers 5.0: take `np` or `pt`"
                yield view.finding(keyword, text, since="5.0")


def _without(view: ModuleView, call: CallSite, ignored: list[ast.keyword], found: ImageProcessor) -> Fix:
    """The fix that takes the ignored arguments out; all of a call at once."""

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, remove=ignored)]

    message = f"Remove {', '.join(f'`{each.arg}=`' for each in ignored)}"
    return Fix(message, build, applicability="safe" if found.names else "unsafe")

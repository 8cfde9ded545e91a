"""V5915: image processors whose own defaults changed."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import checkpoints, library
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: Class -> parameter -> its default under 4.57.6, as source, and the release since which it is another one: measured by
#: building every image processor without arguments. `resample` 0 is nearest, 2 bilinear, 3 bicubic.
DEFAULTS = {
    "BeitImageProcessor": {"do_center_crop": ("True", "5.4"), "size": ('{"height": 256, "width": 256}', "5.4")},
    "ConvNextImageProcessor": {"resample": ("2", "5.0")},
    "EfficientNetImageProcessor": {"resample": ("0", "5.0")},
    "MobileViTImageProcessor": {"resample": ("2", "5.0")},
    "PvtImageProcessor": {"resample": ("2", "5.0")},
    "ZoeDepthImageProcessor": {"ensure_multiple_of": ("32", "5.4")},
}

#: Image processors that pad with the mean of the pixels where none is given to them, in place of grey, and since when
#: (without torchvision since 5.4). The constructor overwrites a `background_color` that it is given, in 4.x as well.
BACKGROUNDS = {"DeepseekVLImageProcessor": "5.21", "JanusImageProcessor": "5.21"}

#: The feature extractors that become one of them, and had the same defaults.
_OLD_NAMES = {f"{name}FeatureExtractor": f"{name}ImageProcessor" for name in ("Beit", "ConvNext", "MobileViT")}


#: The type whose images are padded to a square, its processors, and the Auto classes that may load one of them.
_PADDED = "owlv2"
_PADDED_SINCE = "5.0"
_PADDING = frozenset({"Owlv2ImageProcessor", "Owlv2ImageProcessorFast", "Owlv2Processor"})
_AUTO = frozenset({"AutoImageProcessor", "AutoProcessor"})


class ImageProcessorDefaults(Rule):
    """An image processor that is built without a configuration, whose defaults changed.

    ## What it does

    Finds constructor calls of image processors that leave out a parameter whose default is not what it was:
    `ConvNextImageProcessor`, `EfficientNetImageProcessor`, `MobileViTImageProcessor` and `PvtImageProcessor`
    (`resample`, since 5.0), `BeitImageProcessor` (`do_center_crop`, `size`) and `ZoeDepthImageProcessor`
    (`ensure_multiple_of`, both since 5.4), `JanusImageProcessor` and `DeepseekVLImageProcessor` (the colour they pad
    with, where no `image_mean` is given, since 5.21). And every `Owlv2Processor` and `Owlv2ImageProcessor`, built or
    loaded, also by an Auto class from a checkpoint that is known to be of OWLv2.

    ## Why it breaks

    Nothing is raised; the pixels are others. Measured on 4.57.6 and 5.23.0: BEiT's image is resized to 224 in place of
    resized to 256 and cropped, and shows the edges that 4.x cut off; ConvNeXt resizes with bicubic in place of bilinear
    interpolation; ZoeDepth makes of 300 by 400 pixels 384 by 499 in place of 384 by 512. A processor that is loaded
    with `from_pretrained` has its values from the checkpoint and is not concerned, but for OWLv2: it pads an image to a
    square with black since 5.0 (measured on 5.0.0, 5.4.0 and 5.24.0, with torchvision and without), where it was grey.
    No argument brings it back.

    ## Example

        processor = ConvNextImageProcessor()

    becomes

        processor = ConvNextImageProcessor(resample=2)

    ## Fix safety

    Safe: it says what 4.x did (the pixels are equal up to rounding). None for the colour that is padded with: the
    constructor of Janus overwrites its argument, so it is set afterwards, `processor.background_color = (127, 127,
    127)`; images for OWLv2 are padded before the processor gets them, which has nothing to pad of a square then.

    ## References

    - https://github.com/huggingface/transformers/tree/main/src/transformers/models
    """

    code = "V5915"
    name = "image-processor-defaults"
    since = "5.0"
    tokens = (*DEFAULTS, *BACKGROUNDS, *_OLD_NAMES, "Owlv2", _PADDED)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls():
            name = next((found for each in call.callees if (found := _concerned(each))), "")
            if name and not call.is_open and not call.args and not module.guards.is_dead(call.node):
                yield from _background(module, call, name) if name in BACKGROUNDS else _defaults(module, call, name)
            if not name and _pads(call) and not module.guards.is_dead(call.node) and not _is_only_read(module, call):
                text = (
                    f"the image processor of OWLv2 pads with black since transformers {_PADDED_SINCE}, no longer with "
                    "grey, and the scores are others: pad images to a square with (128, 128, 128) before"
                )
                yield module.finding(call.node, text, since=_PADDED_SINCE)


def _pads(call: CallSite) -> bool:
    """Whether a call builds or loads the image processor of OWLv2, or a processor with one."""
    if call.name != "from_pretrained":
        made = [each for each in call.callees if isinstance(each, External) and each.package == "transformers"]
        return bool(made) and all(each.name in _PADDING and each.name != "Owlv2Processor" for each in made)
    loaded = set(library.loaders(call))
    if not loaded or not loaded <= _PADDING | _AUTO:
        return False
    if loaded <= _PADDING:
        return True
    names = library.texts(call.values_of(*library.CHECKPOINT))
    return bool(names) and all(checkpoints.model_type_of(name) == _PADDED for name in names)


def _is_only_read(view: ModuleView, call: CallSite) -> bool:
    """Whether what a call gives is asked for its settings alone, and never called."""
    uses = [each for each in view.aliases(call.node) if isinstance(getattr(each, "ctx", None), ast.Load)]
    parents = [view.tree.parents[each] for each in uses]
    return bool(uses) and all(isinstance(each, ast.Attribute) and each.attr != "preprocess" for each in parents)


def _concerned(of: Value) -> str:
    """The image processor of a table that a callee is, or becomes; "" for any other."""
    if not isinstance(of, External) or of.package != "transformers":
        return ""
    name = _OLD_NAMES.get(of.name, of.name)
    return name if name in DEFAULTS or name in BACKGROUNDS else ""


def _defaults(view: ModuleView, call: CallSite, name: str) -> Iterator[Finding]:
    missing = {
        key: (old, since)
        for key, (old, since) in DEFAULTS[name].items()
        if parse_release(since) <= view.settings.target and not call.values_of(key)
    }
    if missing:
        given = [f"{key}={old}" for key, (old, _) in missing.items()]
        message = f"`{name}` has other defaults than under 4.x: write `{', '.join(given)}` for the old ones"
        since = min((since for _, since in missing.values()), key=parse_release)
        yield view.finding(call.node, message, fix=_fix(view, call, given), since=since)


def _background(view: ModuleView, call: CallSite, name: str) -> Iterator[Finding]:
    if not call.values_of("image_mean"):
        message = (
            f"`{name}` pads with the mean of the pixels, no longer with grey: set its `background_color` to "
            "`(127, 127, 127)` after it is built (the constructor overwrites the argument)"
        )
        yield view.finding(call.node, message, since=BACKGROUNDS[name])


def _fix(view: ModuleView, call: CallSite, given: list[str]) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, append=given)]

    return Fix("Write the defaults of 4.x", edits)

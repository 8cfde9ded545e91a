"""V5915: image processors whose own defaults changed."""

from __future__ import annotations

from v5lint.rule import Fix, Rule
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: Class -> parameter -> its default under 4.57.6, as source, where that of 5.23.0 is another one: measured by building
#: every image processor without arguments on both. `resample` 0 is nearest, 2 bilinear, 3 bicubic.
DEFAULTS = {
    "BeitImageProcessor": {"do_center_crop": "True", "size": '{"height": 256, "width": 256}'},
    "ConvNextImageProcessor": {"resample": "2"},
    "EfficientNetImageProcessor": {"resample": "0"},
    "MobileViTImageProcessor": {"resample": "2"},
    "PvtImageProcessor": {"resample": "2"},
    "ZoeDepthImageProcessor": {"ensure_multiple_of": "32"},
    "DeepseekVLImageProcessor": {"background_color": "(127, 127, 127)"},
    "JanusImageProcessor": {"background_color": "(127, 127, 127)"},
}


class ImageProcessorDefaults(Rule):
    """An image processor that is built without a configuration, whose defaults changed.

    ## What it does

    Finds constructor calls of image processors that leave out a parameter whose default is not what it was:
    `BeitImageProcessor` (`do_center_crop`, `size`), `ConvNextImageProcessor`, `EfficientNetImageProcessor`,
    `MobileViTImageProcessor` and `PvtImageProcessor` (`resample`), `ZoeDepthImageProcessor` (`ensure_multiple_of`),
    ...

    ## Why it breaks

    Nothing is raised; the pixels are others. Measured on 4.57.6 and 5.23.0: with BEiT's defaults the mean difference
    is 0.21 of the normalised range, because the image is resized to 224 in place of resized to 256 and cropped. A
    processor that is loaded with `from_pretrained` has its values from the checkpoint and is not concerned.

    ## Example

        processor = ConvNextImageProcessor()

    becomes

        processor = ConvNextImageProcessor(resample=2)

    ## Fix safety

    Safe: it says what 4.x did.

    ## References

    - https://github.com/huggingface/transformers/tree/main/src/transformers/models
    """

    code = "V5915"
    name = "image-processor-defaults"
    since = "5.0"
    tokens = tuple(DEFAULTS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls(DEFAULTS):
            name = call.name
            if not any(isinstance(each, External) and each.package == "transformers" for each in call.callees):
                continue
            if call.is_open or call.args or module.guards.is_dead(call.node):
                continue
            missing = {key: value for key, value in DEFAULTS[name].items() if not call.values_of(key)}
            if missing:
                given = ", ".join(f"{key}={value}" for key, value in missing.items())
                message = f"`{name}` has other defaults than under 4.x: write `{given}` for the old ones"
                yield module.finding(call.node, message, fix=_fix(module, call, missing))


def _fix(view: ModuleView, call: CallSite, missing: dict[str, str]) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, append=[f"{key}={value}" for key, value in missing.items()])]

    return Fix("Write the defaults of 4.x", edits)

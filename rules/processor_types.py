"""V5112: the file of an image processor that names a feature extractor as its class."""

from __future__ import annotations

import os.path

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.script import ScriptView

_FILES = frozenset({"preprocessor_config.json", "processor_config.json"})
_KEY = "image_processor_type"
_ENTRY = pattern(rf'"{_KEY}"\s*:\s*"(?P<name>\w+)"')


class RemovedProcessorType(Rule):
    """A `preprocessor_config.json` whose `image_processor_type` is a feature extractor that is gone.

    ## What it does

    Finds `"image_processor_type": "ViTFeatureExtractor"` and its like in the `preprocessor_config.json` and
    `processor_config.json` of a repository: what a feature extractor of 4.x has saved.
    `"feature_extractor_type": "ViTFeatureExtractor"`, as 4.24 and older wrote it, is read as before and left alone.

    ## Why it breaks

    `AutoImageProcessor` looks the class up by that name. Measured on 5.24:

        ValueError: Unrecognized image processor in ckpt. Should have a `image_processor_type` key in its
        preprocessor_config.json of config.json, or one of the following `model_type` keys in its config.json: ...

    ## Example

        "image_processor_type": "ViTFeatureExtractor",

    becomes

        "image_processor_type": "ViTImageProcessor",

    ## Fix safety

    Safe: the feature extractor was the image processor under another name, and releases since 4.26 load either.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5112"
    name = "removed-processor-type"
    since = "5.0"
    tokens = (_KEY,)
    anywhere = True
    kinds = ("script",)

    def check(self, module: ScriptView) -> Iterator[Finding]:
        """See Rule."""
        if os.path.basename(module.path) not in _FILES:
            return
        successors = lookup.vision_feature_extractors()
        for found in _ENTRY.finditer(module.text):
            old, (start, end) = found["name"], found.span("name")
            new = successors.get(old)
            if new is not None:
                fix = Fix(f"Write `{new}`", [Edit(start, end, new)], requires="4.26")
                message = f"`AutoImageProcessor` knows no `{old}` since transformers {self.since}: it is `{new}`"
                yield module.finding(start, end, message, fix=fix)

"""V5412: an argument that a processor is given twice, beside and inside of the arguments for one of its parts."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

_NAME = "return_tensors"

#: The arguments for parts of a processor; in `common_kwargs` it is taken (and was refused by 4.57).
_PARTS = ("text_kwargs", "images_kwargs", "videos_kwargs", "audio_kwargs")


class DoubledProcessorArgument(Rule):
    """`return_tensors` that a processor is given twice: for all, and for one of its parts.

    ## What it does

    Finds calls with `return_tensors=` that have the same key in `text_kwargs=`, `images_kwargs=`, `videos_kwargs=` or
    `audio_kwargs=`, as a dict that is written in the call.

    ## Why it breaks

    4.x took `return_tensors` for all parts, and passed over the other one. Since 5.0 it is refused as any argument is
    that comes twice (measured with a `CLIPProcessor` on 4.57.6 and 5.24.0):

        ValueError: Keyword argument return_tensors was passed two times:
        in a dictionary for text_kwargs and as a **kwarg.

    ## Example

        processor(text=texts, images=images, return_tensors="pt", text_kwargs={"padding": True, "return_tensors": "pt"})

    becomes

        processor(text=texts, images=images, return_tensors="pt", text_kwargs={"padding": True})

    ## Fix safety

    Safe where both are the same; where they are not there is no fix.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/processors
    """

    code = "V5412"
    name = "doubled-processor-argument"
    since = "5.0"
    tokens = _PARTS
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords(_PARTS):
            flat = call.keyword(_NAME)
            if flat is None or not isinstance(keyword.value, ast.Dict) or module.guards.is_dead(call.node):
                continue
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == _NAME:
                    said = f"`{_NAME}` is given to the processor and in `{keyword.arg}`, a ValueError since 5.0"
                    same = module.source(value) == module.source(flat.value)
                    fix = _fix(module, keyword.value, key) if same else None
                    yield module.finding(key, f"{said}: give it once", fix=fix)


def _fix(view: ModuleView, given: ast.Dict, key: ast.expr) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_entries

        return [edit_entries(view, given, remove=[key])]

    return Fix(f"Drop `{_NAME}` there", build)

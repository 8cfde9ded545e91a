"""V5917: a processor of another checkpoint than the model beside it. V5918: SigLIP texts that are not padded."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library, origins
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_PROCESSORS = frozenset(
    "processor image_processor auto_processor auto_image_processor feature_extractor auto_feature_extractor".split()
)

#: "-384" at the end of a name, or before "-in21k" and the like: the resolution that a checkpoint is made for.
_RESOLUTION = pattern(r"-(\d{3,4})(?=px)?(?:px)?(-in2?1k|-in22k.*|-ft.*)?\Z")

#: With which mean and deviation families were trained, whatever the checkpoint: the defaults of their processors'
#: classes, and of the script that converted DINOv2.
_NORMALISED = {
    "clip": "CLIP's",
    "siglip": "0.5",
    "siglip2": "0.5",
    "dinov2": "ImageNet's",
    "dinov2_with_registers": "ImageNet's",
    "dinov3_vit": "ImageNet's",
}


class ForeignProcessor(Rule):
    """A processor that is loaded from another checkpoint than the model beside it.

    ## What it does

    Finds a function, or a script, that loads one vision model and one processor from checkpoints of one family whose
    names say different resolutions: `siglip2-large-patch16-512` and `siglip2-base-patch16-224`; or from checkpoints of
    two of the families CLIP, SigLIP and DINO (v2, v3), which normalise their pixels differently.

    ## Why it breaks

    The processor makes pixels of its own size, mean and deviation. A model with interpolated or rotary positions, or
    with windows (DINOv2, DINOv3, Swin), takes any size without a word, and computes features of another number of
    patches; ViT and SigLIP raise where the grid is another one (measured on 4.57.6 and 5.23.0), and say nothing where
    only the normalisation differs:

        ValueError: Input image size (8*8) doesn't match model (16*16).
        RuntimeError: The size of tensor a (4) must match the size of tensor b (16) at non-singleton dimension 1

    The 4-bit snippet in the documentation of SigLIP 2 pairs a 512-pixel model with a 224-pixel processor.

    ## Example

        model = AutoModel.from_pretrained("google/siglip2-large-patch16-512")
        processor = AutoProcessor.from_pretrained("google/siglip2-base-patch16-224")

    becomes

        processor = AutoProcessor.from_pretrained("google/siglip2-large-patch16-512")

    ## Fix safety

    Unsafe: which of the two is meant is not in sight.

    ## References

    - https://huggingface.co/docs/transformers/model_doc/siglip2
    """

    code = "V5917"
    name = "foreign-processor"
    since = "4.20"
    tokens = ("rocessor", "FeatureExtractor")
    beside = ("from_pretrained",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        around: dict[object, tuple[dict[str, CallSite], dict[str, CallSite]]] = {}
        for call in module.calls({"from_pretrained"}):
            names = library.loaders(call)
            kinds = {lookup.kind_of(name) for name in names}
            place = 0 if any(lookup.is_model_class(name) for name in names) else 1 if kinds & _PROCESSORS else -1
            given = library.texts(call.values_of(*library.CHECKPOINT))
            if place == 0 and names and all("TextModel" in name for name in names):
                continue  # the text tower of a model of two: it gets no pixels
            if place < 0 or len(given) != 1 or len(call.values_of(*library.CHECKPOINT)) != 1:
                continue
            around.setdefault(module.links.function_around(call.node), ({}, {}))[place][given[0]] = call
        for models, processors in around.values():
            if len(models) == 1 and len(processors) == 1:
                yield from _pair(module, *models.items(), *processors.items())


def _pair(view: ModuleView, model: tuple[str, CallSite], processor: tuple[str, CallSite]) -> Iterator[Finding]:
    (mine, _), (theirs, call) = model, processor
    family, other = checkpoints.model_type_of(mine), checkpoints.model_type_of(theirs)
    facts = lookup.model_type(family) if family else None
    if mine == theirs or facts is None or "image" not in facts.modalities or view.guards.is_dead(call.node):
        return
    said = _other_size(mine, theirs) if family == other else _other_colours(family, other)
    if not said:
        return
    given = call.argument(*library.CHECKPOINT)
    fix = None
    is_auto = any(lookup.kind_of(name).startswith("auto_") for name in library.loaders(call))
    if isinstance(given, ast.Constant) and (family == other or is_auto):
        quote = view.source(given)[-1]
        edit = view.replace(given, f"{quote}{mine}{quote}")
        fix = Fix("Load both from one checkpoint", [edit], applicability="unsafe")
    yield view.finding(given or call.node, f"{said}: load both from one checkpoint", fix=fix)


def _other_size(mine: str, theirs: str) -> str:
    """What is wrong where the checkpoint of the processor is made for another resolution than that of the model."""
    sizes = [_RESOLUTION.search(name) for name in (mine, theirs)]
    if not sizes[0] or not sizes[1] or sizes[0][1] == sizes[1][1]:
        return ""
    return f"the processor is made for {sizes[1][1]} pixels and the model (`{mine}`) for {sizes[0][1]}"


def _other_colours(family: str, other: str) -> str:
    """What is wrong where the checkpoint of the processor is of a family that normalises its pixels otherwise."""
    mine, theirs = _NORMALISED.get(family), _NORMALISED.get(other)
    if mine is None or theirs is None or mine == theirs:
        return ""
    return f"the processor normalises with {theirs} mean and deviation (`{other}`), the model (`{family}`) with {mine}"


#: The size of a language model in a name, which SigLIP is the eye of: `prismatic-siglip-224px-7b`.
_BILLIONS = pattern(r"(?<![a-z0-9])\d+(?:\.\d+)?b(?![a-z0-9])", re.IGNORECASE)

#: What `padding` may be without giving every text the same length.
_SHORT = frozenset({Constant(True), Constant(False), Constant("longest"), Constant("do_not_pad")})


class SiglipPadding(Rule):
    """Texts for a SigLIP model that are not padded to their full length.

    ## What it does

    Finds calls of a processor or tokenizer of a SigLIP or SigLIP 2 checkpoint with texts and without
    `padding="max_length"`.

    ## Why it breaks

    SigLIP was trained on texts of 64 tokens, padding included, without an attention mask, and takes the embedding of
    the last token. With `padding=True`, or none, the last token is another one: every similarity is another one, and
    nothing is said. This is so under every release (measured on a small `SiglipTextModel` under 4.57.6 and 5.23.0:
    padded to 64 tokens, a text has the same embedding in every batch; otherwise it has not).

    ## Example

        inputs = processor(text=labels, images=image, return_tensors="pt")

    becomes

        inputs = processor(text=labels, images=image, return_tensors="pt", padding="max_length", max_length=64)

    ## Fix safety

    Unsafe: the results change, for the better. Where the call has a padding of its own it is replaced.

    ## References

    - https://huggingface.co/docs/transformers/model_doc/siglip
    """

    code = "V5918"
    name = "siglip-padding"
    since = "4.37"
    tokens = ("iglip", "SigLIP")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls():
            if call.is_open or not (call.args or call.keyword("text")):
                continue
            made = origins.origins(module, call.func).found
            if not made or not all(_is_siglip(each.call) for each in made) or module.guards.is_dead(call.node):
                continue
            texts = _texts(call, is_tokenizer=all(_makes_tokenizer(each.call) for each in made))
            if texts is None or (isinstance(texts, ast.Constant) and texts.value is None):
                continue
            if any(value not in _SHORT for value in call.values_of("padding")):
                continue
            if Constant(False) in call.values_of("add_special_tokens") or _is_counted(module, call.node):
                continue  # no whole text for the model: the tokens of a piece of one
            message = 'SigLIP was trained on padded texts: write `padding="max_length", max_length=64`'
            yield module.finding(call.node, message, fix=_padded(module, call))


def _texts(call: CallSite, *, is_tokenizer: bool) -> ast.expr | None:
    """The texts that a tokenizer or a processor gets; None where it gets none, as far as one can tell."""
    keyword = call.keyword("text")
    if keyword is not None:
        return keyword.value
    # The first argument of a processor was the texts, and is the images now: two are both.
    return call.args[0] if call.args and (is_tokenizer or len(call.args) > 1) else None


def _is_counted(view: ModuleView, node: ast.expr) -> bool:
    """Whether of the tokens only their number is wanted: `len(tokenizer(text)["input_ids"])`."""
    around = view.tree.parents[node]
    while isinstance(around, (ast.Attribute, ast.Subscript)):
        around = view.tree.parents[around]
    return isinstance(around, ast.Call) and isinstance(around.func, ast.Name) and around.func.id == "len"


def _makes_tokenizer(made: CallSite) -> bool:
    names = library.loaders(made)
    return bool(names) and all(lookup.kind_of(name).endswith("tokenizer") for name in names)


def _is_siglip(made: CallSite) -> bool:
    names = library.loaders(made)
    if not any(
        lookup.kind_of(name) in ("processor", "auto_processor", "tokenizer", "auto_tokenizer") for name in names
    ):
        return False
    if any(name.startswith("Siglip") for name in names):
        return True
    if Constant(True) in made.values_of("trust_remote_code"):
        return False
    given = library.texts(made.values_of(*library.CHECKPOINT))
    return bool(given) and all(
        checkpoints.model_type_of(name) in ("siglip", "siglip2") and not _BILLIONS.search(name) for name in given
    )


def _padded(view: ModuleView, call: CallSite) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        old = call.keyword("padding")
        append = ['padding="max_length"'] if old is None else []
        if call.keyword("max_length") is None:
            append.append("max_length=64")
        replace: dict[ast.AST, str] = {} if old is None else {old: 'padding="max_length"'}
        return [edit_arguments(view, call.node, replace=replace, append=append)]

    return Fix('Pad the texts with `padding="max_length"`', edits, applicability="unsafe")

"""V5507: submodules of models that moved, or are flat now."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import members, module_paths, named_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.members import Gone
    from v5lint.rules.parts.module_paths import Lost
    from v5lint.view.module import ModuleView

#: Submodules, as far as they can be lost. What is not here is a method or a setting (V5502).
_SUBMODULES = frozenset(
    "encoder decoder layers norm embeddings embed_tokens text_model vision_model language_model vision_tower "
    "audio_tower multi_modal_projector visual rotary_emb transformer image_newline vision_embed_tokens projector "
    "connector qformer vision_backbone backbone layer stages embed_out".split()
)

#: Of them those whose parts became parts of the model itself.
_FLAT = frozenset({"text_model", "vision_model"})

#: Parts of models for images and text, which were attributes of the model with a head as well.
_OF_LLAVA = frozenset(
    "language_model vision_tower multi_modal_projector audio_tower visual image_newline vision_model text_model "
    "projector".split()
)
_INNER_SINCE = "4.52"
_LANGUAGE_MODEL = "language_model"

#: What the language model of LLaVA and its like held while it had a head, and where that is now.
_OF_LANGUAGE_MODEL = {"model": f"model.{_LANGUAGE_MODEL}", "lm_head": "lm_head"}

#: The head of GPT-NeoX, which is called as those of all others.
_RENAMED = {"embed_out": "lm_head"}

#: The encoder in the backbone of detectors, which is the backbone itself since 5.1, and the families.
_WRAPPED = "conv_encoder"
_WRAPPED_AT = f"backbone.{_WRAPPED}"
_WRAPPED_UNTIL = "5.1"
_WRAPPED_IN = frozenset({"detr", "conditional_detr", "deformable_detr"})

#: The base models inside of models with a head whose layers were in `.encoder.layer`, and since when they are not.
_OF_VIT = frozenset({"vit", "deit", "beit"})
_RENAMED_SINCE = "5.9"

#: Since when the towers of CLIP and SigLIP are flat.
_FLAT_SINCE = "5.6"

#: What is read of a language model without its head as of one with it.
_OF_BASE = frozenset(
    "config parameters named_parameters requires_grad_ eval train to dtype device get_input_embeddings "
    "resize_token_embeddings gradient_checkpointing_enable".split()
)


class MovedSubmodule(Rule):
    """A submodule of a model under its path of v4.

    ## What it does

    Finds on everything that is known to be a model: `.vision_model` of `CLIPVisionModel` and `SiglipVisionModel` and
    `.text_model` of `CLIPTextModel` and `SiglipTextModel`, which are flat since 5.6 (they are still there on
    `CLIPModel` and `SiglipModel`); `.encoder` of ViT and its family, whose layers are in `.layers`
    since 5.9, and the same in `.encoder` of a TrOCR or another `VisionEncoderDecoderModel` whose checkpoint tells what
    it is; `.backbone.conv_encoder` of DETR, Conditional DETR and Deformable DETR, which is `.backbone` since 5.1;
    `.language_model`, `.vision_tower`, `.multi_modal_projector` and `.visual` of LLaVA, Qwen2-VL and their like, which
    are in `.model` alone since 5.0. Behind them, through indexes, loops and variables, the parts of layers that were
    renamed: `.attention.attention.query` of DINOv2 since 5.18, `.attention.self.query` of Swin since 5.9. The same
    paths in text: `model.get_submodule("encoder.layer.11")`, `dict(model.named_modules())[...]`,
    `model.state_dict()[...]`. And `if hasattr(vit, "encoder"):` where the class is known and nothing is done without
    the submodule: nothing is raised there, and the layers stay frozen, or whatever else was meant for them.

    ## Why it breaks

    Measured on 5.23:

        AttributeError: 'CLIPVisionModel' object has no attribute 'vision_model'
        AttributeError: 'CLIPTextModel' object has no attribute 'text_model'
        AttributeError: 'ViTModel' object has no attribute 'encoder'
        AttributeError: 'Dinov2Attention' object has no attribute 'attention'
        AttributeError: 'DetrConvEncoder' object has no attribute 'conv_encoder'

    ## Example

        hidden = CLIPVisionModel.from_pretrained(name).vision_model.embeddings(pixels)

    becomes

        hidden = CLIPVisionModel.from_pretrained(name).embeddings(pixels)

    and where the project supports older releases `getattr(model, "vision_model", model).embeddings(pixels)`, for which
    the model must have a name.

    ## Fix safety

    Unsafe where a flat model is read (`model.vision_model.embeddings` becomes `model.embeddings`), and for the backbone
    of detectors. Unsafe for the parts of LLaVA and its like (`.model.language_model`, which exists since 4.52): before
    4.52 the language model there had a head of its own (`.language_model.model` is `.model.language_model`, and
    `.language_model.lm_head` is `.lm_head`), so that it is left to a person wherever more than these, its parameters,
    its configuration or its input embeddings is read. No fix for layers and their
    parts (`attention.attention.query` became `attention.q_proj`): older releases have the old names alone.

    ## References

    - https://github.com/huggingface/transformers/releases
    """

    code = "V5507"
    name = "moved-submodule"
    since = "5.0"
    tokens = tuple(sorted(named_modules.FETCHES | named_modules.LISTS))
    attributes = tuple(sorted({*_SUBMODULES, _WRAPPED}))

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for found in members.gone(module, ("model",), _SUBMODULES):
            if is_submodule(found):
                fix = _fix(module, found)
                said = members.told(found, instead=_instead(module, found))
                yield module.finding(found.node, said, fix=fix, since=found.removal.gone)
        for found, call in members.asked_in_vain(module, ("model",), _SUBMODULES):
            if is_submodule(found):
                said = members.told(found, instead=_instead(module, found))
                yield module.finding(call, f"{said}; what `hasattr` finds is passed over", since=found.removal.gone)
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            lost = module_paths.lost(module, node) if isinstance(node.ctx, ast.Load) else None
            if lost is not None and not members.is_prepared(module, node):
                yield module.finding(node, _renamed(module, node, lost), since=lost.since)
            elif (owner := _wrapped_in(module, node)) and not members.is_prepared(module, node):
                said = f"`{owner}` has no `{_WRAPPED_AT}` since transformers {_WRAPPED_UNTIL}: it is `backbone` itself"
                yield module.finding(node, said, fix=_without(module, node, _WRAPPED_UNTIL), since=_WRAPPED_UNTIL)
            elif (model := _of_unknown(module, node)) is not None:
                yield module.unseen(
                    node,
                    f"which model `{module.source(model)}` is could not be followed: the layers of one of transformers "
                    f"are in `.layers` since {_RENAMED_SINCE}",
                )
        yield from named_modules.findings(module)


def _of_unknown(view: ModuleView, node: ast.Attribute) -> ast.expr | None:
    """The model of which only a name is known and whose layers are read as of a ViT: `x` of `x.vit.encoder.layer`."""
    encoder = node.value
    if node.attr != "layer" or not isinstance(encoder, ast.Attribute) or encoder.attr != "encoder":
        return None
    base = encoder.value
    if not isinstance(base, ast.Attribute) or base.attr not in _OF_VIT:
        return None
    if view.settings.target < parse_release(_RENAMED_SINCE) or members.is_prepared(view, encoder):
        return None
    return base.value if members.is_untyped(view, base, "") else None


def _wrapped_in(view: ModuleView, node: ast.Attribute) -> str:
    """The detector whose backbone's own encoder is read, which is the backbone since; "" for anything else."""
    if node.attr != _WRAPPED or not isinstance(node.ctx, ast.Load):
        return ""
    if view.settings.target < parse_release(_WRAPPED_UNTIL):
        return ""
    place = module_paths.place(view, node)
    if place is None or not all(
        each.model_type in _WRAPPED_IN and module_paths.in_base_model(each, place.path) == _WRAPPED_AT
        for each in place.models
    ):
        return ""
    return place.models[0].name


def _renamed(view: ModuleView, node: ast.Attribute, lost: Lost) -> str:
    """The sentence for a part of a layer, with paths as they are written behind the last index."""
    path = lost.path
    around = view.tree.parents[node]
    while isinstance(around, ast.Attribute) and any(
        f"{old}.".startswith(f"{path}.{around.attr}.") for old in lost.news
    ):
        path = f"{path}.{around.attr}"
        around = view.tree.parents[around]
    said = f"`{lost.model.name}` has no `{lost.path.replace('.*', '[...]')}` since transformers {lost.since}"
    if node.attr in _FLAT:
        return f"{said}: its parts are those of `{lost.path.rpartition('.')[0].replace('.*', '[...]')}`"
    wanted = {old: new for old, new in lost.news.items() if f"{old}.".startswith(f"{path}.")}
    news = [f"`{_behind_index(old)}` is `{_behind_index(new)}`" for old, new in wanted.items()]
    return f"{said}: {', '.join(news)}"


def _holds(lost: Lost, path: str) -> bool:
    """Whether a path leads to one of the layers that were renamed."""
    return any(f"{old}.".startswith(f"{path}.") for old in lost.news)


def _behind_index(path: str) -> str:
    return path.rpartition("*.")[2]


def is_submodule(found: Gone) -> bool:
    """Whether what is gone was a part of the model."""
    return found.node.attr in _SUBMODULES and found.owner.is_exact


def _instead(view: ModuleView, found: Gone) -> str:
    if found.node.attr in _FLAT and found.removal.gone == _FLAT_SINCE:
        return f'its parts are the model\'s own (`getattr(model, "{found.node.attr}", model)` reads both)'
    if _inner(found):
        around = _read_of_language_model(view, found)
        if around in _OF_LANGUAGE_MODEL:
            return f"`.{_LANGUAGE_MODEL}.{around}` is `.{_OF_LANGUAGE_MODEL[around]}`"
        return f"it is `.model.{found.node.attr}`"
    if found.node.attr in _RENAMED:
        return f"it is `.{_RENAMED[found.node.attr]}`"
    home = module_paths.home(found.owner.name, found.node.attr, view.settings.target)
    return f"it is `.{home}`" if home else ""


def _inner(found: Gone) -> bool:
    """Whether a part of a model with a head is a part of the model inside of it now."""
    facts = lookup.class_facts(found.owner.name)
    base = lookup.model_type(facts.model_type) if facts is not None and facts.model_type else None
    inner = base.models.get("AutoModel", "") if base is not None else ""
    return found.node.attr in _OF_LLAVA and inner not in ("", found.owner.name)


def _read_of_language_model(view: ModuleView, found: Gone) -> str:
    """What is read of the language model inside of a model: "lm_head"; "" where the language model itself is."""
    around = view.tree.parents[found.node]
    return around.attr if found.node.attr == _LANGUAGE_MODEL and isinstance(around, ast.Attribute) else ""


def _fix(view: ModuleView, found: Gone) -> Fix | None:
    """The fix that reads a part of the flat model itself."""
    node = found.node
    if _inner(found):
        start, end = view.name_span(node)
        new = f"model.{node.attr}"
        if node.attr == _LANGUAGE_MODEL:
            read = _read_of_language_model(view, found)
            if read in _OF_LANGUAGE_MODEL:
                new = _OF_LANGUAGE_MODEL[read]
                end = view.name_span(view.tree.parents[node])[1]  # type: ignore[arg-type]
            elif read not in _OF_BASE:
                return None
        since = _INNER_SINCE if found.removal.gone in ("5.0", _INNER_SINCE) else found.removal.gone
        return Fix(f"Read `.{new}`", [Edit(start, end, new)], applicability="unsafe", requires=since)
    if node.attr in _RENAMED:
        new = _RENAMED[node.attr]
        edit = Edit(*view.name_span(node), new)
        return Fix(f"Rename to `{new}`", [edit], applicability="unsafe", requires=found.removal.gone)
    if (
        node.attr not in _FLAT
        or found.removal.gone != _FLAT_SINCE
        or len(members.owners(view, node.value, ("model",))) != 1
    ):
        return None
    if not isinstance(view.tree.parents[node], ast.Attribute):
        return None  # the submodule itself is wanted, and is the model now
    return _without(view, node, _FLAT_SINCE)


def _without(view: ModuleView, node: ast.Attribute, since: str) -> Fix | None:
    """The fix that reads what a part was in: by `getattr` while releases that have the part are supported as well."""
    holder = view.source(node.value)
    if view.settings.minimum >= parse_release(since):
        edit = view.replace(node, holder)
        return Fix(f"Drop `.{node.attr}`", [edit], applicability="unsafe", requires=since)
    if not all(each.isidentifier() for each in holder.split(".")):
        return None  # it would be computed twice
    either = f'getattr({holder}, "{node.attr}", {holder})'
    return Fix(f"Read `{either}`", [view.replace(node, either)], applicability="unsafe")

"""V5902: a condition on parameter names that no parameter of the model has any more."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import held_models, library, models, name_conditions
from v5lint.rules.parts.held_models import Held
from v5lint.rules.parts.joined_models import JOINED
from v5lint.rules.parts.name_conditions import Question

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from v5lint.releases import Release
    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.models import Model, Models
    from v5lint.view.module import ModuleView

_LISTS = frozenset({"named_parameters", "named_modules", "state_dict"})

#: What a regular expression may name before the parts of the base model: `vit.` of `^vit\\.encoder\\.layer`.
_PREFIXES = pattern(r"^\^?(\w+)\\?\.")
_BEFORE = "4.57"

#: Texts that stand for layers which are called otherwise now; worth a word where the model is not known.
_OLD = pattern(r"encoder\.layer\b|attention\.attention|\.(query|key|value)\b")


#: The path to the linear layers of one expert, before 5.0.
_EACH_EXPERT = ".experts.*."

#: The parameters that hold those of all experts since, and where the block has another name (`MixtralDecoderLayer`).
_FUSED = ("gate_up_proj", "down_proj")
_MOVED = pattern(r"\.block_sparse_moe$")


class FrozenParameterName(Rule):
    """A condition on parameter names that no parameter of the model has any more.

    ## What it does

    Finds loops over `named_parameters()`, `named_modules()` or `state_dict().items()` whose conditions ask for a text
    in the name (`"encoder.layer" in name`, `name == "..."`, `name.startswith(...)`, `name.split(".")[1] == "..."`,
    `re.search(...)`, `any(key in name for key in [...])`), also in a function that only they give the name to, that was
    in names of the model's layers under 4.x and is in none of them now. The model must be in sight: a known class, an
    Auto class with a known checkpoint, or a module of the repository that holds one of them. A condition that asks for
    the new names as well is ready for both.

    ## Why it breaks

    The layers of ViT, DeiT, BEiT, Swin, SegFormer and their kin were renamed in 5.9, those of DINOv2 in 5.18; the
    `vision_model.` in front of those of `CLIPVisionModel` and `SiglipVisionModel` went in 5.6. The condition is never
    true, and nothing is said: on a ViT `"encoder.layer.11" in name` chose 16 parameters under 4.57 and chooses none
    since 5.9 (measured). What should be frozen trains, what should train is frozen, and parameter groups are empty.

    ## Example

        for name, parameter in vit.named_parameters():
            parameter.requires_grad = "encoder.layer.11" in name or "classifier" in name

    write

        for name, parameter in vit.named_parameters():
            parameter.requires_grad = "layers.11" in name or "classifier" in name

    ## Fix safety

    No fix: which layers are meant is better said by modules (`vit.vit.layers[11].parameters()`) than by new names.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/conversion_mapping.py
    """

    code = "V5902"
    name = "frozen-parameter-name"
    since = "5.0"
    tokens = tuple(sorted(_LISTS))

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for call in module.calls(_LISTS):
            if not isinstance(call.func, ast.Attribute):
                continue
            groups = [*name_conditions.conditions(module, call.node)]
            if not groups:
                continue
            found = models.of_model_or_part(module, call.func.value)
            held = _joined(found) if found.found else held_models.held(module, call.func.value)
            met: set[ast.expr] = set()
            for node, question in (each for group in groups if not _knows_both(module, found, group) for each in group):
                parts = [each for each in held if not found.found or question.text.startswith(f"{each.name}.")]
                lost = _in_parts(module, parts, node, question) if parts else _check(module, found, node, question)
                for each in lost:
                    if node not in met:
                        met.add(node)
                        yield each


def _joined(found: Models) -> list[Held]:
    """The part that sees the images, of models that are put together from two: of the other the names are not asked."""
    parts = [(each, models.part_of(each)) for each in found.found]
    if not all(part is not None for _, part in parts):
        return []
    return [Held(JOINED[each.name][0], [part]) for each, part in parts if part is not None]


def _knows_both(view: ModuleView, found: Models, condition: list[tuple[ast.expr, Question]]) -> bool:
    """Whether a condition asks for a name that layers have now and did not have under 4.x: it is ready for both."""
    now = library.release_text(view.settings.target)
    return any(
        _has(_names(each.model_type, now), asked) and not _has(_names(each.model_type, _BEFORE), asked)
        for each in found.found
        if each.model_type
        for _, question in condition
        for asked in (question, *_behind_own_name(question))
    )


def _check(view: ModuleView, found: Models, node: ast.expr, question: Question) -> Iterator[Finding | Unseen]:
    known = [each for each in found.found if each.model_type]
    if not known or len(known) < len(found.found):
        likely = not found.found or any(
            each.name.endswith(("ImageClassification", "AutoModel")) for each in found.found
        )
        if found.found and likely and _OLD.search(question.text):
            yield view.unseen(node, f"whether a parameter has `{question.text}` in its name depends on the model")
        return
    lost = [_lost_in(each, question, view.settings.target) for each in known]
    if all(lost) and not view.guards.is_dead(node):
        yield _finding(view, node, known[0], question, lost[0])


def _in_parts(view: ModuleView, held: list[Held], node: ast.expr, question: Question) -> Iterator[Finding]:
    """The same for a module of the repository, in whose names those of its parts stand behind the attributes."""
    mine = [each for each in held if question.text.startswith(f"{each.name}.")]
    parts = mine or held
    if not question.is_plain or not all(each.models for each in parts) or view.guards.is_dead(node):
        return
    target = view.settings.target
    lost = [
        (model, since)
        for each in parts
        for model in each.models
        if (since := _lost_in(model, question.without(f"{each.name}."), target))
    ]
    asked = [question.without(f"{each.name}.") for each in parts for _ in each.models]
    all_models = [model for each in parts for model in each.models]
    now = library.release_text(target)
    if not lost or any(not model.model_type for model in all_models):
        return
    if any(_has(_names(model.model_type, now), each) for model, each in zip(all_models, asked, strict=True)):
        return
    yield _finding(view, node, lost[0][0], question, lost[0][1])


def _finding(view: ModuleView, node: ast.expr, model: Model, question: Question, since: str) -> Finding:
    example = _example(model, view.settings.target)
    asked = f"has `{question.text}` in its name" if question.is_plain else f"matches `{question.text}`"
    message = (
        f"no layer of `{model.name}` {asked} any more (they are called `{example}`): this never "
        "matches, and nothing is said"
    )
    return view.finding(node, message, since=since)


def _example(model: Model, release: Release) -> str:
    paths = lookup.linear_names(model.model_type, release) or ()
    return next((path.replace("*", "0") for path in paths if "q_proj" in path), paths[0] if paths else "")


def _lost_in(model: Model, question: Question, release: Release) -> str:
    """The release since which a condition is true of no layer of a model; "" where it is of one, or never was."""
    before = _names(model.model_type, _BEFORE)
    now = _names(model.model_type, library.release_text(release))
    if not _has(before, question):
        question = next(_behind_own_name(question), question)
    if not before or not now or not _has(before, question) or _has(now, question):
        return ""
    for minor in range(release[1] + 1 if len(release) > 1 else 1):
        names = _names(model.model_type, f"{release[0]}.{minor}")
        if names and not _has(names, question):
            return f"{release[0]}.{minor}"
    return library.release_text(release)


def _behind_own_name(question: Question) -> Iterator[Question]:
    """The question without the name of the base model that may stand before: of "vit.encoder.layer" the layers."""
    head, _, rest = question.text.partition(".")
    if question.is_plain and head.isidentifier() and rest:
        yield Question(rest, question.how)


def _names(model_type: str, release: str) -> tuple[str, ...]:
    """The names of the weights of a family's linear layers, with `*` for every number, and of its experts."""
    paths = lookup.linear_names(model_type, release) or ()
    return (*(f"{path}.weight" for path in paths), *_fused_experts(model_type, paths))


def _fused_experts(model_type: str, paths: Collection[str]) -> set[str]:
    """The names of the weights of experts that are one parameter since 5.0, and were a linear layer each before."""
    if not paths or any(_EACH_EXPERT in path for path in paths):
        return set()
    before = lookup.linear_names(model_type, _BEFORE) or ()
    holders = {path.partition(_EACH_EXPERT)[0] for path in before if _EACH_EXPERT in path}
    return {f"{_MOVED.sub('.mlp', each)}.experts.{leaf}" for each in holders for leaf in _FUSED}


def _has(names: tuple[str, ...], question: Question) -> bool:
    """Whether a condition is true of one of some names, as they are in the base model or behind a name of its own."""
    numbers = {"0", "11", *re.findall(r"\d+", question.text)}
    named = _PREFIXES.match(question.text) if not question.is_plain else None
    prefixes = ("", f"{named[1]}.") if named is not None else ("",)
    tried = [prefix + name.replace("*", number) for name in names for number in numbers for prefix in prefixes]
    return any(question.holds(each) for each in tried)

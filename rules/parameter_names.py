"""V5902: a condition on parameter names that no parameter of the model has any more."""

from __future__ import annotations

import ast
import re

from v5lint.rule import Rule
from v5lint.rules import library, models
from v5lint.rules.knowledge import lookup
from v5lint.view.values import Constant, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.releases import Release
    from v5lint.rule import Finding, Unseen
    from v5lint.rules.models import Model, Models
    from v5lint.view.module import ModuleView

_LISTS = frozenset({"named_parameters", "named_modules", "state_dict"})
_TESTS = frozenset({"startswith", "endswith"})
_BEFORE = "4.57"

#: Texts that stand for layers which are called otherwise now; worth a word where the model is not known.
_OLD = re.compile(r"encoder\.layer\b|attention\.attention|\.(query|key|value)\b")


class FrozenParameterName(Rule):
    """A condition on parameter names that no parameter of the model has any more.

    ## What it does

    Finds loops over `named_parameters()`, `named_modules()` or `state_dict().items()` whose conditions ask for a text
    in the name (`"encoder.layer" in name`, `name.startswith(...)`, `any(key in name for key in [...])`) that was in
    names of the model's layers under 4.x and is in none of them now. The model must be in sight: a known class, or an
    Auto class with a known checkpoint.

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
            tests = [*_conditions(module, call.node)]
            if not tests:
                continue
            found = _receiver(module, call.func.value)
            for node, text in tests:
                yield from _check(module, found, node, text)


def _receiver(view: ModuleView, node: ast.expr) -> Models:
    """The model whose parameters are listed; for a part of a model (`model.vit`) the model around it."""
    found = models.models(view, node)
    if not found.found and isinstance(node, ast.Attribute):
        around = models.models(view, node.value)
        if around.found and all(node.attr == _joined(each.model_type) for each in around.found):
            return around
    return found


def _joined(model_type: str) -> str:
    return model_type.replace("_", "").replace("-", "")


def _conditions(view: ModuleView, listing: ast.Call) -> Iterator[tuple[ast.expr, str]]:
    """The texts that a loop over a list of parameters asks for, each with the expression of the condition."""
    at: ast.AST = listing
    around: list[ast.AST]
    for parent in view.tree.ancestors(listing):
        if isinstance(parent, ast.For) and parent.iter is at:
            names, around = _first_name(parent.target), [*parent.body]
        elif isinstance(parent, ast.comprehension) and parent.iter is at:
            names, around = _first_name(parent.target), [view.tree.parents[parent]]
        elif isinstance(parent, (ast.Attribute, ast.Call)):
            at = parent
            continue
        else:
            return
        for each in around:
            for node in ast.walk(each):
                yield from _tests(view, node, names)
        return


def _first_name(target: ast.expr) -> str:
    if isinstance(target, ast.Tuple) and len(target.elts) == 2 and isinstance(target.elts[0], ast.Name):
        return target.elts[0].id
    return ""


def _tests(view: ModuleView, node: ast.AST, name: str) -> Iterator[tuple[ast.expr, str]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        if isinstance(node.comparators[0], ast.Name) and node.comparators[0].id == name:
            for text in _patterns(view, node.left):
                yield node, text
    elif isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute):
        asked, given = node.func.value, node.args[0]
        if node.func.attr not in _TESTS or not isinstance(asked, ast.Name) or asked.id != name:
            return
        for each in given.elts if isinstance(given, ast.Tuple) else [given]:
            for text in _patterns(view, each):
                yield node, text


def _patterns(view: ModuleView, node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be, with a `*` for each part that is not known."""
    for value in sorted(view.values(node), key=repr):
        if isinstance(value, Constant) and isinstance(value.value, str) and len(value.value) > 2:
            yield value.value
        elif isinstance(value, Partial) and any(len(part) > 2 for part in value.parts):
            yield "*".join(value.parts)


def _check(view: ModuleView, found: Models, node: ast.expr, text: str) -> Iterator[Finding | Unseen]:
    known = [each for each in found.found if each.model_type]
    if not known or len(known) < len(found.found):
        likely = not found.found or any(
            each.name.endswith(("ImageClassification", "AutoModel")) for each in found.found
        )
        if found.found and likely and _OLD.search(text):
            yield view.unseen(node, f"whether a parameter has `{text}` in its name depends on the model")
        return
    lost = [_lost_in(each, text, view.settings.target) for each in known]
    if not all(lost) or view.guards.is_dead(node):
        return
    model, since = known[0], lost[0]
    example = _example(model, view.settings.target)
    message = (
        f"no layer of `{model.name}` has `{text}` in its name any more (they are called `{example}`): this never "
        "matches, and nothing is said"
    )
    yield view.finding(node, message, since=since)


def _example(model: Model, release: Release) -> str:
    paths = lookup.linear_names(model.model_type, release) or ()
    return next((path.replace("*", "0") for path in paths if "q_proj" in path), paths[0] if paths else "")


def _lost_in(model: Model, text: str, release: Release) -> str:
    """The release since which no layer of a model has a text in its name; "" where one has, or none ever had."""
    before = _names(model.model_type, _BEFORE)
    now = _names(model.model_type, library.release_text(release))
    head, dot, rest = text.partition(".")
    if not _has(before, text) and dot and head.isidentifier() and rest:
        text = rest  # "vit.encoder.layer": the base model's own name stands before
    if not before or not now or not _has(before, text) or _has(now, text):
        return ""
    for minor in range(release[1] + 1 if len(release) > 1 else 1):
        names = _names(model.model_type, f"{release[0]}.{minor}")
        if names and not _has(names, text):
            return f"{release[0]}.{minor}"
    return library.release_text(release)


def _names(model_type: str, release: str) -> tuple[str, ...]:
    """The names of the weights of a family's linear layers, with `*` for every number."""
    return tuple(f"{path}.weight" for path in lookup.linear_names(model_type, release) or ())


def _has(names: tuple[str, ...], text: str) -> bool:
    """Whether a text is in one of some names."""
    pattern = re.compile(re.escape(text).replace(r"\*", r"[\w.]*"))
    numbers = {"0", *re.findall(r"\d+", text)}
    return any(pattern.search("." + name.replace("*", number)) for name in names for number in numbers)

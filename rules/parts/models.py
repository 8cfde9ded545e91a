"""What model an expression stands for: its class, its `model_type`, and whether PEFT is around it."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, joined_models, library, origins
from v5lint.view import elsewhere
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External, Instance, Partial, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rules.parts.origins import Origin
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue

#: Where a checkpoint may come from beside its default: the default is what most runs take.
_DEFAULTS = frozenset({"caller", "command line", "environment"})

#: Models for images and text: of these a model that is put together has the tower for images alone.
_WITH_TOWERS = frozenset({"CLIPModel", "ChineseCLIPModel", "SiglipModel", "Siglip2Model"})


class Model:
    """One model that an expression may stand for.

    Attributes:
        name: its class, "ViTForImageClassification"; of an Auto class what it loads for the type, else the Auto class.
        model_type: "vit"; "" when it is not known.
        is_adapted: whether PEFT is around it.
        is_sure: whether nothing but this class and type can be meant (a command line may name another checkpoint).
        is_inside: whether a part of it may be meant: the `.model` in it.
        call: the call that makes it; None where only its class is known.
        is_own: whether it is a class of the repository that inherits from transformers'.
    """

    __slots__ = ("call", "is_adapted", "is_inside", "is_own", "is_sure", "model_type", "name")

    def __init__(
        self,
        name: str,
        model_type: str,
        *,
        is_adapted: bool = False,
        is_sure: bool = True,
        call: CallSite | None = None,
        is_own: bool = False,
    ) -> None:
        self.name = name
        self.model_type = model_type
        self.is_adapted = is_adapted
        self.is_inside = False
        self.is_sure = is_sure
        self.call = call
        self.is_own = is_own


class Models:
    """The models that an expression may stand for.

    Attributes:
        found: those of transformers.
        is_complete: whether nothing else can be meant, as far as the file tells.
    """

    __slots__ = ("found", "is_complete")

    def __init__(self, found: list[Model], *, is_complete: bool) -> None:
        self.found = found
        self.is_complete = is_complete

    @property
    def types(self) -> set[str]:
        """The model types, "" among them where one is not known."""
        return {each.model_type for each in self.found}


def models(view: ModuleView, node: ast.expr) -> Models:
    """The models of transformers that an expression may stand for.

    Args:
        view: the module.
        node: the expression.
    """
    made = origins.origins(view, node)
    found: list[Model] = []
    complete = made.is_complete
    for origin in made.found:
        here = _made(origin)
        for model in here:
            model.is_inside = origin.is_inside
        found += here
        complete = complete and bool(here)
    if not found:
        # A name whose making is out of sight may still have an annotation, or a class that a sibling gives it.
        for of in view.classes_of(node):
            found += [each for name in library.library_classes(view, of) if (each := _of_class(name, of)) is not None]
    if not found and elsewhere.is_from_the_caller(view, node) and (given := _given_elsewhere(view, node)):
        return given
    if not found and isinstance(node, ast.Attribute):
        return _part_of_joined(view, node)
    return Models(found, is_complete=complete)


def _given_elsewhere(view: ModuleView, node: ast.expr) -> Models | None:
    """The models that other modules give to the parameter that an expression is; None where one gives no known one."""
    found: list[Model] = []
    complete = True
    for other, given in elsewhere.given(view, node):
        here = models(other, given)
        if not here.found:
            return None
        found += here.found
        complete = complete and here.is_complete
    for each in found:
        each.is_sure = False  # not all who call the function may be in sight
    return Models(found, is_complete=complete) if found else None


def _part_of_joined(view: ModuleView, node: ast.Attribute) -> Models:
    """The part that sees the images, of a model that is put together from two: `.encoder` of a TrOCR."""
    if node.attr not in {part for part, *_ in joined_models.JOINED.values()}:
        return Models([], is_complete=False)
    around = models(view, node.value)
    found = [part_of(each) for each in around.found if joined_models.JOINED.get(each.name, ("",))[0] == node.attr]
    if len(found) < len(around.found):
        return Models([], is_complete=False)
    return Models([each for each in found if each is not None], is_complete=around.is_complete and all(found))


def part_of(model: Model) -> Model | None:
    """The part that sees the images, of a model that is put together from two; None where it is not known."""
    if model.name not in joined_models.JOINED or model.is_own:
        return None
    model_type = joined_models.type_of_part(model)
    facts = lookup.model_type(model_type) if model_type else None
    name = facts.models.get("AutoModel", "") if facts is not None else ""
    if not name or name in _WITH_TOWERS:
        return None
    return Model(name, model_type, is_adapted=model.is_adapted, is_sure=model.is_sure, call=model.call)


def of_model_or_part(view: ModuleView, node: ast.expr) -> Models:
    """The models that an expression may stand for; for the base model in one (`model.vit`) the model around it."""
    found = models(view, node)
    if not found.found and isinstance(node, ast.Attribute):
        around = models(view, node.value)
        if around.found and all(node.attr == _joined(each.model_type) for each in around.found):
            return around
    return found


def of_model_or_base(view: ModuleView, node: ast.expr) -> Models:
    """The models that an expression may stand for: also the base model in one with a head, `model.bert`."""
    found = models(view, node)
    if found.found or not isinstance(node, ast.Attribute):
        return found
    around = models(view, node.value)
    bases = [_base_in(each, node.attr) for each in around.found]
    if not bases or None in bases:
        return found
    return Models([each for each in bases if each is not None], is_complete=around.is_complete)


def _base_in(model: Model, attribute: str) -> Model | None:
    """What an attribute of a model holds, where it is the base model: it is called by the type, and `base_model`."""
    if model.is_own or not model.model_type or (attribute == "base_model" and model.is_adapted):
        return None
    if attribute not in ("base_model", _joined(model.model_type), model.model_type.replace("-", "_")):
        return None
    facts = lookup.model_type(model.model_type)
    name = facts.models.get("AutoModel", "") if facts is not None else ""
    return Model(name, model.model_type, is_sure=model.is_sure, call=model.call) if name else None


def _joined(model_type: str) -> str:
    return model_type.replace("_", "").replace("-", "")


def _made(origin: Origin) -> list[Model]:
    call = origin.call
    found: list[Model] = []
    for of in origins.made_classes(call):
        for name in library.library_classes(call.view, of):
            if not lookup.is_model_class(name):
                continue
            if lookup.kind_of(name) == "auto_model":
                found += _automatic(origin, name)
            elif (model := _of_class(name, of)) is not None:
                model.is_adapted = origin.is_adapted
                model.call = call
                found.append(model)
    return found


def _of_class(name: str, of: ClassValue) -> Model | None:
    facts = lookup.class_facts(name)
    if facts is None or facts.kind != "model":
        return None
    return Model(name, facts.model_type, is_own=not isinstance(of, External))


def _automatic(origin: Origin, auto: str) -> list[Model]:
    """What an Auto class makes, by the checkpoint or the configuration that it gets."""
    call = origin.call
    values = call.values_of(*library.CHECKPOINT)
    types: dict[str, bool] = {}
    if call.name == "from_pretrained":
        names = [each.value for each in values if isinstance(each, Constant) and isinstance(each.value, str)]
        sure = not library.origin(values) and not any(isinstance(each, Partial) for each in values)
        remote = Constant(True) in call.values_of("trust_remote_code")
        types = {
            # A checkpoint with code of its own is what that code makes of it, whatever its name says.
            "" if remote and checkpoints.may_be_fine_tuned(name) else checkpoints.model_type_of(name): sure
            and len(names) == 1
            for name in names
        }
        if any(
            isinstance(each, Partial) or (isinstance(each, Unknown) and each.origin not in _DEFAULTS) for each in values
        ):
            types[""] = False
    else:
        for each in values or call.values_of("config", 0):
            if isinstance(each, Instance) and isinstance(each.of, External):
                types.update(dict.fromkeys(_types_of_config(call, each.of), True))
    found = []
    for model_type, sure in (types or {"": False}).items():
        facts = lookup.model_type(model_type) if model_type else None
        name = facts.models.get(auto, auto) if facts else auto
        found.append(Model(name, model_type, is_adapted=origin.is_adapted, is_sure=sure, call=call))
    return found


def _types_of_config(call: CallSite, of: External) -> list[str]:
    facts = lookup.class_facts(of.name) if of.package == "transformers" else None
    if facts is None:
        return []
    if facts.kind != "auto_config":
        return [facts.model_type] if facts.model_type else []
    given = call.argument("config", 0)
    found = []
    for origin in origins.origins(call.view, given).found if given is not None else ():
        for value in origin.call.values_of(*library.CHECKPOINT):
            if isinstance(value, Constant) and isinstance(value.value, str):
                found.append(checkpoints.model_type_of(value.value))
    return found


def settings_of(load: CallSite) -> list[CallSite]:
    """The calls that say how a model is set up: the one that loads it, and that which makes its configuration."""
    given = load.argument("config", 0 if load.name != "from_pretrained" else -1)
    made = load.view.links.defining_call(given) if given is not None else None
    return [load, *([CallSite(load.view, made)] if made is not None else [])]

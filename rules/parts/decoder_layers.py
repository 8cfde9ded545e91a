"""The layers of a causal language model whose class is not known, by their place in it: `model.model.layers`.

All models of transformers that have this path are decoders with rotary positions, so that what their layers ask for
is known without the class (see V5548).
"""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import generating, model_layers, models, module_paths
from v5lint.view.values import External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import Value

_BASE, _LIST, _ATTENTION = "model", "layers", "self_attn"

_MODELS = "transformers.models."

#: The model file of a family.
_FILE = pattern(r"transformers\.models\.(\w+)\.modeling_\1$")

#: How a class of layers is called, and where one is written.
_LAYER = "DecoderLayer"
_CLASS = pattern(rf"class \w*{_LAYER}\b")

#: Methods of a module that give it back.
_SAME = frozenset({"to", "cuda", "cpu", "eval", "train", "half", "float", "bfloat16"})

_COPY = "deepcopy"

#: How many names, calls and functions back a layer is followed.
_DEPTH = 8


def is_item(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression stands for one of the layers at `x.model.layers` of a model that may be the library's."""
    return any(not _is_own(view, model) for model in _models_of_item(view, node, frozenset()) or ())


def is_part(of: Value) -> bool:
    """Whether a class is a part of a decoder, which the model around it calls: an attention, a layer, its body.

    What may be an encoder as well is given no cache there. The parts that had `layer_past` (Bloom, Falcon) have no
    such parameter, and neither has what replaces their `forward`.
    """
    if not isinstance(of, External) or of.package != "transformers" or of.name == generating.MIXIN:
        return False
    if lookup.removed_in(of.path) is not None:
        return False
    facts = lookup.class_facts(of.name)
    if facts is not None and lookup.is_subclass(of.name, generating.MIXIN):
        return False
    folder = facts.model_type if facts is not None else ""
    if not folder and of.path.startswith(_MODELS):
        folder = of.path.removeprefix(_MODELS).partition(".")[0]
    family = lookup.model_type(folder) if folder else None
    models = family.models if family is not None else {}
    return "AutoModelForCausalLM" in models and "AutoModelForMaskedLM" not in models


def attention(view: ModuleView, node: ast.expr, user: ModuleView) -> External | None:
    """The class of `x.model.layers[i].self_attn`: the model is known, or the module that uses it is about one family.

    Args:
        view: the module of the expression.
        node: the expression.
        user: the module with the function that is put in.
    """
    if not isinstance(node, ast.Attribute) or node.attr != _ATTENTION:
        return None
    layers = model_layers.names(view, node.value)
    prefixes = {each.removesuffix(_LAYER) for each in layers if each.endswith(_LAYER)}
    if not layers and _models_of_item(view, node.value, frozenset()):
        prefixes = {each.removesuffix("Model") for each in _base_models(user)}
    if len(prefixes) != 1:
        return None
    (prefix,) = prefixes
    facts = lookup.class_facts(f"{prefix}Model")
    if facts is None:
        return None
    return External(f"transformers.models.{facts.model_type}.modeling_{facts.model_type}.{prefix}Attention")


def _base_models(view: ModuleView) -> Iterator[str]:
    """The base models of the families whose model files a module imports from."""
    for statement in view.tree.nodes.get(ast.ImportFrom, ()):
        assert isinstance(statement, ast.ImportFrom)
        found = _FILE.match(statement.module or "") if not statement.level else None
        facts = lookup.model_type(found[1]) if found is not None else None
        if facts is not None and "AutoModel" in facts.models:
            yield facts.models["AutoModel"]


def _models_of_item(view: ModuleView, node: ast.expr, seen: frozenset[Binding]) -> list[ast.expr] | None:
    """The `x` of the `x.model.layers` that an expression is an item of; None where it may be anything else.

    Args:
        view: the module.
        node: the expression.
        seen: the bindings that are looked at already: of `layer = layer.cpu()` in a loop one is that itself.
    """
    if isinstance(node, ast.Subscript):
        return (_models_of_list(view, node.value, 0) or None) if not isinstance(node.slice, ast.Slice) else None
    if isinstance(node, ast.Call):
        same = _given_back(node)
        return _models_of_item(view, same, seen) if same is not None else None
    if not isinstance(node, ast.Name) or len(seen) > _DEPTH:
        return None
    bindings = view.links.bindings_read(node)
    return _together(_models_bound(view, each, seen | {each}) for each in bindings if each not in seen)


def _models_bound(view: ModuleView, binding: Binding, seen: frozenset[Binding]) -> list[ast.expr] | None:
    if binding.kind == "assign" and binding.value is not None:
        return _models_of_item(view, binding.value, seen)
    if binding.kind == "for" and binding.value is not None:
        items = module_paths.iterated(binding.value, binding.index)
        return (_models_of_list(view, items, 0) or None) if items is not None else None
    if binding.kind == "parameter" and isinstance(binding.node, ast.arg):
        given, always = view.links.arguments_for(binding.scope.node, binding.node)
        return _together(_models_of_item(view, each, seen) for each in given) if always and given else None
    return None


def _together(found: Iterable[list[ast.expr] | None]) -> list[ast.expr] | None:
    models_found: list[ast.expr] = []
    for each in found:
        if each is None:
            return None
        models_found += each
    return models_found


def _models_of_list(view: ModuleView, node: ast.expr, depth: int) -> list[ast.expr]:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        node = node.value
    if isinstance(node, ast.Name) and depth <= _DEPTH:
        # Of another family (`model.model.decoder.layers`) in another branch: what is asked of a call tells them apart.
        values = [each.value for each in view.links.bindings_read(node) if each.kind == "assign"]
        found = [each for each in values if isinstance(each, (ast.Attribute, ast.Call))]
        if len(found) < len(values):
            return []
        return [model for each in found for model in _models_of_list(view, each, depth + 1)]
    if isinstance(node, ast.Call) and depth <= _DEPTH:
        functions = [each for each in view.values(node.func) if isinstance(each, LocalFunction) and each.view is view]
        given = [value for each in functions for value in view.links.returns(each.node) if value is not None]
        return [model for value in given for model in _models_of_list(view, value, depth + 1)]
    base = node.value if isinstance(node, ast.Attribute) and node.attr == _LIST else None
    return [base.value] if isinstance(base, ast.Attribute) and base.attr == _BASE else []


def _is_own(view: ModuleView, node: ast.expr) -> bool:
    """Whether a model may have layers that are written here: `self`, or one of a repository that has such a class."""
    if isinstance(node, ast.Name) and node.id == "self":
        return True
    local = [each for each in view.classes_of(node) if isinstance(each, LocalClass)]
    if any(not any(root.package == "transformers" for root in view.roots(each)) for each in local):
        return True
    is_local = bool(local) or any(each.is_own for each in models.models(view, node).found)
    return is_local and _writes_layers(view)


def _writes_layers(view: ModuleView) -> bool:
    files = view.project.mentioning(_LAYER.encode(), view.path)
    others = [view.project.view(file, view.settings) for file in files]
    return any(_CLASS.search(each.text) for each in (view, *others) if each is not None)


def _given_back(call: ast.Call) -> ast.expr | None:
    """The module that a call gives back, or a copy of it: `layer` of `layer.to(device)` and `copy.deepcopy(layer)`."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in _SAME:
        return call.func.value
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return call.args[0] if name == _COPY and len(call.args) == 1 else None

"""V5931: `_init_weights` of a loaded model, which leaves what was loaded as it is."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import models, standing
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

_METHOD, _APPLY, _LOAD = "_init_weights", "apply", "from_pretrained"

#: What v5 asks of each tensor before it fills it.
_FLAG = "_is_hf_initialized"

#: Parts that a checkpoint holds in any case. A head may be new, and what is new is filled as ever.
_BODIES = frozenset(
    "base_model decoder embeddings encoder h layer layers model text_model transformer vision_model".split()
)

#: What gives the modules of a model, one after the other.
_WALKS = frozenset({"modules", "named_modules", "children", "named_children", "reversed", "enumerate", "list"})

#: What a loop goes through that takes marks away.
_GOES_THROUGH = ("parameters", "named_parameters", "modules")

#: The name of the loop that the fix writes.
_NAME = "parameter"

#: How many loops a module is followed through: `for module in layer.modules()` of `for layer in model.layers`.
_DEPTH = 3


class KeptWeight(Rule):
    """Loaded weights that `_init_weights` is to fill anew, and leaves as they are.

    ## What it does

    Finds `model.apply(model._init_weights)`, `model.encoder.apply(model._init_weights)` and
    `model._init_weights(module)` of modules of `model`, where `from_pretrained` has loaded the model and its class has
    no `_init_weights` of its own. Heads are left alone, which may be new, as are parts that the file puts others in
    the place of, and models that a constructor builds.

    ## Why it breaks

    Silently. Since 5.0 each tensor that was loaded is marked, and the functions with which the models of the library
    fill their weights leave marked ones alone. Measured on 4.57.6, and on 5.0.0, 5.9 and 5.24, of a `BertModel` with
    weights that were loaded:

        before = model.pooler.dense.weight.clone()
        model.apply(model._init_weights)
        torch.equal(before, model.pooler.dense.weight)     # False, and True

    A baseline with random weights, a model that is to be trained from scratch, and the last layers that a recipe for
    small data sets starts anew are pretrained all along, and the numbers look better than they are.

    ## Example

        model.encoder.apply(model._init_weights)

    becomes

        for parameter in model.encoder.parameters():
            parameter._is_hf_initialized = False
        model.encoder.apply(model._init_weights)

    A whole model with random weights is better made of its configuration: `AutoModel.from_config(model.config)`.

    ## Fix safety

    Safe: on both majors the weights are filled then. 4.x does not look at the mark of a tensor.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/initialization.py
    """

    code = "V5931"
    name = "kept-weight"
    since = "5.0"
    tokens = (f".{_METHOD}",)
    beside = (_LOAD,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.attributes({_METHOD}):
            call = _call_with(module, node)
            if call is None or standing.never_runs(module, call):
                continue
            found = models.models(module, node.value)
            if not found.found or not all(_is_loaded(each) for each in found.found):
                continue
            filled = call.func.value if call.func is not node else call.args[0]  # type: ignore[attr-defined]
            is_kept = _is_loaded_part(module, filled, node.value, found.found)
            if is_kept and not _is_unmarked(module, call, filled, node.value):
                yield module.finding(
                    node,
                    f"`{_METHOD}` leaves the weights that `{_LOAD}` has loaded as they are since transformers 5.0: "
                    f"set `{_FLAG}` of the parameters to False first",
                    fix=_fix(module, call, filled),
                )


def _call_with(view: ModuleView, node: ast.Attribute) -> ast.Call | None:
    """The call that fills weights: of the method itself, or of `apply` that gets it."""
    parent = view.tree.parents[node]
    if not isinstance(parent, ast.Call):
        return None
    if parent.func is node:
        return parent if len(parent.args) == 1 and not parent.keywords else None
    func = parent.func
    is_applied = isinstance(func, ast.Attribute) and func.attr == _APPLY and parent.args == [node]
    return parent if is_applied else None


def _is_loaded(model: Model) -> bool:
    """Whether a model was loaded, and the library fills its weights."""
    if model.call is None or model.call.name != _LOAD:
        return False
    if Constant(True) in model.call.values_of("trust_remote_code"):
        return False  # the code of the checkpoint may fill them itself
    return not model.is_own or not any(
        isinstance(each, LocalFunction)
        for of in model.call.owners({_LOAD})
        if isinstance(of, LocalClass)
        for each in of.view.evaluator.class_attribute(of, _METHOD, instance=False)
    )


def _is_loaded_part(view: ModuleView, filled: ast.expr, model: ast.expr, found: list[Model], depth: int = 0) -> bool:
    """Whether a module is a model, or a part of it that is in every checkpoint."""
    path = _path(filled)
    whole = _path(model)
    if not path or not whole:
        return False
    if path == whole:
        return True
    if path[: len(whole)] == whole:
        first = path[len(whole)]
        is_body = first in _BODIES or any(first == each.model_type.replace("-", "_") for each in found)
        is_bare = all(each.name == "AutoModel" or each.name.endswith("Model") for each in found)
        return (is_body or is_bare) and not _is_replaced(view, path)
    if isinstance(filled, ast.Name) and depth < _DEPTH:
        loops = [each for each in view.tree.ancestors(filled) if isinstance(each, ast.For)]
        for loop in loops:
            if any(isinstance(each, ast.Name) and each.id == filled.id for each in ast.walk(loop.target)):
                walked = _walked(loop.iter)
                return walked is not None and _is_loaded_part(view, walked, model, found, depth + 1)
    return False


def _walked(node: ast.expr) -> ast.expr | None:
    """The module whose modules a loop walks through: `model.encoder` of `model.encoder.layer[-2:]`."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _WALKS:
            node = node.func.value
        elif isinstance(node.func, ast.Name) and node.func.id in _WALKS and node.args:
            node = node.args[0]
        else:
            return None
    return node


def _path(node: ast.expr) -> tuple[str, ...]:
    """The names of an expression of names, attributes and places in lists; () of any other."""
    names: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return ()
    return (node.id, *reversed(names))


def _is_replaced(view: ModuleView, path: tuple[str, ...]) -> bool:
    """Whether a file puts another module in the place of a part, or of what holds it."""
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if isinstance(node.ctx, ast.Store) and len(own := _path(node)) > 1 and own == path[: len(own)]:
            made = view.tree.parents[node]
            value = made.value if isinstance(made, ast.Assign) else None
            is_load = isinstance(value, ast.Call) and CallSite(view, value).name == _LOAD
            if not is_load:
                return True
    return False


def _is_unmarked(view: ModuleView, call: ast.Call, filled: ast.expr, model: ast.expr) -> bool:
    """Whether the marks of a module, or of the model that it is in, are taken away before it is filled."""
    line = view.tree.statement(call).lineno
    walks = tuple(
        f"{view.source(each)}.{walk}("
        for each in (filled, model)
        for walk in ("parameters", "named_parameters", "modules")
    )
    for node in view.attributes({_FLAG}):
        above = [node, *view.tree.ancestors(node)]
        loops = (view.source(each.iter) for each in above if isinstance(each, ast.For))
        if node.lineno < line and any(text.startswith(walks) for text in loops):
            return True
    return False


def _fix(view: ModuleView, call: ast.Call, filled: ast.expr) -> Fix | None:
    """Take the marks away before the weights are filled."""
    statement = view.tree.parents[call]
    if not isinstance(statement, (ast.Assign, ast.Expr)) or not _path(filled) or _is_taken(view):
        return None
    start, _ = view.span(statement)
    line = view.text.rfind("\n", 0, start) + 1
    indent = view.text[line:start]
    if indent.strip():
        return None
    step = "\t" if indent.startswith("\t") else "    "
    loop = f"for {_NAME} in {view.source(filled)}.parameters():\n{indent}{step}{_NAME}.{_FLAG} = False\n{indent}"
    return Fix(f"Take the mark `{_FLAG}` away first", [Edit(start, start, loop)])


def _is_taken(view: ModuleView) -> bool:
    """Whether the file has a name of its own that the loop would take."""
    return any(_FLAG not in view.source(view.tree.statement(each)) for each in view.links.mentions(_NAME))

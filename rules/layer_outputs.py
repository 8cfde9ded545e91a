"""V5519: what a layer of a model gives, taken for a tuple."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import decoder_layers, model_layers, patched_methods
from v5lint.rules.parts.model_layers import Layer
from v5lint.view.values import LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

_HOOK = "register_forward_hook"

#: The place of the output among the parameters of a hook: the module, its inputs, its output.
_OUTPUT = 2

#: Layers of `model.model.layers` where the family is not known; since 5.4 those of all that 4.57 knew give a tensor.
_ANY_DECODER = Layer("a layer of `model.layers`", "5.4")

#: What asks which of the two it is.
_ASKING = frozenset({"isinstance", "is_tensor", "hasattr", "type"})


class LayerOutput(Rule):
    """What a layer of a model gives, read as a tuple.

    ## What it does

    Finds calls of the layers of a model (`BertLayer`, `GPT2Block`, `BartDecoderLayer`, ...) of which the first is read
    or which are taken apart, and hooks on such layers that read the first of the output. A layer is known by its class,
    as an item of a list of them (`nn.ModuleList([BertLayer(config) for _ in range(n)])`, the `self.layer` of a class
    that inherits from `BertEncoder`), or by its path in a model whose class is known (`model.transformer.h[0]`), or by
    the path `model.model.layers` in any other. Code that asks first whether it is a tuple is left alone, and so is
    `outputs[i] = layer(inputs[i].unsqueeze(0))[0]`, which keeps the same of either.

    ## Why it breaks

    Layers gave a tuple, the hidden states its first. Since 5.0 (BERT and its kin, CLIP, DistilBERT), 5.3 (GPT-2), 5.4
    (OPT, BART, Whisper, Phi), 5.16 (Wav2Vec2) and 4.54 (Llama, Mistral, Qwen2) they give the tensor itself. Its first
    is the first text of the batch: nothing is raised, and the rest is lost. Measured with `BertLayer` on two texts of
    seven tokens:

        layer(hidden)[0].shape      # 4.57: (2, 7, 32)    5.24: (7, 32)

    What is taken apart fails, or takes the batch apart where it has two:

        ValueError: not enough values to unpack (expected 2, got 1)

    ## Example

        for layer in self.layer:
            hidden = layer(hidden, mask)[0]

    becomes

        for layer in self.layer:
            hidden = layer(hidden, mask)

    ## Fix safety

    Unsafe, and only where nothing but the first is read. Where the project supports older releases a variable is asked
    what it is (`out if isinstance(out, torch.Tensor) else out[0]`), and what has no name is left to a person. No fix
    for hooks, which may give back a tuple.

    ## References

    - https://github.com/huggingface/transformers/releases
    """

    code = "V5519"
    name = "layer-output"
    since = "4.54"
    tokens = ("Layer(", "Block(", "Encoder)", "Decoder)", "Model)", ".h:", ".h[", ".h)")
    attributes = ("layer", "layers", "blocks")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        firsts = _names_of_firsts(module)
        for call in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(call, ast.Call)
            if isinstance(call.func, ast.Attribute) and call.func.attr == _HOOK and call.args:
                yield from _hooked(module, call)
            else:
                yield from _called(module, call, firsts)


def _names_of_firsts(view: ModuleView) -> set[str]:
    """The names of which `x[0]` is read somewhere: nothing has to be asked of the others."""
    nodes = (each for each in view.tree.nodes.get(ast.Subscript, ()) if _is_first(each))
    return {node.value.id for node in nodes if isinstance(node.value, ast.Name)}


def _called(view: ModuleView, call: ast.Call, firsts: set[str]) -> Iterator[Finding]:
    """What is read of the output of a layer that is called."""
    parent = view.tree.parents[call]
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "forward":
        func = func.value
    if isinstance(parent, ast.Subscript):
        if _is_first(parent) and not _is_kept_alike(view, parent, call) and (found := _layer(view, func, call)):
            yield view.finding(parent, _said(found), fix=_fix(view, [parent], found), since=found.since)
    elif isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        target = parent.targets[0]
        if isinstance(target, ast.Tuple):
            if found := _layer(view, func, call):
                yield view.finding(call, _said(found, taken="it is taken apart along the batch"), since=found.since)
        elif isinstance(target, ast.Name) and target.id in firsts:
            yield from _read(view, view.links.bindings_at(target), func, call)


def _read(view: ModuleView, bindings: list[Binding], func: ast.expr, call: ast.Call) -> Iterator[Finding]:
    uses = [use for each in bindings for use in view.links.uses(each)]
    firsts = [view.tree.parents[use] for use in uses if _is_first(view.tree.parents[use], use)]
    found = _layer(view, func, call) if firsts else None
    if found is None:
        return
    for node in firsts:
        assert isinstance(node, ast.Subscript)
        if not _is_asked(view, node):
            fix = _fix(view, [node], found) if len(firsts) == len(uses) else None
            yield view.finding(node, _said(found), fix=fix, since=found.since)


def _hooked(view: ModuleView, call: ast.Call) -> Iterator[Finding]:
    """What the hooks on a layer read of its output."""
    assert isinstance(call.func, ast.Attribute)
    hooks = [each for each in view.values(call.args[0]) if isinstance(each, LocalFunction) and each.view is view]
    reads = [node for each in hooks for node in _firsts_of_output(view, each)]
    found = _layer(view, call.func.value, call) if reads else None
    if found is not None:
        for node in reads:
            yield view.finding(node, _said(found), since=found.since)


def _firsts_of_output(view: ModuleView, hook: LocalFunction) -> list[ast.Subscript]:
    node = hook.node
    args = getattr(node, "args", None)
    if not isinstance(args, ast.arguments):
        return []
    names = [each.arg for each in (*args.posonlyargs, *args.args) if each.arg not in ("self", "cls")]
    if len(names) != _OUTPUT + 1:
        return []
    reads = [
        each
        for each in ast.walk(node)
        if isinstance(each, ast.Subscript)
        and isinstance(each.value, ast.Name)
        and each.value.id == names[_OUTPUT]
        and isinstance(each.ctx, ast.Load)
        and _is_first(each)
    ]
    return [] if any(_is_asked(view, each) for each in reads) else reads


def _layer(view: ModuleView, func: ast.expr, call: ast.Call) -> Layer | None:
    if not isinstance(func, (ast.Name, ast.Attribute, ast.Subscript)) or view.guards.is_dead(call):
        return None
    if _is_asked(view, call):
        return None
    found = model_layers.layer(view, func)
    if (
        found is None
        and not model_layers.names(view, func)
        and view.settings.target >= parse_release(_ANY_DECODER.since)
    ):
        found = _ANY_DECODER if decoder_layers.is_item(view, func) else None
    if found is not None and patched_methods.is_replaced(view, func, model_layers.names(view, func)):
        return None  # what is put there gives what it gives: see V5553
    return found


def _is_kept_alike(view: ModuleView, first: ast.Subscript, call: ast.Call) -> bool:
    """Whether the only text of a batch of one is put into a slot: of a tuple it is the batch, of a tensor the text."""
    parent = view.tree.parents[first]
    is_slot = isinstance(parent, ast.Assign) and all(isinstance(each, ast.Subscript) for each in parent.targets)
    given = call.args[0] if call.args else None
    return (
        is_slot
        and isinstance(given, ast.Call)
        and isinstance(given.func, ast.Attribute)
        and given.func.attr == "unsqueeze"
        and any(isinstance(each, ast.Constant) and each.value == 0 for each in given.args)
    )


def _is_first(node: ast.AST, value: ast.expr | None = None) -> TypeGuard[ast.Subscript]:
    """Whether a node is `x[0]`."""
    if not isinstance(node, ast.Subscript) or (value is not None and node.value is not value):
        return False
    return isinstance(node.slice, ast.Constant) and node.slice.value == 0 and not isinstance(node.slice.value, bool)


def _is_asked(view: ModuleView, node: ast.AST) -> bool:
    """Whether a test on what it is decides over a node, or a version check keeps it for older releases."""
    return view.guards.is_dead(node) or any(
        isinstance(each, ast.Call) and getattr(each.func, "id", getattr(each.func, "attr", "")) in _ASKING
        for test, _wanted in view.reach.conditions(node)
        for each in ast.walk(test)
    )


def _said(found: Layer, taken: str = "`[0]` is the first of the batch") -> str:
    name = found.name if found is _ANY_DECODER else f"`{found.name}`"
    return f"{name} gives a tensor since transformers {found.since}, and no tuple: {taken}"


def _fix(view: ModuleView, nodes: list[ast.Subscript], found: Layer) -> Fix | None:
    if found is _ANY_DECODER:
        return None  # there are models with this path whose layers give more
    (node,) = nodes
    value = view.source(node.value)
    if view.settings.minimum >= parse_release(found.since):
        edit = view.replace(node, value)
        return Fix("Drop `[0]`", [edit], applicability="unsafe", requires=found.since)
    if not isinstance(node.value, ast.Name) or "import torch" not in view.text:
        return None
    either = f"({value} if isinstance({value}, torch.Tensor) else {value}[0])"
    return Fix(f"Ask what `{value}` is", [view.replace(node, either)], applicability="unsafe")

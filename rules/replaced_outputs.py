"""V5553: what is put in the place of a part of a model, and gives other values than the part does."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.parts import replaced_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_ATTENTION, _LAYER = replaced_parts.ATTENTION, replaced_parts.LAYER

#: How many values an attention gave: the third was the cache.
_BEFORE = 3

#: How layers and models of one's own take what was given before, and a word of it.
_TAKES = {
    _ATTENTION: (pattern(rb"\w+\s*,\s*\w+\s*,\s*\w+\s*\)?\s*=\s*\w+\.self_attn\("), b"self_attn("),
    _LAYER: (pattern(rb"\blayer_outputs?\[0\]|= (?:\w+_)?layer\([^\n]*\)\[0\]"), b"layer_output"),
}

#: What asks which of the two is given.
_ASKING = frozenset({"isinstance", "is_tensor"})


class ReplacedOutput(Rule):
    """An attention that gives three values, or a layer that gives a tuple, in the place of the library's.

    ## What it does

    Finds functions that are put in the place of the `forward` of an attention (`LlamaAttention.forward = forward`,
    `layer.self_attn.forward = MethodType(forward, layer.self_attn)`) and classes that are put in its own place
    (`layer.self_attn = Own(...)`, `setattr(layer, "self_attn", Own(...))`, and by whatever setter behind an
    `isinstance(child, LlamaAttention)`), where they return three values; and the same in the place of layers of
    decoders (`LlamaDecoderLayer.forward = forward`, `model.model.layers[i] = Own(...)`), where they return a tuple. A
    repository whose own layers unpack three, or whose own model reads the first, is left alone.

    ## Why it breaks

    A layer unpacks two values of its attention since 4.48 (StableLM and Persimmon later): the cache is changed where it
    is. A model computes with what a layer gives since 4.54 (Llama, Mistral, Qwen2), the others up to 5.4. Measured on
    5.24.0 with seventeen families, all of which raise:

        ValueError: too many values to unpack (expected 2)
        AttributeError: 'tuple' object has no attribute 'dtype'

    ## Example

        def forward(self, hidden_states, attention_mask=None, past_key_value=None, **kwargs):
            ...
            return self.o_proj(attended), None, past_key_value

        LlamaAttention.forward = forward

    write `return self.o_proj(attended), None`, and take the cache by its new name (see V5510).

    ## Fix safety

    No fix: the function may be called by the program itself as well.

    ## References

    - https://github.com/huggingface/transformers/pull/35235
    """

    code = "V5553"
    name = "replaced-output"
    since = "4.48"
    tokens = ("forward",)
    beside = ("self_attn", _ATTENTION, _LAYER, ".layers")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for function in module.tree.nodes.get(ast.FunctionDef, ()):
            assert isinstance(function, ast.FunctionDef)
            counts = _counts(module, function)
            if not counts:
                continue
            for part in replaced_parts.replaced(module, function):
                if module.settings.target < parse_release(part.since):
                    continue
                known = _is_known(module, part.kind)
                # Of which family a place is, is not known: by then all of them do.
                since = part.since if part.is_known else f"{part.since} at the latest"
                if part.kind == _ATTENTION:
                    wrong = set(counts.values()) == {_BEFORE} and not known
                    said = f"{part.name} gives two values since transformers {since}, and this gives three"
                else:
                    wrong = not known
                    said = f"{part.name} gives a tensor since transformers {since}, and this gives a tuple"
                if wrong:
                    for node in counts:
                        yield module.finding(node, f"{said} in its place", since=part.since)
                    break


def _counts(view: ModuleView, function: ast.FunctionDef) -> dict[ast.expr, int]:
    """What a function returns, where all of it is a tuple: the expressions -> how many values, 0 if it is not known."""
    found: dict[ast.expr, int] = {}
    if view.guards.is_dead(function):
        return found
    nodes = list(ast.walk(function))
    if any(getattr(each, "id", getattr(each, "attr", "")) in _ASKING for each in nodes):
        return found
    for value in view.links.returns(function):
        count = _length(nodes, value) if value is not None else None
        if value is None or count is None:
            return {}
        if not view.guards.is_dead(value):
            found[value] = count
    return found


def _length(nodes: list[ast.AST], value: ast.expr) -> int | None:
    """How many values an expression has that is certainly a tuple; 0 if that is not known, None if it may be none."""
    if isinstance(value, ast.Tuple):
        return 0 if any(isinstance(each, ast.Starred) for each in value.elts) else len(value.elts)
    if not isinstance(value, ast.Name):
        return None
    bound = [each for each in nodes if isinstance(each, ast.Name) and each.id == value.id]
    stored = [each for each in bound if isinstance(each.ctx, ast.Store)]
    given = [
        each.value
        for each in nodes
        if isinstance(each, ast.Assign) and any(target in stored for target in each.targets)
    ]
    added = [each for each in nodes if isinstance(each, ast.AugAssign) and each.target in stored]
    if not given or len(given) + len(added) != len(stored) or not all(isinstance(each, ast.Tuple) for each in given):
        return None
    return 0


def _is_known(view: ModuleView, kind: str) -> bool:
    """Whether a file of the repository takes what was given before: it has layers, or a model, of its own."""
    takes, word = _TAKES[kind]
    own = view.text.encode("utf-8", "surrogatepass")
    files = view.project.mentioning(word, view.path)
    return takes.search(own) is not None or any(takes.search(bytes_of(file)) for file in files)

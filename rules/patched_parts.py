"""V5550: parts of models that are put in the place of the library's, and cannot be made or called as it does."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.parts import placings, replaced_parts
from v5lint.view.values import External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: The model files of families that make and call their parts as told below, since the releases told.
_FILE = pattern(rf"transformers\.models\.({'|'.join(replaced_parts.FAMILIES)})\.modeling_\1$")

_FUNCTION, _PARTIAL = "apply_rotary_pos_emb", "functools.partial"

#: How a class is made: the end of its name -> by position, by name, since.
_MADE = {
    "RotaryEmbedding": (0, ("config",), "4.48"),
    "Attention": (0, ("config", "layer_idx"), "4.36"),
    "DecoderLayer": (2, (), "4.36"),
}

#: How many arguments the function is given, and since when no more: `q, k, cos, sin`.
_GIVEN, _CALLED_SINCE = 4, "4.48"


class PatchedPart(Rule):
    """A part of a model that is put in the place of the library's, and that the library makes or calls otherwise.

    ## What it does

    Finds classes and functions of the repository that are assigned to `LlamaRotaryEmbedding`, `LlamaAttention`,
    `LlamaDecoderLayer` or `apply_rotary_pos_emb` of the model files of Llama, Mistral, Mixtral, Qwen 2 and 3, Gemma and
    Phi-3, and that do not take what these give: also through `functools.partial`, by `setattr`, and by a function of
    the repository that hands its parameters to `setattr`.

    ## Why it breaks

    Rotary embeddings are made of the configuration since 4.48 (`dim, max_position_embeddings, base` before that), and
    `apply_rotary_pos_emb` is given no positions; attentions and layers are given the number of the layer since 4.36.
    Measured on 4.57.6 and 5.24.0, with what longer contexts were made with:

        TypeError: Condensed.__init__() got an unexpected keyword argument 'config'
        TypeError: Own.__init__() got an unexpected keyword argument 'layer_idx'
        TypeError: Layer.__init__() takes 2 positional arguments but 3 were given
        TypeError: apply() missing 1 required positional argument: 'position_ids'

    ## Example

        class Condensed(torch.nn.Module):
            def __init__(self, dim, max_position_embeddings=2048, base=10000, device=None): ...

        transformers.models.llama.modeling_llama.LlamaRotaryEmbedding = Condensed

    A configuration does most of this today: `rope_parameters={"rope_type": "linear", "factor": 4.0, ...}`. Otherwise
    make the class as that of the release: `__init__(self, config, device=None)`, `forward(self, x, position_ids)`.

    ## Fix safety

    No fix.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.48.0
    """

    code = "V5550"
    name = "patched-part"
    since = "4.36"
    tokens = (_FUNCTION, *_MADE)
    beside = ("transformers.models.",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in placings.placings(module, lambda node: _names_a_part(node) != ""):
            if isinstance(each.target, ast.Attribute) and _is_of_family(module, each.target):
                yield from _check(module, each.node, each.target.attr, each.value)


def _names_a_part(node: ast.expr) -> str:
    """The part that an attribute or a string names; "" for any other expression."""
    name = node.value if isinstance(node, ast.Constant) else node.attr if isinstance(node, ast.Attribute) else ""
    return name if isinstance(name, str) and (name == _FUNCTION or name.endswith(tuple(_MADE))) else ""


def _is_of_family(view: ModuleView, target: ast.Attribute) -> bool:
    return _names_a_part(target) != "" and any(
        isinstance(each, External) and _FILE.match(each.path) for each in view.values(target.value)
    )


def _check(view: ModuleView, node: ast.expr, part: str, value: ast.expr) -> Iterator[Finding]:
    bound: set[str] = set()
    if isinstance(value, ast.Call) and len(value.args) == 1 and External(_PARTIAL) in view.values(value.func):
        bound = {each.arg or "" for each in value.keywords}
        value = value.args[0]
    if "" in bound or view.guards.is_dead(node):
        return
    for each in view.values(value):
        if isinstance(each, LocalFunction) and part == _FUNCTION and isinstance(each.node, ast.FunctionDef):
            since, lack = _CALLED_SINCE, _lack_of_call(each.node.args, bound)
        elif isinstance(each, LocalClass) and part != _FUNCTION:
            kind = next(end for end in _MADE if part.endswith(end))
            made = each.view.links.constructor(each)
            since = _MADE[kind][2]
            if made is None or not isinstance(made.node, ast.FunctionDef):
                continue
            lack = _lack_of_making(made.node.args, kind)
        else:
            continue
        if lack and view.settings.target >= parse_release(since):
            name = getattr(each.node, "name", "")
            message = f"`{name}` {lack} in the place of `{part}` since transformers {since}"
            yield view.finding(node, message, since=since)
            return


def _lack_of_call(args: ast.arguments, bound: set[str]) -> str:
    """What a function is not given."""
    positional = [*args.posonlyargs, *args.args]
    required = positional[: len(positional) - len(args.defaults)]
    missing = [each.arg for each in required[_GIVEN:] if each.arg not in bound]
    return f"is given no `{missing[0]}`" if missing else ""


def _lack_of_making(args: ast.arguments, kind: str) -> str:
    """What a constructor does not take."""
    count, names, _since = _MADE[kind]
    positional = [*args.posonlyargs, *args.args][1:]
    if args.vararg is None and len(positional) < count:
        return "is given the number of the layer as well"
    taken = {each.arg for each in (*positional, *args.kwonlyargs)}
    refused = [each for each in names if each not in taken]
    return f"is made with `{refused[0]}=`" if refused and args.kwarg is None else ""

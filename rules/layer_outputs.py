"""V5923: layers of models that return a tensor where they returned a tuple."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.parts import models, module_paths
from v5lint.view.calls import CallSite
from v5lint.view.values import External, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

#: Release -> the layers that return a tensor since then, with the `model_type` of their models: measured by building a
#: small model of each type under 4.57.6 and 5.24.0 and looking at what every module of it gives; the release was read
#: in the `forward` of 40 releases.
SINCE: dict[str, dict[str, str]] = {
    "4.54": {
        "CohereDecoderLayer": "cohere",
        "GemmaDecoderLayer": "gemma",
        "LlamaDecoderLayer": "llama",
        "MistralDecoderLayer": "mistral",
        "MixtralDecoderLayer": "mixtral",
        "OlmoDecoderLayer": "olmo",
        "Phi3DecoderLayer": "phi3",
        "Qwen2DecoderLayer": "qwen2",
        "Qwen3DecoderLayer": "qwen3",
        "Starcoder2DecoderLayer": "starcoder2",
    },
    "4.56": {
        "ASTLayer": "audio-spectrogram-transformer",
        "DINOv3ViTLayer": "dinov3_vit",
        "DeiTLayer": "deit",
        "Dinov2Layer": "dinov2",
        "Dinov2WithRegistersLayer": "dinov2_with_registers",
        "EsmLayer": "esm",
        "IJepaLayer": "ijepa",
        "ViTLayer": "vit",
        "ViTMAELayer": "vit_mae",
        "ViTMSNLayer": "vit_msn",
        "VideoMAELayer": "videomae",
        "VivitLayer": "vivit",
        "YolosLayer": "yolos",
    },
    "4.57": {
        "BlipEncoderLayer": "blip",
        "SiglipEncoderLayer": "siglip",
    },
    "5.0": {
        "AlbertLayer": "albert",
        "BertLayer": "bert",
        "CLIPEncoderLayer": "clip",
        "CamembertLayer": "camembert",
        "Data2VecTextLayer": "data2vec-text",
        "ElectraLayer": "electra",
        "ErnieLayer": "ernie",
        "Gemma2DecoderLayer": "gemma2",
        "Gemma3DecoderLayer": "gemma3_text",
        "MobileBertLayer": "mobilebert",
        "RobertaLayer": "roberta",
        "TransformerBlock": "distilbert",
        "XLMRobertaLayer": "xlm-roberta",
    },
    "5.1": {
        "DetrDecoderLayer": "detr",
        "DetrEncoderLayer": "detr",
        "ModernBertEncoderLayer": "modernbert",
    },
    "5.2": {
        "GPTNeoXLayer": "gpt_neox",
    },
    "5.3": {
        "GPT2Block": "gpt2",
    },
    "5.4": {
        "BartDecoderLayer": "bart",
        "BartEncoderLayer": "bart",
        "BlenderbotDecoderLayer": "blenderbot",
        "BlenderbotEncoderLayer": "blenderbot",
        "BlipTextLayer": "blip",
        "ConvBertLayer": "convbert",
        "GPTBigCodeBlock": "gpt_bigcode",
        "LayoutLMLayer": "layoutlm",
        "M2M100DecoderLayer": "m2m_100",
        "M2M100EncoderLayer": "m2m_100",
        "MBartDecoderLayer": "mbart",
        "MBartEncoderLayer": "mbart",
        "MarianDecoderLayer": "marian",
        "MarianEncoderLayer": "marian",
        "OPTDecoderLayer": "opt",
        "PLBartDecoderLayer": "plbart",
        "PLBartEncoderLayer": "plbart",
        "PegasusDecoderLayer": "pegasus",
        "PegasusEncoderLayer": "pegasus",
        "PersimmonDecoderLayer": "persimmon",
        "PhiDecoderLayer": "phi",
        "StableLmDecoderLayer": "stablelm",
        "WhisperDecoderLayer": "whisper",
        "WhisperEncoderLayer": "whisper",
        "XGLMDecoderLayer": "xglm",
    },
    "5.9": {
        "BeitLayer": "beit",
        "SegformerLayer": "segformer",
    },
    "5.15": {
        "UMT5Block": "umt5",
    },
    "5.16": {
        "HubertEncoderLayer": "hubert",
        "Wav2Vec2EncoderLayer": "wav2vec2",
    },
    "5.24": {
        "CodeGenBlock": "codegen",
        "GPTJBlock": "gptj",
    },
}

LAYERS = {name: (model_type, since) for since, each in SINCE.items() for name, model_type in each.items()}
_TYPES = dict(sorted(LAYERS.values(), key=lambda each: parse_release(each[1])))

#: What the lists of layers are called in the models.
_LISTS = frozenset({"layer", "layers", "h", "blocks"})

_BACKBONE = "backbone"

_HOOK = "register_forward_hook"
_LIST = "ModuleList"

#: Functions that ask what an object is.
_ASKS = frozenset({"isinstance", "is_tensor", "hasattr", "type", "len"})


class LayerOutputs(Rule):
    """The output of a layer such as `BertLayer` or `GPT2Block`, read as a tuple.

    ## What it does

    Finds `[0]`, a slice or the unpacking of what a layer of transformers gives, where the layer is made of its class
    (`BertLayer(config)`, also in a `ModuleList`) or is a layer of a model that is known (`model.transformer.h[3]`, the
    variable of a loop over `bert.encoder.layer`), and `output[0]` in the hooks that such a layer is given with
    `register_forward_hook`. A function that asks for the type of the output first is left alone. Hooks on the layers of
    a model of an unknown type are said not to be seen: a few families give tuples still.

    ## Why it breaks

    The layers returned a tuple, whose first item was the hidden states, and return these alone now. Nothing is raised:
    `[0]` takes the first text of the batch in place of the hidden states of all, and a hook that adds a vector to
    `output[0]` changes one text alone. Measured on a `BertLayer` that gets two texts of three tokens, on 4.57.6 and
    5.24.0: `layer(hidden)[0].shape` is `(2, 3, 16)` and `(3, 16)`. To unpack it is a ValueError, or takes the texts
    apart.

    ## Example

        for layer in model.bert.encoder.layer:
            hidden = layer(hidden, mask)[0]

    write, which is right in every release,

        for layer in model.bert.encoder.layer:
            output = layer(hidden, mask)
            hidden = output[0] if isinstance(output, tuple) else output

    ## Fix safety

    No fix: what else is read from the tuple, the attention maps for one, is not there any more.

    ## References

    - https://github.com/huggingface/transformers/tree/main/src/transformers/models
    """

    code = "V5923"
    name = "layer-output"
    since = "4.54"
    tokens = (*LAYERS, _HOOK, ".layer", ".blocks", ".h[", ".h)", ".h:", ".h\n")

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if "transformers" not in module.text:
            return
        lists, indexed = _lists(module), _indexed(module)
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            func = node.func
            if isinstance(func, ast.Attribute) and func.attr == _HOOK and node.args:
                found = _layer(module, func.value, lists)
                for place in _in_hook(module, node.args[0]) if not module.guards.is_dead(node) else ():
                    if found is not None:
                        yield module.finding(place, _message(found), since=found[1])
                    elif _is_of_unknown(module, func.value):
                        yield module.unseen(place, "of which model the layer is, and so what it gives, is not known")
                continue
            if not node.args and not node.keywords:
                continue
            called = func.value if isinstance(func, ast.Attribute) and func.attr == "forward" else func
            read = _read_as_tuple(module, node, indexed)
            if read is not None:
                found = _layer(module, called, lists)
                if found is not None and not module.guards.is_dead(node):
                    yield module.finding(read, _message(found), since=found[1])


def _message(found: tuple[str, str]) -> str:
    return (
        f"`{found[0]}` returns the hidden states alone since transformers {found[1]}, and no tuple: this takes one of "
        "the batch"
    )


def _layer(view: ModuleView, node: ast.expr, lists: dict[str, str]) -> tuple[str, str] | None:
    """The layer of transformers that an expression stands for, as it is called, and since when it gives a tensor."""
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
        return None
    name = _made(view, node, lists)
    if name:
        since = LAYERS[name][1]
    else:
        place = module_paths.place(view, node) if not isinstance(node, ast.Attribute) else None
        if place is None or len(place.path) < 2 or place.path[-1] != "*" or place.path[-2] not in _LISTS:
            return None
        if _BACKBONE in place.path:
            return None  # another model inside
        known = {_TYPES.get(each.model_type, "") for each in place.models}
        if len(known) != 1 or "" in known:
            return None
        (since,) = known
        name = f"{place.models[0].name}...{place.path[-2]}[...]"
    return (name, since) if parse_release(since) <= view.settings.target else None


def _made(view: ModuleView, node: ast.expr, lists: dict[str, str]) -> str:
    """The class of layers that an expression is made of in this module; "" where it is none."""
    for of in view.classes_of(node):
        if isinstance(of, External) and of.package == "transformers" and of.name in LAYERS:
            return of.name
    items = _items(view, node)
    return lists.get(_last(items), "") if items is not None else ""


def _items(view: ModuleView, node: ast.expr) -> ast.expr | None:
    """The list of which an expression is one item: by its place, or by the loop over the list."""
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        return node.value
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        if len(bindings) == 1 and bindings[0].kind == "for" and bindings[0].value is not None:
            return module_paths.iterated(bindings[0].value, bindings[0].index)
    return None


def _last(node: ast.expr) -> str:
    """How a list is called: `self.layer`; "" for anything but a name or an attribute of `self`."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


def _lists(view: ModuleView) -> dict[str, str]:
    """The lists of layers that a module makes: `self.layer = nn.ModuleList([BertLayer(config) for _ in range(n)])`.

    A list that is called like another one, of another class, is left out.
    """
    found: dict[str, set[str]] = {}
    for statement in view.tree.nodes.get(ast.Assign, ()) if any(name in view.text for name in LAYERS) else ():
        assert isinstance(statement, ast.Assign)
        made = _listed(view, statement.value)
        for target in statement.targets:
            if isinstance(target, (ast.Name, ast.Attribute)):
                found.setdefault(_last(target), set()).add(made)
    return {name: min(made) for name, made in found.items() if len(made) == 1 and "" not in made}


def _listed(view: ModuleView, value: ast.expr) -> str:
    """The class of the layers in a `ModuleList` that is made; "" where it is none, or of other classes."""
    if not isinstance(value, ast.Call) or len(value.args) != 1 or not ast.unparse(value.func).endswith(_LIST):
        return ""
    items = value.args[0]
    first = items.elt if isinstance(items, (ast.ListComp, ast.GeneratorExp)) else None
    if isinstance(items, (ast.List, ast.Tuple)) and items.elts:
        first = items.elts[0]
    if isinstance(first, ast.Call):
        for callee in CallSite(view, first).callees:
            if isinstance(callee, External) and callee.package == "transformers" and callee.name in LAYERS:
                return callee.name
    return ""


def _indexed(view: ModuleView) -> set[str]:
    """The variables of which a module takes an item like that of a tuple: the cheap question first."""
    return {
        node.value.id
        for node in view.tree.nodes.get(ast.Subscript, ())
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and _is_of_tuple(node)
    }


def _read_as_tuple(view: ModuleView, call: ast.Call, indexed: set[str]) -> ast.AST | None:
    """Where the result of a call is read as a tuple; None where it is not."""
    parent = view.tree.parents[call]
    if isinstance(parent, ast.Subscript):
        return parent if parent.value is call and _is_of_tuple(parent) else None
    if not isinstance(parent, ast.Assign) or parent.value is not call or len(parent.targets) != 1:
        return None
    target = parent.targets[0]
    if isinstance(target, (ast.Tuple, ast.List)):
        return target
    if not isinstance(target, ast.Name) or target.id not in indexed:
        return None
    function = view.links.function_around(call)
    around: ast.AST = function if function is not None else view.tree.root
    if _asks(around, target.id):
        return None
    for node in ast.walk(around):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == target.id
            and isinstance(node.ctx, ast.Load)
            and _is_of_tuple(node)
        ):
            made = [each.value for each in view.links.bindings_read(node.value)]
            if made == [call]:
                return node
    return None


def _is_of_tuple(node: ast.Subscript) -> bool:
    """Whether a subscript takes one item, or those from one on: of a tensor nobody takes `[0]` who means the tuple."""
    place = node.slice
    if isinstance(place, ast.Slice):
        return place.upper is None and isinstance(place.lower, ast.Constant) and place.lower.value == 1
    return isinstance(place, ast.Constant) and place.value in (0, 1) and not isinstance(place.value, bool)


def _asks(around: ast.AST, name: str) -> bool:
    """Whether a function asks what an object is."""
    for node in ast.walk(around):
        if isinstance(node, ast.Call) and node.args:
            asking = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if asking in _ASKS and isinstance(node.args[0], ast.Name) and node.args[0].id == name:
                return True
    return False


def _is_of_unknown(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is one of the layers of a model of transformers of which the type is not known."""
    items = _items(view, node)
    if not isinstance(items, ast.Attribute) or items.attr not in _LISTS:
        return False
    at: ast.expr = items.value
    while isinstance(at, (ast.Attribute, ast.Subscript, ast.Name)):
        found = models.models(view, at).found
        if found or isinstance(at, ast.Name):
            return any(not each.model_type and not each.is_own for each in found)
        at = at.value
    return False


def _in_hook(view: ModuleView, hook: ast.expr) -> Iterator[ast.AST]:
    """Where a hook reads its third parameter, the output of the layer, as a tuple: the first such place."""
    for value in view.values(hook):
        if not isinstance(value, LocalFunction) or value.view is not view:
            continue
        given = [*value.node.args.posonlyargs, *value.node.args.args]
        given = given[1:] if given and given[0].arg == "self" else given
        if len(given) != 3 or _asks(value.node, given[2].arg):
            continue
        for node in ast.walk(value.node):
            if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
                continue
            if node.value.id == given[2].arg and _is_of_tuple(node):
                yield node
                break

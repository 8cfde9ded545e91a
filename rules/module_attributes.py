"""V5524: attributes that the modules of models have lost."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import members, patched_methods
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import ClassValue

#: What has no attributes that matter here: a class may inherit from it beside a module of transformers.
_PLAIN = frozenset({"torch.nn.Module", "builtins.object", "abc.ABC", "typing.Generic"})

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: How the first parameter is called of a function that is written to be put into a class.
_FIRST = frozenset({"self", "module", "layer"})

#: What to write instead, where it is no setting of the configuration.
_ADVICE = {
    "rope_theta": "it is in `config.rope_parameters`",
    "rope_scaling": "it is in `config.rope_parameters`",
    "rotary_emb": "`forward` gets `position_embeddings` in its place",
    "_update_causal_mask": "masks are made by `transformers.masking_utils`",
    "_prepare_decoder_attention_mask": "masks are made by `transformers.masking_utils`",
    "_attn": "attention is computed by `transformers.modeling_utils.ALL_ATTENTION_FUNCTIONS`",
}

#: How the modules of models are called, in an annotation.
_MODULES = pattern(r"(Attention|MLP|Layer|Block|Encoder|Decoder|Stack|Model|Mixer|Embeddings?)\b")

#: Of each class the attributes that it lost, each with the release and the setting that it was ("" for none).
_lost: dict[str, dict[str, tuple[str, str]]] = {}
_names: set[str] = set()


class LostModuleAttribute(Rule):
    """An attribute that a module of transformers no longer has, read by what is put into it or inherits from it.

    ## What it does

    Finds the attributes that `LlamaAttention`, `GPT2Attention`, `BertSelfAttention` and the other modules which models
    are made of have lost since 4.31 (and the models their private ones, `_update_causal_mask`), where they are read
    from `self` in a function that a program puts into such a class or object (`LlamaAttention.forward = forward`,
    `types.MethodType(forward, layer)`), in a class that inherits from it, and from parameters annotated with it. Left
    alone is what the program sets itself, in the class or from outside, and what it asks for first.

    ## Why it breaks

    What stands in the configuration is read there since 4.48, and heads are no longer pruned. Measured on 4.57.6 and
    5.24.0, with the `forward` of 4.36 put into `LlamaAttention`:

        AttributeError: 'LlamaAttention' object has no attribute 'num_heads'
        AttributeError: 'LlamaAttention' object has no attribute 'rotary_emb'

    ## Example

        def forward(self, hidden_states, **kwargs):
            query = self.q_proj(hidden_states).view(*hidden_states.shape[:2], self.num_heads, self.head_dim)

        LlamaAttention.forward = forward

    becomes

            query = self.q_proj(hidden_states).view(*hidden_states.shape[:2], self.config.num_attention_heads, ...)

    What a layer gives its attention, and wants back, changed as well: hold the whole function against the release.

    ## Fix safety

    Unsafe, and only for what was a setting of the configuration. No fix for the rest.

    ## References

    - https://github.com/huggingface/transformers/releases/tag/v4.48.0
    """

    code = "V5524"
    name = "lost-module-attribute"
    since = "4.32"
    tokens = ("self.",)
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if module.project.is_first_party("transformers", module.path):
            return
        heirs: dict[ast.ClassDef, bool] = {}
        for function in [each for kind in _FUNCTIONS for each in module.tree.nodes.get(kind, ())]:
            assert isinstance(function, _FUNCTIONS)
            for parameter, classes in _parameters(module, function, heirs):
                yield from _read(module, function, parameter, classes)


def _parameters(
    view: ModuleView, function: ast.FunctionDef | ast.AsyncFunctionDef, heirs: dict[ast.ClassDef, bool]
) -> Iterator[tuple[Binding, list[ClassValue]]]:
    """The parameters of a function that are objects of modules of transformers, each with its classes.

    Args:
        view: the module.
        function: the function.
        heirs: whether a class inherits from such a module: what is known of it already.
    """
    bindings = view.tree.scopes[function].bindings
    around = view.links.class_of_method(function)
    for place, arg in enumerate([*function.args.posonlyargs, *function.args.args]):
        classes: list[ClassValue] = []
        if place == 0 and around is not None:
            if around not in heirs:
                heirs[around] = bool(around.bases and _roots(LocalClass(view, around)))
            classes = [LocalClass(view, around)] if heirs[around] and arg.arg == "self" else []
        elif place == 0 and arg.annotation is None and isinstance(function, ast.FunctionDef):
            classes = patched_methods.patched_classes(view, function) if arg.arg in _FIRST else []
        elif arg.annotation is not None and _MODULES.search(view.source(arg.annotation)):
            classes = [each for each in view.evaluator.annotation_classes(arg.annotation) if _is_module(each)]
        binding = next((each for each in bindings.get(arg.arg, ()) if each.node is arg), None)
        if classes and binding is not None:
            yield binding, classes


def _is_module(of: ClassValue) -> bool:
    return isinstance(of, External) and of.package == "transformers" and bool(_attributes(of.name))


def _roots(of: LocalClass) -> list[External]:
    """The modules of transformers that a class inherits from; none where it has a base that may have anything."""
    waiting, seen, found = [of], {of}, []
    while waiting:
        at = waiting.pop()
        for base in at.view.evaluator.bases(at):
            if isinstance(base, LocalClass):
                if base not in seen:
                    seen.add(base)
                    waiting.append(base)
            elif not isinstance(base, External):
                return []
            elif base.package == "transformers":
                found.append(base)
            elif base.path not in _PLAIN:
                return []
    return found if all(_attributes(each.name) for each in found) else []


def _read(
    view: ModuleView,
    function: ast.FunctionDef | ast.AsyncFunctionDef,
    parameter: Binding,
    classes: list[ClassValue],
) -> Iterator[Finding]:
    """What a function reads of one of its parameters, each attribute once."""
    _load()
    reads: dict[str, list[ast.Attribute]] = {}
    for use in sorted(view.links.uses(parameter), key=view.span):
        node = view.tree.parents[use]
        if isinstance(node, ast.Attribute) and node.value is use and isinstance(node.ctx, ast.Load):
            reads.setdefault(node.attr, []).append(node)
    for name in sorted(reads.keys() & _names):
        for of in classes:
            found = _gone(view, of, name)
            nodes = [each for each in reads[name] if found is not None and not members.is_prepared(view, each)]
            if found is None or not nodes or _is_given(view, of, name):
                continue
            shown, since, setting = found
            fix = _fix(view, nodes, setting)
            yield view.finding(nodes[0], _said(shown, name, since, setting), fix=fix, since=since)
            break


def _gone(view: ModuleView, of: ClassValue, name: str) -> tuple[str, str, str] | None:
    """The module of transformers that lost an attribute, the release, and the setting that it was."""
    roots = _roots(of) if isinstance(of, LocalClass) else [of]
    if isinstance(of, LocalClass) and (view.links.defines([of], name) or f'"{name}"' in of.view.source(of.node)):
        return None
    for root in roots:
        since, setting = _attributes(root.name).get(name, ("", ""))
        is_lost = since and view.settings.target >= parse_release(since)
        if is_lost and all(name in _attributes(each.name) for each in roots):  # of two bases the other may have it
            return root.name, since, setting
    return None


def _is_given(view: ModuleView, of: ClassValue, name: str) -> bool:
    """Whether a program sets an attribute itself: in the class, from outside, or in a function that it puts in, too."""
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr == name and isinstance(node.ctx, ast.Store):
            around = view.links.class_around(node)
            is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
            if around is None or not is_self or (isinstance(of, LocalClass) and around is of.node):
                return True
    if re.search(rf"(?:setattr|register_\w+|add_module)\([^)]*[\"']{name}[\"']", view.text):
        return True
    sets = re.compile(rf"\b(?!self\b)\w+(?:\[[^\]]*\])?\.{name}\s*(?::[^=\n]+)?=(?!=)")
    for file in view.project.mentioning(name.encode(), view.path):
        other = view.project.view(file, view.settings)
        if other is not None and sets.search(other.text) and view.project.are_linked(view.path, other):
            return True
    return False


def _said(of: str, name: str, since: str, setting: str) -> str:
    advice = f"`config.{setting}` is what it was" if setting else _ADVICE.get(name, "")
    return f"`{of}` has no `{name}` since transformers {since}{': ' if advice else ''}{advice}"


def _fix(view: ModuleView, nodes: list[ast.Attribute], setting: str) -> Fix | None:
    if not setting:
        return None
    new = f"{view.source(nodes[0].value)}.config.{setting}"
    return Fix(f"Read `{new}`", [view.replace(each, new) for each in nodes], applicability="unsafe")


def _attributes(name: str) -> dict[str, tuple[str, str]]:
    """The attributes that a module of transformers lost."""
    _load()
    return _lost.get(name, {})


def _load() -> None:
    if _lost:
        return
    for since, attributes, classes in table("lost_attributes")["lost"]:
        for each in attributes.split():
            attribute, _, setting = each.partition("=")
            _names.add(attribute)
            for of in classes.split():
                _lost.setdefault(of, {})[attribute] = (since, setting)

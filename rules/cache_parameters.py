"""V5510: models of a repository, and parts of them, whose `forward` takes the cache under its old name."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules.parts import decoder_layers, generating, lost_generate, patched_methods, replaced_parts
from v5lint.view.strings import is_super_call
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_OLD, _NEW = generating.CACHE_BEFORE, generating.CACHE

_WARNS = (
    f"`generate` passes the cache as `{_NEW}` since transformers 5.24, and `{{name}}` hands it on with an empty "
    f"`{_OLD}` beside it, of which the model inside warns until 5.40"
)

#: The names that a cache had; of one layer it was that of one until 4.56.
_OLDS = (_OLD, "past_key_value")

#: Parts of a model's body, which are called by the model around them.
_PART = pattern(r"(Attention|Attn|Layer|Block)$")


class RenamedCacheParameter(Rule):
    """A `forward` of a model that generates, or of its parts, that takes the cache as `past_key_values`.

    ## What it does

    Finds classes of the repository that inherit from `GenerationMixin`, or from a model that generates, and whose own
    `forward` has a parameter `past_key_values` and none that is called `cache`. Classes with a `generate` of their own
    are left alone, unless it ends in `super().generate(...)`. So is the `forward` of a part that only hands both on.

    The same in classes that inherit from a layer or an attention of a decoder (`LlamaAttention`), and in functions that
    are put in the place of its `forward` (`LlamaAttention.forward = forward`), and in classes whose objects are put in
    the place of one (`model.model.layers[0].self_attn = Own(config)`), unless the file calls such parts itself.

    ## Why it breaks

    Since 5.24 `generate` hands the cache on as `cache`. A `forward` without `**kwargs` fails (measured on 5.24.0):

        TypeError: A.forward() got an unexpected keyword argument 'cache'

    One that takes any keyword gets `past_key_values=None` and, after the first step, the last token alone: it computes
    without all that stood before. Nothing is raised, and the tokens are other ones (measured: four greedy tokens, three
    of them wrong; the same model was right on 5.23.0). With a `prepare_inputs_for_generation` of the class the whole
    text is computed anew for every token.

    One that gives its `**kwargs` to the model inside (`super().forward(x, past_key_values=past_key_values, **kwargs)`)
    computes the same tokens (measured): the model inside takes `cache`, and warns that both are given.

    The models hand it to their layers, and these to their attention, under the new name, too. Measured with
    `LlamaAttention.forward = forward`: the TypeError, or of six greedy tokens five that are wrong.

    ## Example

        class Model(GPT2PreTrainedModel, GenerationMixin):
            def forward(self, input_ids=None, past_key_values=None, attention_mask=None, **kwargs):
                outputs = self.transformer(input_ids, past_key_values=past_key_values, attention_mask=attention_mask)

    write, which works before 5.24, too,

        class Model(GPT2PreTrainedModel, GenerationMixin):
            def forward(self, input_ids=None, past_key_values=None, attention_mask=None, cache=None, **kwargs):
                past_key_values = cache if cache is not None else past_key_values
                outputs = self.transformer(input_ids, past_key_values=past_key_values, attention_mask=attention_mask)

    ## Fix safety

    No fix: what else of the class goes by the old name is not in sight.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/generation/utils.py
    """

    code = "V5510"
    name = "renamed-cache-parameter"
    since = "5.24"
    tokens = (_OLDS[-1],)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            forward = _method(node, "forward")
            if forward is None or module.guards.is_dead(node):
                continue
            if any(ast.unparse(each).endswith("abstractmethod") for each in forward.decorator_list):
                continue  # never run: that of a subclass is
            of = LocalClass(module, node)
            given = _old_parameter(forward, is_handed_on=False)
            if given is None:
                continue
            if lost_generate.is_to_generate(of):
                if generating.prepares_anew(of):
                    effect = "computes without it"
                elif generating.hands_cache_on(of, forward):
                    message = f"{_WARNS.format(name=node.name)}: take both names"
                    yield module.finding(given, message, level="deprecated")
                    continue
                else:
                    effect = _effect(forward)
                message = f"`generate` passes the cache as `{_NEW}` since transformers 5.24, and `{node.name}` {effect}"
                yield module.finding(given, f"{message}: take both names")
            elif not _calls_parts(module) and _old_parameter(forward, is_handed_on=True) is not None:
                roots = [each.name for each in module.roots(of) if decoder_layers.is_part(each)]
                parts = [f"`{each}`" for each in roots if _PART.search(each)]
                parts += [each.name for each in replaced_parts.replaced(module, forward)]
                if parts:
                    yield module.finding(given, _said(parts[0], f"`{node.name}`", forward))
        for part, function in _patches(module):
            given = _old_parameter(function, is_handed_on=True)
            if given is None or module.guards.is_dead(function):
                continue
            if not _PART.search(part) or not _calls_parts(module):
                yield module.finding(given, _said(f"`{part}`", f"`{function.name}`", function))


def _old_parameter(forward: ast.FunctionDef, *, is_handed_on: bool) -> ast.arg | None:
    """The parameter that is the cache under an old name, unless the new one comes and goes in `**kwargs` with it.

    Args:
        forward: the function.
        is_handed_on: whether what it takes as `**kwargs` holds the cache.
    """
    given = generating.parameters(forward)
    found = next((given[name] for name in _OLDS if name in given), None)
    if found is None or _NEW in given:
        return None
    rest = forward.args.kwarg
    if rest is None:
        return found
    if any(isinstance(each, ast.Constant) and each.value == _NEW for each in ast.walk(forward)):
        return None  # `kwargs.pop("cache", None)`
    reads = [each for each in ast.walk(forward) if isinstance(each, ast.Name) and each.id == found.arg]
    handed = {
        keyword.value
        for call in ast.walk(forward)
        if isinstance(call, ast.Call)
        and any(each.arg is None and getattr(each.value, "id", "") == rest.arg for each in call.keywords)
        for keyword in call.keywords
        if keyword.arg == found.arg
    }
    return None if is_handed_on and all(each in handed for each in reads) else found


def _effect(forward: ast.FunctionDef) -> str:
    return "raises a TypeError" if forward.args.kwarg is None else "goes wrong without a word"


def _said(part: str, name: str, forward: ast.FunctionDef) -> str:
    said = f"{part} is given the cache as `{_NEW}` since transformers 5.24, and {name} {_effect(forward)}"
    return f"{said}: take both names"


def _calls_parts(view: ModuleView) -> bool:
    """Whether a module calls parts of models itself, and gives them the cache under its old name."""
    return any(not is_super_call(call.node, "forward") for call, _keyword in view.keywords(set(_OLDS)))


def _patches(view: ModuleView) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions that are put in place of the `forward` of a part of a model: `LlamaAttention.forward = forward`."""
    for function in view.tree.nodes.get(ast.FunctionDef, ()):
        assert isinstance(function, ast.FunctionDef)
        if view.links.class_of_method(function) is None and _old_parameter(function, is_handed_on=True) is not None:
            classes = patched_methods.patched_classes(view, function, "forward")
            parts = [each.name for each in classes if isinstance(each, External) and decoder_layers.is_part(each)]
            if parts:
                yield parts[0], function


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == name), None)

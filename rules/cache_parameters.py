"""V5510: models of a repository whose `forward` takes the cache under its old name."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import generating
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_OLD, _NEW = generating.CACHE_BEFORE, generating.CACHE
_PREPARE = "prepare_inputs_for_generation"

_WARNS = (
    f"`generate` passes the cache as `{_NEW}` since transformers 5.24, and `{{name}}` hands it on with an empty "
    f"`{_OLD}` beside it, of which the model inside warns until 5.40"
)


class RenamedCacheParameter(Rule):
    """A model that generates, and whose `forward` takes its cache as `past_key_values`.

    ## What it does

    Finds classes of the repository that inherit from `GenerationMixin`, or from a model that generates, and whose own
    `forward` has a parameter `past_key_values` and none that is called `cache`. Classes with a `generate` of their own
    are left alone.

    ## Why it breaks

    Since 5.24 `generate` hands the cache on as `cache`. A `forward` without `**kwargs` fails (measured on 5.24.0):

        TypeError: A.forward() got an unexpected keyword argument 'cache'

    One that takes any keyword gets `past_key_values=None` and, after the first step, the last token alone: it computes
    without all that stood before. Nothing is raised, and the tokens are other ones (measured: four greedy tokens, three
    of them wrong; the same model was right on 5.23.0). With a `prepare_inputs_for_generation` of the class the whole
    text is computed anew for every token.

    One that gives its `**kwargs` to the model inside (`super().forward(x, past_key_values=past_key_values, **kwargs)`)
    computes the same tokens (measured): the model inside takes `cache`, and warns that both are given.

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
    tokens = (_OLD,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            forward = _method(node, "forward")
            given = generating.parameters(forward) if forward is not None else {}
            if forward is None or _OLD not in given or _NEW in given or module.guards.is_dead(node):
                continue
            if any(ast.unparse(each).endswith("abstractmethod") for each in forward.decorator_list):
                continue  # never run: that of a subclass is
            of = LocalClass(module, node)
            if generating.generates(of):
                if generating.is_written_here(of, _PREPARE):
                    effect = "computes without it"
                elif generating.hands_cache_on(of, forward):
                    message = f"{_WARNS.format(name=node.name)}: take both names"
                    yield module.finding(given[_OLD], message, level="deprecated")
                    continue
                elif forward.args.kwarg is None:
                    effect = "raises a TypeError"
                else:
                    effect = "goes wrong without a word"
                message = f"`generate` passes the cache as `{_NEW}` since transformers 5.24, and `{node.name}` {effect}"
                yield module.finding(given[_OLD], f"{message}: take both names")


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == name), None)

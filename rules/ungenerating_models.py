"""V5523: models of a repository that `generate` no longer comes to with their base."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import generating, lost_generate
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Level
    from v5lint.view.module import ModuleView

_SINCE = "4.52"


class ModelWithoutGenerate(Rule):
    """A model that is made for `generate` and inherits from `PreTrainedModel` alone.

    ## What it does

    Finds classes of the repository that define `prepare_inputs_for_generation`, and whose bases are all known and lead
    to `PreTrainedModel`, or to that of a family (`BertPreTrainedModel`), but to no `GenerationMixin`. Left alone are
    classes with a `generate` of their own or that get one later, those to which a subclass adds the mixin, and those
    that nothing in the repository names: an Auto class gives remote code the mixin when it loads it.

    Where no call of `generate` in the repository may be one of an object of the class, it is only deprecated: v5 warns
    when such a model is built. Of a class that fills masks, a call must be known to be one.

    ## Why it breaks

    `PreTrainedModel` inherited from `GenerationMixin` until 4.51. Measured on 4.57.6 and 5.24.0:

        AttributeError: 'Writer' object has no attribute 'generate'

    ## Example

        class Writer(GPT2PreTrainedModel):
            def prepare_inputs_for_generation(self, input_ids, **kwargs):
                return {"input_ids": input_ids}

    becomes

        class Writer(GPT2PreTrainedModel, GenerationMixin):
            def prepare_inputs_for_generation(self, input_ids, **kwargs):
                return {"input_ids": input_ids}

    ## Fix safety

    Unsafe: the class has `generate` again, in every release, but its `forward` may be written for the caches of 4.x
    (V5510 and V5512 say so beside this). No fix where it is only deprecated.

    ## References

    - https://github.com/huggingface/transformers/pull/37885
    """

    code = "V5523"
    name = "model-without-generate"
    since = "5.0"
    tokens = (f"def {lost_generate.PREPARE}",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            of = LocalClass(module, node)
            if module.guards.is_dead(node) or not lost_generate.is_lost(of):
                continue
            message = (
                f"`{node.name}` has no `generate` since transformers {_SINCE}: "
                f"inherit from `{generating.MIXIN}`, behind the model's base"
            )
            level: Level = "breaks" if lost_generate.may_generate(of) else "deprecated"
            fix = _fix(module, node) if level == "breaks" else None
            finding = module.finding(node, message, fix=fix, since=_SINCE, level=level)
            head = module.text.index("class", module.span(node)[0]) + len("class")
            finding.start = module.text.index(node.name, head)
            finding.end = finding.start + len(node.name)
            yield finding


def _fix(view: ModuleView, node: ast.ClassDef) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        name = imports.use("transformers", generating.MIXIN, node)
        end = view.span(node.bases[-1])[1]
        return [Edit(end, end, f", {name}"), *imports.edits()]

    return Fix(f"Inherit from `{generating.MIXIN}`", build, applicability="unsafe")

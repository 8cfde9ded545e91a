"""V5521: outputs of one's own that have a field of the cache's old name."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import generating
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: The fields that every output calls `cache` now, whatever its class declares.
_RENAMED = frozenset({generating.CACHE_BEFORE, "cache_params"})


class RenamedOutputField(Rule):
    """A class of outputs of one's own with a field `past_key_values` or `cache_params`.

    ## What it does

    Finds dataclasses of the repository that inherit from `ModelOutput`, or from an output of transformers such as
    `CausalLMOutputWithPast`, and declare the field `past_key_values` or `cache_params`. Classes that have a field
    `cache` as well are left alone.

    ## Why it breaks

    Since 5.24 every output renames these two to `cache`: as an argument of its constructor, as a key and as an
    attribute. A class that declares the old name has no such field. Measured on 5.24.0, right on 5.23.0:

        TypeError: MyOutput.__init__() got an unexpected keyword argument 'cache'

    Given by position, the cache is dropped without a word, and `generate` computes all again for every token. A class
    that inherits `cache` from `CausalLMOutputWithPast` and declares `past_key_values` again keeps the cache, but reads
    `None` as `output.past_key_values`.

    ## Example

        @dataclass
        class MyOutput(ModelOutput):
            logits: torch.FloatTensor | None = None
            past_key_values: Cache | None = None

    becomes

        @dataclass
        class MyOutput(ModelOutput):
            logits: torch.FloatTensor | None = None
            cache: Cache | None = None

    Code that says `MyOutput(past_key_values=...)` or `output.past_key_values` goes on working, with a warning.

    ## Fix safety

    Safe, where no release before 5.24 is supported: the old name stays an argument, a key and an attribute.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/utils/generic.py
    """

    code = "V5521"
    name = "renamed-output-field"
    since = "5.24"
    tokens = tuple(sorted(_RENAMED))

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            fields = {
                each.target.id: each.target
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            }
            old = [field for name, field in fields.items() if name in _RENAMED]
            if not old or generating.CACHE in fields or module.guards.is_dead(node):
                continue
            if not _is_output(LocalClass(module, node)):
                continue
            for field in old:
                edits = [Edit(*module.span(field), generating.CACHE)]
                fix = Fix(f"Call the field `{generating.CACHE}`", edits, requires=self.since)
                yield module.finding(
                    field,
                    f"every output calls `{field.id}` `{generating.CACHE}` since transformers 5.24, and `{node.name}` "
                    f"has no such field: call it `{generating.CACHE}`",
                    fix=fix if len(old) == 1 else None,
                )


def _is_output(of: LocalClass) -> bool:
    """Whether a class is an output of a model: a `ModelOutput`, or what inherits from one of transformers."""
    return any(root.package == "transformers" and "Output" in root.name for root in of.view.roots(of))

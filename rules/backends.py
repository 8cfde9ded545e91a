"""V5105: TensorFlow and Flax."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import removed_api
from v5lint.rules.parts.api_edits import Rewrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView


class RemovedBackend(Rule):
    """A class or module of TensorFlow or Flax, which transformers v5 no longer supports.

    ## What it does

    Finds the `TF*` and `Flax*` classes, the Keras callbacks and optimizers, and the modules that held them. One finding
    for each import statement, that names all of them; the first one says that the file has to be ported.

    ## Why it breaks

        ImportError: cannot import name 'TFAutoModel' from 'transformers'
        ModuleNotFoundError: No module named 'transformers.modeling_tf_utils'

    ## Example

        from transformers import TFAutoModelForSequenceClassification
        model = TFAutoModelForSequenceClassification.from_pretrained("bert-base-uncased")
        model.compile(optimizer="adam")

    has no counterpart that a tool could write: the training loop around the model is Keras's. Port it to PyTorch and
    `Trainer`, or keep the file on transformers 4.57.

    ## Fix safety

    Safe: imports that nothing uses, neither in the module nor from another one, are removed. A file that uses the
    classes is left as it is, whole: the other rules for removed names report in it and change nothing.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5105"
    name = "removed-backend"
    since = "5.0"
    words = removed_api.WORDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        rewrites = Rewrites(module)
        statements: dict[ast.AST, list[Lost]] = {}
        for lost in removed_api.lost(module, "backend"):
            key = lost.reference.node
            if lost.reference.binding is not None and rewrites.without(lost) is None:
                key = module.tree.statement(key)
            statements.setdefault(key, []).append(lost)
        told = not removed_api.is_of_backend(module)
        plain = _TYPES if told else _NO_COUNTERPART
        for group in statements.values():
            fix = rewrites.without(group[0])
            end = _UNUSED if fix is not None else plain if told else _ADVICE
            told = told or fix is None
            first = group[0]
            yield module.finding(first.reference.node, f"{_listed(group)} {end}", fix=fix, since=_since(group))


_UNUSED = "nothing uses it"
_NO_COUNTERPART = "this name has no counterpart"
_TYPES = "no object is of such a class any more: take it out of the checks and annotations"
_ADVICE = (
    "this file cannot be migrated by a tool: port it to PyTorch, or keep it on transformers 4.57; nothing in it is "
    "rewritten by the rules of removed names"
)


def _listed(group: list[Lost]) -> str:
    names = list(dict.fromkeys(f"`{each.reference.name}`" for each in group))
    were = "were" if len(names) > 1 else "was"
    module = group[0].reference.path.rpartition(".")[0]
    place = f" of `{module}`" if "." in module else ""
    return f"{', '.join(names)}{place} {were} removed with TensorFlow and Flax in transformers {_since(group)};"


def _since(group: list[Lost]) -> str:
    return group[0].removal.gone

"""V5109: texts for the documentation that transformers' modules held as constants."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import removed_names
from v5lint.rules.parts import api_edits, removed_api
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.view.values import LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: Decorators that only write the `__doc__` of what they decorate, and give it back as it was.
DECORATORS = frozenset(
    "add_start_docstrings add_start_docstrings_to_model_forward add_end_docstrings add_code_sample_docstrings "
    "replace_return_docstrings add_start_docstrings_to_callable".split()
)


class RemovedDocumentationText(Rule):
    """A text for the documentation, such as `BERT_INPUTS_DOCSTRING`, which the model files no longer hold.

    ## What it does

    Finds constants like `BERT_START_DOCSTRING`, `T5_INPUTS_DOCSTRING`, `_CONFIG_FOR_DOC` and `_CHECKPOINT_FOR_DOC` that
    models derived from transformers' import for their decorators.

    ## Why it breaks

    Since 4.53 model files are documented by `@auto_docstring`, and the texts are gone:

        ImportError: cannot import name 'BERT_INPUTS_DOCSTRING' from 'transformers.models.bert.modeling_bert'

    ## Example

        from transformers.models.bert.modeling_bert import BERT_START_DOCSTRING, BertPreTrainedModel

        @add_start_docstrings("A model with two heads.", BERT_START_DOCSTRING)
        class TwoHeads(BertPreTrainedModel):
            ...

    becomes

        from transformers.models.bert.modeling_bert import BertPreTrainedModel

        class TwoHeads(BertPreTrainedModel):
            ...

    ## Fix safety

    Unsafe: the decorators go together with the texts and with the imports that nothing else uses, and what `help()`
    shows is shorter; what the program does is unchanged. Only where all uses stand in such decorators. An import that
    nothing uses is removed, which is safe.

    ## References

    - https://github.com/huggingface/transformers/pull/36061
    """

    code = "V5109"
    name = "removed-documentation-text"
    since = "4.53"
    words = removed_api.WORDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        found = [*removed_api.lost(module, "documentation")]
        rewrites = Rewrites(module)
        plan = _Plan(module, found)
        for lost in found:
            fix = rewrites.without(lost) or plan.fix(lost)
            message = (
                f"`{lost.reference.path}` was removed in transformers {lost.removal.gone}; {removed_names.advice(lost)}"
            )
            yield module.finding(lost.reference.node, message, fix=fix, since=lost.removal.gone)


class _Plan:
    """Which texts of a module stand only in decorators for the documentation."""

    def __init__(self, view: ModuleView, found: list[Lost]) -> None:
        self.view = view
        self.texts: list[Lost] = []
        self.decorators: dict[ast.expr, None] = {}
        for lost in found:
            binding = lost.reference.binding
            if binding is None:
                continue
            around = [_decorator(view, use) for use in view.links.uses(binding)]
            if around and None not in around and not api_edits.is_handed_on(view, binding):
                self.texts.append(lost)
                self.decorators.update((each, None) for each in around if each is not None)
        self._fix = Fix("Remove the decorators that only document", self._edits, applicability="unsafe")

    def fix(self, lost: Lost) -> Fix | None:
        return self._fix if lost in self.texts else None

    def _edits(self) -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(self.view)
        for lost in self.texts:
            assert lost.reference.binding is not None
            imports.remove(lost.reference.binding)
        for binding in self._left_over():
            imports.remove(binding)
        return [*imports.edits(), *(_without(self.view, each) for each in self.decorators)]

    def _left_over(self) -> list[Binding]:
        """The other imports that nothing but these decorators uses, in the order of the text."""
        inside = {node for each in self.decorators for node in ast.walk(each)}
        gone = {lost.reference.binding for lost in self.texts}
        found: dict[Binding, None] = {}
        for node in inside:
            if isinstance(node, ast.Name):
                found.update((each, None) for each in self.view.links.bindings_read(node) if each.kind == "import")
        return [
            each
            for each in sorted(found, key=lambda binding: binding.at)
            if each not in gone
            and inside.issuperset(self.view.links.uses(each))
            and not api_edits.is_handed_on(self.view, each)
        ]


def _decorator(view: ModuleView, use: ast.AST) -> ast.expr | None:
    """The decorator for the documentation that a name stands in."""
    child = use
    for parent in view.tree.ancestors(use):
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if not isinstance(child, ast.Call) or child not in parent.decorator_list:
                return None
            func = child.func
            name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            return child if name in DECORATORS and _documents(view, func) else None
        child = parent
    return None


def _documents(view: ModuleView, func: ast.expr) -> bool:
    """Whether a decorator is the one of transformers, or a copy of it that a module has under its name."""
    return view.is_of(func, removed_api.PACKAGE) or any(isinstance(each, LocalFunction) for each in view.values(func))


def _without(view: ModuleView, decorator: ast.expr) -> Edit:
    """The edit that takes a decorator out, from its `@` to the beginning of the next line of code."""
    start, end = view.span(decorator)
    at = view.text.rindex("@", 0, start)
    rest = view.text[end:]
    gap = len(rest) - len(rest.lstrip(" \t"))
    if rest[gap : gap + 1] == "#":
        gap = min((found for sign in "\r\n" if (found := rest.find(sign)) >= 0), default=len(rest))
    line_start = view.text.rfind("\n", 0, at) + 1
    newline = 2 if rest[gap : gap + 2] == "\r\n" else 1
    return Edit(line_start, min(end + gap + newline, len(view.text)), "")

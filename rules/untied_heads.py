"""V5554: models of a repository whose output layer no longer shares the weight of the input embeddings."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup, tables
from v5lint.rules.parts import library
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_METHOD, _KEYS, _BASE = "get_output_embeddings", "_tied_weights_keys", "PreTrainedModel"

#: What says that the class, or the file, sees to it itself, or wants none of it.
_OWN_WAYS = ("tie_weights", "_tie_or_clone_weights", "tie_word_embeddings", _KEYS)

_UNTIED = frozenset(name for line in tables.table("untied_families")["untied"] for name in line.split())


class UntiedHead(Rule):
    """A model whose output layer no longer shares the weight of the input embeddings.

    ## What it does

    Finds classes that inherit from the `...PreTrainedModel` of a family (`GPT2PreTrainedModel`), have a
    `get_output_embeddings` that gives a layer which their constructor makes, and say nothing of `_tied_weights_keys`.
    Left alone are families whose configuration does not tie (Llama, Qwen2), classes that inherit from a whole model,
    that have `tie_weights` or give the layer its `weight`, and files that speak of `tie_word_embeddings`.

    ## Why it breaks

    Silently. 4.x shared the weight of what `get_output_embeddings` gives with the input embeddings of every model whose
    configuration has `tie_word_embeddings`, which is so unless it says otherwise. Since 5.0 a model shares what its
    `_tied_weights_keys` name, and nothing else. The layer is in no checkpoint, as 4.x writes what is shared once: it is
    filled anew, and trained alone. Measured on 4.57.6 and 5.24.0, of a GPT-2 with a head of values that was loaded:

        model.lm_head.weight is model.transformer.wte.weight     # True, and False

    and the mean of the absolute logits before any training is another one. Loading prints `lm_head.weight | MISSING`.

    ## Example

        class WithValues(GPT2PreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.transformer = GPT2Model(config)
                self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
                self.post_init()

            def get_output_embeddings(self):
                return self.lm_head

    needs, which works on 4.57, too,

        class WithValues(GPT2PreTrainedModel):
            _tied_weights_keys = {"lm_head.weight": "transformer.wte.weight"}

    ## Fix safety

    No fix: what the input embeddings are called is for the author of the class to say.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5554"
    name = "untied-head"
    since = "5.0"
    tokens = (f"def {_METHOD}",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if any(each in module.text for each in _OWN_WAYS):
            return
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            method = next((each for each in node.body if getattr(each, "name", "") == _METHOD), None)
            if not isinstance(method, ast.FunctionDef) or module.guards.is_dead(node):
                continue
            given = _given(method)
            if given is None or not _is_tied(module, node) or not _is_made_here(module, node, given):
                continue
            layer = ast.unparse(given).partition(".")[2]
            yield module.finding(
                given,
                f"`{node.name}` no longer shares `{layer}.weight` with its input embeddings since transformers 5.0, "
                f"and it is filled anew: name both in `{_KEYS}`",
            )


def _given(method: ast.FunctionDef) -> ast.Attribute | None:
    """What a method gives, where it does nothing else: `return self.lm_head`."""
    body = [each for each in method.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    value = body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
    root: ast.expr | None = value
    while isinstance(root, ast.Attribute):
        root = root.value
    is_own = isinstance(root, ast.Name) and bool(method.args.args) and root.id == method.args.args[0].arg
    return value if isinstance(value, ast.Attribute) and is_own else None


def _is_tied(view: ModuleView, node: ast.ClassDef) -> bool:
    """Whether a class has no model of the library for a base but the bare one of a family that ties."""
    of = LocalClass(view, node)
    if any(isinstance(each, LocalClass) and each.view is not view for each in view.evaluator.bases(of)):
        return False  # a base of another file, which may say it
    models = [name for name in library.library_classes(view, of) if lookup.kind_of(name) == "model"]
    bare = [name for name in models if name.endswith(_BASE) and name != _BASE]
    return bool(bare) and bare == models and all(name[: -len(_BASE)] not in _UNTIED for name in bare)


def _is_made_here(view: ModuleView, node: ast.ClassDef, given: ast.Attribute) -> bool:
    """Whether the constructor of a class makes a layer, or the head that holds it, and leaves its weight alone."""
    path = ast.unparse(given).split(".")
    makes = False
    for each in ast.walk(node):
        targets = each.targets if isinstance(each, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == "weight":
                return False
            if ast.unparse(target) == ".".join(path[:2]):
                assert isinstance(each, ast.Assign)
                makes = isinstance(each.value, ast.Call) and _is_head(view, each.value)
    return makes


def _is_head(view: ModuleView, call: ast.Call) -> bool:
    """Whether a call makes a linear layer, or a head of the library, which is no model of its own."""
    for value in view.values(call.func):
        if isinstance(value, External):
            if value.name == "Linear":
                return True
            if value.package == "transformers" and value.name.endswith(("Head", "Heads")):
                return lookup.kind_of(value.name) != "model"
    return False

"""V5504: models that say in the manner of v4 which weights they tie."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import library, members
from v5lint.view.values import Elements, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_KEYS = "_tied_weights_keys"
_TIE = "tie_weights"


class TiedWeightsList(Rule):
    """`_tied_weights_keys` as a list, or `tie_weights` without `**kwargs`, in a model.

    ## What it does

    Finds both in classes that inherit from a model of transformers.

    ## Why it breaks

    Since 5.0 the attribute maps each tied weight to the one that it shares, and `tie_weights` is called with arguments.
    Measured on 5.23, in the constructor (of the first: where `config.tie_word_embeddings` is true; else in
    `save_pretrained`, unless the list is empty):

        AttributeError: 'list' object has no attribute 'keys'
        TypeError: Model.tie_weights() got an unexpected keyword argument 'recompute_mapping'

    ## Example

        class Model(BertPreTrainedModel):
            _tied_weights_keys = ["head.weight"]

            def tie_weights(self):
                ...

    becomes, by hand for the first, as only the author knows the source,

        class Model(BertPreTrainedModel):
            _tied_weights_keys = {"head.weight": "bert.embeddings.word_embeddings.weight"}

            def tie_weights(self, **kwargs):
                ...

    A dict works in 4.57, too.

    ## Fix safety

    Safe for the parameter, and for an empty list. What else a list holds is for its author.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5504"
    name = "tied-weights-list"
    since = "5.0"
    tokens = (_KEYS, f"def {_TIE}")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            if module.guards.is_dead(node):
                continue
            for each in _statements(node):
                listed = _listed(module, each)
                is_method = isinstance(each, ast.FunctionDef) and each.name == _TIE and not _takes_arguments(each)
                if (listed is not None or is_method) and _is_model(module, node):
                    if listed is not None:
                        message = (
                            f"`{_KEYS}` is a dict since transformers 5.0: each tied weight with the one that it shares"
                        )
                        yield module.finding(listed, message, fix=_empty(module, listed))
                    elif isinstance(each, ast.FunctionDef):
                        yield _method(module, each)


def _statements(node: ast.ClassDef) -> Iterator[ast.stmt]:
    """The statements of a class, and those of its methods that give something to an attribute of its objects."""
    for each in node.body:
        yield each
        if isinstance(each, ast.FunctionDef) and each.args.args:
            first = each.args.args[0].arg
            for inner in ast.walk(each):
                targets = inner.targets if isinstance(inner, ast.Assign) else []
                holders = [target.value for target in targets if isinstance(target, ast.Attribute)]
                if any(isinstance(holder, ast.Name) and holder.id == first for holder in holders):
                    assert isinstance(inner, ast.Assign)
                    yield inner


def _listed(view: ModuleView, statement: ast.stmt) -> ast.expr | None:
    """The list that a statement gives to the attribute of a class, or of its objects."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    if not any(_KEYS in (getattr(each, "id", ""), getattr(each, "attr", "")) for each in targets):
        return None
    value: ast.expr | None = statement.value  # type: ignore[attr-defined]
    if isinstance(value, (ast.List, ast.Tuple, ast.Set, ast.ListComp, ast.BinOp)):
        return value
    if value is not None and all(isinstance(each, Elements) for each in view.values(value)):
        return value
    return None


def _empty(view: ModuleView, listed: ast.expr) -> Fix | None:
    """The fix of a list that names nothing."""
    if not isinstance(listed, ast.List) or listed.elts or "#" in view.source(listed):
        return None
    return Fix("Write an empty dict", [view.replace(listed, "{}")])


def _is_model(view: ModuleView, node: ast.ClassDef) -> bool:
    return any(members.kind_of(name) == "model" for name in library.library_classes(view, LocalClass(view, node)))


def _takes_arguments(node: ast.FunctionDef) -> bool:
    """Whether a method takes what it is called with: `missing_keys` and `recompute_mapping`."""
    names = {each.arg for each in [*node.args.args, *node.args.kwonlyargs]}
    return node.args.kwarg is not None or {"recompute_mapping", "missing_keys"} <= names


def _method(view: ModuleView, node: ast.FunctionDef) -> Finding:
    args = node.args
    message = f"`{_TIE}` is called with arguments since transformers 5.0: take `**kwargs`"
    start, end = view.span(node)
    fix = None
    known = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    if len(known) == 1 and args.vararg is None:
        at = view.span(known[0])[1]
        fix = Fix("Take `**kwargs`", [Edit(at, at, ", **kwargs")])
    finding = view.finding(node, message, fix=fix)
    finding.start = view.text.index(_TIE, start, end)
    finding.end = finding.start + len(_TIE)
    return finding

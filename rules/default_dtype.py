"""V5905: a model whose dtype now follows its checkpoint."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_NAMES = ("dtype", "torch_dtype")

#: What gives a model another dtype: methods, and arguments of `to`.
_CASTS = frozenset({"half", "float", "bfloat16", "double"})
_DTYPE = pattern(r"\bb?float\d*\b|\bhalf\b|dtype")


class DefaultDtype(Rule):
    """A model that is loaded without a dtype, which now follows the checkpoint.

    ## What it does

    Finds `from_pretrained` of a model without `dtype=` (or `torch_dtype=`), and with `torch_dtype=None`. A model that
    is cast in the same function (`model.half()`) is left alone. Off by default: the rule holds for nearly every call,
    and most checkpoints of the time of 4.x are in float32.

    ## Why it breaks

    Without a dtype 4.x loaded every model in float32. Since 5.0 the dtype is that of the checkpoint: a bfloat16
    checkpoint gives a bfloat16 model, freshly added heads included (measured on a small BERT: float32 under 4.57.6,
    bfloat16 under 5.23.0, `torch_dtype=None` alike). Training in pure half precision loses accuracy, and `fp16=True`
    of the Trainer then fails on gradients that are half already. No word is said.

    ## Example

        model = AutoModelForSequenceClassification.from_pretrained(name)

    becomes

        model = AutoModelForSequenceClassification.from_pretrained(name, dtype="float32")

    ## Fix safety

    Unsafe: it doubles the memory of a model that was meant to be loaded in half precision.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/model
    """

    code = "V5905"
    name = "default-dtype"
    since = "5.0"
    tokens = ("from_pretrained",)
    default = False

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({"from_pretrained"}):
            names = [name for name in library.loaders(call) if lookup.is_model_class(name)]
            if not names or call.is_open or module.guards.is_dead(call.node):
                continue
            given = [value for name in _NAMES for value in call.values_of(name)]
            if any(value != Constant(None) for value in given) or call.values_of("quantization_config"):
                continue
            if _is_cast(module, call.node) or _is_cast_later(module, call.node):
                continue
            shown = next((each.name for each in call.owners({"from_pretrained"})), names[0])
            message = f"`{shown}` is loaded in the dtype of its checkpoint, no longer in float32"
            yield module.finding(call.node, f'{message}: say which with `dtype="float32"`', fix=_fix(module, call))


def _is_cast(view: ModuleView, node: ast.AST) -> bool:
    """Whether a model gets another dtype as soon as it is loaded: `.half()`, `.to("cuda").to(torch.bfloat16)`."""
    method = view.tree.parents[node]
    call = view.tree.parents[method]
    if not isinstance(method, ast.Attribute) or not isinstance(call, ast.Call):
        return False
    if _casts(method, call):
        return True
    return _is_cast(view, call)


def _casts(method: ast.Attribute, call: ast.Call) -> bool:
    return method.attr in _CASTS or (method.attr == "to" and _DTYPE.search(ast.unparse(call)) is not None)


def _is_cast_later(view: ModuleView, node: ast.Call) -> bool:
    """Whether a model gets another dtype further down in its function, whatever holds there: `model.half().cuda()`."""
    around = view.links.function_around(node)
    statement: ast.AST = node
    while not isinstance(statement, ast.stmt):
        statement = view.tree.parents[statement]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    names = {ast.unparse(each) for each in targets if isinstance(each, (ast.Name, ast.Attribute))}
    known = [(ast.dump(test), wanted) for test, wanted in view.reach.conditions(node)]
    for method in view.tree.nodes.get(ast.Attribute, ()) if names else ():
        assert isinstance(method, ast.Attribute)
        call = view.tree.parents[method]
        if method.lineno <= node.lineno or not isinstance(call, ast.Call) or not _casts(method, call):
            continue
        held: ast.expr = method.value
        while isinstance(held, ast.Call) and isinstance(held.func, ast.Attribute):
            held = held.func.value
        if ast.unparse(held) not in names or view.links.function_around(method) is not around:
            continue
        if all((ast.dump(test), wanted) in known for test, wanted in view.reach.conditions(method)):
            return True
    return False


def _fix(view: ModuleView, call: CallSite) -> Fix | None:
    keyword = next((each for name in _NAMES if (each := call.keyword(name)) is not None), None)

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        text = 'dtype="float32"'
        if keyword is not None:
            return [edit_arguments(view, call.node, replace={keyword: text})]
        return [edit_arguments(view, call.node, append=[text])]

    if keyword is None and any(call.entry(name) is not None for name in _NAMES):
        return None
    return Fix("Load it in float32", edits, applicability="unsafe", requires="4.56")

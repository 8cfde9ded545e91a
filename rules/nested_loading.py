"""V5509: a model that loads another one while it is built."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, members
from v5lint.view.calls import CallSite
from v5lint.view.values import LocalClass, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_LOAD = "from_pretrained"
_INIT = "__init__"

#: How many methods and constructors are followed from a constructor.
_DEPTH = 3


class NestedLoading(Rule):
    """A model whose constructor loads another one with `from_pretrained`.

    ## What it does

    Finds `from_pretrained` of a model in the constructor of a `PreTrainedModel`, in the methods that the constructor
    calls, in functions of the module and in the parts that it builds. What a condition decides over is left alone, and
    so are classes that have a `from_pretrained` of their own, processors and configurations.

    ## Why it breaks

    Since 5.0 `from_pretrained` builds every model on the meta device. One that is loaded inside of it refuses to
    (measured on 5.24.0; the class can still be built from a configuration):

        RuntimeError: You are using `from_pretrained` with a meta device context manager or
        `torch.set_default_device('meta')`. This is an anti-pattern as `from_pretrained` wants to load existing weights.

    ## Example

        class Tagger(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel.from_pretrained("bert-base-uncased")
                self.post_init()

    write

        class Tagger(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel(config)
                self.post_init()

    and load the weights of the part once, before the first `save_pretrained`.

    ## Fix safety

    No fix: the configuration of the part is not in sight, and its weights have to come from somewhere.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_utils.py
    """

    code = "V5509"
    name = "nested-loading"
    since = "5.0"
    tokens = (_LOAD,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if not any(True for _ in module.calls({_LOAD})):
            return
        met: set[ast.AST] = set()
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            of = LocalClass(module, node)
            if module.guards.is_dead(node) or not _is_loaded(of):
                continue
            for call in _loads(of, _INIT, set(), 0):
                if call.node in met or members.is_prepared(module, call.node):
                    continue
                met.add(call.node)
                loaded = module.source(call.func)
                message = (
                    f"`{loaded}` in the constructor of `{node.name}` raises a RuntimeError when "
                    f"`{node.name}.{_LOAD}` builds it on the meta device: build the part from its configuration"
                )
                yield module.finding(call.node, message)


def _is_loaded(of: LocalClass) -> bool:
    """Whether a class is a model that transformers' own `from_pretrained` builds."""
    names = library.library_classes(of.view, of)
    if not any(members.kind_of(name) == "model" and lookup.kind_of(name) != "auto_model" for name in names):
        return False
    found = of.view.evaluator.class_attribute(of, _LOAD, instance=False)
    return all(isinstance(each, Method) for each in found)


def _loads(of: LocalClass, method: str, met: set[ast.AST], depth: int) -> Iterator[CallSite]:
    """The calls in a method of a class, and in what it calls, that load a model whatever the arguments are."""
    function = next((each for each in of.node.body if isinstance(each, ast.FunctionDef) and each.name == method), None)
    if function is not None:
        yield from _loads_in(of, function, met, depth)


def _loads_in(of: LocalClass, function: ast.FunctionDef, met: set[ast.AST], depth: int) -> Iterator[CallSite]:
    """The same for a function: a method of the class, or one of the module that its constructor calls."""
    view = of.view
    if function in met or depth > _DEPTH:
        return
    met.add(function)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or view.links.function_around(node) is not function:
            continue
        if any(view.links.function_around(test) is function for test, _ in view.reach.conditions(node)):
            continue
        call = CallSite(view, node)
        if call.name == _LOAD:
            if any(lookup.is_model_class(name) for name in library.loaders(call)):
                yield call
            continue
        for callee in call.callees:
            if isinstance(callee, LocalClass) and callee.view is view:
                yield from _loads(callee, _INIT, met, depth + 1)
            elif _is_plain(callee, of):
                yield from _loads_in(of, callee.node, met, depth + 1)  # type: ignore[attr-defined]
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "self":
            yield from _loads(of, node.func.attr, met, depth + 1)


def _is_plain(callee: Value, of: LocalClass) -> bool:
    """Whether a callee is a function of the module of a class, and no method."""
    return (
        isinstance(callee, LocalFunction)
        and callee.view is of.view
        and isinstance(callee.node, ast.FunctionDef)
        and of.view.links.class_of_method(callee.node) is None
    )

"""Classes of a repository that generate: whether `generate` of transformers is theirs, and what they override."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.strings import is_super_call
from v5lint.view.values import External, Instance, LocalClass, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: The class of transformers whose `generate` it is.
MIXIN = "GenerationMixin"

#: The method that makes what `forward` is given at a step.
PREPARE = "prepare_inputs_for_generation"

#: What `generate` calls its cache since 5.24, and what it called it before.
CACHE, CACHE_BEFORE = "cache", "past_key_values"


def generates(of: LocalClass) -> bool:
    """Whether a class of the repository has the `generate` of transformers, or one of its own that ends in it."""
    names = library.library_classes(of.view, of)
    if not any(map(has_mixin, names)):
        return False
    return all(_goes_on(each) for each in of.view.evaluator.class_attribute(of, "generate", instance=False))


def _goes_on(method: Value) -> bool:
    """Whether a `generate` is not the repository's, or calls that of its base: `return super().generate(...)`."""
    if not isinstance(method, LocalFunction):
        return True
    return any(is_super_call(each, "generate") for each in ast.walk(method.node))


def prepares_anew(of: LocalClass) -> bool:
    """Whether a class makes what its `forward` is given, and does not take it from the method of its base."""
    found = of.view.evaluator.class_attribute(of, PREPARE, instance=False)
    own = [each.node for each in found if isinstance(each, LocalFunction)]
    return any(not any(is_super_call(each, PREPARE) for each in ast.walk(node)) for node in own)


def has_mixin(name: str) -> bool:
    """Whether a class of transformers has its `generate`, at first hand or through a mixin of the model's own.

    `WhisperGenerationMixin` inherits from it and calls it.
    """
    return name == MIXIN or any(each.endswith(MIXIN) for each in lookup.ancestors(name))


def is_written_here(of: LocalClass, name: str) -> bool:
    """Whether a method of a class is the repository's own."""
    found = of.view.evaluator.class_attribute(of, name, instance=False)
    return any(isinstance(each, LocalFunction) for each in found)


def parameters(function: ast.FunctionDef) -> dict[str, ast.arg]:
    """The parameters of a function that have a name, by it."""
    args = function.args
    return {each.arg: each for each in [*args.posonlyargs, *args.args, *args.kwonlyargs]}


def hands_cache_on(of: LocalClass, forward: ast.FunctionDef) -> bool:
    """Whether a `forward` gives all that it does not name to a model that takes the cache, and reads it nowhere else.

    `super().forward(x, past_key_values=past_key_values, **kwargs)`: the cache is among the `**kwargs`, and the model
    inside takes it from there.
    """
    if forward.args.kwarg is None:
        return False
    rest = forward.args.kwarg.arg
    inner = [
        each
        for each in ast.walk(forward)
        if isinstance(each, ast.Call)
        and any(
            word.arg is None and isinstance(word.value, ast.Name) and word.value.id == rest for word in each.keywords
        )
    ]
    taking = [each for each in inner if _takes_cache(of, each)]
    given = {id(value) for each in taking for value in [*each.args, *(word.value for word in each.keywords)]}
    reads = (each for each in ast.walk(forward) if isinstance(each, ast.Name) and each.id == CACHE_BEFORE)
    return bool(taking) and all(id(each) in given for each in reads)


def _takes_cache(of: LocalClass, call: ast.Call) -> bool:
    """Whether what is called is a model whose `forward` takes the cache under its new name."""
    view = of.view
    if is_super_call(call, "forward"):
        bases = {value for each in of.node.bases for value in view.values(each)}
        return bool(bases) and all(_has_taking_forward(each) for each in bases)
    holders = view.values(call.func)
    return bool(holders) and all(_has_taking_forward(each) for each in holders)


def _has_taking_forward(value: Value) -> bool:
    """Whether a class, its object or a part of it is a model of transformers, or takes `cache` itself."""
    of = value.of if isinstance(value, Instance) else value
    if isinstance(of, Method):
        return of.bound and isinstance(of.owner, LocalClass) and generates(of.owner)  # a part that a base class makes
    if isinstance(of, LocalClass):
        own = [each.node for each in of.view.evaluator.class_attribute(of, "forward", instance=False)
               if isinstance(each, LocalFunction)]  # fmt: skip
        if own:
            return all(isinstance(each, ast.FunctionDef) and CACHE in parameters(each) for each in own)
        return generates(of)
    return isinstance(of, External) and (lookup.is_model_class(of.name) or of.name == MIXIN)


def is_called(view: ModuleView, name: str, *, but_in: ast.FunctionDef) -> bool:
    """Whether a module names a method itself, other than through `super()` in the method of that name."""
    for node in view.tree.nodes.get(ast.Attribute, ()):
        if isinstance(node, ast.Attribute) and node.attr == name:
            if is_super_call(view.tree.parents.get(node), name) and view.links.function_around(node) is but_in:
                continue
            return True
    return False

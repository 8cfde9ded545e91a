"""V5307: callbacks of the Trainer that wait for the tokenizer under its old name."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import training_objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

_OLD, _NEW = "tokenizer", "processing_class"
_SINCE = "4.46"

_LOOKUPS = frozenset({"get", "pop"})


class CallbackTokenizer(Rule):
    """A method of a `TrainerCallback` that wants the `tokenizer`, which the Trainer calls `processing_class` now.

    ## What it does

    Finds the parameter `tokenizer` of the `on_...` methods of classes that inherit from `TrainerCallback`, and
    `kwargs["tokenizer"]`, `kwargs.get("tokenizer")` and `kwargs.pop("tokenizer")` in them. Methods that know of
    `processing_class` as well, or that the program calls itself with a tokenizer, are left alone.

    ## Why it breaks

    Mostly without a word: since 4.46 the Trainer passes the tokenizer as `processing_class`, and a parameter with a
    default keeps it. Measured on 5.24.0, for a method with `tokenizer=None`, and for the others:

        AttributeError: 'NoneType' object has no attribute 'decode'
        TypeError: Samples.on_evaluate() missing 1 required positional argument: 'tokenizer'
        KeyError: 'tokenizer'

    ## Example

        class Samples(TrainerCallback):
            def on_evaluate(self, args, state, control, model=None, tokenizer=None, **kwargs):
                print(tokenizer.decode(model.generate(max_new_tokens=8)[0]))

    becomes

        class Samples(TrainerCallback):
            def on_evaluate(self, args, state, control, model=None, processing_class=None, **kwargs):
                print(processing_class.decode(model.generate(max_new_tokens=8)[0]))

    ## Fix safety

    Safe: it is the same object. The fix waits until the project supports nothing before 4.46. No fix where the method
    gives the name another value.

    ## References

    - https://github.com/huggingface/transformers/pull/32385
    """

    code = "V5307"
    name = "callback-tokenizer"
    since = "4.46"
    tokens = ("Callback",)
    beside = (_OLD,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if module.settings.target and module.settings.target < (4, 46):
            return
        for function in module.tree.nodes.get(ast.FunctionDef, ()):
            assert isinstance(function, ast.FunctionDef)
            if not function.name.startswith("on_") or not training_objects.is_event(module, function):
                continue
            if _knows_both(function) or module.guards.is_dead(function) or _is_given(module, function):
                continue
            yield from _parameter(module, function)
            if function.args.kwarg is not None:
                yield from _lookups(module, function, function.args.kwarg.arg)


def _knows_both(function: ast.FunctionDef) -> bool:
    """Whether a method mentions the new name, or asks whether the old one is there."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg == _NEW:
            return True
        if isinstance(node, ast.Name) and node.id == _NEW:
            return True
        if isinstance(node, ast.Constant) and node.value == _NEW:
            return True
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and node.left.value == _OLD:
            return True
    return False


def _is_given(view: ModuleView, function: ast.FunctionDef) -> bool:
    """Whether the program calls the method itself, with a tokenizer."""
    return any(each.arg == _OLD for call in view.links.calls_named(function.name) for each in call.keywords)


def _parameter(view: ModuleView, function: ast.FunctionDef) -> Iterator[Finding]:
    args = function.args
    named = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    parameter = next((each for each in named if each.arg == _OLD), None)
    if parameter is None:
        return
    place = [*args.posonlyargs, *args.args]
    by_position = parameter in place and place.index(parameter) >= len(place) - len(args.defaults)
    in_keywords = parameter in args.kwonlyargs and args.kw_defaults[args.kwonlyargs.index(parameter)] is not None
    effect = "this parameter keeps its default" if by_position or in_keywords else "this call lacks an argument"
    message = f"the Trainer passes a callback the tokenizer as `{_NEW}` since transformers {_SINCE}: {effect}"
    start, _ = view.span(parameter)
    yield _finding(start, message, _renamed(view, function, parameter))


def _renamed(view: ModuleView, function: ast.FunctionDef, parameter: ast.arg) -> Fix | None:
    """The fix that renames a parameter and its reads."""
    bindings = view.tree.scopes[function].bindings.get(_OLD, ())
    if len(bindings) != 1:
        return None
    spans = [view.span(parameter)[0], *(view.name_span(each)[0] for each in view.links.uses(bindings[0]))]
    if any(view.text[start : start + len(_OLD)] != _OLD for start in spans):
        return None
    edits = [Edit(start, start + len(_OLD), _NEW) for start in spans]
    return Fix(f"Rename the parameter to `{_NEW}`", edits, requires=_SINCE)


def _lookups(view: ModuleView, function: ast.FunctionDef, name: str) -> Iterator[Finding]:
    """The findings about what a method looks up in its `**kwargs`."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Constant) or node.value != _OLD:
            continue
        parent = view.tree.parents[node]
        is_default = False
        if isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Load):
            table: ast.expr = parent.value
        elif isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) and parent.func.attr in _LOOKUPS:
            table, is_default = parent.func.value, parent.func.attr == "get" or len(parent.args) > 1
        else:
            continue
        if not isinstance(table, ast.Name) or table.id != name:
            continue
        effect = "this gives the default" if is_default else "this is a KeyError"
        message = f"the Trainer passes a callback the tokenizer as `{_NEW}` since transformers {_SINCE}: {effect}"
        start, end = view.span(node)
        written = view.text[start + 1 : end - 1]
        fix = Fix(f"Look `{_NEW}` up", [Edit(start + 1, end - 1, _NEW)], requires=_SINCE) if written == _OLD else None
        yield view.finding(node, message, fix=fix, since=_SINCE)


def _finding(start: int, message: str, fix: Fix | None) -> Finding:
    from v5lint.rule import Finding

    return Finding(message, start, start + len(_OLD), fix=fix, since=_SINCE)

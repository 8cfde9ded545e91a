"""Parameters that are added to functions of the repository."""

from __future__ import annotations

from v5lint.rule import Edit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from v5lint.view.module import ModuleView


def added(view: ModuleView, function: ast.FunctionDef, text: str) -> list[Edit] | None:
    """What adds a parameter behind the last one; None where that one is not followed by a parameter's end.

    Args:
        view: the module.
        function: a function without `**kwargs`.
        text: the parameter: `**kwargs`, `padding_side=None`.
    """
    args = function.args
    nodes = [*args.args, *args.kwonlyargs, *args.defaults, *(each for each in args.kw_defaults if each is not None)]
    if args.vararg is not None:
        nodes.append(args.vararg)
    if not args.args:
        return None
    end = max(view.span(each)[1] for each in nodes)
    head = view.text[view.span(function)[0] : end]
    if head.count("(") - head.count(")") != 1:  # a default in parentheses ends behind the node
        return None
    last = max((*args.args, *args.kwonlyargs), key=lambda each: view.span(each)[0])
    return [Edit(end, end, behind(view, last, text))]


def behind(view: ModuleView, parameter: ast.arg, text: str) -> str:
    """What is written behind a parameter to add another one: on a line of its own, where that one has one."""
    start = view.span(parameter)[0]
    line = view.text.rfind("\n", 0, start) + 1
    indent = view.text[line:start]
    if not indent or not indent.isspace():
        return f", {text}"
    newline = "\r\n" if view.text[:line].endswith("\r\n") else "\n"
    return f",{newline}{indent}{text}"

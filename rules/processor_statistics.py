"""V5419: the mean and the standard deviation of an image processor, taken for lists."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import image_processors
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.module import ModuleView

_NAMES = ("image_mean", "image_std")

#: What a list has and a tuple has not.
_METHODS = frozenset("append clear copy extend insert pop remove reverse sort".split())

_SINCE = "a tuple since transformers 5.4"


class ImageProcessorStatistics(Rule):
    """The `image_mean` or `image_std` of an image processor, taken for a list.

    ## What it does

    Finds `.image_mean` and `.image_std` of image processors of transformers that are joined with a list, compared with
    one, changed in place, or asked for their kind with `isinstance(..., list)`.

    ## Why it breaks

    Both were the list of the checkpoint's file, and are tuples since 5.4 (measured on 5.0.0, 5.4.0 and 5.24.0, with
    torchvision and without):

        TypeError: can only concatenate tuple (not "list") to tuple
        TypeError: 'tuple' object does not support item assignment
        AttributeError: 'tuple' object has no attribute 'append'

    Nothing is raised by a comparison: `image_processor.image_mean == [0.5, 0.5, 0.5]` is false whatever it holds, and
    so is one with `IMAGENET_STANDARD_MEAN` and its like, which are lists.

    ## Example

        if image_processor.image_mean == [0.5, 0.5, 0.5]:
            mean = image_processor.image_mean + [0.0]

    becomes

        if list(image_processor.image_mean) == [0.5, 0.5, 0.5]:
            mean = list(image_processor.image_mean) + [0.0]

    ## Fix safety

    Safe: a list of what was a list. There is no fix where it is changed in place, as a copy would be changed: set the
    attribute to a new list.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/image_processor
    """

    code = "V5419"
    name = "image-processor-statistics"
    since = "5.4"
    tokens = _NAMES
    beside = image_processors.TOKENS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for node in module.attributes(_NAMES):
            if not isinstance(node.ctx, ast.Load) or image_processors.image_processor(module, node.value) is None:
                continue
            if image_processors.is_own(module, node) or module.guards.is_dead(node) or _is_set(module, node):
                continue
            for use in _uses(module, node):
                text, has_fix = _used(module, use)
                if text:
                    said = f"`{module.source(node)}` is {_SINCE}: {text}"
                    yield module.finding(use, said, fix=_wrapping(module, use) if has_fix else None)


def _is_set(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the module sets the attribute of the same thing, maybe to a list."""
    wanted = ast.dump(node.value)
    return any(
        isinstance(each.ctx, ast.Store) and ast.dump(each.value) == wanted for each in view.attributes({node.attr})
    )


def _uses(view: ModuleView, node: ast.Attribute) -> list[ast.expr]:
    """The attribute itself, and the variables that hold it and nothing else."""
    names = [each for each in view.aliases(node) if isinstance(each, ast.Name)]
    return [node, *(each for each in names if _is_only(view, each, node))]


def _is_only(view: ModuleView, name: ast.Name, node: ast.Attribute) -> bool:
    bindings = view.links.bindings_read(name)
    return bool(bindings) and all(each.value is node for each in bindings)


def _used(view: ModuleView, use: ast.expr) -> tuple[str, bool]:
    """What is done with it that only a list does, for a message, and whether a list may be made of it there."""
    parent = view.tree.parents[use]
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add):
        other = parent.right if parent.left is use else parent.left
        return ("no list is added to it", True) if _is_list(view, other) else ("", False)
    if isinstance(parent, ast.Compare) and isinstance(parent.ops[0], (ast.Eq, ast.NotEq)) and len(parent.ops) == 1:
        other = parent.comparators[0] if parent.left is use else parent.left
        return ("it equals no list", True) if _is_list(view, other) else ("", False)
    if isinstance(parent, ast.Attribute) and parent.attr in _METHODS:
        return f"it has no `{parent.attr}`", parent.attr == "copy"
    if isinstance(parent, ast.Subscript) and parent.value is use and isinstance(parent.ctx, (ast.Store, ast.Del)):
        return "set a new list", False
    if isinstance(parent, ast.Call) and parent.args[:1] == [use] and ast.unparse(parent.func) == "isinstance":
        is_list = len(parent.args) == 2 and ast.unparse(parent.args[1]) == "list"
        return ("`isinstance(..., list)` is false" if is_list else ""), False
    return "", False


def _is_list(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a list: one that is written down, or a constant of the library."""
    if isinstance(node, (ast.List, ast.ListComp)):
        return True
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "list"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return isinstance(node.left, ast.List) or isinstance(node.right, ast.List)
    return any(
        isinstance(each, External)
        and each.package == "transformers"
        and each.name.endswith(("_MEAN", "_STD"))
        and each.name.isupper()
        for each in view.values(node)
    )


def _wrapping(view: ModuleView, node: ast.expr) -> Fix:
    start, end = view.span(node)
    return Fix("Make a list of it", [Edit(start, start, "list("), Edit(end, end, ")")])

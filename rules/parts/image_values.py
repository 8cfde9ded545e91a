"""Values that image processors refuse by their type, or pass over: what V5403 says beside the names of arguments."""

from __future__ import annotations

import ast

from v5lint.rule import Fix
from v5lint.rules.parts import image_processors
from v5lint.view.values import Constant, External, Method, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.image_processors import ImageProcessor
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: Arguments that are real numbers, or lists of such.
_NUMBERS = frozenset({"image_mean", "image_std", "rescale_factor"})

#: Arguments that are True or False.
_FLAGS = frozenset("do_center_crop do_convert_rgb do_normalize do_pad do_reduce_labels do_rescale do_resize".split())

_FORMAT, _LAST = "data_format", ".ChannelDimension.LAST"

#: The classes whose `data_format=` did nothing that is lost (measured: the same shapes on 4.57.6 and 5.24.0).
_FORMATLESS = frozenset(
    f"{name}ImageProcessor"
    for name in "Emu3 Glm4v Idefics Kosmos2_5 Pix2Struct Qwen2VL Siglip2 VideoLlava Vivit".split()
)

#: The classes that made more of one number than a `SizeDict` can be made of, and what it was.
_SIZES = {
    "Mask2FormerImageProcessor": '{{"shortest_edge": {}, "longest_edge": 1333}}',
    "MaskFormerImageProcessor": '{{"shortest_edge": {}, "longest_edge": 1333}}',
    "SamImageProcessor": '{{"longest_edge": {}}}',
}

#: What of a constructor's arguments None stood for the default of.
_DEFAULTED = ("image_mean", "image_std", "size")

_ARRAYS = frozenset({"numpy.array", "numpy.asarray"})
_TENSORS = frozenset({"torch.as_tensor", "torch.tensor"})

NAMES = (*sorted(_NUMBERS), *sorted(_FLAGS), _FORMAT, "size")

_SINCE = "since transformers 5.4"


def check(view: ModuleView) -> Iterator[Finding]:
    """The findings of a module."""
    for call, found in image_processors.uses(view, NAMES):
        if view.guards.is_ready(call.node):
            continue
        for keyword in call.node.keywords:
            if keyword.arg in _NUMBERS or keyword.arg in _FLAGS:
                yield from _refused(view, keyword, found)
            elif keyword.arg == _FORMAT and not found.is_fast and not (found.names & _FORMATLESS):
                yield from _passed_over(view, keyword, found)
            elif keyword.arg == "size":
                yield from _too_little(view, keyword, found)
    for name in _DEFAULTED:
        for call, found, how in image_processors.constructions(view, name):
            given = call.keyword(name)
            if given is None or view.guards.is_ready(call.node):
                continue
            if name == "size":
                yield from _too_little(view, given, found)
            if how == "made" and not found.is_fast and _is_none(given.value):
                text = f"`{found.shown}` keeps `{name}=None` {_SINCE}, which stood for the default, and then refuses it"
                yield view.finding(given, text, since="5.4")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _refused(view: ModuleView, keyword: ast.keyword, found: ImageProcessor) -> Iterator[Finding]:
    """Whole numbers for real ones, numbers for truth values, arrays for lists."""
    value, name = keyword.value, keyword.arg or ""
    said = f"`{found.shown}` refuses"
    if name in _FLAGS:
        if isinstance(value, ast.Constant) and type(value.value) is int and value.value in (0, 1):
            fix = Fix("Write a truth value", [view.replace(value, str(bool(value.value)))])
            yield view.finding(keyword, f"{said} a number for `{name}=` {_SINCE}: it is True or False", fix=fix)
        return
    written = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    whole = [each for each in written if isinstance(each, ast.Constant) and type(each.value) is int]
    if whole:
        fix = Fix("Write real numbers", [view.replace(each, f"{view.source(each)}.0") for each in whole])
        what = "a whole number" if whole == [value] else "whole numbers"
        yield view.finding(keyword, f"{said} {what} for `{name}=` {_SINCE}", fix=fix, since="5.4")
    elif name != "rescale_factor" and (kind := _array(view, value)):
        yield view.finding(keyword, f"{said} {kind} for `{name}=` {_SINCE}: give a list of numbers", since="5.4")


def _array(view: ModuleView, node: ast.expr) -> str:
    """What of NumPy's or Torch's an expression is; "" for anything else."""
    values = view.values(node)
    made = {each.of for each in values if isinstance(each, Result)}
    if not made or not all(isinstance(each, Result) for each in values):
        return ""
    if isinstance(node, ast.Call) and not any(isinstance(each, Result) and each.node is node for each in values):
        return ""  # `list(array)`
    return "an array" if made <= _ARRAYS else "a tensor" if made <= _TENSORS else ""


def _passed_over(view: ModuleView, keyword: ast.keyword, found: ImageProcessor) -> Iterator[Finding]:
    values = view.values(keyword.value)
    is_last = values and all(each == Constant("channels_last") or _is_member(each, _LAST) for each in values)
    if is_last:
        text = (
            f"`{found.shown}` passes over `{_FORMAT}=` {_SINCE} and gives the channels first: move them behind "
            "afterwards, `.transpose(0, 2, 3, 1)` of an array or `.permute(0, 2, 3, 1)` of a tensor"
        )
        yield view.finding(keyword, text, since="5.4")


def _is_member(value: Value, path: str) -> bool:
    """Whether a value is a member of a class of the library."""
    if not isinstance(value, Method) or not isinstance(value.owner, External):
        return False
    return f"{value.owner.path}.{value.name}".endswith(path)


def _too_little(view: ModuleView, keyword: ast.keyword, found: ImageProcessor) -> Iterator[Finding]:
    """One number for a `size` of which a class made more."""
    sizes = {_SIZES.get(name, "") for name in found.names}
    wanted = sizes.pop() if len(sizes) == 1 and not found.is_fast else ""
    values = view.values(keyword.value)
    is_number = values and all(isinstance(each, Constant) and type(each.value) is int for each in values)
    if not wanted or not is_number:
        return
    new = wanted.format(view.source(keyword.value))
    text = f"`{found.shown}` refuses one number for `size=` {_SINCE}: it was `{new}`"
    fix = Fix("Say what it was", [view.replace(keyword.value, new)], requires="4.25")
    yield view.finding(keyword, text, fix=fix, since="5.4")

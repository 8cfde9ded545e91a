"""What an expression holds of tokenized text: how many dimensions its ids have, whether it is a list of tokens."""

from __future__ import annotations

import ast

from v5lint.rules.parts import members
from v5lint.view.strings import last_name
from v5lint.view.values import LocalClass, Method, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: How far the way of a value is followed back.
_DEPTH = 8

#: The entry of what a tokenizer gives that holds the ids.
_IDS = "input_ids"

#: Methods of tensors and arrays that leave the dimensions as they are.
_SAME = frozenset("clone contiguous cpu cuda detach int long numpy to tolist".split())

_GENERATE, _AS_OUTPUT = "generate", "return_dict_in_generate"

_TOKENIZE, _CONVERT = "tokenize", "convert_tokens_to_ids"


class Shape:
    """The dimensions of token ids.

    Attributes:
        dimensions: 0 for one id, 1 for a sequence, 2 for a batch.
        is_sure: whether it follows from the calls that made them; else only a name tells.
    """

    __slots__ = ("dimensions", "is_sure")

    def __init__(self, dimensions: int, *, is_sure: bool) -> None:
        self.dimensions = dimensions
        self.is_sure = is_sure

    def less(self, by: int) -> Shape | None:
        """The shape of what so many indices take out."""
        return Shape(self.dimensions - by, is_sure=self.is_sure) if by <= self.dimensions else None


def shape_of(view: ModuleView, node: ast.expr, depth: int = 0) -> Shape | None:
    """The dimensions of the ids that an expression holds; None where it is unknown whether it holds ids at all."""
    if depth > _DEPTH:
        return None
    if isinstance(node, ast.Name):
        return _of_name(view, node, depth)
    if isinstance(node, ast.Subscript):
        return _of_item(view, node, depth)
    if isinstance(node, ast.Attribute):
        return _of_entry(view, node.value, depth) if node.attr == _IDS else None
    if isinstance(node, ast.Call):
        return _of_call(view, node, depth)
    return None


def _of_name(view: ModuleView, node: ast.Name, depth: int) -> Shape | None:
    bindings = view.links.bindings_read(node)
    shapes = [_of_binding(view, each, depth) for each in bindings]
    known = [each for each in shapes if each is not None]
    if known and len(known) == len(shapes) and len({each.dimensions for each in known}) == 1:
        return Shape(known[0].dimensions, is_sure=all(each.is_sure for each in known))
    is_open = not any(each.kind != "parameter" and each.value is not None for each in bindings)
    return Shape(2, is_sure=False) if node.id == _IDS and is_open else None


def _of_binding(view: ModuleView, binding: Binding, depth: int) -> Shape | None:
    if binding.value is None or binding.index >= 0:
        return None
    if binding.kind == "assign":
        return shape_of(view, binding.value, depth + 1)
    if binding.kind == "for":
        found = shape_of(view, binding.value, depth + 1)
        return found.less(1) if found is not None else None
    return None


def _of_item(view: ModuleView, node: ast.Subscript, depth: int) -> Shape | None:
    index = node.slice
    if isinstance(index, ast.Constant) and isinstance(index.value, str):
        return _of_entry(view, node.value, depth) if index.value == _IDS else None
    indices = index.elts if isinstance(index, ast.Tuple) else [index]
    if not all(isinstance(each, ast.Slice) or _is_number(each) for each in indices):
        return None
    found = shape_of(view, node.value, depth + 1)
    if found is None or len(indices) > found.dimensions:  # `outputs[0][:, n:]`: it has more than were thought
        return None
    return found.less(sum(not isinstance(each, ast.Slice) for each in indices))


def _is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool)


def _of_entry(view: ModuleView, encoding: ast.expr, depth: int) -> Shape | None:
    """The ids in what a tokenizer gave: `encoding["input_ids"]`, `tokenizer(text).input_ids`."""
    call = view.links.defining_call(encoding)
    if call is not None and isinstance(call.func, ast.Attribute) and call.func.attr == "to":
        call = view.links.defining_call(call.func.value)
    if call is None:
        is_open = isinstance(encoding, ast.Name) and not any(
            each.value is not None for each in view.links.bindings_read(encoding)
        )
        return Shape(2, is_sure=False) if is_open else None
    if not members.owners(view, call.func, ("tokenizer",)) and "tok" not in last_name(call.func).lower():
        return None
    return _of_text(view, call)


def _of_text(view: ModuleView, call: ast.Call) -> Shape | None:
    """The ids that a tokenizer gives for what it is called with."""
    if any(each.arg is None for each in call.keywords) or not call.args:
        return None
    tensors = next((each.value for each in call.keywords if each.arg == "return_tensors"), None)
    if tensors is not None:
        is_none = isinstance(tensors, ast.Constant) and tensors.value is None
        return None if is_none or not isinstance(tensors, ast.Constant) else Shape(2, is_sure=True)
    return _of_plain_text(view, call.args[0])


def _of_plain_text(view: ModuleView, text: ast.expr) -> Shape | None:
    if isinstance(text, ast.JoinedStr) or view.constants(text, str):
        return Shape(1, is_sure=True)
    return Shape(2, is_sure=True) if isinstance(text, (ast.List, ast.ListComp)) else None


def _of_call(view: ModuleView, node: ast.Call, depth: int) -> Shape | None:
    func = node.func
    if not isinstance(func, ast.Attribute):
        return shape_of(view, node.args[0], depth + 1) if last_name(func) == "list" and len(node.args) == 1 else None
    if func.attr == _GENERATE:
        return _of_generated(view, func)
    if func.attr == "encode" and _is_tokenizer(view, func):
        return _of_text(view, node)
    if func.attr in ("flatten", "ravel") and not node.args:
        found = shape_of(view, func.value, depth + 1)
        return Shape(1, is_sure=found.is_sure) if found is not None else None
    if func.attr in _SAME:
        return shape_of(view, func.value, depth + 1)
    return None


def _of_generated(view: ModuleView, func: ast.Attribute) -> Shape | None:
    """What `generate` gives: of a model of the library the ids of a batch, of a class of one's own whatever it says."""
    is_own = any(isinstance(each, LocalClass) for each in view.classes_of(func.value)) or not all(
        isinstance(each, (Method, Unknown)) for each in view.values(func)
    )
    if _AS_OUTPUT in view.text or is_own:
        return None
    if members.owners(view, func.value, ("model",)):
        return Shape(2, is_sure=True)
    # Of a model that only its name tells of, the library has to be named: those of others give other things.
    is_named = "model" in last_name(func.value).lower() and next(view.imports("transformers"), None) is not None
    return Shape(2, is_sure=False) if is_named else None


def _is_tokenizer(view: ModuleView, func: ast.Attribute) -> bool:
    return bool(members.owners(view, func.value, ("tokenizer",))) or members.is_untyped(view, func, "tok")


def kind_of_list(view: ModuleView, node: ast.expr, depth: int = 0) -> str:
    """What a list holds that was made of a text: "tokens" or "ids"; "" where it is neither, or unknown."""
    if depth > _DEPTH:
        return ""
    if isinstance(node, ast.Name):
        bindings = view.links.bindings_read(node)
        is_plain = bool(bindings) and all(each.kind == "assign" and each.value is not None for each in bindings)
        kinds = {kind_of_list(view, each.value, depth + 1) for each in bindings if each.value} if is_plain else set()
        return kinds.pop() if len(kinds) == 1 else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return kind_of_list(view, node.value, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return kind_of_list(view, node.left, depth + 1) or kind_of_list(view, node.right, depth + 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_tokenizer(view, node.func):
        if node.func.attr == _TOKENIZE:
            return "tokens"
        if node.func.attr == _CONVERT and node.args and kind_of_list(view, node.args[0], depth + 1) == "tokens":
            return "ids"
    return ""

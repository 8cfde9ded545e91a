"""V5401: the size of an image processor where a number or a dict is expected of it."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import image_processors, processor_parts
from v5lint.view.values import External, LocalClass, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.image_processors import ImageProcessor
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_NAMES = ("size", "crop_size")

#: What a size raises that is read as what it is not: `size[0]`, `size * 2`; and the bases.
_ERRORS = frozenset({"TypeError", "KeyError", "LookupError", "AttributeError", "Exception", "BaseException"})

#: The keys of a `SizeDict` (`min_pixels` and `max_pixels` since 5.17).
_FIELDS = frozenset("height width longest_edge shortest_edge max_height max_width min_pixels max_pixels".split())

#: What a `SizeDict` has of a dict: `d[k]`, `k in d`, `d.get(k)`, `d == {...}` and `dict(d)`. These it does not have.
_METHODS = frozenset({"values", "items", "keys", "copy"})
_CHANGES = frozenset({"update", "pop", "popitem", "setdefault", "clear"})

#: Functions to which a dict is its keys, or that take a dict and nothing like it.
_OF_KEYS = frozenset("builtins.list builtins.tuple builtins.set builtins.sorted builtins.len builtins.max "
                     "builtins.min builtins.iter builtins.enumerate builtins.frozenset".split())  # fmt: skip
_COPIES = frozenset({"builtins.dict", "builtins.str", "builtins.repr", "builtins.print"})
_WRITERS = frozenset("json yaml simplejson ujson orjson msgpack".split())

#: Transforms that take a number, or height and width.
_TRANSFORMS = frozenset(
    "Resize CenterCrop RandomCrop RandomResizedCrop resize center_crop resized_crop zeros ones empty full rand randn "
    "new SmallestMaxSize LongestMaxSize".split()
)
_NUMERIC = frozenset({"builtins.int", "builtins.float", "builtins.range", "builtins.round", "math.floor", "math.sqrt"})

#: The keys of `size` in the classes where it was one number before 4.25, by what the classes of 4.57 are made with.
_SQUARE = frozenset(
    "Beit Blip DPT DeiT EfficientFormer EfficientNet Flava GotOcr2 ImageGPT LayoutLMv2 LayoutLMv3 OwlViT Owlv2 "
    "Perceiver Pvt SegGpt Segformer Siglip ViT".split()
)
#: The class that took a list or tuple set as its `size` for (width, height), and takes it for (height, width) now.
_REVERSED = frozenset({"DonutImageProcessor"})

_SHORTEST = frozenset(
    "Bit BridgeTower CLIP ChineseCLIP ConvNext Levit MobileNetV1 MobileNetV2 MobileViT PoolFormer VideoMAE Vilt "
    "Vivit".split()
)


class ImageProcessorSize(Rule):
    """The `size` of an image processor used as a number, or as a dict that it no longer is.

    ## What it does

    Finds `.size` and `.crop_size` of image processors of transformers (and of vision feature extractors, which become
    such) where they are taken for a number, or for a real dict: `Resize(processor.size)`, `**processor.size`,
    `processor.size.values()`, `json.dumps(processor.size)`, `for key in processor.size`, an `except KeyError`; and a
    `size` of Donut's image processor that is set as a list.

    ## Why it breaks

    `size` has been a dict since 4.25, {"height": 224, "width": 224} or {"shortest_edge": 224}, and is a `SizeDict`
    since 5.4, which is no dict: it takes `size["height"]`, `"height" in size`, `size.get("height")` and `dict(size)`,
    and no more.

        AttributeError: 'SizeDict' object has no attribute 'values'
        TypeError: object of type 'SizeDict' has no len()
        TypeError: Object of type SizeDict is not JSON serializable

    Some uses change without a word: a loop over it gives pairs and not keys, `isinstance(size, dict)` is false, and
    `size["shortest_edge"]` is None where there was a KeyError. Donut took `image_processor.size = [960, 1280]` for
    width and height, and takes it for height and width.

    ## Example

        height, width = processor.size.values()
        transform = Resize(processor.size)

    becomes

        height, width = dict(processor.size).values()
        transform = Resize(processor.size["height"])

    ## Fix safety

    Safe. `dict(size)` has the keys that a dict from a checkpoint's file had, in the order in which such files are
    written. A number is taken out only where the class is known to have one height and width, or one shortest edge;
    height and width are taken of Donut's `size[::-1]` where the module sets no `size` of an unknown kind.
    `isinstance(processor.size, dict)` and changes of the dict are left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    - https://huggingface.co/docs/transformers/main_classes/image_processor
    """

    code = "V5401"
    name = "image-processor-size"
    since = "5.4"
    tokens = image_processors.TOKENS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if not any(f".{name}" in module.text for name in _NAMES):
            return
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if isinstance(node.ctx, ast.Store):
                yield from _set(module, node)
            if node.attr not in _NAMES or not isinstance(node.ctx, ast.Load):
                continue
            parent = module.tree.parents[node]
            if isinstance(parent, ast.Call) and parent.func is node:
                continue  # `tensor.size()`
            found = image_processors.image_processor(module, node.value)
            if found is not None and not image_processors.is_own(module, node) and not module.guards.is_dead(node):
                yield from _Size(module, node, found).findings()
        for call, found in image_processors.uses(module, _NAMES):
            yield from _handed_on(module, call, found)


def _set(view: ModuleView, node: ast.Attribute) -> Iterator[Finding]:
    """`processor.size = (width, height)` of a class that took it for that; of a processor's own part V5001 speaks."""
    statement = view.tree.parents[node]
    if node.attr != "size" or not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return
    turned = processor_parts.height_and_width(view, statement.value)
    is_of_part = isinstance(node.value, ast.Attribute) and node.value.attr == "feature_extractor"
    if not turned or is_of_part or view.guards.is_dead(node):
        return
    found = image_processors.image_processor(view, node.value)
    if isinstance(node.value, ast.Attribute) and any(
        isinstance(each, LocalClass) for each in view.classes_of(node.value.value)
    ):
        return  # a processor of this repository, which may have an image processor of its own
    if found is not None and found.names == _REVERSED:
        text = f"{processor_parts.SIZE_TELL} by `{found.shown}`"
        fix = Fix("Set it as a dict", [view.replace(statement.value, turned)], requires="4.25")
        yield view.finding(node, text, fix=fix)


def _stores(view: ModuleView) -> list[ast.Attribute]:
    """The places of a module that set a `size`."""
    nodes = view.tree.nodes.get(ast.Attribute, ())
    found = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "size"]
    return [node for node in found if isinstance(node.ctx, ast.Store)]


def _is_set_as_dict(view: ModuleView, store: ast.Attribute) -> bool:
    """Whether what is set as a `size` is a dict, or a list of which the fixes make one."""
    statement = view.tree.parents[store]
    if not isinstance(statement, ast.Assign):
        return False
    is_dict = isinstance(statement.value, ast.Dict)
    return is_dict or bool(processor_parts.height_and_width(view, statement.value))


class _Size:
    """One mention of `processor.size`, and what is done with it."""

    def __init__(self, view: ModuleView, node: ast.Attribute, found: ImageProcessor) -> None:
        self.view = view
        self.node = node
        self.found = found
        self._copied: Fix | None = None

    def findings(self) -> Iterator[Finding]:
        for use in self._uses():
            kind, at = _use(self.view, use)
            if kind in ("number", "pair"):
                around = self.view.tree.parents[use]
                failing = around if isinstance(around, ast.Subscript) else use
                if not self._is_asked_for(use) and not self.view.guards.is_made_up_for(failing, _ERRORS):
                    yield self._number(use, is_pair=kind == "pair")
            elif kind:
                yield self._dict(kind, use, at)

    def _is_asked_for(self, use: ast.expr) -> bool:
        """Whether `isinstance(size, int)` or its like decides over a use."""
        wanted = ast.dump(use)
        for test, _ in self.view.reach.conditions(use):
            for call in ast.walk(test):
                if (
                    isinstance(call, ast.Call)
                    and ast.unparse(call.func) == "isinstance"
                    and any(ast.dump(each) == wanted for each in call.args)
                ):
                    return True
        return False

    def _uses(self) -> list[ast.expr]:
        """The places that stand for the size: the attribute itself, and the variables that hold it and nothing else."""
        return [self.node, *(each for each in self.view.aliases(self.node) if self._is_only(each))]

    def _is_only(self, alias: ast.expr) -> bool:
        links = self.view.links
        if isinstance(alias, ast.Name):
            bindings = links.bindings_read(alias)
            return bool(bindings) and all(each.value is self.node for each in bindings)
        if not isinstance(alias, ast.Attribute) or alias is self.node:
            return False
        stores = [each for each in links.same_attributes(alias) if isinstance(each.ctx, ast.Store)]
        return bool(stores) and all(
            getattr(self.view.tree.parents[each], "value", None) is self.node for each in stores
        )

    def _dict(self, kind: str, use: ast.expr, at: ast.AST) -> Finding:
        view = self.view
        text = f"`{view.source(self.node)}` is a `SizeDict` since transformers 5.4 and no dict: {kind}"
        fix: Fix | None
        if use is self.node:
            is_open = "is false" in kind or "changes" in kind
            fix = None if is_open else _wrapping(view, use)
        else:
            self._copied = self._copied or _wrapping(view, self.node)
            fix = None if "changes" in kind else self._copied
        return view.finding(
            at, text + ("" if "changes" in kind else f"; `dict({view.source(self.node)})` is one"), fix=fix
        )

    def _number(self, use: ast.expr, *, is_pair: bool) -> Finding:
        view = self.view
        key = "" if is_pair else self._key()
        what = "list" if is_pair else "number"
        text = f"`{view.source(self.node)}` has been a dict since transformers 4.25 and no {what}: take "
        text += f'`["{key}"]` of it' if key else '`["height"]` and `["width"]`, or `["shortest_edge"]`, of it'
        fix = self._turned(use) if is_pair else None
        if key:
            end = view.span(use)[1]
            fix = Fix(f'Take `["{key}"]`', [Edit(end, end, f'["{key}"]')], requires="4.25")
        return view.finding(use, text, fix=fix, since="4.25")

    def _turned(self, use: ast.expr) -> Fix | None:
        """The fix of `size[::-1]`, which made (height, width) of the (width, height) that was set as a list."""
        view = self.view
        item = view.tree.parents[use]
        if use is not self.node or self.found.names != _REVERSED or not isinstance(item, ast.Subscript):
            return None
        if ast.unparse(item.slice) != "::-1" or not all(_is_set_as_dict(view, each) for each in _stores(view)):
            return None
        size = view.source(use)
        turned = f'[{size}["height"], {size}["width"]]'
        return Fix('Take `["height"]` and `["width"]`', [view.replace(item, turned)], requires="4.25")

    def _key(self) -> str:
        """The key of the one number that a size is; "" where it may be two, or is not known."""
        names = {name.removesuffix("ImageProcessor") for name in self.found.names}
        if not names:
            return ""
        if self.node.attr == "crop_size":
            return "height"
        if names <= _SQUARE:
            return "height"
        return "shortest_edge" if names <= _SHORTEST else ""


def _wrapping(view: ModuleView, node: ast.expr) -> Fix:
    start, end = view.span(node)
    return Fix("Make a dict of it", [Edit(start, start, "dict("), Edit(end, end, ")")], requires="4.25")


def _use(view: ModuleView, node: ast.expr) -> tuple[str, ast.AST]:
    """What is done with a size that a `SizeDict` does not do, and where.

    It is "number", "pair" (it is taken for height and width), or a clause for a message.
    """
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Attribute):
        if parent.attr in _METHODS:
            return f"it has no `{parent.attr}()`", parent
        return (f"`{parent.attr}()` changes no dict", parent) if parent.attr in _CHANGES else ("", node)
    if isinstance(parent, ast.keyword):
        return _use_of_keyword(view, node, parent)
    if isinstance(parent, ast.Call) and node in parent.args:
        return _use_of_argument(view, node, parent)
    if isinstance(parent, ast.Dict):
        place = next(number for number, value in enumerate([*parent.values, node]) if value is node)
        if place < len(parent.keys) and parent.keys[place] is None:
            return "`**` does not take it", node
    if isinstance(parent, (ast.Dict, ast.List, ast.Tuple)) and _is_written(view, parent):
        return "it cannot be written as JSON or YAML", node
    if isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node:
        return "a loop gives pairs and not keys", node
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return _use_of_item(view, parent)
    if isinstance(parent, ast.BinOp):
        if isinstance(parent.op, ast.BitOr):
            return ("`|` does not take other keys" if _adds_keys(view, parent, node) else ""), node
        return "number", node
    if isinstance(parent, ast.Compare) and _compares_numbers(parent):
        return "number", node
    if isinstance(parent, ast.Assign) and parent.value is node and isinstance(parent.targets[0], (ast.Tuple, ast.List)):
        return "pair", node
    if isinstance(parent, (ast.Tuple, ast.List)) and len(parent.elts) > 1 and isinstance(parent.ctx, ast.Load):
        both = sum(ast.dump(each) == ast.dump(node) for each in parent.elts)
        around = view.tree.parents[parent]
        is_shape = isinstance(around, ast.Call) and _called(around) in _TRANSFORMS
        return ("number", node) if both > 1 or is_shape else ("", node)
    return "", node


def _adds_keys(view: ModuleView, union: ast.BinOp, size: ast.expr) -> bool:
    """Whether `size | {...}` adds a key that a `SizeDict` has no place for; the dict may be in a variable."""
    if union.left is not size:
        return False  # `{...} | size` is a dict with any keys
    dicts = [each.node for each in view.values(union.right) if isinstance(each, Mapping)]
    keys = [key for each in dicts if isinstance(each, ast.Dict) for key in each.keys if key is not None]
    return any(name not in _FIELDS for key in keys for name in view.constants(key))


def _compares_numbers(compare: ast.Compare) -> bool:
    if any(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in compare.ops):
        return True
    sides = [compare.left, *compare.comparators]
    return isinstance(compare.ops[0], (ast.Eq, ast.NotEq)) and any(
        isinstance(each, ast.Constant) and isinstance(each.value, int) for each in sides
    )


def _use_of_argument(view: ModuleView, node: ast.expr, call: ast.Call) -> tuple[str, ast.AST]:
    callees = view.values(call.func)
    paths = {each.path for each in callees if isinstance(each, External)}
    if paths & _COPIES:
        return "", node
    if "builtins.isinstance" in paths and call.args[0] is node and len(call.args) == 2:
        kinds = call.args[1].elts if isinstance(call.args[1], ast.Tuple) else [call.args[1]]
        if any(ast.unparse(each).rpartition(".")[2] in ("dict", "Mapping", "MutableMapping") for each in kinds):
            return "`isinstance` is false", call
        return "", node
    if _is_written(view, node):
        return "it cannot be written as JSON or YAML", node
    if paths & _NUMERIC:
        return "number", node
    if paths & _OF_KEYS:
        return ("it has no `len()`" if "builtins.len" in paths else "its elements are pairs and not keys"), node
    if _called(call) in _TRANSFORMS and not _is_method_of_processor(view, call):
        return "number", node
    return "", node


def _use_of_keyword(view: ModuleView, node: ast.expr, keyword: ast.keyword) -> tuple[str, ast.AST]:
    call = view.tree.parents[keyword]
    assert isinstance(call, ast.Call)
    if keyword.arg is None:
        return "`**` does not take it", node
    if _is_written(view, call):
        return "it cannot be written as JSON or YAML", node
    is_size = keyword.arg in ("size", "height", "width", "max_size", "img_size", "image_size")
    if is_size and _called(call) in _TRANSFORMS and not _is_method_of_processor(view, call):
        return "number", node
    return "", node


def _is_method_of_processor(view: ModuleView, call: ast.Call) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and image_processors.image_processor(view, func.value) is not None


def _use_of_item(view: ModuleView, item: ast.Subscript) -> tuple[str, ast.AST]:
    """`size["height"]`, where a missing key is caught, and `size[0]`."""
    is_place = isinstance(item.slice, (ast.Slice, ast.UnaryOp)) or isinstance(getattr(item.slice, "value", None), int)
    if is_place and isinstance(item.ctx, ast.Load):
        return "pair", item.value
    handled = view.guards.handled(item, frozenset({"KeyError", "LookupError"}))
    if handled is not None and isinstance(item.ctx, ast.Load):
        return "a missing key gives None and no KeyError", item
    return "", item


def _is_written(view: ModuleView, node: ast.AST) -> bool:
    """Whether an expression stands in what `json.dumps(...)` and its like write."""
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.Call):
            if _called(parent) in ("dumps", "dump", "safe_dump"):
                return any(isinstance(each, External) and each.package in _WRITERS for each in view.values(parent.func))
            if not (isinstance(parent.func, ast.Name) and parent.func.id == "dict"):
                return False
        elif not isinstance(parent, (ast.Dict, ast.List, ast.Tuple, ast.keyword)):
            return False
    return False


def _called(call: ast.Call) -> str:
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _handed_on(view: ModuleView, call: CallSite, found: ImageProcessor) -> Iterator[Finding]:
    """`processor(images, size=other.size)`: a processor takes a dict there."""
    for keyword in call.node.keywords:
        value = keyword.value
        if keyword.arg not in _NAMES or not isinstance(value, ast.Attribute) or value.attr not in _NAMES:
            continue
        if image_processors.image_processor(view, value.value) is not None and not view.guards.is_dead(value):
            text = f"`{view.source(value)}` is a `SizeDict` since transformers 5.4: `{found.shown}` takes a dict"
            yield view.finding(value, text, fix=_wrapping(view, value))

"""V5411: what an image processor gives, taken for NumPy arrays."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import image_processors, stored_images
from v5lint.view.calls import CallSite
from v5lint.view.values import External, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding, Unseen
    from v5lint.rules.parts.image_processors import ImageProcessor
    from v5lint.view.module import ModuleView

#: What image processors give by its name.
_KEYS = frozenset({"pixel_values", "pixel_mask"})

#: What an array has and a tensor has not.
_OF_ARRAYS = frozenset({"astype", "copy", "tobytes", "tofile"})

#: Functions that take an array and no tensor, and those that take a list of arrays and no list of tensors.
_TAKE_ARRAYS = frozenset({"torch.from_numpy", "PIL.Image.fromarray"})
_TAKE_LISTS = frozenset({"torch.tensor", "torch.FloatTensor", "torch.Tensor"})

_HINTS = (*(f".{name}" for name in _OF_ARRAYS), ".transpose", "from_numpy", "fromarray", "ensor(")

#: The Auto classes gave the classes that work on tensors since 5.0, the classes themselves became those in 5.4.
_AUTO_SINCE, _SINCE = "5.0", "5.4"


class ImageProcessorResult(Rule):
    """What an image processor gives without `return_tensors=`, taken for NumPy arrays.

    ## What it does

    Finds calls of image processors of transformers (and of vision feature extractors, which become such) without
    `return_tensors=` whose `pixel_values` are used as only arrays can be: `.astype(...)`, `.copy()`,
    `.transpose(1, 2, 0)`, `torch.from_numpy(...)`, `Image.fromarray(...)`, `torch.tensor(...)` of the whole list. So
    does a `Dataset.map` whose `features=` describe the images as `Array3D(...)`, of what a processor of texts and
    images gives, too.

    ## Why it breaks

    Where torchvision is installed, image processors work on tensors and give a list of them, where it was a list of
    arrays: what an Auto class loads since 5.0, and the classes themselves since 5.4.

        AttributeError: 'Tensor' object has no attribute 'astype'
        TypeError: transpose() takes 2 positional arguments but 3 were given
        TypeError: expected np.ndarray (got Tensor)
        ValueError: only one element tensors can be converted to Python scalars
        pyarrow.lib.ArrowTypeError: Could not convert tensor([[[-1., -1., ...

    ## Example

        pixels = image_processor(image)["pixel_values"][0].transpose(1, 2, 0)

    becomes

        pixels = image_processor(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)

    ## Fix safety

    Safe: each element is the array that it was. Unsafe where the class is not known: images that keep their sizes
    cannot be put into one array.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    - https://huggingface.co/docs/transformers/main_classes/image_processor
    """

    code = "V5411"
    name = "image-processor-result"
    since = "5.0"
    tokens = (*image_processors.TOKENS, *stored_images.TOKENS)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        yield from stored_images.check(module)
        if not any(hint in module.text for hint in _HINTS) or not any(key in module.text for key in _KEYS):
            return
        for node in module.tree.nodes.get(ast.Call, ()):
            assert isinstance(node, ast.Call)
            found = _processor(module, node)  # cheaper than to follow what every call gives
            use = _result_of(module, node) if found is not None else None
            if found is not None and use is not None and not module.guards.is_dead(node):
                where, what = use
                since = _AUTO_SINCE if found.shown.startswith("Auto") else _SINCE
                yield module.finding(
                    where,
                    f"`{found.shown}` gives tensors since transformers {since} (where torchvision is installed), "
                    f'and {what}: ask for `return_tensors="np"` in line {node.lineno}',
                    fix=_fix(module, node, found),
                    since=since,
                )


def _processor(view: ModuleView, call: ast.Call) -> ImageProcessor | None:
    """The image processor that is called, where nothing is said of what it should give."""
    site = CallSite(view, call)
    if site.is_open or site.keyword("return_tensors") is not None or len(call.args) > 1:
        return None
    func = call.func
    if isinstance(func, ast.Attribute) and func.attr == "preprocess":
        func = func.value
    if any(isinstance(each, (External, LocalClass)) for each in view.values(func)):
        return None  # it makes one
    return image_processors.image_processor(view, func)


def _result_of(view: ModuleView, call: ast.Call) -> tuple[ast.expr, str] | None:
    """Where what a call gives is used as an array, and as what, for a message."""
    for alias in _with_itself(view, call):
        parent = view.tree.parents[alias]
        key: object = None
        if isinstance(parent, ast.Attribute) and parent.value is alias:
            key = parent.attr
        elif isinstance(parent, ast.Subscript) and parent.value is alias and isinstance(parent.slice, ast.Constant):
            key = parent.slice.value
        if key in _KEYS:
            assert isinstance(parent, ast.expr)
            for values in _with_itself(view, parent):
                found = _use_of_list(view, values)
                if found is not None:
                    return found
    return None


def _with_itself(view: ModuleView, node: ast.expr) -> list[ast.expr]:
    aliases = view.aliases(node)
    return aliases if node in aliases else [node, *aliases]


def _use_of_list(view: ModuleView, values: ast.expr) -> tuple[ast.expr, str] | None:
    parent = view.tree.parents[values]
    if isinstance(parent, ast.Call) and values in parent.args and _is_one_of(view, parent.func, _TAKE_LISTS):
        return parent, f"`{view.source(parent.func)}` takes no list of them"
    if not isinstance(parent, ast.Subscript) or parent.value is not values or isinstance(parent.slice, ast.Slice):
        return None
    for element in _with_itself(view, parent):
        use = view.tree.parents[element]
        if isinstance(use, ast.Attribute) and use.value is element:
            call = view.tree.parents[use]
            axes = call.args if isinstance(call, ast.Call) and call.func is use else []
            if use.attr in _OF_ARRAYS or (use.attr == "transpose" and (len(axes) > 2 or _is_tuple(axes))):
                return use, f"`.{use.attr}` here is that of an array"
        elif isinstance(use, ast.Call) and element in use.args and _is_one_of(view, use.func, _TAKE_ARRAYS):
            return use, f"`{view.source(use.func)}` takes an array"
    return None


def _is_tuple(axes: list[ast.expr]) -> bool:
    return len(axes) == 1 and isinstance(axes[0], (ast.Tuple, ast.List))


def _is_one_of(view: ModuleView, func: ast.expr, paths: frozenset[str]) -> bool:
    for each in view.values(func):
        if isinstance(each, External) and each.path in paths:
            return True
        if isinstance(each, Method) and isinstance(each.owner, External) and f"{each.owner.path}.{each.name}" in paths:
            return True
    return False


def _fix(view: ModuleView, call: ast.Call, found: ImageProcessor) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call, append=['return_tensors="np"'])]

    return Fix('Ask for `return_tensors="np"`', edits, applicability="safe" if found.names else "unsafe")

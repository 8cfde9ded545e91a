"""Image processors whose results `datasets.map` stores as fixed-size arrays: a part of V5411.

`Dataset.map(function, features=Features({"pixel_values": Array3D(...)}))` takes lists of arrays and no list of tensors.
"""

from __future__ import annotations

import ast

from v5lint.rule import Fix
from v5lint.rules.parts import image_processors, processor_parts
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External, LocalClass, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

#: Without one of these in the file, nothing is stored so.
TOKENS = ("Array3D", "Array4D")

#: What image processors call the images.
_KEYS = frozenset({"pixel_values", "image", "images"})

_ARRAYS = frozenset(f"datasets.{module}{name}" for module in ("", "features.", "features.features.") for name in TOKENS)

#: What an Auto class loads works on tensors since 5.0, the classes themselves became those in 5.4.
_AUTO_SINCE, _SINCE = "5.0", "5.4"


def check(view: ModuleView) -> Iterator[Finding]:
    """Yield the calls whose images a map stores as arrays, and that do not ask for arrays."""
    if not any(token in view.text for token in TOKENS):
        return
    seen = set()
    for stored in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(stored, ast.Dict)
        if not _has_arrays(view, stored):
            continue
        for mapping in _maps(view, stored):
            for call, shown in _calls(view, mapping):
                if call not in seen and not view.guards.is_dead(call):
                    seen.add(call)
                    since = _AUTO_SINCE if shown.startswith("Auto") else _SINCE
                    yield view.finding(
                        call,
                        f"`{shown}` gives tensors since transformers {since} (where torchvision is installed), and "
                        f"`{view.source(mapping.func)}` in line {mapping.lineno} stores arrays: ask for "
                        '`return_tensors="np"`',
                        fix=_fix(view, call, mapping),
                        since=since,
                    )


def _has_arrays(view: ModuleView, stored: ast.Dict) -> bool:
    return any(
        isinstance(key, ast.Constant)
        and key.value in _KEYS
        and isinstance(value, ast.Call)
        and any(isinstance(each, External) and each.path in _ARRAYS for each in view.values(value.func))
        for key, value in zip(stored.keys, stored.values, strict=True)
    )


def _maps(view: ModuleView, stored: ast.Dict) -> Iterator[ast.Call]:
    """The calls of `map` that are given the features that a dict describes."""
    made = view.tree.parents.get(stored)
    if not isinstance(made, ast.Call):
        return
    for alias in dict.fromkeys([made, *view.aliases(made)]):
        keyword = view.tree.parents.get(alias)
        if isinstance(keyword, ast.keyword) and keyword.arg == "features":
            call = view.tree.parents.get(keyword)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "map":
                yield call


def _calls(view: ModuleView, mapping: ast.Call) -> Iterator[tuple[ast.Call, str]]:
    """The calls of processors whose result the mapped function gives back, and the class, for a message."""
    site = CallSite(view, mapping)
    function = mapping.args[0] if mapping.args else site.keyword("function")
    if isinstance(function, ast.keyword):
        function = function.value
    for of in view.values(function) if isinstance(function, ast.expr) else ():
        if not isinstance(of, LocalFunction) or of.view is not view:
            continue
        for node in ast.walk(of.node):
            shown = _processor(view, node) if isinstance(node, ast.Call) else ""
            if shown and isinstance(node, ast.Call) and any(_is_given_back(view, each) for each in _itself(view, node)):
                yield node, shown


def _processor(view: ModuleView, call: ast.Call) -> str:
    """The class of the processor that is called with nothing said of what it should give; "" for any other call."""
    site = CallSite(view, call)
    if site.is_open or site.keyword("return_tensors") is not None:
        return ""
    if any(isinstance(each, (External, LocalClass)) for each in view.values(call.func)):
        return ""  # it makes one
    found = image_processors.image_processor(view, call.func)
    if found is not None:
        return found.shown
    kind, name = processor_parts.processor_behind(view, call.func)
    return name if kind == "image" else ""


def _itself(view: ModuleView, node: ast.expr) -> list[ast.expr]:
    return list(dict.fromkeys([node, *view.aliases(node)]))


def _is_given_back(view: ModuleView, node: ast.expr) -> bool:
    parent = view.tree.parents.get(node)
    return isinstance(parent, ast.Return) or (isinstance(parent, ast.Lambda) and parent.body is node)


def _fix(view: ModuleView, call: ast.Call, mapping: ast.Call) -> Fix | None:
    """Ask for arrays: None where that changes more than the kind.

    One array of a single image has a dimension more than the image, and texts that are not padded to one length
    cannot be put into one array.
    """
    if not _says(view, mapping, "batched"):
        return None
    if image_processors.image_processor(view, call.func) is None and not _says(view, call, "padding"):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call, append=['return_tensors="np"'])]

    return Fix('Ask for `return_tensors="np"`', edits, applicability="safe")


def _says(view: ModuleView, call: ast.Call, argument: str) -> bool:
    """Whether an argument is given and surely not turned off."""
    given = next((each.value for each in call.keywords if each.arg == argument), None)
    if given is None:
        return False
    values = list(view.values(given))
    return bool(values) and all(isinstance(each, Constant) and bool(each.value) for each in values)

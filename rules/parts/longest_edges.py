"""The longest edge of a resized image, given to a loader of an image processor as `max_size=`."""

from __future__ import annotations

import ast

from v5lint.rule import Fix
from v5lint.rules.parts import image_processors
from v5lint.view.values import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: The argument, and the one whose entry it is since 4.25.
LONGEST = "max_size"
_SIZE = "size"

#: The classes whose `from_pretrained` took it until 4.57; the others passed over it before.
_TOOK = frozenset(
    "ConditionalDetrImageProcessor DeformableDetrImageProcessor DetrImageProcessor GroundingDinoImageProcessor "
    "YolosImageProcessor".split()
)

#: Since when only the constructor reads it.
_SINCE = "5.0"


def check(view: ModuleView) -> Iterator[Finding]:
    """The findings of a module."""
    for call, found, how in image_processors.constructions(view, LONGEST):
        given, size = call.keyword(LONGEST), call.keyword(_SIZE)
        if how != "loaded" or given is None or not found.names <= _TOOK or view.guards.is_ready(call.node):
            continue
        if size is not None and _is_table(view, size.value):
            continue  # a table of edges is taken as it is, then and now
        text = f"`{found.shown}.from_pretrained` passes over `{LONGEST}=` since transformers {_SINCE}"
        yield view.finding(
            given,
            f'{text}: it is `"longest_edge"` of `{_SIZE}=`, which is 1333 otherwise',
            fix=_fix(view, call, size, given) if size is not None and found.names else None,
            since=_SINCE,
        )


def _fix(view: ModuleView, call: CallSite, size: ast.keyword, given: ast.keyword) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        table = f'{{"shortest_edge": {view.source(size.value)}, "longest_edge": {view.source(given.value)}}}'
        return [edit_arguments(view, call.node, remove=[given], replace={size: f"{_SIZE}={table}"})]

    is_sure = _is_number(view, size.value) and _is_number(view, given.value)
    safety: Applicability = "safe" if is_sure else "unsafe"
    return Fix(f"Put `{LONGEST}=` into `{_SIZE}=`", build, applicability=safety, requires="4.25")


def _is_number(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is certainly a whole number, and reading it does nothing else."""
    numbers = view.constants(node, int)
    return not isinstance(node, ast.Call) and bool(numbers) and len(numbers) == len(view.values(node))


def _is_table(view: ModuleView, node: ast.expr) -> bool:
    return isinstance(node, ast.Dict) or any(isinstance(each, Mapping) for each in view.values(node))

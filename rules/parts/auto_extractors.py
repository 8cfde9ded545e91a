"""`AutoFeatureExtractor` where it is asked for a vision checkpoint: a part of V5001."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library, modality, swaps
from v5lint.view.values import Constant, External, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

OLD = "AutoFeatureExtractor"
NEW = "AutoImageProcessor"

#: `AutoImageProcessor` came with 4.25.
SINCE = "4.25"

_TELL = "`AutoFeatureExtractor` loads no vision checkpoint since transformers 5.0"
#: What a load raises where a checkpoint has no such file, or one of another kind.
_LOAD_ERRORS = frozenset({"ValueError", "OSError", "Exception", "BaseException"})
#: The error of v5 on a vision checkpoint, and its bases.
_KIND_ERRORS = frozenset({"ValueError", "Exception", "BaseException"})


class Vision:
    """One place where the class is for a vision checkpoint.

    Attributes:
        node: where it is reported.
        owner: the class there.
        because: how that is known, in words for a message.
        is_sure: whether the preprocessor is one of transformers.
    """

    __slots__ = ("because", "is_sure", "node", "owner")

    def __init__(self, node: ast.AST, owner: ast.expr, because: str, *, is_sure: bool = True) -> None:
        self.node = node
        self.owner = owner
        self.because = because
        self.is_sure = is_sure


def check(view: ModuleView) -> Iterator[Finding | Unseen]:
    """Yield the loads of vision checkpoints, and those of which that is not known."""
    found: list[Vision] = []
    for call in library.loads(view):
        if not _is_load(call) or _is_prepared(view, call) or _is_by_table(view, call):
            continue
        kind = modality.modality(view, call)
        if kind.kind == "image":
            hidden = " (the `except` around it hides the error)" if view.guards.handled(call.node, _KIND_ERRORS) else ""
            owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
            found.append(Vision(call.func, owner, kind.because + hidden, is_sure=not _may_be_of_its_own(call)))
        elif kind.kind == "mixed":
            yield view.finding(call.func, f"{_TELL}, and {kind.because}: choose `{NEW}` for the vision ones")
        elif kind.kind == "":
            yield from _unknown(view, call)
    found += [*_in_tables(view), *_in_rows(view)]
    yield from _findings(view, found)


def _is_load(call: CallSite) -> bool:
    owners = call.owners({"from_pretrained"})
    names = {each.path for each in owners if isinstance(each, External) and each.package == "transformers"}
    return any(path.endswith(f".{OLD}") for path in names) and not any(path.endswith(f".{NEW}") for path in names)


def _is_prepared(view: ModuleView, call: CallSite) -> bool:
    """Whether the load does not run, or the same function loads an image processor from the same checkpoint as well."""
    if view.guards.is_dead(call.node):
        return True
    known = bool(library.texts(call.values_of(*library.CHECKPOINT)))
    function = view.links.function_around(call.node)
    for other in view.calls({"from_pretrained"}):
        if other.node is call.node or view.links.function_around(other.node) is not function:
            continue
        tries = _is_try_of(view, call.node, other.node) or _is_try_of(view, other.node, call.node)
        if (not known or tries) and _loads_images(view, other) and modality.same_checkpoint(view, call, other):
            return True
    return False


def _loads_images(view: ModuleView, call: CallSite) -> bool:
    for owner in call.owners({"from_pretrained"}):
        for name in library.library_classes(view, owner):
            if name.endswith(("ImageProcessor", "ImageProcessorFast")) or name == "AutoProcessor":
                return True
    return False


def _is_try_of(view: ModuleView, first: ast.AST, second: ast.AST) -> bool:
    """Whether the second runs where the first fails: it stands in a handler of a `try` around the first."""
    handled = view.guards.handled(first, _LOAD_ERRORS)
    return handled is not None and handled.handler in view.tree.ancestors(second)


def _is_by_table(view: ModuleView, call: CallSite) -> bool:
    """Whether the class is taken from a table under the name of the checkpoint: each entry is judged by its key."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    given = call.argument(*library.CHECKPOINT)
    if not isinstance(owner, ast.Subscript) or given is None or not modality.is_same(view, owner.slice, given):
        return False
    return any(isinstance(each, Mapping) for each in view.values(owner.value))


def _unknown(view: ModuleView, call: CallSite) -> Iterator[Finding | Unseen]:
    values = call.values_of(*library.CHECKPOINT)
    names = library.texts(values)
    if view.guards.handled(call.node, _KIND_ERRORS) is not None:
        yield view.finding(
            call.func,
            f"{_TELL}, and the `except` around it hides the ValueError: vision preprocessors are dropped without a "
            f"word. Try `{NEW}` as well",
        )
    elif view.guards.handled(call.node, _LOAD_ERRORS) is not None:
        yield view.finding(
            call.func,
            f"{_TELL}, and the `except` around it does not catch the ValueError: checkpoints of every kind are "
            f"expected here, and a vision one stops the program. Try `{NEW}` as well",
        )
    elif names:
        yield view.unseen(call.node, f"whether {' or '.join(names)} is a vision checkpoint is not known")
    elif values:
        origin = library.origin(values) or "an expression that v5lint cannot follow"
        yield view.unseen(call.node, f"the checkpoint of `{OLD}` comes from {origin}")


def _may_be_of_its_own(call: CallSite) -> bool:
    """Whether the preprocessor may be code that comes with the checkpoint, which knows one Auto class by its name."""
    names = library.texts(call.values_of(*library.CHECKPOINT))
    is_known = bool(names) and all(checkpoints.model_type_of(each) for each in names)
    return library.may_bring_code(call) and not (is_known and not any(map(checkpoints.may_be_fine_tuned, names)))


def _in_tables(view: ModuleView) -> Iterator[Vision]:
    """The entries of dicts that name the class for a vision checkpoint: `{"microsoft/swin": AutoFeatureExtractor}`."""
    for table in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(table, ast.Dict)
        for key, value in zip(table.keys, table.values, strict=True):
            if not swaps.names_class(view, value, OLD) or key is None:
                continue
            for each in view.values(key):
                name = each.value if isinstance(each, Constant) and isinstance(each.value, str) else ""
                is_named = ("/" in name or lookup.model_type(name)) and checkpoints.preprocessor_kind(name) == "image"
                if is_named or modality.KINDS.get(name) == "image":
                    yield Vision(value, value, f"`{name}` is for images")


def _in_rows(view: ModuleView) -> Iterator[Vision]:
    """The class in a row of a table, beside what it is for: `(AutoFeatureExtractor, "google/vit-base-patch16-224")`."""
    for row in (node for kind in (ast.Tuple, ast.List, ast.Dict) for node in view.tree.nodes.get(kind, ())):
        assert isinstance(row, (ast.Tuple, ast.List, ast.Dict))
        cells = row.values if isinstance(row, ast.Dict) else row.elts
        named = [each for each in cells if swaps.names_class(view, each, OLD)]
        if len(named) != 1:
            continue
        values = frozenset(value for each in cells if each is not named[0] for value in view.values(each))
        kinds = {name: checkpoints.preprocessor_kind(name) for name in library.texts(values) if "/" in name}
        for each in values:
            if isinstance(each, External) and each.package == "transformers":
                kinds[each.name] = modality.model_kind(each.name)
        if {*kinds.values()} - {""} == {"image"}:
            because = min(name for name, kind in kinds.items() if kind)
            yield Vision(named[0], named[0], f"`{because}` beside it is for images")


def _findings(view: ModuleView, found: Iterable[Vision]) -> Iterator[Finding]:
    """One finding each; all that read the class from one import share the fix of it."""
    groups: dict[object, list[Vision]] = {}
    for each in found:
        groups.setdefault(swaps.import_of(view, each.owner) or each.owner, []).append(each)
    for group in groups.values():
        safety: Applicability = "safe" if all(each.is_sure for each in group) else "unsafe"
        fix = swaps.swap(view, [each.owner for each in group], OLD, NEW, safety=safety, requires=SINCE)
        for each in group:
            own = "" if each.is_sure else "; code that the checkpoint brings along may still be found by the old name"
            yield view.finding(each.node, f"{_TELL}, and {each.because}{own}", fix=fix)

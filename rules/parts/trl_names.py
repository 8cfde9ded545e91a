"""Names of trl that the releases to go with transformers 5 no longer have."""

from __future__ import annotations

import ast

from v5lint.pins import excludes_from
from v5lint.releases import parse_release
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import required_names
from v5lint.rules.parts.trl_trainers import PACKAGE, is_for_older
from v5lint.view.strings import last_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.releases import Release
    from v5lint.view.module import ModuleView, Reference
    from v5lint.view.script import ScriptView

_TABLE, _ADVICE = "trl_names", "trl_advice"

#: The oldest release whose SFTTrainer trains beside transformers 5 (tried on 5.24: 0.9.6 does not, 0.12.2, 0.15.2,
#: 0.16.1, 0.19.1, 0.21.0, 0.24.0 and 1.16.0 do; DPOTrainer is not imported from 0.12.2, 0.21.0, 0.24.0, 0.27.2 and
#: 0.28.0, and is from 0.29.0).
OLDEST: Release = (0, 12)

_gone: dict[str, str] = {}


class Gone:
    """A name or module of trl that is gone.

    Attributes:
        reference: where it is fetched.
        path: what is gone: the name, or the module that it was in.
        since: the first release without it.
        is_needed: whether every release that works beside transformers 5 lacks it.
        new: the dotted path of it in the newest release; "" where there is none.
    """

    __slots__ = ("is_needed", "new", "path", "reference", "since")

    def __init__(self, reference: Reference, path: str, since: str) -> None:
        self.reference = reference
        self.path = path
        self.since = since
        self.is_needed = parse_release(since) <= OLDEST
        self.new = table(_TABLE)["moved"].get(reference.path, "")


def gone(view: ModuleView) -> Iterator[Gone]:
    """The places that fetch what trl has dropped, as far as the project's own requirements of trl let it be so."""
    if view.project.is_first_party(PACKAGE, view.path) or view.project.is_first_party("transformers", view.path):
        return
    seen: set[object] = set()
    for reference in _references(view):
        path = _lost(reference.path)
        if not path or reference.node in seen or view.guards.handled(reference.node) is not None:
            continue
        found = Gone(reference, path, _known()[path])
        if is_held_before(view, found.since) or is_for_older(view, reference.node, found.since):
            continue
        if _is_for_types(view, reference.node) or required_names.is_prepared(view, reference, PACKAGE, None):
            continue
        seen.add(reference.node)
        yield found


def advice(name: str) -> str:
    """What to write instead of a name that the newest release has in another form; "" for any other."""
    return str(table(_ADVICE)["names"].get(name, ""))


def is_held_before(view: ModuleView | ScriptView, since: str) -> bool:
    """Whether the project keeps a release of trl from before another one, and one that may work beside v5."""
    release = parse_release(since)
    held = view.project.required(PACKAGE, view.path)
    return release > OLDEST and any(excludes_from(each, release) for each in held)


def _is_for_types(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node is read by type checkers alone."""
    return any(
        isinstance(each, ast.If) and last_name(each.test) == "TYPE_CHECKING" and node not in each.orelse
        for each in view.tree.ancestors(node)
    )


def _references(view: ModuleView) -> Iterator[Reference]:
    yield from view.imports(PACKAGE)
    names = frozenset(path.rpartition(".")[2] for path in _known())
    for reference in view.references(names, PACKAGE):
        if reference.how not in ("import", "string"):
            yield reference


def _lost(path: str) -> str:
    """What of a dotted path is gone: itself, or a module that it leads through; "" where it is there."""
    parts = path.split(".")
    return next(
        (at for length in range(2, len(parts) + 1) if (at := ".".join(parts[:length])) in _known()),
        "",
    )


def _known() -> dict[str, str]:
    """What is gone, by its path: the first release without it."""
    if not _gone:
        for release, paths in table(_TABLE)["gone"].items():
            _gone.update(dict.fromkeys(paths.split(), release))
    return _gone

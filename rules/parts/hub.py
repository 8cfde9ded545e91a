"""huggingface_hub as transformers requires it: which release to judge by, and which of its functions a call is of."""

from __future__ import annotations

from v5lint.pins import excludes_from
from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.requires import bounds, ranges
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.releases import Release
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView
    from v5lint.view.values import Value

PACKAGE = "huggingface_hub"

_DISTRIBUTION = "huggingface-hub"

_V5: Release = (5, 0)

#: Stands for the last minor release of a major one.
_LAST_MINOR = 999

#: The class whose methods are huggingface_hub's functions.
_API = "HfApi"


def release(view: ModuleView | ScriptView) -> str:
    """The release of huggingface_hub to judge a file by: the one that an installer puts beside the target release.

    That is the newest that transformers takes. Where the project's own requirements leave that one out and another
    that transformers takes in, it is the oldest such release: which of those in between is installed is not known.
    """
    newest = _newest(view)
    required = view.project.required(_DISTRIBUTION, view.path)
    held = [each for each in required if excludes_from(each, parse_release(newest))]
    if not held:
        return newest
    from v5lint.rules.parts.project_metadata import can_meet

    wanted = _wanted(view)
    return oldest(view) if all(can_meet(each, wanted) for each in held) else newest


def oldest(view: ModuleView | ScriptView) -> str:
    """The oldest release of huggingface_hub that the target release of transformers takes."""
    return _bound(view, ">=")


def _newest(view: ModuleView | ScriptView) -> str:
    known = lookup.newest(PACKAGE)
    below = _bound(view, "<")
    if parse_release(known) < parse_release(below):
        return known
    return f"{parse_release(below)[0] - 1}.{_LAST_MINOR}"


def _wanted(view: ModuleView | ScriptView) -> str:
    target = max(view.settings.target, _V5)
    return ranges(_DISTRIBUTION, target, target)[-1][1]


def _bound(view: ModuleView | ScriptView, operator: str) -> str:
    return bounds(_DISTRIBUTION, view.settings.target)[operator]


def is_of_another(view: ModuleView) -> bool:
    """Whether a repository holds a transformers of its own: that one says which huggingface_hub it takes."""
    return view.project.is_first_party("transformers", view.path)


def functions(call: CallSite, callee: Value) -> Iterator[str]:
    """The function of huggingface_hub that a call is of, with the release to judge it by."""
    at = f"{PACKAGE}@{release(call.view)}"
    if isinstance(callee, External) and callee.package == PACKAGE:
        if lookup.parameters(callee.name, None) is not None or callee.name[:1].isupper():
            yield f"{at}:{callee.name}"
        else:
            yield f"{at}:{_API}.{callee.name}"
    elif isinstance(callee, Method) and isinstance(callee.owner, External) and callee.owner.package == PACKAGE:
        yield f"{at}:{callee.owner.name}.{callee.name}"


def lost_methods(view: ModuleView, release: str) -> Iterator[tuple[CallSite, Removal]]:
    """The calls of methods of an `HfApi` that a release of huggingface_hub lacks, as it lacks the functions."""
    for call in view.calls(lookup.dropped_names(PACKAGE)):
        owners = [each.owner for each in call.callees if isinstance(each, Method)]
        if not owners or len(owners) < len(call.callees) or not all(_is_api(each) for each in owners):
            continue
        removal = lookup.removed_in(f"{PACKAGE}.{call.name}", release)
        if removal is not None and lookup.removed_member(_API, call.name, release) is not None:
            yield call, removal


def _is_api(owner: object) -> bool:
    return isinstance(owner, External) and owner.package == PACKAGE and owner.name == _API

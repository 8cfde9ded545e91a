"""huggingface_hub as transformers requires it: which release to judge by, and which of its functions a call is of."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.requires import ranges
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

PACKAGE = "huggingface_hub"

_AT_LEAST = pattern(r">=\s*(\d+\.\d+)")

#: The class whose methods are huggingface_hub's functions.
_API = "HfApi"


def release(view: ModuleView) -> str:
    """The oldest release of huggingface_hub that the target release of transformers takes."""
    target = view.settings.target
    required = ranges("huggingface-hub", target, target)
    found = _AT_LEAST.search(required[-1][1]) if required else None
    return found[1] if found else "1.3"


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

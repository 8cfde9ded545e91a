"""Which models fail when their configuration has `return_dict=False`.

`knowledge/tuple_parts.toml` holds the classes, and since when (see `knowledge/collect/tuple_parts.py`).
"""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rules.knowledge.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from v5lint.releases import Release
    from v5lint.rules.parts.models import Model

_since: dict[str, str] = {}


def failing(models: Iterable[Model], release: Release) -> tuple[str, str] | None:
    """The first of some models that fails under a release, and since when; None where one of them may not.

    Args:
        models: what an expression may be.
        release: the target.
    """
    if not _since:
        for minor, names in table("tuple_parts")["failing"]:
            _since.update(dict.fromkeys(names.split(), minor))
    found = [(each.name, "" if each.is_own else _since.get(each.name, "")) for each in models]
    if not found or any(not since or parse_release(since) > release for _, since in found):
        return None
    return found[0]

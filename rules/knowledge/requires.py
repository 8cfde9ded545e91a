"""What releases of transformers 5 ask of other packages and of Python, and the extras that they no longer have."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.releases import parse_release
from v5lint.rules.knowledge.tables import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release

_NAME = "requires"

_V5: Release = (5, 0)

_BOUND = pattern(r"(>=|<)\s*(\d+)\.(\d+)")


def required_packages() -> frozenset[str]:
    """The packages, by normalised name, that a release of transformers 5 asks for in certain versions; and "python"."""
    return frozenset(table(_NAME)["ranges"])


def ranges(package: str, oldest: Release, newest: Release) -> list[tuple[str, str]]:
    """The versions of a package that releases of transformers ask for: (first such release, PEP 440 specifier).

    Args:
        package: the normalised name, or "python".
        oldest: the first release of interest.
        newest: the last one.
    """
    rows = [(since, specifier) for since, specifier in table(_NAME)["ranges"].get(package, {}).items()]
    found = []
    for index, (since, specifier) in enumerate(rows):
        begins = parse_release(since)
        ends = parse_release(rows[index + 1][0]) if index + 1 < len(rows) else None
        if begins <= newest and (ends is None or ends > oldest):
            found.append((since, specifier))
    return found


def bounds(package: str, release: Release) -> dict[str, str]:
    """The bounds of the versions of a package that a release asks for: by ">=" and "<", as far as it has them.

    Args:
        package: the normalised name.
        release: the release; one before 5 asks for what 5.0 does.
    """
    target = max(release, _V5)
    wanted = ranges(package, target, target)[-1][1]
    return {found[1]: f"{found[2]}.{found[3]}" for found in _BOUND.finditer(wanted)}


def extra_removed_in(extra: str) -> str:
    """The release that dropped an extra of transformers; "" where it is still there, or never was."""
    since: str = table(_NAME)["removed-extras"].get(extra.lower().replace("_", "-"), "")
    return since

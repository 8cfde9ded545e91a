"""Conda's environments: the items of `dependencies:`, and pip's below them; recipes: those of `requirements:`."""

from __future__ import annotations

import re

from v5lint.metadata.requirement import Requirement, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ITEM = re.compile(r"(?P<indent>[ \t]*)-[ \t]+(?P<quote>[\"']?)(?P<item>[^\r\n\"'#]+)(?P=quote)")
_LISTS = re.compile(r"^(?:dependencies\s*:|requirements\s*:[ \t]*(?:#.*)?$)", re.MULTILINE)
_PIP = re.compile(r"pip\s*:\s*\Z")
_CONDA = re.compile(
    r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_.-]+)"
    r"(?:\s*(?P<versions>[=<>!~][^ ]*(?:\s*,\s*[=<>!~][^ ]*)*)|\s+(?P<plain>\d[\w.]*(?:\.\*)?)(?=\s|\Z))?"
)

#: Packages that conda knows by another name than pip.
_NAMES = {"pytorch": "torch"}


def is_one(text: str) -> bool:
    """Whether YAML is such an environment or recipe, whatever it is called."""
    return _LISTS.search(text) is not None


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a text; one without a list of dependencies has none."""
    if not is_one(text):
        return
    pip_depth: int | None = None
    for match in _ITEM.finditer(text):
        depth, item, at = len(match["indent"].expandtabs()), match["item"].rstrip(), match.start("item")
        if _PIP.match(item):
            pip_depth = depth
            continue
        if pip_depth is not None and depth > pip_depth:
            requirement = parse(item, at)
            if requirement:
                yield requirement
            continue
        pip_depth = None
        if not item.startswith("-") and (requirement := conda_requirement(item, at)) is not None:
            yield requirement


def conda_requirement(item: str, at: int) -> Requirement | None:
    """A requirement as conda writes it; None where it is something else.

    Args:
        item: the requirement.
        at: the offset of the text in the file.
    """
    conda = _CONDA.match(item)
    if conda is None:
        return None
    which = "plain" if conda["plain"] else "versions"
    first, last = conda.span(which) if conda[which] else (conda.end("name"),) * 2
    versions = f"=={conda['plain']}" if conda["plain"] else conda["versions"] or ""
    return Requirement(
        _NAMES.get(conda["name"], conda["name"]),
        _from_conda(versions),
        (at, at + len(item)),
        (at + first, at + last),
        style="conda",
    )


def _from_conda(versions: str) -> str:
    """`=4.30` (the newest 4.30), `=4.30=py39_0` (a build) and `==4.30` as PEP 440 writes them."""
    single = re.match(r"=(?!=)([\d.]+)(\.\*)?(=.*)?\Z", versions)
    if single:
        return f"=={single[1]}" if single[3] else f"=={single[1].rstrip('.')}.*"
    return versions.strip()

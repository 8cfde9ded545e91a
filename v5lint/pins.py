"""What a project requires, read from its own metadata: the oldest transformers release that it says it supports.

Read are `pyproject.toml`, `setup.cfg`, `setup.py`, `requirements*.txt` and `requirements/*.txt`; see `v5lint.metadata`.
"""

from __future__ import annotations

import os
import re

from v5lint.patterns import pattern
from v5lint.releases import parse_release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.releases import Release

_V5: Release = (5,)

_CLAUSE = pattern(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*v?([0-9][0-9A-Za-z.+-]*?)(\.\*)?\s*$")

#: What marks the top of a project, besides `.git`.
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


def pinned_minimum(folder: str) -> Release | None:
    """The lower bound on transformers that holds for the files of a folder.

    The nearest folder with such a requirement counts, from this one up to the top of the repository. A requirement
    that no v5 release meets (`==4.31.0`, `<5`) belongs to a project that is still to be moved: it sets no bound.

    Args:
        folder: an absolute path.

    Returns:
        The bound, or None where there is no requirement, or none with a lower bound, or none that admits v5.
    """
    bounds = [bound for bound in map(lower_bound, specifiers(folder, "transformers")) if bound]
    return min(bounds, default=None)


def specifiers(folder: str, package: str) -> list[str]:
    """What the requirements on a package say that hold for the files of a folder: [">=4.40,<6"].

    Args:
        folder: an absolute path.
        package: the normalized name of the package.

    Returns:
        One text a requirement, of the nearest folder that has any.
    """
    for place in _upwards(folder):
        found = list(_requirements(place, package))
        if found:
            return found
    return []


def excludes_from(specifier: str, release: Release) -> bool:
    """Whether the specifiers of one requirement leave out a release and all newer ones: "==0.8.6" and "<0.9" do."""
    for operator, text in _clauses(specifier):
        bound = parse_release(text)
        if operator in ("==", "===", "<=") and bound < release:
            return True
        if operator == "<" and bound <= release:
            return True
        if operator == "~=":  # up to the next number before the last that is written
            numbers = [int(each) for each in re.findall(r"\d+", text)][:-1]
            if numbers and (*numbers[:-1], numbers[-1] + 1) <= release:
                return True
    return False


def admits_before(specifier: str, release: Release) -> bool:
    """Whether the specifiers of one requirement let older releases pass: ">=0.7" does for 0.12."""
    bounds = [
        parse_release(text) for operator, text in _clauses(specifier) if operator in ("==", "===", "~=", ">=", ">")
    ]
    return max(bounds, default=(0,)) < release


def _clauses(specifier: str) -> Iterator[tuple[str, str]]:
    for clause in specifier.split(","):
        match = _CLAUSE.match(clause)
        if match:
            yield match[1], match[2]


def lower_bound(specifier: str) -> Release | None:
    """The lower bound of the specifiers of one requirement: ">=4.40,<6" gives (4, 40).

    Returns:
        The bound; None where there is none, where no v5 release meets the specifiers, or where they are not understood.
    """
    bounds: list[Release] = []
    for clause in filter(str.strip, specifier.split(",")):
        match = _CLAUSE.match(clause)
        if not match:
            return None
        operator, text, star = match.groups()
        release = parse_release(text)
        if not _admits_v5(operator, release, star):
            return None
        if operator not in ("<", "<=", "!="):
            bounds.append(release)
    return max(bounds, default=None)


def _admits_v5(operator: str, release: Release, star: str | None) -> bool:
    if operator in (">", ">="):
        return True
    if operator == "!=":
        return not (star and release == _V5)
    return release > _V5 if operator == "<" else release >= _V5


def project_root(folder: str) -> str | None:
    """The nearest folder, this one or above, with `.git` or a project file; None where there is none."""
    for place in _ancestors(folder):
        if any(os.path.exists(os.path.join(place, name)) for name in (".git", *PROJECT_FILES)):
            return place
    return None


def _upwards(folder: str) -> Iterator[str]:
    """The folders whose requirements may hold for a folder, the nearest first."""
    top = None
    for place in _ancestors(folder):
        if os.path.exists(os.path.join(place, ".git")):
            top = place
            break
        if top is None and any(os.path.exists(os.path.join(place, name)) for name in PROJECT_FILES):
            top = place
    for place in _ancestors(folder):
        yield place
        if top is None or place == top:
            return


def _ancestors(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _requirements(folder: str, package: str) -> Iterator[str]:
    """The specifiers of every requirement on a package in a folder's files."""
    for name, kind in (("pyproject.toml", "pyproject"), ("setup.cfg", "setup_cfg"), ("setup.py", "setup_py")):
        yield from _specifiers(os.path.join(folder, name), kind, package)
    for path in _requirement_files(folder):
        yield from _specifiers(path, "requirement_file", package)


def _specifiers(path: str, kind: str, package: str) -> Iterator[str]:
    text = _text(path)
    if package not in text.lower().replace("_", "-"):
        return
    from v5lint.document import UnreadableError
    from v5lint.metadata import requirements_in

    try:
        requirements = requirements_in(kind, text)
    except UnreadableError:
        return  # where v5lint is to lint that file, it says so
    yield from (requirement.specifier for requirement in requirements if requirement.name == package)


def _requirement_files(folder: str) -> Iterator[str]:
    for place, start in ((folder, "requirements"), (os.path.join(folder, "requirements"), "")):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        yield from (os.path.join(place, name) for name in names if name.startswith(start) and name.endswith(".txt"))


def _text(path: str) -> str:
    from v5lint.document import UnreadableError
    from v5lint.reading import mark_of, read_bytes

    try:
        raw = read_bytes(path)
    except UnreadableError:
        return ""
    return raw.decode(mark_of(raw)[1], errors="replace").lstrip("\ufeff")

"""The oldest transformers release that a project says it supports, read from its own requirements.

Read are `pyproject.toml` (PEP 621, PEP 735, Poetry, uv, PDM), `setup.cfg`, `requirements*.txt`, `requirements/*.txt`
and the strings of `setup.py` that are requirements: `install_requires`, `extras_require`, tables that feed them.
"""

from __future__ import annotations

import os
import re

from v5lint.releases import parse_release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from v5lint.releases import Release

_V5: Release = (5,)

#: A requirement on transformers itself: not on `transformers-interpret` or `sentence-transformers`.
_REQUIREMENT = re.compile(r"\s*transformers\s*(?:\[[^\]]*\])?\s*(?![\w.-])\(?([^;#)]*)", re.IGNORECASE)
_BOUNDED = re.compile(r"transformers\s*(?:\[[^\]]*\])?\s*\(?[<>=!~]")
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>|\^|~|)\s*v?([0-9][0-9A-Za-z.+-]*?)(\.\*)?\s*$")

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
    for place in _upwards(folder):
        requirements = list(_requirements(place))
        if requirements:
            bounds = [bound for bound in map(lower_bound, requirements) if bound]
            return min(bounds, default=None)
    return None


def lower_bound(specifier: str) -> Release | None:
    """The lower bound of the specifiers of one requirement: ">=4.40,<6" gives (4, 40).

    Poetry's `^4.40` and `~4.40` are understood.

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


def _requirements(folder: str) -> Iterator[str]:
    """The specifiers of every requirement on transformers in a folder's files."""
    for name, lines in (
        ("pyproject.toml", _from_pyproject),
        ("setup.cfg", _from_setup_cfg),
        ("setup.py", _from_setup_py),
    ):
        text = _text(os.path.join(folder, name))
        if "transformers" in text.lower():
            yield from _specifiers(lines(text))
    for path in _requirement_files(folder):
        yield from _specifiers(_text(path).splitlines())


def _specifiers(requirements: Iterable[str]) -> Iterator[str]:
    for requirement in requirements:
        if match := _REQUIREMENT.match(requirement):
            yield match[1].strip()


def _requirement_files(folder: str) -> Iterator[str]:
    for place, start in ((folder, "requirements"), (os.path.join(folder, "requirements"), "")):
        try:
            names = os.listdir(place)
        except OSError:
            continue
        yield from (os.path.join(place, name) for name in names if name.startswith(start) and name.endswith(".txt"))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _from_pyproject(text: str) -> Iterator[str]:
    from v5lint.toml import TOMLDecodeError, loads

    try:
        data = loads(text)
    except TOMLDecodeError:
        return
    yield from _strings(_get(data, "project", "dependencies"))
    yield from _strings(_get(data, "project", "optional-dependencies"))
    yield from _strings(_get(data, "dependency-groups"))
    yield from _strings(_get(data, "tool", "uv", "dev-dependencies"))
    yield from _strings(_get(data, "tool", "pdm", "dev-dependencies"))
    poetry = _get(data, "tool", "poetry")
    groups = _get(poetry, "group")
    tables = [_get(poetry, "dependencies"), _get(poetry, "dev-dependencies")]
    if isinstance(groups, dict):
        tables += [_get(group, "dependencies") for group in groups.values()]
    for table in tables:
        constraints = _get(table, "transformers")
        for constraint in constraints if isinstance(constraints, list) else [constraints]:
            version = _get(constraint, "version") if isinstance(constraint, dict) else constraint
            if isinstance(version, str):
                yield f"transformers {'' if version == '*' else version}"


def _get(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _strings(data: Any) -> Iterator[str]:
    """All strings in lists, or in the lists of a table."""
    if isinstance(data, dict):
        data = [item for value in data.values() if isinstance(value, list) for item in value]
    if isinstance(data, list):
        yield from (item for item in data if isinstance(item, str))


def _from_setup_cfg(text: str) -> Iterator[str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    values = [parser.get("options", "install_requires", fallback="")]
    if parser.has_section("options.extras_require"):
        values += [value for _, value in parser.items("options.extras_require")]
    for value in values:
        yield from value.splitlines()


def _from_setup_py(text: str) -> Iterator[str]:
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _BOUNDED.match(node.value):
            yield node.value

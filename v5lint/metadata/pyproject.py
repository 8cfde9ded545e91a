"""`pyproject.toml`: PEP 621, PEP 735, Poetry, uv, PDM, Hatch."""

from __future__ import annotations

import re

from v5lint.document import UnreadableError
from v5lint.metadata.requirement import Requirement, from_poetry, parse
from v5lint.toml import TOMLDecodeError, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_STRING_OR_COMMENT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"(?P<basic>(?:[^"\\\n]|\\.)*)"|\'(?P<literal>[^\'\n]*)\'|#[^\n\r]*',
    re.DOTALL,
)
_LINE = re.compile(r"[^\r\n]+")
_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_POETRY = re.compile(r"tool\.poetry(\.group\.[^.]+)?\.(dev-)?dependencies(\.(?P<package>[\w.-]+))?\Z")
_ENTRY = re.compile(r"\s*[\"']?(?P<name>[\w.-]+)[\"']?\s*=\s*(?P<value>.*)$")
_STRING = re.compile(r"\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'")
_VERSION = re.compile(r"\bversion\s*=\s*(?:" + _STRING.pattern + ")")
_EXTRAS = re.compile(r"\bextras\s*=\s*(?P<list>\[[^\]]*\])")
_PYTHON = re.compile(r"\s*requires-python\s*=\s*(?:" + _STRING.pattern + ")")


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a text.

    Raises:
        UnreadableError: it is not TOML.
    """
    try:
        data = loads(text)
    except TOMLDecodeError as error:
        row = re.search(r"at line (\d+)", str(error))
        raise UnreadableError(f"it is not TOML: {error}", row=int(row[1]) if row else 0) from None
    library = set(_strings(_get(data, "project", "dependencies")))
    library |= set(_strings(_get(data, "project", "optional-dependencies")))
    other = set(_strings(_get(data, "dependency-groups")))
    other |= set(_strings(_get(data, "tool", "uv", "dev-dependencies")))
    other |= set(_strings(_get(data, "tool", "pdm", "dev-dependencies")))
    for environment in (_get(data, "tool", "hatch", "envs") or {}).values():
        other |= set(_strings(_get(environment, "dependencies")))
        other |= set(_strings(_get(environment, "extra-dependencies")))
    if library or other:
        for match in _STRING_OR_COMMENT.finditer(text):
            which = "basic" if match["basic"] is not None else "literal"
            written = match[which]
            if written is not None and written in library | other:
                requirement = parse(written, match.start(which), is_library=written in library)
                if requirement:
                    yield requirement
    yield from _by_table(text)


def _by_table(text: str) -> Iterator[Requirement]:
    """What is written as `package = versions`, and the Python that a project needs."""
    table = ""
    for line in _LINE.finditer(text):
        if header := _TABLE.match(line[0]):
            table = header[1]
            continue
        if table == "project" and (python := _PYTHON.match(line[0])):
            which = "double" if python["double"] is not None else "single"
            span = (line.start() + python.start(which), line.start() + python.end(which))
            yield Requirement("python", python[which], span, span, is_library=True)
        if (poetry := _POETRY.match(table)) and (entry := _ENTRY.match(line[0])):
            yield from _from_poetry(poetry["package"], entry, line.start())


def _from_poetry(package: str | None, entry: re.Match[str], at: int) -> Iterator[Requirement]:
    """A line of one of Poetry's tables: `name = "^4.30"`, `name = {version = "^4.30"}`, or one of `[….name]`."""
    value, first = entry["value"], entry.start("value")
    extras: tuple[str, ...] = ()
    names_of_extras = (0, 0)
    if package is not None or value.startswith(("{", "[")):
        versions = list(_VERSION.finditer(entry[0]))
        if listed := _EXTRAS.search(value):
            extras = tuple(re.findall(r"[\"']([^\"']+)[\"']", listed["list"]))
            names_of_extras = (at + first + listed.start("list"), at + first + listed.end("list"))
    else:
        versions = list(_STRING.finditer(entry[0], first))[:1]
    for match in versions:
        start, end = match.span("double" if match["double"] is not None else "single")
        yield Requirement(
            package or entry["name"],
            from_poetry(entry[0][start:end]),
            (at + entry.start("name"), at + len(entry[0].rstrip())),
            (at + start, at + end),
            style="poetry",
            extras=extras,
            names_of_extras=names_of_extras,
            is_library=True,
        )


def _get(data: Any, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _strings(data: Any) -> Iterator[str]:
    """All strings in a list, or in the lists of a table."""
    if isinstance(data, dict):
        data = [item for value in data.values() if isinstance(value, list) for item in value]
    if isinstance(data, list):
        yield from (item for item in data if isinstance(item, str))

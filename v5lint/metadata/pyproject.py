"""`pyproject.toml`: PEP 621, PEP 735, Poetry, uv, PDM, Hatch."""

from __future__ import annotations

import re

from v5lint.document import UnreadableError
from v5lint.metadata import setup_cfg
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
_BY_PACKAGE = re.compile(
    r"tool\.(?:poetry(?:\.group\.[^.]+)?\.(?:dev-)?|pixi(?:\.(?:feature|target)\.[^.]+)*\.(?:pypi-)?)dependencies"
    r"(?:\.(?P<package>[\w.-]+))?\Z"
)
_ENTRY = re.compile(r"\s*(?P<key>[\"']?(?P<name>[\w.-]+)[\"']?)\s*=\s*(?P<value>.*)$")
_STRING = re.compile(r"\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'")
_VERSION = re.compile(r"\bversion\s*=\s*(?:" + _STRING.pattern + ")")
_TABLE_OF_ONE = re.compile(r"\{[^{}]*\}")
_MARKER = re.compile(r"\b(?:python|markers|platform)\s*=\s*(?:" + _STRING.pattern + ")")
_EXTRAS = re.compile(r"\bextras\s*=\s*(?P<list>\[[^\]]*\])")
#: A `tox.ini` that stands in the file as one text, and all that is no end of a line.
_LEGACY_TOX = re.compile(
    r"^legacy_tox_ini\s*=\s*(?P<quotes>\"{3}|'{3})(?P<ini>.*?)(?P=quotes)", re.MULTILINE | re.DOTALL
)
_NO_LINE_END = re.compile(r"[^\r\n]")
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
    for key in ("dev-dependencies", "constraint-dependencies", "override-dependencies"):
        other |= set(_strings(_get(data, "tool", "uv", key)))
    other |= set(_strings(_get(data, "tool", "pdm", "dev-dependencies")))
    for environment in (_get(data, "tool", "hatch", "envs") or {}).values():
        other |= set(_strings(_get(environment, "dependencies")))
        other |= set(_strings(_get(environment, "extra-dependencies")))
    for environment in _environments_of_tox(data):
        other |= set(_strings(_get(environment, "deps")))
    if library or other:
        for match in _STRING_OR_COMMENT.finditer(text):
            which = "basic" if match["basic"] is not None else "literal"
            written = match[which]
            if written is not None and written in library | other:
                requirement = parse(written, match.start(which), is_library=written in library)
                if requirement:
                    yield requirement
    yield from by_table(text, _BY_PACKAGE)
    if (legacy := _LEGACY_TOX.search(text)) is not None:
        start, end = legacy.span("ini")
        yield from setup_cfg.read(_NO_LINE_END.sub(" ", text[:start]) + text[start:end])


def _environments_of_tox(data: Any) -> Iterator[Any]:
    tox = _get(data, "tool", "tox")
    yield _get(tox, "env_run_base")
    yield from (_get(tox, "env") or {}).values()


def by_table(text: str, tables: re.Pattern[str]) -> Iterator[Requirement]:
    """What is written as `package = versions`, and the Python that a project needs.

    Args:
        text: the whole file.
        tables: matches the names of the tables with such entries; its group `package` is what a table is of alone.
    """
    table = going_on = ""
    for line in _LINE.finditer(text):
        if going_on:  # `transformers = [`, and a table a line below it
            yield from _from_tables(going_on, line[0], line.start())
            going_on = "" if "]" in _TABLE_OF_ONE.sub("", line[0]) else going_on
            continue
        if header := _TABLE.match(line[0]):
            table = header[1]
            continue
        if table == "project" and (python := _PYTHON.match(line[0])):
            which = "double" if python["double"] is not None else "single"
            span = (line.start() + python.start(which), line.start() + python.end(which))
            yield Requirement("python", python[which], span, span, is_library=True)
        if (listed := tables.match(table)) and (entry := _ENTRY.match(line[0])):
            package, value = listed["package"], entry["value"]
            if package is not None:
                if entry["name"] == "version":
                    yield from _from_versions(package, line[0], line.start(), entry.start("key"), entry.end("value"))
            elif value.startswith(("{", "[")):
                yield from _from_tables(entry["name"], line[0], line.start(), entry.start("key"))
                going_on = entry["name"] if value.startswith("[") and "]" not in _TABLE_OF_ONE.sub("", value) else ""
            elif string := _STRING.match(value):
                end = entry.start("value") + string.end()
                yield from _from_versions(entry["name"], line[0], line.start(), entry.start("key"), end)


def _from_tables(package: str, line: str, at: int, first: int | None = None) -> Iterator[Requirement]:
    """The tables of a line: `{version = "^4.30", extras = ["torch"]}`, several of them for several markers."""
    tables = list(_TABLE_OF_ONE.finditer(line))
    for table in tables:
        start = table.start() if first is None or len(tables) > 1 else first
        if version := _VERSION.search(line, table.start(), table.end()):
            listed = _EXTRAS.search(line, table.start(), table.end())
            marker = _MARKER.search(line, table.start(), table.end())
            yield from _from_versions(
                package, line, at, start, table.end(), version, listed, marker[0] if marker else ""
            )


def _from_versions(
    package: str,
    line: str,
    at: int,
    first: int,
    last: int,
    version: re.Match[str] | None = None,
    listed: re.Match[str] | None = None,
    marker: str = "",
) -> Iterator[Requirement]:
    """A requirement whose versions are a string of their own, after a first place in a line.

    Args:
        package: the package.
        line: the line.
        at: the offset of the line.
        first: the column of the requirement.
        last: the column after it.
        version: the match of the versions; None for the first string behind `=`.
        listed: the match of the extras.
        marker: what narrows it down.
    """
    version = version or _STRING.search(line, line.index("=", first), last)
    if not version:
        return
    start, end = version.span("double" if version["double"] is not None else "single")
    extras: tuple[str, ...] = ()
    names_of_extras = (0, 0)
    if listed:
        extras = tuple(re.findall(r"[\"']([^\"']+)[\"']", listed["list"]))
        names_of_extras = (at + listed.start("list"), at + listed.end("list"))
    yield Requirement(
        package,
        from_poetry(line[start:end]),
        (at + first, at + last),
        (at + start, at + end),
        style="poetry",
        extras=extras,
        names_of_extras=names_of_extras,
        marker=marker,
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
